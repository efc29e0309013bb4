"""Measured two-body decays with an unseen X: curves, gaps, bounds on couplings, what replaces what,
and long flight.
"""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zscan
from zscan.constraints.curves import load_curve
from zscan.errors import ModelError, ModelWarning, UnknownNameError
from zscan.kernels import btokx, fcnc
from zscan.models import Model, load_model

B_TO_K = ("b_to_k_x_babar", "b_to_k_x_belle2")
NAMES = [*B_TO_K, "b_to_kstar_x_babar", "k_to_pi_x_na62", "kl_to_pi0_x_koto"]

# best fit + 1.645 sigma in 1e-6, from the publications that read the spectra
LIMITS = {
    "BaBar_BKX": {0.02: 15.0, 0.11: 15.0, 0.5: 13.6, 1.0: 11.0, 1.5: 10.3, 2.0: 9.8, 2.5: 12.2},
    "BelleII_BKX": {
        0.11: 1.45,
        0.5: 1.39,
        1.0: 1.54,
        1.5: 5.3,
        2.0: 11.1,
        2.5: 7.5,
        3.0: 7.2,
        4.0: 10.0,
    },
    "BaBar_BKstarX": {0.11: 41, 0.5: 38, 1.0: 32, 1.5: 33, 2.0: 39, 2.5: 46},
}


@pytest.fixture(scope="module")
def likelihood():
    """Of a model that decays to neutrinos below 2 m_mu."""
    return zscan.log_likelihood(Model("no mixing", L=(0, 1, -1), E=(0, 1, -1), N=(0, 1, -1)), NAMES)


@pytest.fixture(scope="module")
def with_nunu():
    return zscan.log_likelihood("Lmu-Ltau", [*B_TO_K, "b_to_k_nunu"])


def model(name, **charges):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        return Model(name, **charges)


BARYON = {"Q": "1/3", "U": "1/3", "D": "1/3"}


@pytest.mark.parametrize("name", LIMITS)
def test_curves(name):
    masses = np.array(list(LIMITS[name]))
    best, sigma, valid = load_curve(name).at(jnp.asarray(masses))
    assert valid.all()
    limit = 1e6 * (best + 1.645 * sigma)
    np.testing.assert_allclose(limit, list(LIMITS[name].values()), rtol=1.5e-2)
    end = load_curve(name).mass[-1]
    assert load_curve(name).at(jnp.asarray([end, end * 1.001]))[2].tolist() == [True, False]


def test_gaps_break_a_curve():
    curve = load_curve("NA62_KpiX")
    masses = jnp.asarray([1e-4, 0.1, 0.10061, 0.105, 0.1099, 0.11, 0.13, 0.155, 0.158, 0.1607, 0.2])
    best, sigma, valid = curve.at(masses)
    assert valid.tolist() == [True, True] + 3 * [False] + 3 * [True] + 2 * [False] + [True]
    assert (np.asarray(best)[np.asarray(valid)] == 0).all()
    limit = np.asarray(1.645 * sigma)[np.asarray(valid)]
    np.testing.assert_allclose(
        limit, [2.8e-11, 4.4e-11, 9.1e-10, 9.1e-10, 9.1e-10, 1.52e-11], rtol=1e-2
    )
    slope = jax.vmap(jax.grad(lambda m: sum(part.sum() for part in curve.at(m)[:2])))(masses)
    assert np.isfinite(slope).all()
    with pytest.raises(UnknownNameError, match="did you mean 'NA62_KpiX'"):
        load_curve("NA62_KpX")


def test_bounds_on_g_sd_and_g_sb(likelihood):
    m_X = np.array([0.005, 0.05, 0.1, 0.2])
    terms = likelihood.evaluate({"m_X": m_X, "g_X": 1e-3, "g_sd": 1e-13, "g_sb": 1e-9})
    z = terms["k_to_pi_x_na62"].observable
    bound = 1e-13 * np.sqrt(1.645 / np.asarray(z))
    np.testing.assert_allclose(bound, [9.0e-15, 9.2e-14, 2.5e-13, 3.7e-13], rtol=3e-2)
    np.testing.assert_allclose(terms["k_to_pi_x_na62"].delta_chi2, z**2, rtol=1e-12)
    assert (np.asarray(terms["kl_to_pi0_x_koto"].observable) == 0).all()  # real
    rate = btokx.branching_ratio(m_X, 1e-9)
    np.testing.assert_allclose(terms["b_to_k_x_babar"].derived["b_to_k_x_babar_rate"], rate)
    # the flat 1.6e-5, |g_sb| = 9.05e-9 m_X/GeV, is the curve of BaBar at low mass
    place = {"m_X": 0.1, "g_X": 1e-3}
    excesses = [
        likelihood.excesses(place | {"g_sb": g})["b_to_k_x_babar"] for g in (8.6e-10, 9e-10)
    ]
    assert float(excesses[0]) < 0 < float(excesses[1])


