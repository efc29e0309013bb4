"""Scan cards: TOML to a validated, frozen `ScanSpec`; all faults of a card are reported at once."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import zscan
from zscan.constraints import expand_constraints, observable_names
from zscan.errors import CardError, Fault, UnknownNameError, ZscanError, nearest
from zscan.likelihood import Likelihood, log_likelihood
from zscan.measurements import observable_sets
from zscan.model import AnyModel, load_model
from zscan.parameters import parameter_info, parameter_names
from zscan.results.layout import SCHEMA_VERSION
from zscan.scans.cards import RawCard, read_card
from zscan.scans.grid import TileGrid, tile_grid

FORMAT = 1
_MAX_NUM = 10_000_000
_MAX_TILE_POINTS = 100_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_REQUIRED = ("m_X", "g_X")  # of a model that could not be read

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Card(_Section):
    format: int
    name: str
    model: Any
    observables: str = "paper"
    constraints: list[str] | None = None
    axis: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    output: dict[str, Any] = {}


class _Axis(_Section):
    min: Number | None = None
    max: Number | None = None
    num: int | None = None
    scale: Literal["log", "linear"] | None = None
    values: list[Number] | None = None


class _Fixed(_Section):
    value: Number


class _Output(_Section):
    dtype: Literal["float32", "float64"] = "float32"
    observables: list[str] = []
    tile_points: int = Field(default=1_000_000, ge=1, le=_MAX_TILE_POINTS)


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: `values` (read-only float64, strictly increasing) and `definition`, what the card says of them."""

    name: str
    values: np.ndarray
    definition: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ScanSpec:
    """A validated scan: everything that determines its numbers, and where it came from.

    `axes` are ordered as in the map: the axes of the card, then m_X, then g_X. `stored_observables` are the constraints
    whose observable is stored beside delta chi2. `card` is the text of the card, `overrides` what was changed in it.
    """

    name: str
    model: AnyModel
    observables: str
    constraints: tuple[str, ...]
    axes: tuple[Axis, ...]
    fixed: Mapping[str, float]
    dtype: str
    stored_observables: tuple[str, ...]
    tile_points: int
    likelihood: Likelihood = field(repr=False)
    label: str = field(repr=False)
    card: str = field(repr=False)
    overrides: tuple[str, ...] = field(repr=False)

    @property
    def grid(self) -> TileGrid:
        """The grid of the scan, cut into tiles."""
        return tile_grid([axis.values.size for axis in self.axes], self.tile_points)

    def canonical(self) -> dict[str, Any]:
        """JSON-able table of everything that determines the numbers; floats as `float.hex` strings."""
        table = {
            "schema_version": SCHEMA_VERSION,
            "zscan": zscan.__version__,
            "model": self.model.to_table(),
            "observables": self.observables,
            "constraints": list(self.constraints),
            "likelihood": self.likelihood.fingerprint(),
            "axis_order": [axis.name for axis in self.axes],
            "axis": {axis.name: dict(axis.definition) for axis in self.axes},
            "fixed": dict(self.fixed),
            "output": {
                "dtype": self.dtype,
                "observables": list(self.stored_observables),
                "tile_points": self.tile_points,
            },
        }
        return _hex_floats(table)

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON of `canonical()`."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def load_card(source: str | Path | Mapping[str, Any], overrides: Sequence[str] | None = None) -> ScanSpec:
    """Read and validate a scan card: a path, the name of a shipped card ("fig2"), or a table.

    `overrides` change single keys, as "axis.m_X.num=400". Paths in a card are relative to its folder. Masses in GeV.
    Raises `CardError` with every fault: its dotted path, value, problem and what is allowed.

    >>> spec = load_card({"format": 1, "name": "a", "model": "Lmu-Ltau", "constraints": ["delta_a_mu"],
    ...     "axis": {"g_X": {"values": [1e-4, 1e-3]}, "m_X": {"min": 0.01, "max": 1, "num": 3, "scale": "log"}}})
    >>> [(axis.name, axis.values.tolist()) for axis in spec.axes]
    [('m_X', [0.01, 0.1, 1.0]), ('g_X', [0.0001, 0.001])]
    """
    raw = read_card(source, overrides)
    faults = list(raw.faults)
    card = _validate(_Card, raw.table, "", faults)
    if "format" in card and card["format"] != FORMAT:
        faults.append(Fault("format", "unknown card format", card["format"], str(FORMAT)))
    if "name" in card and not _NAME.fullmatch(card["name"]):
        faults.append(Fault("name", "not usable as a file name", card["name"], "letters, digits and . _ + -"))
    model = _model(card["model"], raw, faults) if "model" in card else None
    required = _REQUIRED if model is None else model.required
    allowed = parameter_names() if model is None else model.parameters
    axes = _axes(card.get("axis", {}), required, allowed, faults)
    fixed = _fixed(card.get("fixed", {}), allowed, faults)
    for name in sorted({*card.get("axis", {})} & {*card.get("fixed", {})}):
        faults.append(Fault(f"fixed.{name}", "both an axis and fixed"))
    for name in required:
        if "axis" in card and "fixed" in card and name not in card["axis"] and name not in card["fixed"]:
            faults.append(Fault(f"axis.{name}", "missing", allowed=f"an axis {name}, or {name} in [fixed]"))
    if card.get("axis") == {} and all(name in card.get("fixed", {}) for name in required):
        faults.append(Fault("axis", "missing", allowed="at least one axis"))
    output = _validate(_Output, card.get("output", {}), "output", faults)
    names = _physics(card, output, model, faults)
    if faults or model is None or names is None:
        raise CardError(raw.label, faults)
    try:
        likelihood = log_likelihood(model, names, card["observables"])
    except ZscanError as error:
        raise CardError(raw.label, [Fault("constraints", str(error))]) from error
    return ScanSpec(
        card["name"], model, card["observables"], names, axes, fixed, output["dtype"], tuple(output["observables"]),
        output["tile_points"], likelihood, raw.label, raw.text, raw.overrides,
    )  # fmt: skip


