"""Recasting of searches for light resonances: production, lifetime window, signal strength
(arXiv:1801.04847).

Masses and widths are in GeV, proper times over hbar in 1/GeV; rates are relative. Arrays of the
arguments have equal ranks, or none, and broadcast; results have the shape that this gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float

from zscan.constants import Constant
from zscan.errors import UnknownNameError, nearest
from zscan.kernels import kmunux
from zscan.kernels._quotient import quotient
from zscan.kernels.couplings import Couplings

_PDG = "PDG 2020, PTEP 2020 083C01"
SPEED_OF_LIGHT = Constant(299792458.0, "m/s", 0.0, "exact in the SI")
BR_K_MUNU = Constant(0.6356, "1", 0.0011, _PDG)
M_PI, M_PI0 = Constant(0.13957039, "GeV", 1.8e-7, _PDG), Constant(0.1349768, "GeV", 5e-7, _PDG)
M_K, M_K0 = Constant(0.493677, "GeV", 1.6e-5, _PDG), Constant(0.497611, "GeV", 1.3e-5, _PDG)
M_ETA, M_PHI = Constant(0.547862, "GeV", 1.7e-5, _PDG), Constant(1.019461, "GeV", 1.6e-5, _PDG)


class _VectorMeson(NamedTuple):
    """Mass and width [GeV], U(3) generator (diagonal in u, d, s), decays as (branching ratio, two
    daughter masses).
    """

    mass: float
    width: float
    flavour: np.ndarray
    decays: tuple[tuple[float, float, float], ...]


_PI, _PI0, _K, _K0, _ETA = (meson.value for meson in (M_PI, M_PI0, M_K, M_K0, M_ETA))
# Masses, widths and branching ratios of arXiv:1801.04847; the three pions of the omega are a pion
# pair and a pi0.
_VECTORS = (
    _VectorMeson(0.77549, 0.1491, np.array([1, -1, 0]) / 2, ((0.9988, _PI, _PI),)),
    _VectorMeson(
        0.78265,
        0.00849,
        np.array([1, 1, 0]) / 2,
        ((0.8995, 2 * _PI, _PI0), (0.0835, _PI0, 0.0), (0.0154, _PI, _PI)),
    ),
    _VectorMeson(
        1.01946,
        0.00426,
        np.array([0, 0, 1]) / math.sqrt(2),
        ((0.4893, _K, _K), (0.3422, _K0, _K0), (0.0131, _ETA, 0.0)),
    ),
)
_PHOTON = np.array([2, -1, -1]) / 3
_RHO, _OMEGA, _PHI = (vector.flavour for vector in _VECTORS)
_ETA_8 = np.array([1, 1, -1]) / math.sqrt(6)
_ETA_PRIME = np.array([1, 1, 2]) / (2 * math.sqrt(3))
_UP = np.array([1.0, 0.0, 0.0])
_TRANSITIONS = {
    "pi0_gamma": (_RHO, _PHOTON),
    "eta_gamma": (_ETA_8, _PHOTON),
    "etaprime_gamma": (_ETA_PRIME, _PHOTON),
    "omega_pi0": (_OMEGA, _RHO),
    "phi_eta": (_PHI, _ETA_8),
    "Dstar_D": (_UP, _UP),
}
_FERMIONS = {"e_brem": "e", "mu_brem": "mu", "e_e": "e", "mu_mu": "mu"} | {
    f"{q}_{q}": q for q in "udscb"
}
MECHANISMS = (*_FERMIONS, "p_brem", "rho", "omega", "phi", *_TRANSITIONS, "kmunux")


def production_rate(mechanism: str, m_X: Array, couplings: Couplings) -> Float[Array, "..."]:
    """Production rate of X in arbitrary units, quadratic in the couplings: only ratios between
    models have a meaning.

    Mechanisms (see `MECHANISMS`): "f_brem" and "f_f", radiation off or annihilation of a fermion,
    g_V^2 + g_A^2 (the axial part where the mass of the fermion is negligible; its growth as 1/m_X^2
    below that mass is left out); "p_brem", (2 g_u + g_d)^2; "rho", "omega", "phi", mixing with the
    meson; "P_gamma", "V_P" and "Dstar_D", decays of mesons by vector-meson dominance; "kmunux", K+
    -> mu+ nu X over K+ -> mu+ nu. Hadronic ones take the vector couplings. m_X [GeV] and the
    couplings broadcast (equal ranks or scalars). Raises `UnknownNameError`. Source:
    arXiv:1801.04847 secs. 2 and 3; for the kaon `zscan.kernels.kmunux.rate_ratio`."""
    c = couplings
    if mechanism in _FERMIONS:
        fermion = getattr(c, _FERMIONS[mechanism])
        return fermion.V**2 + fermion.A**2
    if mechanism in _TRANSITIONS:
        return _transition(*_TRANSITIONS[mechanism], m_X, c)
    if mechanism == "kmunux":
        return kmunux.rate_ratio(m_X, c.nu_mu, c.mu.V, c.mu.A, c.u.V - c.s.V)
    amplitudes = {
        "p_brem": 2 * c.u.V + c.d.V,
        "rho": c.u.V - c.d.V,
        "omega": c.u.V + c.d.V,
        "phi": c.s.V,
    }
    if mechanism not in amplitudes:
        raise UnknownNameError(
            f"unknown production mechanism {mechanism!r}: {nearest(mechanism, MECHANISMS)}"
        )
    return amplitudes[mechanism] ** 2


def _transition(parent: np.ndarray, partner: np.ndarray, m_X: Array, c: Couplings) -> Array:
    """| sum_V tr[T_parent T_partner T_V] tr[T_V X] BW_V(m_X) |^2 over V = rho, omega, phi."""
    real, imaginary = jnp.zeros(()), jnp.zeros(())
    for vector in _VECTORS:
        weight = float(np.sum(parent * partner * vector.flavour))
        if weight:
            u, d, s = (weight * float(x) for x in vector.flavour)
            coupling = (
                (u * c.u.V if u else 0.0) + (d * c.d.V if d else 0.0) + (s * c.s.V if s else 0.0)
            )
            bw_real, bw_imaginary = _breit_wigner(vector, m_X)
            real, imaginary = real + coupling * bw_real, imaginary + coupling * bw_imaginary
    return real**2 + imaginary**2


def _breit_wigner(vector: _VectorMeson, m_X: Array) -> tuple[Array, Array]:
    """M^2/(M^2 - m^2 - i M^2 Gamma K/m) with K = sum_c B_c [p_c(m)/p_c(M)]^3 over the open
    channels.
    """
    square = vector.mass**2
    running = jnp.zeros(())  # K/m
    for branching, a, b in vector.decays:
        momentum = ((square - (a + b) ** 2) * (square - (a - b) ** 2)) / (4 * square)
        open_ = m_X > a + b
        s = jnp.where(open_, m_X, vector.mass) ** 2
        relative = (s - (a + b) ** 2) * (s - (a - b) ** 2) / (4 * s) / momentum
        running = running + jnp.where(open_, branching * relative * jnp.sqrt(relative / s), 0.0)
    real = square - m_X**2
    imaginary = -square * vector.width * running
    norm = square / (real**2 + imaginary**2)
    return norm * real, -norm * imaginary


class Curves(NamedTuple):
    """Curves stacked for `interpolate`, rows filled up behind their ends: knots, log of values,
    which are finite.
    """

    knots: Float[np.ndarray, "curve n"]
    log_values: Float[np.ndarray, "curve n"]
    finite: Bool[np.ndarray, "curve n"]


def stack_curves(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> Curves:
    """Curves of pairs (increasing positive knots, positive values), at least two each; NaN values
    break a curve.
    """
    length = max(knots.size for knots, _ in curves)
    rows = []
    for knots, values in curves:
        beyond = knots[-1] * 2.0 ** np.arange(1, length - knots.size + 1)
        padded = np.concatenate([values, np.full(beyond.size, np.nan)])
        finite = np.isfinite(padded)
        rows.append(
            (np.concatenate([knots, beyond]), np.log(np.where(finite, padded, 1.0)), finite)
        )
    return Curves(*(np.stack(column) for column in zip(*rows, strict=True)))


def interpolate(
    curves: Curves, m_X: Array
) -> tuple[Float[Array, "curve ..."], Bool[Array, "curve ..."]]:
    """Values of all curves at m_X, log-log interpolated, and where they are valid, along a new
    first axis.

    Valid is what lies on a segment between two finite neighbours, ends included, or exactly on a
    finite value. Where not valid the result is some finite number."""
    count, length = curves.knots.shape
    # One search for all curves: between two neighbours of all knots each has one segment
    every = np.unique(curves.knots[curves.knots <= curves.knots[curves.finite].max()])
    passed = [np.searchsorted(knots, every, side="right") for knots in curves.knots]
    segments = np.clip(np.pad(passed, ((0, 0), (1, 0))) - 1, 0, length - 2)
    segments = (segments + length * np.arange(count)[:, None]).astype(np.int32)
    place = jnp.searchsorted(jnp.asarray(every), m_X.ravel(), side="right").astype(jnp.int32)
    place = place[None] + segments.shape[1] * jnp.arange(count, dtype=jnp.int32)[:, None]
    left = jnp.asarray(segments.ravel())[place].reshape(count, *m_X.shape)

    def at(table: np.ndarray) -> tuple[Array, Array]:
        flat = jnp.asarray(table.ravel())
        return flat[left], flat[left + 1]

    (low, high), (low_ok, high_ok), (y_low, y_high) = (
        at(curves.knots),
        at(curves.finite),
        at(curves.log_values),
    )
    m_X = jnp.broadcast_to(m_X, left.shape)
    valid = (
        ((m_X > low) & (m_X < high) & low_ok & high_ok)
        | ((m_X == low) & low_ok)
        | ((m_X == high) & high_ok)
    )
    y_low, y_high = jnp.where(low_ok, y_low, y_high), jnp.where(high_ok, y_high, y_low)
    t = jnp.log(jnp.where(valid, m_X, low) / low) / jnp.log(high / low)
    # Validity travels as NaN through the exponential, or the compiler repeats all of the above for
    # every curve
    values = jnp.exp(jnp.where(valid, y_low + t * (y_high - y_low), jnp.nan))
    valid = ~jnp.isnan(values)
    return jnp.where(valid, values, 1.0), valid


class Search(NamedTuple):
    """What a search fixes at a mass: signal strength = `scale` rate B_F [exp(-Gamma start) -
    exp(-Gamma stop)].

    `rate` is a production rate, B_F the branching ratio into the final states searched for, Gamma
    the width of X [GeV]; `start` and `stop` are the proper times between which X must decay, over
    hbar [1/GeV]. No `start` means 0, no `stop` infinity. For an X that lives for less than `start`
    the signal strength is multiplied by `beyond`, if that is given. Where not `valid` the search
    says nothing.
    """

    valid: Array
    scale: Array
    start: Array | None = None
    stop: Array | None = None
    beyond: Array | None = None


def efficiency(width: Array, start: Array | None, stop: Array | None) -> Float[Array, "..."]:
    """Probability exp(-width start) - exp(-width stop) of a decay in the window; None as in
    `Search`.
    """
    if stop is None:
        return jnp.ones(())
    if start is None:
        return -jnp.expm1(-width * stop)
    return jnp.exp(-width * start) * -jnp.expm1(-width * (stop - start))


def signal_strength(
    search: Search, rate: Array, partial: Array, width: Array
) -> Float[Array, "..."]:
    """mu, excluded at the confidence level of the search where mu > 1; NaN where the search is not
    valid.

    `partial` is the width into the final states, `width` the total one [GeV]. An X that does not
    decay gives 0."""
    rate = jnp.where(search.valid, rate, 0.0)  # some mechanisms have a mass range of their own
    mu = search.scale * rate * ratio(partial, width) * efficiency(width, search.start, search.stop)
    if search.start is not None and search.beyond is not None:
        mu = jnp.where(width * search.start <= 1, mu, mu * search.beyond)
    return jnp.where(search.valid, mu, jnp.nan)


def excluded_scale(
    search: Search, rate: Array, partial: Array, width: Array
) -> tuple[Array, Array]:
    """Factors (low, high) on all couplings between which mu > 1; NaN where none, high = inf for
    one-sided searches.

    The arguments are those of `signal_strength` at couplings of scale one. Prompt searches have a
    closed form, windows that start at 0 a monotone mu, two-sided ones a mu with one maximum, hence
    two edges or none; both are solved by Newton steps in the logarithm, on a concave function from
    outside the root, which cannot overshoot. With `beyond` mu may jump below 1 where X lives for
    `start`, which then is the upper edge."""
    strength = search.scale * rate * ratio(partial, width)
    usable = search.valid & (strength > 0)
    strength, width = jnp.where(usable, strength, 1.0), jnp.where(usable, width, 1.0)
    if search.stop is None:
        low, high = 1 / jnp.sqrt(strength), jnp.full(strength.shape, jnp.inf)
    elif search.start is None:
        span = width * search.stop
        low = jnp.sqrt(_one_sided_root(span / strength) / span)
        high = jnp.full(low.shape, jnp.inf)
    else:
        start, span = width * search.start, (search.stop - search.start) / search.start
        low, high = _two_sided_roots(start / strength, span)
        if search.beyond is not None:
            usable = usable & (low <= 1)
            left, right = _two_sided_roots(start / (strength * search.beyond), span)
            high = jnp.where(left < 1 - 1e-5, right, 1.0)  # nearer than that it is one double root
        low, high = jnp.sqrt(low / start), jnp.sqrt(high / start)
    usable = usable & ~jnp.isnan(low)
    return jnp.where(usable, low, jnp.nan), jnp.where(usable, high, jnp.nan)


def dump_window(square: Array, lratio: Array) -> tuple[Array, Array]:
    """Window (start, stop) of a beam dump in lifetimes at the lower edge, from the two published
    edges.

    `square` > 1 is (g_hi/g_lo)^2 and `lratio` the decay length over the shield length, of equal
    ranks: stop = (1 + lratio) start, and start is such that both edges give the same signal.
    Source: arXiv:1801.04847."""
    start = _window_start(square, jnp.broadcast_to(lratio, square.shape))
    return start, (1 + lratio) * start


@jax.custom_jvp
def _window_start(square: Array, span: Array) -> Array:
    """The start y in lifetimes, where ln square - (square - 1) y + ln(inside(square y)/inside(y))
    vanishes; inside(y) = 1 - exp(-span y) is the part of the decays behind the shield that lies
    within the decay length. Both arguments have one shape.
    """
    # The logarithm of the parts is between 0 and ln square, so that y is between this and twice
    # this, where the function is nearly straight: the fourth step leaves rounding only
    least = jnp.log1p(square - 1) / (square - 1)
    y = 1.5 * least
    for _ in range(4):
        inside = _inside(square, span, y)
        value = jnp.log1p(square - 1) - (square - 1) * y + jnp.log(inside[1] / inside[0])
        slope = _window_slopes(square, span, y, inside)[2]
        y = jnp.clip(y - value / slope, least, 2 * least)
    return y


def _inside(square: Array, span: Array, y: Array) -> tuple[Array, Array]:
    """Parts of the decays within the decay length at both edges, for `_window_start`."""
    return -jnp.expm1(-span * y), -jnp.expm1(-span * square * y)


def _window_slopes(
    square: Array, span: Array, y: Array, inside: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Derivatives of what vanishes in `_window_start` by square, span and y."""
    near, far = ((1 - part) / part for part in inside)  # of ln inside by its argument
    rise = square * far - near
    return 1 / square - y + span * y * far, y * rise, 1 - square + span * rise


