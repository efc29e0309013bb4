"""A program is a list of NumPy operations on numbered values: what a traced function does, without
the compiler. Nothing here imports jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zscan.interpreter.operations import OPERATIONS

# A function, the numbers of what it takes and gives, and of what nobody needs after it
_Call = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Step:
    """One operation: its parameters, and the numbers of the values that it takes and gives."""

    name: str
    parameters: Mapping[str, Any]
    takes: tuple[int, ...]
    gives: tuple[int, ...]

    def function(self) -> Callable[..., Any]:
        """The operation as a function of its arguments."""
        return OPERATIONS[self.name](self.parameters)


@dataclass(frozen=True)
class Program:
    """Values 0, 1, ... are the `arguments`, further ones the `constants` by number and what the
    `steps` give; `results` are those that a call returns.
    """

    arguments: int
    constants: Mapping[int, Any]
    steps: tuple[Step, ...]
    results: tuple[int, ...]

    @cached_property
    def _prepared(self) -> tuple[list[Any], list[_Call]]:
        """All values before a call, and what is called with which of them, one after another."""
        gives = [number for step in self.steps for number in step.gives]
        size = 1 + max([*gives, *self.constants, *range(self.arguments)], default=0)
        values: list[Any] = [None] * size
        for number, constant in self.constants.items():
            values[number] = constant
        calls: list[_Call] = []
        used = set(self.results) | set(self.constants)
        for step in reversed(self.steps):
            numbers = {*step.takes, *step.gives}
            calls.append((step.function(), step.takes, step.gives, tuple(numbers - used)))
            used |= numbers
        return values, calls[::-1]

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        """Run it on NumPy arrays of the shapes and types that it was traced for."""
        template, calls = self._prepared
        values = template.copy()
        values[: self.arguments] = arguments
        for function, takes, gives, last in calls:
            found = function(*[values[number] for number in takes])
            if len(gives) == 1:
                values[gives[0]] = found[0] if type(found) is tuple else found
            else:
                for number, value in zip(gives, found, strict=True):
                    values[number] = value
            for number in last:  # never needed again
                values[number] = None
        return tuple(values[number] for number in self.results)
