"""Which tiles a run computes: all that are missing, or those of a shard."""

from __future__ import annotations

from collections.abc import Iterable

from zscan.errors import ParameterError
from zscan.results.grid import Tile

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


def of_shard(tiles: Iterable[Tile], shard: Shard | None) -> list[Tile]:
    """The tiles of a shard; None: all."""
    return [tile for tile in tiles if shard is None or tile.index % shard[1] == shard[0] - 1]
