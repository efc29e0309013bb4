"""B -> K(*) X and B -> K nu nu with X against flavio, direct quadrature, and each other."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.errors import ParameterError
from zscan.kernels import _rates, btokx
from zscan.kernels._btokll import INPUTS

N = _rates.N_SCALE * _rates.N_PHASE

# Two-body formula with f_+ of flavio 2.7.1 (B->K BSZ3), masses and lifetime of flavio: (m_X, g_sb,
# BR).
TWO_BODY = [
    (0.01, 1e-10, 1.9549591744137752e-05),
    (1.0, 1e-8, 1.9539393319822147e-05),
    (3.0, 1e-8, 1.9853523461412214e-06),
]

# flavio 2.7.1: dBR(B0 -> K*0 nu nubar)/dq2 at q2 = m_X^2 for one flavour with C_L = g_sb_L, C_R =
# g_sb_R, divided by m_X^2/(6 pi^2 |N|^2), which is BR(X -> nu nubar) times the propagator in the
# narrow-width limit: (m_X, L, R, BR).
KSTAR = [
    (0.01, 1.0, 0.0, 2109512498623208.2),
    (1.0, 1.0, 0.0, 235141029971.97656),
    (1.0, 1.0, 1.0, 45538767896.07715),
    (3.0, 1.0, 0.0, 45025484310.27661),
    (3.0, 1.0, 1.0, 37914756259.30383),
    (3.0, 0.3, -1.0, 64718641606.576324),
    (4.0, 1.0, 0.5, 14288981060.832212),
]


def test_two_body_decays_agree_with_flavio():
    for m_X, g_sb, expected in TWO_BODY:
        assert float(btokx.branching_ratio(m_X, g_sb)) == pytest.approx(expected, rel=1e-12)
        assert float(btokx.branching_ratio(m_X, g_sb * (0.6 - 0.8j))) == pytest.approx(
            expected, rel=1e-12
        )
    for m_X, left, right, expected in KSTAR:
        assert float(btokx.branching_ratio_kstar(m_X, left, right)) == pytest.approx(
            expected, rel=1e-9
        )


def test_light_limit_of_kstar_is_longitudinal():
    # The formula of B -> K X with A_0(0) = 0.369196 for f_+ and g_L - g_R for g_sb; masses and
    # lifetime of B0.
    m_X, m_B, m_V = 1e-4, INPUTS["m_B0"], INPUTS["m_Kstar0"]
    expected = (
        INPUTS["tau_B0"] * 0.369196**2 * (m_B**2 - m_V**2) ** 3 / (64 * math.pi * m_B**3 * m_X**2)
    )
    assert float(btokx.branching_ratio_kstar(m_X, 0.7, -0.3)) == pytest.approx(expected, rel=1e-6)


def test_threshold():
    for function, end in (
        (btokx.branching_ratio, btokx.M_X_MAX),
        (btokx.branching_ratio_kstar, INPUTS["m_B0"] - INPUTS["m_Kstar0"]),
    ):
        values = np.asarray(function(np.array([-1.0, 0.0, end * (1 - 1e-9), end, 10.0]), 1e-8))
        assert np.all(np.isnan(values[:2]))
        assert 0 < values[2] < 1e-9
        assert np.all(values[3:] == 0)
        gradient = jax.jit(jax.vmap(jax.grad(function, argnums=(0, 1)), in_axes=(0, None)))
        by_mass, by_coupling = gradient(np.array([0.01, end * (1 - 1e-9), end, 10.0]), 1e-8)
        assert np.all(np.isfinite(by_mass))
        assert np.all(np.isfinite(by_coupling))
        assert by_mass[2] == by_mass[3] == 0


def test_bound_on_g_sb():
    # Coefficients of m_X/GeV for a light X, from f_+(0) = 0.33196 of flavio: (BR_max, c).
    for br_max, c in (
        (1.0e-5, 7.15e-9),
        (1.2e-5, 7.83e-9),
        (1.6e-5, 9.05e-9),
        (1.9e-5, 9.86e-9),
        (4.1e-5, 1.448e-8),
    ):
        for form in ("full", "linear"):
            assert float(btokx.g_sb_max(1e-3, br_max, form=form)) == pytest.approx(
                c * 1e-3, rel=1e-3
            )
    growth = btokx.g_sb_max(np.array([3.0, 4.5])) / btokx.g_sb_max(
        np.array([3.0, 4.5]), form="linear"
    )
    np.testing.assert_allclose(growth, [1.046, 1.93], rtol=5e-3)
    edges = btokx.g_sb_max(np.array([-1.0, 0.0, btokx.M_X_MAX, 6.0]))
    assert np.array_equal(edges, [np.nan, np.nan, np.inf, np.inf], equal_nan=True)
    gradient = jax.jit(jax.grad(lambda x: btokx.g_sb_max(*x)))
    for m_X in (1e-3, 3.0, btokx.M_X_MAX, 6.0):
        assert np.all(np.isfinite(gradient(np.array([m_X, 1e-5, 0.5]))))
    with pytest.raises(ParameterError, match="linear"):
        btokx.g_sb_max(1.0, form="linaer")


@given(m_X=st.floats(1e-3, 4.7), br_max=st.floats(1e-7, 1e-3), invisible=st.floats(0.01, 1.0))
def test_bound_saturates_the_limit(m_X, br_max, invisible):
    g_sb = btokx.g_sb_max(m_X, br_max, invisible)
    assert float(btokx.branching_ratio(m_X, g_sb) * invisible) == pytest.approx(br_max, rel=1e-12)


def test_contact_limit_agrees_with_flavio():
    # flavio 2.7.1, BR(B+ -> K+ nu nubar) with C_L of nu_mu added at 4.8 GeV; adaptive quadrature,
    # better than 1e-6.
    m_X = 1e4
    for C, expected in (
        (0.0, 4.7061217712112416e-06),
        (-3.0, 6.478894479701721e-06),
        (5 + 2j, 3.370651743967536e-06),
    ):
        g_sb = -2 * C * m_X**2 / N
        value = btokx.branching_ratio_nunu(m_X, 0.0, g_sb, g_numu=1.0)
        assert float(value) == pytest.approx(expected, rel=1e-6)


def _quadrature(m_X: float, width: float, g_sb: complex, g_nu: list[float]) -> float:
    """CP average of sum_i |C_L + N g_sb g_i P/2|^2 times weight, on q2 = m^2 + m width sinh(t)."""
    y, end = m_X * width, btokx.M_X_MAX**2
    low, high = math.asinh(-(m_X**2) / y), math.asinh((end - m_X**2) / y)
    panels = np.union1d(
        np.linspace(low, high, 400), np.arcsinh((end * (1 - 0.5 ** np.arange(40)) - m_X**2) / y)
    )
    x, weight = np.polynomial.legendre.leggauss(12)
    half = np.diff(panels)[:, None] / 2
    t = ((panels[1:] + panels[:-1])[:, None] / 2 + half * x).ravel()
    q2 = np.clip(m_X**2 + y * np.sinh(t), 0, end)
    propagator = 1 / (y * np.sinh(t) + 1j * y)
    total = np.zeros_like(q2)
    for coupling in (N * g_sb, (N * g_sb).conjugate()):
        for g in g_nu:
            total += np.abs(INPUTS["C_L"] + coupling * g * propagator / 2) ** 2 / 2
    return float((half * weight).ravel() * y * np.cosh(t) @ (total * btokx._nunu_weight(q2)))


@pytest.mark.parametrize("ratio", [1e-12, 1e-5, 0.03, 0.3])
@pytest.mark.parametrize("m_X", [0.02, 1.3, 4.7, 4.786, 6.0])
def test_neutrino_mode_agrees_with_direct_quadrature(m_X, ratio):
    width, g_nu = ratio * m_X, [0.03, -0.1, 0.06]
    for g_sb in (2e-9 * m_X, 1e-9 * (1 - 2j) * m_X):
        value = btokx.branching_ratio_nunu(m_X, width, g_sb, *g_nu)
        assert float(value) == pytest.approx(_quadrature(m_X, width, g_sb, g_nu), rel=1e-6)


def test_narrow_x_is_counted_once():
    """With X -> nu nubar only, the peak is BR(B -> K X); further invisible decays add their share
    of it.
    """
    m_X, g_sb, g = 1.5, 5e-9, 1e-4
    partial = m_X * g**2 / (24 * math.pi)
    sm = float(btokx.branching_ratio_nunu(m_X, 1.0, 0.0))
    two_body = float(btokx.branching_ratio(m_X, g_sb))
    assert float(btokx.branching_ratio_nunu(m_X, partial, g_sb, 0.0, g, 0.0)) == pytest.approx(
        sm + two_body, rel=1e-5
    )
    for factor in (1.0, 4.0, 1e6):  # width over that into neutrinos
        value = btokx.branching_ratio_nunu(m_X, factor * partial, g_sb, 0.0, g, 0.0)
        assert float(value) == pytest.approx(sm + two_body / factor, rel=1e-5)
        for invisible in (1 / factor, 1.0):
            value = btokx.branching_ratio_nunu(
                m_X, factor * partial, g_sb, 0.0, g, 0.0, invisible=invisible
            )
            assert float(value) == pytest.approx(sm + two_body * invisible, rel=1e-5)
    # A dark X that does not couple to neutrinos at all; nothing is added once X is too heavy.
    assert float(btokx.branching_ratio_nunu(m_X, 0.0, g_sb, invisible=0.5)) == pytest.approx(
        sm + two_body / 2
    )
    assert float(btokx.branching_ratio_nunu(5.0, 0.0, g_sb, invisible=1.0)) == pytest.approx(sm)


def test_gradients_and_broadcasting_of_the_neutrino_mode():
    m_X = np.array([1e-3, 1.3, 4.0, btokx.M_X_MAX, 5.0, 50.0])
    gradient = jax.jit(
        jax.vmap(
            jax.grad(btokx.branching_ratio_nunu, argnums=(0, 1, 2, 3)), in_axes=(0, 0, None, None)
        )
    )
    for ratio in (1e-12, 0.1):
        parts = np.array(gradient(m_X, ratio * m_X, 1e-12, 0.1))
        assert np.all(np.isfinite(parts))
    values = [m_X, 0.1 * m_X, np.full(6, 1e-12), np.full(6, 0.1)]
    for i, part in enumerate(parts):
        up, down = (
            btokx.branching_ratio_nunu(
                *(value * (1 + step * (i == j)) for j, value in enumerate(values))
            )
            for step in (1e-5, -1e-5)
        )
        np.testing.assert_allclose(part * values[i], (up - down) / 2e-5, rtol=1e-5, atol=1e-14)
    grid = btokx.branching_ratio_nunu(
        m_X[:, None], 0.1 * m_X[:, None], 1e-9, np.linspace(0, 0.1, 3), invisible=1.0
    )
    assert grid.shape == (6, 3)
