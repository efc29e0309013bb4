"""Mixing of the neutral mesons D0, B_s, B_d and K0 by exchange of X, light or heavy.

    L = X_a [ g qbar gamma^a P_L Q + h.c. ],  <M|H|Mbar> = 2 m_M M12

with g = g_uc, g_sb, g_bd, g_sd for (q, Q) = (u, c), (s, b), (d, b), (d, s). Both vertices of the
tree exchange carry the momentum k of the heavy quark, and the longitudinal X turns k_a qbar gamma^a
P_L Q into m_Q qbar P_R Q, so that

    H = g^2/[2 (m_X^2 - k^2)] { (qbar gamma P_L Q)^2 + (m_Q^2/m_X^2) (qbar P_R Q)^2 } + h.c.

 * m_X well below m_Q: k^2 = m_Q^2 (operator product expansion), matrix elements (2/3) m_M^2 f_M^2
   B_1 and -(5/12) [m_M/(m_Q + m_q)]^2 m_M^2 f_M^2 B_2; M12 grows as 1/m_X^2 for a light X.
 * m_X well above m_Q: k^2 = 0 and the first operator alone, which falls by QCD from mu = m_X to the
   scale of B_1: [alpha_s(m_X)/alpha_s(mu)]^(6/(33 - 2 n_f)), leading order.
 * in between, a factor 1.5 around m_Q, neither holds: NaN. K0 has no heavy quark: heavy X only.

Masses in GeV; masses and couplings broadcast. Source: tree exchange, derived; D0 as
arXiv:1907.10063. Inputs and accuracy: docs/mixing.md."""

from __future__ import annotations

import cmath
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Complex, Float

from zscan.constants import M_Z
from zscan.errors import ParameterError, nearest
from zscan.kernels._ckm import rows
from zscan.kernels._rates import as_coupling
from zscan.precision import as_float64, in_float64

Phase = Literal["real", "maximal", "imaginary"]

M_B, M_T = 4.18, 162.5  # GeV, MSbar at their own scale: PDG 2022
# alpha_s(M_Z): PDG 2020; at m_b and m_t by `_inverse_alpha_s` with five flavours
ALPHA_S_M_Z, ALPHA_S_M_B, ALPHA_S_M_T = 0.1179, 0.22240, 0.10847
# GeV: Standard Model of flavio 2.7.1 (arXiv:1810.08132), 17.34 /ps, theory error 4.9 %, with the
# decay constant and the bag parameter that stand below
DELTA_M_S = 1.1413e-11
# |V_us|, |V_cb| (inclusive), |V_ub|: PDG 2020; gamma: PDG 2022
V_US, V_CB, V_UB, GAMMA = 0.2245, 42.2e-3, 3.82e-3, math.radians(65.9)

_PHASES: dict[str, complex] = {"real": 1, "maximal": 1j, "imaginary": -1}
_DOWN_QUARK = {"B_s": "s", "B_d": "d"}


class HeavyQuark(NamedTuple):
    """What a light X needs: m_Q, the sum of quark masses [GeV] that B_2 is defined with, and B_2 at
    its scale.
    """

    mass: float
    mass_sum: float
    B_2: float


class Meson(NamedTuple):
    """Mass [GeV], decay constant [GeV], B_1 in MSbar at `scale` [GeV]; NaN for `masked[0]` < m_X <
    `masked[1]` [GeV]. Without a heavy quark only m_X >= masked[1] is described.
    """

    mass: float
    f: float
    B_1: float
    scale: float
    masked: tuple[float, float]
    heavy: HeavyQuark | None


_AROUND_B = (M_B / 1.5, 1.5 * M_B)
# Masses PDG 2020, decay constants FLAG 2021 (arXiv:2111.09849). Bag parameters: D0 and K0 ETM
# (arXiv:1505.06639), B combination of arXiv:2212.10497 (lattice arXiv:1907.01025, sum rules
# arXiv:1904.00940). D0: m_c = 1.27 GeV in the propagator, m_c(3 GeV) in B_2, masked up to 2 GeV
# because its two terms would cancel at 1.756. Light quarks: m_s(m_b) = 0.08 GeV, m_u = m_d = 0.
MESONS = {
    "D0": Meson(1.86484, 0.2120, 0.757, 3.0, (1.27 / 1.5, 2.0), HeavyQuark(1.27, 0.988, 0.65)),
    "B_s": Meson(5.36688, 0.2303, 0.826, M_B, _AROUND_B, HeavyQuark(M_B, M_B + 0.08, 0.824)),
    "B_d": Meson(5.27965, 0.1900, 0.837, M_B, _AROUND_B, HeavyQuark(M_B, M_B, 0.808)),
    "K0": Meson(0.497611, 0.1557, 0.524, 2.0, (0.0, 2.0), None),
}


