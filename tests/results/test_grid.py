"""Tiles: an exact partition of the grid, in contiguous runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.results.grid import tile_grid

shapes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


@given(shape=shapes, tile_points=st.integers(1, 400))
def test_tiles_cover_every_point_once_in_order(shape: tuple[int, ...], tile_points: int) -> None:
    grid = tile_grid(shape, tile_points)
    flat = np.arange(grid.points).reshape(shape)
    pieces = [flat[tile.slices] for tile in grid]
    assert np.array_equal(np.concatenate([piece.ravel() for piece in pieces]), flat.ravel())
    assert [tile.index for tile in grid] == list(range(grid.count))
    assert all(piece.shape == tile.shape for piece, tile in zip(pieces, grid, strict=True))


@given(shape=shapes, tile_points=st.integers(1, 400))
def test_tiles_fit_the_one_compiled_block(shape: tuple[int, ...], tile_points: int) -> None:
    grid = tile_grid(shape, tile_points)
    assert math.prod(grid.block) <= tile_points
    assert all(
        extent <= block
        for tile in grid
        for extent, block in zip(tile.shape, grid.block, strict=True)
    )
    # At most one axis is cut into blocks: single points before it, whole axes after it.
    cut = [axis for axis, block in enumerate(grid.block) if block not in (1, shape[axis])]
    assert len(cut) <= 1
    assert all(grid.block[axis] == 1 for position in cut for axis in range(position))
    assert all(
        grid.block[axis] == shape[axis]
        for position in cut
        for axis in range(position + 1, len(shape))
    )


@given(shape=shapes, tile_points=st.integers(1, 400))
def test_padding_stays_below_one_row_per_tile(shape: tuple[int, ...], tile_points: int) -> None:
    grid = tile_grid(shape, tile_points)
    for extent, block, count in zip(grid.shape, grid.block, grid.counts, strict=True):
        assert count * block - extent < count


@pytest.mark.parametrize(
    ("shape", "tile_points", "block", "count"),
    [
        ((1000, 1000), 10**6, (1000, 1000), 1),
        ((1000, 1000), 10**6 - 1, (500, 1000), 2),
        ((4, 10, 3), 2, (1, 1, 2), 80),
        ((10**9, 10**9), 10**6, (1, 10**6), 10**12),
    ],
)
def test_block(
    shape: tuple[int, ...], tile_points: int, block: tuple[int, ...], count: int
) -> None:
    grid = tile_grid(shape, tile_points)
    assert (grid.block, grid.count) == (block, count)
    assert grid.tile(count - 1).slices[-1].stop == shape[-1]
    for index in (-1, count):
        with pytest.raises(IndexError):
            grid.tile(index)


@pytest.mark.parametrize(("shape", "tile_points"), [((), 1), ((3, 0), 1), ((3,), 0)])
def test_an_empty_grid_is_refused(shape: tuple[int, ...], tile_points: int) -> None:
    with pytest.raises(ValueError, match="at least one point"):
        tile_grid(shape, tile_points)
