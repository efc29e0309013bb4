"""Maps for other programs: contours as CSV and as a HEPData submission, all of it as netCDF."""

from __future__ import annotations

import csv
import fnmatch
import io
import json
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from zscan.errors import ForeignFileError, ParameterError, UnknownNameError, nearest
from zscan.results.contour_lines import Line, axes_of, contour_lines
from zscan.results.files import new_file
from zscan.results.load import open_scan
from zscan.results.outputs import Kind, Output, guard, write_output
from zscan.results.rule import measurement
from zscan.untrusted import file_name

FORMATS = {"csv": ".csv", "hepdata": ".zip", "netcdf": ".nc"}
_COLUMNS = ("constraint", "level", "piece")
_COMMENT = "Made by zscan from the map"
_DATE = (1980, 1, 1, 0, 0, 0)  # of all members of a ZIP, so that equal content gives equal bytes
_LONGEST = 1 << 16


class ExportWarning(UserWarning):
    """Constraints of a map that an export leaves out, and why."""


def export(
    map: str | Path,
    to: str,
    out: str | Path | None = None,
    *,
    constraints: str | Sequence[str] | None = None,
    force: bool = False,
) -> Path:
    """Write a map for other programs; returns the path, by default that of the map with another
    ending.

    `to` is "csv": contours, one point a line with the columns constraint, level ("excluded", or
    "band_low" and "band_high" at two standard deviations), piece, and the axes of the map;
    "hepdata": the same as a submission to HEPData, a ZIP of YAML files to upload, with measured
    values, levels and references; "netcdf": the whole map as netCDF-4, which any xarray, ROOT or
    Julia reads, names with a slash written with an underscore.

    A refined map (docs/adaptive.md) is written on its finest level, NaN where nothing was computed.
    Contours are those of the limits that the map stores, in planes of its last two axes,
    interpolated linearly on the scale of each axis. `constraints` are names or patterns of those
    that are wanted; one whose observable the map does not hold is left out with an `ExportWarning`.
    Raises `UnknownNameError`, `ParameterError`, `ResultExistsError` and what `open_scan` raises.
    """
    if to not in FORMATS:
        raise ParameterError(f"to = {to!r}: {nearest(str(to), FORMATS)}")
    source = file_name(map, "map")
    path = source.with_suffix(FORMATS[to]) if out is None else file_name(out, "output")
    with open_scan(source, refined=True) as data:
        names = selected_constraints(data, constraints)
        if to == "netcdf":
            return _netcdf(data.sel(constraint=names), path, force)
        lines = _all_lines(data, names)
        if to == "csv":
            output, content = Output(path, _CSV), _csv(data, lines)
        else:
            output, content = Output(path, _HEPDATA), _hepdata(data, lines)
    return write_output(output, content, force=force)


def selected_constraints(data: xr.Dataset, patterns: str | Sequence[str] | None) -> list[str]:
    """Constraints of a map that names or patterns select, None all; raises `UnknownNameError` for
    one that selects nothing.
    """
    known = [str(name) for name in data["constraint"].values]
    if patterns is None:
        return known
    found: dict[str, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError(
                f"no constraint {pattern!r} in the map: {nearest(pattern, known)}"
            )
        found |= dict.fromkeys(matches)
    return list(found)


def _all_lines(data: xr.Dataset, names: Iterable[str]) -> list[Line]:
    axes_of(data)
    lines, reasons = [], []
    for name in names:
        try:
            lines += contour_lines(data, name)
        except UnknownNameError as error:
            reasons.append(f"{name}: {error}")
    if reasons:
        warnings.warn(ExportWarning("left out: " + "; ".join(reasons)), stacklevel=3)
    return lines


def _csv(data: xr.Dataset, lines: Iterable[Line]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *axes_of(data)])
    for line in lines:
        start = [line.constraint, line.level, line.piece, *map(repr, line.others.values())]
        writer.writerows([*start, *map(repr, point)] for point in line.points.tolist())
    return text.getvalue().encode()


