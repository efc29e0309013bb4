"""Likelihood: delta chi2 of every constraint of a model, and their combination as one differentiable function."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constraints import (
    ALTERNATIVES,
    SEARCHES,
    Leptoquarks,
    Point,
    constraint,
    describe,
    describe_observable,
    expand_constraints,
    general_observable,
    is_projection,
    measured_values,
    with_inputs,
)
from zscan.coupling import couplings, muon_couplings
from zscan.errors import ParameterError, UnknownNameError, nearest
from zscan.limits import Limit, ProductionTable, load
from zscan.measurements import Measurement
from zscan.model import ADDED_PARAMETERS, CHARGE_PARAMETERS, THEORY_PARAMETERS, AnyModel, Model, load_model
from zscan.precision import as_float64, in_float64
from zscan.references import PAPER

_MASSES = {"m_X", "M_1", "M_2"}  # where one is not positive nothing is valid
_M_T, _Q_R2 = 163.0, 5 / 3  # of "radiative-muon-mass": running top mass [GeV], charge of R_2


class Term(NamedTuple):
    """One constraint on broadcastable shapes.

    `delta_chi2` is chi2 minus its value at zero coupling, NaN where `valid` is False (out of the validated range, or
    the constraint does not apply); `observable` is the predicted observable, `derived` further ones by name.
    """

    delta_chi2: Array
    observable: Array
    valid: Array
    derived: Mapping[str, Array] = {}


def chi2(value: Array, measurement: Measurement) -> Array:
    """((value - measured)/error)^2 with the upper error above the measured value and the lower one below it.

    For events without background ("counting") it is linear in the expected number: (value - measured)/error; an
    observable of the form "chi2" is one already.
    """
    if measurement.form == "chi2":
        return value
    deviation = value - measurement.value
    if measurement.form == "counting":
        return deviation / measurement.error_plus
    return (deviation / jnp.where(deviation > 0, measurement.error_plus, measurement.error_minus)) ** 2


@dataclass(frozen=True, eq=False)  # compared and hashed by identity, as a function is: jax.jit needs that
class Likelihood:
    """Log-likelihood of a model as a pure function; made by `log_likelihood`.

    Calling it as f(m_X, g_X, eps=0.) gives -1/2 the sum of the finite terms, on the broadcast shape of the arguments;
    `terms` gives each delta chi2 by name, NaN where a constraint does not apply. `constraints` are the names of all
    terms, `summed` those that enter the sum: projections never do, and of measurements of one quantity or in the same
    data (trident_ccfr and trident_nutev, for example) only the first. `chi2_zero` is each chi2 at zero coupling.
    """

    model: AnyModel
    constraints: tuple[str, ...]
    observables: str
    chi2_zero: Mapping[str, float]

    @property
    def summed(self) -> tuple[str, ...]:
        """Constraints that enter the sum."""
        left_out: set[str] = set()
        for group in ALTERNATIVES:
            left_out |= set([name for name in group if name in self.constraints][1:])
        return tuple(name for name in self.constraints if name not in left_out and not is_projection(name))

    @in_float64
    def __call__(self, m_X: ArrayLike, g_X: ArrayLike, eps: ArrayLike = 0.0) -> Array:
        """-1/2 sum of the finite delta chi2; m_X in GeV; arguments broadcast; differentiable in all three."""
        shape = jnp.broadcast_shapes(*(jnp.shape(value) for value in (m_X, g_X, eps)))
        return -jnp.broadcast_to(self.total(self._named(m_X, g_X, eps)), shape) / 2

    @in_float64
    def terms(self, m_X: ArrayLike, g_X: ArrayLike, eps: ArrayLike = 0.0) -> dict[str, Array]:
        """delta chi2 of every constraint by name, each on the broadcast shape of the arguments."""
        shape = jnp.broadcast_shapes(*(jnp.shape(value) for value in (m_X, g_X, eps)))
        terms = self.evaluate(self._named(m_X, g_X, eps))
        return {name: jnp.broadcast_to(term.delta_chi2, shape) for name, term in terms.items()}

    def _named(self, m_X: ArrayLike, g_X: ArrayLike, eps: ArrayLike) -> dict[str, ArrayLike]:
        parameters = dict(zip(self.model.required, (m_X, g_X), strict=True))
        return parameters | {"eps": eps} if "eps" in self.model.parameters else parameters

    @in_float64
    def total(
        self, parameters: Mapping[str, ArrayLike], measured: Mapping[str, ArrayLike] | None = None
    ) -> Float[Array, "..."]:
        """Sum of the finite delta chi2 of `summed` at `parameters` (see `evaluate`): -2 times the log-likelihood.

        `measured` takes the place of measured values, as arrays that broadcast against the parameters: toys. (The
        subtracted chi2 at zero coupling remains that of the real values.) Raises as `evaluate`.
        """
        terms = self.terms_and_observables(parameters, (), measured)[0]
        total = jnp.zeros(())
        for name in self.summed:
            value = terms[name].delta_chi2
            total = total + jnp.where(jnp.isfinite(value), value, 0.0)
        return total

    @in_float64
    def evaluate(self, parameters: Mapping[str, ArrayLike]) -> dict[str, Term]:
        """All terms at `parameters` (names of `zscan.parameters` that the model has), on their own shapes.

        Raises `ParameterError` for a missing parameter, `UnknownNameError` for one that the model does not have.
        """
        return self.terms_and_observables(parameters, ())[0]

    @in_float64
    def terms_and_observables(
        self,
        parameters: Mapping[str, ArrayLike],
        names: Sequence[str],
        measured: Mapping[str, ArrayLike] | None = None,
    ) -> tuple[dict[str, Term], dict[str, Array]]:
        """All terms, and the observables `names` (see `zscan.constraints.observable_names`); else as `evaluate`.

        `measured` as for `total`.
        """
        for name in self.model.required:
            if name not in parameters:
                raise ParameterError(f"the parameter {name} is needed")
        for name in parameters:
            if name not in self.model.parameters:
                allowed = nearest(name, self.model.parameters)
                raise UnknownNameError(f"{name!r} is not a parameter of {self.model.name}: {allowed}")
        values = dict(zip(parameters, as_float64(*parameters.values()), strict=True))
        pulls = {name: values.pop(name) for name in THEORY_PARAMETERS if name in values}
        data = dict(measured_values(self.observables))
        for name, shifted in (measured or {}).items():
            (array,) = as_float64(shifted)
            data[name] = replace(data[name], value=array)  # type: ignore[arg-type]
        valid = jnp.ones((), bool)
        for name in _MASSES & values.keys():
            valid = valid & (values[name] > 0)
            values[name] = jnp.where(values[name] > 0, values[name], 1.0)  # finite gradients where the result is NaN
        point = _charge_point(self.model, values) if isinstance(self.model, Model) else _effective_point(values)
        searches = tuple(dict.fromkeys(SEARCHES[name] for name in self.constraints if name in SEARCHES))
        point = replace(point, searches=searches)
        terms = {name: self._term(name, point, valid, data, pulls.get(f"theory.{name}")) for name in self.constraints}
        available = {name: term.observable for name, term in terms.items()}
        for term in terms.values():
            available |= term.derived
        for name in names:
            if general := general_observable(name):
                available[name] = jnp.where(valid, general(point), jnp.nan)
        return terms, {name: available[name] for name in names}

    def _term(self, name: str, point: Point, valid: Array, data: Mapping[str, Measurement], pull: Array | None) -> Term:
        item, measurement = constraint(name), data[name]
        observable, derived, applies = item.predict(point, data)
        valid = valid & applies
        safe = jnp.where(valid, observable, measurement.value)
        if pull is None:
            delta_chi2 = chi2(safe, measurement) - self.chi2_zero[name]
        else:
            shifted = safe + pull * measurement.theory_error
            delta_chi2 = chi2(shifted, measurement.without_theory()) + pull**2 - self.chi2_zero[name]
        derived = {key: derived.get(key, jnp.full((), jnp.nan)) for key in item.derived}
        return Term(
            jnp.where(valid, delta_chi2, jnp.nan),
            jnp.where(valid, observable, jnp.nan),
            valid,
            {key: jnp.where(valid, value, jnp.nan) for key, value in derived.items()},
        )

    def fingerprint(self) -> dict[str, Any]:
        """Everything beside the parameters that the numbers depend on: measurements and digests of kernel tables."""
        tables = resources.files("zscan.kernels").joinpath("tables").iterdir()
        return {
            "measurements": {
                name: measured_values(self.observables)[name].to_table() for name in with_inputs(self.constraints)
            },
            "limits": {name: _limit_digest(SEARCHES[name]) for name in self.constraints if name in SEARCHES},
            "tables": {
                entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
                for entry in sorted(tables, key=lambda entry: entry.name)
                if entry.is_file()
            },
        }


def _charge_point(model: Model, values: dict[str, Array]) -> Point:
    values = dict(values)
    m_X, g_X = values.pop("m_X"), values.pop("g_X")
    g_sb = values.pop("g_sb", None)
    eps = values.pop("eps", jnp.zeros(())) + values.pop("eps_over_g", jnp.zeros(())) * g_X
    for name in [name for name in values if name in ADDED_PARAMETERS]:
        multiple, other = values.pop(name), load_model(name.removeprefix("add."))
        for charge in CHARGE_PARAMETERS:
            species, generation = charge.split(".")[1:]
            if isinstance(other, Model) and (added := other.charge(species, generation)):
                own = values.get(charge, jnp.asarray(float(model.charge(species, generation))))
                values[charge] = own + multiple * float(added)
    on_shell = couplings(model, m_X, g_X, eps, charges=values)
    return Point(m_X, on_shell, couplings(model, m_X, g_X, eps, q2=0.0, charges=values), g_sb)


def _effective_point(values: dict[str, Array]) -> Point:
    if "M_1" in values:
        m_t, Q_S = values.get("m_t", jnp.asarray(_M_T)), values.get("Q_S", jnp.asarray(_Q_R2))
        none = jnp.full((), jnp.nan)
        return Point(none, None, None, leptoquarks=Leptoquarks(values["M_1"], values["M_2"], m_t, Q_S))
    m_X, g_sb = values["m_X"], values.get("g_sb")
    if "width_over_m_X" in values:
        return Point(m_X, None, None, g_sb, g_sb is None, values["width_over_m_X"])
    zero = jnp.zeros(())
    g_A = values.get("g_A", zero) + values.get("g_A_over_g_V", zero) * values["g_V"]
    x = muon_couplings(values["g_V"], g_A, values.get("eps", zero))
    return Point(m_X, x, x, g_sb, g_sb is None, electrons="eps" in values)


def log_likelihood(
    model: AnyModel | str, constraints: Sequence[str] | None = None, observables: str = "paper"
) -> Likelihood:
    """The likelihood f(m_X, g_X, eps=0.) of a model (name, path or `Model`) for named constraints.

    Names may be shell patterns. None means all measurements; limit curves must be asked for ("kmunux", "searches/*"),
    because the form of their likelihood is assumed. `observables` is the set of measurements. For "muon-effective" the
    second argument is g_V, and g_sb is profiled inside its bound; further parameters go through `Likelihood.evaluate`.
    The result is pure: it can be jitted, vmapped and differentiated. Raises `UnknownNameError` and `ModelError`.
    Source: arXiv:2107.07518 sec. 3.

    >>> f = log_likelihood("Lmu-Ltau", ["delta_a_mu"])
    >>> round(float(f(0.1, 9.4620e-4)), 2)  # best fit of g-2 alone: 18.1/2 better than the Standard Model
    9.05
    """
    model = load_model(model)
    names = expand_constraints(model.constraints if constraints is None else constraints)
    for name in names:
        if model.constraints is not None and name not in model.constraints:
            allowed = ", ".join(model.constraints)
            raise UnknownNameError(f"{name!r} does not apply to the model {model.name}; allowed: {allowed}")
    return Likelihood(model, names, observables, {name: _chi2_at_zero(name, observables) for name in names})


@cache
def _chi2_at_zero(name: str, observables: str) -> float:
    if name in SEARCHES:
        return 0.0  # no signal; the curve need not cover the mass below
    likelihood = Likelihood(Model("no X"), (name,), observables, {name: 0.0})
    return float(likelihood.evaluate({"m_X": 0.1, "g_X": 0.0, "g_sb": 0.0})[name].delta_chi2)


def _limit_digest(name: str) -> str:
    """Digest of everything that a limit says, its production table included."""
    limit = load(name)
    tables: list[Limit | ProductionTable] = [limit]
    if limit.production_table is not None:
        tables.append(limit.production_table)
    digest = hashlib.sha256()
    for table in tables:
        for item in fields(table):
            value = getattr(table, item.name)
            if item.name != "production_table":
                digest.update(
                    item.name.encode() + (value.tobytes() if hasattr(value, "tobytes") else repr(value).encode())
                )
    return digest.hexdigest()


def bibtex_keys(constraints: Sequence[str], observables: str = "paper", stored: Sequence[str] = ()) -> tuple[str, ...]:
    """BibTeX keys of the paper and of all measurements and predictions behind `constraints`, each once.

    `stored` are observables stored beside them, whose predictions have references of their own.
    """
    keys = {PAPER: None}
    for name in with_inputs(constraints):
        keys |= dict.fromkeys(describe(name, observables).references)
    for name in stored:
        keys |= dict.fromkeys(describe_observable(name, observables)[2])
    return tuple(keys)
