"""Profile likelihoods on grids and the intervals that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from zscan.errors import ParameterError
from zscan.fit.best import FitResult, unit_function
from zscan.fit.problem import Problem
from zscan.minimise import best_of
from zscan.precision import in_float64

_STEPS = 45  # towards a crossing: up to 12 outwards, the others halve the bracket
_NO_ERROR = 0.01  # first step where the error is undefined, of the range between the bounds


@dataclass(frozen=True)
class Profile:
    """chi2 minimised over all other parameters, on the grid of some.

    `grid` are the values of the profiled-on parameters by name, `chi2` has one axis for each of them, `others` are the
    values of the other free parameters at the minimum, `converged` says where it is one.
    """

    grid: dict[str, np.ndarray]
    chi2: np.ndarray
    others: dict[str, np.ndarray]
    converged: np.ndarray


@in_float64
def profile(
    problem: Problem, grid: Mapping[str, ArrayLike], *, result: FitResult | None = None, starts: int = 5
) -> Profile:
    """The profile of `problem` on a grid of one or more of its parameters.

    `grid` gives the values of each (one axis for each, in order). The other parameters are minimised at every point
    from `starts` starts, so that several minima compete, and from the best fit if `result` is given. Raises
    `UnknownNameError` for a name that is not free.

    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"m_X": (0.01, 1), "g_X": (1e-4, 1e-1)})
    >>> round(float(profile(problem, {"m_X": [0.1]}).chi2[0]), 2)
    -18.1
    """
    values = {name: np.atleast_1d(np.asarray(points, np.float64)) for name, points in grid.items()}
    for name in values:
        problem.free(name)
    others = [name for name in problem.names if name not in values]
    shape = tuple(points.size for points in values.values())
    axes = {
        name: jnp.asarray(points.reshape([-1 if axis == index else 1 for axis in range(len(shape))]))
        for index, (name, points) in enumerate(values.items())
    }
    first = None if result is None else result.parameters
    found = jax.jit(lambda axes: _minimum(problem, axes, others, shape, first, starts))(axes)
    chi2, places, converged = jax.tree.map(np.asarray, found)
    return Profile(values, chi2, dict(zip(others, places, strict=True)), converged)


def _minimum(
    problem: Problem,
    fixed: Mapping[str, Array],
    others: Sequence[str],
    shape: tuple[int, ...],
    first: Mapping[str, float] | None,
    starts: int,
) -> tuple[Array, list[Array], Array]:
    """chi2, the other parameters and convergence, on `shape`; `fixed` broadcasts against it."""

    def function(units: list[Array]) -> Array:
        free = {name: problem.from_unit(name, unit) for name, unit in zip(others, units, strict=True)}
        return jnp.broadcast_to(problem.chi2({**fixed, **free}), shape)

    if not others:
        return function([]), [], jnp.ones(shape, bool)
    # Diagonal and anti-diagonal corners and the centre: opposite signs of every pair of parameters occur
    places = [
        0.15 + 0.7 * (np.arange(starts) * (2 * index + 1) % starts + 0.5) / starts for index in range(len(others))
    ]
    units = jnp.broadcast_to(
        jnp.asarray(np.array(places).T)[(..., *(None for _ in shape))], (starts, len(others), *shape)
    )
    if first is not None:
        best = jnp.stack([problem.to_unit(name, jnp.asarray(first[name])) for name in others])
        best = jnp.broadcast_to(best.reshape((1, -1) + (1,) * len(shape)), (1, len(others), *shape))
        units = jnp.concatenate([best, units])
    found, _ = best_of(function, units)
    return found.value, [problem.from_unit(name, found.x[i]) for i, name in enumerate(others)], found.converged


@in_float64
def intervals(
    problem: Problem,
    result: FitResult,
    *,
    n_sigma: float = 1.0,
    cl: float | None = None,
    names: Sequence[str] | None = None,
    starts: int = 3,
) -> dict[str, tuple[float, float]]:
    """Profile-likelihood intervals: where chi2, minimised over the other parameters, is n_sigma^2 above its minimum.

    `cl` gives the level as a probability instead (0.95: n_sigma = 1.96). On each side the nearest crossing counts; a
    side on which there is none up to the bound gives NaN. Accuracy: 1e-6 of the range between the bounds or of the
    error, whichever is larger. Raises `NotConvergedError` for a fit without a minimum, `ParameterError` for a level
    that is not positive.

    >>> from zscan.fit import maximum_likelihood
    >>> problem = Problem("B-3Lmu", ["delta_a_mu"], parameters={"g_X": (1e-4, 1e-2)}, fixed={"m_X": 0.1})
    >>> low, high = intervals(problem, maximum_likelihood(problem))["g_X"]
    >>> round((3 * high / 9.4620e-4) ** 2 * 251)  # 251 + 59
    310
    """
    if cl is not None:
        if not 0 < cl < 1:
            raise ParameterError(f"cl = {cl} is not allowed; allowed: between 0 and 1")
        n_sigma = NormalDist().inv_cdf((1 + cl) / 2)
    if not n_sigma > 0:
        raise ParameterError(f"n_sigma = {n_sigma} is not allowed; allowed: positive numbers")
    best = result.parameters
    chosen = list(problem.names if names is None else names)
    for name in chosen:
        problem.free(name)
    places = {name: float(problem.to_unit(name, jnp.asarray(best[name]))) for name in problem.names}
    first = [_first_step(problem, result, name, places[name]) for name in chosen]
    ends, exist = _crossings(problem, chosen, places, np.array(first), result.chi2, n_sigma, starts)
    found = {}
    for name, units, there in zip(chosen, ends, exist, strict=True):
        low, high = np.where(there, np.asarray(problem.from_unit(name, jnp.asarray(units))), np.nan)
        found[name] = (float(low), float(high))
    return found


def _first_step(problem: Problem, result: FitResult, name: str, place: float) -> float:
    """How far to go first from the best fit, as a part of the range between the bounds: the error, if there is one."""
    error, best, high = result.errors[name], result.parameters[name], problem.bounds(name)[1]
    if not error > 0:
        return _NO_ERROR
    return max(float(problem.to_unit(name, jnp.asarray(min(best + error, high)))) - place, 1e-6)


def _crossings(
    problem: Problem,
    names: Sequence[str],
    places: Mapping[str, float],
    first: np.ndarray,
    chi2: float,
    n_sigma: float,
    starts: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the profile of each name crosses the level on either side (names, 2), and whether it does.

    All names and sides go together. The first steps grow until the level is passed, the others halve the bracket.
    """
    count, shape = len(problem.names), (len(names), 2)
    rows = [problem.names.index(name) for name in names]
    hold = np.zeros((count, *shape), bool)
    hold[rows, np.arange(len(names))] = True
    centre = np.array([places[name] for name in names])[:, None]
    sign = np.array([[-1.0, 1.0]])
    best = np.array([places[name] for name in problem.names])
    begin = np.concatenate([best[None, :], _spread(starts, count)])
    function = unit_function(problem)

    def excess(units: Array) -> Array:
        start = jnp.broadcast_to(jnp.asarray(begin)[:, :, None, None], (len(begin), count, *shape))
        found, _ = best_of(function, jnp.where(hold[None], units[None, None], start), hold=jnp.asarray(hold))
        return found.value - chi2 - n_sigma**2

    def advance(number: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        inside, outside, crossed = state
        step = jnp.asarray(first * n_sigma)[:, None] * 0.25 * 1.5**number
        wider = jnp.clip(centre + sign * step, 0.0, 1.0)
        trial = jnp.where(crossed, (inside + outside) / 2, wider)
        beyond = excess(trial) > 0
        return jnp.where(beyond, inside, trial), jnp.where(beyond, trial, outside), crossed | beyond

    begun = jnp.broadcast_to(centre, shape)
    run = jax.jit(lambda: lax.fori_loop(0, _STEPS, advance, (begun, begun, jnp.zeros(shape, bool))))
    inside, outside, crossed = run()
    return np.asarray(inside + outside) / 2, np.asarray(crossed)


def _spread(starts: int, count: int) -> np.ndarray:
    """Starts between 0 and 1 (starts, count) on different diagonals, so that pairs of parameters differ."""
    steps = np.arange(starts)[:, None] * (2 * np.arange(count) + 1) % starts
    return 0.15 + 0.7 * (steps + 0.5) / starts