@in_float64
def abs_m12(meson: str | Meson, m_X: ArrayLike, g: ArrayLike) -> Float[Array, "..."]:
    """|M12| [GeV] of X exchange for a coupling g, real or complex: proportional to |g|^2.

    `meson` is "D0", "B_s", "B_d", "K0", or a `Meson` with inputs of one's own; m_X [GeV] and g
    broadcast. NaN for m_X <= 0 and where the meson is masked: D0 0.847 to 2 GeV, B_s and B_d 2.79
    to 6.27 GeV, K0 below 2 GeV. Error: heavy X 5 % (NLO QCD), that of f^2 B_1, 4 % (B) and 5 % (D0,
    K0), and of order m_Q^2/m_X^2, at the lower edge 1 % (B) and 10 % (D0); light X Lambda/m_Q, 10 %
    (B) and 30 % (D0, where the two values of m_c add a factor up to 1.7). Raises ParameterError for
    an unknown meson. Source: tree exchange, derived; D0 as arXiv:1907.10063.

    >>> round(float(abs_m12("D0", 0.1, 1.0)), 4)
    2.0278
    """
    m_X, real, imag = _arguments(m_X, g)
    unit, valid = _unit_m12(_meson(meson), m_X)
    return jnp.where(valid, unit * (real**2 + imag**2), jnp.nan)


@in_float64
def m12(
    meson: str | Meson, m_X: ArrayLike, g: ArrayLike, *, phase: Phase = "real"
) -> Complex[Array, "..."]:
    """M12 [GeV] of X exchange for a coupling g, real or complex, in the usual phases of the CKM
    matrix.

    It is positive for a real g, at all masses. `phase` turns g^2: "real" keeps it, "imaginary"
    changes its sign (a real g stands for an imaginary one), "maximal" makes M12 of a real g
    imaginary: the largest CP violation, bounded by |x12 sin phi12| for D0. m_X [GeV] and g
    broadcast. NaN (in both parts), validity and errors as in `abs_m12`; ParameterError for an
    unknown phase too.

    >>> complex(m12("B_s", 40.0, 1e-4, phase="imaginary")).real < 0
    True
    """
    parts, valid = _parts(_meson(meson), m_X, g, phase)
    real, imag = (jnp.where(valid, part, jnp.nan) for part in parts)
    return jax.lax.complex(real, imag)


@in_float64
def mass_difference_ratio(
    meson: str, m_X: ArrayLike, g: ArrayLike, *, phase: Phase = "real"
) -> Float[Array, "..."]:
    """Delta M with X over that of the Standard Model, |1 + M12/M12_SM|, for "B_s" and "B_d".

    A real g_sb adds, an imaginary one subtracts; for B_d the phase 2 beta of the Standard Model
    comes between. Arguments, NaN and errors as in `m12`; flavio 2.7.1 agrees to 0.6 % in M12 for
    B_s at 20 to 80 GeV. Raises ParameterError for other mesons.

    >>> round(float(mass_difference_ratio("B_s", 40.0, 8e-4)), 1)
    3.4
    """
    standard_model = standard_model_m12(meson)
    (real, imag), valid = _parts(MESONS[meson], m_X, g, phase)
    size = abs(standard_model)
    real, imag = (real + standard_model.real) / size, (imag + standard_model.imag) / size
    return jnp.where(valid, jnp.sqrt(real**2 + imag**2), jnp.nan)


def standard_model_m12(meson: str) -> complex:
    """M12 [GeV] of the Standard Model's top box, proportional to m f^2 B_1 (V_tb V_tq^*)^2, for
    "B_s" and "B_d".

    2 |M12| is 17.34 and 0.51 /ps, with errors of 4.9 % (flavio's, half of it |V_cb|) and 8 % (B_d:
    5 % from gamma). Its size is that of B_s in flavio. Raises ParameterError for D0 and K0, whose
    mixing has parts of long distance that are not known.

    >>> round(2 * abs(standard_model_m12("B_s")) * 1e11, 4)
    1.1413
    """
    if meson not in _DOWN_QUARK:
        raise ParameterError(
            f"no Standard Model value for the mixing of {meson!r}; "
            f"{nearest(str(meson), _DOWN_QUARK)}"
        )
    return DELTA_M_S / 2 * _top_box(meson) / abs(_top_box("B_s"))


