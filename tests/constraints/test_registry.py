"""Names, selections and validated ranges of constraints."""

import numpy as np
import pytest

import zscan
from zscan.constraints import constraint_names, data_constraints, expand_constraints
from zscan.constraints.selections import SELECTIONS
from zscan.errors import UnknownNameError


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
