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
from jax import Array
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


def interpret(
    function: Callable[[Mapping[str, Array]], Mapping[str, Array]],
    arguments: Mapping[str, ArrayLike],
    key: object = None,
    *,
    compiled: bool = False,
) -> dict[str, np.ndarray]:
    """function(arguments), with NumPy; both are arrays by name, arguments in float64.

    `key` (what json can write) names the function and all that it depends on beside the arguments
    and the code of zscan: with it, its operations are kept from one process to the next in the
    folder of `zscan.keep_programs`. A function that cannot be traced, or that uses an operation
    without a counterpart, is called as it is, or `compiled` first. Raises what the function raises.
    Results agree with those of jax to some 1e-15 of the largest terms of a sum; their shapes are
    those of the function."""
    values = {name: np.asarray(value, np.float64) for name, value in sorted(arguments.items())}
    with jax.enable_x64(True):
        try:
            program, names = _program(function, values, key)
        except _UNTRACEABLE:
            call: Callable[..., Any] = jax.jit(function) if compiled else function
            found = call(values)
            return {name: np.asarray(value) for name, value in found.items()}
    with np.errstate(all="ignore"):  # NaN and infinities are values like others
        results = program(*(value[()] for value in values.values()))
    return {name: np.asarray(value) for name, value in zip(names, results, strict=True)}


def _program(
    function: Callable[..., Any], values: Mapping[str, np.ndarray], key: object
) -> tuple[Program, list[str]]:
    shapes = {name: value.shape for name, value in values.items()}
    path = None if key is None else store.path_of([key, shapes])
    if path is not None and (found := store.read(path)) is not None:
        return found
    program, tree = translate(function, values)
    names = list(jax.tree.unflatten(tree, range(tree.num_leaves)))
    if path is not None:
        store.write(path, program, names)
    return program, names
