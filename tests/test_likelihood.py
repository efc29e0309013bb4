"""The likelihood: terms against external values, sum, NaN, gradients, masses at the edges."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.optimize import brentq
from zoo import models

from zscan import limits
from zscan.constraints import (
    SEARCHES,
    constraint_names,
    describe,
    expand_constraints,
    measured_constraints,
    measured_values,
)
from zscan.constraints.measurements import observable_sets
from zscan.errors import ParameterError, UnknownNameError
from zscan.likelihood import log_likelihood
from zscan.models import Model
from zscan.references import bibtex


@pytest.fixture(scope="module")
def f():
    return log_likelihood("Lmu-Ltau")


def test_zero_coupling(f):
    assert f.chi2_zero["delta_a_mu"] == pytest.approx((251 / 59) ** 2, rel=1e-14)
    assert f.chi2_zero["trident_ccfr"] == pytest.approx((0.18 / 0.28) ** 2, rel=1e-12)
    assert f.chi2_zero["trident_nutev"] == pytest.approx((0.28 / 1.73) ** 2, rel=1e-12)
    assert f.chi2_zero["borexino"] == pytest.approx((0.008 / 0.0650) ** 2, rel=1e-12)
    # chi2 at zero coupling is a stored number: the last digits of a compiled one differ
    assert f(0.1, 0.0) == pytest.approx(0, abs=1e-12)


def test_band_of_delta_a_mu():
    # g_V for 251e-11 at g_A = 0 by quadrature: arXiv:2107.07518 Eq. (36); kinetic mixing is absent
    # in B - 3 L_mu
    term = log_likelihood("B-3Lmu", ["delta_a_mu"])
    for m_X, g_V in [(0.001, 4.5158e-4), (0.1, 9.4620e-4), (1.0, 5.40232e-3), (5.0, 2.58996e-2)]:
        np.testing.assert_allclose(
            term.terms(m_X, g_V / 3)["delta_a_mu"], -term.chi2_zero["delta_a_mu"], atol=1e-6
        )
        # the edges of the 2 sigma band lie at sqrt(133/251) and sqrt(369/251) of the central
        # coupling
        edges = np.sqrt(np.array([133.0, 369.0]) / 251.0) * g_V / 3
        absolute = term.terms(m_X, edges)["delta_a_mu"] + term.chi2_zero["delta_a_mu"]
        np.testing.assert_allclose(absolute, 4.0, rtol=1e-4)


# Bounds on g_X of L_mu - L_tau at R = 1.3688, two muons above 9 GeV, unit charges without kinetic
# mixing: Monte Carlo with the matrix element of arXiv:1902.06765, 0.6 %
@pytest.mark.parametrize(
    ("m_X", "bound"),
    [(1e-3, 7.72e-4), (0.01, 8.743e-4), (0.1, 1.1503e-3), (1.0, 2.737e-3), (10.0, 1.875e-2)],
)
def test_ccfr_bound(m_X, bound):
    f = log_likelihood(Model("x", L=(0, 1, -1), E=(0, 1, -1), N=(0, 1, -1)), ["trident_ccfr"])
    ratio = jax.jit(
        lambda m_X, g_X: f.evaluate({"m_X": m_X, "g_X": g_X})["trident_ccfr"].observable
    )
    excess = lambda log_g: float(ratio(m_X, np.exp(log_g))) - 1.3688  # noqa: E731
    np.testing.assert_allclose(
        np.exp(brentq(excess, np.log(bound / 2), np.log(bound * 2))), bound, rtol=6e-3
    )


# Bounds on g_X at R = 1.166 (R = 1.08), independent Gauss-Legendre implementation, 0.5 % from
# rounding
@pytest.mark.parametrize(
    ("model", "m_X", "bound", "stronger"),
    [
        ("Lmu-Ltau", 0.01, 5.33e-4, 4.55e-4),
        ("Lmu-Ltau", 0.1, 5.32e-3, 4.54e-3),
        ("Lmu-Le", 0.02, 2.92e-5, 2.06e-5),
        ("B-L", 0.001, 2.00e-6, 1.44e-6),
        ("Lmutau-chiral", 0.1, 1.05e-4, 8.42e-5),
        ("Lmutau-chiral-partner", 0.1, 8.80e-5, 6.64e-5),
    ],
)
def test_borexino_bound(model, m_X, bound, stronger):
    f = log_likelihood(model, ["borexino"])
    evaluate = jax.jit(f.evaluate)
    for level, expected in ((1.166, bound), (1.08, stronger)):

        def excess(g, level=level):
            return float(evaluate({"m_X": m_X, "g_X": g})["borexino"].observable) - level

        np.testing.assert_allclose(brentq(excess, expected / 2, expected * 2), expected, rtol=5e-3)


def test_shifted_model_has_no_borexino_effect():
    assert log_likelihood("Lmu-Le-shifted", ["borexino"]).terms(0.01, 1e-3)["borexino"] == 0


def test_sum_skips_what_does_not_apply_and_never_adds_both_tridents(f):
    assert f.constraints == measured_constraints()
    assert set(f.constraints) - set(f.summed) == {"trident_nutev", "electron_g2_cs", "nsi"}
    terms = f.terms(0.1, 1e-3)
    np.testing.assert_allclose(
        f(0.1, 1e-3), -0.5 * np.nansum([terms[name] for name in f.summed]), rtol=1e-14
    )
    assert {name for name, term in terms.items() if np.isnan(term)} == {
        "r_k",
        "r_k_low",
        "b_to_k_nunu",
        "b_s_mixing",  # no b -> s coupling
        "b_to_k_x_babar",
        "b_to_k_x_belle2",
        "b_to_kstar_x_babar",
        "k_to_pi_x_na62",  # no s -> d coupling
        "kl_to_pi0_x_koto",
        "z_gamma_x",  # no anomaly
        "b_d_mixing",
        "n_eff",  # too heavy to matter
        "nsi",  # no charge of matter
    }
    assert all(np.isnan(value) for value in f.terms(-1.0, 1e-3).values())
    assert f(-1.0, 1e-3) == 0
    assert log_likelihood("Lmu-Ltau", ["trident_nutev", "borexino"]).summed == (
        "trident_nutev",
        "borexino",
    )


def test_gradients_are_finite_at_edges_and_right_where_smooth(f):
    gradient = jax.jit(jax.grad(f, argnums=(0, 1, 2)))
    m_mu, m_tau = 0.1056583755, 1.77686
    for m_X in (
        1.1e-5,
        1e-3,
        m_mu,
        2 * m_mu,
        2 * m_tau,
        1e3,
        1e4,
        np.nextafter(1e-3, 0),
        np.nextafter(2 * m_mu, 1),
    ):
        for g_X, eps in ((0.0, 0.0), (1e-3, 0.0), (1.0, -1e-2)):
            assert np.isfinite(gradient(m_X, g_X, eps)).all(), (m_X, g_X, eps)
    assert np.isfinite(gradient(-1.0, 1e-3, 0.0)).all()
    for point in ((0.02, 5e-4, 1e-5), (0.3, 2e-3, -1e-4), (30.0, 0.05, 1e-3)):
        for index, value in enumerate(gradient(*point)):
            step = 1e-5 * abs(point[index])
            up, down = (
                f(*(x + s * step * (i == index) for i, x in enumerate(point))) for s in (1, -1)
            )
            np.testing.assert_allclose(value, (up - down) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("name", models())
def test_every_benchmark_evaluates_on_a_grid(name):
    m_X, g_X = np.geomspace(1e-3, 10, 5)[:, None], np.geomspace(1e-6, 1e-2, 4)[None, :]
    f = log_likelihood(name)
    total, terms = jax.jit(lambda *point: (f(*point), f.terms(*point)))(m_X, g_X)
    assert np.isfinite(total).all()
    assert {term.shape for term in terms.values()} == {(5, 4)}


def test_points_in_any_order_have_the_values_and_gradients_of_a_grid():
    """m_X = 0 among them."""
    f = log_likelihood("B-3Lmu", ["trident_ccfr"])
    m_X, g_X = np.geomspace(1e-3, 1.0, 100), np.geomspace(1e-6, 1e-1, 101)
    m_X[7] = 0.0

    def total(m_X, g_X):
        return f.total({"m_X": m_X, "g_X": g_X, "eps": 1e-4})

    def both(m_X, g_X):
        value, pullback = jax.vjp(total, m_X, g_X)
        return (value, *pullback(np.ones(value.shape)))

    m, g = (part.ravel() for part in np.meshgrid(m_X, g_X, indexing="ij"))
    value, by_m, by_g = (np.asarray(part).reshape(100, 101) for part in jax.jit(both)(m, g))
    expected, slope_m, slope_g = jax.jit(both)(m_X[:, None], g_X[None])
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(by_m.sum(axis=1), slope_m[:, 0], rtol=1e-11)
    np.testing.assert_allclose(by_g.sum(axis=0), slope_g[0], rtol=1e-11)
    np.testing.assert_allclose(total(m, g), value.ravel(), rtol=1e-12, atol=1e-13)


def test_charges_as_parameters(f):
    terms = f.evaluate(
        {
            "m_X": 0.1,
            "g_X": 1e-3,
            "charge.L.mu": np.array([1.0, 2.0]),
            "charge.E.mu": np.array([1.0, 2.0]),
        }
    )
    unit, double = terms["delta_a_mu"].observable
    mixing = 0.0043706  # r of the mu-tau loop, which follows: charges 2 and -1 as 3/2 and -3/2
    np.testing.assert_allclose(double / unit, ((2 - 1.5 * mixing) / (1 - mixing)) ** 2, rtol=1e-6)
    np.testing.assert_allclose(
        f.evaluate({"m_X": 0.1, "g_X": 1e-3, "eps_over_g": 0.1})["borexino"].observable,
        f.evaluate({"m_X": 0.1, "g_X": 1e-3, "eps": 1e-4})["borexino"].observable,
        rtol=1e-14,
    )


def test_names_are_checked(f):
    assert expand_constraints(["trident_*"]) == ("trident_ccfr", "trident_nutev")
    with pytest.raises(UnknownNameError, match="did you mean 'borexino'"):
        log_likelihood("Lmu-Ltau", ["borexno"])
    with pytest.raises(UnknownNameError, match="observable set"):
        log_likelihood("Lmu-Ltau", observables="future")
    with pytest.raises(UnknownNameError, match="parameter"):
        f.evaluate({"m_X": 1.0, "g_X": 1.0, "mass": 1.0})
    with pytest.raises(ParameterError, match="g_X"):
        f.evaluate({"m_X": 1.0})


# Limits that are published as such, with errors that are not a normal one's
PUBLISHED_LIMITS = {"n_eff": 2.99 + 0.34}


def test_every_number_has_its_reference():
    for observables in observable_sets():
        assert set(measured_values(observables)) == set(constraint_names())
        for name in constraint_names():
            info = describe(name, observables)
            assert bibtex(info.references)
            assert info.status in ("published", "digitised", "derived", "provisional")
            if name in measured_constraints() and info.measurement.excluded_above is not None:
                limit = (
                    info.measurement.value
                    + {"95 %": 1.96, "90 %": 1.645, "95 % one-sided": 1.645}[info.cl]
                    * info.measurement.error_plus
                )
                limit = PUBLISHED_LIMITS.get(name, limit)
                assert info.measurement.excluded_above == pytest.approx(limit, rel=1e-3)


def test_effective_model_profiles_g_sb_inside_its_bound():
    f = log_likelihood("muon-effective", ["delta_a_mu", "r_k", "b_to_k_nunu"])
    free = f.evaluate({"m_X": 3.0, "g_V": 0.0443})
    bound = 9.05e-9 * 3.0
    scan = f.evaluate({"m_X": 3.0, "g_V": 0.0443, "g_sb": np.linspace(-bound, bound, 2001)})
    np.testing.assert_allclose(free["r_k"].delta_chi2, scan["r_k"].delta_chi2.min(), rtol=1e-3)
    assert np.isnan(free["b_to_k_nunu"].delta_chi2)  # it is the bound: not counted twice
    assert (scan["b_to_k_nunu"].observable > 4.7e-6 - 1e-8).any()
    # no b -> s coupling: R_K as in the Standard Model, flavio 2.7.1
    np.testing.assert_allclose(
        f.evaluate({"m_X": 3.0, "g_V": 0.1, "g_sb": 0.0})["r_k"].observable, 1.0004162820, rtol=1e-7
    )


def test_effective_model_has_its_own_parameters():
    f = log_likelihood("muon-effective", ["delta_a_mu", "trident_ccfr"])
    values = f.evaluate({"m_X": 0.1, "g_V": 1e-3, "g_A_over_g_V": 0.2})
    # mpmath: g_V = 1e-3, g_A = 2e-4
    np.testing.assert_allclose(values["delta_a_mu"].observable, 1.330485793157817e-9, rtol=1e-10)
    with pytest.raises(UnknownNameError, match="not a parameter of muon-effective"):
        f.evaluate({"m_X": 0.1, "g_V": 1e-3, "charge.L.mu": 1.0})
    with pytest.raises(UnknownNameError, match="does not apply"):
        log_likelihood("muon-resonance", ["delta_a_mu"])


def test_current_set_changes_what_has_changed():
    paper, current = log_likelihood("B-3Lmu"), log_likelihood("B-3Lmu", observables="current")
    assert current.chi2_zero["delta_a_mu"] == pytest.approx((38.5 / 63.7) ** 2)
    assert current.chi2_zero["trident_ccfr"] == paper.chi2_zero["trident_ccfr"]
    assert current.chi2_zero["r_k"] == pytest.approx(((1.00042 - 0.949) / 0.0474) ** 2, rel=1e-3)


def test_effective_gradients_are_finite_at_the_edges_of_the_bin():
    gradient = jax.jit(jax.grad(log_likelihood("muon-effective"), argnums=(0, 1, 2)))
    for m_X in (0.01, 0.2113167510, 1.1**0.5, 6.0**0.5, 2.0, 4.8, 100.0):
        for g_V in (0.0, 1e-3, 0.3):
            assert np.isfinite(gradient(m_X, g_V, 0.0)).all(), (m_X, g_V)


def test_limits_enter_as_signal_strengths():
    names = [
        "kmunux",
        "searches/BaBar_TheBABAR2016rlg",
        "searches/proj_NA64mu",
        "searches/NA64_NA642019imj",
    ]
    f = log_likelihood("Lmu-Ltau", ["delta_a_mu", *names])
    assert f.summed == (
        "delta_a_mu",
        "kmunux",
        "searches/BaBar_TheBABAR2016rlg",
        "searches/NA64_NA642019imj",
    )
    terms = jax.jit(f.evaluate)({"m_X": 0.1, "g_X": 1e-2})
    for name, form in (
        ("kmunux", lambda mu: 2.7055 * mu**2),
        ("searches/NA64_NA642019imj", lambda mu: 4.6052 * mu),
    ):
        mu = float(limits.signal_strength(limits.load(SEARCHES[name]), "Lmu-Ltau", 0.1, 1e-2))
        np.testing.assert_allclose(terms[name].observable, mu, rtol=1e-12)
        np.testing.assert_allclose(terms[name].delta_chi2, form(mu), rtol=1e-4)
    assert np.isnan(terms["searches/BaBar_TheBABAR2016rlg"].delta_chi2)  # below its masses
    assert f.chi2_zero["kmunux"] == 0
    assert log_likelihood("Lmu-Ltau").constraints == measured_constraints()
    gradient = jax.jit(jax.grad(f, argnums=(0, 1, 2)))
    for m_X in (1e-3, 0.1, 2 * 0.1056583755, 0.25, 5.0):
        assert np.isfinite(gradient(m_X, 1e-3, 0.0)).all()


@pytest.mark.parametrize(
    "names",
    [
        # those of measurements that quarks change; all measurements are above, for L_mu - L_tau,
        # and limits of each kind in test_gradients.py
        ["coherent", "nsi", "d_mixing", "d_to_pi"],
        pytest.param(["*"], marks=pytest.mark.slow),
    ],
    ids=["of quarks", "all"],
)
def test_gradients_of_every_constraint_are_finite(names):
    gradient = jax.jit(jax.grad(log_likelihood("B-3Lmu", names), argnums=(0, 1, 2)))
    for m_X in (1.1e-5, 5e-4, 1.022e-3, 1e-3, 0.1, 2 * 0.1056583755, 0.25, 1.2, 5.0, 1e3):
        for g_X in (0.0, 1e-3):
            assert np.isfinite(gradient(m_X, g_X, 1e-4)).all(), (m_X, g_X)


def test_fingerprint_covers_every_input():
    table = log_likelihood("muon-resonance").fingerprint()
    assert "b_to_k_nunu" in table["measurements"]  # its limit bounds g_sb
    name = "searches/BaBar_Lees2014xha"
    before = log_likelihood("B-L", [name]).fingerprint()["limits"][name]
    original = limits.load(SEARCHES[name])
    for changed in (
        {"final_states": ("ee",)},
        {"production": ("p_brem",)},
        {"value": 1.01 * original.value},
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "zscan.likelihood.load",
                lambda _, changed=changed: dataclasses.replace(original, **changed),
            )
            assert log_likelihood("B-L", [name]).fingerprint()["limits"][name] != before


def test_searches_in_the_same_data_are_not_added():
    f = log_likelihood("B-3Lmu", ["searches/LHCb_Aaij20*"])
    assert len(f.constraints) == 2
    assert f.summed == ("searches/LHCb_Aaij2019bvg_prompt",)
