"""The SU(5) x SU(3)' x SU(2)_L x U(1)' model of arXiv:2107.07518 sec. 5 and app. C: group theory,
exact.
"""

import json
import math
import subprocess
import sys
from collections import Counter
from fractions import Fraction as F
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zscan
from zscan.charges import su5
from zscan.charges.weights import decompose, trace, units
from zscan.cli import main
from zscan.errors import ModelError, ParameterError

COUPLINGS = st.floats(0.05, 4.0)


def texts(multiplets):
    return Counter(map(str, multiplets))


# Generators


def test_generators_are_orthonormal_hermitian_and_traceless():
    found = su5.generators()
    assert len(found) == 24
    for a, (matrix, norm2) in enumerate(found):
        assert np.array_equal(matrix, matrix.conj().T)
        assert np.trace(matrix) == 0
        assert 2 * np.trace(matrix @ matrix) == norm2  # Tr T^2 = 1/2
        assert all(np.trace(matrix @ other.matrix) == 0 for other in found[:a])


def test_embedding_of_t15_and_t24():
    for generator, diagonal, norm2, commuting in (
        (su5.T_15, [1, 1, 1, -3, 0], 24, 8),  # commutes with SU(3)_5
        (su5.T_24, [1, 1, 1, 1, -4], 40, 15),  # commutes with SU(4)
    ):
        assert np.array_equal(generator.matrix, np.diag(diagonal))
        assert generator.norm2 == norm2
        for other in su5.generators()[:commuting]:
            assert np.array_equal(generator.matrix @ other.matrix, other.matrix @ generator.matrix)


def test_hypercharge_and_x_in_su5():
    sums = [
        a + b
        for a, b in zip(
            su5.root_times(F(2, 3), su5.T_15), su5.root_times(F(2, 5), su5.T_24), strict=True
        )
    ]
    assert list(su5.Y_5) == sums == [F(4, 15)] * 3 + [F(-2, 5)] * 2
    # sqrt(6)/2 and sqrt(10)/2 are the roots of 3/2 and 5/2
    sums = [
        a - b
        for a, b in zip(
            su5.root_times(F(3, 2), su5.T_15), su5.root_times(F(5, 2), su5.T_24), strict=True
        )
    ]
    assert list(su5.X) == sums == [0, 0, 0, -1, 1]
    assert list(su5.T_3) == [F(1, 6)] * 3 + [F(-1, 2), 0]
    assert list(su5.T_4) == [F(1, 10)] * 4 + [F(-2, 5)]
    pairs = list(zip(su5.T_3, su5.T_4, strict=True))
    assert [a + b for a, b in pairs] == [F(4, 15)] * 3 + [F(-2, 5)] * 2
    assert [F(3, 2) * a - F(5, 2) * b for a, b in pairs] == [0, 0, 0, -1, 1]


@pytest.mark.parametrize("square", [F(1, 2), -F(2, 3)])
def test_an_irrational_multiple_is_refused(square):
    with pytest.raises(ParameterError, match="not rational"):
        su5.root_times(square, su5.T_15)


# Fermions


@pytest.mark.parametrize(
    ("name", "quantum_numbers", "parts"),
    [
        (
            "Psi_L",
            ("L", 5, 1, 2, "-1/10"),
            ["q3 (3,2)_{1/6} X=0", "l3 (1,2)_{-1/2} X=-1", "l2 (1,2)_{-1/2} X=+1"],
        ),
        (
            "Psi_R+",
            ("R", 5, 1, 1, "2/5"),
            ["u3 (3,1)_{2/3} X=0", "nu3 (1,1)_{0} X=-1", "nu2 (1,1)_{0} X=+1"],
        ),
        (
            "Psi_R-",
            ("R", 5, 1, 1, "-3/5"),
            ["d3 (3,1)_{-1/3} X=0", "e3 (1,1)_{-1} X=-1", "e2 (1,1)_{-1} X=+1"],
        ),
        ("q_12", ("L", 1, 3, 2, "1/6"), ["q1 (3,2)_{1/6} X=0", "q2 (3,2)_{1/6} X=0"]),
        ("u_12", ("R", 1, 3, 1, "2/3"), ["u1 (3,1)_{2/3} X=0", "u2 (3,1)_{2/3} X=0"]),
        ("d_12", ("R", 1, 3, 1, "-1/3"), ["d1 (3,1)_{-1/3} X=0", "d2 (3,1)_{-1/3} X=0"]),
        ("l_1", ("L", 1, 1, 2, "-1/2"), ["l1 (1,2)_{-1/2} X=0"]),
        ("e_1", ("R", 1, 1, 1, "-1"), ["e1 (1,1)_{-1} X=0"]),
        ("nu_1", ("R", 1, 1, 1, "0"), ["nu1 (1,1)_{0} X=0"]),
    ],
)
def test_table_2_and_its_components(name, quantum_numbers, parts):
    (field,) = (field for field in su5.FIELDS if field.name == name)
    assert field[1:6] == (*quantum_numbers[:4], F(quantum_numbers[4]))
    assert [str(component) for component in su5.components(field)] == parts
    assert all(text in su5.table_2() for text in parts)


