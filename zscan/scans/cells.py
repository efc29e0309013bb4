"""Cells of a plane that are cut into four where contours pass: index arithmetic only.

Level 0 are the cells of a grid; nodes are counted on the grid that all cells of the finest level
would make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

Sides = tuple[np.ndarray, np.ndarray]
"""Which of some nodes are on either side of a contour; the cells around one that is on both are
always cut."""

_BITS = 64


class Cells:
    """The cells of a grid of `shape` nodes, each cut at most `levels` times, and on which side of
    `contours` their nodes are.
    """

    def __init__(self, shape: Sequence[int], levels: int, contours: int) -> None:
        self.step = 2**levels
        self.shape = tuple((size - 1) * self.step + 1 for size in shape)
        self._known = np.zeros(self.shape, bool)
        sizes = [tuple((size - 1) << level for size in shape) for level in range(levels)]
        self._cut = [np.zeros(size, bool) for size in sizes]
        # For each cell, level by level, one bit for each contour: any node inside or on its edges
        words = -(-contours // _BITS)
        self._sides = [np.zeros((2, words, *size), np.uint64) for size in sizes]

    def grid(self) -> np.ndarray:
        """Places (n, 2) of the nodes of the grid, in C order; they count as known from now on."""
        self._known[:: self.step, :: self.step] = True
        return np.argwhere(self._known)

    def note(self, places: np.ndarray, sides: Mapping[int, Sides]) -> None:
        """Note on which sides of contours, by their numbers, nodes at `places` (n, 2) are.

        What was noted of a node before stays: if a contour moves, more cells are cut than need
        be."""
        words = self._sides[0].shape[1]
        bits = np.zeros((2, words, len(places)), np.uint64)
        for number, pair in sides.items():
            word, bit = divmod(number, _BITS)
            for side, values in enumerate(pair):
                bits[side, word] |= values.astype(np.uint64) << np.uint64(bit)
        for level, noted in enumerate(self._sides):
            size = self.step >> level
            # A node between two cells belongs to both
            for shift in product((0, 1), repeat=2):
                own = places - shift
                inside = (own >= 0).all(axis=1)
                own //= size
                inside &= (own < noted.shape[2:]).all(axis=1)
                # The same cell as without the shift, unless the node is on its edge
                inside &= ((places % size == 0) | (np.array(shift) == 0)).all(axis=1)
                chosen = np.flatnonzero(inside)
                index = np.ravel_multi_index(tuple(own[chosen].T), noted.shape[2:])
                for side, word in np.ndindex(2, words):
                    np.bitwise_or.at(noted[side, word].reshape(-1), index, bits[side, word, chosen])

    def cut(self) -> np.ndarray:
        """Cut every cell that has nodes on both sides of a contour once; returns the places (n, 2)
        of the nodes that this takes, in C order, which count as known from now on.
        """
        there = [np.ones(self._cut[0].shape, bool), *(cut.copy() for cut in self._cut[:-1])]
        nodes = []
        for level, (noted, cut) in enumerate(zip(self._sides, self._cut, strict=True)):
            crossed = ((noted[0] & noted[1]) != 0).any(axis=0)
            fresh = np.argwhere(crossed & ~cut)
            parents = fresh if level == 0 else fresh // 2
            fresh = fresh[there[level][tuple(parents.T)]]
            cut[tuple(fresh.T)] = True
            half = self.step >> level + 1
            corners = np.array(list(product(range(3), repeat=2))) * half
            nodes.append((fresh[:, np.newaxis] * 2 * half + corners).reshape(-1, 2))
        found = np.unique(np.ravel_multi_index(tuple(np.concatenate(nodes).T), self.shape))
        known = self._known.reshape(-1)
        wanted = found[~known[found]]
        known[wanted] = True
        return np.stack(np.unravel_index(wanted, self.shape), axis=1)
