"""B -> K(*) X with X unseen, and B -> K nu nu with X exchange, arXiv:2107.07518 Eq. (44).

    L = X_a [ g_sb_L sbar gamma^a P_L b + g_sb_R sbar gamma^a P_R b + h.c. + sum_i g_nu_i nubar_i
    gamma^a P_L nu_i ]

B -> K depends on g_sb = g_sb_L + g_sb_R only. Couplings g_sb may be complex (a weak phase); masses
and widths in GeV."""

from __future__ import annotations

import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.errors import ParameterError, nearest
from zscan.kernels._btokll import INPUTS
from zscan.kernels._flight import kallen, two_body_width
from zscan.kernels._rates import N_PHASE, N_SCALE, RATE_SCALE, Coupling, as_coupling
from zscan.kernels._resonance import Expansion, expand, pole_integrals, quadrature
from zscan.kernels.formfactors import (
    BTOK,
    Q2_MAX,
    BToKParameters,
    NumpyOrJax,
    b_to_kstar,
    btok_values,
)
from zscan.precision import as_float64, in_float64

_M_B, _M_K = INPUTS["m_B"], INPUTS["m_K"]
M_X_MAX = _M_B - _M_K  # 4.786 GeV


@in_float64
def branching_ratio(
    m_X: ArrayLike, g_sb: ArrayLike, *, form_factors: BToKParameters = BTOK
) -> Float[Array, "..."]:
    """BR(B+ -> K+ X), the two-body decay, for the coupling g_sb = g_sb_L + g_sb_R.

    Gamma = |g_sb|^2 f_+(m_X^2)^2 lambda(m_B^2, m_K^2, m_X^2)^(3/2) / (64 pi m_B^3 m_X^2): it grows
    as (g_sb/m_X)^2 for a light X, which is longitudinal. m_X [GeV] and g_sb broadcast. 0 (with zero
    gradient) from m_X = m_B - m_K on, NaN for m_X <= 0. A form factor uncertainty of 8 % is not
    included. Source: arXiv:2107.07518, Eq. (44) and above.

    >>> round(float(branching_ratio(1.0, 1e-8)) * 1e5, 6)
    1.953939
    """
    coupling = as_coupling(g_sb)
    m_X, real = as_float64(m_X, coupling.real)
    squared = (
        real**2 if coupling.imag is None else real**2 + jnp.reshape(coupling.imag, real.shape) ** 2
    )
    open_channel = (m_X > 0) & (m_X < M_X_MAX)
    rate = _unit_rate(jnp.where(open_channel, m_X, 1.0), form_factors) * squared
    return jnp.where(open_channel, rate, jnp.where(m_X > 0, 0.0, jnp.nan))


@in_float64
def g_sb_max(
    m_X: ArrayLike,
    br_max: ArrayLike = 1.6e-5,
    invisible: ArrayLike = 1.0,
    form: Literal["full", "linear"] = "full",
) -> Float[Array, "..."]:
    """Largest |g_sb| allowed by BR(B+ -> K+ X) * invisible <= br_max, X being unseen with
    probability `invisible` > 0.

    form = "full" is exact, and infinite (no bound) from m_X = m_B - m_K on; "linear" is its limit
    for a light X, 9.05e-9 m_X/GeV for the defaults, at all masses, as arXiv:2107.07518 Eq. (44) has
    it. The default br_max combines limits of the Belle and BaBar time and is provisional, as the
    coefficient printed in Eq. (44) was not available. Arguments broadcast; NaN for m_X <= 0. Raises
    ParameterError for an unknown form.

    >>> f"{float(g_sb_max(0.01)):.3e}"
    '9.047e-11'
    """
    if form not in ("full", "linear"):
        raise ParameterError(f"form = {form!r} is not known; {nearest(form, ('full', 'linear'))}")
    m_X, br_max, invisible = as_float64(m_X, br_max, invisible)
    if form == "linear":
        slope = (
            INPUTS["tau_B"]
            * BTOK.plus[0] ** 2
            * (_M_B**2 - _M_K**2) ** 3
            / (64 * math.pi * _M_B**3)
        )
        return jnp.where(m_X > 0, m_X, jnp.nan) * jnp.sqrt(br_max / (slope * invisible))
    open_channel = (m_X > 0) & (m_X < M_X_MAX)
    bound = jnp.sqrt(br_max / (_unit_rate(jnp.where(open_channel, m_X, 1.0), BTOK) * invisible))
    return jnp.where(open_channel, bound, jnp.where(m_X > 0, jnp.inf, jnp.nan))


