"""The electron's magnetic moment: two determinations of alpha, of which one counts."""

import numpy as np
import pytest

from zscan.constants import E_CHARGE
from zscan.constraints import ALTERNATIVES, measured_values
from zscan.likelihood import log_likelihood


def test_only_one_of_the_two_is_added():
    assert ("electron_g2_rb", "electron_g2_cs") in ALTERNATIVES
    f = log_likelihood("dark-photon", ["electron_g2_cs", "electron_g2_rb"])
    assert f.summed == ("electron_g2_rb",)
    alone = log_likelihood("dark-photon", ["electron_g2_cs"])
    assert alone.summed == ("electron_g2_cs",)


def test_the_caesium_value_keeps_its_sign():
    # a vector X raises a_e: it improves rubidium and worsens caesium
    f = log_likelihood("dark-photon", ["electron_g2_rb", "electron_g2_cs"])
    # Delta a_e = 1.38e-12 at m_X = 0.1 GeV, g_V = 2.5027e-3: independent code, 1e-9
    terms = f.evaluate({"m_X": 0.1, "g_X": 0.0025027002646148054 / E_CHARGE.value})
    for name, value, error in (
        ("electron_g2_rb", 0.48e-12, 0.30e-12),
        ("electron_g2_cs", -0.88e-12, 0.36e-12),
    ):
        np.testing.assert_allclose(terms[name].observable, 1.3800296277654826e-12, rtol=1e-8)
        expected = ((1.38002962776e-12 - value) / error) ** 2 - (value / error) ** 2
        np.testing.assert_allclose(terms[name].delta_chi2, expected, rtol=1e-6)
    small = f.terms(0.1, 1e-3)
    assert small["electron_g2_rb"] < 0 < small["electron_g2_cs"]
    # an axial electron lowers it
    axial = log_likelihood("Lmutau-chiral", ["electron_g2_cs"]).evaluate(
        {"m_X": 0.111, "g_X": 1e-4}
    )
    assert -3e-14 < axial["electron_g2_cs"].observable < 0


@pytest.mark.parametrize(
    ("observables", "limit", "eps"), [("paper", 1.068e-12, 7.4e-4), ("current", 0.654e-12, 5.8e-4)]
)
def test_limit_from_rubidium(observables, limit, eps):
    measured = measured_values(observables)
    assert measured["electron_g2_rb"].excluded_above == pytest.approx(limit, rel=1e-3)
    # no room for any vector X with caesium: a tension and no limit
    caesium = measured["electron_g2_cs"]
    assert caesium.value < 0
    assert not caesium.exclusion.excludes
    # eps at 10 MeV, two digits (m_X >> m_e: eps^2 e^2 m_e^2/(12 pi^2 m_X^2))
    f = log_likelihood("dark-photon", ["electron_g2_rb"], observables)
    excess = f.excesses({"m_X": 0.01, "g_X": np.array([0.97, 1.03]) * eps})["electron_g2_rb"]
    np.testing.assert_array_equal(excess > 0, [False, True])
