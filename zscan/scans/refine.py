"""Refined scans: the points of a grid, and then points between them, round by round, until no
contour leaves the cells that were cut.

All points are computed in pieces of one shape, rows of one value of the first axis, so that what
depends on it alone is evaluated once a row. Some pieces at a time are stored like a tile, with a
number that follows those of the grid. Which points they hold follows from all before, so that a
scan that was killed takes over the first ones that are whole, and no others."""

from __future__ import annotations

import functools
import json
import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zscan.errors import DamagedTileWarning, ZscanError
from zscan.results.files import require_space
from zscan.results.grid import Tile
from zscan.results.layout import MapHeader
from zscan.results.refined import ATTRIBUTE, refined_tables
from zscan.results.schema import Digests, Rows, checked_rows, digests_of, map_writer
from zscan.scans.cells import Cells
from zscan.scans.contours import Contours
from zscan.scans.executors import Inline
from zscan.scans.finite import FiniteCheck
from zscan.scans.progress import Progress, progress_of
from zscan.scans.refinement import Refinement
from zscan.scans.spec import ScanSpec
from zscan.scans.store import TileStore
from zscan.scans.tiles import PointEvaluator

_ROW = 16  # points of a row of a piece
_PARTS = 8  # of the finest first axis: a piece has as many rows as one of them
_TOGETHER = 32  # pieces that are stored in one file

Fields = dict[str, np.ndarray]


class _Points:
    """Points that were computed: `places` (n, 2) on the finest axes, and the fields there, with the
    constraint axis first where there is one.
    """

    def __init__(self, places: np.ndarray, fields: Fields) -> None:
        self.places, self.fields = places, fields

    def add(self, places: np.ndarray, fields: Fields) -> None:
        """Add others."""
        self.places = np.concatenate([self.places, places])
        for name, values in self.fields.items():
            self.fields[name] = np.concatenate([values, fields[name]], axis=-1)

    def of(self, chosen: np.ndarray) -> tuple[np.ndarray, Fields]:
        """Some of them, in C order."""
        chosen = np.flatnonzero(chosen)
        chosen = chosen[np.lexsort(self.places[chosen].T[::-1])]
        return self.places[chosen], {name: v[..., chosen] for name, v in self.fields.items()}


def run_refined(
    spec: ScanSpec,
    refinement: Refinement,
    store: TileStore,
    check: FiniteCheck,
    *,
    replace_map: bool,
    progress: bool | None,
) -> None:
    """Compute a refined scan, of which the store may hold pieces, and write its map."""
    axes = refinement.axes(spec.axes)
    contours = Contours(store.header, refinement)
    cells = Cells(spec.grid.shape, refinement.levels, contours.count)
    if store.earlier:
        store.remove_from(store.grid.count)  # other versions may have chosen other points
    require_space(store.out, sum(field.bytes(spec.grid.points) for field in store.header.fields))
    with progress_of(spec.name, 0, shown=progress) as bar:
        pieces = _Pieces(spec, store, axes, bar)
        wanted = cells.grid()
        points = _Points(wanted, pieces.compute(wanted))
        first = 0
        while True:
            for places, sides in contours.sides(points.places, points.fields, first):
                cells.note(places, sides)
            if not len(wanted := cells.cut()):
                break
            first = len(points.places)
            points.add(wanted, pieces.compute(wanted))
    on_grid = (points.places % cells.step == 0).all(axis=1)
    places, fields = points.of(~on_grid)
    check.note_points([axis[i] for axis, i in zip(axes, places.T, strict=True)], fields)
    told = refinement.table() | {"points": len(places)}
    header = replace(
        store.header,
        tables=(*store.header.tables, *refined_tables(store.header, axes, places, fields)),
        attributes=dict(store.header.attributes) | {ATTRIBUTE: json.dumps(told)},
    )
    with map_writer(store.out, header, replace=replace_map, watch=check) as writer:
        _, fields = points.of(on_grid)
        for tile in store.grid:
            rows = {
                field.name: [
                    np.ascontiguousarray(row.reshape(store.grid.shape)[tile.slices])
                    for row in field.split(fields[field.name])
                ]
                for field in header.fields
            }
            writer.put(tile, rows, digests_of(rows))


