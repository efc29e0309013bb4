"""Vector muoquark: L_mu - L_tau inside SU(5) x SU(3)' x SU(2)_L x U(1)', arXiv:2107.07518 sec. 5
and app. C.

The quintet is (q_3 in three colours, tau, mu). All numbers are exact: weights are integers, charges
Fractions, a generator is an integer matrix with the square of its norm apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from zscan.charges.weights import (
    Diagonal,
    Multiplet,
    Subgroup,
    Weight,
    decompose,
    dimension,
    roots,
    trace,
    units,
)
from zscan.errors import ModelError, ParameterError


class Generator(NamedTuple):
    """The generator matrix/sqrt(norm2); `matrix` has entries 0, integers or +-i and is exact."""

    matrix: np.ndarray
    norm2: int


def generators() -> tuple[Generator, ...]:
    """The 24 generators of SU(5), hermitian, in Gell-Mann order; T_15 and T_24 are the 15th and the
    24th.

    Those of the colour group SU(3)_5 are the first 8, those of SU(4) the first 15. Normalised to Tr
    T^2 = 1/2.

    >>> [int(entry) for entry in generators()[23].matrix.diagonal().real], generators()[23].norm2
    ([1, 1, 1, 1, -4], 40)
    """
    found = []
    for k in range(1, 5):
        for i in range(k):
            for upper in (1, -1j):
                matrix = np.zeros((5, 5), complex)
                matrix[i, k], matrix[k, i] = upper, np.conj(upper)
                found.append(Generator(matrix, 4))
        found.append(
            Generator(np.diag([1] * k + [-k] + [0] * (4 - k)).astype(complex), 2 * k * (k + 1))
        )
    return tuple(found)


def root_times(square: Fraction | int, generator: Generator) -> Diagonal:
    """The diagonal of sqrt(square) T; raises `ParameterError` where it is not rational.

    >>> [str(entry) for entry in root_times(Fraction(2, 3), generators()[14])]
    ['1/6', '1/6', '1/6', '-1/2', '0']
    """
    ratio = Fraction(square) / generator.norm2
    factor = Fraction(math.isqrt(abs(ratio.numerator)), math.isqrt(ratio.denominator))
    if factor**2 != ratio:
        raise ParameterError(
            f"square: sqrt({square}) times sqrt(1/{generator.norm2}) is not rational"
        )
    return tuple(factor * int(entry) for entry in generator.matrix.diagonal().real)


T_15, T_24 = generators()[14], generators()[23]
T_3 = root_times(Fraction(2, 3), T_15)  # diag(1/6, 1/6, 1/6, -1/2, 0): (B - L)/2 inside SU(4)
T_4 = root_times(Fraction(2, 5), T_24)  # diag(1, 1, 1, 1, -4)/10: commutes with SU(4)
Y_5 = tuple(
    a + b for a, b in zip(T_3, T_4, strict=True)
)  # the part of hypercharge in SU(5): Y = Y' + Y_5
X = tuple((3 * a - 5 * b) / 2 for a, b in zip(T_3, T_4, strict=True))  # L_mu - L_tau

FIVE = units(5)
ROOTS = roots(5)
ADJOINT = ROOTS + ((0,) * 5,) * 4

SU5 = Subgroup("SU(5)", ((0, 1, 2, 3, 4),), {})
UNBROKEN = Subgroup("SU(3) x U(1)_Y x U(1)_X", ((0, 1, 2),), {"Y_5": Y_5, "X": X})
# Both paths end in the same group: T_3 and T_4 span Y_5 and X. Where SU(3)' and U(1)' join in,
# octet and Z' get masses
SU3_SU2 = Subgroup("SU(3)_5 x SU(2)_X x U(1)_5", ((0, 1, 2), (3, 4)), {"Y_5": Y_5})
SU4 = Subgroup("SU(4) x U(1)_4", ((0, 1, 2, 3),), {"T_4": T_4})
SU3 = Subgroup("SU(3) x U(1)_3 x U(1)_4", ((0, 1, 2),), {"T_3": T_3, "T_4": T_4})
PATHS = {"A": (SU5, SU3_SU2, UNBROKEN), "B": (SU5, SU4, SU3)}


class Field(NamedTuple):
    """Fermions of Table 2: chirality "L" or "R", dimensions under SU(5), SU(3)', SU(2)_L, charge
    under U(1)'.
    """

    name: str
    chirality: str
    su5: int
    su3: int
    su2: int
    u1: Fraction
    generations: tuple[int, ...] = ()  # of a quintet: from its components

    @property
    def states(self) -> int:
        """Number of Weyl fermions; negative for a right-handed field, as counted in an anomaly."""
        number = self.su5 * self.su3 * self.su2 * max(len(self.generations), 1)
        return number if self.chirality == "L" else -number


class Component(NamedTuple):
    """A fermion of the Standard Model with right-handed neutrinos: SU(3), SU(2)_L, hypercharge,
    L_mu - L_tau.
    """

    species: str
    generation: int
    su3: str
    su2: int
    Y: Fraction
    X: Fraction

    def __str__(self) -> str:
        return (
            f"{self.species}{self.generation} ({self.su3},{self.su2})_{{{self.Y}}} "
            f"X={_signed(self.X)}"
        )


FIELDS = (
    Field("Psi_L", "L", 5, 1, 2, Fraction(-1, 10)),
    Field("Psi_R+", "R", 5, 1, 1, Fraction(2, 5)),
    Field("Psi_R-", "R", 5, 1, 1, Fraction(-3, 5)),
    Field("q_12", "L", 1, 3, 2, Fraction(1, 6), (1, 2)),
    Field("u_12", "R", 1, 3, 1, Fraction(2, 3), (1, 2)),
    Field("d_12", "R", 1, 3, 1, Fraction(-1, 3), (1, 2)),
    Field("l_1", "L", 1, 1, 2, Fraction(-1, 2), (1,)),
    Field("e_1", "R", 1, 1, 1, Fraction(-1), (1,)),
    Field("nu_1", "R", 1, 1, 1, Fraction(0), (1,)),
)
STANDARD_MODEL = {
    ("L", "3", 2, Fraction(1, 6)): "q",
    ("R", "3", 1, Fraction(2, 3)): "u",
    ("R", "3", 1, Fraction(-1, 3)): "d",
    ("L", "1", 2, Fraction(-1, 2)): "l",
    ("R", "1", 1, Fraction(-1)): "e",
    ("R", "1", 1, Fraction(0)): "nu",
}


def components(field: Field) -> tuple[Component, ...]:
    """What a field becomes under SU(3)_c x SU(2)_L x U(1)_Y x U(1)_X, Y = U(1)' charge + Y_5.

    Raises `ModelError` for a component that is no fermion of the Standard Model.

    >>> print(components(FIELDS[0])[2])
    l2 (1,2)_{-1/2} X=+1
    """
    zero = Fraction(0)
    parts = (
        decompose(FIVE, UNBROKEN)
        if field.su5 == 5
        else (Multiplet((str(field.su3),), (zero, zero)),)
    )
    found = []
    for (su3,), (y_5, x) in parts:
        key = (field.chirality, su3, field.su2, field.u1 + y_5)
        if key not in STANDARD_MODEL:
            raise ModelError(
                f"field {field.name!r}: component {key} is not a Standard Model fermion"
            )
        for generation in field.generations or (
            (2,) if x == 1 else (3,)
        ):  # mu is the lepton of X = +1
            found.append(
                Component(STANDARD_MODEL[key], generation, su3, field.su2, field.u1 + y_5, x)
            )
    return tuple(found)


def charges() -> dict[str, tuple[Fraction, ...]]:
    """U(1)_X charges by species (Q, U, D, L, E, N) and generation, as `zscan.Model` takes them.

    >>> [int(charge) for charge in charges()["L"]]
    [0, 1, -1]
    """
    found = {(c.species, c.generation): c.X for field in FIELDS for c in components(field)}
    names = {"Q": "q", "U": "u", "D": "d", "L": "l", "E": "e", "N": "nu"}
    return {key: tuple(found[species, g] for g in (1, 2, 3)) for key, species in names.items()}


def anomalies(fields: Iterable[Field] = FIELDS) -> dict[str, Fraction]:
    """The gauge and gravitational anomalies, exact, left minus right; all zero for `FIELDS`.

    The cubic index of a fundamental is 1, its quadratic index 1/2; SU(2) has no cubic anomaly.
    """
    fields = tuple(fields)

    def fundamentals(factor: str, n: int, power: int) -> Fraction:
        """Number of n of SU(n), weighted with a power of the U(1)' charge."""
        return sum(
            (Fraction(f.states, n) * f.u1**power for f in fields if getattr(f, factor) == n),
            Fraction(0),
        )

    return {
        "SU(5)^3": fundamentals("su5", 5, 0),
        "SU(3)'^3": fundamentals("su3", 3, 0),
        "SU(5)^2 U(1)'": fundamentals("su5", 5, 1) / 2,
        "SU(3)'^2 U(1)'": fundamentals("su3", 3, 1) / 2,
        "SU(2)_L^2 U(1)'": fundamentals("su2", 2, 1) / 2,
        "U(1)'^3": sum((f.states * f.u1**3 for f in fields), Fraction(0)),
        "grav^2 U(1)'": sum((f.states * f.u1 for f in fields), Fraction(0)),
    }


