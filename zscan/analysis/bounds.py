"""The couplings that each constraint excludes, against the mass of X."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

import zscan
from zscan import references
from zscan.analysis.crossings import BLOCK, excluded_pieces
from zscan.analysis.masses import survey_masses
from zscan.constraints import (
    SEARCHES,
    Asked,
    Constraint,
    ExclusionRule,
    Observables,
    constraint,
    data_constraints,
    find_constraints,
    is_projection,
)
from zscan.errors import NoEffectWarning, ParameterError
from zscan.interpreter import interpreted
from zscan.kernels import recast as kernel
from zscan.likelihood import Likelihood, log_likelihood
from zscan.limits import Limit, load
from zscan.limits.strength import excluded_intervals
from zscan.models import ModelType, load_model
from zscan.models.parameters import warn_of_unit
from zscan.precision import in_float64
from zscan.results.bounds_file import SCHEMA, SCHEMA_VERSION
from zscan.results.layout import OK, OUT_OF_RANGE, STATUS

if TYPE_CHECKING:  # imported with the first table
    import xarray as xr

_SMALLEST, _GRID = 1e-12, 400  # smallest coupling that is looked at, number of couplings
_MOST_MASSES = 100_000
_FEW = 8  # masses for which compilation would take longer than the work
_PARTS = ("lower", "upper", "applies")


class _Found(NamedTuple):
    """Of one constraint: edges (m_X, piece), whether it applies (m_X), and what there is to say."""

    lower: np.ndarray
    upper: np.ndarray
    applies: np.ndarray
    note: str = ""


@in_float64
def bounds(
    model: ModelType | str,
    constraints: Asked | None = None,
    *,
    m_X: ArrayLike,
    points: int | None = None,
    eps: float = 0.0,
    eps_over_g: float = 0.0,
    observables: Observables = "paper",
    cl: float | None = None,
    recast: bool = True,
) -> xr.Dataset:
    """The couplings of `model` that each constraint alone excludes, at masses m_X [GeV]: intervals,
    islands included.

    `constraints` are names, patterns or selections, by default all measurements and all limits but
    no projections. `m_X` is an array of rising masses; with `points` it is an interval of two
    masses, which get that many at equal logarithmic steps, and both sides of thresholds and every
    interval of limit curves beside them (`zscan.analysis.masses.survey_masses`). `eps` and
    `eps_over_g` are added to the mixing of the model. `cl` is one confidence level for all
    (default: that of each constraint; other ones follow from the form of its likelihood, see
    `Measurement.exclusion_at`). With `recast` False limits are given as they are published, in
    their own coupling and for their own model (variables `quantity`, `reference`), and
    measurements, which have no such curve, are left out.

    Variables over (constraint, m_X, piece): `lower` and `upper` edges of the coupling `g_X` (the
    model's own one; eps of the dark photon), NaN where there is no such piece. lower = 0: excluded
    down to the smallest coupling (1e-12); upper = inf: up to the largest (4 pi). `status` over
    (constraint, m_X) is 1 where the constraint says something and 2 where it does not apply
    (outside its validated range or its curve): nothing is known there, which is not "allowed".
    `note` says why a constraint has no piece at all; if it was asked for by name, that is a
    `NoEffectWarning` as well.

    Limits, for couplings proportional to g_X, are solved for (`limits.excluded_couplings`).
    Everything else is looked for on 400 couplings, 30 in a decade, and cut down to a relative
    accuracy of 1e-9; pieces and gaps narrower than 8 % can be missed. Of two readings of the same
    events only that one counts which applies, if both are asked for, as in a likelihood.

    Raises `ParameterError` for a model without a coupling and for numbers out of range,
    `UnknownNameError` as `log_likelihood`. `zscan.results.bounds_file` writes CSV and HDF5.

    >>> found = bounds("Lmu-Ltau", "searches/NA64_NA642019imj", m_X=[0.01, 0.02])
    >>> found["lower"].values[0, :, 0].round(5).tolist()
    [0.00233, 0.0043]
    """
    loaded = load_model(model)
    if loaded.coupling is None or set(loaded.required) != {"m_X", loaded.coupling}:
        raise ParameterError(f"{loaded.name} has no single coupling that could be bounded")
    if cl is not None and not 0.5 < cl < 1:
        raise ParameterError(f"cl = {cl}; allowed: above 0.5, below 1")
    fixed = {name: value for name, value in (("eps", eps), ("eps_over_g", eps_over_g)) if value}
    for name, value in fixed.items():
        info = loaded.parameter(name)
        if info.fault(name, value):
            raise ParameterError(f"{name} = {value} is out of range; allowed: {info.allowed}")
    chosen: Asked = loaded.constraints or data_constraints() if constraints is None else constraints
    masses = _masses(m_X, points, find_constraints(chosen)[0])
    warn_of_unit(masses, stacklevel=4)
    likelihood = log_likelihood(loaded, chosen, observables)
    names = likelihood.constraints
    if not recast:
        names = tuple(name for name in names if name in SEARCHES)
        if not names:
            raise ParameterError("without a recast only limits have bounds: searches/NAME, kmunux")
        found = _published(names, masses)
    else:
        found = _recast(likelihood, masses, fixed, cl)
    if constraints is not None:
        _report(found, constraints)
    settings = {"eps": eps, "eps_over_g": eps_over_g}
    return _dataset(
        likelihood,
        {name: found[name] for name in names},
        masses,
        cl,
        recast=recast,
        settings=settings,
    )


def _masses(m_X: ArrayLike, points: int | None, constraints: Sequence[str]) -> np.ndarray:
    given = np.asarray(m_X, dtype=float)
    if points is not None:
        if given.shape != (2,):
            raise ParameterError(f"m_X = {m_X} with points = {points}; allowed: a pair of masses")
        return survey_masses(given.tolist(), points, constraints)
    if given.ndim > 1 or not 0 < given.size <= _MOST_MASSES:
        raise ParameterError(f"m_X has the shape {given.shape}; allowed: a list of masses")
    masses = np.atleast_1d(given)
    if not (np.isfinite(masses).all() and (masses > 0).all() and (np.diff(masses) > 0).all()):
        raise ParameterError(f"m_X = {m_X}; allowed: finite, positive masses [GeV] that rise")
    return masses


def _recast(
    likelihood: Likelihood, m_X: np.ndarray, fixed: dict[str, float], cl: float | None
) -> dict[str, _Found]:
    rules = {name: likelihood.measured[name].exclusion_at(cl) for name in likelihood.constraints}
    found = {
        name: _Found(*_nothing(m_X), "a measurement without a limit")
        for name, rule in rules.items()
        if not rule.excludes
    }
    solved: tuple[str, ...] = ()
    if likelihood.model.scales_with_coupling and "eps" not in fixed:
        solved = tuple(name for name in rules if name in SEARCHES)
        part = likelihood.of(solved)
        found |= _solved(part, {name: rules[name] for name in solved}, m_X, fixed)
    # Alternative readings of the same events decide together where each of them applies
    rest = tuple(name for name in rules if name not in solved)
    if any(name not in found for name in rest):
        part = replace(likelihood, constraints=rest)
        found |= _sought(part, [n for n in rest if n not in found], m_X, fixed, cl)
    return found


def _nothing(m_X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    none = np.full((m_X.size, 1), np.nan)
    return none, none, np.zeros(m_X.size, bool)


def _solved(
    likelihood: Likelihood,
    rules: dict[str, ExclusionRule],
    m_X: np.ndarray,
    fixed: dict[str, float],
) -> dict[str, _Found]:
    model = likelihood.model
    limits = [load(SEARCHES[name]) for name in rules]
    levels = [float(rule.excluded_above or 1.0) for rule in rules.values()]
    mixing = fixed.get("eps_over_g", 0.0)

    def intervals(parameters: Mapping[str, Array]) -> dict[str, Array]:
        found = excluded_intervals(
            limits, model, parameters["m_X"], eps_over_g=mixing, levels=levels
        )
        return {
            f"{number} {part}": array
            for number, item in enumerate(found)
            for part, array in zip(_PARTS, item, strict=True)
        }

    if m_X.size <= _FEW:
        key, padded = likelihood.key(), m_X
        edges = interpreted(intervals, key and ["solved", key, levels, mixing])({"m_X": m_X})
    else:  # padded, so that few shapes are compiled
        padded = np.pad(m_X, (0, -m_X.size % BLOCK), mode="edge")
        edges = {
            name: np.asarray(edge) for name, edge in intervals({"m_X": jnp.asarray(padded)}).items()
        }
    found = {}
    for number, (name, limit) in enumerate(zip(rules, limits, strict=True)):
        lower, upper, applies = (
            np.broadcast_to(edges[f"{number} {part}"], padded.shape)[: m_X.size] for part in _PARTS
        )
        note = ""
        if not applies.any():
            note = _outside(limit)
        elif np.isnan(lower).all():
            note = f"{model.name} has too little signal in it at any coupling, or none"
        found[name] = _Found(lower[:, None], upper[:, None], applies, note)
    return found


def _sought(
    likelihood: Likelihood,
    names: Sequence[str],
    m_X: np.ndarray,
    fixed: dict[str, float],
    cl: float | None,
) -> dict[str, _Found]:
    coupling = str(likelihood.model.coupling)

    def lowest(parameters: Mapping[str, Array]) -> dict[str, Array]:
        return likelihood.lowest({"m_X": parameters["m_X"], coupling: jnp.ones(()), **fixed})

    def excess(parameters: Mapping[str, Array]) -> dict[str, Array]:
        at: dict[str, ArrayLike] = {name: parameters[name] for name in ("m_X", coupling)}
        references = {name: item for name, item in parameters.items() if name not in at}
        values = likelihood.excesses(at | fixed, cl=cl, lowest=references)
        return {name: values[name] for name in names}

    key, few = likelihood.key(), m_X.size <= _FEW
    at_lowest, at_points = (
        interpreted(call, key and [call.__name__, key, fixed, cl, names], compiled=True)
        if few
        else jax.jit(call)
        for call in (lowest, excess)
    )
    references: dict[bytes, Mapping[str, Any]] = {}

    def at(masses: np.ndarray, g_X: np.ndarray) -> np.ndarray:
        these = masses.tobytes()
        if these not in references:
            references.clear()
            references[these] = at_lowest({"m_X": masses})
        found = at_points({"m_X": masses, coupling: g_X, **references[these]})
        return np.stack([np.broadcast_to(found[name], g_X.shape) for name in names])

    largest = likelihood.model.parameter(coupling).maximum
    couplings = np.geomspace(_SMALLEST, largest, _GRID)
    lower, upper, applies = excluded_pieces(at, m_X, couplings, m_X.size if few else BLOCK)
    found = {}
    for name, low, high, known in zip(names, lower, upper, applies, strict=True):
        note = ""
        if not known.any():
            limit = load(SEARCHES[name]) if name in SEARCHES else None
            note = _outside(limit or likelihood.own.get(name) or constraint(name))
        elif np.isnan(low).all():
            note = f"excludes no {coupling} up to {largest:.3g}"
        found[name] = _Found(low, high, known, note)
    return found


def _published(names: Sequence[str], m_X: np.ndarray) -> dict[str, _Found]:
    """The curves of limits themselves."""
    found = {}
    for name in names:
        limit = load(SEARCHES[name])
        edges = [edge for edge in (limit.value, limit.upper) if edge is not None]
        stacked = kernel.stack_curves([(limit.mass, edge) for edge in edges])
        values, valid = (np.asarray(x) for x in kernel.interpolate(stacked, jnp.asarray(m_X)))
        lower = np.where(valid[0], values[0], np.nan)
        upper = np.where(valid[0], np.inf if limit.upper is None else values[-1], np.nan)
        note = "" if valid[0].any() else _outside(limit)
        found[name] = _Found(lower[:, None], upper[:, None], valid[0], note)
    return found


def _outside(what: Limit | Constraint) -> str:
    if isinstance(what, Limit):
        low, high = (float(x) for x in what.mass[np.isfinite(what.value)][[0, -1]])
        return f"does not apply at these masses (its curve: {low:.4g} to {high:.4g} GeV)"
    low, high = what.m_X_range
    where = f" (validated: {low:.4g} to {high:.4g} GeV)" if low > 0 or np.isfinite(high) else ""
    return f"does not apply to this model at these masses{where}"


def _report(found: dict[str, _Found], constraints: Asked) -> None:
    """Warn of constraints without any effect that were asked for by their names."""
    items = [constraints] if isinstance(constraints, str | Constraint) else constraints
    asked = {item if isinstance(item, str) else item.name for item in items}
    for name in found:
        if name in asked and found[name].note:
            warnings.warn(NoEffectWarning(f"{name}: {found[name].note}"), stacklevel=4)


def _dataset(
    likelihood: Likelihood,
    found: dict[str, _Found],
    m_X: np.ndarray,
    cl: float | None,
    *,
    recast: bool,
    settings: dict[str, float],
) -> xr.Dataset:
    pieces = max(item.lower.shape[1] for item in found.values())
    edges = np.full((2, len(found), m_X.size, pieces), np.nan)
    for number, item in enumerate(found.values()):
        edges[0, number, :, : item.lower.shape[1]] = item.lower
        edges[1, number, :, : item.upper.shape[1]] = item.upper
    model, observables = likelihood.model, likelihood.observables
    described = likelihood.describe().constraints
    infos = {name: described[name] for name in found}
    limits = {name: load(SEARCHES[name]) for name in found if name in SEARCHES}
    own = "eps" if model.name == "dark-photon" else str(model.coupling)
    coupling = model.parameter(str(model.coupling))
    words = (
        {"units": coupling.units, "long_name": f"{{}} edge of the excluded {coupling.long_name}"}
        if recast
        else {"units": "1", "long_name": "{} edge of the excluded quantity, as published"}
    )
    dims = ("constraint", "m_X", "piece")
    keys = dict.fromkeys(key for info in infos.values() for key in info.references)
    import xarray as xr

    return xr.Dataset(
        {
            name: (dims, values, words | {"long_name": words["long_name"].format(name)})
            for name, values in zip(("lower", "upper"), edges, strict=True)
        }
        | {
            "status": (
                dims[:2],
                np.array([np.where(f.applies, OK, OUT_OF_RANGE) for f in found.values()], "int8"),
                {"long_name": "whether the constraint applies", "flag_meanings": " ".join(STATUS)},
            ),
            "kind": ("constraint", [_kind(name) for name in found]),
            "cl": (
                "constraint",
                [
                    info.measurement.cl if cl is None or not recast else cl
                    for info in infos.values()
                ],
            ),
            "quantity": (
                "constraint",
                [own if recast else limits[name].quantity for name in found],
            ),
            "reference": (
                "constraint",
                [model.name if recast else limits[name].reference_name for name in found],
            ),
            "note": ("constraint", [item.note for item in found.values()]),
        },
        coords={
            "constraint": list(found),
            "m_X": ("m_X", m_X, {"units": "GeV", "long_name": "mass of X"}),
            "piece": np.arange(pieces),
        },
        attrs={
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "zscan": zscan.__version__,
            "name": model.name,
            "model": json.dumps(model.to_table()),
            "observables": observables,
            "recast": int(recast),
            "bibtex_keys": json.dumps(list(keys)),
            "bibtex": references.added(keys),
            **settings,
        },
    )


def _kind(name: str) -> str:
    if is_projection(name):
        return "projection"
    return "limit" if name in SEARCHES else "measurement"
