"""What is fitted: every fault by its dotted path, scales, chi2."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from zscan.errors import CardError, UnknownNameError
from zscan.fit import Normal, Parameter, Problem
from zscan.likelihood import log_likelihood

NAN = math.nan


def faults(parameters, fixed=None, constraints=("delta_a_mu",), model="Lmu-Ltau"):
    with pytest.raises(CardError) as caught:
        Problem(
            model,
            list(constraints),
            parameters=parameters,
            fixed={"m_X": 0.1} if fixed is None else fixed,
        )
    return caught.value


@pytest.mark.parametrize(
    ("extra", "path", "problem"),
    [
        ({"g_x": (0, 1)}, "parameters.g_x", "unknown parameter"),
        ({"g_V": (0, 1)}, "parameters.g_V", "unknown parameter"),  # known, but not to this model
        ({"m_X": (0.1, 1)}, "fixed.m_X", "both free and fixed"),
        ({"eps": (-2, 1)}, "parameters.eps.min", "out of range"),
        ({"eps": (-1, 2)}, "parameters.eps.max", "out of range"),
        ({"eps": (0.1, -0.1)}, "parameters.eps.max", "not above min"),
        ({"eps": (0.1, 0.1)}, "parameters.eps.max", "not above min"),
        ({"eps": (NAN, 0.1)}, "parameters.eps.min", "not a finite number"),
        ({"charge.L.e": (0, math.inf)}, "parameters.charge.L.e.max", "not a finite number"),
        ({"eps": ("0", 0.1)}, "parameters.eps.min", "not a finite number"),
        ({"eps": (False, 0.1)}, "parameters.eps.min", "not a finite number"),
        ({"eps": 0.1}, "parameters.eps", "not usable"),
        ({"eps": (0, 0.1, 0.2)}, "parameters.eps", "not usable"),
        (
            {"eps": Parameter(0, 0.1, scale="log")},
            "parameters.eps.min",
            "not positive on a log scale",
        ),
        ({"eps": Parameter(scale="log")}, "parameters.eps.min", "not positive on a log scale"),
        ({"eps": Parameter(0, 0.1, scale="ln")}, "parameters.eps.scale", "unknown"),
        ({"eps": Parameter(0, 0.1, start=0.2)}, "parameters.eps.start", "outside the bounds"),
        ({"eps": Parameter(0, 0.1, start=NAN)}, "parameters.eps.start", "outside the bounds"),
        ({"eps": Parameter(0, 0.1, prior="uniform")}, "parameters.eps.prior", "unknown"),
        ({"eps": Parameter(0, 0.1, prior=Normal(0, 0))}, "parameters.eps.prior", "not usable"),
        ({"eps": Parameter(0, 0.1, prior=Normal(0, -1))}, "parameters.eps.prior", "not usable"),
        ({"eps": Parameter(0, 0.1, prior=Normal(NAN, 1))}, "parameters.eps.prior", "not usable"),
        (
            {"eps": Parameter(0, 0.1, prior="log-flat")},
            "parameters.eps.prior",
            "log-flat needs positive bounds",
        ),
    ],
)
def test_one_fault(extra, path, problem):
    error = faults({"g_X": (1e-4, 1e-2), **extra})
    assert [(item.path, item.problem) for item in error.faults] == [(path, problem)]
    assert f"{path}: {problem}" in str(error)


@pytest.mark.parametrize(
    ("fixed", "path", "problem"),
    [
        ({"m_X": 0.1, "q": 1.0}, "fixed.q", "unknown parameter"),
        ({"m_X": 1e9}, "fixed.m_X", "out of range"),
        ({"m_X": NAN}, "fixed.m_X", "not a finite number"),
        ({}, "parameters.m_X", "missing"),
    ],
)
def test_one_fault_of_fixed(fixed, path, problem):
    error = faults({"g_X": (1e-4, 1e-2)}, fixed)
    assert [(item.path, item.problem) for item in error.faults] == [(path, problem)]


def test_all_faults_at_once():
    error = faults({"eps": (3, 2), "charge.L.e": Parameter(0, 1, scale="log")}, {"g_x": 1.0})
    assert {item.path for item in error.faults} == {
        "parameters.eps.min",
        "parameters.eps.max",
        "parameters.charge.L.e.min",
        "fixed.g_x",
        "parameters.m_X",
        "parameters.g_X",
    }
    assert "6 faults" in str(error)
    assert error.exit_code == 2
    assert [item.path for item in faults({}).faults] == ["parameters", "parameters.g_X"]


def test_unknown_model_and_constraint():
    with pytest.raises(UnknownNameError, match="Lmu-Ltau"):
        Problem("Lmu-Ltua", parameters={"g_X": (0, 1)})
    with pytest.raises(UnknownNameError, match="delta_a_mu"):
        Problem("Lmu-Ltau", ["delta_a_nu"], parameters={"g_X": (0, 1)})


@pytest.mark.parametrize(
    ("model", "parameters", "fixed", "flat"),
    [
        # no constraint depends on it
        ("B-L", {"g_X": (1e-4, 1e-2), "theory.r_k": Parameter()}, {"m_X": 0.1}, "theory.r_k"),
        # a valley: any g_V finds a g_A, any g_X finds an m_X that gives the measured value
        ("muon-effective", {"g_V": Parameter(), "g_A": (-12.5, 12.5)}, {"m_X": 0.1}, "g_V"),
        pytest.param(
            "B-L",
            {"m_X": Parameter(scale="log"), "g_X": Parameter()},
            {},
            "g_X",
            marks=pytest.mark.slow,
        ),
        # eps and g_X enter one coupling
        ("B-L", {"g_X": (-1.0, 1.0), "eps": Parameter()}, {"m_X": 0.1}, "eps"),
    ],
)
def test_flat_profile_without_bounds(model, parameters, fixed, flat):
    error = faults(parameters, fixed, model=model)
    assert [item.path for item in error.faults] == [f"parameters.{flat}"]
    assert "does not depend on it" in str(error)


def test_parameters_without_bounds():
    """Data, a normal prior or a pull that is bounded by itself are enough."""
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={
            "g_X": (1e-4, 1e-2),
            "theory.delta_a_mu": Parameter(),
            "theory.r_k": Parameter(prior=Normal(0, 1)),
        },
        fixed={"m_X": 0.1},
    )
    bounded = problem.bounded("theory.delta_a_mu")
    assert (bounded.min, bounded.max) == (-10, 10)
    assert problem.names == ("g_X", "theory.delta_a_mu", "theory.r_k")
    with pytest.raises(UnknownNameError, match="not a free parameter"):
        problem.free("m_X")


def test_places_between_the_bounds():
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={"g_X": (-1.0, 3.0), "m_X": Parameter(1e-3, 1e1, scale="log")},
    )
    units = jnp.linspace(0, 1, 5)
    np.testing.assert_allclose(
        problem.bounded("g_X").from_unit(units), [-1, 0, 1, 2, 3], atol=1e-15
    )
    np.testing.assert_allclose(
        problem.bounded("m_X").from_unit(units), [1e-3, 1e-2, 1e-1, 1, 10], rtol=1e-13
    )
    for name in problem.names:
        np.testing.assert_allclose(
            problem.bounded(name).to_unit(problem.bounded(name).from_unit(units)), units, atol=1e-14
        )


def test_chi2_is_the_likelihood_and_the_priors():
    constraints = ["delta_a_mu", "trident_ccfr", "trident_nutev", "borexino"]
    parameters = {
        "g_X": Parameter(1e-4, 1e-2, prior=Normal(8e-4, 1e-4)),
        "eps": Parameter(-1e-3, 1e-3, prior="flat"),
    }
    problem = Problem("Lmu-Ltau", constraints, "current", parameters=parameters, fixed={"m_X": 0.1})
    g_X, eps = np.array([5e-4, 1e-3])[:, None], np.array([[-1e-4, 0.0, 1e-4]])
    total = log_likelihood("Lmu-Ltau", constraints, "current").total(
        {"m_X": 0.1, "g_X": g_X, "eps": eps}
    )
    expected = total + ((g_X - 8e-4) / 1e-4) ** 2
    np.testing.assert_allclose(problem.chi2({"g_X": g_X, "eps": eps}), expected, rtol=1e-14)
    assert problem.chi2({"g_X": g_X, "eps": eps}).shape == (2, 3)
    # the toy value of a measurement takes its place: chi2 of g-2 alone is (prediction -
    # measured)^2/error^2
    alone = Problem("B-3Lmu", ["delta_a_mu"], parameters={"g_X": (1e-4, 1e-2)}, fixed={"m_X": 0.1})
    shifted = alone.chi2(
        {"g_X": 9.4620e-4 / 3}, {"delta_a_mu": jnp.array([251e-11, 310e-11])}
    )  # 251e-11 predicted
    np.testing.assert_allclose(shifted[1] - shifted[0], 1.0, atol=1e-3)
