"""Radiative muon mass and its g-2 against mpmath, Feynman-parameter integrals and the finite-mass
loop integrals.
"""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import M_MU
from zscan.kernels.muoquark import (
    coupling_for_mass,
    delta_a_mu,
    delta_a_mu_leading,
    delta_a_mu_over_m_mu,
    muon_mass,
    scalar_masses,
    soft_mass,
)

M_T, R_2, S_1 = 163.0, 5 / 3, 1 / 3
CENTRAL, ERROR = 251e-11, 59e-11
# M2/m_t: the validated range, the pole of the closed forms at 1, changes of branch at |s| = 2
LIGHTER = np.array(
    [1e-3, 0.1, np.exp(-1), 0.9, 1 - 1e-9, 1.0, 1 + 1e-6, 1.1, np.e, 3.0, 37.0, 1e4, 1e16]
)
# M1/M2: nearly equal, around the change of branch at e, far apart
RATIOS = np.array(
    [1e-8, 0.3, 1 - 1e-12, 1 + 4e-16, 1 + 1e-12, 1 + 1e-9, 1 + 1e-4, 1.1, 2.0, np.e, 2.8, 10.0, 1e5]
)


def exact(M1, M2, m_t=M_T):
    """g(M1) - g(M2), and the two parts of h(M1) - h(M2), in closed form with 150 digits."""

    def functions(M):
        r = (mp.mpf(m_t) / mp.mpf(M)) ** 2
        if r == 1:
            return mp.mpf(1), mp.mpf(1) / 3 / M**2, mp.mpf(1) / 6 / M**2
        top = (-3 + 4 * r - r**2 - 2 * mp.log(r)) / (2 * (1 - r) ** 3)
        scalar = (1 - r**2 + 2 * r * mp.log(r)) / (2 * (1 - r) ** 3)
        return -mp.log(r) / (1 - r), top / mp.mpf(M) ** 2, scalar / mp.mpf(M) ** 2

    with mp.workdps(150):
        return [one - other for one, other in zip(functions(M1), functions(M2), strict=True)]


def test_against_mpmath():
    M2, M1 = (grid.ravel() for grid in np.meshgrid(M_T * LIGHTER, RATIOS))
    M1 = M1 * M2
    # Q_S = 0 and 1: photon on the top alone, on the scalar alone
    mass, top, scalar = (
        np.asarray(value)
        for value in (
            muon_mass(M1, M2, m_t=M_T, lam=1.0),
            delta_a_mu_over_m_mu(M1, M2, m_t=M_T, Q_S=0.0),
            delta_a_mu_over_m_mu(M1, M2, m_t=M_T, Q_S=1.0),
        )
    )
    for i in range(M1.size):
        g, h_top, h_scalar = exact(M1[i], M2[i])
        with mp.workdps(50):
            factor = 2 * mp.mpf(M_MU.value) / g
            errors = (
                mass[i] * 32 * mp.pi**2 / (3 * M_T * g) - 1,
                top[i] / (factor * h_top) - 1,
                -scalar[i] / (factor * h_scalar) - 1,
            )
        assert max(abs(float(error)) for error in errors) <= 1e-13, (M1[i], M2[i])


def test_feynman_parameters():
    # g(M1) - g(M2) is the difference of two B_0(0; m_t, M); F_f and F_s are integrals of rational
    # functions
    M1, M2 = 6500.0, 5000.0
    with mp.workdps(30):
        D = lambda x, M: x * M_T**2 + (1 - x) * M**2  # noqa: E731
        cuts = [0, 0.9, 0.999, 1]
        g = mp.quad(lambda x: mp.log(D(x, M1) / D(x, M2)), cuts)
        h = [
            mp.quad(
                lambda x: R_2 * x * (1 - x) / D(1 - x, M) + (R_2 - 1) * x**2 / D(x, M),  # noqa: B023
                [0, 0.001, 0.1, *cuts[1:]],
            )
            for M in (M1, M2)
        ]
        mass = 3 * M_T * 0.2 * g / (32 * mp.pi**2)
        moment = -3 * M_MU.value * M_T * 0.2 * (h[0] - h[1]) / (16 * mp.pi**2)
    np.testing.assert_allclose(
        muon_mass(M1, M2, m_t=M_T, lam=0.4, sin_2theta=0.5), float(mass), rtol=1e-13
    )
    np.testing.assert_allclose(
        delta_a_mu(M1, M2, m_t=M_T, lam=0.4, sin_2theta=0.5, Q_S=R_2), float(moment), rtol=1e-13
    )