@_window_start.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    y = _window_start(*primals)
    by_square, by_span, by_y = _window_slopes(*primals, y, _inside(*primals, y))
    return y, -(by_square * tangents[0] + by_span * tangents[1]) / by_y


def displaced_window(square: Array) -> tuple[Array, Array, Array, Array]:
    """Window (start, stop) in lifetimes as above, factor `beyond` (see `Search`) and validity for
    two-sided searches in a detector without a shield.

    X must decay between the lifetimes of the reference model at the upper and at the lower edge:
    start = 1/square, stop = 1, with `square` = (g_hi/g_lo)^2 above 1 (arXiv:1801.04847 and its
    code). At the upper edge the signal of the reference model then is up to square/1.7 times that
    at the lower one, against what is published: at short lifetimes the search has background of
    which this window knows nothing. An X that lives for less than `start` is therefore compared
    with the signal at the upper edge, by the factor `beyond`. For longer lifetimes the bound is
    optimistic for models with less signal than the reference."""
    valid = square > 1 + 1e-6
    safe = jnp.where(valid, square, 4.0)
    start, stop = 1 / safe, jnp.ones(square.shape)
    one = jnp.ones(())
    beyond = efficiency(one, start, stop) / (safe * efficiency(safe, start, stop))
    return start, stop, beyond, valid


