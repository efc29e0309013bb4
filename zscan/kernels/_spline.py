"""Cubic splines for the small tables that kernels interpolate: built once in NumPy, evaluated in
JAX.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int32

_MAX_BUCKETS = 2**14


class Spline(NamedTuple):
    """Piecewise cubic on `knots`: on interval i the value is sum_k coefficients[k, i] (x -
    knots[i])**k.
    """

    knots: Float[np.ndarray, " n"]
    coefficients: Float[np.ndarray, "4 n-1 *channels"]


def cubic_spline(knots: np.ndarray, values: np.ndarray) -> Spline:
    """Not-a-knot cubic spline through `values` of shape (n, ...) at increasing `knots` of shape
    (n,), n >= 4.
    """
    x = np.asarray(knots, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64)
    n = x.size
    if n < 4 or np.any(np.diff(x) <= 0) or y.shape[0] != n:
        raise ValueError(
            "a cubic spline needs at least four increasing knots and one value for each"
        )
    h = np.diff(x)
    slope = np.diff(y.reshape(n, -1), axis=0) / h[:, None]
    # Unknowns are the first derivatives d_i; continuity of the second derivative gives the inner
    # rows, continuity of the third derivative at the second and the last but one knot gives the
    # outer rows.
    matrix = np.zeros((n, n))
    rhs = np.zeros((n, slope.shape[1]))
    for i in range(1, n - 1):
        matrix[i, i - 1 : i + 2] = h[i], 2 * (h[i - 1] + h[i]), h[i - 1]
        rhs[i] = 3 * (h[i] * slope[i - 1] + h[i - 1] * slope[i])
    for row, (a, b), (s, t) in (
        (0, (h[0], h[1]), slope[:2]),
        (n - 1, (h[-1], h[-2]), slope[:-3:-1]),
    ):
        step = 1 if row == 0 else -1
        matrix[row, row], matrix[row, row + step] = b, a + b
        rhs[row] = ((a + 2 * (a + b)) * b * s + a**2 * t) / (a + b)
    d = np.linalg.solve(matrix, rhs)
    c2 = (3 * slope - 2 * d[:-1] - d[1:]) / h[:, None]
    c3 = (d[:-1] + d[1:] - 2 * slope) / h[:, None] ** 2
    coefficients = np.stack([y.reshape(n, -1)[:-1], d[:-1], c2, c3])
    return Spline(x, coefficients.reshape(4, n - 1, *y.shape[1:]))


def interval(knots: Float[np.ndarray, " n"], x: Array) -> Int32[Array, "..."]:
    """Number of the interval between known, increasing `knots` that holds x: i with knots[i] <= x <
    knots[i + 1], the first or last one (n - 2) for x outside.

    One look into a table of buckets, none of which holds two knots, and one comparison: a search by
    bisection is a loop that is slow for points in any order, and slow to compile."""
    last = knots.size - 2
    width = float(np.diff(knots).min()) * (1 - 1e-6)
    count = (knots[-1] - knots[0]) / width
    if count > _MAX_BUCKETS:
        found = jnp.searchsorted(jnp.asarray(knots), x, side="right").astype(jnp.int32)
        return jnp.clip(found - 1, 0, last)
    edges = knots[0] + width * np.arange(int(count) + 2)
    # From a little below its edge on, so that rounding of the bucket of x does not matter
    first = np.searchsorted(knots, edges - 1e-7 * width, side="right") - 1
    bucket = jnp.clip((x - float(knots[0])) * (1 / width), 0, edges.size - 1).astype(jnp.int32)
    start = jnp.asarray(np.clip(first, 0, last).astype(np.int32))[bucket]
    beyond = x >= jnp.asarray(knots[1:])[start]
    return jnp.minimum(start + beyond.astype(jnp.int32), last)


def evaluate(spline: Spline, x: Array) -> list[Array]:
    """The channels of a spline at `x`, each of its shape; NaN (with zero gradient) outside the
    knots, never extrapolated.

    Channel by channel: one gather of all of them is ten times slower for points in any order, and
    its gradient a hundred times."""
    inside = (x >= spline.knots[0]) & (x <= spline.knots[-1])
    safe = jnp.where(inside, x, spline.knots[0])
    place = interval(spline.knots, safe)
    t = safe - jnp.asarray(spline.knots)[place]
    pieces = spline.coefficients.reshape(*spline.coefficients.shape[:2], -1)
    found = []
    for channel in range(pieces.shape[2]):
        c = [jnp.asarray(piece)[place] for piece in pieces[:, :, channel]]
        found.append(jnp.where(inside, c[0] + t * (c[1] + t * (c[2] + t * c[3])), jnp.nan))
    return found


def cubic_b_spline_coefficients(values: np.ndarray, axis: int) -> np.ndarray:
    """Coefficients of the uniform, not-a-knot cubic B-spline through `values` along an axis: one
    more of them at each end.
    """
    n = values.shape[axis]
    matrix = (np.eye(n + 2, k=-1) + 4 * np.eye(n + 2) + np.eye(n + 2, k=1)) / 6
    for row, ends in ((0, slice(None, 5)), (-1, slice(-5, None))):
        matrix[row] = 0
        matrix[row, ends] = 1, -4, 6, -4, 1  # no jump of the third derivative
    moved = np.moveaxis(values, axis, 0)
    padded = np.concatenate([0 * moved[:1], moved, 0 * moved[:1]])
    return np.moveaxis(np.tensordot(np.linalg.inv(matrix), padded, axes=1), 0, axis)


def cubic_b_spline_weights(x: Array, intervals: int) -> tuple[Array, tuple[Array, ...]]:
    """Interval (int32) of x in 0..intervals, and the weights of the four coefficients from the one
    of that number on.
    """
    interval = jnp.clip(jnp.floor(x), 0, intervals - 1)
    f = x - interval
    g = 1 - f
    middle = (4 - 6 * f * f + 3 * f * f * f) / 6, (4 - 6 * g * g + 3 * g * g * g) / 6
    return interval.astype(jnp.int32), (g * g * g / 6, *middle, f * f * f / 6)
