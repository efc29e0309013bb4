"""The map: one HDF5 file per scan (schema "zscan-map", version 1), written from checked tiles; its
verification.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from zscan.errors import CorruptFileError
from zscan.results.check import json_attribute, open_checked
from zscan.results.files import new_file, storage
from zscan.results.grid import Tile
from zscan.results.hdf5 import create_hdf5, create_plain
from zscan.results.layout import (
    SCHEMA,
    SCHEMA_VERSION,
    STATUS,
    Field,
    MapHeader,
    empty_rows,
    field_digest,
    row_digests,
    value_digest,
)
from zscan.untrusted import creation_time

_INTERNAL = {
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
}  # HDF5 dimension scales, checked as structure
_RESERVE = 1 << 20  # bytes
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
        header: MapHeader,
        offsets: Mapping[str, int],
        descriptor: int,
        watch: Watch | None = None,
    ) -> None:
        self.header, self.grid = header, header.grid
        self.offsets, self.descriptor, self.watch = offsets, descriptor, watch
        self.digests: dict[int, Digests] = {}
        self.missing: list[int] = []

    def put(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Write a tile; `digests` are the `row_digests` of `rows`. Each row is one contiguous piece
        of the map.
        """
        if self.watch is not None:
            self.watch(tile, rows)
        start = int(np.ravel_multi_index([part.start for part in tile.slices], self.grid.shape))
        for field in self.header.fields:
            for index, row in enumerate(rows[field.name]):
                offset = (
                    self.offsets[field.name]
                    + (index * self.grid.points + start) * field.dtype.itemsize
                )
                _write_at(self.descriptor, np.ascontiguousarray(row).data.cast("B"), offset)
        self.digests[tile.index] = digests

    def copy(self, tile: Tile, source: TileSource) -> None:
        """Write a tile that was stored before; raises `CorruptFileError` unless it has the digests
        it should have.
        """
        self.put(tile, *checked_rows(tile, source))

    def leave_out(self, tile: Tile) -> None:
        """Fill a tile that was not computed with NaN and status 0."""
        rows = {field.name: empty_rows(field, tile.shape) for field in self.header.fields}
        self.put(tile, rows, {name: row_digests(values) for name, values in rows.items()})
        self.missing.append(tile.index)


def checked_rows(tile: Tile, source: TileSource) -> tuple[Rows, Digests]:
    """Rows of a stored tile and their digests; raises `CorruptFileError` unless these are the ones
    it should have.
    """
    rows, promised = source.read(tile)
    found = {name: row_digests(values) for name, values in rows.items()}
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
    size = sum(field.bytes(header.grid.points) for field in header.fields)
    with new_file(path, size, replace=replace) as temporary:
        with storage(path, size):
            offsets = _write_frame(temporary, header)
            descriptor = os.open(temporary, os.O_RDWR)
        writer = MapWriter(header, offsets, descriptor, watch)
        try:
            # Blocks that are reserved at once are written several times faster than holes are
            # filled; the reserve at the end is for the digests, which HDF5 must not meet a full
            # disk with.
            if hasattr(os, "posix_fallocate"):
                with storage(path, size):
                    os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size + _RESERVE)
            yield writer
        finally:
            os.close(descriptor)
        with storage(path, size):
            _finish(temporary, writer)


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


def _write_at(descriptor: int, data: memoryview, offset: int) -> None:
    start, size = offset, len(data)
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count
    # On Linux this starts the transfer to the disk without waiting for it, so that little is left
    # for the last fsync.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)


def _write_frame(path: Path, header: MapHeader) -> dict[str, int]:
    """Create the file with everything but the values of the fields; return where in the file these
    belong.

    The fields are stored in one piece each, without filters: their bytes can then be written in
    parallel and read or mapped at the speed of the disk."""
    shape = header.grid.shape
    with create_hdf5(path) as file:
        scales, along = {}, []
        for axis in header.axes:
            scales[axis.name] = file.create_dataset(axis.name, data=np.array(axis.values, "<f8"))
            _describe(scales[axis.name], axis.units, axis.long_name, "axis of the scan card")
            for item in axis.coordinates:
                kind = h5py.string_dtype() if item.is_text else "<f8"
                dataset = file.create_dataset(item.name, data=list(item.values), dtype=kind)
                _describe(dataset, item.units, item.long_name, "axis of the scan card")
                along.append((dataset, axis.name))
        references = ", ".join(
            dict.fromkeys(key for item in header.constraints for key in item.references)
        )
        names = [item.name for item in header.constraints]
        scales["constraint"] = file.create_dataset(
            "constraint", data=names, dtype=h5py.string_dtype()
        )
        _describe(scales["constraint"], "1", "name of the constraint", references)
        for name, dataset in scales.items():
            dataset.make_scale(name)
        for dataset, name in along:
            dataset.dims[0].attach_scale(scales[name])
        zero = file.create_dataset(
            "chi2_zero", data=np.array([item.chi2_zero for item in header.constraints], "<f8")
        )
        _describe(zero, "1", "chi2 at zero coupling", references)
        zero.dims[0].attach_scale(scales["constraint"])

        for table in header.tables:
            kind = h5py.string_dtype() if table.is_text else np.dtype("<f8")
            values = np.array(table.values, dtype=object if table.is_text else kind).reshape(
                table.shape
            )
            dataset = _group_of(file, table.name).create_dataset(
                table.name.rpartition("/")[2], data=values, dtype=kind
            )
            _describe(dataset, table.units, table.long_name, references)

        offsets = {}
        axes = [axis.name for axis in header.axes]
        for field in header.fields:
            dataset = _create_field(file, field, shape)
            offsets[field.name] = dataset.id.get_offset()
            labels = axes if field.rows is None else ["constraint", *axes]
            for dimension, name in zip(dataset.dims, labels, strict=True):
                dimension.attach_scale(scales[name])
            _describe_field(dataset, field, header, references)

        file.attrs.update(sorted(header.attributes.items()))
        file.attrs.update(
            schema=SCHEMA,
            schema_version=SCHEMA_VERSION,
            axes=json.dumps(axes),
            coordinates=json.dumps(
                {axis.name: [item.name for item in axis.coordinates] for axis in header.axes}
            ),
            constraints=json.dumps(header.to_table()["constraints"]),
            stored_observables=json.dumps([item.name for item in header.observables]),
            tables=json.dumps({table.name: list(table.shape) for table in header.tables}),
            dtype=header.dtype,
            tile_shape=json.dumps(list(header.block)),
        )
    return offsets


