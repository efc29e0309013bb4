"""Measurements: what a value and its errors say of a prediction; observable sets, one TOML file
each, and those of a user.
"""

from __future__ import annotations

import math
import numbers
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import InitVar, asdict, dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from jax import Array

from zscan.constraints.exclusion import ExclusionRule
from zscan.constraints.own_sets import BASE_SET as BASE_SET
from zscan.constraints.own_sets import changed_tables, set_text
from zscan.errors import ParameterError, UnknownNameError, nearest, shown
from zscan.limits import Limit
from zscan.results.levels import two_sided

FORMS = ("background", "counting", "chi2")
Observables = str | Path | Mapping[str, Any]  # a set, see `observable_set`


@dataclass(frozen=True)
class Measurement:
    """A measured value of an observable.

    `error`, or `error_plus` and `error_minus`, are one standard deviation upwards and downwards
    from `value`. Excluded, at confidence level `cl`, is an observable above `excluded_above`, or
    one of the form "chi2" more than `delta_chi2_excluded` above its minimum over the coupling at
    the same mass (see `exclusion`); with neither it excludes nothing. `band` is the level in words:
    how a measurement without a limit is drawn, or a one-sided level. `status` is "published", or
    "provisional" for a number that could not be checked against its publication or rests on a
    choice; `note` says which. `options` are choices of the prediction, or numbers that it needs,
    which belong to the set. `form` is "background" for a (split) normal likelihood, "counting" for
    events without background: chi2 = deviation/error_plus, "chi2" for an observable that is a chi2
    itself. `theory_error` is one standard deviation of the prediction; `theory_included` says that
    it is part of the errors. It matters where the theory is a parameter of its own, "theory.NAME"
    in standard deviations. Raises `ParameterError` for what cannot be used, with every fault.

    >>> print(Measurement(2.5e-9, error=0.6e-9, references=("Muong-2:2021ojo",)))
    2.5e-09 +- 6e-10
    """

    value: float
    error_plus: float = math.nan  # not given
    error_minus: float = math.nan
    cl: float = 0.95
    references: tuple[str, ...] = ()
    status: str = "published"
    excluded_above: float | None = None
    delta_chi2_excluded: float | None = None
    band: str = ""
    note: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    form: str = "background"
    theory_error: float = 0.0
    theory_included: bool = True
    error: InitVar[float | None] = None

    def __post_init__(self, error: float | None) -> None:
        missing = [_not_given(end) for end in (self.error_plus, self.error_minus)]
        if not all(missing) if error is not None else missing == [True, False]:
            raise ParameterError("a measurement has an error, or error_plus and error_minus")
        if error is not None:
            object.__setattr__(self, "error_plus", error)
        if missing[1]:
            object.__setattr__(self, "error_minus", self.error_plus)
        if isinstance(self.references, str):
            object.__setattr__(self, "references", (self.references,))
        object.__setattr__(self, "references", tuple(self.references))
        if faults := list(self._faults()):
            raise ParameterError(f"measurement {shown(self.value)}: " + "; ".join(faults))

    def _faults(self) -> Iterator[str]:
        """What is wrong; arrays, which take the place of values in toys, are not looked at."""
        for key in ("value", "error_plus", "error_minus", "cl", "theory_error"):
            value = getattr(self, key)
            if isinstance(value, Array):
                continue
            number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if not number or not math.isfinite(value):
                yield f"{key} = {shown(value)} is no finite number"
            elif (key.startswith("error") and value <= 0 and self.form != "chi2") or (
                key == "theory_error" and value < 0
            ):
                yield f"{key} = {value:g} is not positive"
            elif key == "cl" and not 0 < value < 1:
                yield f"cl = {value:g}; allowed: between 0 and 1, such as 0.95"
        for key in ("excluded_above", "delta_chi2_excluded"):
            value = getattr(self, key)
            number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if value is not None and (not number or not math.isfinite(value)):
                yield f"{key} = {shown(value)} is no finite number"
        if self.form not in FORMS:
            yield f"form = {shown(self.form)}; {nearest(str(self.form), FORMS)}"
        for key in ("status", "band", "note"):
            if not isinstance(getattr(self, key), str):
                yield f"{key} = {shown(getattr(self, key))} is no text"
        if not all(isinstance(key, str) and key for key in self.references):
            yield f"references = {shown(self.references)}; allowed: BibTeX keys or arXiv ids"

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


def _not_given(error: Any) -> bool:
    return isinstance(error, float) and math.isnan(error)


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


