"""Fig 2 of arXiv:2107.07518: the (m_X, g_X) plane of L_mu - L_tau."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, ExcludedByAny, Projected
from zscan.results.figures.plot import FigureSpec, Panel

LAYERS = (
    Excluded("trident_ccfr", r"CCFR, $\nu$ trident"),
    Excluded("trident_nutev", r"NuTeV, $\nu$ trident"),
    Excluded("charm2", r"CHARM-II, $\nu e$ $^\dagger$"),
    Excluded("borexino", r"Borexino, $^7$Be"),
    Excluded("n_eff", r"$N_{\rm eff}$ $^\dagger$"),
    Excluded("kmunux", r"NA62, $K\to\mu\nu X$"),
    Excluded("searches/BelleII_Adachi2019otg", r"Belle II, $\mu\mu$ + inv."),
    Excluded("searches/BaBar_TheBABAR2016rlg", r"BaBar, $4\mu$"),
    ExcludedByAny(
        (
            "searches/NA64_NA642019imj",
            "searches/BaBar_Lees2017lec",
            "searches/BaBar_Lees2014xha",
            "searches/LHCb_Aaij2019bvg_prompt",
        ),
        "NA64, BaBar, LHCb (by mixing)",
    ),
    Projected("searches/proj_NA64mu", r"NA64$\mu$ (proj.)"),
    Projected("searches/proj_M3_phase1", r"M$^3$ phase 1 (proj.)"),
    Projected("searches/proj_M3_phase2", r"M$^3$ phase 2 (proj.)"),
    Projected("searches/proj_BelleII_4mu_50ab_scaled", r"Belle II, $4\mu$ (proj.)"),
    Projected("searches/proj_BelleII_mumuinv_50ab_scaled", r"Belle II, $\mu\mu$ + inv. (proj.)"),
    Projected("searches/proj_NA62_Kmunu_Krnjaic", r"NA62, $K\to\mu\nu X$ (proj.)"),
    Band("delta_a_mu", r"$(g-2)_\mu$"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=r"$L_\mu - L_\tau$"),)


SPEC = FigureSpec(
    number="2",
    cards=("fig2",),
    axes=("m_X", "g_X"),
    panels=_panels,
    legend="right",
    caption=(
        "L_mu - L_tau with the kinetic mixing of the mu-tau loop, none at high scales. "
        "NSI vanish identically: electrons and quarks carry no charge, and kinetic mixing cancels "
        "in neutral matter. ATLAS (1906.09272) is absent: its curve is not available. NA62 K -> mu "
        "nu X is derived, not the published curve; the Belle II projections are scaled by "
        "luminosity, the other projections are third-party digitisations. "
        "Layers with a dagger go beyond the paper: CHARM-II and N_eff."
    ),
)
