"""A survey as tiles of a map over (pattern, m_X): what determines it, what a tile holds, its
header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import zscan
from zscan.analysis.masses import masked
from zscan.analysis.survey.choices import Choice, choices, joint_chi2, ratios
from zscan.analysis.survey.engine import CARRIER, Engine, engine_of
from zscan.analysis.survey.search import Points, Search
from zscan.charges.patterns import COLUMNS, Patterns
from zscan.constraints import Constraint
from zscan.results.grid import Tile, TileGrid
from zscan.results.layout import (
    OK,
    OUT_OF_RANGE,
    SCHEMA_VERSION,
    MapAxis,
    MapCoordinate,
    MapHeader,
    MapObservable,
)
from zscan.scans.header import map_constraints, provenance
from zscan.scans.spec import hex_floats

TILE_PATTERNS = 16
PATTERN = "pattern"
MATTER_RATIO, MATTER_COUPLING = "matter_ratio", "matter_g_X"
# Observables of a survey beside those of its choices
OBSERVABLES = {
    "ratio": ("largest ratio of an observable to its limit, at the point of the cell", "1"),
    "exact": ("1 where the ratio is exact, 0 where it is a lower bound", "1"),
    "killer": ("number of the constraint with that ratio along the axis constraint", "1"),
    "kappa": ("mixing eps e/g_X of the point of the cell", "1"),
    "g_X": ("gauge coupling of the point of the cell", "1"),
    "sigma": ("Delta a_mu of the point of the cell in standard deviations", "1"),
    "joint_chi2": ("chi2 of all likelihoods at the point, with that of g-2", "1"),
    "kappa_low": ("smallest mixing that survives", "1"),
    "kappa_high": ("largest mixing that survives", "1"),
    MATTER_RATIO: ("smallest ratio of matter at a point that passes all else", "1"),
    MATTER_COUPLING: ("gauge coupling of that point", "1"),
}


@dataclass(frozen=True, eq=False)
class SurveySpec:
    """Everything that determines the numbers of a survey; `interval` of kappa, None for the
    default grid of each pattern. With `muon_coupling` X has that coupling to muons and explains
    nothing.
    """

    patterns: Patterns
    masses: np.ndarray
    interval: tuple[float, float] | None
    observables: str
    constraints: tuple[str | Constraint, ...]
    readings: Mapping[str, tuple[str, str]]
    muon_coupling: float | None = None

    @cached_property
    def engine(self) -> Engine:
        """The compiled constraints."""
        couplings = None if self.muon_coupling is None else (self.muon_coupling,)
        readings = tuple(self.readings.values())
        return engine_of(self.constraints, self.observables, readings, couplings)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The choices that are told apart."""
        return choices(self.engine, self.readings)

    @property
    def grid(self) -> TileGrid:
        """The grid over patterns and masses, cut into tiles of patterns."""
        shape = len(self.patterns), len(self.masses)
        return TileGrid(shape, (min(TILE_PATTERNS, shape[0]), shape[1]))

    def canonical(self) -> dict[str, Any]:
        """JSON-able table of all that determines the numbers; floats as `float.hex` strings."""
        rows = np.ascontiguousarray(self.patterns.rows, dtype="<i8")
        table = {
            "schema_version": SCHEMA_VERSION,
            "zscan": zscan.__version__,
            "model": CARRIER.to_table(),
            "observables": self.observables,
            "constraints": list(self.engine.summed),
            "likelihood": self.engine.likelihood.fingerprint(),
            "axis_order": [PATTERN, "m_X"],
            "fixed": {},
            "survey": {
                "selection": self.patterns.selection,
                "quarks": self.patterns.quarks,
                "patterns": hashlib.sha256(rows.data).hexdigest(),
                "masses": self.masses.tolist(),
                "kappa": None if self.interval is None else list(self.interval),
                "targets": self.engine.targets.tolist(),
                "couplings": self.muon_coupling is not None,
                "choices": [choice.key for choice in self.choices],
                "readings": {name: list(item) for name, item in self.readings.items()},
            },
        }
        found: dict[str, Any] = hex_floats(table)
        return found

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON of `canonical()`."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


