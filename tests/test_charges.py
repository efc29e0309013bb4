"""Anomaly sums against published residuals."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.charges import anomalies, exact, exact_triple

TRIPLES = st.tuples(*[st.integers(-9, 9)] * 3)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Q": 1, "U": 4, "D": -2, "L": -3, "E": -6, "N": 0}, (0, 0, 0, 0, 0, 0)),  # six times hypercharge
        (
            {"Q": 1, "U": 1, "D": 1, "L": (0, -9, 0), "E": (0, -9, 0), "N": (0, -9, 0)},
            (0, 0, 0, 0, 0, 0),
        ),  # 3 (B - 3 L_mu)
        ({"Q": 0, "U": 0, "D": 0, "L": (0, 1, 0), "E": (0, 1, 0), "N": 0}, (0, 1, -3, 1, 0, 1)),  # L_mu alone
    ],
)
def test_known_residuals(fields, expected):
    assert anomalies(**fields) == expected


@given(*[TRIPLES] * 6, st.permutations(range(3)))
def test_generations_may_be_relabelled_and_hypercharge_added(Q, U, D, L, E, N, order):
    fields = (Q, U, D, L, E, N)
    sums = anomalies(*fields)
    assert anomalies(Q, U, D, tuple(L[i] for i in order), E, N) == sums
    if any(sums):
        return
    shifted = [
        tuple(x + y for x in field) for field, y in zip(fields, (1, 4, -2, -3, -6, 0), strict=True)
    ]  # the linear sums stay zero
    assert anomalies(*shifted)[:4] == (0, 0, 0, 0)


def test_charges_are_exact():
    assert exact("-1/3") == Fraction(-1, 3)
    assert exact_triple("1/3") == (Fraction(1, 3),) * 3
    for wrong in (0.5, True, None):
        with pytest.raises(ValueError, match="integer"):
            exact(wrong)
    with pytest.raises(ValueError, match="three"):
        exact_triple((1, 2))
