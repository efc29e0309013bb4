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

from pydantic import Field

import zscan
from zscan.constraints import Constraint, Own, find_constraints, observable_set, observables_of
from zscan.errors import CardError, Fault, ZscanError, nearest
from zscan.likelihood import Likelihood, log_likelihood
from zscan.limits import register
from zscan.limits.format import read_limit
from zscan.models import Model, ModelType, all_parameters, load_model
from zscan.models.parameters import Parameters, warn_of_unit
from zscan.results.grid import TileGrid, tile_grid
from zscan.results.layout import SCHEMA_VERSION
from zscan.results.plot_table import plot_faults
from zscan.scans.axes import (
    MAX_TILE_POINTS,
    Axis,
    AxisTable,
    Number,
    Section,
    check_name,
    range_check,
    read_axes,
    validate,
)
from zscan.scans.cards import RawCard, read_card
from zscan.scans.models import read_models
from zscan.scans.profiled import Profiled, ProfiledTable, asks_for_profile, read_profiled
from zscan.scans.refinement import Refinement, RefineTable, read_refinement
from zscan.untrusted import file_name

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_MAX_PATTERN = 200  # characters of the name or pattern of a constraint
_MAX_TILES = 1_000_000  # a tile is a file, and a row in the tables of every process
Names = Annotated[list[str], Field(max_length=1000, fail_fast=True)]
_Asked = Annotated[list[Any], Field(max_length=1000)]


class _Card(Section):
    format: int
    name: str
    device: Literal["cpu", "gpu"] | None = None
    model: Any = None
    models: Any = None
    observables: Any = "paper"
    limits: Names | None = None
    constraints: _Asked | None = None
    axis: dict[str, Any] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    output: dict[str, Any] = Field(default_factory=dict)
    refine: dict[str, Any] | None = None
    fit: dict[str, Any] = Field(default_factory=dict)
    plot: dict[str, Any] = Field(default_factory=dict)


class _Fixed(Section):
    value: Number


class _Output(Section):
    dtype: Literal["float32", "float64"] = "float32"
    observables: Names = Field(default_factory=list)
    tile_points: int = Field(default=1_000_000, ge=1, le=MAX_TILE_POINTS)


CARD_SECTIONS: dict[str, type[Section]] = {
    "card": _Card,
    "axis": AxisTable,
    "axis.profiled": ProfiledTable,
    "fixed": _Fixed,
    "output": _Output,
    "refine": RefineTable,
}


