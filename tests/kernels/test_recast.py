"""Recasting against a reference tool, independent evaluations of its parts, and its limits."""

import cmath
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from zscan.constants import E_CHARGE
from zscan.errors import ParameterError, UnknownNameError
from zscan.kernels import recast
from zscan.kernels.couplings import Couplings, FermionCoupling
from zscan.kernels.kmunux import rate_ratio
from zscan.limits import excluded_couplings, load, signal_strength, signal_strengths
from zscan.models import Model, couplings

B_3LMU_LOOP = Model(
    "B-3Lmu with eps = g_X/70",
    Q="1/3",
    U="1/3",
    D="1/3",
    L=(0, -3, 0),
    E=(0, -3, 0),
    N=(0, -3, 0),
    eps_over_g=1 / 70,
)
# Recast by DarkCast (commit cdff507 of its branch in which neutrinos are invisible, root finder
# tightened to 1e-9; for the four-muon search with the reference model L_mu - L_tau): model, limit,
# m_X, g_lo, g_hi. Where the shipped curve is an envelope (None here) the ratio of the recast to the
# original limit is compared, at 3 %; the others are from the same thinned curve, at 1.5 % below and
# 3 % above. It keeps mu and tau out of the loop (0.5 % in g).
DARKCAST = [
    ("dark-photon", "LHCb_Aaij2019bvg_prompt", 1.6, 1.0000414, None),
    ("Lmu-Ltau", "BaBar_TheBABAR2016rlg", 0.5, 1.0000068, None),
    ("Lmu-Ltau", "NA64_NA642019imj", 0.02, 4.277358e-3, math.inf),
    ("Lmu-Ltau", "BelleII_Adachi2019otg", 0.1, 5.074013e-2, math.inf),
    ("B-3Lmu", "LHCb_Aaij2019bvg_prompt", 0.4, 0.6378201, None),
    (B_3LMU_LOOP, "NA62_CortinaGil2019nuo", 0.08, 2.045538e-4, math.inf),
    ("Lmu-Le", "E137_Andreas2012mt", 0.02, 1.0076949e-8, 3.9217114e-6),
    ("Lmu-Le", "BaBar_Lees2014xha", 0.3, 0.3729183, None),
]


@pytest.mark.parametrize(("model", "name", "m_X", "g_lo", "g_hi"), DARKCAST)
def test_reference_tool(model, name, m_X, g_lo, g_hi):
    limit = load(name)
    if limit.final_states == ("invisible",):
        limit = dataclasses.replace(
            limit, reference_branching_ratio=0.99
        )  # what the reference tool takes
    low, high = excluded_couplings(limit, model, m_X, thresholds="darkcast", hadrons="darkcast")
    if g_hi is None:
        original = np.exp(np.interp(np.log(m_X), np.log(limit.mass), np.log(limit.value)))
        assert float(low) / original == pytest.approx(g_lo, rel=0.03)
        assert float(high) == math.inf
    else:
        assert float(low) == pytest.approx(g_lo, rel=0.015)
        assert float(high) == pytest.approx(g_hi, rel=0.03)


def test_the_reference_model_gives_back_the_curve():
    for name in ("LHCb_Aaij2019bvg_prompt", "NuCAL_Tsai2019mtm", "reach_LHCb_Ilten2016tkc_pre"):
        limit = load(name)
        low, high = excluded_couplings(limit, "dark-photon", limit.mass)
        ok = np.isfinite(limit.value)
        if name.startswith("reach"):
            assert np.isnan(low[0]), "too narrow a range at the tip to fix the window"
            ok[0] = False
        np.testing.assert_allclose(low[ok], limit.value[ok], rtol=1e-9)
        if limit.upper is not None:
            np.testing.assert_allclose(high[ok], limit.upper[ok], rtol=1e-9)
        assert np.isnan(low[~ok]).all()


def unit(**values):
    """Couplings that are 0 but for the vector couplings named."""
    zero = jnp.zeros(())
    fermions = {
        name: FermionCoupling(jnp.asarray(values.get(name, 0.0)), zero)
        for name in Couplings._fields[:9]
    }
    return Couplings(**fermions, **dict.fromkeys(Couplings._fields[9:12], zero))


