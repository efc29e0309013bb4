"""Cells of a plane that are cut into four where contours pass: index arithmetic only.

Level 0 are the cells of a grid; nodes are counted on the grid that all cells of the finest level
would make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BITS = 64


class Cells:
    """The cells of a grid of `shape` nodes, each cut at most `levels` times.

    `known` (of the shape of the finest grid) tells which nodes are computed."""

    def __init__(self, shape: Sequence[int], levels: int) -> None:
        self.step = 2**levels
        self.shape = tuple((size - 1) * self.step + 1 for size in shape)
        self.known = np.zeros(self.shape, bool)
        self._cut = [
            np.zeros(tuple((size - 1) << level for size in shape), bool) for level in range(levels)
        ]

    def grid(self) -> np.ndarray:
        """Places (n, 2) of the nodes of the grid, in C order; they count as known from now on."""
        self.known[:: self.step, :: self.step] = True
        return np.argwhere(self.known)

    def cut(self, sides: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Cut every cell that has known nodes on both sides of a contour, on its edges or inside,
        once; returns the places (n, 2) of the nodes that this takes, in C order, which count as
        known from now on.

        `sides` are, for each contour, which of the known nodes, in C order, are on either side; the
        cells around one that is on both are always cut."""
        there = [np.ones(self._cut[0].shape, bool)]
        there += [cut.repeat(2, 0).repeat(2, 1) for cut in self._cut[:-1]]
        crossed = [np.zeros(cut.shape, bool) for cut in self._cut]
        for start in range(0, len(sides), _BITS):
            high, low = (self._packed([pair[i] for pair in sides[start:][:_BITS]]) for i in (0, 1))
            for level, found in enumerate(crossed):
                size = self.step >> level
                found |= (_around(high, size) & _around(low, size)) != 0
        wanted = np.zeros(self.shape, bool)
        for level, (found, inside, cut) in enumerate(zip(crossed, there, self._cut, strict=True)):
            fresh = found & inside & ~cut
            cut |= fresh
            step = self.step >> level
            for i, j in np.ndindex(3, 3):
                rows, columns = (slice(k * step // 2, None, step) for k in (i, j))
                part = wanted[rows, columns][: cut.shape[0], : cut.shape[1]]
                part |= fresh
        wanted &= ~self.known
        self.known |= wanted
        return np.argwhere(wanted)

    def _packed(self, nodes: Sequence[np.ndarray]) -> np.ndarray:
        """One bit for each of the arrays of known nodes, at every node."""
        bits = np.zeros(nodes[0].size, np.uint64)
        for number, values in enumerate(nodes):
            bits |= values.astype(np.uint64) << np.uint64(number)
        packed = np.zeros(self.shape, np.uint64)
        packed[self.known] = bits
        return packed


def _around(bits: np.ndarray, size: int) -> np.ndarray:
    """What any node of each cell of `size` steps has, its edges with it."""
    for axis in (0, 1):
        bits = np.moveaxis(bits, axis, 0)
        inside = bits[:-1].reshape(-1, size, *bits.shape[1:])
        bits = np.bitwise_or.reduce(inside, axis=1) | bits[size::size]
        bits = np.moveaxis(bits, 0, axis)
    return bits
