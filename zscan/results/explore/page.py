"""`explore`: the page itself, from a map to one HTML file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from zscan.errors import ForeignFileError, ParameterError, nearest, shown
from zscan.results.explore import content
from zscan.results.export import selected_constraints
from zscan.results.load import open_scan
from zscan.results.outputs import Kind, Output, guard, write_output
from zscan.results.text import human_bytes
from zscan.untrusted import file_name

Select = Mapping[str, float | tuple[float, float]]
MOST_BYTES = 10e6
MOST_NUMBERS = 20_000_000  # a browser keeps each of them in four bytes
_MARK = b"<!doctype html>\n<!-- zscan explore -->"
_SCRIPTS = ("numbers.js", "lines.js", "view.js", "plane.js", "panel.js", "main.js")
_TOLERANCE = 1e-9


def explore(
    map: str | Path,
    path: str | Path | None = None,
    *,
    select: Select | None = None,
    constraints: str | Sequence[str] | None = None,
    thin: Mapping[str, int] | None = None,
    max_size: float = MOST_BYTES,
    allow_partial: bool = False,
    force: bool = False,
) -> Path:
    """Write one HTML page in which a map can be looked at; returns its path, by default that of
    the map with the ending .html.

    The page needs no network and no other file. It shows the plane of the last two axes that have
    several values, further ones as sliders (the axis `model` as a list with charges), and for the
    point of the grid under the cursor what every constraint says, by the rule that the map stores:
    excluded or not by the numbers of the map, observable and delta_chi2 rounded to 3 significant
    digits, where it says nothing why. Curves are interpolated between points, as in `export`.

    `select` holds axes at a value of the map (the nearest one, no farther than a step) or cuts them
    to a range (low, high); `constraints` are names or patterns; `thin` keeps every n-th value of an
    axis, which the page tells. A page above `max_size` [bytes], or of more than 2e7 numbers, is
    refused. A map with missing tiles is shown with `allow_partial` only, these as not computed.
    Raises `ParameterError`, `UnknownNameError`, `ResultExistsError` and what `open_scan` raises."""
    if not max_size > 0:
        raise ParameterError(f"max_size = {max_size}; allowed: above 0 [bytes]")
    source = file_name(map, "map")
    page_path = source.with_suffix(".html") if path is None else file_name(path, "output")
    output = Output(page_path, _PAGE)
    guard([output], force=force)
    with open_scan(source, allow_partial=allow_partial) as data:
        names = selected_constraints(data, constraints)
        page = _page(data, names, dict(select or {}), dict(thin or {}), float(max_size))
    return write_output(output, page, force=force)


def _page(
    data: xr.Dataset, names: Sequence[str], select: Select, thin: Mapping[str, int], most: float
) -> bytes:
    """The page of a part of a map; refuses one of too many numbers or bytes."""
    axes = tuple(str(name) for name in data["delta_chi2"].dims[1:])
    for name in (*select, *thin):
        if name not in axes:
            raise ParameterError(f"the map has no axis {shown(name)}: {nearest(name, axes)}")
    places = {name: _places(data, name, select.get(name), thin.get(name, 1)) for name in axes}
    several = [name for name in axes if places[name].size > 1]
    if len(several) < 2:
        raise ParameterError(
            f"a plane needs two axes with several values; those of the map: {_sizes(places)}"
        )
    planes = [name for name in axes if name not in several[-2:]] + several[-2:]
    fields = sum(1 + (f"observable/{name}" in data) for name in names)
    numbers = fields * int(np.prod([item.size for item in places.values()], dtype=np.float64))
    if numbers > MOST_NUMBERS:
        raise _too_large(f"{numbers:.1e} numbers; allowed: {MOST_NUMBERS:.0e}", places, names)
    # Rules compare with the lowest chi2 of all couplings: that axis is cut after they are applied
    part = data.isel({name: item for name, item in places.items() if name != axes[-1]})
    found, size = [], 0
    for name in names:
        table = content.constraint(part, name, planes, places[axes[-1]])
        size += sum(len(text) for text in table.values() if isinstance(text, str))
        if size > most:
            problem = f"more than {human_bytes(most)}, the largest allowed (--max-size)"
            raise _too_large(problem, places, names)
        found.append(table)
    cut = part.isel({axes[-1]: places[axes[-1]]})
    told = content.header(cut, planes, {name: n for name, n in thin.items() if n > 1})
    told |= {"constraints": found, "literature": content.literature(data, found)}
    return _html(told)


def _places(
    data: xr.Dataset, name: str, wanted: float | tuple[float, float] | None, every: int
) -> np.ndarray:
    """Indices of the values of an axis that a page holds."""
    values = data[name].values
    if every < 1 or every != int(every):
        raise ParameterError(f"thin: {name} = {every}; allowed: whole numbers from 1")
    if wanted is None:
        return np.arange(0, values.size, every)
    if isinstance(wanted, tuple):
        low, high = wanted
        inside = np.flatnonzero((values >= low) & (values <= high))
        if not inside.size:
            raise ParameterError(f"no value of {name} from {low:g} to {high:g}: {_ends(values)}")
        return inside[::every]
    nearby = int(np.argmin(np.abs(values - wanted)))
    step = np.max(np.abs(np.diff(values[max(nearby - 1, 0) : nearby + 2])), initial=0.0)
    if not abs(values[nearby] - wanted) <= step + _TOLERANCE * abs(wanted):
        raise ParameterError(f"{name} = {wanted:g} lies outside the map: {_ends(values)}")
    return np.array([nearby])


def _ends(values: np.ndarray) -> str:
    return f"{values[0]:.4g} to {values[-1]:.4g}"


def _sizes(places: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} ({item.size})" for name, item in places.items())


def _too_large(
    problem: str, places: Mapping[str, np.ndarray], names: Sequence[str]
) -> ParameterError:
    longest = max(places, key=lambda name: places[name].size)
    first = next(name for name, item in places.items() if item.size > 1)
    return ParameterError(
        f"the page would have {problem}. It holds {_sizes(places)} and {len(names)} constraints: "
        f"take a part of it with --select {first}=LOW:HIGH, fewer --constraints, "
        f"or every second value with --thin {longest}=2"
    )


def _html(told: Mapping[str, Any]) -> bytes:
    """The page: its own files, and what it tells as JSON in which nothing can end a script."""
    files = resources.files("zscan.results.explore")

    def text(name: str) -> str:
        return files.joinpath(name).read_text(encoding="utf-8")

    look = text("page.css")
    scripts = "\n".join(text(name) for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{scripts}}})();\n'
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(look)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = text("page.html")
    parts = {"POLICY": policy, "STYLE": look, "SCRIPT": script, "DATA": safe_json(told)}
    before, *rest = page.split("@@")
    filled = [parts.get(item, item) for item in rest]
    return "".join([before, *filled]).encode("utf-8")


def safe_json(value: Any) -> str:
    """JSON in ASCII without <, > and &: no text in it can end the element that holds it.

    >>> safe_json({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def _check_page(path: Path) -> None:
    with open(path, "rb") as file:
        if not file.read(len(_MARK)) == _MARK:
            raise ForeignFileError(f"{path} was not written by zscan explore")


_PAGE = Kind("page", _check_page)
