"""The table [refine] of a card: where a scan gets points between those of its grid."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from zscan.constraints import Measurement
from zscan.errors import Fault, ParameterError, nearest
from zscan.results.refined import MAX_LEVELS, MOST_POINTS, finer
from zscan.scans.axes import Axis, Number, Section, validate

Names = Annotated[list[str], Field(max_length=1000, fail_fast=True)]
_REGIONS = (2.296, 5.991)  # 68 % and 95 % of two parameters


class RefineTable(Section):
    """The table [refine] of a card."""

    levels: int = Field(ge=1, le=MAX_LEVELS)
    constraints: Names | None = None
    combined: Names = Field(default_factory=list)
    combined_levels: Annotated[list[Number], Field(min_length=1, max_length=10)] = Field(
        default_factory=lambda: list(_REGIONS)
    )


@dataclass(frozen=True)
class Refinement:
    """Points between those of a grid: `levels` times the cells where a contour passes are cut into
    four.

    Contours are those of the `constraints` (limits; for those without, edges of the band of two
    standard deviations and its centre) and of the sum of chi2 of the
    `combined` ones, `combined_levels` above its minimum in the plane."""

    levels: int
    constraints: tuple[str, ...]
    combined: tuple[str, ...]
    combined_levels: tuple[float, ...]

    def table(self) -> dict[str, Any]:
        """JSON-able table, which is part of the spec."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    def axes(self, axes: Sequence[Axis]) -> list[np.ndarray]:
        """The values of the axes of the finest level."""
        return [finer(axis.values, str(axis.definition.get("scale")), self.levels) for axis in axes]


def require_whole(
    refinement: Refinement | None, executor: str = "inline", shard: tuple[int, int] | None = None
) -> None:
    """Raise `ParameterError` if a refined scan is to be divided among processes."""
    if refinement is None or (executor == "inline" and shard is None):
        return
    what = f"executor {executor!r}" if shard is None else f"shard {shard[0]}/{shard[1]}"
    raise ParameterError(
        f"{what} is not possible with [refine]: which points are computed depends on those before; "
        "run it in one process, or leave out [refine] and make the grid finer"
    )


def read_refinement(
    table: Any,
    axes: Sequence[Axis],
    profiled: Sequence[object],
    measured: Mapping[str, Measurement],
    stored: Sequence[str],
    faults: list[Fault],
) -> Refinement | None:
    """The refinement that a card asks for; faults are appended. `measured` are the measurements of
    its constraints, `stored` those whose observable it stores.
    """
    before = len(faults)
    found = validate(RefineTable, table, "refine", faults)
    if len(axes) != 2:
        given = ", ".join(axis.name for axis in axes)
        faults.append(Fault("refine", "needs a plane", given, "exactly two axes"))
    if profiled:
        faults.append(Fault("refine", "not possible with a profiled axis"))
    for axis in axes:
        if "scale" not in axis.definition:
            allowed = "min, max, num and scale"
            faults.append(Fault(f"axis.{axis.name}", "cannot be refined", None, allowed))
    step = 2 ** found.get("levels", 1)
    points = math.prod((axis.values.size - 1) * step + 1 for axis in axes)
    if points > MOST_POINTS:
        problem = f"the finest level has {points} points, if it were dense"
        faults.append(Fault("refine.levels", problem, found.get("levels"), f"{MOST_POINTS}"))
    drawn = [name for name in measured if has_contour(name, measured[name], stored)]
    names = _matching(found.get("constraints"), drawn, measured, "constraints", faults)
    combined = _matching(found.get("combined", []), list(measured), measured, "combined", faults)
    for index, level in enumerate(found.get("combined_levels", ())):
        if level <= 0:
            faults.append(Fault(f"refine.combined_levels.{index}", "out of range", level, "> 0"))
    if not (names or combined) and len(faults) == before:
        problem = "no constraint of the card has a contour in the map: nothing to refine"
        faults.append(Fault("refine.constraints", problem, None, "output.observables stores more"))
    if len(faults) > before:
        return None
    levels = tuple(float(level) for level in found["combined_levels"])
    return Refinement(found["levels"], tuple(names), tuple(combined), levels)


def has_contour(name: str, measured: Measurement, stored: Sequence[str]) -> bool:
    """Whether a map that stores the observables of `stored` tells where the limit of a constraint,
    or the edge of its band, is.
    """
    rule = measured.exclusion
    if rule.excludes and rule.excluded_above is None:
        return True
    return name in stored and (rule.excludes or not math.isnan(measured.error_plus))


def _matching(
    patterns: Sequence[str] | None,
    usable: Sequence[str],
    known: Mapping[str, Measurement],
    key: str,
    faults: list[Fault],
) -> list[str]:
    """Constraints for names and shell patterns, in the order of the card; None: all usable ones."""
    if patterns is None:
        return list(usable)
    chosen: set[str] = set()
    for index, pattern in enumerate(patterns):
        path = f"refine.{key}.{index}"
        matches = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            problem = "not among the constraints of the card"
            faults.append(Fault(path, problem, pattern, nearest(pattern, known)))
        elif not (useful := [name for name in matches if name in usable]):
            problem = "has no contour in the map"
            faults.append(Fault(path, problem, pattern, "with its name in output.observables"))
        else:
            chosen.update(useful)
    return [name for name in usable if name in chosen]
