"""The question behind the figures: at which masses can a model explain g-2, and what rules out the
rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from zscan.constraints import Asked, Observables, data_constraints
from zscan.errors import ParameterError
from zscan.interpreter import interpreted
from zscan.likelihood import log_likelihood
from zscan.models import ModelType, load_model
from zscan.models.parameters import warn_of_unit
from zscan.precision import in_float64

Interval = tuple[float, float]

_BAND_POINTS = 61
_INTERPRETED = 4000  # masses up to which compilation would take longer than the work
_MOST_POINTS = 100_000  # each takes 61 couplings of every constraint at once


@dataclass(frozen=True)
class Verdict:
    """What `verdict` found; mass intervals in GeV, on the grid of masses that was asked for.

    `allowed` are the masses at which some coupling gives Delta a_mu within `n_sigma` and passes
    every constraint; `no_band` those at which no coupling explains g-2; `killed_by` gives for each
    constraint the masses at which it alone excludes every such coupling, `killed_together` those at
    which only several constraints together do. `silent` are constraints that apply at none of the
    masses: they exclude nothing here, and allow nothing either."""

    model: str
    n_sigma: float
    masses: Interval
    allowed: tuple[Interval, ...]
    no_band: tuple[Interval, ...]
    killed_by: dict[str, tuple[Interval, ...]]
    killed_together: tuple[Interval, ...]
    provisional: tuple[str, ...]
    silent: tuple[str, ...] = ()

    def to_table(self) -> dict[str, Any]:
        """JSON-able table."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.masses[0]:g} to {self.masses[1]:g} GeV"
        lines = [
            f"{self.model}: g-2 within {self.n_sigma:g} sigma and every constraint passed, "
            f"m_X from {where}",
            f"  allowed: {_text(self.allowed)}",
        ]
        if self.no_band:
            lines.append(f"  no coupling explains g-2: {_text(self.no_band)}")
        lines.append("  excluded by one constraint alone (whole band):")
        for name, found in self.killed_by.items():
            mark = " (provisional)" if name in self.provisional else ""
            lines.append(f"    {name + mark:46} {_text(found)}")
        if self.killed_together:
            lines.append(f"  excluded only by several together: {_text(self.killed_together)}")
        if self.silent:
            lines.append(f"  say nothing at any of these masses: {', '.join(self.silent)}")
        return "\n".join(lines)


@in_float64
def verdict(
    model: ModelType | str,
    *,
    n_sigma: float = 2.0,
    masses: Interval = (1e-3, 10.0),
    points: int = 400,
    eps_over_g: float = 0.0,
    observables: Observables = "paper",
    constraints: Asked | None = None,
) -> Verdict:
    """At which masses `model` explains g-2 within `n_sigma`, passing every constraint, and what
    excludes the rest.

    Masses are `points` logarithmic steps between `masses` [GeV]; at each mass the couplings of the
    g-2 band are covered by 61 points. A coupling is excluded by a constraint whose observable lies
    above its limit (a search whose signal strength exceeds 1), by COHERENT where its chi2 exceeds
    the minimum over g_X by 3.84. By default all measurements and all limits count; projections do
    not, and of several measurements of one quantity or in the same data only the first does;
    "paper" selects what arXiv:2107.07518 uses. `eps_over_g` adds kinetic mixing.

    Raises `ParameterError` for a model whose couplings are not proportional to g_X (a fixed eps, an
    effective model)."""
    loaded = load_model(model)
    if not loaded.scales_with_coupling:
        raise ParameterError(
            f"{loaded.name}: a verdict needs couplings proportional to g_X (charges, no fixed eps, "
            "g_chi or dark_width)"
        )
    if not 0 < masses[0] < masses[1] < math.inf or not 0 < n_sigma < math.inf:
        raise ParameterError(
            f"masses = {masses}, n_sigma = {n_sigma}; allowed: finite, positive, masses increasing"
        )
    warn_of_unit(masses, stacklevel=4)
    if not 2 <= points <= _MOST_POINTS:
        raise ParameterError(f"points = {points}; allowed: 2 to {_MOST_POINTS}")
    chosen = log_likelihood(
        loaded, data_constraints() if constraints is None else constraints, observables
    )
    names = [name for name in chosen.summed if name != "delta_a_mu"]
    likelihood = log_likelihood(loaded, ["delta_a_mu"], chosen.observables)
    others, measured = chosen.of(names), chosen.measured
    band = measured["delta_a_mu"]
    lower = max(band.value - n_sigma * band.error_minus, 0.0)
    target = np.linspace(lower, band.value + n_sigma * band.error_plus, _BAND_POINTS)

    def excluded(parameters: Mapping[str, Array]) -> dict[str, Array]:
        fixed: dict[str, ArrayLike] = {"m_X": parameters["m_X"], "eps_over_g": eps_over_g}
        slope = likelihood.evaluate(fixed | {"g_X": 1.0})[
            "delta_a_mu"
        ].observable  # Delta a_mu = slope g_X^2
        g_X = jnp.sqrt(jnp.asarray(target)[None, :] / jnp.where(slope > 0, slope, jnp.inf))
        excesses = others.excesses(fixed | {"g_X": g_X})
        return {"slope": slope} | {f"excess {name}": excess for name, excess in excesses.items()}

    m_X = np.geomspace(*masses, points)
    if points <= _INTERPRETED:
        key = (own := chosen.key()) and ["verdict", own, n_sigma, eps_over_g]
        found = interpreted(excluded, key, compiled=True)({"m_X": m_X[:, None]})
    else:
        found = jax.tree.map(np.asarray, jax.jit(excluded)({"m_X": jnp.asarray(m_X)[:, None]}))
    has_band = found.pop("slope")[:, 0] > 0
    excesses = {name.removeprefix("excess "): excess for name, excess in found.items()}
    masks = {
        name: np.broadcast_to(excess > 0, (points, _BAND_POINTS))
        for name, excess in excesses.items()
    }
    silent = [name for name, excess in excesses.items() if np.isnan(excess).all()]
    alone = {name: has_band & mask.all(axis=1) for name, mask in masks.items()}
    passed = has_band & ~np.any(list(masks.values()), axis=0).all(axis=1)
    together = has_band & ~passed & ~np.any(list(alone.values()), axis=0)
    return Verdict(
        model=loaded.name,
        n_sigma=n_sigma,
        masses=masses,
        allowed=intervals(m_X, passed),
        no_band=intervals(m_X, ~has_band),
        killed_by={name: intervals(m_X, mask) for name, mask in alone.items() if mask.any()},
        killed_together=intervals(m_X, together),
        provisional=tuple(name for name in names if measured[name].status == "provisional"),
        silent=tuple(silent),
    )


def intervals(m_X: np.ndarray, mask: np.ndarray) -> tuple[Interval, ...]:
    """Runs of consecutive masses where `mask` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return tuple(
        (float(m_X[a]), float(m_X[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)
    )


def _text(found: Sequence[Interval]) -> str:
    return (
        ", ".join(f"{low:.3g} - {high:.3g}" for low, high in found) + " GeV" if found else "nowhere"
    )
