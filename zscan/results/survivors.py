"""Which models of a map explain the muon's anomalous magnetic moment and pass its constraints;
without jax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from zscan.errors import ForeignFileError, ParameterError
from zscan.results.load import open_scan
from zscan.results.rule import excess, excess_of_chi2, exclusion_rule, measurement

_MODEL, _NAME, _G_2 = "model", "pattern_name", "delta_a_mu"


@dataclass(frozen=True)
class Survivor:
    """A model of a map that survives: its number along the axis `model`, its name, the masses
    [GeV] between which it does, and at how many points.
    """

    number: int
    name: str
    m_X: tuple[float, float]
    points: int


@dataclass(frozen=True)
class Survivors:
    """What `survivors` found: of `models` models those that survive, and for each constraint how
    many models have points in the band of g-2 that it alone excludes.
    """

    models: int
    n_sigma: float
    found: tuple[Survivor, ...]
    excludes: Mapping[str, int]

    def to_table(self) -> dict[str, Any]:
        """JSON-able table."""
        return asdict(self)

    def __str__(self) -> str:
        names = dict.fromkeys(item.name for item in self.found)
        lines = [
            f"{len(self.found)} of {self.models} models explain g-2 within {self.n_sigma:g} sigma "
            f"and pass every constraint of the map; they are {len(names)} patterns of charges"
        ]
        for name in names:
            same = [item for item in self.found if item.name == name]
            low, high = min(item.m_X[0] for item in same), max(item.m_X[1] for item in same)
            lines.append(f"  {name}: m_X from {low:.3g} to {high:.3g} GeV, {len(same)} models")
        lines.append("models with points in the band that a constraint excludes:")
        lines += [f"  {name:36} {number}" for name, number in self.excludes.items()]
        return "\n".join(lines)


def survivors(path: str | Path, *, n_sigma: float = 2.0) -> Survivors:
    """The models along the axis `model` of a map (or its one model) with a point at which
    delta_a_mu lies within `n_sigma` standard deviations and no constraint excludes, by the rules
    that the map stores.

    Raises `ParameterError` for a map without delta_a_mu and for an `n_sigma` that is not positive,
    `UnknownNameError` where the map does not hold an observable that a rule needs, and as
    `zscan.open_scan`."""
    if not 0 < n_sigma < 100:
        raise ParameterError(f"n_sigma = {n_sigma}; allowed: above 0, below 100")
    with open_scan(path) as data:
        if data.attrs.get("kind") == "survey":
            raise ForeignFileError(f"{path}: the file of a survey: zscan survey {path} reads it")
        names = [str(name) for name in data["constraint"].values]
        if _G_2 not in names or "m_X" not in data.dims:
            raise ParameterError(f"{path}: the map has no {_G_2}, or no axis m_X")
        limits = [name for name in names if exclusion_rule(data.attrs, name).excludes]
        count = data.sizes[_MODEL] if _MODEL in data.dims else 1
        excludes, found = dict.fromkeys(limits, 0), []
        for number in range(count):
            part = data.isel({_MODEL: number}) if _MODEL in data.dims else data
            chi2 = part["delta_chi2"].sel(constraint=_G_2, drop=True)
            zero = float(part["chi2_zero"].sel(constraint=_G_2))
            band = chi2 + zero <= n_sigma**2
            passing = band
            for name in limits:
                excluded = _excess(part, name) > 0
                excludes[name] += bool((excluded & band).any())
                passing = passing & ~excluded
            if bool(passing.any()):
                masses = _masses(passing)
                text = str(part[_NAME].values) if _NAME in part.coords else f"model {number}"
                found.append(Survivor(number, text, masses, int(passing.sum())))
    return Survivors(count, n_sigma, tuple(found), excludes)


def _masses(passing: xr.DataArray) -> tuple[float, float]:
    others = [name for name in passing.dims if name != "m_X"]
    kept = passing["m_X"].values[np.asarray(passing.any(others))]
    return float(kept[0]), float(kept[-1])


def _excess(data: xr.Dataset, constraint: str) -> xr.DataArray:
    """As `zscan.results.rule.excess`; of an upper limit on something positive, whose chi2 rises
    with it, delta chi2 alone tells it, in other units.
    """
    rule = exclusion_rule(data.attrs, constraint)
    measured = measurement(data.attrs, constraint) if rule.excluded_above is not None else {}
    if not measured or f"observable/{constraint}" in data or measured["value"] != 0:
        return excess(data, constraint)
    return excess_of_chi2(data, constraint)