def _flat(header: MapHeader, rows: Rows, inside: np.ndarray) -> Fields:
    """What of the rows of a tile is `inside`: arrays (constraint, points), or (points)."""
    found = {}
    for field in header.fields:
        values = np.stack([row[inside] for row in rows[field.name]])
        found[field.name] = values[0] if field.rows is None else values
    return found


class _Pieces:
    """Computes points in pieces of `shape`, rows and points of a row, some of which make a tile."""

    def __init__(
        self, spec: ScanSpec, store: TileStore, axes: Sequence[np.ndarray], bar: Progress
    ) -> None:
        self.spec, self.store, self.axes, self.bar = spec, store, axes, bar
        row = min(_ROW, spec.tile_points)
        rows = 2 ** round(math.log2(max(axes[0].size / _PARTS, 1)))
        self.shape = max(1, min(rows, spec.tile_points // row)), row
        self.count = 0  # of tiles so far
        self.stored = True  # whether all of them were there

    @functools.cached_property
    def evaluator(self) -> PointEvaluator:
        return PointEvaluator(self.spec, self.shape)

    def compute(self, places: np.ndarray) -> Fields:
        """The fields at points (n, 2) in C order."""
        x, y, filled = _rows_of(places, self.shape)
        tiles, each = [], self.shape[0] * _TOGETHER
        for start in range(0, len(x), each):
            rows = slice(start, min(start + each, len(x)))
            index = self.store.grid.count + self.count
            shape = rows.stop - start, self.shape[1]
            tiles.append(Tile(index, (rows, slice(0, shape[1])), shape))
            self.evaluator.points[index] = self.axes[0][x[rows]], self.axes[1][y[rows]]
            self.count += 1
        self.bar.total += filled.size
        found: dict[int, Rows] = {}
        for tile in tiles if self.stored else ():
            stored = self._read(tile)
            if stored is None:
                self.stored = False
                self.store.remove_from(tile.index)
                break
            found[tile.index] = stored
            self.bar.update(math.prod(tile.shape))
        todo = [tile for tile in tiles if tile.index not in found]
        Inline(self.spec, self.store, _Kept(found), self.bar, self.evaluator).run(todo)
        self.evaluator.points.clear()
        parts = [
            _flat(self.store.header, found[tile.index], filled[tile.slices[0]]) for tile in tiles
        ]
        return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}

    def _read(self, tile: Tile) -> Rows | None:
        """The rows of a piece that an earlier run stored whole."""
        path = self.store.path(tile)
        if not path.exists():
            return None
        try:
            return checked_rows(tile, self.store)[0]
        except (ZscanError, ValueError, KeyError, AttributeError, TypeError):
            text = f"{path}: damaged; it is computed again, and all after it"
            warnings.warn(text, DamagedTileWarning, stacklevel=6)
            return None


class _Kept:
    """A sink that keeps what it is given."""

    def __init__(self, found: dict[int, Rows]) -> None:
        self.found, self._lock = found, threading.Lock()

    def put(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """See `Sink`."""
        with self._lock:
            self.found[tile.index] = rows


def _rows_of(
    places: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 2) in C order as rows of whole pieces: the place of each row on the first axis
    (rows,), those of its points on the second one (rows, points of a row), and which of these are
    the points, in order; the others repeat points.
    """
    size, length = shape
    values, starts, counts = np.unique(places[:, 0], return_index=True, return_counts=True)
    parts = -(-counts // length)
    within = np.arange(len(places)) - np.repeat(starts, counts)
    row = np.repeat(np.cumsum(parts) - parts, counts) + within // length
    used = int(parts.sum())
    filled = np.zeros((-(-used // size) * size, length), bool)
    filled[row, within % length] = True
    y = np.zeros(filled.shape, np.int64)
    y[row, within % length] = places[:, 1]
    last = np.maximum.accumulate(np.where(filled, np.arange(length), 0), axis=1)
    y = np.take_along_axis(y, last, axis=1)
    y[used:] = y[used - 1]
    x = np.full(len(y), values[-1])
    x[:used] = np.repeat(values, parts)
    return x, y, filled
