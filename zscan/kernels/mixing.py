"""Kinetic mixing: induced by lepton loops (arXiv:2006.11225 Eq. (7)), and exact, with B, W3 and X
brought to mass eigenstates (arXiv:2107.07518 app. A).

L = -B^2/4 - W^2/4 - X^2/4 - (eps_BX/2) B_mn X^mn + m_X^2 X^2/2 + fbar gamma^m (g_Y Y B + g T3 W3 +
g_X X_f X)_m f, and the Higgs doublet. At low energies X_m couples to eps e J_em^m with eps = -c_W
eps_BX. Couplings and mixings are dimensionless, masses in GeV and q2 in GeV^2; all arguments
broadcast."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Complex, Float

from zscan.constants import E_CHARGE, M_E, M_MU, M_TAU, M_Z, SIN2_THETA_W_MZ
from zscan.errors import ParameterError
from zscan.kernels._horner import horner
from zscan.precision import as_float64, in_float64

# Tree-level gauge couplings of hypercharge and weak isospin for e and sin^2 theta_W
G_Y = E_CHARGE.value / math.sqrt(1 - SIN2_THETA_W_MZ.value)
G_W = E_CHARGE.value / math.sqrt(SIN2_THETA_W_MZ.value)

LEPTON_MASSES = {"e": M_E.value, "mu": M_MU.value, "tau": M_TAU.value}

_SERIES_TERMS = 28  # (1/4)**28 is below the rounding error of float64
# F(t) = -sum_n t^n/n B(n+2, n+2); highest power first, the power t^0 is absent
_SERIES = np.array(
    [
        -(math.factorial(n + 1) ** 2) / (n * math.factorial(2 * n + 3))
        for n in range(_SERIES_TERMS, 0, -1)
    ]
    + [0.0]
)


@in_float64
def loop_eps_over_g(q2: ArrayLike, *, leptons: str = "mu-tau") -> Complex[Array, "..."]:
    """Kinetic mixing eps/g_X from the loop of two leptons with vector charges +1 and -1, at q2
    [GeV^2].

    eps/g_X = e/(2 pi^2) int_0^1 dx x(1-x) ln{ [m_b^2 - x(1-x) q2 - i0] / [m_a^2 - x(1-x) q2 - i0] }
    for `leptons` = "a-b": lepton a has charge +1, b has -1 (names e, mu, tau). q2 > 0 is time-like;
    the result is complex above q2 = 4 m^2 of either lepton and real (zero imaginary part) below.
    The interaction is X_mu eps e J_em^mu with Q_e = -1, so that "mu-tau" is positive: +1/69.3 at q2
    = 0.

    Relative accuracy 1e-12 for |q2| <= (10 GeV)^2, 1e-9 up to (1 TeV)^2, where the two leptons
    cancel. The gradient is finite everywhere; at a threshold itself, where the exact slope is
    infinite, the singular part is left out. Raises `ParameterError` for unknown leptons. Source:
    arXiv:2006.11225 Eq. (7); arXiv:2107.07518 app. A.

    >>> 1 / complex(loop_eps_over_g(0.0)).real
    69.28...
    """
    names = leptons.split("-")
    if len(names) != 2 or names[0] == names[1] or any(name not in LEPTON_MASSES for name in names):
        raise ParameterError(
            f"leptons = {leptons!r}; allowed: two different names of e, mu, tau such as 'mu-tau'"
        )
    (q2,) = as_float64(q2)
    re_a, im_a = lepton_loop(q2, LEPTON_MASSES[names[0]])
    re_b, im_b = lepton_loop(q2, LEPTON_MASSES[names[1]])
    return lax.complex(re_b - re_a, im_b - im_a)


def lepton_loop(q2: Array, mass: float) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Real and imaginary part of e/(2 pi^2) int x(1-x) ln[(mass^2 - x(1-x) q2 - i0)/GeV^2] dx.

    The GeV^2 is arbitrary: it drops out of any sum over leptons whose charges add up to zero.
    """
    prefactor = E_CHARGE.value / (2 * math.pi**2)
    re, im = _vacuum_polarisation(q2 / mass**2)
    return prefactor * (math.log(mass**2) / 6 + re), prefactor * im


