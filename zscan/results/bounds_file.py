"""Tables of excluded couplings (`zscan.bounds`) as text, CSV and HDF5, without jax."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zscan.errors import ForeignFileError, ParameterError
from zscan.results.files import access, new_file, require_space, storage
from zscan.results.hdf5 import open_hdf5
from zscan.results.layout import OK
from zscan.results.outputs import Kind, Output, guard
from zscan.results.text import aligned, jsonable
from zscan.untrusted import TextError, file_name, read_bytes

if TYPE_CHECKING:  # imported with the first table
    import xarray as xr

SCHEMA, SCHEMA_VERSION = "zscan-bounds", 1
COLUMNS = ("constraint", "m_X", "piece", "lower", "upper", "status")
_HDF5 = (".h5", ".hdf5", ".nc")
_LARGEST_CSV = 2**30  # bytes


def bounds_rows(bounds: xr.Dataset) -> list[dict[str, Any]]:
    """One row for each piece, with `COLUMNS` as keys; a mass without any has one row of NaN.

    `status` is "excluded", "not excluded" (the constraint applies, and excludes nothing) or "does
    not apply"."""
    rows = []
    lower, upper, status = (bounds[name].values for name in ("lower", "upper", "status"))
    for i, name in enumerate(bounds["constraint"].values):
        for j, m_X in enumerate(bounds["m_X"].values):
            pieces = np.flatnonzero(~np.isnan(lower[i, j]))
            words = "not excluded" if status[i, j] == OK else "does not apply"
            for piece in pieces if pieces.size else [0]:
                edges = float(lower[i, j, piece]), float(upper[i, j, piece])
                word = "excluded" if pieces.size else words
                row = (str(name), float(m_X), int(piece), *edges, word)
                rows.append(dict(zip(COLUMNS, row, strict=True)))
    return rows


def bounds_csv(bounds: xr.Dataset) -> str:
    """The rows of `bounds_rows` as CSV; nan where there is no edge, inf for none above."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in bounds_rows(bounds):
        numbers = (f"{row[key]:.9g}" for key in ("m_X", "lower", "upper"))
        m_X, lower, upper = numbers
        writer.writerow([row["constraint"], m_X, row["piece"], lower, upper, row["status"]])
    return buffer.getvalue()


def bounds_summary(bounds: xr.Dataset) -> list[dict[str, Any]]:
    """One row for each constraint, JSON-able: the masses at which it excludes something, and its
    strongest lower edge with its mass; None without one, and `note` then says why.
    """
    rows = []
    for name in bounds["constraint"].values:
        one = bounds.sel(constraint=name)
        lower = one["lower"].values
        m_X, first = bounds["m_X"].values, np.nanmin(np.where(np.isnan(lower), np.inf, lower), 1)
        there = np.isfinite(first)
        best = int(first.argmin())
        rows.append(
            {
                "constraint": str(name),
                "kind": str(one["kind"].values),
                "cl": float(one["cl"]),
                "masses": [float(m_X[there][0]), float(m_X[there][-1])] if there.any() else None,
                "strongest": float(first[best]) if there.any() else None,
                "at": float(m_X[best]) if there.any() else None,
                "pieces": int((~np.isnan(lower)).sum(axis=1).max()),
                "quantity": str(one["quantity"].values),
                "note": str(one["note"].values),
            }
        )
    return rows


def bounds_table(bounds: xr.Dataset) -> str:
    """`bounds_summary` as text; constraints without any bound stand below, with the reason."""
    m_X = bounds["m_X"].values
    rows = bounds_summary(bounds)
    header = ("constraint", "kind", "CL", "masses [GeV]", "strongest", "at [GeV]", "pieces")
    lines = [
        (
            row["constraint"],
            row["kind"],
            f"{100 * row['cl']:.4g} %",
            "{:.4g}-{:.4g}".format(*row["masses"]),
            f"{row['quantity']} = {row['strongest']:.4g}",
            f"{row['at']:.4g}",
            str(row["pieces"]),
        )
        for row in rows
        if row["masses"]
    ]
    of = "recast to it" if bounds.attrs["recast"] else "not recast, as they are published"
    text = [
        f"{bounds.attrs['name']}: excluded couplings at {m_X.size} masses from {m_X[0]:.4g} to "
        f"{m_X[-1]:.4g} GeV, {of} (set {bounds.attrs['observables']!r})",
        *aligned([header, *lines]),
    ]
    silent = [row for row in rows if not row["masses"]]
    if silent:
        text.append(f"no bound from {len(silent)} constraints, which does not mean allowed:")
        text += [f"  {line}" for line in aligned([(r["constraint"], r["note"]) for r in silent])]
    return "\n".join(text)


def write_bounds(path: str | Path, bounds: xr.Dataset, *, force: bool = False) -> Path:
    """Write a table of bounds: FILE.csv with `bounds_csv`, or FILE.h5 (.hdf5, .nc), which
    `read_bounds` and `xarray.open_dataset(FILE, engine="h5netcdf")` read.

    Raises `ParameterError` for another suffix, `ResultExistsError` for a file that exists (`force`
    replaces one of ours), `StorageError`."""
    path = file_name(path, "output")
    if path.suffix not in (*_HDF5, ".csv"):
        raise ParameterError(f"{path}: bounds are written to a file .csv, .h5, .hdf5 or .nc")
    text = bounds_csv(bounds).encode() if path.suffix == ".csv" else b""
    size = len(text) or int(bounds.nbytes)
    (target,) = guard([Output(path, BOUNDS, needed=size)], force=force)
    require_space(target.path, size)
    with new_file(target.path, size, replace=target.exists) as temporary, storage(path, size):
        if text:
            temporary.write_bytes(text)
        else:
            bounds.to_netcdf(temporary, engine="h5netcdf")
    return path


def read_bounds(path: str | Path) -> xr.Dataset:
    """Read a table of bounds from HDF5; raises `ForeignFileError` for another file, `StorageError`
    for one that cannot be read.
    """
    path = file_name(path, "table of bounds")
    _require_hdf5(path)
    import xarray as xr

    with access(path, "read"), xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.load()


def _require_ours(path: Path) -> None:
    if path.suffix != ".csv":
        return _require_hdf5(path)
    try:
        line = read_bytes(path, _LARGEST_CSV).partition(b"\n")[0]
    except TextError as error:
        raise ForeignFileError(str(error)) from error
    if line.decode(errors="replace").strip() != ",".join(COLUMNS):
        raise ForeignFileError(f"{path}: its first line is not that of a table of bounds")
    return None


def _require_hdf5(path: Path) -> None:
    with open_hdf5(path) as file:
        if file.attrs.get("schema") != SCHEMA:
            raise ForeignFileError(
                f"{path}: no table of bounds (the root attribute schema is not {SCHEMA!r})"
            )


BOUNDS = Kind("table of bounds", _require_ours)


def bounds_json(bounds: xr.Dataset) -> str:
    """Everything as JSON: rows and summary; None in place of NaN, "inf" of infinity."""
    rows = jsonable(bounds_rows(bounds), infinity="inf")
    return json.dumps({"summary": bounds_summary(bounds), "rows": rows}, indent=2)
