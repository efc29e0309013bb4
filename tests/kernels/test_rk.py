"""R_K and B -> K l l against flavio, direct quadrature, mpmath, and the narrow-width and contact
limits.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscan.constants import M_MU
from zscan.errors import ParameterError, PrecisionError
from zscan.kernels import _rates, _resonance, btokx, rk

N = _rates.N_SCALE * _rates.N_PHASE
LOW, MIDDLE, PAPER = (0.1, 1.1), (1.0, 6.0), (1.1, 6.0)


def _benchmark() -> ModuleType:
    """The NumPy quadrature of the squared amplitudes on q2 = m^2 + m width sinh(t), which lives
    with the benchmark.
    """
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "rk.py"
    spec = importlib.util.spec_from_file_location("benchmark_rk", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


quadrature = _benchmark()

# flavio 2.7.1, central parameters at 4.8 GeV: its dBR/dq2 with C9, C10 (conjugated for the CP
# conjugate) integrated with 160 (low bin) or 200 Gauss-Legendre nodes. (bin, C9, C10, R_K)
WILSON = [
    (LOW, 0.0, 0.0, 0.9929130332591452),
    (LOW, -1.0, 0.0, 0.7865844924126809),
    (LOW, -0.5, 0.5, 0.7605264131636668),
    (LOW, 0.3 + 0.8j, -0.2j, 1.0879103465597861),
    (MIDDLE, 0.0, 0.0, 1.0004026863360234),
    (MIDDLE, -0.5, 0.5, 0.766625910325976),
    (PAPER, 0.0, 0.0, 1.0004162820280473),
    (PAPER, -1.0, 0.0, 0.792356417639948),
    (PAPER, 0.0, 0.7, 0.834029353579055),  # np_prediction of <Rmue>(B+->Kll), epsrel 5e-4
    (PAPER, 1.0, 0.0, 1.2706960374688958),  # the same
    (PAPER, 0.3 + 0.8j, -0.2j, 1.0963066595019901),
]

# flavio 2.7.1 helicity amplitudes with C9, C10 = N g_sb g P(q2) added at every node of a
# sinh-mapped quadrature in q2, electrons without X. (bin, m_X, width/m_X, g_sb, g_V, g_A, R_K
# "strong", R_K "flavio")
LIGHT = [
    (PAPER, 0.2, 1e-3, 1.81e-9, 0.6, 0.0, 0.8971433167019229, 0.8971432447490191),
    (PAPER, 2.0, 1e-3, 1.81e-8, 0.01, -0.005, 1.3116884029686537, 1.3102160310330215),
    (PAPER, 2.0, 1e-9, 1.81e-8, 1e-5, 0.0, 1.2439571484368983, 1.2439560071424027),
    (PAPER, 4.0, 0.01, 3.62e-8, -0.3, 0.1, 0.6898559068697317, 0.6899933209537861),
    (MIDDLE, 1.0000001, 1e-4, 1e-8, 0.003, -0.002, 1.1595745086613312, 1.1594344639723357),
    (MIDDLE, 2.2, 0.2, 2e-8, -0.05, 0.02, 0.9412346193758422, 0.9464974334726124),
    (LOW, 0.2, 1e-3, 2e-9, 0.3, 0.1, 0.9600846214148201, 0.9600812311666995),
    (LOW, 0.7, 1e-6, 1e-8, 2e-4, -1e-4, 2.4817004648420444, 2.4816125264932736),
    (LOW, 0.9, 0.05, 1e-8, 0.02, 0.01, 1.1889069141375583, 1.1841197930057843),
    (LOW, 3.0, 0.02, 3e-8, -0.2, 0.05, 0.7543375903191992, 0.7545286187808407),
]


@pytest.mark.parametrize(("q2_bin", "C9", "C10", "expected"), WILSON)
def test_constant_coefficients_agree_with_flavio(q2_bin, C9, C10, expected):
    assert float(rk.r_k_wilson(C9, C10, q2_bin=q2_bin)) == pytest.approx(expected, rel=3e-7)


@pytest.mark.parametrize(
    ("q2_bin", "m_X", "ratio", "g_sb", "g_V", "g_A", "strong", "flavio"), LIGHT
)
def test_light_mediator_agrees_with_flavio(q2_bin, m_X, ratio, g_sb, g_V, g_A, strong, flavio):
    for phase, expected in (("strong", strong), ("flavio", flavio)):
        value = rk.r_k(m_X, ratio * m_X, g_sb, g_V, g_A, q2_bin=q2_bin, phase=phase)
        assert float(value) == pytest.approx(expected, rel=3e-7)


def test_weak_phase_agrees_with_flavio():
    # As LIGHT. flavio conjugates the CKM angle, not lambda_t, which changes |lambda_t| by 4e-5 for
    # the CP conjugate; the rates of B+ and B-, unequal for complex g_sb, are thereby weighted
    # differently.
    for phase, expected in (("strong", 0.9869132407052318), ("flavio", 0.9445449403203742)):
        value = rk.r_k(1.5, 0.15, 1.5e-8 + 7.5e-9j, 0.02, -0.01, phase=phase)
        assert float(value) == pytest.approx(expected, rel=3e-6)


def test_full_longitudinal_propagator_agrees_with_flavio_amplitudes():
    # As LIGHT, the spin-0 amplitude with -1/m_X^2 for the propagator.
    for m_X, ratio, g_sb, g_V, g_A, expected in (
        (2.0, 1e-3, 1.81e-8, 0.01, -0.005, 1.3105824290786174),
        (4.0, 0.01, 3.62e-8, -0.3, 0.1, 0.6902336121810824),
    ):
        value = rk.r_k(m_X, ratio * m_X, g_sb, g_V, g_A, longitudinal="full")
        assert float(value) == pytest.approx(expected, rel=3e-7)


def _points(q2_bin: tuple[float, float], count: int, seed: int) -> list[tuple[float, ...]]:
    """m_X anywhere, in or near the bin, and within 1e-10..0.1 of an edge; width/m_X 1e-13..0.3; R_K
    moved by ~1.
    """
    rng = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    anywhere, near = (
        10 ** rng.uniform(-2, 1, count),
        np.sqrt(rng.uniform(0.7 * q2_bin[0], 1.3 * q2_bin[1], count)),
    )
    edge = np.sqrt(rng.choice(q2_bin, count)) + rng.choice([-1, 1], count) * 10 ** rng.uniform(
        -10, -1, count
    )
    m_X = np.choose(kind, [anywhere, near, edge])
    width = m_X * 10 ** rng.uniform(-13, math.log10(0.3), count)
    g_sb = _rates.as_coupling(np.full(count, 1e-8))
    (terms,) = _rates.rate_terms(
        jnp.asarray(m_X), jnp.asarray(width), g_sb, q2_bin, ("mu",), "strong", "paper"
    )
    g_V = np.sqrt(
        10 ** rng.uniform(-3, 0.5, count) * terms.constant / np.asarray(terms.quadratic_V)
    )
    g_V *= rng.choice([-1, 1], count)
    columns = (m_X, width, np.full(count, 1e-8), g_V, g_V * rng.uniform(-1.5, 1.5, count))
    return [tuple(map(float, point)) for point in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("q2_bin", "options"),
    [
        (PAPER, {}),
        (PAPER, {"phase": "flavio", "longitudinal": "full"}),
        (LOW, {}),
        (LOW, {"phase": "flavio"}),
        (MIDDLE, {"longitudinal": "full"}),
        ((0.1, 6.0), {}),  # needs two intervals
        ((0.25, 2.0), {}),
        ((5.9, 6.0), {"phase": "flavio"}),
    ],
)
def test_random_points_agree_with_direct_quadrature(q2_bin, options):
    points = _points(q2_bin, 24, seed=int(10 * sum(q2_bin)))
    values = rk.r_k(*map(np.array, zip(*points, strict=True)), q2_bin=q2_bin, **options)
    expected = [quadrature.numpy_r_k(*point, q2_bin=q2_bin, **options) for point in points]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert np.median(np.abs(values / np.array(expected) - 1)) < 1e-8


def test_poles_of_muons_and_electrons_in_the_low_bin():
    """X of 0.32 to 1.05 GeV is on shell in both channels of 0.1 < q2 < 1.1 GeV^2: 4e-7 of R_K."""
    rng, count = np.random.default_rng(5), 60
    m_X = np.sqrt(rng.uniform(0.1024, 1.1025, count))
    edge = np.arange(count) % 4 == 0
    steps = rng.choice([-1, 1], count) * 10 ** rng.uniform(-9, -2, count)
    m_X = np.where(edge, np.sqrt(rng.choice(LOW, count)) + steps, m_X)
    width = m_X * 10 ** rng.uniform(-12, -0.6, count)
    size = rng.choice([-1, 1], count) * 10 ** rng.uniform(-4, 0, count) * np.sqrt(width / m_X)
    columns = [m_X, width, np.full(count, 1e-9), size]
    columns += [size * rng.uniform(-1.5, 1.5, count) for _ in range(3)]  # g_A, g_V_e, g_A_e
    keys = ("g_V_e", "g_A_e")
    values = rk.r_k(*columns[:5], **dict(zip(keys, columns[5:], strict=True)), q2_bin=LOW)
    expected = [
        quadrature.numpy_r_k(*point[:5], **dict(zip(keys, point[5:], strict=True)), q2_bin=LOW)
        for point in zip(*columns, strict=True)
    ]
    assert np.ptp(expected) > 0.5, "the peaks matter"
    np.testing.assert_allclose(values, expected, rtol=4e-7)


def test_complex_g_sb_and_electrons_agree_with_direct_quadrature():
    options = {"g_V_e": 0.3, "g_A_e": -0.2}
    for phase in ("strong", "flavio"):
        for g_sb in (2e-9 - 3e-9j, -4e-9j):
            value = rk.r_k(2.7, 0.3, g_sb, -0.4, 0.2, phase=phase, **options)
            expected = quadrature.numpy_r_k(2.7, 0.3, g_sb, -0.4, 0.2, phase=phase, **options)
            assert float(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("m_X", "g_V", "g_A"),
    [(0.5, 1e-3, 0.0), (0.5, 0.0, 1e-3), (1.5, 1e-3, -4e-4), (2.4, 2e-3, 3e-3)],
)
def test_narrow_width_limit_is_the_two_body_decay(m_X, g_V, g_A):
    """The peak holds BR(B -> K X) BR(X -> mu mu); B -> K X is computed by other code, the partial
    width by hand.
    """
    width, g_sb = 1e-9 * m_X, 1e-7
    r = (M_MU.value / m_X) ** 2
    beta = math.sqrt(1 - 4 * r)
    partial = m_X / (12 * math.pi) * beta * (g_V**2 * (1 + 2 * r) + g_A**2 * (1 - 4 * r))
    q2_bin = (0.1, 6.0)
    (terms,) = _rates.rate_terms(
        *map(jnp.asarray, (m_X, width)), _rates.as_coupling(g_sb), q2_bin, ("mu",), "strong", "full"
    )
    spin_0 = (
        _rates.standard_model(*q2_bin, "mu").w_P * (_rates.N_SCALE * g_sb / m_X**2) ** 2
    )  # not resonant
    peak = float(g_V**2 * terms.quadratic_V + g_A**2 * (terms.quadratic_A - spin_0))
    assert peak == pytest.approx(
        float(btokx.branching_ratio(m_X, g_sb)) * partial / width, rel=1e-7
    )
    # Beside the bin |P|^2 is no peak: the quadratic term stays finite as the width vanishes.
    outside = [
        rk.branching_ratio(m_X, w, g_sb, g_V, g_A, q2_bin=(2.5, 5.5)) for w in (1e-12, 1e-20, 0.0)
    ]
    assert float(outside[0]) == pytest.approx(float(outside[2]), rel=1e-10)
    assert float(outside[1]) == float(outside[2])


@pytest.mark.parametrize("g_sb", [3.0e-5, 2e-5 - 4e-5j])
def test_heavy_mediator_is_a_contact_interaction(g_sb):
    m_X, g_V, g_A = 3e4, 0.7, -0.4
    C = -N * g_sb / m_X**2
    expected = rk.r_k_wilson(C * g_V, C * g_A, q2_bin=(LOW, PAPER))
    for phase in ("strong", "flavio"):
        value = rk.r_k(m_X, 100.0, g_sb, g_V, g_A, q2_bin=(LOW, PAPER), phase=phase)
        np.testing.assert_allclose(value, expected, rtol=2e-5 if phase == "flavio" else 2e-7)


def test_light_limit_and_zero_coupling():
    # Far below the bin the mass drops out; without couplings R_K is that of the Standard Model.
    masses = np.array([1e-6, 1e-3, 1e-2])
    values = rk.r_k(masses, 0.0, 1e-9, 0.4, 0.1)
    np.testing.assert_allclose(values, values[0], rtol=1e-5)
    assert float(rk.r_k(0.0, 0.0, 1e-9, 0.4, 0.1)) == pytest.approx(float(values[0]), rel=1e-10)
    for zero in ((1e-8, 0.0, 0.0), (0.0, 0.3, 0.1)):
        assert float(rk.r_k(2.0, 1e-6, *zero)) == pytest.approx(
            float(rk.r_k_wilson(0.0, 0.0)), rel=1e-14
        )


@settings(max_examples=30, deadline=None)
@given(
    log_m=st.floats(-2, 1),
    log_ratio=st.floats(-12, -0.6),
    g_V=st.floats(-1, 1),
    g_A=st.floats(-1, 1),
    scale=st.floats(0.1, 10) | st.floats(-10, -0.1),
)
def test_only_products_of_couplings_matter(log_m, log_ratio, g_V, g_A, scale):
    m_X = 10**log_m
    width, g_sb = m_X * 10**log_ratio, 1e-9 * m_X
    value = rk.r_k(m_X, width, g_sb, g_V, g_A)
    np.testing.assert_allclose(
        rk.r_k(m_X, width, g_sb * scale, g_V / scale, g_A / scale), value, rtol=1e-11
    )
    assert value > 0


def test_gradients_are_those_of_finite_differences():
    arguments = np.array([2.1, 0.03, 1.2e-8, 0.02, -0.013])
    for options in (
        {},
        {"phase": "flavio", "longitudinal": "full"},
        {"q2_bin": LOW, "g_V_e": 0.01},
    ):
        gradient = jax.jit(jax.grad(lambda x: rk.r_k(*x, **options)))(arguments)  # noqa: B023
        for i, value in enumerate(arguments):
            step = np.zeros(5)
            step[i] = 1e-5 * value
            change = (
                rk.r_k(*(arguments + step), **options) - rk.r_k(*(arguments - step), **options)
            ) / 2e-5
            assert float(gradient[i] * value) == pytest.approx(float(change), rel=1e-6, abs=1e-9)


def test_gradients_are_finite_at_edges_and_for_any_width():
    edges = [math.sqrt(edge) for edge in PAPER]
    near = [edge + shift for edge in edges for shift in (0.0, 1e-10, -1e-10, 1e-15)]
    gradient = jax.jit(
        jax.vmap(jax.grad(rk.r_k, argnums=(0, 1, 2, 3, 4)), in_axes=(0, 0, None, None, None))
    )
    for ratio in (0.0, 1e-30, 1e-13, 1e-3, 0.3):
        masses = np.array([*near, 1e-3, 0.5, 1.2, 2.0, 2.6, 50.0])
        for part in gradient(masses, ratio * masses, 1e-9, 0.1, 0.05):
            assert np.all(np.isfinite(part))
    # The derivative in the width at zero width, which only interference with the absorptive part
    # has, is its limit.
    in_width = jax.jit(jax.grad(rk.r_k, argnums=1))
    for m_X in (0.5, 1.0, 2.46, 4.0):
        at_zero, at_tiny = (in_width(m_X, w, 1e-9, 0.1, 0.05) for w in (0.0, 1e-12))
        assert at_zero != 0
        assert float(at_zero) == pytest.approx(float(at_tiny), rel=1e-6)
    hessian = jax.jit(jax.hessian(lambda x: rk.r_k(*x)))(np.array([1.0, 0.0, 1e-9, 0.1, 0.05]))
    assert np.all(np.isfinite(hessian))


def test_zero_width_inside_the_bin_counts_as_tiny():
    inside = rk.r_k(2.0, np.array([0.0, 1e-40, 2e-30]), 1e-8, 1e-5, 0.0)
    assert np.all(inside == inside[2])
    assert inside[0] > 1e15


def test_broadcasting_several_bins_and_transformations():
    m_X = np.geomspace(0.02, 5, 7)[:, None]
    width, g_V = 1e-3 * m_X, np.linspace(-0.1, 0.2, 4)
    grid = rk.r_k(m_X, width, 1e-8 * m_X, g_V, 0.3 * g_V, q2_bin=(LOW, PAPER))
    assert grid.shape == (2, 7, 4)
    single = rk.r_k(m_X[3, 0], width[3, 0], 1e-8 * m_X[3, 0], g_V[2], 0.3 * g_V[2])
    assert float(grid[1, 3, 2]) == pytest.approx(float(single), rel=1e-13)
    compiled = jax.jit(jax.vmap(lambda m, w: rk.r_k(m, w, 1e-8 * m, 0.1, 0.0)))(
        m_X[:, 0], width[:, 0]
    )
    np.testing.assert_allclose(compiled, rk.r_k(m_X, width, 1e-8 * m_X, 0.1, 0.0)[:, 0], rtol=1e-12)
    assert rk.r_k_wilson(0.0, np.zeros(3), q2_bin=(PAPER,)).shape == (1, 3)
    assert np.all(np.isnan(rk.r_k(np.array([-1.0, 1.0]), np.array([0.1, -0.1]), 1e-8, 0.1, 0.0)))


def test_errors():
    for q2_bin in ((1.1, 1.1), (0.05, 1.0), (1.1, 7.0), (6.0, 1.1), (), (1.0, 2.0, 3.0)):
        with pytest.raises(ParameterError, match="q2_bin"):
            rk.r_k(1.0, 0.0, 0.0, 0.0, 0.0, q2_bin=q2_bin)
    with pytest.raises(ParameterError, match=r"phase.*did you mean 'strong'"):
        rk.r_k(1.0, 0.0, 0.0, 0.0, 0.0, phase="strng")
    with pytest.raises(ParameterError, match="longitudinal"):
        rk.branching_ratio(1.0, 0.0, 0.0, 0.0, 0.0, longitudinal="Full")
    with pytest.raises(ParameterError, match="lepton"):
        rk.branching_ratio(1.0, 0.0, 0.0, 0.0, 0.0, lepton="tau")
    with jax.enable_x64(False), pytest.raises(PrecisionError):
        jax.jit(rk.r_k)(1.0, 0.0, 0.0, 0.0, 0.0)


def test_branching_ratios_agree_with_flavio():
    # flavio 2.7.1: dBR/dq2 at (q2, mu, e), and its integral; 3e-5 because its CP conjugate changes
    # |lambda_t|.
    for q2, muon, electron in (
        (0.1, 3.238428702583476e-08, 3.557347212902953e-08),
        (1.0, 3.534727675142158e-08, 3.535896659155709e-08),
        (6.0, 3.474518327029247e-08, 3.4723795565898673e-08),
    ):
        for lepton, expected in (("mu", muon), ("e", electron)):
            value = rk.differential_branching_ratio(q2, 1.0, 0.1, 0.0, 0.0, 0.0, lepton=lepton)
            assert float(value) == pytest.approx(expected, rel=3e-5)
    binned = rk.branching_ratio(1.0, 0.1, 0.0, 0.0, 0.0, q2_bin=(LOW, MIDDLE, PAPER))
    np.testing.assert_allclose(
        binned, [3.517250726506773e-08, 1.7565158082373743e-07, 1.7211711181575703e-07], rtol=3e-5
    )


@pytest.mark.parametrize(
    "options", [{}, {"phase": "flavio", "longitudinal": "full", "lepton": "e"}]
)
@pytest.mark.parametrize("g_sb", [1e-8, 6e-9 + 8e-9j])
def test_differential_rate_integrates_to_the_binned_one(options, g_sb):
    couplings = (1.9, 0.4, g_sb, 0.05, -0.03)
    q2, weight = _resonance.quadrature(*PAPER, _rates.AMPLITUDES.knots)
    total = weight @ np.asarray(rk.differential_branching_ratio(q2, *couplings, **options))
    assert float(rk.branching_ratio(*couplings, **options)) == pytest.approx(total, rel=1e-6)
    assert np.all(np.isnan(rk.differential_branching_ratio(np.array([0.05, 6.1]), *couplings)))


# arXiv:2107.07518 Fig. 10 as computed with an independent implementation of the same amplitudes
# (flavio table, bounded minimisation in closed form), phase "flavio". (m_X, width/m_X, min R_K to
# 1e-3)
FIGURE_10 = [
    (0.5, 1e-8, 0.660),
    (1.0, 1e-8, 0.855),
    (1.7, 1e-8, 1.0004),
    (2.5, 1e-8, 0.773),
    (4.0, 1e-8, 0.546),
    (1.7, 0.1, 0.997),
    (1.7, 0.2, 0.994),
    (1.7, 0.5, 0.988),
    (2.3, 0.1, 0.951),
    (2.3, 0.2, 0.926),
    (2.3, 0.5, 0.936),
]


def test_minimum_of_r_k_over_the_muon_coupling():
    m_X, ratio, expected = map(np.array, zip(*FIGURE_10, strict=True))
    g_sb = 9.05e-9 * m_X
    minimum, g_V = rk.r_k_minimum(m_X, ratio * m_X, g_sb, phase="flavio")
    np.testing.assert_allclose(minimum, expected, atol=1e-3)
    assert float(g_V[0]) == pytest.approx(1.32, rel=0.02)
    assert float(g_V[4]) == pytest.approx(-1.06, rel=0.02)
    # It is attained, and is a minimum.
    for shift, sign in ((1.0, 0), (1.01, 1), (0.99, 1)):
        values = rk.r_k(m_X, ratio * m_X, g_sb, g_V * shift, 0.0, phase="flavio")
        assert np.all((values - minimum) * sign >= 0)
        if sign == 0:
            np.testing.assert_allclose(values, minimum, rtol=1e-12)
    again = rk.r_k_minimum(m_X, ratio * m_X, -7 * g_sb, phase="flavio")
    np.testing.assert_allclose(again.r_k, minimum, rtol=1e-13)
    np.testing.assert_allclose(-7 * again.g_V, g_V, rtol=1e-13)


def test_window_of_figure_10_and_sign_of_the_coupling():
    # The same origin as FIGURE_10: masses between which R_K <= 0.890 cannot be reached, and where
    # g_V changes sign.
    for ratio, phase, lower, upper in (
        (1e-8, "flavio", 1.020, 2.461),
        (0.1, "flavio", 1.037, 2.393),
        (0.1, "strong", 1.035, 2.385),
        (0.2, "flavio", 1.080, 2.363),
        (0.2, "strong", 1.073, 2.348),
        (0.5, "flavio", 1.217, 2.448),
        (0.5, "strong", 1.190, 2.411),
    ):
        m_X = np.array([lower * 0.998, lower * 1.002, upper * 0.998, upper * 1.002])
        minimum, g_V = rk.r_k_minimum(m_X, ratio * m_X, 1e-8, phase=phase)
        assert ((minimum <= 0.890) == np.array([True, False, False, True])).all()
        assert g_V[0] > 0 > g_V[3]
    for phase, expected in (("flavio", 1.897), ("strong", 1.864)):
        m_X = expected * np.array([0.997, 1.003])
        before, after = rk.r_k_minimum(m_X, 0.1 * m_X, 1e-8, phase=phase).g_V
        assert before > 0 > after


@pytest.mark.parametrize("electrons", [{}, {"g_V_e": -0.15, "g_A_e": 0.1}])
def test_profile_over_g_sb_is_the_range_of_a_fine_grid(electrons):
    m_X = np.array([0.3, 0.8, 1.04, 1.5, 2.44, 2.6, 4.5])
    g_V = np.array([[0.02], [0.3], [-0.1]])
    g_A, g_max = 0.4 * g_V, 9.05e-9 * m_X
    reach = rk.profile_g_sb(m_X, 1e-2 * m_X, g_V, g_A, g_max, q2_bin=(PAPER, LOW), **electrons)
    g_sb = np.linspace(-1, 1, 2001)[:, None, None] * g_max
    grid = np.asarray(rk.r_k(m_X, 1e-2 * m_X, g_sb, g_V, g_A, q2_bin=(PAPER, LOW), **electrons))
    assert reach.minimum.shape == (2, 3, 7)
    assert np.all(reach.minimum <= grid.min(1) * (1 + 1e-12))
    assert np.all(reach.maximum >= grid.max(1) * (1 - 1e-12))
    for extreme, at in ((reach.minimum, reach.g_sb_minimum), (reach.maximum, reach.g_sb_maximum)):
        assert np.all(np.abs(at) <= g_max)
        for i, q2_bin in enumerate((PAPER, LOW)):
            there = rk.r_k(m_X, 1e-2 * m_X, at[i], g_V, g_A, q2_bin=q2_bin, **electrons)
            np.testing.assert_allclose(there, extreme[i], rtol=1e-12)


def test_profile_without_coupling_and_its_gradient():
    @jax.jit
    def gradient(x, electrons):
        return jax.grad(lambda x: rk.profile_g_sb(3.0, *x, g_V_e=electrons).minimum)(x)

    for arguments in ((0.0, 0.0, 1e-8), (0.1, 0.05, 0.0)):
        reach = rk.profile_g_sb(3.0, 1e-3, *arguments)
        sm = float(rk.r_k_wilson(0.0, 0.0))
        assert (float(reach.minimum), float(reach.maximum)) == pytest.approx((sm, sm), rel=1e-14)
        assert reach.g_sb_minimum == reach.g_sb_maximum == 0
        for electrons in (0.0, 0.01):
            assert np.all(np.isfinite(gradient(np.array([1e-3, *arguments]), electrons)))
    # Inside the interval g_sb follows the optimum, so the gradient is the partial one (envelope
    # theorem).
    arguments = np.array([1.0, 1e-3, 0.5, 0.2])
    reach = rk.profile_g_sb(*arguments, 9.05e-9)
    assert 0 < abs(reach.g_sb_minimum) < 9.05e-9
    total = jax.jit(jax.grad(lambda x: rk.profile_g_sb(*x, 9.05e-9).minimum))(arguments)
    partial = jax.jit(jax.grad(lambda x: rk.r_k(x[0], x[1], reach.g_sb_minimum, x[2], x[3])))(
        arguments
    )
    np.testing.assert_allclose(total, partial, rtol=1e-9)


@pytest.mark.slow
def test_many_random_points_agree_with_direct_quadrature():
    for q2_bin in (PAPER, LOW, MIDDLE, (0.1, 6.0), (0.3, 5.0)):
        points = _points(q2_bin, 300, seed=11)
        values = rk.r_k(*map(np.array, zip(*points, strict=True)), q2_bin=q2_bin)
        expected = [quadrature.numpy_r_k(*point, q2_bin=q2_bin) for point in points]
        np.testing.assert_allclose(values, expected, rtol=1e-6)
