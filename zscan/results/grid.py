"""A grid cut into tiles of one shape: index arithmetic only.

A tile takes one index of every leading axis, a block of one axis and the whole of all trailing
axes, so that it is a contiguous run of the row-major grid: it is written to a map in one piece, and
what depends on leading axes alone is evaluated once per tile."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """Tile number `index` covers grid[slices]; `shape` is its true extent, at most the block of its
    `TileGrid`.
    """

    index: int
    slices: tuple[slice, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class TileGrid:
    """A grid of `shape` cut into `count` tiles of at most `block`, numbered in row-major order."""

    shape: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each axis."""
        return tuple(
            -(-extent // block) for extent, block in zip(self.shape, self.block, strict=True)
        )

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.prod(self.counts)

    @property
    def points(self) -> int:
        """Number of grid points."""
        return math.prod(self.shape)

    def tile(self, index: int) -> Tile:
        """Tile number `index`, 0 <= index < count; raises `IndexError` otherwise."""
        if not 0 <= index < self.count:
            raise IndexError(f"tile {index} of {self.count}")
        slices, rest = [], index
        for extent, block, count in zip(
            self.shape[::-1], self.block[::-1], self.counts[::-1], strict=True
        ):
            rest, position = divmod(rest, count)
            slices.append(slice(position * block, min((position + 1) * block, extent)))
        slices.reverse()
        return Tile(index, tuple(slices), tuple(part.stop - part.start for part in slices))

    def __iter__(self) -> Iterator[Tile]:
        return (self.tile(index) for index in range(self.count))


def tile_grid(shape: Sequence[int], tile_points: int) -> TileGrid:
    """Cut a grid of `shape` into tiles of at most `tile_points` points.

    The first axis whose trailing axes fit into one tile is cut into blocks, equal but for the last
    one; the axes before it are cut into single points, those after it are kept whole. Raises
    `ValueError` for an empty grid.

    >>> tile_grid((3, 1000, 400), 100_000).block
    (1, 250, 400)
    """
    if not shape or min(shape) < 1 or tile_points < 1:
        raise ValueError(
            f"a grid needs axes of at least one point and tiles of at least one point, not {shape}"
        )
    cut, inner = 0, math.prod(shape[1:])
    while inner > tile_points:
        cut += 1
        inner //= shape[cut]
    # Equal blocks: a short last block would waste most of its padded evaluation.
    parts = -(-shape[cut] // (tile_points // inner))
    return TileGrid(tuple(shape), (1,) * cut + (-(-shape[cut] // parts),) + tuple(shape[cut + 1 :]))