def doublets(fields: Iterable[Field] = FIELDS) -> int:
    """Number of SU(2)_L doublets; an odd one would be inconsistent (Witten)."""
    return sum(abs(f.states) // 2 for f in fields if f.su2 == 2)


class VectorBoson(NamedTuple):
    """A heavy vector boson; one of a conjugate pair, with Y > 0 or X > 0. `states` counts real
    ones.
    """

    name: str
    su3: str
    Y: Fraction
    X: Fraction
    states: int


def broken_roots(before: Subgroup, after: Subgroup) -> tuple[Multiplet, ...]:
    """The off-diagonal bosons that get a mass in a step, as multiplets of SU(3) with charges (Y,
    X).
    """

    def inside(root: Weight, group: Subgroup) -> bool:
        return any({i for i in range(5) if root[i]} <= set(block) for block in group.blocks)

    return decompose(
        (root for root in ROOTS if inside(root, before) and not inside(root, after)), UNBROKEN
    )


def vector_bosons() -> tuple[VectorBoson, ...]:
    """The heavy vector bosons of SU(5) x SU(3)' x U(1)' -> SU(3)_c x U(1)_Y x U(1)_X, with (Y, X).

    To the adjoint come an octet and a singlet of SU(3)' x U(1)'; the massless octet (gluons), B and
    X go away."""
    neutral = (Fraction(0), Fraction(0))
    octet, singlet = Multiplet(("8",), neutral), Multiplet(("1",), neutral)
    heavy = (
        Counter(decompose(ADJOINT, UNBROKEN))
        + Counter([octet, singlet])
        - Counter([octet, singlet, singlet])
    )
    found = []
    for ((su3,), (y, x)), count in heavy.items():
        name = {"3": "leptoquark", "8": "octet", "1": "mu-tau" if x else "Z'"}.get(su3)
        if name and (y, x) >= neutral:
            real = dimension([su3]) * (2 if (y, x) > neutral else 1)
            found += [VectorBoson(name, su3, y, x, real)] * count
    return tuple(
        sorted(
            found, key=lambda boson: (boson.Y, abs(boson.X), boson.states, boson.X), reverse=True
        )
    )


class Matched(NamedTuple):
    """Couplings below the breaking scale; g_X belongs to charges +-1 of mu and tau."""

    g_s: float
    g_Y: float
    g_X: float


def match(g_5: float, g_3: float, g_1: float) -> Matched:
    """Tree-level couplings of SU(3)_c x U(1)_Y x U(1)_X from those of SU(5), SU(3)' and U(1)'
    (numbers > 0).

    1/g_s^2 = 1/g_5^2 + 1/g_3^2, 1/g_Y^2 = 1/g_1^2 + 2 Tr(Y_5^2)/g_5^2 and 1/g_X^2 = 2
    Tr(X^2)/g_5^2, where 2 Tr(Y_5^2) = 16/15 and 2 Tr(X^2) = 4: g_X = g_5/2 > g_s/2. Tr(X Y_5) = 0,
    so there is no tree-level kinetic mixing. At the matching scale, no thresholds. Raises
    `ParameterError` for a coupling that is not positive and finite. Source: arXiv:2107.07518 sec. 5
    and app. C.

    >>> match(2.0, 2.0, 0.5).g_X
    1.0
    """
    for name, value in (("g_5", g_5), ("g_3", g_3), ("g_1", g_1)):
        if not (math.isfinite(value) and value > 0):
            raise ParameterError(f"{name} = {value} is out of range; allowed: > 0 and finite")
    inverse_Y = 1 / g_1**2 + float(2 * trace(Y_5, Y_5)) / g_5**2
    return Matched(
        1 / math.hypot(1 / g_5, 1 / g_3), 1 / math.sqrt(inverse_Y), g_5 / math.sqrt(2 * trace(X, X))
    )


def _signed(number: Fraction) -> str:
    return f"{'+' if number > 0 else ''}{number}"


def table_2() -> str:
    """Table 2 of arXiv:2107.07518 with each field's components, and the heavy vector bosons."""
    lines = [
        "Fermions of SU(5) x SU(3)' x SU(2)_L x U(1)' and their components (SU(3)_c,SU(2)_L)_{Y}, "
        "X = L_mu - L_tau",
        "field     SU(5)  SU(3)'  SU(2)_L  U(1)'   components",
    ]
    for f in FIELDS:
        parts = ", ".join(str(component) for component in components(f))
        lines.append(f"{f.name:8}  {f.su5:<5}  {f.su3:<6}  {f.su2:<7}  {f.u1!s:6}  {parts}")
    lines += ["", "Heavy vector bosons", "boson       SU(3)_c  Y    X   real states"]
    for b in vector_bosons():
        lines.append(f"{b.name:10}  {b.su3:<7}  {b.Y!s:3}  {_signed(b.X):2}  {b.states}")
    return "\n".join(lines)


def to_table() -> dict[str, Any]:
    """Table 2, anomalies, breaking paths and vector bosons as a JSON-able table; fractions are
    texts.

    >>> to_table()["anomalies"]["SU(5)^3"]
    '0'
    """
    fields = [
        field._asdict() | {"components": [item._asdict() for item in components(field)]}
        for field in FIELDS
    ]
    paths = {
        name: [
            {
                "before": before.name,
                "after": after.name,
                "charges": {key: list(charge) for key, charge in after.charges.items()},
                "5": [str(item) for item in decompose(FIVE, after)],
                "24": [str(item) for item in decompose(ADJOINT, after)],
                "massive": [str(item) for item in broken_roots(before, after)],
            }
            for before, after in pairwise(path)
        ]
        for name, path in PATHS.items()
    }
    table: dict[str, Any] = _texts(
        {
            "fields": fields,
            "vector_bosons": [boson._asdict() for boson in vector_bosons()],
            "anomalies": anomalies(),
            "doublets": doublets(),
            "paths": paths,
        }
    )
    return table


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(item) for item in value]
    return str(value) if isinstance(value, Fraction) else value