@dataclass(frozen=True, eq=False)
class ScanSpec:
    """A validated scan: everything that determines its numbers, and where it came from.

    `axes` are ordered as in the map: that of models, the axes of the card, m_X, g_X.
    `stored_observables` are the constraints whose observable is stored beside delta chi2;
    `observables` is the set as text, see `zscan.constraints.observable_set`.
    `profiled` are no axes: chi2 is minimised over them. `card` is the text of the card, `overrides`
    what was changed in it. `fit` is the section that `zscan.fit.fit_card` reads; a scan does not
    depend on it. `device` is where it must run, "cpu" or "gpu", `refinement` where there are points
    between those of the grid."""

    name: str
    model: ModelType
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
    profiled: tuple[Profiled, ...] = ()
    fit: Mapping[str, Any] = field(default_factory=dict, repr=False)
    device: str | None = None
    refinement: Refinement | None = None

    @property
    def grid(self) -> TileGrid:
        """The grid of the scan, cut into tiles."""
        return tile_grid([axis.values.size for axis in self.axes], self.tile_points)

    def canonical(self) -> dict[str, Any]:
        """JSON-able table of all that determines the numbers; floats as `float.hex` strings."""
        table = {
            "schema_version": SCHEMA_VERSION,
            "zscan": zscan.__version__,
            "model": self.model.to_table(),
            "observables": self.observables,
            "constraints": list(self.constraints),
            "likelihood": self.likelihood.fingerprint(),
            "axis_order": [axis.name for axis in self.axes],
            "axis": {axis.name: dict(axis.definition) for axis in self.axes}
            | {item.name: item.definition for item in self.profiled},
            "fixed": dict(self.fixed),
            "output": {
                "dtype": self.dtype,
                "observables": list(self.stored_observables),
                "tile_points": self.tile_points,
            },
        }
        if self.refinement is not None:
            table["refine"] = self.refinement.table()
        return hex_floats(table)

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON of `canonical()`."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def load_card(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] | None = None,
    copy: str | Path | None = None,
) -> ScanSpec:
    """Read and validate a scan card: a path, the name of a shipped card ("fig2"), or a table.

    `overrides` change single keys, as "axis.m_X.num=400". Paths in a card are relative to its
    folder. `copy` is a file with its text as it was, read in its place. Masses in GeV. Raises
    `CardError` with every fault: its dotted path, value, problem and what is allowed.

    >>> m_X = {"min": 0.01, "max": 1, "num": 3, "scale": "log"}
    >>> spec = load_card({"format": 1, "name": "a", "model": "Lmu-Ltau",
    ...     "constraints": ["delta_a_mu"],
    ...     "axis": {"g_X": {"values": [1e-4, 1e-3]}, "m_X": m_X}})
    >>> [(axis.name, axis.values.tolist()) for axis in spec.axes]
    [('m_X', [0.01, 0.1, 1.0]), ('g_X', [0.0001, 0.001])]
    """
    raw = read_card(source, overrides, copy)
    faults = list(raw.faults)
    card = validate(_Card, raw.table, "", faults)
    if "format" in card and card["format"] != FORMAT:
        faults.append(Fault("format", "unknown card format", card["format"], str(FORMAT)))
    if "name" in card and not _NAME.fullmatch(card["name"]):
        faults.append(
            Fault(
                "name",
                "not usable as a file name",
                card["name"],
                "at most 128 letters, digits and . _ + -",
            )
        )
    faults += plot_faults(card.get("plot", {}))
    faults += [
        Fault(
            "--set", "the [plot] table of a map is that of its card", text, "zscan plot MAP --set"
        )
        for text in raw.overrides
        if text.partition(".")[0].strip() == "plot"
    ]
    model, model_axes = _models(card, raw, faults)
    kind: type[ModelType] | ModelType = (
        Model if model is None else model
    )  # of one that could not be read
    allowed: Parameters = all_parameters() if model is None else model.parameters
    taken = {name for axis in model_axes for name in axis.columns}
    allowed = {name: info for name, info in allowed.items() if name not in taken}
    tables = card.get("axis", {})
    profiled_tables = {name: table for name, table in tables.items() if asks_for_profile(table)}
    grid_tables = {name: table for name, table in tables.items() if name not in profiled_tables}
    models = math.prod(axis.values.size for axis in model_axes)
    axes = model_axes + read_axes(grid_tables, kind.axis_order, allowed, faults, models)
    for axis in axes:
        if axis.name == "m_X":
            warn_of_unit(axis.values, stacklevel=3)
    profiled = read_profiled(profiled_tables, allowed, faults)
    fixed = _fixed(card.get("fixed", {}), allowed, faults)
    for name in sorted({*card.get("axis", {})} & {*card.get("fixed", {})}):
        faults.append(Fault(f"fixed.{name}", "both an axis and fixed"))
    for name in kind.required:
        if (
            "axis" in card
            and "fixed" in card
            and name not in card["axis"]
            and name not in card["fixed"]
        ):
            faults.append(
                Fault(f"axis.{name}", "missing", allowed=f"an axis {name}, or {name} in [fixed]")
            )
    no_axis = "axis" in card and not grid_tables and not model_axes
    if no_axis and (
        profiled_tables or all(name in card.get("fixed", {}) for name in kind.required)
    ):
        faults.append(Fault("axis", "missing", allowed="at least one axis that is not profiled"))
    output = validate(_Output, card.get("output", {}), "output", faults)
    if axes and "tile_points" in output:
        tiles = tile_grid([axis.values.size for axis in axes], output["tile_points"]).count
        if tiles > _MAX_TILES:
            problem = f"the grid has {tiles} tiles of so many points"
            most = f"at most {_MAX_TILES} tiles"
            faults.append(Fault("output.tile_points", problem, output["tile_points"], most))
    own_limits = _limits(card.get("limits") or (), raw.folder, faults)
    observables = _observables(card, raw, faults)
    found = _constraints(card, model, faults)
    if found is not None and model is not None:
        _check_stored(output, model, found, faults)
    for index, known in enumerate(own_limits):
        if known and found is not None and not known & set(found[0]):
            problem = "none of it is among the constraints of the card: it would have no effect"
            faults.append(Fault(f"limits.{index}", problem, None, ", ".join(sorted(known))))
    if faults or model is None or found is None or observables is None:
        raise CardError(raw.label, faults)
    names, own = found
    try:
        asked = [own.get(name, name) for name in names]
        likelihood = log_likelihood(model, asked, observables)
    except ZscanError as error:
        raise CardError(raw.label, [Fault("constraints", str(error))]) from error
    if profiled and not likelihood.summed:
        problem = "none of them is summed, so that there is no chi2 to minimise"
        raise CardError(
            raw.label,
            [Fault("constraints", problem, list(names), "at least one that is no projection")],
        )
    refinement = None
    if card["refine"] is not None:
        every = likelihood.measured
        measured = {name: every[name] for name in names if name in every}
        stored = output["observables"]
        refinement = read_refinement(card["refine"], axes, profiled, measured, stored, faults)
        if refinement is None:
            raise CardError(raw.label, faults)
    return ScanSpec(
        name=card["name"],
        model=model,
        observables=observables,
        constraints=names,
        axes=axes,
        fixed=fixed,
        dtype=output["dtype"],
        stored_observables=tuple(output["observables"]),
        tile_points=output["tile_points"],
        likelihood=likelihood,
        label=raw.label,
        card=raw.text,
        overrides=raw.overrides,
        profiled=profiled,
        fit=card["fit"],
        device=card["device"],
        refinement=refinement,
    )


