"""What a parameter of a model is: unit, meaning, allowed range; and those that several model types
share.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from zscan.errors import Fault, UnitWarning


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter that a likelihood, a card or a fit may vary: allowed are minimum <= value <=
    maximum.
    """

    units: str
    long_name: str
    minimum: float
    maximum: float

    @property
    def allowed(self) -> str:
        """The allowed range as text."""
        return f"{self.minimum:g} to {self.maximum:g} [{self.units}]"

    def fault(self, path: str, value: float) -> Fault | None:
        """What is wrong with `value`, given at `path` of an input; None for one that is allowed."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return Fault(path, "not a number", value, self.allowed)
        if self.minimum <= value <= self.maximum:
            return None
        return Fault(path, "out of range", value, self.allowed)


Parameters = Mapping[str, ParameterInfo]

PERTURBATIVE = 4 * math.pi
M_X = ParameterInfo("GeV", "mass of X", 1.1e-5, 1e4)
_LIGHT = 15.0  # GeV, above all limit curves
EPS = ParameterInfo("1", "kinetic mixing, on top of the model's own", -1.0, 1.0)
G_SB = ParameterInfo("1", "coupling of X to b -> s, left- plus right-handed", -1.0, 1.0)
# Flavour-changing couplings X_a g_ij dbar_j gamma^a d_i of down quarks i -> j: optional, absent by
# default. The imaginary part of g_sd (phase convention of the CKM matrix with real V_us V_ud) is
# what K_L -> pi0 X sees.
FLAVOUR_CHANGING = {
    "g_sb": G_SB,
    "g_sd": ParameterInfo(
        "1", "coupling of X to s -> d, left- plus right-handed, real part", -1.0, 1.0
    ),
    "g_sd_imag": ParameterInfo(
        "1", "coupling of X to s -> d, left- plus right-handed, imaginary part", -1.0, 1.0
    ),
    "g_bd": ParameterInfo("1", "coupling of X to b -> d, left- plus right-handed", -1.0, 1.0),
}

# Theory errors of constraints as parameters of their own, in standard deviations, see
# `zscan.constraints.Measurement`
THEORY = "theory."
THEORY_PARAMETERS = {
    f"{THEORY}{name}": ParameterInfo(
        "1", f"theory error of {name} in standard deviations", -10.0, 10.0
    )
    for name in ("delta_a_mu", "r_k")
}


def warn_of_unit(m_X: ArrayLike, *, stacklevel: int) -> None:
    """Warn where every mass [GeV] is so large that it looks like MeV: above 15 GeV, where no limit
    curve reaches. `stacklevel` as of `warnings.warn`, here.
    """
    lowest = float(np.min(np.asarray(m_X, dtype=float)))
    if lowest > _LIGHT:
        text = f"m_X = {lowest:g} GeV and above: masses are in GeV (100 MeV is 0.1)"
        warnings.warn(text, UnitWarning, stacklevel=stacklevel)