def _finish(path: Path, writer: MapWriter) -> None:
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        file.attrs.update(missing_tiles=json.dumps(sorted(writer.missing)), created=_created())
        names = [axis.name for axis in writer.header.axes]
        names += [item.name for axis in writer.header.axes for item in axis.coordinates]
        names += [table.name for table in writer.header.tables]
        digests = _small_digests(file, names)
        for field in writer.header.fields:
            digests[field.name] = field_digest(
                writer.digests[tile.index][field.name] for tile in writer.grid
            )
        file.attrs["digests"] = json.dumps(digests, sort_keys=True)


def _create_field(file: h5py.File, field: Field, shape: tuple[int, ...]) -> h5py.Dataset:
    return create_plain(
        _group_of(file, field.name), field.name.rpartition("/")[2], field.shape(shape), field.dtype
    )


def _group_of(file: h5py.File, name: str) -> h5py.Group:
    """The group that a dataset belongs in, made if need be."""
    parent: h5py.Group = file
    for group in name.split("/")[:-1]:
        if group not in parent:
            plain = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
            plain.set_obj_track_times(False)
            h5py.h5g.create(parent.id, group.encode(), gcpl=plain)
        parent = parent[group]
    return parent


def _describe(dataset: h5py.Dataset, units: str, long_name: str, reference: str) -> None:
    dataset.attrs.update(units=units, long_name=long_name, reference=reference)


def _describe_field(
    dataset: h5py.Dataset, field: Field, header: MapHeader, references: str
) -> None:
    if field.name == "delta_chi2":
        _describe(dataset, "1", "chi2 minus its value at zero coupling", references)
    elif field.name == "status":
        _describe(dataset, "1", "how delta_chi2 came about", references)
        dataset.attrs["flag_values"] = np.arange(len(STATUS), dtype=np.uint8)
        dataset.attrs["flag_meanings"] = " ".join(STATUS)
    else:
        (item,) = [item for item in header.observables if f"observable/{item.name}" == field.name]
        _describe(dataset, item.units, item.long_name, ", ".join(item.references))


def _created() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(creation_time()))


def _small_digests(file: h5py.File, names: Iterable[str]) -> dict[str, str]:
    """Digests of everything but the fields: axes and coordinates, constraints, chi2 at zero
    coupling, attributes.
    """
    digests = {}
    for name in (*names, "chi2_zero", "constraint"):
        text = h5py.check_string_dtype(file[name].dtype)
        digests[name] = value_digest(
            list(file[name].asstr()[...].ravel()) if text else file[name][...]
        )
    attributes: dict[str, dict[str, Any]] = {"/": _attributes(file)}

    def visit(name: str, item: Any) -> None:
        attributes[name] = _attributes(item)

    file.visititems(visit)
    digests["attributes"] = value_digest(attributes)
    return digests


def _profiled(spec: Any) -> dict[str, list[float]]:
    """Bounds of the parameters over which chi2 was minimised."""
    axes = spec.get("axis", {}) if isinstance(spec, dict) else {}
    return {
        name: [float.fromhex(table["min"]), float.fromhex(table["max"])]
        for name, table in axes.items()
        if isinstance(table, dict) and table.get("profile")
    }


def _attributes(item: h5py.HLObject) -> dict[str, Any]:
    names = [name for name in item.attrs if name not in _INTERNAL and name != "digests"]
    values = ((name, item.attrs[name]) for name in names)
    return {
        name: value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        for name, value in values
    }


def verify(path: str | Path) -> None:
    """Compare everything in a map with its digests.

    Raises `CorruptFileError` naming what does not match, `ForeignFileError` for a file that is no
    map."""
    path = Path(path)
    with open_checked(path) as (file, structure):
        stored = json_attribute(file, "digests")
        found = _small_digests(file, (*structure.axes, *structure.coordinates, *structure.tables))
        for field in structure.fields:
            dataset = file[field.name]
            rows = [
                row_digests(field.split(dataset[(..., *tile.slices)])) for tile in structure.grid
            ]
            found[field.name] = field_digest(rows)
    wrong = sorted(name for name in {*stored, *found} if stored.get(name) != found.get(name))
    if wrong:
        raise CorruptFileError(f"{path}: damaged: the digest of {', '.join(wrong)} does not match")


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
            "stored_observables": json_attribute(file, "stored_observables"),
            "points": structure.grid.points,
            "bytes": path.stat().st_size,
            "tiles": structure.grid.count,
            "missing_tiles": list(structure.missing_tiles),
            "complete": not structure.missing_tiles,
            **{name: str(file.attrs[name]) for name in texts},
            **{name: json_attribute(file, name) for name in tables},
        }
