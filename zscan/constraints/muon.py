"""Constraints from the muon: its anomalous magnetic moment."""

from __future__ import annotations

from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.kernels import g2


def _delta_a_mu(point: Point, _: Measured) -> Prediction:
    # X is virtual: its momentum is space-like and of the order of m_mu, so that the mixing is taken
    # at q2 = 0.
    x = point.virtual
    return Prediction(g2.delta_a_mu(point.m_X, x.mu.V, x.mu.A))


CONSTRAINTS = (
    Constraint(
        "delta_a_mu",
        "muon anomalous magnetic moment",
        "Delta a_mu",
        _delta_a_mu,
        ("Jegerlehner:2009ry",),
    ),
)
