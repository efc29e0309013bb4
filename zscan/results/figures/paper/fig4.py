"""Fig 4 of arXiv:2107.07518: L_mu - L_e without and with kinetic mixing."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, beyond_the_paper
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import title

LAYERS = (
    Excluded("nsi", filled=True),
    Excluded("matter", filled=False, beyond=True),
    Excluded("charm2", beyond=True),
    Excluded("n_eff", beyond=True),
    Excluded("searches/BaBar_Lees2017lec", filled=True),
    Excluded("searches/BaBar_Lees2014xha"),
    Excluded("trident_ccfr"),
    Excluded("coherent", filled=True),
    Excluded("searches/NA64_NA642019imj", filled=True),
    Excluded("borexino", filled=True),
    Excluded("searches/NA62_CortinaGil2019nuo", filled=True),
    Excluded("searches/LHCb_Aaij2019bvg_prompt", filled=True),
    Band("delta_a_mu"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return tuple(
        Panel(LAYERS, title=title(data, zero=True), map=number) for number, data in enumerate(maps)
    )


SPEC = FigureSpec(
    number="4",
    cards=("fig4-left", "fig4-right"),
    axes=("m_X", "g_X"),
    panels=_panels,
    columns=2,
    size=(9.0, 4.6),
    beyond=beyond_the_paper(LAYERS),
    note=(
        "A layer that does not exist in a panel is absent there. NSI bounds are provisional. "
        "Layers with a dagger go beyond the paper."
    ),
)
