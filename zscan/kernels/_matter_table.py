"""The table of the effect of matter on solar neutrinos, tables/matter.txt (recipe:
kernels/matter.py), and its interpolation by cubic B-splines.
"""

from __future__ import annotations

import math
from functools import cache, partial
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from zscan.kernels._spline import cubic_b_spline_coefficients, cubic_b_spline_weights


class Table(NamedTuple):
    """chi2 without X, centres and scales of A and B, cap of y = D/(1 + D/cap), and the B-spline
    coefficients (phi, A, B, octant) of y.
    """

    standard: float
    centres: tuple[float, float]
    scales: tuple[float, float]
    cap: float
    coefficients: np.ndarray


@cache
def table() -> Table:
    """Read once."""
    file = resources.files("zscan.kernels").joinpath("tables/matter.txt")
    lines = [line for line in file.read_text(encoding="ascii").splitlines() if line[0] != "#"]
    shape = [int(number) for number in lines[0].split()]
    standard, *axes, cap, lowest, step = (float(number) for number in lines[1].split())
    packed = np.frombuffer(bytes.fromhex("".join(lines[2:])), dtype=">u2").astype(np.float64)
    y = lowest + step * packed.reshape(2, *shape)
    for axis in (1, 2, 3):
        y = cubic_b_spline_coefficients(y, axis)
    centres, scales = (axes[0], axes[1]), (axes[2], axes[3])
    return Table(standard, centres, scales, cap, np.ascontiguousarray(np.moveaxis(y, 0, -1)))


def _places(of: Table, phi: Array, A: Array, B: Array) -> list[Array]:
    """Coordinates of phi, A and B in units of the intervals of the table."""
    rows, columns, depth, _ = of.coefficients.shape
    place = [(phi / math.pi + 0.5) * (rows - 5) + 1]
    for value, centre, scale, number in zip(
        (A, B), of.centres, of.scales, (columns, depth), strict=True
    ):
        far = value - centre
        x = 2 * far / (scale + jnp.sqrt(scale**2 + 4 * far * far))  # the inverse of x/(1 - x^2)
        place.append((x + 1) / 2 * (number - 3))
    return place


def interpolate(phi: Array, A: Array, B: Array, dark: bool) -> Array:
    """D at phi in (-pi/2, pi/2), from the smaller of both octants or from the first alone."""
    y = _spline(dark, *_places(table(), phi, A, B))
    return y / (1 - y / table().cap)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _spline(dark: bool, x: Array, y: Array, z: Array) -> Array:
    """y of D at a place in the table, the smaller one of both octants or that of the first."""
    octants = _octants(dark, x, y, z)
    return jnp.minimum(*octants) if dark else octants[0]


@_spline.defjvp
def _spline_jvp(
    dark: bool, primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Slopes only of the octant that counts, and written down: reverse mode would look up all
    coefficients several times.
    """
    place = jnp.broadcast_arrays(*primals)
    octant = jnp.zeros(place[0].shape, jnp.int32)
    value = _sums(octant, ((0, 0, 0),), *place)[0]
    if dark:
        second = _sums(octant + 1, ((0, 0, 0),), *place)[0]
        octant = (second < value).astype(jnp.int32)
        value = jnp.minimum(value, second)
    slopes = _sums(octant, ((1, 0, 0), (0, 1, 0), (0, 0, 1)), *place)
    steps = [slope * tangent for slope, tangent in zip(slopes, tangents, strict=True)]
    return value, steps[0] + steps[1] + steps[2]


def _octants(dark: bool, *place: Array) -> list[Array]:
    """The spline of both octants, or of the first."""
    coefficients = table().coefficients
    _, columns, depth, octants = coefficients.shape
    flat = jnp.asarray(coefficients.reshape(-1, octants))
    (i, along_phi), (j, along_A), (k, along_B) = (
        cubic_b_spline_weights(x, number - 3)
        for x, number in zip(place, coefficients.shape[:3], strict=True)
    )
    total = [jnp.zeros(())] * (2 if dark else 1)
    for p, weight_p in enumerate(along_phi):
        for q, weight_q in enumerate(along_A):
            start = ((i + p) * columns + (j + q)) * depth + k
            line = [jnp.zeros(())] * len(total)
            for r, weight_r in enumerate(along_B):
                found = flat[start + r]
                line = [part + weight_r * found[..., o] for o, part in enumerate(line)]
            weight = weight_p * weight_q
            total = [part + weight * more for part, more in zip(total, line, strict=True)]
    return total


def _sums(octant: Array, orders: tuple[tuple[int, ...], ...], *place: Array) -> list[Array]:
    """Derivatives of these orders (0 or 1) by the three coordinates of the spline of an octant, all
    of the shape of the coordinates.
    """
    coefficients = table().coefficients
    _, columns, depth, octants = coefficients.shape
    flat = jnp.asarray(coefficients.ravel())
    starts, weights = [], []
    for x, number in zip(place, coefficients.shape[:3], strict=True):
        start, along = cubic_b_spline_weights(x, number - 3)
        f = x - start.astype(x.dtype)
        g = 1 - f
        slopes = -g * g / 2, (3 * f * f - 4 * f) / 2, (4 * g - 3 * g * g) / 2, f * f / 2
        starts.append(start)
        weights.append((along, slopes))
    first = ((starts[0] * columns + starts[1]) * depth + starts[2]) * octants + octant
    phi, A = ([jnp.stack(along) for along in pair] for pair in weights[:2])

    def add(number: Array, total: list[Array]) -> list[Array]:
        p, q = number // 4, number % 4
        start = first + (p * columns + q).astype(jnp.int32) * (depth * octants)
        found = [flat[start + r * octants] for r in range(4)]
        lines = [sum(w * c for w, c in zip(B, found, strict=True)) for B in weights[2]]
        return [
            part + phi[i][p] * A[j][q] * lines[k]
            for part, (i, j, k) in zip(total, orders, strict=True)
        ]

    # A loop: written out, all coefficients are kept, and it takes minutes to compile
    return lax.fori_loop(0, 16, add, [jnp.zeros(place[0].shape)] * len(orders))
