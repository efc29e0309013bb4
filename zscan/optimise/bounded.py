"""A parameter between two bounds: the map from its place between them, 0 to 1, and what is wrong
with bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from zscan.errors import Fault

SCALES = ("linear", "log")


@dataclass(frozen=True)
class Bounded:
    """A parameter between `min` and `max`, varied on the scale "linear" or "log"."""

    name: str
    min: float
    max: float
    scale: str = "linear"

    def from_unit(self, unit: Array, numbers: Any = jnp) -> Array:
        """The parameter from its place between the bounds, 0 to 1; `numbers` is the array module of
        the argument, jax.numpy or numpy, which computes a few numbers faster.

        >>> import jax
        >>> with jax.enable_x64(True):
        ...     print(Bounded("m_X", 0.01, 1.0, "log").from_unit(jnp.array([0.0, 0.5, 1.0])))
        [0.01 0.1  1.  ]
        """
        if self.scale == "log":
            value = numbers.exp(math.log(self.min) + unit * math.log(self.max / self.min))
        else:
            value = self.min + unit * (self.max - self.min)
        return numbers.clip(value, self.min, self.max)  # a bound is met exactly

    def to_unit(self, value: ArrayLike) -> Array:
        """Inverse of `from_unit`."""
        value = jnp.asarray(value)
        if self.scale == "log":
            return jnp.log(value / self.min) / math.log(self.max / self.min)
        return (value - self.min) / (self.max - self.min)

    def slope(self, unit: Array, numbers: Any = jnp) -> Array:
        """Derivative of `from_unit`, on the shape of `unit`."""
        span = self.max - self.min
        return (
            self.from_unit(unit, numbers) * math.log(self.max / self.min)
            if self.scale == "log"
            else numbers.full_like(unit, span)
        )


def bound_faults(
    path: str,
    low: float | None,
    high: float | None,
    scale: str | None,
    out_of_range: Callable[[str, float], Fault | None],
) -> Iterator[Fault]:
    """What is wrong with bounds given at `path`.min and `path`.max, where they are given.

    `out_of_range(path, value)` is the fault of a value that the parameter cannot have.
    """
    for key, value in (("min", low), ("max", high)):
        if value is None:
            continue
        if scale == "log" and value <= 0:
            yield Fault(f"{path}.{key}", "not positive on a log scale", value, "a positive number")
        elif fault := out_of_range(f"{path}.{key}", value):
            yield fault
    if low is not None and high is not None and low >= high:
        yield Fault(f"{path}.max", "not above min", high, f"more than {low:g}")
