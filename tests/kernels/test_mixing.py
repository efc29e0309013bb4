"""Loop mixing against mpmath quadrature and published values; mass eigenstates against a 60-digit
eigenproblem.
"""

import jax
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import ALPHA_EM, E_CHARGE, M_E, M_MU, M_TAU, M_Z, SIN2_THETA_W_MZ
from zscan.errors import ParameterError
from zscan.kernels.mixing import (
    G_W,
    G_Y,
    fermion_coupling,
    loop_eps_over_g,
    low_energy_eps,
    mass_eigenstates,
    shift_hypercharge,
)

# Hypercharge and isospin of the chiral fermions of one generation: u_L, d_L, u_R, d_R, nu_L, e_L,
# e_R, N
HYPERCHARGE = np.array([1 / 6, 1 / 6, 2 / 3, -1 / 3, -1 / 2, -1 / 2, -1, 0])
ISOSPIN = np.array([1 / 2, -1 / 2, 0, 0, 1 / 2, -1 / 2, 0, 0])


def quadrature(q2, m_a=M_MU.value, m_b=M_TAU.value):
    """The defining integral with the cuts taken at q2 + i0; the interval is split where the
    logarithms bend.
    """
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
        integral = mp.quad(
            lambda x: x * (1 - x) * (log(x, mp.mpf(m_b)) - log(x, mp.mpf(m_a))), sorted(points)
        )
        return complex(mp.mpf(E_CHARGE.value) / (2 * mp.pi**2) * integral)


@pytest.mark.parametrize(
    "q2", [-1e4, -100.0, -0.0112, -0.011, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.011, 0.0112, 0.044]
)
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
        complex(loop_eps_over_g(0.0, leptons="mu-e")).real,
        -E_CHARGE.value * ln / (6 * np.pi**2),
        rtol=1e-13,
    )
    np.testing.assert_allclose(E_CHARGE.value**2, 4 * np.pi * ALPHA_EM.value, rtol=1e-15)


# |eps/g_X|^-1 at q2 = m_X^2 from a numerical integral of arXiv:2006.11225 Eq. (7), three to four
# digits
@pytest.mark.parametrize(
    ("m_X", "inverse"),
    [
        (1e-3, 69.3),
        (0.1, 66.9),
        (0.2, 55.1),
        (0.25, 52.1),
        (1.0, 92.7),
        (3.0, 124),
        (4.0, 186),
        (10.0, 1827),
    ],
)
def test_published_modulus(m_X, inverse):
    np.testing.assert_allclose(1 / abs(complex(loop_eps_over_g(m_X**2))), inverse, rtol=4e-3)


def test_gradient_is_finite_everywhere_and_right_where_smooth():
    part = lambda q2: loop_eps_over_g(q2).real  # noqa: E731
    thresholds = np.array(
        [4 * M_MU.value**2, 4 * M_TAU.value**2, M_MU.value**2, -(M_MU.value**2), 0.0]
    )
    around = np.concatenate(
        [thresholds, np.nextafter(thresholds, -1), np.nextafter(thresholds, 100)]
    )
    for function in (part, lambda q2: loop_eps_over_g(q2).imag):
        assert np.isfinite(jax.jit(jax.vmap(jax.grad(function)))(around)).all()
    gradient = jax.jit(jax.grad(part))
    for q2 in (-5.0, -1e-3, 1e-6, 0.02, 0.2, 20.0):
        step = 1e-4 * abs(q2)
        central = (part(q2 + step) - part(q2 - step)) / (2 * step)
        np.testing.assert_allclose(gradient(q2), central, rtol=1e-6)


@pytest.mark.parametrize("leptons", ["mu", "mu-mu", "mu-x", "mu-tau-e", ""])
def test_refuses_unknown_leptons(leptons):
    with pytest.raises(ParameterError, match="allowed"):
        loop_eps_over_g(0.0, leptons=leptons)


def eigenproblem(m_X, g_X, eps, X_H):
    """Masses and (v_B, v_W, v_X) of M^2 v = m^2 K v, v K v = 1, lightest first, with 60 digits."""
    with mp.workdps(60):
        g_Y, g, m_Z = mp.mpf(G_Y), mp.mpf(G_W), mp.mpf(M_Z.value)
        K = mp.matrix([[1, 0, eps], [0, 1, 0], [eps, 0, 1]])
        higgs = mp.matrix([g_Y, -g, 2 * mp.mpf(g_X) * X_H]) / mp.sqrt(g_Y**2 + g**2)
        M2 = m_Z**2 * higgs * higgs.T
        M2[2, 2] += mp.mpf(m_X) ** 2
        inverse = mp.cholesky(K) ** -1
        squared, rotation = mp.eigsy(inverse * M2 * inverse.T)
        vectors = inverse.T * rotation
        return [(mp.sqrt(abs(squared[i])), list(vectors[:, i])) for i in range(3)]


