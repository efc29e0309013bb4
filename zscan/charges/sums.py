"""Exact charges of a U(1)_X, their anomaly sums, and rows of charges with universal quarks in
canonical form.

A row of the catalogue is [q, L, E, N]: one charge q of all quarks and three of each of the doublets
L and the singlets E and N (right-handed neutrinos), the Higgs being neutral. Arrays of rows have
the shape (..., 10), integers without units. Source: arXiv:2107.07518 sec. 2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from zscan.errors import ParameterError, shown

ANOMALY_NAMES = ("SU(3)^2 X", "SU(2)^2 X", "Y^2 X", "grav^2 X", "Y X^2", "X^3")

Charge = int | str | Fraction
Charges = Charge | Sequence[Charge]

Rows = Int[np.ndarray, "*n 10"]

_MAX_SUMMED = 576_000  # 48 |X|^3, the largest that X^3 can become, stays below 2^63
# A power of ten in an exponent would be written out: Fraction("1e999999999") never ends
_CHARGE = re.compile(r"\s{0,9}([+-]?[0-9]{1,20})\s{0,9}(?:/\s{0,9}([0-9]{1,20})\s{0,9})?")
_MAX_ROW = 2**58  # sums and multiples of a few charges stay below 2^63


def exact(charge: Charge) -> Fraction:
    """An exact charge from an int, a Fraction or a string such as "-1/3"; ValueError for anything
    else.

    A float is refused: 0.3333 is not 1/3, and an anomaly sum would no longer be zero. So is a
    decimal point or an exponent in a string, and more than 20 digits.

    >>> exact(" +2 / 5 ")
    Fraction(2, 5)
    """
    if isinstance(charge, bool) or not isinstance(charge, Rational | str):
        raise ValueError(
            f"a charge is an integer, a Fraction or a string such as '1/3', not {shown(charge)}"
        )
    if not isinstance(charge, str):
        return Fraction(charge)
    found = _CHARGE.fullmatch(charge)
    if not found:
        raise ValueError(
            f"{shown(charge)} is no charge; allowed: a whole number or a fraction such as '-1/3', "
            "of at most 20 digits each"
        )
    return Fraction(int(found[1]), int(found[2] or 1))


def exact_triple(charges: Charges) -> tuple[Fraction, Fraction, Fraction]:
    """Three exact charges from one (universal) or three; ValueError otherwise."""
    if isinstance(charges, int | str | Fraction):
        return (exact(charges),) * 3
    values = tuple(exact(charge) for charge in charges)
    if len(values) != 3:
        raise ValueError(f"one charge or three (one per generation) are needed, not {len(values)}")
    return values


def anomalies(
    Q: Charges, U: Charges, D: Charges, L: Charges, E: Charges, N: Charges
) -> tuple[Fraction, ...]:
    """The six anomaly sums, exact, in the order of `ANOMALY_NAMES`; all zero for a consistent gauge
    theory.

    Each argument is one charge or three (one per generation) of the field as written: left-handed
    doublets Q, L and right-handed singlets U, D, E, N (no charge conjugation). Overall factors: 2
    S1(Q) - S1(U) - S1(D) for SU(3)^2 X and so on, with S_n(F) the sum of the n-th powers over
    generations; the mixed Y^2 X and Y X^2 sums are multiplied by 6 and by 1 in the normalisation
    Y(Q) = 1/6. Raises ValueError for inexact charges. Source: arXiv:2107.07518 sec. 2,
    arXiv:1812.04602.

    >>> L_mu = (0, 1, 0)  # alone it is anomalous
    >>> [int(a) for a in anomalies(0, 0, 0, L=L_mu, E=L_mu, N=0)]
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


def anomaly_coefficients(
    Q: Charges, U: Charges, D: Charges, L: Charges, E: Charges
) -> tuple[Fraction, Fraction]:
    """A_W and A_B of the divergence of the current, [A_W g^2 W Wdual + A_B g'^2 B Bdual]/(16 pi^2),
    exact.

    Wdual = eps W/2. A_W = sum(3 Q + L)/2 over generations, A_B = sum N Y^2 X over left-handed minus
    right-handed fields with their multiplicities N (colour, SU(2)): the sums SU(2)^2 X and Y^2 X of
    `anomalies`, over 2 and 6. Fields as there. Raises ValueError for inexact charges. Source:
    arXiv:1705.06726.

    >>> third = Fraction(1, 3)  # baryon number
    >>> [str(a) for a in anomaly_coefficients(third, third, third, L=0, E=0)]
    ['3/2', '-3/2']
    """
    sums = anomalies(Q, U, D, L, E, 0)
    return sums[1] / 2, sums[2] / 6