@in_float64
def branching_ratio_kstar(
    m_X: ArrayLike, g_sb_L: ArrayLike, g_sb_R: ArrayLike = 0.0
) -> Float[Array, "..."]:
    """BR(B0 -> K*(892)0 X), the two-body decay, K* taken as stable; couplings real or complex.

    Gamma = sqrt(lambda)/(16 pi m_B^3) sum |H|^2, with g_-+ = g_sb_L -+ g_sb_R and H_0 = 4 g_- m_B
    m_K* A_12/m_X,  H_+- = [g_+ sqrt(lambda) V/(m_B + m_K*) -+ g_- (m_B + m_K*) A_1]/2. For a light
    X only H_0 = g_- (m_B^2 - m_K*^2) A_0(0)/(2 m_X) remains: the formula of B -> K X with A_0 for
    f_+ and g_- for g_sb. Arguments broadcast. 0 from m_X = m_B - m_K* = 4.384 GeV on, NaN for m_X
    <= 0. Form factors carry 20 % uncertainty in the rate. For B+ -> K*+ multiply by the ratio of
    lifetimes, 1.078. Same helicity amplitudes as B -> K* nu nu, arXiv:1409.4557; form factors
    arXiv:1503.05534."""
    left, right = as_coupling(g_sb_L), as_coupling(g_sb_R)
    zero = jnp.zeros(())
    imag = (zero if part.imag is None else part.imag for part in (left, right))
    m_X, left_real, right_real, *parts = as_float64(m_X, left.real, right.real, *imag)
    left_imag, right_imag = parts
    m_B, m_V = INPUTS["m_B0"], INPUTS["m_Kstar0"]
    open_channel = (m_X > 0) & (m_X < m_B - m_V)
    m = jnp.where(open_channel, m_X, 1.0)
    axial_1, axial_12, vector = b_to_kstar(m**2)
    lam = kallen(m, m_B, m_V)
    plus = (left_real + right_real) ** 2 + (left_imag + right_imag) ** 2
    minus = (left_real - right_real) ** 2 + (left_imag - right_imag) ** 2
    longitudinal = minus * (4 * m_B * m_V * axial_12 / m) ** 2
    transverse = (
        plus * lam * (vector / (m_B + m_V)) ** 2 + minus * ((m_B + m_V) * axial_1) ** 2
    ) / 2
    rate = INPUTS["tau_B0"] * jnp.sqrt(lam) / (16 * math.pi * m_B**3) * (longitudinal + transverse)
    return jnp.where(open_channel, rate, jnp.where(m_X > 0, 0.0, jnp.nan))


