"""chi2 of a problem minimised from any number of points, by one compiled function of fixed size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from zscan.optimise import minimise
from zscan.optimise.minimise import EDM_GOAL, Function, State, advance, begin, unique
from zscan.optimise.starts import lowest

# Points in one call. A fit compiles longer than it computes: best fit, intervals and profiles share
# one function. On a CPU time is proportional to the points from about this number on.
_BATCH = {"cpu": 64}
_BATCH_ELSEWHERE = 4096
_ROUND = 12  # steps, after which the points that go on are put together
_MANY = 8192  # minimisations that are worth a function of the free parameters alone
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
        self._function = function
        self._advance = jax.jit(self._advanced, static_argnums=5)
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
        Adam goes ahead, for starts that are far from any minimum. Where the same parameters are
        held at very many points, these have no derivatives: NaN."""
        start = np.clip(start, 0.0, 1.0)
        held = np.zeros(start.shape, bool) if hold is None else np.broadcast_to(hold, start.shape)
        if warm:
            start = self._in_batches(lambda x: (self._warm(x),), start)[0]
        fixed = np.asarray(held.all(axis=1))
        own = start.shape[1] >= _MANY and not fixed.all() and bool((held == fixed[:, None]).all())
        free = np.flatnonzero(~fixed) if own else np.arange(len(start))
        return self._minimise(start, held, tuple(free.tolist()), goal)

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

    def _minimise(
        self, start: np.ndarray, held: np.ndarray, free: tuple[int, ...], goal: float
    ) -> Found:
        """Steps along the parameters `free`, in rounds, each of the points that go on only."""
        count, points = start.shape
        chosen = list(free)
        state: list[Any] = [np.array(item) for item in begin(start[chosen], np)[:-1]]
        alone = np.zeros(points, bool)
        going, steps = np.arange(points), 0
        while going.size and steps < minimise.MAX_STEPS:
            # What fits into one call is not put together any further
            limit = minimise.MAX_STEPS
            if going.size > self.batch:
                limit = min(steps + _ROUND, limit)

            def further(*rows: Any, steps: int = steps, limit: int = limit) -> Any:
                now: Any = (*rows[:-2], steps)
                return self._advance(State(*now), *rows[-2:], limit, goal, free)

            rows = [item[..., going] for item in (*state, start, held)]
            *after, active, positive = self._in_batches(further, *rows)
            for item, new in zip((*state, alone), (*after, positive), strict=True):
                item[..., going] = new
            going, steps = going[active], limit
        state.append(steps)
        end: Any = State(*state)
        x, gradient = start.copy(), np.full((count, points), np.nan)
        hessian = np.full((count, count, points), np.nan)
        x[chosen], gradient[chosen] = end.x, end.gradient
        hessian[np.ix_(chosen, chosen)] = end.hessian
        return Found(x, end.value, gradient, hessian, end.edm, end.converged, alone)

    def _advanced(
        self,
        state: State,
        start: Array,
        hold: Array,
        limit: int,
        goal: float,
        free: tuple[int, ...],
    ) -> tuple[Array, ...]:
        """The state after some steps without their number, where it goes on, where it is unique."""

        def function(units: list[Array]) -> Array:
            moving = dict(zip(free, units, strict=True))
            return self._function([moving.get(index, start[index]) for index in range(len(start))])

        hold = hold[jnp.asarray(free)]
        end = advance(function, state, hold, limit, goal)
        return (*end[:-1], end.active, unique(end, hold))

    def _in_batches(
        self, call: Callable[..., Sequence[Array]], *rows: np.ndarray
    ) -> list[np.ndarray]:
        """Results of `call` for `rows` (..., points), batch by batch; the last point fills the rest
        of a batch.
        """
        points, parts = rows[0].shape[-1], []
        for first in range(0, points, self.batch):
            last = min(first + self.batch, points)
            index: Any = slice(first, last)
            if last - first < self.batch:
                index = np.minimum(np.arange(first, first + self.batch), last - 1)
            found = call(*(values[..., index] for values in rows))
            parts.append([np.asarray(values)[..., : last - first] for values in found])
        return [np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True)]


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
