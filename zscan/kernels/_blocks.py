"""Work on points by blocks that fit into the cache of a CPU, and in one launch elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

# Points of one launch on an accelerator: a scan of 1e6-point tiles has no loop over points
_LAUNCH = 2**20
_WORTH_KEEPING = 256  # points; for fewer a choice costs more than it saves


def in_blocks(
    function: Callable[..., Any],
    block: int,
    elsewhere: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """function(*parts), arrays (..., n) or trees of them from parts of shape (..., n), by blocks of
    n: `block` points at a time on a CPU, 2^20 elsewhere, where `elsewhere` takes the place of the
    function if it is given.

    Points must not mix in `function`. A vmap outside joins its axis to n, which is cut into blocks
    just the same."""

    traced = jax.jit(function)  # traced once for both platforms

    @custom_vmap
    def blocked(*parts: Array) -> Any:
        return lax.platform_dependent(
            *parts,
            cpu=lambda *parts: _by_blocks(traced, block, parts, kept=True),
            default=lambda *parts: _by_blocks(elsewhere or traced, _LAUNCH, parts),
        )

    @blocked.def_vmap
    def batched(axis_size: int, batched: list[bool], *parts: Array) -> tuple[Any, Any]:
        whole = (
            jnp.moveaxis(part, 0, -2)
            if has_axis
            else jnp.repeat(part[..., None, :], axis_size, axis=-2)
            for part, has_axis in zip(parts, batched, strict=True)
        )
        found = blocked(*(part.reshape(*part.shape[:-2], -1) for part in whole))

        def apart(rows: Array) -> Array:
            return jnp.moveaxis(rows.reshape(*rows.shape[:-1], axis_size, -1), -2, 0)

        return jax.tree.map(apart, found), jax.tree.map(lambda _: True, found)

    return blocked


def stored(values: Array) -> Array:
    """The same values, computed once and kept: XLA computes a chain of cheap operations once more
    for everything that reads its result, but does not look through a choice that it cannot decide.
    """
    if values.size < _WORTH_KEEPING:
        return values
    unknown = jnp.isnan(values.ravel()[0])
    return lax.cond(unknown, lambda x: jnp.where(jnp.isnan(x), jnp.nan, x), lambda x: x, values)


def by_kind(
    kind: Array,
    first: Callable[[Array], Array],
    second: Callable[[Array], Array],
    points: Array,
    block: int,
) -> Array:
    """first(points) where `kind`, of shape (n,), is True, second(points) elsewhere: (k, n) ->
    (rows, n) each.

    `first` sees all points in place, by blocks that hold one of its kind, `second` only its own,
    brought together: it is the slower or the rarer one. Where the two would not save a block, both
    see all. Either may give anything, NaN too, at points of the other kind. On a CPU: elsewhere one
    launch is worth more. Not differentiable in reverse."""
    size = kind.size
    rows = jax.eval_shape(first, points).shape[0]

    def some(number: Array, found: Array) -> Array:
        start = jnp.minimum(number * block, size - block)  # the last block overlaps
        part = lax.dynamic_slice_in_dim(points, start, block, axis=1)
        here = lax.dynamic_slice_in_dim(kind, start, block)
        values = lax.cond(here.any(), first, lambda part: jnp.zeros((rows, block)), part)
        return lax.dynamic_update_slice_in_dim(found, values, start, axis=1)

    if size <= block:
        return jnp.where(kind[None], first(points), second(points))
    found = lax.fori_loop(0, -(-size // block), some, jnp.zeros((rows, size)))
    number, count = _running_count(~kind)
    place = jnp.where(kind, size, number - 1)
    order = (
        jnp.zeros(size, jnp.int32)
        .at[place]
        .set(jnp.arange(size, dtype=jnp.int32), mode="drop", unique_indices=True)
    )

    def others(number: Array, values: Array) -> Array:
        start = jnp.minimum(number * block, size - block)
        chosen = lax.dynamic_slice_in_dim(order, start, block)
        part = jnp.stack([row[chosen] for row in points])
        return lax.dynamic_update_slice_in_dim(values, second(part).T, start, axis=0)

    def merged() -> Array:
        blocks = (count + block - 1) // block
        values = lax.fori_loop(0, blocks, others, jnp.zeros((size, rows)))
        back = jnp.take(values, jnp.maximum(number - 1, 0), axis=0, mode="clip").T
        return jnp.where(kind[None], found, back)

    return lax.cond(count > 0, merged, lambda: found)


def _running_count(marks: Array) -> tuple[Array, Array]:
    """How many are marked up to each one, itself included, and in all; for less than 2^24.

    As products with triangles of ones: faster than a cumulative sum, and exact."""
    width = 32
    padded = jnp.pad(marks.astype(jnp.float32), (0, -marks.size % width)).reshape(-1, width)
    within = padded @ jnp.triu(jnp.ones((width, width), jnp.float32))
    sums = within[:, -1]
    before = sums @ jnp.triu(jnp.ones((sums.size, sums.size), jnp.float32), 1)
    number = (within + before[:, None]).astype(jnp.int32).reshape(-1)[: marks.size]
    return number, number[-1]


def _by_blocks(
    function: Callable[..., Any], block: int, parts: tuple[Array, ...], kept: bool = False
) -> Any:
    """`kept`: what goes in and comes out is stored (see `stored`) where there is no loop, which
    would do so.
    """
    size = parts[0].shape[-1]
    if size <= 2 * block:
        if kept:
            return jax.tree.map(stored, function(*map(stored, parts)))
        return function(*parts)

    def cut(part: Array, start: Array | int) -> Array:
        return lax.dynamic_slice_in_dim(part, start, block, axis=-1)

    shapes = jax.eval_shape(lambda *parts: function(*(cut(part, 0) for part in parts)), *parts)

    def step(number: Array, found: Any) -> Any:
        start = jnp.minimum(number * block, size - block)  # the last block overlaps
        return jax.tree.map(
            lambda rows, more: lax.dynamic_update_slice_in_dim(rows, more, start, axis=-1),
            found,
            function(*(cut(part, start) for part in parts)),
        )

    none = jax.tree.map(lambda like: jnp.zeros((*like.shape[:-1], size), like.dtype), shapes)
    return lax.fori_loop(0, -(-size // block), step, none)
