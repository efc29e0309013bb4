"""Whether what lies in a tile folder belongs together: header and spec, library versions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
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
