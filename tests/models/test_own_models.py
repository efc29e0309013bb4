"""Models of a user: dark decays, light right-handed neutrinos, effective charges, loops that follow
charges; the named models of the literature.
"""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest

import zscan
from zscan.constants import E_CHARGE
from zscan.constraints import constraint
from zscan.errors import ModelError, ParameterError
from zscan.kernels import widths
from zscan.models import Model, couplings, load_model
from zscan.models.effective_charges import summed

THIRD = "m_chi_over_m_X=0.3333333333333333"
DARK = load_model(f"Lmu-Ltau,g_chi_over_g=5,{THIRD}")
VISIBLE = load_model("Lmu-Ltau")
LIMITS = {"muons": "BaBar_TheBABAR2016rlg", "invisible": "BelleII_Adachi2019otg"}


def ratios(model, m_X, g_X=1e-3, **charges):
    x = couplings(model, m_X, g_X, charges=charges)
    found = widths.branching_ratios(m_X, x, channels=())
    return {name: float(value) for name, value in found.items()} | {
        "invisible": float(widths.invisible(found)),
        "total": float(widths.total_width(m_X, x)),
    }


def test_decays_to_dirac_fermions_take_over():
    # Gamma_chi = m_X g_chi^2/(12 pi) (1 + 2 r) sqrt(1 - 4 r) with r = 1/9, five times the coupling
    m_X, g_X, r = 0.3, 1e-3, 1 / 9
    visible, dark = ratios(VISIBLE, m_X, g_X), ratios(DARK, m_X, g_X)
    width = m_X * (5 * g_X) ** 2 / (12 * math.pi) * (1 + 2 * r) * math.sqrt(1 - 4 * r)
    assert dark["total"] - visible["total"] == pytest.approx(width, rel=1e-12)
    assert visible["mumu"] == pytest.approx(0.467, abs=5e-4)
    assert dark["mumu"] == pytest.approx(0.036, abs=5e-4)
    assert dark["invisible"] == pytest.approx(1 - dark["mumu"], abs=1e-4)
    assert visible["invisible"] == visible["nunu"]


def test_scalar_formula_threshold_and_gradient():
    m_X, g = np.array([0.1, 0.2, 0.3]), 0.1
    found = widths.dark_width(m_X, g, 0.1, kind="scalar")
    expected = 0.3 * g**2 / (48 * math.pi) * (1 - 4 / 9) ** 1.5
    np.testing.assert_allclose(found, [0, 0, expected], rtol=1e-14)
    for kind in widths.DARK:
        slopes = jax.grad(lambda m, k=kind: widths.dark_width(m, g, 0.1, kind=k))
        assert np.isfinite([slopes(m) for m in (0.05, 0.2, 0.3)]).all()
    with pytest.raises(ParameterError, match="did you mean 'scalar'"):
        widths.dark_width(0.3, g, 0.1, kind="scalr")


def test_searches_for_muons_weaken_and_invisible_ones_strengthen():
    limits = {key: zscan.limits.load(name) for key, name in LIMITS.items()}
    m_X = 0.3
    before, after = ratios(VISIBLE, m_X), ratios(DARK, m_X)
    for key, channel in (("muons", "mumu"), ("invisible", "invisible")):
        strength = [
            float(zscan.limits.signal_strength(limits[key], model, m_X, 1e-3))
            for model in (VISIBLE, DARK)
        ]
        change = after[channel] / before[channel]
        assert strength[1] / strength[0] == pytest.approx(change, rel=1e-6), key
        assert (change > 1) == (key == "invisible")
        low = [
            float(zscan.limits.excluded_couplings(limits[key], model, m_X)[0])
            for model in (VISIBLE, DARK)
        ]
        assert low[1] / low[0] == pytest.approx(change**-0.5, rel=1e-6), key
    fixed = load_model("Lmu-Ltau,g_chi=0.1")
    with pytest.raises(ParameterError, match="not proportional to g_X"):
        zscan.limits.excluded_couplings(limits["muons"], fixed, m_X)


