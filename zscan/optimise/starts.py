"""Where minimisations start, and which of the places where they end counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

_OFF_CENTRE = 0.02  # of the distance of two starts
_MARGIN = 0.01  # to the bounds, of shifted starts


def lattice(count: int, size: int, seed: int | None = None) -> Float[np.ndarray, "count size"]:
    """`count` starts for `size` parameters, between 0 and 1, that cover all of them evenly: a
    Kronecker lattice.

    Evenly spaced along the first parameter from its centre on, and with irrational steps along the
    others. All are a little off the centre of their cells: a function that is even in a parameter
    is stationary there, but need not have a minimum. With a `seed` the lattice is shifted at
    random, and keeps 1 % away from the bounds.

    >>> lattice(4, 1).round(3).ravel().tolist()
    [0.63, 0.88, 0.13, 0.38]
    """
    ratio = 2.0  # root of x^size = x + 1: the golden ratio and its generalisations
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / size)
    steps = np.array([1 / count, *(ratio**-power for power in range(1, size))])
    first = np.array([(count // 2 + 0.5) / count] + [0.5] * (size - 1)) + _OFF_CENTRE / count
    numbers = np.arange(count)[:, None]
    if seed is None:
        return (first + numbers * steps) % 1.0
    shift = np.random.default_rng(seed).random(size)
    return _MARGIN + (1 - 2 * _MARGIN) * ((first + shift + numbers * steps) % 1.0)


def lowest(value: Any, converged: Any, goal: float, numbers: Any = np) -> Any:
    """Index along the first axis of the lowest value; NaN counts as infinite.

    One that has not converged counts only where it is lower than every other by more than `goal`:
    at a step of the likelihood, such as the end of a limit curve, the lowest point has no vanishing
    slope. `numbers` is the array module of the arguments, numpy or jax.numpy."""
    usable = numbers.where(numbers.isnan(value), numbers.inf, value)
    return numbers.argmin(numbers.where(converged, usable, usable + goal), axis=0)
