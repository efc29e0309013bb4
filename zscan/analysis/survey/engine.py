"""The compiled part of a survey: how far a pattern of charges is beyond each limit, at couplings
that explain g-2.

At a mass, a pattern and a mixing kappa = eps e/g_X all couplings are proportional to g_X, so that
each target (Delta a_mu in standard deviations, or a coupling of the muon) is one g_X. A ratio is
what a constraint observes over its limit, 1 plus `Likelihood.excesses` over the limit: excluded
where it exceeds 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.charges.patterns import COLUMNS
from zscan.constants import E_CHARGE
from zscan.constraints import (
    Asked,
    Constraint,
    Measurement,
    data_constraints,
    find_constraints,
    measured_values,
)
from zscan.constraints.exclusion import ExclusionRule
from zscan.errors import ParameterError
from zscan.likelihood import log_likelihood
from zscan.models import GENERATIONS, Model
from zscan.precision import in_float64

TARGETS = np.linspace(-2.0, 2.0, 9)  # standard deviations of Delta a_mu
BLOCK = 1024  # entries of one mass that are screened at once
DEAR_BLOCK = 64  # entries, each with a mass of its own, whose minima over the coupling are found
# What costs a hundred times more than all other constraints together is looked at last
DEAR = ("coherent",)
G_2 = "delta_a_mu"
NOTHING = -1.0  # ratio of a constraint that says nothing
CARRIER = Model("pattern", loop="finite")
_LARGEST = 1e30
# g_X beyond which nothing is perturbative. Where a mixing cancels the muon's charge, rounding
# leaves 1e-16 of it or nothing, and which of both may differ from one use of it to the next
_STRONG = 10.0


class Entries(NamedTuple):
    """Points to evaluate: charges (n, 8) as `zscan.charges.patterns` has them, mass [GeV] and
    mixing kappa (n,).
    """

    charges: np.ndarray
    m_X: np.ndarray
    kappa: np.ndarray

    def take(self, index: np.ndarray | slice) -> Entries:
        """Some of them."""
        return Entries(self.charges[index], self.m_X[index], self.kappa[index])


class Screened(NamedTuple):
    """Entries at all targets, by everything but `DEAR` and with chi2 compared to zero coupling, so
    that ratios are lower bounds.

    `worst` (n,) is the smallest over the targets of the largest ratio, infinite where no coupling
    explains g-2; `killer` the number of that constraint, `target` that of the target. `open` says
    where a choice of a survey may still allow a target: at most one provisional constraint excludes
    it, and no other."""

    worst: np.ndarray
    killer: np.ndarray
    target: np.ndarray
    open: np.ndarray


class Details(NamedTuple):
    """Entries at all targets: `g_X` (n, G), NaN where none explains g-2; `ratio` (n, C, G) by the
    constraints with a limit, `NOTHING` where they say nothing or were not asked; `delta_chi2`
    (n, D, G) by all that are summed, NaN there; `variants` (n, V, G) as `ratio`.
    """

    g_X: np.ndarray
    ratio: np.ndarray
    delta_chi2: np.ndarray
    variants: np.ndarray

    def take(self, index: np.ndarray) -> Details:
        """Some of them."""
        return Details(*(values[index] for values in self))


class Engine:
    """Constraints of a survey, compiled for blocks of one shape.

    `constraints` and `observables` are those of `zscan.log_likelihood`; `variants` are further
    observable sets, each after the name of the constraint that it changes. `couplings` are targets
    of another kind: those of the muon, sqrt(g_V^2 + g_A^2), or with `direct` g_X itself, in place
    of `TARGETS`; Delta a_mu is then an upper limit, two standard deviations above its value.
    `names` are the constraints with a limit, `summed` all that enter chi2, `DEAR` ones last in
    both. Raises `UnknownNameError`, and `ParameterError` for a set in which Delta a_mu = 0 lies
    within two standard deviations when it is to be explained."""

    def __init__(
        self,
        constraints: Asked,
        observables: str,
        variants: Sequence[tuple[str, str]] = (),
        couplings: Sequence[float] | None = None,
        *,
        direct: bool = False,
    ) -> None:
        chosen = self.likelihood = log_likelihood(CARRIER, constraints, observables)
        self.observables, self.measured = observables, chosen.measured
        self.band = self.measured[G_2]
        self.explains, self.direct = couplings is None, direct
        self.targets = TARGETS if couplings is None else np.array(couplings, float)
        if self.explains and self.band.value - 2 * self.band.error_minus <= 0:
            raise ParameterError(
                f"observables {observables!r}: Delta a_mu = 0 lies within two standard deviations, "
                "so that nothing is to be explained; ask for a coupling of the muon instead"
            )
        others = [name for name in chosen.summed if name != G_2]
        self.dear = tuple(name for name in others if name in DEAR)
        self.summed = (G_2, *(name for name in others if name not in DEAR), *self.dear)
        self.rules = {name: self.measured[name].exclusion for name in self.summed}
        if not self.explains:
            self.rules[G_2] = _upper_limit(self.band)
        self.names = tuple(name for name in self.summed if self.rules[name].excludes)
        self.cheap = self.names[: len(self.names) - len(self.dear)]
        self.by_chi2 = tuple(n for n in self.names if self.rules[n].excluded_above is None)
        self.provisional = np.array([self.measured[n].status == "provisional" for n in self.names])
        self.loosest = np.array([_loosest(self.measured[name]) for name in self.names])
        self.variants = tuple((name, given) for name, given in variants if name in self.names)
        self._first = chosen.of([name for name in self.summed if name not in DEAR])
        self._muon = chosen.of([G_2])
        self._last = chosen.of(self.dear)
        self._exact = chosen.of(self.by_chi2)
        self._changed = [
            (name, log_likelihood(CARRIER, [name], given)) for name, given in self.variants
        ]
        self._screen = jax.jit(self._screen_block)
        self._delta = jax.jit(self._delta_block)
        self._minima = jax.jit(self._minima_block)

    def limits(self, cl: float | None = None) -> np.ndarray:
        """What observables are compared with, by `names`, at a level (None: each at its own)."""
        return np.array(
            [
                limit(self.rules[n] if n == G_2 else self.measured[n].exclusion_at(cl))
                for n in self.names
            ]
        )

    @in_float64
    def screen(
        self, entries: Entries, *, every: bool = False
    ) -> tuple[Screened, np.ndarray, Details]:
        """Entries at all targets, those of one mass together; the indices of those that are open
        (with `every`, of all) in the order of their masses, and details without `DEAR` in the same
        order.
        """
        n = len(entries.m_X)
        found = Screened(np.empty(n), np.empty(n, int), np.empty(n, int), np.empty(n, bool))
        kept, parts = [], []
        for index, block in _blocks(entries):
            screened, arrays = self._screen(*block)
            size = len(index)
            for whole, part in zip(found, screened, strict=True):
                whole[index] = np.asarray(part)[:size]
            (rows,) = np.nonzero(found.open[index] | every)
            kept.append(index[rows])
            g_X, ratio, delta = (np.asarray(array)[rows] for array in arrays)
            parts.append((g_X, ratio, delta))
        columns = [np.concatenate([part[i] for part in parts]) for i in range(3)] if parts else []
        if not columns:
            empty = np.empty((0, 1, len(self.targets)))
            columns = [empty[:, 0], empty, empty]
        g_X, ratio, delta = columns
        shape = (len(g_X), len(self.targets))
        details = Details(
            g_X,
            _widened(ratio, len(self.names), NOTHING),
            _widened(delta, len(self.summed), np.nan),
            np.full((shape[0], len(self.variants), shape[1]), NOTHING),
        )
        return found, np.concatenate([np.empty(0, int), *kept]), details

    @in_float64
    def add_dear(self, entries: Entries, found: Details) -> np.ndarray:
        """Put the constraints of `DEAR`, with chi2 compared to zero coupling, into details; where
        they are still open.
        """
        for index, block in _padded(entries, found.g_X) if self.dear else ():
            delta = np.asarray(self._delta(*block))[: len(index)]
            found.delta_chi2[index, len(self.summed) - len(self.dear) :] = delta
            for number, name in enumerate(self.dear):
                rule, values = self.rules[name], delta[:, number]
                ratio = 1 + rule.excess(values, values, 0.0) / limit(rule)
                found.ratio[index, len(self.cheap) + number] = np.nan_to_num(ratio, nan=NOTHING)
        exceeds = found.ratio > self.loosest[:, None]
        soft = exceeds[:, self.provisional].sum(axis=1)
        allowed = ~exceeds[:, ~self.provisional].any(axis=1) & (soft <= 1)
        return np.asarray((allowed & np.isfinite(found.g_X)).any(axis=1))

    @in_float64
    def add_minima(self, entries: Entries, found: Details) -> None:
        """Compare chi2 in details with its minimum over the coupling, and add the variants."""
        columns = [self.names.index(name) for name in self.by_chi2]
        for index, block in _padded(entries, found.g_X):
            exact, changed = (np.asarray(array)[: len(index)] for array in self._minima(*block))
            found.ratio[index[:, None], columns] = exact
            found.variants[index] = changed

    def _screen_block(
        self, m_X: Array, charges: Array, kappa: Array
    ) -> tuple[Screened, tuple[Array, Array, Array]]:
        fixed = _parameters(m_X, charges, kappa)
        explains, g_X = self._coupling(fixed, m_X)
        terms = self._first.evaluate({**fixed, "g_X": g_X})
        ratios = []
        for name in self.cheap:
            rule, term = self.rules[name], terms[name]
            ratios.append(_ratio(rule, rule.excess(term.observable, term.delta_chi2, 0.0), g_X))
        ratio = jnp.stack(ratios, axis=1)
        exceeds = ratio > jnp.asarray(self.loosest[None, : len(self.cheap), None])
        provisional = self.provisional[: len(self.cheap)]
        soft = exceeds[:, provisional].sum(axis=1)
        allowed = explains & ~exceeds[:, ~provisional].any(axis=1) & (soft <= 1)
        largest = ratio.max(axis=1)
        target = largest.argmin(axis=1)
        here = jnp.arange(len(target)), target
        screened = Screened(
            jnp.where(explains[:, 0], largest[here], jnp.inf),  # type: ignore[arg-type]
            ratio.argmax(axis=1)[here],  # type: ignore[arg-type]
            target,  # type: ignore[arg-type]
            allowed.any(axis=1),  # type: ignore[arg-type]
        )
        deltas = [jnp.broadcast_to(t.delta_chi2, g_X.shape) for t in terms.values()]
        return screened, (jnp.where(explains, g_X, jnp.nan), ratio, jnp.stack(deltas, axis=1))

    def _coupling(self, fixed: dict[str, Array], m_X: Array) -> tuple[Array, Array]:
        """Where there is a g_X for the targets, (n, 1), and which, (n, G)."""
        targets = jnp.asarray(self.targets)[None, :]
        if self.direct:
            shape = len(fixed["eps_over_g"])
            return jnp.ones((shape, 1), bool), jnp.broadcast_to(targets, (shape, targets.size))
        if not self.explains:
            x = CARRIER.point({**fixed, "g_X": jnp.ones_like(m_X)}).virtual.mu
            return _moderate(targets / jnp.sqrt(x.V**2 + x.A**2))
        slope = self._muon.evaluate({**fixed, "g_X": jnp.ones_like(m_X)})[G_2].observable
        errors = jnp.where(targets > 0, self.band.error_plus, self.band.error_minus)
        wanted = self.band.value + targets * errors
        return _moderate(jnp.sqrt(wanted / slope))

    def _delta_block(self, m_X: Array, charges: Array, kappa: Array, g_X: Array) -> Array:
        terms = self._last.evaluate({**_parameters(m_X, charges, kappa), "g_X": g_X})
        deltas = [jnp.broadcast_to(terms[name].delta_chi2, g_X.shape) for name in self.dear]
        return jnp.stack(deltas, axis=1)

    def _minima_block(
        self, m_X: Array, charges: Array, kappa: Array, g_X: Array
    ) -> tuple[Array, Array]:
        parameters = {**_parameters(m_X, charges, kappa), "g_X": g_X}
        empty = jnp.zeros((len(g_X), 0, len(self.targets)))
        excesses = self._exact.excesses(parameters) if self.by_chi2 else {}
        exact = [_ratio(self.rules[n], excesses[n], g_X)[:, None] for n in self.by_chi2]
        changed = []
        for name, likelihood in self._changed:
            rule = measured_values(likelihood.observables)[name].exclusion
            excess = likelihood.excesses(parameters)[name]
            changed.append(_ratio(rule, excess, g_X)[:, None])
        return jnp.concatenate([empty, *exact], axis=1), jnp.concatenate([empty, *changed], axis=1)


def _moderate(g_X: Array) -> tuple[Array, Array]:
    """Whether the couplings of an entry, (n, G), are all finite and perturbative, (n, 1); and them,
    1 where not.
    """
    there = (g_X <= _STRONG).all(axis=1, keepdims=True)
    return there, jnp.where(there, g_X, 1.0)


def asked_constraints(constraints: Asked | None) -> tuple[str | Constraint, ...]:
    """What a survey looks at: names, constraints of a user as they are, Delta a_mu among them; None
    is all data. Raises `UnknownNameError` and `ConstraintError`.
    """
    names, own = find_constraints(data_constraints() if constraints is None else constraints)
    return tuple(own.get(name, name) for name in dict.fromkeys((G_2, *names)))


def names_of(constraints: Sequence[str | Constraint]) -> tuple[str, ...]:
    """The names of constraints."""
    return tuple(item if isinstance(item, str) else item.name for item in constraints)


def engine_of(
    constraints: tuple[str | Constraint, ...],
    observables: str,
    variants: tuple[tuple[str, str], ...] = (),
    couplings: tuple[float, ...] | None = None,
) -> Engine:
    """The `Engine` of these arguments."""
    if all(isinstance(item, str) for item in constraints):
        return _kept_engine(constraints, observables, variants, couplings)
    return Engine(constraints, observables, variants, couplings)


# What is compiled serves the next survey of the same constraints
_kept_engine = lru_cache(maxsize=2)(Engine)


def charge_parameters(charges: Array) -> dict[str, Array]:
    """Parameters of a model for charges (..., 8), each of shape (...)."""
    column = {name: charges[..., number] for number, name in enumerate(COLUMNS)}
    parameters = {
        f"charge.{species}.{name}": column["q_3" if family == 2 else "q"]
        for species in "QUD"
        for family, name in enumerate(GENERATIONS[species])
    }
    return parameters | {
        f"charge.{species}.{name}": column[f"{species}_{name}"]
        for species in "LE"
        for name in GENERATIONS[species]
    }


def limit(rule: ExclusionRule) -> float:
    """The number that an observable, or a chi2, is compared with."""
    found = rule.delta_chi2_excluded if rule.excluded_above is None else rule.excluded_above
    if found is None:
        raise ValueError("a constraint without a limit: ask `excludes` first")
    return found


def _upper_limit(measurement: Measurement) -> ExclusionRule:
    return ExclusionRule(measurement.value + 2 * measurement.error_plus, None, measurement.cl)


def _loosest(measurement: Measurement) -> float:
    """A ratio above which a constraint excludes in every choice: at 95 %, and in a joint chi2."""
    if measurement.delta_chi2_excluded is not None:
        return 1.8
    if measurement.excluded_above is None:
        return 1.0
    above, value = measurement.excluded_above, measurement.value
    return (value + 1.5 * (above - value)) / above


def _ratio(rule: ExclusionRule, excess: Array, g_X: Array) -> Array:
    ratio = jnp.nan_to_num(1 + excess / limit(rule), nan=NOTHING, posinf=_LARGEST, neginf=-_LARGEST)
    return jnp.broadcast_to(ratio, g_X.shape)


def _parameters(m_X: Array, charges: Array, kappa: Array) -> dict[str, Array]:
    return {"m_X": m_X, "eps_over_g": kappa / E_CHARGE.value, **charge_parameters(charges)}


def _widened(values: np.ndarray, columns: int, fill: float) -> np.ndarray:
    whole = np.full((len(values), columns, values.shape[2]), fill)
    whole[:, : values.shape[1]] = values
    return whole


def _blocks(entries: Entries) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, ...]]]:
    """Indices of up to `BLOCK` entries of one mass, and that mass with their padded arrays."""
    if not len(entries.m_X):
        return
    order = np.argsort(entries.m_X, kind="stable")
    masses, starts = np.unique(entries.m_X[order], return_index=True)
    for mass, group in zip(masses, np.split(order, starts[1:]), strict=True):
        for start in range(0, len(group), BLOCK):
            index = group[start : start + BLOCK]
            padded = np.pad(index, (0, BLOCK - len(index)), mode="edge")
            charges = entries.charges[padded, None, :].astype(float)
            yield index, (np.full((1, 1), mass), charges, entries.kappa[padded, None])


def _padded(
    entries: Entries, g_X: np.ndarray
) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, ...]]]:
    """Indices of up to `DEAR_BLOCK` entries, and their padded arrays."""
    for start in range(0, len(g_X), DEAR_BLOCK):
        index = np.arange(start, min(start + DEAR_BLOCK, len(g_X)))
        padded = np.pad(index, (0, DEAR_BLOCK - len(index)), mode="edge")
        charges = entries.charges[padded, None, :].astype(float)
        g = np.nan_to_num(g_X[padded], nan=0.0)
        yield index, (entries.m_X[padded, None], charges, entries.kappa[padded, None], g)
