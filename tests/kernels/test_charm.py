"""Charm constraints against amplitudes written out, limits and masks."""

import jax
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.kernels import charm
from zscan.kernels.charm import branching_ratio_dpi, g_uc, x12

THRESHOLD = charm.M_D_PLUS - charm.M_PI_PLUS


def test_reference_values():
    # closed forms evaluated independently; relative tolerance 1e-3 as stated there
    np.testing.assert_allclose(
        1e-8 * np.sqrt(0.005 / x12(0.1, 1e-8)), 4.447281288551115e-08, rtol=1e-3
    )
    np.testing.assert_allclose(branching_ratio_dpi(0.1, 1e-9), 1.8718813986949407e-06, rtol=1e-3)
    # bounds on g_X at 100 MeV for delta_q = 3, two digits
    np.testing.assert_allclose(
        1e-9 * np.sqrt(8e-6 / branching_ratio_dpi(0.1, 1e-9)) / g_uc(1.0, 3), 4.4e-6, rtol=2e-2
    )
    np.testing.assert_allclose(
        1e-8 * np.sqrt(0.005 / x12(0.1, 1e-8)) / g_uc(1.0, 3), 9.5e-5, rtol=1e-2
    )


def by_polarisation_sum(m_X, coupling):
    """BR(D+ -> pi+ X) from the squared amplitude: vector current of strength coupling/2,
    polarisations summed.
    """
    with mp.workdps(30):
        D, pi, m = mp.mpf("1.86966"), mp.mpf("0.13957"), mp.mpf(m_X)
        form_factor = mp.mpf("0.612") / (1 - m**2 / mp.mpf("2.00685") ** 2)
        P_k, P_P = D**2 - pi**2, 2 * D**2 + 2 * pi**2 - m**2  # P = p_D + p_pi, k = p_D - p_pi
        squared = (mp.mpf(coupling) / 2 * form_factor) ** 2 * (P_k**2 / m**2 - P_P)
        E_pi = (D**2 + pi**2 - m**2) / (2 * D)
        width = mp.sqrt(E_pi**2 - pi**2) / (8 * mp.pi * D**2) * squared
        return float(width * mp.mpf("1033e-15") / mp.mpf("6.582119569e-25"))


@pytest.mark.parametrize("m_X", [1e-6, 0.1, 0.5, 1.5, 1.73, THRESHOLD - 1e-6])
def test_dpi_against_the_amplitude(m_X):
    np.testing.assert_allclose(
        branching_ratio_dpi(m_X, 1e-9), by_polarisation_sum(m_X, 1e-9), rtol=1e-9
    )


def test_dpi_limits():
    assert branching_ratio_dpi(np.array([THRESHOLD, 1.8, 50.0]), 1e-3).tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(branching_ratio_dpi(np.array([0.0, -1.0]), 1e-3)).all()
    assert branching_ratio_dpi(0.1, 0.0) == 0.0
    # light X = Goldstone boson: 1/F_V = g_uc/(2 m_X); F_V > 9.7e7 GeV (provisional:
    # arXiv:2002.04623 from memory)
    bound = 1e-9 * np.sqrt(8e-6 / branching_ratio_dpi(1e-3, 1e-9))
    np.testing.assert_allclose(2 * 1e-3 / bound, 9.7e7, rtol=2e-2)


def test_x12_limits_and_mask():
    unit = 2 * charm.TAU_D0 / 6.582119569e-25
    # light: longitudinal X, 0.0202 GeV^3 g_uc^2/m_X^2, three digits
    np.testing.assert_allclose(x12(1e-3, 1e-9), unit * 0.0202 * 1e-18 / 1e-6, rtol=2e-3)
    # heavy: contact operator g_uc^2/(2 m_X^2) (ubar_L gamma c_L)^2 with matrix element (2/3) m_D^2
    # f_D^2 B_1; between 10 TeV and the 3 GeV of B_1 QCD takes powers of alpha_s at 10 TeV, m_t, m_b
    # and 3 GeV, here at four loops: 0.072, 0.1085, 0.2265, 0.2545
    qcd = (
        (0.072 / 0.1085) ** (2 / 7) * (0.1085 / 0.2265) ** (6 / 23) * (0.2265 / 0.2545) ** (6 / 25)
    )
    contact = 1e-4**2 / (2 * 1e4**2) * (2 / 3 * 1.86484**2 * 0.212**2 * 0.757) / (2 * 1.86484)
    np.testing.assert_allclose(x12(1e4, 1e-4), unit * contact * qcd, rtol=1e-2)
    inside = np.array([-1.0, 0.0, 0.85, 0.9, 1.27, 1.756, 2.0 - 1e-9])
    assert np.isnan(x12(inside, 1e-6)).all()
    assert np.isfinite(x12(np.array([0.846, 2.0]), 1e-6)).all()
    assert x12(0.1, 0.0) == 0.0


@given(st.floats(1e-3, 0.9), st.floats(-1e-3, 1e-3), st.floats(0.1, 10))
def test_quadratic_in_the_coupling(m_X, coupling, factor):
    for function in (x12, branching_ratio_dpi):
        np.testing.assert_allclose(
            function(m_X, -factor * coupling),
            factor**2 * function(m_X, coupling),
            rtol=1e-12,
            atol=1e-300,
        )


def test_third_family():
    np.testing.assert_allclose(g_uc(1.0, 1), 1.566e-4, rtol=1e-3)  # |V_ub V_cb|, four digits
    np.testing.assert_allclose(
        g_uc(-1e-3, np.array([0.0, 1 / 3, 3.0])), 1.5662e-7 * np.array([0, 1 / 3, 3]), rtol=1e-12
    )


@pytest.mark.parametrize("function", [x12, branching_ratio_dpi])
def test_gradients_and_broadcasting(function):
    for m_X in (1e-3, 0.3, 0.84, 1.72 if function is branching_ratio_dpi else 2.1):
        gradient = jax.grad(function, argnums=(0, 1))(m_X, 1e-6)
        for i, value in enumerate(gradient):
            shifted = [
                function(*(a * (1 + s * 1e-6 * (j == i)) for j, a in enumerate((m_X, 1e-6))))
                for s in (1, -1)
            ]
            np.testing.assert_allclose(
                value, (shifted[0] - shifted[1]) / (2e-6 * (m_X, 1e-6)[i]), rtol=1e-6
            )
    for m_X in (0.0, 0.9, 1.27, THRESHOLD, 10.0):
        assert np.isfinite(jax.grad(function, argnums=(0, 1))(m_X, 0.0)).all()
    assert function(np.ones((4, 1)), np.ones(3)).shape == (4, 3)
