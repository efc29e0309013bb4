"""Anomaly sums against published residuals and counts; the catalogue against a search that shares
nothing with it.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.charges import (
    anomalies,
    anomaly_sums,
    canonical,
    classify,
    enumerate_universal,
    exact,
    exact_triple,
    expand,
    third_family,
)
from zscan.errors import ParameterError

TRIPLES = st.tuples(*[st.integers(-9, 9)] * 3)
ROWS = st.lists(st.integers(-12, 12), min_size=10, max_size=10)
CATALOGUE = enumerate_universal(10)
SIX_Y = np.repeat([1, 4, -2, -3, -6, 0], 3)  # six times the hypercharge of Q, U, D, L, E, N

# Chiral rows with charges up to 10, and whether E = -6q - L (arXiv:2107.07518 sec. 2; found by an
# exhaustive C loop)
CHIRAL = [
    ([0, -7, 0, 7, -5, -3, 8, -8, 3, 5], False),
    ([0, -6, -1, 7, -7, 1, 6, -7, -2, 9], True),
    ([0, -5, -3, 8, -7, 0, 7, -6, -4, 10], False),
    ([0, -5, -2, 7, -7, 2, 5, -7, -3, 10], True),
    ([0, -5, -1, 6, -6, 1, 5, -9, -1, 10], True),
    ([0, -3, -2, 5, -5, 2, 3, -9, -1, 10], True),
    ([0, -1, -1, 2, -2, 1, 1, -2, -1, 3], True),
    ([1, -9, -2, 2, -8, -4, 3, -10, -5, 6], True),
    ([1, -8, -6, 5, -10, -3, 4, -6, -3, 0], False),
    ([1, -8, -5, 4, -10, -1, 2, -5, -3, -1], True),
    ([1, -8, -4, 3, -9, -2, 2, -7, -3, 1], True),
    ([1, -8, -2, 1, -7, -4, 2, -8, -7, 6], True),
    ([1, -7, -5, 3, -9, -1, 1, -5, -3, -1], True),
    ([1, -7, -4, 2, -8, -2, 1, -6, -4, 1], True),
    ([1, -7, -1, -1, -5, -5, 1, -7, -5, 3], True),
    ([1, -6, -6, 3, -9, 0, 0, -3, -3, -3], True),
    ([1, -6, -5, 2, -8, -1, 0, -5, -3, -1], True),
    ([1, -5, -5, 1, -7, -1, -1, -5, -3, -1], True),
    ([1, -5, -4, 0, -6, -2, -1, -5, -3, -1], True),
    ([1, -5, -2, -2, -4, -4, -1, -5, -3, -1], True),
    ([2, -10, -5, -3, -9, -7, -2, -10, -6, -2], True),
]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"Q": 1, "U": 4, "D": -2, "L": -3, "E": -6, "N": 0},
            (0, 0, 0, 0, 0, 0),
        ),  # six times hypercharge
        (
            {"Q": 1, "U": 1, "D": 1, "L": (0, -9, 0), "E": (0, -9, 0), "N": (0, -9, 0)},
            (0, 0, 0, 0, 0, 0),
        ),  # 3 (B - 3 L_mu)
        (
            {"Q": 0, "U": 0, "D": 0, "L": (0, 1, 0), "E": (0, 1, 0), "N": 0},
            (0, 1, -3, 1, 0, 1),
        ),  # L_mu alone
    ],
)
def test_known_residuals(fields, expected):
    assert anomalies(**fields) == expected


@given(*[TRIPLES] * 6, st.permutations(range(3)))
def test_sums_agree_with_exact_ones_and_generations_may_be_relabelled(Q, U, D, L, E, N, order):
    sums = anomalies(Q, U, D, L, E, N)
    assert anomaly_sums([*Q, *U, *D, *L, *E, *N]).tolist() == list(sums)
    assert anomalies(Q, U, D, tuple(L[i] for i in order), E, N) == sums


@given(st.integers(0, len(CATALOGUE) - 1), st.integers(1, 5), st.integers(-5, 5))
def test_a_solution_plus_hypercharge_is_a_solution(index, factor, shift):
    assert not anomaly_sums(factor * expand(CATALOGUE[index]) + shift * SIX_Y).any()
    assert anomaly_sums(factor * expand(CATALOGUE[index]) + shift * np.roll(SIX_Y, 3)).any() == (
        shift != 0
    )


def test_sums_are_exact_up_to_the_largest_charge_allowed():
    largest = np.full((2, 18), 576_000)
    largest[1, [*range(3, 9), *range(12, 18)]] *= -1  # all cubes add up
    sums = [tuple(map(int, row)) for row in anomaly_sums(largest)]
    assert sums == [
        tuple(map(int, anomalies(*(tuple(map(int, row[i : i + 3])) for i in range(0, 18, 3)))))
        for row in largest
    ]
    assert max(map(max, sums)) > 0.99 * 2**63
    for charges in (
        largest + 1,
        largest * 2.0,
        largest > 0,
        [[0] * 17],
        [2**64] * 18,
        [[0], [0, 1]],
    ):
        with pytest.raises(ParameterError, match="charges"):
            anomaly_sums(charges)


def test_charges_are_exact():
    assert exact("-1/3") == Fraction(-1, 3)
    assert exact_triple("1/3") == (Fraction(1, 3),) * 3
    for wrong in (0.5, True, None):
        with pytest.raises(ValueError, match="integer"):
            exact(wrong)
    with pytest.raises(ValueError, match="three"):
        exact_triple((1, 2))


def atlas(limit):
    """Anomaly-free charges of six species with integers up to `limit`, up to a factor and the order
    of generations.
    """
    by_sum = {}
    for triple in itertools.combinations_with_replacement(range(-limit, limit + 1), 3):
        by_sum.setdefault(sum(triple), []).append(triple)
    found = set()
    for Q, U in itertools.product(by_sum, by_sum):
        # the four linear sums fix those of D, L, E and N
        sums = (Q, U, 2 * Q - U, -3 * Q, -2 * Q - U, U - 4 * Q)
        if not all(total in by_sum for total in sums):
            continue
        species = [np.array(by_sum[total]) for total in sums]
        index = np.indices([len(triples) for triples in species]).reshape(6, -1)
        charges = np.concatenate(
            [triples[i] for triples, i in zip(species, index, strict=True)], axis=1
        )
        found.update(map(tuple, charges[~anomaly_sums(charges).any(axis=1)].tolist()))
    primitive = {row for row in found if math.gcd(*row) <= 1}
    opposite = {
        sum((tuple(-x for x in row[i : i + 3][::-1]) for i in range(0, 18, 3)), ())
        for row in primitive
    }
    assert opposite == primitive
    selves = sum(
        all(row[i] == -row[i + 2] and row[i + 1] == 0 for i in range(0, 18, 3)) for row in primitive
    )
    return (len(primitive) + selves) // 2


@pytest.mark.parametrize(("limit", "number"), [(1, 38), (2, 358)])
def test_general_charges_are_as_many_as_published(limit, number):
    assert atlas(limit) == number  # arXiv:1812.04602, the table of all solutions


def brute_force(limit):
    """Solutions of the six equations by trying everything, in canonical form; shares no code with
    the enumeration.
    """
    triples = np.array(list(itertools.combinations_with_replacement(range(-limit, limit + 1), 3)))
    total = triples.sum(axis=1)
    found = set()
    for q in range(-limit, limit + 1):
        # SU(2)^2 X, then Y^2 X, then gravity; SU(3)^2 X holds for universal quarks
        L = triples[9 * q + total == 0]
        E = triples[3 * q + 3 * (-9 * q) - 8 * 3 * q - 2 * 3 * q - 6 * total == 0]
        N = triples[18 * q + 2 * (-9 * q) - 9 * q - 9 * q - (-9 * q) - total == 0]
        (L2, L3), (E2, E3), (_, N3) = [((x**2).sum(axis=1), (x**3).sum(axis=1)) for x in (L, E, N)]
        quadratic = (3 - 6 + 3) * q**2 - L2[:, None] + E2 == 0
        cubic = (18 - 9 - 9) * q**3 + 2 * L3[:, None, None] - E3[:, None] - N3 == 0
        for i, j, k in np.argwhere(quadratic[..., None] & cubic).tolist():
            row = (q, *L[i].tolist(), *E[j].tolist(), *N[k].tolist())
            divisor = math.gcd(*row) or 1
            signed = []
            for sign in (1, -1):
                x = [sign * charge // divisor for charge in row]
                signed.append((x[0], *sorted(x[1:4]), *sorted(x[4:7]), *sorted(x[7:])))
            found.add(max(signed))
    return sorted(found)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5, 6, 10])
def test_the_catalogue_is_complete(limit):
    rows = enumerate_universal(limit)
    assert rows.dtype == np.int64
    assert [tuple(row) for row in rows.tolist()] == brute_force(limit)


def test_a_large_catalogue_solves_the_equations_in_canonical_order():
    rows = enumerate_universal(100)
    assert abs(rows).max() == 100
    assert not anomaly_sums(expand(rows)).any()
    np.testing.assert_array_equal(canonical(rows), rows)
    step = np.diff(rows, axis=0)
    first = np.take_along_axis(step, np.argmax(step != 0, axis=1, keepdims=True), axis=1)
    assert (first > 0).all()  # rises in lexicographic order, so no row is there twice
    small = rows[(abs(rows) <= 10).all(axis=1)]
    np.testing.assert_array_equal(small, CATALOGUE)


@pytest.mark.parametrize("limit", [-1, 501, 2**31, 2**70, 10.0, "10", True, None, np.True_])
def test_sizes_that_cannot_be_are_refused_before_any_work(limit):
    with pytest.raises(ParameterError, match="from 0 to 500"):
        enumerate_universal(limit)


@given(
    ROWS, st.tuples(*[st.permutations(range(3))] * 3), st.integers(1, 20), st.sampled_from([-1, 1])
)
def test_canonical_form_does_not_depend_on_order_sign_and_scale(row, orders, factor, sign):
    changed = [row[0], *(row[1 + 3 * i + j] for i, order in enumerate(orders) for j in order)]
    changed = [factor * sign * charge for charge in changed]
    form = canonical([row, changed])
    np.testing.assert_array_equal(form[0], form[1])
    np.testing.assert_array_equal(canonical(form), form)
    divisor = math.gcd(*row) or 1
    signed = {tuple(sorted(s * x // divisor for x in row)) for s in (1, -1)}
    assert tuple(sorted(form[0].tolist())) in signed
    classes = classify([row, changed])
    assert all(values[0] == values[1] for values in classes.values())


def test_rows_that_are_none_are_refused():
    assert canonical(np.empty((0, 10), int)).shape == (0, 10)
    assert {name: values.shape for name, values in classify(np.empty((2, 0, 10), int)).items()}[
        "vector"
    ] == (2, 0)
    for rows in ([[0] * 9], [0.5] * 10, [2**60] * 10, [-(2**63)] * 10):
        with pytest.raises(ParameterError, match="charges"):
            canonical(rows)
    with pytest.raises(ParameterError, match="shape"):
        third_family([0] * 10)


def test_chiral_rows():
    rows = CATALOGUE[classify(CATALOGUE)["chiral"]]
    assert rows.tolist() == [row for row, _ in CHIRAL]
    assert classify(rows)["reflected"].tolist() == [mark for _, mark in CHIRAL]


def test_class_3_and_what_the_muoquark_conditions_exclude():
    classes = classify(CATALOGUE)
    assert CATALOGUE[classes["class3"]].tolist() == [  # Eq. (22)
        [0, -5, -1, 6, -5, -1, 6, -3, -2, 5],
        [0, -3, -2, 5, -3, -2, 5, -5, -1, 6],
    ]
    excluded = [
        [0, 0, 0, 0, 0, 0, 0, -1, 0, 1],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, -3, -3, -3, -3, -3, -3, -3, -3, -3],
    ]
    assert CATALOGUE[~classes["muoquark"]].tolist() == excluded
    assert CATALOGUE[~classes["no_diquark_b"]].tolist() == excluded
    only_a = [1, -6, -6, 3, -6, -6, 3, -6, -6, 3]
    assert CATALOGUE[~classes["no_diquark_a"]].tolist() == sorted([*excluded, only_a])


def test_third_family_of_every_row_by_its_definition():
    found = third_family(CATALOGUE)
    expected = []
    for index, (q, *charges) in enumerate(CATALOGUE.tolist()):
        L = charges[:3]
        for muon in L:
            X_S = -(3 * q + muon)
            quarks = [
                a + b - X_S for a, b in itertools.combinations_with_replacement([0, 0, 3 * q], 2)
            ]
            if L.count(muon) == 1 and 0 not in quarks and all(X_S + lepton for lepton in L):
                expected.append((index, 3 * q, muon, X_S))
    assert (
        list(zip(*(x.tolist() for x in (found.row, found.q3, found.muon, found.X_S)), strict=True))
        == expected
    )
    np.testing.assert_array_equal(
        np.concatenate([found.L, found.E, found.N], axis=1), CATALOGUE[found.row, 1:]
    )
    # Vector rows without electron charge, X_q3 = 3: (mu, tau) (arXiv:2107.07518 Eq. (34) and around
    # it)
    light = (
        (found.q3 == 3)
        & (found.L == found.E).all(axis=1)
        & (found.L == 0).any(axis=1)
        & (found.muon != 0)
    )
    pairs = {(int(muon), -9 - int(muon)) for muon in found.muon[light]}
    assert pairs == {(-10, 1), (1, -10), (-8, -1), (-1, -8), (-7, -2), (-2, -7), (-5, -4), (-4, -5)}


@given(st.integers(-(10**4), 10**4))
def test_axial_electron_and_vector_muon_for_any_charge(a):
    # L = (-1, a, 1-a), E = (1, a-1, -a): all sums vanish but X^3, which needs N1 N2 N3 = 3 a (a-1)
    row = [0, -1, a, 1 - a, 1, a - 1, -a, 0, 0, 0]
    assert anomaly_sums(expand(row)).tolist() == [0, 0, 0, 0, 0, 9 * a * (a - 1)]


def test_axial_electron_and_vector_muon_within_twenty():
    row = [0, -1, 20, -19, 1, 19, -20, -15, -4, 19]
    assert not anomaly_sums(expand(row)).any()
    rows = enumerate_universal(20)
    assert canonical(row).tolist() in rows.tolist()
    for limit, largest in ((10, 7), (20, 20)):
        leptons = {tuple(x) for x in rows[(abs(rows) <= limit).all(axis=1), :7].tolist()}
        members = {
            a: {
                tuple(canonical([0, -s, s * a, s * (1 - a), s, s * (a - 1), -s * a, 0, 0, 0])[:7])
                for s in (1, -1)
            }
            for a in range(2, limit + 1)
        }
        assert max(a for a, forms in members.items() if forms & leptons) == largest
