"""Whether what lies in a tile folder belongs together: header and spec, library versions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from zscan.errors import ResumeMismatchError
from zscan.results.grid import tile_grid
from zscan.results.layout import MapHeader
from zscan.scans.spec import hex_floats

# Libraries that determine the numbers.
LIBRARIES = ("zscan", "jax", "jaxlib", "numpy")
# Attributes that another run of the same spec may have different.
_OF_THE_RUN = {
    "name",
    "card",
    "overrides",
    "command",
    "device",
    "spec",
    "spec_hash",
    "versions",
    "other_versions",
}
_SHOWN_DIFFERENCES = 20
_CHI2_TOLERANCE = 1e-6  # relative; other devices round differently


def disagreements(spec: Mapping[str, Any], header: MapHeader) -> list[str]:
    """What in a header is not as its canonical spec says; parts that the spec leaves open, such as
    chi2 at zero coupling and texts, are not compared.
    """
    output = spec.get("output", {})
    stored = list(output.get("observables", ()))
    attributes = {name: header.attributes.get(name, "null") for name in ("spec", "model", "fixed")}
    claims = {
        "axis_order": [axis.name for axis in header.axes],
        "constraints": [item.name for item in header.constraints],
        "observables": header.attributes.get("observables"),
        "model": hex_floats(json.loads(attributes["model"])),
        "fixed": hex_floats(json.loads(attributes["fixed"])),
        "output": {
            "dtype": header.dtype,
            "observables": [item.name for item in header.observables][: len(stored)],
            "tile_points": output.get("tile_points"),
        },
    }
    wrong = [key for key, value in claims.items() if key in spec and spec[key] != value]
    if json.loads(attributes["spec"]) != spec:
        wrong.append("spec")
    if "tile_points" in output:
        shape = [len(axis.values) for axis in header.axes]
        if tile_grid(shape, output["tile_points"]).block != header.block:
            wrong.append("tile_shape")
    definitions = spec.get("axis", {})
    for axis in header.axes:
        definition = definitions.get(axis.name, {})
        ends = {"min": axis.values[0].hex(), "max": axis.values[-1].hex(), "num": len(axis.values)}
        ends["values"] = [value.hex() for value in axis.values] if "values" in definition else []
        wrong += [
            f"axis.{axis.name}.{key}"
            for key, value in ends.items()
            if key in definition and definition[key] != value
        ]
    return sorted(wrong)


def differing_parts(stored: MapHeader, asked: MapHeader) -> list[str]:
    """Parts in which two headers of the same spec and the same zscan differ but must not."""

    def comparable(header: MapHeader) -> MapHeader:
        kept = {key: text for key, text in header.attributes.items() if key not in _OF_THE_RUN}
        constraints = tuple(replace(item, chi2_zero=0.0) for item in header.constraints)
        return replace(header, attributes=kept, constraints=constraints, tables=())

    old, new = comparable(stored), comparable(asked)
    wrong = [
        item.name for item in fields(old) if getattr(old, item.name) != getattr(new, item.name)
    ]
    pairs = zip(stored.constraints, asked.constraints, strict=False)
    if not all(_close(one.chi2_zero, other.chi2_zero) for one, other in pairs):
        wrong.append("chi2_zero")
    return wrong


def versions(header: MapHeader) -> dict[str, str]:
    """Versions of the libraries that determine the numbers."""
    table = json.loads(header.attributes.get("versions", "{}"))
    return {name: str(table[name]) for name in LIBRARIES if name in table}


def require_same_versions(where: object, stored: MapHeader, asked: MapHeader) -> None:
    """Raise `ResumeMismatchError` with each library whose version is another one now."""
    old, new = versions(stored), versions(asked)
    changed = [
        f"{name} {old.get(name, 'unknown')} on disk, {new.get(name, 'unknown')} now"
        for name in LIBRARIES
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise ResumeMismatchError(
            f"{where} was computed with other versions: {'; '.join(changed)} "
            "(--allow-version-change goes on all the same, and the map names them all; --force "
            "discards what is there)"
        )


def _close(one: float, other: float) -> bool:
    same = one == other or (math.isnan(one) and math.isnan(other))
    return same or math.isclose(one, other, rel_tol=_CHI2_TOLERANCE)


def differing_keys(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Dotted keys in which two canonical specs differ, with both values.

    >>> differing_keys({"axis": {"m_X": {"num": 3}}}, {"axis": {"m_X": {"num": 4}}})
    ['axis.m_X.num: 3 on disk, 4 asked for']
    """
    old, new = _flat("", stored), _flat("", asked)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [
        f"{key}: {_shown(old.get(key))} on disk, {_shown(new.get(key))} asked for"
        for key in sorted(keys)
    ]


def require_same_spec(
    path: Path,
    stored: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    allow_version_change: bool = False,
) -> None:
    """Raise `ResumeMismatchError` with the differing keys unless two canonical specs agree, but for
    the version of zscan with `allow_version_change`.
    """
    if allow_version_change:
        stored = dict(stored) | {"zscan": asked.get("zscan")}
    differences = differing_keys(stored, asked)
    if differences:
        listing = "\n".join(f"  {line}" for line in differences[:_SHOWN_DIFFERENCES])
        more = len(differences) - _SHOWN_DIFFERENCES
        listing += f"\n  and {more} more" if more > 0 else ""
        raise ResumeMismatchError(
            f"{path} belongs to another scan (--force discards it, -o names another file); "
            f"it differs in\n{listing}"
        )


def _flat(prefix: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        return {prefix: table}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(f"{prefix}.{key}" if prefix else key, value)
    return flat


def _shown(value: Any) -> str:
    """A value of a canonical spec, with hexadecimal floats made readable."""
    try:
        number = float.fromhex(value) if isinstance(value, str) and "0x" in value else None
    except ValueError:
        number = None
    text = repr(value) if number is None else repr(number)
    return "nothing" if value is None else text if len(text) <= 80 else f"{text[:77]}..."
