"""Samples of posteriors that are known: a normal density, and numerical integrals of the g-2 fit
for two priors.
"""

import math
import sys

import numpy as np
import pytest

from zscan.errors import MissingExtraError, NotConvergedError, ParameterError
from zscan.fit import Normal, Parameter, Problem, sample

FIXED = {"m_X": 0.1}
BOUNDS = (2e-4, 3e-3)


def moments(power):
    """Mean and standard deviation of g_X with a prior proportional to g_X^power, by integration on
    a fine grid.
    """
    problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"g_X": BOUNDS}, fixed=FIXED)
    g_X = np.linspace(*BOUNDS, 20_001)
    weight = np.exp(-np.asarray(problem.chi2({"g_X": g_X})) / 2) * g_X**power
    mean = (g_X * weight).sum() / weight.sum()
    return mean, math.sqrt(((g_X - mean) ** 2 * weight).sum() / weight.sum())


def agree(samples, name, mean, sigma):
    """Mean and standard deviation within four errors of the effective number of draws."""
    draws, size = samples.values[name], samples.effective[name]
    assert samples.converged
    assert size > 100
    assert abs(draws.mean() - mean) < 4 * sigma / math.sqrt(size)
    assert abs(draws.std() - sigma) < 4 * sigma / math.sqrt(
        size
    )  # twice the error of a normal density, for the tails


def test_flat_prior_and_a_normal_posterior():
    """theory.r_k enters no constraint here: its posterior is its prior, and it is independent of
    g_X.
    """
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={
            "g_X": Parameter(*BOUNDS, prior="flat"),
            "theory.r_k": Parameter(prior=Normal(0.5, 0.2)),
        },
        fixed=FIXED,
    )
    samples = sample(problem, draws=500, warmup=400, chains=4)
    agree(samples, "g_X", *moments(0))
    agree(samples, "theory.r_k", 0.5, 0.2)
    correlation = np.corrcoef(samples.values["g_X"].ravel(), samples.values["theory.r_k"].ravel())[
        0, 1
    ]
    assert abs(correlation) < 4 / math.sqrt(samples.effective["g_X"])
    assert samples.values["g_X"].shape == samples.chi2.shape == (4, 500)
    np.testing.assert_allclose(samples.chi2, problem.chi2(samples.values), rtol=1e-12)
    assert samples.priors == {
        "g_X": "flat in [0.0002, 0.003]",
        "theory.r_k": "normal(0.5, 0.2) in [-10, 10]",
    }
    assert "the chains agree" in str(samples)


def test_log_flat_prior_and_a_theory_error():
    """On a log scale; integrating over the theory error gives the total error back, so that g_X is
    as without it.

    The pull, given g_X = 0 (59^2 - 43^2 + 43^2 are the squared errors), would be normal; here it is
    one more parameter."""
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={
            "g_X": Parameter(*BOUNDS, scale="log", prior="log-flat"),
            "theory.delta_a_mu": Parameter(prior="flat"),
        },
        fixed=FIXED,
    )
    samples = sample(problem, draws=500, warmup=400, chains=4, seed=1)
    agree(samples, "g_X", *moments(-1))


def test_flat_and_log_flat_differ():
    """The two tests above tell the priors apart: their means differ by more than the errors
    allowed.
    """
    (flat, sigma), (log_flat, _) = moments(0), moments(-1)
    assert flat - log_flat > 0.1 * sigma


def test_chains_that_do_not_agree(monkeypatch):
    """Each chain of a stand-in for the sampler stays around a place of its own."""
    import numpyro.infer

    class Chains:
        def __init__(self, *_, **__):
            pass

        def run(self, *_, **__):
            pass

        def get_samples(self, **_):
            return np.random.default_rng(0).normal(np.arange(4.0)[:, None, None], 0.1, (4, 50, 1))

        def get_extra_fields(self):
            return {"diverging": np.zeros(200, bool)}

    monkeypatch.setattr(numpyro.infer, "MCMC", Chains)
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={"g_X": Parameter(*BOUNDS, prior="flat")},
        fixed=FIXED,
    )
    with pytest.raises(NotConvergedError, match="the chains do not agree") as caught:
        sample(problem)
    assert caught.value.exit_code == 3
    samples = sample(problem, check=False)
    assert not samples.converged
    assert samples.r_hat["g_X"] > 1.02
    assert "NOT CONVERGED" in str(samples)


def test_prior_is_needed():
    problem = Problem(
        "Lmu-Ltau",
        ["delta_a_mu"],
        parameters={"g_X": Parameter(*BOUNDS, prior="flat"), "eps": (0, 1e-4)},
        fixed=FIXED,
    )
    with pytest.raises(ParameterError, match=r"parameters\.eps\.prior: missing"):
        sample(problem)


def test_without_numpyro(monkeypatch):
    problem = Problem("Lmu-Ltau", ["delta_a_mu"], parameters={"g_X": BOUNDS}, fixed=FIXED)
    monkeypatch.setitem(sys.modules, "numpyro.diagnostics", None)
    with pytest.raises(MissingExtraError, match=r"zscan\[sample\]"):
        sample(problem)
