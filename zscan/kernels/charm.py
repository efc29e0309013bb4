"""Charm constraints on the coupling X_a g_uc (ubar_L gamma^a c_L) + h.c.: D0 mixing and D+ -> pi+
X.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import HBAR
from zscan.kernels._flight import two_body_width
from zscan.kernels.meson_mixing import abs_m12
from zscan.precision import as_float64, in_float64

# Moduli of the CKM matrix: PDG 2020
V_UB, V_CB = 3.82e-3, 41.0e-3

M_D_PLUS, M_PI_PLUS = 1.86966, 0.13957  # GeV, PDG 2020
TAU_D0, TAU_D_PLUS = 410.3e-15, 1033e-15  # s, PDG 2022

F_PLUS_0, M_POLE = (
    0.612,
    2.00685,
)  # D -> pi form factor f_+(q2) = F_PLUS_0/(1 - q2/M_POLE^2): FLAG 2021


@in_float64
def g_uc(g_X: ArrayLike, delta_q: ArrayLike) -> Float[Array, "..."]:
    """Coupling |g_uc| of a model whose third quark family has another charge: |g_X delta_q V_ub
    V_cb|.

    delta_q = q_3 - q_12 is the charge of the third family of quark doublets minus that of the other
    two (3 for "9B3-8Lmu-Ltau"). Down-aligned: the doublet couplings are diagonal in the basis of
    down-quark masses, and the CKM matrix moves the whole mixing to up quarks. Arguments broadcast;
    all are dimensionless. Source: arXiv:1907.10063; CKM matrix PDG 2020.

    >>> float(g_uc(1.0, 1))
    0.00015662
    """
    g_X, delta_q = as_float64(g_X, delta_q)
    return jnp.abs(g_X * delta_q) * (V_UB * V_CB)


@in_float64
def x12(m_X: ArrayLike, g_uc: ArrayLike) -> Float[Array, "..."]:
    """D0 mixing parameter x12 = 2 |M12| / Gamma from X exchange alone, M12 of
    `zscan.kernels.meson_mixing`.

    For m_X < m_c, M12 = -g_uc^2 m_D f_D^2/[4 (m_c^2 - m_X^2)] { (2/3) B_1 - (m_c^2/m_X^2) (5/12)
    [m_D/m_c(3 GeV)]^2 B_2 }, m_u = 0: x12 grows as 1/m_X^2 for a light X, which is longitudinal.
    m_X [GeV] and g_uc broadcast. The phase of g_uc does not change x12: a real g_uc is bounded by
    x12 itself, a g_uc with the largest CP violation by |x12 sin phi12|, which then equals the same
    number and has the stronger bound.

    NaN for m_X <= 0 and in 0.847 < m_X < 2 GeV, around the pole at m_c; above, the contact operator
    with leading-order QCD. Errors: `meson_mixing.abs_m12`. The Standard Model part, whose size is
    not known, is left out. Source: arXiv:1907.10063; bag parameters arXiv:1505.06639.

    >>> round(float(x12(0.1, 4.447e-8)), 5)
    0.005
    """
    return abs_m12("D0", m_X, g_uc) * (2 * TAU_D0 / HBAR.value)


@in_float64
def branching_ratio_dpi(m_X: ArrayLike, g_uc: ArrayLike) -> Float[Array, "..."]:
    """Branching ratio of D+ -> pi+ X; 0 above the threshold m_X = m_D - m_pi.

    Gamma = g_uc^2 f_+(m_X^2)^2 lambda(m_D^2, m_pi^2, m_X^2)^(3/2) / (64 pi m_D^3 m_X^2): the vector
    part of the left-handed current is g_uc/2; longitudinal X makes it grow as 1/m_X^2. m_X [GeV]
    and g_uc broadcast. For a search with an invisible X multiply by its branching ratio to
    neutrinos (1 below 2 m_mu without electron coupling).

    NaN for m_X <= 0. Error: 3 % in f_+(0), and that of one pole for f_+(q2), which is trusted up to
    a few hundred MeV. Source: arXiv:2002.04623; form factor: FLAG 2021, arXiv:2111.09849.

    >>> print(f"{float(branching_ratio_dpi(0.1, 1e-9)):.2e}")
    1.87e-06
    """
    m_X, g_uc = as_float64(m_X, g_uc)
    positive, open_ = m_X > 0, m_X < M_D_PLUS - M_PI_PLUS
    m = jnp.where(positive & open_, m_X, 1.0)
    form_factor = F_PLUS_0 / (1 - m**2 / M_POLE**2)
    width = g_uc**2 * two_body_width(m, M_D_PLUS, M_PI_PLUS, form_factor)
    return jnp.where(positive, jnp.where(open_, width * (TAU_D_PLUS / HBAR.value), 0.0), jnp.nan)
