"""Which lepton carries which charge of a catalogue row: all assignments, one default, and what of
it can be observed.

Assigned rows are [q, L_e, L_mu, L_tau, E_e, E_mu, E_tau, N_1, N_2, N_3]; see `zscan.charges` for
catalogue rows."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from zscan.charges.sums import Rows, integer_rows, sorted_rows

_PERMUTATIONS = np.array(list(itertools.permutations(range(3))))
_CHUNK = 1 << 15  # rows; 36 assignments of each are compared at a time
_E, _MU, _TAU = range(3)


class DistinctCouplings(NamedTuple):
    """Charges [q, L_e, L_mu, L_tau, E_e, E_mu, E_tau] without repetition, and the first row that
    has each.
    """

    charges: Int[np.ndarray, "k 7"]
    row: Int[np.ndarray, " k"]


def assignments(
    rows: ArrayLike, *, vector: bool = True, neutrinos: bool = False
) -> Int[np.ndarray, "k 10"]:
    """All distinct ways to give the charges of a row (10,), or of rows (n, 10), to e, mu and tau,
    as assigned rows.

    With `vector` a row with L = E gets the same order in both, so that X couples to charged leptons
    as a vector; other rows, and all without `vector`, get up to 36. N stays in ascending order, or
    is permuted too with `neutrinos`; it enters no observable. Those of one row follow each other.
    For q = 0 assignments that differ in the overall sign (that of g_X) both occur, see
    `distinct_couplings`. Raises as `zscan.charges.integer_rows`.

    >>> assignments([0, -1, 0, 1, -1, 0, 1, 0, 0, 0])[:, :4].tolist()
    [[0, -1, 0, 1], [0, -1, 1, 0], [0, 0, -1, 1], [0, 0, 1, -1], [0, 1, -1, 0], [0, 1, 0, -1]]
    >>> len(assignments([0, -6, -1, 7, -7, 1, 6, -7, -2, 9]))
    36
    """
    rows = sorted_rows(rows).reshape(-1, 10)
    parts = [
        _assignments(rows[i : i + _CHUNK], vector, neutrinos) for i in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate([np.empty((0, 10), np.int64), *parts])


def _assignments(rows: np.ndarray, vector: bool, neutrinos: bool) -> np.ndarray:
    same = _is_vector(rows) & vector
    found, origin = [], []
    for together in (True, False):
        (index,) = np.nonzero(same == together)
        block = rows[index]
        L, E, N = block[:, 1:4], block[:, 4:7], block[:, 7:]
        # Axes: row, permutation of L, of E, of N
        orders = [_distinct(L)[:, :, None, None]]
        orders.append(np.ones((1, 1, 1, 1), bool) if together else _distinct(E)[:, None, :, None])
        orders.append(_distinct(N)[:, None, None, :] if neutrinos else np.ones((1, 1, 1, 1), bool))
        row, first, second, third = np.nonzero(orders[0] & orders[1] & orders[2])
        chosen = ((L, first), (E, first if together else second), (N, third))
        parts = (
            block[row, :1],
            *(_permuted(triples, row, permutation) for triples, permutation in chosen),
        )
        found.append(np.concatenate(parts, axis=1))
        origin.append(index[row])
    return np.concatenate(found)[np.argsort(np.concatenate(origin), kind="stable")]


def assign(rows: ArrayLike) -> Rows:
    """One assignment of each row (..., 10), made as a phenomenologist would; the result has the
    same shape.

    Among `assignments` with `vector`, the first of the following that tells two apart decides.
    1. The charge of the muon occurs once in L or once in E, so that a muoquark can couple to it
    alone.
    2. abs(L_e) + abs(E_e) = 2 max(abs(V_e), abs(A_e)) is small: bounds on electron couplings are
    the strongest.
    3. The vector charge of the muon, abs(L_mu + E_mu), is large and
    4. its axial charge, abs(L_mu - E_mu), small: a vector raises g-2, an axial coupling lowers it.
    5. L_mu, then E_mu, L_e, E_e, L_tau are large (with sign).
    N is in ascending order. Raises as `zscan.charges.integer_rows`.

    >>> assign([0, -1, 0, 1, -1, 0, 1, 0, 0, 0])[:4].tolist()  # L_mu - L_tau
    [0, 0, 1, -1]
    >>> assign([0, -6, -1, 7, -7, 1, 6, -7, -2, 9])[:7].tolist()  # the benchmark Lmutau-chiral
    [0, -1, 7, -6, 1, 6, -7]
    """
    rows = sorted_rows(rows)
    flat = rows.reshape(-1, 10)
    assigned = flat.copy()
    vector = _is_vector(flat)
    together, apart = (np.arange(6),) * 2, np.divmod(np.arange(36), 6)
    for kind, (L_order, E_order) in ((vector, together), (~vector, apart)):
        (index,) = np.nonzero(kind)
        for start in range(0, len(index), _CHUNK):
            part = index[start : start + _CHUNK]
            L, E = (
                flat[part, 1:4][:, _PERMUTATIONS[L_order]],
                flat[part, 4:7][:, _PERMUTATIONS[E_order]],
            )
            best = np.arange(len(part)), _best(L, E)
            assigned[part, 1:4], assigned[part, 4:7] = L[best], E[best]
    return assigned.reshape(rows.shape)


def distinct_couplings(assigned: ArrayLike) -> DistinctCouplings:
    """What assigned rows (n, 10) can be told apart by: their primitive charges without N, up to the
    overall sign.

    The first nonzero charge is made positive. Rows with the same charges give the same observables,
    after a rescaling of g_X (with its sign). Raises as `zscan.charges.integer_rows`.

    >>> distinct_couplings(assignments([0, -1, 0, 1, -1, 0, 1, 0, 0, 0])).charges[:, :4].tolist()
    [[0, 0, 1, -1], [0, 1, -1, 0], [0, 1, 0, -1]]
    """
    charges = integer_rows(assigned).reshape(-1, 10)[:, :7]
    charges = charges // np.maximum(np.gcd.reduce(charges, axis=1, keepdims=True), 1)
    first = np.take_along_axis(charges, np.argmax(charges != 0, axis=1, keepdims=True), axis=1)
    return DistinctCouplings(
        *np.unique(np.where(first < 0, -charges, charges), axis=0, return_index=True)
    )


def _is_vector(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 1:4] == rows[:, 4:7]).all(axis=1)


def _distinct(triples: np.ndarray) -> np.ndarray:
    """(n, 6): permutations with distinct results; of several that agree, the one that keeps equal
    charges in order.
    """
    values = triples[:, _PERMUTATIONS]
    repeated = np.zeros(values.shape[:2], bool)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        repeated |= (values[..., a] == values[..., b]) & (_PERMUTATIONS[:, a] > _PERMUTATIONS[:, b])
    return ~repeated


def _permuted(triples: np.ndarray, row: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    return triples[row[:, None], _PERMUTATIONS[permutation]]


def _best(L: np.ndarray, E: np.ndarray) -> np.ndarray:
    """Index of the best of the assignments (n, k, 3) of each row: the keys of `assign` one after
    the other.
    """
    alone = np.zeros(L.shape[:2], bool)
    for triple in (L, E):
        alone |= (triple[..., _MU] != triple[..., _E]) & (triple[..., _MU] != triple[..., _TAU])
    muon_L, muon_E = L[..., _MU], E[..., _MU]
    keys = (
        (~alone).astype(np.int64),
        np.abs(L[..., _E]) + np.abs(E[..., _E]),
        -np.abs(muon_L + muon_E),
        np.abs(muon_L - muon_E),
        -muon_L,
        -muon_E,
        -L[..., _E],
        -E[..., _E],
        -L[..., _TAU],
    )
    left = np.ones(L.shape[:2], bool)
    for key in keys:
        smallest = np.where(left, key, np.iinfo(np.int64).max).min(axis=1, keepdims=True)
        left &= key == smallest
    return np.argmax(left, axis=1)