@pytest.mark.parametrize(
    "mechanism", ["pi0_gamma", "eta_gamma", "etaprime_gamma", "omega_pi0", "phi_eta", "Dstar_D"]
)
@pytest.mark.parametrize("m_X", [0.05, 0.5, 0.7, 0.775, 0.78265, 0.9, 1.0195, 1.3])
def test_meson_decays(mechanism, m_X):
    """The traces with matrices and complex Breit-Wigner functions."""
    diag = {
        "gamma": (2 / 3, -1 / 3, -1 / 3),
        "rho": (0.5, -0.5, 0),
        "omega": (0.5, 0.5, 0),
        "phi": (0, 0, 0.5**0.5),
        "pi0": (0.5, -0.5, 0),
        "eta": (6**-0.5, 6**-0.5, -(6**-0.5)),
        "etaprime": (12**-0.5, 12**-0.5, 2 * 12**-0.5),
        "Dstar": (1, 0, 0),
        "D": (1, 0, 0),
    }
    pi, pi0, kaon, kaon0, eta = 0.13957039, 0.1349768, 0.493677, 0.497611, 0.547862
    vectors = {
        "rho": (0.77549, 0.1491, [(0.9988, pi, pi)]),
        "omega": (0.78265, 0.00849, [(0.8995, 2 * pi, pi0), (0.0835, pi0, 0), (0.0154, pi, pi)]),
        "phi": (1.01946, 0.00426, [(0.4893, kaon, kaon), (0.3422, kaon0, kaon0), (0.0131, eta, 0)]),
    }

    def momentum(m, a, b):
        return math.sqrt((m**2 - (a + b) ** 2) * (m**2 - (a - b) ** 2)) / (2 * m)

    def amplitude(x):
        parent, partner = (np.diag(diag[name]) for name in mechanism.split("_"))
        total = 0j
        for name, (M, width, decays) in vectors.items():
            K = sum(
                B * (momentum(m_X, a, b) / momentum(M, a, b)) ** 3
                for B, a, b in decays
                if m_X > a + b
            )
            T = np.diag(diag[name])
            weight = np.trace(parent @ partner @ T) * np.trace(T @ np.diag(x))
            total += weight * M**2 / (M**2 - m_X**2 - 1j * M**2 * width * K / m_X)
        return total

    charges, photon = (0.3, -0.7, 1.1), (2 / 3, -1 / 3, -1 / 3)
    rates = [
        float(
            recast.production_rate(
                mechanism, jnp.asarray(m_X), unit(**dict(zip("uds", x, strict=True)))
            )
        )
        for x in (charges, photon)
    ]
    assert rates[0] / rates[1] == pytest.approx(
        abs(amplitude(charges) / amplitude(photon)) ** 2, rel=1e-12
    )
    assert cmath.isfinite(amplitude(photon))


def test_other_mechanisms():
    x, m = couplings("Lmutau-chiral", 0.1, 2.0), jnp.asarray(0.1)
    assert float(recast.production_rate("mu_brem", m, x)) == pytest.approx(4 * (6.5**2 + 0.5**2))
    quarks = unit(u=0.2, d=0.5, s=3.0, c=0.7, b=0.9)
    expected = {
        "p_brem": 0.9**2,
        "rho": 0.3**2,
        "omega": 0.7**2,
        "phi": 9.0,
        "u_u": 0.04,
        "d_d": 0.25,
        "s_s": 9.0,
        "c_c": 0.49,
        "b_b": 0.81,
        "e_e": 0.0,
    }
    for mechanism, rate in expected.items():
        assert float(recast.production_rate(mechanism, m, quarks)) == pytest.approx(rate, rel=1e-12)
    with pytest.raises(UnknownNameError, match="did you mean 'e_brem'"):
        recast.production_rate("ebrem", m, quarks)


def test_kaon_limit_is_on_the_branching_ratio():
    # g^2 = BR/(0.6356 R BR_inv), and about 1.0e-2 at 10 to 50 MeV (known to a factor 1.5 in g)
    limit, m_X = load("NA62_Kmunu_vector_BR_derived"), np.array([0.01, 0.04, 0.1])
    x = couplings("Lmu-Ltau", m_X, 1.0)
    ratio = rate_ratio(m_X, 1.0, x.mu.V, 0.0, x.u.V - x.s.V)
    branching = np.exp(np.interp(np.log(m_X), np.log(limit.mass), np.log(limit.value)))
    low, _ = excluded_couplings(limit, "Lmu-Ltau", m_X)
    np.testing.assert_allclose(
        low, np.sqrt(branching / (0.6356 * ratio)), rtol=1e-4
    )  # BR_inv = 1 - 2e-5
    np.testing.assert_allclose(low[:2], 1.0e-2, rtol=0.05)
    # no common charge of quarks enters: B - 3 L_mu is three times as strong
    np.testing.assert_allclose(excluded_couplings(limit, "B-3Lmu", 0.04)[0], low[1] / 3, rtol=0.01)


