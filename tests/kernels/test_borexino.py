"""Borexino rate ratio against adaptive quadrature and an independent implementation."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from zscan.constants import G_F, M_E
from zscan.kernels.borexino import rate_ratio

# Independent implementation: Gauss-Legendre with 64 nodes, s2 = 0.23857, window [0.19, 0.66492]
# MeV, fractions (0.525, 0.192, 0.283); relative tolerance 1e-4 as stated there
REFERENCE = [
    (0.010, [-1.2e-5, -1.2e-5, -1.2e-5, -1.2e-5, -1.2e-5], 1.0763869789718916),  # B-L
    (0.010, [-1e-5, -1e-5, -1e-5, 1e-5, 0.0], 1.07535288403404),  # L_mu - L_e
]


def by_quadrature(m_X, g_eL, g_eR, g_nu):
    """Rate ratio by scipy's adaptive quadrature of the cross section, written out."""
    s2, E, m_e = 0.23857, 0.862e-3, M_E.value

    def rate(scale):
        total = 0.0
        for fraction, L_SM, g in zip(
            (0.525, 0.192, 0.283), (s2 + 0.5, s2 - 0.5, s2 - 0.5), g_nu, strict=True
        ):

            def density(T, L_SM=L_SM, g=g):
                y = scale * g / (2 * np.sqrt(2) * G_F.value * (2 * m_e * T + m_X**2))
                L, R = L_SM + y * g_eL, s2 + y * g_eR
                return L**2 + R**2 * (1 - T / E) ** 2 - L * R * m_e * T / E**2

            total += (
                fraction
                * quad(density, 0.19e-3, 2 * E**2 / (m_e + 2 * E), epsabs=0, epsrel=1e-13)[0]
            )
        return total

    return rate(1.0) / rate(0.0)


@pytest.mark.parametrize(("m_X", "g", "expected"), REFERENCE)
def test_reference_values(m_X, g, expected):
    np.testing.assert_allclose(rate_ratio(m_X, *g), expected, rtol=1e-12)


@pytest.mark.parametrize("m_X", [0.0, 1e-5, 1e-3, 0.01, 1.0, 1e3])
@pytest.mark.parametrize("axial", [0.0, 1.0])
def test_against_adaptive_quadrature(m_X, axial):
    g = 1e-5 * max(m_X, 1e-3) / 1e-3
    g_eL, g_eR, g_nu = g * (1 - 2 * axial), g, (g, -2 * g, 0.5 * g)
    np.testing.assert_allclose(
        rate_ratio(m_X, g_eL, g_eR, *g_nu), by_quadrature(m_X, g_eL, g_eR, g_nu), rtol=1e-11
    )


def test_limits():
    assert rate_ratio(0.1, 1.0, 1.0, 0.0, 0.0, 0.0) == 1.0
    assert rate_ratio(0.1, 0.0, 0.0, 1.0, 1.0, 1.0) == 1.0
    assert abs(rate_ratio(1e8, 1.0, 1.0, 1.0, 1.0, 1.0) - 1) < 1e-10
    assert np.isnan(rate_ratio(-0.1, 0.0, 0.0, 0.0, 0.0, 0.0))


@given(
    st.floats(1e-4, 1.0),
    st.lists(st.floats(-1e-4, 1e-4), min_size=5, max_size=5),
    st.floats(0.2, 5.0),
)
def test_only_products_of_electron_and_neutrino_couplings_enter(m_X, g, factor):
    g_eL, g_eR, *g_nu = g
    scaled = rate_ratio(m_X, factor * g_eL, factor * g_eR, *(value / factor for value in g_nu))
    np.testing.assert_allclose(scaled, rate_ratio(m_X, *g), rtol=1e-9)


def test_gradients():
    arguments = (0.01, 1e-5, -2e-5, 1e-5, 2e-5, -3e-5)
    gradient = jax.grad(rate_ratio, argnums=tuple(range(6)))(*arguments)
    for index, value in enumerate(gradient):
        step = 1e-5 * abs(arguments[index])
        shifted = [
            rate_ratio(*(a + s * step * (i == index) for i, a in enumerate(arguments)))
            for s in (1, -1)
        ]
        np.testing.assert_allclose(value, (shifted[0] - shifted[1]) / (2 * step), rtol=1e-6)
    for m_X in (0.0, 1e-9, 1e6):
        assert np.isfinite(
            jax.grad(rate_ratio, argnums=tuple(range(6)))(m_X, 0.0, 0.0, 0.0, 0.0, 0.0)
        ).all()


def test_broadcasts():
    m_X, g = np.geomspace(1e-3, 1.0, 4)[:, None], np.geomspace(1e-6, 1e-3, 3)[None, :]
    assert rate_ratio(m_X, g, g, 0.0, g, -g).shape == (4, 3)
