"""Fig 5 of arXiv:2107.07518: the (m_X, g_X) plane of 9 B_3 - 8 L_mu - L_tau."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, Projected, beyond_the_paper
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import title

LAYERS = (
    Excluded("trident_ccfr", filled=True),
    Excluded("kmunux", filled=True),
    Excluded("searches/BaBar_TheBABAR2016rlg", filled=True),
    Excluded("d_mixing", filled=True),
    Projected("d_to_pi", r"$D^+\to\pi^+X$, recast (prov.)"),
    Projected("b_to_k_x_babar", r"BaBar, $B\to KX$, loop (prov.)", beyond=True),
    Projected("b_to_k_x_belle2", r"Belle II, $B\to KX$, loop (prov.)", beyond=True),
    Projected("k_to_pi_x_na62", r"NA62, $K\to\pi X$, loop (prov.)", beyond=True),
    Band("delta_a_mu"),
)
BEYOND = beyond_the_paper(LAYERS)
_LOWEST = 1e-7  # coupling below which only the loop is seen


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    (data,) = maps
    held, g_X = data["constraint"].values, data["g_X"].values
    loop = any(name in held for name in BEYOND)
    limits = None if loop or g_X[0] > _LOWEST else (_LOWEST, float(g_X[-1]))
    return (Panel(LAYERS, title=title(data), limits=limits),)


SPEC = FigureSpec(
    number="5",
    cards=("fig5",),
    axes=("m_X", "g_X"),
    panels=_panels,
    size=(6.0, 5.2),
    beyond=BEYOND,
    note=(
        "Down-aligned: the u-c coupling comes from V_ub V_cb. D0 mixing for real couplings (x12 < "
        "0.5 %), not evaluated for 0.85 < m_X < 2 GeV. D+ -> pi+ X: CLEO as recast in "
        "arXiv:2002.04623, times BR(X -> nu nubar); trusted up to a few hundred MeV. Layers with a "
        "dagger go beyond the paper: B+ -> K+ X and K+ -> pi+ X with the couplings that the loop "
        "of the top makes, leading logarithm ln(1 TeV/m_t), a factor of order one unknown."
    ),
)
