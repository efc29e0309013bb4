"""Polynomials with known coefficients."""

from __future__ import annotations

import numpy as np
from jax import Array


def horner(coefficients: np.ndarray, x: Array) -> Array:
    """The polynomial with real `coefficients`, highest power first, at x.

    Written out, not a loop: reverse mode would store every step of `jnp.polyval`, and its gradient
    is then twenty times slower.
    """
    first, *rest = (float(coefficient) for coefficient in coefficients)
    value = first + 0.0 * x
    for coefficient in rest:
        value = value * x + coefficient
    return value