Rows = dict[str, list[np.ndarray]]


def evaluate_tile(spec: SurveySpec, tile: Tile) -> Rows:
    """The rows of every field on a tile."""
    positions = range(*tile.slices[0].indices(len(spec.patterns)))
    search = Search(spec.engine, spec.patterns, positions, spec.masses, spec.interval)
    points = search.run()
    cells = _Cells(points, tile.shape)
    values, delta = cells.of_points(spec, search)
    values |= cells.beside_matter(spec.engine)
    for choice in spec.choices:
        largest = ratios(spec.engine, choice, points.details).min(axis=1, initial=np.inf)
        values[choice.key] = cells.smallest(largest)
    rows = [np.ascontiguousarray(row) for row in np.moveaxis(delta, -1, 0)]
    finite = [np.isfinite(row) for row in rows]
    status = [np.where(ok, OK, OUT_OF_RANGE).astype(np.uint8) for ok in finite]
    fields: Rows = {"delta_chi2": rows, "status": status}
    for name, array in values.items():
        kept = np.where(np.isfinite(array), array, np.nan)
        fields[f"observable/{name}"] = [np.ascontiguousarray(kept)]
    return fields


class _Cells:
    """Points of a search by cells (pattern, mass)."""

    def __init__(self, points: Points, shape: tuple[int, ...]) -> None:
        self.points, self.shape = points, shape
        self.cell = points.pattern * shape[1] + points.mass
        (self.detailed,) = np.nonzero(points.number >= 0)
        order = np.argsort(points.number[self.detailed])
        self.detailed = self.detailed[order]

    def smallest(self, values: np.ndarray) -> np.ndarray:
        """The smallest of values (one for each of the details) in each cell, infinite if none."""
        found = np.full(self.shape, np.inf)
        np.minimum.at(found.ravel(), self.cell[self.detailed], values)
        return found

    def of_points(
        self, spec: SurveySpec, search: Search
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What describes the point of each cell, and its delta chi2 (pattern, mass, constraint).

        The point is the one of those that survive with the lowest joint chi2, else the one with the
        smallest ratio."""
        p, engine = self.points, spec.engine
        published = spec.choices[0]
        passing = np.asarray(ratios(engine, published, p.details) <= 1)
        joint = np.where(passing, joint_chi2(engine, p.details), np.inf)
        rank = np.where(np.isfinite(p.worst), p.worst, 1e30)
        rank[self.detailed] = np.where(
            passing.any(axis=1), joint.min(axis=1) - 1e6, np.maximum(rank[self.detailed], 1)
        )
        order = np.lexsort((rank, self.cell))
        cells, first = np.unique(self.cell[order], return_index=True)
        chosen = order[first]
        entries = search.entries(p.pattern[chosen], p.mass[chosen], p.kappa[chosen])
        _, index, details = engine.screen(entries, every=True)
        details = details.take(np.argsort(index))
        engine.add_dear(entries, details)
        exact = p.number[chosen] >= 0
        details.ratio[exact] = p.details.ratio[p.number[chosen[exact]]]
        largest = np.where(np.isfinite(details.g_X), details.ratio.max(axis=1), np.inf)
        joint = joint_chi2(engine, details)
        survives = largest.min(axis=1) <= 1
        best = np.where(largest <= 1, joint, np.inf)
        target = np.where(survives, best.argmin(axis=1), largest.argmin(axis=1))
        here = np.arange(len(chosen)), target
        killer = details.ratio[here[0], :, target].argmax(axis=1)
        known = np.isfinite(details.g_X[here])
        number = np.array([engine.summed.index(name) for name in engine.names])[killer]
        table = {
            "ratio": largest[here],
            "exact": exact.astype(float),
            "killer": number.astype(float),
            "kappa": p.kappa[chosen],
            "g_X": details.g_X[here],
            "sigma": engine.targets[target] if engine.explains else np.full(len(target), np.nan),
            "joint_chi2": joint[here],
        }
        values = {
            name: self._spread(cells, np.where(known, v, np.nan)) for name, v in table.items()
        }
        values |= self._mixings(np.asarray(passing.any(axis=1)))
        delta = np.where(known[:, None], details.delta_chi2[here[0], :, target], np.nan)
        return values, self._spread(cells, delta)

    def beside_matter(self, engine: Engine) -> dict[str, np.ndarray]:
        """Of points that pass everything but `matter`, the one that it excludes least."""
        ratio, coupling = np.full(self.shape, np.inf), np.full(self.shape, np.nan)
        if "matter" in engine.names:
            details = self.points.details
            passing = ratios(engine, Choice("", without="matter"), details) <= 1
            of_matter = details.ratio[:, engine.names.index("matter")]
            least = np.where(passing, of_matter, np.inf)
            ratio = self.smallest(least.min(axis=1, initial=np.inf))
            (here,) = np.nonzero(least.min(axis=1) == ratio.ravel()[self.cell[self.detailed]])
            g_X = details.g_X[here, least[here].argmin(axis=1)]
            coupling.ravel()[self.cell[self.detailed][here]] = g_X
        return {MATTER_RATIO: ratio, MATTER_COUPLING: np.where(ratio < np.inf, coupling, np.nan)}

    def _spread(self, cells: np.ndarray, values: np.ndarray) -> np.ndarray:
        found = np.full((self.shape[0] * self.shape[1], *values.shape[1:]), np.nan)
        found[cells] = values
        return found.reshape(*self.shape, *values.shape[1:])

    def _mixings(self, survives: np.ndarray) -> dict[str, np.ndarray]:
        kappa = self.points.kappa[self.detailed]
        low = self.smallest(np.where(survives, kappa, np.inf))
        high = -self.smallest(np.where(survives, -kappa, np.inf))
        return {"kappa_low": low, "kappa_high": high}


def survey_header(spec: SurveySpec, command: str) -> MapHeader:
    """Everything of the map of a survey but its data and what is concluded from them."""
    described = spec.engine.likelihood.describe()
    attributes = provenance(
        "survey",
        CARRIER.to_table(),
        spec.observables,
        spec.canonical(),
        spec.hash,
        described,
        command=command,
        stored="float64",
    )
    names = MapCoordinate("pattern_name", "1", "name of the pattern", spec.patterns.names)
    charges = [
        MapCoordinate(name, "1", f"X charge, {name}", tuple(column.astype(float).tolist()))
        for name, column in zip(COLUMNS, spec.patterns.rows.T, strict=True)
    ]
    hidden = masked(spec.masses, spec.engine.summed).astype(float)
    mask = MapCoordinate("masked", "1", "1 in a gap of a limit curve", tuple(hidden.tolist()))
    numbers = tuple(float(number) for number in range(len(spec.patterns)))
    axes = (
        MapAxis(PATTERN, "1", "number of the pattern", numbers, (names, *charges)),
        MapAxis("m_X", "GeV", "mass of X", tuple(spec.masses.tolist()), (mask,)),
    )
    constraints = map_constraints(described, spec.engine.summed)
    stored = [MapObservable(name, *texts, ()) for name, texts in OBSERVABLES.items()]
    for choice in spec.choices:
        text = f"smallest of the largest ratios, {choice.name}, {choice.band} sigma of g-2"
        stored.append(MapObservable(choice.key, text, "1", ()))
    return MapHeader(
        axes,
        constraints,
        tuple(stored),
        "float64",
        spec.grid.block,
        attributes | {"kind": "survey"},
    )
