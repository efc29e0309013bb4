"""Constraints from limit curves of searches for resonances: one for each, "kmunux" and
"searches/NAME".
"""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
from jax import Array

from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.limits import Limit, list_limits, load, signal_strengths

KMUNUX_LIMIT = "NA62_Kmunu_vector_BR_derived"
# Constraint -> limit curve; projections are among them but are never summed. It follows the limits
# that are known, see `search_constraints`
SEARCHES: dict[str, str] = {}


def predict_searches(limits: Iterable[str], point: Point) -> dict[str, Prediction]:
    """Signal strengths of `limits` by name, all at once: they share widths and production rates.

    They apply where `zscan.limits.signal_strengths` is a number: within their masses, outside
    vetoes, and where they do not rest on hadronic widths without accuracy.
    """
    names = tuple(dict.fromkeys(limits))
    strengths = (
        signal_strengths([load(name) for name in names], point.m_X, point.on_shell) if names else ()
    )
    return {name: _prediction(mu) for name, mu in zip(names, strengths, strict=True)}


def _prediction(mu: Array) -> Prediction:
    return Prediction(mu, applies=jnp.isfinite(mu))


def _search(constraint: str, limit: Limit) -> Constraint:
    def predict(point: Point, _: Measured) -> Prediction:
        return predict_searches([limit.name], point)[limit.name]

    what = f"{limit.experiment} {limit.kind}, {'/'.join(limit.final_states)} final state"
    return Constraint(
        constraint, what, "signal strength mu", predict, ("Ilten:2018crw",), limit=limit.name
    )


def search_constraints() -> dict[str, Constraint]:
    """The constraints of all limits that are known now, by name; `SEARCHES` is brought in line."""
    SEARCHES.clear()
    SEARCHES["kmunux"] = KMUNUX_LIMIT
    SEARCHES.update({f"searches/{name}": name for name in list_limits() if name != KMUNUX_LIMIT})
    return {name: _search(name, load(limit)) for name, limit in SEARCHES.items()}


CONSTRAINTS = tuple(search_constraints().values())
