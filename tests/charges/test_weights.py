"""Decomposition of SU(n) weights."""

from collections import Counter
from fractions import Fraction

import pytest

from zscan.charges.weights import Subgroup, decompose, dimension, roots, trace, units
from zscan.errors import ModelError

STANDARD_MODEL = Subgroup(
    "SU(3) x SU(2) x U(1)",
    ((0, 1, 2), (3, 4)),
    {"Y": tuple(Fraction(n, 6) for n in (-2, -2, -2, 3, 3))},
)


def pairs():
    """Weights of the antisymmetric 10 of SU(5)."""
    return [
        tuple(a + b for a, b in zip(x, y, strict=True))
        for i, x in enumerate(units(5))
        for y in units(5)[:i]
    ]


def test_georgi_glashow_branching():
    # Phys. Rev. Lett. 32 (1974) 438: 10 = (3,2)_{1/6} + (3bar,1)_{-2/3} + (1,1)_1, 24 with X bosons
    # of |Y| = 5/6
    assert Counter(map(str, decompose(pairs(), STANDARD_MODEL))) == Counter(
        ["(3,2)_{1/6}", "(3bar,1)_{-2/3}", "(1,1)_{1}"]
    )
    adjoint = roots(5) + ((0,) * 5,) * 4
    assert Counter(map(str, decompose(adjoint, STANDARD_MODEL))) == Counter(
        ["(8,1)_{0}", "(1,3)_{0}", "(1,1)_{0}", "(3,2)_{-5/6}", "(3bar,2)_{5/6}"]
    )


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_adjoint_is_irreducible_under_its_own_group(n):
    (adjoint,) = decompose(
        roots(n) + ((0,) * n,) * (n - 1), Subgroup("SU(n)", (tuple(range(n)),), {})
    )
    assert adjoint.reps == (str(n * n - 1),)
    assert dimension(adjoint.reps) == n * n - 1


def test_a_weight_has_the_charge_of_its_state():
    assert [trace(weight, STANDARD_MODEL.charges["Y"]) for weight in units(5)] == list(
        STANDARD_MODEL.charges["Y"]
    )


def test_incomplete_or_unknown_multiplets_are_refused():
    with pytest.raises(ModelError, match="no sum of 1, k, kbar, adjoint"):
        decompose(units(5)[:2], STANDARD_MODEL)
    with pytest.raises(ModelError):  # the antisymmetric 10 is no fundamental of SU(5)
        decompose(pairs(), Subgroup("SU(5)", ((0, 1, 2, 3, 4),), {}))
