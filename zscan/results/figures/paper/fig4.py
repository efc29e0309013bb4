"""Fig 4 of arXiv:2107.07518: L_mu - L_e without and with kinetic mixing."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded
from zscan.results.figures.plot import FigureSpec, Panel

LAYERS = (
    Excluded("nsi", "NSI, oscillations"),
    Excluded("matter", r"oscillations in matter $^\dagger$"),
    Excluded("charm2", r"CHARM-II, $\nu e$ $^\dagger$"),
    Excluded("n_eff", r"$N_{\rm eff}$ $^\dagger$"),
    Excluded("searches/BaBar_Lees2017lec", r"BaBar, $\gamma$ + inv."),
    Excluded("searches/BaBar_Lees2014xha", r"BaBar, $\gamma\ell\ell$"),
    Excluded("trident_ccfr", r"CCFR, $\nu$ trident"),
    Excluded("coherent", "COHERENT, CsI"),
    Excluded("searches/NA64_NA642019imj", "NA64, invisible"),
    Excluded("borexino", r"Borexino, $^7$Be"),
    Excluded("searches/NA62_CortinaGil2019nuo", r"NA62, $\pi^0\to\gamma X$"),
    Excluded("searches/LHCb_Aaij2019bvg_prompt", r"LHCb, $\mu\mu$"),
    Band("delta_a_mu", r"$(g-2)_\mu$"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (
        Panel(LAYERS, title=r"$L_\mu - L_e$, $\epsilon = 0$"),
        Panel(LAYERS, title=r"$L_\mu - L_e$, $\epsilon = -g_X/e$", map=1),
    )


SPEC = FigureSpec(
    number="4",
    cards=("fig4-left", "fig4-right"),
    axes=("m_X", "g_X"),
    panels=_panels,
    columns=2,
    size=(4.8, 4.0),
    legend="right",
    caption=(
        "Left: L_mu - L_e without kinetic mixing; right: eps = -g_X/e, which decouples the "
        "electron. A layer that does not exist in a panel is empty there: no quark coupling on the "
        "left, no electron coupling on the right. NSI bounds are provisional. COHERENT: chi2 above "
        "its minimum over g_X at the same mass by 3.84 (95 %, one degree of freedom). "
        "Layers with a dagger go beyond the paper."
    ),
)
