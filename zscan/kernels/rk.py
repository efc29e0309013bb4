"""R_K and the rate of B+ -> K+ l l with a light X, arXiv:2107.07518 Eqs. (42)-(43) and (86)-(91).

    L = X_a [ g_sb sbar gamma^a P_L b + h.c. + lbar gamma^a (g_V + g_A gamma5) l ]

In B -> K only the sum of left- and right-handed flavour-changing couplings enters: g_sb is that
sum, real, or complex with a weak phase. The propagator is 1/(q2 - m_X^2 + i m_X width) with a
constant width. Masses and widths in GeV, bins of q2 in GeV^2. Signs: for an X lighter than the bin,
g_sb g_V > 0 lowers R_K; for a heavier one, g_sb g_V < 0.

Common to all functions here:

* `q2_bin` is (lower, upper) inside [0.1, 6] GeV^2, known at trace time. A tuple of such pairs gives
  several bins at once, along a new first axis of the result.
* `phase`: how the CP conjugate treats the absorptive part of the propagator. "strong", the physical
  one, conjugates the couplings only; "flavio" conjugates the whole Wilson coefficient, as flavio
  does and the published figures did. They differ by up to 1 % of R_K for an X in the bin with
  width/m_X = 0.2, and the less the narrower it is.
* `longitudinal`: "paper" gives the spin-0 part of C10 (proportional to m_l^2 g_A) the same
  propagator; "full" includes the q_a q_b/m_X^2 term of the X propagator, which replaces the
  propagator there by -1/m_X^2.
* A width of 0 is allowed where m_X^2 is outside the bin; inside, where the rate diverges, widths
  below 1e-30 m_X count as 1e-30 m_X. Gradients are finite everywhere, edges of the bin included.
  NaN for negative m_X or width.
* `decayed` is the probability that an X on shell decays where its leptons are seen (see
  `seen_at_lhcb`), None for one that always does. Of the peak in the bin that part counts; tails and
  interference are virtual and count in full.
* Numerical error <= 1e-6 of R_K against direct integration of the same amplitudes: <= 1e-9 but for
  the kinks of the two-loop tables that flavio interpolates linearly. Standard Model amplitudes and
  form factors are central values of flavio; QED corrections (1 % of R_K, arXiv:1605.07633) are not
  included.
* `ParameterError` for a bin, lepton, `phase` or `longitudinal` that is not allowed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.errors import ParameterError
from zscan.kernels import _flight
from zscan.kernels._rates import (
    C10_SM,
    N_SCALE,
    Bin,
    Coupling,
    Lepton,
    Longitudinal,
    Phase,
    as_coupling,
    check_bin,
    check_options,
    differential_terms,
    rate_terms,
    standard_model,
)
from zscan.precision import as_float64, in_float64

Bins = Bin | tuple[Bin, ...]
Parabola = tuple[
    float | Array, Array, Array
]  # a, b, c of the rate a + b t + c t^2 with t = g_sb/g_max
R_K_BIN: Bin = (1.1, 6.0)
# Of LHCb, provisional: how far [m] X may fly for its leptons to make one vertex with the kaon, and
# its momentum [GeV]
VERTEX_LENGTH, MOMENTUM = 0.01, 50.0
_ROUNDING = 1e-14  # relative; R_K values closer than this are equal


class Minimum(NamedTuple):
    """Smallest R_K over g_V, and the g_V that attains it."""

    r_k: Float[Array, "..."]
    g_V: Float[Array, "..."]


class Reach(NamedTuple):
    """Smallest and largest R_K for |g_sb| <= g_max, and the g_sb that attain them; all between is
    reached too.
    """

    minimum: Float[Array, "..."]
    maximum: Float[Array, "..."]
    g_sb_minimum: Float[Array, "..."]
    g_sb_maximum: Float[Array, "..."]


@in_float64
def r_k(
    m_X: ArrayLike,
    width: ArrayLike,
    g_sb: ArrayLike,
    g_V: ArrayLike,
    g_A: ArrayLike,
    *,
    g_V_e: ArrayLike = 0.0,
    g_A_e: ArrayLike = 0.0,
    q2_bin: Bins = R_K_BIN,
    phase: Phase = "strong",
    longitudinal: Longitudinal = "paper",
    decayed: ArrayLike | None = None,
) -> Float[Array, "..."]:
    """R_K = BR(B+ -> K+ mu mu)/BR(B+ -> K+ e e) in a bin of q2, with X exchange in the muon and the
    electron channel.

    g_V, g_A couple X to muons, g_V_e, g_A_e to electrons (left at the number 0 they cost nothing).
    All arguments broadcast against each other; the integrals over q2 are evaluated on the shape of
    m_X and width only. Conventions, validity and accuracy: see the module. Raises ParameterError
    for a bin or option that is not allowed.

    >>> round(float(r_k(2.0, 2e-3, 1.81e-8, 0.01, -0.005)), 5)
    1.31169
    """
    check_options(phase=phase, longitudinal=longitudinal)
    bins, single = _bins(q2_bin)
    m_X, width, coupling, (g_V, g_A, g_V_e, g_A_e), electrons = _arrays(
        m_X, width, g_sb, g_V, g_A, g_V_e, g_A_e
    )
    seen = _seen(decayed, m_X)
    ratios = _r_k(
        m_X, width, coupling, g_V, g_A, g_V_e, g_A_e, seen, bins, phase, longitudinal, electrons
    )
    return ratios[0] if single else jnp.stack(ratios)


@in_float64
def seen_at_lhcb(
    m_X: ArrayLike,
    width: ArrayLike,
    *,
    length: float = VERTEX_LENGTH,
    momentum: float = MOMENTUM,
) -> Float[Array, "..."]:
    """The probability that X decays so near to the B that its leptons and the kaon make one vertex:
    1 - exp(-length m_X width/(momentum hbar c)), for `decayed`.

    m_X, width and momentum in GeV, length in m; m_X and width broadcast. The defaults, 1 cm at 50
    GeV (a B of 100 GeV that gives half of its momentum to X), are estimates: provisional. They are
    1 for couplings above 1e-4 in the bin of R_K.

    >>> print(f"{float(seen_at_lhcb(2.0, 1e-12)):.3f}")
    0.868
    """
    m_X, width = as_float64(m_X, width)
    return _flight.decayed(m_X, width, length, momentum)


@in_float64
def r_k_wilson(C9: ArrayLike, C10: ArrayLike, *, q2_bin: Bins = R_K_BIN) -> Float[Array, "..."]:
    """R_K for constant new-physics coefficients C9, C10 of the muon operators, electrons as in the
    Standard Model.

    Normalised as in arXiv:2107.07518 Eq. (88), at 4.8 GeV. They broadcast against each other; a
    complex coefficient is a weak phase, conjugated for the CP conjugate. Agrees with flavio 2.7.1
    to 1e-6.

    >>> round(float(r_k_wilson(-1.0, 0.0)), 5)
    0.79236
    """
    bins, single = _bins(q2_bin)
    c9, c10 = as_coupling(C9), as_coupling(C10)
    zero = jnp.zeros(())
    real_9, imag_9, real_10, imag_10 = as_float64(
        c9.real,
        zero if c9.imag is None else c9.imag,
        c10.real,
        zero if c10.imag is None else c10.imag,
    )

    def ratio(q2_bin: Bin) -> Array:
        sm = standard_model(*q2_bin, "mu")
        both, difference = sm.vector + sm.vector_bar, sm.vector - sm.vector_bar
        axial = sm.w_A + sm.w_P
        vector_part = (
            real_9 * both.real - imag_9 * difference.imag + (real_9**2 + imag_9**2) * sm.w_V
        )
        axial_part = axial * (2 * C10_SM * real_10 + real_10**2 + imag_10**2)
        return (sm.rate + vector_part + axial_part) / standard_model(*q2_bin, "e").rate

    ratios = [ratio(q2_bin) for q2_bin in bins]
    return ratios[0] if single else jnp.stack(ratios)


@in_float64
def branching_ratio(
    m_X: ArrayLike,
    width: ArrayLike,
    g_sb: ArrayLike,
    g_V: ArrayLike,
    g_A: ArrayLike,
    *,
    lepton: Lepton = "mu",
    q2_bin: Bins = R_K_BIN,
    phase: Phase = "strong",
    longitudinal: Longitudinal = "paper",
    decayed: ArrayLike | None = None,
) -> Float[Array, "..."]:
    """CP-averaged BR(B+ -> K+ l+ l-) integrated over a bin of q2 (not divided by its width); g_V,
    g_A of that lepton.

    Broadcasting, conventions and errors as in `r_k`. The absolute scale carries the 10 %
    uncertainty of the form factors. It agrees with flavio 2.7.1 to 3e-5, because flavio's CP
    conjugate changes |lambda_t| by as much.

    >>> f"{float(branching_ratio(1.0, 0.0, 0.0, 0.0, 0.0)):.3e}"
    '1.721e-07'
    """
    check_options(lepton=lepton, phase=phase, longitudinal=longitudinal)
    bins, single = _bins(q2_bin)
    m_X, width, coupling, (g_V, g_A), _ = _arrays(m_X, width, g_sb, g_V, g_A)
    seen = _seen(decayed, m_X)
    rates = _rates(m_X, width, coupling, g_V, g_A, seen, bins, lepton, phase, longitudinal)
    return rates[0] if single else jnp.stack(rates)


@in_float64
def differential_branching_ratio(
    q2: ArrayLike,
    m_X: ArrayLike,
    width: ArrayLike,
    g_sb: ArrayLike,
    g_V: ArrayLike,
    g_A: ArrayLike,
    *,
    lepton: Lepton = "mu",
    phase: Phase = "strong",
    longitudinal: Longitudinal = "paper",
) -> Float[Array, "..."]:
    """CP-averaged dBR(B+ -> K+ l+ l-)/dq2 [GeV^-2] at q2 [GeV^2]; all arguments broadcast, else as
    `branching_ratio`.

    NaN for q2 outside [0.1, 6] GeV^2; infinite at q2 = m_X^2 exactly if the width is 0.
    """
    check_options(lepton=lepton, phase=phase, longitudinal=longitudinal)
    coupling = as_coupling(g_sb)
    q2, m_X, width, real, g_V, g_A = as_float64(q2, m_X, width, coupling.real, g_V, g_A)
    imag = coupling.imag if coupling.imag is None else jnp.reshape(coupling.imag, real.shape)
    return differential_terms(q2, m_X, width, Coupling(real, imag), lepton, phase, longitudinal).at(
        g_V, g_A
    )


@in_float64
def r_k_minimum(
    m_X: ArrayLike,
    width: ArrayLike,
    g_sb: ArrayLike,
    *,
    q2_bin: Bins = R_K_BIN,
    phase: Phase = "strong",
) -> Minimum:
    """Smallest R_K that any vector coupling g_V of the muon can give, with g_A = 0, real g_sb and
    electrons without X.

    The rate is a parabola in g_sb g_V: the minimum does not depend on g_sb, and g_V scales as
    1/g_sb. m_X, width and g_sb broadcast; `r_k` has the shape of m_X and width. Conventions and
    errors as in `r_k`. Fig. 10 of arXiv:2107.07518 shows it.

    >>> [round(float(value), 3) for value in r_k_minimum(4.0, 4e-8, 3.62e-8)]
    [0.546, -1.056]
    """
    check_options(phase=phase)
    bins, single = _bins(q2_bin)
    m_X, width, g_sb = as_float64(m_X, width, g_sb)
    minima = _minimum(m_X, width, g_sb, bins, phase)
    return (
        minima[0]
        if single
        else Minimum(*(jnp.stack(values) for values in zip(*minima, strict=True)))
    )


@in_float64
def profile_g_sb(
    m_X: ArrayLike,
    width: ArrayLike,
    g_V: ArrayLike,
    g_A: ArrayLike,
    g_max: ArrayLike,
    *,
    g_V_e: ArrayLike = 0.0,
    g_A_e: ArrayLike = 0.0,
    q2_bin: Bins = R_K_BIN,
    phase: Phase = "strong",
    longitudinal: Longitudinal = "paper",
    decayed: ArrayLike | None = None,
) -> Reach:
    """The range of R_K that real g_sb in [-g_max, g_max] reaches, with the g_sb at its ends, in
    closed form.

    A chi2 of R_K profiled over g_sb is zero if the measured value lies between `minimum` and
    `maximum`, and that of the nearer end otherwise. Several bins are profiled each on its own.
    g_max >= 0 and must be finite; where R_K does not depend on g_sb both g_sb are 0. Arguments
    broadcast; else as `r_k`."""
    check_options(phase=phase, longitudinal=longitudinal)
    bins, single = _bins(q2_bin)
    m_X, width, coupling, (g_V, g_A, g_V_e, g_A_e), electrons = _arrays(
        m_X, width, g_max, g_V, g_A, g_V_e, g_A_e
    )
    seen = _seen(decayed, m_X)
    g_max = coupling.real
    reaches = _reach(
        m_X, width, g_max, g_V, g_A, g_V_e, g_A_e, seen, bins, phase, longitudinal, electrons
    )
    return (
        reaches[0]
        if single
        else Reach(*(jnp.stack(values) for values in zip(*reaches, strict=True)))
    )


def _bins(q2_bin: Bins) -> tuple[tuple[Bin, ...], bool]:
    """The bins as a tuple, and whether one was given alone."""
    single = len(q2_bin) == 2 and not any(isinstance(edge, tuple | list) for edge in q2_bin)
    pairs = (q2_bin,) if single else q2_bin
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise ParameterError(
            f"q2_bin = {q2_bin!r} is neither a pair (lower, upper) nor a tuple of such pairs"
        )
    return tuple(check_bin(pair) for pair in pairs), single  # type: ignore[arg-type]


def _arrays(
    m_X: ArrayLike, width: ArrayLike, g_sb: ArrayLike, *couplings: ArrayLike
) -> tuple[Array, Array, Coupling, tuple[Array, ...], bool]:
    """Arguments as float64 arrays of one rank, and whether any coupling after the first two is not
    the number 0.
    """
    coupling = as_coupling(g_sb)
    electrons = any(not isinstance(value, int | float) or value != 0 for value in couplings[2:])
    m_X, width, real, *others = as_float64(m_X, width, coupling.real, *couplings)
    imag = None if coupling.imag is None else jnp.reshape(coupling.imag, real.shape)
    return m_X, width, Coupling(real, imag), tuple(others), electrons


def _seen(decayed: ArrayLike | None, m_X: Array) -> Array | None:
    """`decayed` as an array of the rank of m_X."""
    return None if decayed is None else as_float64(m_X, decayed)[1]


@functools.partial(jax.jit, static_argnums=(6, 7, 8, 9))
def _rates(
    m_X: Array,
    width: Array,
    g_sb: Coupling,
    g_V: Array,
    g_A: Array,
    seen: Array | None,
    bins: tuple[Bin, ...],
    lepton: Lepton,
    phase: Phase,
    longitudinal: Longitudinal,
) -> list[Array]:
    options = (lepton,), phase, longitudinal, seen
    return [rate_terms(m_X, width, g_sb, b, *options)[0].at(g_V, g_A) for b in bins]


@functools.partial(jax.jit, static_argnums=(8, 9, 10, 11))
def _r_k(
    m_X: Array,
    width: Array,
    g_sb: Coupling,
    g_V: Array,
    g_A: Array,
    g_V_e: Array,
    g_A_e: Array,
    seen: Array | None,
    bins: tuple[Bin, ...],
    phase: Phase,
    longitudinal: Longitudinal,
    electrons: bool,
) -> list[Array]:
    options = phase, longitudinal, seen
    if not electrons:
        muons = _rates(m_X, width, g_sb, g_V, g_A, seen, bins, "mu", phase, longitudinal)
        return [rate / standard_model(*b, "e").rate for rate, b in zip(muons, bins, strict=True)]
    ratios = []
    for b in bins:
        muon, electron = rate_terms(m_X, width, g_sb, b, ("mu", "e"), *options)
        ratios.append(muon.at(g_V, g_A) / electron.at(g_V_e, g_A_e))
    return ratios


def _parabolas(
    m_X: Array,
    width: Array,
    g_sb: Array,
    couplings: Mapping[Lepton, tuple[Array | float, Array | float]],
    q2_bin: Bin,
    phase: Phase,
    longitudinal: Longitudinal,
    seen: Array | None = None,
) -> list[Parabola]:
    """The rate of each lepton, with its g_V and g_A, as a function of t, for couplings t g_sb."""
    every = rate_terms(
        m_X, width, Coupling(g_sb, None), q2_bin, tuple(couplings), phase, longitudinal, seen
    )
    found: list[Parabola] = []
    for terms, (g_V, g_A) in zip(every, couplings.values(), strict=True):
        linear = g_V * terms.linear_V + g_A * terms.linear_A
        quadratic = g_V**2 * terms.quadratic_V + g_A**2 * terms.quadratic_A
        found.append((terms.constant, linear, quadratic))
    return found


@functools.partial(jax.jit, static_argnums=(3, 4))
def _minimum(
    m_X: Array, width: Array, g_sb: Array, bins: tuple[Bin, ...], phase: Phase
) -> list[Minimum]:
    minima = []
    for q2_bin in bins:
        unit = jnp.asarray(1 / N_SCALE)
        ((constant, linear, quadratic),) = _parabolas(
            m_X, width, unit, {"mu": (1.0, 0.0)}, q2_bin, phase, "paper"
        )
        best = -linear / (2 * quadratic)
        rate = constant + best * linear / 2
        minima.append(Minimum(rate / standard_model(*q2_bin, "e").rate, best / (N_SCALE * g_sb)))
    return minima


@functools.partial(jax.jit, static_argnums=(8, 9, 10, 11))
def _reach(
    m_X: Array,
    width: Array,
    g_max: Array,
    g_V: Array,
    g_A: Array,
    g_V_e: Array,
    g_A_e: Array,
    seen: Array | None,
    bins: tuple[Bin, ...],
    phase: Phase,
    longitudinal: Longitudinal,
    electrons: bool,
) -> list[Reach]:
    reaches = []
    for q2_bin in bins:
        couplings: dict[Lepton, tuple[Array, Array]] = {"mu": (g_V, g_A)}
        if electrons:
            couplings["e"] = g_V_e, g_A_e
        muons, *more = _parabolas(m_X, width, g_max, couplings, q2_bin, phase, longitudinal, seen)
        zero = jnp.zeros_like(muons[1])
        others = more[0] if electrons else (standard_model(*q2_bin, "e").rate, zero, zero)
        # The ends of the range are at t = +-1 or at a stationary point; t = 0 wins if all are equal
        # but for rounding.
        candidates = (zero, zero - 1, zero + 1, *_stationary(muons, others))
        values = jnp.stack([_ratio(muons, others, t) for t in candidates])
        t = jnp.stack([jnp.broadcast_to(candidate, values.shape[1:]) for candidate in candidates])
        margin = _ROUNDING * jnp.abs(values[0])
        lowest, highest = (
            (values.at[0].add(-margin)).argmin(axis=0),
            (values.at[0].add(margin)).argmax(axis=0),
        )
        low, high = (jnp.take_along_axis(t, index[None], 0)[0] for index in (lowest, highest))
        reaches.append(Reach(values.min(axis=0), values.max(axis=0), g_max * low, g_max * high))
    return reaches


def _ratio(top: Parabola, bottom: Parabola, t: Array) -> Array:
    return (top[0] + t * (top[1] + t * top[2])) / (bottom[0] + t * (bottom[1] + t * bottom[2]))


def _stationary(top: Parabola, bottom: Parabola) -> tuple[Array, Array]:
    """Both stationary points in t of a ratio of two parabolas, or 1 where one is outside [-1, 1] or
    does not exist.
    """
    quadratic = top[2] * bottom[1] - top[1] * bottom[2]
    half = top[2] * bottom[0] - top[0] * bottom[2]
    constant = top[1] * bottom[0] - top[0] * bottom[1]
    discriminant = half**2 - quadratic * constant
    root = jnp.where(
        discriminant > 0, jnp.sqrt(jnp.where(discriminant > 0, discriminant, 1.0)), 0.0
    )
    q = -(half + jnp.where(half >= 0, root, -root))

    def inside(numerator: Array, denominator: Array) -> Array:
        good = jnp.abs(numerator) < jnp.abs(denominator)
        return jnp.where(good, numerator / jnp.where(good, denominator, 1.0), 1.0)

    return inside(constant, q), inside(q, quadratic)
