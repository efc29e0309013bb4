"""Constraints from two-body decays with an X that is not seen: B -> K X, B -> K* X, K -> pi X, Z ->
gamma X.

The first four compare with measurements that depend on m_X, see `zscan.constraints.curves`. Their
observable is the deviation (BR - best fit)/sigma at the mass of X, so that all are measurements of
0 with error 1; the branching ratio itself, times the probability that X is not seen, is the derived
observable NAME_rate. Excluded at 90 % is BR > best fit + 1.645 sigma. They apply to an X that is
narrow, width/m_X < 1 %."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.constants import M_Z
from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.constraints.curves import load_curve
from zscan.kernels import _flight, btokx, fcnc
from zscan.kernels._btokll import INPUTS

WIDEST = 0.01  # width over mass up to which a peak counts as a two-body decay
_DOES_NOT_APPLY = Prediction(np.float64(np.nan), applies=False)  # type: ignore[arg-type]

Rate = Callable[[Array, Array], Array]
Masses = tuple[float, float]  # of the decaying and of the other produced particle


def unseen(point: Point, length: float, p: Array | float) -> Array:
    """The probability that X is not seen: it decays invisibly, or `length` [m] away from where it
    was made with momentum p [GeV].
    """
    return point.invisible + (1 - point.invisible) * _flight.escaped(
        point.m_X, point.width, length, p
    )


def _deviation(
    point: Point, measured: Measured, *, name: str, coupling: str, rate: Rate, masses: Masses
) -> Prediction:
    """A decay with the curve `options.curve`, a detector of `options.length` [m], and, where the
    parent is not at rest, `options.momentum` of X [GeV].

    delta chi2 is relative to no signal at each mass; with `options.limit` no less than 0, so that
    the data may exclude a signal but not prefer one."""
    g = getattr(point, coupling)
    if g is None:
        return _DOES_NOT_APPLY
    options = measured[name].options
    best, sigma, valid = load_curve(options.get("curve", "")).at(point.m_X)
    p = options.get("momentum", _flight.momentum(point.m_X, *masses))
    branching_ratio = rate(point.m_X, g) * unseen(point, options.get("length", 1.0), p)
    deviation, without = (branching_ratio - best) / sigma, -best / sigma
    zero = without**2
    if options.get("limit", False):
        zero = jnp.minimum(zero, deviation**2)
    narrow = point.width <= WIDEST * point.m_X
    return Prediction(
        deviation, {f"{name}_rate": branching_ratio}, applies=valid & narrow, chi2_zero=zero
    )


def _kstar(m_X: Array, g_sb: Array) -> Array:
    """g_sb is taken as left-handed: B -> K* X sees the difference of left and right."""
    return btokx.branching_ratio_kstar(m_X, g_sb)


def _z_gamma_x(point: Point, measured: Measured) -> Prediction:
    """Only for a model whose anomaly is emitted, see `zscan.models.Model`."""
    if point.anomaly is None:
        return _DOES_NOT_APPLY
    rate = fcnc.branching_ratio_z_gamma(point.m_X, *point.anomaly, 1.0)
    p = _flight.momentum(point.m_X, M_Z.value, 0.0)
    return Prediction(rate * unseen(point, measured["z_gamma_x"].options.get("length", 1.0), p))


def _two_body(
    name: str,
    decay: str,
    coupling: str,
    rate: Rate,
    masses: Masses,
    references: tuple[str, ...],
    m_X_range: tuple[float, float] = (0.0, math.inf),
) -> Constraint:
    predict = partial(_deviation, name=name, coupling=coupling, rate=rate, masses=masses)
    return Constraint(
        name,
        f"{decay}, X not seen, at its mass",
        f"(BR({decay}) - best fit)/sigma",
        predict,
        references,
        derived={f"{name}_rate": (f"BR({decay}) times the probability that X is not seen", "1")},
        m_X_range=m_X_range,
    )


_B_TO_K = (btokx.branching_ratio, (INPUTS["m_B"], INPUTS["m_K"]))
_B_TO_KSTAR = (_kstar, (INPUTS["m_B0"], INPUTS["m_Kstar0"]))
_K_TO_PI = (fcnc.branching_ratio_k_pi, (fcnc.M_K_PLUS.value, fcnc.M_PI_PLUS.value))
_FLAG = ("FLAG:2021npc",)
_KL_TO_PI0 = (fcnc.branching_ratio_kl_pi0, (fcnc.M_K_L.value, fcnc.M_PI_0.value))

CONSTRAINTS = (
    _two_body("b_to_k_x_babar", "B+ -> K+ X", "g_sb", *_B_TO_K, ("Gubernari:2023puw",)),
    _two_body(
        "b_to_k_x_belle2",
        "B+ -> K+ X",
        "g_sb",
        *_B_TO_K,
        ("Gubernari:2023puw",),
        m_X_range=(0.0, 4.3),  # beyond it the kaon is too slow
    ),
    _two_body("b_to_kstar_x_babar", "B0 -> K*0 X", "g_sb", *_B_TO_KSTAR, ("Straub:2015ica",)),
    _two_body("k_to_pi_x_na62", "K+ -> pi+ X", "g_sd", *_K_TO_PI, _FLAG),
    _two_body("kl_to_pi0_x_koto", "K_L -> pi0 X", "g_sd", *_KL_TO_PI0, _FLAG),
    Constraint(
        "z_gamma_x",
        "Z -> gamma X, X not seen, of an anomalous current",
        "BR(Z -> gamma X, X not seen)",
        _z_gamma_x,
        ("Dror:2017ehi", "Dror:2017nsg"),
    ),
)
