"""Exact charge arithmetic: anomaly sums of a U(1)_X assignment (arXiv:2107.07518 sec. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational

ANOMALY_NAMES = ("SU(3)^2 X", "SU(2)^2 X", "Y^2 X", "grav^2 X", "Y X^2", "X^3")

Charge = int | str | Fraction
Charges = Charge | Sequence[Charge]


def exact(charge: Charge) -> Fraction:
    """An exact charge from an int, a Fraction or a string such as "-1/3"; ValueError for anything else.

    A float is refused: 0.3333 is not 1/3, and an anomaly sum would no longer be zero.
    """
    if isinstance(charge, bool) or not isinstance(charge, Rational | str):
        raise ValueError(f"a charge is an integer, a Fraction or a string such as '1/3', not {charge!r}")
    return Fraction(charge)


def exact_triple(charges: Charges) -> tuple[Fraction, Fraction, Fraction]:
    """Three exact charges from one (universal) or three; ValueError otherwise."""
    if isinstance(charges, int | str | Fraction):
        return (exact(charges),) * 3
    values = tuple(exact(charge) for charge in charges)
    if len(values) != 3:
        raise ValueError(f"one charge or three (one per generation) are needed, not {len(values)}")
    return values


def anomalies(Q: Charges, U: Charges, D: Charges, L: Charges, E: Charges, N: Charges) -> tuple[Fraction, ...]:
    """The six anomaly sums, exact, in the order of `ANOMALY_NAMES`; all zero for a consistent gauge theory.

    Each argument is one charge or three (one per generation) of the field as written: left-handed doublets
    Q, L and right-handed singlets U, D, E, N (no charge conjugation). Overall factors: 2 S1(Q) - S1(U) - S1(D) for
    SU(3)^2 X and so on, with S_n(F) the sum of the n-th powers over generations; the mixed Y^2 X and Y X^2 sums are
    multiplied by 6 and by 1 in the normalisation Y(Q) = 1/6. Raises ValueError for inexact charges.
    Source: arXiv:2107.07518 sec. 2, arXiv:1812.04602.

    >>> [int(a) for a in anomalies(0, 0, 0, L=(0, 1, 0), E=(0, 1, 0), N=0)]  # L_mu alone is anomalous
    [0, 1, -3, 1, 0, 1]
    """
    Q, U, D, L, E, N = (exact_triple(field) for field in (Q, U, D, L, E, N))

    def s(field: Sequence[Fraction], power: int) -> Fraction:
        return sum((charge**power for charge in field), Fraction(0))

    return (
        2 * s(Q, 1) - s(U, 1) - s(D, 1),
        3 * s(Q, 1) + s(L, 1),
        s(Q, 1) + 3 * s(L, 1) - 8 * s(U, 1) - 2 * s(D, 1) - 6 * s(E, 1),
        6 * s(Q, 1) + 2 * s(L, 1) - 3 * s(U, 1) - 3 * s(D, 1) - s(E, 1) - s(N, 1),
        s(Q, 2) - s(L, 2) - 2 * s(U, 2) + s(D, 2) + s(E, 2),
        6 * s(Q, 3) + 2 * s(L, 3) - 3 * s(U, 3) - 3 * s(D, 3) - s(E, 3) - s(N, 3),
    )
