"""Flavour-changing emission of X: independent values, limits, gradients, and how far X flies."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import numpy as np
import pytest

from zscan.charges import anomaly_coefficients
from zscan.errors import ParameterError
from zscan.kernels import _flight, _rates, btokx, fcnc, rk
from zscan.kernels._btokll import INPUTS
from zscan.models import list_models, load_model

# Evaluated outside the package: (m_X, BR(K+ -> pi+ X), BR(K_L -> pi0 X)) for g_sd = 1e-13 + 3e-14 i
KAONS = [
    (0.002217, 1.82831546140013e-08, 6.522038533806396e-09),
    (0.005189, 3.3365235213732848e-09, 1.1902321055582006e-09),
    (0.01805, 2.7470211328096634e-10, 9.801009819472647e-11),
    (0.1283, 4.362105593523826e-12, 1.572274833685733e-12),
]

# (transition, A_W, g_ij for g_X = 1)
ANOMALY = [
    ("bd", 1.5, -2.9649103666211965e-07 - 1.230487953057371e-07j),
    ("sd", 2.5, 2.2520513169395655e-08 + 8.538685260197313e-09j),
    ("sb", 1.0, 9.96602741573486e-07 - 1.9076134601298265e-08j),
    ("sd", -2.0, -1.8016410535516522e-08 - 6.83094820815785e-09j),
]

# Third family of charge dq: (transition, dq, scale [GeV], g_ij for g_X = 1)
THIRD_FAMILY = [
    ("sd", 3.0, 2692.0, -1.453679692966962e-05 - 6.360181489373342e-06j),
    ("bd", 3.0, 922.5, 0.00011375866657253089 + 4.71998194741049e-05j),
    ("bd", 1.0, 3236.0, 6.537484043785524e-05 + 2.712479637626373e-05j),
    ("bd", 1 / 3, 320.8, 4.937316999740141e-06 + 2.0485513596063524e-06j),
]

# (m_X, A_W, A_B, g_X, BR(Z -> gamma X)); the last one is baryon number
Z_GAMMA = [
    (0.5482, 1.5, 5.5, 0.0005482, 4.5864597248318116e-10),
    (0.00774, 2.5, 0.5, 7.74e-06, 1.1533065504375249e-07),
    (0.004003, 1.0, -5.0, 4.003e-06, 1.3033606032373357e-07),
    (13.95, -2.0, 6.0, 0.01395, 2.805539606688583e-07),
    (1.0, 1.5, -1.5, 0.001, 7.93312858556991e-08),
]

# Charges q = Q = U = D, L, E and (A_W, A_B)
THIRD = Fraction(1, 3)
KSTAR_END = INPUTS["m_B0"] - INPUTS["m_Kstar0"]
COEFFICIENTS = [
    ((0, 1, 1), (-3, 7, -7), (-2, -3, -5), ("3/2", "11/2")),
    ((THIRD, -2 * THIRD, 1), (0, 7, -4), (-2, -1, 3), ("5/2", "1/2")),
    ((1, THIRD, THIRD), (-1, -4, 2), (7, -2, -4), ("1", "-5")),
    ((-2 * THIRD, 0, 0), (-3, 6, -5), (-6, 0, 0), ("-2", "6")),
]


def test_kaon_decays():
    for m_X, charged, neutral in KAONS:
        g_sd = 1e-13 + 3e-14j
        assert float(fcnc.branching_ratio_k_pi(m_X, g_sd)) == pytest.approx(charged, rel=1e-9)
        assert float(fcnc.branching_ratio_kl_pi0(m_X, g_sd)) == pytest.approx(neutral, rel=1e-9)
    assert float(fcnc.branching_ratio_kl_pi0(0.1, 1e-12)) == 0  # CP
    # of one formula with B -> K X: flavio's value with its f_+ put in the place of that of K -> pi
    assert float(btokx.branching_ratio(1.0, 1e-8)) == pytest.approx(1.9539393322e-05, rel=1e-9)


def test_couplings_from_anomaly_and_loop():
    for transition, A_W, expected in ANOMALY:
        assert complex(fcnc.coupling_from_anomaly(A_W, 1.0, transition)) == pytest.approx(
            expected, rel=1e-9
        )
    for transition, dq, scale, expected in THIRD_FAMILY:
        q_i = dq if transition[0] == "b" else 0.0
        value = fcnc.coupling_from_loop(q_i, 0.0, dq, 1.0, scale, transition)
        assert complex(value) == pytest.approx(expected, rel=1e-9)
    # U(1)_B, and 9 B_3 - 8 L_mu - L_tau with a scale of 1 TeV
    for transition, anomaly, loop in (("sb", 1.495e-6, 6.0e-4), ("sd", 1.445e-8, 1.03e-5)):
        assert abs(complex(fcnc.coupling_from_anomaly(1.5, 1.0, transition))) == pytest.approx(
            anomaly, rel=1e-3
        )
        q_b = 3.0 if transition == "sb" else 0.0
        value = fcnc.coupling_from_loop(q_b, 0.0, 3.0, 1.0, 1e3, transition)
        assert abs(complex(value)) == pytest.approx(loop, rel=6e-3)
    # one charge of all quarks is conserved, an axial one is not
    assert complex(fcnc.coupling_from_loop(2.0, 2.0, 2.0, 1.0)) == 0
    vector = 4 * math.pi**2 * 4 / fcnc.Y_T**2 / abs(fcnc.ckm_product("t", "sb"))
    axial = abs(complex(fcnc.coupling_from_loop(1.0, 1.0, -1.0, 1.0))) * vector
    assert axial == pytest.approx(2 * math.log(1e3 / 163), rel=1e-12)
    with pytest.raises(ParameterError, match="'bs' is not known"):
        fcnc.coupling_from_anomaly(1.0, 1.0, "bs")


def test_ckm_rows_are_unitary():
    """sum_a V_ai V_aj^* = 0 with the up quark: V_us = 0.2265, V_ud = 0.974, |V_ub| = 3.6e-3."""
    for transition, up in (("sb", 0.2265 * 3.6e-3), ("sd", 0.2265 * 0.974), ("bd", 0.974 * 3.6e-3)):
        rest = fcnc.ckm_product("c", transition) + fcnc.ckm_product("t", transition)
        assert abs(rest) == pytest.approx(up, rel=0.02)
    assert fcnc.ckm_product("c", "sd").imag == pytest.approx(
        -fcnc.ckm_product("t", "sd").imag, rel=1e-9
    )  # V_us V_ud^* is real


def test_z_gamma():
    for m_X, A_W, A_B, g_X, expected in Z_GAMMA:
        value = float(fcnc.branching_ratio_z_gamma(m_X, A_W, A_B, g_X))
        assert value == pytest.approx(expected, rel=1e-9)


def test_anomaly_coefficients_are_exact():
    for q, L, E, expected in COEFFICIENTS:
        assert anomaly_coefficients(q, q, q, L, E) == tuple(map(Fraction, expected))
    assert anomaly_coefficients(THIRD, THIRD, THIRD, 0, 0) == (Fraction(3, 2), Fraction(-3, 2))
    for name in list_models():
        anomalous = (Fraction(3, 2), Fraction(-3, 2)) if name in ("B", "protophobic") else (0, 0)
        assert load_model(name).anomaly_coefficients() == anomalous


@pytest.mark.parametrize(
    ("function", "end"),
    [
        (lambda m, g: fcnc.branching_ratio_k_pi(m, g), 0.354106),
        (lambda m, g: fcnc.branching_ratio_kl_pi0(m, jax.lax.complex(0.0 * g, g)), 0.362634),
        (lambda m, g: fcnc.branching_ratio_z_gamma(m, 1.5, -1.5, g), 91.1876),
        (lambda m, g: btokx.branching_ratio_kstar(m, jax.lax.complex(g, g)), KSTAR_END),
    ],
    ids=["K+", "K_L", "Z", "K*"],
)
def test_thresholds_zero_coupling_and_gradients(function, end):
    masses = np.array([-1.0, 0.0, 1e-5, end * 0.9999, end * 1.0001, 1e3])
    rates = jax.jit(jax.vmap(jax.value_and_grad(function, argnums=(0, 1)), in_axes=(0, None)))
    values, (by_mass, by_coupling) = rates(masses, 1e-9)
    assert np.isnan(values[:2]).all()
    assert (np.diff(values[2:4]) < 0).all()
    assert (np.asarray(values[2:4]) > 0).all()
    assert (np.asarray(values[4:]) == 0).all()
    assert np.isfinite(by_mass[2:]).all()
    assert np.isfinite(by_coupling[2:]).all()
    silent, slopes = rates(masses[2:], 0.0)
    assert (np.asarray(silent) == 0).all()
    assert np.isfinite(slopes).all()
    # longitudinal: (g/m_X)^2 for a light X
    light = rates(np.array([1e-5, 2e-5]), 1e-9)[0]
    assert float(light[0] / light[1]) == pytest.approx(4.0, rel=1e-3)


def test_flight():
    """1 - exp(-length m width/(p hbar c)), without loss for a small width; at rest and without a
    width.
    """
    p = _flight.momentum(np.array([0.5, 4.0, 4.786, 5.0]), 5.27934, 0.493677)
    assert float(p[0]) == pytest.approx(2.5926, rel=1e-3)
    assert (np.asarray(p[2:]) == 0).all()
    decayed = rk.seen_at_lhcb(2.0, np.array([0.0, 1e-20, 1e-12, 1.0]), length=0.01, momentum=50.0)
    expected = [0.0, 0.01 * 2e-20 / 50 / 1.973269804e-16, 0.8682820, 1.0]
    np.testing.assert_allclose(decayed, expected, rtol=1e-6)
    assert float(_flight.escaped(1.0, 0.0, 1.0, 0.0)) == 1.0
    assert float(_flight.escaped(1.0, 1e-3, 1.0, 0.0)) == 0.0


def test_part_of_the_peak_that_decays_counts_in_r_k():
    """What a late decay takes away is BR(B -> K X) BR(X -> mu mu) of a narrow X in the bin, and
    nothing of one beside it; tails and interference stay.
    """
    g_sb, g_V, g_A = 1e-8, 3e-7, -1e-7
    m_X = np.array([2.0, 1.0, 2.6])[:, None]
    width = (2 * g_V**2 + g_A**2) * m_X / (12 * math.pi)
    decayed = np.array([0.0, 0.25, 1.0])
    rate = rk.branching_ratio(m_X, width, g_sb, g_V, g_A, decayed=decayed)
    prompt = rk.branching_ratio(m_X, width, g_sb, g_V, g_A)
    np.testing.assert_array_equal(rate[:, 2], prompt[:, 0])
    mass = 0.1056583755
    beta = math.sqrt(1 - (2 * mass / 2.0) ** 2)
    into_muons = 2.0 / (12 * math.pi) * beta * (g_V**2 * (3 - beta**2) / 2 + g_A**2 * beta**2)
    peak = float(btokx.branching_ratio(2.0, g_sb)) * into_muons / float(width[0, 0])
    # the spin-0 part of g_A, kept with the propagator, is 1 % of the peak
    np.testing.assert_allclose(rate[0, 2] - rate[0], peak * (1 - decayed), rtol=2e-2, atol=1e-20)
    vector = rk.branching_ratio(2.0, 1e-14, g_sb, g_V, 0.0, decayed=np.array([0.0, 1.0]))
    into_muons = 2.0 / (12 * math.pi) * beta * g_V**2 * (3 - beta**2) / 2
    expected = float(btokx.branching_ratio(2.0, g_sb)) * into_muons / 1e-14
    assert float(vector[1] - vector[0]) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(rate[1:, 0], prompt[1:, 0], rtol=1e-6)


def test_gradients_of_a_late_decay_in_r_k():
    """Finite at zero width, zero coupling and at the edges of the bin."""

    def r_k(m_X, width, g_V):
        decayed = rk.seen_at_lhcb(m_X, width)
        return rk.r_k(m_X, width, 1e-8, g_V, 0.0, decayed=decayed)

    masses = [0.3, math.sqrt(1.1), 2.0, math.sqrt(6.0), 5.0]
    place = [
        (m_X, width, g_V)
        for m_X in masses
        for width, g_V in ((0.0, 0.0), (1e-25, 0.0), (1e-18, 1e-9), (1e-12, 1e-6), (1e-6, 1e-3))
    ]
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(r_k, argnums=(0, 1, 2))))(
        *map(np.array, zip(*place, strict=True))
    )
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    untouched = [
        r_k_value for r_k_value, (_, _, g_V) in zip(values, place, strict=True) if g_V == 0
    ]
    np.testing.assert_allclose(untouched, float(values[0]), rtol=1e-12)
    low, high = _rates.on_shell(np.array(2.0), np.array([0.0, 1e-40]), (1.1, 6.0), "mu", "paper")[0]
    assert float(low) == float(high)  # widths below 1e-30 m_X count as that
