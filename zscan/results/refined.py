"""Refined maps: points between those of the grid, near contours, kept in the group `refined` of a
map beside its grid.

Level 0 is the grid of the card. Each further level halves the steps of both axes; its points are
there where a contour passes. A reader that knows nothing of this finds the grid of the card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from zscan.errors import CorruptFileError, ForeignFileError
from zscan.results.layout import NOT_COMPUTED, MapHeader, MapTable

if TYPE_CHECKING:  # scans write maps without it
    import xarray as xr

GROUP = "refined"
ATTRIBUTE = "refinement"  # of the root: JSON with levels, points, constraints, combined
MAX_LEVELS = 6
MOST_POINTS = 16_000_000  # of the grid that the finest level would have if it were dense


def finer(values: Sequence[float] | np.ndarray, scale: str, levels: int) -> np.ndarray:
    """The values of an axis with 2^levels - 1 more in every step, even on its scale; those of the
    axis stay as they are.

    >>> finer([1.0, 100.0], "log", 1).round(9).tolist()
    [1.0, 10.0, 100.0]
    """
    values = np.asarray(values, dtype=np.float64)
    step = 2**levels
    count = (values.size - 1) * step + 1
    spaced = np.geomspace if scale == "log" else np.linspace
    found = spaced(values[0], values[-1], count)
    found[::step] = values
    return found


def refined_tables(
    header: MapHeader,
    axes: Sequence[np.ndarray],
    index: np.ndarray,
    fields: Mapping[str, np.ndarray],
) -> tuple[MapTable, ...]:
    """The tables of a refined map: the values of the finest `axes`, the places `index` (n, 2) on
    them of n points, and what was computed there: `fields` by the name of the dataset over the
    grid, (constraint, n) or (n,).
    """
    found = [
        _table(axis.name, f"{axis.long_name}, finest level", values, axis.units)
        for axis, values in zip(header.axes, axes, strict=True)
    ]
    if len(index):
        found.append(_table("index", "place of each point on the finest axes", index))
        texts = {"delta_chi2": "chi2 minus its value at zero coupling", "status": "see status"}
        units = {f"observable/{item.name}": item.units for item in header.observables}
        texts |= {f"observable/{item.name}": item.long_name for item in header.observables}
        found += [
            _table(name, f"{texts[name]}, at each point", values, units.get(name, "1"))
            for name, values in fields.items()
        ]
    return tuple(found)


def _table(name: str, long_name: str, values: np.ndarray, units: str = "1") -> MapTable:
    array = np.asarray(values, dtype=np.float64)
    return MapTable(f"{GROUP}/{name}", units, long_name, array.shape, array.ravel())


def refinement(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the root attributes of a map say of its refinement; None for a map without. Raises
    `ForeignFileError` for what zscan did not write.
    """
    if ATTRIBUTE not in attributes:
        return None
    try:
        table = json.loads(attributes[ATTRIBUTE])
        levels, points = table["levels"], table["points"]
        named = isinstance(table["constraints"], list) and isinstance(table["combined"], list)
        if named and type(levels) is type(points) is int and 1 <= levels <= MAX_LEVELS:
            return dict(table)
    except (ValueError, KeyError, TypeError):
        pass
    raise ForeignFileError(f"the root attribute {ATTRIBUTE} of a map is not one of zscan")


