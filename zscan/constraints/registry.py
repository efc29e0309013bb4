"""All constraints: by name, by pattern, in an observable set; what they are called and what they
rest on.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import jax.numpy as jnp
from jax import Array

from zscan.constraints import (
    cosmology,
    electron,
    flavour,
    flavour_two_body,
    mixing,
    muon,
    neutrinos,
    searches,
)
from zscan.constraints.base import Constraint
from zscan.constraints.measurements import (
    BASE_SET,
    Measurement,
    Observables,
    measurements,
    of_limit,
)
from zscan.constraints.own import NONE, Asked, Own, own_constraints
from zscan.constraints.own_sets import set_text
from zscan.constraints.searches import SEARCHES, predict_searches, search_constraints
from zscan.constraints.selections import SELECTIONS
from zscan.errors import UnknownNameError, nearest, shown
from zscan.limits import load
from zscan.limits.known import on_change
from zscan.models.base import ModelType
from zscan.models.point import Measured, Point, Prediction

_FAMILIES = (muon, electron, neutrinos, cosmology, flavour, flavour_two_body, mixing, searches)
_FOUND = {constraint.name: constraint for family in _FAMILIES for constraint in family.CONSTRAINTS}
# Measurements in the order of their set, then searches
_CONSTRAINTS = {name: _FOUND[name] for name in measurements(BASE_SET)} | _FOUND


@dataclass(frozen=True)
class ConstraintInfo:
    """Description of a constraint in an observable set, for tables and files."""

    long_name: str
    observable_name: str
    observable_units: str
    references: tuple[str, ...]
    measurement: Measurement

    @property
    def status(self) -> str:
        """Status of the measurement."""
        return self.measurement.status

    @property
    def cl(self) -> str:
        """Confidence level of the measurement, as text."""
        return self.measurement.level


@dataclass(frozen=True)
class ObservableInfo:
    """Description of an observable that a scan can store."""

    long_name: str
    units: str
    references: tuple[str, ...]


def _branching_ratio(channel: str) -> Callable[[Point], Array]:
    return lambda point: jnp.where(
        point.hadrons_known, point.branching_ratios[channel], jnp.nan
    )  # NaN on quarkonia, and where axial currents have no accuracy


# Observables that belong to no constraint: name -> (long name, units, prediction)
_OBSERVABLES = {
    f"branching_ratio/{channel}": (
        f"branching ratio of X to {channel}",
        "1",
        _branching_ratio(channel),
    )
    for channel in ("ee", "mumu", "tautau", "nunu", "hadrons", "3gamma")
} | {
    "branching_ratio/invisible": (
        "branching ratio of X to neutrinos and a dark channel",
        "1",
        lambda point: jnp.where(point.hadrons_known, point.invisible, jnp.nan),
    )
}
_BRANCHING_REFERENCES = (
    "Ilten:2018crw",
    "Foguel:2022ppx",
    "BaBar:2012bdw",
    "BABAR:2021cde",
    "Davier:2013sfa",
    "Baruch:2022esd",
)

# Measurements of one quantity, or searches in the same data, that must not be added: the first one
# present counts.
ALTERNATIVES = (
    ("trident_ccfr", "trident_nutev"),
    ("electron_g2_rb", "electron_g2_cs"),
    ("searches/LHCb_Aaij2019bvg_prompt", "searches/LHCb_Aaij2017rft_prompt"),
    ("searches/KLOE_Anastasi2018azp_combined", "searches/KLOE_Anastasi2015qla"),
    ("searches/KLOE_Anastasi2018azp_combined", "searches/KLOE_Anastasi2018azp_mumu"),
    ("searches/KLOE_Anastasi2018azp_combined", "searches/KLOE_Anastasi2016ktq"),
    (
        "searches/NA64_NA642022yly",
        "searches/NA64_NA642019imj",
        "searches/NA64_2023_scaled",
    ),
    ("matter", "nsi"),
)


# Readings of the same events: at a point the first one applies only where none of the others does.
# A narrow X is a peak in the spectrum of B -> K nu nu, a wide or a heavy one changes its rate.
REPLACED = {"b_to_k_nunu": ("b_to_k_x_babar", "b_to_k_x_belle2")}


def is_projection(name: str) -> bool:
    """Whether a constraint is the projection of a future experiment, which is no data."""
    return name in SEARCHES and load(SEARCHES[name]).kind == "projection"


def measured_values(observables: Observables) -> dict[str, Measurement]:
    """Measurements of a set, see `observable_set`, with the signal strengths of all limits as
    measurements of zero.

    A limit tells its confidence level only; the form of its likelihood is a choice made for each
    curve: a Gaussian around zero ("background"), or events without background ("counting"), see
    `zscan.limits.delta_chi2`."""
    return _measured_values(set_text(observables))


@cache
def _measured_values(observables: str) -> dict[str, Measurement]:
    return measurements(observables) | {
        name: of_limit(load(limit)) for name, limit in SEARCHES.items()
    }


def _follow_limits() -> None:
    """Bring the constraints of limits in line with the limits that are known."""
    for name in [name for name, item in _CONSTRAINTS.items() if item.limit is not None]:
        del _CONSTRAINTS[name]
    _CONSTRAINTS.update(search_constraints())
    _measured_values.cache_clear()


on_change(_follow_limits)


def constraint_names() -> tuple[str, ...]:
    """Names of all constraints: measurements, then limits as "kmunux" and "searches/NAME".

    >>> constraint_names()[:2]
    ('delta_a_mu', 'r_k')
    """
    return tuple(_CONSTRAINTS)


def measured_constraints() -> tuple[str, ...]:
    """Names of the constraints that are measurements, with a likelihood of their own: the default
    of a likelihood.
    """
    return tuple(name for name in _CONSTRAINTS if name not in SEARCHES)


def data_constraints() -> tuple[str, ...]:
    """Names of the constraints that are data: measurements and limits, but no projections."""
    return tuple(name for name in _CONSTRAINTS if not is_projection(name))


def expand_constraints(patterns: str | Sequence[str] | None) -> tuple[str, ...]:
    """Constraint names for names, selections and shell patterns, each once, in the order given.

    None means all measurements; "paper" is what arXiv:2107.07518 uses, measurements and limits.
    Raises `UnknownNameError` for a pattern that matches nothing.

    >>> expand_constraints(["trident_*", "delta_a_mu"])
    ('trident_ccfr', 'trident_nutev', 'delta_a_mu')
    """
    return _expanded(patterns, NONE)


def find_constraints(asked: Asked | None) -> tuple[tuple[str, ...], Own]:
    """As `expand_constraints`, with constraints of a user among what is asked for: their names, and
    those of a user by name.

    Raises `UnknownNameError` and `ConstraintError`."""
    if asked is None:
        return expand_constraints(None), NONE
    names, own = own_constraints(asked, _CONSTRAINTS)
    return _expanded(names, own), own


def _expanded(patterns: str | Sequence[str] | None, own: Own) -> tuple[str, ...]:
    names: dict[str, None] = {}
    if isinstance(patterns, str):
        patterns = [patterns]
    for pattern in measured_constraints() if patterns is None else patterns:
        if not isinstance(pattern, str):
            raise UnknownNameError(f"{shown(pattern)} is no name of a constraint")
        matches: Sequence[str] = (pattern,) if pattern in own else SELECTIONS.get(pattern, ())
        matches = matches or [name for name in _CONSTRAINTS if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            known = (*SELECTIONS, *_CONSTRAINTS)
            raise UnknownNameError(f"unknown constraint {pattern!r}: {nearest(pattern, known)}")
        names |= dict.fromkeys(matches)
    return tuple(names)


def with_inputs(names: Sequence[str], own: Own = NONE) -> tuple[str, ...]:
    """Constraints and the other measurements that their predictions use, each once."""
    return tuple(
        dict.fromkeys(needed for name in names for needed in (name, *_item(name, own).inputs))
    )


def _item(name: str, own: Own) -> Constraint:
    return own[name] if name in own else _CONSTRAINTS[name]


def observables_of(
    model: ModelType, constraints: Sequence[str], own: Own = NONE
) -> dict[str, tuple[str, str, str | None]]:
    """Observables that a scan of `constraints` can store: theirs, named like them, derived ones,
    and general ones.

    By name the long name, the units, and the constraint whose references they have (None for
    general ones)."""
    found: dict[str, tuple[str, str, str | None]] = {}
    for name in constraints:
        item = _item(name, own)
        found[name] = (item.observable_name, item.observable_units, name)
    for name in constraints:
        derived = derived_observables(model, name, own)
        found |= {key: (*texts, name) for key, texts in derived.items()}
    return found | {name: (*texts[:2], None) for name, texts in _OBSERVABLES.items()}


def derived_observables(model: ModelType, name: str, own: Own = NONE) -> dict[str, tuple[str, str]]:
    """Further observables of a constraint and of what the model itself predicts for it: name ->
    (long name, units).
    """
    return dict(_item(name, own).derived) | dict(model.derived.get(name, {}))


def constraint(name: str) -> Constraint:
    """A constraint by name; raises `UnknownNameError`."""
    (found,) = expand_constraints([name])
    return _CONSTRAINTS[found]


def predict(
    names: Iterable[str], point: Point, measured: Measured, own: Own = NONE
) -> dict[str, Prediction]:
    """The prediction of each constraint at a point: the model's own where it makes one; searches
    all together. Of two readings of the same events one applies at each point: B -> K nu nu where
    the two-body decays, if they are among `names`, do not.
    """
    items = [_item(name, own) for name in names]
    curves = predict_searches([item.limit for item in items if item.limit is not None], point)
    found = {}
    for item in items:
        if item.name in point.predictions:
            found[item.name] = point.predictions[item.name](point, measured)
        else:
            found[item.name] = (
                item.predict(point, measured) if item.limit is None else curves[item.limit]
            )
        found[item.name] = _validated(item, point, found[item.name])
    for name, others in REPLACED.items():
        for other in others if name in found else ():
            if other in found:
                applies = jnp.logical_not(found[other].applies) & found[name].applies
                found[name] = found[name]._replace(applies=applies)
    return found


def _validated(item: Constraint, point: Point, prediction: Prediction) -> Prediction:
    """A prediction that applies inside the validated range of its constraint only."""
    low, high = item.m_X_range
    if (low, high) == (0.0, math.inf):
        return prediction
    inside = (point.m_X >= low) & (point.m_X <= high)
    return prediction._replace(applies=inside & prediction.applies)


def general_observable(name: str) -> Callable[[Point], Array] | None:
    """The prediction of an observable that belongs to no constraint, None if there is none of that
    name.
    """
    return _OBSERVABLES[name][2] if name in _OBSERVABLES else None


def describe(name: str, observables: Observables = BASE_SET, own: Own = NONE) -> ConstraintInfo:
    """Long name, observable, references (measurement first, then prediction) and measurement of a
    constraint.
    """
    item = own[name] if name in own else constraint(name)
    measurement = item.measurement or measured_values(observables)[name]
    references = tuple(dict.fromkeys(measurement.references + item.references))
    return ConstraintInfo(
        item.long_name, item.observable_name, item.observable_units, references, measurement
    )


def describe_observable(
    name: str,
    model: ModelType,
    constraints: Sequence[str],
    observables: Observables,
    own: Own = NONE,
) -> ObservableInfo:
    """An observable that a scan of `constraints` stores; raises `UnknownNameError`."""
    known = observables_of(model, constraints, own)
    if name not in known:
        raise UnknownNameError(f"unknown observable {name!r}: {nearest(name, known)}")
    long_name, units, owner = known[name]
    references = (
        _BRANCHING_REFERENCES if owner is None else describe(owner, observables, own).references
    )
    return ObservableInfo(long_name, units, references)
