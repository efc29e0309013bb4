"""iminuit on the same problem."""

import sys

import numpy as np
import pytest

from zscan.errors import MissingExtraError, UnknownNameError
from zscan.fit import Problem, minuit

PROBLEM = Problem("B-3Lmu", ["delta_a_mu"], parameters={"g_X": (1e-5, 2e-3)}, fixed={"m_X": 0.1})
CENTRE = 9.4620e-4 / 3  # 251e-11: arXiv:2107.07518 Eq. (36) by quadrature


def test_migrad_hesse_and_minos():
    fit = minuit(PROBLEM)
    assert fit.valid
    assert fit.accurate
    assert fit.parameters == ("g_X",)
    assert tuple(fit.limits["g_X"]) == (1e-5, 2e-3)
    np.testing.assert_allclose(fit.values["g_X"], CENTRE, rtol=1e-4)
    # the prediction goes with g_X^2: its 59/251 are half as much of g_X
    np.testing.assert_allclose(fit.errors["g_X"], CENTRE * 59 / 251 / 2, rtol=5e-3)
    edges = CENTRE * np.sqrt(np.array([251 - 59, 251 + 59]) / 251)
    found = fit.values["g_X"] + np.array([fit.merrors["g_X"].lower, fit.merrors["g_X"].upper])
    np.testing.assert_allclose(found, edges, rtol=2e-4)


def test_start_and_no_minos():
    fit = minuit(PROBLEM, {"g_X": 1e-3}, minos=False)
    assert fit.valid
    assert fit.init_params["g_X"].value == 1e-3
    assert len(fit.merrors) == 0
    np.testing.assert_allclose(fit.values["g_X"], CENTRE, rtol=1e-4)
    with pytest.raises(UnknownNameError, match="'m_X' is not a free parameter"):
        minuit(PROBLEM, {"m_X": 1.0})


def test_without_iminuit(monkeypatch):
    monkeypatch.setitem(sys.modules, "iminuit", None)
    with pytest.raises(MissingExtraError, match=r"zscan\[fit\]") as caught:
        minuit(PROBLEM)
    assert caught.value.exit_code == 2
