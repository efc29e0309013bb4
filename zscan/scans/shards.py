"""Which tiles a run computes: all that are missing, or those of a shard."""

from __future__ import annotations

import math
from collections.abc import Iterable

from zscan.errors import ParameterError
from zscan.results.grid import Tile, TileGrid, tile_grid

Shard = tuple[int, int]
"""i and n, 1 <= i <= n: every n-th tile, from the i-th on."""


def check_continuation(shard: Shard | None, *, resume: bool, force: bool) -> None:
    """Raise `ParameterError` for a shard that does not exist and for ways of going on that exclude
    each other.
    """
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise ParameterError(
            f"shard {shard[0]}/{shard[1]} is not possible; allowed: i/n with 1 <= i <= n"
        )
    if shard is not None and force:
        raise ParameterError(
            "a shard cannot discard the tiles of the others: delete the tiles first, then run "
            "without --force"
        )
    if resume and force:
        raise ParameterError("--resume and --force exclude each other")


def check_count(count: int, grid: TileGrid) -> None:
    """Raise `ParameterError` for more shards than tiles: some of them would have nothing to do."""
    if count <= grid.count:
        return
    finer = finer_tiles(grid, count)
    hint = f"; output.tile_points = {finer} makes enough" if finer else ""
    tiles = "one tile" if grid.count == 1 else f"{grid.count} tiles"
    raise ParameterError(
        f"{count} shards are more than the scan has tiles ({grid.points} points in {tiles}); "
        f"allowed: at most {grid.count}{hint}"
    )


def finer_tiles(grid: TileGrid, shards: int) -> int | None:
    """Points of a tile with which each of `shards` gets about four tiles, or at least one; None for
    a grid that has fewer points than shards.

    >>> finer_tiles(tile_grid((400, 400), 10**6), 8), finer_tiles(tile_grid((2, 2), 9), 5)
    (4800, None)
    """
    for each in (4, 1):
        points = grid.points // (each * shards)
        if points and (found := tile_grid(grid.shape, points)).count >= shards:
            return math.prod(found.block)
    return None


def of_shard(tiles: Iterable[Tile], shard: Shard | None) -> list[Tile]:
    """The tiles of a shard; None: all."""
    return [tile for tile in tiles if shard is None or tile.index % shard[1] == shard[0] - 1]
