"""Muoquark charges: gauge invariance with hypercharge itself as the test, and uniqueness against
the definition.
"""

from fractions import Fraction

import numpy as np
import pytest

from zscan.charges import classify, enumerate_universal
from zscan.charges.flavours import assign, assignments
from zscan.charges.muoquarks import MUOQUARKS, allowed_muons, muon_only, muoquark_charges
from zscan.errors import UnknownNameError

ROWS = enumerate_universal(10)
Y = {
    "q": Fraction(1, 6),
    "l": Fraction(-1, 2),
    "e": Fraction(-1),
    "u": Fraction(2, 3),
    "d": Fraction(-1, 3),
}


@pytest.mark.parametrize("name", MUOQUARKS)
def test_with_hypercharge_for_X_each_coupling_gives_the_hypercharge(name):
    charges = muoquark_charges(name, **Y)
    assert charges.left == MUOQUARKS[name].hypercharge
    assert charges.right == (MUOQUARKS[name].hypercharge if MUOQUARKS[name].right else None)


def test_representations_are_those_of_the_literature():
    # (SU(3), SU(2), Y) of the muoquarks, arXiv:2107.07518 sec. 2 and arXiv:1603.04993 sec. 2
    assert {
        name: (m.kind, m.colour, m.isospin, str(m.hypercharge)) for name, m in MUOQUARKS.items()
    } == {
        "S_3": ("scalar", "3bar", 3, "1/3"),
        "S_1": ("scalar", "3bar", 1, "1/3"),
        "R_2": ("scalar", "3", 2, "7/6"),
        "U_1": ("vector", "3", 1, "2/3"),
    }


def test_charges_of_models_and_arrays():
    third = Fraction(1, 3)
    assert muoquark_charges("S_3", third, -3, -3).left == Fraction(8, 3)  # B - 3 L_mu
    assert muoquark_charges("S_3", 3, -8, -8).left == 5  # 9 B_3 - 8 L_mu - L_tau
    assert muoquark_charges("R_2", 0, 7, 6) == (
        -7,
        -6,
    )  # chiral mu-tau: the two scalars of the radiative muon mass
    assert muoquark_charges("U_1", 1, 7, 6, d=2) == (-6, -4)
    assert muoquark_charges("S_1", 1, 7, 6, u=2) == (-8, -8)
    left, right = muoquark_charges("S_1", ROWS[:, 0], ROWS[:, 1], ROWS[:, 4])
    np.testing.assert_array_equal(left, -ROWS[:, 0] - ROWS[:, 1])
    np.testing.assert_array_equal(right, -ROWS[:, 0] - ROWS[:, 4])
    for function, arguments in (
        (muoquark_charges, (0, 1, 1)),
        (allowed_muons, (ROWS,)),
        (muon_only, (ROWS,)),
    ):
        with pytest.raises(UnknownNameError, match="did you mean 'S_3'"):
            function("S3", *arguments)


def test_entries_that_allow_a_muoquark_are_those_of_the_conditions():
    classes = classify(ROWS)
    found = {name: allowed_muons(name, ROWS) for name in MUOQUARKS}
    for name, condition in (
        ("S_1", "no_diquark_b"),
        ("R_2", "no_diquark_a"),
        ("U_1", "no_diquark_a"),
    ):
        np.testing.assert_array_equal(found[name].any(axis=(1, 2)), classes[condition])
    # With couplings to left-handed muons alone, (14a) leaves 271 rows instead of 272
    assert {name: int(allowed[:, 0].any(axis=1).sum()) for name, allowed in found.items()} == {
        "S_3": 273,
        "S_1": 273,
        "R_2": 271,
        "U_1": 271,
    }
    assert not found["S_3"][:, 1].any()


@pytest.mark.parametrize("name", MUOQUARKS)
def test_coupling_to_muons_alone_by_counting_neutral_operators(name):
    rows = np.concatenate([assign(ROWS), assignments(ROWS[classify(ROWS)["chiral"]])])
    quark_sign = 1 if MUOQUARKS[name].colour == "3bar" else -1  # q l S, or qbar l S
    for row, found in zip(rows.tolist(), muon_only(name, rows).tolist(), strict=True):
        q, L, E = row[0], row[1:4], row[4:7]
        for charge, result in zip(muoquark_charges(name, q, L[1], E[1]), found, strict=True):
            if charge is None:
                assert not result
                continue
            # flavours of the leptons that it couples to together with a quark
            sides = (L, E) if MUOQUARKS[name].right else (L,)
            neutral = [
                i for triple in sides for i in range(3) if quark_sign * q + triple[i] + charge == 0
            ]
            diquark = 2 * q - quark_sign * charge == 0
            assert result == (set(neutral) == {1} and not diquark)


def test_allowed_muons_are_those_with_an_assignment_that_couples_to_muons_alone():
    for name in MUOQUARKS:
        allowed = allowed_muons(name, ROWS)
        for index in (*range(0, len(ROWS), 17), *np.nonzero(classify(ROWS)["chiral"])[0]):
            row = ROWS[index]
            options = assignments(row, vector=False)
            for side in (0, 1):
                muons = set(options[muon_only(name, options)[:, side], 2 + 3 * side].tolist())
                assert muons == set(row[1 + 3 * side : 4 + 3 * side][allowed[index, side]].tolist())
