"""From a function of jax to a program of NumPy operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from zscan.interpreter.operations import OPERATIONS
from zscan.interpreter.program import Program, Step

# Calls of a function within the function, and where each holds it
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}
# Parameters that no operation in NumPy needs, or that hold functions instead of numbers
_NOT_NEEDED = {"sharding", "out_sharding", "computation", "linear", "precision", "weak_type"}
_FOLDED = 1 << 16  # constants are computed beforehand up to this many elements


class Untranslatable(Exception):
    """A function uses an operation that has no counterpart here."""


def translate(function: Callable[..., Any], *arguments: Any) -> tuple[Program, Any]:
    """The program of `function` at arguments of these shapes and types (NumPy arrays, numbers or
    trees of them), and the tree of its results.

    What does not depend on the arguments is computed now, what is not needed is left out. Raises
    `Untranslatable`, and what tracing the function raises."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    with np.errstate(all="ignore"):
        return _Translation().program(closed), jax.tree.structure(shapes)


class _Translation:
    """The steps of one program while they are gathered."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.constants: dict[int, Any] = {}
        self.known: dict[Any, int] = {}  # constants and results by what they are
        self.size = 0

    def program(self, closed: ClosedJaxpr) -> Program:
        arguments = [self.new() for _ in closed.jaxpr.invars]
        results = self.inline(closed, arguments)
        needed, steps = set(results), []
        for step in reversed(self.steps):
            if needed.intersection(step.gives):
                needed.update(step.takes)
                steps.append(step)
        constants = {number: self.constants[number] for number in needed & set(self.constants)}
        return Program(len(arguments), constants, tuple(reversed(steps)), tuple(results))

    def new(self) -> int:
        self.size += 1
        return self.size - 1

    def constant(self, value: Any) -> int:
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = number = self.new()
            self.constants[number] = array[()]
        return self.known[key]

    def inline(self, closed: ClosedJaxpr, arguments: list[int]) -> list[int]:
        """The steps of a function at the values `arguments`; the values that it gives."""
        jaxpr = closed.jaxpr
        numbers: dict[Any, int] = dict(zip(jaxpr.invars, arguments, strict=True))
        for variable, value in zip(jaxpr.constvars, closed.consts, strict=True):
            numbers[variable] = self.constant(value)

        def number(atom: Any) -> int:
            if isinstance(atom, Literal):
                dtype = atom.aval.dtype  # type: ignore[attr-defined]
                return self.constant(np.asarray(atom.val, dtype))
            return numbers[atom]

        for equation in jaxpr.eqns:
            takes = [number(atom) for atom in equation.invars]
            shapes = [variable.aval.shape for variable in equation.outvars]
            found = self.step(equation.primitive.name, equation.params, takes, shapes)
            numbers.update(zip(equation.outvars, found, strict=True))
        return [number(atom) for atom in jaxpr.outvars]

    def step(self, name: str, params: Any, takes: list[int], shapes: list[Any]) -> list[int]:
        if name in _CALLS:
            return self.inline(_closed(params[_CALLS[name]]), takes)
        if name in ("stop_gradient", "copy", "copy_p", "optimization_barrier"):
            return takes
        if name == "platform_index":
            return [self.constant(np.int32(_of_this_platform(params["platforms"])))]
        if name == "cond" and takes[0] in self.constants:
            branches = params["branches"]
            index = min(max(int(self.constants[takes[0]]), 0), len(branches) - 1)
            return self.inline(branches[index], takes[1:])
        if name not in OPERATIONS:
            raise Untranslatable(f"no counterpart of {name!r}")
        parameters = _parameters(name, params)
        step = Step(name, parameters, tuple(takes), ())
        # What is computed already is not computed again; functions are not compared
        key = None if _holds_programs(parameters) else (name, repr(parameters), step.takes)
        if key in self.known:
            return [self.known[key]]
        constant = all(number in self.constants for number in takes)
        if constant and sum(int(np.prod(shape)) for shape in shapes) <= _FOLDED:
            found = step.function()(*(self.constants[number] for number in takes))
            return [self.constant(item) for item in (found if type(found) is tuple else (found,))]
        gives = [self.new() for _ in shapes]
        self.steps.append(Step(name, parameters, step.takes, tuple(gives)))
        if key is not None and len(gives) == 1:
            self.known[key] = gives[0]
        return gives


def _closed(jaxpr: Any) -> ClosedJaxpr:
    return jaxpr if isinstance(jaxpr, ClosedJaxpr) else ClosedJaxpr(jaxpr, [])


def _of_this_platform(platforms: Any) -> int:
    """NumPy stands in for the processor."""
    names = [item is None or "cpu" in item for item in platforms]
    return names.index(True)


def _holds_programs(parameters: Any) -> bool:
    return any(
        isinstance(part, Program)
        for item in parameters.values()
        for part in (item if isinstance(item, list) else [item])
    )


def _parameters(name: str, params: Any) -> dict[str, Any]:
    """Parameters of an operation as numbers, words, lists of them and programs."""
    if name == "gather":
        dimensions = params["dimension_numbers"]
        return {
            field: [int(item) for item in getattr(dimensions, field)]
            for field in (
                "offset_dims",
                "collapsed_slice_dims",
                "start_index_map",
                "operand_batching_dims",
                "start_indices_batching_dims",
            )
        } | {
            "slice_sizes": [int(size) for size in params["slice_sizes"]],
            "fill": "FILL" in params["mode"].name,
        }
    return {key: _plain(item) for key, item in params.items() if key not in _NOT_NEEDED}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, ClosedJaxpr):
        return _Translation().program(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    raise Untranslatable(f"parameter {value!r}")
