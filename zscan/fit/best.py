"""Maximum likelihood from many starts at once, with errors, local minima and goodness of fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaincc

from zscan.errors import NotConvergedError
from zscan.fit.problem import Normal, Problem
from zscan.optimise.solver import Found
from zscan.optimise.starts import lattice, lowest
from zscan.precision import in_float64
from zscan.results.text import jsonable

_SAME_CHI2 = 1e-3
_SAME_PLACE = 1e-2  # of the range between the bounds
_AT_BOUND = 1e-9
_WORTH_LISTING = 25.0  # chi2 above the lowest


@dataclass(frozen=True)
class Minimum:
    """A local minimum: parameters, its chi2 relative to zero coupling, and how many starts ended in
    it.
    """

    parameters: dict[str, float]
    chi2: float
    starts: int


@dataclass(frozen=True)
class Contribution:
    """A constraint at the best fit.

    `chi2` is its own chi2, `pull` (prediction - measurement)/error or NaN where the likelihood has
    another form; all are NaN where the constraint does not apply."""

    observable: float
    measured: str
    chi2: float
    pull: float


@dataclass(frozen=True)
class FitResult:
    """Result of `maximum_likelihood`.

    `converged` says whether the lowest chi2 that was found is a minimum; otherwise `parameters`
    raises `NotConvergedError`. `chi2` is relative to zero coupling, `chi2_total` absolute.
    `covariance` (rows as `names`) is twice the inverse Hessian of chi2, NaN for a parameter at a
    bound or in a flat valley (`at_bound`, `flat`). `minima` are the local minima within 25 of the
    lowest, lowest first. `p_value` counts constraints against free parameters; it is NaN unless all
    of them are measurements (no limits) that apply and there are more of them than parameters."""

    names: tuple[str, ...]
    converged: bool
    values: tuple[float, ...]
    chi2: float
    chi2_total: float
    covariance: np.ndarray
    at_bound: tuple[bool, ...]
    flat: bool
    edm: float
    starts: int
    starts_converged: int
    minima: tuple[Minimum, ...]
    contributions: dict[str, Contribution]
    degrees_of_freedom: int
    p_value: float

    @property
    def parameters(self) -> dict[str, float]:
        """The best fit; raises `NotConvergedError` if there is none."""
        if not self.converged:
            raise NotConvergedError(
                f"the fit did not converge from any of {self.starts} starts (estimated distance to "
                f"the minimum {self.edm:.2g}): give narrower bounds, more starts, or fix what the "
                "data do not determine"
            )
        return dict(zip(self.names, self.values, strict=True))

    @property
    def errors(self) -> dict[str, float]:
        """One standard deviation of each parameter, from the Hessian."""
        with np.errstate(invalid="ignore"):
            return dict(
                zip(self.names, np.sqrt(np.diagonal(self.covariance)).tolist(), strict=True)
            )

    @property
    def correlation(self) -> np.ndarray:
        """Correlation matrix of the parameters."""
        sigma = np.array(list(self.errors.values()))
        return self.covariance / np.outer(sigma, sigma)

    def to_table(self) -> dict[str, Any]:
        """JSON-able table; NaN becomes None."""
        table: dict[str, Any] = {
            "converged": self.converged,
            "parameters": dict(zip(self.names, self.values, strict=True))
            if self.converged
            else None,
            "errors": self.errors if self.converged else None,
            "covariance": self.covariance.tolist() if self.converged else None,
            "at_bound": dict(zip(self.names, self.at_bound, strict=True)),
            "flat": self.flat,
            "chi2": self.chi2,
            "chi2_total": self.chi2_total,
            "edm": self.edm,
            "starts": self.starts,
            "starts_converged": self.starts_converged,
            "minima": [vars(item) for item in self.minima],
            "contributions": {name: vars(item) for name, item in self.contributions.items()},
            "degrees_of_freedom": self.degrees_of_freedom,
            "p_value": self.p_value,
        }
        plain: dict[str, Any] = jsonable(table)
        return plain

    def __str__(self) -> str:
        state = f"{self.starts_converged} of {self.starts} starts converged"
        if not self.converged:
            return f"no minimum found: {state}, estimated distance {self.edm:.2g}"
        lines = [f"minimum found: {state}, estimated distance {self.edm:.1e}"]
        lines += [f"  {'parameter':18}{'value':>14}{'error':>12}"]
        for name, value, at_bound in zip(self.names, self.values, self.at_bound, strict=True):
            note = "  at its bound" if at_bound else ""
            lines.append(f"  {name:18}{value:14.6g}{self.errors[name]:12.3g}{note}")
        if self.flat:
            lines.append(
                "  the likelihood is flat in some direction: the point is one of many, errors are "
                "undefined"
            )
        lines.append(f"  chi2 = {self.chi2_total:.4g}, {self.chi2:+.4g} relative to zero coupling")
        if math.isfinite(self.p_value):
            lines.append(f"  {self.degrees_of_freedom} degrees of freedom, p = {self.p_value:.3g}")
        lines += [f"  {'constraint':38}{'prediction':>12}{'chi2':>10}{'pull':>8}  measured"]
        for name, item in self.contributions.items():
            if math.isfinite(item.chi2):
                pull = f"{item.pull:+.2f}" if math.isfinite(item.pull) else "-"
                lines.append(
                    f"  {name:38}{item.observable:12.5g}{item.chi2:10.4g}{pull:>8}  {item.measured}"
                )
        for other in self.minima[1:]:
            place = ", ".join(f"{name} = {value:.4g}" for name, value in other.parameters.items())
            lines.append(
                f"  local minimum: chi2 {other.chi2 - self.chi2:+.4g} at {place} ({other.starts} "
                "starts)"
            )
        return "\n".join(lines)


@in_float64
def maximum_likelihood(problem: Problem, *, starts: int = 64, seed: int = 0) -> FitResult:
    """The best fit of `problem`, from `starts` starts at once.

    Starts are quasi-random between the bounds (on the scale of each parameter; the first one takes
    given starts). All move together: Adam (optax) on a smooth transformation of the bounds, then
    damped Newton steps with exact second derivatives, which end at an estimated distance to the
    minimum below 1e-7 (3e-4 standard deviations) or on a bound. Nothing is raised when no start
    converges: see `FitResult`. Accuracy: chi2 within 1e-6 of the minimum where second derivatives
    exist; a kink of the likelihood (the split errors of R_K) may keep single starts from
    converging.

    >>> bounds = {"g_X": (1e-4, 1e-2)}
    >>> problem = Problem("B-3Lmu", ["delta_a_mu"], parameters=bounds, fixed={"m_X": 0.1})
    >>> round(3 * maximum_likelihood(problem).parameters["g_X"], 6)
    0.000946
    """
    units = start_points(problem, starts, seed)
    return _result(problem, problem.solver(units, warm=True))


def start_points(problem: Problem, starts: int, seed: int) -> np.ndarray:
    """Starts (parameters, starts) between 0 and 1, see `zscan.optimise.starts.lattice`; the first
    takes given values.
    """
    units = lattice(starts, len(problem.names), seed).T.copy()
    for index, name in enumerate(problem.names):
        given = problem.free(name).start
        if given is not None:
            units[index, 0] = problem.bounded(name).to_unit(given)
    return units


def _result(problem: Problem, found: Found) -> FitResult:
    value = np.where(np.isfinite(found.value), found.value, np.inf)
    # A start that ended lower without converging makes the lowest converged one a local minimum at
    # best
    best = int(lowest(value, found.converged, _SAME_CHI2))
    x = found.x[:, best]
    at_bound = (x <= _AT_BOUND) | (x >= 1 - _AT_BOUND)
    covariance, flat = _covariance(problem, x, at_bound, found.hessian[..., best])
    values = problem.at(x)
    contributions = _contributions(problem, values)
    data = problem.likelihood.measured
    gaussian = all(
        data[name].is_normal and not data[name].is_upper_limit and math.isfinite(item.chi2)
        for name, item in contributions.items()
    )
    priors = sum(isinstance(problem.free(name).prior, Normal) for name in problem.names)
    degrees = len(contributions) + priors - int((~at_bound).sum())
    zero = problem.likelihood.chi2_zero
    chi2_zero = sum(zero[name] for name, item in contributions.items() if math.isfinite(item.chi2))
    chi2_total = float(value[best]) + chi2_zero
    usual = gaussian and degrees > 0
    return FitResult(
        names=problem.names,
        converged=bool(found.converged[best]),
        values=tuple(values.values()),
        chi2=float(value[best]),
        chi2_total=chi2_total,
        covariance=covariance,
        at_bound=tuple(bool(item) for item in at_bound),
        flat=flat,
        edm=float(found.edm[best]),
        starts=value.size,
        starts_converged=int(found.converged.sum()),
        minima=_minima(problem, found, value),
        contributions=contributions,
        degrees_of_freedom=degrees,
        p_value=float(gammaincc(degrees / 2, chi2_total / 2)) if usual else math.nan,
    )


def _covariance(
    problem: Problem, x: np.ndarray, at_bound: np.ndarray, hessian: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Covariance in the parameters proper, from the Hessian in their places between the bounds."""
    count = len(x)
    covariance = np.full((count, count), np.nan)
    slope = np.array(
        [problem.bounded(n).slope(place, np) for n, place in zip(problem.names, x, strict=True)]
    )
    free = ~at_bound
    if not free.any():
        return covariance, False
    block = hessian[np.ix_(free, free)]
    size = np.sqrt(np.maximum(np.abs(np.diagonal(block)), 1e-300))
    lowest = np.linalg.eigvalsh(block / np.outer(size, size)).min()
    if not lowest > 1e-8:
        return covariance, True
    inverse = 2 * np.linalg.inv(block) * np.outer(slope[free], slope[free])
    covariance[np.ix_(free, free)] = inverse
    return covariance, False


def _minima(problem: Problem, found: Found, value: np.ndarray) -> tuple[Minimum, ...]:
    order = [index for index in np.argsort(value) if found.converged[index]]
    groups: list[list[int]] = []
    for index in order:
        for group in groups:
            near = np.abs(found.x[:, index] - found.x[:, group[0]]).max() < _SAME_PLACE
            if near and abs(value[index] - value[group[0]]) < _SAME_CHI2:
                group.append(index)
                break
        else:
            groups.append([index])
    minima = []
    for group in groups:
        if value[group[0]] > value[groups[0][0]] + _WORTH_LISTING:
            break
        place = problem.at(found.x[:, group[0]])
        minima.append(Minimum(place, float(value[group[0]]), len(group)))
    return tuple(minima)


def _contributions(problem: Problem, values: Mapping[str, float]) -> dict[str, Contribution]:
    likelihood = problem.likelihood
    terms, found = problem.terms(values), {}
    for name in likelihood.summed:
        observable, valid, delta_chi2 = terms[name]
        measured = likelihood.measured[name]
        prediction = float(observable) if bool(valid) else math.nan
        own = float(delta_chi2) + likelihood.chi2_zero[name]
        found[name] = Contribution(prediction, str(measured), own, measured.pull(prediction))
    return found
