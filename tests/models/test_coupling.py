"""Couplings of the benchmarks: charges, mixing, loops, gradients."""

import warnings

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import E_CHARGE, M_MU, M_TAU
from zscan.errors import ParameterError
from zscan.kernels.couplings import Couplings
from zscan.kernels.mixing import loop_eps_over_g
from zscan.models import Model, couplings, list_models

e = E_CHARGE.value


def charged(x):
    return {name: getattr(x, name) for name in ("e", "mu", "tau", "u", "d", "s", "c", "b", "t")}


def test_shifted_model_decouples_the_electron():
    # arXiv:2107.07518 sec. 3.5: e 0, mu 2, tau 1, u -2/3, d +1/3, neutrinos unchanged
    x = couplings("Lmu-Le-shifted", 0.1, 1.0)
    expected = (
        {"e": 0, "mu": 2, "tau": 1} | dict.fromkeys("uct", -2 / 3) | dict.fromkeys("dsb", 1 / 3)
    )
    for name, value in charged(x).items():
        np.testing.assert_allclose(value.V, expected[name], atol=1e-15)
        assert value.A == 0
    assert (x.nu_e, x.nu_mu, x.nu_tau) == (-1, 1, 0)


def test_dark_photon_reads_g_X_as_eps():
    x = couplings("dark-photon", 0.1, 1e-3)
    y = couplings(Model("none"), 0.1, 0.0, 1e-3)
    assert jax.tree.map(float, x) == jax.tree.map(float, y)
    assert pytest.approx(-e * 1e-3) == x.e.V
    assert pytest.approx(2 / 3 * e * 1e-3) == x.u.V
    assert x.nu_e == 0


def test_chiral_model():
    x = couplings("Lmutau-chiral", 0.1, 1.0)
    assert (float(x.mu.V), float(x.mu.A), float(x.nu_mu)) == (6.5, -0.5, 7.0)
    assert (float(x.e.V), float(x.e.A)) == (0.0, 1.0)


def test_loop_mixing_on_shell_and_in_scattering():
    # r = eps e/g_X = 0.0043706 at q2 = 0 (charge screening; arXiv:2006.11225)
    scattering = couplings("Lmu-Ltau", 0.1, 1.0, q2=0.0)
    np.testing.assert_allclose(scattering.e.V, -0.0043706, rtol=1e-5)
    np.testing.assert_allclose(scattering.mu.V, 1 - 0.0043706, rtol=1e-7)
    assert scattering.nu_mu == 1
    for m_X in (0.1, 0.5, 3.0, 5.0):
        modulus = abs(complex(loop_eps_over_g(m_X**2)))
        np.testing.assert_allclose(couplings("Lmu-Ltau", m_X, 1.0).e.V, -e * modulus, rtol=1e-12)


def test_lepton_loop_of_the_models_own_charges():
    own = Model("x", L=(-1, 1, 0), E=(-1, 1, 0), N=(-1, 1, 0), loop="leptons")
    # "Lmu-Le": r = -0.0083 at q2 = 0 and -0.0025 at Q^2 = (50 MeV)^2
    np.testing.assert_allclose(couplings(own, 0.1, 1.0, q2=0.0).e.V, -1 + 0.0082563, rtol=1e-6)
    np.testing.assert_allclose(
        couplings(own, 0.1, 1.0, q2=-(0.05**2)).u.V * 1.5, -0.0025, rtol=2e-2
    )
    assert couplings(own, 0.1, 1.0).u.V < 0


def test_finite_loops_follow_charges_that_a_scan_changes():
    charges = {"charge.L.e": [-1.0, 0.0, 0.0], "charge.L.mu": [1.0, 1.0, -3.0]}
    charges |= {"charge.L.tau": [0.0, -1.0, 0.0]}
    charges |= {name.replace("L", "E"): values for name, values in charges.items()}
    for q2 in (None, 0.0, -0.01):
        changed = couplings(Model("x", loop="finite"), 0.3, 1.0, q2=q2, charges=charges)
        for index, loop in enumerate(("leptons", "leptons", "none")):
            L = [int(charges[f"charge.L.{name}"][index]) for name in ("e", "mu", "tau")]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # anomalous without quarks
                alone = Model("y", L=L, E=L, N=L, loop=loop)
            same = couplings(alone, 0.3, 1.0, q2=q2)
            for name, value in charged(same).items():
                found = np.broadcast_to(getattr(changed, name).V, 3)[index]
                np.testing.assert_allclose(found, value.V, atol=1e-15, rtol=1e-12)
    assert couplings(Model("x", loop="finite"), 0.3, 1.0).e.V == 0


def test_mixing_is_additive_and_linear():
    x, y = couplings("Lmu-Ltau", 0.1, 1e-3, 0.01), couplings("Lmu-Ltau", 0.1, 1e-3)
    for name, electric in (("e", -1), ("mu", -1), ("u", 2 / 3), ("b", -1 / 3)):
        np.testing.assert_allclose(
            getattr(x, name).V - getattr(y, name).V, e * 0.01 * electric, rtol=1e-12
        )
    assert jax.tree.leaves(couplings("Lmu-Ltau", 0.1, 0.0)) == [0.0] * 21


@given(st.sampled_from(list_models()), st.floats(1e-3, 10.0), st.floats(-1, 1), st.floats(-1, 1))
def test_vector_couplings_follow_charges(name, m_X, g_X, eps):
    x = couplings(name, m_X, g_X, eps)
    # kinetic mixing drops out of neutral combinations: electron plus proton (u + u + d)
    bare, neutral = couplings(name, m_X, g_X, q2=0.0), x.e.V + 2 * x.u.V + x.d.V
    np.testing.assert_allclose(neutral, bare.e.V + 2 * bare.u.V + bare.d.V, atol=1e-13)


def test_charge_overrides_are_differentiable_and_checked():
    x = couplings("Lmu-Ltau", 0.1, 1.0, charges={"charge.L.mu": np.array([0.0, 2.0])})
    np.testing.assert_allclose(x.nu_mu, [0.0, 2.0])
    gradient = jax.grad(lambda q: couplings("Lmu-Ltau", 0.1, 0.5, charges={"charge.E.mu": q}).mu.A)(
        1.0
    )
    np.testing.assert_allclose(gradient, 0.25)
    with pytest.raises(ParameterError, match=r"charge\.L\.mu"):
        couplings("Lmu-Ltau", 0.1, 1.0, charges={"charge.L.muon": 1.0})


def test_gradients_are_finite_everywhere():
    def total(m_X, g_X, eps):
        return sum(jax.tree.leaves(couplings("Lmu-Ltau", m_X, g_X, eps)))

    for m_X in (1e-6, M_MU.value, 2 * M_MU.value, 2 * M_TAU.value, 1e3):
        assert np.isfinite(jax.grad(total, argnums=(0, 1, 2))(m_X, 0.0, 0.0)).all()


def test_leaves_keep_their_own_shape():
    x = couplings("B-3Lmu", np.ones((5, 1)), np.ones((1, 4)))
    assert isinstance(x, Couplings)
    assert x.mu.V.shape == (1, 4)
    assert couplings("Lmu-Ltau", np.ones((5, 1)), np.ones((1, 4))).mu.V.shape == (5, 4)
    assert couplings("Lmu-Ltau", np.ones((5, 1)), np.ones((1, 4)), q2=0.0).mu.V.shape == (1, 4)
