"""Flavour-changing emission of a light X by down quarks: two-body decays of kaons, couplings from
anomalies and from loops of the top quark, Z -> gamma X.

    L = X_a [ g_ij dbar_j gamma^a P_L d_i + h.c. ]

with i -> j named "sb" (b -> s), "sd" (s -> d) or "bd" (b -> d). B -> K X and B -> K* X are in
`zscan.kernels.btokx`. The couplings that an anomaly or a loop makes are complex: their phase is
that of V_ai V_aj^* in the convention of the PDG, in which V_us and V_ud are real. Rates grow as
(g_ij/m_X)^2 for a light X, which is longitudinal; m_X -> 0 at a fixed g_ij is no limit that exists.
Masses in GeV."""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Complex, Float

from zscan.constants import G_F, HBAR, M_Z, SIN2_THETA_W_MZ, Constant
from zscan.errors import ParameterError, nearest
from zscan.kernels._ckm import rows
from zscan.kernels._flight import two_body_width
from zscan.kernels._rates import as_coupling
from zscan.precision import as_float64, in_float64

Transition = Literal["sb", "sd", "bd"]
Up = Literal["c", "t"]
TRANSITIONS = ("sb", "sd", "bd")

_PDG = "PDG 2020, PTEP 2020 083C01"
M_K_PLUS = Constant(0.493677, "GeV", 1.6e-5, _PDG)
M_K_L = Constant(0.497611, "GeV", 1.3e-5, _PDG)
M_PI_PLUS = Constant(0.13957039, "GeV", 1.8e-7, _PDG)
M_PI_0 = Constant(0.1349768, "GeV", 5e-7, _PDG)
TAU_K_PLUS = Constant(12.38e-9, "s", 2.0e-11, _PDG)
TAU_K_L = Constant(51.16e-9, "s", 2.1e-10, _PDG)
F_PLUS_0 = Constant(0.9698, "1", 1.7e-3, "K -> pi at q2 = 0, FLAG 2021 (arXiv:2111.09849)")
LAMBDA_PLUS = Constant(0.02969, "1", 3e-4, "slope in q2/m_pi+^2 of K_e3, PDG 2020")

M_W = Constant(80.379, "GeV", 0.012, _PDG)
GAMMA_Z = Constant(2.4952, "GeV", 2.3e-3, _PDG)
ALPHA_MZ = Constant(1 / 127.95, "1", 8e-7, "MSbar at m_Z, PDG 2020")
M_T = Constant(163.0, "GeV", 1.0, "MSbar mass")
M_C = Constant(1.27, "GeV", 0.02, _PDG)
Y_T = math.sqrt(2) * M_T.value / 246.22  # Yukawa coupling at m_t: 0.936
WOLFENSTEIN = (0.2265, 0.790, 0.141, 0.357)  # lambda, A, rho-bar, eta-bar: PDG 2020, rounded

_G2 = 8 * G_F.value * M_W.value**2 / math.sqrt(2)  # SU(2) coupling squared
_DOWN = "dsb"


@in_float64
def branching_ratio_k_pi(m_X: ArrayLike, g_sd: ArrayLike) -> Float[Array, "..."]:
    """BR(K+ -> pi+ X) for the coupling g_sd, left- plus right-handed, real or complex.

    Gamma = |g_sd|^2 f_+(m_X^2)^2 lambda(m_K^2, m_pi^2, m_X^2)^(3/2)/(64 pi m_K^3 m_X^2), f_+ of
    K_e3, linear in q2. m_X [GeV] and g_sd broadcast. 0 (with zero gradient) from m_X = m_K - m_pi =
    0.354 GeV on, NaN for m_X <= 0. Isospin breaking, 1 %, is left out. Source: as B -> K X,
    arXiv:2107.07518 Eq. (44).

    >>> print(f"{float(branching_ratio_k_pi(0.1, 1e-13)):.2e}")
    7.22e-12
    """
    coupling = as_coupling(g_sd)
    imag = jnp.zeros(()) if coupling.imag is None else coupling.imag
    m_X, real, imag = as_float64(m_X, coupling.real, imag)
    return _two_body(m_X, M_K_PLUS.value, M_PI_PLUS.value, TAU_K_PLUS.value) * (real**2 + imag**2)


