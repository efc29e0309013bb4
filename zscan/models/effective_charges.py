"""Effective charges of single fermions: as numbers of a model file, and as what all charges and the
mixing add up to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from zscan.constants import E_CHARGE
from zscan.errors import nearest, shown
from zscan.models.charge_parameters import FERMIONS, GENERATIONS, NEUTRINOS

if TYPE_CHECKING:
    from zscan.models.charged import Model

_LARGEST = 1e6
_EXACT = re.compile(r"[+-]?\d{1,15}(?:/[1-9]\d{0,14})?")
ELECTRIC = {"L": -1.0, "U": 2 / 3, "D": -1 / 3}
_SINGLETS = {"e": "E", "mu": "E", "tau": "E"} | {
    name: species for species in "UD" for name in GENERATIONS[species]
}

Pairs = tuple[tuple[str, float], ...]


def read(key: str, given: Any) -> Pairs:
    """The table `vector` or `axial` of a model as pairs of fermion and charge, those that are not
    zero; raises `ValueError`.

    Charges are numbers, or exact ones such as "-1/3"."""
    allowed = (*FERMIONS, *NEUTRINOS) if key == "vector" else FERMIONS
    if not isinstance(given, Mapping):
        if not isinstance(given, tuple):
            raise ValueError(f"{shown(given)} is no table of charges by fermion")
        given = dict(given)
    pairs = []
    for name, value in given.items():
        if name not in allowed:
            raise ValueError(f"{shown(name)}: {nearest(str(name), allowed)}")
        if isinstance(value, str) and _EXACT.fullmatch(value.strip()):
            value = float(Fraction(value.strip()))
        number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or abs(value) > _LARGEST:
            raise ValueError(f"{name} = {shown(value)}; allowed: a number, or text such as '1/3'")
        if value:
            pairs.append((name, float(value)))
    return tuple(sorted(pairs))


def summed(model: Model) -> dict[str, tuple[float, float]]:
    """Vector and axial charge of every fermion, the mixing over g_X included but loops left out;
    neutrinos are left-handed and have their charge twice.

    X couples as g_X fbar gamma^a (vector + axial gamma5) f.

    >>> from zscan.models import load_model
    >>> x = summed(load_model("protophobic"))
    >>> {name: round(3 * x[name][0], 12) for name in ("u", "d", "e", "nu_e")}
    {'u': -1.0, 'd': 2.0, 'e': 3.0, 'nu_e': 0.0}
    """
    vector, axial = dict(model.vector), dict(model.axial)
    mixing = model.mixing_ratio * E_CHARGE.value
    found = {}
    for name in FERMIONS:
        singlet = _SINGLETS[name]
        doublet, index = ("L" if singlet == "E" else "Q"), GENERATIONS[singlet].index(name)
        left, right = model.triple(doublet)[index], model.triple(singlet)[index]
        V = float(left + right) / 2 + mixing * ELECTRIC["L" if singlet == "E" else singlet]
        A = float(right - left) / 2
        found[name] = (V + vector.get(name, 0.0), A + axial.get(name, 0.0))
    for name, left in zip(NEUTRINOS, model.triple("L"), strict=True):
        own = float(left) + vector.get(name, 0.0)
        found[name] = (own, own)
    return found


def text(model: Model) -> list[str]:
    """Lines for people: charges of one kind that are not zero."""
    found = summed(model)
    vector = [f"{name}: {_number(found[name][0])}" for name in (*FERMIONS, *NEUTRINOS)]
    lines = ["  effective charges, vector  " + "  ".join(vector)]
    if any(found[name][1] for name in FERMIONS):
        axial = [f"{name}: {_number(found[name][1])}" for name in FERMIONS]
        lines.append("  effective charges, axial   " + "  ".join(axial))
    return lines


def _number(value: float) -> str:
    exact = Fraction(value).limit_denominator(100)
    return str(exact) if abs(float(exact) - value) < 1e-12 else f"{value:.6g}"