@in_float64
def branching_ratio_nunu(
    m_X: ArrayLike,
    width: ArrayLike,
    g_sb: ArrayLike,
    g_nue: ArrayLike = 0.0,
    g_numu: ArrayLike = 0.0,
    g_nutau: ArrayLike = 0.0,
    *,
    invisible: ArrayLike | None = None,
) -> Float[Array, "..."]:
    """CP-averaged BR(B+ -> K+ nu nubar), or BR(B+ -> K+ + unseen), with X: all flavours, all q2, X
    light or heavy.

    invisible = None: B+ -> K+ nu nubar with C_i = C_L + N g_sb g_nu_i P(q2)/2 for each flavour, the
    propagator exact over 0 < q2 < (m_B - m_K)^2. For an X that can be on shell this contains the
    peak, that is BR(B -> K X) times the neutrino share of the decays of X, as well as interference
    and tails; for a heavy X it is the contact limit.

    Otherwise `invisible` is the total probability that an X on shell is not seen: neutrinos, dark
    states, and decays outside the detector. Then BR(B -> K X) [invisible - share] is added, share =
    m_X sum g_nu_i^2/(24 pi width) being what the peak holds already, so that nothing counts twice;
    nothing is added above threshold. `invisible` below the share means that neutrinos are seen and
    is not sensible, nor is a width below that into neutrinos.

    Arguments broadcast. A width of 0 needs g_nu_i = 0 or an X heavier than m_B - m_K. Error <= 1e-6
    against direct integration. The Standard Model value is 4.7e-6, with 10 % uncertainty; the
    long-distance contribution of B -> tau nu is not included. NaN for m_X <= 0. Source:
    arXiv:1409.4557; normalisation of arXiv:2107.07518 Eq. (88).

    >>> f"{float(branching_ratio_nunu(10.0, 0.0, 0.0)):.3e}"
    '4.706e-06'
    """
    coupling = as_coupling(g_sb)
    m_X, width, real, g_nue, g_numu, g_nutau = as_float64(
        m_X, width, coupling.real, g_nue, g_numu, g_nutau
    )
    imag = None if coupling.imag is None else jnp.reshape(coupling.imag, real.shape)
    total = _nunu(
        m_X,
        width,
        Coupling(real, imag),
        g_nue + g_numu + g_nutau,
        g_nue**2 + g_numu**2 + g_nutau**2,
    )
    if invisible is None:
        return total
    m_X, width, invisible, real, squares = as_float64(
        m_X, width, invisible, coupling.real, g_nue**2 + g_numu**2 + g_nutau**2
    )
    share = jnp.where(
        width > 0, m_X * squares / (24 * math.pi * jnp.where(width > 0, width, 1.0)), 0.0
    )
    return total + branching_ratio(m_X, g_sb) * (invisible - share)


def _unit_rate(m_X: Array, form_factors: BToKParameters) -> Array:
    """BR(B+ -> K+ X) for g_sb = 1, 0 < m_X < m_B - m_K."""
    plus = btok_values(m_X**2, form_factors)[0]
    return INPUTS["tau_B"] * two_body_width(m_X, _M_B, _M_K, plus)


def _nunu_weight(q2: NumpyOrJax) -> NumpyOrJax:
    """dBR(B+ -> K+ nu nubar)/dq2 [GeV^-2] for one flavour and C_L = 1."""
    lam = (M_X_MAX**2 - q2) * ((_M_B + _M_K) ** 2 - q2)
    return RATE_SCALE / (768 * math.pi**5 * _M_B**3) * lam**1.5 * btok_values(q2)[0] ** 2


@functools.lru_cache(maxsize=1)
def _nunu_expansions() -> tuple[float, tuple[Expansion, ...]]:
    """The weight of B -> K nu nu, integrated over q2, and expanded."""

    def functions(q2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight = _nunu_weight(q2)[None]
        return weight + 0j, weight

    def split(a: float, b: float) -> float:
        return b - (b - a) / 4  # the weight vanishes as a power 3/2 at the upper end

    q2, weight = quadrature(0.0, Q2_MAX, Q2_MAX * (1 - 0.25 ** np.arange(1, 6)))
    expansions = expand(functions, 0.0, Q2_MAX, breaks=np.empty(0), split=split)
    return float(weight @ _nunu_weight(q2)), expansions


@jax.jit
def _nunu(m_X: Array, width: Array, g_sb: Coupling, g_sum: Array, g_squares: Array) -> Array:
    norm, expansions = _nunu_expansions()
    (linear,), (quadratic,) = pole_integrals(expansions, m_X, width)
    real, imag = N_SCALE * g_sb.real, None if g_sb.imag is None else N_SCALE * g_sb.imag
    # The interference of B+ and B- is averaged: Re(N g_sb P) -> Re(N g_sb) Re P.
    rotated = real * N_PHASE.real if imag is None else real * N_PHASE.real - imag * N_PHASE.imag
    squared = real**2 if imag is None else real**2 + imag**2
    standard_model = INPUTS["C_L"]
    return (
        3 * standard_model**2 * norm
        + g_sum * standard_model * rotated * linear
        + g_squares * squared * quadratic / 4
    )