def test_imaginary_part_is_what_koto_sees(likelihood):
    place = {"m_X": 0.05, "g_X": 1e-3, "g_sd": 3e-13}
    terms = likelihood.evaluate(place | {"g_sd_imag": np.array([0.0, 1e-12])})
    rate = fcnc.branching_ratio_kl_pi0(0.05, 1e-12j)
    z = np.asarray(terms["kl_to_pi0_x_koto"].observable)
    np.testing.assert_allclose(z, [0.0, 1.645 * float(rate) / 2.2275e-9], rtol=1e-3)
    ratio = np.asarray(terms["k_to_pi_x_na62"].observable)
    assert ratio[1] / ratio[0] == pytest.approx(1 + (1e-12 / 3e-13) ** 2, rel=1e-9)


def test_gap_is_silent_in_the_likelihood(likelihood):
    m_X = np.array([0.05, 0.105, 0.13, 0.158])
    place = {"m_X": m_X, "g_X": 1e-3, "g_sd": 1e-11, "g_sb": 1e-9}
    term = likelihood.evaluate(place)["k_to_pi_x_na62"]
    assert np.isfinite(term.delta_chi2).tolist() == [True, False, True, False]
    excess = np.asarray(likelihood.excesses(place)["k_to_pi_x_na62"])
    assert (excess[[0, 2]] > 0).all()
    assert np.isnan(excess[[1, 3]]).all()


def test_likelihood_is_relative_to_no_signal_at_each_mass(likelihood):
    """A limit is clipped at 0, a measurement may prefer a signal: Belle II near 2 GeV."""
    m_X = np.array([0.3, 1.0, 2.051])[:, None]
    g_sb = np.geomspace(1e-12, 1e-7, 26)
    terms = likelihood.evaluate({"m_X": m_X, "g_X": 0.0, "g_sb": g_sb})
    for name, curve in zip(B_TO_K, ("BaBar_BKX", "BelleII_BKX"), strict=True):
        best, sigma, _ = load_curve(curve).at(jnp.asarray(m_X))
        rate = btokx.branching_ratio(m_X, g_sb)
        expected = ((rate - best) / sigma) ** 2 - (best / sigma) ** 2
        if curve == "BaBar_BKX":
            expected = np.maximum(expected, 0.0)
        np.testing.assert_allclose(terms[name].delta_chi2, expected, rtol=1e-9, atol=1e-12)
    assert float(terms["b_to_k_x_belle2"].delta_chi2[2].min()) < -5  # 2.5 sigma
    silent = likelihood.evaluate({"m_X": m_X, "g_X": 0.0, "g_sb": 0.0, "g_sd": 0.0})
    assert all((term.delta_chi2[term.valid] == 0).all() for term in silent.values())


def test_two_body_takes_the_place_of_nunu_where_x_is_narrow_and_light(with_nunu):
    m_X = np.array([0.1, 2.0, 2.95, 4.2, 4.35, 6.0, 2.0])
    g_X = np.array([1e-3] * 6 + [1.2])  # the last one is wide
    terms = with_nunu.evaluate({"m_X": m_X, "g_X": g_X, "g_sb": 1e-9})
    valid = {name: np.asarray(terms[name].valid) for name in (*B_TO_K, "b_to_k_nunu")}
    assert valid["b_to_k_x_babar"].tolist() == [True, True] + 5 * [False]
    assert valid["b_to_k_x_belle2"].tolist() == 4 * [True] + 3 * [False]
    assert valid["b_to_k_nunu"].tolist() == 4 * [False] + 3 * [True]
    alone = zscan.log_likelihood("Lmu-Ltau", ["b_to_k_nunu", "b_to_k_x_babar"])
    both = alone.evaluate({"m_X": m_X, "g_X": g_X, "g_sb": 1e-9})
    assert np.asarray(both["b_to_k_nunu"].valid).tolist() == [False, False] + 5 * [True]
    np.testing.assert_allclose(
        alone.sum(both)[0],
        [np.nansum([float(term.delta_chi2[i]) for term in both.values()]) for i in range(7)],
    )


def test_long_flight_makes_a_visible_x_unseen():
    """An X without neutrinos: seen where it decays inside the detector, unseen where it leaves it,
    in B -> K nu nu and in the two-body decay alike; finite without any coupling.
    """
    f = zscan.log_likelihood("dark-photon", ["b_to_k_nunu", "k_to_pi_x_na62"])
    eps = np.array([0.0, 1e-12, 1e-3])
    terms = f.evaluate({"m_X": 0.2, "g_X": eps, "g_sb": 1e-9, "g_sd": 1e-13})
    nunu = np.asarray(terms["b_to_k_nunu"].observable)
    peak = float(btokx.branching_ratio(0.2, 1e-9))
    standard_model = float(btokx.branching_ratio_nunu(0.2, 0.0, 0.0))
    np.testing.assert_allclose(nunu, standard_model + peak * np.array([1, 1, 0]), rtol=1e-6)
    rate = terms["k_to_pi_x_na62"].derived["k_to_pi_x_na62_rate"]
    expected = float(fcnc.branching_ratio_k_pi(0.2, 1e-13)) * np.array([1, 1, 0])
    np.testing.assert_allclose(rate, expected, rtol=1e-3, atol=1e-30)


