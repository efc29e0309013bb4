"""Neutrinos in matter with a light X of flavour-diagonal charges: the Sun, with KamLAND, and the
Earth.

Forward scattering adds V_a = sqrt2 G_F N_e eps_aa to the potential of the flavour a,

    eps_aa = kappa X_a (c + Y_n n),  kappa = 1/(sqrt2 G_F m_X^2),  c = x_e + x_p,  n = x_n,

with full couplings X_a and x_f, or kappa = g_X^2/(sqrt2 G_F m_X^2) with charges. Y_n = n_n/n_e
depends on the place, so that c and n act apart. Only differences of the eps_aa are observable. The
effect of the Sun is tabulated (recipe: kernels/matter.py, table: tables/matter.txt). In all
functions here arguments broadcast against each other; m_X is in GeV, E in MeV, dm21 in eV^2, the
rest is dimensionless. Source: arXiv:1307.3092, solar model arXiv:1611.09867."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Complex, Float

from zscan.constants import G_F
from zscan.errors import ParameterError, nearest
from zscan.kernels._matter_table import interpolate, table
from zscan.precision import as_float64, in_float64

# NuFIT 5.0, normal ordering (arXiv:2007.14792); they are fixed
SIN2_THETA_13, SIN2_THETA_23, DELTA_CP = 0.0222, 0.573, math.radians(197.0)
# sqrt2 G_F N_e [eV] of one mole of electrons per cm^3
POTENTIAL = math.sqrt(2) * G_F.value * 1e-18 * 6.02214076e23 * 1.973269804e-5**3
# Electrons [mol/cm^3] and Y_n on the way of solar neutrinos through the Earth: one density for all
NIGHT_DENSITY, NIGHT_NEUTRON_RATIO = 1.9, 1.012
EARTH_NEUTRON_RATIO = 1.051  # on average: 1.012 in the mantle, 1.137 in the core
# 90 % intervals of eps_tautau - eps_mumu and eps_ee - eps_mumu in the Earth (arXiv:2106.07755)
TAUTAU_MUMU, EE_MUMU = (-0.041, 0.042), ((-0.74, 0.32), (-2.26, -1.27))
COMBINATIONS = 0.9, 0.2  # of n, beside c, in the two numbers of matter that the table uses

# Where neutrinos are born: N_e [mol/cm^3], Y_n, weight, at the Gauss nodes in the radius for the
# production of each source in the solar model B16-GS98 (arXiv:1611.09867). Y_n is that of the
# hydrogen fraction 2 N_e/rho - 1 in the zones of the model.
_BIRTHPLACES = {
    "pp": (
        (89.8711, 0.428886, 0.229453),
        (59.6575, 0.278644, 0.587248),
        (27.7963, 0.194431, 0.178214),
        (6.45104, 0.177941, 0.005085),
    ),
    "pep": (
        (92.6161, 0.444870, 0.222189),
        (66.8783, 0.309238, 0.582031),
        (36.6535, 0.209339, 0.190045),
        (11.9248, 0.180619, 0.005735),
    ),
    "7Be": (
        (96.7733, 0.469121, 0.229280),
        (80.6959, 0.377623, 0.582748),
        (55.9722, 0.264570, 0.182135),
        (28.1377, 0.194894, 0.005837),
    ),
    "8B": (
        (98.9410, 0.481064, 0.199048),
        (90.0133, 0.429708, 0.572604),
        (73.9357, 0.342680, 0.219752),
        (52.4154, 0.252029, 0.008596),
    ),
    "13N": (
        (97.1520, 0.471283, 0.272912),
        (81.6272, 0.382639, 0.438793),
        (41.9957, 0.221431, 0.243193),
        (27.7969, 0.194432, 0.045102),
    ),
    "15O": (
        (98.7042, 0.479835, 0.197791),
        (88.7743, 0.422563, 0.561287),
        (71.1776, 0.329220, 0.228073),
        (49.8140, 0.243524, 0.012849),
    ),
}

_ROUNDING = 1e-13  # relative; below it a sum of couplings is zero
_TINY = 1e-100  # whose square can still be represented


def _reduction(s13: float, s23: float) -> tuple[float, float, float]:
    """d eps_D/d d_e, d eps_D/d d_t and |eps_N|/d_t."""
    c13, c23 = 1 - s13, 1 - s23
    return -c13 / 2, (s23 - s13 * c23) / 2, math.sqrt(s13 * s23 * c23)


REDUCTION = _reduction(SIN2_THETA_13, SIN2_THETA_23)


@in_float64
def matter_charges(
    x_e: ArrayLike, x_u: ArrayLike, x_d: ArrayLike
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """(c, n): vector coupling of an electron with its proton, x_e + 2 x_u + x_d, and of a neutron,
    x_u + 2 x_d.

    Kinetic mixing cancels in both. What is left of a sum after rounding is set to zero, which it
    would otherwise not be. Any units; all arguments broadcast. Exact.

    >>> [float(x) for x in matter_charges(-3.0, 1 / 3, 1 / 3)]  # B - 3 L_e
    [-2.0, 1.0]
    """
    x_e, x_u, x_d = as_float64(x_e, x_u, x_d)
    return _sum((1, x_e), (2, x_u), (1, x_d)), _sum((1, x_u), (2, x_d))


@in_float64
def two_flavour(
    d_e: ArrayLike,
    d_t: ArrayLike,
    *,
    s13: float = SIN2_THETA_13,
    s23: float = SIN2_THETA_23,
    delta: float = DELTA_CP,
) -> tuple[Float[Array, "..."], Complex[Array, "..."]]:
    """(eps_D, eps_N) of the two states that mix in the Sun, from d_e = eps_ee - eps_mumu and d_t =
    eps_tautau - eps_mumu.

    eps_D = -(c13^2/2) d_e + (s23^2 - s13^2 c23^2) d_t/2,  eps_N = s13 s23 c23 e^(-i delta) d_t;

    s13, s23 are sin^2 of the angles. Valid while the potential is small against Dm^2_31/(2E):
    |eps| << 15 for 10 MeV in the centre of the Sun. Source: arXiv:1307.3092."""
    d_e, d_t = as_float64(d_e, d_t)
    along_e, along_t, mixed = _reduction(s13, s23)
    phase = complex(math.cos(delta), -math.sin(delta))
    return along_e * d_e + along_t * d_t, (mixed * d_t).astype(jnp.complex128) * phase


@in_float64
def survival_probability(
    E: ArrayLike,
    source: str,
    u: ArrayLike,
    dm21: ArrayLike,
    d_e: ArrayLike,
    d_t: ArrayLike,
    c: ArrayLike,
    n: ArrayLike,
    night: bool = False,
) -> Float[Array, "..."]:
    """P_ee of solar neutrinos of energy E [MeV] from `source` ("pp", "pep", "7Be", "8B", "13N",
    "15O"), averaged over where they are born.

    u = cos 2 theta_12, negative in the dark octant, dm21 in eV^2; eps_ee - eps_mumu = d_e (c + Y_n
    n) and eps_tautau - eps_mumu = d_t (c + Y_n n), so that d = kappa (X_a - X_mu). `night`: after
    the Earth, one density and the phase averaged. All arguments broadcast. An unknown source raises
    `ParameterError`.

    Adiabatic two-flavour propagation with theta_13; from the three-flavour evolution it differs by
    1e-3 for |eps| < 0.5 in the centre of the Sun, at 12 MeV by 4e-3 for eps_tautau - eps_mumu = 0.7
    and 0.03 for 1.5; average over birthplaces 3e-5. Source: arXiv:1307.3092 and, for the solar
    model, 1611.09867.

    >>> round(float(survival_probability(8.1, "8B", 0.398, 7.51e-5, 0.0, 0.0, 0.0, 0.0)), 3)
    0.338
    """
    if source not in _BIRTHPLACES:
        raise ParameterError(
            f"unknown source of solar neutrinos {source!r}; {nearest(source, _BIRTHPLACES)}"
        )
    E, u, dm21, d_e, d_t, c, n = as_float64(E, u, dm21, d_e, d_t, c, n)
    along_e, along_t, mixed = REDUCTION
    D, N = along_e * d_e + along_t * d_t, mixed * d_t
    c13_2, splitting, s = 1 - SIN2_THETA_13, dm21 / (4e6 * E), jnp.sqrt(1 - u * u)

    def hamiltonian(density: float, ratio: float) -> tuple[Array, Array, Array]:
        """Diagonal and (real) off-diagonal element, and the square of their modulus."""
        V, matter = POTENTIAL * density, c + ratio * n
        a = splitting * u - V * (c13_2 / 2 - D * matter)
        b = splitting * s + V * math.cos(DELTA_CP) * (N * matter)
        return a, b, a * a + b * b + (V * math.sin(DELTA_CP) * (N * matter)) ** 2

    mean = jnp.zeros(())  # of the cosine of twice the angle in matter
    for density, ratio, weight in _BIRTHPLACES[source]:
        a, _, square = hamiltonian(density, ratio)
        mean = mean + weight * a / jnp.sqrt(square)
    if night:
        a, b, square = hamiltonian(NIGHT_DENSITY, NIGHT_NEUTRON_RATIO)
        arrival = (u * a + s * b) * a / square
    else:
        arrival = u
    return c13_2**2 / 2 * (1 + mean * arrival) + SIN2_THETA_13**2


@in_float64
def delta_chi2_solar(
    kappa: ArrayLike,
    X_e: ArrayLike,
    X_mu: ArrayLike,
    X_tau: ArrayLike,
    c: ArrayLike,
    n: ArrayLike,
    *,
    dark: bool = True,
) -> Float[Array, "..."]:
    """chi2 of solar data and KamLAND minus its value without X, profiled over theta_12, Dm^2_21 and
    the 8B flux.

    kappa = g_X^2/(sqrt2 G_F m_X^2) >= 0 with charges X_a (neutrinos), c, n (`matter_charges`); all
    arguments broadcast. SNO, Super-Kamiokande (rate, day and night), Borexino (P_ee of four
    sources), gallium, chlorine, KamLAND: 16 residuals, see kernels/matter.py. `dark` also allows
    theta_12 > 45 degrees (LMA-D): the smaller chi2 of both octants counts, so that islands at large
    coupling stay.

    Valid for every kappa >= 0 (NaN below and for NaN): the table goes on to infinite couplings, so
    that it has no edge at which it would have to be continued. Error
    of table and interpolation: 0.002 rms where the result is below 4, 0.01 below 25 (rarely 0.2).
    Beyond |eps| ~ 5 the two-flavour reduction ends; P_ee then is nearly independent of energy, in
    three flavours too, and the point is excluded by tens of units. Where c + Y_n n vanishes inside
    the Sun that is not guaranteed. Derivatives are zero where c and n are both exactly zero.

    What a global fit has beside this: the spectrum and zenith angles of Super-Kamiokande, an Earth
    of layers, matter in KamLAND, theta_23 and delta free. Expected effect: a factor 2 in eps, 1.4
    in g. Source: arXiv:1307.3092, 1805.04530.

    >>> round(float(delta_chi2_solar(0.2, -3.0, 0.0, 0.0, -2.0, 1.0)), 1)  # B - 3 L_e
    3.9
    """
    kappa, X_e, X_mu, X_tau, c, n = as_float64(kappa, X_e, X_mu, X_tau, c, n)
    along_e, along_t, mixed = REDUCTION
    to_e, to_tau = X_e - X_mu, X_tau - X_mu
    p, q = (c + ratio * n for ratio in COMBINATIONS)
    somewhere = jnp.maximum(jnp.abs(p), jnp.abs(q)) > _TINY
    p, q = jnp.where(somewhere, p, 1.0), jnp.where(somewhere, q, 0.0)
    # The opposite charges of matter are the same physics with the opposite flavours
    sign = jnp.where(p < 0, -1.0, 1.0)
    size = jnp.where(somewhere, sign * jnp.sqrt(p * p + q * q), 0.0)
    phi = jnp.arctan2(sign * q, sign * p)
    valid = kappa >= 0
    strength = jnp.where(valid, kappa, 0.0) * size
    A, B = strength * (along_e * to_e + along_t * to_tau), strength * (mixed * to_tau)
    return jnp.where(valid, interpolate(phi, A, B, dark), jnp.nan)


@in_float64
def solar_chi2(
    m_X: ArrayLike,
    g_e: ArrayLike,
    g_u: ArrayLike,
    g_d: ArrayLike,
    g_nue: ArrayLike,
    g_numu: ArrayLike,
    g_nutau: ArrayLike,
    *,
    dark: bool = True,
) -> Float[Array, "..."]:
    """chi2 of solar data and KamLAND for an X of mass m_X [GeV]: the value without X plus
    `delta_chi2_solar`.

    g_e, g_u, g_d are full vector couplings, g_nu those of neutrinos (X_a g_nu nubar gamma^a P_L
    nu). NaN for m_X <= 0; valid while 1/m_X is small against the Sun and the Earth (m_X > 1 eV).
    """
    m_X, g_e, g_u, g_d, g_nue, g_numu, g_nutau = as_float64(
        m_X, g_e, g_u, g_d, g_nue, g_numu, g_nutau
    )
    c, n = matter_charges(g_e, g_u, g_d)
    found = delta_chi2_solar(_kappa(m_X), g_nue, g_numu, g_nutau, c, n, dark=dark)
    return table().standard + found


@in_float64
def chi2_earth(
    d_e: ArrayLike,
    d_t: ArrayLike,
    *,
    tautau_mumu: Sequence[float] = TAUTAU_MUMU,
    ee_mumu: Sequence[Sequence[float]] = EE_MUMU,
    dark: bool = True,
) -> Float[Array, "..."]:
    """chi2 of atmospheric and long-baseline neutrinos at d_e = eps_ee - eps_mumu and d_t =
    eps_tautau - eps_mumu of the Earth.

    The intervals are 90 % ones, published one parameter at a time: each is read as a normal density
    around its middle, several of one parameter as alternatives, of which the nearest counts
    (`dark`; else the first), and d_e and d_t are added as if they were independent, which is an
    assumption. Outside the intervals the parabola is an extrapolation. Both d are those at a
    neutron ratio Y_n of the Earth: 1.051 on average, 1.012 in the mantle, 1.137 in the core. Where
    c + Y_n n nearly cancels, as for an electron charge of -2 times the baryon number, the choice
    moves bounds on eps by factors. Default intervals: arXiv:2106.07755 (quoted from memory).

    >>> round(float(chi2_earth(0.0, 0.0)), 3)
    0.425
    """
    d_e, d_t = as_float64(d_e, d_t)
    wells = [_well(d_e, interval) for interval in (ee_mumu if dark else ee_mumu[:1])]
    smallest = wells[0]
    for well in wells[1:]:
        smallest = jnp.minimum(smallest, well)
    return _well(d_t, tautau_mumu) + smallest


@in_float64
def chi2(
    m_X: ArrayLike,
    g_e: ArrayLike,
    g_u: ArrayLike,
    g_d: ArrayLike,
    g_nue: ArrayLike,
    g_numu: ArrayLike,
    g_nutau: ArrayLike,
    *,
    neutron_ratio: ArrayLike = EARTH_NEUTRON_RATIO,
    tautau_mumu: Sequence[float] = TAUTAU_MUMU,
    ee_mumu: Sequence[Sequence[float]] = EE_MUMU,
    dark: bool = True,
    sun: bool = True,
) -> Float[Array, "..."]:
    """`solar_chi2` (unless `sun` is False) plus `chi2_earth` at the Y_n of the Earth
    `neutron_ratio`, for full couplings; conventions and validity are those of the two.

    >>> g = 1 / 2000  # L_e - L_mu at m_X/g_X = 2 TeV
    >>> round(float(chi2(1.0, g, 0.0, 0.0, g, -g, 0.0) - chi2(1.0, 0.0, 0.0, 0.0, g, -g, 0.0)), 1)
    0.2
    """
    m_X, g_e, g_u, g_d, g_nue, g_numu, g_nutau, ratio = as_float64(
        m_X, g_e, g_u, g_d, g_nue, g_numu, g_nutau, neutron_ratio
    )
    c, n = matter_charges(g_e, g_u, g_d)
    to_mu = _kappa(m_X) * (c + ratio * n)
    earth = chi2_earth(
        to_mu * (g_nue - g_numu),
        to_mu * (g_nutau - g_numu),
        tautau_mumu=tautau_mumu,
        ee_mumu=ee_mumu,
        dark=dark,
    )
    if not sun:
        return earth
    return earth + solar_chi2(m_X, g_e, g_u, g_d, g_nue, g_numu, g_nutau, dark=dark)


def _kappa(m_X: Array) -> Array:
    """1/(sqrt2 G_F m_X^2), times two couplings an eps; NaN without a mass."""
    positive = m_X > 0
    safe = jnp.where(positive, m_X, 1.0)
    return jnp.where(positive, 1 / (math.sqrt(2) * G_F.value * safe**2), jnp.nan)


def _well(value: Array, interval: Sequence[float]) -> Array:
    low, high = interval
    return ((value - (low + high) / 2) / ((high - low) / 2 / 1.6449)) ** 2


def _sum(*terms: tuple[int, Array]) -> Array:
    total, size = jnp.zeros(()), jnp.zeros(())
    for factor, value in terms:
        total, size = total + factor * value, size + factor * jnp.abs(value)
    return jnp.where(jnp.abs(total) > _ROUNDING * size, total, 0.0)
