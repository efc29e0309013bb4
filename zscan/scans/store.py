"""Tiles on disk: each one an HDF5 file that appears whole or not at all, so that a killed scan
continues.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zscan.errors import (
    CorruptFileError,
    ForeignFileError,
    ResultExistsError,
    ResumeMismatchError,
    StorageError,
)
from zscan.results.check import MAP
from zscan.results.files import is_temporary, remove_stale, storage, write_file
from zscan.results.grid import Tile
from zscan.results.hdf5 import MemoryFile, create_hdf5, create_plain, open_hdf5
from zscan.results.layout import SCHEMA_VERSION, Field, MapHeader
from zscan.results.outputs import Kind, Output, target_of
from zscan.results.schema import Digests, Rows

_SCHEMA = "zscan-tile"
_SPEC_FILE = "spec.json"
_TILE_FILE = re.compile(r"tile-(\d{6,})\.h5")
_SHOWN_DIFFERENCES = 20
TILE_OVERHEAD = 65536  # bytes of a tile file beside its values, generously


def tile_folder(out: Path) -> Path:
    """Folder of the tiles of the map `out`."""
    return out.with_name(f"{out.name}.tiles")


def check_folder(folder: Path) -> None:
    """Raise `ForeignFileError` unless a folder is one of tiles, or holds nothing yet."""

    def is_ours() -> bool:
        try:
            table = json.loads((folder / _SPEC_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(table, dict) and table.get("schema") == _SCHEMA

    # Another shard may make spec.json, which comes before any tile, between the first two looks.
    if not (is_ours() or all(is_temporary(path) for path in folder.iterdir()) or is_ours()):
        raise ForeignFileError(f"{folder}: there is no {_SPEC_FILE} of a scan in it")


TILES = Kind("tile folder", check_folder, folder=True)


def map_outputs(out: Path, *, may_exist: bool = False) -> tuple[Output, Output]:
    """The outputs of a scan for `guard`: the map, which `may_exist`, and the folder of its tiles,
    beside the file itself where `out` is a link to it. `TileStore.prepare` decides on tiles.
    """
    return Output(out, MAP, may_exist), Output(tile_folder(target_of(out)), TILES, may_exist=True)


def differing_keys(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Dotted keys in which two canonical specs differ, with both values.

    >>> differing_keys({"axis": {"m_X": {"num": 3}}}, {"axis": {"m_X": {"num": 4}}})
    ['axis.m_X.num: 3 on disk, 4 asked for']
    """
    old, new = _flat("", stored), _flat("", asked)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [
        f"{key}: {_shown(old.get(key))} on disk, {_shown(new.get(key))} asked for"
        for key in sorted(keys)
    ]


