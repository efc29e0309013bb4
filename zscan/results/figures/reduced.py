"""Two axes of a map of any number: the others selected, or projected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr

from zscan.errors import ParameterError, UnknownNameError, nearest, shown
from zscan.results.rule import excess, exclusion_rule, measurement, stored

_TOLERANCE = 1e-9


def axes_of(data: xr.Dataset) -> tuple[str, ...]:
    """Axes of a map, in its order: the last one is that of the coupling."""
    return tuple(map(str, data["delta_chi2"].dims[1:]))


def default_axes(data: xr.Dataset, x: str | None, y: str | None) -> tuple[str, str]:
    """The two axes that are drawn: those named, else the last two that have several values.

    Raises `ParameterError` for an axis that the map does not have, one axis given twice, and a map
    with fewer than two."""
    axes = axes_of(data)
    for name in (x, y):
        if name is not None and name not in axes:
            raise ParameterError(f"the map has no axis {shown(name)}: {nearest(name, axes)}")
    several = [name for name in axes if data[name].size > 1]
    x = x or next((name for name in several[-2:] if name != y), None)
    y = y or next((name for name in reversed(several) if name != x), None)
    if x is None or y is None or x == y:
        raise ParameterError(
            f"a plane needs two different axes; those of the map: {', '.join(axes)}"
        )
    return x, y


def check_others(
    data: xr.Dataset, kept: Sequence[str], select: Mapping[str, float], project: Sequence[str]
) -> dict[str, float]:
    """Values of the map at which all axes but `kept` and the projected ones are held.

    The value nearest to the one asked for is taken if it is as near as the step of the axis there.
    Raises `ParameterError` for names that are no axes, axes that are neither selected nor
    projected, and values outside an axis."""
    axes = axes_of(data)
    for name in (*select, *project):
        if name not in axes:
            raise ParameterError(f"the map has no axis {shown(name)}: {nearest(name, axes)}")
        if name in kept or (name in select and name in project):
            raise ParameterError(f"{name} is drawn, selected and projected at once: choose one")
    found = {}
    for name in axes:
        values = data[name].values
        if name in kept or name in project:
            continue
        if name not in select and values.size > 1:
            raise ParameterError(
                f"the map has {values.size} values of {name}: select one with "
                f"--at {name}={values[values.size // 2]:.4g}, or --project {name}"
            )
        wanted = float(select.get(name, values[0]))
        nearby = int(np.argmin(np.abs(values - wanted)))
        step = np.max(np.abs(np.diff(values[max(nearby - 1, 0) : nearby + 2])), initial=0.0)
        if not abs(values[nearby] - wanted) <= step + _TOLERANCE * abs(wanted):
            raise ParameterError(
                f"{name} = {wanted:g} lies outside the map: {values[0]:.4g} to {values[-1]:.4g}"
            )
        found[name] = float(values[nearby])
    return found


def reduced(
    data: xr.Dataset,
    x: str,
    y: str,
    select: Mapping[str, float],
    project: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
) -> xr.Dataset:
    """A map over x and y alone, with its attributes; `select` as `check_others` returns it.

    "excess/NAME" is the smallest excess over its limit over the projected axes: excluded is what no
    value of them allows. "pull/NAME" is the smallest distance from the measurement in standard
    deviations, "delta_chi2" the smallest. Observables are kept unless axes are projected. What
    cannot be had (an observable that is not stored) is left out."""
    names = data["constraint"].values.tolist() if constraints is None else list(constraints)
    other = {name: value for name, value in select.items() if name != axes_of(data)[-1]}
    last = {name: value for name, value in select.items() if name not in other}

    def at(values: xr.DataArray, where: Mapping[str, float]) -> xr.DataArray:
        there = {name: value for name, value in where.items() if name in values.dims}
        return values.sel(there) if there else values

    part = data.sel(other) if other else data
    found: dict[str, xr.DataArray] = {}

    def keep(name: str, values: Callable[[], xr.DataArray], nothing: float) -> None:
        try:
            result = at(values(), last)
        except UnknownNameError:
            return
        if project:
            result = result.fillna(nothing).min(list(project))
        if set(result.dims) == {x, y}:
            found[name] = result.transpose(x, y)

    for name in names:
        if exclusion_rule(data.attrs, name).excludes:
            # Where a constraint says nothing it excludes nothing
            keep(f"excess/{name}", partial(excess, part, name), -np.inf)
        elif measurement(data.attrs, name).get("error_plus"):
            keep(f"pull/{name}", partial(pull, part, name), np.inf)
    if not project:
        for key in map(str, data):
            if key.startswith("observable/"):
                keep(key, partial(part.__getitem__, key), np.nan)
    chi2 = at(part["delta_chi2"].sel(constraint=names), last)
    if project:
        chi2 = chi2.min(list(project))
    result = xr.Dataset(found, attrs=data.attrs)
    result["delta_chi2"] = chi2.transpose("constraint", x, y)
    for name in (x, y):
        result[name].attrs.update(data[name].attrs)
    return result.load()


def pull(data: xr.Dataset, constraint: str) -> xr.DataArray:
    """Distance of a stored observable from its measurement in standard deviations, never < 0."""
    measured = measurement(data.attrs, constraint)
    distance = stored(data, constraint) - float(measured["value"])
    return abs(distance) / xr.where(
        distance > 0, float(measured["error_plus"]), float(measured["error_minus"])
    )
