"""Fig 6 of arXiv:2107.07518: the (m_X, g_X) plane of the chiral models."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, beyond_the_paper
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import title

LAYERS = (
    Excluded("searches/BaBar_Lees2017lec", beyond=True),
    Excluded("searches/BaBar_Lees2014xha", filled=False, beyond=True),
    Excluded("searches/BaBar_TheBABAR2016rlg", filled=True, beyond=True),
    Excluded("trident_ccfr", filled=True),
    Excluded("kmunux", filled=True, beyond=True),
    Excluded("searches/NA64_NA642019imj", beyond=True),
    Excluded("borexino", filled=True),
    Excluded("charm2", filled=True, beyond=True),
    Excluded("n_eff", beyond=True),
    Band("delta_a_mu"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return tuple(Panel(LAYERS, title=title(data), map=number) for number, data in enumerate(maps))


SPEC = FigureSpec(
    number="6",
    cards=("fig6", "fig6-partner"),
    axes=("m_X", "g_X"),
    panels=_panels,
    columns=2,
    size=(9.0, 4.6),
    beyond=beyond_the_paper(LAYERS),
    note=(
        "Layers with a dagger go beyond the paper: searches recast with axial couplings "
        "(acceptance as for vector ones), K -> mu nu X with its 1/m_X^2 growth, CHARM-II, N_eff."
    ),
)
