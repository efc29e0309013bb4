"""Where the accuracy of hadronic widths suffices for a recast."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool

from zscan.kernels import hadrons, recast
from zscan.kernels.couplings import Couplings
from zscan.kernels.hadrons import LARGEST, NEGLIGIBLE
from zscan.kernels.widths import invisible, total_of
from zscan.limits.format import FINAL_STATES, Limit
from zscan.models import Model

_HADRONIC = ("pipi", "hadrons")  # of the final states

# What the accuracy rests on: final states if some are hadronic and no decay is counted in a window
# of time, and the reference model if its hadronic width is part of the published limit
Rest = tuple[tuple[str, ...], str | Model]


def rest(limit: Limit) -> Rest:
    """What the accuracy of a limit rests on: a few combinations for all limits."""
    assumed = limit.reference_branching_ratio is not None or limit.reference_decays
    prompt = limit.efficiency in ("prompt", "invisible")
    hadronic = prompt and any(state in _HADRONIC for state in limit.final_states)
    return limit.final_states if hadronic else (), "" if assumed else limit.reference_model


def enough(
    rests: tuple[Rest, ...],
    m_X: Array,
    couplings: Couplings,
    widths: Mapping[str, Array],
    references: Mapping[str | Model, tuple[Couplings, Array]],
    thresholds: str,
) -> list[Bool[Array, "..."]]:
    """Where mu does not rest on hadronic widths without accuracy, for each of `rests`.

    The rule is stated at `zscan.limits.signal_strengths`. `widths` are those of X; `references`
    are couplings of the reference models and their total widths. Carries no gradient."""
    m_X, couplings, widths, references = lax.stop_gradient((m_X, couplings, widths, references))
    total = total_of(widths)
    error = recast.ratio(hadrons.error(m_X, couplings, hadrons.masses_of(thresholds)), total)
    open_ = recast.ratio(hadrons.undetermined(m_X, couplings), total)
    theirs = {
        name: recast.ratio(hadrons.undetermined(m_X, x), width)
        for name, (x, width) in references.items()
    }
    found = []
    for states, reference in rests:
        # d ln mu/d ln(hadronic width) is the hadronic part of what is searched for less the
        # hadronic share of the total width; the part counts against it, but not in lifetimes
        mu_error = error
        if states:
            share = recast.ratio(widths["hadrons"], total)
            hadronic = _sum(widths, [state for state in states if state in _HADRONIC])
            part = recast.ratio(hadronic, _sum(widths, states))
            mu_error = recast.ratio(error, share) * jnp.abs(part - share)
        change = jnp.abs(open_ - theirs.get(reference, jnp.zeros(())))
        settled = (open_ <= NEGLIGIBLE) | (change <= NEGLIGIBLE * (1 + open_))
        found.append((mu_error <= LARGEST) & settled)
    return found


def _sum(widths: Mapping[str, Array], states: list[str] | tuple[str, ...]) -> Array:
    found = (
        invisible(widths) if state == "invisible" else widths[FINAL_STATES[state]]
        for state in states
    )
    return sum(found, jnp.zeros(()))
