"""Work on points by blocks that fit into the cache of a CPU, and in one launch elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

# Points of one launch on an accelerator: a scan of 1e6-point tiles has no loop over points
_LAUNCH = 2**20


def in_blocks(function: Callable[..., Array], block: int) -> Callable[..., Array]:
    """function(*parts) -> (rows, n) for parts of shape (k, n), by blocks of n: `block` points at a
    time on a CPU, 2^20 elsewhere.

    Points must not mix in `function`. A vmap outside joins its axis to n, which is cut into blocks
    just the same."""

    traced = jax.jit(function)  # traced once for both platforms

    @custom_vmap
    def blocked(*parts: Array) -> Array:
        return lax.platform_dependent(
            *parts,
            cpu=lambda *parts: _by_blocks(traced, block, parts),
            default=lambda *parts: _by_blocks(traced, _LAUNCH, parts),
        )

    @blocked.def_vmap
    def batched(axis_size: int, batched: list[bool], *parts: Array) -> tuple[Array, bool]:
        whole = (
            jnp.moveaxis(part, 0, 1)
            if has_axis
            else jnp.broadcast_to(part[:, None], (part.shape[0], axis_size, part.shape[1]))
            for part, has_axis in zip(parts, batched, strict=True)
        )
        rows = blocked(*(part.reshape(part.shape[0], -1) for part in whole))
        return jnp.moveaxis(rows.reshape(rows.shape[0], axis_size, -1), 1, 0), True

    return blocked


def _by_blocks(function: Callable[..., Array], block: int, parts: tuple[Array, ...]) -> Array:
    size = parts[0].shape[-1]
    if size <= 2 * block:
        return function(*parts)
    shape = jax.eval_shape(function, *(part[:, :block] for part in parts))

    def step(number: Array, rows: Array) -> Array:
        start = jnp.minimum(number * block, size - block)  # the last block overlaps
        some = (lax.dynamic_slice_in_dim(part, start, block, axis=1) for part in parts)
        return lax.dynamic_update_slice_in_dim(rows, function(*some), start, axis=1)

    rows = jnp.zeros((shape.shape[0], size), shape.dtype)
    return lax.fori_loop(0, -(-size // block), step, rows)