def _validate(section: type[_Section], table: Any, path: str, faults: list[Fault]) -> dict[str, Any]:
    """The usable fields of `table` with defaults filled in; faults of the others are appended."""
    if not isinstance(table, Mapping):
        faults.append(Fault(path, "must be a table", table))
        return {}
    bad: set[str] = set()
    try:
        return dict(section.model_validate(dict(table)))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            faults.append(_fault(section, ".".join(filter(None, [path, *map(str, item["loc"])])), item))
            bad.add(str(item["loc"][0]))
    defaults = {
        key: info.get_default(call_default_factory=True)
        for key, info in section.model_fields.items()
        if not info.is_required()
    }
    usable = {key: table[key] for key in section.model_fields if key in table}
    return {key: value for key, value in (defaults | usable).items() if key not in bad}


def _fault(section: type[_Section], path: str, item: Any) -> Fault:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing":
        return Fault(path, "missing")
    if kind == "extra_forbidden":
        return Fault(path, "unknown key", allowed=nearest(str(item["loc"][-1]), section.model_fields))
    if kind == "literal_error":
        return Fault(path, "unknown value", item["input"], context["expected"])
    if kind in ("greater_than_equal", "less_than_equal"):
        return Fault(path, "out of range", item["input"], f"1 to {_MAX_TILE_POINTS}")
    wanted = {
        "string_type": "a string",
        "dict_type": "a table",
        "list_type": "a list",
        "int_type": "an integer",
        "float_type": "a number",
        "finite_number": "a finite number",
    }
    return Fault(
        path, "wrong type" if kind != "finite_number" else "not finite", item["input"], wanted.get(kind, item["msg"])
    )


def _axes(
    tables: Mapping[str, Any], required: Sequence[str], allowed: Sequence[str], faults: list[Fault]
) -> tuple[Axis, ...]:
    axes = {}
    for name, table in tables.items():
        path = f"axis.{name}"
        before = len(faults)
        _check_name(name, path, allowed, faults)
        definition = {key: value for key, value in _validate(_Axis, table, path, faults).items() if value is not None}
        given = set(table) if isinstance(table, Mapping) else set()
        if "values" in given:
            for key in ("min", "max", "num", "scale"):
                if key in given:
                    faults.append(Fault(f"{path}.{key}", "given together with values"))
            values = _listed(definition, name, path, faults)
        elif isinstance(table, Mapping):
            for key in ("min", "max", "num", "scale"):
                if key not in given:
                    faults.append(Fault(f"{path}.{key}", "missing", allowed="min, max, num and scale, or values"))
            values = _spaced(definition, name, path, faults)
        if len(faults) == before and values is not None:
            axes[name] = Axis(name, values, definition)
    # m_X and the coupling last, as in the map; a width comes before the mass
    last = sorted((name for name in required if name in axes), key=["width_over_m_X", "m_X", "g_X", "g_V"].index)
    order = [name for name in axes if name not in last] + last
    return tuple(axes[name] for name in order)


def _listed(definition: dict[str, Any], name: str, path: str, faults: list[Fault]) -> np.ndarray | None:
    if "values" not in definition:
        return None
    values = _frozen(definition["values"])
    if values.size == 0:
        faults.append(Fault(f"{path}.values", "empty", allowed="at least one value"))
        return None
    if np.any(np.diff(values) <= 0):
        faults.append(Fault(f"{path}.values", "not strictly increasing", definition["values"]))
    for value in sorted({float(values.min()), float(values.max())}):
        _check_range(name, value, f"{path}.values", faults)
    definition["values"] = values.tolist()
    return values