def _fixed(table: Mapping[str, Any], allowed: Parameters, faults: list[Fault]) -> dict[str, float]:
    fixed = {}
    for name, raw in table.items():
        path = f"fixed.{name}"
        check_name(name, path, allowed, faults)
        found: list[Fault] = []
        section = validate(_Fixed, {"value": raw}, path, found)
        faults += [Fault(path, fault.problem, fault.value, fault.allowed) for fault in found]
        if "value" in section:
            fixed[name] = float(section["value"])
            if fault := range_check(name, allowed)(path, fixed[name]):
                faults.append(fault)
    return dict(sorted(fixed.items()))


def _models(
    card: Mapping[str, Any], raw: RawCard, faults: list[Fault]
) -> tuple[ModelType | None, tuple[Axis, ...]]:
    """The model of a card, and the axis of models if it has one."""
    given = [key for key in ("model", "models") if card.get(key) is not None]
    if len(given) != 1:
        problem = "given together with models" if given else "missing"
        faults.append(
            Fault(
                "model",
                problem,
                allowed="model = NAME, models = 'catalogue:max=10,vector', or models = [NAMES]",
            )
        )
        return None, ()
    if given == ["model"]:
        return _model(card["model"], raw, faults), ()

    def load(name: str) -> ModelType:
        return load_model(_beside(name, raw))

    found = read_models(card["models"], load, faults)
    return (None, ()) if found is None else (found[0], (found[1],))