def test_interpolation():
    mass = np.array([0.1, 0.2, 0.4, 0.5, 0.8, 1.0])
    value = np.array([1.0, 4.0, 16.0, np.nan, 2.0, 1.0])
    curves = recast.stack_curves([(mass, value), (np.array([0.1, 10.0]), np.array([1e-2, 1e-6]))])
    m_X = np.array([0.05, 0.1, 0.15, 0.4, 0.41, 0.5, 0.7, 0.8, 1.0, 1.0001])
    found, valid = (np.array(array) for array in recast.interpolate(curves, jnp.asarray(m_X)))
    np.testing.assert_array_equal(valid[0], [0, 1, 1, 1, 0, 0, 0, 1, 1, 0])
    np.testing.assert_allclose(found[0][valid[0]], [1.0, 2.25, 16.0, 2.0, 1.0], rtol=1e-14)
    np.testing.assert_array_equal(valid[1], m_X >= 0.1)
    np.testing.assert_allclose(found[1][1:], 1e-4 / m_X[1:] ** 2, rtol=1e-13)


def test_efficiency():
    start, stop = jnp.asarray(2.0), jnp.asarray(5.0)
    width = jnp.array([0.0, 1e-12, 0.1, 1.0, 1e3])
    both = recast.efficiency(width, start, stop)
    np.testing.assert_allclose(
        both, [0, 3e-12, math.exp(-0.2) - math.exp(-0.5), math.exp(-2) - math.exp(-5), 0], rtol=1e-9
    )
    np.testing.assert_allclose(
        recast.efficiency(width, None, stop),
        [0, 5e-12, 1 - math.exp(-0.5), 1 - math.exp(-5), 1],
        rtol=1e-9,
    )
    assert float(recast.efficiency(width, None, None)) == 1.0


@pytest.mark.parametrize("lratio", [10 / 480, 2.0, 35 / 0.12])
@pytest.mark.parametrize("square", [1.0001, 3.0, 1e4, 1e9])
def test_dump_window(square, lratio):
    start, stop = recast.dump_window(jnp.asarray(square), jnp.asarray(lratio))
    signal = lambda y: math.log(y) - y + math.log(-math.expm1(-lratio * y))  # noqa: E731
    expected = brentq(
        lambda x: signal(square * x) - signal(x), 0.5 / square, 2.5, xtol=1e-15, rtol=1e-13
    )
    assert float(start) == pytest.approx(expected, rel=1e-8)
    assert float(stop) == pytest.approx((1 + lratio) * expected, rel=1e-8)


@pytest.mark.parametrize("square", [1.5, 10.0, 300.0, 1e6])
def test_displaced_window(square):
    """From the lifetime at the upper edge to that at the lower one; what lives for less is compared
    with the upper edge.
    """
    start, stop, beyond, valid = recast.displaced_window(jnp.asarray(square))
    assert bool(valid)
    assert (float(start), float(stop)) == (1 / square, 1.0)
    signal = lambda y: y * (math.exp(-y / square) - math.exp(-y))  # noqa: E731
    assert float(beyond) == pytest.approx(signal(1.0) / signal(square), rel=1e-12)
    assert not recast.displaced_window(jnp.asarray(1.0))[3]


def test_edges_of_displaced_searches():
    square, one = 300.0, jnp.ones(())
    start, stop, beyond, valid = recast.displaced_window(jnp.asarray(square))

    def edges(strength):  # of signals, at unit scale, over those of the reference model
        scale = strength / recast.efficiency(one, start, stop)
        search = recast.Search(valid, scale, start, stop, beyond)
        found = [float(edge) for edge in recast.excluded_scale(search, one, one, one)]
        return found, lambda g: float(recast.signal_strength(search, g**2 * one, *2 * [g**2 * one]))

    found, mu = edges(1.0)
    assert found == pytest.approx([1.0, square**0.5], rel=1e-9)
    assert mu(square**0.5 * 1.001) < 1
    (low, high), mu = edges(3.0)  # stronger: beyond the upper edge
    assert high > square**0.5
    assert [mu(low), mu(high)] == pytest.approx([1, 1], rel=1e-9)
    (low, high), mu = edges(0.1)  # weaker: up to the shortest lifetime that is seen
    assert mu(low) == pytest.approx(1, rel=1e-9)
    assert high == pytest.approx(square**0.5)
    assert mu(high * 0.999) > 1 > mu(high * 1.001) > 0
    assert np.isnan(edges(1e-3)[0]).all()


