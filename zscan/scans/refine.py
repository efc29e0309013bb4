"""Refined scans: the points of a grid, and then points between them, round by round, until no
contour leaves the cells that were cut.

All points are computed in pieces of one shape, rows of one value of the first axis, so that what
depends on it alone is evaluated once a row. Pieces are stored like tiles, with numbers that follow
those of the grid. Which points they hold follows from all before, so that a scan that was killed
takes over the first ones that are whole, and no others."""

from __future__ import annotations

import functools
import json
import math
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from zscan.errors import DamagedTileWarning, ZscanError
from zscan.results.files import require_space
from zscan.results.grid import Tile
from zscan.results.layout import MapHeader
from zscan.results.refined import ATTRIBUTE, refined_tables
from zscan.results.rule import ExclusionRule, measurement
from zscan.results.schema import Digests, Rows, checked_rows, digests_of, map_writer
from zscan.scans.cells import Cells
from zscan.scans.executors import Inline
from zscan.scans.finite import FiniteCheck
from zscan.scans.progress import Progress, progress_of
from zscan.scans.refinement import Refinement
from zscan.scans.spec import ScanSpec
from zscan.scans.store import TileStore
from zscan.scans.tiles import PointEvaluator

_ROW = 16  # points of a row of a piece
_PARTS = 8  # of the finest first axis: a piece has as many rows as one of them
_MOST_ROWS = 4096
_SIGMAS = 2.0  # of a band

Fields = dict[str, np.ndarray]


class _Points:
    """Points that were computed: `places` (n, 2) on the finest axes, in C order, and the fields
    there, with the constraint axis first where there is one.
    """

    def __init__(self, places: np.ndarray, fields: Fields) -> None:
        self.places, self.fields = places, fields

    def add(self, places: np.ndarray, fields: Fields) -> None:
        """Add others."""
        self.places = np.concatenate([self.places, places])
        order = np.lexsort(self.places.T[::-1])
        self.places = self.places[order]
        self.fields = {
            name: np.concatenate([values, fields[name]], axis=-1)[..., order]
            for name, values in self.fields.items()
        }

    def of(self, chosen: np.ndarray) -> tuple[np.ndarray, Fields]:
        """Some of them."""
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
    cells = Cells(spec.grid.shape, refinement.levels)
    if store.earlier:
        store.remove_from(store.grid.count)  # other versions may have chosen other points
    require_space(store.out, sum(field.bytes(spec.grid.points) for field in store.header.fields))
    with progress_of(spec.name, 0, shown=progress) as bar:
        pieces = _Pieces(spec, store, axes, bar)
        grid = cells.grid()
        points = _Points(grid, pieces.compute(grid))
        while len(wanted := cells.cut(_sides(store.header, refinement, points))):
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


def _flat(header: MapHeader, rows: Rows) -> Fields:
    """Rows of a tile or piece as arrays (constraint, points), or (points) for observables."""
    found = {}
    for field in header.fields:
        values = np.stack([np.ravel(row) for row in rows[field.name]])
        found[field.name] = values[0] if field.rows is None else values
    return found