def _model(value: Any, raw: RawCard, faults: list[Fault]) -> ModelType | None:
    if not isinstance(value, str | dict):
        faults.append(Fault("model", "wrong type", value, "a benchmark name, a path or a table"))
        return None
    try:
        return load_model(_beside(value, raw) if isinstance(value, str) else value)
    except ZscanError as error:
        faults.append(Fault("model", str(error)))
        return None


def _limits(entries: Sequence[str], folder: Path, faults: list[Fault]) -> list[set[str]]:
    """Make the limits of a card known, files and folders of files from `folder` on; returns the
    constraints of each entry.
    """
    found = []
    for index, entry in enumerate(entries):
        names: set[str] = set()
        try:
            path = folder / file_name(entry, "limits")
            files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
            limits = [read_limit(file) for file in files]
            if not limits:
                faults.append(Fault(f"limits.{index}", "a folder without limit files", entry))
            names = {f"searches/{name}" for name in register(limits)}
        except ZscanError as error:
            faults.append(Fault(f"limits.{index}", str(error), entry))
        found.append(names)
    return found


def _beside(value: str, raw: RawCard) -> str | Path:
    """The name of a model as it is, a path as one from the folder of the card on."""
    is_path = value.endswith((".toml", ".py")) or re.search(r"[/\\]", value)
    return raw.folder / value if is_path else value


def _observables(card: Mapping[str, Any], raw: RawCard, faults: list[Fault]) -> str | None:
    """The set of measurements as text: the name of a set, a file beside the card, or a table."""
    if "observables" not in card:
        return None
    value = card["observables"]
    if not isinstance(value, str | dict):
        allowed = "the name of a set, the path of a TOML file, or a table"
        faults.append(Fault("observables", "wrong type", value, allowed))
        return None
    try:
        return observable_set(value, raw.folder)
    except ZscanError as error:
        given = value if isinstance(value, str) else None
        faults.append(Fault("observables", str(error), given))
        return None


def _constraints(
    card: Mapping[str, Any], model: ModelType | None, faults: list[Fault]
) -> tuple[tuple[str, ...], Own] | None:
    """Names of the constraints and those of a user among them, None when some are not usable."""
    if "constraints" not in card:
        return None
    asked = card["constraints"]
    if asked == []:
        faults.append(
            Fault("constraints", "empty", allowed="at least one constraint, or no key for all")
        )
        return None
    before = len(faults)
    for index, item in enumerate(asked or ()):
        path = f"constraints.{index}"
        if not isinstance(item, str | Constraint):
            faults.append(Fault(path, "wrong type", item, "a string"))
            continue
        if isinstance(item, str) and len(item) > _MAX_PATTERN:
            faults.append(Fault(path, "a long name", item, f"at most {_MAX_PATTERN} characters"))
            continue
        try:
            find_constraints([item])
        except ZscanError as error:
            faults.append(Fault(path, str(error)))
    if len(faults) > before:
        return None
    try:
        if asked is None and model is not None:
            asked = model.constraints
        return find_constraints(asked)
    except ZscanError as error:  # two constraints of one name
        faults.append(Fault("constraints", str(error)))
        return None


def _check_stored(
    output: Mapping[str, Any],
    model: ModelType,
    found: tuple[tuple[str, ...], Own],
    faults: list[Fault],
) -> None:
    """Append the faults of the observables that a card wants to store."""
    available = observables_of(model, *found)
    stored = output.get("observables", [])
    for index, name in enumerate(stored):
        path = f"output.observables.{index}"
        if name in stored[:index]:
            faults.append(Fault(path, "given twice", name))
        elif name not in available:
            faults.append(
                Fault(path, "not among the constraints of the card", name, nearest(name, available))
            )


def hex_floats(value: Any) -> Any:
    """A JSON-able copy of a table with its floats as `float.hex` strings, which lose nothing."""
    if isinstance(value, Mapping):
        return {str(key): hex_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hex_floats(item) for item in value]
    return value.hex() if isinstance(value, float) and math.isfinite(value) else value
