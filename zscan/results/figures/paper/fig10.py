"""Fig 10 of arXiv:2107.07518: the smallest R_K that a vector coupling can give, against m_X."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.curves import Curves, MeasuredRange, VerticalLines
from zscan.results.figures.paper.fig1 import BIN_EDGES
from zscan.results.figures.plot import FigureSpec, Panel

_GUIDES = VerticalLines(BIN_EDGES, r"edges of the bin")
_WIDTHS = ("width_over_m_X", r"\Gamma_X/m_X")


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    r_k = (_GUIDES, MeasuredRange("r_k", "LHCb"), Curves(("r_k",), "r_k_minimum", *_WIDTHS))
    g_V = (_GUIDES, Curves(("r_k",), "g_V_minimum", *_WIDTHS))
    return (
        Panel(
            r_k,
            ylabel=r"smallest $R_K[1.1, 6]$",
            xscale="linear",
            yscale="linear",
            limits=(0.5, 1.05),
        ),
        Panel(
            g_V,
            ylabel=r"$g_V$ at the minimum",
            xscale="linear",
            yscale=("symlog", {"linthresh": 1e-3, "linscale": 0.5}),
            limits=(-2.0, 2.0),
        ),
    )


SPEC = FigureSpec(
    number="10",
    cards=("fig10",),
    axes=("m_X",),
    panels=_panels,
    columns=1,
    size=(5.2, 6.4),
    legend="below",
    sharey=False,
    note=(
        "Smallest R_K over g_V with g_A = 0 and the g_V that attains it for g_sb = 9.05e-9 m_X/GeV "
        "(the smallest R_K does not depend on g_sb, g_V scales as 1/g_sb); phase 'flavio', as "
        "published. The widths shown are a choice."
    ),
)
