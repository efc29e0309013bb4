"""K -> mu nu X against helicity amplitudes, the Goldstone limit and an independent evaluation."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from zscan.constants import M_MU
from zscan.kernels.kmunux import LOWEST, THRESHOLD, rate_ratio

M, MU = 0.493677, M_MU.value  # kaon mass of PDG 2020
LEFT_HANDED = (1.0, 0.5, -0.5, 0.0)  # X couples to the lepton doublet only

METRIC = np.array([1.0, -1.0, -1.0, -1.0])
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
GAMMA = np.array(
    [np.kron(PAULI[0], np.eye(2)), *(np.kron(1j * PAULI[1], sigma) for sigma in PAULI)]
)
GAMMA5 = -np.kron(PAULI[2], np.eye(2))
LEFT = np.eye(4) - GAMMA5


def slash(p):
    return np.einsum("...a,a,aij->...ij", p, METRIC, GAMMA)


def by_helicity_amplitudes(m_X, couplings, nodes=48):
    """The ratio from spinors and polarisation vectors in the kaon's rest frame, over the energies
    of X and neutrino.
    """
    x_nu, x_V, x_A, x_K = couplings
    t, weight = np.polynomial.legendre.leggauss(nodes)
    # E = middle - half cos(pi s) makes the square roots at both ends of the ranges analytic
    angle, weight = math.pi * (t + 1) / 2, weight * math.pi / 2
    largest = (M**2 + m_X**2 - MU**2) / (2 * M)
    E = (largest + m_X) / 2 - (largest - m_X) / 2 * np.cos(angle)
    w_E = (largest - m_X) / 2 * np.sin(angle) * weight
    k_abs = np.sqrt(E**2 - m_X**2)
    pair = (
        M**2 + m_X**2 - 2 * M * E - MU**2
    )  # 2 p_nu.p_mu; the neutrino's energy is pair/2/(M - E + k cos)
    low, high = pair / 2 / (M - E + k_abs), pair / 2 / (M - E - k_abs)
    nu = (low + high)[:, None] / 2 - (high - low)[:, None] / 2 * np.cos(angle)
    weights = (w_E[:, None] * (high - low)[:, None] / 2 * np.sin(angle) * weight).ravel()
    cos = np.clip((pair[:, None] / (2 * nu) - (M - E)[:, None]) / k_abs[:, None], -1, 1)
    E, k_abs = (np.broadcast_to(a[:, None], cos.shape).ravel() for a in (E, k_abs))
    cos, nu, zero = cos.ravel(), nu.ravel(), 0 * cos.ravel()
    k = np.stack([E, zero, zero, k_abs], axis=-1)
    n = np.stack([nu, nu * np.sqrt(1 - cos**2), zero, nu * cos], axis=-1)
    P = np.array([M, 0, 0, 0])
    p = P - k - n

    one = zero + 1
    polarisations = np.stack(
        [
            np.stack(e, -1)
            for e in (
                (zero, one, zero, zero),
                (zero, zero, one, zero),
                (k_abs / m_X, zero, zero, E / m_X),
            )
        ]
    )
    # Columns of (pslash + m) span the spinors u, those of (pslash - m) the spinors v, up to
    # normalisation
    u_nu = slash(n)[..., [2]] / np.sqrt(n[:, 0] - n[:, 3])[:, None, None]
    v_mu = (
        (slash(p) - MU * np.eye(4)) @ _rest_spinors() / np.sqrt(2 * (p[:, 0] + MU))[:, None, None]
    )
    q, l_ = n + k, p + k
    q2, l2 = (np.sum(a**2 * METRIC, axis=-1)[:, None, None] for a in (q, l_))
    kaon_line = (np.sum((P - k) ** 2 * METRIC, axis=-1) - M**2)[:, None, None]
    total = 0.0
    for e in polarisations:
        e_slash, along = slash(e), 2 * M * e[:, 0, None, None]
        amplitude = x_nu * e_slash @ slash(q) @ slash(P) @ LEFT / q2
        amplitude = amplitude + slash(P) @ LEFT @ (MU * np.eye(4) - slash(l_)) @ e_slash @ (
            x_V * np.eye(4) + x_A * GAMMA5
        ) / (l2 - MU**2)
        amplitude = amplitude + x_K * (along / kaon_line * slash(P - k) @ LEFT - e_slash @ LEFT)
        bar = np.conj(np.swapaxes(u_nu, -1, -2)) @ GAMMA[0]
        total = total + np.sum(np.abs(bar @ amplitude @ v_mu) ** 2, axis=(1, 2))
    width = np.sum(weights * total) / ((2 * math.pi) ** 3 * 8 * M)
    return width / (MU**2 * (M**2 - MU**2) ** 2 / (4 * math.pi * M**3))


def _rest_spinors():
    """Columns xi, gamma^0 xi = -xi, so that (pslash - m) xi/sqrt(2 (E + m)) are the spinors v."""
    return np.vstack([np.eye(2), -np.eye(2)])


# Independent evaluation (spinor traces, adaptive quadrature in other variables), x_V = x_nu = 1;
# its own accuracy 1e-6
@pytest.mark.parametrize(
    ("m_X", "expected"), [(0.05, 0.08701060577576644), (0.2, 0.0030477453836501582)]
)
def test_reference_values(m_X, expected):
    np.testing.assert_allclose(rate_ratio(m_X, 1.0, 1.0, 0.0, 0.0), expected, rtol=1e-6)


# Same evaluation, three digits
@pytest.mark.parametrize(
    ("m_X", "couplings", "expected"),
    [
        (0.01, (1.0, 1.0, 0.0, 0.0), 0.342),
        (0.1, (1.0, 1.0, 0.0, 0.0), 0.0284),
        (0.3, (1.0, 1.0, 0.0, 0.0), 1.15e-4),
        (0.01, LEFT_HANDED, 1.81),
        (0.001, LEFT_HANDED, 180.0),
    ],
)
def test_rounded_reference_values(m_X, couplings, expected):
    np.testing.assert_allclose(rate_ratio(m_X, *couplings), expected, rtol=5e-3)


@pytest.mark.parametrize("m_X", [0.0303, 0.101, 0.203, 0.3501, 0.387])
@pytest.mark.parametrize(
    "couplings",
    [
        (1.0, 0, 0, 0),
        (0, 1.0, 0, 0),
        (0, 0, 1.0, 0),
        (0, 0, 0, 1.0),
        (1.0, 0.3, 0, 0.7),
        (0.4, -0.8, 0.6, -0.5),
    ],
)
def test_against_helicity_amplitudes(m_X, couplings):
    np.testing.assert_allclose(
        rate_ratio(m_X, *couplings), by_helicity_amplitudes(m_X, couplings), rtol=2e-6
    )


def test_goldstone_limit():
    # m_X -> 0 with a broken current: the amplitude is delta/m_X ubar_nu Pslash (1-gamma5) v, whose
    # square is 4 [(l^2 + m^2) q^2 + m^2 (w - m^2)], linear in l^2 at fixed q^2
    def inner(q2):
        middle = MU**2 + (M**2 - q2 - MU**2) / 2
        width = math.sqrt((M**2 - (math.sqrt(q2) + MU) ** 2) * (M**2 - (math.sqrt(q2) - MU) ** 2))
        return 4 * width * ((middle + MU**2) * q2 + MU**2 * (M**2 - q2 - middle))

    width = quad(inner, 0, (M - MU) ** 2, epsrel=1e-10)[0] / ((2 * math.pi) ** 3 * 32 * M**3)
    expected = width / (MU**2 * (M**2 - MU**2) ** 2 / (4 * math.pi * M**3))
    m_X = 1e-4
    for couplings in ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), (0.0, -1.0, 0.0, 0.0)):
        np.testing.assert_allclose(rate_ratio(m_X, *couplings) * m_X**2, expected, rtol=1e-3)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_conserved_current_does_not_grow(x_V, x_K):
    heavy, light = (float(rate_ratio(m, x_V + x_K, x_V, 0.0, x_K)) for m in (1e-2, 1e-3))
    # only logarithms are left; a cancellation good to one per cent would still give a factor of ten
    # or more
    assert 0 <= heavy <= light * (1 + 1e-12) <= 5 * heavy + 1e-300


def test_a_broken_current_grows_as_the_inverse_square():
    for couplings in (LEFT_HANDED, (0.5, 0.5, 0.5, 0.0), (1.0, 0.0, 0.0, 0.0)):
        light, heavy = (float(rate_ratio(m, *couplings)) * m**2 for m in (1e-4, 1e-3))
        assert abs(light / heavy - 1) < 3e-3


@given(
    st.floats(1e-4, 0.388), st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.floats(0.1, 10)
)
def test_positive_and_quadratic(m_X, couplings, factor):
    ratio = float(rate_ratio(m_X, *couplings))
    bound = sum(float(rate_ratio(m_X, *row)) for row in np.eye(4))
    assert ratio >= -1e-9 * bound
    scaled = rate_ratio(m_X, *(factor * x for x in couplings))
    np.testing.assert_allclose(
        scaled, factor**2 * ratio, rtol=1e-12, atol=1e-12 * factor**2 * bound
    )


def test_range():
    np.testing.assert_allclose(THRESHOLD, M - MU, rtol=1e-15)
    assert rate_ratio(THRESHOLD, *LEFT_HANDED) == rate_ratio(10.0, *LEFT_HANDED) == 0.0
    assert np.isnan(rate_ratio(np.array([0.0, -1.0, 0.99e-4]), *LEFT_HANDED)).all()
    assert rate_ratio(LOWEST, *LEFT_HANDED) > 0
    assert rate_ratio(0.1, 0.0, 0.0, 0.0, 0.0) == 0.0
    near, nearer = (
        float(rate_ratio(THRESHOLD * (1 - e), *LEFT_HANDED)) / e**3.5 for e in (1e-4, 1e-7)
    )
    np.testing.assert_allclose(near, nearer, rtol=1e-3)


def test_gradients():
    arguments = (0.0731, 1.0, 0.4, -0.3, 0.2)
    gradient = jax.grad(rate_ratio, argnums=tuple(range(5)))(*arguments)
    for index, value in enumerate(gradient):
        step = 1e-5 * abs(arguments[index])
        above, below = (
            rate_ratio(*(a + s * step * (i == index) for i, a in enumerate(arguments)))
            for s in (1, -1)
        )
        np.testing.assert_allclose(value, (above - below) / (2 * step), rtol=1e-7)
    for m_X in (0.0, LOWEST, 1e-3, THRESHOLD * (1 - 1e-15), THRESHOLD, 1.0):
        for couplings in (np.zeros(4), LEFT_HANDED):
            assert np.isfinite(jax.grad(rate_ratio, argnums=tuple(range(5)))(m_X, *couplings)).all()


def test_broadcasts():
    m_X, g = np.geomspace(1e-3, 1.0, 4)[:, None], np.geomspace(1e-6, 1e-3, 3)[None, :]
    assert rate_ratio(m_X, g, g, 0.0, 0.0).shape == (4, 3)
    np.testing.assert_allclose(
        rate_ratio(m_X, g, g, 0.0, 0.0), g**2 * rate_ratio(m_X, 1.0, 1.0, 0.0, 0.0), rtol=1e-12
    )
