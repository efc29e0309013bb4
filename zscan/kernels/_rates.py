"""dBR/dq2 of B+ -> K+ l l as a polynomial in the couplings of X, and its integrals over bins of q2.

With Cv = W(q2) + C9 and Ca = C10_SM + C10 (arXiv:2107.07518 Eqs. 86-87)

    dBR/dq2 = w_V |Cv|^2 + (w_A + w_P) |Ca|^2,   C9 = N g_sb g_V P(q2),  C10 = N g_sb g_A P(q2),
    w_V, w_A = pre lambda f_+^2 (1 +- 2 (4) m_l^2/q2)/3 for + (-),   w_P = 2 pre (m_l^2/q2) (m_B^2 -
    m_K^2)^2 f_0^2, pre = tau_B G_F^2 alpha^2 |lambda_t|^2 sqrt(lambda) beta / (512 pi^5 m_B^3), W =
    C9eff + 2 m_b/(m_B + m_K) (C7eff + C7') f_T/f_+,   N = sqrt(2) pi/(G_F alpha lambda_t),

averaged over B+ and B-. Numbers independent of the couplings are integrated in NumPy, once for each
bin."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from zscan.errors import ParameterError, nearest
from zscan.kernels._btokll import AMPLITUDES, INPUTS, LAMBDA_T, LEPTON_MASS, NORMALISATION, Q2_RANGE
from zscan.kernels._resonance import (
    NARROWEST,
    Expansion,
    expand,
    minus_square,
    pole_integrals,
    quadrature,
    together,
)
from zscan.kernels._spline import evaluate
from zscan.kernels.formfactors import NumpyOrJax, btok_values

Lepton = Literal["e", "mu"]
Phase = Literal["strong", "flavio"]
Longitudinal = Literal["paper", "full"]
Bin = tuple[float, float]

N_SCALE = NORMALISATION / abs(
    LAMBDA_T
)  # |N| in GeV^2; couplings are multiplied by it first, so that none underflows
N_PHASE = abs(LAMBDA_T) / LAMBDA_T
C10_SM = INPUTS["C10"]
RATE_SCALE = INPUTS["tau_B"] * (INPUTS["G_F"] * INPUTS["alpha_em"] * abs(LAMBDA_T)) ** 2
_M_B, _M_K = INPUTS["m_B"], INPUTS["m_K"]


class Coupling(NamedTuple):
    """Real and imaginary part of g_sb; None if its type is real, which saves half of the
    interference terms.
    """

    real: Array
    imag: Array | None


class RateTerms(NamedTuple):
    """Rate = constant + g_V linear_V + g_V^2 quadratic_V + the same in g_A, for the given g_sb, m_X
    and width.
    """

    constant: float | Array
    linear_V: Array
    quadratic_V: Array
    linear_A: Array
    quadratic_A: Array

    def at(self, g_V: Array, g_A: Array) -> Array:
        """The rate at these lepton couplings."""
        return (
            self.constant
            + g_V * (self.linear_V + g_V * self.quadratic_V)
            + g_A * (self.linear_A + g_A * self.quadratic_A)
        )


class StandardModel(NamedTuple):
    """Integrals over one bin without X: of w_V W^*, w_V Wbar^* (complex), w_V, w_A, w_P, and the
    rate itself.
    """

    vector: complex
    vector_bar: complex
    w_V: float
    w_A: float
    w_P: float
    rate: float


def as_coupling(value: ArrayLike) -> Coupling:
    """A real or complex number or array as float64 parts."""
    array = jnp.asarray(value)
    if jnp.iscomplexobj(array):
        return Coupling(jnp.real(array).astype(jnp.float64), jnp.imag(array).astype(jnp.float64))
    return Coupling(array.astype(jnp.float64), None)


def check_options(**options: str) -> None:
    """Raise ParameterError for an option that does not exist."""
    allowed = {
        "lepton": ("e", "mu"),
        "phase": ("strong", "flavio"),
        "longitudinal": ("paper", "full"),
    }
    for name, value in options.items():
        if value not in allowed[name]:
            raise ParameterError(
                f"{name} = {value!r} is not known; {nearest(value, allowed[name])}"
            )


def check_bin(q2_bin: tuple[float, float]) -> Bin:
    """The bin as two floats; ParameterError if it is not increasing or leaves the range of the
    amplitude table.
    """
    lower, upper = (float(edge) for edge in q2_bin)
    if not Q2_RANGE[0] <= lower < upper <= Q2_RANGE[1]:
        raise ParameterError(
            f"q2_bin = ({lower}, {upper}) GeV^2 is not allowed; bins are increasing and inside "
            f"{Q2_RANGE} GeV^2"
        )
    return lower, upper


def weights(q2: NumpyOrJax, lepton: Lepton) -> tuple[NumpyOrJax, NumpyOrJax, NumpyOrJax]:
    """w_V, w_A, w_P in GeV^-2 at q2, which must be above threshold."""
    ratio = LEPTON_MASS[lepton] ** 2 / q2
    plus, zero, _ = btok_values(q2)
    phase_space = ((_M_B - _M_K) ** 2 - q2) * ((_M_B + _M_K) ** 2 - q2)
    prefactor = RATE_SCALE / (512 * np.pi**5 * _M_B**3) * (phase_space * (1 - 4 * ratio)) ** 0.5
    transverse = prefactor * phase_space * plus**2 / 3
    spin_0 = 2 * prefactor * ratio * ((_M_B**2 - _M_K**2) * zero) ** 2
    return transverse * (1 + 2 * ratio), transverse * (1 - 4 * ratio), spin_0


def vector_amplitudes(
    q2: NumpyOrJax, channels: Sequence[NumpyOrJax]
) -> tuple[NumpyOrJax, NumpyOrJax]:
    """W and its CP conjugate at q2 from the eight tabulated channels."""
    plus, _, tensor = btok_values(q2)
    dipole = (2 * INPUTS["m_b"] / (_M_B + _M_K) * tensor / plus).astype(np.complex128)
    parts = [channel.astype(np.complex128) for channel in channels]
    c9, c7, c9_bar, c7_bar = (parts[i] + 1j * parts[i + 1] for i in (0, 2, 4, 6))
    return c9 + dipole * c7, c9_bar + dipole * c7_bar


def _interference(
    w_V: NumpyOrJax, w: NumpyOrJax, w_bar: NumpyOrJax, axial: NumpyOrJax, phase: Phase
) -> tuple[NumpyOrJax, NumpyOrJax, NumpyOrJax, NumpyOrJax]:
    """Functions F of q2 in int Re(F P) dq2: those multiplying Re g_sb, Im g_sb in the V and then in
    the A term.

    For the CP conjugate, "strong" conjugates the coupling and N only, "flavio" the propagator too.
    """
    n, n_bar = N_PHASE, N_PHASE.conjugate()
    strength, a = w_V.astype(np.complex128), C10_SM * axial.astype(np.complex128)
    v, v_bar = strength * w, strength * w_bar
    if phase == "flavio":
        return n * (v.conj() + v_bar), 1j * n * (v.conj() + v_bar), 2 * n * a, 2j * n * a
    return (
        n * v.conj() + n_bar * v_bar.conj(),
        1j * (n * v.conj() - n_bar * v_bar.conj()),
        2 * n.real * a,
        -2 * n.imag * a,
    )


def _table(q2: np.ndarray) -> list[np.ndarray]:
    """The channels of the amplitude table, by its spline in NumPy, at q2 inside its range."""
    knots, coefficients = AMPLITUDES
    interval = np.clip(np.searchsorted(knots, q2, side="right") - 1, 0, knots.size - 2)
    t = (q2 - knots[interval])[:, None]
    c = coefficients[:, interval]
    return list((c[0] + t * (c[1] + t * (c[2] + t * c[3]))).T)


@functools.lru_cache(maxsize=256)
def standard_model(lower: float, upper: float, lepton: Lepton) -> StandardModel:
    q2, weight = quadrature(lower, upper, AMPLITUDES.knots)
    w_V, w_A, w_P = weights(q2, lepton)
    w, w_bar = vector_amplitudes(q2, _table(q2))
    rate = w_V * (np.abs(w) ** 2 + np.abs(w_bar) ** 2) / 2 + (w_A + w_P) * C10_SM**2
    v, v_bar = (complex(weight @ (w_V * amplitude.conj())) for amplitude in (w, w_bar))
    return StandardModel(v, v_bar, *(float(weight @ f) for f in (w_V, w_A, w_P, rate)))


@functools.lru_cache(maxsize=256)
def _expansions(
    lower: float,
    upper: float,
    lepton: Lepton,
    phase: Phase,
    longitudinal: Longitudinal,
    complex_g_sb: bool,
) -> tuple[Expansion, ...]:
    """Expansions with F for Re g_sb (then Im g_sb) in the V and A terms, and w for V and A."""

    def functions(q2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w_V, w_A, w_P = weights(q2, lepton)
        axial = w_A + w_P if longitudinal == "paper" else w_A
        w, w_bar = vector_amplitudes(q2, _table(q2))
        linear = _interference(w_V, w, w_bar, axial, phase)
        return np.stack(linear if complex_g_sb else linear[::2]), np.stack([w_V, axial])

    def split(a: float, b: float) -> float:
        return float(np.sqrt(a * b))  # the threshold and ln(q2) are at the lower end

    return expand(functions, lower, upper, breaks=AMPLITUDES.knots, split=split)


def rate_terms(
    m_X: Array,
    width: Array,
    g_sb: Coupling,
    q2_bin: Bin,
    leptons: tuple[Lepton, ...],
    phase: Phase,
    longitudinal: Longitudinal,
    decayed: Array | None = None,
) -> list[RateTerms]:
    """The rate of each lepton integrated over a bin that has passed `check_bin`; of an X on shell
    the part `decayed` counts, all of it where that is None.
    """
    several = [
        _expansions(*q2_bin, lepton, phase, longitudinal, g_sb.imag is not None)
        for lepton in leptons
    ]
    expansions = together(*several)
    if expansions is None:  # each by itself
        options = phase, longitudinal, decayed
        return [rate_terms(m_X, width, g_sb, q2_bin, (item,), *options)[0] for item in leptons]

    linear, quadratic = pole_integrals(expansions, m_X, width)
    size = len(linear) // len(leptons)
    found = []
    for number, lepton in enumerate(leptons):
        sm = standard_model(*q2_bin, lepton)
        own, square = linear[number * size :][:size], quadratic[2 * number :][:2]
        if decayed is not None:
            peaks = on_shell(m_X, width, q2_bin, lepton, longitudinal)
            square = tuple(
                term - (1 - decayed) * peak for term, peak in zip(square, peaks, strict=True)
            )
        found.append(_contract(sm.rate, own, square, sm.w_P, m_X, g_sb, longitudinal))
    return found


def on_shell(
    m_X: Array, width: Array, q2_bin: Bin, lepton: Lepton, longitudinal: Longitudinal
) -> tuple[Array, Array]:
    """The peak in the integrals of w_V |P|^2 and w_A |P|^2 over a bin: pi w(m_X^2)/(m_X width) for
    an X in the bin, 0 for one outside.

    The edges are smooth over m_X width, as those of the integrals; tails are no part of it. A width
    below 1e-30 m_X is raised to that, as in `pole_integrals`."""
    w_V, axial = _at_peak(m_X, q2_bin, lepton, longitudinal)
    strength = _peak_strength(m_X, width, q2_bin)
    return w_V * strength, axial * strength


# Both are differentiated forwards: few arguments, and much in common between the results


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _peak_strength(m_X: Array, width: Array, q2_bin: Bin) -> Array:
    """pi/(m_X width) inside the bin, 0 outside."""
    y = m_X * jnp.maximum(width, NARROWEST * m_X)
    inside = jnp.ones(())
    for distance in (-minus_square(q2_bin[0], m_X), minus_square(q2_bin[1], m_X)):
        far = jnp.sqrt(distance**2 + y**2)  # (1 + distance/far)/2, accurate in the tails too
        beyond = y**2 / (far + jnp.abs(distance))
        inside = inside * jnp.where(distance > 0, far + distance, beyond) / (2 * far)
    return math.pi * inside / y


@_peak_strength.defjvp
def _peak_strength_jvp(
    q2_bin: Bin, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    m_X, width = primals

    def strength(m_X: Array, width: Array) -> Array:
        return _peak_strength.fun(m_X, width, q2_bin)

    value, by_m_X = jax.jvp(lambda m: strength(m, width), (m_X,), (jnp.ones_like(m_X),))
    by_width = jax.jvp(lambda w: strength(m_X, w), (width,), (jnp.ones_like(width),))[1]
    return value, by_m_X * tangents[0] + by_width * tangents[1]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _at_peak(
    m_X: Array, q2_bin: Bin, lepton: Lepton, longitudinal: Longitudinal
) -> tuple[Array, Array]:
    """w_V and w_A, of the axial coupling, at m_X^2, at the nearer edge for an X outside the bin."""
    w_V, w_A, w_P = weights(jnp.clip(m_X**2, *q2_bin), lepton)
    return w_V, w_A + w_P if longitudinal == "paper" else w_A


@_at_peak.defjvp
def _at_peak_jvp(
    q2_bin: Bin,
    lepton: Lepton,
    longitudinal: Longitudinal,
    primals: tuple[Array],
    tangents: tuple[Array],
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    def values(m_X: Array) -> tuple[Array, Array]:
        return _at_peak.fun(m_X, q2_bin, lepton, longitudinal)

    found, (by_V, by_A) = jax.jvp(values, primals, (jnp.ones_like(primals[0]),))
    return found, (by_V * tangents[0], by_A * tangents[0])


def differential_terms(
    q2: Array,
    m_X: Array,
    width: Array,
    g_sb: Coupling,
    lepton: Lepton,
    phase: Phase,
    longitudinal: Longitudinal,
) -> RateTerms:
    """The differential rate [GeV^-2] at q2; NaN outside the range of the table."""
    channels = evaluate(AMPLITUDES, q2)
    safe = jnp.where((q2 >= Q2_RANGE[0]) & (q2 <= Q2_RANGE[1]), q2, Q2_RANGE[0])
    w_V, w_A, w_P = weights(safe, lepton)
    w, w_bar = vector_amplitudes(safe, channels)
    axial = w_A + w_P if longitudinal == "paper" else w_A
    constant = w_V * (jnp.abs(w) ** 2 + jnp.abs(w_bar) ** 2) / 2 + (w_A + w_P) * C10_SM**2
    distance, y = safe - m_X**2, m_X * width
    square = 1 / (distance**2 + y**2)  # |P|^2; Re(F P) = (Re F distance + Im F y) |P|^2
    linear: tuple[Array, ...] = _interference(w_V, w, w_bar, axial, phase)
    if g_sb.imag is None:
        linear = linear[::2]
    terms = tuple((jnp.real(f) * distance + jnp.imag(f) * y) * square for f in linear)
    return _contract(constant, terms, (w_V * square, axial * square), w_P, m_X, g_sb, longitudinal)


def _contract(
    constant: float | Array,
    linear: tuple[Array, ...],
    quadratic: tuple[Array, ...],
    w_P: float | Array,
    m_X: Array,
    g_sb: Coupling,
    longitudinal: Longitudinal,
) -> RateTerms:
    """Multiply what depends on m_X and width only by the powers of g_sb."""
    real = N_SCALE * g_sb.real
    if g_sb.imag is None:
        squared, rotated = real**2, real * N_PHASE.real
        linear_V, linear_A = (real * term for term in linear)
    else:
        imag = N_SCALE * g_sb.imag
        squared, rotated = real**2 + imag**2, real * N_PHASE.real - imag * N_PHASE.imag
        linear_V, linear_A = (
            real * linear[0] + imag * linear[1],
            real * linear[2] + imag * linear[3],
        )
    quadratic_V, quadratic_A = (squared * term for term in quadratic)
    if longitudinal == "full":
        # q_a q_b/m_X^2 in the propagator of X turns P into -1/m_X^2 in the spin-0 amplitude.
        linear_A = linear_A - 2 * C10_SM * w_P * rotated / m_X**2
        quadratic_A = quadratic_A + w_P * squared / m_X**4
    return RateTerms(constant, linear_V, quadratic_V, linear_A, quadratic_A)
