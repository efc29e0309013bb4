"""Mixing of mesons as constraints: where they act, what they leave of couplings, whom they meet."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from zscan.constraints import (
    constraint,
    describe,
    expand_constraints,
    measured_constraints,
    measured_values,
)
from zscan.kernels import charm
from zscan.likelihood import log_likelihood
from zscan.results.load import open_scan
from zscan.scans.run import run_scan

MASKED = 4.18 / 1.5, 4.18 * 1.5


def test_newer_than_the_paper():
    assert "b_s_mixing" in measured_constraints()
    assert "b_s_mixing" not in expand_constraints("paper")
    assert "d_mixing" in expand_constraints("paper")
    assert measured_values("paper")["b_s_mixing"] == measured_values("current")["b_s_mixing"]
    measured = measured_values("paper")["b_s_mixing"]
    assert measured.without_theory().error_plus == pytest.approx(0.006, rel=0.05)
    assert measured.theory_error == pytest.approx(0.049 * 17.34, rel=1e-4)
    assert describe("b_s_mixing").observable_units == "ps^-1"
    assert {"LHCb:2021moh", "Greljo:2022jac"} <= set(describe("b_s_mixing").references)


def test_bound_on_g_sb():
    f = log_likelihood("muon-effective", ["b_s_mixing"])

    def excess(ratio, m_X):
        found = f.excesses({"m_X": m_X, "g_V": 1e-2, "g_sb": ratio * m_X})
        return float(found["b_s_mixing"])

    # 1.96 standard deviations of the theory error: flavio's M12 gives |g_sb|/m_X < 4.4e-6 per GeV
    for m_X, expected in ((20.0, 4.4e-6), (40.0, 4.5e-6), (80.0, 4.55e-6)):
        assert brentq(excess, 1e-6, 1e-5, args=(m_X,)) == pytest.approx(expected, rel=1e-2)
    # the same for a light X, which is longitudinal
    assert brentq(excess, 1e-6, 1e-5, args=(0.5,)) == pytest.approx(4.2e-6, rel=1e-2)


def test_delta_chi2_of_b_s_mixing():
    f = log_likelihood("Lmu-Ltau", ["b_s_mixing"])
    at_zero = ((17.34 - 17.765) / 0.8497) ** 2
    assert f.chi2_zero["b_s_mixing"] == pytest.approx(at_zero, rel=5e-3)
    # Delta M_s over its Standard Model value by flavio 2.7.1, wilson
    m_X, g_sb = np.array([20.0, 40.0]), np.array([2e-5, 1.2e-4])
    term = f.evaluate({"m_X": m_X, "g_X": 1e-3, "g_sb": g_sb})["b_s_mixing"]
    expected = 17.34 * np.array([1.0062038843052543, 1.0539465315711367])
    np.testing.assert_allclose(term.observable, expected, rtol=5e-4)
    chi2 = ((expected - 17.765) / 0.8497) ** 2
    np.testing.assert_allclose(term.delta_chi2, chi2 - at_zero, atol=0.01)
    assert f.evaluate({"m_X": 20.0, "g_X": 1e-3, "g_sb": 0.0})["b_s_mixing"].delta_chi2 == 0


def test_where_b_s_mixing_acts():
    f = log_likelihood("Lmu-Ltau", ["b_s_mixing"])
    edges = np.array([MASKED[0] * 0.999, MASKED[0] * 1.001, MASKED[1] * 0.999, MASKED[1] * 1.001])
    term = f.evaluate({"m_X": edges, "g_X": 1e-3, "g_sb": 1e-5})["b_s_mixing"]
    assert term.valid.tolist() == [True, False, False, True]
    assert np.isnan(term.delta_chi2[1:3]).all()
    # without a b -> s coupling, and with one that is profiled inside its bound from B -> K nu nu
    assert not f.evaluate({"m_X": 20.0, "g_X": 1e-3})["b_s_mixing"].valid
    free = log_likelihood("muon-effective", ["b_s_mixing"])
    assert not free.evaluate({"m_X": 20.0, "g_V": 1e-3})["b_s_mixing"].valid


def test_b_d_mixing():
    f = log_likelihood("Lmu-Ltau", ["b_s_mixing", "b_d_mixing"])
    # 0.5115(409)/ps of the Standard Model, 0.5065(19)/ps measured
    assert f.chi2_zero["b_d_mixing"] == pytest.approx((0.0050 / 0.0410) ** 2, rel=0.05)
    values = {"m_X": np.array([0.5, 4.0, 20.0]), "g_X": 1e-3, "g_bd": 1e-5}
    terms = f.evaluate(values)
    assert terms["b_d_mixing"].valid.tolist() == [True, False, True]
    assert not terms["b_s_mixing"].valid.any()  # no g_sb
    assert not f.evaluate({"m_X": 20.0, "g_X": 1e-3, "g_sb": 1e-5})["b_d_mixing"].valid

    def excess(ratio):
        return float(f.excesses({"m_X": 20.0, "g_X": 0.0, "g_bd": ratio * 20.0})["b_d_mixing"])

    # contact operator by hand: r = (g/m_X)^2 m f^2 B_1 QCD/(3 Delta M_SM), |1 + r e^(0.81 i)| =
    # 0.5869/0.5115, QCD = (0.153/0.2224)^(6/23)
    unit = 5.27965 * 0.19**2 * 0.837 * (0.153 / 0.2224) ** (6 / 23) / 3 / (0.5115 * 6.582119569e-13)
    r = brentq(lambda r: abs(1 + r * np.exp(0.807j)) - 0.5869 / 0.5115, 0, 1)
    assert brentq(excess, 1e-7, 1e-5) == pytest.approx(np.sqrt(r / unit), rel=1e-2)


def test_d_mixing():
    f = log_likelihood("9B3-8Lmu-Ltau", ["d_mixing"])
    m_X = np.array([0.1, 0.84, 0.85, 1.99, 2.0, 10.0])
    term = f.evaluate({"m_X": m_X, "g_X": 1e-4})["d_mixing"]
    assert term.valid.tolist() == [True, True, False, False, True, True]
    x12 = charm.x12(m_X, charm.g_uc(1e-4, 3.0))
    np.testing.assert_allclose(term.observable, x12, rtol=1e-12)
    # g_X < 9.5e-5 at 0.1 GeV from closed forms evaluated independently
    excess = f.excesses({"m_X": 0.1, "g_X": np.array([9.4e-5, 9.6e-5])})["d_mixing"]
    np.testing.assert_array_equal(excess > 0, [False, True])
    assert constraint("d_mixing").observable_units == "1"


@pytest.mark.slow
def test_mixing_bounds_a_g_sb_that_a_card_profiles(tmp_path: Path):
    card = {
        "format": 1,
        "name": "heavy",
        "model": "muon-effective",
        "constraints": ["r_k", "b_s_mixing"],
        "axis": {
            "g_sb": {"profile": True, "min": -1e-3, "max": 1e-3},
            "m_X": {"values": [10.0, 40.0]},
            "g_V": {"values": [1e-4, 1e-2]},
        },
        "output": {"dtype": "float64", "observables": ["r_k", "b_s_mixing"]},
    }
    run_scan(card, tmp_path / "map.h5", progress=False)
    with open_scan(tmp_path / "map.h5") as data:
        found = data.load()
    # a coupling of 1e-2 explains R_K well inside the bound from mixing, far outside that of the
    # closed form, which extends B -> K X above its threshold; one of 1e-4 cannot explain it, and is
    # held back by mixing, a little above the measured 17.765 per ps
    np.testing.assert_allclose(found["observable/r_k"][:, 1], 0.846, atol=5e-3)
    assert (found["observable/b_s_mixing"] < 19.43).all()
    assert (found["observable/b_s_mixing"][:, 0] > 17.8).all()
    assert (found["observable/r_k"][:, 0] > 0.9).all()
    closed = log_likelihood("muon-effective", ["r_k"])
    paper = closed.evaluate({"m_X": np.array([10.0, 40.0]), "g_V": 1e-2})["r_k"].observable
    assert (paper > 0.99).all()
