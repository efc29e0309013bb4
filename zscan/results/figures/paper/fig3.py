"""Fig 3 of arXiv:2107.07518: the (m_X, g_X) plane of B - 3 L_mu."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Band, Excluded, Projected
from zscan.results.figures.plot import FigureSpec, Panel

LAYERS = (
    Excluded("searches/BaBar_Lees2017lec", r"BaBar, $\gamma$ + inv."),
    Excluded("searches/BaBar_Lees2014xha", r"BaBar, $\gamma\ell\ell$"),
    Excluded("searches/NA64_NA642019imj", "NA64, invisible"),
    Excluded("borexino", r"Borexino, $^7$Be"),
    Excluded("trident_ccfr", r"CCFR, $\nu$ trident"),
    Excluded("nsi", "NSI, oscillations"),
    Excluded("matter", r"oscillations in matter $^\dagger$"),
    Excluded("coherent", "COHERENT, CsI"),
    Excluded("kmunux", r"NA62, $K\to\mu\nu X$"),
    Excluded("searches/NA62_CortinaGil2019nuo", r"NA62, $\pi^0\to\gamma X$"),
    Excluded("searches/LHCb_Aaij2019bvg_prompt", r"LHCb, $\mu\mu$"),
    Projected("searches/reach_LHCb_Ilten2016tkc_prompt", r"LHCb, $\mu\mu$ (proj.)"),
    Band("delta_a_mu", r"$(g-2)_\mu$"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return (Panel(LAYERS, title=r"$B - 3L_\mu$"),)


SPEC = FigureSpec(
    number="3",
    cards=("fig3",),
    axes=("m_X", "g_X"),
    panels=_panels,
    legend="right",
    caption=(
        "B - 3 L_mu with eps/g_X = 1 at all masses (a sizeable mixing; the value in the paper is "
        "not known). NSI bounds are provisional: the tables of arXiv:2009.14220 were not "
        "available. COHERENT: chi2 above its minimum over g_X at the same mass by 3.84 (95 %, one "
        "degree of freedom). "
        "The layer with a dagger, oscillations in matter, goes beyond the paper."
    ),
)
