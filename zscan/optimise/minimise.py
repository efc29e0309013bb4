"""Minimise a function of a few bounded parameters at many points at once: damped Newton steps, no
loop over points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from zscan.optimise.starts import lowest

MAX_STEPS = 60
EDM_GOAL = 1e-7  # of chi2: 3e-4 standard deviations
_RELATIVE_GOAL = 1e-14  # of a large value, whose rounding would hide EDM_GOAL

_DAMPING_START = 1e-3
_DAMPING_RANGE = (1e-7, 1e8)
_STRETCH_RATIO = (0.3, 0.85)  # of the lengths of two steps: k between 2.4 and 7.7
_CURVATURE_FLOOR = 1e-10  # relative to the largest second derivative
_STEP = 1e-6  # of the difference of gradients that is the Hessian: its relative error is about 1e-6
_SINGULAR = 1e-6  # of a matrix with unit diagonal: an eigenvalue this far below zero counts as zero

Function = Callable[[list[Array]], Array]


class Minimum(NamedTuple):
    """Where a function is smallest, on the shape of the points.

    `x` has the parameters as its leading axis. `edm` is the estimated distance to the minimum, in
    units of the function; `converged` says that it is below the goal and that the function curves
    downwards nowhere, along the parameters that are not at a bound; `unique` that it curves upwards
    along all of them: without it the minimum is a flat valley, and `x` is one point in it. `steps`
    is the number of Newton steps that any point has taken."""

    x: Array
    value: Array
    gradient: Array
    hessian: Array
    edm: Array
    converged: Array
    unique: Array
    steps: Array


class State(NamedTuple):
    """Of the loop of `minimise`: as `Minimum`, and the damping of the next step and the step that
    was taken last.
    """

    x: Array
    value: Array
    gradient: Array
    hessian: Array
    damping: Array
    edm: Array
    converged: Array
    last_step: Array
    steps: Array

    @property
    def stuck(self) -> Array:
        """Where no step, however short, leads any lower."""
        return self.damping >= _DAMPING_RANGE[1]

    @property
    def active(self) -> Array:
        """Where further steps may lead on."""
        return ~(self.converged | self.stuck)


class _Derivatives(NamedTuple):
    """Value, gradient (count, ...) and Hessian (count, count, ...) at every point."""

    value: Array
    gradient: Array
    hessian: Array


class _Step(NamedTuple):
    """A damped Newton step, the decrease that it promises, and the sign of the curvature along free
    parameters.
    """

    step: Array
    edm: Array
    not_negative: Array
    positive: Array


def minimise(
    function: Function,
    start: Sequence[Array],
    *,
    hold: Array | None = None,
    max_steps: int | None = None,
    edm_goal: float = EDM_GOAL,
) -> Minimum:
    """Minimise `function` over parameters that run from 0 to 1, from `start`, at every point of an
    array of points.

    `function` takes the parameters as a list of arrays of one shape, that of the points, and
    returns their values on that shape; a point's value may depend on the parameters of this point
    alone. What does not depend on the parameters keeps its own, smaller shape inside: derivatives
    are those of the sum over all points. Values may be NaN away from the start: no step leads
    there. `hold`, booleans of shape (parameters, ...), keeps parameters where they start, at the
    points where it is True. Bounds may be reached; a parameter at a bound counts as converged when
    the function falls towards the bound. Static shapes, one compiled loop that ends when every
    point has converged or no step, however short, leads any lower, or after `max_steps` (60).

    Source: Levenberg-Marquardt damping with projection on the bounds (Nocedal and Wright, Numerical
    Optimization, 2nd ed., secs. 4.3, 16.7); the criterion is that of MIGRAD (F. James, MINUIT).

    >>> with jax.enable_x64(True):
    ...     target = jnp.array([0.25, 2.0])
    ...     found = minimise(lambda x: (x[0] - target) ** 2, [jnp.array([0.5, 0.5])])
    >>> found.x.round(3).tolist(), found.converged.tolist()
    ([[0.25, 1.0]], [True, True])
    """
    x = jnp.stack([jnp.clip(item, 0.0, 1.0) for item in start])
    hold = jnp.zeros(x.shape, bool) if hold is None else jnp.broadcast_to(hold, x.shape)
    limit = MAX_STEPS if max_steps is None else max_steps
    end = advance(function, begin(x), hold, limit, edm_goal)
    return Minimum(
        end.x,
        end.value,
        end.gradient,
        end.hessian,
        end.edm,
        end.converged,
        unique(end, hold),
        end.steps,
    )


def begin(x: Any, numbers: Any = jnp) -> State:
    """The state before the first step, at `x` (parameters, ...) between 0 and 1; `numbers` is the
    array module of `x`, numpy or jax.numpy.

    The first step goes nowhere and evaluates the start, so that the function is compiled in one
    place only."""
    count, *shape = x.shape
    identity = numbers.eye(count).reshape(count, count, *[1] * len(shape))
    return State(
        x=x,
        value=numbers.full(shape, numbers.inf),
        gradient=numbers.zeros(x.shape),
        hessian=numbers.broadcast_to(identity, (count, *x.shape)),
        damping=numbers.full(shape, _DAMPING_START),
        edm=numbers.full(shape, numbers.inf),
        converged=numbers.zeros(shape, bool),
        last_step=numbers.zeros(x.shape),
        steps=numbers.asarray(0),
    )


def unique(state: State, hold: Array) -> Array:
    """Where the function curves upwards along all parameters that are free, see `Minimum`."""
    none = jnp.zeros_like(state.value)
    return _newton_step(state.x, state.gradient, state.hessian, none, hold).positive


def advance(
    function: Function, state: State, hold: Array, limit: int | Array, edm_goal: float | Array
) -> State:
    """Steps of `minimise` until none of the points can go on or `limit` steps are taken, those of
    `state` included.
    """
    derivatives = _derivatives(function, len(state.x))

    def active(state: State) -> Array:
        return state.active.any() & (state.steps < limit)

    def step_on(state: State) -> State:
        x, value, damping = state.x, state.value, state.damping
        step = _newton_step(x, state.gradient, state.hessian, damping, hold).step
        # Far from a minimum chi2 grows as a power k > 2 of the distance, of which each step leaves
        # (k - 2)/(k - 1): two steps in a row tell k, and the second one is stretched to where they
        # lead.
        last = state.last_step
        ratio = (step * last).sum(0) / jnp.maximum((last * last).sum(0), 1e-300)
        stretched = (ratio > _STRETCH_RATIO[0]) & (ratio < _STRETCH_RATIO[1])
        trial = jnp.clip(x + step / (1 - jnp.where(stretched, ratio, 0.0))[None], 0.0, 1.0)
        new = derivatives(trial)
        finite = jnp.isfinite(new.gradient).all(0) & jnp.isfinite(new.hessian).all((0, 1))
        # A point that is done rests, so that its result does not depend on how long the others take
        accept = (new.value <= value) & finite & state.active
        x = jnp.where(accept[None], trial, x)
        value, gradient, hessian = (
            jnp.where(_leading(accept, after.ndim), after, before)
            for after, before in zip(new, (value, state.gradient, state.hessian), strict=True)
        )
        # A rejected step is shortened at once, however many good ones there were before; a
        # stretched one is forgotten.
        damped = jnp.where(
            accept, damping / 8, jnp.where(stretched, damping, jnp.maximum(damping * 4, 1.0))
        )
        undamped = _newton_step(x, gradient, hessian, jnp.zeros_like(value), hold)
        goal = jnp.maximum(edm_goal, _RELATIVE_GOAL * jnp.abs(value))
        good = undamped.not_negative & jnp.isfinite(value) & (undamped.edm < goal) & ~state.stuck
        return State(
            x=x,
            value=value,
            gradient=gradient,
            hessian=hessian,
            damping=jnp.clip(damped, *_DAMPING_RANGE),
            edm=undamped.edm,
            converged=state.converged | good,
            last_step=jnp.where((accept & ~stretched)[None], step, 0.0),
            steps=state.steps + 1,
        )

    return lax.while_loop(active, step_on, state)


def lowest_minimum(function: Function, starts: Array, *, hold: Array | None = None) -> Minimum:
    """The lowest of the minima from several starts; `starts` has shape (starts, parameters,
    points).

    What counts as lowest says `zscan.optimise.starts.lowest`. The starts are taken one after the
    other, so that memory holds one."""

    def one(start: Array) -> Minimum:
        return minimise(function, list(start), hold=hold)

    found = lax.map(one, starts)
    index = lowest(found.value, found.converged, EDM_GOAL, jnp)

    def chosen(values: Array) -> Array:
        return jnp.take_along_axis(values, _leading(index, values.ndim), axis=0)[0]

    best = {name: chosen(value) for name, value in found._asdict().items() if name != "steps"}
    return Minimum(**best, steps=found.steps.max())


def _derivatives(function: Function, count: int) -> Callable[[Array], _Derivatives]:
    """The function that gives them at every point.

    Slopes are exact, by forward differentiation, which keeps nothing for a way back. The Hessian is
    a central difference of them, inside the bounds: a second differentiation compiles several times
    longer and is undefined on the kinks of interpolated tables."""

    def derivatives(x: Array) -> _Derivatives:
        directions = jnp.broadcast_to(_identity(count, x.ndim - 1), (count, *x.shape))

        def value(x: Array) -> Array:
            return function([x[number] for number in range(count)])

        def gradient(x: Array) -> tuple[Array, Array]:
            """Value and slopes: a point's value depends on its own parameters alone, so one
            direction serves all.
            """
            return jax.vmap(
                lambda direction: jax.jvp(value, (x,), (direction,)), out_axes=(None, 0)
            )(directions)

        above, below = (
            jnp.clip(x[None] + _STEP * directions, 0, 1),
            jnp.clip(x[None] - _STEP * directions, 0, 1),
        )
        # Only what depends on the parameters has the axes of the displaced points and of the
        # directions
        values, slopes = jax.vmap(gradient)(jnp.concatenate([x[None], above, below]))
        hessian = (slopes[1 : count + 1] - slopes[count + 1 :]) / (above - below).sum(
            1, keepdims=True
        )
        return _Derivatives(values[0], slopes[0], (hessian + jnp.swapaxes(hessian, 0, 1)) / 2)

    return derivatives


def _identity(count: int, rank: int) -> Array:
    """Unit matrix with `rank` axes of length one behind it."""
    return jnp.eye(count).reshape((count, count) + (1,) * rank)


def _leading(values: Array, rank: int) -> Array:
    """`values` with axes of length one in front, up to `rank` axes."""
    return values.reshape((1,) * (rank - values.ndim) + values.shape)


def _newton_step(x: Array, gradient: Array, hessian: Array, damping: Array, hold: Array) -> _Step:
    """Damped Newton step along the free parameters.

    A parameter is held where it sits at a bound and the function falls towards it. The shift that
    makes the damped matrix positive comes from Gershgorin's circles."""
    held = hold | ((x <= 0) & (gradient > 0)) | ((x >= 1) & (gradient < 0))
    free = ~held
    g = jnp.where(free, gradient, 0.0)
    both = free[:, None] & free[None, :]
    count = x.shape[0]
    identity = _identity(count, x.ndim - 1)
    h = jnp.where(both, hessian, 0.0)
    diagonal = jnp.stack([h[number, number] for number in range(count)])
    scale = jnp.maximum(jnp.abs(h).max((0, 1)), 1e-30)
    # Normalised to unit diagonal, so that neither the damping nor the floor depends on the scales
    # of the parameters
    size = jnp.sqrt(jnp.maximum(jnp.abs(diagonal), _CURVATURE_FLOOR * scale[None]))
    normed = h / (size[:, None] * size[None, :])
    normed = jnp.where(both, normed, identity)
    radius = jnp.abs(normed).sum(1) - jnp.abs(
        jnp.stack([normed[number, number] for number in range(count)])
    )
    lowest = (jnp.stack([normed[number, number] for number in range(count)]) - radius).min(0)
    _, positive = _cholesky(normed)
    _, not_negative = _cholesky(normed + _SINGULAR * identity)
    # Twice what makes the matrix positive: a step against negative curvature is as long as one
    # along it would be
    shift = jnp.where(positive, 0.0, 2 * jnp.maximum(-lowest, 0.0) + 1e-3)
    shifted = normed + (shift + damping)[None, None] * identity
    factor, _ = _cholesky(shifted)
    step = -_solve(factor, g / size) / size
    step = jnp.where(free, step, 0.0)
    edm = -(step * g).sum(0) / 2
    return _Step(step, edm, not_negative & jnp.isfinite(edm), positive)


