"""Profiles: chi2 minimised over some parameters, as a function of the others; a pure function for scans, and grids."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from zscan.errors import ParameterError
from zscan.fit.newton import Minimum, is_minimum, lowest, minimise
from zscan.fit.objective import Data, Objective
from zscan.fit.problem import Problem, latin_hypercube
from zscan.precision import as_float64, in_float64

_LANES = 8192


class Profiled(NamedTuple):
    """chi2 minimised at each point of a broadcast shape, where that is (physical values by name), and whether the
    lowest minimisation converged."""

    chi2: Float[Array, "..."]
    values: dict[str, Array]
    converged: Bool[Array, "..."]


@dataclass(frozen=True, eq=False)
class Profile:
    """A profile on a grid, whose axes are `grids`, in their order.

    `chi2` is delta chi2 plus normal priors, minimised over the parameters in `values`, which are their values there.
    Points where `converged` is False hold the lowest chi2 that was seen, an upper bound.
    """

    problem: Problem = field(repr=False)
    grids: dict[str, np.ndarray]
    chi2: np.ndarray
    values: dict[str, np.ndarray]
    converged: np.ndarray


@in_float64
def profile(
    problem: Problem,
    grids: Mapping[str, ArrayLike],
    *,
    starts: int = 8,
    seed: int = 0,
    rounds: int = 1,
    lanes: int = _LANES,
) -> Profile:
    """chi2 minimised over all other free parameters on the grid of one or several parameters (`grids`, 1-D arrays).

    At each point `starts` minimisations run from a Latin hypercube, then, `rounds` times, from where the neighbours on
    the grid ended: that follows a minimum which few starts find. `lanes` minimisations are done together (memory:
    about a kilobyte each; raise it on a GPU). Parameters of the grid are not differentiated: along m_X, profiles are
    as good with limit curves as without. Raises `ParameterError`.
    """
    arrays = {name: np.atleast_1d(np.asarray(grid, dtype=np.float64)) for name, grid in grids.items()}
    names = _checked(problem, tuple(arrays), starts)
    for name, array in arrays.items():
        low, high = problem.bounds[name]
        if array.ndim != 1 or not np.all((array >= low) & (array <= high)):
            raise ParameterError(f"grids.{name}: one axis of values between {low:g} and {high:g} is needed")
    shapes = np.diag([array.size - 1 for array in arrays.values()]) + 1
    mesh = {name: jnp.asarray(array.reshape(shapes[i])) for i, (name, array) in enumerate(arrays.items())}
    points = jnp.asarray(latin_hypercube(starts, len(problem.names) - len(names), seed))
    found = jax.device_get(_compiled(problem.objective, names, mesh, points, problem.data, rounds, lanes))
    return Profile(problem, arrays, found.chi2, found.values, found.converged)


def profiler(
    problem: Problem, names: Sequence[str], *, starts: int = 8, seed: int = 0, rounds: int = 1, lanes: int = _LANES
) -> Callable[[Mapping[str, ArrayLike]], Profiled]:
    """The profile as a pure function of the free parameters `names`, over all others; arguments as for `profile`.

    The function takes values of `names` that broadcast against each other and returns `Profiled` on their broadcast
    shape. It can be jitted (in float64) and has no round trip to the host: a scan can call it for each tile. What
    depends on one axis alone is evaluated on that axis. With `rounds` > 0 the neighbours are those in the array.

    >>> from zscan.fit import Problem
    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"m_X": (0.01, 1), "g_X": (1e-5, 0.1)})
    >>> f = profiler(problem, ["m_X"], starts=4)
    >>> [round(x, 5) for x in f({"m_X": [0.1, 0.5]}).values["g_X"].tolist()]
    [0.00094, 0.00285]
    """
    used = _checked(problem, tuple(names), starts)
    points = latin_hypercube(starts, len(problem.names) - len(used), seed)

    @in_float64
    def function(values: Mapping[str, ArrayLike]) -> Profiled:
        if set(values) != set(used):
            raise ParameterError(f"values are needed of exactly {', '.join(used)}")
        arrays = dict(zip(values, as_float64(*values.values()), strict=True))
        return _compiled(problem.objective, used, arrays, jnp.asarray(points), problem.data, rounds, lanes)

    return function


def _checked(problem: Problem, names: tuple[str, ...], starts: int) -> tuple[str, ...]:
    for name in names:
        if name not in problem.names:
            raise ParameterError(f"{name!r} is not a free parameter; allowed: {', '.join(problem.names)}")
    if not names:
        raise ParameterError("a profile needs at least one parameter to be a function of")
    if starts < 2 * len(names) + 1:
        raise ParameterError(f"starts = {starts}; allowed: at least {2 * len(names) + 1}, one for each neighbour")
    return names


@functools.partial(jax.jit, static_argnums=(0, 1, 5, 6))
def _compiled(
    objective: Objective,
    names: tuple[str, ...],
    arrays: Mapping[str, Array],
    points: Array,
    data: Data,
    rounds: int,
    lanes: int,
) -> Profiled:
    inner = objective.without(names)
    kept = np.array([i for i, name in enumerate(objective.names) if name not in names], dtype=np.int32)
    rank = max((array.ndim for array in arrays.values()), default=0)
    arrays = {name: array.reshape((1,) * (rank - array.ndim) + array.shape) for name, array in arrays.items()}
    shape = jnp.broadcast_shapes(*(array.shape for array in arrays.values()))

    def numbers(values: Mapping[str, Array]) -> Data:
        low, high, mean, sigma = (row[kept] for row in data[:4])
        return Data(low, high, mean, sigma, dict(data.fixed) | dict(values), data.measured)

    def point(values: dict[str, Array], starts: Array) -> Minimum:
        here = numbers(values)
        return lowest(jax.vmap(lambda start: minimise(lambda u: inner.chi2(u, here), start))(starts))

    everywhere = _mapped(point, arrays, shape, points.shape[0], lanes)
    if not kept.size:
        points = points[:1]  # nothing is minimised
        rounds = 0
    first = jnp.broadcast_to(points, (*shape, *points.shape))

    def again(starts: Array, _: None) -> tuple[Array, Minimum]:
        end = everywhere(starts)
        return jnp.concatenate([_neighbours(end.u, len(shape)), first[..., 2 * len(shape) + 1 :, :]], axis=-2), end

    if rounds:  # the last round starts from where the one before ended, too: chi2 never rises
        ends = lax.scan(again, first, None, length=rounds + 1)[1]
        end = jax.tree.map(lambda leaf: leaf[-1], ends)
    else:
        end = everywhere(first)
    prior = objective.prior(arrays, data) if any(objective.normal) else jnp.zeros(())
    raise NotImplementedError
