"""Maps as labelled arrays: `open_scan`."""

from __future__ import annotations

from pathlib import Path

import xarray

from zscan.errors import IncompleteMapError
from zscan.results.check import open_checked
from zscan.results.files import access
from zscan.results.refined import for_drawing, on_finest, refinement
from zscan.untrusted import file_name


def open_scan(
    path: str | Path, *, allow_partial: bool = False, refined: bool = False
) -> xarray.Dataset:
    """Open a map as an `xarray.Dataset`; values are read when they are used, so close it or use it
    in `with`.

    Coordinates: `constraint` (text), the axes of the scan (m_X in GeV, g_X, ...) and, along an axis
    of models, their charges (charge.L.mu, ...). Variables: delta_chi2 and status over (constraint,
    ..., m_X, g_X), chi2_zero over constraint, and "observable/NAME" over the axes of the scan.
    Attributes as in the file: JSON where they are lists or tables.

    A refined map (docs/adaptive.md) opens as the grid of its card; with `refined` on the axes of
    its finest level, in memory, with NaN and status 0 at points that were not computed.

    A map with missing tiles raises `IncompleteMapError`; with `allow_partial` they are NaN, with
    status 0. Raises `ForeignFileError` for a file that is no map or refers to data outside itself,
    `CorruptFileError` for a truncated or unreadable one, `StorageError` for a missing one.
    `zscan.results.schema.verify` compares the digests."""
    path = file_name(path, "map")
    with open_checked(path) as (_, structure):
        if structure.missing_tiles and not allow_partial:
            raise IncompleteMapError(
                f"{path}: {structure.missing} are missing; continue the scan with --resume, or "
                "open what is there with allow_partial=True"
            )
        names = [field.name for field in structure.fields if "/" in field.name]
        coordinates = tuple(structure.coordinates)
    # decode_cf off: values as stored, whatever attributes say.
    with access(path, "read"):
        dataset = xarray.open_dataset(path, engine="h5netcdf", decode_cf=False)
    dataset = dataset.set_coords(coordinates)
    opened = [dataset]
    for group in dict.fromkeys(name.rpartition("/")[0] for name in names):
        with access(path, "read"):
            part = xarray.open_dataset(path, engine="h5netcdf", group=group, decode_cf=False)
        opened.append(part)
        members = {
            f"{group}/{name}": part.variables[name]
            for name in part.data_vars
            if f"{group}/{name}" in names
        }
        dataset = dataset.assign(members)

    def close() -> None:
        for part in opened:
            part.close()

    result = dataset.copy()
    result.set_close(close)
    if refined and refinement(result.attrs) is not None:
        with result, open_checked(path) as (file, _):
            return on_finest(result, file)
    return result


def open_drawn(path: str | Path) -> xarray.Dataset:
    """Open a map as figures draw it: as `open_scan`, a refined one on its finest level with
    `for_drawing`.
    """
    return for_drawing(open_scan(path, refined=True))