def test_coupling_and_mass_of_chi_are_parameters():
    given = {"g_chi": 5e-3, "m_chi": 0.1}
    assert ratios(VISIBLE, 0.3, **given)["dark"] == pytest.approx(
        ratios(DARK, 0.3)["dark"], rel=1e-12
    )
    # one of a pair replaces what the model says of both
    assert ratios(DARK, 0.3, m_chi=0.2)["dark"] == 0
    assert ratios(DARK, 0.3, g_chi=0.0)["mumu"] == ratios(VISIBLE, 0.3)["mumu"]
    wide = ratios(VISIBLE, 0.3, dark_width=1e-3)
    assert wide["total"] == pytest.approx(1e-3, rel=1e-4)
    half = replace(VISIBLE, dark_width_over_g2=0.01)
    assert half.scales_with_coupling
    assert ratios(half, 0.3, 2e-3)["mumu"] == pytest.approx(ratios(half, 0.3)["mumu"], rel=1e-12)
    f = zscan.log_likelihood("Lmu-Ltau", ["searches/BaBar_TheBABAR2016rlg"])
    ratio = np.array([0.0, 1.0, 5.0])
    point = {"m_X": 0.3, "g_X": 1e-3, "g_chi_over_g": ratio, "m_chi_over_m_X": 1 / 3}
    mu = f.evaluate(point)["searches/BaBar_TheBABAR2016rlg"].observable
    assert (np.diff(mu) < 0).all()
    reference = zscan.log_likelihood(DARK, f.constraints).evaluate({"m_X": 0.3, "g_X": 1e-3})
    assert mu[2] == pytest.approx(float(reference[f.constraints[0]].observable), rel=1e-9)


def test_light_right_handed_neutrinos():
    heavy, light = (load_model(f"B-L,neutrinos={kind}") for kind in ("majorana", "dirac"))
    x, y = (widths.partial_widths(0.3, couplings(m, 0.3, 1.0), channels=()) for m in (heavy, light))
    np.testing.assert_allclose(y["nunu"], 2 * x["nunu"], rtol=1e-14)  # both chiralities
    np.testing.assert_allclose(y["numu"], 2 * x["numu"], rtol=1e-14)
    assert ratios("R", 0.3)["nunu"] == 0
    assert ratios("R,neutrinos=dirac", 0.3)["nunu"] == pytest.approx(0.644, abs=1e-3)
    assert "charge.N.1" in light.parameters
    assert "charge.N.1" not in heavy.parameters
    # what X decays into beyond the Standard Model counts in N_eff itself: no statement
    n_eff = constraint("n_eff").predict
    point = {"m_X": np.float64(5e-3), "g_X": np.float64(1e-6)}
    for options, applies in (("", True), (",neutrinos=dirac", False), (",g_chi_over_g=1", False)):
        model = load_model(f"Lmu-Ltau{options}") if options else VISIBLE
        assert bool(n_eff(model.point(point), {}).applies) == applies, options


def test_effective_charges_couple_as_they_are_written():
    # the protophobic model of arXiv:1604.07411 and its charges as numbers
    charges = dict.fromkeys("uct", "-1/3") | dict.fromkeys("dsb", "2/3")
    own = Model("mine", vector=charges | dict.fromkeys(("e", "mu", "tau"), 1))
    for m_X in (0.02, 0.5):
        x, y = couplings("protophobic", m_X, 1e-3), couplings(own, m_X, 1e-3)
        np.testing.assert_allclose(jax.tree.leaves(x), jax.tree.leaves(y), rtol=1e-12, atol=1e-18)
    mixed = couplings(Model("m", vector={"e": 2, "nu_e": -1}, axial={"mu": 0.5}), 0.1, 1.0, 0.1)
    assert float(mixed.e.V) == pytest.approx(2 - 0.1 * E_CHARGE.value)
    assert (float(mixed.mu.A), float(mixed.nu_e), float(mixed.nu_mu)) == (0.5, -1.0, 0.0)
    changed = couplings(own, 0.1, 1.0, charges={"vector.u": 1.0})
    assert float(changed.u.V) == pytest.approx(2 / 3)  # on top of the model's own
    assert Model.from_table(own.to_table()) == own
    assert "u: -1/3  d: 2/3" in str(load_model("protophobic"))
    x = summed(load_model("Lmutau-chiral"))
    assert (x["mu"], x["e"], x["nu_mu"][0]) == ((6.5, -0.5), (0.0, 1.0), 7.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"vector": {"x": 1}}, "vector: 'x'"),
        ({"vector": {"e": "one"}}, "e = 'one'; allowed: a number"),
        ({"vector": 3}, "vector: 3 is no table"),
        ({"axial": {"nu_e": 1}}, "axial: 'nu_e'"),
        ({"neutrinos": "light"}, "neutrinos: 'light' is not known; allowed: majorana, dirac"),
        ({"dark": "vector"}, "dark: 'vector' is not known; allowed: dirac, scalar"),
        ({"g_chi": "5"}, "g_chi: '5' is not usable"),
        ({"m_chi": -1.0, "g_chi": 1.0}, "m_chi: -1.0 is not usable"),
        ({"m_chi": 0.1}, "chi has a mass but no coupling"),
        ({"L": (0, 1, 0), "loop": "mu-tau"}, "sum to zero"),
    ],
)
def test_unusable_keys_are_named(keys, message):
    with pytest.raises(ModelError, match=message):
        Model("x", **keys)


