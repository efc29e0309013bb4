"""The solver against `minimise` on all points at once."""

import jax.numpy as jnp
import numpy as np
import pytest

from zscan.optimise import minimise, solver
from zscan.optimise.solver import Solver

POINTS = 150  # more than two batches; some need one round of steps, some all


def valley(units):
    """Rosenbrock's: many steps along a bent valley; the minimum is at (0.75, 0.5625)."""
    x, y = (2 * unit for unit in units)
    return (1.5 - x) ** 2 + 100 * (y - x**2 / 2) ** 2


@pytest.fixture(scope="module")
def starts():
    return np.random.default_rng(3).random((2, POINTS))


def test_rounds_change_nothing(starts):
    """A point takes the same steps whichever others share its batch, and however often batches are
    put together.
    """
    expected = minimise.minimise(valley, list(jnp.asarray(starts)))
    made = Solver(valley)
    assert made.batch < POINTS
    assert int(expected.steps) > solver._ROUND
    found = made(starts)
    for name in ("x", "value", "gradient", "hessian", "edm"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_array_equal(found.converged, expected.converged)
    np.testing.assert_array_equal(found.unique, expected.unique)
    assert found.converged.any()
    assert found.value[found.converged].max() < 1e-6


def test_held_parameters_need_no_derivatives(starts, monkeypatch):
    """A function of the free parameters alone has the same minima."""
    hold = np.array([[True], [False]]) & np.ones(starts.shape, bool)
    expected = Solver(valley)(starts, hold)
    monkeypatch.setattr(solver, "_MANY", POINTS)
    found = Solver(valley)(starts, hold)
    np.testing.assert_array_equal(found.x[0], starts[0])
    np.testing.assert_allclose(found.x[1], expected.x[1], atol=1e-12)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(found.converged, expected.converged)
    assert np.isnan(found.gradient[0]).all()
    assert np.isfinite(found.gradient[1]).all()
    assert np.isnan(found.hessian[0]).all()
    assert np.isfinite(found.hessian[1, 1]).all()
