"""Constraints: observable and measurement -> delta chi2; their combination as one differentiable log-likelihood."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from zscan.couplings import Couplings, couplings
from zscan.errors import ParameterError, UnknownNameError, nearest
from zscan.kernels import borexino, g2, trident
from zscan.measurements import Measurement, measurements
from zscan.model import Model, load_model
from zscan.parameters import parameter_info
from zscan.precision import as_float64, in_float64
from zscan.references import PAPER


class Point(NamedTuple):
    """What a constraint sees: the mass, and the couplings on shell (q2 = m_X^2) and of a virtual X (q2 = 0)."""

    m_X: Array
    on_shell: Couplings
    scattering: Couplings


class Term(NamedTuple):
    """One constraint on broadcastable shapes.

    `delta_chi2` is chi2 minus its value at zero coupling, NaN where `valid` is False (out of the validated range, or
    the constraint does not apply); `observable` is the predicted observable.
    """

    delta_chi2: Array
    observable: Array
    valid: Array


@dataclass(frozen=True)
class Constraint:
    """A constraint: its observable as a function of a `Point` and its names; `reference` cites the prediction."""

    name: str
    long_name: str
    observable_name: str
    observable_units: str
    predict: Callable[[Point], Array]
    references: tuple[str, ...]


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


def _delta_a_mu(point: Point) -> Array:
    # X is virtual: its momentum is space-like and of the order of m_mu, so that the mixing is taken at q2 = 0.
    return g2.delta_a_mu(point.m_X, point.scattering.mu.V, point.scattering.mu.A)


def _trident(point: Point) -> Array:
    x = point.scattering
    return trident.cross_section_ratio(point.m_X, x.mu.V, x.mu.A, x.nu_mu)


def _borexino(point: Point) -> Array:
    x = point.scattering
    return borexino.rate_ratio(point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_e, x.nu_mu, x.nu_tau)


_TRIDENT_THEORY = ("Altmannshofer:2014pba", "Altmannshofer:2019zhy", "DeVries:1987atn")
_CONSTRAINTS = {
    constraint.name: constraint
    for constraint in (
        Constraint(
            "delta_a_mu", "muon anomalous magnetic moment", "Delta a_mu", "1", _delta_a_mu, ("Jegerlehner:2009ry",)
        ),
        Constraint(
            "trident_ccfr", "neutrino trident, CCFR", "sigma / sigma_SM (nu_mu trident)", "1", _trident, _TRIDENT_THEORY
        ),
        Constraint(
            "trident_nutev",
            "neutrino trident, NuTeV",
            "sigma / sigma_SM (nu_mu trident)",
            "1",
            _trident,
            _TRIDENT_THEORY,
        ),
        Constraint(
            "borexino",
            "solar 7Be neutrino-electron scattering, Borexino",
            "rate / SM rate (7Be)",
            "1",
            _borexino,
            ("Harnik:2012ni", "Esteban:2020cvm"),
        ),
    )
}
# Two measurements of one quantity that must not be added: the first one present is the one that is summed.
_ALTERNATIVES = (("trident_ccfr", "trident_nutev"),)


def constraint_names() -> tuple[str, ...]:
    """Names of all constraints.

    >>> constraint_names()
    ('delta_a_mu', 'trident_ccfr', 'trident_nutev', 'borexino')
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


def describe(constraint: str, observables: str = "paper") -> ConstraintInfo:
    """Long name, observable, references (measurement first, then prediction), status and CL of a constraint."""
    (name,) = expand_constraints([constraint])
    item, measurement = _CONSTRAINTS[name], measurements(observables)[name]
    references = tuple(dict.fromkeys(measurement.references + item.references))
    return ConstraintInfo(
        item.long_name, item.observable_name, item.observable_units, references, measurement.status, measurement.cl,
        measurement,
    )  # fmt: skip


def split_normal_chi2(value: Array, measurement: Measurement) -> Array:
    """((value - measured)/error)^2 with the upper error above the measured value and the lower one below it."""
    deviation = value - measurement.value
    return (deviation / jnp.where(deviation > 0, measurement.error_plus, measurement.error_minus)) ** 2


