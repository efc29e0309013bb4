"""Fig 5 of arXiv:2107.07518: the (m_X, g_X) plane of 9 B_3 - 8 L_mu - L_tau."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, Projected
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import title

LAYERS = (
    Excluded("trident_ccfr", filled=True),
    Excluded("kmunux", filled=True),
    Excluded("searches/BaBar_TheBABAR2016rlg", filled=True),
    Excluded("d_mixing", filled=True),
    Projected("d_to_pi", r"$D^+\to\pi^+X$, recast (prov.)"),
    Band("delta_a_mu"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=title(maps[0])),)


SPEC = FigureSpec(
    number="5",
    cards=("fig5",),
    axes=("m_X", "g_X"),
    panels=_panels,
    note=(
        "Down-aligned: the u-c coupling comes from V_ub V_cb. D0 mixing for real couplings (x12 < "
        "0.5 %), not evaluated for 0.85 < m_X < 2 GeV. D+ -> pi+ X: CLEO as recast in "
        "arXiv:2002.04623, times BR(X -> nu nubar); trusted up to a few hundred MeV."
    ),
)
