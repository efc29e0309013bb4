"""What a page says of a map: axes, models, constraints with their rules, numbers and references."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from zscan import references
from zscan.errors import UnknownNameError
from zscan.results.contour_lines import excess_or_chi2
from zscan.results.explore.encode import DIGITS, LOWEST, STEPS, codes, deflated, held, pack
from zscan.results.explore.words import readable
from zscan.results.figures import names, style, words
from zscan.results.layout import OK, STATUS
from zscan.results.rule import BAND_SIGMAS, band, exclusion_rule, measurement
from zscan.results.text import jsonable

SILENT, OUTSIDE, INSIDE = range(3)  # verdicts; of a limit: none, not excluded, excluded
_ORDER = "QUDLEN"


def _title(data: xr.Dataset) -> str:
    """The model of a map, or how many there are."""
    if (count := data.sizes.get("model", 1)) > 1:
        return f"{count} models"
    return readable(words.model_text(json.loads(data.attrs["model"])))


def header(data: xr.Dataset, planes: Sequence[str], thinned: Mapping[str, int]) -> dict[str, Any]:
    """All of a page but its constraints, JSON-able; `planes` are the axes in the page's order, x
    and y last, `thinned` the axes of which every n-th value is left.
    """
    scales = json.loads(data.attrs["spec"])["axis"]
    missing = json.loads(data.attrs["missing_tiles"])
    table: dict[str, Any] = {
        "name": str(data.attrs.get("name", "")),
        "title": _title(data),
        "sentence": words.model_sentence(data),
        "origin": f"{words.origin([data])}, made {data.attrs.get('created', '')}",
        "command": str(data.attrs.get("command", "")),
        "observables": str(data.attrs["observables"]),
        "thinned": dict(thinned),
        "missing": len(missing),
        "status": list(STATUS),
        "digits": DIGITS,
        "steps": STEPS,
        "lowest": LOWEST,
        "sigmas": BAND_SIGMAS,
        "coupling": str(data["delta_chi2"].dims[-1]),
        "axes": [
            {
                "name": name,
                "units": str(data[name].attrs.get("units", "1")),
                "log": scales.get(name, {}).get("scale") == "log",
                "values": data[name].values.tolist(),
            }
            for name in planes
        ],
    }
    if "model" in planes and data.sizes["model"] > 1:
        table["models"] = list(_models(data))
    return jsonable(table) | {"axes": table["axes"]}


def _models(data: xr.Dataset) -> Iterator[dict[str, str]]:
    """Name and charges of each model along the axis `model`."""
    along = [str(name) for name, item in data.coords.items() if item.dims == ("model",)]
    texts = [name for name in along if data[name].dtype.kind in "OUT"]
    charges = {name: data[name].values for name in along if name.startswith("charge.")}
    for number in range(data.sizes["model"]):
        named = [str(data[name].values[number]) for name in texts]
        told = []
        for species in _ORDER:
            values = [f"{v[number]:g}" for k, v in charges.items() if k.split(".")[1] == species]
            if any(value not in ("0", "-0") for value in values):
                told.append(f"{species} {', '.join(values)}")
        yield {"name": ", ".join(named) or f"model {number}", "charges": "; ".join(told)}


def constraint(
    data: xr.Dataset, name: str, planes: Sequence[str], kept: np.ndarray
) -> dict[str, Any]:
    """One constraint of a page, its numbers packed: JSON-able. `kept` are the indices of the last
    axis of the map, that of the coupling, that the page holds; rules look at all of them.

    `chi2` and `observable` are numbers at all points, `state` is status + 4 verdict there, where a
    verdict is 2 for what its rule excludes (a band: for what lies inside), 1 for what it does not,
    0 where it says nothing. `reference` is that which a rule on chi2 counts from."""
    table = names.constraint_table(data.attrs, name)
    measured = measurement(data.attrs, name)
    chi2 = data["delta_chi2"].sel(constraint=name, drop=True)
    status = data["status"].sel(constraint=name, drop=True)
    key = f"observable/{name}"
    last = str(chi2.dims[-1])

    def plane(values: xr.DataArray) -> np.ndarray:
        """Values (planes, x, y) in the order of the page."""
        array = values.isel({last: kept}).transpose(*planes).values
        return np.ascontiguousarray(array.reshape(-1, *array.shape[-2:]))

    known = np.isfinite(plane(chi2))
    found: dict[str, Any] = {
        "name": name,
        "label": readable(names.label(data.attrs, name)),
        "long_name": str(table["long_name"]),
        "level": str(table["level"]),
        "status": str(table["status"]),
        "projection": names.is_projection(data.attrs, name),
        "note": str(measured.get("note") or ""),
        "references": list(table["references"]),
        "colours": list(style.colours(names.experiment(data.attrs, name))),
        "chi2": _packed(plane(chi2), known),
    }
    if key in data:
        values = plane(data[key])
        at = np.isfinite(values)
        found |= {
            "quantity": str(data[key].attrs["long_name"]),
            "units": str(data[key].attrs["units"]),
            "observable": _packed(values, at),
        }
        if not np.array_equal(at, known):
            found["stored"] = deflated(at)
    rule, verdict = _rule(data, name, measured)
    found["rule"] = rule
    if rule["kind"] == "chi2":
        lowest = chi2.min(last)
        from_where = plane(((lowest - abs(lowest)) / 2).broadcast_like(chi2))
        at = np.isfinite(from_where)
        if np.any(from_where[at] != 0):  # else zero coupling everywhere
            found["reference"] = _packed(from_where, at)
    states = plane(status).astype(np.uint8)
    verdicts = np.zeros(known.shape, np.uint8) if verdict is None else plane(verdict)
    if not np.array_equal(states == OK, known):  # of a map that another program changed
        verdicts = np.where(known, verdicts, SILENT)
    found["state"] = deflated(states + 4 * verdicts.astype(np.uint8))
    return jsonable(found)


def _rule(
    data: xr.Dataset, name: str, measured: Mapping[str, Any]
) -> tuple[dict[str, Any], xr.DataArray | None]:
    """What a limit is on, in words and numbers, and the verdict at every point."""
    rule = exclusion_rule(data.attrs, name)
    if rule.excludes:
        try:
            excess = excess_or_chi2(data, name)
        except UnknownNameError as error:
            return {"kind": "none", "why": str(error)}, None
        kind, limit = "chi2", rule.delta_chi2_excluded
        if rule.excluded_above is not None:
            kind, limit = "above", rule.excluded_above
            if f"observable/{name}" not in data:  # read off its chi2, which grows with it
                signal = limit / measured["error_plus"]
                kind, limit = "signal", signal if measured["form"] == "counting" else signal**2
        return {"kind": kind, "limit": limit}, _verdict(excess, excess > 0)
    if f"observable/{name}" not in data or not measured.get("error_plus"):
        return {"kind": "none", "why": "it has no limit, and no band that can be drawn"}, None
    low, value, high = band(data.attrs, name)
    observable = data[f"observable/{name}"]
    told = {"kind": "band", "value": value, "low": low, "high": high}
    told |= {key: float(measured[key]) for key in ("error_minus", "error_plus")}
    return told, _verdict(observable, (observable >= low) & (observable <= high))


def _verdict(values: xr.DataArray, inside: xr.DataArray) -> xr.DataArray:
    return xr.where(values.notnull(), xr.where(inside, INSIDE, OUTSIDE), SILENT)


def _packed(values: np.ndarray, known: np.ndarray) -> str:
    return pack(held(codes(values), known).reshape(-1, values.shape[-1]))


def literature(data: xr.Dataset, constraints: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Label and BibTeX of every reference of some constraints, by its key; those that the map
    brings come before those of zscan.
    """
    brought = references.split(str(data.attrs.get("bibtex", "")))
    found = {}
    for key in dict.fromkeys(key for item in constraints for key in item["references"]):
        try:
            entry = brought[key] if key in brought else references.bibtex([key])
            label = key if key in brought else references.label(key)
        except UnknownNameError:
            entry, label = "", key
        found[key] = {"label": label, "bibtex": entry}
    return found
