"""One-loop coefficients, exact, against published values and the identities of anomaly-free
charges.
"""

import subprocess
import sys
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.errors import ParameterError
from zscan.kernels.running import eps_at_scale
from zscan.models import Model, list_models, load_model
from zscan.models.spectrum import (
    BetaCoefficients,
    Scalar,
    beta_coefficients,
    induced_mixing,
    r_2,
    s_1,
    s_3,
    summary,
)


@pytest.mark.parametrize(
    ("name", "without", "with_s_3"),
    # arXiv:2107.07518 app. A, by hand: 41/6 is the Standard Model, S_3 adds (1/3, X_S, 3 X_S^2)
    [
        ("Lmu-Ltau", (F(41, 6), 0, F(16, 3)), (F(43, 6), -1, F(25, 3))),
        ("B-3Lmu", (F(41, 6), F(16, 3), F(80, 3)), (F(43, 6), 8, 48)),
        ("Lmutau-chiral", (F(41, 6), 0, F(784, 3)), (F(43, 6), -7, F(1225, 3))),
        ("dark-photon", (F(41, 6), 0, 0), (F(43, 6), 0, 0)),
    ],
)
def test_benchmarks(name, without, with_s_3):
    model = load_model(name)
    assert beta_coefficients(model) == without
    assert beta_coefficients(model, s_3(model)) == with_s_3
    assert all(isinstance(value, F) for value in beta_coefficients(model, s_3(model)))


def test_b_xx_of_the_chiral_model_is_408_with_the_muoquark():
    for name in ("Lmutau-chiral", "Lmutau-chiral-partner"):
        model = load_model(name)
        assert round(float(beta_coefficients(model).b_XX)) == 261
    model = load_model("Lmutau-chiral")
    assert round(float(beta_coefficients(model, s_3(model)).b_XX)) == 408


@given(st.integers(-3, 3), st.integers(-10, 10), st.integers(-10, 10))
def test_universal_quarks(q, electron, muon):
    # Anomaly freedom fixes b_YX by the quark charge alone: 16 q, and 15 q - X_l2 with S_3
    leptons = (electron, muon, -9 * q - electron - muon)
    model = Model("test", Q=q, U=q, D=q, L=leptons, E=leptons, N=leptons)
    assert beta_coefficients(model).b_YX == 16 * q
    assert beta_coefficients(model, s_3(model)).b_YX == 15 * q - muon


def test_universal_quarks_of_the_chiral_benchmarks_and_third_family():
    for name in list_models():
        model = load_model(name)
        if any(model.anomalies().values()) or name == "R":
            continue  # leptons that do not balance the quarks, right-handed currents
        q = sum(model.triple("Q")) / 3
        assert beta_coefficients(model).b_YX == 16 * q  # the sum over families matters only
        assert beta_coefficients(model).b_YY == F(41, 6)


def test_scalars():
    model = load_model("9B3-8Lmu-Ltau")
    assert (s_3(model).charge, s_1(model).charge) == (5, 5)
    assert [scalar.charge for scalar in r_2(model)] == [11, 11]
    chiral = load_model("Lmutau-chiral")
    assert [scalar.charge for scalar in r_2(chiral)] == [-7, -6]
    # n = 6: 6/3 (49/36, 7/6 X, X^2)
    left = r_2(chiral)[0]
    assert left.coefficients() == (F(49, 18), F(-49, 3), 98)
    both = beta_coefficients(chiral, *r_2(chiral))
    assert both.b_YY == F(41, 6) + 2 * F(49, 18)
    # A charged Higgs: n = 2, 2/3 (1/4, 1/2 X, X^2)
    shift = beta_coefficients(chiral, higgs_charge="1/2")
    assert [one - two for one, two in zip(shift, beta_coefficients(chiral), strict=True)] == [
        0,
        F(1, 6),
        F(1, 6),
    ]


def test_induced_mixing_agrees_with_the_running():
    # zero at the Planck scale: 1.34 g_X for B - 3 L_mu with S_3
    model = load_model("B-3Lmu")
    b = beta_coefficients(model, s_3(model))
    ratio = induced_mixing(b)
    assert ratio == pytest.approx(1.34, abs=5e-3)
    g_X, t = 1e-7, np.log(1.22089e19 / 2000)
    assert abs(eps_at_scale(ratio * g_X, 0.3637, g_X, t, **b._asdict())) < 1e-12 * g_X


def test_summary_shows_both_spectra():
    text = summary(load_model("B-3Lmu"))
    for part in (
        "b_YX = 16/3",
        "S_3 of X = 8/3",
        "b_YX = 8, b_XX = 48",
        "1.34",
        "arXiv:2107.07518 app. A",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((3, 3, 0.333, 1), "hypercharge"),
        ((3, 3, "1/3", 0.5), "charge"),
        ((0, 3, 1, 1), "colour"),
        ((3, 1.0, 1, 1), "isospin"),
    ],
)
def test_refuses_inexact_input(arguments, key):
    with pytest.raises(ParameterError, match=key):
        Scalar("S", *arguments)


def test_needs_no_jax():
    code = "import sys, zscan.models.spectrum; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_coefficients_add():
    one = BetaCoefficients(F(1), F(2), F(3))
    assert one + one == (2, 4, 6)
