"""float64 policy: kernels compute in float64 always; float32 is for stored delta_chi2 only.

An eager call of a kernel runs in float64 whatever jax's global setting is. Under a transformation
of the user's own (jit, grad, vmap) the arrays already have their dtype, so float64 must have been
switched on with `enable_x64()`; otherwise the kernel raises `PrecisionError` instead of returning a
float32 number."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from zscan.errors import PrecisionError

P = ParamSpec("P")
R = TypeVar("R")


def enable_x64() -> None:
    """Switch jax to float64 for the whole process (`jax_enable_x64`); needed before jit or grad of
    zscan functions.
    """
    jax.config.update("jax_enable_x64", True)


def in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function: eager calls run in float64; a trace in float32 raises
    `PrecisionError`.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if jax.config.read("jax_enable_x64"):
            return function(*args, **kwargs)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs))):
            raise PrecisionError(
                f"{function.__name__} is traced with float32 arrays, where its accuracy is not "
                "proven; call zscan.enable_x64() before any jit, grad or vmap of zscan functions"
            )
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return cast("Callable[P, R]", wrapper)


def as_float64(*values: ArrayLike) -> tuple[Array, ...]:
    """Turn numbers and arrays into float64 arrays of one rank, without broadcasting their shapes.

    Leading axes of length one are added, as NumPy broadcasting would, so that what depends on m_X
    alone keeps the shape of m_X. Scalars stay scalars."""
    arrays = [jnp.asarray(value, dtype=jnp.float64) for value in values]
    rank = max(array.ndim for array in arrays)
    return tuple(
        array
        if array.ndim in (0, rank)
        else array.reshape((1,) * (rank - array.ndim) + array.shape)
        for array in arrays
    )