@in_float64
def branching_ratio_kl_pi0(m_X: ArrayLike, g_sd: ArrayLike) -> Float[Array, "..."]:
    """BR(K_L -> pi0 X): as `branching_ratio_k_pi`, with (Im g_sd)^2 for |g_sd|^2, because a vector
    X with real coupling would violate CP; 0 for a real g_sd. m_X [GeV] and g_sd broadcast.

    Indirect CP violation, 1e-5 of Re g_sd^2, is left out; 0 from m_X = 0.363 GeV on.

    >>> print(f"{float(branching_ratio_kl_pi0(0.1, 1e-12j)):.2e}")
    3.14e-09
    """
    coupling = as_coupling(g_sd)
    imag = jnp.zeros_like(coupling.real) if coupling.imag is None else coupling.imag
    m_X, imag = as_float64(m_X, imag)
    return _two_body(m_X, M_K_L.value, M_PI_0.value, TAU_K_L.value) * imag**2


def ckm_product(up: Up, transition: Transition) -> complex:
    """V_ai V_aj^* of the CKM matrix for the transition i -> j, a = c or t; the order decides the
    sign of the phase. Raises `ParameterError` for an unknown transition.

    >>> f"{ckm_product('t', 'sb'):.4f}"
    '-0.0397+0.0008j'
    """
    if transition not in TRANSITIONS:
        raise ParameterError(
            f"transition = {transition!r} is not known; {nearest(transition, TRANSITIONS)}"
        )
    final, initial = sorted(transition, key=_DOWN.index)
    row = _CKM[up]
    return row[_DOWN.index(initial)] * row[_DOWN.index(final)].conjugate()


@in_float64
def coupling_from_anomaly(
    A_W: ArrayLike, g_X: ArrayLike, transition: Transition = "sb"
) -> Complex[Array, "..."]:
    """The coupling g_ij that an anomalous current makes through a loop of W and top (and charm).

    The divergence of the current is [A_W g^2 W Wdual + A_B g'^2 B Bdual]/(16 pi^2) (Wdual = eps
    W/2; sums of charges: `zscan.charges.anomaly_coefficients`). Where the fermions that cancel it
    are heavy and get their mass from the breaking of U(1)_X, the longitudinal X keeps that
    coupling, and

        g_ij = -3 g^4 A_W g_X/(16 pi^2)^2 sum_a V_ai V_aj^* F(m_a^2/m_W^2),
        F(x) = x [1 + x (ln x - 1)]/(1 - x)^2.

    A_W and g_X broadcast; the result is complex. Raises ParameterError for an unknown transition.
    Heavy fermions whose mass breaks SU(2) can cancel the effect (arXiv:2204.05945). Charm is 14 %
    of s -> d. Source: arXiv:1705.06726, arXiv:1707.01503; the same from arXiv:1611.09355 and from
    the c_WW term of arXiv:2012.12272.

    >>> f"{abs(complex(coupling_from_anomaly(1.5, 1.0))):.3e}"  # baryon number
    '1.495e-06'
    """
    charm = ckm_product("c", transition) * _inami_lim((M_C.value / M_W.value) ** 2)
    top = ckm_product("t", transition) * _inami_lim((M_T.value / M_W.value) ** 2)
    factor = -3 * _G2**2 / (16 * math.pi**2) ** 2 * (charm + top)
    A_W, g_X = as_float64(A_W, g_X)
    return _complex(A_W * g_X, factor)


@in_float64
def coupling_from_loop(
    q_i: ArrayLike,
    q_j: ArrayLike,
    q_t: ArrayLike,
    g_X: ArrayLike,
    scale: ArrayLike = 1e3,
    transition: Transition = "sb",
) -> Complex[Array, "..."]:
    """The coupling g_ij that the top Yukawa coupling makes below `scale` [GeV], leading logarithm.

        g_ij = y_t^2/(16 pi^2) V_ti V_tj^* [q_t - (q_i + q_j)/2] g_X ln(scale/m_t)

    with the charges of the doublets of i and j, diagonal in the basis of down-quark masses
    ("down-aligned"), and of the right-handed top: the running of the quark currents, 16 pi^2
    dk_Q/dlnmu = {Y_u Y_u^+, k_Q}/2 - Y_u k_u Y_u^+, which vanishes for one charge of all quarks.
    For a third family of charge dq it is V_ti V_tj^* y_t^2 dq/(32 pi^2) in b -> s and b -> d,
    twice that in s -> d; for family-universal axial charges y_t^2 (q_R - q_L)/(16 pi^2).

    `scale` is that of the fields that make the mixing of quarks. Arguments broadcast; the result is
    complex. A factor of order one is unknown (threshold terms, the scale), and other fields can
    cancel it by tuning: "derived, leading log". Source: running of vector currents with Yukawa
    couplings, arXiv:2012.12272 sec. 3.

    >>> f"{abs(complex(coupling_from_loop(3, 0, 3, 1.0, 1e3))):.2e}"  # 9 B_3 - 8 L_mu - L_tau
    '6.00e-04'
    """
    q_i, q_j, q_t, g_X, scale = as_float64(q_i, q_j, q_t, g_X, scale)
    log = jnp.log(jnp.where(scale > 0, scale, jnp.nan) / M_T.value)
    size = (q_t - (q_i + q_j) / 2) * g_X * log
    return _complex(size, Y_T**2 / (16 * math.pi**2) * ckm_product("t", transition))


