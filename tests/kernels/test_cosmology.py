"""N_eff against the Bessel series, adaptive quadrature and an independent implementation."""

from itertools import pairwise

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import kn

from zscan.constants import M_PLANCK
from zscan.errors import ParameterError
from zscan.kernels.cosmology import N_EFF_SM, applies, n_eff, thermal_ratio


def entropy_ratio(x):
    """Entropy of a massive vector over that of one neutrino species, by the Bessel series."""
    n = np.arange(1, max(3, int(70 / x)))
    return 90 * x**3 / (7 * np.pi**4) * np.sum(kn(3, n * x) / n)


def entropy_ratio_by_quadrature(x):
    """The same as an integral over momentum."""

    def density(p):
        y = np.sqrt(p**2 + x**2)
        return p**2 * (4 * p**2 + 3 * x**2) / y / np.expm1(y)

    edges = [0, x, 3 * x, 1 + x, 8 + x, 60 + x]
    pieces = [quad(density, *pair, epsabs=0, epsrel=1e-13)[0] for pair in pairwise(edges)]
    return 30 / (7 * np.pi**4) * sum(pieces)


@pytest.mark.parametrize("x", [0.5, 1.0, 3.0, 10.0, 40.0])
def test_the_series_is_the_integral(x):
    assert entropy_ratio(x) == pytest.approx(entropy_ratio_by_quadrature(x), rel=1e-12)


@pytest.mark.parametrize("x", [1e-5, 1e-3, 0.03, 0.2, 1.0, 3.0, 7.0, 20.0, 60.0])
@pytest.mark.parametrize("flavours", [2, 3])
def test_against_the_entropy_of_a_massive_vector(x, flavours):
    F = entropy_ratio(x) if x > 0.1 else entropy_ratio_by_quadrature(x)
    shares = {3: (0.0, 1.0, F / 2), 2: (1 / 3, 2 / 3, 3 * F / 4)}[flavours]
    rest, share, growth = shares
    expected = rest + share * (1 + growth) ** (4 / 3)
    np.testing.assert_allclose(n_eff(2.3e-3 * x, flavours=flavours) / 3.044, expected, rtol=1e-12)


# Independent mpmath code, 1e-9: (m_X, T_dec, flavours, N_eff)
@pytest.mark.parametrize(
    ("m_X", "T_dec", "flavours", "expected"),
    [
        (0.004855, 0.0023, 3, 4.471413445701856),
        (0.0502, 0.0015, 2, 3.044000000007228),
        (0.005031, 0.003, 3, 4.755447632644649),
        (0.002302, 0.0015, 2, 4.899405254639968),
        (0.004376, 0.0023, 2, 4.643660791042137),
        (1e-9, 0.0023, 3, 3.044 * (11 / 7) ** (4 / 3)),  # F(0) = 8/7
    ],
)
def test_reference_values(m_X, T_dec, flavours, expected):
    np.testing.assert_allclose(n_eff(m_X, T_dec, flavours=flavours), expected, rtol=1e-9)


def test_bounds_on_the_mass():
    # m_X for N_eff < 3.33 (< 3.5), by independent code, and about 10 MeV in arXiv:1901.02010, which
    # solves the Boltzmann equations
    for level, T_dec, expected, rtol in (
        (3.33, 2.3e-3, 0.011440065230296545, 1e-7),
        (3.33, 2.0e-3, 9.9e-3, 0.01),
        (3.33, 1.5e-3, 7.5e-3, 0.01),
        (3.33, 3.0e-3, 14.9e-3, 0.01),
        (3.5, 2.3e-3, 9.7e-3, 0.01),
    ):
        found = brentq(lambda m, level=level, T=T_dec: float(n_eff(m, T)) - level, 1e-4, 0.1)
        np.testing.assert_allclose(found, expected, rtol=rtol)
    # two flavours move it by 0.2 %
    two = brentq(lambda m: float(n_eff(m, flavours=2)) - 3.33, 1e-4, 0.1)
    assert two == pytest.approx(0.01144, rel=4e-3)


def test_equilibrium():
    # independent code, 1e-9
    for m_X, squared, expected in (
        (0.02136, 7.883e-15, 64506.21712196783),
        (0.01095, 2.219e-14, 354204.82990126626),
    ):
        np.testing.assert_allclose(thermal_ratio(m_X, squared), expected, rtol=1e-9)
    # written out, and couplings of equilibrium at 1, 3, 10 and 30 MeV, two digits
    m_X, g = 0.004, 1e-9
    hubble = np.sqrt(4 * np.pi**3 / 45 * 10.75) * (m_X / 3) ** 2 / M_PLANCK.value
    rate = m_X * g**2 / (24 * np.pi) * kn(1, 3) / kn(2, 3)
    np.testing.assert_allclose(thermal_ratio(m_X, g**2), rate / hubble, rtol=1e-12)
    for m_X, least in ((1e-3, 7.6e-11), (3e-3, 1.3e-10), (0.01, 2.4e-10), (0.03, 4.1e-10)):
        assert thermal_ratio(m_X, least**2) == pytest.approx(1, rel=0.03)
        # the floor is well above
        assert thermal_ratio(m_X, 4e-9**2) > 50
    assert np.isnan(thermal_ratio(np.array([0.0, -1.0]), 1.0)).all()


def test_where_it_applies():
    assert applies(0.01, 0.0, 1e-5, -1e-5, 1.0)
    assert applies(0.01, -5e-9, 0.0, 0.0, 0.6)
    assert not applies(0.01, 3e-9, 3e-9, 3e-9, 1.0)  # freezes in
    assert not applies(0.07, 1e-5, 1e-5, 1e-5, 1.0)  # no effect
    assert not applies(0.01, 1e-5, 1e-5, 1e-5, 0.4)  # heats photons
    assert not applies(-0.01, 1e-5, 1e-5, 1e-5, 1.0)
    assert applies(np.full((3, 1), 0.01), np.full((1, 4), 1e-5), 0.0, 0.0, 1.0).shape == (3, 4)


def test_limits_and_gradients():
    assert n_eff(0.06) == pytest.approx(N_EFF_SM, abs=1e-8)
    assert n_eff(1e4) == N_EFF_SM
    masses = np.geomspace(1e-6, 0.05, 200)
    assert (np.diff(n_eff(masses)) < 0).all()
    assert np.isnan(n_eff(np.array([-1e-3, 0.01, 0.01]), np.array([2e-3, 0.0, -1e-3]))).all()
    gradient = jax.jit(jax.grad(n_eff, argnums=(0, 1)))
    for m_X in (-1.0, 0.0, 1e-12, 1e-3, 0.02, 1.0, 1e4):
        assert np.isfinite(gradient(m_X, 2.3e-3)).all()
    step = 1e-8
    slope = (n_eff(0.005 + step) - n_eff(0.005 - step)) / (2 * step)
    np.testing.assert_allclose(gradient(0.005, 2.3e-3)[0], slope, rtol=1e-6)
    # N_eff depends on m_X/T_dec
    at = gradient(0.005, 2.3e-3)
    np.testing.assert_allclose(at[0] * 0.005, -at[1] * 2.3e-3, rtol=1e-10)
    with pytest.raises(ParameterError, match="flavours = 1"):
        n_eff(0.01, flavours=1)
