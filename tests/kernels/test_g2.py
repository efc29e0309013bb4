"""Delta a of the muon and of other leptons against 1-D integrals and closed forms in mpmath."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import ALPHA_EM, M_E, M_MU, M_TAU
from zscan.kernels.g2 import delta_a, delta_a_mu, loop_functions

# m_X/m_mu: over the validated range, at and around s = 4 (x = 2) and at the changes of branch (s =
# 10, |w| = 0.4)
RATIOS = [
    1e-4,
    1e-3,
    0.1,
    1.0,
    1.69,
    1.6903,
    2 - 1e-9,
    2.0,
    2 + 1e-9,
    2.58,
    2.582,
    3.1622,
    3.1623,
    10.0,
    1e3,
    1e5,
]


def closed_form(x, digits=90):
    """I_V, I_A in closed form, independent of the branches under test."""
    with mp.workdps(digits):
        s = mp.mpf(x) ** 2
        w = (4 - s) / s
        ratio = mp.mpf(1) if w == 0 else (mp.atan(mp.sqrt(w)) / mp.sqrt(w)).real
        J = 2 / s * ratio
        vector = mp.mpf(1) / 2 - s - s / 2 * (2 - s) * mp.log(s) - s / 2 * (s**2 - 4 * s + 2) * J
        axial = (
            1 / s
            - mp.mpf(5) / 2
            + s
            - (s**2 - 4 * s + 2) / 2 * mp.log(s)
            + s / 2 * (s - 2) * (s - 4) * J
        )
        return vector, axial


@pytest.mark.parametrize("x", [0.05, 1.0, 2.0, 5.0, 300.0])
def test_closed_form_is_the_loop_integral(x):
    with mp.workdps(30):
        s = mp.mpf(x) ** 2
        D = lambda z: z**2 + s * (1 - z)  # noqa: E731
        vector = mp.quad(lambda z: z**2 * (1 - z) / D(z), [0, 0.5, 1])
        axial = mp.quad(lambda z: (z * (1 - z) * (4 - z) + 2 * z**3 / s) / D(z), [0, 0.5, 0.9, 1])
        assert mp.almosteq(vector, closed_form(x)[0], rel_eps=1e-18)
        assert mp.almosteq(axial, closed_form(x)[1], rel_eps=1e-18)


@pytest.mark.parametrize("x", RATIOS)
def test_loop_functions_and_their_gradients(x):
    m_X = x * M_MU.value
    x = mp.mpf(m_X) / mp.mpf(M_MU.value)
    for index, value in enumerate(loop_functions(m_X)):
        assert abs(float(float(value) / closed_form(x)[index] - 1)) <= 1e-11
        gradient = jax.grad(lambda m, i=index: loop_functions(m)[i])(m_X)
        with mp.workdps(200):
            step = x * mp.mpf(10) ** -20
            above, below = (closed_form(x + sign * step, 200)[index] for sign in (1, -1))
            exact = (above - below) / (2 * step * mp.mpf(M_MU.value))
        assert abs(float(float(gradient) / exact - 1)) <= 1e-10


# mpmath, 120 digits, m_mu = 0.1056583755 GeV; tolerance 1e-10
@pytest.mark.parametrize(
    ("m_X", "g_V", "g_A", "expected"),
    [
        (0.01, 5e-4, 0.0, 2.4780764151622833e-9),
        (0.1, 1e-3, 2e-4, 1.330485793157817e-9),
        (5.0, 3e-2, 1e-2, 1.4855897834415309e-9),
    ],
)
def test_reference_values(m_X, g_V, g_A, expected):
    np.testing.assert_allclose(delta_a_mu(m_X, g_V, g_A), expected, rtol=1e-10)


def test_limits():
    m_mu = M_MU.value
    heavy, light = 1e6 * m_mu, 1e-6 * m_mu
    np.testing.assert_allclose(
        delta_a_mu(heavy, 1.0, 0.5),
        m_mu**2 * (1 - 5 * 0.25) / (12 * np.pi**2 * heavy**2),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        delta_a_mu(light, 1.0, 0.5),
        (1 - 2 * 0.25 * (m_mu / light) ** 2) / (8 * np.pi**2),
        rtol=1e-5,
    )
    assert delta_a_mu(0.1, 0.0, 0.0) == 0.0
    assert np.isnan(delta_a_mu(np.array([0.0, -1.0]), 1.0, 0.0)).all()
    assert np.isfinite(jax.grad(delta_a_mu, argnums=(0, 1, 2))(2 * m_mu, 0.0, 0.0)).all()


@pytest.mark.parametrize(
    ("m_X", "ratio"), [(0.001, 0.006595), (0.1, 0.275913), (1.0, 0.431625), (5.0, 0.445886)]
)
def test_largest_axial_admixture(m_X, ratio):
    # sqrt(I_V/I_A) by quadrature, rounded at the sixth decimal; arXiv:2107.07518 quotes 0.44-0.45
    # for heavy X
    assert delta_a_mu(m_X, 1.0, ratio - 1e-6) > 0 > delta_a_mu(m_X, 1.0, ratio + 1e-6)


@given(st.floats(1e-4, 1e2), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 10))
def test_scales_with_the_square_of_the_couplings(m_X, g_V, g_A, factor):
    np.testing.assert_allclose(
        delta_a_mu(m_X, factor * g_V, -factor * g_A),
        factor**2 * delta_a_mu(m_X, g_V, g_A),
        rtol=1e-12,
        atol=1e-300,
    )


def test_broadcasts_and_accepts_float32():
    m_X, g_V = np.array([[0.1], [1.0]]), np.array([1e-3, 2e-3, 3e-3])
    assert delta_a_mu(m_X, g_V, 0.0).shape == (2, 3)
    assert delta_a_mu(jnp.float32(0.1), jnp.float32(1e-3), 0.0).dtype == jnp.float64


# Electron: mpmath, 40 digits, m_e = 0.51099895 MeV; s = m_X^2/m_e^2 from 5e-3 to 7e8; 1e-10
@pytest.mark.parametrize(
    ("m_X", "g_V", "g_A", "expected"),
    [
        (13.48, 1.798e-6, 5.041e-4, -1.5416348765601808e-17),
        (6.847, 6.803e-4, 0.0, 2.1765025857206217e-17),
        (0.06874, 1.373e-5, 0.0, 8.784653810257338e-17),
        (3.446e-5, -9.549e-4, 1.53e-4, -1.2268583711826508e-7),
        (0.004001, 2.097e-5, 0.0, 5.375320557847797e-14),
        (0.02798, 6.366e-5, 1.166e-6, 1.1326023554510562e-14),
    ],
)
def test_electron(m_X, g_V, g_A, expected):
    np.testing.assert_allclose(delta_a(m_X, g_V, g_A, M_E.value), expected, rtol=1e-10)


@pytest.mark.parametrize("x", [320.0, 1e4, 1e6, 1e8])
def test_heavy_x_for_a_light_lepton(x):
    m_X = x * M_E.value
    exact = [closed_form(mp.mpf(m_X) / mp.mpf(M_E.value), 150)[index] for index in (0, 1)]
    for index, value in enumerate(loop_functions(m_X, M_E.value)):
        assert abs(float(float(value) / exact[index] - 1)) <= 1e-11


# The dark-photon limit of the electron moment with alpha(Rb) as published curves have it [GeV,
# eps], arXiv:2102.07781 in DarkCast: 0.48e-12 + 3 x 0.30e-12
@pytest.mark.parametrize(
    ("m_X", "eps"),
    [(0.001, 1.1297e-4), (0.016298, 1.3562e-3), (1.0723, 8.8588e-2), (17.475, 1.4438)],
)
def test_published_limit_of_the_electron_moment(m_X, eps):
    coupling = eps * np.sqrt(4 * np.pi * ALPHA_EM.value)
    np.testing.assert_allclose(delta_a(m_X, coupling, 0.0, M_E.value), 1.38e-12, rtol=3e-4)


def test_delta_a_of_any_lepton():
    m_X = np.geomspace(1e-5, 1e3, 50)
    muon = delta_a(m_X, 1e-3, 2e-4, M_MU.value)
    np.testing.assert_array_equal(muon, delta_a_mu(m_X, 1e-3, 2e-4))
    # it depends on m_X/m_lepton
    tau = delta_a(m_X * M_TAU.value / M_MU.value, 1e-3, 2e-4, M_TAU.value)
    np.testing.assert_allclose(tau, muon, rtol=1e-10)
    masses = np.array([[M_E.value], [M_MU.value], [M_TAU.value]])
    assert delta_a(m_X, 1e-3, 0.0, masses).shape == (3, 50)
    assert np.isnan(delta_a(0.1, 1e-3, 0.0, np.array([0.0, -1.0]))).all()
    gradient = jax.grad(delta_a, argnums=(0, 1, 2, 3))
    for place in ((0.01, 0.0, 0.0, M_E.value), (1e4, 1.0, 1.0, M_E.value)):
        assert np.isfinite(gradient(*place)).all()