def test_the_fermions_are_three_standard_model_generations():
    found = [component for field in su5.FIELDS for component in su5.components(field)]
    expected = product(("q", "u", "d", "l", "e", "nu"), (1, 2, 3))
    assert sorted((c.species, c.generation) for c in found) == sorted(expected)
    hypercharges = {
        key: {c.Y for c in found if c.species == key} for key in ("q", "u", "d", "l", "e", "nu")
    }
    sixth = {"Q": 1, "U": 4, "D": -2, "L": -3, "E": -6, "N": 0}
    assert {key: {6 * y for y in values} for key, values in hypercharges.items()} == {
        new: {sixth[old]}
        for old, new in zip("QUDLEN", ("q", "u", "d", "l", "e", "nu"), strict=True)
    }
    assert zscan.charges.anomalies(**sixth) == (0,) * 6


def test_charges_are_those_of_the_l_mu_minus_l_tau_model():
    model = zscan.load_model("Lmu-Ltau")
    charges = su5.charges()
    assert charges == {species: model.triple(species) for species in "QUDLEN"}
    assert zscan.charges.anomalies(**charges) == (0,) * 6
    assert [charges[species][2] for species in "QUD"] == [0, 0, 0]
    assert (model.charge("E", "mu"), model.charge("E", "tau")) == (1, -1)


def test_a_field_outside_the_standard_model_is_refused():
    with pytest.raises(ModelError, match="field 'Psi_L'"):
        su5.components(su5.FIELDS[0]._replace(u1=F(1, 10)))


# Anomalies


def test_all_anomalies_vanish():
    assert su5.anomalies() == dict.fromkeys(
        [
            "SU(5)^3",
            "SU(3)'^3",
            "SU(5)^2 U(1)'",
            "SU(3)'^2 U(1)'",
            "SU(2)_L^2 U(1)'",
            "U(1)'^3",
            "grav^2 U(1)'",
        ],
        0,
    )
    assert su5.doublets() == 12


def test_anomalies_vanish_state_by_state():
    """Sums over all Weyl fermions of products of three (and of one) Cartan charges of the whole
    group.
    """

    def weights(dimension, n):
        return [[F(x) - F(1, n) for x in w] for w in units(n)] if dimension == n else [[F(0)] * n]

    states = []
    for field in su5.FIELDS:
        copies = 2 if field.name.endswith("_12") else 1
        for w5, w3, w2 in product(
            weights(field.su5, 5), weights(field.su3, 3), weights(field.su2, 2)
        ):
            states += [(1 if field.chirality == "L" else -1, [*w5, *w3, *w2, field.u1])] * copies
    assert len(states) == 48  # three generations of 16
    for a, b, c in combinations_with_replacement(range(11), 3):
        assert sum(sign * q[a] * q[b] * q[c] for sign, q in states) == 0
    for a in range(11):
        assert sum(sign * q[a] for sign, q in states) == 0


@pytest.mark.parametrize(
    ("missing", "expected"),
    # left minus right, by hand: the field's own contribution with the opposite sign
    [
        (
            "Psi_L",
            {
                "SU(5)^3": -2,
                "SU(5)^2 U(1)'": F(1, 10),
                "SU(2)_L^2 U(1)'": F(1, 4),
                "grav^2 U(1)'": 1,
            },
        ),
        (
            "Psi_R-",
            {"SU(5)^3": 1, "SU(5)^2 U(1)'": F(-3, 10), "SU(2)_L^2 U(1)'": 0, "U(1)'^3": F(-27, 25)},
        ),
        (
            "d_12",
            {"SU(3)'^3": 2, "SU(3)'^2 U(1)'": F(-1, 3), "grav^2 U(1)'": -2, "U(1)'^3": F(-2, 9)},
        ),
        ("l_1", {"SU(2)_L^2 U(1)'": F(1, 4), "U(1)'^3": F(1, 4), "grav^2 U(1)'": 1}),
    ],
)
def test_a_missing_field_is_anomalous(missing, expected):
    sums = su5.anomalies(field for field in su5.FIELDS if field.name != missing)
    assert {key: sums[key] for key in expected} == expected


