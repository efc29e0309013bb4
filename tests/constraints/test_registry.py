"""Names, selections and validated ranges of constraints."""

import numpy as np
import pytest

import zscan
from zscan.constraints import (
    constraint_names,
    data_constraints,
    expand_constraints,
    measurements,
)
from zscan.constraints.selections import SELECTIONS
from zscan.errors import UnknownNameError
from zscan.kernels import rk
from zscan.kernels.widths import total_width


def test_selections_are_data_and_stand_for_names():
    for name, members in SELECTIONS.items():
        assert name not in constraint_names()
        assert set(members) <= set(data_constraints())
        assert expand_constraints([name]) == expand_constraints(name) == members
    assert expand_constraints(["borexino", "paper"])[0] == "borexino"
    assert len(expand_constraints(["paper", "borexino"])) == len(SELECTIONS["paper"])
    with pytest.raises(UnknownNameError, match="did you mean 'paper'"):
        expand_constraints("papr")


def test_d_to_pi_acts_inside_its_validated_range_only():
    # the form factor of one pole and the recast of the search are trusted to 0.3 GeV
    f = zscan.log_likelihood("9B3-8Lmu-Ltau", ["d_to_pi"])
    m_X = np.array([0.01, 0.1, 0.2999, 0.3001, 1.0])
    term = f.evaluate({"m_X": m_X, "g_X": 1e-3})["d_to_pi"]
    assert term.valid.tolist() == [True, True, True, False, False]
    assert np.isfinite(term.delta_chi2[:3]).all()
    assert np.isnan(term.delta_chi2[3:]).all()
    assert np.isnan(f.excesses({"m_X": 1.0, "g_X": 1e-3})["d_to_pi"])
    found = zscan.verdict("9B3-8Lmu-Ltau", masses=(0.25, 0.4), points=20, constraints=["d_to_pi"])
    assert found.killed_by["d_to_pi"][0][1] < 0.3


def test_the_current_set():
    current, paper = measurements("current"), measurements("paper")
    moment = current["delta_a_mu"]
    # 116592071.5(14.5)e-11 minus 116592033(62)e-11
    assert (moment.value, moment.theory_error) == (38.5e-11, 62e-11)
    assert moment.error_plus == pytest.approx(np.hypot(14.5e-11, 62e-11), rel=1e-3)
    assert moment.without_theory().error_plus == pytest.approx(14.5e-11, rel=0.02)
    entries = {
        "r_k": (0.949, 0.0474, 0.0465, None),
        "r_k_low": (0.994, 0.0946, 0.0863, None),
        "b_to_k_nunu": (2.3e-5, 7.07e-6, 6.40e-6, 3.686e-5),
        "texono": (1.08, 0.264, 0.264, 1.597),
        "borexino": (1.008, 0.0638, 0.0650, 1.113),
        "n_eff": (2.99, 0.17, 0.17, 3.33),
        "electron_g2_rb": (0.34e-12, 0.16e-12, 0.16e-12, 0.654e-12),
        "electron_g2_cs": (-1.02e-12, 0.26e-12, 0.26e-12, None),
    }
    for name, (value, plus, minus, above) in entries.items():
        found = current[name]
        assert (found.value, found.error_plus, found.error_minus) == (value, plus, minus), name
        assert found.excluded_above == above, name
    # statistical and systematic errors in quadrature, of each side
    assert current["r_k_low"].error_plus == pytest.approx(np.hypot(0.090, 0.029), rel=2e-3)
    assert current["r_k_low"].error_minus == pytest.approx(np.hypot(0.082, 0.027), rel=2e-3)
    assert current["borexino"] == paper["borexino"]
    assert current["borexino"].level == "95 % one-sided"


def test_r_k_low_is_that_of_its_bin():
    f = zscan.log_likelihood("Lmu-Ltau", ["r_k_low"], "current")
    point = {"m_X": 0.7, "g_X": 5e-4, "g_sb": 1e-9}
    term = f.evaluate(point)["r_k_low"]
    width = float(total_width(0.7, zscan.couplings("Lmu-Ltau", 0.7, 5e-4)))
    x = zscan.couplings("Lmu-Ltau", 0.7, 5e-4)
    electrons = {"g_V_e": x.e.V, "g_A_e": x.e.A}
    expected = rk.r_k(0.7, width, 1e-9, x.mu.V, x.mu.A, **electrons, q2_bin=(0.1, 1.1))
    assert float(term.observable) == pytest.approx(float(expected), rel=1e-12)
    assert float(term.observable) > 1.02, "the peak is in the bin"
    assert not bool(f.evaluate({"m_X": 0.7, "g_X": 5e-4})["r_k_low"].valid), "no b -> s coupling"