@pytest.mark.parametrize("kind", ["prompt", "window", "dump"])
def test_edges_of_the_excluded_range(kind):
    """mu = 1 at every edge that is returned; NaN only where mu stays below 1."""
    rng = np.random.default_rng(3)
    strength, end = (jnp.asarray(10.0 ** rng.uniform(-12, 12, 400)) for _ in range(2))
    if kind == "dump":
        strength = end * jnp.asarray(10.0 ** rng.uniform(-1, 8, 400))
    start, stop = {
        "prompt": (None, None),
        "window": (None, end),
        "dump": (end, end * (1 + 10 ** rng.uniform(-2, 3, 400))),
    }[kind]
    search, one = recast.Search(jnp.full(400, True), jnp.ones(400), start, stop), jnp.ones(400)
    low, high = (np.array(edge) for edge in recast.excluded_scale(search, strength, one, one))

    def mu(scale):
        return np.array(recast.signal_strength(search, strength * scale**2, scale**2, scale**2))

    some = np.isfinite(low)
    np.testing.assert_allclose(mu(low)[some], 1.0, rtol=1e-9)
    if kind != "dump":
        assert some.all()
        assert np.isinf(high).all()
    else:
        assert 100 < some.sum() < 390
        assert (low[some] <= high[some]).all()
        np.testing.assert_allclose(mu(high)[some], 1.0, rtol=1e-9)
        assert np.isnan(high[~some]).all()
        strongest = np.max(
            [mu(np.sqrt(x / np.array(end))) for x in np.geomspace(1e-3, 3, 3001)], axis=0
        )
        assert (strongest[~some] < 1).all()
        assert (strongest[some] > 1 - 1e-5).all()


def test_a_dump_too_weak_for_the_model_excludes_nothing():
    edges = excluded_couplings(load("E137_Andreas2012mt"), "Lmu-Ltau", np.array([0.01, 0.1]))
    assert np.isnan(edges).all()


def test_no_coupling_no_signal():
    # no quark, no hadronic bound; no electron, no bound from electrons
    pi0, electrons = load("NA62_CortinaGil2019nuo"), load("NA64_NA642019imj")
    assert float(signal_strength(pi0, "Lmu-Le", 0.06, 1e-3)) == 0.0
    assert np.isnan(excluded_couplings(pi0, "Lmu-Le", 0.06)).all()
    assert float(signal_strength(electrons, "Lmu-Le-shifted", 0.06, 1e-3)) == pytest.approx(
        0.0, abs=1e-25
    )


# One limit for each kind of efficiency and of production, each with a point on its curve: m_X, g_X,
# eps
POINTS = {
    "NA64_NA642019imj": (0.0213, 1e-4, 1e-5),
    "LHCb_Aaij2019bvg_prompt": (0.4013, 2e-4, 2e-5),
    "NA48_Batley2015lha": (0.0431, 1e-5, 1e-5),
    "E137_Andreas2012mt": (0.0213, 3e-6, 1e-6),
    "reach_LHCb_Ilten2016tkc_post": (0.3013, 1e-5, 3e-6),
    "NA62_Kmunu_vector_BR_derived": (0.1013, 1e-2, 1e-3),
}


# Thresholds, edges of curves, vetoes, beyond all curves; each without mixing and without any
# coupling as well
MASSES = (5e-5, 1.0219978e-3, 0.1, 2.113167510e-1, 0.388018, 0.436, 0.55, 3.7, 50.0)
AWKWARD = [
    (m_X, g_X, eps) for m_X in MASSES for g_X, eps in ((1e-3, 1e-4), (1e-6, 0.0), (0.0, 0.0))
]


@pytest.fixture(scope="module")
def value_and_grad():
    """Sum over all points and limits (in POINTS: of each its own limit), and its gradient; aux: all
    mu.
    """
    limits = tuple(load(name) for name in POINTS)
    wanted = jnp.concatenate([jnp.eye(len(POINTS)), jnp.ones((len(AWKWARD), len(POINTS)))])

    def total(points):
        mu = jnp.stack(
            signal_strengths(limits, points[:, 0], couplings("B-3Lmu", *points.T)), axis=1
        )
        return jnp.sum(jnp.where(jnp.isnan(mu), 0.0, wanted * mu)), mu

    return jax.jit(jax.value_and_grad(total, has_aux=True))


