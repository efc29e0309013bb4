"""Weights of SU(n) as integer vectors, and the multiplets they form under SU(a) x SU(b) x ... x
U(1)s; exact.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise, product
from typing import NamedTuple

from zscan.errors import ModelError

Diagonal = tuple[Fraction, ...]
Weight = tuple[int, ...]


def trace(first: Sequence[Fraction | int], second: Sequence[Fraction | int]) -> Fraction:
    """Tr(A B) of two diagonal matrices; for a weight and a charge: the charge of that state."""
    return Fraction(sum(a * b for a, b in zip(first, second, strict=True)))


def units(n: int) -> tuple[Weight, ...]:
    """Weights e_i of the fundamental of SU(n)."""
    return tuple(tuple(int(i == j) for j in range(n)) for i in range(n))


def roots(n: int) -> tuple[Weight, ...]:
    """Roots e_i - e_j of SU(n); each belongs to the off-diagonal generator (i, j)."""
    pairs = product(units(n), repeat=2)
    return tuple(
        tuple(a - b for a, b in zip(up, down, strict=True)) for up, down in pairs if up != down
    )


class Multiplet(NamedTuple):
    """Representations under the simple factors, such as ("3", "2"), and U(1) charges."""

    reps: tuple[str, ...]
    charges: Diagonal

    def __str__(self) -> str:
        return f"({','.join(self.reps)})_{{{','.join(str(charge) for charge in self.charges)}}}"


class Subgroup(NamedTuple):
    """A subgroup of SU(n): an SU(k) for each block of the k given entries, a U(1) for each diagonal
    charge.
    """

    name: str
    blocks: tuple[tuple[int, ...], ...]
    charges: Mapping[str, Diagonal]


def decompose(weights: Iterable[Weight], group: Subgroup) -> tuple[Multiplet, ...]:
    """The multiplets of `group` that weights of SU(n) form (1, k, kbar and the adjoint of each
    SU(k)), largest first.

    Weights with equal U(1) charges are filled into products of these representations, large ones
    first. Characters are linearly independent, so a filling that leaves nothing over is the
    decomposition; `ModelError` otherwise.

    >>> # the hypercharge of Georgi and Glashow
    >>> Y = tuple(Fraction(y) for y in ("-1/3", "-1/3", "-1/3", "1/2", "1/2"))
    >>> group = Subgroup("Standard Model", ((0, 1, 2), (3, 4)), {"Y": Y})
    >>> print(*decompose(units(5), group), sep=" + ")
    (3,1)_{-1/3} + (1,2)_{1/2}
    """
    classes: dict[Diagonal, Counter[tuple[Weight, ...]]] = {}
    for weight in weights:
        charges = tuple(trace(weight, c) for c in group.charges.values())
        labels = tuple(_labels(tuple(weight[i] for i in block)) for block in group.blocks)
        classes.setdefault(charges, Counter())[labels] += 1
    choices = sorted(
        product(*(_representations(len(block)).items() for block in group.blocks)),
        key=lambda choice: -math.prod(len(weights) for _, weights in choice),
    )
    found = []
    for charges, left in classes.items():
        for choice in choices:
            needed = Counter(product(*(weights for _, weights in choice)))
            while needed <= left:
                left -= needed
                found.append(Multiplet(tuple(name for name, _ in choice), charges))
        if left:
            raise ModelError(
                f"weights of charges {charges} are no sum of 1, k, kbar, adjoint of {group.name}"
            )
    return tuple(sorted(found, key=lambda multiplet: (-dimension(multiplet.reps), multiplet.reps)))


def dimension(reps: Iterable[str]) -> int:
    """Number of states, e.g. 6 of ("3bar", "2")."""
    return math.prod(int(rep.removesuffix("bar")) for rep in reps)


def _labels(weight: Weight) -> Weight:
    return tuple(a - b for a, b in pairwise(weight))


def _representations(n: int) -> dict[str, list[Weight]]:
    """Dynkin labels of the states of 1, n, nbar (unless n = 2) and the adjoint."""
    zero = ((0,) * n,)
    table = {"1": zero, str(n): units(n), f"{n * n - 1}": roots(n) + zero * (n - 1)}
    if n > 2:
        table[f"{n}bar"] = tuple(tuple(-entry for entry in unit) for unit in units(n))
    return {name: [_labels(weight) for weight in weights] for name, weights in table.items()}