def on_finest(data: xr.Dataset, file: h5py.File) -> xr.Dataset:
    """A refined map, whose grid is `data`, on the axes of its finest level: NaN and status 0 at
    points that were not computed. Values are in memory. Raises `CorruptFileError` for tables that
    do not fit together.
    """
    x, y = (str(name) for name in data["delta_chi2"].dims[1:])
    step = 2 ** int((refinement(data.attrs) or {})["levels"])
    shape = tuple((data.sizes[name] - 1) * step + 1 for name in (x, y))
    axes = [_read(file, name, (size,)) for name, size in zip((x, y), shape, strict=True)]
    if shape[0] * shape[1] > MOST_POINTS:
        raise CorruptFileError(f"{file.filename}: a refined grid of {shape} points is too large")
    index = np.zeros((0, 2), np.int64)
    if f"{GROUP}/index" in file:
        index = _read(file, "index", (file[f"{GROUP}/index"].shape[0], 2)).astype(np.int64)
    if (index < 0).any() or (index >= shape).any():
        raise CorruptFileError(f"{file.filename}: its refined points lie outside its axes")
    coordinates: dict[str, Any] = {
        name: (name, values, data[name].attrs) for name, values in zip((x, y), axes, strict=True)
    }
    coordinates["constraint"] = ("constraint", data["constraint"].values, data["constraint"].attrs)
    import xarray as xr

    found = xr.Dataset(coords=coordinates, attrs=data.attrs)
    for key, values in data.data_vars.items():
        name, before = str(key), values.shape[:-2]
        if values.dims[-2:] != (x, y):
            found[name] = values.load()
            continue
        fill = NOT_COMPUTED if values.dtype.kind == "u" else np.nan
        array = np.full((*before, *shape), fill, values.dtype)
        array[..., ::step, ::step] = values.values
        if len(index):
            refined = _read(file, name, (*before, len(index)))
            array[..., index[:, 0], index[:, 1]] = refined.astype(values.dtype)
        found[name] = (values.dims, array, values.attrs)
    return found


def _read(file: h5py.File, name: str, shape: tuple[int, ...]) -> np.ndarray:
    dataset = file.get(f"{GROUP}/{name}")
    if dataset is None or dataset.shape != shape or dataset.dtype.kind != "f":
        raise CorruptFileError(f"{file.filename}: {GROUP}/{name} does not fit its grid")
    values: np.ndarray = dataset[...]
    return values


def for_drawing(data: xr.Dataset) -> xr.Dataset:
    """A map as it is drawn: of one that `on_finest` gave, delta chi2 and observables between
    computed points interpolated linearly from the corners of the smallest cell around, in memory
    alone; any other map as it is.

    Contours that were refined lie between computed points, and are not changed. The status stays 0
    where nothing was computed."""
    table = refinement(data.attrs)
    if table is None or "status" not in data or not bool((data["status"] == NOT_COMPUTED).any()):
        return data
    known = (data["status"] != NOT_COMPUTED).any("constraint").values
    step = 2 ** int(table["levels"])
    if any((size - 1) % step for size in known.shape) or not known[::step, ::step].all():
        return data  # a part of a map, say
    result = data.copy()
    for key, values in data.data_vars.items():
        if values.dims[-2:] == data["status"].dims[-2:] and values.dtype.kind == "f":
            result[key] = (values.dims, _interpolated(values.values, known, step), values.attrs)
    return result


def _interpolated(values: np.ndarray, known: np.ndarray, step: int) -> np.ndarray:
    """Values (..., x, y) level by level: the middle of an edge, of a cell, unless it is known."""
    coarse = values[..., ::step, ::step]
    while step > 1:
        step //= 2
        shape = (*coarse.shape[:-2], *(2 * size - 1 for size in coarse.shape[-2:]))
        finer = np.empty(shape, values.dtype)
        finer[..., ::2, ::2] = coarse
        # Halves before the sum, which could be too large a number
        finer[..., 1::2, ::2] = coarse[..., :-1, :] / 2 + coarse[..., 1:, :] / 2
        finer[..., :, 1::2] = finer[..., :, :-1:2] / 2 + finer[..., :, 2::2] / 2
        computed = known[::step, ::step]
        finer[..., computed] = values[..., ::step, ::step][..., computed]
        coarse = finer
    return coarse


def sentence(attributes: Mapping[str, Any]) -> str:
    """How a refined map was computed, for captions; empty for any other map."""
    table = refinement(attributes)
    if table is None:
        return ""
    what = ", ".join(dict.fromkeys(map(str, [*table["constraints"], *table["combined"]])))
    return (
        f"Computed on a grid and, near the contours of {what}, at {table['points']} points more, "
        f"down to 1/{2 ** table['levels']} of its steps; interpolated between them."
    )
