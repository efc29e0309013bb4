"""Effective number of neutrino species with an X that shared the temperature of neutrinos when they
left the plasma.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float
from numpy.polynomial import Chebyshev, Polynomial

from zscan.constants import M_PLANCK
from zscan.errors import ParameterError
from zscan.kernels._spline import interval
from zscan.precision import as_float64, in_float64

N_EFF_SM = 3.044
T_DEC = 2.3e-3  # GeV, decoupling of nu_e
THERMAL = 4e-9  # smallest coupling to neutrinos for which X surely was in equilibrium
HEAVIEST = 0.060  # GeV, above which N_eff is the Standard Model's to 1e-9
NEUTRINO_SHARE = 0.5  # smallest branching ratio to neutrinos for which they are what X heats

# sqrt(y - x) of the entropy integral: panels that resolve a small x, and an end beyond exp(-y)
_PANELS, _NODES = (0.0, 0.05, 0.3, 1.0, 2.0, 3.5, 6.5), 16
# x between which exp(x) F(x) is a polynomial: narrow at the weak singularity (x^4 ln x) at zero
_KNOTS = np.array(
    [0, *(2.0**k for k in range(-5, 0)), 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
)
_DEGREE = 12
_BESSEL = 0.652839080148331  # K_1(3)/K_2(3)


@in_float64
def n_eff(m_X: ArrayLike, T_dec: ArrayLike = T_DEC, *, flavours: int = 3) -> Float[Array, "..."]:
    """N_eff with an X in equilibrium with neutrinos at their decoupling temperature T_dec [GeV].

    The entropy of neutrinos and X (three degrees of freedom) is conserved apart from that of
    photons: N_eff = 3.044 [1 + F(x)/2]^(4/3), x = m_X/T_dec, with the entropy of X over that of one
    neutrino species

    F(x) = 30/(7 pi^4) int_x^inf dy (4 y^2 - x^2) sqrt(y^2 - x^2)/(e^y - 1), F(0) = 8/7.

    For flavours = 2, X couples to nu_mu and nu_tau only and flavours do not equilibrate:
    3.044 [1/3 + 2/3 (1 + 3 F/4)^(4/3)], which moves a bound on m_X by 0.2 %. Arguments broadcast.

    Valid for m_X >= 0 and T_dec > 0 (NaN otherwise), where `applies` says so: what it assumes is
    not checked here. Quadrature error <= 1e-13. Decoupling is taken to be instantaneous; T_dec
    = 1.5 to 3 MeV moves a bound on m_X, in proportion, by 35 %: that is the uncertainty. A universe
    reheated below 10 MeV evades it. Raises `ParameterError` for other numbers of flavours. Source:
    arXiv:1504.00711, 1901.02010.

    >>> round(float(n_eff(0.01144006523)), 6)
    3.33
    """
    if flavours not in (2, 3):
        raise ParameterError(f"flavours = {flavours!r}: not known; allowed: 2 (mu, tau), 3")
    m_X, T_dec = as_float64(m_X, T_dec)
    valid = (m_X >= 0) & (T_dec > 0)
    entropy = _entropy(jnp.where(valid, m_X, 0.0) / jnp.where(valid, T_dec, 1.0))
    share = flavours / 3
    grown = 1 - share + share * (1 + 3 / 2 * entropy / flavours) ** (4 / 3)
    return jnp.where(valid, N_EFF_SM * grown, jnp.nan)


@in_float64
def thermal_ratio(m_X: ArrayLike, sum_g_nu_squared: ArrayLike) -> Float[Array, "..."]:
    """Rate of inverse decays nu nubar -> X over the expansion rate at T = m_X/3: equilibrium above
    1.

    Gamma K_1(3)/K_2(3) / H with Gamma = m_X sum g_nu^2/(24 pi), H = sqrt(4 pi^3/45 10.75) T^2/M_Pl
    (radiation of the Standard Model at 1 to 100 MeV). m_X > 0 in GeV (NaN otherwise), arguments
    broadcast. Source: derived; arXiv:1901.02010 for the comparison of rates.

    >>> round(float(thermal_ratio(0.01, 5.6e-20)), 2)  # g = 2.4e-10
    0.98
    """
    m_X, squared = as_float64(m_X, sum_g_nu_squared)
    positive = m_X > 0
    hubble_over_m = (
        math.sqrt(4 * math.pi**3 / 45 * 10.75) / 9 * jnp.where(positive, m_X, 1.0) / M_PLANCK.value
    )
    rate_over_m = squared / (24 * math.pi) * _BESSEL
    return jnp.where(positive, rate_over_m / hubble_over_m, jnp.nan)


@in_float64
def applies(
    m_X: ArrayLike, g_nue: ArrayLike, g_numu: ArrayLike, g_nutau: ArrayLike, invisible: ArrayLike
) -> Bool[Array, "..."]:
    """Whether `n_eff` describes an X with these couplings to neutrinos and this branching ratio to
    them.

    It must have been in equilibrium, max |g_nu| > 4e-9 (freeze-in below is not described;
    arXiv:1901.02010), have had an effect, m_X < 60 MeV, and heat neutrinos more than photons,
    `invisible` > 0.5. Arguments broadcast, m_X in GeV."""
    m_X, g_nue, g_numu, g_nutau, invisible = as_float64(m_X, g_nue, g_numu, g_nutau, invisible)
    strongest = jnp.maximum(jnp.maximum(jnp.abs(g_nue), jnp.abs(g_numu)), jnp.abs(g_nutau))
    in_range = (m_X >= 0) & (m_X < HEAVIEST)
    return in_range & (strongest > THERMAL) & (invisible > NEUTRINO_SHARE)


@jax.custom_jvp
def _entropy(x: Array) -> Array:
    """F(x), x >= 0: exp(-x) times a polynomial on each interval of `_PIECES`."""
    return _with_slope(x)[0]


@_entropy.defjvp
def _entropy_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value, slope = _with_slope(primals[0])
    return value, slope * tangents[0]


def _with_slope(x: Array) -> tuple[Array, Array]:
    safe = jnp.minimum(x, _KNOTS[-1])  # beyond, exp(-x) is nothing beside N_eff
    place = interval(_KNOTS, safe)
    t = safe - jnp.asarray(_KNOTS)[place]
    first, *rest = (jnp.asarray(row)[place] for row in _PIECES[::-1])
    value, slope = first, jnp.zeros(())
    for coefficient in rest:
        slope = slope * t + value
        value = value * t + coefficient
    density = jnp.exp(-x)
    return density * value, density * (jnp.where(x < _KNOTS[-1], slope, 0.0) - value)


def _sum_over_nodes(x: np.ndarray) -> np.ndarray:
    """exp(x) F(x), the integral with y = x + t^2."""
    t, weight = _rule()
    y = x[..., None] + t**2
    # (e^y - 1)^-1 = e^-x e^-t^2 / (1 - e^-y): no overflow for a heavy X
    density = (4 * y**2 - x[..., None] ** 2) * np.sqrt(2 * x[..., None] + t**2) / -np.expm1(-y)
    total: np.ndarray = density @ (weight * 2 * t**2 * np.exp(-(t**2)))
    return 30 / (7 * math.pi**4) * total


def _rule() -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(_NODES)
    edges = np.array(_PANELS)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (x + 1)).ravel(), (half * w).ravel()


def _pieces() -> np.ndarray:
    """Coefficients of powers of the distance from the left end of each interval."""
    half, middle = np.diff(_KNOTS) / 2, (_KNOTS[1:] + _KNOTS[:-1]) / 2
    columns = []
    for centre, width, left in zip(middle, half, _KNOTS[:-1], strict=True):
        fit = Chebyshev.interpolate(
            lambda x: _sum_over_nodes(x), _DEGREE, domain=[centre - width, centre + width]
        )
        columns.append(fit.convert(kind=Polynomial, domain=[left, left + 1], window=[0, 1]).coef)
    return np.stack(columns, axis=1)


_PIECES = _pieces()
