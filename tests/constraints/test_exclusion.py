"""What "excluded" means is said once: evaluate, verdict and maps agree, islands included."""

import json

import numpy as np
import pytest

import zscan
from zscan.constraints import constraint_names, measured_values, observable_sets
from zscan.results.rule import ExclusionRule, excess

NAMES = ["delta_a_mu", "trident_ccfr", "borexino", "coherent", "nsi"]
CARD = {
    "format": 1,
    "name": "excluded",
    "model": "B-3Lmu",
    "constraints": NAMES,
    "axis": {
        "m_X": {"values": [0.02, 0.1, 0.5]},
        "g_X": {"min": 1e-7, "max": 1.0, "num": 200, "scale": "log"},
    },
    "output": {"dtype": "float64", "observables": ["trident_ccfr", "borexino", "nsi"]},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = zscan.run_scan(CARD, tmp_path_factory.mktemp("excluded") / "map.h5", progress=False)
    with zscan.open_scan(path) as scan:
        yield scan.load()


def test_evaluate_excludes_by_coherent():
    # chi2 of COHERENT at m_X = 20 MeV, g_X = 1e-3 lies 268 above zero coupling
    (row,) = zscan.evaluate("B-3Lmu", 0.02, 1e-3, constraints=["coherent"]).rows
    assert row.delta_chi2 == pytest.approx(268, rel=0.01)
    assert row.excluded is True
    (row,) = zscan.evaluate("B-3Lmu", 0.02, 1e-7, constraints=["coherent"]).rows
    assert row.excluded is False
    (row,) = zscan.evaluate("B-3Lmu", 0.02, 1e-3, constraints=["delta_a_mu"]).rows
    assert row.excluded is None  # a band, no limit


def test_a_point_a_map_and_a_likelihood_agree(data):
    g_X = data["g_X"].values
    f = zscan.log_likelihood("B-3Lmu", NAMES)
    live = f.excesses({"m_X": data["m_X"].values[:, None], "g_X": g_X})
    assert set(live) == set(NAMES) - {"delta_a_mu"}
    for name, values in live.items():
        np.testing.assert_allclose(excess(data, name), values, rtol=1e-9, atol=1e-9)
    for index in (0, 60, 120, 199):
        for row in zscan.evaluate("B-3Lmu", 0.1, float(g_X[index]), constraints=NAMES).rows:
            if row.excluded is not None:
                assert row.excluded == bool(excess(data, row.constraint).values[1, index] > 0)


def test_a_map_stores_the_rule_in_plain_numbers(data):
    rules = {name: measured_values("paper")[name].exclusion for name in NAMES}
    stored = {item["name"]: item for item in json.loads(data.attrs["constraints"])}
    for name, rule in rules.items():
        for key in ("excluded_above", "delta_chi2_excluded", "cl"):
            assert stored[name][key] == getattr(rule, key)
    assert stored["coherent"]["delta_chi2_excluded"] == 3.84
    assert stored["coherent"]["cl"] == 0.95


def test_the_minimum_counts_zero_coupling_and_the_region_both_sides():
    rule = ExclusionRule(delta_chi2_excluded=3.84, cl=0.95)
    chi2 = np.array([5.0, -1.0, 2.0, 4.0])
    np.testing.assert_allclose(rule.excess(chi2, chi2, chi2.min()), chi2 + 1 - 3.84)
    np.testing.assert_allclose(
        rule.excess(chi2, chi2 + 2, 1.0), chi2 + 2 - 3.84
    )  # 0 at zero coupling
    above = ExclusionRule(excluded_above=1.2, cl=0.95)
    np.testing.assert_allclose(above.excess(chi2, chi2, 0.0), chi2 - 1.2)
    nothing = ExclusionRule(cl=0.95)
    assert not nothing.excludes
    with pytest.raises(ValueError, match="excludes nothing"):
        nothing.excess(chi2, chi2, 0.0)


def test_where_a_constraint_does_not_apply_it_says_nothing():
    rows = zscan.evaluate(
        "Lmu-Ltau", 0.1, 1e-3, constraints=["r_k", "searches/BaBar_TheBABAR2016rlg"]
    ).rows
    assert [row.excluded for row in rows] == [None, None]  # no b -> s coupling; below its masses


def test_every_limit_has_a_rule_with_its_level():
    for observables in observable_sets():
        for name in constraint_names():
            measured = measured_values(observables)[name]
            assert 0.5 < measured.cl < 1
            assert (measured.form == "chi2") == (measured.delta_chi2_excluded is not None)
            assert measured.excluded_above is None or measured.delta_chi2_excluded is None
