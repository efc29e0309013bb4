"""Fig 6 of arXiv:2107.07518: the (m_X, g_X) plane of the chiral models."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded
from zscan.results.figures.plot import FigureSpec, Panel

LAYERS = (
    Excluded("searches/BaBar_Lees2017lec", r"BaBar, $\gamma$ + inv. $^\dagger$"),
    Excluded("searches/BaBar_Lees2014xha", r"BaBar, $\gamma\ell\ell$ $^\dagger$"),
    Excluded("searches/BaBar_TheBABAR2016rlg", r"BaBar, $4\mu$ $^\dagger$"),
    Excluded("trident_ccfr", r"CCFR, $\nu$ trident"),
    Excluded("kmunux", r"NA62, $K\to\mu\nu X$ $^\dagger$"),
    Excluded("searches/NA64_NA642019imj", r"NA64, invisible $^\dagger$"),
    Excluded("borexino", r"Borexino, $^7$Be"),
    Excluded("charm2", r"CHARM-II, $\nu e$ $^\dagger$"),
    Excluded("n_eff", r"$N_{\rm eff}$ $^\dagger$"),
    Band("delta_a_mu", r"$(g-2)_\mu$"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (
        Panel(LAYERS, title="chiral model"),
        Panel(LAYERS, title="partner: left and right exchanged", map=1),
    )


SPEC = FigureSpec(
    number="6",
    cards=("fig6", "fig6-partner"),
    axes=("m_X", "g_X"),
    panels=_panels,
    columns=2,
    size=(4.8, 4.0),
    legend="right",
    caption=(
        "Electron purely axial, muon nearly vectorial, no quark charges, no kinetic mixing. Layers "
        "with a dagger go beyond the paper: searches recast with axial couplings (acceptance as "
        "for vector ones) and K -> mu nu X with its 1/m_X^2 growth. NSI and COHERENT vanish: no "
        "vector coupling to electrons and quarks. "
        "CHARM-II excludes the whole band of both models."
    ),
)
