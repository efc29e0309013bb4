"""The constraint `matter` in likelihoods, and its alternative `nsi`, the paper's choice."""

import numpy as np
import pytest

import zscan
from zscan.constraints import measured_values
from zscan.errors import ModelWarning
from zscan.kernels import matter
from zscan.likelihood import log_likelihood
from zscan.models import Model


def model(name, L, quark=0):
    singlets = {"L": L, "E": L, "N": L}
    return Model(name, **singlets, Q=[quark] * 3, U=[quark] * 3, D=[quark] * 3)


B_3LE = model("B-3Le", (-3, 0, 0), "1/3")


def test_the_default_sum_has_matter_and_not_nsi():
    f = log_likelihood("B-3Lmu")
    assert {"matter", "nsi"} <= set(f.constraints)
    assert "matter" in f.summed
    assert "nsi" not in f.summed
    assert log_likelihood("B-3Lmu", ["nsi", "matter"]).summed == ("matter",)
    assert log_likelihood("B-3Lmu", ["nsi"]).summed == ("nsi",)
    assert f.chi2_zero["matter"] == pytest.approx(6.6062 + 0.4252, abs=1e-3)


# m_X/g_X [GeV] at Delta chi2 = 3.84: profile on grids with a program of its own, 1 %
@pytest.mark.parametrize(
    ("charged", "bound"), [(B_3LE, 685.3), ("B-3Lmu", 2733.4), ("Lmu-Le", 1088.0)]
)
def test_bound_on_the_coupling(charged, bound):
    f = log_likelihood(charged, ["matter"])
    for m_X in (1e-3, 0.1, 30.0):
        g_X = m_X / bound * np.array([0.99, 1.01])
        below, above = f.excesses({"m_X": m_X, "g_X": g_X})["matter"]
        assert below < 0 < above
    strong = f.excesses({"m_X": 1e-3, "g_X": np.geomspace(1e-5, 1.0, 50)})["matter"]
    assert (strong > 0).all()  # to the largest couplings


def test_islands_are_pieces_of_the_allowed_region():
    # allowed again at large coupling: twice the potential of matter, with the opposite sign
    with pytest.warns(ModelWarning, match="anomalous"):
        f = log_likelihood(model("island", (1, 3, 3)), ["matter"])
    m_X = 0.1
    edges = m_X / np.array([806.8, 258.5, 225.1])
    inside = [edges[0] * 0.97, edges[0] * 1.03, edges[1] * 0.97, edges[1:].mean(), edges[2] * 1.03]
    excess = f.excesses({"m_X": m_X, "g_X": np.array(inside)})["matter"]
    assert [bool(value > 0) for value in excess] == [False, True, True, False, True]


def test_nsi_does_not_apply_where_it_constrains_nothing():
    for charged in (B_3LE, model("a", (0, "-3/2", "-3/2"), "1/3"), model("b", (1, "-1/2", "-1/2"))):
        terms = log_likelihood(charged, ["nsi", "matter"]).terms(0.1, 1e-3)
        assert np.isnan(terms["nsi"])
        assert terms["matter"] > 3.84
    # no charge of matter at all, also with kinetic mixing
    terms = log_likelihood("Lmu-Ltau", ["nsi", "matter"]).terms(0.1, 1e-3, 1e-3)
    assert np.isnan(terms["nsi"])
    assert terms["matter"] == 0
    assert log_likelihood(B_3LE, ["nsi"]).terms(0.1, 0.0)["nsi"] == 0


def test_nsi_bounds_eps_tautau_minus_eps_mumu():
    # 60 627 GeV^2 |X_tau - X_mu| (c + 1.051 n) = 0.0495 (m_X/g_X)^2
    for charged, factor in (("B-3Lmu", 3 * 2.051), ("Lmu-Le", 1.0)):
        f = log_likelihood(charged, ["nsi"])
        bound = np.sqrt(60627 * factor / 0.0495)
        found = f.evaluate({"m_X": 0.1, "g_X": 0.1 / bound})["nsi"].observable
        assert float(found) == pytest.approx(1, rel=1e-3)


def test_options_of_the_measurement_are_those_of_the_kernel():
    options = measured_values("paper")["matter"].options
    x = zscan.couplings("B-2Le-Lmu", 0.1, 3e-4, q2=0.0)
    couplings = (0.1, x.e.V, x.u.V, x.d.V, x.nu_e, x.nu_mu, x.nu_tau)
    found = log_likelihood("B-2Le-Lmu", ["matter"]).evaluate({"m_X": 0.1, "g_X": 3e-4})
    np.testing.assert_allclose(found["matter"].observable, matter.chi2(*couplings), rtol=1e-12)
    np.testing.assert_allclose(
        found["matter"].observable, matter.chi2(*couplings, **options), rtol=1e-12
    )
    # an electron charge of -2 times the baryon number: the core counts more than the mantle
    mantle, core = (float(matter.chi2(*couplings, neutron_ratio=y)) for y in (1.012, 1.137))
    assert core > mantle + 4


def test_a_map_stores_the_options(tmp_path):
    card = {
        "format": 1,
        "name": "matter",
        "model": "B-3Lmu",
        "constraints": ["matter"],
        "axis": {
            "m_X": {"values": [0.01, 0.1]},
            "g_X": {"values": [1e-6, 1e-4]},
        },
    }
    path = zscan.run_scan(card, tmp_path / "matter.h5", progress=False)
    with zscan.open_scan(path) as data:
        assert np.isfinite(data["delta_chi2"]).all()
        assert "tautau_mumu" in data.attrs["spec"]
