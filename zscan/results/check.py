"""Is this file a map, and does it keep to itself? Answered from its structure, before any data is
read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zscan.errors import ForeignFileError
from zscan.results.grid import TileGrid
from zscan.results.hdf5 import open_hdf5
from zscan.results.layout import SCHEMA, SCHEMA_VERSION, Field, grid_fields
from zscan.results.outputs import Kind

_TEXT_SIZE = 16  # bytes of a reference to text of variable length in a file


@dataclass(frozen=True)
class Structure:
    """The structure of a map whose datasets were found to have the right class, type, rank, shape
    and storage.

    `coordinates` are the further coordinates, each with the axis that it belongs to, `tables` small
    arrays with their shape."""

    axes: tuple[str, ...]
    coordinates: Mapping[str, str]
    tables: Mapping[str, tuple[int, ...]]
    grid: TileGrid
    constraints: tuple[Mapping[str, Any], ...]
    fields: tuple[Field, ...]
    missing_tiles: tuple[int, ...]


@contextmanager
def open_checked(path: Path) -> Iterator[tuple[h5py.File, Structure]]:
    """Open a map for reading after checking its structure.

    Refused with `ForeignFileError`: what is not an HDF5 file or not a zscan map; soft and external
    links, external storage, virtual datasets, filters, unknown objects; a dataset of the wrong
    class, type, rank or shape, or without storage for all its values. `CorruptFileError`: a
    truncated or unreadable file. `StorageError`: no such file."""
    with open_hdf5(path) as file:
        yield file, _structure(file, path)


def check_schema(path: Path) -> None:
    """Raise `ForeignFileError` unless a file is a map of any version, `CorruptFileError` for a
    damaged one.
    """
    with open_hdf5(path) as file:
        _require_schema(file, path)


MAP = Kind("map", check_schema)


def json_attribute(file: h5py.File, name: str) -> Any:
    """A root attribute that holds JSON; raises `ForeignFileError` if it is missing or no text."""
    text = file.attrs.get(name)
    if not isinstance(text, str):
        raise ForeignFileError(
            f"{file.filename}: the root attribute {name} is missing or is no text"
        )
    return json.loads(text)


def _list_attribute(file: h5py.File, name: str, kind: type) -> tuple[Any, ...]:
    items = json_attribute(file, name)
    if not isinstance(items, list) or not all(type(item) is kind for item in items):
        raise ForeignFileError(
            f"{file.filename}: the root attribute {name} is not a list of {kind.__name__}"
        )
    return tuple(items)


def _require_schema(file: h5py.File, path: Path) -> None:
    if str(file.attrs.get("schema")) != SCHEMA:
        raise ForeignFileError(
            f"{path}: not written by zscan (the root attribute schema is not {SCHEMA!r})"
        )


def _structure(file: h5py.File, path: Path) -> Structure:
    _require_schema(file, path)
    version = file.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ForeignFileError(
            f"{path}: schema version {version}; this zscan reads version {SCHEMA_VERSION}"
        )
    axes, stored = (
        _list_attribute(file, "axes", str),
        _list_attribute(file, "stored_observables", str),
    )
    constraints = _list_attribute(file, "constraints", dict)
    dtype = file.attrs.get("dtype")
    if dtype not in ("float32", "float64"):
        raise ForeignFileError(f"{path}: numbers are stored as {dtype}, not float32 or float64")
    fields = grid_fields(dtype, len(constraints), stored)
    coordinates = _coordinates(file, axes, path)
    tables = _tables(file, path)
    names = {
        "constraint",
        "chi2_zero",
        *axes,
        *coordinates,
        *tables,
        *(field.name for field in fields),
    }
    _check_links(file, names, path)

    check = _Checker(path)
    number = np.dtype("<f8")
    for name in axes:
        check.dataset(file, name, number, None)
    shape = tuple(file[name].shape[0] for name in axes)
    for name, axis in coordinates.items():
        text = name in file and h5py.check_string_dtype(file[name].dtype) is not None
        check.dataset(file, name, None if text else number, file[axis].shape)
        check.scales(file, name, (axis,))
    for name, extent in tables.items():
        text = name in file and h5py.check_string_dtype(file[name].dtype) is not None
        check.dataset(file, name, None if text else number, extent)
    check.dataset(file, "constraint", None, (len(constraints),))
    check.dataset(file, "chi2_zero", number, (len(constraints),))
    for field in fields:
        check.dataset(file, field.name, field.dtype, field.shape(shape))
        scales = axes if field.rows is None else ("constraint", *axes)
        check.scales(file, field.name, scales)
    block = _list_attribute(file, "tile_shape", int)
    if len(block) != len(shape) or not all(
        1 <= part <= extent for part, extent in zip(block, shape, strict=True)
    ):
        raise ForeignFileError(f"{path}: tiles of shape {block} do not fit the axes {shape}")
    return Structure(
        axes,
        coordinates,
        tables,
        TileGrid(shape, block),
        constraints,
        fields,
        _list_attribute(file, "missing_tiles", int),
    )


def _coordinates(file: h5py.File, axes: tuple[str, ...], path: Path) -> dict[str, str]:
    """Further coordinates and their axes; maps written before there were any do not have the
    attribute.
    """
    table = json_attribute(file, "coordinates") if "coordinates" in file.attrs else {}
    if (
        not isinstance(table, dict)
        or not set(table) <= set(axes)
        or not all(isinstance(v, list) for v in table.values())
    ):
        raise ForeignFileError(f"{path}: the root attribute coordinates is not a table of the axes")
    return {str(name): axis for axis, names in table.items() for name in names}


def _tables(file: h5py.File, path: Path) -> dict[str, tuple[int, ...]]:
    """Tables and their shapes, none in maps that were written before there were any."""
    tables = json_attribute(file, "tables") if "tables" in file.attrs else {}
    if not isinstance(tables, dict) or not all(
        isinstance(shape, list) and all(type(extent) is int and extent > 0 for extent in shape)
        for shape in tables.values()
    ):
        raise ForeignFileError(f"{path}: the root attribute tables is not a table of shapes")
    return {str(name): tuple(shape) for name, shape in tables.items()}


def _check_links(file: h5py.File, names: set[str], path: Path) -> None:
    """Every object below the root is a hard link to a dataset in `names`, or to a group on the way
    to one.
    """
    groups = {name[:end] for name in names for end in range(len(name)) if name[end] == "/"}

    def walk(group: h5py.Group, prefix: str) -> None:
        for key in group:
            name = f"{prefix}{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ForeignFileError(f"{path}: {name} is a soft or external link")
            if name in groups and group.get(key, getclass=True) is h5py.Group:
                walk(group[key], f"{name}/")
            elif name not in names or group.get(key, getclass=True) is not h5py.Dataset:
                raise ForeignFileError(f"{path}: {name} does not belong in a map")

    walk(file, "")


class _Checker:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    def dataset(
        self, file: h5py.File, name: str, dtype: np.dtype | None, shape: tuple[int, ...] | None
    ) -> None:
        """A contiguous dataset inside the file; `dtype` None means variable-length text, `shape`
        None one dimension.
        """
        if name not in file:
            raise ForeignFileError(f"{self.path}: {name} is missing")
        dataset = file[name]
        properties = dataset.id.get_create_plist()
        if (
            properties.get_layout() != h5py.h5d.CONTIGUOUS
            or properties.get_external_count()
            or properties.get_nfilters()
        ):
            raise ForeignFileError(
                f"{self.path}: {name} is not stored in one plain piece inside the file"
            )
        if dtype is None:
            text = h5py.check_string_dtype(dataset.dtype)
            right_type = text is not None and text.length is None
        else:
            right_type = dataset.id.get_type().equal(h5py.h5t.py_create(dtype))
        if not right_type:
            raise ForeignFileError(
                f"{self.path}: {name} has the type {dataset.dtype}, not {dtype or 'text'}"
            )
        wrong_shape = (
            dataset.ndim != 1 or dataset.size == 0 if shape is None else dataset.shape != shape
        )
        if wrong_shape or dataset.maxshape != dataset.shape:
            raise ForeignFileError(
                f"{self.path}: {name} has the shape {dataset.shape}, not {shape or 'one axis'}"
            )
        offset, stored = dataset.id.get_offset(), dataset.id.get_storage_size()
        needed = dataset.size * (_TEXT_SIZE if dtype is None else dtype.itemsize)
        if offset is None or stored != needed or offset + stored > self.size:
            raise ForeignFileError(f"{self.path}: {name} is not stored completely")

    def scales(self, file: h5py.File, name: str, scales: tuple[str, ...]) -> None:
        """The dimensions of a dataset are labelled by the axes."""
        for dimension, scale in zip(file[name].dims, scales, strict=True):
            if len(dimension) != 1 or dimension[0].name != f"/{scale}":
                raise ForeignFileError(
                    f"{self.path}: {name} does not have the axis {scale} where it should"
                )
