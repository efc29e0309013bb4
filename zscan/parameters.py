"""The parameters that a likelihood, a card or a fit may vary: name, unit, meaning and allowed range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zscan.couplings import CHARGE_NAMES
from zscan.errors import UnknownNameError, nearest


@dataclass(frozen=True)
class ParameterInfo:
    """Allowed values are minimum <= value <= maximum."""

    units: str
    long_name: str
    minimum: float
    maximum: float


_PERTURBATIVE = 4 * math.pi
_PARAMETERS = {
    "m_X": ParameterInfo("GeV", "mass of X", 1.1e-5, 1e4),
    "g_X": ParameterInfo("1", "gauge coupling of X (eps for the model dark-photon)", -_PERTURBATIVE, _PERTURBATIVE),
    "eps": ParameterInfo("1", "kinetic mixing, on top of the model's own", -1.0, 1.0),
    "eps_over_g": ParameterInfo("1", "kinetic mixing over g_X, on top of the model's own", -1e6, 1e6),
}
# Right-handed neutrinos are heavy or decoupled: their charges enter no observable.
_PARAMETERS |= {
    name: ParameterInfo("1", f"X charge of {name.removeprefix('charge.')}", -1e6, 1e6)
    for name in CHARGE_NAMES
    if not name.startswith("charge.N.")
}


def parameter_names() -> tuple[str, ...]:
    """All parameter names.

    >>> parameter_names()[:4]
    ('m_X', 'g_X', 'eps', 'eps_over_g')
    """
    return tuple(_PARAMETERS)


def parameter_info(name: str) -> ParameterInfo:
    """What a parameter is; raises `UnknownNameError` with the nearest known name."""
    try:
        return _PARAMETERS[name]
    except KeyError:
        raise UnknownNameError(f"unknown parameter {name!r}: {nearest(name, _PARAMETERS)}") from None