def _vacuum_polarisation(t: Array) -> tuple[Array, Array]:
    """F(t) = int_0^1 x(1-x) ln[1 - x(1-x) t - i0] dx = -5/18 - 2/(3t) + (1 + 2/t) K(t)/6, by its
    series at small t.
    """
    small = jnp.abs(t) < 1
    series = horner(_SERIES, jnp.where(small, t, 0.0))
    # K = b ln[(b+1)/(b-1)], b = sqrt(1 - 4/t), on three branches, each fed a harmless argument off
    # its range. (b+1)/|b-1| is written as (b+1)^2 |t|/4, which does not cancel at large |t|.
    negative, bound, open_ = ~small & (t < 0), ~small & (t > 0) & (t < 4), t > 4
    free = negative | open_
    t_free = jnp.where(free, t, 8.0)
    b_free = jnp.sqrt(1 - 4 / t_free)
    b_bound = jnp.sqrt(4 / jnp.where(bound, t, 1.0) - 1)
    K = jnp.where(free, b_free * (2 * jnp.log1p(b_free) + jnp.log(jnp.abs(t_free) / 4)), 0.0)
    K = jnp.where(bound, 2 * b_bound * jnp.arctan(1 / b_bound), K)
    safe_t = jnp.where(small, 1.0, t)
    closed = -5 / 18 - 2 / (3 * safe_t) + (1 + 2 / safe_t) * K / 6
    imaginary = jnp.where(open_, -math.pi / 6 * (1 + 2 / safe_t) * b_free, 0.0)
    return jnp.where(small, series, closed), imaginary


class Boson(NamedTuple):
    """A neutral mass eigenstate: mass [GeV] and field content, (B, W3, X) = (v_B, v_W, v_X) times
    its field.

    v_A and v_Z: the same content in the photon and Z of the Standard Model (Z coupled to +g_Z (T3 -
    s_W^2 Q)) and X, so that v_B = c_W v_A - s_W v_Z and v_W = s_W v_A + c_W v_Z."""

    mass: Float[Array, "..."]
    v_B: Float[Array, "..."]
    v_W: Float[Array, "..."]
    v_X: Float[Array, "..."]
    v_A: Float[Array, "..."]
    v_Z: Float[Array, "..."]


class MassEigenstates(NamedTuple):
    """Photon, Z and X after mixing."""

    photon: Boson
    Z: Boson
    X: Boson


