"""The parameters that a likelihood, a card or a fit may vary: name, unit, meaning and allowed range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zscan.errors import UnknownNameError, nearest
from zscan.model import ADDED_PARAMETERS, CHARGE_PARAMETERS, THEORY_PARAMETERS


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
    "g_V": ParameterInfo("1", "vector coupling of X to muons", -_PERTURBATIVE, _PERTURBATIVE),
    "g_A": ParameterInfo("1", "axial coupling of X to muons", -_PERTURBATIVE, _PERTURBATIVE),
    "g_A_over_g_V": ParameterInfo("1", "axial over vector coupling of X to muons, on top of g_A", -1e6, 1e6),
    "g_sb": ParameterInfo("1", "coupling of X to b -> s, left- plus right-handed", -1.0, 1.0),
    "width_over_m_X": ParameterInfo("1", "total width of X over its mass", 1e-30, 10.0),
    "M_1": ParameterInfo("GeV", "mass of the first leptoquark", 1.0, 1e8),
    "M_2": ParameterInfo("GeV", "mass of the second leptoquark", 1.0, 1e8),
    "m_t": ParameterInfo("GeV", "top mass in the leptoquark loop", 1.0, 1e3),
    "Q_S": ParameterInfo("1", "charge of the leptoquark that couples the top to the muon", -10.0, 10.0),
    "eps_over_g": ParameterInfo("1", "kinetic mixing over g_X, on top of the model's own", -1e6, 1e6),
}
_PARAMETERS |= {
    name: ParameterInfo("1", f"X charge of {name.removeprefix('charge.')}", -1e6, 1e6) for name in CHARGE_PARAMETERS
}

_PARAMETERS |= {
    name: ParameterInfo("1", f"multiple of the charges of {name.removeprefix('add.')} that is added", -1e6, 1e6)
    for name in ADDED_PARAMETERS
}
_PARAMETERS |= {
    name: ParameterInfo("1", f"theory error of {name.removeprefix('theory.')} in standard deviations", -10.0, 10.0)
    for name in THEORY_PARAMETERS
}


def parameter_names() -> tuple[str, ...]:
    """All parameter names.

    >>> parameter_names()[:3]
    ('m_X', 'g_X', 'eps')
    """
    return tuple(_PARAMETERS)


def parameter_info(name: str) -> ParameterInfo:
    """What a parameter is; raises `UnknownNameError` with the nearest known name."""
    try:
        return _PARAMETERS[name]
    except KeyError:
        raise UnknownNameError(f"unknown parameter {name!r}: {nearest(name, _PARAMETERS)}") from None