def _top_box(meson: str) -> complex:
    """m f^2 B_1 (V_tb V_tq^*)^2, the CKM matrix in its standard parametrisation."""
    c13 = math.sqrt(1 - V_UB**2)
    row = rows(V_US / c13, V_CB / c13, cmath.rect(V_UB, GAMMA))["t"]
    inputs, lambda_t = MESONS[meson], row[2] * row["dsb".index(_DOWN_QUARK[meson])].conjugate()
    return inputs.mass * inputs.f**2 * inputs.B_1 * lambda_t**2


def _meson(meson: str | Meson) -> Meson:
    if isinstance(meson, Meson):
        return meson
    if meson not in MESONS:
        raise ParameterError(f"meson = {meson!r} is not known; {nearest(str(meson), MESONS)}")
    return MESONS[meson]


def _arguments(m_X: ArrayLike, g: ArrayLike) -> tuple[Array, Array, Array]:
    """m_X, real and imaginary part of g as float64 arrays of one rank."""
    coupling = as_coupling(g)
    m_X, real = as_float64(m_X, coupling.real)
    imag = jnp.zeros_like(real) if coupling.imag is None else coupling.imag.reshape(real.shape)
    return m_X, real, imag


def _parts(
    meson: Meson, m_X: ArrayLike, g: ArrayLike, phase: str
) -> tuple[tuple[Array, Array], Array]:
    """Real and imaginary part of M12, finite everywhere, and where they hold."""
    if phase not in _PHASES:
        raise ParameterError(f"phase = {phase!r} is not known; {nearest(phase, _PHASES)}")
    m_X, real, imag = _arguments(m_X, g)
    unit, valid = _unit_m12(meson, m_X)
    turn = _PHASES[phase]
    square = real**2 - imag**2, 2 * real * imag
    turned = turn.real * square[0] - turn.imag * square[1]
    return (unit * turned, unit * (turn.real * square[1] + turn.imag * square[0])), valid


def _unit_m12(meson: Meson, m_X: Array) -> tuple[Array, Array]:
    """M12/g^2 [GeV], finite everywhere, and where it holds."""
    low, high = meson.masked
    local = m_X >= high
    m = jnp.where(local, m_X, high)
    operator = meson.mass * meson.f**2 / 4 * (2 / 3 * meson.B_1)
    heavy = operator / m**2 * _running(m, meson.scale)
    if meson.heavy is None:
        return heavy, local
    expanded = (m_X > 0) & (m_X <= low)
    m_Q, mass_sum, B_2 = meson.heavy
    squared = jnp.where(expanded, m_X, low) ** 2
    scalar = meson.mass * meson.f**2 / 4 * (5 / 12 * (meson.mass / mass_sum) ** 2 * B_2)
    light = (m_Q**2 / squared * scalar - operator) / (m_Q**2 - squared)
    return jnp.where(local, heavy, light), expanded | local


def _inverse_alpha_s(mu: ArrayLike, n_f: int, known: float, at: float) -> Array:
    """1/alpha_s(mu) at two loops from the value `known` at the scale `at`: explicit, to 0.4 %."""
    beta_0, beta_1 = 11 - 2 * n_f / 3, 102 - 38 * n_f / 3
    v = 1 + beta_0 * known / (2 * math.pi) * jnp.log(jnp.asarray(mu) / at)
    return v / (known * (1 - beta_1 / beta_0 * known / (4 * math.pi) * jnp.log(v) / v))


# Flavours, their range of scales, alpha_s and where it has this value
_SEGMENTS = (
    (4, 1.0, M_B, ALPHA_S_M_B, M_B),
    (5, M_B, M_T, ALPHA_S_M_Z, M_Z.value),
    (6, M_T, math.inf, ALPHA_S_M_T, M_T),
)


def _running(m_X: Array, scale: float) -> Array:
    """Factor of the left-left operator from mu = m_X down to `scale`, at leading order."""
    factor = jnp.ones(())
    for n_f, low, high, known, at in _SEGMENTS:
        end = _inverse_alpha_s(jnp.clip(m_X, low, high), n_f, known, at)
        start = _inverse_alpha_s(min(max(scale, low), high), n_f, known, at)
        factor = factor * (start / end) ** (6 / (33 - 2 * n_f))
    return factor