class _Pieces:
    """Computes points in pieces of `shape`, rows and points of a row, each stored as a tile."""

    def __init__(
        self, spec: ScanSpec, store: TileStore, axes: Sequence[np.ndarray], bar: Progress
    ) -> None:
        self.spec, self.store, self.axes, self.bar = spec, store, axes, bar
        row = min(_ROW, spec.tile_points)
        rows = 2 ** round(math.log2(max(axes[0].size / _PARTS, 1)))
        self.shape = max(1, min(rows, _MOST_ROWS, spec.tile_points // row)), row
        self.count = 0  # of pieces so far
        self.stored = True  # whether all of them were there

    @functools.cached_property
    def evaluator(self) -> PointEvaluator:
        return PointEvaluator(self.spec, self.shape)

    def tile(self, number: int) -> Tile:
        """What the store knows a piece as."""
        size = self.shape[0]
        rows = slice(number * size, (number + 1) * size)
        return Tile(self.store.grid.count + number, (rows, slice(0, self.shape[1])), self.shape)

    def compute(self, places: np.ndarray) -> Fields:
        """The fields at points (n, 2) in C order."""
        nodes, filled = _rows_of(places, self.shape)
        tiles = [self.tile(self.count + number) for number in range(len(nodes))]
        self.count += len(tiles)
        self.bar.total += len(tiles) * math.prod(self.shape)
        found: dict[int, Rows] = {}
        for tile in tiles if self.stored else ():
            rows = self._read(tile)
            if rows is None:
                self.stored = False
                self.store.remove_from(tile.index)
                break
            found[tile.index] = rows
            self.bar.update(math.prod(self.shape))
        for tile, (x, y) in zip(tiles, nodes, strict=True):
            self.evaluator.points[tile.index] = self.axes[0][x], self.axes[1][y]
        todo = [tile for tile in tiles if tile.index not in found]
        Inline(self.spec, self.store, _Kept(found), self.bar, self.evaluator).run(todo)
        self.evaluator.points.clear()
        parts = [
            {name: values[..., inside.ravel()] for name, values in flat.items()}
            for tile, inside in zip(tiles, filled, strict=True)
            for flat in [_flat(self.store.header, found[tile.index])]
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
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Points (n, 2) in C order as pieces: for each the place of every row on the first axis, and
    that of its points on the second; and which entries (pieces, rows, points) are points, in order.
    What is left over repeats points.
    """
    size, length = shape
    x, starts, counts = np.unique(places[:, 0], return_index=True, return_counts=True)
    parts = -(-counts // length)
    row = np.repeat(np.cumsum(parts) - parts, counts)
    within = np.arange(len(places)) - np.repeat(starts, counts)
    row, column = row + within // length, within % length
    total = int(parts.sum())
    pieces = -(-total // size)
    filled = np.zeros((pieces * size, length), bool)
    filled[row, column] = True
    nodes = np.zeros((pieces * size, length), np.int64)
    nodes[row, column] = places[:, 1]
    last = np.maximum.accumulate(np.where(filled, np.arange(length), 0), axis=1)
    nodes = np.take_along_axis(nodes, last, axis=1)
    rows = np.full(pieces * size, x[-1])
    rows[:total] = np.repeat(x, parts)
    nodes[total:] = nodes[total - 1]
    found = zip(rows.reshape(pieces, size), nodes.reshape(pieces, size, length), strict=True)
    return list(found), filled.reshape(pieces, size, length)


def _sides(
    header: MapHeader, refinement: Refinement, points: _Points
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each contour the points beyond it and those not; on both sides is where a minimum lies
    that the contour is measured from.
    """
    rows = points.places[:, 0]
    found = []
    for name in refinement.constraints:
        found += list(_of_constraint(header, name, rows, points.fields))
    if refinement.combined:
        found += list(_of_sum(header, refinement, points.fields))
    return found


def _of_constraint(
    header: MapHeader, name: str, rows: np.ndarray, fields: Mapping[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    (number,) = (n for n, item in enumerate(header.constraints) if item.name == name)
    item = header.constraints[number]
    rule = ExclusionRule(item.excluded_above, item.delta_chi2_excluded, item.cl)
    if not rule.excludes:
        measured = measurement(header.attributes, name)
        observable = fields[f"observable/{name}"].astype(float)
        for sigmas, error in (
            (-_SIGMAS, "error_minus"),
            (0.0, "error_plus"),
            (_SIGMAS, "error_plus"),
        ):
            edge = float(measured["value"]) + sigmas * float(measured[error])
            yield observable > edge, ~(observable > edge)
        return
    chi2 = fields["delta_chi2"][number].astype(float)
    lowest = np.full(int(rows.max()) + 1, np.inf)
    np.fmin.at(lowest, rows, chi2)
    observable = chi2 if rule.excluded_above is None else fields[f"observable/{name}"].astype(float)
    beyond = rule.excess(observable, chi2, lowest[rows]) > 0
    # Below zero coupling the minimum moves the contour
    least = (chi2 == lowest[rows]) & (chi2 < 0) & (rule.excluded_above is None)
    yield beyond | least, ~beyond | least


def _of_sum(
    header: MapHeader, refinement: Refinement, fields: Mapping[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    terms = [
        fields["delta_chi2"][number].astype(float)
        for number, item in enumerate(header.constraints)
        if item.name in refinement.combined
    ]
    total = sum((np.nan_to_num(term, nan=0.0) for term in terms), start=np.zeros(terms[0].shape))
    applies = np.any([np.isfinite(term) for term in terms], axis=0)
    total = np.where(applies, total, np.nan)
    if not applies.any():
        return
    lowest = np.nanmin(total)
    for level in refinement.combined_levels:
        beyond, least = total - lowest > level, total == lowest
        yield beyond | least, ~beyond | least
