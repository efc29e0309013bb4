"""Loop mixing against mpmath quadrature and published values."""

import jax
import mpmath as mp
import numpy as np
import pytest

from zscan.constants import ALPHA_EM, E_CHARGE, M_E, M_MU, M_TAU
from zscan.errors import ParameterError
from zscan.kernels.mixing import loop_eps_over_g


def quadrature(q2, m_a=M_MU.value, m_b=M_TAU.value):
    """The defining integral with the cuts taken at q2 + i0; the interval is split where the logarithms bend."""
    with mp.workdps(30):
        q2 = mp.mpf(q2)

        def log(x, mass):
            argument = mass**2 - x * (1 - x) * q2
            return mp.log(abs(argument)) - (mp.pi * mp.mpc(0, 1) if argument < 0 else 0)

        points = {mp.mpf(0), mp.mpf("0.5"), mp.mpf(1)}
        for mass in (mp.mpf(m_a), mp.mpf(m_b)):
            edges = [mass**2 / abs(q2)] if q2 else []
            if q2 > 4 * mass**2:
                edges.append((1 - mp.sqrt(1 - 4 * mass**2 / q2)) / 2)
            points |= {p for edge in edges if edge < 0.5 for p in (edge, 1 - edge)}
        integral = mp.quad(lambda x: x * (1 - x) * (log(x, mp.mpf(m_b)) - log(x, mp.mpf(m_a))), sorted(points))
        return complex(mp.mpf(E_CHARGE.value) / (2 * mp.pi**2) * integral)


@pytest.mark.parametrize("q2", [-1e4, -100.0, -0.0112, -0.011, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.011, 0.0112, 0.044])
def test_real_below_threshold(q2):
    value = complex(loop_eps_over_g(q2))
    assert value.imag == 0.0
    np.testing.assert_allclose(value.real, quadrature(q2).real, rtol=1e-12)


@pytest.mark.parametrize("q2", [0.0447, 0.05, 1.0, 3.16, 12.6, 12.7, 100.0])
def test_complex_above_threshold(q2):
    value = complex(loop_eps_over_g(q2))
    assert value.imag > 0
    np.testing.assert_allclose(value, quadrature(q2), rtol=1e-9)


def test_value_at_zero():
    # e/(6 pi^2) ln(m_tau/m_mu), CODATA alpha; mpmath
    np.testing.assert_allclose(complex(loop_eps_over_g(0.0)).real, 0.014432911118330838, rtol=1e-12)
    ln = np.log(M_MU.value / M_E.value)
    np.testing.assert_allclose(
        complex(loop_eps_over_g(0.0, leptons="mu-e")).real, -E_CHARGE.value * ln / (6 * np.pi**2), rtol=1e-13
    )
    np.testing.assert_allclose(E_CHARGE.value**2, 4 * np.pi * ALPHA_EM.value, rtol=1e-15)


# |eps/g_X|^-1 at q2 = m_X^2 from a numerical integral of arXiv:2006.11225 Eq. (7), three to four digits
@pytest.mark.parametrize(
    ("m_X", "inverse"),
    [(1e-3, 69.3), (0.1, 66.9), (0.2, 55.1), (0.25, 52.1), (1.0, 92.7), (3.0, 124), (4.0, 186), (10.0, 1827)],
)
def test_published_modulus(m_X, inverse):
    np.testing.assert_allclose(1 / abs(complex(loop_eps_over_g(m_X**2))), inverse, rtol=4e-3)


def test_gradient_is_finite_everywhere_and_right_where_smooth():
    part = lambda q2: loop_eps_over_g(q2).real  # noqa: E731
    thresholds = np.array([4 * M_MU.value**2, 4 * M_TAU.value**2, M_MU.value**2, -(M_MU.value**2), 0.0])
    around = np.concatenate([thresholds, np.nextafter(thresholds, -1), np.nextafter(thresholds, 100)])
    for function in (part, lambda q2: loop_eps_over_g(q2).imag):
        assert np.isfinite(jax.vmap(jax.grad(function))(around)).all()
    for q2 in (-5.0, -1e-3, 1e-6, 0.02, 0.2, 20.0):
        step = 1e-4 * abs(q2)
        central = (part(q2 + step) - part(q2 - step)) / (2 * step)
        np.testing.assert_allclose(jax.grad(part)(q2), central, rtol=1e-6)


@pytest.mark.parametrize("leptons", ["mu", "mu-mu", "mu-x", "mu-tau-e", ""])
def test_refuses_unknown_leptons(leptons):
    with pytest.raises(ParameterError, match="allowed"):
        loop_eps_over_g(0.0, leptons=leptons)
