"""Toy measurements of a known truth, all fitted at once: bias and coverage of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.errors import ParameterError
from zscan.fit.problem import Normal, Problem
from zscan.optimise.minimise import lowest_minimum
from zscan.optimise.starts import lattice
from zscan.precision import in_float64


@dataclass(frozen=True)
class Toys:
    """Fits of toy measurements: best `values` and Hessian `errors` by parameter, each (toys,).

    `chi2_of_truth` is chi2 of the truth above the minimum, `converged` marks the fits that did.
    """

    truth: dict[str, float]
    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    chi2_of_truth: np.ndarray
    converged: np.ndarray

    @property
    def pulls(self) -> dict[str, np.ndarray]:
        """(best - truth)/error by parameter."""
        return {
            name: (self.values[name] - true) / self.errors[name]
            for name, true in self.truth.items()
        }

    def coverage(self, level: float = 0.6827) -> float:
        """Fraction of toys in which the truth lies in the `level` region of all parameters, by the
        likelihood ratio.
        """
        from jax.scipy.special import gammainc

        degrees = len(self.truth)
        with jax.enable_x64(True):
            inside = (
                np.asarray(gammainc(degrees / 2, np.maximum(self.chi2_of_truth, 0.0) / 2)) < level
            )
        return float(inside[self.converged].mean())

    def coverage_of_errors(self) -> dict[str, float]:
        """Fraction of toys in which the truth lies within one Hessian error of the best fit, by
        parameter.
        """
        return {
            name: float((np.abs(pull) < 1)[self.converged].mean())
            for name, pull in self.pulls.items()
        }


@in_float64
def toys(
    problem: Problem,
    truth: Mapping[str, float],
    number: int = 500,
    *,
    seed: int = 0,
    starts: int = 4,
) -> Toys:
    """Fit `number` toy data sets that are drawn around the predictions of `truth` (values of all
    free parameters).

    Every measurement in the sum is drawn from the (split) normal density that its likelihood
    assumes. Raises `ParameterError` for constraints whose likelihood has another form (COHERENT,
    counting limits), for normal priors, and for constraints that do not apply at the truth.

    >>> bounds = {"g_X": (1e-4, 1e-2)}
    >>> problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters=bounds, fixed={"m_X": 0.1})
    >>> found = toys(problem, {"g_X": 9.5e-4}, 200)
    >>> bool(abs(found.coverage() - 0.68) < 0.1)
    True
    """
    measured = _draw(problem, truth, number, seed)
    count = len(problem.names)
    function = problem.unit_function(measured)
    at_truth = jnp.stack([problem.bounded(name).to_unit(truth[name]) for name in problem.names])
    spread = lattice(starts - 1, count, seed + 1) if starts > 1 else np.empty((0, count))
    first = jnp.concatenate([at_truth[None, :], jnp.asarray(spread)])
    units = jnp.broadcast_to(first[:, :, None], (starts, count, number))

    @jax.jit
    def fit() -> tuple[Array, Array, Array, Array]:
        found = lowest_minimum(function, units)
        true = function([jnp.full((number,), at_truth[index]) for index in range(count)])
        return found.x, found.hessian, found.converged, true - found.value

    x, hessian, converged, excess = jax.tree.map(np.asarray, fit())
    covariance = 2 * np.linalg.inv(
        np.moveaxis(np.where(converged, hessian, np.eye(count)[:, :, None]), 2, 0)
    )
    values, errors = {}, {}
    for index, name in enumerate(problem.names):
        bounded, place = problem.bounded(name), jnp.asarray(x[index])
        values[name], slope = np.asarray(bounded.from_unit(place)), bounded.slope(place)
        with np.errstate(invalid="ignore"):
            errors[name] = np.asarray(slope) * np.sqrt(covariance[:, index, index])
    return Toys(dict(truth), values, errors, excess, converged)


def _draw(problem: Problem, truth: Mapping[str, float], number: int, seed: int) -> dict[str, Array]:
    likelihood = problem.likelihood
    if set(truth) != set(problem.names):
        raise ParameterError(
            f"truth needs a value for each of {', '.join(problem.names)}, and for nothing else"
        )
    for name in problem.names:
        if isinstance(problem.free(name).prior, Normal):
            raise ParameterError(
                f"{name} has a normal prior: its mean would have to be drawn as well"
            )
    terms = likelihood.evaluate({**problem.fixed, **truth})
    generator = np.random.default_rng(seed)
    measured = {}
    for name in likelihood.summed:
        item = likelihood.measured[name]
        if not item.is_normal:
            raise ParameterError(
                f"{name}: toys need a normal likelihood, not the form {item.form!r}"
            )
        if not bool(terms[name].valid):
            raise ParameterError(f"{name} does not apply at the truth {dict(truth)}")
        size = np.abs(generator.standard_normal(number))
        # A prediction above the measurement is compared with the upper error
        above = generator.random(number) < item.error_plus / (item.error_plus + item.error_minus)
        drawn = float(terms[name].observable) + np.where(
            above, -size * item.error_plus, size * item.error_minus
        )
        measured[name] = jnp.asarray(drawn)
    return measured
