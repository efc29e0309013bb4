"""Fig 8 of arXiv:2107.07518: masses of two leptoquarks that make the muon mass and explain g-2."""

from collections.abc import Sequence
from typing import Any

import xarray as xr

from zscan.errors import ParameterError
from zscan.results.figures.curves import Levels
from zscan.results.figures.layers import Band, Favoured
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import held_text

_COUPLING = r"$\lambda_L\lambda_R\sin 2\theta$ that gives $m_\mu$"
_BAND = (
    Levels("muon_mass_coupling", (0.01, 0.03, 0.1, 0.3), _COUPLING),
    Favoured("delta_a_mu", r"$(g-2)_\mu$ explained,", 1.0),
    Band("delta_a_mu", 1.0),
)
_NEGATIVE = Levels(
    "delta_a_mu",
    (-2e3, -1e3, -500, -200, -100, -50),
    r"$\Delta a_\mu/10^{-11}$",
    1e-11,
    ("delta_a_mu",),
    "#0072b2",
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    charges = maps[0]["Q_S"].values
    if charges.size != 2:
        raise ParameterError(f"axis.Q_S has {charges.size} values; Fig 8 compares two leptoquarks")
    S_1, R_2 = charges
    labels: dict[str, Any] = {
        "xlabel": r"$M_2$ [TeV]",
        "ylabel": r"$M_1$ [TeV]",
        "xscale": "linear",
        "yscale": "linear",
        "unit": 1e3,
    }
    return (
        Panel(_BAND, {"Q_S": R_2}, held_text("Q_S", R_2), **labels),
        Panel((*_BAND[1:], _NEGATIVE), {"Q_S": S_1}, held_text("Q_S", S_1), **labels),
    )


SPEC = FigureSpec(
    number="8",
    cards=("fig8",),
    axes=("M_2", "M_1"),
    panels=_panels,
    columns=2,
    size=(7.0, 4.1),
    legend="below",
    note=(
        "Two scalar leptoquarks whose loop with the top makes the whole muon mass. The ratio Delta "
        "a_mu / m_mu depends on the masses alone: couplings and mixing cancel. M_1 and M_2 enter "
        "symmetrically. The level of the band, 1 sigma, is a choice."
    ),
)