def test_loops_follow_charges():
    def vector(model, **charges):
        x = couplings(model, 0.3, 1.0, q2=0.0, charges=charges)
        return -float(x.u.V) * 1.5 / E_CHARGE.value  # -eps/g_X: up quarks have no charge

    one = vector(VISIBLE)
    twice = {f"charge.{s}.{n}": c for s in "LE" for n, c in (("mu", 2.0), ("tau", -2.0))}
    assert vector(VISIBLE, **twice) == pytest.approx(2 * one, rel=1e-12)
    own = Model("twice", L=(0, 2, -2), E=(0, 2, -2), N=(0, 2, -2), loop="mu-tau")
    assert vector(own) == pytest.approx(2 * one, rel=1e-12)
    # what diverges is left out: charges 1 + x of mu and -1 of tau act as (2 + x)/2 and -(2 + x)/2
    half = {"charge.L.mu": 2.0, "charge.E.mu": 2.0}
    assert vector(VISIBLE, **half) == pytest.approx(1.5 * one, rel=1e-12)
    assert vector(VISIBLE, loop_factor=0.0) == 0
    leptons = replace(VISIBLE, loop="leptons")
    assert vector(leptons) == pytest.approx(one, rel=1e-12)
    assert vector(leptons, **twice) == pytest.approx(2 * one, rel=1e-12)
    # add.NAME: L_mu - L_tau twice over, and L_mu - L_tau + (L_e - L_mu) = L_e - L_tau
    f = zscan.log_likelihood(leptons, ["delta_a_mu"])
    point = {"m_X": np.float64(0.3), "g_X": np.float64(1.0)}
    added = f.model.point(point | {"add.Le-Lmu": np.float64(1.0)}).virtual
    direct = couplings("Le-Ltau,loop=leptons", 0.3, 1.0, q2=0.0)
    np.testing.assert_allclose(added.u.V, direct.u.V, rtol=1e-12)
    np.testing.assert_allclose(added.mu.V, direct.mu.V, rtol=1e-12)


def test_named_models_are_what_they_are_called():
    one, other = couplings("Le-Lmu", 0.1, 1.0), couplings("Lmu-Le", 0.1, -1.0)
    np.testing.assert_array_equal(jax.tree.leaves(one), jax.tree.leaves(other))
    proton = couplings("protophobic", 0.017, 1.0)
    assert float(2 * proton.u.V + proton.d.V) == pytest.approx(0, abs=1e-15)
    x = couplings("R", 0.1, 1.0)
    assert [float(f.A) for f in (x.u, x.d, x.e)] == [0.5, -0.5, -0.5]
    assert not any(float(nu) for nu in (x.nu_e, x.nu_mu, x.nu_tau))
    for name in ("B-3Le", "B-3Ltau"):
        assert not any(load_model(name).anomalies().values())
    assert set(load_model("Lmu-Ltau").parameters) >= {"add.B", "add.B-3Le", "add.R", "g_chi"}
    assert "add.protophobic" not in load_model("Lmu-Ltau").parameters
