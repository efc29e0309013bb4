"""For every pattern of charges the strongest bound on g_X against mass, and what sets it."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zscan.analysis.masses import survey_masses
from zscan.analysis.survey.engine import (
    NOTHING,
    Engine,
    Entries,
    asked_constraints,
    limit,
    names_of,
)
from zscan.charges.patterns import Patterns, patterns
from zscan.constraints import Asked, Observables, observable_set
from zscan.precision import in_float64
from zscan.results.text import jsonable

_COUPLINGS = np.geomspace(1e-8, 1.0, 81)
_SHOWN = 12
_COLUMNS = ("g_X", "constraint", "smallest", "first")
MASSES = (0.01, 0.2)


@dataclass(frozen=True, eq=False)
class CouplingBounds:
    """Bounds by pattern and m_X. `g_X` is the largest coupling that passes every constraint, NaN
    where 1 does, and `constraint` the number in `constraints` of the one that excludes what is
    above it, -1 without one. `smallest` is the smallest coupling that any excludes, such as the
    lower edge of a beam dump, and `first` the constraint that does; NaN and -1 as before.
    """

    patterns: Patterns
    masses: np.ndarray
    kappa: float
    observables: str
    constraints: tuple[str, ...]
    g_X: np.ndarray
    constraint: np.ndarray
    smallest: np.ndarray
    first: np.ndarray

    def to_table(self) -> dict[str, Any]:
        """JSON-able table."""
        rows = {}
        columns = (self.g_X, self.constraint, self.smallest, self.first)
        for name, bounds, setters, smallest, first in zip(
            self.patterns.names, *columns, strict=True
        ):
            rows[name] = {
                "g_X": jsonable(bounds),
                "constraint": [self.constraints[k] if k >= 0 else None for k in setters],
                "smallest": jsonable(smallest),
                "first": [self.constraints[k] if k >= 0 else None for k in first],
            }
        masses = self.masses.tolist()
        return {"m_X": masses, "kappa": self.kappa, "set": self.observables, "bounds": rows}

    def csv(self) -> str:
        """One line for each pattern and mass: pattern, m_X, g_X, constraint, smallest, first."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["pattern", "m_X", *_COLUMNS])
        for name, row in self.to_table()["bounds"].items():
            columns = (row[key] for key in _COLUMNS)
            for m_X, *values in zip(self.masses.tolist(), *columns, strict=True):
                texts = [f"{v:.6g}" if isinstance(v, float) else v for v in values]
                writer.writerow([name, f"{m_X:.6g}", *texts])
        return buffer.getvalue()

    def __str__(self) -> str:
        lines = [
            f"{len(self.patterns)} patterns ({self.patterns.selection}, {self.patterns.quarks} "
            f"quarks), set {self.observables!r}, mixing eps e/g_X = {self.kappa:g}: largest g_X "
            "that passes every constraint"
        ]
        for mass in np.unique(np.linspace(0, len(self.masses) - 1, 5).astype(int)):
            bounds, setters = self.g_X[:, mass], self.constraint[:, mass]
            counts = Counter(self.constraints[k] for k in setters if k >= 0).most_common(4)
            text = ", ".join(f"{name} {number}" for name, number in counts)
            known = bounds[np.isfinite(bounds)]
            if known.size:
                low, middle, high = np.quantile(known, (0, 0.5, 1))
                text = f"{low:.2g} to {high:.2g}, median {middle:.2g}; set by {text}"
            lines.append(f"  m_X = {self.masses[mass]:.3g} GeV: {text or 'no bound'}")
        largest = np.where(np.isfinite(self.g_X), self.g_X, np.inf)
        lines.append("largest over all masses:")
        for i in np.argsort(-largest.max(axis=1), kind="stable")[:_SHOWN]:
            mass = int(largest[i].argmax())
            setter = self.constraint[i, mass]
            name = self.constraints[setter] if setter >= 0 else "nothing"
            bound = f"{largest[i, mass]:.2g}" if setter >= 0 else "above 1"
            text = f"{bound} at {self.masses[mass]:.3g} GeV (above it {name})"
            lines.append(f"  {self.patterns.names[i]:24} {text}")
        return "\n".join(lines)


