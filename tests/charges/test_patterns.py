"""Patterns of charges: the published count, names, and models that are free of anomalies."""

import itertools
from math import gcd

import numpy as np
import pytest

from zscan.charges.catalogue import parse_selection
from zscan.charges.patterns import COLUMNS, pattern_name, patterns
from zscan.errors import ParameterError, UnknownNameError
from zscan.models import Model


@pytest.fixture(scope="module")
def vector():
    return patterns("max=10,vector,flavours=all")


def test_419_patterns_with_charges_up_to_ten(vector):
    # arXiv:2203.13731, abstract
    assert len(vector) == 419 == len(set(vector.names))
    # Counted once more without that code: ordered (q; e, mu, tau), primitive, up to the sign
    seen = set()
    for q, *row in parse_selection("max=10,vector").rows().tolist():
        for charges in itertools.permutations(row[:3]):
            divisor = gcd(q, *charges) or 1
            entry = tuple(charge // divisor for charge in (q, *charges))
            seen.add(max(entry, tuple(-charge for charge in entry)))
    assert len(seen) == 419


@pytest.mark.parametrize(
    ("selection", "quarks", "count"),
    [
        ("max=10,vector,flavours=all", "third-family", 225),
        ("max=10,chiral,flavours=all", "universal", 621),
        ("max=10,chiral,flavours=all", "third-family", 297),
    ],
)
def test_every_pattern_is_a_model_without_anomalies(selection, quarks, count):
    found = patterns(selection, quarks)
    assert len(found) == count == len(set(found.names))
    for index in range(0, count, 9):  # an anomaly is a warning, which pytest makes an error
        Model(found.names[index], **found.charges(index))
    assert (found.rows[:, 0] == 0).all() == (quarks == "third-family")


def test_flavours_of_the_default_assignment_are_among_all_patterns(vector):
    assert set(patterns("max=10,vector").names) < set(vector.names)


def test_zeros_are_where_a_charge_is_cancelled(vector):
    index = vector.index("3B-6Le+2Lmu-5Ltau")
    row = dict(zip(COLUMNS, vector.rows[index].tolist(), strict=True))
    assert (row["q"], row["L_e"], row["E_mu"], row["L_tau"]) == (1, -6, 2, -5)
    zeros = vector.zeros(index)
    # X_f + kappa Q_f = 0 with Q_e = -1
    assert (zeros.e, zeros.mu, zeros.tau) == (-6, 2, -5)
    assert (1 + zeros.u * 2 / 3, 1 - zeros.d / 3, 3 + zeros.p) == (0, 0, 0)
    assert vector.largest(index) == 6


def test_names_tell_charges():
    assert pattern_name([0, 0, 0, 1, -1, 0, 1, -1]) == "Lmu-Ltau"
    assert pattern_name([2, 2, -1, -1, -16, -1, -1, -16]) == "6B-Le-Lmu-16Ltau"
    assert pattern_name([1, 1, -9, -2, 2, -8, -4, 3]) == "3BL(-9,-2,2)E(-8,-4,3)"


def test_faults_are_named(vector):
    with pytest.raises(UnknownNameError, match="did you mean '3B-6Le-3Lmu'"):
        vector.index("3B-6Le-3mu")
    with pytest.raises(ParameterError, match="quarks = 'third'"):
        patterns("max=2", "third")
    with pytest.raises(ParameterError, match="has no pattern"):
        patterns("max=1,chiral")


def test_right_handed_neutrinos_follow_the_factor_that_a_row_is_divided_by(vector):
    for index in np.flatnonzero([n != tuple(map(int, n)) for n in vector.neutrinos]):
        Model("fractions", **vector.charges(int(index)))
