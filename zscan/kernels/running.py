"""One-loop running of g_Y, g_X and the kinetic mixing eps_BX, arXiv:2107.07518 app. A.

With the couplings absorbed in the fields the kinetic matrix K of (B, X) is linear in t =
ln(mu/mu_0): K = [[1/g_Y^2, eps_BX/(g_Y g_X)], [., 1/g_X^2]],  dK_ab/dt = -b_ab/(8 pi^2), b_ab = 2/3
sum_Weyl q_a q_b + 1/3 sum_complex scalars q_a q_b. This holds to all orders in eps_BX. Convention:
L contains -(eps_BX/2) B_mn X^mn. eps_BX is not eps = -c_W eps_BX. Couplings are
dimensionless."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import E_CHARGE
from zscan.precision import as_float64, in_float64

_LOOP = 8 * math.pi**2

Coefficients = tuple[ArrayLike, ArrayLike, ArrayLike]  # b_YY, b_YX, b_XX
Threshold = tuple[
    ArrayLike, Coefficients
]  # mass [GeV] and the part of the coefficients that is active above it
Fermion = tuple[
    ArrayLike, ArrayLike, ArrayLike, ArrayLike
]  # mass [GeV], electric charge, vector charge, colours


class GaugeCouplings(NamedTuple):
    """g_Y, g_X and eps_BX at one scale."""

    g_Y: Float[Array, "..."]
    g_X: Float[Array, "..."]
    eps_BX: Float[Array, "..."]


@in_float64
def eps_at_scale(
    eps_BX: ArrayLike,
    g_Y: ArrayLike,
    g_X: ArrayLike,
    t: ArrayLike,
    *,
    b_YY: ArrayLike,
    b_YX: ArrayLike,
    b_XX: ArrayLike,
) -> Float[Array, "..."]:
    """eps_BX at t = ln(mu/mu_0) from eps_BX, g_Y, g_X at mu_0; the third of `couplings_at_scale`,
    whose arguments, validity and source it has.

    >>> # B - 3 L_mu with the muoquark S_3, from 2 TeV to the Planck scale
    >>> t = math.log(1.22e19 / 2000)
    >>> print(f"{float(eps_at_scale(0.0, 0.364, 1e-3, t, b_YY=43 / 6, b_YX=8, b_XX=48)):.3e}")
    -1.787e-03
    """
    return couplings_at_scale(eps_BX, g_Y, g_X, t, b_YY=b_YY, b_YX=b_YX, b_XX=b_XX).eps_BX


@in_float64
def couplings_at_scale(
    eps_BX: ArrayLike,
    g_Y: ArrayLike,
    g_X: ArrayLike,
    t: ArrayLike,
    *,
    b_YY: ArrayLike,
    b_YX: ArrayLike,
    b_XX: ArrayLike,
) -> GaugeCouplings:
    """(g_Y, g_X, eps_BX) at t = ln(mu/mu_0) from their values at mu_0, in closed form.

    1/g_Y^2(t) = 1/g_Y^2 - b_YY t/(8 pi^2), g_X alike, and eps_BX/(g_Y g_X) = (same at 0) - b_YX
    t/(8 pi^2); the coefficients are those of `zscan.models.spectrum.beta_coefficients`. All
    arguments broadcast; g_X = 0 and t = 0 are allowed. NaN beyond a Landau pole of g_Y or g_X;
    where abs(eps_BX) reaches 1 the kinetic matrix is singular, and the numbers are those of the
    formula without physical meaning. Source: arXiv:2107.07518 app. A; arXiv:1906.04625.

    >>> found = couplings_at_scale(0.0, 0.36, 1e-3, 36.3478, b_YY=43 / 6, b_YX=8, b_XX=48)
    >>> [round(float(x), 5) for x in found]
    [0.47582, 0.001, -0.00175]
    """
    eps_BX, g_Y, g_X, t, b_YY, b_YX, b_XX = as_float64(eps_BX, g_Y, g_X, t, b_YY, b_YX, b_XX)
    return _evolved(eps_BX, g_Y, g_X, b_YY * t, b_YX * t, b_XX * t)


@in_float64
def run_through(
    eps_BX: ArrayLike,
    g_Y: ArrayLike,
    g_X: ArrayLike,
    mu_0: ArrayLike,
    mu: ArrayLike,
    *,
    b: Coefficients,
    thresholds: Sequence[Threshold] = (),
) -> GaugeCouplings:
    """(g_Y, g_X, eps_BX) at the scale mu from their values at mu_0 [GeV], through any number of
    thresholds.

    b = (b_YY, b_YX, b_XX) counts what is active everywhere; each of `thresholds` is (mass, (b_YY,
    b_YX, b_XX)), a part that is added above its mass [GeV] only (step functions: one-loop
    matching). Order does not matter; mu may be below or above mu_0, and thresholds outside the two
    have no effect or full effect. Everything broadcasts. NaN beyond a Landau pole and for mu, mu_0
    <= 0 (b_YY and b_XX are positive for any matter, so that the pole lies above). Source:
    arXiv:2107.07518 app. A.

    >>> muoquark = (5000.0, (1 / 3, -1.0, 3.0))  # S_3 with X_S = -1
    >>> b = (41 / 6, 0.0, 16 / 3)
    >>> float(run_through(0.0, 0.36, 1e-3, 1e3, 1e4, b=b, thresholds=[muoquark]).eps_BX)
    3.2...e-06
    """
    flat = as_float64(
        eps_BX, g_Y, g_X, mu_0, mu, *b, *(x for mass, extra in thresholds for x in (mass, *extra))
    )
    (eps_BX, g_Y, g_X, mu_0, mu), coefficients, rest = flat[:5], flat[5:8], flat[8:]
    valid = (mu > 0) & (mu_0 > 0)
    mu_0, mu = jnp.where(valid, mu_0, 1.0), jnp.where(valid, mu, 1.0)
    logarithm = jnp.where(valid, jnp.log(mu / mu_0), jnp.nan)
    steps = [coefficient * logarithm for coefficient in coefficients]
    for i in range(0, len(rest), 4):
        active = jnp.log(jnp.maximum(mu, rest[i]) / jnp.maximum(mu_0, rest[i]))
        steps = [
            step + extra * active for step, extra in zip(steps, rest[i + 1 : i + 4], strict=True)
        ]
    return _evolved(eps_BX, g_Y, g_X, *steps)


@in_float64
def eps_infrared(
    eps: ArrayLike, g_X: ArrayLike, scale: ArrayLike, fermions: Sequence[Fermion]
) -> Float[Array, "..."]:
    """The mixing eps at q2 -> 0 from its value at `scale` [GeV], by fermions lighter than that.

    eps(0) = eps(scale) - e g_X/(12 pi^2) sum_f N_c Q_f X_f ln(scale^2/m_f^2), with X_f the vector
    charge (X_L + X_R)/2. This is the eps of X_m eps e J_em^m (= -c_W eps_BX), Q_e = -1. `fermions`
    are tuples (mass [GeV], Q, X, N_c); leave out the heavier ones. Light quarks enter with an
    effective mass of the order of a hadron's: an estimate. Everything broadcasts; NaN unless the
    masses and the scale are positive. Source: arXiv:2107.07518 app. A.

    >>> # L_mu - L_tau: no dependence on the scale
    >>> leptons = [(0.1056583755, -1, 1, 1), (1.77686, -1, -1, 1)]
    >>> 1 / float(eps_infrared(0.0, 1.0, 100.0, leptons))
    69.28...
    """
    eps, g_X, scale, *rest = as_float64(
        eps, g_X, scale, *(value for fermion in fermions for value in fermion)
    )
    total = jnp.zeros_like(scale)
    for i in range(0, len(rest), 4):
        mass, Q, X, colours = rest[i : i + 4]
        valid = (mass > 0) & (scale > 0)
        logarithm = jnp.log(jnp.where(valid, scale, 1.0) / jnp.where(valid, mass, 1.0))
        total = total + colours * Q * X * jnp.where(valid, 2 * logarithm, jnp.nan)
    return eps - E_CHARGE.value * g_X / (12 * math.pi**2) * total


def _evolved(
    eps_BX: Array, g_Y: Array, g_X: Array, step_YY: Array, step_YX: Array, step_XX: Array
) -> GaugeCouplings:
    """Couplings after a change of K by -step/(8 pi^2); multiplied out, so that g_X = 0 is no
    special case.
    """
    screening_Y, screening_X = 1 - g_Y**2 * step_YY / _LOOP, 1 - g_X**2 * step_XX / _LOOP
    perturbative = (screening_Y > 0) & (screening_X > 0)
    factor_Y, factor_X = (
        jnp.where(perturbative, 1 / jnp.sqrt(jnp.where(perturbative, x, 1.0)), jnp.nan)
        for x in (screening_Y, screening_X)
    )
    eps = (eps_BX - g_Y * g_X * step_YX / _LOOP) * (factor_Y * factor_X)
    return GaugeCouplings(g_Y * factor_Y, g_X * factor_X, eps)