def _cholesky(matrix: Array) -> tuple[list[list[Array]], Array]:
    """Cholesky factor of a small matrix (count, count, ...) at every point, and whether the matrix
    is positive.
    """
    count = matrix.shape[0]
    factor: list[list[Array]] = []
    positive = jnp.ones(matrix.shape[2:], bool)
    for i in range(count):
        row: list[Array] = []
        for j in range(i):
            rest = matrix[i, j] - sum((row[k] * factor[j][k] for k in range(j)), jnp.zeros(()))
            row.append(rest / factor[j][j])
        pivot = matrix[i, i] - sum((item**2 for item in row), jnp.zeros(()))
        positive = positive & (pivot > _CURVATURE_FLOOR)
        row.append(jnp.sqrt(jnp.where(pivot > _CURVATURE_FLOOR, pivot, 1.0)))
        factor.append(row)
    return factor, positive


def _solve(factor: list[list[Array]], right: Array) -> Array:
    """Solve the positive system whose Cholesky factor is given."""
    count = len(factor)
    lower: list[Array] = []
    for i in range(count):
        rest = right[i] - sum((factor[i][k] * lower[k] for k in range(i)), jnp.zeros(()))
        lower.append(rest / factor[i][i])
    upper: list[Array] = [jnp.zeros(())] * count
    for i in reversed(range(count)):
        rest = lower[i] - sum((factor[k][i] * upper[k] for k in range(i + 1, count)), jnp.zeros(()))
        upper[i] = rest / factor[i][i]
    return jnp.stack(upper)
