"""Delta a_mu against 1-D integrals and closed forms in mpmath."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import M_MU
from zscan.kernels.g2 import delta_a_mu, loop_functions

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
