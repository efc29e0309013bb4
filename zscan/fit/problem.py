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

from zscan.errors import CardError, Fault, UnknownNameError, nearest
from zscan.fit.solver import Function, Solver
from zscan.likelihood import Likelihood, log_likelihood
from zscan.model import AnyModel
from zscan.parameters import parameter_info
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

    Without bounds it runs over all values that `zscan.parameters` allows, if the likelihood depends on it. `prior` is
    None or a `Normal`, which enters every fit as data would, or "flat" or "log-flat", which only `sample` reads: a
    likelihood has no prior. `scale` "log" needs positive bounds.
    """

    min: float | None = None
    max: float | None = None
    scale: Literal["linear", "log"] = "linear"
    prior: Normal | Literal["flat", "log-flat"] | None = None
    start: float | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A fit of the free `parameters` of a model: the sum of delta chi2 of the constraints and of normal priors.

    `parameters` are `Parameter` or pairs (min, max), `fixed` numbers; names as in a card (m_X [GeV], g_X, eps, g_sb,
    charge.L.mu, theory.r_k, ...). `constraints` and `observables` as for `zscan.log_likelihood`: one-sided limits enter
    as stated for each curve, projections never. The model is a name, a path or a `Model`.

    Raises `CardError` with every fault: unknown parameter, missing one, bounds that are not in the allowed range or not
    increasing, a start outside the bounds, a prior that is not usable, a parameter without bounds on which the
    likelihood does not depend (its profile over the allowed range is flat).

    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"g_X": (1e-4, 1e-2)}, fixed={"m_X": 0.1})
    >>> round(float(problem.chi2({"g_X": 9.4620e-4})), 2)
    -18.1
    """

    model: AnyModel | str
    constraints: Sequence[str] | None = None
    observables: str = "paper"
    parameters: Mapping[str, Parameter | tuple[float, float]] = field(kw_only=True)
    fixed: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        faults: list[Fault] = []
        free = {name: _parameter(name, item, faults) for name, item in self.parameters.items()}
        object.__setattr__(self, "parameters", free)
        object.__setattr__(self, "fixed", dict(self.fixed))
        model = self.likelihood.model  # raises for an unknown model or constraint
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
            _check_value(f"fixed.{name}", name, value, faults)
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
    def chi2(self, values: Mapping[str, ArrayLike], measured: Mapping[str, ArrayLike] | None = None) -> Array:
        """Sum of delta chi2 (zero at zero coupling) and of normal priors at `values` of the free parameters.

        Values broadcast; `measured` replaces measured values as for `Likelihood.total`. Pure and differentiable.
        """
        total = self.likelihood.total({**self.fixed, **values}, measured)
        for name, value in values.items():
            prior = self.free(name).prior
            if isinstance(prior, Normal):
                total = total + ((jnp.asarray(value) - prior.mean) / prior.sigma) ** 2
        return total

    def from_unit(self, name: str, unit: Array) -> Array:
        """The parameter from its place between the bounds on its scale, 0 to 1."""
        low, high = self.bounds(name)
        if self.free(name).scale == "log":
            return jnp.exp(math.log(low) + unit * math.log(high / low))
        return low + unit * (high - low)

    def to_unit(self, name: str, value: Array) -> Array:
        """Inverse of `from_unit`."""
        low, high = self.bounds(name)
        if self.free(name).scale == "log":
            return jnp.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def bounds(self, name: str) -> tuple[float, float]:
        """Bounds of a free parameter; without any, the allowed range."""
        item, info = self.free(name), parameter_info(name)
        return (
            info.minimum if item.min is None else item.min,
            info.maximum if item.max is None else item.max,
        )

    def unit_function(self, measured: Mapping[str, Array] | None = None) -> Function:
        """chi2 as a function of the list of parameters between 0 and 1, arrays of one shape."""

        def function(units: list[Array]) -> Array:
            values = {name: self.from_unit(name, unit) for name, unit in zip(self.names, units, strict=True)}
            return jnp.broadcast_to(self.chi2(values, measured), units[0].shape)

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


def _parameter(name: str, item: Any, faults: list[Fault]) -> Parameter:
    path = f"parameters.{name}"
    if isinstance(item, tuple | list) and len(item) == 2:
        item = Parameter(*item)
    if not isinstance(item, Parameter):
        faults.append(Fault(path, "not usable", item, "a Parameter, or a pair (min, max)"))
        return Parameter(0.0, 1.0)
    before = len(faults)
    for key in ("min", "max"):
        if getattr(item, key) is not None:
            _check_value(f"{path}.{key}", name, getattr(item, key), faults)
    if item.scale not in ("linear", "log"):
        faults.append(Fault(f"{path}.scale", "unknown", item.scale, "linear, log"))
    if len(faults) > before:
        return item
    try:
        info = parameter_info(name)
    except UnknownNameError:
        return item  # reported by the caller
    low = info.minimum if item.min is None else float(item.min)
    high = info.maximum if item.max is None else float(item.max)
    if low >= high:
        faults.append(Fault(f"{path}.max", "not above min", high, f"more than {low:g}"))
    if item.scale == "log" and low <= 0:
        faults.append(Fault(f"{path}.min", "not positive on a log scale", low, "a positive number"))
    if item.start is not None and not low <= item.start <= high:
        faults.append(Fault(f"{path}.start", "outside the bounds", item.start, f"{low:g} to {high:g}"))
    if isinstance(item.prior, Normal):
        if not (math.isfinite(item.prior.mean) and math.isfinite(item.prior.sigma) and item.prior.sigma > 0):
            faults.append(Fault(f"{path}.prior", "not usable", item.prior, "finite mean and positive sigma"))
    elif item.prior not in (None, "flat", "log-flat"):
        faults.append(Fault(f"{path}.prior", "unknown", item.prior, "Normal(mean, sigma), 'flat', 'log-flat'"))
    elif item.prior == "log-flat" and low <= 0:
        faults.append(Fault(f"{path}.prior", "log-flat needs positive bounds", low, "a positive min"))
    return item


def _check_value(path: str, name: str, value: Any, faults: list[Fault]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating) or not math.isfinite(value):
        faults.append(Fault(path, "not a finite number", value))
        return
    try:
        info = parameter_info(name)
    except UnknownNameError:
        return
    if not info.minimum <= value <= info.maximum:
        faults.append(Fault(path, "out of range", value, f"{info.minimum:g} to {info.maximum:g} [{info.units}]"))
