"""Catalogue files, written whole or not at all: HDF5 (schema "zscan-catalogue" 1) or CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

import zscan
from zscan.charges.catalogue import Catalogue, Column, Selection, columns, parse_selection
from zscan.errors import CardError, CorruptFileError, ForeignFileError, ParameterError
from zscan.references import PAPER, label
from zscan.results.files import new_file, require_space, storage
from zscan.results.hdf5 import MemoryFile, create_hdf5, open_hdf5
from zscan.results.outputs import Kind, Output, guard

SCHEMA = "zscan-catalogue"
SCHEMA_VERSION = 1
_HDF5, _CSV = (".h5", ".hdf5"), ".csv"
_CHUNK = 10_000  # lines of a CSV file
_HEADER = 1 << 16  # bytes of HDF5 metadata, about


def write_catalogue(path: str | Path, selection: Selection | str, *, force: bool = False) -> Path:
    """Write the selected rows with their classes, flavours and muoquark charges
    (`zscan.charges.catalogue.columns`) to a file.

    `selection` may be a text for `zscan.charges.catalogue.parse_selection`. A path that ends in .h5
    or .hdf5 becomes HDF5: one dataset for each column, with its long_name. A path that ends in .csv
    becomes CSV after comment lines that begin with "#". The file holds no time: the same selection
    gives the same bytes.

    Raises `ParameterError` for another suffix, `ResultExistsError` for a file that exists (`force`
    replaces it if it is a catalogue), `StorageError`, and what `parse_selection` raises. Nothing is
    written then."""
    path = Path(path)
    if isinstance(selection, str):
        selection = parse_selection(selection)
    if path.suffix not in (*_HDF5, _CSV):
        raise ParameterError(
            f"{path}: a catalogue is written to a file that ends in .h5, .hdf5 or .csv"
        )
    (target,) = guard([Output(path, CATALOGUE)], force=force)
    table = columns(selection.assigned())
    size = sum(column.values.nbytes for column in table) * (3 if path.suffix == _CSV else 1)
    require_space(target.path, size)
    with new_file(target.path, size, replace=target.exists) as temporary:
        parts = _csv(selection, table) if path.suffix == _CSV else [_hdf5(selection, table)]
        with storage(path, size), open(temporary, "xb") as file:
            file.writelines(parts)
    return path


def read_catalogue(path: str | Path) -> Catalogue:
    """Read a catalogue from HDF5 after checking it; the columns are those of
    `zscan.charges.catalogue.columns`.

    Raises `ForeignFileError` for a file that is no catalogue or refers to data outside itself,
    `CorruptFileError` for one that is damaged, `StorageError` for one that cannot be read."""
    path = Path(path)
    with open_hdf5(path) as file:
        if file.attrs.get("schema") != SCHEMA:
            raise ForeignFileError(
                f"{path}: no catalogue (the root attribute schema is not {SCHEMA!r})"
            )
        version = file.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ForeignFileError(
                f"{path}: schema version {version}; this zscan reads version {SCHEMA_VERSION}"
            )
        try:
            selection = parse_selection(str(file.attrs.get("selection")))
        except CardError as error:
            raise ForeignFileError(
                f"{path}: the root attribute selection is not usable: {error}"
            ) from error
        expected = columns(np.empty((0, 10), np.int64))
        _check(file, path, expected)
        found = tuple(Column(item.name, item.long_name, file[item.name][...]) for item in expected)
        if file.attrs.get("digest") != _digest(found):
            raise CorruptFileError(
                f"{path}: damaged: the columns do not match the digest; write the catalogue again"
            )
    return Catalogue(selection, {column.name: column.values for column in found})


def _header(selection: Selection) -> dict[str, str | int]:
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "zscan_version": zscan.__version__,
        "selection": str(selection),
        "max_charge": selection.max_charge,
        "references": f"{label(PAPER)} sec. 2",
        "bibtex_keys": PAPER,
        "comment": "integer U(1)_X charges of fields as written, Higgs neutral; "
        "flavours: see zscan.charges.flavours.assign",
    }


def _hdf5(selection: Selection, table: Iterable[Column]) -> memoryview:
    table = tuple(table)
    memory = MemoryFile(_HEADER + sum(column.values.nbytes for column in table))
    with create_hdf5(memory) as file:
        for column in table:
            dataset = file.create_dataset(column.name, data=column.values)
            dataset.attrs.update(long_name=column.long_name, units="1")
        file.attrs.update(_header(selection) | {"digest": _digest(table)})
    return memory.data


def _csv(selection: Selection, table: Iterable[Column]) -> Iterator[bytes]:
    table = tuple(table)
    for key, value in _header(selection).items():
        yield f"# {key}: {value}\n".encode()
    for column in table:
        yield f"# column {column.name}: {column.long_name}\n".encode()
    yield (",".join(column.name for column in table) + "\n").encode()
    lines = len(table[0].values)
    for start in range(0, lines, _CHUNK):
        block = np.stack(
            [column.values[start : start + _CHUNK] for column in table], axis=1, dtype=np.int64
        )
        yield "".join(",".join(map(str, line)) + "\n" for line in block.tolist()).encode()


def _digest(table: Iterable[Column]) -> str:
    digest = hashlib.sha256()
    for column in table:
        digest.update(f"{column.name} {column.values.dtype.str} {len(column.values)}\n".encode())
        digest.update(np.ascontiguousarray(column.values).data)
    return digest.hexdigest()


def _check(file: h5py.File, path: Path, expected: tuple[Column, ...]) -> None:
    """Exactly the expected columns, each a plain piece of this file, all of the same length."""
    names = {column.name for column in expected}
    if set(file) != names:
        wrong = ", ".join(sorted(set(file) ^ names))
        raise ForeignFileError(
            f"{path}: columns are missing or do not belong in a catalogue: {wrong}"
        )
    lengths = set()
    for name, _, values in expected:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ForeignFileError(f"{path}: {name} is a soft or external link")
        dataset = file[name]
        if (
            not isinstance(dataset, h5py.Dataset)
            or dataset.ndim != 1
            or dataset.dtype != values.dtype
        ):
            raise ForeignFileError(f"{path}: {name} is not one column of {values.dtype}")
        properties = dataset.id.get_create_plist()
        if properties.get_layout() != h5py.h5d.CONTIGUOUS or properties.get_external_count():
            raise ForeignFileError(
                f"{path}: {name} is not stored in one plain piece inside the file"
            )
        if dataset.size and dataset.id.get_storage_size() != dataset.size * values.itemsize:
            raise ForeignFileError(f"{path}: {name} is not stored completely")
        lengths.add(dataset.size)
    if len(lengths) != 1:
        raise ForeignFileError(f"{path}: the columns have different lengths")


def _check_schema(path: Path) -> None:
    """Raise `ForeignFileError` unless a file is a catalogue of any version, `CorruptFileError` for
    a damaged one.
    """
    with storage(path, 0), open(path, "rb") as text:
        if text.readline(100).rstrip() == f"# schema: {SCHEMA}".encode():
            return
    with open_hdf5(path) as file:
        if str(file.attrs.get("schema")) != SCHEMA:
            raise ForeignFileError(f"{path}: the root attribute schema is not {SCHEMA!r}")


CATALOGUE = Kind("catalogue", _check_schema)