@pytest.mark.parametrize(
    ("g_X", "eps_BX", "X_H"),
    [
        (1e-3, 1e-3, 0.0),
        (1e-3, 1e-6, 0.0),
        (1e-5, -0.1, 0.0),
        (1e-4, 1e-3, -1.0),
        (0.3, 0.9, 0.5),
        (0.5, 0.99, 3.0),
    ],
)
def test_mass_eigenstates_against_mpmath(g_X, eps_BX, X_H):
    masses = np.array([1e-5, 1e-3, 0.1, 10.0, 90.0, 92.0, 300.0, 1e4])
    states = mass_eigenstates(masses, g_X, eps_BX, X_H=X_H)
    c_W, s_W = np.sqrt(1 - SIN2_THETA_W_MZ.value), np.sqrt(SIN2_THETA_W_MZ.value)
    for i, m_X in enumerate(masses):
        exact = eigenproblem(m_X, g_X, eps_BX, X_H)[1:]
        for boson, (mass, v) in zip(
            sorted(states[1:], key=lambda b: b.mass[i]), exact, strict=True
        ):
            np.testing.assert_allclose(boson.mass[i], float(mass), rtol=1e-13)
            found = [float(x[i]) for x in (boson.v_B, boson.v_W, boson.v_X, boson.v_A, boson.v_Z)]
            with mp.workdps(60):
                e_Z = mp.sqrt(mp.mpf(G_Y) ** 2 + mp.mpf(G_W) ** 2)
                s, c = mp.mpf(G_Y) / e_Z, mp.mpf(G_W) / e_Z
                sign = mp.sign(v[2]) * np.sign(float(boson.v_X[i]))
                expected = [float(sign * x) for x in (*v, c * v[0] + s * v[1], c * v[1] - s * v[0])]
            np.testing.assert_allclose(found[2:], expected[2:], rtol=1e-12)
            np.testing.assert_allclose(
                found[:2], expected[:2], rtol=0, atol=1e-12 * max(map(abs, expected))
            )
    photon = states.photon
    np.testing.assert_allclose([photon.v_B[0], photon.v_W[0]], [c_W, s_W], rtol=1e-14)
    assert not photon.mass.any()
    assert not photon.v_X.any()


def test_light_boson_couples_to_charge():
    # m_X = 0.1 GeV, eps_BX = 1e-3: corrections are of order eps_BX^2 = 1e-6 and m_X^2/m_Z^2 =
    # 1.2e-6
    g_X, eps_BX, X = 1e-3, 1e-3, np.array([1 / 3, 1 / 3, 1 / 3, 1 / 3, -3.0, -3.0, -3.0, -3.0])
    states = mass_eigenstates(0.1, g_X, eps_BX)
    exact = fermion_coupling(states.X, g_X, Y=HYPERCHARGE, T3=ISOSPIN, X=X)
    charge = HYPERCHARGE + ISOSPIN
    leading = g_X * X + E_CHARGE.value * charge * float(low_energy_eps(eps_BX))
    np.testing.assert_allclose(exact, leading, rtol=3e-6)
    np.testing.assert_allclose(
        low_energy_eps(eps_BX), -np.sqrt(1 - SIN2_THETA_W_MZ.value) * eps_BX, rtol=1e-14
    )
    # The photon sees charge only; the neutrino sees the Z part of X, which is s_W eps_BX
    # m_X^2/m_Z^2 g_Z/2 without X
    np.testing.assert_allclose(
        fermion_coupling(states.photon, g_X, Y=HYPERCHARGE, T3=ISOSPIN, X=X),
        E_CHARGE.value * charge,
        rtol=1e-14,
        atol=1e-17,
    )
    tiny = mass_eigenstates(1e-5, g_X, eps_BX).X
    s_W = np.sqrt(SIN2_THETA_W_MZ.value)
    expected = -s_W * eps_BX * (1e-5 / M_Z.value) ** 2 * np.hypot(G_Y, G_W) / 2
    np.testing.assert_allclose(
        fermion_coupling(tiny, g_X, Y=-0.5, T3=0.5, X=0), expected, rtol=1e-5
    )
    # rotation angle between Z and X
    np.testing.assert_allclose(states.Z.v_X, s_W * eps_BX, rtol=1e-5)