@dataclass(frozen=True, eq=False)  # compared and hashed by identity, as a function is: jax.jit needs that
class Likelihood:
    """Log-likelihood of a model as a pure function; made by `log_likelihood`.

    Calling it as f(m_X, g_X, eps=0.) gives -1/2 the sum of the finite terms, on the broadcast shape of the arguments;
    `terms` gives each delta chi2 by name, NaN where a constraint does not apply. `constraints` are the names of all
    terms, `summed` those that enter the sum (trident_ccfr and trident_nutev measure one quantity: when both are asked
    for, only the first one is summed), `chi2_zero` each chi2 at zero coupling.
    """

    model: Model
    constraints: tuple[str, ...]
    observables: str
    chi2_zero: Mapping[str, float]

    @property
    def summed(self) -> tuple[str, ...]:
        """Constraints that enter the sum."""
        left_out = {
            name
            for group in _ALTERNATIVES
            for name in [member for member in self.constraints if member in group][1:]
        }  # fmt: skip
        return tuple(name for name in self.constraints if name not in left_out)

    @in_float64
    def __call__(self, m_X: ArrayLike, g_X: ArrayLike, eps: ArrayLike = 0.0) -> Array:
        """-1/2 sum of the finite delta chi2; m_X in GeV; arguments broadcast; differentiable in all three."""
        terms = self.terms(m_X, g_X, eps)
        total = jnp.zeros(jnp.broadcast_shapes(*(term.shape for term in terms.values())))
        for name in self.summed:
            total = total + jnp.where(jnp.isfinite(terms[name]), terms[name], 0.0)
        return -total / 2

    @in_float64
    def terms(self, m_X: ArrayLike, g_X: ArrayLike, eps: ArrayLike = 0.0) -> dict[str, Array]:
        """delta chi2 of every constraint by name, each on the broadcast shape of the arguments."""
        shape = jnp.broadcast_shapes(*(jnp.shape(value) for value in (m_X, g_X, eps)))
        terms = self.evaluate({"m_X": m_X, "g_X": g_X, "eps": eps})
        return {name: jnp.broadcast_to(term.delta_chi2, shape) for name, term in terms.items()}

    @in_float64
    def evaluate(self, parameters: Mapping[str, ArrayLike]) -> dict[str, Term]:
        """All terms at `parameters` (names of `zscan.parameters`; m_X and g_X are needed), on their own shapes."""
        for name in ("m_X", "g_X"):
            if name not in parameters:
                raise ParameterError(f"the parameter {name} is needed")
        for name in parameters:
            parameter_info(name)
        values = dict(zip(parameters, as_float64(*parameters.values()), strict=True))
        m_X, g_X = values.pop("m_X"), values.pop("g_X")
        eps = values.pop("eps", jnp.zeros(())) + values.pop("eps_over_g", jnp.zeros(())) * g_X
        valid = m_X > 0
        safe = jnp.where(valid, m_X, 1.0)  # keeps gradients finite where the result is NaN
        point = Point(
            safe,
            couplings(self.model, safe, g_X, eps, charges=values),
            couplings(self.model, safe, g_X, eps, q2=0.0, charges=values),
        )
        return {name: self._term(name, point, valid) for name in self.constraints}

    def _term(self, name: str, point: Point, valid: Array) -> Term:
        observable = _CONSTRAINTS[name].predict(point)
        delta_chi2 = split_normal_chi2(observable, measurements(self.observables)[name]) - self.chi2_zero[name]
        return Term(jnp.where(valid, delta_chi2, jnp.nan), jnp.where(valid, observable, jnp.nan), valid)

    def fingerprint(self) -> dict[str, Any]:
        """Everything beside the parameters that the numbers depend on: measurements and digests of kernel tables."""
        tables = resources.files("zscan.kernels").joinpath("tables").iterdir()
        return {
            "measurements": {name: measurements(self.observables)[name].to_table() for name in self.constraints},
            "tables": {
                entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
                for entry in sorted(tables, key=lambda entry: entry.name)
                if entry.is_file()
            },
        }


def log_likelihood(
    model: Model | str, constraints: Sequence[str] | None = None, observables: str = "paper"
) -> Likelihood:
    """The likelihood f(m_X, g_X, eps=0.) of a model (name, path or `Model`) for named constraints (None: all).

    Names may be shell patterns; `observables` is the set of measurements. The result is pure: it can be jitted,
    vmapped and differentiated. Raises `UnknownNameError` and `ModelError`. Source: arXiv:2107.07518 sec. 3.

    >>> f = log_likelihood("Lmu-Ltau", ["delta_a_mu"])
    >>> round(float(f(0.1, 9.4620e-4)), 2)  # best fit of g-2 alone: 18.1/2 better than the Standard Model
    9.05
    """
    names = expand_constraints(constraints)
    zero = {}
    for name in names:
        at_zero = Likelihood(Model("no X"), (name,), observables, {name: 0.0}).evaluate({"m_X": 1.0, "g_X": 0.0})
        zero[name] = float(at_zero[name].delta_chi2)
    return Likelihood(load_model(model), names, observables, zero)


def bibtex_keys(constraints: Sequence[str], observables: str = "paper") -> tuple[str, ...]:
    """BibTeX keys of the paper and of all measurements and predictions behind `constraints`, each once."""
    keys = {PAPER: None}
    for name in constraints:
        keys |= dict.fromkeys(describe(name, observables).references)
    return tuple(keys)
