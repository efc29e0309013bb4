"""Cubic splines against scipy's not-a-knot spline."""

import jax
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from zscan.kernels._spline import (
    cubic_b_spline_coefficients,
    cubic_b_spline_weights,
    cubic_spline,
    evaluate,
    interval,
)

KNOTS = np.array([0.0, 0.3, 1.0, 1.2, 2.5, 4.0])
VALUES = np.stack([np.sin(KNOTS), np.exp(-KNOTS)], axis=1)


def test_agrees_with_scipy_inside_and_is_nan_outside():
    spline = cubic_spline(KNOTS, VALUES)
    x = np.linspace(0.0, 4.0, 101)
    found = np.stack(evaluate(spline, x), axis=-1)
    np.testing.assert_allclose(found, CubicSpline(KNOTS, VALUES)(x), atol=1e-14)
    assert np.isnan(evaluate(spline, np.array([-1e-9, 4.0 + 1e-9]))).all()


@pytest.mark.parametrize(
    "knots",
    [
        KNOTS,
        np.linspace(-3.0, 5.0, 61),
        np.log(np.geomspace(1e-4, 0.4, 161)),
        np.cumsum(np.random.default_rng(3).uniform(1e-3, 1.0, 300)),
        np.array([0.0, 1e-7, 1.0, 2.0]),  # too many buckets: by bisection
    ],
    ids=["few", "uniform", "logarithms", "random", "narrow"],
)
def test_intervals_are_those_of_a_search(knots):
    inside = np.random.default_rng(4).uniform(knots[0], knots[-1], 2000)
    near = np.concatenate([np.nextafter(knots, -np.inf), knots, np.nextafter(knots, np.inf)])
    x = np.concatenate([inside, near, [knots[0] - 1.0, knots[-1] + 1.0]])
    expected = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, knots.size - 2)
    np.testing.assert_array_equal(jax.jit(lambda x: interval(knots, x))(x), expected)


def test_gradient_is_the_spline_derivative_and_zero_outside():
    spline = cubic_spline(KNOTS, VALUES[:, 0])
    derivative = CubicSpline(KNOTS, VALUES[:, 0]).derivative()
    gradient = jax.vmap(jax.grad(lambda x: evaluate(spline, x)[0]))
    x = np.array([0.0, 0.7, 1.0, 3.9])
    np.testing.assert_allclose(gradient(x), derivative(x), atol=1e-13)
    np.testing.assert_array_equal(gradient(np.array([-1.0, 5.0])), 0.0)


def test_refuses_knots_that_do_not_increase():
    with pytest.raises(ValueError, match="increasing"):
        cubic_spline(np.array([0.0, 1.0, 1.0, 2.0]), np.zeros(4))


def test_b_spline_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=(12, 3))
    coefficients = cubic_b_spline_coefficients(values.T, axis=1).T
    assert coefficients.shape == (14, 3)
    x = np.linspace(0.0, 11.0, 101)
    interval, weights = cubic_b_spline_weights(jax.numpy.asarray(x), 11)
    found = sum(
        weight[:, None] * coefficients[np.asarray(interval) + number]
        for number, weight in enumerate(weights)
    )
    np.testing.assert_allclose(found, CubicSpline(np.arange(12), values)(x), atol=1e-14)