def ratio(part: Array, whole: Array) -> Float[Array, "..."]:
    """part/whole, 0 where whole is not positive."""
    return jnp.where(whole > 0, quotient(part, jnp.where(whole > 0, whole, 1.0)), 0.0)


def _bisect(function: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where a function, positive at `low`, turns negative before `high`; carries no gradient."""

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (bracket[0] + bracket[1]) / 2
        positive = function(middle) > 0
        return jnp.where(positive, middle, bracket[0]), jnp.where(positive, bracket[1], middle)

    low, high = lax.fori_loop(0, 56, halve, (low, high))
    return lax.stop_gradient((low + high) / 2)


def _log_yield(y: Array, span: Array) -> Array:
    """Logarithm of y [exp(-y) - exp(-(1 + span) y)], concave in ln y."""
    return jnp.log(y) - y + jnp.log(-jnp.expm1(-span * y))


def _yield_slope(y: Array, span: Array) -> Array:
    """Derivative of `_log_yield` by ln y; falls from 2 to minus infinity, through 0 between y = 1
    and 2.
    """
    x = span * y
    small = x < 500  # expm1 overflows beyond, where the term is below the rounding error
    safe = jnp.where(small, x, 1.0)
    return 1 - y + jnp.where(small, safe / jnp.expm1(safe), 0.0)


def _one_sided_root(c: Array) -> Array:
    """y with y (1 - exp(-y)) = c > 0."""

    def step(_: int, x: Array) -> Array:
        y = jnp.exp(x)
        lost = jnp.exp(-y)
        return x - (x + jnp.log(-jnp.expm1(-y)) - jnp.log(c)) / (1 + y * lost / -jnp.expm1(-y))

    # The left side is below y and below y^2; seven steps are exact to rounding for every c
    return jnp.exp(lax.fori_loop(0, 7, step, jnp.maximum(jnp.log(c), jnp.log(c) / 2)))


def _two_sided_roots(c: Array, span: Array) -> tuple[Array, Array]:
    """Both y with y [exp(-y) - exp(-(1 + span) y)] = c > 0; NaN where the maximum is below c."""
    c, span = jnp.broadcast_arrays(c, span)
    top = _bisect(
        lambda x: _yield_slope(jnp.exp(x), span),
        jnp.zeros(span.shape),
        jnp.full(span.shape, math.log(2)),
    )
    log_c = jnp.log(c)
    exists = log_c < _log_yield(jnp.exp(top), span)

    def step(_: int, roots: tuple[Array, Array]) -> tuple[Array, Array]:
        def newton(x: Array) -> Array:
            y = jnp.exp(x)
            return x - (_log_yield(y, span) - log_c) / _yield_slope(y, span)

        # Rounding near the maximum must not push a root to the other side
        return jnp.minimum(newton(roots[0]), top - 1e-12), jnp.maximum(
            newton(roots[1]), top + 1e-12
        )

    # On the left the function is below y and below span y^2, on the right it is below c beyond 1 -
    # 2 ln c
    left = jnp.minimum(jnp.maximum(log_c, (log_c - jnp.log(span)) / 2), top - 1e-12)
    right = jnp.log(jnp.maximum(1 - 2 * log_c, 4.0))
    left, right = lax.fori_loop(0, 50, step, (left, right))
    return jnp.where(exists, jnp.exp(left), jnp.nan), jnp.where(exists, jnp.exp(right), jnp.nan)
