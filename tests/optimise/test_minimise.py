"""The batched minimiser: a small zoo of functions, bounds, NaN, held parameters; against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from zscan.optimise.minimise import EDM_GOAL, lowest_minimum
from zscan.optimise.minimise import minimise as minimise_eagerly

REACH = np.sqrt(EDM_GOAL)  # distance at which (x - centre)^2 counts as minimised


def minimise(function, start, **options):
    return jax.jit(lambda start: minimise_eagerly(function, start, **options))(start)


def rosenbrock(x):
    """Minimum 0 at (0.6, 0.36 + 0.1), in a bent valley."""
    return 100 * (x[1] - x[0] ** 2 - 0.1) ** 2 + (0.6 - x[0]) ** 2


def double_well(x):
    """Wells near 0.2 (deeper) and 0.8, a barrier near 0.5."""
    return 1e4 * (x[0] - 0.2) ** 2 * (x[0] - 0.8) ** 2 + x[0]


def scipy_minimum(function, start):
    found = minimize(
        lambda x: float(function(list(jnp.asarray(x)))),
        start,
        bounds=[(0, 1)] * len(start),
        method="L-BFGS-B",
        jac=lambda x: np.asarray(jax.grad(lambda x: function(list(x)))(jnp.asarray(x))),
        options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 10_000},
    )
    return found.x, found.fun


def points(*columns):
    """Starts of several points as a list of parameters."""
    return [jnp.asarray(column, float) for column in zip(*columns, strict=True)]


def all_minima(function, starts):
    return jax.lax.map(lambda start: minimise_eagerly(function, list(start)), starts)


def test_quadratics_of_many_points_in_one_step_each():
    centres = np.random.default_rng(1).uniform(0.1, 0.9, (2, 3, 50))

    def function(x):
        u, v = x[0] - centres[0], x[1] - centres[1]
        return 3 * u**2 + 2 * u * v + 5 * v**2

    found = minimise(function, [jnp.full((3, 50), 0.5)] * 2)
    assert found.converged.all()
    assert found.unique.all()
    np.testing.assert_allclose(found.x, centres, atol=REACH)
    np.testing.assert_allclose(found.hessian[..., 0, 0], [[6, 2], [2, 10]], rtol=1e-12)
    assert int(found.steps) <= 5


def test_rosenbrock():
    starts = [(0.1, 0.9), (0.9, 0.1), (0.0, 0.0), (1.0, 1.0), (0.5, 0.5)]
    found = minimise(rosenbrock, points(*starts))
    assert found.converged.all()
    assert found.value.max() < 2 * EDM_GOAL
    place, _ = scipy_minimum(rosenbrock, starts[0])
    np.testing.assert_allclose(place, [0.6, 0.46], atol=1e-6)
    # errors of x[1] are 2 * 0.6 times those of x[0], of which the function is (0.6 - x[0])^2 along
    # the valley
    np.testing.assert_allclose(found.x, np.broadcast_to(place[:, None], (2, 5)), atol=2 * REACH)


def test_double_well_from_several_starts():
    starts = jnp.linspace(0.05, 0.95, 7)[:, None, None]
    best, found = lowest_minimum(double_well, starts), all_minima(double_well, starts)
    wells = [scipy_minimum(double_well, [start])[0][0] for start in (0.1, 0.9)]
    np.testing.assert_allclose(best.x[0, 0], wells[0], atol=REACH / 50)  # 3600 (x - 0.2)^2
    assert found.converged.all()
    reached = np.asarray(found.x[:, 0, 0])
    assert (
        np.min(np.abs(reached[:, None] - wells), axis=1).max() < 1e-5
    )  # no start stays on the barrier
    assert np.abs(reached - wells[1]).min() < 1e-5  # both wells have been seen


def test_maximum_is_not_a_minimum():
    """A start on top of a barrier has no gradient: it must not count as converged."""
    found = minimise(lambda x: -((x[0] - 0.5) ** 2), [jnp.array([0.5, 0.6])])
    assert found.converged.tolist() == [False, True]
    assert float(found.x[0, 1]) == 1.0


def test_quartic():
    found = minimise(lambda x: (x[0] - 0.3) ** 4 + (x[1] - 0.7) ** 2, points((0.9, 0.1)))
    assert found.converged[0]
    assert (
        found.value[0] < 1e-6
    )  # the second derivative vanishes at the minimum: only the value is determined


def test_flat_valley_is_converged_but_not_unique():
    found = minimise(lambda x: 100 * (x[0] + x[1] - 0.8) ** 2, points((0.1, 0.2), (0.7, 0.3)))
    assert found.converged.all()
    assert not found.unique.any()
    np.testing.assert_allclose(found.x.sum(0), 0.8, atol=REACH / 10)


def test_minimum_on_a_bound():
    def function(x):
        return (x[0] + 0.5) ** 2 + (x[0] - x[1]) ** 2 + (x[1] - 0.3) ** 2

    found = minimise(function, points((0.9, 0.9), (0.0, 0.0), (0.5, 1.0)))
    assert found.converged.all()
    np.testing.assert_allclose(found.x[0], 0.0, atol=0)
    np.testing.assert_allclose(found.x[1], 0.15, atol=REACH)
    assert (found.gradient[0] > 0).all()
    place, value = scipy_minimum(function, [0.9, 0.9])
    np.testing.assert_allclose(found.x[:, 0], place, atol=REACH)
    np.testing.assert_allclose(found.value, value, atol=2 * EDM_GOAL)


def test_start_on_the_wrong_bound_leaves_it():
    found = minimise(lambda x: (x[0] - 0.4) ** 2, points((0.0,), (1.0,)))
    assert found.converged.all()
    np.testing.assert_allclose(found.x, 0.4, atol=REACH)


def test_nan_away_from_the_start():
    """The first full Newton step from 0.6 leads to x < 0.3, where the function has no value."""

    def function(x):
        return jnp.where(
            x[0] > 0.3, -jnp.log(jnp.where(x[0] > 0.3, x[0] - 0.3, 1.0)) + 4 * x[0], jnp.nan
        )

    found = minimise(function, points((0.31,), (0.6,), (0.95,)))
    assert found.converged.all()
    np.testing.assert_allclose(found.x, 0.55, atol=1e-3)  # 1/(x - 0.3) = 4


def test_nan_at_the_start_is_not_converged():
    def function(x):
        return jnp.where(x[0] > 0.5, (x[0] - 0.7) ** 2, jnp.nan)

    starts = jnp.array([0.2, 0.9])[:, None, None]
    best, found = lowest_minimum(function, starts), all_minima(function, starts)
    assert found.converged[:, 0].tolist() == [False, True]
    assert best.converged[0]
    np.testing.assert_allclose(best.x, 0.7, atol=REACH)


def test_held_parameters_stay():
    hold = jnp.array([[True, False], [False, True]])
    found = minimise(rosenbrock, points((0.4, 0.9), (0.1, 0.35)), hold=hold)
    assert found.converged.all()
    assert float(found.x[0, 0]) == 0.4
    assert float(found.x[1, 1]) == 0.35
    np.testing.assert_allclose(found.x[1, 0], 0.4**2 + 0.1, atol=REACH / 10)
    expected, _ = scipy_minimum(lambda x: rosenbrock([x[0], jnp.asarray(0.35)]), [0.4])
    np.testing.assert_allclose(found.x[0, 1], expected[0], atol=REACH / 10)


def test_steps_run_out():
    found = minimise(rosenbrock, points((0.1, 0.9)), max_steps=2)
    assert not found.converged[0]
    assert int(found.steps) == 2


@jax.jit
def fit_quadratics(matrix, centre, start):
    def function(x):
        shift = [x[i] - centre[i] for i in range(3)]
        return sum(shift[i] * matrix[i, j] * shift[j] for i in range(3) for j in range(3))

    return minimise_eagerly(function, list(start))


numbers = st.floats(-1, 1, allow_subnormal=False)


@settings(max_examples=60)
@given(
    factor=st.lists(numbers, min_size=9, max_size=9),
    scales=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    centre=st.lists(st.floats(-0.5, 1.5), min_size=3, max_size=3),
    start=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_positive_quadratics_in_a_box(factor, scales, centre, start):
    """The minimum of a convex function in a box is one: any solver must find it, whatever the
    scales.
    """
    root = np.reshape(factor, (3, 3)) * 10 ** np.array(scales)
    matrix = root.T @ root + np.diag(10 ** (2 * np.array(scales))) * 0.1
    centre = np.array(centre)
    found = fit_quadratics(
        jnp.asarray(matrix)[..., None],
        jnp.asarray(centre)[:, None],
        jnp.asarray(np.array(start))[:, None],
    )
    assert found.converged[0]
    # scipy in coordinates of unit diagonal, where L-BFGS-B does well
    size = np.sqrt(np.diagonal(matrix))
    normed = matrix / np.outer(size, size)
    expected = minimize(
        lambda y: (y - centre * size) @ normed @ (y - centre * size),
        np.array(start) * size,
        jac=lambda y: 2 * normed @ (y - centre * size),
        bounds=[(0, item) for item in size],
        method="L-BFGS-B",
        options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000},
    )
    assert abs(float(found.value[0]) - expected.fun) < 1e-6 * (1 + abs(expected.fun))
