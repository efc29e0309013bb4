"""Tiles that an earlier run left: taken over where they are whole, named where they are not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from zscan.errors import CorruptFileError, DamagedTileWarning
from zscan.results.grid import Tile
from zscan.results.schema import checked_rows
from zscan.scans.executors import Sink
from zscan.scans.store import TileStore

_SHOWN = 20
_CHECKERS = 2  # one waits for the disk while the other one hashes


def take_over(tiles: Iterable[Tile], store: TileStore, sink: Sink) -> dict[int, str]:
    """Give stored tiles to the sink; what is wrong with those that do not match their digests."""

    def fault(tile: Tile) -> str | None:
        try:
            rows, digests = checked_rows(tile, store)
        except CorruptFileError:
            return "does not match its digests"
        sink.put(tile, rows, digests)
        return None

    tiles = list(tiles)
    pool = ThreadPoolExecutor(_CHECKERS, thread_name_prefix="zscan-check")
    try:
        found = zip(tiles, pool.map(fault, tiles), strict=True)
        return {tile.index: reason for tile, reason in found if reason is not None}
    finally:
        pool.shutdown(cancel_futures=True)


def warn_of_damage(store: TileStore, faults: Mapping[int, str], *, stacklevel: int) -> None:
    """Warn that damaged tiles are computed again; `stacklevel` as of `warnings.warn`, here."""
    warnings.warn(
        f"{store.folder}: damaged tiles are computed again: {listing(store, faults)}",
        DamagedTileWarning,
        stacklevel=stacklevel,
    )


def listing(store: TileStore, faults: Mapping[int, str]) -> str:
    """Tiles and what is wrong with each, on one line."""
    items = [f"{store.name(index)} ({faults[index]})" for index in sorted(faults)]
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
