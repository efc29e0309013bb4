"""Constraints: each predicts an observable from a point of parameter space, to be compared with its measurement."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from zscan.coupling import Couplings
from zscan.errors import UnknownNameError, nearest
from zscan.kernels import borexino, btokx, g2, rk, trident, widths
from zscan.measurements import Measurement, measurements

Measured = Mapping[str, Measurement]


@dataclass(frozen=True)
class Point:
    """What a constraint sees: mass and couplings, on shell (q2 = m_X^2) and of a virtual X (q2 = 0).

    `g_sb` None means no b -> s coupling, or with `profile_g_sb` one that is free inside its bound. With
    `width_over_m_X` the width is given and the vector coupling to muons is free (there are no couplings then).
    `electrons` is False where X is known not to couple to electrons.
    """

    m_X: Array
    on_shell: Couplings | None
    virtual: Couplings | None
    g_sb: Array | None = None
    profile_g_sb: bool = False
    width_over_m_X: Array | None = None
    electrons: bool = True


class Prediction(NamedTuple):
    """An observable, further ones that come with it by name, and where the prediction applies."""

    observable: Array
    derived: Mapping[str, Array] = {}
    applies: Array | bool = True


@dataclass(frozen=True)
class Constraint:
    """A constraint: its observable as a function of a `Point` and the measured values, its names, its references.

    `derived` names further observables that it can store: name -> (long name, units).
    """

    name: str
    long_name: str
    observable_name: str
    predict: Callable[[Point, Measured], Prediction]
    references: tuple[str, ...]
    observable_units: str = "1"
    derived: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ConstraintInfo:
    """Description of a constraint in an observable set, for tables and files."""

    long_name: str
    observable_name: str
    observable_units: str
    references: tuple[str, ...]
    status: str
    cl: str
    measurement: Measurement
    derived: tuple[tuple[str, str, str], ...]


def _virtual(point: Point) -> Couplings:
    if point.virtual is None:
        raise UnknownNameError("this constraint needs couplings, which the model leaves free; it applies to r_k only")
    return point.virtual


def _delta_a_mu(point: Point, _: Measured) -> Prediction:
    # X is virtual: its momentum is space-like and of the order of m_mu, so that the mixing is taken at q2 = 0.
    x = _virtual(point)
    return Prediction(g2.delta_a_mu(point.m_X, x.mu.V, x.mu.A))


def _trident(point: Point, _: Measured) -> Prediction:
    x = _virtual(point)
    return Prediction(trident.cross_section_ratio(point.m_X, x.mu.V, x.mu.A, x.nu_mu))


def _borexino(point: Point, _: Measured) -> Prediction:
    x = _virtual(point)
    rate = borexino.rate_ratio(point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_e, x.nu_mu, x.nu_tau)
    return Prediction(rate)


def _r_k(point: Point, measured: Measured) -> Prediction:
    """Where g_sb or g_V is free, the observable is the reachable R_K nearest to the measured one."""
    options: dict[str, Any] = dict(measured["r_k"].options)
    g_max = btokx.g_sb_max(point.m_X, measured["b_to_k_nunu"].excluded_above or jnp.inf, form="linear")
    if point.width_over_m_X is not None:
        g_sb = g_max if point.g_sb is None else point.g_sb
        best = rk.r_k_minimum(point.m_X, point.width_over_m_X * point.m_X, g_sb, phase=options["phase"])
        reached = jnp.maximum(best.r_k, measured["r_k"].value)
        return Prediction(reached, {"r_k_minimum": best.r_k, "g_V_minimum": best.g_V})
    x = point.on_shell
    if x is None or (point.g_sb is None and not point.profile_g_sb):
        return Prediction(rk.r_k(1.0, 0.0, 0.0, 0.0, 0.0))
    width = widths.total_width(point.m_X, x)
    electrons: dict[str, Any] = {"g_V_e": x.e.V, "g_A_e": x.e.A} if point.electrons else {}
    if point.g_sb is not None:
        return Prediction(rk.r_k(point.m_X, width, point.g_sb, x.mu.V, x.mu.A, **electrons, **options))
    reach = rk.profile_g_sb(point.m_X, width, x.mu.V, x.mu.A, g_max, **electrons, **options)
    nearest_reached = jnp.clip(measured["r_k"].value, reach.minimum, reach.maximum)
    return Prediction(nearest_reached, {"r_k_minimum": reach.minimum})


def _b_to_k_nunu(point: Point, _: Measured) -> Prediction:
    x = point.on_shell
    if x is None or point.g_sb is None:
        # A profiled g_sb is bounded by this very rate: the constraint does not count a second time.
        rate = btokx.branching_ratio_nunu(1.0, 0.0, 0.0)
        return Prediction(rate, applies=not point.profile_g_sb)
    width = widths.total_width(point.m_X, x)
    return Prediction(btokx.branching_ratio_nunu(point.m_X, width, point.g_sb, x.nu_e, x.nu_mu, x.nu_tau))


_TRIDENT_THEORY = ("Altmannshofer:2014pba", "Altmannshofer:2019zhy", "DeVries:1987atn")
_TRIDENT_RATIO = "sigma / sigma_SM (nu_mu trident)"
_CONSTRAINTS = {
    constraint.name: constraint
    for constraint in (
        Constraint("delta_a_mu", "muon anomalous magnetic moment", "Delta a_mu", _delta_a_mu, ("Jegerlehner:2009ry",)),
        Constraint(
            "r_k",
            "lepton universality in B -> K l l, 1.1 < q2 < 6 GeV^2",
            "R_K[1.1, 6]",
            _r_k,
            ("Straub:2018kue", "Gubernari:2023puw", "Sala:2017ihs"),
            derived={
                "r_k_minimum": ("smallest R_K[1.1, 6] that the free coupling reaches", "1"),
                "g_V_minimum": ("vector coupling to muons that gives the smallest R_K", "1"),
            },
        ),
        Constraint(
            "b_to_k_nunu",
            "B+ -> K+ nu nubar and B+ -> K+ X, X -> nu nubar",
            "BR(B+ -> K+ nu nubar)",
            _b_to_k_nunu,
            ("Straub:2018kue", "Gubernari:2023puw"),
        ),
        Constraint("trident_ccfr", "neutrino trident, CCFR", _TRIDENT_RATIO, _trident, _TRIDENT_THEORY),
        Constraint("trident_nutev", "neutrino trident, NuTeV", _TRIDENT_RATIO, _trident, _TRIDENT_THEORY),
        Constraint(
            "borexino",
            "solar 7Be neutrino-electron scattering, Borexino",
            "rate / SM rate (7Be)",
            _borexino,
            ("Harnik:2012ni", "Esteban:2020cvm"),
        ),
    )
}


def constraint_names() -> tuple[str, ...]:
    """Names of all constraints.

    >>> constraint_names()[:2]
    ('delta_a_mu', 'r_k')
    """
    return tuple(_CONSTRAINTS)


def expand_constraints(patterns: Sequence[str] | None) -> tuple[str, ...]:
    """Constraint names for names and shell patterns, each once, in the order given; None means all.

    Raises `UnknownNameError` for a pattern that matches nothing.

    >>> expand_constraints(["trident_*", "delta_a_mu"])
    ('trident_ccfr', 'trident_nutev', 'delta_a_mu')
    """
    names: dict[str, None] = {}
    for pattern in constraint_names() if patterns is None else patterns:
        matches = [name for name in _CONSTRAINTS if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError(f"unknown constraint {pattern!r}: {nearest(pattern, _CONSTRAINTS)}")
        names |= dict.fromkeys(matches)
    return tuple(names)


def observable_names(constraints: Sequence[str]) -> tuple[str, ...]:
    """Observables that constraints can store: their own, named like them, and the derived ones."""
    return (*constraints, *(name for constraint in constraints for name in _CONSTRAINTS[constraint].derived))


def constraint(name: str) -> Constraint:
    """A constraint by name; raises `UnknownNameError`."""
    (found,) = expand_constraints([name])
    return _CONSTRAINTS[found]


def describe(name: str, observables: str = "paper") -> ConstraintInfo:
    """Long name, observable, references (measurement first, then prediction), status and CL of a constraint."""
    item, measurement = constraint(name), measurements(observables)[name]
    return ConstraintInfo(
        item.long_name,
        item.observable_name,
        item.observable_units,
        tuple(dict.fromkeys(measurement.references + item.references)),
        measurement.status,
        measurement.cl,
        measurement,
        tuple((derived, long_name, units) for derived, (long_name, units) in item.derived.items()),
    )
