"""Cubic splines for the small tables that kernels interpolate: built once in NumPy, evaluated in
JAX.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float


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


def evaluate(spline: Spline, x: Array) -> Array:
    """Spline at `x`, shape x.shape + channels; NaN (with zero gradient) outside the knots, never
    extrapolated.
    """
    knots = jnp.asarray(spline.knots)
    coefficients = jnp.asarray(spline.coefficients)
    inside = (x >= knots[0]) & (x <= knots[-1])
    safe = jnp.where(inside, x, knots[0])
    interval = jnp.clip(jnp.searchsorted(knots, safe, side="right") - 1, 0, knots.size - 2)
    channels = coefficients.ndim - 2
    t = (safe - knots[interval]).reshape(safe.shape + (1,) * channels)
    c = coefficients[:, interval]
    value = c[0] + t * (c[1] + t * (c[2] + t * c[3]))
    return jnp.where(inside.reshape(inside.shape + (1,) * channels), value, jnp.nan)


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
