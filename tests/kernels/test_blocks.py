"""Work by blocks gives what work on all points at once gives, in value and in derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zscan.kernels import _blocks

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_points_of_two_kinds_are_each_evaluated_by_their_own_function(share):
    """Also where a function is NaN at points of the other kind, and blocks do not fill up."""
    kind = jnp.asarray(RNG.uniform(size=1000) < share)
    points = jnp.asarray(RNG.normal(size=(2, 1000))) + jnp.where(kind[None], 10.0, -10.0)

    def first(points):
        return jnp.stack([jnp.sqrt(points[0]), points[0] * points[1], points[1]])

    def second(points):
        return jnp.stack([jnp.sqrt(-points[0]), points[0] + points[1], points[0]])

    found = jax.jit(lambda kind, points: _blocks.by_kind(kind, first, second, points, 64))(
        kind, points
    )
    expected = jnp.where(kind[None], first(points), second(points))
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).all()


def test_running_count_is_exact():
    marks = RNG.uniform(size=4097) < 0.3
    number, count = _blocks._running_count(jnp.asarray(marks))
    np.testing.assert_array_equal(number, np.cumsum(marks))
    assert int(count) == marks.sum()


def test_blocks_under_vmap_join_their_points():
    """Rows with and without further axes, and parts that the vmap leaves alone."""
    x, y = jnp.asarray(RNG.normal(size=(3, 50))), jnp.asarray(RNG.normal(size=(2, 50)))
    blocked = _blocks.in_blocks(lambda x, y: (x * y, x[0] - y[1]), 16)
    product, difference = jax.vmap(blocked, in_axes=(0, None))(x[:, None], y)
    np.testing.assert_array_equal(product, x[:, None] * y[None])
    np.testing.assert_array_equal(difference, x - y[1:])


def test_what_is_stored_is_the_same():
    values = jnp.asarray([jnp.nan, -0.0, jnp.inf, *RNG.normal(size=300)])
    np.testing.assert_array_equal(jax.jit(_blocks.stored)(values), values)
    np.testing.assert_array_equal(jax.jit(_blocks.stored)(values[1:]), values[1:])