def _spaced(definition: dict[str, Any], name: str, path: str, faults: list[Fault]) -> np.ndarray | None:
    low, high, num, scale = (definition.get(key) for key in ("min", "max", "num", "scale"))
    before = len(faults)
    if num is not None and not 2 <= num <= _MAX_NUM:
        faults.append(Fault(f"{path}.num", "out of range", num, f"2 to {_MAX_NUM}"))
    for key, value in (("min", low), ("max", high)):
        if value is not None and scale == "log" and value <= 0:
            faults.append(Fault(f"{path}.{key}", "not positive on a log axis", value, "a positive number"))
        elif value is not None:
            _check_range(name, value, f"{path}.{key}", faults)
    if low is not None and high is not None and low >= high:
        faults.append(Fault(f"{path}.max", "not above min", high, f"more than {low}"))
    if low is None or high is None or num is None or scale is None or len(faults) > before:
        return None
    low, high = definition["min"], definition["max"] = float(low), float(high)
    values = np.geomspace(low, high, num) if scale == "log" else np.linspace(low, high, num)
    values[0], values[-1] = low, high
    if np.any(np.diff(values) <= 0):
        faults.append(Fault(f"{path}.num", "neighbouring values coincide in float64", num))
    return _frozen(values)


def _fixed(table: Mapping[str, Any], allowed: Sequence[str], faults: list[Fault]) -> dict[str, float]:
    fixed = {}
    for name, raw in table.items():
        path = f"fixed.{name}"
        _check_name(name, path, allowed, faults)
        found: list[Fault] = []
        section = _validate(_Fixed, {"value": raw}, path, found)
        faults += [Fault(path, fault.problem, fault.value, fault.allowed) for fault in found]
        if "value" in section:
            fixed[name] = float(section["value"])
            _check_range(name, fixed[name], path, faults)
    return dict(sorted(fixed.items()))


def _check_name(name: str, path: str, allowed: Sequence[str], faults: list[Fault]) -> None:
    if name not in allowed:
        problem = "not a parameter of this model" if name in parameter_names() else "unknown parameter"
        faults.append(Fault(path, problem, allowed=nearest(name, allowed)))


def _check_range(name: str, value: float, path: str, faults: list[Fault]) -> None:
    try:
        info = parameter_info(name)
    except UnknownNameError:
        return
    if not info.minimum <= value <= info.maximum:
        faults.append(Fault(path, "out of range", value, f"{info.minimum:g} to {info.maximum:g} [{info.units}]"))


def _model(value: Any, raw: RawCard, faults: list[Fault]) -> AnyModel | None:
    if not isinstance(value, str | dict):
        faults.append(Fault("model", "wrong type", value, "a benchmark name, a path or a table"))
        return None
    try:
        if isinstance(value, str) and (value.endswith(".toml") or re.search(r"[/\\]", value)):
            return load_model(raw.folder / value)
        return load_model(value)
    except ZscanError as error:
        faults.append(Fault("model", str(error)))
        return None


def _physics(
    card: Mapping[str, Any], output: Mapping[str, Any], model: AnyModel | None, faults: list[Fault]
) -> tuple[str, ...] | None:
    """Constraint names, None when some are unknown; checks the observable set and the stored observables too."""
    if "observables" in card and card["observables"] not in observable_sets():
        faults.append(
            Fault(
                "observables",
                "unknown observable set",
                card["observables"],
                nearest(card["observables"], observable_sets()),
            )
        )
    patterns, known = card.get("constraints"), "constraints" in card
    for index, pattern in enumerate(patterns or ()):
        try:
            expand_constraints([pattern])
        except UnknownNameError as error:
            known = False
            faults.append(Fault(f"constraints.{index}", str(error)))
    if patterns == []:
        known = False
        faults.append(Fault("constraints", "empty", allowed="at least one constraint, or no key for all"))
    names = (
        expand_constraints(patterns if patterns is not None or model is None else model.constraints) if known else None
    )
    available = [] if names is None else observable_names(names)
    stored = output.get("observables", [])
    for index, name in enumerate(stored):
        path = f"output.observables.{index}"
        if name in stored[:index]:
            faults.append(Fault(path, "given twice", name))
        elif names is not None and name not in available:
            faults.append(Fault(path, "not among the constraints of the card", name, nearest(name, available)))
    return names


def _frozen(values: Sequence[float] | np.ndarray) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def _hex_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _hex_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hex_floats(item) for item in value]
    return value.hex() if isinstance(value, float) and math.isfinite(value) else value
