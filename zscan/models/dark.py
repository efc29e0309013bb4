"""A dark decay channel X -> chi chi, or an invisible width that is given; light right-handed
neutrinos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from zscan.errors import shown
from zscan.models.parameters import PERTURBATIVE, ParameterInfo, Parameters

if TYPE_CHECKING:
    from jax import Array

    from zscan.models.charged import Model

Dark = Literal["dirac", "scalar"]
Neutrinos = Literal["majorana", "dirac"]
DARK: tuple[Dark, ...] = ("dirac", "scalar")
NEUTRINOS: tuple[Neutrinos, ...] = ("majorana", "dirac")

DARK_PARAMETERS: Parameters = {
    "g_chi": ParameterInfo("1", "coupling of X to chi", -PERTURBATIVE, PERTURBATIVE),
    "g_chi_over_g": ParameterInfo("1", "coupling of X to chi over g_X", -1e6, 1e6),
    "m_chi": ParameterInfo("GeV", "mass of chi", 0.0, 1e4),
    "m_chi_over_m_X": ParameterInfo("1", "mass of chi over that of X", 0.0, 1e6),
    "dark_width": ParameterInfo("GeV", "width of X into what is invisible", 0.0, 1e4),
    "dark_width_over_g2": ParameterInfo(
        "GeV", "width of X into what is invisible over g_X^2", 0.0, 1e6
    ),
}
# One of a group in the place of the model's own replaces the whole group
_GROUPS = (
    ("g_chi", "g_chi_over_g"),
    ("m_chi", "m_chi_over_m_X"),
    ("dark_width", "dark_width_over_g2"),
)


def faults(model: Model) -> Iterator[str]:
    """What is wrong with the dark channel and the neutrinos of a model."""
    for key, allowed in (("dark", DARK), ("neutrinos", NEUTRINOS)):
        if getattr(model, key) not in allowed:
            names = ", ".join(allowed)
            yield f"{key}: {shown(getattr(model, key))} is not known; allowed: {names}"
    for key, info in DARK_PARAMETERS.items():
        if fault := info.fault(key, getattr(model, key)):
            yield f"{key}: {shown(getattr(model, key))} is not usable; allowed: {fault.allowed}"
    if not any(getattr(model, key) for key in ("g_chi", "g_chi_over_g")) and any(
        getattr(model, key) for key in ("m_chi", "m_chi_over_m_X")
    ):
        yield "m_chi: chi has a mass but no coupling; allowed: g_chi or g_chi_over_g with it"


def is_open(model: Model) -> bool:
    """Whether a model has a dark channel of its own."""
    return any(getattr(model, key) for group in (_GROUPS[0], _GROUPS[2]) for key in group)


def to_table(model: Model) -> dict[str, Any]:
    """The part of the model's table that says anything beyond the default."""
    table: dict[str, Any] = {} if model.neutrinos == "majorana" else {"neutrinos": "dirac"}
    if is_open(model):
        table |= {"dark": model.dark}
        table |= {key: getattr(model, key) for key in DARK_PARAMETERS if getattr(model, key)}
    return table


def text(model: Model) -> list[str]:
    """Lines for people."""
    lines = []
    if model.neutrinos == "dirac":
        lines.append("  neutrinos: right-handed ones are light (Dirac), X decays into them")
    if is_open(model):
        given = [
            f"{key} = {getattr(model, key):g}" for key in DARK_PARAMETERS if getattr(model, key)
        ]
        lines.append(f"  dark channel: {model.dark} chi, {', '.join(given)}")
    return lines


def width(model: Model, m_X: Array, g_X: Array, values: Mapping[str, Array]) -> Array | None:
    """Width [GeV] of X into the dark channel at m_X [GeV] and g_X; None where there is none.

    Of `values` those in `DARK_PARAMETERS` take the place of the model's own: g_chi or g_chi_over_g
    (their sum, if both are given), m_chi or m_chi_over_m_X, and the given widths."""
    if not is_open(model) and not any(name in values for name in DARK_PARAMETERS):
        return None
    import jax.numpy as jnp

    from zscan.kernels import widths

    found: dict[str, Any] = {}
    for group in _GROUPS:
        given = any(name in values for name in group)
        for name in group:
            own = jnp.zeros(()) if given else jnp.asarray(float(getattr(model, name)))
            found[name] = values.get(name, own)
    g_chi = found["g_chi"] + found["g_chi_over_g"] * g_X
    m_chi = found["m_chi"] + found["m_chi_over_m_X"] * m_X
    rest = found["dark_width"] + found["dark_width_over_g2"] * g_X**2
    return widths.dark_width(m_X, g_chi, m_chi, kind=model.dark) + rest


def scales_with_coupling(model: Model) -> bool:
    """Whether the width into the dark channel is proportional to g_X^2."""
    return not model.g_chi and not model.dark_width
