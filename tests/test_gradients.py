"""Derivatives of the likelihood are finite wherever its value is: thresholds, zero couplings, ends
of curves.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zoo import KINDS_OF_LIMITS

from zscan.constants import M_E, M_MU, M_TAU
from zscan.constraints import SEARCHES, data_constraints, measured_constraints
from zscan.kernels.recast import M_K
from zscan.likelihood import log_likelihood
from zscan.limits import load
from zscan.models import CHARGE_PARAMETERS, Model, list_models, load_model

LIGHT = [
    name
    for name in measured_constraints()
    if name not in ("d_to_pi", "coherent", "trident_nutev")
    and not name.startswith(("b_to_k", "r_k"))
]


def masses():
    """Thresholds, resonances, bin edges in q2, ends of limit curves and of the allowed range, and
    random ones [GeV].
    """
    curves = [load(name).mass for name in SEARCHES.values()]
    ends = [mass for curve in curves if curve is not None for mass in (curve[0], curve[-1])]
    thresholds = [
        2 * M_E.value,
        2 * M_MU.value,
        2 * M_TAU.value,
        M_MU.value,
        M_K.value - M_MU.value,
    ]
    others = [1.1e-5, 1e4, 0.13957, 0.7826, 1.0195, 91.1876, np.sqrt(1.1), np.sqrt(6.0)]
    drawn = 10 ** np.random.default_rng(5).uniform(-4.9, 4, 20)
    return np.unique(np.concatenate([thresholds, others, ends, drawn]))


def charged_couplings():
    """Couplings by name (n,): every benchmark with and without g_X, eps and g_sb; random charges;
    extremes.
    """
    generator = np.random.default_rng(6)
    charges = [
        {name: float(model.charge(*name.split(".")[1:])) for name in CHARGE_PARAMETERS}
        for model in BENCHMARKS
    ]
    rows = [
        {"g_X": g_X, "eps": eps, "eps_over_g": model.mixing_ratio, "g_sb": g_sb, **charge}
        for model, charge in zip(BENCHMARKS, charges, strict=True)
        for g_X in (0.0, 1e-3)
        for eps in (0.0, 1e-4)
        for g_sb in (0.0, 1e-6)
    ]
    for number in range(12):
        drawn = (
            generator.integers(-3, 4, 15).astype(float) if number % 2 else generator.normal(size=15)
        )
        sizes = 10 ** generator.uniform(-8, 0, 3) * [
            1,
            generator.choice([-1, 0, 1]),
            generator.choice([-1, 0, 1]),
        ]
        rows.append(
            dict(zip(("g_X", "eps", "g_sb"), sizes, strict=True), eps_over_g=0.0)
            | dict(zip(CHARGE_PARAMETERS, drawn, strict=True))
        )
    rows.append(dict.fromkeys(rows[0], 0.0))
    rows.append(
        dict.fromkeys(rows[0], 0.0) | {"g_X": 12.0, "eps": 1.0, "g_sb": 1.0, "charge.L.mu": 3.0}
    )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


BENCHMARKS = [load_model(name) for name in list_models()]
MUON = {
    name: np.array(values)
    for name, values in {
        "g_V": [0.0, 0.0, 0.0, 1e-3, 1e-3, -1e-3, 12.0, 5e-3],
        "g_A": [0.0, 1e-3, 0.0, 0.0, 1e-3, 5e-4, 12.0, 0.0],
        "g_sb": [0.0, 1e-6, 1e-6, 0.0, -1e-6, 1e-3, 1.0, 1e-8],
        "eps": [0.0, 0.0, 1e-3, 0.0, 0.0, 1e-3, 1.0, 0.0],
    }.items()
}
MUON |= {"theory.delta_a_mu": np.linspace(-2, 2, 8), "theory.r_k": np.linspace(3, -3, 8)}


def gradient_of(likelihood, names):
    def total(values):
        chi2 = likelihood.total(dict(zip(names, values, strict=True)))
        return chi2.sum(), chi2

    return jax.grad(total, has_aux=True)


def points(couplings, names):
    columns = [couplings[name] for name in names if name != "m_X"]
    return [jnp.asarray(masses())[:, None], *(jnp.asarray(column)[None, :] for column in columns)]


def faults(names, derivatives):
    return [
        name
        for name, values in zip(names, derivatives, strict=True)
        if not np.isfinite(values).all()
    ]


def check_second_derivatives(likelihood, couplings, directions=None):
    """Columns of the Hessian one by one: one compiled function for all."""
    names = ["m_X", *couplings]
    gradient = gradient_of(likelihood, names)
    place = points(couplings, names)
    shape = (masses().size, next(iter(couplings.values())).size)
    place = [jnp.broadcast_to(values, shape) for values in place]

    @jax.jit
    def column(direction):
        return jax.jvp(gradient, (place,), (direction,), has_aux=True)

    for chosen in directions or names:
        first, second, chi2 = column([jnp.full(shape, float(name == chosen)) for name in names])
        assert np.isfinite(chi2).all()
        assert not faults(names, first)
        assert not faults(names, second), chosen


@pytest.mark.parametrize(
    "limits",
    [
        KINDS_OF_LIMITS,
        pytest.param(
            [name for name in data_constraints() if name in SEARCHES], marks=pytest.mark.slow
        ),
    ],
    ids=["of each kind", "all"],
)
def test_gradients_of_limits(limits):
    """Charges and mixing of all benchmarks and more; measurements follow below, with second
    derivatives.
    """
    couplings = charged_couplings()
    names = ["m_X", *couplings]
    likelihood = log_likelihood(Model("mixing by a loop", loop="mu-tau"), limits)
    gradient, chi2 = jax.jit(gradient_of(likelihood, names))(points(couplings, names))
    assert np.isfinite(chi2).all()
    assert np.abs(chi2).max() > 1e3
    assert not faults(names, gradient)


@pytest.mark.parametrize(
    "names",
    [
        ["delta_a_mu", "trident_ccfr", "borexino", "matter"],
        pytest.param([*LIGHT, "kmunux"], marks=pytest.mark.slow),
    ],
    ids=["muons and electrons", "all"],
)
def test_couplings_of_every_size(names):
    """Value and gradient are finite, or the constraint is not valid there: no overflow to inf."""
    sizes = [1e-300, 1e-150, 1e-100, 1e-30, 1e50, 1e150]
    g_X = np.array([*sizes, -1e-100, -1e50, np.inf])
    m_X = np.array([2e-5, 2e-3, 0.02, 0.3, 1.5, 80.0])[:, None]
    limits = [f"searches/{name}" for name in ("NA64_NA642019imj", "E137_Andreas2012mt")]
    likelihood = log_likelihood("B-L", [*names, *limits])

    def total(m_X, g_X):
        terms = likelihood.evaluate({"m_X": m_X, "g_X": g_X})
        return likelihood.sum(terms)[0].sum(), terms

    place = [jnp.asarray(values) for values in np.broadcast_arrays(m_X, g_X)]
    gradient, terms = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))(*place)
    assert not faults(["m_X", "g_X"], gradient)
    for name, term in terms.items():
        value, valid = np.broadcast_arrays(term.delta_chi2, term.valid)
        np.testing.assert_array_equal(np.isfinite(value), valid, err_msg=name)
        assert not valid[:, np.abs(g_X) > 1].any(), name
        assert np.abs(value[valid]).max(initial=0.0) < 1e-6, name


@pytest.mark.parametrize(
    "constraints",
    [["delta_a_mu", "borexino"], pytest.param(LIGHT, marks=pytest.mark.slow)],
    ids=["muons and electrons", "all"],
)
def test_second_derivatives_of_measurements(constraints):
    couplings = charged_couplings()
    likelihood = log_likelihood(Model("mixing by a loop", loop="mu-tau"), constraints)
    check_second_derivatives(
        likelihood, couplings, ["m_X", "g_X", "eps", "charge.L.mu", "charge.L.e", "charge.Q.1"]
    )


@pytest.mark.slow
def test_second_derivatives_of_the_lepton_loop():
    model = Model("L_e - L_mu", L=(1, -1, 0), E=(1, -1, 0), N=(1, -1, 0), loop="leptons")
    couplings = {
        name: values for name, values in charged_couplings().items() if name in ("g_X", "eps")
    }
    check_second_derivatives(log_likelihood(model, ["delta_a_mu"]), couplings)


def test_second_derivatives_of_muon_effective():
    check_second_derivatives(log_likelihood("muon-effective", ["delta_a_mu", "trident_ccfr"]), MUON)


@pytest.mark.slow
def test_second_derivatives_of_muon_effective_with_r_k():
    names = ["delta_a_mu", "trident_ccfr", "r_k", "b_to_k_nunu"]
    check_second_derivatives(log_likelihood("muon-effective", names, "current"), MUON)


# Compilation takes half a minute each
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["r_k", "r_k_low", "b_to_k_nunu", "b_to_k_x_babar", "d_to_pi", "coherent", *KINDS_OF_LIMITS],
)
def test_second_derivatives_of_each_constraint(name):
    check_second_derivatives(
        log_likelihood(Model("mixing by a loop", loop="mu-tau"), [name]), charged_couplings()
    )


@pytest.mark.slow
@pytest.mark.parametrize("observables", ["paper", "current"])
def test_second_derivatives_of_profiled_g_sb(observables):
    couplings = {name: values for name, values in MUON.items() if name != "g_sb"}
    check_second_derivatives(log_likelihood("muon-effective", ["r_k"], observables), couplings)
