"""Physical inputs, frozen with value, uncertainty, unit and source. PDG values are those of the
year named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """A named input; `uncertainty` is one standard deviation, 0 where exact or negligible."""

    value: float
    unit: str
    uncertainty: float
    source: str


_PDG = "PDG 2020, PTEP 2020 083C01"
_CODATA = "CODATA 2018"

ALPHA_EM = Constant(1 / 137.035999084, "1", 1.1e-12, _CODATA)
E_CHARGE = Constant(
    math.sqrt(4 * math.pi * ALPHA_EM.value), "1", 0.0, "sqrt(4 pi alpha(0)); positron charge"
)
G_F = Constant(1.1663787e-5, "GeV^-2", 6e-12, _PDG)
HBAR = Constant(6.582119569e-25, "GeV s", 0.0, "exact in the SI of 2019")
HBAR_C = Constant(1.973269804e-16, "GeV m", 0.0, "exact in the SI of 2019")

M_E = Constant(0.5109989500e-3, "GeV", 1.5e-13, _PDG)
M_MU = Constant(0.1056583755, "GeV", 2.3e-9, "CODATA 2018 (105.6583755 MeV)")
M_TAU = Constant(1.77686, "GeV", 1.2e-4, _PDG)
M_Z = Constant(91.1876, "GeV", 0.0021, _PDG)
M_PLANCK = Constant(1.220890e19, "GeV", 1.4e14, "CODATA 2018; not reduced")

G_Y_2TEV = Constant(
    0.3637, "1", 1e-4, "hypercharge at 2 TeV: one loop from alpha(m_Z) = 1/127.95, SIN2_THETA_W_MZ"
)
SIN2_THETA_W_MZ = Constant(
    0.23119, "1", 1.4e-4, "MSbar at m_Z, as in the trident reference code (arXiv:1902.06765)"
)
SIN2_THETA_W_LOW = Constant(
    0.23857, "1", 5e-5, "MSbar at q2 -> 0, PDG 2020 electroweak review (hep-ph/0409169)"
)
