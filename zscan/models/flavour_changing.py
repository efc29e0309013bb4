"""Flavour-changing couplings of a charged model that its own charges make: from the anomaly of the
current, from loops of the top quark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from jax import Array

    from zscan.models.charged import Model

Fcnc = Literal["none", "anomaly", "loop", "anomaly+loop"]
FCNC: tuple[Fcnc, ...] = ("none", "anomaly", "loop", "anomaly+loop")
SCALES = (0.2, 1e15)  # TeV: allowed values of the scale of the loops, above the top mass

# Of each charge in A_W and in A_B, see `zscan.charges.anomaly_coefficients`
_WEIGHTS = {
    "Q": (3 / 2, 1 / 6),
    "U": (0.0, -4 / 3),
    "D": (0.0, -1 / 3),
    "L": (1 / 2, 1 / 2),
    "E": (0.0, -1.0),
}
_TRANSITIONS: dict[Literal["sb", "sd", "bd"], tuple[str, str]] = {
    "sb": ("Q.3", "Q.2"),
    "sd": ("Q.2", "Q.1"),
    "bd": ("Q.3", "Q.1"),
}


def has_effect(model: Model) -> bool:
    """Whether `model.fcnc` gives its charges, exactly, any effect; a model without charges gets
    them from a scan and counts as one that has.
    """
    charges = [model.triple(species) for species in _WEIGHTS]
    if model.fcnc == "none" or not any(any(triple) for triple in charges):
        return True
    top, (d, s, b) = model.triple("U")[2], model.triple("Q")
    loop = any(2 * top != first + second for first, second in ((b, s), (s, d), (b, d)))
    return ("anomaly" in model.fcnc and any(model.anomaly_coefficients())) or (
        "loop" in model.fcnc and loop
    )


def with_induced(
    model: Model, g_X: Array, changed: Mapping[str, Array], given: Mapping[str, Array]
) -> dict[str, Any]:
    """The flavour-changing couplings of a `Point`: those `given` plus those that the charges make,
    complex; with "anomaly" the products of g_X and (A_W, A_B).

    `changed` are charges that differ from the model's own, keys as "charge.L.mu". What the charges
    make is proportional to g_X and follows them."""
    import jax.numpy as jnp

    from zscan.kernels import fcnc

    own = {name: float(model.charge(*name.split(".", 1))) for name in _charge_names()}
    changed = {name.removeprefix("charge."): value for name, value in changed.items()}
    charges: dict[str, Any] = {**own, **changed}
    found: dict[str, Any] = {}
    A_W, A_B = (g_X * float(a) for a in model.anomaly_coefficients())
    for name, value in changed.items():
        if name.split(".")[0] in _WEIGHTS:
            of_W, of_B = _WEIGHTS[name.split(".")[0]]
            more = g_X * (value - own[name])
            A_W, A_B = A_W + of_W * more, A_B + of_B * more
    if "anomaly" in model.fcnc:
        found["anomaly"] = (A_W, A_B)
    for transition, (i, j) in _TRANSITIONS.items():
        key = f"g_{transition}"
        parts = []
        if "anomaly" in model.fcnc:
            parts.append(fcnc.coupling_from_anomaly(A_W, 1.0, transition))
        if "loop" in model.fcnc:
            scale = 1e3 * model.fcnc_scale
            q_i, q_j, q_t = charges[i], charges[j], charges["U.t"]
            parts.append(fcnc.coupling_from_loop(q_i, q_j, q_t, g_X, scale, transition))
        if key in given:
            parts.append(given[key].astype(jnp.complex128))
        if f"{key}_imag" in given:
            parts.append(1j * given[f"{key}_imag"].astype(jnp.complex128))
        found[key] = sum(parts[1:], start=parts[0])
    return found


def _charge_names() -> tuple[str, ...]:
    from zscan.models.charged import GENERATIONS

    return tuple(f"{species}.{name}" for species in _WEIGHTS for name in GENERATIONS[species])
