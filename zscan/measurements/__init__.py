"""Observable sets: one TOML file per set, read into frozen measurements."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from zscan.errors import UnknownNameError, nearest


@dataclass(frozen=True)
class Measurement:
    """A measured value of an observable.

    `error_plus` and `error_minus` are one standard deviation upwards and downwards from `value`. `excluded_above` is
    the limit drawn in figures, at confidence level `cl`. `status` is "published", or "provisional" for a number that
    could not be checked against its publication or rests on a choice; `note` says which. `options` are choices of the
    prediction, or numbers that it needs, which belong to the set. `form` is "background" for a (split) normal
    likelihood, "counting" for events without background: chi2 = deviation/error_plus, "chi2" for an observable that
    is a chi2 itself. `theory_error` is one standard deviation of the prediction; `theory_included` says that it is
    part of the errors. It matters where the theory is a parameter of its own, "theory.NAME" in standard deviations.
    """

    value: float
    error_plus: float
    error_minus: float
    cl: str
    references: tuple[str, ...]
    status: str = "published"
    excluded_above: float | None = None
    note: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    form: str = "background"
    theory_error: float = 0.0
    theory_included: bool = True

    def without_theory(self) -> Measurement:
        """The same measurement with errors of the experiment alone."""
        if not self.theory_included:
            return self
        plus, minus = (math.sqrt(error**2 - self.theory_error**2) for error in (self.error_plus, self.error_minus))
        return replace(self, error_plus=plus, error_minus=minus)

    def __str__(self) -> str:
        if self.form == "chi2":
            return "profiled chi2"
        if self.value == 0 and self.excluded_above:
            return f"< {self.excluded_above:g} ({self.cl})"
        if self.error_plus == self.error_minus:
            return f"{self.value:g} +- {self.error_plus:g}"
        return f"{self.value:g} +{self.error_plus:g} -{self.error_minus:g}"

    def to_table(self) -> dict[str, Any]:
        """JSON-able table of all fields."""
        return asdict(self) | {"references": list(self.references)}


def observable_sets() -> tuple[str, ...]:
    """Names of the observable sets that `observables =` of a card and `log_likelihood` accept.

    >>> observable_sets()
    ('current', 'paper')
    """
    files = resources.files("zscan").joinpath("measurements").iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in files if entry.name.endswith(".toml")))


@cache
def measurements(observables: str) -> dict[str, Measurement]:
    """The measurements of an observable set by constraint name; raises `UnknownNameError` for an unknown set."""
    if observables not in observable_sets():
        raise UnknownNameError(f"unknown observable set {observables!r}: {nearest(observables, observable_sets())}")
    file = resources.files("zscan").joinpath("measurements", f"{observables}.toml")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    base = tables.pop("base", None)  # a set names what it changes and takes the rest from another one
    inherited = measurements(base) if base else {}
    return inherited | {name: _measurement(table) for name, table in tables.items()}


def _measurement(table: dict[str, Any]) -> Measurement:
    table = dict(table)
    if "error" in table:
        table["error_plus"] = table["error_minus"] = table.pop("error")
    return Measurement(**table | {"references": tuple(table["references"])})