# Breaking and vector bosons


def test_path_a():
    start, group, end = su5.PATHS["A"]
    assert texts(decompose(su5.FIVE, group)) == texts(["(3,1)_{4/15}", "(1,2)_{-2/5}"])
    assert texts(decompose(su5.ADJOINT, group)) == texts(
        ["(8,1)_{0}", "(1,1)_{0}", "(1,3)_{0}", "(3,2)_{2/3}", "(3bar,2)_{-2/3}"]
    )
    assert texts(su5.broken_roots(start, group)) == texts(
        ["(3)_{2/3,1}", "(3)_{2/3,-1}", "(3bar)_{-2/3,1}", "(3bar)_{-2/3,-1}"]
    )
    assert texts(su5.broken_roots(group, end)) == texts(["(1)_{0,2}", "(1)_{0,-2}"])


def test_path_b():
    start, su4, su3 = su5.PATHS["B"]
    assert texts(decompose(su5.FIVE, su4)) == texts(["(4)_{1/10}", "(1)_{-2/5}"])
    assert texts(decompose(su5.ADJOINT, su4)) == texts(
        ["(15)_{0}", "(1)_{0}", "(4)_{1/2}", "(4bar)_{-1/2}"]
    )
    quartet = decompose(su5.FIVE[:4], su3._replace(charges={"T_3": su5.T_3}))
    assert texts(quartet) == texts(["(3)_{1/6}", "(1)_{-1/2}"])
    # the leptoquark to muons gets its mass from the first step, that to taus from the breaking of
    # SU(4)
    assert texts(su5.broken_roots(start, su4)) == texts(
        ["(3)_{2/3,-1}", "(3bar)_{-2/3,1}", "(1)_{0,2}", "(1)_{0,-2}"]
    )
    assert texts(su5.broken_roots(su4, su3)) == texts(["(3)_{2/3,1}", "(3bar)_{-2/3,-1}"])


def test_vector_bosons():
    assert [tuple(boson) for boson in su5.vector_bosons()] == [
        ("leptoquark", "3", F(2, 3), 1, 6),
        ("leptoquark", "3", F(2, 3), -1, 6),
        ("mu-tau", "1", 0, 2, 2),
        ("octet", "8", 0, 0, 8),
        ("Z'", "1", 0, 0, 1),
    ]
    # dimensions of SU(5) x SU(3)' x U(1)' and of SU(3)_c x U(1)_Y x U(1)_X
    assert sum(boson.states for boson in su5.vector_bosons()) == (24 + 8 + 1) - (8 + 1 + 1)


def test_charges_of_bosons_from_commutators():
    for i, j in product(range(5), repeat=2):
        if i != j:
            raising = np.zeros((5, 5), int)
            raising[i, j] = 1
            root = tuple(a - b for a, b in zip(su5.FIVE[i], su5.FIVE[j], strict=True))
            for charge in (su5.X, su5.Y_5):
                times_30 = np.diag([int(30 * entry) for entry in charge])
                assert np.array_equal(
                    times_30 @ raising - raising @ times_30, 30 * trace(root, charge) * raising
                )


# Matching


@given(COUPLINGS, COUPLINGS, COUPLINGS)
def test_matching_formulas(g_5, g_3, g_1):
    g_s, g_Y, g_X = su5.match(g_5, g_3, g_1)
    assert math.isclose(g_s**-2, g_5**-2 + g_3**-2, rel_tol=1e-14)
    assert math.isclose(g_Y**-2, g_1**-2 + 16 / 15 * g_5**-2, rel_tol=1e-14)
    assert math.isclose(g_X**-2, 4 * g_5**-2, rel_tol=1e-14)
    assert g_s / 2 < g_X == g_5 / 2


