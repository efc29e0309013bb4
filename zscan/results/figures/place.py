"""Names inside a plot: each where its layer is seen, clear of bands, lines and other names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from zscan.results.figures import style
from zscan.results.figures.planes import Entry

_CELL = 2.0  # points: side of a cell of the raster
_GAP = 1.5  # points between a line and its name
_BAND_GAP = 3.5  # of a band, whose lines are thicker and must stay free
_MARGIN = 3.0  # points on either side of a name at a line
_GOOD = 0.97  # share of a name that must lie on its own shade
_BEND = 1.6  # points by which a line may leave the straight piece under its name
_FRAME, _BUSY, _LINE = 1000.0, 400.0, 30.0  # what it costs to lie outside, on a name, on a line


@dataclass(frozen=True)
class Place:
    """Where a name stands: its centre in points from the lower left corner of the axes, its angle
    in degrees, and what is wrong with it (0: nothing).
    """

    x: float
    y: float
    angle: float
    cost: float


class Canvas:
    """The axes of a panel in cells: what is taken by names and bands, where lines run, which layer
    is seen where.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        figure = axes.get_figure(root=True)
        assert isinstance(figure, Figure)
        self.scale = 72 / figure.dpi
        self.corner = axes.bbox.p0
        self.width = float(axes.bbox.width * self.scale)
        self.height = float(axes.bbox.height * self.scale)
        shape = math.ceil(self.height / _CELL), math.ceil(self.width / _CELL)
        self.busy = np.zeros(shape, bool)
        self.lines = np.zeros(shape)

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Data coordinates (n, 2) in points from the corner of the axes."""
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = self.axes.transData.transform(xy)
        return np.asarray((pixels - self.corner) * self.scale)

    def _cells(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column of points, and which lie inside."""
        with np.errstate(invalid="ignore"):
            columns, rows = np.floor(xy / _CELL).T
            inside = (rows >= 0) & (rows < self.busy.shape[0])
            inside &= (columns >= 0) & (columns < self.busy.shape[1])
        rows, columns = (
            np.where(inside, np.nan_to_num(values), 0).astype(int) for values in (rows, columns)
        )
        return rows, columns, inside

    def mark(self, raster: np.ndarray, xy: np.ndarray) -> None:
        """Mark the cells along a polyline given in points."""
        dense = [_dense(a, b) for a, b in pairwise(xy)]
        if dense:
            rows, columns, inside = self._cells(np.concatenate(dense))
            raster[rows[inside], columns[inside]] = 1

    def read(self, raster: np.ndarray, xy: np.ndarray, outside: float) -> np.ndarray:
        """Values of a raster at points; `outside` where they leave the axes."""
        rows, columns, inside = self._cells(xy)
        return np.where(inside, raster[rows, columns], outside)

    def sampled(self, region: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """A region, an array (y, x) on the grid of a map, in cells."""
        columns = self.points(np.column_stack([x, np.full(len(x), y[0])]))[:, 0]
        rows = self.points(np.column_stack([np.full(len(y), x[0]), y]))[:, 1]
        centres = [(np.arange(size) + 0.5) * _CELL for size in self.busy.shape]
        i = np.clip(np.searchsorted(rows, centres[0]), 0, len(rows) - 1)
        j = np.clip(np.searchsorted(columns, centres[1]), 0, len(columns) - 1)
        return np.asarray(region[np.ix_(i, j)])


def _dense(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    length = float(np.hypot(*(b - a)))
    if not math.isfinite(length):
        return np.empty((0, 2))
    count = min(int(length / (0.7 * _CELL)) + 2, 2000)
    return a + (b - a) * np.linspace(0, 1, count)[:, None]


def place_names(axes: Axes, entries: Sequence[Entry], x: np.ndarray, y: np.ndarray) -> list[Entry]:
    """Write the names of entries into the axes, whose limits and place in the figure are final;
    returns those for which there is no room.

    `x`, `y` are the grid of the regions of the entries, which are given from back to front."""
    canvas = Canvas(axes)
    for entry in entries:
        for line in entry.lines:
            raster = canvas.busy if entry.kept else canvas.lines
            canvas.mark(raster, canvas.points(line))
    seen = _seen(canvas, entries, x, y)
    # Those with the fewest places first
    size = {id(entry): seen[id(entry)].sum() if id(entry) in seen else 0 for entry in entries}
    shaded = sorted((e for e in entries if e.region is not None), key=lambda e: size[id(e)])
    lines = [entry for entry in entries if entry.region is None]
    lines.sort(key=lambda e: sum(len(line) for line in e.lines))
    first = [entry for entry in lines if entry.kept]
    left = []
    for entry in [*first, *shaded, *(entry for entry in lines if entry not in first)]:
        gap = _BAND_GAP if entry.kept else _GAP
        if not _write(canvas, entry, seen.get(id(entry)), gap):
            left.append(entry)
    return left


def _seen(
    canvas: Canvas, entries: Sequence[Entry], x: np.ndarray, y: np.ndarray
) -> dict[int, np.ndarray]:
    """Cells in which each shaded entry is what one sees."""
    seen: dict[int, np.ndarray] = {}
    for entry in entries:
        if entry.region is not None:
            own = canvas.sampled(entry.region, x, y)
            for other in seen.values():
                other &= ~own
            seen[id(entry)] = own
    return seen


def _write(canvas: Canvas, entry: Entry, seen: np.ndarray | None, gap: float = _GAP) -> bool:
    for size in (style.LABEL_SIZE, 7.0, style.SMALLEST):
        text = canvas.axes.text(
            0, 0, entry.text, fontsize=size, color=entry.colour, ha="center", va="center"
        )
        box = text.get_window_extent()
        w, h = box.width * canvas.scale, box.height * canvas.scale
        found: list[Place] = []
        if seen is not None:
            found += _on_shade(canvas, seen, w, h)
        if all(place.cost >= _BUSY for place in found):
            found += _at_lines(canvas, entry, w, h, gap)
        best = min(found, key=lambda place: place.cost, default=None)
        if best is not None and best.cost < _BUSY:
            _settle(canvas, text, best, w, h, on_shade=seen is not None and best.angle in (0, 90))
            return True
        text.remove()
    return False


def _settle(
    canvas: Canvas, text: Text, place: Place, w: float, h: float, *, on_shade: bool
) -> None:
    text.set_transform(canvas.axes.transAxes)
    text.set_position((place.x / canvas.width, place.y / canvas.height))
    text.set(rotation=place.angle, rotation_mode="anchor", zorder=5, gid="name", clip_on=False)
    if not on_shade:
        paper: dict[str, Any] = {"boxstyle": "square,pad=0.05", "ec": "none", "alpha": 0.65}
        paper["fc"] = canvas.axes.get_facecolor()
        text.set_bbox(paper)
    corners = _box(place, w + 2, h + 1)
    rows, columns, inside = canvas._cells(corners)
    canvas.busy[rows[inside], columns[inside]] = True


def _box(place: Place, w: float, h: float) -> np.ndarray:
    """Points that fill the box of a name, (n, 2)."""
    across = np.linspace(-0.5, 0.5, max(int(w / _CELL * 1.5), 4)) * w
    up = np.linspace(-0.5, 0.5, max(int(h / _CELL * 1.5), 4)) * h
    a, b = np.meshgrid(across, up)
    angle = math.radians(place.angle)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.column_stack(
        [(place.x + a * cos - b * sin).ravel(), (place.y + a * sin + b * cos).ravel()]
    )


def _on_shade(canvas: Canvas, seen: np.ndarray, w: float, h: float) -> list[Place]:
    """The best places on the visible part of a shade, level and upright; near its lower edge rather
    than far above it, where it bites.
    """
    edge = np.where(seen.any(0), seen.argmax(0), seen.shape[0])
    found = []
    for angle, (a, b) in ((0.0, (w, h)), (90.0, (h, w))):
        rows, columns = (max(math.ceil(size / _CELL), 1) for size in (b, a))
        if rows + 2 > seen.shape[0] or columns + 2 > seen.shape[1]:
            continue
        own = _means(seen, rows, columns)
        cost = 100 * (1 - own) + 8.0 * (angle != 0)
        cost += _BUSY * (_means(canvas.busy, rows, columns) > 0)
        cost += _LINE * _means(canvas.lines, rows, columns)
        r, c = np.indices(own.shape)
        cost += 6 * (r + rows / 2 - edge[c + columns // 2]) * _CELL / canvas.height
        cost[own < _GOOD] = np.inf
        cost[[0, -1]] = cost[:, [0, -1]] = np.inf  # off the frame
        row, column = np.unravel_index(cost.argmin(), cost.shape)
        best = float(cost[row, column])
        x, y = float(column + columns / 2) * _CELL, float(row + rows / 2) * _CELL
        if math.isfinite(best):
            found.append(Place(x, y, angle, best))
    return found


def _means(raster: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Mean over each box of so many cells, by the lower left corner of the box."""
    sums = np.pad(raster.astype(float), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    total = sums[rows:, columns:] - sums[:-rows, columns:]
    total += sums[:-rows, :-columns] - sums[rows:, :-columns]
    return np.asarray(np.round(total) / (rows * columns))


def _at_lines(canvas: Canvas, entry: Entry, w: float, h: float, gap: float) -> list[Place]:
    """Places along the lines of an entry, on either side, in their direction."""
    found = []
    for line in entry.lines:
        xy = canvas.points(line)
        inside = np.isfinite(xy).all(1)
        inside &= (xy > -1).all(1) & (xy[:, 0] < canvas.width + 1) & (xy[:, 1] < canvas.height + 1)
        for piece in _runs(xy, inside):
            found += _along(canvas, piece, w, h, gap)
    return found


def _runs(xy: np.ndarray, inside: np.ndarray) -> Iterator[np.ndarray]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > 1:
            yield xy[start:stop]


def _along(canvas: Canvas, xy: np.ndarray, w: float, h: float, gap: float) -> list[Place]:
    path = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    if path[-1] < 0.6 * w:
        return []
    found = []
    for middle in np.arange(min(w / 2, path[-1] / 2), path[-1] - min(w / 2, path[-1] / 2) + 1, 5):
        at = np.clip(np.linspace(middle - w / 2, middle + w / 2, 25), 0, path[-1])
        curve = np.column_stack([np.interp(at, path, xy[:, i]) for i in (0, 1)])
        chord = curve[-1] - curve[0]
        length = float(np.hypot(*chord))
        if length < 0.5 * w:
            continue
        angle = math.degrees(math.atan2(chord[1], chord[0]))
        angle = (angle + 90) % 180 - 90
        direction = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
        normal = np.array([-direction[1], direction[0]])
        offsets = (curve - curve.mean(0)) @ normal
        bend = float(np.ptp(offsets))
        for side in (1, -1):
            clear = (offsets.max() if side > 0 else -offsets.min()) + h / 2 + gap
            centre = curve.mean(0) + side * clear * normal
            place = Place(float(centre[0]), float(centre[1]), angle, 0.0)
            box = _box(place, w + 2 * _MARGIN, h)
            cost = _FRAME * float(canvas.read(canvas.busy, box, 2).max() > 1)
            cost += _BUSY * float(canvas.read(canvas.busy, box, 1).any())
            cost += 4 * _LINE * float(canvas.read(canvas.lines, box, 1).mean())
            cost += 1.5 * max(bend - _BEND, 0) + 0.12 * abs(angle)
            found.append(Place(place.x, place.y, angle, cost))
    return found
