"""Where in mass and mixing patterns of charges survive: a grid of the mixing, refined where it
matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zscan.analysis.survey.engine import Details, Engine, Entries
from zscan.charges.patterns import Patterns

# Grid of kappa for charges up to M, in units of M/10: steps of 0.5 up to 40, then logarithmic ones
# up to REACH, where X is a dark photon but for charges of 2 %; and around each mixing at which a
# fermion decouples.
REACH = 400.0
_STEP, _UNIFORM, _FAR = 0.5, 40.0, 12
_AROUND = np.geomspace(1e-3, 1.0, 16)
_ROUNDS, _PARTS = 3, 4  # refinements, and parts into which each cuts an interval
_NEAR = 3.0  # largest ratio of a minimum that is refined
_LOOKS = 6  # times that the nearest point of a pattern is looked for among lower bounds


def kappa_grid(patterns: Patterns, index: int, interval: tuple[float, float] | None) -> np.ndarray:
    """The mixings at which a pattern is looked at first, rising; within an interval if one is
    given, whose ends belong to it.
    """
    unit = patterns.largest(index) / 10
    zeros = np.array(patterns.zeros(index))
    far = np.geomspace(_UNIFORM, REACH, _FAR + 1)[1:]
    even = np.arange(-_UNIFORM, _UNIFORM + _STEP / 2, _STEP)
    around = np.concatenate([-_AROUND, [0.0], _AROUND])
    grid = np.concatenate(
        [unit * even, unit * far, -unit * far, np.add.outer(zeros, around).ravel()]
    )
    if interval is not None:
        low, high = interval
        grid = np.concatenate([[low, high], grid[(grid > low) & (grid < high)]])
    return _distinct(np.sort(grid), 1e-9 * unit)


def _distinct(values: np.ndarray, apart: float) -> np.ndarray:
    return values[np.concatenate([[True], np.diff(values) > apart])]


@dataclass
class Points:
    """All points of some patterns that were looked at, in the order (pattern, mass, mixing).

    `worst` and `killer` as `Screened`; `exact` where `worst` is no lower bound; `number` that of
    the point in `details`, -1 where no choice can allow it."""

    pattern: np.ndarray
    mass: np.ndarray
    kappa: np.ndarray
    worst: np.ndarray
    killer: np.ndarray
    target: np.ndarray
    exact: np.ndarray
    number: np.ndarray
    details: Details


class Search:
    """The search for some patterns, by their positions, on a grid of masses [GeV]."""

    def __init__(
        self,
        engine: Engine,
        patterns: Patterns,
        positions: Sequence[int],
        masses: np.ndarray,
        interval: tuple[float, float] | None,
    ) -> None:
        self.engine, self.masses = engine, masses
        self.rows = patterns.rows[list(positions)]
        grids = [kappa_grid(patterns, position, interval) for position in positions]
        sizes = [len(grid) for grid in grids]
        pattern = np.repeat(np.arange(len(positions)), np.multiply(sizes, len(masses)))
        mass = np.concatenate([np.repeat(np.arange(len(masses)), size) for size in sizes])
        kappa = np.concatenate([np.tile(grid, len(masses)) for grid in grids])
        self.points = self._evaluate(pattern, mass, kappa)

    def run(self) -> Points:
        """Refine around boundaries of what survives and around the smallest ratios."""
        for _ in range(_ROUNDS):
            self._refine()
        for _ in range(_LOOKS):
            if not self._look_at_nearest():
                break
        return self.points

    def entries(self, pattern: np.ndarray, mass: np.ndarray, kappa: np.ndarray) -> Entries:
        """Points of the search as the engine takes them."""
        return Entries(self.rows[pattern], self.masses[mass], kappa)

    def _evaluate(
        self, pattern: np.ndarray, mass: np.ndarray, kappa: np.ndarray, *, every: bool = False
    ) -> Points:
        """Points at everything that they need to be asked; with `every` all constraints of all."""
        entries = self.entries(pattern, mass, kappa)
        found, index, details = self.engine.screen(entries, every=every)
        worst, killer, target = found.worst.copy(), found.killer.copy(), found.target.copy()
        opened = self.engine.add_dear(entries.take(index), details)
        number = np.full(len(kappa), -1)
        self._note(index, details, worst, killer, target)
        kept = opened | every
        index, details = index[kept], details.take(kept)
        self.engine.add_minima(entries.take(index), details)
        self._note(index, details, worst, killer, target)
        exact = np.zeros(len(kappa), bool)
        exact[index] = True
        number[index] = np.arange(len(index))
        return Points(pattern, mass, kappa, worst, killer, target, exact, number, details)

    @staticmethod
    def _note(
        index: np.ndarray,
        details: Details,
        worst: np.ndarray,
        killer: np.ndarray,
        target: np.ndarray,
    ) -> None:
        """Put what details say of points into their summary."""
        largest = details.ratio.max(axis=1, initial=-np.inf)
        largest = np.where(np.isfinite(details.g_X), largest, np.inf)
        best = largest.argmin(axis=1)
        here = np.arange(len(index)), best
        worst[index], target[index] = largest[here], best
        killer[index] = details.ratio[here[0], :, best].argmax(axis=1)

    def _refine(self) -> None:
        """Cut intervals of the mixing at whose ends one point survives and the other does not, and
        those beside a minimum of the ratio that is not far above 1, or the smallest of a pattern.
        """
        p = self.points
        cell = p.pattern * len(self.masses) + p.mass
        same = cell[1:] == cell[:-1]  # interval i lies between the points i and i + 1
        survives = p.worst <= 1
        before = np.concatenate([[np.inf], np.where(same, p.worst[:-1], np.inf)])
        after = np.concatenate([np.where(same, p.worst[1:], np.inf), [np.inf]])
        lowest = np.full(len(self.rows), np.inf)
        np.minimum.at(lowest, p.pattern, p.worst)
        near = np.maximum(_NEAR, lowest[p.pattern])
        minimum = (p.worst <= before) & (p.worst <= after) & (p.worst <= near) & ~survives
        cut = same & ((survives[1:] != survives[:-1]) | minimum[1:] | minimum[:-1])
        (i,) = np.nonzero(cut)
        if not len(i):  # one mixing alone has nothing between
            return
        part = np.arange(1, _PARTS) / _PARTS
        kappa = p.kappa[i, None] + part * (p.kappa[i + 1] - p.kappa[i])[:, None]
        pattern, mass = (np.repeat(values[i], _PARTS - 1) for values in (p.pattern, p.mass))
        self._add(self._evaluate(pattern, mass, kappa.ravel()))

    def _look_at_nearest(self) -> bool:
        """Look at the point with the smallest ratio of each pattern whose ratio is a lower bound;
        whether there was one.
        """
        p = self.points
        order = np.lexsort((p.worst, p.pattern))
        _, first = np.unique(p.pattern[order], return_index=True)
        nearest = order[first]
        nearest = nearest[~p.exact[nearest] & np.isfinite(p.worst[nearest])]
        if not len(nearest):
            return False
        found = self._evaluate(p.pattern[nearest], p.mass[nearest], p.kappa[nearest], every=True)
        for name in ("worst", "killer", "target", "exact"):
            getattr(p, name)[nearest] = getattr(found, name)
        p.number[nearest] = found.number + len(p.details.g_X)
        p.details = _joined(p.details, found.details)
        return True

    def _add(self, new: Points) -> None:
        p = self.points
        new.number[new.number >= 0] += len(p.details.g_X)
        names = ("pattern", "mass", "kappa", "worst", "killer", "target", "exact", "number")
        columns = [np.concatenate([getattr(p, name), getattr(new, name)]) for name in names]
        order = np.lexsort((columns[2], columns[1], columns[0]))
        details = _joined(p.details, new.details)
        table = {name: column[order] for name, column in zip(names, columns, strict=True)}
        self.points = Points(**table, details=details)


def _joined(one: Details, other: Details) -> Details:
    return Details(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))
