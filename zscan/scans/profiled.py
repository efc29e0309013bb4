"""Parameters of a card with `profile = true`: chi2 is minimised over them at every point of the
grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from zscan.errors import Fault
from zscan.likelihood import Likelihood
from zscan.models import ModelType
from zscan.models.parameters import Parameters
from zscan.optimise.bounded import Bounded, bound_faults
from zscan.optimise.minimise import lowest_minimum
from zscan.optimise.starts import lattice
from zscan.results.layout import MapObservable
from zscan.scans.axes import Number, Section, check_name, range_check, validate

CHI2, CONVERGED = "profiled_chi2", "profiled/converged"
_STARTS = 5
_MAX_STARTS = 100


class ProfiledTable(Section):
    """A parameter of a card over which chi2 is minimised."""

    profile: bool
    min: Number
    max: Number
    scale: Literal["log", "linear"] = "linear"
    starts: int = _STARTS


@dataclass(frozen=True)
class Profiled(Bounded):
    """A parameter over which chi2 is minimised, from `starts` starts."""

    starts: int = _STARTS

    @property
    def definition(self) -> dict[str, Any]:
        """What the card says of it, defaults included."""
        return {
            "profile": True,
            "min": self.min,
            "max": self.max,
            "scale": self.scale,
            "starts": self.starts,
        }

    @property
    def observable(self) -> str:
        """Name of the observable that tells where the minimum is."""
        return f"profiled/{self.name}"


class Profile(NamedTuple):
    """The minimum at every point of a tile: the profiled parameters by name, and whether it is
    known to be one.
    """

    parameters: dict[str, Array]
    converged: Array


def asks_for_profile(table: Any) -> bool:
    """Whether the table of an axis says `profile`, other than false."""
    return isinstance(table, Mapping) and table.get("profile", False) is not False


def read_profiled(
    tables: Mapping[str, Any], allowed: Parameters, faults: list[Fault]
) -> tuple[Profiled, ...]:
    """The profiled parameters of a card, sorted by name; faults are appended."""
    found = []
    for name, table in sorted(tables.items()):
        path, before = f"axis.{name}", len(faults)
        check_name(name, path, allowed, faults)
        for key in ("num", "values"):
            if key in table:
                faults.append(
                    Fault(f"{path}.{key}", "given together with profile", allowed="min and max")
                )
        section = {key: value for key, value in table.items() if key not in ("num", "values")}
        section = validate(ProfiledTable, section, path, faults)
        starts = section.get("starts", _STARTS)
        if not 1 <= starts <= _MAX_STARTS:
            faults.append(Fault(f"{path}.starts", "out of range", starts, f"1 to {_MAX_STARTS}"))
        low, high, scale = (section.get(key) for key in ("min", "max", "scale"))
        faults += bound_faults(path, low, high, scale, range_check(name, allowed))
        if len(faults) == before and low is not None and high is not None:
            found.append(Profiled(name, float(low), float(high), str(scale), starts))
    return tuple(found)


def profiled_observables(
    model: ModelType, profiled: Sequence[Profiled]
) -> tuple[MapObservable, ...]:
    """What a map stores of the minimum: where it is, its chi2, whether minimising converged."""
    if not profiled:
        return ()
    infos = [(item, model.parameter(item.name)) for item in profiled]
    names = ", ".join(item.name for item in profiled)
    return (
        *(
            MapObservable(item.observable, f"{info.long_name}, at the minimum", info.units, ())
            for item, info in infos
        ),
        MapObservable(
            CHI2, f"sum of the delta chi2 that are summed, minimised over {names}", "1", ()
        ),
        MapObservable(CONVERGED, "1 where the minimisation converged, 0 where not", "1", ()),
    )


def find_minimum(
    likelihood: Likelihood,
    parameters: Mapping[str, Array],
    profiled: Sequence[Profiled],
    shape: tuple[int, ...],
) -> Profile:
    """Minimise the sum of the finite delta chi2 over `profiled` at every point of a tile of
    `shape`.

    `parameters` are the others, each on its own broadcastable shape: what does not depend on the
    profiled ones keeps its shape. The number of starts is the largest one asked for; the lowest
    minimum counts."""
    starts = jnp.asarray(lattice(max(item.starts for item in profiled), len(profiled)))
    starts = starts.reshape(*starts.shape, *[1] * len(shape))
    starts = jnp.broadcast_to(starts, (*starts.shape[:2], *shape))

    def chi2(units: list[Array]) -> Array:
        values = {
            item.name: item.from_unit(unit) for item, unit in zip(profiled, units, strict=True)
        }
        return jnp.broadcast_to(likelihood.total({**parameters, **values}), shape)

    found = lowest_minimum(chi2, starts)
    return Profile(
        {item.name: item.from_unit(found.x[number]) for number, item in enumerate(profiled)},
        found.converged,
    )
