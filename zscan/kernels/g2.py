"""Anomalous magnetic moment of a lepton, one-loop X exchange: arXiv:2107.07518 Eqs. (36),
(38)-(40).
"""

from __future__ import annotations

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import M_MU
from zscan.kernels._horner import horner
from zscan.precision import as_float64, in_float64

# s above which the closed form loses more digits than the series in 1/s (which needs s > 4)
_SERIES_FROM = 10.0
_SERIES_TERMS = 48  # (4/10)**48 is below the rounding error of float64
_TAYLOR_BELOW = 0.4  # |w| below which atan(sqrt(w))/sqrt(w) is taken from its alternating series
_TAYLOR_TERMS = 40


@in_float64
def delta_a_mu(m_X: ArrayLike, g_V: ArrayLike, g_A: ArrayLike) -> Float[Array, "..."]:
    """Contribution of a vector X to a_mu = (g-2)/2 of the muon: `delta_a` with m_lepton = m_mu.

    m_X [GeV] and the dimensionless couplings broadcast; NaN for m_X <= 0. Errors and source as
    there.

    >>> float(delta_a_mu(0.1, 9.4620e-4, 0.0))  # the central value of 2021, 251e-11
    2.5100...e-09
    """
    return delta_a(m_X, g_V, g_A, M_MU.value)


@in_float64
def delta_a(
    m_X: ArrayLike, g_V: ArrayLike, g_A: ArrayLike, m_lepton: ArrayLike
) -> Float[Array, "..."]:
    """Contribution of a vector X to a = (g-2)/2 of a lepton of mass m_lepton [GeV].

    Delta a = [ g_V^2 I_V(s) - g_A^2 I_A(s) ] / (4 pi^2),  s = m_X^2/m_lepton^2,

    for the coupling X_a lbar gamma^a (g_V + g_A gamma5) l. The arguments (GeV, dimensionless,
    dimensionless, GeV) broadcast against each other; the loop functions are evaluated on the shape
    of m_X and m_lepton only.

    Valid for m_X > 0 and m_lepton > 0 (NaN otherwise). Relative error <= 1e-11 for m_X/m_lepton
    from 1e-4 to 1e8, gradients <= 1e-10; float32 input is computed in float64. Source:
    arXiv:2107.07518 Eqs. (36), (38)-(40); arXiv:0902.3360 sec. 7.

    >>> f"{float(delta_a(0.01, 1e-4, 0.0, 0.51099895e-3)):.4e}"  # the electron
    '2.1368e-13'
    """
    m_X, g_V, g_A, m_lepton = as_float64(m_X, g_V, g_A, m_lepton)
    vector, axial = loop_functions(m_X, m_lepton)
    return (g_V**2 * vector - g_A**2 * axial) / (4 * math.pi**2)


