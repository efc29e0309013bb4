"""Parameters of a card with `profile = true`: chi2 is minimised over them at every point of the grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import NamedSharding, PartitionSpec

from zscan.errors import Fault
from zscan.likelihood import Likelihood, Term
from zscan.minimise import EDM_GOAL, best_of
from zscan.parameters import parameter_info
from zscan.results.layout import MapObservable
from zscan.scans.axes import Number, Section, check_bounds, check_name, validate

CHI2, CONVERGED = "profiled_chi2", "profiled/converged"
_STARTS = 5
_MAX_STARTS = 100
_OFF_CENTRE = 0.02  # of the distance of two starts


class _Profiled(Section):
    profile: bool
    min: Number
    max: Number
    scale: Literal["log", "linear"] = "linear"
    starts: int = _STARTS


@dataclass(frozen=True)
class Profiled:
    """A parameter over which chi2 is minimised: its bounds, the scale on which it is varied, the number of starts."""

    name: str
    min: float
    max: float
    scale: str
    starts: int

    @property
    def definition(self) -> dict[str, Any]:
        """What the card says of it, defaults included."""
        return {"profile": True, "min": self.min, "max": self.max, "scale": self.scale, "starts": self.starts}

    @property
    def observable(self) -> str:
        """Name of the observable that tells where the minimum is."""
        return f"profiled/{self.name}"

    def from_unit(self, unit: Array) -> Array:
        """The parameter from its place between the bounds, 0 to 1."""
        if self.scale == "log":
            value = jnp.exp(math.log(self.min) + unit * math.log(self.max / self.min))
        else:
            value = self.min + unit * (self.max - self.min)
        return jnp.clip(value, self.min, self.max)  # a bound is met exactly


class Profile(NamedTuple):
    """The minimum at every point of a tile: the profiled parameters by name, and whether it is known to be one."""

    parameters: dict[str, Array]
    converged: Array


def asks_for_profile(table: Any) -> bool:
    """Whether the table of an axis says `profile`, other than false."""
    return isinstance(table, Mapping) and table.get("profile", False) is not False


def read_profiled(tables: Mapping[str, Any], allowed: Sequence[str], faults: list[Fault]) -> tuple[Profiled, ...]:
    """The profiled parameters of a card, sorted by name; faults are appended."""
    found = []
    for name, table in sorted(tables.items()):
        path, before = f"axis.{name}", len(faults)
        check_name(name, path, allowed, faults)
        for key in ("num", "values"):
            if key in table:
                faults.append(Fault(f"{path}.{key}", "given together with profile", allowed="min and max"))
        section = {key: value for key, value in table.items() if key not in ("num", "values")}
        section = validate(_Profiled, section, path, faults)
        starts = section.get("starts", _STARTS)
        if not 1 <= starts <= _MAX_STARTS:
            faults.append(Fault(f"{path}.starts", "out of range", starts, f"1 to {_MAX_STARTS}"))
        low, high, scale = (section.get(key) for key in ("min", "max", "scale"))
        check_bounds(name, low, high, scale, path, faults)
        if len(faults) == before and low is not None and high is not None:
            found.append(Profiled(name, float(low), float(high), str(scale), starts))
    return tuple(found)


def profiled_observables(profiled: Sequence[Profiled]) -> tuple[MapObservable, ...]:
    """What a map stores of the minimum: where it is, its chi2, whether the minimisation converged."""
    if not profiled:
        return ()
    infos = [(item, parameter_info(item.name)) for item in profiled]
    names = ", ".join(item.name for item in profiled)
    return (
        *(MapObservable(item.observable, f"{info.long_name}, at the minimum", info.units, ()) for item, info in infos),
        MapObservable(CHI2, f"sum of the delta chi2 that are summed, minimised over {names}", "1", ()),
        MapObservable(CONVERGED, "1 where the minimisation converged, 0 where not", "1", ()),
    )


def start_points(profiled: Sequence[Profiled]) -> np.ndarray:
    """Where the minimisation starts, shape (starts, parameters), 0 to 1; the number is the largest one asked for.

    Evenly spaced along the first parameter from its centre on, and with irrational steps along the others, so that
    several parameters are covered too (a Kronecker lattice). All are a little off the centre of their cells: a function
    that is even in a parameter is stationary there, but need not have a minimum.

    >>> start_points([Profiled("eps", -1.0, 1.0, "linear", 4)]).round(3).ravel().tolist()
    [0.63, 0.88, 0.13, 0.38]
    """
    count, size = max(item.starts for item in profiled), len(profiled)
    ratio = 2.0  # root of x^size = x + 1: the golden ratio and its generalisations
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / size)
    steps = np.array([1 / count, *(ratio**-power for power in range(1, size))])
    first = np.array([(count // 2 + 0.5) / count] + [0.5] * (size - 1)) + _OFF_CENTRE / count
    return (first + np.arange(count)[:, None] * steps) % 1.0


def find_minimum(
    likelihood: Likelihood,
    parameters: Mapping[str, Array],
    profiled: Sequence[Profiled],
    shape: tuple[int, ...],
    sharding: NamedSharding | None = None,
) -> Profile:
    """Minimise the sum of the finite delta chi2 over `profiled` at every point of a tile of `shape`.

    `parameters` are the others, each on its own broadcastable shape: what does not depend on the profiled ones keeps
    its shape. The lowest minimum from all starts counts; one that has not converged only where it is lower than every
    other by more than the goal of convergence.
    """
    starts = jnp.asarray(start_points(profiled)).reshape(-1, len(profiled), *[1] * len(shape))
    starts = jnp.broadcast_to(starts, (*starts.shape[:2], *shape))
    if sharding is not None:
        starts = lax.with_sharding_constraint(
            starts, NamedSharding(sharding.mesh, PartitionSpec(None, None, *sharding.spec))
        )

    def chi2(units: list[Array]) -> Array:
        values = {item.name: item.from_unit(unit) for item, unit in zip(profiled, units, strict=True)}
        return jnp.broadcast_to(likelihood.total({**parameters, **values}), shape)

    _, found = best_of(chi2, starts)
    value = jnp.where(jnp.isnan(found.value), jnp.inf, found.value)
    index = jnp.argmin(jnp.where(found.converged, value, value + EDM_GOAL), axis=0)
    unit = jnp.take_along_axis(found.x, index[None, None], axis=0)[0]
    return Profile(
        {item.name: item.from_unit(unit[number]) for number, item in enumerate(profiled)},
        jnp.take_along_axis(found.converged, index[None], axis=0)[0],
    )


def sum_of_terms(likelihood: Likelihood, terms: Mapping[str, Term]) -> Array:
    """Sum of the finite delta chi2 of the summed constraints, NaN where there is none."""
    total, any_finite = jnp.zeros(()), jnp.zeros((), bool)
    for name in likelihood.summed:
        value = terms[name].delta_chi2
        finite = jnp.isfinite(value)
        total = total + jnp.where(finite, value, 0.0)
        any_finite = any_finite | finite
    return jnp.where(any_finite, total, jnp.nan)
