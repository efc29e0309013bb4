"""Fig 5 of arXiv:2107.07518: the (m_X, g_X) plane of 9 B_3 - 8 L_mu - L_tau."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, Projected
from zscan.results.figures.plot import FigureSpec, Panel

LAYERS = (
    Excluded("trident_ccfr", r"CCFR, $\nu$ trident"),
    Excluded("kmunux", r"NA62, $K\to\mu\nu X$"),
    Excluded("searches/BaBar_TheBABAR2016rlg", r"BaBar, $4\mu$"),
    Excluded("d_mixing", r"$D^0$ mixing"),
    Projected("d_to_pi", r"$D^+\to\pi^+ X$, recast"),
    Band("delta_a_mu", r"$(g-2)_\mu$"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=r"$9B_3 - 8L_\mu - L_\tau$"),)


SPEC = FigureSpec(
    number="5",
    cards=("fig5",),
    axes=("m_X", "g_X"),
    panels=_panels,
    legend="right",
    caption=(
        "Third-family quarks only, down-aligned: u-c coupling from V_ub V_cb. D0 mixing for real "
        "couplings (x12 < 0.5 %), not evaluated for 0.85 < m_X < 2 GeV. D+ -> pi+ X: CLEO as "
        "recast in arXiv:2002.04623, times BR(X -> nu nubar); trusted up to a few hundred MeV. No "
        "kinetic mixing: electron, COHERENT and NSI layers do not exist."
    ),
)
