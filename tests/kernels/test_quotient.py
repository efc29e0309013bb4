"""Quotients of tiny numbers: values to the last bit, derivatives without overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zscan.kernels._quotient import quotient
from zscan.kernels.widths import branching_ratios
from zscan.models import couplings

G_X = np.array([1e-300, 1e-165, 1e-155, 1e-150, 1e-100, 1e-30, 1e-3])


def test_values_are_those_of_division():
    generator = np.random.default_rng(1)
    part, whole = 10 ** generator.uniform(-150, 150, (2, 10_000))
    found = quotient(jnp.asarray(part), jnp.asarray(whole))
    np.testing.assert_array_equal(found, part / whole)


def test_derivatives_are_those_of_division_and_finite_for_tiny_numbers():
    def of(g):
        return quotient(3 * g**2 + g**3, g**2)  # 3 + g

    def divided(g):
        return (3 * g**2 + g**3) / g**2

    for order in (jax.grad, lambda f: jax.grad(jax.grad(f))):
        assert float(order(of)(0.5)) == pytest.approx(float(order(divided)(0.5)), abs=1e-13)
    assert float(jax.grad(lambda x: quotient(x, 1e-250))(1e-250)) == 1e250
    # the derivative by the whole itself, -part/whole^2 = -1e250, through 1/whole^2 = inf
    assert float(jax.grad(lambda x: quotient(1e-250, x))(1e-250)) == -1e250


def test_branching_ratios_of_tiny_couplings():
    def electrons(g_X):
        return branching_ratios(0.05, couplings("B-L", 0.05, g_X))["ee"]

    ratios = jax.vmap(electrons)(jnp.asarray(G_X))
    slopes = jax.vmap(jax.grad(electrons))(jnp.asarray(G_X))
    assert np.isfinite(slopes).all()
    np.testing.assert_allclose(ratios[3:], ratios[-1], rtol=1e-12)
    assert ratios[0] == 0  # its width is below the smallest number
