"""Best fits: against iminuit and fine grids, several minima, bounds, errors, failure."""

import json
import math
from functools import partial

import numpy as np
import pytest
from scipy.stats import chi2 as chi2_law

from zscan.errors import NotConvergedError
from zscan.fit import Normal, Parameter, Problem, maximum_likelihood, minuit
from zscan.fit.best import start_points

COMMON = ["delta_a_mu", "trident_ccfr", "borexino"]


def grid_minimum(problem, result, names, width=3.0, points=81, rounds=4):
    """Place of the lowest value on grids that close in on it, starting `width` errors wide around
    the result.
    """
    centre = {
        name: result.parameters[name] + 0.3 * result.errors[name] for name in names
    }  # not on the answer
    half = {name: width * result.errors[name] for name in names}
    for _ in range(rounds):
        axes = [
            np.clip(
                np.linspace(centre[name] - half[name], centre[name] + half[name], points),
                problem.bounded(name).min,
                problem.bounded(name).max,
            )
            for name in names
        ]
        mesh = dict(zip(names, np.meshgrid(*axes, indexing="ij", sparse=True), strict=True))
        values = np.asarray(problem.chi2(mesh))
        index = np.unravel_index(np.argmin(values), values.shape)
        centre = {name: axis[i] for name, axis, i in zip(names, axes, index, strict=True)}
        half = {name: 4 * size / points for name, size in half.items()}
    return centre, values.min()


PROBLEMS = {
    "g_X of Lmu-Ltau": partial(
        Problem, "Lmu-Ltau", COMMON, parameters={"g_X": (1e-4, 1e-2)}, fixed={"m_X": 0.1}
    ),
    "g_V and g_A": partial(
        Problem,
        "muon-effective",
        ["delta_a_mu", "trident_ccfr"],
        parameters={"g_V": (0.0, 0.1), "g_A": (-2e-2, 2e-2)},
        fixed={"m_X": 2.6},
    ),
    "g_V and g_sb": partial(
        Problem,
        "muon-effective",
        ["delta_a_mu", "trident_ccfr", "r_k"],
        parameters={"g_V": (-0.02, 0.02), "g_sb": (-1e-5, 1e-5)},
        fixed={"m_X": 2.6},
    ),
    "a charge": partial(
        Problem,
        "Lmu-Ltau",
        COMMON,
        parameters={"g_X": (1e-4, 1e-2), "charge.L.e": (0.0, 1.0)},
        fixed={"m_X": 0.1, "eps": 1e-5},
    ),
}


@pytest.fixture(scope="module")
def problems():
    return {name: make() for name, make in PROBLEMS.items()}


@pytest.fixture(scope="module")
def fits(problems):
    return {name: maximum_likelihood(problem) for name, problem in problems.items()}


@pytest.mark.parametrize("name", PROBLEMS)
def test_best_fit_agrees_with_iminuit_and_a_grid(problems, fits, name):
    problem, result = problems[name], fits[name]
    assert result.converged
    assert result.edm < 1e-7
    migrad = minuit(problem, result.parameters, minos=False)
    # iminuit does not start on the answer
    migrad.values = [result.parameters[key] + 0.3 * result.errors[key] for key in problem.names]
    migrad.migrad()
    assert migrad.valid
    place, lowest = grid_minimum(problem, result, problem.names)
    assert abs(result.chi2 - migrad.fval) < 1e-5
    assert result.chi2 <= lowest + 1e-7
    for key in problem.names:
        assert abs(result.parameters[key] - migrad.values[key]) < 1e-3 * result.errors[key]
        assert abs(result.parameters[key] - place[key]) < 1e-3 * result.errors[key]


@pytest.mark.parametrize("name", ["g_X of Lmu-Ltau", "g_V and g_A"])
def test_covariance_is_that_of_hesse(problems, fits, name):
    problem, result = problems[name], fits[name]
    migrad = minuit(problem, result.parameters, minos=False)
    # HESSE takes finite differences of the gradient, and transforms the bounds: 1 %
    np.testing.assert_allclose(result.covariance, np.array(migrad.covariance), rtol=0.01)
    np.testing.assert_allclose(list(result.errors.values()), list(migrad.errors), rtol=0.005)
    np.testing.assert_allclose(np.diagonal(result.correlation), 1.0, rtol=1e-12)


def test_minima_of_either_sign_of_the_interference(fits):
    """R_K sees g_V g_sb through the interference and (g_V g_sb)^2: both signs of g_sb, two sizes
    each.
    """
    result = fits["g_V and g_sb"]
    lowest = [item for item in result.minima if item.chi2 < result.chi2 + 1e-3]
    assert len(lowest) == 4
    assert sum(item.starts for item in result.minima) == result.starts_converged
    places = sorted((item.parameters["g_sb"], item.parameters["g_V"]) for item in lowest)
    assert [math.copysign(1, g_sb) for g_sb, _ in places] == [-1, -1, 1, 1]
    assert all(g_sb * g_V < 0 for g_sb, g_V in places)  # destructive
    np.testing.assert_allclose(places[0], [-item for item in places[3]], rtol=1e-3)
    np.testing.assert_allclose(places[1], [-item for item in places[2]], rtol=1e-3)
    # all four reach the measured R_K exactly
    np.testing.assert_allclose(result.contributions["r_k"].observable, 0.846, atol=1e-5)


