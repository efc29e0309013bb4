"""The frame of a map: its HDF5 file without the values of the fields, built in memory; digests of
all that is small.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import h5py
import numpy as np

from zscan.results.hdf5 import change_hdf5, create_hdf5, create_plain
from zscan.results.layout import (
    FORMAT_MINOR,
    SCHEMA,
    SCHEMA_VERSION,
    STATUS,
    Field,
    MapHeader,
    value_digest,
)
from zscan.results.memory import MemoryFile
from zscan.untrusted import creation_time

_INTERNAL = {
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
}  # HDF5 dimension scales, checked as structure
_DIGESTS = {"digests", "digest"}


def make_frame(header: MapHeader) -> tuple[MemoryFile, dict[str, int]]:
    """An HDF5 image with everything but the values of the fields, and where in it these belong.

    The fields are stored in one piece each, without filters: their bytes can then be written in
    parallel and read or mapped at the speed of the disk."""
    shape, image = header.grid.shape, MemoryFile()
    with create_hdf5(image) as file:
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
            format_minor=FORMAT_MINOR,
            axes=json.dumps(axes),
            coordinates=json.dumps(
                {axis.name: [item.name for item in axis.coordinates] for axis in header.axes}
            ),
            constraints=json.dumps([asdict(item) for item in header.constraints]),
            stored_observables=json.dumps([item.name for item in header.observables]),
            tables=json.dumps({table.name: list(table.shape) for table in header.tables}),
            dtype=header.dtype,
            tile_shape=json.dumps(list(header.block)),
        )
    return image, offsets


def finish_frame(
    image: MemoryFile, header: MapHeader, missing: Iterable[int], fields: Mapping[str, str]
) -> None:
    """Add what is only known when all tiles are written: the missing ones, the time, the digests,
    those of the `fields` among them.
    """
    with change_hdf5(image) as file:
        file.attrs.update(missing_tiles=json.dumps(sorted(missing)), created=_created())
        names = [axis.name for axis in header.axes]
        names += [item.name for axis in header.axes for item in axis.coordinates]
        names += [table.name for table in header.tables]
        digests = small_digests(file, names) | dict(fields)
        file.attrs["digests"] = json.dumps(digests, sort_keys=True)
        file.attrs["digest"] = value_digest(digests)


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


def small_digests(file: h5py.File, names: Iterable[str]) -> dict[str, str]:
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


def _attributes(item: h5py.HLObject) -> dict[str, Any]:
    names = [name for name in item.attrs if name not in _INTERNAL | _DIGESTS]
    values = ((name, item.attrs[name]) for name in names)
    return {
        name: value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        for name, value in values
    }
