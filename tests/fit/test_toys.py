"""Toys: coverage and pulls where the fit is in its asymptotic regime; what cannot be drawn is
refused.
"""

import numpy as np
import pytest

from zscan.errors import ParameterError
from zscan.fit import Normal, Parameter, Problem, toys
from zscan.fit.toys import _draw

NUMBER = 1000
# Far from zero coupling, where predictions are linear within the errors and Wilks' theorem holds
ONE = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"g_X": (1e-4, 1e-2)}, fixed={"m_X": 0.1})
TWO = Problem(
    "muon-effective",
    ["delta_a_mu", "trident_ccfr"],
    parameters={
        "g_V": (2e-3, 4e-3),
        "g_A": (2e-4, 2e-3),
    },  # one of the solutions of two quadratic equations
    fixed={"m_X": 0.1},
)


@pytest.fixture(
    scope="module",
    params=[(ONE, {"g_X": 2e-3}), (TWO, {"g_V": 3e-3, "g_A": 1e-3})],
    ids=["one", "two"],
)
def found(request):
    return toys(*request.param, NUMBER)


def within(fraction, level, number, sigmas=3):
    return abs(fraction - level) < sigmas * np.sqrt(level * (1 - level) / number)


def test_coverage(found):
    assert found.converged.all()
    for level in (0.6827, 0.95):
        assert within(found.coverage(level), level, NUMBER)
    for name, fraction in found.coverage_of_errors().items():
        assert within(fraction, 0.6827, NUMBER), name


def test_pulls(found):
    for pulls in found.pulls.values():
        assert pulls.shape == (NUMBER,)
        assert abs(pulls.mean()) < 3 / np.sqrt(NUMBER)
        assert abs(pulls.std() - 1) < 3 / np.sqrt(2 * NUMBER)


def test_chi2_of_the_truth_is_distributed_as_chi2(found):
    """Mean of chi2 with d degrees of freedom: d, variance 2d."""
    degrees = len(found.truth)
    assert (found.chi2_of_truth > -1e-6).all()
    assert abs(found.chi2_of_truth.mean() - degrees) < 3 * np.sqrt(2 * degrees / NUMBER)


def test_seeds():
    first, again, other = (_draw(ONE, {"g_X": 2e-3}, 20, seed)["delta_a_mu"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("constraints", "parameters", "fixed", "truth", "message"),
    [
        (
            ["coherent", "delta_a_mu"],
            {"g_X": (1e-5, 1e-2)},
            {"m_X": 0.1},
            {"g_X": 1e-3},
            "coherent: toys need",
        ),
        (
            ["delta_a_mu"],
            {"g_X": (1e-5, 1e-2)},
            {"m_X": 0.1},
            {},
            "truth needs a value for each of g_X",
        ),
        (
            ["delta_a_mu"],
            {"g_X": (1e-5, 1e-2)},
            {"m_X": 0.1},
            {"g_X": 1e-3, "m_X": 0.1},
            "for nothing else",
        ),
        (
            ["delta_a_mu"],
            {"g_X": Parameter(1e-5, 1e-2, prior=Normal(1e-3, 1e-4))},
            {"m_X": 0.1},
            {"g_X": 1e-3},
            "normal prior",
        ),
        (
            ["delta_a_mu", "r_k"],
            {"g_X": (1e-5, 1e-2)},
            {"m_X": 0.1},
            {"g_X": 1e-3},
            "r_k does not apply at the truth",
        ),
    ],
)
def test_refusals(constraints, parameters, fixed, truth, message):
    problem = Problem("B-L", constraints, parameters=parameters, fixed=fixed)
    with pytest.raises(ParameterError, match=message):
        toys(problem, truth, 10)
