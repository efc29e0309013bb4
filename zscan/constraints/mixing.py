"""Constraints from the mixing of neutral mesons, D0, B_s and B_d, with a light or a heavy X.

K0 has a kernel only: the Standard Model's Delta m_K has a part of long distance that is not known.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from zscan.constants import HBAR
from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.constraints.flavour import g_uc
from zscan.kernels import charm, meson_mixing

_PER_PS = 1e-12 / HBAR.value  # of an energy in GeV


def _d_mixing(point: Point, _: Measured) -> Prediction:
    x12 = charm.x12(point.m_X, g_uc(point))
    return Prediction(x12, applies=jnp.isfinite(x12))


def _b_s_mixing(point: Point, _: Measured) -> Prediction:
    """g_sb is taken as left-handed. A profiled one (None) is bounded by B -> K nu nu alone, as in
    the paper; to bound it by mixing too, make it a parameter, or `profile = true` in a card.
    """
    return _mass_difference("B_s", point.m_X, point.g_sb)


def _b_d_mixing(point: Point, _: Measured) -> Prediction:
    """g_bd is taken as left-handed, and real in the usual phases of the CKM matrix."""
    return _mass_difference("B_d", point.m_X, point.g_bd)


def _mass_difference(meson: str, m_X: Array, g: Array | None) -> Prediction:
    """Delta M of a B meson [1/ps]; does not apply without a coupling or near m_b."""
    if g is None:
        return Prediction(jnp.full((), jnp.nan), applies=False)
    standard_model = 2 * _PER_PS * abs(meson_mixing.standard_model_m12(meson))
    value = standard_model * meson_mixing.mass_difference_ratio(meson, m_X, g)
    return Prediction(value, applies=jnp.isfinite(value))


CONSTRAINTS = (
    Constraint(
        "d_mixing",
        "D0 mixing, real couplings, down-aligned",
        "x12",
        _d_mixing,
        ("Smolkovic:2019jow", "Carrasco:2015pra"),
    ),
    Constraint(
        "b_s_mixing",
        "B_s mixing, left-handed coupling of X to b -> s",
        "Delta M_s",
        _b_s_mixing,
        ("Straub:2018kue", "Greljo:2022jac", "FLAG:2021npc"),
        observable_units="ps^-1",
    ),
    Constraint(
        "b_d_mixing",
        "B_d mixing, left-handed coupling of X to b -> d",
        "Delta M_d",
        _b_d_mixing,
        ("Straub:2018kue", "Greljo:2022jac", "FLAG:2021npc"),
        observable_units="ps^-1",
    ),
)
