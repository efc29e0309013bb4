"""Fig 1 of arXiv:2107.07518: (m_X, g_V) planes, X with muon couplings; a panel per g_A/g_V."""

import math
from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.curves import VerticalLines
from zscan.results.figures.layers import Band, Excluded, Favoured
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import held_text

BIN_EDGES = (math.sqrt(1.1), math.sqrt(6.0))
LAYERS = (
    Excluded("trident_ccfr", filled=True),
    Excluded("trident_nutev", filled=True),
    Favoured("r_k"),
    VerticalLines(BIN_EDGES, r"$m_X^2$ at the bin edges"),
    Band("delta_a_mu"),
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return tuple(
        Panel(
            LAYERS,
            {"g_A_over_g_V": ratio},
            held_text("g_A_over_g_V", ratio),
            ylabel=r"$g_V$",
            order=("trident_ccfr", "trident_nutev"),
        )
        for ratio in maps[0]["g_A_over_g_V"].values
    )


SPEC = FigureSpec(
    number="1",
    cards=("fig1",),
    axes=("m_X", "g_V"),
    panels=_panels,
    columns=4,
    size=(7.0, 4.0),
    legend="cell",
    note=(
        "X coupled to muons (vector g_V, axial g_A), nu_mu (g_V - g_A) and b -> s (left-handed); "
        "width from muons and neutrinos. R_K: shaded where some |g_sb| <= 9.05e-9 m_X/GeV, the "
        "bound from B+ -> K+ X with BR < 1.6e-5 (provisional), brings it to within the range; "
        "phase of the width as in the published figure."
    ),
)
