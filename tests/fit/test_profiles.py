"""Profiles on grids against brute force; intervals against MINOS and exact answers."""

import math

import numpy as np
import pytest

from zscan.errors import NotConvergedError, ParameterError, UnknownNameError
from zscan.fit import Parameter, Problem, intervals, maximum_likelihood, minuit, profile

# One measurement and no mixing: the prediction is proportional to g_X^2
SIMPLE = Problem("B-3Lmu", ["delta_a_mu"], parameters={"g_X": (1e-5, 2e-3)}, fixed={"m_X": 0.1})
CENTRE = 9.4620e-4 / 3  # 251e-11: arXiv:2107.07518 Eq. (36) by quadrature
TWO = Problem(
    "muon-effective",
    ["delta_a_mu", "trident_ccfr"],
    parameters={"g_V": (0.0, 0.1), "g_A": (-2e-2, 2e-2)},
    fixed={"m_X": 2.6},
)
MINIMA = Problem(
    "muon-effective",
    ["r_k", "trident_ccfr"],
    parameters={"g_V": (1e-3, 0.02), "g_sb": (-1e-5, 1e-5)},
    fixed={"m_X": 2.6},
)


@pytest.fixture(scope="module")
def simple():
    return maximum_likelihood(SIMPLE, starts=8)


@pytest.fixture(scope="module")
def two():
    return maximum_likelihood(TWO, starts=16)


def test_intervals_of_one_measurement(simple):
    low, high = intervals(SIMPLE, simple)["g_X"]
    np.testing.assert_allclose(
        [251 * (low / CENTRE) ** 2, 251 * (high / CENTRE) ** 2], [251 - 59, 251 + 59], rtol=2e-4
    )
    low, high = intervals(SIMPLE, simple, cl=0.95)["g_X"]
    edges = [251 - 1.959964 * 59, 251 + 1.959964 * 59]
    np.testing.assert_allclose(
        [251 * (low / CENTRE) ** 2, 251 * (high / CENTRE) ** 2], edges, rtol=2e-4
    )


def test_no_crossing_up_to_the_bound(simple):
    """Zero coupling is 4.25 standard deviations away: the lower side has no end at five."""
    low, high = intervals(SIMPLE, simple, n_sigma=5)["g_X"]
    assert math.isnan(low)
    np.testing.assert_allclose(251 * (high / CENTRE) ** 2, 251 + 5 * 59, rtol=2e-4)


def test_intervals_are_those_of_minos(two):
    found = intervals(TWO, two)
    reference = minuit(TWO, two.parameters).merrors
    for name, (low, high) in found.items():
        best, sigma = two.parameters[name], two.errors[name]
        assert reference[name].is_valid
        assert abs(low - best - reference[name].lower) < 1e-3 * sigma
        assert abs(high - best - reference[name].upper) < 1e-3 * sigma
        assert (
            abs((high - low) / (2 * sigma) - 1) > 0.005
        )  # not a parabola: the Hessian would not do


def test_interval_is_where_the_profile_crosses(two):
    low, high = intervals(TWO, two, names=["g_V"])["g_V"]
    along = profile(TWO, {"g_V": [low, two.parameters["g_V"], high]}, result=two)
    np.testing.assert_allclose(along.chi2 - two.chi2, [1, 0, 1], atol=2e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cl": 1.0}, "cl = 1.0"), ({"cl": 95}, "cl = 95"), ({"n_sigma": 0}, "n_sigma = 0")],
)
def test_levels_that_are_none(simple, options, message):
    with pytest.raises(ParameterError, match=message):
        intervals(SIMPLE, simple, **options)


def test_refusals(simple):
    from dataclasses import replace

    with pytest.raises(UnknownNameError, match="not a free parameter"):
        intervals(SIMPLE, simple, names=["m_X"])
    with pytest.raises(UnknownNameError, match="not a free parameter"):
        profile(SIMPLE, {"m_X": [0.1]})
    with pytest.raises(NotConvergedError):
        intervals(SIMPLE, replace(simple, converged=False))


