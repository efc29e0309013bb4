"""Fig 3 of arXiv:2107.07518: the (m_X, g_X) plane of B - 3 L_mu with constant mixing."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, Projected, beyond_the_paper
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import title

LAYERS = (
    Excluded("nsi", filled=True),
    Excluded("matter", filled=False, beyond=True),
    Excluded("coherent", filled=True),
    Excluded("searches/BaBar_Lees2017lec"),
    Excluded("searches/BaBar_Lees2014xha"),
    Excluded("searches/NA64_NA642019imj"),
    Excluded("borexino"),
    Excluded("trident_ccfr"),
    Excluded("kmunux", filled=True),
    Excluded("searches/NA62_CortinaGil2019nuo", filled=True),
    Excluded("searches/LHCb_Aaij2019bvg_prompt", filled=True),
    Projected("searches/reach_LHCb_Ilten2016tkc_prompt"),
    Band("delta_a_mu"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=title(maps[0])),)


SPEC = FigureSpec(
    number="3",
    cards=("fig3",),
    axes=("m_X", "g_X"),
    panels=_panels,
    size=(6.0, 4.8),
    beyond=beyond_the_paper(LAYERS),
    note=(
        "The mixing is a choice: the value in the paper is not known. NSI bounds are provisional: "
        "the tables of arXiv:2009.14220 were not available. Layers with a dagger go beyond the "
        "paper."
    ),
)
