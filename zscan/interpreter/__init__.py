"""Functions of jax evaluated with NumPy, without the compiler, for questions that are asked once.

To compile the constraints of a model takes 20 s of CPU, to evaluate them at a point a fifth of a
second, operation by operation. So what is needed once, on few points, is traced as jax does, and
the traced operations are carried out by NumPy: in float64, the same operations, so that results
differ from compiled ones by rounding only (`tests/interpreter`). Scans, fits and all that runs many
times is compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from zscan.interpreter import store
from zscan.interpreter.program import Program
from zscan.interpreter.translate import Untranslatable, translate

_UNTRACEABLE = (
    Untranslatable,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


Named = Mapping[str, Any]  # arrays by name


def interpreted(
    function: Callable[[Named], Named], key: object = None, *, compiled: bool = False
) -> Callable[[Mapping[str, ArrayLike]], dict[str, np.ndarray]]:
    """`function`, from arrays by name to arrays by name, carried out by NumPy; arguments are taken
    in float64. As with jax.jit it is traced once for each set of shapes.

    `key` (what json can write) names the function and all that it depends on beside the arguments
    and the code of zscan: with it, its operations are kept from one process to the next in the
    folder of `zscan.keep_programs`. A function that cannot be traced, or that uses an operation
    without a counterpart, is called as it is, or `compiled` first. Raises what the function raises.
    Results agree with those of jax to some 1e-15 of the largest terms of a sum; their shapes are
    those of the function."""
    programs: dict[Any, tuple[Program, list[str]] | None] = {}
    call: Callable[..., Any] = jax.jit(function) if compiled else function

    def carried_out(arguments: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        values = {name: np.asarray(value, np.float64) for name, value in sorted(arguments.items())}
        shapes = tuple((name, value.shape) for name, value in values.items())
        if shapes not in programs:
            with jax.enable_x64(True):
                programs[shapes] = _program(function, values, key)
        if (found := programs[shapes]) is None:
            with jax.enable_x64(True):
                return {name: np.asarray(value) for name, value in call(values).items()}
        program, names = found
        with np.errstate(all="ignore"):  # NaN and infinities are values like others
            results = program(*(value[()] for value in values.values()))
        return {name: np.asarray(value) for name, value in zip(names, results, strict=True)}

    return carried_out


def _program(
    function: Callable[..., Any], values: Mapping[str, np.ndarray], key: object
) -> tuple[Program, list[str]] | None:
    """The program and the names of its results; None for a function without."""
    shapes = {name: value.shape for name, value in values.items()}
    path = None if key is None else store.path_of([key, shapes])
    if path is not None and (found := store.read(path)) is not None:
        return found
    try:
        program, tree = translate(function, values)
    except _UNTRACEABLE:
        return None
    names = list(jax.tree.unflatten(tree, range(tree.num_leaves)))
    if path is not None:
        store.write(path, program, names)
    return program, names