def test_profile_against_brute_force():
    """A dense grid of the other parameter: its lowest value lies above the profile, by its spacing
    only.
    """
    g_V = np.linspace(2e-3, 1e-2, 9)
    found = profile(TWO, {"g_V": g_V})
    assert found.converged.all()
    g_A = np.linspace(-2e-2, 2e-2, 200_001)
    table = np.asarray(TWO.chi2({"g_V": g_V[:, None], "g_A": g_A[None, :]}))
    difference = table.min(1) - found.chi2
    assert difference.min() > -1e-6
    assert difference.max() < 1e-4
    np.testing.assert_allclose(found.others["g_A"], g_A[table.argmin(1)], atol=3e-6)


def test_profile_picks_the_lower_of_several_minima():
    """For given g_V two values of g_sb < 0 reach the measured R_K; positive ones cannot."""
    g_V = np.array([1.5e-3, 5e-3, 1e-2])
    found = profile(MINIMA, {"g_V": g_V})
    assert found.converged.all()
    g_sb = np.linspace(-1e-5, 1e-5, 40_001)
    table = np.asarray(MINIMA.chi2({"g_V": g_V[:, None], "g_sb": g_sb[None, :]}))
    inner = (table[:, 1:-1] < table[:, :-2]) & (table[:, 1:-1] < table[:, 2:])
    assert (inner.sum(1) >= 2).all()  # several minima indeed
    difference = table.min(1) - found.chi2
    assert difference.min() > -1e-6
    assert difference.max() < 1e-3


def test_profile_of_all_parameters_is_the_function():
    g_V, g_A = np.linspace(1e-3, 1e-2, 4), np.linspace(-1e-3, 2e-3, 3)
    found = profile(TWO, {"g_A": g_A, "g_V": g_V})
    assert found.chi2.shape == (3, 4)
    assert found.others == {}
    expected = TWO.chi2({"g_V": g_V[None, :], "g_A": g_A[:, None]})
    np.testing.assert_allclose(found.chi2, expected, rtol=1e-12)


# Profiling a theory error that is part of the total one gives the total one back, for one
# measurement exactly
@pytest.mark.parametrize("observables", ["paper", "current"])
def test_theory_error_of_delta_a_mu_profiles_to_the_total_error(observables):
    g_X = np.array([0.0, 3e-4, 9.5e-4, 1.2e-3])
    settings = {
        "model": "Lmu-Ltau",
        "constraints": ["delta_a_mu"],
        "observables": observables,
        "fixed": {"m_X": 0.1},
    }
    split = Problem(**settings, parameters={"g_X": (0.0, 1e-2), "theory.delta_a_mu": Parameter()})
    whole = Problem(**settings, parameters={"g_X": (0.0, 1e-2)})
    found = profile(split, {"g_X": g_X}, starts=2)
    assert found.converged.all()
    np.testing.assert_allclose(found.chi2, whole.chi2({"g_X": g_X}), atol=1e-6)


def test_theory_error_of_r_k_adds_to_that_of_the_measurement():
    """The error of R_K holds no theory error: profiling 1 % gives sigma^2 + 0.01^2, either side."""
    g_V = np.array([-2e-3, 2e-3])  # constructive, destructive
    settings = {"model": "muon-effective", "constraints": ["r_k"], "observables": "current"}
    fixed = {"m_X": 2.6, "g_sb": -1e-6}
    split = Problem(
        **settings, parameters={"g_V": (-0.1, 0.1), "theory.r_k": Parameter()}, fixed=fixed
    )
    found = profile(split, {"g_V": g_V}, starts=2)
    deviation = (
        np.asarray(split.likelihood.evaluate({**fixed, "g_V": g_V})["r_k"].observable) - 0.949
    )
    assert deviation[0] * deviation[1] < 0
    error = np.where(deviation > 0, 0.0474, 0.0465)
    expected = deviation**2 / (error**2 + 0.01**2) - split.likelihood.chi2_zero["r_k"]
    np.testing.assert_allclose(found.chi2, expected, atol=1e-4)