def test_contributions_and_p_value(fits):
    result = fits["g_X of Lmu-Ltau"]
    assert list(result.contributions) == COMMON
    np.testing.assert_allclose(
        sum(item.chi2 for item in result.contributions.values()), result.chi2_total, rtol=1e-10
    )
    item = result.contributions["trident_ccfr"]
    np.testing.assert_allclose(item.pull, (item.observable - 0.82) / 0.28, rtol=1e-12)
    np.testing.assert_allclose(item.chi2, item.pull**2, rtol=1e-9)
    assert result.degrees_of_freedom == 2
    np.testing.assert_allclose(result.p_value, chi2_law.sf(result.chi2_total, 2), rtol=1e-10)
    # as many parameters as measurements: no goodness of fit
    assert math.isnan(fits["g_V and g_A"].p_value)
    assert fits["g_V and g_A"].to_table()["p_value"] is None


def test_text_and_table(fits):
    result = fits["g_V and g_sb"]
    text = str(result)
    assert text.startswith("minimum found: ")
    assert "local minimum: chi2 +" in text
    for name in (*result.names, *result.contributions):
        assert name in text
    table = json.loads(json.dumps(result.to_table(), allow_nan=False))
    assert table["parameters"] == result.parameters
    assert table["converged"] is True


def test_no_convergence_is_an_error(monkeypatch):
    """One Newton step, which only evaluates the start, is not enough."""
    monkeypatch.setattr("zscan.optimise.solver._WARM_STEPS", 1)
    monkeypatch.setattr("zscan.optimise.minimise.MAX_STEPS", 1)
    problem = Problem(
        "Lmu-Ltau",
        ["trident_ccfr", "borexino"],
        parameters={"g_X": (1e-4, 1e-2), "charge.L.e": (0, 1)},
        fixed={"m_X": 0.1},
    )
    result = maximum_likelihood(problem, starts=4)
    assert not result.converged
    with pytest.raises(NotConvergedError, match="did not converge from any of 4 starts") as caught:
        _ = result.parameters
    assert caught.value.exit_code == 3
    assert str(result).startswith("no minimum found: 0 of 4 starts converged")
    assert "g_X" not in str(result)  # no number that looks like a result
    table = result.to_table()
    assert table["converged"] is False
    assert table["parameters"] is None
    assert table["errors"] is None


def test_parameter_at_its_bound():
    """g-2 wants g_X = 9.5e-4 at 100 MeV: an upper bound of 5e-4 is reached, with nothing left to
    determine.
    """
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={"g_X": (1e-4, 5e-4), "theory.delta_a_mu": Parameter()},
        fixed={"m_X": 0.1},
    )
    result = maximum_likelihood(problem, starts=16)
    assert result.converged
    assert result.at_bound == (True, False)
    assert result.parameters["g_X"] == pytest.approx(5e-4, rel=1e-9)
    assert math.isnan(result.errors["g_X"])
    assert result.errors["theory.delta_a_mu"] == pytest.approx(
        math.sqrt(59**2 - 43**2) / 59, rel=1e-6
    )
    assert "at its bound" in str(result)
    assert result.to_table()["errors"]["g_X"] is None


def test_flat_valley_is_said_to_be_one():
    problem = Problem(
        "muon-effective",
        ["delta_a_mu"],
        parameters={"g_V": (1e-3, 1e-2), "g_A": (1e-5, 3e-3)},
        fixed={"m_X": 0.3},
    )
    result = maximum_likelihood(problem, starts=16)
    assert result.converged
    assert result.flat
    assert np.isnan(result.covariance).all()
    assert "flat in some direction" in str(result)
    assert result.chi2_total == pytest.approx(0, abs=1e-6)


def test_normal_prior_enters_as_data():
    """Gaussian in the pull: the mean and the error of the product of two normal densities."""
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={"theory.delta_a_mu": Parameter(prior=Normal(1.0, 0.5))},
        fixed={"m_X": 0.1, "g_X": 0.0},
    )
    result = maximum_likelihood(problem, starts=4)
    experiment = 59**2 - 43**2
    # (43 t - 251)^2/experiment + t^2 + (t - 1)^2/0.25
    weight = 43**2 / experiment + 1 + 4
    assert result.parameters["theory.delta_a_mu"] == pytest.approx(
        (43 * 251 / experiment + 4) / weight, abs=1e-4
    )
    assert result.errors["theory.delta_a_mu"] == pytest.approx(weight**-0.5, rel=1e-9)


def test_starts(problems):
    problem = problems["g_V and g_A"]
    units = np.asarray(start_points(problem, 256, 0))
    assert units.shape == (2, 256)
    assert units.min() >= 0.01
    assert units.max() <= 0.99
    # even in two dimensions: every cell of an 8 x 8 grid has one of 256 starts
    assert np.unique((units * 8).astype(int), axis=1).shape[1] == 64
    assert not np.array_equal(units, start_points(problem, 256, 1))
    given = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={"g_X": Parameter(0, 1, start=0.25)},
        fixed={"m_X": 0.1},
    )
    assert float(start_points(given, 3, 0)[0, 0]) == 0.25
