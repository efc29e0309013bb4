"""Where an excess over a limit changes its sign along the coupling: for many constraints and masses
at once, to a relative accuracy of 1e-9.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

ACCURACY = 1e-9  # relative, of an edge
_MOST = 60  # passes; each cuts a bracket at least in two
BLOCK = 64  # masses at once: one compiled shape for any number of them

# (masses (m, 1), couplings (m, g)) -> excess (constraint, m, g), NaN where there is none
Excess = Callable[[np.ndarray, np.ndarray], np.ndarray]


def excluded_pieces(
    excess: Excess,
    m_X: Float[np.ndarray, " m"],
    couplings: Float[np.ndarray, " g"],
    block: int = BLOCK,
) -> tuple[Float[np.ndarray, "c m piece"], Float[np.ndarray, "c m piece"], Bool[np.ndarray, "c m"]]:
    """The intervals of the coupling in which `excess` is positive, and whether it is a number
    anywhere, at each mass.

    Intervals are sought on the rising grid `couplings`, so that those narrower than its step may be
    missed; their edges are then cut down, several points of the grid's row at a time, so that
    `excess` is called with one shape only. 0 is the lower edge of an interval that reaches below
    the grid, infinity the upper one of an interval that reaches above it; NaN fills up. `block`
    masses go at once."""
    parts = []
    for start in range(0, m_X.size, block):
        masses = m_X[start : start + block]
        padded = np.pad(masses, (0, block - masses.size), mode="edge")
        lower, upper, known = _block(excess, padded[:, None], couplings)
        parts.append((lower[:, : masses.size], upper[:, : masses.size], known[:, : masses.size]))
    most = max(lower.shape[-1] for lower, _, _ in parts)
    lower, upper = (
        np.concatenate(
            [
                np.pad(
                    part[i],
                    ((0, 0), (0, 0), (0, most - part[i].shape[-1])),
                    constant_values=np.nan,
                )
                for part in parts
            ],
            axis=1,
        )
        for i in (0, 1)
    )
    return lower, upper, np.concatenate([known for _, _, known in parts], axis=1)


def _block(
    excess: Excess, m_X: np.ndarray, couplings: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = excess(m_X, np.broadcast_to(couplings, (m_X.shape[0], couplings.size)))
    inside = values > 0
    c, m, k = np.nonzero(inside[..., 1:] != inside[..., :-1])
    brackets = couplings[k], couplings[k + 1]
    low, high = _refined(excess, m_X, couplings, (c, m), brackets, inside[c, m, k])
    # Ends of the grid close the first and the last interval; sorted, edges come in pairs
    first, last = np.nonzero(inside[..., 0]), np.nonzero(inside[..., -1])
    c, m = (np.concatenate([a, b, d]) for a, b, d in zip((c, m), first, last, strict=True))
    edges = np.concatenate(
        [np.sqrt(low * high), np.zeros(first[0].size), np.full(last[0].size, np.inf)]
    )
    order = np.lexsort((edges, m, c))
    (c, m), edges = (c[order][::2], m[order][::2]), edges[order].reshape(-1, 2)
    piece = _rank(c * m_X.size + m)
    lower, upper = np.full((2, *inside.shape[:2], piece.max(initial=0) + 1), np.nan)
    lower[c, m, piece], upper[c, m, piece] = edges.T
    return lower, upper, np.asarray(~np.isnan(values).all(axis=-1))


def _refined(
    excess: Excess,
    m_X: np.ndarray,
    couplings: np.ndarray,
    place: tuple[np.ndarray, np.ndarray],
    brackets: tuple[np.ndarray, np.ndarray],
    before: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Brackets of sign changes, cut down to `ACCURACY`: all those of a mass share a row of
    couplings.
    """
    (c, m), (low, high) = place, brackets
    order = np.argsort(m, kind="stable")
    slot = np.empty_like(m)
    slot[order] = _rank(m[order])
    slots = int(slot.max(initial=0)) + 1
    if slots > couplings.size:
        low, high = low.copy(), high.copy()
        for half in (slot < slots // 2, slot >= slots // 2):
            low[half], high[half] = _refined(
                excess, m_X, couplings, (c[half], m[half]), (low[half], high[half]), before[half]
            )
        return low, high
    parts = couplings.size // slots
    columns = slot[:, None] * parts + np.arange(parts)
    shares, each = np.arange(1, parts + 1) / (parts + 1), np.arange(low.size)
    for _ in range(_MOST):
        if not (high > low * (1 + ACCURACY)).any():
            break
        points = low[:, None] * (high / low)[:, None] ** shares
        row = np.full((m_X.size, couplings.size), couplings[0])
        row[m[:, None], columns] = points
        changed = (excess(m_X, row)[c[:, None], m[:, None], columns] > 0) != before[:, None]
        first = np.where(changed.any(axis=1), changed.argmax(axis=1), parts)
        ends = np.column_stack([low, points, high])
        low, high = ends[each, first], ends[each, first + 1]
    return low, high


def _rank(groups: np.ndarray) -> np.ndarray:
    """The number of each element within its group; equal elements stand together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(groups.size) - np.repeat(starts, np.diff(starts, append=groups.size))