def require_same_spec(path: Path, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise `ResumeMismatchError` with the differing keys unless two canonical specs agree."""
    differences = differing_keys(stored, asked)
    if differences:
        listing = "\n".join(f"  {line}" for line in differences[:_SHOWN_DIFFERENCES])
        more = len(differences) - _SHOWN_DIFFERENCES
        listing += f"\n  and {more} more" if more > 0 else ""
        raise ResumeMismatchError(
            f"{path} belongs to another scan (--force discards it, -o names another file); "
            f"it differs in\n{listing}"
        )


class TileStore:
    """The tiles of one scan in OUT.h5.tiles/, beside spec.json, which holds the spec and all a map
    needs but its data.

    `hash` is the spec hash: a tile is done when its file exists and carries this hash.
    """

    def __init__(
        self, out: Path, spec_hash: str, canonical: Mapping[str, Any], header: MapHeader
    ) -> None:
        self.folder = tile_folder(out)
        self.hash, self.canonical, self.header = spec_hash, canonical, header
        self.grid = header.grid

    @classmethod
    def load(cls, out: Path) -> TileStore:
        """The store beside `out`; raises `StorageError` when there is none, `CorruptFileError` for
        a damaged one.
        """
        path = tile_folder(out) / _SPEC_FILE
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                out, table["spec_hash"], table["spec"], MapHeader.from_table(table["header"])
            )
        except OSError as error:
            raise StorageError(
                f"{path.parent}: no tiles of a scan here ({path.name}: {error.strerror})"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(
                f"{path}: damaged ({error}); delete {path.parent} and run the scan again"
            ) from error

    def prepare(self, *, resume: bool, force: bool) -> None:
        """Make the folder ready: empty with `force`; with `resume` whatever an earlier run of this
        spec left.

        Raises `ResultExistsError` for left-over tiles with neither, `ResumeMismatchError` for tiles
        of another spec."""
        path = self.folder / _SPEC_FILE
        if force:
            self.remove()
        with storage(self.folder, 0):
            self.folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if not resume:
                raise ResultExistsError(
                    f"{self.folder} holds {len(self._names())} of {self.grid.count} tiles of an "
                    "unfinished scan; continue it with --resume, or discard it with --force"
                )
            self._require_same_spec()
            remove_stale(self.folder, "")
            return
        table = {
            "schema": _SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "spec_hash": self.hash,
            "spec": self.canonical,
            "header": self.header.to_table(),
        }
        write_file(path, [json.dumps(table, sort_keys=True).encode()])
        # Another process may have started another scan here at the same moment: the last writer
        # decides.
        self._require_same_spec()

    def _require_same_spec(self) -> None:
        stored = TileStore.load(self.folder.with_name(self.folder.name.removesuffix(".tiles")))
        require_same_spec(self.folder, stored.canonical, self.canonical)

    def path(self, tile: Tile) -> Path:
        """File of a tile."""
        return self.folder / f"tile-{tile.index:06d}.h5"

    def done(self) -> frozenset[int]:
        """Numbers of the tiles that are done; raises `CorruptFileError` for one that cannot be
        read.
        """
        return frozenset(index for index in self._names() if self._is_done(self.grid.tile(index)))

    def _is_done(self, tile: Tile) -> bool:
        with open_hdf5(self.path(tile)) as file:
            return self._digests(file, tile) is not None

    def _names(self) -> list[int]:
        matches = (_TILE_FILE.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(
            index for match in matches if match and (index := int(match[1])) < self.grid.count
        )

    def write(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Write one tile with the `row_digests` of its rows. Raises `StorageError`.

        Equal values give equal bytes, and work done twice is harmless. The digests stand for the
        checksums of HDF5, which would need two more copies of the values and are weaker."""
        image = MemoryFile(
            sum(field.bytes(math.prod(tile.shape)) for field in self.header.fields) + TILE_OVERHEAD
        )
        with create_hdf5(image) as file:
            attributes = {
                "schema": _SCHEMA,
                "spec_hash": self.hash,
                "digests": json.dumps(digests, sort_keys=True),
            }
            for name, text in attributes.items():
                # Text of fixed length lies under the checksum of the metadata.
                file.attrs[name] = np.bytes_(text.encode())
            file.attrs["index"] = tile.index
            starts: dict[int, np.ndarray] = {}
            for number, field in enumerate(self.header.fields):
                dataset = create_plain(
                    file, str(number), (len(rows[field.name]), *tile.shape), field.dtype
                )
                for index, row in enumerate(rows[field.name]):
                    starts[dataset.id.get_offset() + index * row.nbytes] = row
        write_file(self.path(tile), _spliced(image.data, starts))

    def read(self, tile: Tile) -> tuple[Rows, Digests]:
        """Rows of every field as stored, and the digests that they should have. Raises
        `CorruptFileError`.
        """
        path = self.path(tile)
        with open_hdf5(path) as file:
            digests = self._digests(file, tile)
            if digests is None:
                raise CorruptFileError(
                    f"{path}: not a tile of this scan; delete it and run with --resume"
                )
            fields = enumerate(self.header.fields)
            return {
                field.name: _read_rows(file[str(number)], field, tile) for number, field in fields
            }, digests

    def remove(self) -> None:
        """Delete the tiles and the folder, which stays if anything else lies in it; not through a
        link.
        """
        if self.folder.is_symlink() or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if _TILE_FILE.fullmatch(path.name):
                path.unlink(missing_ok=True)
        remove_stale(self.folder, "")
        (self.folder / _SPEC_FILE).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _digests(self, file: h5py.File, tile: Tile) -> Digests | None:
        """Digests in the header of a tile; None when its spec hash or its number is another one."""
        schema, spec_hash, digests = (
            file.attrs[name].decode() for name in ("schema", "spec_hash", "digests")
        )
        if schema != _SCHEMA or spec_hash != self.hash or file.attrs["index"] != tile.index:
            return None
        return {name: tuple(rows) for name, rows in json.loads(digests).items()}


def _spliced(frame: memoryview, rows: Mapping[int, np.ndarray]) -> Iterator[memoryview]:
    """The bytes of a file in order: `frame` with `rows` at their offsets, copying neither."""
    position = 0
    for start, row in sorted(rows.items()):
        yield frame[position:start]
        yield row.data.cast("B")
        position = start + row.nbytes
    yield frame[position:]


def _read_rows(dataset: h5py.Dataset, field: Field, tile: Tile) -> list[np.ndarray]:
    shape = (field.rows or 1, *tile.shape)
    if (
        dataset.is_virtual
        or dataset.external
        or dataset.dtype != field.dtype
        or dataset.shape != shape
    ):
        raise ValueError(f"{field.name} has type {dataset.dtype} and shape {dataset.shape}")
    return [dataset[row] for row in range(shape[0])]


def _flat(prefix: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        return {prefix: table}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(f"{prefix}.{key}" if prefix else key, value)
    return flat


def _shown(value: Any) -> str:
    """A value of a canonical spec, with hexadecimal floats made readable."""
    try:
        number = float.fromhex(value) if isinstance(value, str) and "0x" in value else None
    except ValueError:
        number = None
    text = repr(value) if number is None else repr(number)
    return "nothing" if value is None else text if len(text) <= 80 else f"{text[:77]}..."