@pytest.mark.parametrize(
    "fixture", ["likelihood", pytest.param("with_nunu", marks=pytest.mark.slow)]
)
def test_gradients_are_finite(fixture, request):
    f = request.getfixturevalue(fixture)
    masses = [1e-5, 0.005, 0.1003, 0.10061, 0.13, 0.1607, 0.2113, 0.26, 0.354106, 2.0, 4.3, 4.786]
    couplings = [(0.0, 0.0, 0.0, 0.0), (1e-3, 0.0, 0.0, 0.0), (0.0, 1e-9, 1e-13, 1e-13)]
    place = [(m_X, *row) for m_X in masses for row in couplings]
    names = ("m_X", "g_X", "g_sb", "g_sd", "g_sd_imag")

    def total(*values):
        chi2 = f.total(dict(zip(names, values, strict=True)))
        return chi2.sum(), chi2

    columns = [jnp.asarray(column) for column in zip(*place, strict=True)]
    gradient, chi2 = jax.jit(jax.grad(total, argnums=tuple(range(5)), has_aux=True))(*columns)
    assert np.isfinite(chi2).all()
    assert np.isfinite(gradient).all()


def test_baryon_number_with_its_anomaly():
    """Bounds on U(1)_B from K+ -> pi+ X, and Z -> gamma X; X is stable below the pion mass."""
    f = zscan.log_likelihood(model("B", **BARYON, fcnc="anomaly"), ["k_to_pi_x_na62", "z_gamma_x"])
    terms = f.evaluate({"m_X": np.array([0.005, 0.05, 0.1]), "g_X": 1e-6})
    bound = 1e-6 * np.sqrt(1.645 / np.asarray(terms["k_to_pi_x_na62"].observable))
    np.testing.assert_allclose(bound, [6.3e-7, 6.4e-6, 1.7e-5], rtol=3e-2)
    rate = fcnc.branching_ratio_z_gamma(0.05, 1.5, -1.5, 1e-6)
    assert float(terms["z_gamma_x"].observable[1]) == pytest.approx(float(rate), rel=1e-12)
    # charges that a scan adds carry their anomaly: baryon and lepton number make none
    added = {f"charge.L.{name}": -1.0 for name in ("e", "mu", "tau")}
    added |= {f"charge.E.{name}": -1.0 for name in ("e", "mu", "tau")}
    terms = f.evaluate({"m_X": 0.05, "g_X": 1e-6} | added)
    assert float(terms["z_gamma_x"].observable) == pytest.approx(0.0, abs=1e-25)
    assert float(terms["k_to_pi_x_na62"].observable) == pytest.approx(0.0, abs=1e-15)


def test_third_family_model_with_its_loop(likelihood):
    f = zscan.log_likelihood("9B3-8Lmu-Ltau,fcnc=loop", ["k_to_pi_x_na62", "b_to_k_x_babar"])
    m_X = np.array([0.005, 0.05, 0.1, 0.2])
    terms = f.evaluate({"m_X": m_X, "g_X": 1e-8})
    bound = 1e-8 * np.sqrt(1.645 / np.asarray(terms["k_to_pi_x_na62"].observable))
    np.testing.assert_allclose(bound, [8.8e-10, 9.0e-9, 2.4e-8, 3.6e-8], rtol=4e-2)
    rate = np.asarray(terms["b_to_k_x_babar"].derived["b_to_k_x_babar_rate"])
    assert 1e-8 * np.sqrt(1.6e-5 / rate[2]) == pytest.approx(1.5e-6, rel=2e-2)
    plain = likelihood.evaluate({"m_X": m_X, "g_X": 1e-8})
    assert not any(np.asarray(term.valid).any() for term in plain.values())


def test_options_of_a_model():
    loop = load_model("9B3-8Lmu-Ltau,fcnc=loop,fcnc_scale=10")
    assert Model.from_table(loop.to_table()).to_table() == loop.to_table()
    assert loop.to_table()["fcnc_scale"] == 10.0
    assert "fcnc" not in load_model("9B3-8Lmu-Ltau").to_table()  # as it was before the option
    assert "flavour change: loop (A_W = 0, A_B = 0; scale 10 TeV)" in str(loop)
    table = {"name": "x", "fcnc": "loops", "fcnc_scale": 0.1, **BARYON}
    with pytest.raises(ModelError, match=r"fcnc: 'loops'.*none, anomaly, loop.*fcnc_scale: 0.1"):
        load_model(table)
    with pytest.raises(ModelError, match=r"option 'fcn=loop'; allowed: KEY=VALUE.*'fcnc'"):
        load_model("B-L,fcn=loop")
    with pytest.raises(ModelError, match="fcnc is given twice"):
        load_model("B-L,fcnc=loop,fcnc=loop")
    with pytest.warns(ModelWarning, match="fcnc = 'anomaly' has no effect"):
        load_model("B-L,fcnc=anomaly")


def test_curves_enter_the_fingerprint(likelihood):
    digests = likelihood.fingerprint()["curves"]
    assert set(digests) == set(NAMES)
    assert "curves" not in zscan.log_likelihood("Lmu-Ltau", ["delta_a_mu"]).fingerprint()