def _hepdata(data: xr.Dataset, lines: Sequence[Line]) -> bytes:
    """A submission: one table for each constraint and level, its points in order."""
    tables: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        tables.setdefault((line.constraint, line.level), []).append(line)
    attributes = data.attrs
    comment = (
        f"{_COMMENT} {attributes.get('name', '')} ({attributes.get('command', '')}). "
        f"Model: {attributes.get('model', '')}"
    )
    documents: list[dict[str, Any]] = [{"comment": comment}]
    files = {}
    infos = {item["name"]: item for item in json.loads(attributes["constraints"])}
    for number, ((name, level), pieces) in enumerate(tables.items(), start=1):
        file, info = f"table{number:03}.yaml", infos[name]
        cl = f"{100 * info['cl']:g} %" if info.get("cl") else str(info.get("level", ""))
        what = "contour of exclusion" if level == "excluded" else f"edge of the band ({level})"
        references = ", ".join(info.get("references", ()))
        documents.append(
            {
                "name": f"{name} {level}",
                "description": f"{info.get('long_name', name)}: {what}, CL {cl}. {references}",
                "keywords": [{"name": "observables", "values": ["CLS"]}],
                "data_file": file,
            }
        )
        files[file] = _yaml(_table(data, name, cl, pieces))
    text = "---\n".join(_yaml(document) for document in documents)
    files = {"submission.yaml": f"# {_COMMENT}\n{text}", **files}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file, _DATE), text)
    return content.getvalue()


def _table(data: xr.Dataset, name: str, cl: str, pieces: Sequence[Line]) -> dict[str, Any]:
    *others, x, y = axes_of(data)
    columns: dict[str, list[float]] = {key: [] for key in ("piece", *others, x, y)}
    for line in pieces:
        for point in line.points.tolist():
            values = (line.piece, *line.others.values(), *point)
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    measured = measurement(data.attrs, name)
    qualifiers = [
        {"name": "constraint", "value": name},
        {"name": "CL", "value": cl},
        {"name": "measured", "value": measured["value"]},
    ]

    def variable(key: str) -> dict[str, Any]:
        units = "" if key == "piece" else data[key].attrs.get("units", "")
        header = {"name": key} | ({"units": units} if units not in ("", "1") else {})
        return {"header": header, "values": [{"value": value} for value in columns[key]]}

    return {
        "independent_variables": [variable(key) for key in ("piece", *others, x)],
        "dependent_variables": [variable(y) | {"qualifiers": qualifiers}],
    }


def _yaml(value: Any, indent: str = "") -> str:
    """YAML of tables, lists and scalars; these as JSON, which is YAML."""
    if isinstance(value, Mapping):
        return "".join(f"{indent}{key}:{_nested(item, indent)}" for key, item in value.items())
    return "".join(
        f"{indent}- {_yaml(item, indent + '  ')[len(indent) + 2 :]}"
        if isinstance(item, Mapping)
        else f"{indent}- {json.dumps(item)}\n"
        for item in value
    )


def _nested(value: Any, indent: str) -> str:
    if isinstance(value, Mapping | list) and value:
        return "\n" + _yaml(value, indent + "  ")
    return f" {json.dumps(value)}\n"


def _netcdf(data: xr.Dataset, path: Path, force: bool) -> Path:
    renamed = data.rename(
        {name: str(name).replace("/", "_") for name in data.variables if "/" in str(name)}
    ).load()
    needed = sum(variable.nbytes for variable in renamed.variables.values())
    (target,) = guard([Output(path, _NETCDF, needed=needed)], force=force)
    with new_file(target.path, needed, replace=target.exists) as temporary:
        renamed.to_netcdf(temporary, engine="h5netcdf")
    return path


def _check_csv(path: Path) -> None:
    with open(path, "rb") as file:
        if not file.readline(_LONGEST).startswith(",".join(_COLUMNS).encode()):
            raise ForeignFileError(f"{path} was not written by zscan export")


def _check_hepdata(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("submission.yaml") as file:
            ours = file.read(_LONGEST).startswith(f"# {_COMMENT}".encode())
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ForeignFileError(f"{path} is no submission to HEPData: {error}") from error
    if not ours:
        raise ForeignFileError(f"{path} was not written by zscan export")


def _check_netcdf(path: Path) -> None:
    try:
        with h5py.File(path, "r") as file:
            ours = "schema" in file.attrs and "spec" in file.attrs
    except OSError as error:
        raise ForeignFileError(f"{path} is no netCDF-4 file: {error}") from error
    if not ours:
        raise ForeignFileError(f"{path} was not written by zscan export")


_CSV = Kind("table of contours", _check_csv)
_HEPDATA = Kind("submission to HEPData", _check_hepdata)
_NETCDF = Kind("netCDF file", _check_netcdf)
