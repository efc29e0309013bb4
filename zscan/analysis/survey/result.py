"""What a survey found: survivors, windows, best points, what excludes the others; its file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zscan.analysis.survey.tiles import OBSERVABLES, Rows, SurveySpec
from zscan.analysis.verdicts import Interval, intervals
from zscan.charges.patterns import COLUMNS, Patterns, patterns
from zscan.constants import E_CHARGE
from zscan.constraints import Own
from zscan.errors import ForeignFileError, UnknownNameError, nearest
from zscan.models import Model
from zscan.results.grid import Tile
from zscan.results.layout import MapCoordinate, MapHeader
from zscan.results.load import open_scan
from zscan.results.text import jsonable

DEFAULT = "2sigma/published"
"""The choice of a survey when none is named: published limits, two standard deviations of g-2."""


@dataclass(frozen=True)
class Point:
    """A point of a survey: mass [GeV], mixing kappa = eps e/g_X, coupling, Delta a_mu in standard
    deviations, joint chi2, the largest ratio of an observable to its limit, and the constraint that
    has it.
    """

    m_X: float
    kappa: float
    g_X: float
    sigma: float
    joint_chi2: float
    ratio: float
    constraint: str


@dataclass(frozen=True, eq=False)
class Survey:
    """What `zscan.survey` found.

    Of each pattern and mass, `values` holds arrays (pattern, m_X) by name, those of
    `tiles.OBSERVABLES` and for each of `choices` (such as "2sigma/published") the smallest
    over mixing and coupling of the largest ratio of an observable to its limit, known where it is
    not far above 1: the pattern survives there where it is at most 1. `delta_chi2` (constraint,
    pattern, m_X) is that of the point of the cell: of those that survive the one with the lowest
    joint chi2, else the one with the smallest ratio. `masked` are masses in gaps of limit curves,
    where surviving means little: they count only if they are asked for. `own` are constraints of a
    user, which a file does not hold. `print` shows the survivors, `to_table` gives JSON-able data.
    """

    attributes: Mapping[str, str]
    patterns: Patterns
    masses: np.ndarray
    masked: np.ndarray
    constraints: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    delta_chi2: np.ndarray
    own: Own = field(default_factory=dict)

    @classmethod
    def of_tiles(
        cls, header: MapHeader, spec: SurveySpec, tiles: Sequence[tuple[Tile, Rows]]
    ) -> Survey:
        """A survey from the rows of its tiles; NaN where they are missing."""
        shape = header.grid.shape
        values = {item.name: np.full(shape, np.nan) for item in header.observables}
        delta = np.full((len(header.constraints), *shape), np.nan)
        for tile, rows in tiles:
            for name, array in values.items():
                array[tile.slices] = rows[f"observable/{name}"][0]
            delta[(slice(None), *tile.slices)] = np.stack(rows["delta_chi2"])
        (mask,) = header.axes[1].coordinates
        names = tuple(item.name for item in header.constraints)
        masked = np.asarray(mask.values, float) > 0
        attributes = header.attributes
        own = spec.engine.likelihood.own
        return cls(attributes, spec.patterns, spec.masses, masked, names, values, delta, own)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """Names of the choices."""
        return tuple(name for name in self.values if name not in OBSERVABLES)

    def survives(self, choice: str = DEFAULT, *, in_masks: bool = False) -> np.ndarray:
        """(pattern, m_X): where a pattern survives; raises `UnknownNameError`."""
        if choice not in self.choices:
            raise UnknownNameError(f"no choice {choice!r}: {nearest(choice, self.choices)}")
        found: np.ndarray = self.values[choice] <= 1
        return found if in_masks else found & ~self.masked

    def survivors(self, choice: str = DEFAULT, *, in_masks: bool = False) -> tuple[str, ...]:
        """Names of the patterns that survive somewhere, those with the lowest joint chi2 first."""
        cells = self.survives(choice, in_masks=in_masks)
        joint = np.where(cells, self.values["joint_chi2"], np.inf).min(axis=1)
        (found,) = np.nonzero(cells.any(axis=1))
        return tuple(self.patterns.names[i] for i in found[np.argsort(joint[found], kind="stable")])

    def windows(
        self, name: str, choice: str = DEFAULT, *, in_masks: bool = False
    ) -> tuple[Interval, ...]:
        """Runs of masses [GeV] of the survey at which a pattern survives."""
        row = self.survives(choice, in_masks=in_masks)[self.patterns.index(name)]
        if not in_masks:
            row = row[~self.masked]
        masses = self.masses if in_masks else self.masses[~self.masked]
        return intervals(masses, row)

    def point(self, name: str, choice: str = DEFAULT, *, in_masks: bool = False) -> Point:
        """The best point of a survivor, the one nearest to its limits of any other pattern."""
        i = self.patterns.index(name)
        cells = self.survives(choice, in_masks=in_masks)[i] & (self.values["ratio"][i] <= 1)
        rank = self.values["joint_chi2"][i] if cells.any() else self.values["ratio"][i]
        usable = cells if cells.any() else np.isfinite(rank) & (in_masks | ~self.masked)
        if not usable.any():
            usable = np.isfinite(rank)
        if not usable.any():
            return self.cell(name, 0)
        return self.cell(name, int(np.where(usable, rank, np.inf).argmin()))

    def cell(self, name: str, mass: int) -> Point:
        """The point that is kept of a pattern at a mass, by its number."""
        i = self.patterns.index(name)
        table = {key: float(self.values[key][i, mass]) for key in OBSERVABLES}
        killer = table["killer"]
        return Point(
            m_X=float(self.masses[mass]),
            **{key: table[key] for key in ("kappa", "g_X", "sigma", "joint_chi2", "ratio")},
            constraint="" if math.isnan(killer) else self.constraints[int(killer)],
        )

    def killers(self, name: str) -> dict[str, float]:
        """Of the masses outside masks at which a pattern does not survive, the share at which each
        constraint exceeds its limit most at the nearest point.
        """
        i = self.patterns.index(name)
        dead = ~self.survives()[i] & ~self.masked & np.isfinite(self.values["killer"][i])
        numbers, counts = np.unique(self.values["killer"][i][dead].astype(int), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        total = max(int(counts.sum()), 1)
        return {self.constraints[numbers[k]]: float(counts[k]) / total for k in order}

    def model(self, name: str, kappa: float | None = None) -> Model:
        """A survivor as a model, with the mixing of its best point unless `kappa` is given; ready
        to scan, plot and fit.
        """
        i, point = self.patterns.index(name), self.point(name)
        kappa = point.kappa if kappa is None else kappa
        charges = self.patterns.charges(i)
        finite = sum(charges["L"]) + sum(charges["E"]) == 0
        return Model(
            name,
            Q=charges["Q"],
            U=charges["U"],
            D=charges["D"],
            L=charges["L"],
            E=charges["E"],
            N=charges["N"],
            eps_over_g=kappa / E_CHARGE.value,
            loop="leptons" if finite else "none",
            description=f"pattern of a survey, mixing eps e/g_X = {kappa:.6g} on top of loops",
        )

    def row(self, name: str) -> dict[str, Any]:
        """JSON-able summary of a pattern."""
        point, i = self.point(name), self.patterns.index(name)
        kappa = [self.values[key][i][self.survives()[i]] for key in ("kappa_low", "kappa_high")]
        alive = kappa[0].size > 0
        return {
            "pattern": name,
            **dict(zip(COLUMNS, self.patterns.rows[i].tolist(), strict=True)),
            "survives": alive,
            "windows": [list(window) for window in self.windows(name)],
            "kappa": [float(np.nanmin(kappa[0])), float(np.nanmax(kappa[1]))] if alive else None,
            "only_in_masks": not alive and bool(self.survives(in_masks=True)[i].any()),
            "point": jsonable(vars(point)),
            "killers": self.killers(name),
            "choices": [c for c in self.choices if self.survives(c)[i].any()],
        }

    def to_table(self) -> dict[str, Any]:
        """JSON-able table of all patterns, survivors first."""
        return {
            "selection": self.patterns.selection,
            "quarks": self.patterns.quarks,
            "observables": self.attributes["observables"],
            "patterns": len(self.patterns),
            "survivors": list(self.survivors()),
            "choices": {choice: len(self.survivors(choice)) for choice in self.choices},
            "rows": [self.row(name) for name in self.ranked()],
        }

    def ranked(self) -> tuple[str, ...]:
        """Names of all patterns: survivors, then the others by how near they come."""
        alive = self.survivors()
        others = [name for name in self.patterns.names if name not in set(alive)]
        ratio = {name: self.point(name).ratio for name in others}
        order = sorted(others, key=lambda name: ratio[name] if ratio[name] == ratio[name] else 1e99)
        return (*alive, *order)

    def __str__(self) -> str:
        from zscan.analysis.survey.tables import survivors_table

        return survivors_table(self)


def open_survey(path: str | Path) -> Survey:
    """Read the file of a survey; raises as `zscan.open_scan`, and `ForeignFileError` for a map of
    another kind.
    """
    with open_scan(path) as data:
        if data.attrs.get("kind") != "survey":
            raise ForeignFileError(f"{path}: a map, but not of a survey; zscan survey writes them")
        asked = json.loads(data.attrs["spec"])["survey"]
        found = patterns(asked["selection"], asked["quarks"])
        stored = np.stack([data[name].values for name in COLUMNS], axis=1)
        if not np.array_equal(stored, found.rows):
            raise ForeignFileError(f"{path}: its patterns are not those of its selection")
        prefix = "observable/"
        return Survey(
            attributes={key: str(value) for key, value in data.attrs.items()},
            patterns=found,
            masses=data["m_X"].values,
            masked=data["masked"].values > 0,
            constraints=tuple(map(str, data["constraint"].values)),
            values={
                str(name).removeprefix(prefix): data[name].values
                for name in data
                if str(name).startswith(prefix)
            },
            delta_chi2=data["delta_chi2"].values,
        )


def finished_header(found: Survey, header: MapHeader) -> MapHeader:
    """The header of the file of a survey, with what was concluded as coordinates of patterns."""
    rows = [found.row(name) for name in found.patterns.names]
    points = [row["point"] for row in rows]

    def numbers(name: str, text: str, units: str, values: Sequence[float | None]) -> MapCoordinate:
        kept = tuple(math.nan if value is None else float(value) for value in values)
        return MapCoordinate(name, units, text, kept)

    low, high = ([row["kappa"][i] if row["kappa"] else None for row in rows] for i in range(2))
    first = [row["windows"][0][0] if row["windows"] else None for row in rows]
    last = [row["windows"][-1][1] if row["windows"] else None for row in rows]
    killers = tuple("" if row["survives"] else row["point"]["constraint"] for row in rows)
    coordinates = (
        numbers(
            "survives", "1 if it survives outside masks", "1", [row["survives"] for row in rows]
        ),
        MapCoordinate("killed_by", "1", "constraint exceeded at the nearest point", killers),
        numbers("m_X_low", "smallest mass that survives", "GeV", first),
        numbers("m_X_high", "largest mass that survives", "GeV", last),
        numbers("kappa_min", "smallest mixing that survives", "1", low),
        numbers("kappa_max", "largest mixing that survives", "1", high),
        numbers("best_m_X", "mass of the best or nearest point", "GeV", [p["m_X"] for p in points]),
        numbers("best_kappa", "its mixing eps e/g_X", "1", [p["kappa"] for p in points]),
        numbers("best_g_X", "its coupling", "1", [p["g_X"] for p in points]),
        numbers("best_ratio", "its largest ratio to a limit", "1", [p["ratio"] for p in points]),
    )
    pattern, mass = header.axes
    pattern = replace(pattern, coordinates=(*pattern.coordinates, *coordinates))
    return replace(header, axes=(pattern, mass))