@in_float64
def mass_eigenstates(
    m_X: ArrayLike,
    g_X: ArrayLike,
    eps_BX: ArrayLike,
    *,
    X_H: ArrayLike = 0.0,
    g_Y: ArrayLike = G_Y,
    g: ArrayLike = G_W,
    m_Z: ArrayLike = M_Z.value,
) -> MassEigenstates:
    """Photon, Z and X of a U(1)_X with kinetic mixing eps_BX, at tree level and to all orders in
    eps_BX.

    m_X, m_Z: masses in the Lagrangian [GeV], m_Z = v sqrt(g^2 + g_Y^2)/2 without X; X_H: charge of
    the Higgs doublet (hypercharge +1/2), which mixes Z and X by mass. All arguments broadcast. The
    states v solve M^2 v = m^2 K v, v^T K v = 1, with the kinetic matrix K. `Z` and `X` are named by
    their larger component: X is the light one for m_X << m_Z and the heavy one for m_X >> m_Z, and
    the names change over at maximal mixing (with infinitesimal mixing, at m_X = m_Z). The photon is
    exactly that of the Standard Model. The Z-X angle is about s_W eps_BX for a light X.

    The photon is split off exactly and the remaining 2x2 problem solved in closed form without
    cancellation: relative error <= 1e-13 of masses and of v_A, v_Z, v_X for m_X from 0 to 1e6 GeV;
    close to m_Z that of the v grows to 1e-15 m_Z/|m_X - m_Z|. NaN unless m_X >= 0, |eps_BX| < 1 and
    g_Y, g, m_Z > 0. Gradients are finite; at m_X = m_Z without mixing they have no meaning. Source:
    arXiv:2107.07518 app. A.

    >>> state = mass_eigenstates(0.1, 1e-3, 1e-3).X
    >>> round(float(state.mass), 10), round(float(state.v_A), 10)
    (0.1000000384, -0.0008768184)
    """
    m_X, g_X, eps_BX, X_H, g_Y, g, m_Z = as_float64(m_X, g_X, eps_BX, X_H, g_Y, g, m_Z)
    valid = (m_X >= 0) & (jnp.abs(eps_BX) < 1) & (g_Y > 0) & (g > 0) & (m_Z > 0)
    eps, g_Y, g, m_Z = (
        jnp.where(valid, x, y) for x, y in ((eps_BX, 0.0), (g_Y, G_Y), (g, G_W), (m_Z, 1.0))
    )
    g_Z = jnp.sqrt(g**2 + g_Y**2)
    s_W, c_W = g_Y / g_Z, g / g_Z
    # Basis: photon A, Z0 = (-s_W, c_W, 0), X0 = X - c_W eps A, orthogonal to A; then X1 = X0 + s_W
    # eps Z0, orthogonal to both and of norm 1 - eps^2. In units of m_Z^2 the mass matrix of Z0 and
    # X1 is [[1, eta], [eta, eta^2 + rho]].
    root = jnp.where(valid, jnp.sqrt((1 - eps) * (1 + eps)), jnp.nan)
    delta = 2 * g_X * X_H / g_Z
    eta = (s_W * eps - delta) / root
    rho = (m_X / (m_Z * root)) ** 2
    # Rotation by the smaller angle, tan(theta) = ratio eta; eigenvalues heavy and rho/heavy
    gap = (1 - eta) * (1 + eta) - rho
    squared = gap**2 + 4 * eta**2
    mixed, swapped = squared > 0, gap < 0
    radius = jnp.sqrt(jnp.where(mixed, squared, 1.0))
    ratio = jnp.where(mixed, 2 / jnp.where(swapped, gap - radius, gap + radius), 0.0)
    heavy = jnp.where(swapped, eta**2 + rho, 1.0) + jnp.abs(ratio) * eta**2
    light_mass, heavy_mass = m_X / (root * jnp.sqrt(heavy)), m_Z * jnp.sqrt(heavy)
    tangent = ratio * eta
    cosine = 1 / jnp.sqrt(1 + tangent**2)
    scale = cosine / root
    # The difference s_W eps - root tangent is taken analytically: for X_H = 0 it vanishes as m_X^2
    v_Z_of_X = scale * ratio * (delta - s_W * eps * jnp.where(swapped, heavy, rho / heavy))

    def boson(mass: Array, v_A: Array, v_Z: Array, v_X: Array) -> Boson:
        return Boson(mass, c_W * v_A - s_W * v_Z, s_W * v_A + c_W * v_Z, v_X, v_A, v_Z)

    zero = 0 * scale
    return MassEigenstates(
        photon=boson(zero, zero + 1, zero, zero),
        Z=boson(
            jnp.where(swapped, light_mass, heavy_mass),
            -scale * tangent * c_W * eps,
            cosine + scale * tangent * s_W * eps,
            scale * tangent,
        ),
        X=boson(jnp.where(swapped, heavy_mass, light_mass), -scale * c_W * eps, v_Z_of_X, scale),
    )