@in_float64
def loop_functions(
    m_X: ArrayLike, m_lepton: ArrayLike = M_MU.value
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The loop functions I_V and I_A of `delta_a` at m_X [GeV], on the shape of m_X and m_lepton
    [GeV]; NaN unless both are positive.

    I_V = int_0^1 z^2 (1-z)/D dz, I_A = int_0^1 [z(1-z)(4-z) + 2 z^3/s]/D dz, D = z^2 + s(1-z). Both
    are positive and fall monotonically; I_V -> 1/2 and I_A -> 1/s for m_X -> 0, 1/(3s) and 5/(3s)
    for m_X -> infinity."""
    m_X, m_lepton = as_float64(m_X, m_lepton)
    positive = (m_X > 0) & (m_lepton > 0)
    s = (jnp.where(positive, m_X, 1.0) / jnp.where(m_lepton > 0, m_lepton, 1.0)) ** 2
    heavy = s > _SERIES_FROM
    light_V, light_A = _closed_form(jnp.where(heavy, 1.0, s))
    heavy_V, heavy_A = _heavy_series(jnp.where(heavy, s, _SERIES_FROM))
    vector, axial = jnp.where(heavy, heavy_V, light_V), jnp.where(heavy, heavy_A, light_A)
    return jnp.where(positive, vector, jnp.nan), jnp.where(positive, axial, jnp.nan)


def _closed_form(s: Array) -> tuple[Array, Array]:
    log_s = jnp.log(s)
    J = 2 / s * _atan_ratio((4 - s) / s)  # int_0^1 dz/D
    vector = 0.5 - s - s / 2 * (2 - s) * log_s - s / 2 * (s**2 - 4 * s + 2) * J
    axial = 1 / s - 2.5 + s - (s**2 - 4 * s + 2) / 2 * log_s + s / 2 * (s - 2) * (s - 4) * J
    return vector, axial


def _atan_ratio(w: Array) -> Array:
    """atan(sqrt(w))/sqrt(w), for w < 0 as atanh(sqrt(-w))/sqrt(-w); smooth through w = 0."""
    small = jnp.abs(w) < _TAYLOR_BELOW
    above = jnp.where(~small & (w > 0), w, 1.0)
    below = jnp.where(~small & (w < 0), -w, 0.25)
    taylor = horner(_ATAN_SERIES, jnp.where(small, w, 0.0))
    root_above, root_below = jnp.sqrt(above), jnp.sqrt(below)
    outside = jnp.where(
        w > 0, jnp.arctan(root_above) / root_above, jnp.arctanh(root_below) / root_below
    )
    return jnp.where(small, taylor, outside)


def _heavy_series(s: Array) -> tuple[Array, Array]:
    u = 1 / s
    plain_V, log_V, plain_A, log_A = (u * horner(row, u) for row in _HEAVY_SERIES)
    log_s = jnp.log(s)
    return plain_V + log_V * log_s, plain_A + log_A * log_s


def _heavy_coefficients(terms: int) -> np.ndarray:
    """Rows (I_V plain, I_V log, I_A plain, I_A log), highest power first, of the expansion in u =
    1/s without u^0.

    With r = sqrt(1-4u), J = u [ln(s) + 2 ln((1+r)/2)]/r, 1/r = sum binom(2n,n) u^n and
    -2 ln((1+r)/2) = sum binom(2n,n)/n u^n; the powers u^-2 .. u^0 cancel exactly (tested).
    """
    count = terms + 4
    inverse_root = [math.comb(2 * n, n) for n in range(count)]
    log_root = [Fraction(0)] + [Fraction(-math.comb(2 * n, n), n) for n in range(1, count)]
    j_log = [Fraction(c) for c in inverse_root]  # J = u (j_log ln s + j_plain)
    j_plain = [
        sum((log_root[k] * inverse_root[n - k] for k in range(n + 1)), Fraction(0))
        for n in range(count)
    ]

    def combine(
        j: list[Fraction], j_factor: dict[int, Fraction], extra: dict[int, Fraction]
    ) -> list[Fraction]:
        """Coefficients of u^-2 .. u^terms of extra(u) + j_factor(u) u j(u)."""
        row = []
        for power in range(-2, terms + 1):
            total = extra.get(power, Fraction(0))
            for shift, factor in j_factor.items():
                n = power - 1 - shift
                if 0 <= n < count:
                    total += factor * j[n]
            row.append(total)
        return row

    half = Fraction(1, 2)
    factor_V = {-3: -half, -2: Fraction(2), -1: Fraction(-1)}  # -(s/2)(s^2 - 4s + 2)
    factor_A = {-3: half, -2: Fraction(-3), -1: Fraction(4)}  # (s/2)(s - 2)(s - 4)
    rows = [
        combine(j_plain, factor_V, {0: half, -1: Fraction(-1)}),
        combine(j_log, factor_V, {-1: Fraction(-1), -2: half}),
        combine(j_plain, factor_A, {1: Fraction(1), 0: Fraction(-5, 2), -1: Fraction(1)}),
        combine(j_log, factor_A, {-2: -half, -1: Fraction(2), 0: Fraction(-1)}),
    ]
    if any(coefficient != 0 for row in rows for coefficient in row[:3]):
        raise AssertionError("the negative powers of the heavy-mass series must cancel")
    return np.array([[float(c) for c in row[:2:-1]] for row in rows])


_HEAVY_SERIES = _heavy_coefficients(_SERIES_TERMS)
_ATAN_SERIES = np.array([(-1.0) ** n / (2 * n + 1) for n in range(_TAYLOR_TERMS)][::-1])
