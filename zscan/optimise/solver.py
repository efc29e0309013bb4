"""chi2 of a problem minimised from any number of points, by one compiled function of fixed size."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from zscan.optimise.minimise import EDM_GOAL, Function, minimise
from zscan.optimise.starts import lowest

# Points in one call. A fit compiles longer than it computes: best fit, intervals and profiles share
# one function, and a call with few points takes hardly longer than with one.
_BATCH = {"cpu": 256}
_BATCH_ELSEWHERE = 4096
_WARM_STEPS = 60  # of Adam, from anywhere to somewhere near
_WARM_RATE = 0.1


class Found(NamedTuple):
    """`zscan.optimise.minimise.Minimum` as NumPy arrays, without the number of steps."""

    x: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    edm: np.ndarray
    converged: np.ndarray
    unique: np.ndarray


class Solver:
    """Minimises a function of parameters between 0 and 1; compiled on the first call, for all
    calls.
    """

    def __init__(self, function: Function) -> None:
        self.batch = _BATCH.get(jax.default_backend(), _BATCH_ELSEWHERE)
        self._minimise = jax.jit(
            lambda start, hold, goal: minimise(function, list(start), hold=hold, edm_goal=goal)[:-1]
        )
        self._warm = jax.jit(partial(_warm, function))

    def __call__(
        self,
        start: np.ndarray,
        hold: np.ndarray | None = None,
        *,
        warm: bool = False,
        goal: float = EDM_GOAL,
    ) -> Found:
        """The minima from `start` (parameters, points); parameters stay where they start where
        `hold` is True.

        `goal` is the estimated distance to the minimum at which a point has converged. With `warm`
        Adam goes ahead, for starts that are far from any minimum."""
        points = start.shape[1]
        held = np.zeros(start.shape, bool) if hold is None else np.broadcast_to(hold, start.shape)
        parts = []
        for first in range(0, points, self.batch):
            last = min(first + self.batch, points)
            # The last point fills the rest of a batch
            index = np.minimum(np.arange(first, first + self.batch), last - 1)
            begin = jnp.asarray(start[:, index])
            if warm:
                begin = self._warm(begin)
            found = self._minimise(begin, jnp.asarray(held[:, index]), goal)
            parts.append([np.asarray(values)[..., : last - first] for values in found])
        return Found(*(np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True)))

    def lowest(
        self, starts: np.ndarray, hold: np.ndarray | None = None, *, goal: float = EDM_GOAL
    ) -> Found:
        """The lowest point found from several starts (starts, parameters, points), at every point.

        What counts as lowest says `zscan.optimise.starts.lowest`.
        """
        many, count, points = starts.shape
        flat = np.moveaxis(starts, 0, 1).reshape(count, -1)
        held = None if hold is None else np.tile(hold, (1, many))
        all_ends = self(flat, held, goal=goal)
        found = Found(*(values.reshape(*values.shape[:-1], many, points) for values in all_ends))
        index = lowest(found.value, found.converged, goal)
        return Found(*(values[..., index, np.arange(points)] for values in found))


def _warm(function: Function, start: Array) -> Array:
    """Adam in coordinates without bounds, x = sin^2(z): the best point that each start has seen."""
    optimiser = optax.adam(_WARM_RATE)

    def total(z: Array) -> tuple[Array, Array]:
        value = function([jnp.sin(z[index]) ** 2 for index in range(z.shape[0])])
        return value.sum(), value

    gradient = jax.grad(total, has_aux=True)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        z, state, best, lowest = carry
        slope, value = gradient(z)
        better = value < lowest
        best, lowest = jnp.where(better[None], z, best), jnp.where(better, value, lowest)
        with jax.numpy_dtype_promotion("standard"):  # which optax relies on
            updates, state = optimiser.update(jnp.where(jnp.isfinite(slope), slope, 0.0), state)
        return (optax.apply_updates(z, updates), state, best, lowest), None

    z = jnp.arcsin(jnp.sqrt(start))
    carry = (z, optimiser.init(z), z, jnp.full(start.shape[1:], jnp.inf))
    (_, _, best, _), _ = jax.lax.scan(step, carry, None, length=_WARM_STEPS)
    return jnp.sin(best) ** 2
