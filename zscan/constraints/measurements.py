"""Measurements: what a value and its errors say of a prediction; observable sets, one TOML file
each.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

import jax.numpy as jnp
from jax import Array

from zscan.constraints.exclusion import ExclusionRule
from zscan.errors import ParameterError, UnknownNameError, nearest
from zscan.limits import Limit
from zscan.results.levels import two_sided

BASE_SET = "paper"


@dataclass(frozen=True)
class Measurement:
    """A measured value of an observable.

    `error_plus` and `error_minus` are one standard deviation upwards and downwards from `value`.
    Excluded, at confidence level `cl`, is an observable above `excluded_above`, or one of the form
    "chi2" more than `delta_chi2_excluded` above its minimum over the coupling at the same mass (see
    `exclusion`); `band` is the level in words: how a measurement without a limit is drawn, or a
    one-sided level. `status` is "published",
    or "provisional" for a number that could not be checked against its publication or rests on a
    choice; `note` says which. `options` are choices of the prediction, or numbers that it needs,
    which belong to the set. `form` is "background" for a (split) normal likelihood, "counting" for
    events without background: chi2 = deviation/error_plus, "chi2" for an observable that is a chi2
    itself. `theory_error` is one standard deviation of the prediction; `theory_included` says that
    it is part of the errors. It matters where the theory is a parameter of its own, "theory.NAME"
    in standard deviations."""

    value: float
    error_plus: float
    error_minus: float
    cl: float
    references: tuple[str, ...]
    status: str = "published"
    excluded_above: float | None = None
    delta_chi2_excluded: float | None = None
    band: str = ""
    note: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    form: str = "background"
    theory_error: float = 0.0
    theory_included: bool = True

    @property
    def exclusion(self) -> ExclusionRule:
        """When a point is excluded."""
        return ExclusionRule(self.excluded_above, self.delta_chi2_excluded, self.cl)

    def exclusion_at(self, cl: float | None) -> ExclusionRule:
        """When a point is excluded at another confidence level; None: at its own.

        Limits move as those of the form of their likelihood: normal ones by two-sided quantiles,
        events without background by ln(1 - cl), chi2 by its quantile for one degree of freedom."""
        own = self.exclusion
        if cl is None or not own.excludes:
            return own
        if own.excluded_above is None:
            return ExclusionRule(None, chi2_quantile(cl), cl)
        if self.form == "counting":
            factor = math.log(1 - cl) / math.log(1 - self.cl)
        else:
            factor = two_sided(cl) / two_sided(self.cl)
        return ExclusionRule(self.value + factor * (own.excluded_above - self.value), None, cl)

    @property
    def level(self) -> str:
        """The confidence level as text, such as "95 %"."""
        return self.band or f"{100 * self.cl:g} %"

    @property
    def is_normal(self) -> bool:
        """Whether chi2 is that of a normal density, whose deviations can be drawn and counted in
        errors.
        """
        return self.form == "background"

    @property
    def is_upper_limit(self) -> bool:
        """Whether it only bounds from above; written as a measurement of zero, it is not
        distributed as chi2.
        """
        return self.value == 0

    def chi2(self, observable: Array) -> Array:
        """((observable - value)/error)^2 with the upper error above the measured value and the
        lower one below it.

        For events without background ("counting") it is linear in the expected number: (observable
        - value)/error; an observable of the form "chi2" is one already."""
        if self.form == "chi2":
            return observable
        deviation = observable - self.value
        if self.form == "counting":
            return deviation / self.error_plus
        return (deviation / jnp.where(deviation > 0, self.error_plus, self.error_minus)) ** 2

    def chi2_of(self, observable: float) -> float:
        """`chi2` of one number, without jax."""
        if self.form == "chi2":
            return observable
        deviation = observable - self.value
        if self.form == "counting":
            return deviation / self.error_plus
        return (deviation / (self.error_plus if deviation > 0 else self.error_minus)) ** 2

    def pull(self, observable: float) -> float:
        """(observable - value)/error, NaN where the likelihood has another form."""
        deviation = observable - self.value
        return (
            deviation / (self.error_plus if deviation > 0 else self.error_minus)
            if self.is_normal
            else math.nan
        )

    def without_theory(self) -> Measurement:
        """The same measurement with errors of the experiment alone."""
        if not self.theory_included:
            return self
        plus, minus = (
            math.sqrt(error**2 - self.theory_error**2)
            for error in (self.error_plus, self.error_minus)
        )
        return replace(self, error_plus=plus, error_minus=minus)

    def __str__(self) -> str:
        if self.form == "chi2":
            return "profiled chi2"
        if self.is_upper_limit and self.excluded_above:
            return f"< {self.excluded_above:g} ({self.level})"
        if self.error_plus == self.error_minus:
            return f"{self.value:g} +- {self.error_plus:g}"
        return f"{self.value:g} +{self.error_plus:g} -{self.error_minus:g}"

    def to_table(self) -> dict[str, Any]:
        """JSON-able table of all fields."""
        return asdict(self) | {"references": list(self.references)}


def chi2_quantile(cl: float) -> float:
    """What chi2 of one degree of freedom exceeds with the probability 1 - cl.

    >>> round(chi2_quantile(0.95), 2)
    3.84
    """
    return two_sided(cl) ** 2


def of_limit(limit: Limit) -> Measurement:
    """The signal strength of a limit curve as a measurement of zero; `Limit.likelihood` is the form
    of its chi2.
    """
    return Measurement(
        value=0.0,
        error_plus=limit.error,
        error_minus=limit.error,
        cl=limit.cl,
        references=limit.references,
        status=limit.status,
        excluded_above=1.0,
        note=f"{limit.source}; {limit.note}" if limit.note else limit.source,
        form=limit.likelihood,
    )


def observable_sets() -> tuple[str, ...]:
    """Names of the observable sets that `observables =` of a card and `log_likelihood` accept.

    >>> observable_sets()
    ('current', 'paper')
    """
    files = _folder().iterdir()
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in files if entry.name.endswith(".toml"))
    )


@cache
def measurements(observables: str) -> dict[str, Measurement]:
    """The measurements of an observable set by constraint name; raises `UnknownNameError` for an
    unknown set.

    After the name of the set, numbers or options of its measurements may be changed, as TOML after
    semicolons: "paper; matter.neutron_ratio = 1.012". Raises `ParameterError` for a change that is
    no TOML, or of another type than what it replaces.

    >>> measurements("paper; matter.neutron_ratio = 1.012")["matter"].options["neutron_ratio"]
    1.012
    """
    name, *changes = (part.strip() for part in observables.split(";"))
    if name not in observable_sets():
        raise UnknownNameError(
            f"unknown observable set {name!r}: {nearest(name, observable_sets())}"
        )
    if changes:
        return _changed(measurements(name), changes)
    tables = tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    base = tables.pop(
        "base", None
    )  # a set names what it changes and takes the rest from another one
    inherited = measurements(base) if base else {}
    return inherited | {name: _measurement(table) for name, table in tables.items()}


def _changed(found: Mapping[str, Measurement], changes: list[str]) -> dict[str, Measurement]:
    """Measurements with single numbers or options replaced."""
    result = dict(found)
    for change in changes:
        try:
            table = tomllib.loads(change)
        except tomllib.TOMLDecodeError as error:
            raise ParameterError(
                f"change {change!r} of an observable set is no TOML: {error}"
            ) from None
        for name, values in table.items():
            if name not in result or not isinstance(values, dict):
                raise UnknownNameError(f"change {change!r}: {name!r}: {nearest(name, result)}")
            for key, value in values.items():
                result[name] = _with(result[name], f"{name}.{key}", key, value)
    return result


def _with(measurement: Measurement, path: str, key: str, value: Any) -> Measurement:
    numbers = {
        field: number
        for field, number in vars(measurement).items()
        if isinstance(number, float) and not isinstance(number, bool)
    }
    known = {**measurement.options, **numbers}
    if key not in known:
        raise UnknownNameError(f"{path} is nothing that can be changed: {nearest(key, known)}")
    old = known[key]
    same = isinstance(value, int | float) if isinstance(old, float) else type(value) is type(old)
    if not same or (isinstance(value, bool) and not isinstance(old, bool)):
        raise ParameterError(f"{path} = {value!r} is not of the type of {old!r}")
    if key in measurement.options:
        return replace(measurement, options={**measurement.options, key: value})
    changed: dict[str, Any] = {key: float(value)}
    return replace(measurement, **changed)


def _folder() -> Any:
    return resources.files("zscan").joinpath("constraints", "sets")


def _measurement(table: dict[str, Any]) -> Measurement:
    table = dict(table)
    if "error" in table:
        table["error_plus"] = table["error_minus"] = table.pop("error")
    return Measurement(**table | {"references": tuple(table["references"])})
