"""Profile likelihoods on grids and the intervals that they give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from zscan.errors import ParameterError
from zscan.fit.best import FitResult
from zscan.fit.problem import Problem
from zscan.optimise.minimise import EDM_GOAL
from zscan.optimise.starts import lattice
from zscan.precision import in_float64
from zscan.results.levels import two_sided

_STEPS = 60  # towards a crossing, at most
_SWEEPS = 3  # over the points of a profile, each started from where its neighbours ended
_LEVEL = 1e-5  # of n_sigma
_PRECISE = 1e-9  # of the range between the bounds
_NO_ERROR = 0.01  # first step where the error is undefined, of the range between the bounds


@dataclass(frozen=True)
class Profile:
    """chi2 minimised over all other parameters, on the grid of some.

    `grid` are the values of the profiled-on parameters by name, `chi2` has one axis for each of
    them, `others` are the values of the other free parameters at the minimum, `converged` says
    where it is one."""

    grid: dict[str, np.ndarray]
    chi2: np.ndarray
    others: dict[str, np.ndarray]
    converged: np.ndarray


@in_float64
def profile(
    problem: Problem,
    grid: Mapping[str, ArrayLike],
    *,
    result: FitResult | None = None,
    starts: int = 5,
    goal: float = EDM_GOAL,
) -> Profile:
    """The profile of `problem` on a grid of one or more of its parameters.

    `grid` gives the values of each, 1-D arrays in the units of the parameter (masses in GeV): one
    axis of the result for each, in order. The other parameters are minimised at every point from
    `starts` starts, so that several minima compete, and from the best fit if `result` is given, to
    within `goal` of the minimum in chi2. Raises `UnknownNameError` for a name that is not free.

    >>> bounds = {"m_X": (0.01, 1), "g_X": (1e-4, 1e-1)}
    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters=bounds)
    >>> round(float(profile(problem, {"m_X": [0.1]}).chi2[0]), 2)
    -18.1
    """
    values = {name: np.atleast_1d(np.asarray(points, np.float64)) for name, points in grid.items()}
    shape = tuple(points.size for points in values.values())
    count = len(problem.names)
    hold = np.zeros(count, bool)
    units = np.zeros((count, math.prod(shape)))
    for name, place in zip(values, np.meshgrid(*values.values(), indexing="ij"), strict=True):
        problem.free(name)
        hold[problem.names.index(name)] = True
        units[problem.names.index(name)] = np.asarray(problem.bounded(name).to_unit(place.ravel()))
    begin = _starts(problem, result, starts)
    if hold.all():
        begin = begin[:1]
    held = hold[:, None] & np.ones(units.shape, bool)
    found = problem.solver.lowest(*_held(begin, units, held), goal=goal)
    if len(values) == 1 and not hold.all():
        for _ in range(_SWEEPS):
            # Where the lowest point lies at a step of the likelihood, a neighbour has often come
            # closer to it
            near = np.stack([found.x, np.roll(found.x, 1, axis=1), np.roll(found.x, -1, axis=1)])
            found = problem.solver.lowest(np.where(held, units, near), held, goal=goal)
    others = {
        name: np.asarray(value).reshape(shape)
        for name, value in problem.from_units(found.x).items()
        if name not in values
    }
    return Profile(values, found.value.reshape(shape), others, found.converged.reshape(shape))


def _starts(problem: Problem, result: FitResult | None, starts: int) -> np.ndarray:
    """Starts between 0 and 1 (starts, parameters): the best fit first, if there is one."""
    spread = lattice(starts, len(problem.names))
    if result is None:
        return spread
    best = [
        float(problem.bounded(name).to_unit(value)) for name, value in result.parameters.items()
    ]
    return np.concatenate([np.array([best]), spread])


def _held(begin: np.ndarray, units: np.ndarray, hold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts (starts, parameters, points) with the held parameters at their `units`, and what is
    held.
    """
    return np.where(hold, units, begin[:, :, None]), hold


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
    """Profile-likelihood intervals: where chi2, minimised over the other parameters, is n_sigma^2
    above its minimum.

    `cl` gives the level as a probability instead (0.95: n_sigma = 1.96). On each side the nearest
    crossing counts; a side on which there is none up to the bound gives NaN. Accuracy: 1e-5 of
    n_sigma. Raises `NotConvergedError` for a fit without a minimum, `ParameterError` for a level
    that is not positive.

    >>> from zscan.fit import maximum_likelihood
    >>> bounds = {"g_X": (1e-4, 1e-2)}
    >>> problem = Problem("B-3Lmu", ["delta_a_mu"], parameters=bounds, fixed={"m_X": 0.1})
    >>> low, high = intervals(problem, maximum_likelihood(problem))["g_X"]
    >>> round((3 * high / 9.4620e-4) ** 2 * 251)  # 251 + 59
    310
    """
    if cl is not None:
        if not 0 < cl < 1:
            raise ParameterError(f"cl = {cl} is not allowed; allowed: between 0 and 1")
        n_sigma = two_sided(cl)
    if not n_sigma > 0:
        raise ParameterError(f"n_sigma = {n_sigma} is not allowed; allowed: positive numbers")
    best = result.parameters
    chosen = list(problem.names if names is None else names)
    for name in chosen:
        problem.free(name)
    places = {name: float(problem.bounded(name).to_unit(best[name])) for name in chosen}
    first = np.array([_first_step(problem, result, name, places[name]) for name in chosen])
    ends, exist = _crossings(problem, result, places, first, n_sigma, starts)
    found = {}
    for name, units, there in zip(chosen, ends, exist, strict=True):
        low, high = np.where(
            there, np.asarray(problem.bounded(name).from_unit(jnp.asarray(units))), np.nan
        )
        found[name] = (float(low), float(high))
    return found


