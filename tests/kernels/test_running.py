"""Running against a numerical solution of the renormalisation group equations and published
statements.
"""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from zscan.constants import E_CHARGE, M_MU, M_PLANCK, M_TAU
from zscan.kernels.mixing import loop_eps_over_g
from zscan.kernels.running import couplings_at_scale, eps_at_scale, eps_infrared, run_through

B_3LMU = {"b_YY": 43 / 6, "b_YX": 8.0, "b_XX": 48.0}  # B - 3 L_mu with the muoquark S_3
LMU_LTAU = {"b_YY": 41 / 6, "b_YX": 0.0, "b_XX": 16 / 3}
TO_PLANCK = np.log(M_PLANCK.value / 2000)
MUON_TAU = [(M_MU.value, -1, 1, 1), (M_TAU.value, -1, -1, 1)]


def slopes(couplings, b_YY, b_YX, b_XX):
    """d(g_Y, g_X, eps_BX)/dt at one loop, to all orders in eps_BX, arXiv:2107.07518 app. A."""
    g_Y, g_X, eps = couplings
    mixed = eps * (b_YY * g_Y**2 + b_XX * g_X**2) - 2 * b_YX * g_Y * g_X
    return np.array([b_YY * g_Y**3, b_XX * g_X**3, mixed]) / (16 * np.pi**2)


def integrated(start, t, **b):
    solution = solve_ivp(
        lambda _, y: slopes(y, **b), (0, t), start, rtol=1e-12, atol=1e-16, method="DOP853"
    )
    return solution.y[:, -1]


@pytest.mark.parametrize(
    ("start", "t", "b"),
    [
        ((0.36, 1e-3, 0.0), TO_PLANCK, B_3LMU),
        ((0.36, 0.3, 0.02), 15.0, B_3LMU),
        ((0.36, 0.3, -0.4), -15.0, B_3LMU),
        ((0.36, 0.1, 1e-2), TO_PLANCK, LMU_LTAU),
    ],
)
def test_against_the_differential_equations(start, t, b):
    g_Y, g_X, eps = start
    found = couplings_at_scale(eps, g_Y, g_X, t, **b)
    np.testing.assert_allclose(found, integrated(start, t, **b), rtol=1e-10)
    assert eps_at_scale(eps, g_Y, g_X, t, **b) == found.eps_BX
    # There and back
    np.testing.assert_allclose(
        couplings_at_scale(found.eps_BX, *found[:2], -t, **b), start, rtol=1e-11, atol=1e-14
    )


def test_reference_values():
    # closed form, float64: g_Y, g_X, eps_BX at t = ln(1.22e19/2000)
    found = couplings_at_scale(0.0, 0.36, 1e-3, 36.34779440832491, **B_3LMU)
    np.testing.assert_allclose(
        found, [0.47581983754938373, 0.0010000110485877609, -0.0017523693973065357], rtol=1e-6
    )


def test_statements_on_b_3lmu():
    # With S_3 from 2 TeV to the Planck scale: 1.33 eps_BX - 1.79 g_X; zero there means 1.34 g_X
    # (1.36 from 1 TeV; 1.28 and 1.30 at the reduced Planck mass). g_Y = 0.364 at 2 TeV becomes
    # 0.484.
    g_Y, g_X = 0.364, 1e-6
    end = couplings_at_scale(0.0, g_Y, g_X, TO_PLANCK, **B_3LMU)
    np.testing.assert_allclose(end.g_Y, 0.484, rtol=3e-3)
    np.testing.assert_allclose(end.eps_BX / g_X, -1.79, atol=5e-3)
    np.testing.assert_allclose(eps_at_scale(1.0, g_Y, 0.0, TO_PLANCK, **B_3LMU), 1.33, atol=5e-3)
    for planck, low, expected in (
        (1.22e19, 2e3, 1.34),
        (1.22e19, 1e3, 1.36),
        (2.4e18, 2e3, 1.28),
        (2.4e18, 1e3, 1.30),
    ):
        t = np.log(planck / low)
        g_low = couplings_at_scale(0.0, g_Y, g_X, np.log(low / 2e3), **LMU_LTAU).g_Y
        high = couplings_at_scale(0.0, g_low, g_X, t, **B_3LMU)
        found = eps_at_scale(0.0, high.g_Y, high.g_X, -t, **B_3LMU) / g_X
        np.testing.assert_allclose(found, expected, atol=5e-3)
    # L_mu - L_tau does not run without the muoquark
    assert eps_at_scale(0.0, g_Y, g_X, TO_PLANCK, **LMU_LTAU) == 0.0


def test_thresholds():
    b, start, masses = (41 / 6, 0.0, 16 / 3), (0.36, 0.2, 0.01), (3e3, 2e4)
    extras = [(masses[1], (1 / 3, -1.0, 3.0)), (masses[0], (4 / 3, 2.0, 8.0))]
    found = run_through(start[2], *start[:2], 1e3, 1e6, b=b, thresholds=extras)
    total, state = np.array(b), start
    for low, high, added in ((1e3, 3e3, 0), (3e3, 2e4, extras[1][1]), (2e4, 1e6, extras[0][1])):
        total = total + np.array(added)
        state = integrated(state, np.log(high / low), b_YY=total[0], b_YX=total[1], b_XX=total[2])
    np.testing.assert_allclose(found, state, rtol=1e-10)
    back = run_through(found.eps_BX, found.g_Y, found.g_X, 1e6, 1e3, b=b, thresholds=extras[::-1])
    np.testing.assert_allclose(back, start, rtol=1e-12)
    # Outside the range a threshold has no effect, or its full effect
    plain = couplings_at_scale(start[2], *start[:2], np.log(1e3), b_YY=b[0], b_YX=b[1], b_XX=b[2])
    above = run_through(start[2], *start[:2], 1e3, 1e6, b=b, thresholds=[(1e7, (1.0, 1.0, 1.0))])
    np.testing.assert_allclose(above, plain, rtol=1e-14)
    below = run_through(start[2], *start[:2], 1e3, 1e6, b=(0.0, 0.0, 0.0), thresholds=[(10.0, b)])
    np.testing.assert_allclose(below, plain, rtol=1e-14)


