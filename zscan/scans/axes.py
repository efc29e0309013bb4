"""Axes of a scan card: sections of a card validated with every fault, the values of each axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zscan.errors import Fault, nearest
from zscan.models import all_parameters
from zscan.models.parameters import Parameters
from zscan.optimise.bounded import bound_faults
from zscan.results.layout import MapCoordinate

MAX_TILE_POINTS = 100_000_000
_MAX_NUM = 10_000_000
# Of all axes together: every value becomes a number of Python in the header of a map, 40 bytes each
_MAX_VALUES = 10_000_000
# Five bytes of every constraint at each point: 50 TB for one alone, more than a disk holds
_MAX_POINTS = 10**13

RangeCheck = Callable[[str, float], Fault | None]  # of a path and a value
Number = Annotated[float, Field(allow_inf_nan=False)]


class Section(BaseModel):
    """A section of a card: strict types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class AxisTable(Section):
    """One axis of a card."""

    min: Number | None = None
    max: Number | None = None
    num: int | None = None
    scale: Literal["log", "linear"] | None = None
    values: Annotated[list[Number], Field(fail_fast=True)] | None = None
    profile: Literal[False] | None = None  # with true it is no axis, see `zscan.scans.profiled`


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: `values` (read-only float64, strictly increasing) and `definition`, what the card
    says of them.

    An axis of models counts them: `columns` are the parameters that each sets, `coordinates` what
    the map tells of it."""

    name: str
    values: np.ndarray
    definition: Mapping[str, Any]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    coordinates: tuple[MapCoordinate, ...] = ()


def read_axes(
    tables: Mapping[str, Any],
    axis_order: Sequence[str],
    allowed: Parameters,
    faults: list[Fault],
    models: int = 1,
) -> tuple[Axis, ...]:
    """Axes of a card in the order of the map, those of `axis_order` last; faults are appended.

    A grid, with the `models` beside it, that no memory or disk holds is a fault before any array is
    made."""
    axes = {}
    if not _fits(tables, models, faults):
        return ()
    for name, table in tables.items():
        path, out_of_range = f"axis.{name}", range_check(name, allowed)
        before = len(faults)
        check_name(name, path, allowed, faults)
        definition = {
            key: value
            for key, value in validate(AxisTable, table, path, faults).items()
            if value is not None
        }
        definition.pop("profile", None)
        given = set(table) if isinstance(table, Mapping) else set()
        if "values" in given:
            for key in ("min", "max", "num", "scale"):
                if key in given:
                    faults.append(Fault(f"{path}.{key}", "given together with values"))
            values = _listed(definition, out_of_range, path, faults)
        elif isinstance(table, Mapping):
            for key in ("min", "max", "num", "scale"):
                if key not in given:
                    faults.append(
                        Fault(
                            f"{path}.{key}", "missing", allowed="min, max, num and scale, or values"
                        )
                    )
            values = _spaced(definition, out_of_range, path, faults)
        if len(faults) == before and values is not None:
            axes[name] = Axis(name, values, definition)
    last = [name for name in axis_order if name in axes]
    order = [name for name in axes if name not in last] + last
    return tuple(axes[name] for name in order)


def _fits(tables: Mapping[str, Any], models: int, faults: list[Fault]) -> bool:
    sizes = [models]
    for table in tables.values():
        num, values = (
            (table.get("num"), table.get("values")) if isinstance(table, Mapping) else (0, 0)
        )
        given = len(values) if isinstance(values, list) else num
        sizes.append(given if isinstance(given, int) and 1 <= given <= _MAX_NUM else 1)
    values, points = sum(sizes[1:]), math.prod(sizes)
    if values > _MAX_VALUES:
        allowed = f"at most {_MAX_VALUES}"
        faults.append(Fault("axis", f"{values} values on all axes together", None, allowed))
    if points > _MAX_POINTS:
        allowed = f"at most {_MAX_POINTS:.0e}, and as many as the disk holds"
        faults.append(Fault("axis", f"{points:.3g} points of the grid", None, allowed))
    return values <= _MAX_VALUES and points <= _MAX_POINTS


def _listed(
    definition: dict[str, Any], out_of_range: RangeCheck, path: str, faults: list[Fault]
) -> np.ndarray | None:
    if "values" not in definition:
        return None
    values = frozen(definition["values"])
    if values.size == 0:
        faults.append(Fault(f"{path}.values", "empty", allowed="at least one value"))
        return None
    if np.any(np.diff(values) <= 0):
        faults.append(Fault(f"{path}.values", "not strictly increasing", definition["values"]))
    ends = sorted({float(values.min()), float(values.max())})
    faults += [fault for end in ends if (fault := out_of_range(f"{path}.values", end))]
    definition["values"] = values.tolist()
    return values


def _spaced(
    definition: dict[str, Any], out_of_range: RangeCheck, path: str, faults: list[Fault]
) -> np.ndarray | None:
    low, high, num, scale = (definition.get(key) for key in ("min", "max", "num", "scale"))
    before = len(faults)
    if num is not None and not 2 <= num <= _MAX_NUM:
        faults.append(Fault(f"{path}.num", "out of range", num, f"2 to {_MAX_NUM}"))
    faults += bound_faults(path, low, high, scale, out_of_range)
    if low is None or high is None or num is None or scale is None or len(faults) > before:
        return None
    low, high = definition["min"], definition["max"] = float(low), float(high)
    values = np.geomspace(low, high, num) if scale == "log" else np.linspace(low, high, num)
    values[0], values[-1] = low, high
    if np.any(np.diff(values) <= 0):
        faults.append(Fault(f"{path}.num", "neighbouring values coincide in float64", num))
    return frozen(values)


def validate(section: type[Section], table: Any, path: str, faults: list[Fault]) -> dict[str, Any]:
    """The usable fields of `table` with defaults filled in; faults of the others are appended."""
    if not isinstance(table, Mapping):
        faults.append(Fault(path, "must be a table", table))
        return {}
    bad: set[str] = set()
    try:
        return dict(section.model_validate(dict(table)))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            faults.append(
                _fault(section, ".".join(filter(None, [path, *map(str, item["loc"])])), item)
            )
            bad.add(str(item["loc"][0]))
    defaults = {
        key: info.get_default(call_default_factory=True)
        for key, info in section.model_fields.items()
        if not info.is_required()
    }
    usable = {key: table[key] for key in section.model_fields if key in table}
    return {key: value for key, value in (defaults | usable).items() if key not in bad}


def _fault(section: type[Section], path: str, item: Any) -> Fault:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing":
        return Fault(path, "missing")
    if kind == "extra_forbidden":
        return Fault(
            path, "unknown key", allowed=nearest(str(item["loc"][-1]), section.model_fields)
        )
    if kind == "literal_error":
        return Fault(path, "unknown value", item["input"], context["expected"])
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return Fault(path, "out of range", item["input"], bound)
    if kind == "too_long":
        return Fault(path, "too many items", None, f"at most {context['max_length']}")
    wanted = {
        "string_type": "a string",
        "dict_type": "a table",
        "list_type": "a list",
        "int_type": "an integer",
        "bool_type": "true or false",
        "float_type": "a number",
        "finite_number": "a finite number",
    }
    return Fault(
        path,
        "wrong type" if kind != "finite_number" else "not finite",
        item["input"],
        wanted.get(kind, item["msg"]),
    )


def check_name(name: str, path: str, allowed: Parameters, faults: list[Fault]) -> None:
    """Append a fault unless `name` is an allowed parameter."""
    if name not in allowed:
        problem = (
            "not a parameter of this model" if name in all_parameters() else "unknown parameter"
        )
        faults.append(Fault(path, problem, allowed=nearest(name, allowed)))


def range_check(name: str, allowed: Parameters) -> RangeCheck:
    """What tells the fault of a value of the parameter `name`; nothing for an unknown one, which is
    a fault itself.
    """
    return allowed[name].fault if name in allowed else lambda path, value: None


def frozen(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """A read-only float64 copy."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array
