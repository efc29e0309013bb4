"""Exact charges of a U(1)_X: anomaly sums, and the catalogue of anomaly-free charges with universal quarks.

A row of the catalogue is [q, L, E, N]: one charge q of all quarks and three of each of the doublets L and the singlets
E and N (right-handed neutrinos), the Higgs being neutral. Source: arXiv:2107.07518 sec. 2.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational
from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from zscan.errors import ParameterError

ANOMALY_NAMES = ("SU(3)^2 X", "SU(2)^2 X", "Y^2 X", "grav^2 X", "Y X^2", "X^3")

Charge = int | str | Fraction
Charges = Charge | Sequence[Charge]

Rows = Int[np.ndarray, "*n 10"]

MAX_ENUMERATED = 500  # 21 million rows, 2 GB
_MAX_SUMMED = 576_000  # 48 |X|^3, the largest that X^3 can become, stays below 2^63
_MAX_ROW = 2**58  # sums and multiples of a few charges stay below 2^63


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


def anomaly_sums(charges: ArrayLike) -> Int[np.ndarray, "*n 6"]:
    """The six anomaly sums of integer charges (..., 18), ordered Q, U, D, L, E, N with three generations each.

    Result (..., 6) in the order and normalisation of `anomalies`. Raises `ParameterError` for charges that are no
    integers or beyond 576000, where int64 would overflow. `expand` makes the 18 charges of a catalogue row.

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
    """`rows` as int64 (..., 10); raises `ParameterError` for another shape, other numbers, or charges beyond 2^58."""
    return _integers(rows, 10, _MAX_ROW)


def sorted_rows(rows: ArrayLike) -> Rows:
    """Rows (..., 10) with each of L, E, N in ascending order; raises as `integer_rows`."""
    rows = integer_rows(rows)
    triples = np.sort(rows[..., 1:].reshape(*rows.shape[:-1], 3, 3), axis=-1)
    return np.concatenate((rows[..., :1], triples.reshape(*rows.shape[:-1], 9)), axis=-1)