def observable_set(observables: Observables, folder: Path | None = None) -> str:
    """The text that stands for an observable set everywhere: its name, or a base and all that is
    changed in it, as TOML after semicolons.

    `observables` is the name of a set ("paper"), such a text, the path of a TOML file (ends in
    .toml or holds a separator; relative to `folder`) or a table. File and table have a key `base`
    (default "paper") and one table for each constraint whose measurement is changed: `value`,
    `error` or `error_plus` and `error_minus`, `cl`, `excluded_above`, `references`, `options`, ...,
    see `Measurement`; what is not given stays. Where value or errors change but `excluded_above`
    does not, the limit moves with them: it keeps its distance from the value in upper errors.
    Without `references` of its own a changed number is "provisional". Raises `UnknownNameError` and
    `ParameterError`, which name file, constraint and key.

    >>> observable_set({"base": "current", "borexino": {"excluded_above": 1.2}})
    'current; borexino.excluded_above = 1.2'
    """
    text = set_text(observables, folder)
    measurements(text)
    return text


def measurements(observables: Observables) -> dict[str, Measurement]:
    """The measurements of an observable set by constraint name, see `observable_set`; raises
    `UnknownNameError` for an unknown set.

    After the name of a set, numbers or options of its measurements may be changed, as TOML after
    semicolons: "paper; matter.neutron_ratio = 1.012".

    >>> measurements("paper; matter.neutron_ratio = 1.012")["matter"].options["neutron_ratio"]
    1.012
    """
    return _measurements(set_text(observables))


@cache
def _measurements(text: str) -> dict[str, Measurement]:
    name, changes = changed_tables(text)
    if name not in observable_sets():
        raise UnknownNameError(
            f"unknown observable set {shown(name)}: {nearest(name, observable_sets())}"
        )
    if changes:
        found = dict(_measurements(name))
        for constraint, table in changes.items():
            if constraint not in found:
                raise UnknownNameError(
                    f"observable set with {constraint!r}: {nearest(constraint, found)}"
                )
            found[constraint] = _changed(found[constraint], constraint, table)
        return found
    tables = tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    base = tables.pop(
        "base", None
    )  # a set names what it changes and takes the rest from another one
    inherited = _measurements(base) if base else {}
    return inherited | {name: _measurement(table) for name, table in tables.items()}


_NUMBERS = ("value", "error_plus", "error_minus", "excluded_above")


def _changed(measurement: Measurement, name: str, table: Mapping[str, Any]) -> Measurement:
    """A measurement with the numbers, texts and options of `table` in place of its own."""
    known = {item.name: getattr(measurement, item.name) for item in fields(measurement)}
    options, table = dict(measurement.options), dict(table)
    given = table.pop("options", {})
    if not isinstance(given, Mapping):
        raise ParameterError(f"{name}.options = {shown(given)} is no table")
    if "error" in table:
        if "error_plus" in table or "error_minus" in table:
            raise ParameterError(f"{name}.error is given together with error_plus or error_minus")
        table["error_plus"] = table["error_minus"] = table.pop("error")
    for key in [key for key in table if key in options]:
        given = {**given, key: table.pop(key)}
    for key, value in given.items():
        if key not in options:
            raise UnknownNameError(f"{name}.options.{key}: {nearest(key, options)}")
        options[key] = _like(f"{name}.{key}", value, options[key])
    for key, value in table.items():
        if key not in known:
            allowed = nearest(key, [*known, "error", *options])
            raise UnknownNameError(f"{name}.{key} is nothing that can be changed: {allowed}")
        table[key] = _like(f"{name}.{key}", value, 1.0 if known[key] is None else known[key])
    if set(_NUMBERS) & set(table) and "references" not in table:
        table.setdefault("status", "provisional")
        table.setdefault("note", "numbers of the user; the references are those of the base")
    old = measurement
    try:
        new = replace(old, **table, options=options)
        if old.excluded_above is not None and "excluded_above" not in table:
            errors = (old.excluded_above - old.value) / old.error_plus
            kept = (old.value, old.error_plus) == (new.value, new.error_plus)
            moved = old.excluded_above if kept else new.value + errors * new.error_plus
            new = replace(new, excluded_above=moved)
        if new.theory_included and new.theory_error >= min(new.error_plus, new.error_minus):
            raise ParameterError(
                f"theory_error = {new.theory_error:g} is part of the errors and must be smaller: "
                "give it too, or theory_included = false"
            )
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from None
    return new


def _like(path: str, value: Any, old: Any) -> Any:
    """`value` if it is of the type of `old`, whole numbers being numbers too; lists as tuples."""
    if isinstance(old, tuple) and isinstance(value, list | tuple):
        return tuple(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(old, float) and number:
        return float(value)
    if isinstance(old, float) or type(value) is not type(old):
        raise ParameterError(f"{path} = {shown(value)} is not of the type of {old!r}")
    return value


def _folder() -> Any:
    return resources.files("zscan").joinpath("constraints", "sets")


def _measurement(table: dict[str, Any]) -> Measurement:
    return Measurement(**table | {"references": tuple(table["references"])})
