"""N_eff as a constraint: where it applies, and what it leaves of L_mu - L_tau."""

import numpy as np
import pytest

from zscan.analysis.verdicts import verdict
from zscan.constraints import data_constraints
from zscan.likelihood import log_likelihood


def test_where_it_applies():
    f = log_likelihood("Lmu-Ltau", ["n_eff"])
    values = f.terms(np.array([2e-3, 0.011, 0.012, 0.059, 0.061]), 1e-5)["n_eff"]
    assert np.isfinite(values[:4]).all()
    assert np.isnan(values[4])
    assert np.isnan(f.terms(0.01, 3e-9)["n_eff"])  # not known to be in equilibrium
    assert np.isfinite(f.terms(0.01, 5e-9)["n_eff"])
    assert f.terms(0.01, 0.0)["n_eff"] == 0
    # a dark photon heats photons; so does an X that decays to electrons more than to neutrinos
    dark = log_likelihood("dark-photon", ["n_eff"])
    assert np.isnan(dark.terms(0.01, 1e-4)["n_eff"])
    mixed = log_likelihood("B-3Lmu", ["n_eff"])
    # Gamma(ee)/Gamma(nunu) = 2 (eps e)^2/(9 g_X^2): equal at eps e = 2.12 g_X
    assert np.isfinite(mixed.terms(0.01, 1e-4, 2.0e-4 / 0.302822)["n_eff"])
    assert np.isnan(mixed.terms(0.01, 1e-4, 2.3e-4 / 0.302822)["n_eff"])


def test_likelihood():
    f = log_likelihood("Lmu-Ltau", ["n_eff"])
    assert f.chi2_zero["n_eff"] == pytest.approx((0.054 / 0.17) ** 2, rel=1e-9)
    # m_X = 4.855 MeV: 4.471413445701856 by independent code
    expected = ((4.471413445701856 - 2.99) / 0.17) ** 2 - (0.054 / 0.17) ** 2
    np.testing.assert_allclose(f.terms(0.004855, 1e-4)["n_eff"], expected, rtol=1e-8)
    masses = np.array([0.01143, 0.01145])  # N_eff = 3.33 at 11.440 MeV, independent code
    np.testing.assert_array_equal(
        f.excesses({"m_X": masses, "g_X": 1e-4})["n_eff"] > 0, [True, False]
    )


EVERYTHING = [name for name in data_constraints() if name != "trident_nutev"]


@pytest.mark.parametrize(
    "constraints",
    [
        ["delta_a_mu", "trident_ccfr", "borexino", "n_eff"],
        pytest.param(EVERYTHING, marks=pytest.mark.slow),
    ],
    ids=["its own", "all"],
)
def test_allowed_window_of_lmu_ltau(constraints):
    # begins at 11.4 MeV, without cosmology at 7.3 MeV (Borexino, R < 1.113)
    for names, start in (
        (constraints, 11.4e-3),
        ([name for name in constraints if name != "n_eff"], 7.3e-3),
    ):
        found = verdict("Lmu-Ltau", masses=(5e-3, 0.02), points=200, constraints=names)
        assert found.allowed[0][0] == pytest.approx(start, rel=0.012)
        assert found.allowed[0][1] == 0.02
