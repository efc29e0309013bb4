"""One point of parameter space: every observable and delta chi2, with its reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jax import Array

from zscan.constraints import Asked, Observables, data_constraints
from zscan.errors import ParameterError
from zscan.interpreter import interpreted
from zscan.likelihood import Likelihood, log_likelihood
from zscan.models import ModelType, load_model
from zscan.models.parameters import warn_of_unit
from zscan.references import label
from zscan.results.text import aligned, jsonable


@dataclass(frozen=True)
class Row:
    """One constraint at one point; `excluded` is None where no limit is drawn or the constraint
    does not apply.
    """

    constraint: str
    observable_name: str
    observable: float
    measured: str
    delta_chi2: float
    excluded: bool | None
    cl: str
    status: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """All constraints of a model at one point."""

    model: str
    parameters: dict[str, float]
    observables: str
    log_likelihood: float
    rows: tuple[Row, ...]

    def to_table(self) -> dict[str, Any]:
        """JSON-able table; NaN becomes None."""
        table: dict[str, Any] = jsonable(asdict(self))
        return table

    def __str__(self) -> str:
        header = (
            "constraint",
            "observable",
            "value",
            "measured",
            "delta_chi2",
            "excluded",
            "status",
            "reference",
        )
        cells = [
            (
                row.constraint,
                row.observable_name,
                f"{row.observable:.5g}",
                row.measured,
                f"{row.delta_chi2:.4g}",
                {True: f"yes ({row.cl})", False: "no", None: "-"}[row.excluded],
                row.status,
                ", ".join(label(key) for key in row.references[:2]),
            )
            for row in self.rows
            if math.isfinite(row.delta_chi2)
        ]
        silent = len(self.rows) - len(cells)
        lines = aligned([header, *cells])
        point = ", ".join(f"{name} = {value:g}" for name, value in self.parameters.items())
        title = f"{self.model}: {point} (m_X in GeV; eps on top of the model's own mixing)"
        footer = (
            f"log-likelihood relative to zero coupling: {self.log_likelihood:.4g} "
            f"(set {self.observables!r})"
        )
        if silent:
            footer += (
                f"\n{silent} constraints say nothing at this point "
                "(outside their masses, or not applicable)"
            )
        return "\n".join([title, *lines, footer])


def evaluate(
    model: ModelType | str,
    m_X: float,
    g_X: float,
    eps: float = 0.0,
    *,
    constraints: Asked | None = None,
    observables: Observables = "paper",
    others: Mapping[str, float] | None = None,
) -> Evaluation:
    """Every constraint of `model` at one point: predicted observable, measurement, delta chi2,
    references.

    By default all measurements and all limits but no projections. A point is excluded where the
    observable lies above its limit (a search: where its signal strength is above 1), by COHERENT
    where its chi2 exceeds the minimum over the coupling at the same mass by 3.84. The
    log-likelihood is the sum that `zscan.log_likelihood` gives for the same constraints.

    m_X in GeV; eps is added to the model's own mixing; for "muon-effective" g_X is read as g_V (for
    "muon-resonance" as width_over_m_X); `others` are further parameters of the model, such as g_sb.
    Raises `ParameterError` for a value out of range and what `log_likelihood` raises. `print` shows
    a table, `.to_table()` gives JSON-able data.

    >>> print(evaluate("Lmu-Ltau", 0.1, 1e-3).rows[0].constraint)
    delta_a_mu
    """
    used = load_model(model)
    parameters = dict(zip(used.required, (m_X, g_X), strict=True))
    if "eps" in used.parameters or eps != 0:
        parameters["eps"] = eps
    parameters |= others or {}
    for name, value in parameters.items():
        info = used.parameter(name)
        if info.fault(name, value):
            raise ParameterError(f"{name} = {value} is out of range; allowed: {info.allowed}")
    warn_of_unit(m_X, stacklevel=3)
    if constraints is None and used.constraints is None:
        constraints = data_constraints()
    likelihood = log_likelihood(used, constraints, observables)
    key = likelihood.key()
    found = interpreted(_at_point(likelihood), key and ["evaluate", key])(parameters)
    rows = []
    for name, described in likelihood.describe().constraints.items():
        excess = float(found.get(f"excess {name}", math.nan))
        rows.append(
            Row(
                constraint=name,
                observable_name=described.observable_name,
                observable=float(found[f"observable {name}"]),
                measured=str(described.measurement),
                delta_chi2=float(found[f"delta_chi2 {name}"]),
                excluded=None if math.isnan(excess) else excess > 0,
                cl=described.cl,
                status=described.status,
                references=described.references,
            )
        )
    finite = {row.constraint: row.delta_chi2 for row in rows if math.isfinite(row.delta_chi2)}
    total = -sum(finite.get(name, 0.0) for name in likelihood.summed) / 2
    return Evaluation(used.name, parameters, likelihood.observables, total, tuple(rows))


def _at_point(likelihood: Likelihood) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """All numbers of a table, as one function of the parameters."""

    def at_point(parameters: Mapping[str, Array]) -> dict[str, Array]:
        terms = likelihood.evaluate(parameters)
        excesses = likelihood.excesses(parameters, terms)
        return (
            {f"observable {name}": term.observable for name, term in terms.items()}
            | {f"delta_chi2 {name}": term.delta_chi2 for name, term in terms.items()}
            | {f"excess {name}": excess for name, excess in excesses.items()}
        )

    return at_point
