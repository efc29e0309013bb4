"""Constraints from the electron: its anomalous magnetic moment, for two values of alpha that
disagree.
"""

from __future__ import annotations

from zscan.constants import M_E
from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.kernels import g2


def _delta_a_e(point: Point, _: Measured) -> Prediction:
    # Virtual, as for the muon: mixing at q2 = 0
    x = point.virtual
    return Prediction(g2.delta_a(point.m_X, x.e.V, x.e.A, M_E.value))


CONSTRAINTS = (
    Constraint(
        "electron_g2_rb",
        "electron anomalous magnetic moment, alpha from rubidium",
        "Delta a_e",
        _delta_a_e,
        ("Jegerlehner:2009ry",),
    ),
    Constraint(
        "electron_g2_cs",
        "electron anomalous magnetic moment, alpha from caesium",
        "Delta a_e",
        _delta_a_e,
        ("Jegerlehner:2009ry",),
    ),
)