@in_float64
def fermion_coupling(
    boson: Boson,
    g_X: ArrayLike,
    *,
    Y: ArrayLike,
    T3: ArrayLike,
    X: ArrayLike,
    g_Y: ArrayLike = G_Y,
    g: ArrayLike = G_W,
) -> Float[Array, "..."]:
    """Coupling v_B g_Y Y + v_W g T3 + v_X g_X X of a chiral fermion (hypercharge Y, isospin T3,
    charge X) to a boson.

    For X with m_X << m_Z and X_H = 0 it is g_X X - c_W eps_BX e Q up to relative corrections of
    order eps_BX^2 and m_X^2/m_Z^2 (`low_energy_eps`). Computed from v_A and v_Z, so that a neutral
    fermion keeps its digits. Give g_X, g_Y and g as to `mass_eigenstates`; everything broadcasts.
    Source: arXiv:2107.07518 app. A.

    >>> state = mass_eigenstates(0.1, 1e-3, 1e-3).X  # right-handed electron without charge: -e eps
    >>> print(f"{float(fermion_coupling(state, 1e-3, Y=-1, T3=0, X=0)):.5e}")
    2.65520e-04
    """
    v_A, v_Z, v_X, g_X, Y, T3, X, g_Y, g = as_float64(
        boson.v_A, boson.v_Z, boson.v_X, g_X, Y, T3, X, g_Y, g
    )
    g_Z = jnp.sqrt(g**2 + g_Y**2)
    e, Q = g * g_Y / g_Z, Y + T3
    return v_A * e * Q + v_Z * (g_Z * T3 - e * g_Y / g * Q) + v_X * g_X * X


@in_float64
def low_energy_eps(
    eps_BX: ArrayLike, *, g_Y: ArrayLike = G_Y, g: ArrayLike = G_W
) -> Float[Array, "..."]:
    """The mixing eps of X_m (g_X J_X^m + eps e J_em^m) for m_X << m_Z: eps = -c_W eps_BX.

    Relative corrections are of order eps_BX^2 and m_X^2/m_Z^2. Source: arXiv:2107.07518 app. A.

    >>> round(float(low_energy_eps(1e-3)), 7)
    -0.0008768
    """
    eps_BX, g_Y, g = as_float64(eps_BX, g_Y, g)
    return -eps_BX * g / jnp.sqrt(g**2 + g_Y**2)


@in_float64
def shift_hypercharge(
    g_Y: ArrayLike, g_X: ArrayLike, eps_BX: ArrayLike, a: ArrayLike
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """The couplings (g_Y, g_X, eps_BX) that describe the same physics with the charges X + a Y
    instead of X.

    g_Y is unchanged, g_X' = g_X/D, eps_BX' = (eps_BX + a k)/D with k = g_X/g_Y, D^2 = 1 + 2 a k
    eps_BX + a^2 k^2. The Higgs doublet then has the charge X_H + a/2, and the mass in the
    Lagrangian is m_X' = m_X g_X'/g_X. For a light X the charges X + a Y at unchanged eps_BX act as
    the charges X with eps + a c_W^2 g_X/e: the Z part cancels. a = -eps_BX g_Y/g_X removes the
    kinetic mixing. NaN unless g_Y > 0 and |eps_BX| < 1. Arguments broadcast. Source:
    arXiv:2107.07518 app. A, Eq. (A.1).

    >>> [round(float(x), 6) for x in shift_hypercharge(0.36, 0.09, 0.0, 4)]
    [0.36, 0.06364, 0.707107]
    """
    g_Y, g_X, eps_BX, a = as_float64(g_Y, g_X, eps_BX, a)
    valid = (g_Y > 0) & (jnp.abs(eps_BX) < 1)
    step = a * g_X / jnp.where(valid, g_Y, 1.0)
    eps = jnp.where(valid, eps_BX, 0.0)
    root = jnp.sqrt((eps + step) ** 2 + (1 - eps) * (1 + eps))
    shifted = [jnp.where(valid, value, jnp.nan) for value in (g_X / root, (eps + step) / root)]
    return jnp.where(valid, g_Y, jnp.nan) + jnp.zeros_like(root), shifted[0], shifted[1]
