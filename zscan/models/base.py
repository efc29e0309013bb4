"""The interface of a model type: its parameters, their order as axes, and the point that
constraints see.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from zscan.errors import ParameterError, UnknownNameError, nearest
from zscan.models.parameters import ParameterInfo, Parameters

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import ArrayLike

    from zscan.models.point import Point


# Name of a constraint -> name of an observable -> (long name, units)
Derived = Mapping[str, Mapping[str, tuple[str, str]]]


class ModelType(ABC):
    """A kind of model, in one file of `zscan.models`; its instances are models.

    `required` are the parameters that a point needs, `parameters` all that it may have, `masses`
    those that must be positive for anything to be valid. `axis_order` are the last axes of a map, x
    before y in a figure. `coupling` is the parameter along which an observable that is a chi2
    itself has its minimum, None where there is none. `constraints` are the only ones that apply,
    None for all. `derived` are observables beyond those of the constraints that the type's own
    predictions bring: name of the constraint -> name -> (long name, units)."""

    name: str
    description: str
    reference: str
    required: tuple[str, ...]
    axis_order: tuple[str, ...]
    coupling: str | None = None
    masses: tuple[str, ...] = ("m_X",)
    constraints: tuple[str, ...] | None = None
    derived: ClassVar[Derived] = {}

    @property
    @abstractmethod
    def parameters(self) -> Parameters:
        """The parameters that a likelihood, a card or a fit may vary, by name."""

    @abstractmethod
    def point(self, values: Mapping[str, Array]) -> Point:
        """The point at `values`, float64 arrays that broadcast; all of `required` are there, masses
        are positive.
        """

    @abstractmethod
    def to_table(self) -> dict[str, Any]:
        """Canonical table of the model (strings, numbers and lists only)."""

    @property
    def scales_with_coupling(self) -> bool:
        """Whether all couplings are proportional to g_X: a bound on it can be solved for."""
        return False

    def parameter(self, name: str) -> ParameterInfo:
        """What a parameter of this model is; raises `UnknownNameError` with the nearest name."""
        if name not in self.parameters:
            allowed = nearest(name, self.parameters)
            raise UnknownNameError(f"{name!r} is not a parameter of {self.name}: {allowed}")
        return self.parameters[name]

    def check(self, values: Mapping[str, ArrayLike]) -> None:
        """Raise `ParameterError` for a missing parameter, `UnknownNameError` for one that the model
        does not have.
        """
        for name in self.required:
            if name not in values:
                raise ParameterError(f"the parameter {name} is needed")
        for name in values:
            self.parameter(name)