@pytest.mark.parametrize("Q_S", [R_2, S_1])
def test_finite_muon_mass(Q_S):
    # Leveille, Nucl. Phys. B 137 (1978) 63: chirality-flipping part with m_mu in the denominators;
    # 1/(8 pi^2) each for the fermion (charge Q_S - 1) and, with the opposite charge and sign, for
    # the scalar; C_S^2 - C_P^2 = lam sin/2
    M1, M2, lam = 6500.0, 5000.0, 0.13

    def integral(M):
        fermion = lambda x: (  # noqa: E731
            x**2 / (M_MU.value**2 * x**2 + (M_T**2 - M_MU.value**2) * x + M**2 * (1 - x))
        )
        scalar = lambda x: (  # noqa: E731
            (x**2 - x) / (M_MU.value**2 * x**2 + (M**2 - M_MU.value**2) * x + M_T**2 * (1 - x))
        )
        cuts = [0, 0.001, 0.1, 0.9, 0.999, 1]
        return (Q_S - 1) * mp.quad(fermion, cuts) - Q_S * mp.quad(scalar, cuts)

    with mp.workdps(30):
        moment = -3 * M_MU.value * M_T / (8 * mp.pi**2) * (lam / 2) * (integral(M1) - integral(M2))
    np.testing.assert_allclose(
        delta_a_mu(M1, M2, m_t=M_T, lam=lam, Q_S=Q_S), float(moment), rtol=2e-9
    )


# Closed forms with mpmath, lam sin_2theta = 1, m_t = 163 GeV, Q_S = 5/3: mass, Delta a_mu/m_mu,
# Delta a_mu if radiative
@pytest.mark.parametrize(
    ("M1", "M2", "mass", "moment", "radiative"),
    [
        (6500.0, 5000.0, 0.8083482271985405, 1.970311697990199e-07, 2.7210987563969513e-09),
        (6000.0, 5900.0, 0.05180302559702411, 1.1667182069777904e-08, 2.514309334042485e-09),
    ],
)
def test_reference_values(M1, M2, mass, moment, radiative):
    np.testing.assert_allclose(muon_mass(M1, M2, m_t=M_T, lam=1.0), mass, rtol=1e-12)
    np.testing.assert_allclose(
        delta_a_mu(M1, M2, m_t=M_T, lam=1.0, Q_S=R_2) / M_MU.value, moment, rtol=1e-12
    )
    np.testing.assert_allclose(
        delta_a_mu_over_m_mu(M1, M2, m_t=M_T, Q_S=R_2) * M_MU.value, radiative, rtol=1e-12
    )


def test_leading_logarithm():
    # 251e-11 at M = 5.93 TeV, soft mass 1.10 TeV for lam = 1
    M = 5934.993179095404
    np.testing.assert_allclose(delta_a_mu_leading(M, m_t=M_T, Q_S=R_2), CENTRAL, rtol=1e-12)
    np.testing.assert_allclose(soft_mass(M, m_t=M_T, lam=1.0), 1096.295479143323, rtol=3e-3)
    full = lambda M, Q: delta_a_mu_over_m_mu(M, M, m_t=M_T, Q_S=Q) * M_MU.value  # noqa: E731
    np.testing.assert_allclose(
        full(6000.0, R_2), delta_a_mu_leading(6000.0, m_t=M_T, Q_S=R_2), rtol=7e-3
    )
    for Q_S in (R_2, S_1, 0.0, 2.0):
        np.testing.assert_allclose(
            full(1e6, Q_S), delta_a_mu_leading(1e6, m_t=M_T, Q_S=Q_S), rtol=1e-6
        )


def test_masses_of_figure_8():
    # arXiv:2107.07518 Fig 8 (m_t = 163 GeV): Delta a_mu = 251(59)e-11, and a mass that is wholly
    # radiative
    M2 = np.geomspace(1e3, 2e4, 4000)

    def mass_at(moment, ratio):
        curve = np.asarray(delta_a_mu_over_m_mu(ratio * M2, M2, m_t=M_T, Q_S=R_2)) * M_MU.value
        assert (np.diff(curve) < 0).all()
        return np.interp(-moment, -curve, M2)

    for moment, expected in ((CENTRAL + ERROR, 5220), (CENTRAL, 5930), (CENTRAL - ERROR, 6970)):
        np.testing.assert_allclose(mass_at(moment, 1.0), expected, rtol=1e-2)
    for ratio, expected, coupling in ((1.2, 5450, 0.19), (2.0, 4350, 0.049), (5.0, 3140, 0.021)):
        M = mass_at(CENTRAL, ratio)
        np.testing.assert_allclose(M, expected, rtol=1e-2)
        np.testing.assert_allclose(coupling_for_mass(ratio * M, M, m_t=M_T), coupling, rtol=2e-2)
    np.testing.assert_allclose(soft_mass(mass_at(CENTRAL, 1.0), m_t=M_T, lam=1.0), 1100, rtol=1e-2)


