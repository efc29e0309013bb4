"""The map: one HDF5 file per scan (schema "zscan-map", version 1), written from checked tiles; its
verification.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zscan.errors import CorruptFileError, IncompleteMapError
from zscan.results.check import json_attribute, open_checked, require_seal
from zscan.results.files import new_file, storage
from zscan.results.frame import finish_frame, make_frame, small_digests
from zscan.results.grid import Tile
from zscan.results.layout import (
    SCHEMA,
    SCHEMA_VERSION,
    Field,
    MapHeader,
    empty_rows,
    field_digest,
    row_digests,
    value_digest,
)
from zscan.results.refined import refinement
from zscan.results.seal import outside, seal

_RESERVE = 1 << 20  # bytes, for the digests and the seal
_COPIERS = 2  # one copier waits for the disk while the other one hashes

Rows = Mapping[str, Sequence[np.ndarray]]
Digests = Mapping[str, tuple[str, ...]]
Watch = Callable[[Tile, Rows], None]


class TileSource(Protocol):
    """Where the tiles of a map are read from."""

    def read(self, tile: Tile) -> tuple[Rows, Digests]:
        """The rows of every field on the tile by its name, and the `row_digests` that they should
        have.
        """


class MapWriter:
    """Fills the fields of a map tile by tile, from several threads if need be; made by
    `map_writer`.
    """

    def __init__(
        self,
        path: Path,
        header: MapHeader,
        offsets: Mapping[str, int],
        descriptor: int,
        watch: Watch | None = None,
    ) -> None:
        self.path, self.header, self.grid = path, header, header.grid
        self.offsets, self.descriptor, self.watch = offsets, descriptor, watch
        self.digests: dict[int, Digests] = {}
        self.missing: list[int] = []

    def put(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Write a tile; `digests` are the `row_digests` of `rows`. Each row is one contiguous piece
        of the map.
        """
        if self.watch is not None:
            self.watch(tile, rows)
        with storage(self.path, _size(self.header)):
            for field, index, offset in places(self.header, self.offsets, tile):
                row = np.ascontiguousarray(rows[field.name][index])
                _write_at(self.descriptor, row.data.cast("B"), offset)
        self.digests[tile.index] = digests

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        with storage(self.path, _size(self.header)):
            os.fsync(self.descriptor)

    def copy(self, tile: Tile, source: TileSource) -> None:
        """Write a tile that was stored before; raises `CorruptFileError` unless it has the digests
        it should have.
        """
        self.put(tile, *checked_rows(tile, source))

    def leave_out(self, tile: Tile) -> None:
        """Fill a tile that was not computed with NaN and status 0."""
        rows = {field.name: empty_rows(field, tile.shape) for field in self.header.fields}
        self.put(tile, rows, digests_of(rows))
        self.missing.append(tile.index)


def places(
    header: MapHeader, offsets: Mapping[str, int], tile: Tile
) -> Iterator[tuple[Field, int, int]]:
    """Where the rows of a tile lie in a map whose fields begin at `offsets`: field, number of the
    row, offset in bytes.
    """
    grid = header.grid
    start = int(np.ravel_multi_index([part.start for part in tile.slices], grid.shape))
    for field in header.fields:
        for index in range(field.rows or 1):
            offset = (index * grid.points + start) * field.dtype.itemsize
            yield field, index, offsets[field.name] + offset


def digests_of(rows: Rows) -> Digests:
    """The `row_digests` of every field."""
    return {name: row_digests(values) for name, values in rows.items()}


def checked_rows(tile: Tile, source: TileSource) -> tuple[Rows, Digests]:
    """Rows of a stored tile and their digests; raises `CorruptFileError` unless these are the ones
    it should have.
    """
    rows, promised = source.read(tile)
    found = digests_of(rows)
    wrong = sorted(name for name in {*found, *promised} if found.get(name) != promised.get(name))
    if wrong:
        raise CorruptFileError(
            f"tile {tile.index}: {', '.join(wrong)} does not match its digest; zscan run --resume "
            "computes it again"
        )
    return rows, found


@contextmanager
def map_writer(
    path: Path, header: MapHeader, *, replace: bool = False, watch: Watch | None = None
) -> Iterator[MapWriter]:
    """Yield a `MapWriter`, which must be given every tile once; the map appears on success, whole
    or not at all.

    The space on the disk is reserved first. The digests of the map are made from those of the
    tiles. The attribute `created` is the present time, or SOURCE_DATE_EPOCH. `watch` sees every
    tile with its rows before they are written. Raises `ResultExistsError` if `path` exists and not
    `replace`, and `StorageError`."""
    size = _size(header)
    with (
        new_file(path, size, replace=replace) as temporary,
        filling(path, temporary, header, watch) as writer,
    ):
        yield writer


