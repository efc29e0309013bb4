"""The header of a map: all that it says beside its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import zscan
from zscan import references
from zscan.likelihood import Description
from zscan.results.layout import MapAxis, MapConstraint, MapHeader, MapObservable
from zscan.scans.devices import in_use
from zscan.scans.profiled import profiled_observables
from zscan.scans.spec import ScanSpec

_VERSIONED = ("jax", "jaxlib", "numpy", "h5py")


def provenance(
    name: str,
    model: Mapping[str, Any],
    observables: str,
    canonical: Mapping[str, Any],
    spec_hash: str,
    described: Description,
    *,
    command: str,
    stored: str,
    fixed: Mapping[str, float] | None = None,
    card: str = "",
    overrides: Sequence[str] = (),
) -> dict[str, str]:
    """Attributes of a map: what was asked for, by `command`, and what computed it here and now;
    `canonical` is what determines the numbers, `spec_hash` its hash, `stored` their type.
    """
    device = in_use()[0]
    entries = references.added(described.bibtex_keys)  # those of users, which zscan does not have
    return ({"bibtex": entries} if entries else {}) | {
        "name": name,
        "model": json.dumps(model),
        "observables": observables,
        "fixed": json.dumps(dict(fixed or {})),
        "card": card,
        "overrides": json.dumps(list(overrides)),
        "command": command,
        "spec": json.dumps(canonical, sort_keys=True),
        "spec_hash": spec_hash,
        "versions": json.dumps(
            {"zscan": zscan.__version__} | {name: version(name) for name in _VERSIONED}
        ),
        "other_versions": "[]",
        "device": f"{device.platform}: {device.device_kind}",
        "precision": f"evaluated in float64, stored in {stored}",
        "bibtex_keys": json.dumps(list(described.bibtex_keys)),
        "provisional": json.dumps(list(described.provisional)),
    }


def map_constraints(described: Description, names: Iterable[str]) -> tuple[MapConstraint, ...]:
    """What a map says of constraints, in the order of `names`."""
    return tuple(
        MapConstraint(
            name=name,
            long_name=info.long_name,
            references=info.references,
            status=info.status,
            level=info.cl,
            chi2_zero=described.chi2_zero[name],
            excluded_above=info.measurement.excluded_above,
            delta_chi2_excluded=info.measurement.delta_chi2_excluded,
            cl=info.measurement.cl,
        )
        for name, info in ((name, described.constraints[name]) for name in names)
    )


def map_header(spec: ScanSpec, command: str) -> MapHeader:
    """Everything of the map of a scan but its data."""
    described = spec.likelihood.describe(spec.stored_observables)
    attributes = provenance(
        spec.name,
        spec.model.to_table(),
        spec.observables,
        spec.canonical(),
        spec.hash,
        described,
        command=command,
        stored=spec.dtype,
        fixed=spec.fixed,
        card=spec.card,
        overrides=spec.overrides,
    )
    axes = []
    for axis in spec.axes:
        values = tuple(axis.values.tolist())
        if axis.columns:
            axes.append(MapAxis(axis.name, "1", "number of the model", values, axis.coordinates))
        else:
            parameter = spec.model.parameter(axis.name)
            axes.append(MapAxis(axis.name, parameter.units, parameter.long_name, values))
    constraints = map_constraints(described, described.constraints)
    stored = tuple(
        MapObservable(name, info.long_name, info.units, info.references)
        for name, info in described.observables.items()
    )
    stored += profiled_observables(spec.model, spec.profiled)
    return MapHeader(tuple(axes), constraints, stored, spec.dtype, spec.grid.block, attributes)
