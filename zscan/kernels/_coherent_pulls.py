"""chi2 of COHERENT CsI, minimised over the pulls of signal, prompt neutrons and steady background.

With u = A D/(C s), v = A P/(C s), w = B n/(C s) of an energy bin (D, P: signal of muon and pion
decays, n: neutrons, s: steady background; A, B, C = 1 + pulls) a time bin t expects

    lambda = C s b_t x,   x = 1 + u d_t/b_t + v p_t/b_t + w n_t/b_t,

b, d, p, n_t being profiles in time. x lies between 1 and about 1e5 where the pulls are near their
minimum, which allows two savings: the logarithms of a row are that of one product, and steps of
Newton's method before the last one run in float32."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from zscan.kernels._blocks import in_blocks
from zscan.kernels._coherent_csi import BINS, DATA, PULL_ERRORS, SATURATED

Scales = tuple[Array, Array, Array]  # 1 + pulls: of signal, neutrons, steady background
Sums = tuple[Array, ...]

_BLOCK = 8192  # points on a CPU at a time
_PENALTIES = tuple(2 / error**2 for error in PULL_ERRORS)
_CONVERGED = 1e-8  # squared Newton decrement
_QUICK_STEPS = 4  # in float32: they end where its rounding does, at squared decrements of 1e-10

# Backgrounds are products of a spectrum and a profile in time
_NEUTRONS, _STEADY = DATA.neutrons.sum(axis=1), DATA.steady.sum(axis=1)
_STEADY_TIME = DATA.steady.sum(axis=0) / DATA.steady.sum()
_DELAYED = DATA.delayed_time / _STEADY_TIME
_PROMPT = DATA.prompt_time / _STEADY_TIME
_NEUTRON = DATA.neutrons.sum(axis=0) / DATA.neutrons.sum() / _STEADY_TIME
_COUNTED = float(DATA.counts.sum())
_OFFSET = 2 * (SATURATED - float((DATA.counts * np.log(_STEADY[:, None] * _STEADY_TIME)).sum()))

# Where Newton's method starts. A x signal is a polynomial in S/(S + 120), S the signal in all, with
# coefficients (1, the share of the lowest energy bin, the share of pion decays): a fit to minima at
# 1e5 couplings and masses; 1 + pulls of the backgrounds follow from it.
_START_SCALE = 120.0
_START = (
    (77.3, 1023.3, -1414.9, 529.3),
    (277.5, -3820.3, 4785.5, -1793.9),
    (177.0, -641.5, 460.6, -29.8),
)
_START_NEUTRONS, _START_STEADY = (1.145, -6.6e-4), (1.287, -2.115e-3)


def profiled(delayed: Array, prompt: Array) -> Array:
    """The minimum of chi2 for signals (12, ...) of muon and of pion decays before the time cut."""
    shape = delayed.shape[1:]
    return _profiled(delayed.reshape(BINS, -1), prompt.reshape(BINS, -1)).reshape(shape)


@jax.custom_jvp
def _profiled(delayed: Array, prompt: Array) -> Array:
    return in_blocks(lambda *signal: _chi2_at(_minimum(*signal), *signal)[None], _BLOCK)(
        delayed, prompt
    )[0]


@_profiled.defjvp
def _profiled_jvp(
    signal: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Envelope theorem: at the minimum chi2 does not change with the pulls to first order."""
    rows = _with_slopes(*signal)
    return rows[0], (rows[1:] * jnp.concatenate(tangents)).sum(axis=0)


@jax.custom_jvp
def _with_slopes(delayed: Array, prompt: Array) -> Array:
    """chi2, and its derivatives by the 24 signals: (25, n)."""

    def rows(*signal: Array) -> Array:
        scales = _minimum(*signal)
        chi2 = _chi2_at(scales, *signal)
        return jnp.concatenate([chi2[None], _slopes(scales, *signal)])

    return in_blocks(rows, _BLOCK)(delayed, prompt)


