"""When a constraint excludes a point, as plain numbers that a map stores beside each constraint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zscan.errors import UnknownNameError

if TYPE_CHECKING:  # what asks for a rule of its own does not read maps
    import xarray as xr

BAND_SIGMAS = 2.0  # on each side of a measurement, unless others are asked for
_OLDER_MAPS = (
    3.84  # delta_chi2_excluded of chi2-like observables in maps that do not store the rule
)


@dataclass(frozen=True)
class ExclusionRule:
    """What "excluded" means for a constraint, at the confidence level `cl`; with neither number it
    excludes nothing.

    One-sided: the observable lies above `excluded_above`. Two-sided: chi2 lies more than
    `delta_chi2_excluded` above its minimum over the coupling at the same mass (and other
    parameters), zero coupling included; the region may have several pieces."""

    excluded_above: float | None = None
    delta_chi2_excluded: float | None = None
    cl: float | None = None

    @property
    def excludes(self) -> bool:
        """Whether there is anything that the constraint excludes."""
        return self.excluded_above is not None or self.delta_chi2_excluded is not None

    def excess(self, observable: Any, delta_chi2: Any, lowest: Any) -> Any:
        """By how much the limit is exceeded: excluded where it is positive; NaN where the
        constraint says nothing.

        `observable`, `delta_chi2` (from zero coupling) and `lowest`, its minimum over the coupling,
        are arrays, NumPy or jax, that broadcast; NaN where the constraint does not apply. Raises
        `ValueError` for a rule without numbers."""
        if self.excluded_above is not None:
            return observable - self.excluded_above
        if self.delta_chi2_excluded is None:
            raise ValueError("a constraint without a limit excludes nothing: ask `excludes` first")
        reference = (lowest - abs(lowest)) / 2  # at most 0, the value at zero coupling
        return delta_chi2 - reference - self.delta_chi2_excluded


def stored(data: xr.Dataset, observable: str) -> xr.DataArray:
    """A stored observable of a map; raises `UnknownNameError`, which says how to store it, if it is
    not there.
    """
    name = f"observable/{observable}"
    if name not in data:
        there = ", ".join(sorted(key for key in map(str, data) if key.startswith("observable/")))
        raise UnknownNameError(
            f"the map holds no observable {observable!r}; add it to output.observables of its card "
            f"(stored: {there})"
        )
    return data[name]


def measurement(attributes: Mapping[str, Any], constraint: str) -> dict[str, Any]:
    """The measurement of a constraint as a map records it (numbers are exact hexadecimal floats
    there).
    """
    table = json.loads(attributes["spec"])["likelihood"]["measurements"][constraint]
    return {key: _number(value) for key, value in table.items()}


def band(
    attributes: Mapping[str, Any], constraint: str, n_sigma: float = BAND_SIGMAS
) -> tuple[float, float, float]:
    """Measured value minus `n_sigma` standard deviations, itself, and plus `n_sigma`."""
    measured = measurement(attributes, constraint)
    value, low, high = (float(measured[key]) for key in ("value", "error_minus", "error_plus"))
    return value - n_sigma * low, value, value + n_sigma * high


def exclusion_rule(attributes: Mapping[str, Any], constraint: str) -> ExclusionRule:
    """The rule of a constraint as a map stores it, from the root attributes; also of maps of zscan
    0.1.
    """
    (table,) = (
        item for item in json.loads(attributes["constraints"]) if item["name"] == constraint
    )
    if "excluded_above" in table:
        return ExclusionRule(table["excluded_above"], table["delta_chi2_excluded"], table["cl"])
    measured = measurement(attributes, constraint)
    by_chi2 = _OLDER_MAPS if measured["form"] == "chi2" else None
    return ExclusionRule(measured["excluded_above"], by_chi2)


def excess(data: xr.Dataset, constraint: str) -> xr.DataArray:
    """By how much a constraint's limit is exceeded in a map: excluded where it is positive, see
    `ExclusionRule`.

    The minimum of a chi2 is taken over the last axis of the map, that of the coupling. NaN where
    the constraint does not apply. Raises `UnknownNameError` when the map does not hold the
    observable that the rule needs, or for a constraint that excludes nothing."""
    rule = exclusion_rule(data.attrs, constraint)
    if not rule.excludes:
        raise UnknownNameError(f"{constraint} has no limit: it excludes nothing")
    chi2 = data["delta_chi2"].sel(constraint=constraint, drop=True)
    observable = chi2 if rule.excluded_above is None else stored(data, constraint)
    found: xr.DataArray = rule.excess(observable, chi2, chi2.min(str(chi2.dims[-1])))
    return found.transpose(*chi2.dims)


def excess_of_chi2(data: xr.Dataset, constraint: str) -> xr.DataArray:
    """As `excess`, in units of chi2: of an upper limit on a signal that was measured as zero, whose
    chi2 grows with it, where a map does not hold the signal itself.
    """
    measured = measurement(data.attrs, constraint)
    limit = measured["excluded_above"] / measured["error_plus"]
    chi2 = data["delta_chi2"].sel(constraint=constraint, drop=True)
    found: xr.DataArray = chi2 - (limit if measured["form"] == "counting" else limit**2)
    return found


def _number(value: Any) -> Any:
    is_number = isinstance(value, str) and re.fullmatch(r"-?0x[01]\.[0-9a-f]+p[+-]\d+", value)
    return float.fromhex(value) if is_number else value
