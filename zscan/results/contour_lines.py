"""Lines at which constraints begin to exclude, and the edges of favoured bands, read off a map."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import contourpy
import numpy as np
import xarray as xr

from zscan.errors import ParameterError, UnknownNameError
from zscan.results.rule import band, excess, excess_of_chi2, exclusion_rule, measurement, stored

MOST_PLANES = 10_000  # of the axes beyond two
_BOUND = 1e30  # larger numbers are cut: only their sign counts


@dataclass(frozen=True)
class Line:
    """A piece of a contour: `points` (n, 2) along the last two axes of the map, at the values
    `others` of the axes before them.

    `level` is "excluded", where a limit is met, or "band_low" and "band_high", the measured value
    minus and plus two standard deviations of an observable that has no limit."""

    constraint: str
    level: str
    piece: int
    others: Mapping[str, float]
    points: np.ndarray


def axes_of(data: xr.Dataset) -> tuple[str, ...]:
    """The axes of a map in order, x and y last; raises `ParameterError` for fewer than two."""
    axes = tuple(str(name) for name in data["delta_chi2"].dims if name != "constraint")
    if len(axes) < 2:
        raise ParameterError(f"contours need a map with two axes; it has {', '.join(axes)}")
    return axes


def contour_lines(data: xr.Dataset, constraint: str) -> list[Line]:
    """All contours of one constraint of a map that `zscan.open_scan` gives, in planes of its last
    two axes.

    They are interpolated linearly in the logarithm of axes with logarithmic steps. Nothing is
    bridged where the constraint does not apply. Raises `UnknownNameError` where the map does not
    hold the observable that the limit is on, `ParameterError` for more planes than anyone can want.
    """
    *others, x, y = axes_of(data)
    scales = json.loads(data.attrs["spec"])["axis"]
    is_log = [scales.get(name, {}).get("scale") == "log" for name in (x, y)]
    sizes = [range(data.sizes[name]) for name in others]
    if math.prod(map(len, sizes)) > MOST_PLANES:
        raise ParameterError(f"the map has more than {MOST_PLANES} planes of {x} and {y}")
    lines = []
    for level, values in _fields(data, constraint):
        values = values.transpose(*others, x, y)
        for index in product(*sizes):
            plane = np.asarray(values[index].values, dtype=np.float64)
            at = {name: float(data[name][i]) for name, i in zip(others, index, strict=True)}
            pieces = _lines(data[x].values, data[y].values, plane, is_log)
            lines += [Line(constraint, level, n, at, points) for n, points in enumerate(pieces)]
    return lines


def _fields(data: xr.Dataset, constraint: str) -> Iterator[tuple[str, xr.DataArray]]:
    """What vanishes on the contours of a constraint, by the name of the level."""
    if exclusion_rule(data.attrs, constraint).excludes:
        yield "excluded", excess_or_chi2(data, constraint)
        return
    observable = stored(data, constraint)
    low, _, high = band(data.attrs, constraint)
    for level, edge in (("band_low", low), ("band_high", high)):
        yield level, observable - edge


def excess_or_chi2(data: xr.Dataset, constraint: str) -> xr.DataArray:
    """As `rule.excess`; of a limit on a signal, which grows with its chi2, from chi2 alone where
    the map does not hold the signal. Raises `UnknownNameError` as that does.
    """
    try:
        return excess(data, constraint)
    except UnknownNameError:
        measured = measurement(data.attrs, constraint)
        if measured["value"] != 0 or measured["form"] not in ("background", "counting"):
            raise
        if not constraint.startswith(("searches/", "kmunux")):
            raise
    return excess_of_chi2(data, constraint)


def _lines(
    x: np.ndarray, y: np.ndarray, values: np.ndarray, is_log: list[bool]
) -> list[np.ndarray]:
    if min(values.shape) < 2 or not np.isfinite(values).any():
        return []
    u, v = (np.log(axis) if log else axis for axis, log in zip((x, y), is_log, strict=True))
    cut = np.ma.masked_invalid(np.clip(values.T, -_BOUND, _BOUND))
    generator = contourpy.contour_generator(u, v, cut, line_type=contourpy.LineType.Separate)
    found: list[Any] = list(generator.lines(0.0))
    for points in found:
        for column, log in enumerate(is_log):
            points[:, column] = np.exp(points[:, column]) if log else points[:, column]
    return found