def canonical(rows: ArrayLike) -> Rows:
    """Canonical form of integer rows (..., 10): what represents all rows that describe the same U(1)_X.

    Divided by the greatest common divisor of the ten charges, each triple ascending, overall sign such that q > 0; for
    q = 0 the row is the lexicographically larger one of itself and its negative. Raises as `integer_rows`.

    >>> canonical([0, 0, 2, -2, 2, 0, -2, 6, -6, 0]).tolist()
    [0, -1, 0, 1, -1, 0, 1, -3, 0, 3]
    """
    rows = integer_rows(rows)
    rows = sorted_rows(rows // np.maximum(np.gcd.reduce(rows, axis=-1, keepdims=True), 1))
    negative = sorted_rows(-rows)
    difference = rows - negative
    first = np.argmax(difference != 0, axis=-1, keepdims=True)
    return np.where(np.take_along_axis(difference, first, axis=-1) < 0, negative, rows)


def enumerate_universal(max_charge: SupportsIndex) -> Int[np.ndarray, "n 10"]:
    """All anomaly-free rows with integer charges from -max_charge to max_charge, canonical and in lexicographic order.

    The zero row counts. Exhaustive: for each q, L and E are joined on equal sums of squares and the pairs with N on the
    sums of cubes. Rows, time and memory grow like max_charge^3. On one core, with the peak memory of the process (40 MB
    of it Python and NumPy): 10 gives 276 rows in 0.4 ms, 100 gives 187754 in 0.06 s and 73 MB, 200 gives 1411912 in
    0.75 s and 180 MB, 500 gives 20947428 in 17 s and 2.1 GB.

    Raises `ParameterError` for what is no integer from 0 to 500 (the size of the result is the limit; int64 would last
    to 10^6). Source: arXiv:2107.07518 sec. 2.

    >>> enumerate_universal(1).tolist()[0]  # L_mu - L_tau
    [0, -1, 0, 1, -1, 0, 1, -1, 0, 1]
    >>> len(enumerate_universal(10))
    276
    """
    limit = checked_max_charge(max_charge, MAX_ENUMERATED)
    parts = [_solutions(q, limit) for q in range(limit // 3 + 1)]
    rows = np.empty((sum(len(indices[0]) for _, *indices in parts), 10), np.int64)
    start = 0
    for q, (triples, *indices) in enumerate(parts):
        block = rows[start : start + len(indices[0])]
        block[:, 0] = q
        for column, index in zip((1, 4, 7), indices, strict=True):
            block[:, column : column + 3] = triples[index]
        start += len(block)
    return rows


def checked_max_charge(max_charge: SupportsIndex, largest: int) -> int:
    """`max_charge` as an int; `ParameterError` for anything but an integer (no bool) from 0 to `largest`."""
    try:
        value = -1 if isinstance(max_charge, bool) else operator.index(max_charge)
    except TypeError:
        value = -1
    if not 0 <= value <= largest:
        raise ParameterError(f"max_charge = {max_charge!r} is not allowed; allowed: integers from 0 to {largest}")
    return int(value)


def _solutions(q: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ascending triples with the sum -9q, in lexicographic order, and in it the indices L, E and N of each solution."""
    # The linear equations say that L, E and N sum to -9q each; then S2(L) = S2(E) and 2 S3(L) = S3(E) + S3(N).
    a, b = np.meshgrid(np.arange(-limit, -3 * q + 1), np.arange(-limit, limit + 1), indexing="ij")
    c = -9 * q - a - b
    ascending = (a <= b) & (b <= c) & (c <= limit)
    triples = np.stack((a[ascending], b[ascending], c[ascending]), axis=-1)
    squares, cubes = (triples**2).sum(axis=-1), (triples**3).sum(axis=-1)
    L, E = _join(squares, squares)
    pair, N = _join(2 * cubes[L] - cubes[E], cubes)
    L, E = L[pair], E[pair]
    divisor = np.gcd.reduce(triples, axis=-1)
    keep = np.gcd(np.gcd(divisor[L], divisor[E]), np.gcd(divisor[N], q)) <= 1
    if q == 0:  # of a row and its negative the larger one stays; as lists of indices they compare in the same way
        code = triples @ np.array([4 * limit + 2, 1, 0])  # rises with the index
        sign = np.sign(np.arange(len(triples)) - np.searchsorted(code, -triples @ np.array([0, 1, 4 * limit + 2])))
        keep &= 4 * sign[L] + 2 * sign[E] + sign[N] >= 0
    return triples, *(index[keep].astype(np.int32) for index in (L, E, N))


def _join(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices (i, j) of all pairs with left[i] == right[j], in lexicographic order."""
    order = np.argsort(right, kind="stable")
    start = np.searchsorted(right, left, side="left", sorter=order)
    count = np.searchsorted(right, left, side="right", sorter=order) - start
    i = np.repeat(np.arange(len(left)), count)
    j = np.arange(len(i)) - np.repeat(np.cumsum(count) - count - start, count)
    return i, order[j]


def unique_charges(rows: ArrayLike) -> Bool[np.ndarray, "*n 6"]:
    """Which of the six charges of L and E (columns 1 to 6 of rows (..., 10)) occur only once in their triple.

    A boson that couples to such a charge couples to one flavour: the muon may carry it.
    """
    rows = integer_rows(rows)
    triples = rows[..., 1:7].reshape(*rows.shape[:-1], 2, 3)
    unique = (triples != np.roll(triples, 1, axis=-1)) & (triples != np.roll(triples, 2, axis=-1))
    return unique.reshape(*rows.shape[:-1], 6)


def classify(rows: ArrayLike) -> dict[str, Bool[np.ndarray, "*n"]]:
    """Properties of anomaly-free rows (..., 10), each an array (...); no property includes another.

    * vector, chiral: L and E agree (up to order), or not; Eqs. (15), (16)
    * class1, class2, class3: a vector row with N = L; with -9q in L and in N; with neither
    * muoquark (13): L or E is not the same for all flavours
    * no_diquark_a (14a), no_diquark_b (14b): some charge that occurs once in L or once in E differs from 3q, from -3q:
      a muoquark that couples to (anti-q, muon), to (q, muon) has no coupling to quarks alone
    * reflected (26): E = -6q - L, up to order
    * third_family (33): see `third_family`

    The order inside triples, the overall sign and a common factor do not matter. Raises as `integer_rows`.
    Source: arXiv:2107.07518 sec. 2.

    >>> classes = classify(enumerate_universal(10))
    >>> [int(classes[name].sum()) for name in ("vector", "class1", "class2", "class3", "chiral", "third_family")]
    [255, 79, 187, 2, 21, 171]
    """
    rows = sorted_rows(rows)
    q, L, E, N = _parts(rows)
    vector = (L == E).all(axis=-1)
    class1 = vector & (L == N).all(axis=-1)
    total, mirrored = -9 * q, -6 * q - L[..., ::-1]
    class2 = vector & (total == L).any(axis=-1) & (total == N).any(axis=-1)
    unique = unique_charges(rows)
    muon = rows[..., 1:7]
    return {
        "vector": vector,
        "chiral": ~vector,
        "class1": class1,
        "class2": class2,
        "class3": vector & ~class1 & ~class2,
        "muoquark": (L[..., 0] != L[..., 2]) | (E[..., 0] != E[..., 2]),
        "no_diquark_a": (unique & (muon != 3 * q)).any(axis=-1),
        "no_diquark_b": (unique & (muon != -3 * q)).any(axis=-1),
        "reflected": (mirrored == E).all(axis=-1),
        "third_family": third_family_muons(rows).any(axis=-1),
    }


class ThirdFamily(NamedTuple):
    """Charges when only the third quark family is charged, one line for each row and muon charge; see `third_family`.

    `row` is the index of the row; `q3` the charge of Q_3, t_R and b_R; `muon` the charge of the left-handed muon,
    one of `L`; `X_S` that of the muoquark S_3.
    """

    row: Int[np.ndarray, " k"]
    q3: Int[np.ndarray, " k"]
    L: Int[np.ndarray, "k 3"]
    E: Int[np.ndarray, "k 3"]
    N: Int[np.ndarray, "k 3"]
    muon: Int[np.ndarray, " k"]
    X_S: Int[np.ndarray, " k"]


def third_family_muons(rows: ArrayLike) -> Bool[np.ndarray, "*n 3"]:
    """Which of the charges of L (columns 1 to 3 of rows (..., 10)) the muon may carry in `third_family`."""
    rows = integer_rows(rows)
    q, L, _, _ = _parts(rows)
    charge = third_family_muoquark(rows)
    light = (L[..., None, :] + charge[..., :, None] == 0).any(axis=-1)  # a light quark and any lepton
    diquark = (charge == 0) | (charge == 3 * q) | (charge == 6 * q)  # light-light, light-heavy, heavy-heavy
    return unique_charges(rows)[..., :3] & ~light & ~diquark


def third_family_muoquark(rows: ArrayLike) -> Int[np.ndarray, "*n 3"]:
    """Charge X_S = -(3q + X_mu) of the muoquark S_3 in `third_family`, for each charge of L as that of the muon."""
    q, L, _, _ = _parts(integer_rows(rows))
    return -(3 * q + L)


def third_family(rows: ArrayLike) -> ThirdFamily:
    """Charges of rows (n, 10) when the third quark family carries 3q and the others nothing, Eq. (33).

    Accepted is a muon charge that occurs once in L such that S_3, whose coupling to Q_3 and the muon doublet fixes
    X_S = -(3q + muon), couples neither to a light quark and a lepton nor to two quarks of any family. Charges are those
    of the row, not divided by a common factor. Raises as `integer_rows`, and `ParameterError` for another shape.

    >>> found = third_family([[1, -8, -1, 0, -8, -1, 0, -8, -1, 0]])  # 9 B_3 - 8 L_mu - L_tau
    >>> found.q3.tolist(), found.muon.tolist(), found.X_S.tolist()
    ([3, 3, 3], [-8, -1, 0], [5, -2, -3])
    """
    rows = sorted_rows(rows)
    if rows.ndim != 2:
        raise ParameterError(f"rows must have the shape (n, 10), not {rows.shape}")
    row, position = np.nonzero(third_family_muons(rows))
    q, L, E, N = _parts(rows[row])
    pick = np.arange(len(row)), position
    return ThirdFamily(row, 3 * q[:, 0], L, E, N, L[pick], third_family_muoquark(rows)[row, position])


def _parts(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """q (..., 1), L, E and N (..., 3)."""
    return rows[..., :1], rows[..., 1:4], rows[..., 4:7], rows[..., 7:]


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