@in_float64
def coupling_bounds(
    selection: str,
    *,
    observables: Observables = "current",
    masses: Sequence[float] = MASSES,
    points: int = 21,
    kappa: float = 0.0,
    quarks: str = "universal",
    constraints: Asked | None = None,
) -> CouplingBounds:
    """The largest g_X that passes every constraint, and the smallest that any excludes, of every
    pattern at every mass, at a fixed mixing kappa = eps e/g_X (on top of the loop of leptons where
    that is finite).

    Arguments as for `zscan.survey`. Couplings are those of a logarithmic grid from 1e-8 to 1 (ten
    in a decade), interpolated: exact to 1 %. Between the two there may be allowed and excluded
    ones, where X is too short-lived for a beam dump or where signs cancel. Delta a_mu
    is an upper limit, two standard deviations above its value; a chi2 is compared with its minimum
    over the grid. Raises as `zscan.survey`."""
    observables = observable_set(observables)
    asked = asked_constraints(constraints)
    found = patterns(selection, quarks)
    m_X = survey_masses(masses, points, names_of(asked))
    engine = Engine(asked, observables, (), _COUPLINGS.tolist(), direct=True)
    g_X, smallest = np.full((2, len(found), len(m_X)), np.nan)
    setter, first = np.full((2, *g_X.shape), -1)
    for number, mass in enumerate(m_X):
        size = len(found)
        entries = Entries(found.rows, np.full(size, mass), np.full(size, float(kappa)))
        _, _, details = engine.screen(entries, every=True)
        engine.add_dear(entries, details)
        for name in engine.by_chi2:
            rule, delta = engine.rules[name], details.delta_chi2[:, engine.summed.index(name)]
            known = np.isfinite(delta).any(axis=1)
            lowest = np.where(known, np.min(delta, axis=1, initial=0.0, where=~np.isnan(delta)), 0)
            ratio = 1 + rule.excess(delta, delta, lowest[:, None]) / limit(rule)
            details.ratio[:, engine.names.index(name)] = np.nan_to_num(ratio, nan=NOTHING)
        smallest[:, number], first[:, number] = _lowest(_crossing(details.ratio))
        g_X[:, number], setter[:, number] = _lowest(
            _crossing(details.ratio, after=_last_passing(details.ratio))
        )
    return CouplingBounds(
        found, m_X, float(kappa), observables, engine.names, g_X, setter, smallest, first
    )


def _lowest(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest of edges (n, C), and its number; NaN and -1 where there is none."""
    lowest = np.nanmin(edges, axis=1, initial=np.inf)
    number = np.nan_to_num(edges, nan=np.inf).argmin(axis=1)
    known = np.isfinite(lowest)
    return np.where(known, lowest, np.nan), np.where(known, number, -1)


def _last_passing(ratio: np.ndarray) -> np.ndarray:
    """(n,): the last coupling at which no ratio (n, C, G) exceeds 1, -1 where there is none."""
    passing: np.ndarray = np.min(ratio <= 1, axis=1)
    last = ratio.shape[2] - 1 - passing[:, ::-1].argmax(axis=1)
    return np.where(passing.any(axis=1), last, -1)


def _crossing(ratio: np.ndarray, after: np.ndarray | None = None) -> np.ndarray:
    """(n, C): where ratios (n, C, G) first exceed 1 along the couplings, interpolated in logarithms
    where both neighbours are positive; NaN where they never do. With `after` (n,) only those
    directly after that coupling count, or at the first one for -1.
    """
    above = ratio > 1
    if after is not None:
        above = above & (np.arange(ratio.shape[2]) == (after + 1)[:, None])[:, None]
    first = above.argmax(axis=2)
    log_g = np.log(_COUPLINGS)
    before = np.maximum(first - 1, 0)
    high, low = (
        np.take_along_axis(ratio, index[..., None], axis=2)[..., 0] for index in (first, before)
    )
    safe = (low > 0) & (high > low)
    t = np.where(safe, np.log(np.where(safe, low, 1.0)), 0.0)
    share = -t / np.where(safe, np.log(np.where(safe, high, math.e)) - t, 1.0)
    edge = np.where(safe, log_g[before] + share * (log_g[first] - log_g[before]), log_g[first])
    return np.where(above.any(axis=2), np.exp(edge), np.nan)