def _first_step(problem: Problem, result: FitResult, name: str, place: float) -> float:
    """How far to go first from the best fit, as a part of the range between the bounds: the error,
    if there is one.
    """
    error, best, bounded = result.errors[name], result.parameters[name], problem.bounded(name)
    if not error > 0:
        return _NO_ERROR
    return max(float(bounded.to_unit(min(best + error, bounded.max))) - place, 1e-6)


def _crossings(
    problem: Problem,
    result: FitResult,
    places: Mapping[str, float],
    first: np.ndarray,
    n_sigma: float,
    starts: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the profile of each name crosses the level on either side (names, 2), and whether it
    does.

    All names and sides go together. The first steps grow until the level is passed, the others
    halve the bracket."""
    names = list(places)
    hold = np.array(
        [[other == name for name in names for _ in range(2)] for other in problem.names]
    )
    begin = _starts(problem, result, starts)
    centre = np.repeat(list(places.values()), 2)
    step = np.stack([-first, first], axis=1).ravel() * n_sigma
    # sqrt(chi2 above the minimum) in units of n_sigma, less one: nearly straight, so that a secant
    # finds its zero
    inside, outside, crossed = centre, centre, np.zeros(centre.shape, bool)
    low, high = np.full(centre.shape, -1.0), np.zeros(centre.shape)
    found = np.zeros(centre.shape, bool)
    ends = centre
    for number in range(_STEPS):
        wider = np.clip(centre + step * 0.5 * 2.0**number, 0.0, 1.0)
        secant = np.clip(low / np.where(crossed, low - high, -1.0), 0.05, 0.95)
        part = 0.5 if number % 3 == 2 else secant  # halves, lest one end never moves
        trial = np.where(found, ends, np.where(crossed, inside + part * (outside - inside), wider))
        chi2 = (
            problem.solver.lowest(*_held(begin, np.broadcast_to(trial, hold.shape), hold)).value
            - result.chi2
        )
        height = np.sqrt(np.maximum(chi2, 0.0)) / n_sigma - 1
        beyond = height > 0
        inside, low = np.where(beyond, inside, trial), np.where(beyond, low, height)
        outside, high = np.where(beyond, trial, outside), np.where(beyond, height, high)
        crossed = crossed | beyond
        at_bound = ~crossed & ((trial <= 0) | (trial >= 1))
        narrow = crossed & (
            np.abs(outside - inside) < _PRECISE
        )  # a step of chi2, such as the end of a limit curve
        found = found | (np.abs(height) < _LEVEL) & crossed | at_bound | narrow
        ends = np.where(narrow & (np.abs(height) >= _LEVEL), (inside + outside) / 2, trial)
        if found.all():
            break
    return ends.reshape(-1, 2), crossed.reshape(-1, 2)