@contextmanager
def filling(
    path: Path, file: Path, header: MapHeader, watch: Watch | None = None, *, new: bool = True
) -> Iterator[MapWriter]:
    """Yield the writer of a map `path` that is still called `file`: a new one, or one that was
    begun before. All that is not in a field is written at the end.
    """
    size = _size(header)
    image, offsets = make_frame(header)
    with storage(path, size):
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if new else 0)
        descriptor = os.open(file, flags, 0o666)
    writer = MapWriter(path, header, offsets, descriptor, watch)
    try:
        with storage(path, size):
            # Blocks that are reserved at once are written several times faster than holes are
            # filled.
            needed = image.size + _RESERVE
            if hasattr(os, "posix_fallocate") and os.fstat(descriptor).st_size < needed:
                os.posix_fallocate(descriptor, 0, needed)
        yield writer
        digests = {
            field.name: field_digest(writer.digests[tile.index][field.name] for tile in writer.grid)
            for field in header.fields
        }
        finish_frame(image, header, writer.missing, digests)
        gaps = [(offsets[field.name], field.bytes(header.grid.points)) for field in header.fields]
        with storage(path, size):
            for start, stop in outside(image.size, gaps):
                _write_at(descriptor, memoryview(image.read(start, stop)), start)
            end = seal(image, SCHEMA, gaps)
            _write_at(descriptor, memoryview(end), image.size)
            os.ftruncate(descriptor, image.size + len(end))
    finally:
        with storage(path, size):
            os.close(descriptor)


def write_map(
    path: Path,
    header: MapHeader,
    source: TileSource,
    missing: Container[int] = (),
    *,
    replace: bool = False,
    watch: Watch | None = None,
) -> None:
    """Write a map from stored tiles, checking each; those in `missing` become NaN with status 0.

    Raises `CorruptFileError` with all tiles that do not match their digests, and what `map_writer`
    raises."""
    faults = []
    with (
        map_writer(path, header, replace=replace, watch=watch) as writer,
        ThreadPoolExecutor(_COPIERS, thread_name_prefix="zscan-merge") as pool,
    ):
        jobs = [
            pool.submit(writer.leave_out, tile)
            if tile.index in missing
            else pool.submit(writer.copy, tile, source)
            for tile in header.grid
        ]
        try:
            for job in jobs:
                try:
                    job.result()
                except CorruptFileError as error:
                    faults.append(str(error))
        finally:
            pool.shutdown(cancel_futures=True)
        if faults:
            raise CorruptFileError("\n  ".join(faults))


def _size(header: MapHeader) -> int:
    return sum(field.bytes(header.grid.points) for field in header.fields)


def _write_at(descriptor: int, data: memoryview, offset: int) -> None:
    start, size = offset, len(data)
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count
    # On Linux this starts the transfer to the disk without waiting for it, so that little is left
    # for the last fsync.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)


def _profiled(spec: Any) -> dict[str, list[float]]:
    """Bounds of the parameters over which chi2 was minimised."""
    axes = spec.get("axis", {}) if isinstance(spec, dict) else {}
    return {
        name: [float.fromhex(table["min"]), float.fromhex(table["max"])]
        for name, table in axes.items()
        if isinstance(table, dict) and table.get("profile")
    }


def verify(path: str | Path, *, allow_partial: bool = False) -> None:
    """Compare everything in a map with its digests.

    Raises `CorruptFileError` naming what does not match, `ForeignFileError` for a file that is no
    map and, when all agrees but tiles are missing, `IncompleteMapError` unless `allow_partial`."""
    path = Path(path)
    with open_checked(path, sealed=False) as (file, structure):  # digests tell what was changed
        stored = json_attribute(file, "digests")
        found = small_digests(file, (*structure.axes, *structure.coordinates, *structure.tables))
        for field in structure.fields:
            dataset = file[field.name]
            rows = [
                row_digests(field.split(dataset[(..., *tile.slices)])) for tile in structure.grid
            ]
            found[field.name] = field_digest(rows)
        wrong = sorted(name for name in {*stored, *found} if stored.get(name) != found.get(name))
        if "digest" in file.attrs and file.attrs["digest"] != value_digest(stored):
            wrong.append("the digests")
        if wrong:
            raise CorruptFileError(
                f"{path}: damaged: the digest of {', '.join(wrong)} does not match; delete it and "
                "run again"
            )
        require_seal(file, path)
    if structure.missing_tiles and not allow_partial:
        raise IncompleteMapError(
            f"{path}: all digests agree; {structure.missing} are missing; continue the scan with "
            "--resume"
        )


def info(path: str | Path) -> dict[str, Any]:
    """What a map is, from its attributes and axes, all JSON-able; raises as `open_scan`."""
    path = Path(path)
    with open_checked(path) as (file, structure):
        axes = {}
        for name in structure.axes:
            values = file[name]
            low, high = float(values[0]), float(values[-1])
            axes[name] = {
                "num": values.size,
                "min": low,
                "max": high,
                "units": values.attrs["units"],
            }
            if along := [item for item, axis in structure.coordinates.items() if axis == name]:
                axes[name]["coordinates"] = along
        texts = ("name", "created", "command", "device", "precision", "spec_hash", "observables")
        tables = ("model", "fixed", "overrides", "versions", "bibtex_keys", "provisional")
        return {
            "path": str(path),
            "schema": f"{SCHEMA} {SCHEMA_VERSION}",
            "axes": axes,
            "constraints": [item["name"] for item in structure.constraints],
            "profiled": _profiled(json_attribute(file, "spec")),
            "refinement": refinement(file.attrs),
            "stored_observables": json_attribute(file, "stored_observables"),
            "points": structure.grid.points,
            "bytes": path.stat().st_size,
            "tiles": structure.grid.count,
            "missing_tiles": list(structure.missing_tiles),
            "complete": not structure.missing_tiles,
            **{name: str(file.attrs[name]) for name in texts},
            **{name: json_attribute(file, name) for name in tables},
            # Maps of zscan 0.1.0 have neither.
            "other_versions": json.loads(file.attrs.get("other_versions", "[]")),
            "bibtex": str(file.attrs.get("bibtex", "")),
            "digest": file.attrs.get("digest"),
        }
