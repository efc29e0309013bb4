"""What is fitted: a likelihood, its free parameters with bounds and priors, its fixed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from zscan.constraints import Asked, Observables
from zscan.errors import CardError, Fault, UnknownNameError, nearest
from zscan.likelihood import Likelihood, log_likelihood
from zscan.models import ModelType, ParameterInfo, load_model
from zscan.optimise.bounded import SCALES, Bounded, bound_faults
from zscan.optimise.minimise import Function
from zscan.optimise.solver import Solver
from zscan.precision import in_float64

_SCAN = 16  # points over the range of a parameter without bounds
_FLAT = 1e-6  # of chi2


@dataclass(frozen=True)
class Normal:
    """A normal prior: it adds ((x - mean)/sigma)^2 to chi2."""

    mean: float
    sigma: float


@dataclass(frozen=True)
class Parameter:
    """A free parameter: bounds, the scale on which it is varied, its prior, where to start.

    Without bounds it runs over all values that `zscan.models.parameters` allows, if the likelihood
    depends on it. `prior` is None or a `Normal`, which enters every fit as data would, or "flat" or
    "log-flat", which only `sample` reads: a likelihood has no prior. `scale` "log" needs positive
    bounds."""

    min: float | None = None
    max: float | None = None
    scale: Literal["linear", "log"] = "linear"
    prior: Normal | Literal["flat", "log-flat"] | None = None
    start: float | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A fit of the free `parameters` of a model: the sum of delta chi2 of the constraints and of
    normal priors.

    `parameters` are `Parameter` or pairs (min, max), `fixed` numbers; names as in a card (m_X
    [GeV], g_X, eps, g_sb, charge.L.mu, theory.r_k, ...). `constraints` and `observables` as for
    `zscan.log_likelihood`: one-sided limits enter as stated for each curve, projections never. The
    model is a name, a path or a `Model`.

    Raises `CardError` with every fault: unknown parameter, missing one, bounds that are not in the
    allowed range or not increasing, a start outside the bounds, a prior that is not usable, a
    parameter without bounds on which the likelihood does not depend (its profile over the allowed
    range is flat).

    >>> bounds = {"g_X": (1e-4, 1e-2)}
    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters=bounds, fixed={"m_X": 0.1})
    >>> round(float(problem.chi2({"g_X": 9.4620e-4})), 2)
    -18.1
    """

    model: ModelType | str
    constraints: Asked | None = None
    observables: Observables = "paper"
    parameters: Mapping[str, Parameter | tuple[float, float]] = field(kw_only=True)
    fixed: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        faults: list[Fault] = []
        known = load_model(self.model).parameters
        free = {
            name: _parameter(name, item, known.get(name), faults)
            for name, item in self.parameters.items()
        }
        object.__setattr__(self, "parameters", free)
        object.__setattr__(self, "fixed", dict(self.fixed))
        model = self.likelihood.model  # raises for an unknown constraint
        if not free:
            faults.append(Fault("parameters", "empty", allowed="at least one free parameter"))
        for key, names in (("parameters", free), ("fixed", self.fixed)):
            for name in names:
                if name not in model.parameters:
                    allowed = nearest(name, model.parameters)
                    faults.append(Fault(f"{key}.{name}", "unknown parameter", allowed=allowed))
        for name, value in self.fixed.items():
            if name in free:
                faults.append(Fault(f"fixed.{name}", "both free and fixed"))
            _check_value(f"fixed.{name}", value, known.get(name), faults)
        for name in model.required:
            if name not in free and name not in self.fixed:
                faults.append(Fault(f"parameters.{name}", "missing", allowed="free or fixed"))
        if not faults:
            faults += [
                Fault(
                    f"parameters.{name}",
                    "has no bounds, and the likelihood does not depend on it",
                    allowed="bounds, a normal prior, or a fixed value",
                )
                for name in self._flat()
            ]
        if faults:
            raise CardError("fit", faults)

    @cached_property
    def likelihood(self) -> Likelihood:
        """The likelihood that is fitted."""
        return log_likelihood(self.model, self.constraints, self.observables)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters, in order."""
        return tuple(self.parameters)

    def free(self, name: str) -> Parameter:
        """A free parameter, with bounds; raises `UnknownNameError`."""
        item = self.parameters.get(name)
        if not isinstance(item, Parameter):
            raise UnknownNameError(f"{name!r} is not a free parameter: {nearest(name, self.names)}")
        return item

    @in_float64
    def chi2(
        self, values: Mapping[str, ArrayLike], measured: Mapping[str, ArrayLike] | None = None
    ) -> Array:
        """Sum of delta chi2 (zero at zero coupling) and of normal priors at `values` of the free
        parameters.

        Values broadcast; `measured` replaces measured values as for `Likelihood.total`. Pure and
        differentiable."""
        total = self.likelihood.total({**self.fixed, **values}, measured)
        for name, value in values.items():
            prior = self.free(name).prior
            if isinstance(prior, Normal):
                total = total + ((jnp.asarray(value) - prior.mean) / prior.sigma) ** 2
        return total

    def bounded(self, name: str) -> Bounded:
        """A free parameter between its bounds; without any, in its allowed range. Raises
        `UnknownNameError`.
        """
        item, info = self.free(name), self.likelihood.model.parameter(name)
        low = info.minimum if item.min is None else item.min
        high = info.maximum if item.max is None else item.max
        return Bounded(name, low, high, item.scale)

    def from_units(self, units: Sequence[Array] | np.ndarray | Array) -> dict[str, Array]:
        """The free parameters by name from their places between the bounds, 0 to 1, in order."""
        return {
            name: self.bounded(name).from_unit(jnp.asarray(unit))
            for name, unit in zip(self.names, units, strict=True)
        }

    def at(self, units: np.ndarray) -> dict[str, float]:
        """`from_units` of one point, as numbers."""
        return {
            name: float(self.bounded(name).from_unit(unit, np))
            for name, unit in zip(self.names, units, strict=True)
        }

    def unit_function(self, measured: Mapping[str, Array] | None = None) -> Function:
        """chi2 as a function of the list of parameters between 0 and 1, arrays of one shape."""

        def function(units: list[Array]) -> Array:
            return jnp.broadcast_to(self.chi2(self.from_units(units), measured), units[0].shape)

        return function

    @cached_property
    def solver(self) -> Solver:
        """What minimises this problem, compiled once."""
        return Solver(self.unit_function())

    @cached_property
    def value_and_gradient(self) -> Callable[[ArrayLike], tuple[Array, Array]]:
        """chi2 and its gradient at one point, an array of the free parameters; compiled once."""

        def chi2(x: Array) -> Array:
            return self.chi2({name: x[index] for index, name in enumerate(self.names)})

        return jax.jit(jax.value_and_grad(chi2))

    @cached_property
    def terms(self) -> Callable[[Mapping[str, float]], dict[str, tuple[Array, Array, Array]]]:
        """Of each constraint of the sum at one point: the observable, whether it is valid, and its
        delta chi2; compiled once.
        """

        def terms(values: Mapping[str, ArrayLike]) -> dict[str, tuple[Array, Array, Array]]:
            found = self.likelihood.evaluate({**self.fixed, **values})
            return {
                name: (found[name].observable, found[name].valid, found[name].delta_chi2)
                for name in self.likelihood.summed
            }

        return jax.jit(terms)

    @cached_property
    def values(self) -> Callable[[list[Array]], Array]:
        """`unit_function()`, compiled once."""
        return jax.jit(self.unit_function())

    def _flat(self) -> list[str]:
        """Parameters without bounds whose profile is flat."""
        unbounded = [
            name
            for name in self.names
            if (self.free(name).min is None or self.free(name).max is None)
            and not isinstance(self.free(name).prior, Normal)
        ]
        return [name for name in unbounded if self._profile_range(name) < _FLAT]

    def _profile_range(self, name: str) -> float:
        """Range of the profile of a parameter over its allowed range."""
        with jax.enable_x64(True):
            hold = np.array([item == name for item in self.names])[:, None]
            starts = np.linspace(0.1, 0.9, 5)[:, None, None] * np.ones((1, len(self.names), _SCAN))
            starts = np.where(hold, np.linspace(0.02, 0.98, _SCAN), starts)
            profile = self.solver.lowest(starts, np.broadcast_to(hold, starts.shape[1:])).value
            return float(np.nanmax(profile) - np.nanmin(profile))


def _parameter(name: str, item: Any, info: ParameterInfo | None, faults: list[Fault]) -> Parameter:
    """A free parameter as given; faults are appended, but for an unknown one, of which there is no
    `info`.
    """
    path = f"parameters.{name}"
    if isinstance(item, tuple | list) and len(item) == 2:
        item = Parameter(*item)
    if not isinstance(item, Parameter):
        faults.append(Fault(path, "not usable", item, "a Parameter, or a pair (min, max)"))
        return Parameter(0.0, 1.0)
    before = len(faults)
    for key in ("min", "max"):
        if getattr(item, key) is not None:
            _check_value(f"{path}.{key}", getattr(item, key), info, faults)
    if item.scale not in SCALES:
        faults.append(Fault(f"{path}.scale", "unknown", item.scale, ", ".join(SCALES)))
    if len(faults) > before or info is None:
        return item
    low = info.minimum if item.min is None else float(item.min)
    high = info.maximum if item.max is None else float(item.max)
    faults += bound_faults(path, low, high, item.scale, info.fault)
    if item.start is not None and not low <= item.start <= high:
        faults.append(
            Fault(f"{path}.start", "outside the bounds", item.start, f"{low:g} to {high:g}")
        )
    if isinstance(item.prior, Normal):
        if not (
            math.isfinite(item.prior.mean)
            and math.isfinite(item.prior.sigma)
            and item.prior.sigma > 0
        ):
            faults.append(
                Fault(f"{path}.prior", "not usable", item.prior, "finite mean and positive sigma")
            )
    elif item.prior not in (None, "flat", "log-flat"):
        faults.append(
            Fault(f"{path}.prior", "unknown", item.prior, "Normal(mean, sigma), 'flat', 'log-flat'")
        )
    elif item.prior == "log-flat" and low <= 0:
        faults.append(
            Fault(f"{path}.prior", "log-flat needs positive bounds", low, "a positive min")
        )
    return item


def _check_value(path: str, value: Any, info: ParameterInfo | None, faults: list[Fault]) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.floating)
        or not math.isfinite(value)
    ):
        faults.append(Fault(path, "not a finite number", value))
    elif info is not None and (fault := info.fault(path, float(value))):
        faults.append(fault)