@given(
    st.floats(-5, 4).filter(lambda x: not 85 < 10**x < 97),
    st.floats(-6, -0.5),
    st.floats(-0.9, 0.9),
    st.floats(-2, 2),
    st.floats(-5, 5),
    st.integers(-9, 9),
)
def test_hypercharge_shift_is_no_physics(log_m_X, log_g_X, eps_BX, X_H, a, charge):
    # arXiv:2107.07518 Eq. (A.1): charges X + a Y, Higgs included, with shifted couplings
    m_X, g_X = 10**log_m_X, 10**log_g_X
    g_Y, g_shifted, eps_shifted = shift_hypercharge(G_Y, g_X, eps_BX, a)
    assert g_Y == G_Y
    states, coupling = jax.jit(mass_eigenstates), jax.jit(fermion_coupling)
    before = states(m_X, g_X, eps_BX, X_H=X_H)
    after = states(m_X * g_shifted / g_X, g_shifted, eps_shifted, X_H=X_H + a / 2)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other.mass, one.mass, rtol=1e-10)
        couplings = [
            np.asarray(coupling(boson, g, Y=HYPERCHARGE, T3=ISOSPIN, X=X))
            for boson, g, X in (
                (one, g_X, np.full(8, float(charge))),
                (other, g_shifted, charge + a * HYPERCHARGE),
            )
        ]
        largest = abs(couplings[0]).max() + g_X * abs(a)
        np.testing.assert_allclose(couplings[1], couplings[0], rtol=1e-10, atol=1e-12 * largest)


def test_hypercharge_shift_of_a_light_boson():
    # Charges a Y on top at unchanged eps_BX are a change of eps by a c_W^2 g_X/e; neutrinos do not
    # notice
    g_X, eps_BX, a = 1e-4, 3e-4, 2.0
    c2 = 1 - SIN2_THETA_W_MZ.value
    state = mass_eigenstates(0.01, g_X, eps_BX, X_H=a / 2).X
    eps = float(low_energy_eps(eps_BX)) + a * c2 * g_X / E_CHARGE.value
    np.testing.assert_allclose(
        fermion_coupling(state, g_X, Y=HYPERCHARGE, T3=ISOSPIN, X=1 + a * HYPERCHARGE),
        g_X + eps * E_CHARGE.value * (HYPERCHARGE + ISOSPIN),
        rtol=1e-6,
    )
    # eps_BX' = 0 is reached for a = -eps_BX g_Y/g_X
    assert abs(float(shift_hypercharge(G_Y, g_X, eps_BX, -eps_BX * G_Y / g_X)[2])) < 1e-18


def test_gradients_of_mass_eigenstates():
    def coupling(m_X, g_X, eps_BX, X_H):
        states = mass_eigenstates(m_X, g_X, eps_BX, X_H=X_H)
        return fermion_coupling(states.X, g_X, Y=-0.5, T3=-0.5, X=1) + states.X.mass + states.Z.v_X

    gradient = jax.jit(jax.vmap(jax.grad(coupling, argnums=(0, 1, 2, 3))))
    points = np.array(
        [
            (0.0, 0.0, 0.0, 0.0),
            (M_Z.value, 0.1, 0.0, 0.0),
            (M_Z.value, 0.1, 1e-3, 0.0),
            (0.1, 1e-3, 1e-3, 0.0),
            (50.0, 0.1, 0.3, 0.5),
            (200.0, 0.1, -0.3, -0.5),
        ]
    )
    gradients = np.array(gradient(*points.T)).T
    assert np.isfinite(gradients).all()
    for point, found in zip(points[3:], gradients[3:], strict=True):
        for i in range(4):
            step = np.zeros(4)
            step[i] = 1e-5 * max(abs(point[i]), 1e-3)
            central = (coupling(*(point + step)) - coupling(*(point - step))) / (2 * step[i])
            np.testing.assert_allclose(found[i], central, rtol=1e-6, atol=1e-9)


def test_mass_eigenstates_broadcast_and_refuse():
    states = mass_eigenstates(np.array([[0.1], [1.0], [10.0]]), 1e-3, np.array([1e-3, 1e-2]))
    assert {x.shape for boson in states for x in boson} == {(3, 2)}
    assert fermion_coupling(states.Z, 1e-3, Y=-0.5, T3=np.array([0.5, -0.5]), X=0).shape == (3, 2)
    bad = mass_eigenstates(
        np.array([-1.0, np.nan, 1.0, 1.0]), 1e-3, np.array([0.0, 0.0, 1.0, -2.0])
    )
    assert all(np.isnan(x).all() for boson in bad for x in boson)
    assert np.isnan(shift_hypercharge(np.array([0.0, 0.36]), 0.1, np.array([0.0, 1.0]), 1.0)).all()
    massless = mass_eigenstates(0.0, 1e-3, 1e-3).X
    assert massless.mass == 0.0
    assert massless.v_Z == 0.0