def test_sign_of_the_singlet_and_of_the_doublet():
    M1, M2 = np.geomspace(1e3, 1e19, 60)[:, None], np.geomspace(1e3, 1e19, 60)
    assert (delta_a_mu_over_m_mu(M1, M2, m_t=M_T, Q_S=S_1) < 0).all()
    assert (delta_a_mu_over_m_mu(M1, M2, m_t=M_T, Q_S=R_2) > 0).all()


def test_degenerate_scalars():
    # The limit is the ratio of derivatives; neighbouring floats give neighbouring values
    for M in (50.0, M_T, 300.0, 6000.0):
        equal = float(delta_a_mu_over_m_mu(M, M, m_t=M_T, Q_S=R_2))
        with mp.workdps(60):
            g, top, scalar = exact(
                mp.mpf(M) * (1 + mp.mpf(10) ** -20), mp.mpf(M) * (1 - mp.mpf(10) ** -20)
            )
            limit = -2 * mp.mpf(M_MU.value) * (mp.mpf(2) / 3 * top + mp.mpf(5) / 3 * scalar) / g
        np.testing.assert_allclose(equal, float(limit), rtol=1e-13)
        close = delta_a_mu_over_m_mu(np.nextafter(M, 1e9), M, m_t=M_T, Q_S=R_2)
        np.testing.assert_allclose(close, equal, rtol=1e-13)
    assert muon_mass(6e3, 6e3, m_t=M_T, lam=1.0) == 0.0
    assert np.isinf(coupling_for_mass(6e3, 6e3, m_t=M_T))


@given(st.floats(-1, 16), st.floats(-1, 16), st.floats(-2, 2), st.floats(100, 200))
def test_symmetry(log_M1, log_M2, Q_S, m_t):
    M1, M2 = 10**log_M1, 10**log_M2
    parts = [delta_a_mu_over_m_mu(M1, M2, m_t=m_t, Q_S=Q) for Q in (0.0, 1.0)]
    size = abs((1 - Q_S) * parts[0]) + abs(Q_S * parts[1])
    np.testing.assert_allclose(
        delta_a_mu_over_m_mu(M1, M2, m_t=m_t, Q_S=Q_S),
        delta_a_mu_over_m_mu(M2, M1, m_t=m_t, Q_S=Q_S),
        rtol=0,
        atol=1e-13 * float(size),
    )
    assert muon_mass(M1, M2, m_t=m_t, lam=1.0) == pytest.approx(
        -float(muon_mass(M2, M1, m_t=m_t, lam=1.0)), rel=1e-13
    )


def test_gradients():
    function = lambda M1, M2, m_t, Q_S: delta_a_mu_over_m_mu(M1, M2, m_t=m_t, Q_S=Q_S)  # noqa: E731
    gradient = jax.jit(
        jax.vmap(jax.grad(function, argnums=(0, 1, 2, 3)), in_axes=(0, 0, None, None))
    )
    M2, M1 = (grid.ravel() for grid in np.meshgrid(M_T * LIGHTER, np.append(RATIOS, 1.0)))
    for part in gradient(M1 * M2, M2, M_T, R_2):
        assert np.isfinite(part).all()
    # For equal masses the mass is zero and its slope is not
    slope = jax.jvp(lambda M1: muon_mass(M1, 6e3, m_t=M_T, lam=1.0), (6e3,), (1.0,))[1]
    np.testing.assert_allclose(
        slope, muon_mass(6e3 + 1e-6, 6e3, m_t=M_T, lam=1.0) / 1e-6, rtol=1e-6
    )

    def by_mpmath(M1, M2):
        g, top, scalar = exact(M1, M2)
        return -2 * mp.mpf(M_MU.value) * (mp.mpf(2) / 3 * top + mp.mpf(5) / 3 * scalar) / g

    points = np.array(
        [(6500.0, 5000.0), (20000.0, 3000.0), (400.0, 200.0), (163.0, 100.0), (6e3, 6e3)]
    )
    slope = gradient(*points.T, M_T, R_2)[0]
    for (M1, M2), value in zip(points, slope, strict=True):
        M2 = mp.mpf(M2) * (1 + mp.mpf(10) ** -30)  # mpmath needs unequal masses
        with mp.workdps(90):
            step = mp.mpf(M1) * mp.mpf(10) ** -15
            central = (by_mpmath(M1 + step, M2) - by_mpmath(M1 - step, M2)) / (2 * step)
        np.testing.assert_allclose(value, float(central), rtol=1e-11)


