"""Fig 2 of arXiv:2107.07518: the (m_X, g_X) plane of L_mu - L_tau."""

import xarray as xr

from zscan.results.figures.layers import Band, Excluded
from zscan.results.figures.plot import FigureSpec, Panel

LAYERS = (
    Excluded("trident_ccfr", r"CCFR, $\nu$ trident"),
    Excluded("trident_nutev", r"NuTeV, $\nu$ trident"),
    Excluded("borexino", r"Borexino, $^7$Be"),
    Band("delta_a_mu", r"$(g-2)_\mu$"),
)


def _panels(data: xr.Dataset) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=r"$L_\mu - L_\tau$"),)


SPEC = FigureSpec(
    number="2",
    card="fig2",
    axes=("m_X", "g_X"),
    panels=_panels,
    caption=(
        "L_mu - L_tau with the kinetic mixing of the mu-tau loop, none at high scales. "
        "NSI vanish identically: electrons and quarks carry no charge, and kinetic mixing cancels in neutral matter. "
        "Not drawn: resonance searches (BaBar 4mu, Belle II), NA62 K -> mu nu X and the projections of NA64mu, M3, "
        "Belle II and NA62, which this version does not evaluate; ATLAS (1906.09272), whose curve is not available."
    ),
)
