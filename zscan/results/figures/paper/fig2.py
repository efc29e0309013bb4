"""Fig 2 of arXiv:2107.07518: the (m_X, g_X) plane of L_mu - L_tau."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, Projected, beyond_the_paper
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import title

LAYERS = (
    Excluded("trident_ccfr", filled=True),
    Excluded("trident_nutev"),
    Excluded("charm2", beyond=True),
    Excluded("borexino", filled=True),
    Excluded("n_eff", beyond=True),
    Excluded("kmunux", filled=True),
    Excluded("searches/BelleII_Adachi2019otg"),
    Excluded("searches/BaBar_TheBABAR2016rlg", filled=True),
    Excluded("searches/NA64_NA642019imj"),
    Excluded("searches/BaBar_Lees2017lec"),
    Excluded("searches/BaBar_Lees2014xha"),
    Excluded("searches/LHCb_Aaij2019bvg_prompt"),
    Projected("searches/proj_NA64mu"),
    Projected("searches/proj_M3_phase1"),
    Projected("searches/proj_M3_phase2"),
    Projected("searches/proj_BelleII_4mu_50ab_scaled"),
    Projected("searches/proj_BelleII_mumuinv_50ab_scaled"),
    Projected("searches/proj_NA62_Kmunu_Krnjaic"),
    Band("delta_a_mu"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=title(maps[0])),)


SPEC = FigureSpec(
    number="2",
    cards=("fig2",),
    axes=("m_X", "g_X"),
    panels=_panels,
    size=(6.0, 4.8),
    beyond=beyond_the_paper(LAYERS),
    note=(
        "ATLAS (1906.09272) is absent: its curve is not available. NA62 K -> mu nu X is derived, "
        "not the published curve; the Belle II projections are scaled by luminosity, the other "
        "projections are third-party digitisations. Layers with a dagger go beyond the paper."
    ),
)