@_with_slopes.defjvp
def _with_slopes_jvp(
    signal: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Here the pulls respond."""

    def slopes(delayed: Array, prompt: Array) -> Array:
        return _slopes(_best_scales(delayed, prompt), delayed, prompt)

    rows = _with_slopes(*signal)
    by_signal = jax.jvp(slopes, signal, tangents)[1]
    first = (rows[1:] * jnp.concatenate(tangents)).sum(axis=0)
    return rows, jnp.concatenate([first[None], by_signal])


@jax.custom_jvp
def _best_scales(delayed: Array, prompt: Array) -> Scales:
    return _minimum(delayed, prompt)


@_best_scales.defjvp
def _best_scales_jvp(
    signal: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Scales, Scales]:
    """Implicit function theorem: the gradient of chi2 stays zero."""
    scales = _best_scales(*signal)

    def sums(*signal: Array) -> Sums:
        return _sums(scales, *(part / _STEADY[:, None] for part in signal))

    def gradient(*signal: Array) -> tuple[Array, ...]:
        total = _total(*signal)
        return _gradient(scales, total, jnp.ones_like(total), sums(*signal))

    change = jax.jvp(gradient, signal, tangents)[1]
    moves = _solve(_hessian(sums(*signal)), change)
    A, B, C = (-scale * move for scale, move in zip(scales, moves, strict=True))
    return scales, (A, B, C)


def _minimum(delayed: Array, prompt: Array) -> Scales:
    """1 + pulls at the minimum of chi2; NaN where Newton's method does not converge.

    chi2/2 is a linear function minus logarithms with weights >= 1, hence self-concordant: after a
    step whose squared decrement d is small, chi2 is at most about d^2/4 above its minimum. The last
    step, in float64, measures it. Steps are fixed in number: a test for the end of all points would
    be a collective operation among devices. Signals are scaled by the first guess, so that float32
    holds any of them."""
    total = _total(delayed, prompt)
    guess, *backgrounds = _start(delayed, prompt, total)
    unit = guess[None] / _STEADY[:, None]
    shapes = delayed * unit, prompt * unit
    scaled = guess * total  # signal at the first guess
    quick = tuple(
        part.astype(jnp.float32)
        for part in (*shapes, scaled, guess, jnp.ones_like(total), *backgrounds)
    )
    *inputs, A, B, C = quick
    start = (A, B, C)

    def step(_: Array, scales: Scales) -> Scales:
        return _newton_step(scales, *inputs)[0]

    rough = lax.fori_loop(0, _QUICK_STEPS, step, start)
    A, B, C = (scale.astype(jnp.float64) for scale in rough)
    (A, B, C), decrement = _newton_step((A, B, C), *shapes, scaled, guess)
    good = decrement <= _CONVERGED
    return (
        jnp.where(good, A * guess, jnp.nan),
        jnp.where(good, B, jnp.nan),
        jnp.where(good, C, jnp.nan),
    )


def _start(delayed: Array, prompt: Array, total: Array) -> Scales:
    tiny = jnp.maximum(total, 1e-300)
    low = (delayed[0] * DATA.delayed_time.sum() + prompt[0] * DATA.prompt_time.sum()) / tiny
    pions = prompt.sum(axis=0) * (DATA.prompt_time.sum() / tiny)
    r = total / (total + _START_SCALE)
    coefficients = (a + low * b + pions * c for a, b, c in zip(*_START, strict=True))
    a, b, c, d = coefficients
    events = r * (a + r * (b + r * (c + r * d)))
    neutrons, steady = (k + slope * events for k, slope in (_START_NEUTRONS, _START_STEADY))
    return jnp.minimum(events / tiny, 1.1), neutrons, steady


def _newton_step(
    scales: Scales, delayed: Array, prompt: Array, total: Array, unit: Array
) -> tuple[Scales, Array]:
    """One step, and the squared decrement before it, for signals over `_STEADY`; their scale 1 + a
    is `unit` times the first of `scales`.
    """
    sums = _sums(scales, delayed, prompt)
    gradient = _gradient(scales, total, unit, sums)
    moves = _solve(_hessian(sums), gradient)
    u, v, w = (g * move for g, move in zip(gradient, moves, strict=True))
    A, B, C = (x * jnp.maximum(1 - move, 0.1) for x, move in zip(scales, moves, strict=True))
    return (A, B, C), u + v + w


def _sums(scales: Scales, delayed: Array, prompt: Array) -> Sums:
    """Sums over bins of count times share of steady background, of neutrons; and times their
    products: steady squared, steady x neutrons, neutrons squared.

    The signal has what is left of 1.
    """
    A, B, C = scales
    dtype = A.dtype

    def add_row(sums: Sums, row: tuple[Array, ...]) -> tuple[Sums, None]:
        counts, u, v, w = row[0], row[1] * (A / C), row[2] * (A / C), row[3] * (B / C)
        share, square = jnp.zeros_like(A), jnp.zeros_like(A)
        neutron, mixed, both = (jnp.zeros_like(A) for _ in range(3))
        for t in range(BINS):
            inverse = 1 / _expected(t, u, v, w)
            share = share + counts[t] * inverse
            square = square + counts[t] * (inverse * inverse)
            if _NEUTRON[t]:
                weight = counts[t] * float(_NEUTRON[t])
                neutron = neutron + weight * inverse
                mixed = mixed + weight * (inverse * inverse)
                both = both + weight * float(_NEUTRON[t]) * (inverse * inverse)
        terms = (share, w * neutron, square, w * mixed, w * w * both)
        return tuple(total + term for total, term in zip(sums, terms, strict=True)), None

    rows: tuple[Array, ...] = (
        jnp.asarray(DATA.counts, dtype),
        delayed,
        prompt,
        jnp.asarray(_NEUTRONS / _STEADY, dtype),
    )
    zero: Sums = (jnp.zeros_like(A),) * 5
    return lax.scan(add_row, zero, rows)[0]


def _expected(t: int, u: Array, v: Array, w: Array | float) -> Array:
    """Expected events over steady background in a time bin."""
    x = 1 + u * float(_DELAYED[t])
    if _PROMPT[t]:
        x = x + v * float(_PROMPT[t])
    if _NEUTRON[t]:
        x = x + w * float(_NEUTRON[t])
    return x


def _gradient(scales: Scales, total: Array, unit: Array, sums: Sums) -> Scales:
    """Derivatives of chi2 by the logarithms of 1 + pulls."""
    A, B, C = scales
    steady, neutrons = sums[:2]
    signal = _COUNTED - steady - neutrons
    a, b, c = _PENALTIES
    return (
        2 * (A * total - signal) + a * (A * unit - 1),
        2 * (B * float(_NEUTRONS.sum()) - neutrons) + b * (B - 1),
        2 * (C * float(_STEADY.sum()) - steady) + c * (C - 1),
    )


def _hessian(sums: Sums) -> tuple[Array, ...]:
    """Second derivatives of chi2 by 1 + pulls, times their values: upper triangle, row by row."""
    steady, neutrons, cc, bc, bb = sums
    ac, ab = steady - cc - bc, neutrons - bc - bb
    aa = _COUNTED - steady - neutrons - ac - ab
    a, b, c = _PENALTIES
    return 2 * aa + a, 2 * ab, 2 * ac, 2 * bb + b, 2 * bc, 2 * cc + c


def _solve(matrix: tuple[Array, ...], vector: Scales) -> Scales:
    """Solution of a symmetric 3 x 3 system, by cofactors: vectorises over points."""
    aa, ab, ac, bb, bc, cc = matrix
    u, v, w = vector
    c_aa, c_ab, c_ac = bb * cc - bc * bc, ac * bc - ab * cc, ab * bc - ac * bb
    c_bb, c_bc, c_cc = aa * cc - ac * ac, ab * ac - aa * bc, aa * bb - ab * ab
    inverse = 1 / (aa * c_aa + ab * c_ab + ac * c_ac)
    return (
        (c_aa * u + c_ab * v + c_ac * w) * inverse,
        (c_ab * u + c_bb * v + c_bc * w) * inverse,
        (c_ac * u + c_bc * v + c_cc * w) * inverse,
    )


def _chi2_at(scales: Scales, delayed: Array, prompt: Array) -> Array:
    """chi2 at 1 + pulls = `scales`, near the minimum.

    There A S + B N + C s <= 610 and C > 0.07, so that the product of x^count over a row stays below
    1e200; over all rows it would not.
    """
    A, B, C = scales
    logs = _COUNTED * jnp.log(C)
    for energy in range(BINS):
        unit = 1 / (C * float(_STEADY[energy]))
        u, v = A * unit * delayed[energy], A * unit * prompt[energy]
        w = B * unit * float(_NEUTRONS[energy])
        factors = [
            _power(_expected(t, u, v, w), int(DATA.counts[energy, t]))
            for t in range(BINS)
            if DATA.counts[energy, t]
        ]
        logs = logs + jnp.log(functools.reduce(jnp.multiply, factors))
    expected = A * _total(delayed, prompt) + B * float(_NEUTRONS.sum()) + C * float(_STEADY.sum())
    pulls = sum(
        penalty * (x - 1 - jnp.log(x)) for penalty, x in zip(_PENALTIES, scales, strict=True)
    )
    return 2 * (expected - logs) + _OFFSET + pulls


def _power(x: Array, n: int) -> Array:
    """x^n by squares."""
    if n == 1:
        return x
    half = _power(x, n // 2)
    return half * half * x if n % 2 else half * half


def _slopes(scales: Scales, delayed: Array, prompt: Array) -> Array:
    """Derivatives of chi2 by the signals at fixed pulls, (24, n): muon decays, then pion decays."""
    A, B, C = scales

    def row(_: None, parts: tuple[Array, ...]) -> tuple[None, tuple[Array, Array]]:
        counts, steady, neutrons, D, P = parts
        unit = 1 / (C * steady)
        u, v, w = A * D * unit, A * P * unit, B * neutrons * unit
        muons, pions = jnp.zeros_like(A), jnp.zeros_like(A)
        for t in range(BINS):
            inverse = counts[t] / _expected(t, u, v, w)
            muons = muons + float(_DELAYED[t]) * inverse
            if _PROMPT[t]:
                pions = pions + float(_PROMPT[t]) * inverse
        return None, (
            2 * A * (float(DATA.delayed_time.sum()) - muons * unit),
            2 * A * (float(DATA.prompt_time.sum()) - pions * unit),
        )

    rows = (*(jnp.asarray(part) for part in (DATA.counts, _STEADY, _NEUTRONS)), delayed, prompt)
    return jnp.concatenate(lax.scan(row, None, rows)[1])


def _total(delayed: Array, prompt: Array) -> Array:
    return delayed.sum(axis=0) * float(DATA.delayed_time.sum()) + prompt.sum(axis=0) * float(
        DATA.prompt_time.sum()
    )