@in_float64
def branching_ratio_z_gamma(
    m_X: ArrayLike, A_W: ArrayLike, A_B: ArrayLike, g_X: ArrayLike
) -> Float[Array, "..."]:
    """BR(Z -> gamma X) of an anomalous current, for a longitudinal X: m_X << m_Z.

    Gamma = kappa^2 m_Z^3 (1 - m_X^2/m_Z^2)^3/(24 pi), kappa = g_X 2 s c (A_W g^2 - A_B g'^2)/(16
    pi^2 m_X); A as in `coupling_from_anomaly`, under the same assumption. Arguments broadcast. 0
    from m_X = m_Z on, NaN for m_X <= 0.

    Provisional: for A_W = -A_B = A this is A^2 g_X^2 g^2 g'^2 m_Z^3/(1536 pi^5 m_X^2), derived
    here; arXiv:1705.06726 is remembered with 384 pi^5, a rate four times as large. The smaller one
    is the conservative one.

    >>> print(f"{float(branching_ratio_z_gamma(1.0, 1.5, -1.5, 1e-3)):.2e}")
    7.93e-08
    """
    m_X, A_W, A_B, g_X = as_float64(m_X, A_W, A_B, g_X)
    open_channel = (m_X > 0) & (m_X < M_Z.value)
    m = jnp.where(open_channel, m_X, 1.0)
    s2 = SIN2_THETA_W_MZ.value
    hypercharge = 4 * math.pi * ALPHA_MZ.value / (1 - s2)
    strength = (A_W * _G2 - A_B * hypercharge) * g_X * (2 * math.sqrt(s2 * (1 - s2)))
    kappa = strength / (16 * math.pi**2 * m)
    width = kappa**2 * M_Z.value**3 * (1 - (m / M_Z.value) ** 2) ** 3 / (24 * math.pi)
    return jnp.where(open_channel, width / GAMMA_Z.value, jnp.where(m_X > 0, 0.0 * kappa, jnp.nan))


def _two_body(m_X: Array, m_K: float, m_pi: float, lifetime: float) -> Array:
    """Branching ratio for unit coupling."""
    open_channel = (m_X > 0) & (m_X < m_K - m_pi)
    m = jnp.where(open_channel, m_X, m_pi)
    form_factor = F_PLUS_0.value * (1 + LAMBDA_PLUS.value * (m / M_PI_PLUS.value) ** 2)
    rate = two_body_width(m, m_K, m_pi, form_factor) * (lifetime / HBAR.value)
    return jnp.where(open_channel, rate, jnp.where(m_X > 0, 0.0, jnp.nan))


def _inami_lim(x: float) -> float:
    return x * (1 + x * (math.log(x) - 1)) / (1 - x) ** 2


def _complex(size: Array, factor: complex) -> Array:
    return jax.lax.complex(size * factor.real, size * factor.imag)


def _ckm() -> dict[str, tuple[complex, complex, complex]]:
    """Rows of c and t, in d, s, b."""
    lam, A, rho, eta = WOLFENSTEIN
    apex = complex(rho, eta)
    s12, s23 = lam, A * lam**2
    V_ub_conjugate = A * lam**3 * apex * math.sqrt(1 - s23**2)
    V_ub_conjugate /= math.sqrt(1 - lam**2) * (1 - s23**2 * apex)
    return rows(s12, s23, V_ub_conjugate)


_CKM = _ckm()