def test_no_kinetic_mixing():
    assert trace(su5.X, su5.Y_5) == 0
    assert (2 * trace(su5.Y_5, su5.Y_5), 2 * trace(su5.X, su5.X)) == (F(16, 15), 4)


@given(COUPLINGS, COUPLINGS, COUPLINGS)
def test_matching_is_exchange_of_the_massless_bosons(g_5, g_3, g_1):
    """The mass matrix of the seven neutral bosons, from vevs of (5,3bar)_{-4/15} equal in three
    colours, has four zero modes; their exchange between two fermions is that of gluons, B and X
    with the matched couplings and no mixing."""
    diagonals = [
        np.diag(g.matrix).real / math.sqrt(g.norm2)
        for g in (su5.generators()[i] for i in (2, 7, 14, 23))
    ]
    su5_charges = np.array(diagonals)  # T_3, T_8, T_15, T_24 against the five entries
    su3_charges = su5_charges[:2, :3]

    def couplings(entry, colour, u1):
        """Couplings to (W_3, W_8, W_15, W_24, G'_3, G'_8, B'); entry, colour: (sign, index), or
        None for a singlet.
        """
        first = np.zeros(4) if entry is None else entry[0] * su5_charges[:, entry[1]]
        second = np.zeros(2) if colour is None else colour[0] * su3_charges[:, colour[1]]
        return np.concatenate([g_5 * first, g_3 * second, [g_1 * u1]])

    vevs = [couplings((1, i), (-1, i), -4 / 15) for i in range(3)]
    directions, _ = np.linalg.qr(np.array(vevs).T)
    massless = np.eye(7) - directions @ directions.T
    fermions = [  # couplings, (T_3, T_8) of colour, Y, X
        (couplings((1, 0), None, -1 / 10), su3_charges[:, 0], 1 / 6, 0),  # q_3
        (couplings((1, 3), None, -1 / 10), np.zeros(2), -1 / 2, -1),  # l_3
        (couplings((1, 4), None, -3 / 5), np.zeros(2), -1, 1),  # mu_R
        (couplings(None, (1, 1), 2 / 3), su3_charges[:, 1], 2 / 3, 0),  # u_1
        (couplings(None, None, -1), np.zeros(2), -1, 0),  # e_1
    ]
    g_s, g_Y, g_X = su5.match(g_5, g_3, g_1)
    for (one, colour_1, Y_1, X_1), (other, colour_2, Y_2, X_2) in combinations_with_replacement(
        fermions, 2
    ):
        expected = g_s**2 * colour_1 @ colour_2 + g_Y**2 * Y_1 * Y_2 + g_X**2 * X_1 * X_2
        scale = np.linalg.norm(one) * np.linalg.norm(other)
        assert abs(one @ massless @ other - expected) < 1e-10 * scale


@pytest.mark.parametrize(
    ("values", "name"), [((0, 1, 1), "g_5"), ((1, math.nan, 1), "g_3"), ((1, 1, -1), "g_1")]
)
def test_unusable_couplings_are_refused(values, name):
    with pytest.raises(ParameterError, match=f"{name} = "):
        su5.match(*values)


# Text


def test_command_line_prints_table_and_checks(capsys):
    assert main(["su5"]) == 0
    out = capsys.readouterr().out
    assert su5.table_2() in out
    for text in (
        "SU(5)^3 = 0",
        "doublets: 12",
        "(3,1)_{4/15} + (1,2)_{-2/5}",
        "(4)_{1/10}",
        "(16/15)/g_5^2",
        "mu-tau",
    ):
        assert text in out


def test_module_leaves_jax_alone():
    subprocess.run(
        [sys.executable, "-c", "import sys, zscan.charges.su5; assert 'jax' not in sys.modules"],
        check=True,
    )


def test_the_table_is_json_with_exact_fractions():
    table = json.loads(json.dumps(su5.to_table()))
    assert set(table["anomalies"].values()) == {"0"}
    assert table["doublets"] == su5.doublets()
    psi = table["fields"][0]
    assert (psi["name"], psi["u1"]) == ("Psi_L", "-1/10")
    assert [item["X"] for item in psi["components"]] == ["0", "-1", "1"]  # diag(0, 0, 0, -1, 1)
    assert sum(boson["states"] for boson in table["vector_bosons"]) == (24 + 8 + 1) - (8 + 1 + 1)
