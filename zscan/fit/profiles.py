"""Profile likelihoods on grids and the intervals that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from zscan.errors import ParameterError
from zscan.fit.best import FitResult
from zscan.fit.problem import Problem
from zscan.minimise import best_of
from zscan.precision import in_float64

_DOUBLINGS = 14
_FIRST_STEP = 0.01  # of the range between the bounds, where there is no error
_BISECTIONS = 30


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
    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"g_X": (1e-4, 1e-2)}, fixed={"m_X": 0.1})
    >>> low, high = intervals(problem, maximum_likelihood(problem))["g_X"]
    >>> round((high / 9.4620e-4) ** 2 * 251)  # 251 + 59
    310
    """
    if cl is not None:
        if not 0 < cl < 1:
            raise ParameterError(f"cl = {cl} is not allowed; allowed: between 0 and 1")
        n_sigma = NormalDist().inv_cdf((1 + cl) / 2)
    if not n_sigma > 0:
        raise ParameterError(f"n_sigma = {n_sigma} is not allowed; allowed: positive numbers")
    best = result.parameters
    chosen = tuple(problem.names if names is None else names)
    found = {}
    for name in chosen:
        index = result.names.index(name)
        error = result.errors[name]
        found[name] = _interval(problem, best, name, error if np.isfinite(error) else 0.0, result.chi2, n_sigma, starts)
        del index
    return found


def _interval(
    problem: Problem, best: Mapping[str, float], name: str, error: float, chi2: float, n_sigma: float, starts: int
) -> tuple[float, float]:
    others = [item for item in problem.names if item != name]
    high = problem.bounds(name)[1]
    centre = float(problem.to_unit(name, jnp.asarray(best[name])))
    # The first step: the error, as a part of the range between the bounds
    near = float(problem.to_unit(name, jnp.asarray(min(best[name] + error, high)))) - centre
    size = max(near, 1e-6) if error > 0 else _FIRST_STEP
    factors = np.concatenate([0.25 * 1.5 ** np.arange(_DOUBLINGS), [np.inf]])
    room = np.array([centre, 1 - centre])
    steps = np.minimum(size * n_sigma * factors[None, :], room[:, None])  # (side, step)
    signs = np.array([-1.0, 1.0])

    def excess(units: Array) -> Array:
        value, _, _ = _minimum(problem, {name: problem.from_unit(name, units)}, others, units.shape, best, starts)
        return value - chi2 - n_sigma**2

    @jax.jit
    def solve() -> tuple[Array, Array]:
        units = jnp.clip(centre + signs[:, None] * jnp.asarray(steps), 0.0, 1.0)
        above = excess(units) > 0
        first = jnp.argmax(above, axis=1)
        outside = jnp.take_along_axis(units, first[:, None], axis=1)[:, 0]
        inside = jnp.where(first == 0, centre, jnp.take_along_axis(units, jnp.maximum(first - 1, 0)[:, None], 1)[:, 0])

        def halve(_: Any, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
            inside, outside = bracket
            middle = (inside + outside) / 2
            beyond = excess(middle) > 0
            return jnp.where(beyond, inside, middle), jnp.where(beyond, middle, outside)

        inside, outside = lax.fori_loop(0, _BISECTIONS, halve, (inside, outside))
        return (inside + outside) / 2, above.any(axis=1)

    units, exists = solve()
    ends = np.where(np.asarray(exists), np.asarray(problem.from_unit(name, units)), np.nan)
    return float(ends[0]), float(ends[1])
