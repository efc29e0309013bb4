"""Likelihood: delta chi2 of every constraint of a model, and their combination as one
differentiable function.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    Asked,
    Constraint,
    ConstraintInfo,
    Measurement,
    ObservableInfo,
    Observables,
    Own,
    derived_observables,
    describe,
    describe_observable,
    find_constraints,
    general_observable,
    is_projection,
    measured_values,
    observable_set,
    predict,
    with_inputs,
)
from zscan.constraints.curves import load_curve
from zscan.constraints.exclusion import COUPLINGS
from zscan.constraints.own import fingerprint
from zscan.constraints.zero import at_zero
from zscan.errors import ConstraintError, UnknownNameError, nearest
from zscan.interpreter import interpreted
from zscan.limits import load
from zscan.models import Model, ModelType, load_model
from zscan.models.parameters import THEORY
from zscan.models.point import Prediction
from zscan.precision import as_float64, in_float64
from zscan.references import PAPER

# Up to here delta chi2, of up to the eighth power in couplings, is representable at all masses
_LARGEST = 1e20


class Term(NamedTuple):
    """One constraint on broadcastable shapes.

    `delta_chi2` is chi2 minus its value at zero coupling, NaN where `valid` is False (out of the
    validated range, or the constraint does not apply); `observable` is the predicted observable,
    `derived` further ones by name."""

    delta_chi2: Array
    observable: Array
    valid: Array
    derived: Mapping[str, Array] = {}


@dataclass(frozen=True)
class Description:
    """What a likelihood is in words, for headers of files, tables and captions; made by
    `Likelihood.describe`.

    `constraints` describes each term, `chi2_zero` is its chi2 at zero coupling, `observables`
    describes the stored ones. `bibtex_keys` are those of the paper and of everything that the
    numbers rest on, `provisional` the constraints with an input that could not be checked."""

    constraints: Mapping[str, ConstraintInfo]
    chi2_zero: Mapping[str, float]
    observables: Mapping[str, ObservableInfo]
    bibtex_keys: tuple[str, ...]
    provisional: tuple[str, ...]


@dataclass(
    frozen=True, eq=False
)  # compared and hashed by identity, as a function is: jax.jit needs that
class Likelihood:
    """Log-likelihood of a model as a pure function; made by `log_likelihood`.

    Calling it as f(m_X, g_X, eps=0.) gives -1/2 the sum of the finite terms, on the broadcast shape
    of the arguments; `terms` gives each delta chi2 by name, NaN where a constraint does not apply.
    `constraints` are the names of all terms, `summed` those that enter the sum: projections never
    do, and of measurements of one quantity or in the same data (trident_ccfr and trident_nutev, for
    example) only the first. `chi2_zero` is each chi2 at zero coupling. `observables` is the set as
    text (`zscan.constraints.observable_set`), `own` the constraints of a user among the terms.
    """

    model: ModelType
    constraints: tuple[str, ...]
    observables: str
    chi2_zero: Mapping[str, float]
    own: Own = field(default_factory=dict)

    @property
    def measured(self) -> dict[str, Measurement]:
        """The measurement of every constraint that zscan knows, and of the user's own ones."""
        own = {name: item.measurement for name, item in self.own.items() if item.measurement}
        return measured_values(self.observables) | own if own else measured_values(self.observables)

    @property
    def asked(self) -> tuple[str | Constraint, ...]:
        """Its constraints as `log_likelihood` takes them."""
        return tuple(self.own.get(name, name) for name in self.constraints)

    def of(self, constraints: Sequence[str]) -> Likelihood:
        """The likelihood of some of its constraints, by name."""
        return replace(self, constraints=tuple(constraints))

    @property
    def summed(self) -> tuple[str, ...]:
        """Constraints that enter the sum."""
        left_out: set[str] = set()
        for group in ALTERNATIVES:
            left_out |= set([name for name in group if name in self.constraints][1:])
        return tuple(
            name for name in self.constraints if name not in left_out and not is_projection(name)
        )

    @in_float64
    def __call__(self, m_X: ArrayLike, g_X: ArrayLike, eps: ArrayLike = 0.0) -> Array:
        """-1/2 sum of the finite delta chi2; m_X in GeV; arguments broadcast; differentiable in all
        three.
        """
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
        """Sum of the finite delta chi2 of `summed` at `parameters` (see `evaluate`): -2 times the
        log-likelihood.

        `measured` takes the place of measured values, as arrays that broadcast against the
        parameters: toys. (The subtracted chi2 at zero coupling remains that of the real values.)
        Raises as `evaluate`."""
        return self.sum(self.terms_and_observables(parameters, (), measured)[0])[0]

    def sum(self, terms: Mapping[str, Term]) -> tuple[Array, Array]:
        """Sum of the finite delta chi2 of `summed`, and where there is any."""
        total, any_finite = jnp.zeros(()), jnp.zeros((), bool)
        for name in self.summed:
            value = terms[name].delta_chi2
            finite = jnp.isfinite(value)
            total = total + jnp.where(finite, value, 0.0)
            any_finite = any_finite | finite
        return total, any_finite

    @in_float64
    def evaluate(self, parameters: Mapping[str, ArrayLike]) -> dict[str, Term]:
        """All terms at `parameters` (names of `model.parameters`), on their own shapes; not valid
        for m_X <= 0 and for parameters beyond 1e20, whose terms would overflow.

        Raises `ParameterError` for a missing parameter, `UnknownNameError` for one that the model
        does not have."""
        return self.terms_and_observables(parameters, ())[0]

    @in_float64
    def terms_and_observables(
        self,
        parameters: Mapping[str, ArrayLike],
        names: Sequence[str],
        measured: Mapping[str, ArrayLike] | None = None,
    ) -> tuple[dict[str, Term], dict[str, Array]]:
        """All terms, and the observables `names` (see `zscan.constraints.observables_of`); else as
        `evaluate`.

        `measured` as for `total`. Raises `UnknownNameError` for another name too.
        """
        self.model.check(parameters)
        values = dict(zip(parameters, as_float64(*parameters.values()), strict=True))
        pulls = {
            name.removeprefix(THEORY): values.pop(name)
            for name in list(values)
            if name.startswith(THEORY)
        }
        data = dict(self.measured)
        for name, shifted in (measured or {}).items():
            (array,) = as_float64(shifted)
            data[name] = replace(data[name], value=array)  # type: ignore[arg-type]
        valid = jnp.ones((), bool)
        for name in self.model.masses:
            if name in values:
                valid = valid & (values[name] > 0)
                values[name] = jnp.where(
                    values[name] > 0, values[name], 1.0
                )  # finite gradients where all is NaN
        for name in [name for name in values if name not in self.model.masses]:
            representable = jnp.abs(values[name]) <= _LARGEST
            valid = valid & representable
            values[name] = jnp.where(representable, values[name], 1.0)
        point = self.model.point(values)
        predictions = predict(self.constraints, point, data, self.own)
        terms = {
            name: self._term(name, prediction, valid, data[name], pulls.get(name))
            for name, prediction in predictions.items()
        }
        available = {name: term.observable for name, term in terms.items()}
        for term in terms.values():
            available |= term.derived
        for name in names:
            if name not in available and (general := general_observable(name)):
                available[name] = jnp.where(valid, general(point), jnp.nan)
        unknown = [name for name in names if name not in available]
        if unknown:
            raise UnknownNameError(
                f"unknown observable {unknown[0]!r}: {nearest(unknown[0], available)}"
            )
        return terms, {name: available[name] for name in names}

    def _term(
        self,
        name: str,
        prediction: Prediction,
        valid: Array,
        measurement: Measurement,
        pull: Array | None,
    ) -> Term:
        observable, derived, applies, chi2_zero = prediction
        valid = valid & applies
        safe = jnp.where(valid, observable, measurement.value)
        zero = self.chi2_zero[name] + jnp.where(valid, chi2_zero, 0.0)
        if pull is None:
            delta_chi2 = measurement.chi2(safe) - zero
        else:
            shifted = safe + pull * measurement.theory_error
            delta_chi2 = measurement.without_theory().chi2(shifted) + pull**2 - zero
        none = jnp.full((), jnp.nan)
        return Term(
            jnp.where(valid, delta_chi2, jnp.nan),
            jnp.where(valid, observable, jnp.nan),
            valid,
            {
                key: jnp.where(valid, derived.get(key, none), jnp.nan)
                for key in derived_observables(self.model, name, self.own)
            },
        )

    @in_float64
    def excesses(
        self,
        parameters: Mapping[str, ArrayLike],
        terms: Mapping[str, Term] | None = None,
        *,
        cl: float | None = None,
        lowest: Mapping[str, Array] | None = None,
    ) -> dict[str, Float[Array, "..."]]:
        """By how much each constraint's limit is exceeded at `parameters`: excluded where it is
        positive.

        NaN where a constraint does not apply; constraints without a limit are left out. `terms` are
        those of `evaluate` at the same parameters, `lowest` what `lowest` gives there, if they are
        known. The rule of each constraint is `Measurement.exclusion_at` the confidence level `cl`
        (None: its own). Raises as `evaluate`."""
        terms = self.evaluate(parameters) if terms is None else terms
        lowest = self.lowest(parameters) if lowest is None else lowest
        rules = {name: self.measured[name].exclusion_at(cl) for name in self.constraints}
        return {
            name: rule.excess(
                terms[name].observable, terms[name].delta_chi2, lowest.get(name, jnp.zeros(()))
            )
            for name, rule in rules.items()
            if rule.excludes
        }

    @in_float64
    def lowest(self, parameters: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """The minimum of delta chi2 over the coupling, of each constraint whose limit is relative
        to it, on the shape of the other parameters.

        It is looked for over `zscan.constraints.exclusion.COUPLINGS` in place of the model's
        coupling, all other parameters as given. Raises as `evaluate`."""
        measured = self.measured
        names = tuple(
            name
            for name in self.constraints
            if measured[name].exclusion.delta_chi2_excluded is not None
        )
        if self.model.coupling is None or not names:
            return {}
        part = replace(self, constraints=names)
        values = dict(zip(parameters, as_float64(*parameters.values()), strict=True))
        along = {name: value[..., None] for name, value in values.items()}
        terms = part.evaluate(along | {self.model.coupling: jnp.asarray(COUPLINGS)})
        return {name: terms[name].delta_chi2.min(axis=-1) for name in names}

    def describe(self, stored: Sequence[str] = ()) -> Description:
        """All that headers, tables and captions say of this likelihood and of the observables
        `stored` beside it.

        Raises `UnknownNameError` for an observable that it does not have.
        """
        needed = with_inputs(self.constraints, self.own)
        infos = {name: describe(name, self.observables, self.own) for name in needed}
        observables = {
            name: describe_observable(
                name, self.model, self.constraints, self.observables, self.own
            )
            for name in stored
        }
        described: list[ConstraintInfo | ObservableInfo] = [*infos.values(), *observables.values()]
        keys = {PAPER: None} | {key: None for info in described for key in info.references}
        return Description(
            constraints={name: infos[name] for name in self.constraints},
            chi2_zero=self.chi2_zero,
            observables=observables,
            bibtex_keys=tuple(keys),
            provisional=tuple(name for name, info in infos.items() if info.status == "provisional"),
        )

    def fingerprint(self) -> dict[str, Any]:
        """Everything beside the parameters that the numbers depend on: measurements, code of
        constraints of a user, and digests of kernel tables.
        """
        tables = resources.files("zscan.kernels").joinpath("tables").iterdir()
        every = self.measured
        measured = {name: every[name] for name in with_inputs(self.constraints, self.own)}
        own = {name: fingerprint(self.own[name]) for name in self.constraints if name in self.own}
        curves = {
            name: load_curve(item.options["curve"]).digest
            for name, item in measured.items()
            if "curve" in item.options
        }
        return (
            ({"curves": curves} if curves else {})
            | ({"own": own} if own else {})
            | {
                "measurements": {name: item.to_table() for name, item in measured.items()},
                "limits": {
                    name: load(SEARCHES[name]).digest
                    for name in self.constraints
                    if name in SEARCHES
                },
                "tables": {
                    entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
                    for entry in sorted(tables, key=lambda entry: entry.name)
                    if entry.is_file()
                },
            }
        )

    def key(self) -> list[Any] | None:
        """What tells this likelihood from others, as JSON; None for models and constraints whose
        code is not that of zscan.
        """
        kind = type(self.model)
        if self.own or not kind.__module__.startswith("zscan."):
            return None
        model = [kind.__module__, kind.__qualname__, self.model.to_table()]
        return [model, self.constraints, self.observables, self.fingerprint()]


def log_likelihood(
    model: ModelType | str,
    constraints: Asked | None = None,
    observables: Observables = "paper",
) -> Likelihood:
    """The likelihood f(m_X, g_X, eps=0.) of a model (name, path or `Model`) for named constraints.

    Names may be shell patterns; constraints of a user are objects, or "package.module:NAME", see
    `zscan.Constraint`. None means all measurements; limit curves must be asked for ("kmunux",
    "searches/*"), because the form of their likelihood is assumed. `observables` is the set of
    measurements: a name, a file or a table, see `zscan.constraints.observable_set`. For
    "muon-effective" the second argument is g_V, and g_sb is profiled inside its bound; further
    parameters go through `Likelihood.evaluate`. The result is pure: it can be jitted, vmapped and
    differentiated. Raises `UnknownNameError`, `ModelError`, `ParameterError` and `ConstraintError`.
    Source: arXiv:2107.07518 sec. 3.

    >>> f = log_likelihood("Lmu-Ltau", ["delta_a_mu"])
    >>> # best fit of g-2 alone: 18.1/2 better than the Standard Model
    >>> round(float(f(0.1, 9.4620e-4)), 2)
    9.05
    """
    model = load_model(model)
    names, own = find_constraints(model.constraints if constraints is None else constraints)
    observables = observable_set(observables)
    for name in names:
        if model.constraints is not None and name not in model.constraints:
            allowed = ", ".join(model.constraints)
            raise UnknownNameError(
                f"{name!r} does not apply to the model {model.name}; allowed: {allowed}"
            )
    zero = {
        name: _own_chi2_at_zero(own[name], observables)
        if name in own
        else _chi2_at_zero(name, observables)
        for name in names
    }
    return Likelihood(model, names, observables, zero, own)


_NO_COUPLING = {"g_X": 0.0, "g_sb": 0.0, "g_sd": 0.0, "g_bd": 0.0}
_MASS = 0.1  # GeV, at which there is no X


def _own_chi2_at_zero(item: Constraint, observables: str) -> float:
    """chi2 without X of a constraint of a user, at a mass in its range; raises `ConstraintError`
    where there is none.
    """
    low, high = item.m_X_range
    m_X = _MASS if low <= _MASS <= high else min(max(low, high / 2), 2 * max(low, _MASS))
    likelihood = Likelihood(
        Model("no X"), (item.name,), observables, {item.name: 0.0}, {item.name: item}
    )
    term = likelihood.evaluate({"m_X": m_X} | _NO_COUPLING)[item.name]
    if jnp.ndim(term.observable):
        raise ConstraintError(
            f"constraint {item.name!r}: its observable has the shape "
            f"{jnp.shape(term.observable)} at one point; allowed: what broadcasts against m_X"
        )
    if bool(term.valid) and not bool(jnp.isfinite(term.delta_chi2)):
        raise ConstraintError(
            f"constraint {item.name!r}: its observable is {float(term.observable):g} at zero "
            f"coupling (m_X = {m_X:g} GeV), so that delta chi2 has no zero"
        )
    return float(term.delta_chi2) if bool(term.valid) else 0.0


@cache
def _chi2_at_zero(name: str, observables: str) -> float:
    if name in SEARCHES:
        return 0.0  # no signal; the curve need not cover the mass below
    measurement = measured_values(observables)[name]
    found = at_zero(name, measurement.options)
    observable, own = computed_at_zero(name, observables) if found is None else found
    # What needs an anomaly does not apply to a model without charges; it has no signal there
    return 0.0 if math.isnan(observable) else measurement.chi2_of(observable) - own


def computed_at_zero(name: str, observables: str) -> tuple[float, float]:
    """The observable of a constraint at zero coupling, for a model without charges, and the part of
    its chi2 that its prediction itself subtracts; NaN where it does not apply.
    """
    likelihood = Likelihood(Model("no X"), (name,), observables, {name: 0.0})

    def numbers(parameters: Mapping[str, Array]) -> dict[str, Array]:
        term = likelihood.evaluate(parameters)[name]
        return {"observable": term.observable, "delta_chi2": term.delta_chi2}

    found = interpreted(numbers)({"m_X": _MASS} | _NO_COUPLING)
    observable = float(found["observable"])
    if math.isnan(observable):
        return observable, 0.0
    chi2 = measured_values(observables)[name].chi2_of(observable)
    return observable, chi2 - float(found["delta_chi2"])