def summary() -> str:
    """Anomalies, breaking chains and matching, as text; every number is computed."""
    sums = ", ".join(f"{name} = {value}" for name, value in anomalies().items())
    lines = ["Anomalies: " + sums, f"SU(2)_L doublets: {doublets()} (even: no Witten anomaly)"]
    for name, path in PATHS.items():
        lines += [
            "",
            f"Breaking path {name}: 5 and 24 under the group that is left, "
            "and the (SU(3))_{Y,X} that get a mass",
        ]
        for before, after in pairwise(path):
            lines += [
                f"  {before.name} -> {after.name}, charges {', '.join(after.charges)}",
                "    5 = " + _plus(decompose(FIVE, after)),
                "    24 = " + _plus(decompose(ADJOINT, after)),
                "    massive: " + _plus(broken_roots(before, after)),
            ]
    diagonal = {
        key: f"diag({', '.join(map(str, value))})" for key, value in UNBROKEN.charges.items()
    }
    lines += [
        "",
        f"Y = Y' + Y_5, Y_5 = T_3 + T_4 = {diagonal['Y_5']}; "
        f"X = (3 T_3 - 5 T_4)/2 = {diagonal['X']}",
        f"1/g_s^2 = 1/g_5^2 + 1/g_3'^2; 1/g_Y^2 = 1/g_1'^2 + ({2 * trace(Y_5, Y_5)})/g_5^2; "
        f"1/g_X^2 = {2 * trace(X, X)}/g_5^2; Tr(X Y_5) = {trace(X, Y_5)}: no tree-level kinetic "
        "mixing",
    ]
    return "\n".join(lines)


def _plus(multiplets: Iterable[Multiplet]) -> str:
    return " + ".join(map(str, multiplets))