@pytest.mark.slow  # limits of each kind: tests/test_gradients.py
def test_gradients(value_and_grad):
    points, own = np.array([*POINTS.values(), *AWKWARD]), slice(len(POINTS))
    _, gradient = value_and_grad(points)
    assert np.isfinite(gradient).all()
    assert not np.any(gradient[len(POINTS) :][2::3]), "without a coupling mu is at its minimum"
    for k in range(3):
        step = np.zeros(points.shape)
        step[own, k] = 1e-5 * points[own, k]
        (_, above), _ = value_and_grad(points + step)
        (_, below), _ = value_and_grad(points - step)
        slope = np.diagonal(above - below) / (2 * step[own, k])
        assert np.all(slope != 0)
        np.testing.assert_allclose(gradient[own, k], slope, rtol=2e-6)


@pytest.mark.parametrize(
    "limits",
    [[load(name) for name in POINTS], pytest.param(load(), marks=pytest.mark.slow)],
    ids=["of each kind", "all"],
)
def test_limits_at_once(limits):
    edges = np.array([m for limit in limits for m in (limit.mass[0], limit.mass[-1])])
    vetoes = np.array([0.55, 0.78, 1.0, 3.1, 9.4])  # of LHCb
    masses = np.concatenate([edges, edges * (1 + 1e-9), edges * (1 - 1e-9), vetoes, [1e-4, 90.0]])
    g_X = np.array([1e-6, 1e-4, 1e-2])
    grid = signal_strengths(
        limits, masses[:, None], couplings("B-L", masses[:, None], g_X[None, :], 1e-4)
    )
    for limit, mu in zip(limits, grid, strict=True):
        assert mu.shape == (masses.size, 3)
        outside = (masses < limit.mass[0]) | (masses > limit.mass[-1])
        assert np.isnan(mu[outside]).all()
        if not limit.name.startswith("reach_LHCb_Ilten2016tkc_p"):  # whose tips have no window
            # B - L, unlike the dark photon of the reference, has no limit on bottomonia
            known = (masses < 9.3) | (masses > 10.6)
            ends = (masses == limit.mass[0]) | (masses == limit.mass[-1])
            assert np.isfinite(mu[ends & known]).all()
    by_name = dict(zip((limit.name for limit in limits), grid, strict=True))
    assert np.isnan(by_name["LHCb_Aaij2019bvg_prompt"][-7:-2]).all()
    i = int(np.flatnonzero(~np.isnan(by_name["NA64_NA642019imj"][:, 0]))[10])
    single = signal_strength(load("NA64_NA642019imj"), "B-L", masses[i], g_X, 1e-4)
    np.testing.assert_allclose(single, by_name["NA64_NA642019imj"][i], rtol=1e-12)
    assert signal_strengths((), 0.1, couplings("B-L", 0.1, 1e-3)) == ()
    with jax.enable_x64(False):
        assert signal_strength(load("NA64_NA642019imj"), "Lmu-Ltau", 0.1, 1e-3).dtype == np.float64


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 10), eps=st.floats(-1e-3, 1e-3))
def test_prompt_signals_are_quadratic(scale, eps):
    limit = load("BaBar_Lees2014xha")
    one, scaled = (signal_strength(limit, "B-L", 0.3, f * 1e-3, f * eps) for f in (1.0, scale))
    np.testing.assert_allclose(scaled, scale**2 * one, rtol=1e-12)


def test_a_fixed_mixing_has_no_excluded_range():
    with pytest.raises(ParameterError, match="fixed eps"):
        excluded_couplings(load("BaBar_Lees2014xha"), Model("fixed", eps=1e-3), 0.1)


def test_couplings_of_the_dark_photon_are_those_of_eps():
    x = couplings("dark-photon", 0.1, 1e-3)
    assert float(x.e.V) == pytest.approx(-1e-3 * E_CHARGE.value)
    for name in ("NA64_NA642019imj", "BaBar_Lees2014xha"):
        mixed = signal_strength(load(name), Model("mixing only"), 0.1, 0.0, 1e-3)
        assert float(mixed) == pytest.approx(
            float(signal_strength(load(name), "dark-photon", 0.1, 1e-3)), rel=1e-12
        )
