"""Points where a constraint is valid but its number is not finite: how many, and where the first
one is; and constraints that have no effect at any point.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from zscan.errors import NotFiniteError
from zscan.results.grid import Tile
from zscan.results.layout import NOT_COMPUTED, NOT_FINITE, OUT_OF_RANGE, MapHeader
from zscan.results.schema import Rows


class FiniteCheck:
    """Counts the points of status "not finite" of tiles, by constraint, and notes which constraints
    apply and act anywhere; for several threads.

    With `strict` a tile that has any raises `NotFiniteError`."""

    def __init__(self, header: MapHeader, *, strict: bool = False) -> None:
        self.header, self.strict = header, strict
        self.counts: dict[str, int] = {}
        self.first: dict[str, tuple[int, ...]] = {}  # indices on the grid, first in C order
        self.between: dict[str, str] = {}  # the first one of points between those of the grid
        self.applies: set[str] = set()
        self.acts: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, tile: Tile, rows: Rows) -> None:
        """Look at a tile; raises `NotFiniteError`."""
        found = {}
        for constraint, status, delta_chi2 in zip(
            self.header.constraints, rows["status"], rows["delta_chi2"], strict=True
        ):
            self._note(constraint.name, status, delta_chi2)
            wrong = status == NOT_FINITE
            if wrong.any():
                inside = np.unravel_index(int(np.argmax(wrong)), tile.shape)
                place = tuple(
                    part.start + int(i) for part, i in zip(tile.slices, inside, strict=True)
                )
                found[constraint.name] = int(np.count_nonzero(wrong)), place
        if found and self.strict:
            listing = "; ".join(f"{name} at {self._point(at)}" for name, (_, at) in found.items())
            raise NotFiniteError(
                f"not finite although valid: {listing}; without --strict the map is made, with "
                "status 3 there"
            )
        with self._lock:
            for name, (count, place) in found.items():
                self.counts[name] = self.counts.get(name, 0) + count
                self.first[name] = min(self.first.get(name, place), place)

    def note_points(self, places: Sequence[np.ndarray], fields: Mapping[str, np.ndarray]) -> None:
        """The same for n points between those of the grid: `places` their values of each axis,
        status and delta chi2 (constraint, n). Raises `NotFiniteError`.
        """
        for number, constraint in enumerate(self.header.constraints):
            name, status = constraint.name, fields["status"][number]
            self._note(name, status, fields["delta_chi2"][number])
            wrong = np.flatnonzero(status == NOT_FINITE)
            if not wrong.size:
                continue
            point = self._words([values[wrong[0]].item() for values in places])
            if self.strict:
                raise NotFiniteError(
                    f"not finite although valid: {name} at {point}; without --strict the map is "
                    "made, with status 3 there"
                )
            self.counts[name] = self.counts.get(name, 0) + wrong.size
            self.between.setdefault(name, point)

    def _note(self, name: str, status: np.ndarray, delta_chi2: np.ndarray) -> None:
        if name not in self.acts and np.any((status != OUT_OF_RANGE) & (status != NOT_COMPUTED)):
            self.applies.add(name)
            if np.any(np.nan_to_num(delta_chi2, nan=1.0)):
                self.acts.add(name)

    def without_effect(self) -> str:
        """Constraints that have no effect at any point of the tiles, and why; empty if there are
        none.
        """
        names = [item.name for item in self.header.constraints]
        nowhere = [name for name in names if name not in self.applies]
        silent = [name for name in names if name in self.applies and name not in self.acts]
        parts = []
        if nowhere:
            parts.append(f"apply nowhere on the grid: {', '.join(nowhere)}")
        if silent:
            parts.append(f"give no signal anywhere on the grid: {', '.join(silent)}")
        return "; ".join(parts)

    def put(self, tile: Tile, rows: Rows, digests: object) -> None:
        """The same, for tiles that go into no map."""
        self(tile, rows)

    def __str__(self) -> str:
        """One line for all constraints in the order of the map; empty if all is finite."""
        return "; ".join(
            f"{item.name} is not finite on {self.counts[item.name]} points where it is valid, the "
            f"first at {self._first(item.name)}"
            for item in self.header.constraints
            if item.name in self.counts
        )

    def _first(self, name: str) -> str:
        return self._point(self.first[name]) if name in self.first else self.between[name]

    def _point(self, place: tuple[int, ...]) -> str:
        pairs = zip(self.header.axes, place, strict=True)
        return self._words([axis.values[index] for axis, index in pairs])

    def _words(self, values: Sequence[float]) -> str:
        words = []
        for axis, value in zip(self.header.axes, values, strict=True):
            unit = "" if axis.units == "1" else f" {axis.units}"
            words.append(f"{axis.name} = {value!r}{unit}")
        return ", ".join(words)
