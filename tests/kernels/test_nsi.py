"""NSI parameters against the potential written out, and their insensitivity to kinetic mixing."""

import math

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import E_CHARGE, G_F
from zscan.kernels.nsi import epsilon
from zscan.models import couplings

coupling = st.floats(-1e-2, 1e-2)


def of_model(model, m_X, g_X, eps, flavour):
    x = couplings(model, m_X, g_X, eps, q2=0.0)
    return epsilon(m_X, x.e.V, x.u.V, x.d.V, getattr(x, f"nu_{flavour}"))


def test_reference_value():
    # closed form, B - 3 L_mu at m_X/g_X = 4.8 TeV, Y_n = 1.051; relative tolerance 1e-4 as stated
    # there
    value = of_model("B-3Lmu", 48.0, 0.01, 0.0, "mu") - of_model("B-3Lmu", 48.0, 0.01, 0.0, "e")
    np.testing.assert_allclose(value, -0.016190112345399802, rtol=1e-12)


def test_benchmark_models():
    unit = 1e-3**2 / (math.sqrt(2) * G_F.value * 0.1**2)
    point = (0.1, 1e-3, 0.0)
    np.testing.assert_allclose(of_model("Lmu-Le", *point, "e"), unit, rtol=1e-12)
    np.testing.assert_allclose(of_model("Lmu-Le", *point, "mu"), -unit, rtol=1e-12)
    np.testing.assert_allclose(
        of_model("B-2Le-Lmu", *point, "e"), -2 * (-2 + 1 + 1.051) * unit, rtol=1e-12
    )
    np.testing.assert_allclose(of_model("Lmu-Ltau", *point, "mu"), 0.0, atol=1e-15 * unit)


@given(coupling, coupling, coupling, coupling, coupling, st.floats(0, 1.2))
def test_kinetic_mixing_cancels(g_e, g_u, g_d, g_nu, mixing, ratio):
    e = E_CHARGE.value * mixing
    mixed = epsilon(0.1, g_e - e, g_u + 2 * e / 3, g_d - e / 3, g_nu, neutron_ratio=ratio)
    largest = max(abs(g_e), abs(g_u), abs(g_d), abs(e))
    rounding = 20 * np.finfo(float).eps * largest * abs(g_nu) / (math.sqrt(2) * G_F.value * 0.1**2)
    np.testing.assert_allclose(
        mixed, epsilon(0.1, g_e, g_u, g_d, g_nu, neutron_ratio=ratio), rtol=0, atol=rounding
    )


def test_limits_gradients_and_broadcasting():
    assert np.isnan(epsilon(np.array([0.0, -1.0]), 1.0, 1.0, 1.0, 1.0)).all()
    assert epsilon(0.1, 0.0, 0.0, 0.0, 1.0) == 0.0
    assert epsilon(
        np.ones((4, 1)), np.ones(3), 1.0, 1.0, 1.0, neutron_ratio=np.ones((2, 1, 1))
    ).shape == (2, 4, 3)
    arguments = (0.1, 1e-3, 2e-3, -3e-3, 4e-3)
    gradient = jax.grad(epsilon, argnums=tuple(range(5)))(*arguments)
    for i, value in enumerate(gradient):
        shifted = [
            epsilon(*(a * (1 + s * 1e-5 * (j == i)) for j, a in enumerate(arguments)))
            for s in (1, -1)
        ]
        np.testing.assert_allclose(
            value, (shifted[0] - shifted[1]) / (2e-5 * arguments[i]), rtol=1e-8
        )
    assert np.isfinite(jax.grad(epsilon, argnums=tuple(range(5)))(0.1, 0.0, 0.0, 0.0, 0.0)).all()