@given(
    st.floats(0.1, 0.5),
    st.floats(0, 0.3),
    st.floats(-0.1, 0.1),
    st.floats(-10, 10),
    st.floats(-10, 10),
)
def test_running_composes(g_Y, g_X, eps_BX, t1, t2):
    first = couplings_at_scale(eps_BX, g_Y, g_X, t1, **B_3LMU)
    both = couplings_at_scale(first.eps_BX, first.g_Y, first.g_X, t2, **B_3LMU)
    np.testing.assert_allclose(
        both, couplings_at_scale(eps_BX, g_Y, g_X, t1 + t2, **B_3LMU), rtol=1e-11, atol=1e-13
    )


def test_landau_poles_and_limits():
    # 1/g_X^2 = b_XX t/(8 pi^2) at the pole
    t = 8 * np.pi**2 / (48 * 0.3**2)
    before, beyond = (couplings_at_scale(0.0, 0.36, 0.3, x * t, **B_3LMU) for x in (0.999, 1.001))
    assert np.isfinite(before).all()
    assert np.isnan(beyond).all()
    assert np.isnan(eps_at_scale(0.0, 0.36, 1e-3, 1e3, **B_3LMU))  # pole of g_Y
    np.testing.assert_array_equal(
        couplings_at_scale(0.1, 0.36, 1e-3, 0.0, **B_3LMU), [0.36, 1e-3, 0.1]
    )
    decoupled = couplings_at_scale(0.1, 0.36, 0.0, 10.0, **B_3LMU)
    assert decoupled.g_X == 0.0
    np.testing.assert_allclose(decoupled.eps_BX, 0.1 * decoupled.g_Y / 0.36, rtol=1e-15)
    assert np.isnan(
        run_through(0.0, 0.36, 0.1, np.array([-1.0, 1.0]), np.array([1.0, 0.0]), b=(1.0, 1.0, 1.0))
    ).all()


def test_infrared_mixing():
    # mu-tau loop: the scale drops out; the analytic loop at q2 = 0 is +1/69.29 g_X
    for scale in (2.0, 100.0):
        found = eps_infrared(0.0, 0.1, scale, MUON_TAU)
        np.testing.assert_allclose(found, 0.1 * loop_eps_over_g(0.0).real, rtol=1e-13)
        np.testing.assert_allclose(
            E_CHARGE.value * found / 0.1, 0.0043706, rtol=1e-5
        )  # electron: -0.0044
    # Slope in the scale: b = 4/3 N_c Q X of a Dirac fermion, eps = -eps_AX
    quark = [(0.3, 2 / 3, 1 / 3, 3)]
    slope = (eps_infrared(0.0, 1e-3, 11.0, quark) - eps_infrared(0.0, 1e-3, 10.0, quark)) / np.log(
        1.1
    )
    b_QX = 4 / 3 * 3 * (2 / 3) * (1 / 3)
    running = eps_at_scale(0.0, E_CHARGE.value, 1e-3, 1e-6, b_YY=0.0, b_YX=b_QX, b_XX=0.0) / 1e-6
    np.testing.assert_allclose(slope, running, rtol=1e-10)
    assert np.isnan(eps_infrared(0.0, 1.0, 10.0, [(0.0, 1, 1, 1)]))
    assert eps_infrared(1e-3, 0.0, 10.0, []) == 1e-3


def test_broadcasting_and_gradients():
    g_X = np.array([0.0, 1e-3, 0.3])
    assert eps_at_scale(np.zeros((4, 1)), 0.36, g_X, 1.0, **B_3LMU).shape == (4, 3)
    mu = np.geomspace(1e3, 1e6, 4)[:, None]
    states = run_through(
        0.0, 0.36, g_X, 1e3, mu, b=(1.0, 1.0, 1.0), thresholds=[(1e4, (1.0, 1.0, 1.0))]
    )
    assert np.broadcast_shapes(*(x.shape for x in states)) == (4, 3)
    assert eps_infrared(0.0, g_X, mu, MUON_TAU).shape == (4, 3)
    assert (
        np.float32(0.36).dtype
        != eps_at_scale(0.0, np.float32(0.36), np.float32(0.1), 1.0, **B_3LMU).dtype
    )
    function = lambda eps, g_Y, g_X, t: eps_at_scale(eps, g_Y, g_X, t, **B_3LMU)  # noqa: E731
    gradient = jax.jit(jax.grad(function, argnums=(0, 1, 2, 3)))
    assert np.isfinite(gradient(0.0, 0.36, 0.0, 0.0)).all()
    point = np.array([0.05, 0.36, 0.2, 10.0])
    for i, found in enumerate(gradient(*point)):
        step = np.eye(4)[i] * 1e-5 * point[i]
        central = (function(*(point + step)) - function(*(point - step))) / (2 * step[i])
        np.testing.assert_allclose(found, central, rtol=1e-8)
    # The slope in t is the differential equation
    np.testing.assert_allclose(
        gradient(0.05, 0.36, 0.2, 0.0)[3], slopes((0.36, 0.2, 0.05), **B_3LMU)[2], rtol=1e-13
    )
