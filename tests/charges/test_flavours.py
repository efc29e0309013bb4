"""Flavour assignments: all by brute force, the default one by its rule and on the benchmarks."""

import itertools

import numpy as np
import pytest

import zscan
from zscan.charges import canonical, classify, enumerate_universal, sorted_rows
from zscan.charges.flavours import assign, assignments, distinct_couplings
from zscan.errors import ParameterError

ROWS = enumerate_universal(10)
VECTOR = classify(ROWS)["vector"]


def integers(name):
    """[q, L, E] of a benchmark model, times the factor that makes them integers."""
    model = zscan.load_model(name)
    charges = [model.charge("Q", "1"), *model.triple("L"), *model.triple("E")]
    return np.array([int(charge * max(x.denominator for x in charges)) for charge in charges])


@pytest.mark.parametrize("name", ["Lmu-Ltau", "B-3Lmu", "Lmutau-chiral", "B-L"])
def test_default_assignment_of_benchmarks(name):
    (L, E), q = integers(name)[1:].reshape(2, 3), integers(name)[0]
    for N in ROWS[:, 7:]:
        row = np.concatenate([[q], L, E, N])
        if canonical(row).tolist() in ROWS.tolist():
            np.testing.assert_array_equal(assign(canonical(row))[:7], integers(name))
            break
    else:
        raise AssertionError(f"{name} is not in the catalogue")


def test_other_benchmarks_are_among_all_assignments():
    found = {tuple(x) for x in distinct_couplings(assignments(ROWS)).charges.tolist()}
    for name in ("Lmu-Le", "Lmutau-chiral-partner", "B-2Le-Lmu"):
        charges = integers(name)
        assert {tuple(charges.tolist()), tuple((-charges).tolist())} & found, name


def expected_assignments(row, vector, neutrinos):
    q, *charges = row
    L, E, N = charges[:3], charges[3:6], charges[6:]
    every = [set(itertools.permutations(triple)) for triple in (L, E, N)]
    for a in every[0]:
        for b in [a] if vector and sorted(L) == sorted(E) else every[1]:
            for c in every[2] if neutrinos else [tuple(sorted(N))]:
                yield (q, *a, *b, *c)


@pytest.mark.parametrize(("vector", "neutrinos"), [(True, False), (True, True), (False, False)])
def test_all_assignments(vector, neutrinos):
    rows = ROWS[::5]
    found = [tuple(x) for x in assignments(rows, vector=vector, neutrinos=neutrinos).tolist()]
    expected = [set(expected_assignments(row, vector, neutrinos)) for row in rows.tolist()]
    assert len(found) == sum(map(len, expected)) == len(set(found))
    assert set(found) == set().union(*expected)
    single = assignments(rows[-1], vector=vector, neutrinos=neutrinos)
    assert (
        {tuple(x) for x in single.tolist()} == expected[-1] == set(found[-len(single) :])
    )  # row by row
    assert assignments(np.empty((0, 10), int)).shape == (0, 10)


def test_default_assignment_follows_its_rule():
    def key(x):
        e, mu, tau, e_R, mu_R, tau_R = x[1:7]
        alone = mu not in (e, tau) or mu_R not in (e_R, tau_R)
        return (
            not alone,
            abs(e) + abs(e_R),
            -abs(mu + mu_R),
            abs(mu - mu_R),
            -mu,
            -mu_R,
            -e,
            -e_R,
            -tau,
        )

    found = assign(ROWS)
    for row, assigned in zip(ROWS.tolist(), found.tolist(), strict=True):
        options = sorted(expected_assignments(row, True, False), key=key)
        assert tuple(assigned) == options[0]
    np.testing.assert_array_equal(sorted_rows(found), ROWS)
    np.testing.assert_array_equal(assign(ROWS.reshape(4, 69, 10)), found.reshape(4, 69, 10))
    np.testing.assert_array_equal(assign(ROWS[:, [0, 3, 1, 2, 6, 4, 5, 9, 8, 7]]), found)
    many = enumerate_universal(50)  # more than one piece of work
    pick = np.arange(0, len(many), 997)
    np.testing.assert_array_equal(assign(many)[pick], assign(many[pick]))


def test_distinct_vector_models_are_as_many_as_published():
    # 419 models of arXiv:2203.13731: 418 of (q; e, mu, tau), primitive and up to the sign, and the
    # dark photon
    charges, row = distinct_couplings(assignments(ROWS[VECTOR]))
    assert len(charges) == 419
    np.testing.assert_array_equal(charges[:, 1:4], charges[:, 4:])
    assert (np.gcd.reduce(charges, axis=1) <= 1).all()
    source = assignments(ROWS[VECTOR])[row, :7]
    factor = np.abs(source).max(axis=1) // np.maximum(np.abs(charges).max(axis=1), 1)
    np.testing.assert_array_equal(np.abs(source), factor[:, None] * np.abs(charges))


def test_rows_that_are_none_are_refused():
    for function in (assign, assignments, distinct_couplings):
        with pytest.raises(ParameterError, match="charges must"):
            function([[0.5] * 10])
