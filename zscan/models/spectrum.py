"""Particle content of a model above the weak scale and its one-loop coefficients, exact;
arXiv:2107.07518 app. A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from zscan import charges as _charges
from zscan.charges import Charge
from zscan.constants import G_Y_2TEV, M_PLANCK
from zscan.errors import ParameterError
from zscan.models.charged import Model

# Colour dimension times isospin dimension, and hypercharge, of the chiral fermions of one
# generation
_FERMIONS = {
    "Q": (6, Fraction(1, 6)),
    "U": (3, Fraction(2, 3)),
    "D": (3, Fraction(-1, 3)),
    "L": (2, Fraction(-1, 2)),
    "E": (1, Fraction(-1)),
    "N": (1, Fraction(0)),
}
_LOW = 2000.0  # GeV


class BetaCoefficients(NamedTuple):
    """b_ab of dK_ab/dln(mu) = -b_ab/(8 pi^2); `zscan.kernels.running` takes them as
    `**coefficients._asdict()`.
    """

    b_YY: Fraction
    b_YX: Fraction
    b_XX: Fraction

    def __add__(self, other: BetaCoefficients) -> BetaCoefficients:  # type: ignore[override]
        return BetaCoefficients(*(one + two for one, two in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self._asdict().items())


@dataclass(frozen=True)
class Scalar:
    """A complex scalar: dimensions of its colour and isospin representations, hypercharge, charge
    under U(1)_X.

    Hypercharge and charge are exact (int, Fraction or a string such as "7/6"); anything else raises
    `ParameterError`.

    >>> Scalar("S_3", 3, 3, "1/3", -1).coefficients()
    BetaCoefficients(b_YY=Fraction(1, 3), b_YX=Fraction(-1, 1), b_XX=Fraction(3, 1))
    """

    name: str
    colour: int
    isospin: int
    hypercharge: Charge
    charge: Charge

    def __post_init__(self) -> None:
        for key in ("colour", "isospin"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterError(
                    f"{self.name}: {key} = {value!r}; allowed: a dimension 1, 2, 3, ..."
                )
        for key in ("hypercharge", "charge"):
            try:
                object.__setattr__(self, key, _charges.exact(getattr(self, key)))
            except (ValueError, ZeroDivisionError) as error:
                raise ParameterError(f"{self.name}: {key}: {error}") from error

    def coefficients(self) -> BetaCoefficients:
        """Its part of the one-loop coefficients, n q_a q_b/3."""
        return _part(
            Fraction(1, 3) * self.colour * self.isospin,
            Fraction(self.hypercharge),
            Fraction(self.charge),
        )


def s_3(model: Model) -> Scalar:
    """Muoquark S_3 (3bar, 3, 1/3) that couples q_3 to the muon doublet: X_S = -(X_q3 + X_l2)."""
    return Scalar("S_3", 3, 3, "1/3", -(model.charge("Q", "3") + model.charge("L", "mu")))


def s_1(model: Model) -> Scalar:
    """Muoquark S_1 (3bar, 1, 1/3) that couples q_3 to the muon doublet: X_S = -(X_q3 + X_l2)."""
    return Scalar("S_1", 3, 1, "1/3", -(model.charge("Q", "3") + model.charge("L", "mu")))


def r_2(model: Model) -> tuple[Scalar, Scalar]:
    """The muoquarks S_L and S_R of type R_2 (3, 2, 7/6) of the radiative muon mass,
    arXiv:2107.07518 sec. 4.

    S_L couples t_R to the muon doublet, X = X_t - X_l2; S_R couples q_3 to mu_R, X = X_q3 - X_e2.
    """
    left = model.charge("U", "t") - model.charge("L", "mu")
    right = model.charge("Q", "3") - model.charge("E", "mu")
    return Scalar("S_L", 3, 2, "7/6", left), Scalar("S_R", 3, 2, "7/6", right)


def beta_coefficients(model: Model, *scalars: Scalar, higgs_charge: Charge = 0) -> BetaCoefficients:
    """Exact one-loop coefficients of a model: its fermions (three right-handed neutrinos included),
    the Higgs doublet and further complex `scalars` such as a muoquark.

    b_ab = 2/3 sum_Weyl n q_a q_b + 1/3 sum_complex scalars n q_a q_b for a, b = Y, X, with n the
    number of components. The scalar that breaks U(1)_X is not included; with charge X it adds X^2/3
    to b_XX. `higgs_charge` is that of the doublet of hypercharge 1/2. Source: arXiv:2107.07518 app.
    A.

    >>> from zscan.models import load_model
    >>> model = load_model("B-3Lmu")
    >>> print(beta_coefficients(model, s_3(model)))
    b_YY = 43/6, b_YX = 8, b_XX = 48
    """
    total = Scalar("Higgs", 1, 2, "1/2", higgs_charge).coefficients()
    for species, (components, hypercharge) in _FERMIONS.items():
        for charge in model.triple(species):
            total += _part(Fraction(2, 3) * components, hypercharge, charge)
    for scalar in scalars:
        total += scalar.coefficients()
    return total


def induced_mixing(coefficients: BetaCoefficients) -> float:
    """eps_BX/g_X at 2 TeV when eps_BX vanishes at the Planck scale, for small g_X: b_YX g_Y
    ln(M_Pl/2 TeV)/(8 pi^2).

    With the spectrum of `coefficients` from 2 TeV on. Convention: L contains -(eps_BX/2) B_mn X^mn;
    the mixing of the electric current is eps = -c_W eps_BX. Source: arXiv:2107.07518 app. A.

    >>> round(induced_mixing(BetaCoefficients(Fraction(43, 6), Fraction(8), Fraction(48))), 2)
    1.34
    """
    return (
        float(coefficients.b_YX)
        * G_Y_2TEV.value
        * math.log(M_PLANCK.value / _LOW)
        / (8 * math.pi**2)
    )


def summary(model: Model) -> str:
    """Two lines for people: coefficients and induced mixing, without muoquark and with S_3.

    >>> from zscan.models import load_model
    >>> print(summary(load_model("Lmu-Ltau")))  # doctest: +NORMALIZE_WHITESPACE
      one loop: b_YY = 41/6, b_YX = 0, b_XX = 16/3;
      with S_3 of X = -1: b_YY = 43/6, b_YX = -1, b_XX = 25/3
      eps_BX/g_X at 2 TeV if 0 at the Planck scale: 0; with S_3: -0.167 (arXiv:2107.07518 app. A)
    """
    muoquark = s_3(model)
    without, with_s_3 = beta_coefficients(model), beta_coefficients(model, muoquark)
    return (
        f"  one loop: {without}; with S_3 of X = {muoquark.charge}: {with_s_3}\n"
        f"  eps_BX/g_X at 2 TeV if 0 at the Planck scale: {induced_mixing(without):.3g}; "
        f"with S_3: {induced_mixing(with_s_3):.3g} (arXiv:2107.07518 app. A)"
    )


def _part(weight: Fraction, Y: Fraction, X: Fraction) -> BetaCoefficients:
    return BetaCoefficients(weight * Y * Y, weight * Y * X, weight * X * X)
