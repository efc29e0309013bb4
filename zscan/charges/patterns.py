"""Patterns: what can be told apart of anomaly-free charges, without right-handed neutrinos, a
common factor and the overall sign; their names.

Rows of a pattern are [q, q_3, L_e, L_mu, L_tau, E_e, E_mu, E_tau]: q is the charge of the quarks of
the first two families, q_3 that of the third one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from zscan.charges.catalogue import Selection, parse_selection
from zscan.charges.flavours import assignments, distinct_couplings
from zscan.charges.universal import third_family
from zscan.errors import ParameterError, UnknownNameError, nearest

QUARKS = ("universal", "third-family")
COLUMNS = ("q", "q_3", *(f"{field}_{flavour}" for field in "LE" for flavour in ("e", "mu", "tau")))
_MU = 1


class Zeros(NamedTuple):
    """Mixing kappa = eps e/g_X at which the vector coupling of a fermion vanishes: the leptons, the
    quarks of the first families, the proton.
    """

    e: float
    mu: float
    tau: float
    u: float
    d: float
    p: float


@dataclass(frozen=True, eq=False)
class Patterns:
    """Distinct coupling patterns, see the module for the columns of `rows`; `neutrinos` are charges
    of right-handed neutrinos that make each anomaly-free.
    """

    selection: str
    quarks: str
    rows: Int[np.ndarray, "k 8"]
    neutrinos: tuple[tuple[Fraction, Fraction, Fraction], ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each, such as "3B-6Le-3Lmu"."""
        return tuple(pattern_name(row) for row in self.rows.tolist())

    def index(self, name: str) -> int:
        """Position of a pattern; raises `UnknownNameError` with the nearest name."""
        if name not in self.names:
            raise UnknownNameError(f"no pattern {name!r}: {nearest(name, self.names)}")
        return self.names.index(name)

    def zeros(self, index: int) -> Zeros:
        """Where the mixing cancels the vector charges of a pattern."""
        row = self.rows[index].tolist()
        e, mu, tau = ((row[2 + i] + row[5 + i]) / 2 for i in range(3))
        return Zeros(e, mu, tau, -1.5 * row[0], 3.0 * row[0], -3.0 * row[0])

    def largest(self, index: int) -> int:
        """Largest absolute charge of a pattern, at least 1."""
        return max(1, int(np.abs(self.rows[index]).max()))

    def charges(self, index: int) -> dict[str, tuple[Fraction, Fraction, Fraction]]:
        """Exact charges by species ("Q", "U", "D", "L", "E", "N"), as `zscan.Model` takes them."""
        q, q_3, *leptons = (Fraction(charge) for charge in self.rows[index].tolist())
        quarks = (q, q, q_3)
        L, E = (leptons[0], leptons[1], leptons[2]), (leptons[3], leptons[4], leptons[5])
        return {"Q": quarks, "U": quarks, "D": quarks, "L": L, "E": E, "N": self.neutrinos[index]}


def patterns(selection: Selection | str, quarks: str = "universal") -> Patterns:
    """The distinct patterns of a selection of the catalogue, sorted by their charges.

    With `quarks` "third-family" only the third family of quarks is charged, with 3q, and the muon
    carries a charge that `zscan.charges.third_family` accepts; rows without one are left out.
    Raises `ParameterError` for other `quarks` and for a selection without patterns, and what
    `parse_selection` raises.

    >>> found = patterns("max=10,vector,flavours=all")
    >>> len(found), found.zeros(found.index("3B-9Lmu")).p
    (419, -3.0)
    """
    if isinstance(selection, str):
        selection = parse_selection(selection)
    if quarks not in QUARKS:
        raise ParameterError(f"quarks = {quarks!r} is not allowed; {nearest(quarks, QUARKS)}")
    third = quarks == "third-family"
    assigned = _third_family(selection) if third else selection.assigned()
    if not len(assigned):
        raise ParameterError(f"selection '{selection}' with {quarks} quarks has no pattern")
    charges, first = distinct_couplings(assigned)
    light = 0 * charges[:, :1] if third else charges[:, :1]
    # What the row was divided by, with its sign: the right-handed neutrinos follow
    column = np.argmax(charges != 0, axis=1)[:, None]
    divisors = [
        np.take_along_axis(table, column, axis=1)[:, 0] for table in (assigned[first], charges)
    ]
    factors = [
        Fraction(int(a), int(b)) if b else Fraction(1) for a, b in zip(*divisors, strict=True)
    ]
    neutrinos = tuple(
        (Fraction(a) / factor, Fraction(b) / factor, Fraction(c) / factor)
        for (a, b, c), factor in zip(assigned[first, 7:].tolist(), factors, strict=True)
    )
    rows = np.concatenate([light, charges], axis=1)
    return Patterns(str(selection), quarks, rows, neutrinos)


def _third_family(selection: Selection) -> np.ndarray:
    """Assigned rows with 3q in place of q, the muon carrying a charge that is allowed."""
    found = third_family(selection.rows())
    muons = {(row, muon) for row, muon in zip(found.row.tolist(), found.muon.tolist(), strict=True)}
    kept = [
        assigned
        for number, row in enumerate(selection.rows())
        for assigned in assignments(row)
        if (number, int(assigned[1 + _MU])) in muons
    ]
    rows = np.array(kept, np.int64).reshape(-1, 10)
    rows[:, 0] *= 3
    return rows


def pattern_name(row: Sequence[int]) -> str:
    """The name of a row [q, q_3, L, E] of integers: a sum of charges for vector couplings, else the
    charges of the fields.

    >>> pattern_name([1, 1, -6, -3, 0, -6, -3, 0]), pattern_name([0, 3, 0, -8, -1, 0, -8, -1])
    ('3B-6Le-3Lmu', '9B3-8Lmu-Ltau')
    >>> pattern_name([0, 0, -1, 7, -6, 1, 6, -7]), pattern_name([0] * 8)
    ('L(-1,7,-6)E(1,6,-7)', 'dark photon')
    """
    q, q_3, L, E = row[0], row[1], tuple(row[2:5]), tuple(row[5:8])
    quarks = [(3 * q, "B")] if q == q_3 else [(3 * q, "B12"), (3 * q_3, "B3")]
    vector = L == E
    terms = [*quarks, *(zip(L, ("Le", "Lmu", "Ltau"), strict=True) if vector else ())]
    text = "".join(f"{_factor(number)}{what}" for number, what in terms if number)
    if not vector:
        text += f"L({','.join(map(str, L))})E({','.join(map(str, E))})"
    return text.removeprefix("+") or "dark photon"


def _factor(number: int) -> str:
    return {1: "+", -1: "-"}.get(number, f"{number:+d}")
