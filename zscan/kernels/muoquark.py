"""Muon mass and g-2 from one loop of the top and two mixed muoquarks, arXiv:2107.07518 sec. 4.

S_L couples t_R to the left-handed muon and S_R couples q_3 to mu_R; their mixing closes the
chirality flip on the top. With s = ln(m_t^2/M^2) everything follows from two functions that are
analytic for real s,

    G(s) = s/(e^s - 1)                                        (mass), P(s) = r (-3 + 4r - r^2 -
    2s)/[2 (1-r)^3], r = e^s        (dipole, photon on the top; on the scalar: 1/2 - P(-s)),

and the two scalars enter by a divided difference, which keeps its digits when they are degenerate.
Masses are in GeV, couplings and charges dimensionless; all arguments broadcast."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import M_MU
from zscan.precision import as_float64, in_float64

N_C = 3
_SERIES_BELOW = (
    2.0  # |s| below which the closed forms cancel; polynomials there (nearest poles: +-2 pi i)
)
_TAYLOR_TERMS = 44  # (2/2 pi)**44 is below the rounding error of float64
_SERIES_TERMS = 23  # the same polynomial economised by Chebyshev: 6.44**-23
_GAUSS_BELOW = 2.0  # |s_1 - s_2| below which a divided difference is the mean of the slope
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)  # poles at distance 2 pi: error (4 pi)^-20
_NEWTON_STEPS = 12


@in_float64
def delta_a_mu_over_m_mu(
    M1: ArrayLike, M2: ArrayLike, *, m_t: ArrayLike, Q_S: ArrayLike
) -> Float[Array, "..."]:
    """Delta a_mu/m_mu [1/GeV] of a muon mass that is wholly radiative; coupling and mixing angle
    cancel.

    Delta a_mu/m_mu = -2 m_mu [h(M1) - h(M2)]/[g(M1) - g(M2)],  with r = m_t^2/M^2 and
    g = ln(1/r)/(1-r),  h = [(Q_S-1) F_f(r) + Q_S F_s(r)]/M^2,
    F_f = (-3 + 4r - r^2 - 2 ln r)/[2 (1-r)^3],  F_s = (1 - r^2 + 2 r ln r)/[2 (1-r)^3],

    and the measured muon mass on the right. M1, M2: masses of the two scalars [GeV], symmetric,
    equal ones included (the limit of small mixing); m_t: top mass at the scale M [GeV]; Q_S: charge
    of the scalar as in tbar mu S, so that the fermion of the loop has Q_S - 1 (R_2: 5/3; S_1: 1/3).
    All broadcast. Corrections of m_mu^2/M^2 are left out.

    NaN unless all masses are positive and finite. Relative error of the part of each photon
    coupling <= 1e-13 for M/m_t from 1e-3 to 1e16 and any M1/M2; gradients are finite everywhere.
    Source: arXiv:2107.07518 sec. 4; loop integrals: Leveille, Nucl. Phys. B 137 (1978) 63.

    >>> ratio = delta_a_mu_over_m_mu(6500.0, 5000.0, m_t=163.0, Q_S=5 / 3)
    >>> print(f"{0.1056583755 * float(ratio):.4e}")
    2.7211e-09
    """
    M1, M2, m_t, Q_S = as_float64(M1, M2, m_t, Q_S)
    _, mass, dipole, top = _loop(M1, M2, m_t, Q_S)
    return -2 * M_MU.value / top**2 * dipole / mass


@in_float64
def muon_mass(
    M1: ArrayLike, M2: ArrayLike, *, m_t: ArrayLike, lam: ArrayLike, sin_2theta: ArrayLike = 1.0
) -> Float[Array, "..."]:
    """Radiative muon mass [GeV], N_c m_t lam sin_2theta [g(M1) - g(M2)]/(32 pi^2), N_c = 3.

    lam = lambda_L lambda_R, the product of the couplings of S_L and S_R; sin_2theta: mixing of S_L
    and S_R, 1 for equal diagonal masses; M1, M2: mass eigenvalues [GeV]; g as in
    `delta_a_mu_over_m_mu`. Positive for M1 > M2 and positive lam sin_2theta, antisymmetric in M1,
    M2. Validity and accuracy as there. Source: arXiv:2107.07518 sec. 4.

    >>> round(float(muon_mass(6500.0, 5000.0, m_t=163.0, lam=0.13071)), 4)
    0.1057
    """
    M1, M2, m_t, lam, sin_2theta = as_float64(M1, M2, m_t, lam, sin_2theta)
    split, mass, _, top = _loop(M1, M2, m_t, jnp.zeros_like(m_t))
    return N_C / (32 * math.pi**2) * top * lam * sin_2theta * split * mass


@in_float64
def delta_a_mu(
    M1: ArrayLike,
    M2: ArrayLike,
    *,
    m_t: ArrayLike,
    lam: ArrayLike,
    Q_S: ArrayLike,
    sin_2theta: ArrayLike = 1.0,
) -> Float[Array, "..."]:
    """Delta a_mu of the loop whatever the origin of the mass, -N_c m_mu m_t lam sin_2theta [h(M1) -
    h(M2)]/(16 pi^2).

    The muon mass is the measured one and positive; the sign of lam sin_2theta is then physical.
    Arguments as in `muon_mass` and `delta_a_mu_over_m_mu`. The terms without chirality flip, of
    order lam m_mu^2/(16 pi^2 M^2), are left out. Validity and accuracy as there. Source:
    arXiv:2107.07518 sec. 4.

    >>> print(f"{float(delta_a_mu(6500.0, 5000.0, m_t=163.0, lam=0.13071, Q_S=5 / 3)):.4e}")
    2.7211e-09
    """
    M1, M2, m_t, lam, Q_S, sin_2theta = as_float64(M1, M2, m_t, lam, Q_S, sin_2theta)
    split, _, dipole, top = _loop(M1, M2, m_t, Q_S)
    return -N_C / (16 * math.pi**2) * M_MU.value / top * lam * sin_2theta * split * dipole


@in_float64
def delta_a_mu_leading(M: ArrayLike, *, m_t: ArrayLike, Q_S: ArrayLike) -> Float[Array, "..."]:
    """Delta a_mu of a wholly radiative mass at leading order in mixing and m_t^2/M^2 (0.6 % off at
    M = 6 TeV).

    (m_mu/M)^2 [2 (Q_S - 1) ln(M^2/m_t^2) + 5 - 4 Q_S]; M [GeV]: common mass of the scalars; NaN
    unless M and m_t are positive. Source: arXiv:2107.07518 sec. 4.

    >>> print(f"{float(delta_a_mu_leading(5934.993, m_t=163.0, Q_S=5 / 3)):.3e}")
    2.510e-09
    """
    M, m_t, Q_S = as_float64(M, m_t, Q_S)
    M, m_t = (jnp.where(mass > 0, mass, jnp.nan) for mass in (M, m_t))
    return (M_MU.value / M) ** 2 * (4 * (Q_S - 1) * jnp.log(M / m_t) + 5 - 4 * Q_S)


@in_float64
def coupling_for_mass(M1: ArrayLike, M2: ArrayLike, *, m_t: ArrayLike) -> Float[Array, "..."]:
    """The product lam sin_2theta for which `muon_mass` is the measured muon mass; infinite for M1 =
    M2.

    >>> round(float(coupling_for_mass(6500.0, 5000.0, m_t=163.0)), 4)
    0.1307
    """
    return M_MU.value / muon_mass(M1, M2, m_t=m_t, lam=1.0)


@in_float64
def scalar_masses(
    M_L: ArrayLike, M_R: ArrayLike, mu: ArrayLike
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """Mass eigenvalues M1 >= M2 [GeV] and sin_2theta of S_L and S_R with the soft term mu^2
    (S_L^dagger S_R + h.c.).

    M_L, M_R: masses without mixing [GeV]; mu [GeV]; they broadcast. sin_2theta = 1 for M_L = M_R (0
    without mixing). NaN unless M_L, M_R > 0 and mu^2 < M_L M_R, where both scalars are massive.

    >>> [round(float(value), 1) for value in scalar_masses(6000.0, 6000.0, 1100.0)]
    [6100.0, 5898.3, 1.0]
    """
    M_L, M_R, mu = as_float64(M_L, M_R, mu)
    product = M_L * M_R
    valid = (M_L > 0) & (M_R > 0) & (mu**2 < product)
    half_gap = (M_L - M_R) * (M_L + M_R) / 2
    squared = half_gap**2 + mu**4
    mixed = squared > 0
    radius = jnp.where(mixed, jnp.sqrt(jnp.where(mixed, squared, 1.0)), 0.0)
    heavy = (M_L**2 + M_R**2) / 2 + radius
    light = (product - mu**2) * (product + mu**2) / heavy
    M1, M2 = (jnp.sqrt(jnp.where(valid, square, jnp.nan)) for square in (heavy, light))
    sin_2theta = jnp.where(mixed, mu**2 / jnp.where(mixed, radius, 1.0), 0.0)
    return M1, M2, jnp.where(valid, sin_2theta, jnp.nan)


@in_float64
def soft_mass(M: ArrayLike, *, m_t: ArrayLike, lam: ArrayLike) -> Float[Array, "..."]:
    """Soft mass mu [GeV] for which scalars with M1,2^2 = M^2 +- mu^2 and product of couplings lam
    give the muon mass.

    At leading order mu^2 = 16 pi^2 m_mu M^2/(3 lam m_t). Here `muon_mass` is inverted by Newton's
    method, relative residual <= 1e-12; NaN where no mu <= M does it (lam <= 0, M far below m_t).
    Arguments broadcast. Source: arXiv:2107.07518 sec. 4.

    >>> round(float(soft_mass(5935.0, m_t=163.0, lam=1.0)))
    1099
    """
    return _soft_mass(*as_float64(M, m_t, lam))


@jax.jit
def _soft_mass(M: Array, m_t: Array, lam: Array) -> Array:
    valid = (M > 0) & (m_t > 0) & (lam > 0)
    safe_M, safe_t, safe_lam = (jnp.where(valid, value, 1.0) for value in (M, m_t, lam))
    target = 32 * math.pi**2 * M_MU.value / (N_C * safe_t * safe_lam)
    s = 2 * jnp.log(safe_t / safe_M)

    # mu^2/M^2 = tanh(w): g(M1) - g(M2) is close to 2 w for heavy scalars, so that Newton's method
    # hardly has to move
    def excess(w: Array) -> tuple[Array, Array]:
        """g(M1) - g(M2) - target, and its derivative."""
        log_cosh = jnp.logaddexp(w, -w) - math.log(2)
        s1, s2, y = s - w + log_cosh, s + w + log_cosh, jnp.tanh(w)
        value = -2 * w * _difference(s1, s2, -2 * w)[0] - target
        return value, -_slopes(s1)[..., 0] * (1 - y) - _slopes(s2)[..., 0] * (1 + y)

    def step(w: Array, _: None) -> tuple[Array, None]:
        value, derivative = excess(w)
        return jnp.maximum(w - value / derivative, 0.0), None

    w, _ = lax.scan(step, target / 2, length=_NEWTON_STEPS)
    found = valid & (jnp.abs(excess(w)[0]) <= 1e-12 * target)
    return jnp.where(found, M * jnp.sqrt(jnp.tanh(w)), jnp.nan)


@jax.jit  # an eager call would compile every series on its own
def _loop(M1: Array, M2: Array, m_t: Array, Q_S: Array) -> tuple[Array, Array, Array, Array]:
    """s_1 - s_2, the divided differences of mass and dipole function, and m_t with NaN for bad
    masses.
    """
    valid = (
        jnp.isfinite(M1) & jnp.isfinite(M2) & jnp.isfinite(m_t) & (M1 > 0) & (M2 > 0) & (m_t > 0)
    )
    M1, M2, m_t = (jnp.where(valid, mass, 1.0) for mass in (M1, M2, m_t))
    s1, s2 = 2 * jnp.log(m_t / M1), 2 * jnp.log(m_t / M2)
    close = jnp.abs(s1 - s2) < 2 * _GAUSS_BELOW
    # Written so that it keeps all digits for M1 -> M2 and is exactly antisymmetric
    relative = jnp.where(close, (M1 - M2) / (M1 + M2), 0.0)
    split = jnp.where(close, -4 * jnp.arctanh(relative), s1 - s2)
    mass, on_top, on_scalar = _difference(s1, s2, split)
    return split, mass, (Q_S - 1) * on_top + Q_S * on_scalar, jnp.where(valid, m_t, jnp.nan)


def _difference(a: Array, b: Array, split: Array) -> tuple[Array, Array, Array]:
    """[f(a) - f(b)]/(a - b), split = a - b, of the three functions; the mean slope (Gauss-Legendre)
    where close.
    """
    close = jnp.abs(split) < _GAUSS_BELOW
    half = jnp.where(close, split, 0.0)[..., None] / 2
    nodes, weights = (row.reshape((1,) * (half.ndim - 1) + row.shape) for row in (_NODES, _WEIGHTS))
    mean = jnp.sum(
        weights[..., None] / 2 * _slopes(((a + b) / 2)[..., None] + half * nodes), axis=-2
    )
    far = jnp.where(close, 1.0, split)[..., None]
    (value_a, offset_a), (value_b, offset_b) = _values(a), _values(b)
    direct = ((value_a - value_b) + (offset_a - offset_b)) / far
    mass, on_top, on_scalar = jnp.moveaxis(jnp.where(close[..., None], mean, direct), -1, 0)
    return mass, on_top, on_scalar


def _values(s: Array) -> tuple[Array, Array]:
    """G(s), P(s), 1/2 - P(-s) on a new last axis, in two parts: one that vanishes far out, and 0 or
    1/2.

    Closed forms in w = |s| and z = exp(-w) for |s| > 2, polynomials below.
    """
    near, above, w, z = _variables(s)
    mass = jnp.where(above, z, 1.0) * w / (1 - z)
    cubed = 2 * (1 - z) ** 3
    P_above, P_below = z * (z * (z + 2 * w) - 1) / cubed, z * (-3 + z * (4 - z) + 2 * w) / cubed
    closed = (mass, jnp.where(above, P_above, P_below), jnp.where(above, -P_below, -P_above))
    half = jnp.where(above & ~near, 0.5, 0.0)
    offset = jnp.stack([jnp.zeros_like(half), half, half], axis=-1)
    return jnp.where(
        near[..., None], _polynomial(_VALUE_SERIES, s, near), jnp.stack(closed, axis=-1)
    ), offset


def _slopes(s: Array) -> Array:
    """Derivatives of the three functions of `_values`."""
    near, above, w, z = _variables(s)
    mass = jnp.where(above, z * (1 - z - w), z * (1 + w) - 1) / (1 - z) ** 2
    fourth = 2 * (1 - z) ** 4
    P_above = z * (1 + z * (4 - 5 * z) - 2 * w * z * (2 + z)) / fourth
    P_below = z * (-5 + z * (4 + z) + 2 * w * (1 + 2 * z)) / fourth
    closed = (mass, jnp.where(above, P_above, P_below), jnp.where(above, P_below, P_above))
    return jnp.where(
        near[..., None], _polynomial(_SLOPE_SERIES, s, near), jnp.stack(closed, axis=-1)
    )


def _variables(s: Array) -> tuple[Array, Array, Array, Array]:
    """Whether a polynomial is used, s > 0, and w, z where it is not (a harmless number where it
    is).
    """
    near = jnp.abs(s) < _SERIES_BELOW
    w = jnp.where(near, _SERIES_BELOW, jnp.abs(s))
    return near, s > 0, w, jnp.exp(-w)


def _polynomial(coefficients: np.ndarray, s: Array, near: Array) -> Array:
    x = jnp.where(near, s, 0.0)[..., None]
    value = jnp.zeros_like(x)
    for row in coefficients.reshape(len(coefficients), *(1,) * s.ndim, 3):
        value = value * x + row
    return value


def _quotient(numerator: list[Fraction], denominator: list[Fraction]) -> list[Fraction]:
    """Coefficients of a quotient of power series, lowest first; denominator[0] is not zero."""
    result: list[Fraction] = []
    for n, top in enumerate(numerator):
        known = sum((denominator[n - k] * result[k] for k in range(n)), Fraction(0))
        result.append((top - known) / denominator[0])
    return result


def _exponentials(weights: dict[int, int], shift: int) -> list[Fraction]:
    """Coefficients of s^shift .. of sum_k weights[k] e^(k s)."""
    powers = range(shift, shift + _TAYLOR_TERMS)
    return [
        sum((Fraction(c * k**n, math.factorial(n)) for k, c in weights.items()), Fraction(0))
        for n in powers
    ]


def _series() -> tuple[np.ndarray, np.ndarray]:
    """Polynomials for G(s), P(s), 1/2 - P(-s) and for their slopes in |s| < 2: a row per power,
    highest first.
    """
    one = [Fraction(1)] + [Fraction(0)] * (_TAYLOR_TERMS - 1)
    mass = _quotient(one, _exponentials({0: -1, 1: 1}, 1))
    numerator = _exponentials({1: -3, 2: 4, 3: -1}, 3)  # r (-3 + 4r - r^2), then - 2 s r
    numerator = [c - Fraction(2, math.factorial(n + 2)) for n, c in enumerate(numerator)]
    on_top = _quotient(numerator, [2 * c for c in _exponentials({0: 1, 1: -3, 2: 3, 3: -1}, 3)])
    on_scalar = [Fraction(1, 2) - on_top[0]] + [
        -c * (-1) ** n for n, c in enumerate(on_top) if n > 0
    ]
    rows = (mass, on_top, on_scalar)
    slopes = [[n * c for n, c in enumerate(row) if n > 0] for row in rows]
    values, derivatives = (
        np.array([_economised(row) for row in table]).T for table in (rows, slopes)
    )
    return values, derivatives


def _economised(taylor: list[Fraction]) -> np.ndarray:
    scaled = [float(c) * _SERIES_BELOW**n for n, c in enumerate(taylor)]
    kept = np.polynomial.chebyshev.cheb2poly(
        np.polynomial.chebyshev.poly2cheb(scaled)[:_SERIES_TERMS]
    )
    coefficients = np.zeros(_SERIES_TERMS)
    coefficients[: kept.size] = kept / _SERIES_BELOW ** np.arange(kept.size)
    return coefficients[::-1]


_VALUE_SERIES, _SLOPE_SERIES = _series()