def anomaly_sums(charges: ArrayLike) -> Int[np.ndarray, "*n 6"]:
    """The six anomaly sums of integer charges (..., 18), ordered Q, U, D, L, E, N with three
    generations each.

    Result (..., 6) in the order and normalisation of `anomalies`. Raises `ParameterError` for
    charges that are no integers or beyond 576000, where int64 would overflow. `expand` makes the 18
    charges of a catalogue row.

    >>> anomaly_sums([0] * 9 + [0, 1, 0] + [0, 1, 0] + [0, 0, 0]).tolist()
    [0, 1, -3, 1, 0, 1]
    """
    charges = _integers(charges, 18, _MAX_SUMMED)
    Q, U, D, L, E, N = np.moveaxis(charges.reshape(*charges.shape[:-1], 6, 3), -2, 0)

    def s(field: np.ndarray, power: int) -> np.ndarray:
        return (field**power).sum(axis=-1)

    sums = (
        2 * s(Q, 1) - s(U, 1) - s(D, 1),
        3 * s(Q, 1) + s(L, 1),
        s(Q, 1) + 3 * s(L, 1) - 8 * s(U, 1) - 2 * s(D, 1) - 6 * s(E, 1),
        6 * s(Q, 1) + 2 * s(L, 1) - 3 * s(U, 1) - 3 * s(D, 1) - s(E, 1) - s(N, 1),
        s(Q, 2) - s(L, 2) - 2 * s(U, 2) + s(D, 2) + s(E, 2),
        6 * s(Q, 3) + 2 * s(L, 3) - 3 * s(U, 3) - 3 * s(D, 3) - s(E, 3) - s(N, 3),
    )
    return np.stack(sums, axis=-1)


def expand(rows: ArrayLike) -> Int[np.ndarray, "*n 18"]:
    """The 18 charges Q, U, D, L, E, N of rows (..., 10), for `anomaly_sums`: all quarks carry q.

    >>> anomaly_sums(expand([1, -9, 0, 0, -9, 0, 0, -9, 0, 0])).any()
    np.False_
    """
    rows = integer_rows(rows)
    return np.concatenate((np.repeat(rows[..., :1], 9, axis=-1), rows[..., 1:]), axis=-1)


def integer_rows(rows: ArrayLike) -> Rows:
    """`rows` as int64 (..., 10); raises `ParameterError` for another shape, other numbers, or
    charges beyond 2^58.
    """
    return _integers(rows, 10, _MAX_ROW)


def sorted_rows(rows: ArrayLike) -> Rows:
    """Rows (..., 10) with each of L, E, N in ascending order; raises as `integer_rows`."""
    rows = integer_rows(rows)
    triples = np.sort(rows[..., 1:].reshape(*rows.shape[:-1], 3, 3), axis=-1)
    return np.concatenate((rows[..., :1], triples.reshape(*rows.shape[:-1], 9)), axis=-1)


def canonical(rows: ArrayLike) -> Rows:
    """Canonical form of integer rows (..., 10): what represents all rows that describe the same
    U(1)_X.

    Divided by the greatest common divisor of the ten charges, each triple ascending, overall sign
    such that q > 0; for q = 0 the row is the lexicographically larger one of itself and its
    negative. Raises as `integer_rows`.

    >>> canonical([0, 0, 2, -2, 2, 0, -2, 6, -6, 0]).tolist()
    [0, -1, 0, 1, -1, 0, 1, -3, 0, 3]
    """
    rows = integer_rows(rows)
    rows = sorted_rows(rows // np.maximum(np.gcd.reduce(rows, axis=-1, keepdims=True), 1))
    negative = sorted_rows(-rows)
    difference = rows - negative
    first = np.argmax(difference != 0, axis=-1, keepdims=True)
    return np.where(np.take_along_axis(difference, first, axis=-1) < 0, negative, rows)


def unique_charges(rows: ArrayLike) -> Bool[np.ndarray, "*n 6"]:
    """Which of the six charges of L and E (columns 1 to 6 of rows (..., 10)) occur only once in
    their triple.

    A boson that couples to such a charge couples to one flavour: the muon may carry it.
    """
    rows = integer_rows(rows)
    triples = rows[..., 1:7].reshape(*rows.shape[:-1], 2, 3)
    unique = (triples != np.roll(triples, 1, axis=-1)) & (triples != np.roll(triples, 2, axis=-1))
    return unique.reshape(*rows.shape[:-1], 6)


def _integers(values: ArrayLike, width: int, largest: int) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ParameterError(f"charges must have the shape (..., {width}): {error}") from error
    if array.dtype.kind not in "iu":
        raise ParameterError(f"charges must be integers of at most 64 bits, not {array.dtype}")
    if array.shape[-1:] != (width,):
        raise ParameterError(f"charges must have the shape (..., {width}), not {array.shape}")
    if array.size and max(int(array.max()), -int(array.min())) > largest:
        raise ParameterError(f"charges beyond {largest} would overflow 64-bit integers")
    return array.astype(np.int64, copy=False)
