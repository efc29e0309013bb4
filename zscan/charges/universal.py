"""All anomaly-free rows of charges up to a size, exhaustively, and their classes; arXiv:2107.07518
sec. 2.

Rows are arrays of the shape (..., 10), see `zscan.charges.sums`, integers without units."""

from __future__ import annotations

import operator
from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from zscan.charges.sums import integer_rows, sorted_rows, unique_charges
from zscan.errors import ParameterError

MAX_ENUMERATED = 500  # 21 million rows, 2 GB


def enumerate_universal(max_charge: SupportsIndex) -> Int[np.ndarray, "n 10"]:
    """All anomaly-free rows with integer charges from -max_charge to max_charge, canonical and in
    lexicographic order.

    The zero row counts. Exhaustive: for each q, L and E are joined on equal sums of squares and the
    pairs with N on the sums of cubes. Rows, time and memory grow like max_charge^3. On one core,
    with the peak memory of the process (40 MB of it Python and NumPy): 10 gives 276 rows in 0.4 ms,
    100 gives 187754 in 0.06 s and 73 MB, 200 gives 1411912 in 0.75 s and 180 MB, 500 gives 20947428
    in 17 s and 2.1 GB.

    Raises `ParameterError` for what is no integer from 0 to 500 (the size of the result is the
    limit; int64 would last to 10^6). Source: arXiv:2107.07518 sec. 2.

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
    """`max_charge` as an int; `ParameterError` for anything but an integer (no bool) from 0 to
    `largest`.
    """
    try:
        value = -1 if isinstance(max_charge, bool) else operator.index(max_charge)
    except TypeError:
        value = -1
    if not 0 <= value <= largest:
        raise ParameterError(
            f"max_charge = {max_charge!r} is not allowed; allowed: integers from 0 to {largest}"
        )
    return int(value)


def _solutions(q: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ascending triples with the sum -9q, in lexicographic order, and in it the indices L, E and N
    of each solution.
    """
    # The linear equations say that L, E and N sum to -9q each; then S2(L) = S2(E) and 2 S3(L) =
    # S3(E) + S3(N).
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
    # of a row and its negative the larger one stays; as lists of indices they compare in the same
    # way
    if q == 0:
        code = triples @ np.array([4 * limit + 2, 1, 0])  # rises with the index
        sign = np.sign(
            np.arange(len(triples))
            - np.searchsorted(code, -triples @ np.array([0, 1, 4 * limit + 2]))
        )
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


def classify(rows: ArrayLike) -> dict[str, Bool[np.ndarray, "*n"]]:
    """Properties of anomaly-free rows (..., 10), each an array (...); no property includes another.

    * vector, chiral: L and E agree (up to order), or not; Eqs. (15), (16)
    * class1, class2, class3: a vector row with N = L; with -9q in L and in N; with neither
    * muoquark (13): L or E is not the same for all flavours
    * no_diquark_a (14a), no_diquark_b (14b): some charge that occurs once in L or once in E differs
      from 3q, from -3q: a muoquark that couples to (anti-q, muon), to (q, muon) has no coupling to
      quarks alone
    * reflected (26): E = -6q - L, up to order
    * third_family (33): see `third_family`

    The order inside triples, the overall sign and a common factor do not matter. Raises as
    `integer_rows`. Source: arXiv:2107.07518 sec. 2.

    >>> classes = classify(enumerate_universal(10))
    >>> names = ("vector", "class1", "class2", "class3", "chiral", "third_family")
    >>> [int(classes[name].sum()) for name in names]
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
    """Charges when only the third quark family is charged, one line for each row and muon charge;
    see `third_family`.

    `row` is the index of the row; `q3` the charge of Q_3, t_R and b_R; `muon` the charge of the
    left-handed muon, one of `L`; `X_S` that of the muoquark S_3."""

    row: Int[np.ndarray, " k"]
    q3: Int[np.ndarray, " k"]
    L: Int[np.ndarray, "k 3"]
    E: Int[np.ndarray, "k 3"]
    N: Int[np.ndarray, "k 3"]
    muon: Int[np.ndarray, " k"]
    X_S: Int[np.ndarray, " k"]


def third_family_muons(rows: ArrayLike) -> Bool[np.ndarray, "*n 3"]:
    """Which of the charges of L (columns 1 to 3 of rows (..., 10)) the muon may carry in
    `third_family`.
    """
    rows = integer_rows(rows)
    q, L, _, _ = _parts(rows)
    charge = third_family_muoquark(rows)
    light = (L[..., None, :] + charge[..., :, None] == 0).any(
        axis=-1
    )  # a light quark and any lepton
    diquark = (
        (charge == 0) | (charge == 3 * q) | (charge == 6 * q)
    )  # light-light, light-heavy, heavy-heavy
    return unique_charges(rows)[..., :3] & ~light & ~diquark


def third_family_muoquark(rows: ArrayLike) -> Int[np.ndarray, "*n 3"]:
    """Charge X_S = -(3q + X_mu) of the muoquark S_3 in `third_family`, for each charge of L as that
    of the muon.
    """
    q, L, _, _ = _parts(integer_rows(rows))
    return -(3 * q + L)


def third_family(rows: ArrayLike) -> ThirdFamily:
    """Charges of rows (n, 10) when the third quark family carries 3q and the others nothing, Eq.
    (33).

    Accepted is a muon charge that occurs once in L such that S_3, whose coupling to Q_3 and the
    muon doublet fixes X_S = -(3q + muon), couples neither to a light quark and a lepton nor to two
    quarks of any family. Charges are those of the row, not divided by a common factor. Raises as
    `integer_rows`, and `ParameterError` for another shape.

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
    return ThirdFamily(
        row, 3 * q[:, 0], L, E, N, L[pick], third_family_muoquark(rows)[row, position]
    )


def _parts(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """q (..., 1), L, E and N (..., 3)."""
    return rows[..., :1], rows[..., 1:4], rows[..., 4:7], rows[..., 7:]