def test_soft_mass_inverts_the_muon_mass():
    M, lam = np.array([[150.0], [500.0], [6e3], [1e8], [1e16]]), np.array([0.03, 0.3, 1.0, 10.0])
    mu = soft_mass(M, m_t=M_T, lam=lam)
    assert mu.shape == (5, 4)
    M1, M2, sin_2theta = scalar_masses(M, M, mu)
    assert not np.isfinite(mu[0, 0])  # no solution: lam is too small for M < m_t
    np.testing.assert_allclose(sin_2theta.ravel()[1:], 1.0)
    # M2 is a small difference where mu is close to M
    found = np.asarray(mu / M < 0.99)
    assert found.sum() >= 15
    mass = np.asarray(muon_mass(M1, M2, m_t=M_T, lam=lam, sin_2theta=sin_2theta))
    np.testing.assert_allclose(mass[found], M_MU.value, rtol=1e-11)
    assert np.isnan(soft_mass(6e3, m_t=M_T, lam=np.array([0.0, -1.0]))).all()
    assert np.isnan(soft_mass(1.0, m_t=M_T, lam=1.0))  # no solution far below the top mass
    slope = jax.jvp(lambda lam: soft_mass(6e3, m_t=M_T, lam=lam), (1.0,), (1.0,))[1]
    central = (soft_mass(6e3, m_t=M_T, lam=1.001) - soft_mass(6e3, m_t=M_T, lam=0.999)) / 0.002
    np.testing.assert_allclose(slope, central, rtol=1e-5)


@given(st.floats(500, 1e4), st.floats(500, 1e4), st.floats(0, 0.99))
def test_scalar_masses_are_eigenvalues(M_L, M_R, fraction):
    mu = np.sqrt(fraction * M_L * M_R)
    squared, vectors = np.linalg.eigh([[M_L**2, mu**2], [mu**2, M_R**2]])
    M1, M2, sin_2theta = scalar_masses(M_L, M_R, mu)
    np.testing.assert_allclose([M2, M1], np.sqrt(squared), rtol=1e-10)
    if mu**2 > 1e-6 * abs(M_L**2 - M_R**2) and fraction > 1e-8:  # else eigh does not see the mixing
        np.testing.assert_allclose(sin_2theta, abs(2 * vectors[0, 0] * vectors[1, 0]), rtol=1e-8)


def test_scalar_masses_outside_and_at_the_edge():
    assert np.isnan(scalar_masses(np.array([0.0, -1.0, 1e3]), 1e3, 1e3)).all()
    assert [float(value) for value in scalar_masses(1e3, 1e3, 0.0)] == [1e3, 1e3, 0.0]
    gradient = jax.jacobian(lambda *masses: jnp.stack(scalar_masses(*masses)), argnums=(0, 1, 2))(
        1e3, 1e3, 0.0
    )
    assert np.isfinite(gradient).all()


def test_broadcasting_precision_and_bad_masses():
    M1, M2 = np.array([[6e3], [7e3]]), np.array([5e3, 6e3, 7e3])
    assert delta_a_mu_over_m_mu(M1, M2, m_t=M_T, Q_S=R_2).shape == (2, 3)
    assert delta_a_mu(6e3, 5e3, m_t=np.array([150.0, 163.0]), lam=1.0, Q_S=R_2).shape == (2,)
    value = delta_a_mu_over_m_mu(
        jnp.float32(6500), jnp.float32(5000), m_t=jnp.float32(163), Q_S=R_2
    )
    assert value.dtype == jnp.float64
    assert value == delta_a_mu_over_m_mu(6500.0, 5000.0, m_t=M_T, Q_S=R_2)
    bad = np.array([0.0, -1.0, np.nan, np.inf])
    good = np.full(4, 5e3)
    masses = (
        np.concatenate([bad, good, good]),
        np.concatenate([good, bad, good]),
        np.concatenate([good, good, bad]),
    )
    assert np.isnan(delta_a_mu_over_m_mu(*masses[:2], m_t=masses[2], Q_S=R_2)).all()
    assert np.isnan(delta_a_mu(*masses[:2], m_t=masses[2], lam=1.0, Q_S=R_2)).all()
    assert np.isnan(muon_mass(*masses[:2], m_t=masses[2], lam=1.0)).all()
    assert np.isnan(delta_a_mu_leading(np.array([0.0, -1.0]), m_t=M_T, Q_S=R_2)).all()
