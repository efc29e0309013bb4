"""The folder of tiles beside a map: what it is called, what lies in it, its removal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from zscan.errors import ForeignFileError, ZscanError
from zscan.results.check import MAP
from zscan.results.files import access, is_temporary, remove_stale
from zscan.results.hdf5 import open_hdf5
from zscan.results.outputs import Kind, Output, target_of
from zscan.scans.journal import JOURNAL, MAP_PART

TILE_SCHEMA = "zscan-tile"
SPEC_FILE = "spec.json"
TILE_FILE = re.compile(r"tile-(\d{6,})\.h5")


def tile_folder(out: Path) -> Path:
    """Folder of the tiles of the map `out`."""
    return out.with_name(f"{out.name}.tiles")


def check_folder(folder: Path) -> None:
    """Raise `ForeignFileError` unless a folder is one of tiles, or holds nothing else yet."""

    def is_ours() -> bool:
        try:
            table = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(table, dict) and table.get("schema") == TILE_SCHEMA

    def holds_tiles_only() -> bool:
        return all(is_temporary(path) or _is_tile(path) for path in folder.iterdir())

    # Another shard may make spec.json, which comes before any tile, between the first two looks.
    if not (is_ours() or holds_tiles_only() or is_ours()):
        raise ForeignFileError(f"{folder}: there is no {SPEC_FILE} of a scan in it")


def _is_tile(path: Path) -> bool:
    """Whether a file is a tile of some scan, or was one that is empty now."""
    if not TILE_FILE.fullmatch(path.name):
        return False
    try:
        if path.stat().st_size == 0:
            return True
        with open_hdf5(path) as file:
            return bool(file.attrs["schema"] == np.bytes_(TILE_SCHEMA))
    except (OSError, ZscanError):
        return False


TILES = Kind("tile folder", check_folder, folder=True)


def map_outputs(out: Path, *, may_exist: bool = False) -> tuple[Output, Output]:
    """The outputs of a scan for `guard`: the map, which `may_exist`, and the folder of its tiles,
    beside the file itself where `out` is a link to it. `TileStore.prepare` decides on tiles.
    """
    return Output(out, MAP, may_exist), Output(tile_folder(target_of(out)), TILES, may_exist=True)


def remove_tiles(folder: Path) -> None:
    """Delete the tiles in a folder, last spec.json, and the folder unless anything else lies in it;
    not through a link.

    In this order every state in between is one that a later run or merge can go on from. Raises
    `StorageError`."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with access(folder, "removed"):
        for path in folder.iterdir():
            if TILE_FILE.fullmatch(path.name):
                path.unlink(missing_ok=True)
        remove_stale(folder, "")
        for name in (JOURNAL, MAP_PART):
            (folder / name).unlink(missing_ok=True)
        (folder / SPEC_FILE).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
