"""Widths and branching ratios against an independent program, Dirac traces, closed forms and PDG
branching ratios.
"""

import math
from functools import partial
from importlib import resources

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import ALPHA_EM, HBAR, M_E, M_MU, M_TAU
from zscan.errors import ParameterError
from zscan.kernels.couplings import Couplings, FermionCoupling
from zscan.kernels.recast import SPEED_OF_LIGHT
from zscan.kernels.widths import THRESHOLDS, branching_ratios, partial_widths, total_width
from zscan.models import couplings, list_models

TABLE = np.loadtxt(
    resources.files("zscan.kernels")
    .joinpath("tables/hadrons_darkcast.txt")
    .read_text()
    .splitlines()
)
CHARGED = ("e", "mu", "tau", "u", "d", "s", "c", "b", "t")
DISJOINT = ("ee", "mumu", "tautau", "nunu", "hadrons", "3gamma")

# DarkCast v1.2 (arXiv:1801.04847) with neutrinos as invisible: width at unit coupling [GeV], then
# the branching ratios. Tolerance 1 % above 1e-3, 5 % below: the tables are a 1 % digest of its own,
# and it leaves the loop out of mu and tau.
DARKCAST = [
    ("dark-photon", 0.005, 1.2154170006614297e-05, {"ee": 1.0}),
    ("dark-photon", 0.05, 0.00012162243776777043, {"ee": 1.0}),
    (
        "dark-photon",
        0.4,
        0.002109896026215847,
        {"ee": 0.46115048, "mumu": 0.44618346, "hadrons": 0.092666062, "pipi": 0.092654354},
    ),
    (
        "dark-photon",
        1.3,
        0.010400935073123913,
        {"ee": 0.30402879, "mumu": 0.30394846, "hadrons": 0.39202276, "pipi": 0.042244799},
    ),
    (
        "dark-photon",
        6.0,
        0.09378871745603731,
        {
            "ee": 0.15561246,
            "mumu": 0.15561237,
            "tautau": 0.1473741,
            "hadrons": 0.54140106,
            "pipi": 0.0037812273,
        },
    ),
    ("Lmu-Ltau", 0.005, 0.0001326316513957652, {"ee": 1.9091616e-05, "nunu": 0.99998091}),
    ("Lmu-Ltau", 0.05, 0.001326316939010464, {"ee": 1.9412086e-05, "nunu": 0.99998059}),
    (
        "Lmu-Ltau",
        0.4,
        0.02087656567584867,
        {
            "ee": 1.0915319e-05,
            "mumu": 0.49174575,
            "nunu": 0.50824114,
            "hadrons": 2.1933831e-06,
            "pipi": 2.1931059e-06,
        },
    ),
    (
        "Lmu-Ltau",
        1.3,
        0.06895873233126784,
        {
            "ee": 4.4332573e-06,
            "mumu": 0.49992887,
            "nunu": 0.50006098,
            "hadrons": 5.7163593e-06,
            "pipi": 6.160011e-07,
        },
    ),
    (
        "Lmu-Ltau",
        6.0,
        0.46903903250024803,
        {
            "ee": 9.730152e-08,
            "mumu": 0.33932112,
            "tautau": 0.32135712,
            "nunu": 0.33932132,
            "hadrons": 3.3852780e-07,
        },
    ),
]

# Fig. 9 of arXiv:2107.07518, values of the same program; 1 % of the larger ratios
FIGURE_9 = [
    ("Lmu-Ltau", 0.010, {"nunu": 1.0, "mumu": 0.0, "hadrons": 0.0}),
    ("Lmu-Ltau", 0.304, {"mumu": 0.472, "nunu": 0.528}),
    ("Lmu-Ltau", 2.0, {"mumu": 0.5, "nunu": 0.5}),
    ("Lmu-Ltau", 10.0, {"mumu": 0.334, "tautau": 0.332, "nunu": 0.334}),
    ("B-3Lmu", 0.304, {"mumu": 0.641, "nunu": 0.359}),
    ("B-3Lmu", 0.788, {"hadrons": 0.600, "mumu": 0.267, "nunu": 0.134}),
    ("B-3Lmu", 2.04, {"hadrons": 0.069, "mumu": 0.621, "nunu": 0.310}),
    ("Lmu-Le", 0.1, {"ee": 0.5, "nunu": 0.5}),
    ("Lmu-Le", 10.0, {"ee": 1 / 3, "mumu": 1 / 3, "nunu": 1 / 3}),
    ("9B3-8Lmu-Ltau", 0.1, {"nunu": 1.0}),
]


def only(**given):
    """Couplings that vanish but for those named: a pair (V, A), or a number for a neutrino."""
    values = {name: FermionCoupling(*given.get(name, (0.0, 0.0))) for name in CHARGED}
    return Couplings(
        **values, **{name: given.get(name, 0.0) for name in ("nu_e", "nu_mu", "nu_tau")}
    )


@pytest.mark.parametrize(("model", "m_X", "width", "ratios"), DARKCAST)
def test_reference_program(model, m_X, width, ratios):
    x, choices = couplings(model, m_X, 1.0), {"thresholds": "darkcast", "hadrons": "darkcast"}
    np.testing.assert_allclose(total_width(m_X, x, **choices), width, rtol=1e-2)
    computed = branching_ratios(m_X, x, **choices)
    for channel, expected in ratios.items():
        np.testing.assert_allclose(
            computed[channel], expected, rtol=1e-2 if expected > 1e-3 else 5e-2
        )
    for channel in {"mumu", "tautau", "nunu", "hadrons"} - set(ratios):
        assert computed[channel] < 1e-12


@pytest.mark.parametrize(("model", "m_X", "ratios"), FIGURE_9)
def test_figure_9(model, m_X, ratios):
    computed = branching_ratios(m_X, couplings(model, m_X, 1e-3), hadrons="darkcast")
    for channel, expected in ratios.items():
        np.testing.assert_allclose(computed[channel], expected, rtol=1e-2, atol=1e-6)


def test_figure_9_electrons_and_resonances():
    assert abs(branching_ratios(0.01, couplings("Lmu-Ltau", 0.01, 1e-3))["ee"] / 1.9e-5 - 1) < 0.05
    assert branching_ratios(0.77, couplings("Lmu-Le-shifted", 0.77, 1e-3))["hadrons"] > 0.6
    tau = [branching_ratios(m, couplings("Lmu-Ltau", m, 1e-3))["tautau"] for m in (3.553, 3.555)]
    assert tau[0] == 0 < tau[1]


@pytest.mark.parametrize("name", ["e", "mu", "tau", "c"])
@pytest.mark.parametrize(("V", "A"), [(1.0, 0.0), (0.0, 1.0), (0.7, -0.4)])
def test_fermion_pairs_are_the_dirac_traces(name, V, A):
    mass = {"e": M_E.value, "mu": M_MU.value, "tau": M_TAU.value, "c": 1.5}[name]
    m_X = 2.5 * mass if name != "c" else 3.4
    pauli = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    gamma = np.array(
        [np.kron(pauli[0], np.eye(2)), *(np.kron(1j * pauli[1], sigma) for sigma in pauli)]
    )
    gamma5 = -np.kron(pauli[2], np.eye(2))
    momentum = math.sqrt(m_X**2 / 4 - mass**2)
    p, p_bar = (m_X / 2 * gamma[0] - sign * momentum * gamma[3] for sign in (1, -1))
    vertices = [
        g @ (V * np.eye(4) + A * gamma5) for g in gamma[1:]
    ]  # at rest the polarisations are x, y, z
    adjoint = [gamma[0] @ vertex.conj().T @ gamma[0] for vertex in vertices]
    square = sum(
        np.trace((p + mass * np.eye(4)) @ a @ (p_bar - mass * np.eye(4)) @ b).real
        for a, b in zip(vertices, adjoint, strict=True)
    )
    expected = (3 if name == "c" else 1) * square / 3 * momentum / (8 * math.pi * m_X**2)
    channel = {"e": "ee", "mu": "mumu", "tau": "tautau", "c": "cc"}[name]
    widths = partial_widths(m_X, only(**{name: (V, A)}), thresholds="darkcast")
    np.testing.assert_allclose(widths[channel], expected, rtol=1e-12)


def test_neutrinos_and_three_photons():
    widths = partial_widths(0.3, only(nu_e=1.0, nu_mu=2.0, nu_tau=-3.0))
    for channel, square in (("nue", 1), ("numu", 4), ("nutau", 9), ("nunu", 14)):
        np.testing.assert_allclose(widths[channel], 0.3 * square / (24 * math.pi), rtol=1e-14)
    # leading order for eps = 1, arXiv:0807.3279: 17 alpha^4 m^9/(2^7 3^6 5^3 pi^3 m_e^8)
    m_X, e2 = 1e-5, 4 * math.pi * ALPHA_EM.value
    expected = 17 * ALPHA_EM.value**4 * m_X**9 / (2**7 * 3**6 * 5**3 * math.pi**3 * M_E.value**8)
    np.testing.assert_allclose(
        partial_widths(m_X, only(e=(math.sqrt(e2), 1.0)))["3gamma"], expected, rtol=1e-3
    )
    assert branching_ratios(9e-4, only(e=(1e-3, 0.0)))["3gamma"] == 1.0
    assert partial_widths(1.03e-3, only(e=(1.0, 0.0)))["3gamma"] == 0.0


@pytest.mark.parametrize(
    ("column", "direction"),
    [(1, (0.5, -0.5, 0.0)), (2, (1 / 6, 1 / 6, 0.0)), (3, (0.0, 0.0, 1 / 3)), (5, (0.5, -0.5, 0))],
)
def test_hadron_table_is_reproduced(column, direction):
    x = only(**{name: (value, 0.0) for name, value in zip("uds", direction, strict=True)})
    between = np.stack([TABLE[:-1], (TABLE[:-1] + TABLE[1:]) / 2], axis=1).reshape(
        -1, TABLE.shape[1]
    )
    widths = partial_widths(between[:, 0], x, hadrons="darkcast")
    widths = widths["pipi" if column == 5 else "hadrons"]
    np.testing.assert_allclose(
        widths * 12 * math.pi / between[:, 0], between[:, column], rtol=1e-12, atol=1e-16
    )


def test_interference_of_omega_and_phi():
    m_X, expected = TABLE[:, 0], TABLE[:, 4]
    both, omega, phi = (
        partial_widths(m_X, only(u=(u, 0.0), d=(u, 0.0), s=(s, 0.0)), hadrons="darkcast")["hadrons"]
        for u, s in ((1 / 6, 1 / 3), (1 / 6, 0.0), (0.0, 1 / 3))
    )
    np.testing.assert_allclose(
        (both - omega - phi) * 12 * math.pi / m_X, 2 * expected, rtol=1e-9, atol=1e-13
    )


# 9 B(V -> ee) B(V -> hadrons)/alpha^2 at the peak with B(V -> ee) of PDG 2020; the widths are fits
# to other data
@pytest.mark.parametrize(
    ("column", "m_V", "B_ee", "tolerance"),
    [(2, 0.78265, 7.36e-5, 0.05), (3, 1.0195, 2.974e-4, 0.05)],
)
def test_peaks_follow_from_electronic_branching_ratios(column, m_V, B_ee, tolerance):
    near = np.abs(TABLE[:, 0] - m_V) < 2e-3
    np.testing.assert_allclose(
        TABLE[near, column].max(), 9 * B_ee / ALPHA_EM.value**2, rtol=tolerance
    )


def test_above_the_table():
    x = only(u=(1.0, 0.0), s=(0.5, 0.0))
    width = partial(total_width, hadrons="darkcast")
    below, above = (width(m, x) / m for m in (2.0 - 1e-9, 2.0 + 1e-9))
    np.testing.assert_allclose(below, above, rtol=1e-7)
    np.testing.assert_allclose(width(3.0, x) / 3.0, above, rtol=1e-12)
    axial = only(u=(0.0, 1.0), d=(0.0, 2.0))
    assert width(1.9, axial) == 0.0
    np.testing.assert_allclose(width(3.0, axial), 15 * 3.0 / (12 * math.pi), rtol=1e-14)
    top = partial_widths(1e6, only(t=(1.0, 1.0)))["tt"]
    np.testing.assert_allclose(top, 2 * 3 * 1e6 / (12 * math.pi), rtol=1e-6)


@pytest.mark.parametrize("thresholds", THRESHOLDS)
def test_thresholds(thresholds):
    channels = {"ee": M_E.value, "mumu": M_MU.value, "tautau": M_TAU.value}
    channels |= {2 * quark: mass for quark, mass in THRESHOLDS[thresholds].items()}
    x = only(**dict.fromkeys(CHARGED, (1.0, 0.5)))
    for channel, mass in channels.items():
        at, above = (
            partial_widths(m, x, thresholds=thresholds)[channel]
            for m in (2 * mass, 2 * mass * (1 + 1e-6))
        )
        assert at == 0.0 < above < 1e-2 * mass
    with pytest.raises(ParameterError, match="physical"):
        partial_widths(1.0, x, thresholds="partonic")
    open_charm = THRESHOLDS["physical"]["c"], THRESHOLDS["physical"]["b"]
    np.testing.assert_allclose(open_charm, (3.73 / 2, 10.56 / 2), rtol=1e-3)


EDGES = [
    0.0,
    2 * M_E.value,
    2 * M_MU.value,
    0.14,
    0.28,
    0.7825,
    1.0195,
    2.0,
    3.0,
    2 * M_TAU.value,
    9.6,
]
EDGES += [2 * mass for mass in THRESHOLDS["physical"].values()]


def test_gradients_are_finite_at_every_edge():
    m_X = np.array([*EDGES, *(edge * (1 + 1e-15) for edge in EDGES[1:]), 1e-9, 1e6])
    for function in (partial_widths, branching_ratios):
        gradient = jax.jit(
            jax.vmap(
                jax.grad(lambda m, x, f=function: sum(f(m, x).values()), argnums=(0, 1)),
                in_axes=(0, None),
            )
        )
        for x in (only(), only(**dict.fromkeys(CHARGED, (0.3, -0.2)), nu_mu=0.1)):
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient(m_X, x)))


@jax.jit
def widths_of_all(m, V):
    x = only(**{name: (V * k, 0.2 * k) for k, name in enumerate(CHARGED, 1)}, nu_e=V)
    return partial_widths(m, x) | branching_ratios(m, x)


slopes_of_all = [jax.jit(jax.jacfwd(widths_of_all, argnums=index)) for index in (0, 1)]


@pytest.mark.parametrize("m_X", [9e-4, 0.3, 0.7823, 1.301, 4.6, 12.0])
def test_gradients_are_finite_differences(m_X):
    values = widths_of_all(m_X, 0.1)
    for index, step in enumerate((1e-6 * m_X, 1e-6)):
        shift = np.array([step, 0.0]) if index == 0 else np.array([0.0, step])
        above, below = (
            widths_of_all(m_X + sign * shift[0], 0.1 + sign * shift[1]) for sign in (1, -1)
        )
        for channel, derivative in slopes_of_all[index](m_X, 0.1).items():
            difference = (above[channel] - below[channel]) / (2 * step)
            np.testing.assert_allclose(
                derivative, difference, rtol=1e-6, atol=1e-8 * abs(values[channel]) / step
            )


@partial(jax.jit, static_argnums=2)
def widths_and_ratios(m_X, x, thresholds):
    return (
        partial_widths(m_X, x, thresholds=thresholds),
        branching_ratios(m_X, x, thresholds=thresholds),
        total_width(m_X, x, thresholds=thresholds),
    )


@given(
    st.floats(1e-4, 20.0),
    st.lists(st.floats(-1, 1), min_size=21, max_size=21),
    st.sampled_from(sorted(THRESHOLDS)),
)
def test_ratios_are_a_distribution(m_X, values, thresholds):
    x = jax.tree.unflatten(jax.tree.structure(only()), values)
    widths, ratios, whole = widths_and_ratios(m_X, x, thresholds)
    assert all(width >= 0 for width in widths.values())
    assert widths["pipi"] <= widths["hadrons"] * (1 + 1e-12)
    total = sum(float(ratios[channel]) for channel in DISJOINT)
    assert abs(total - 1) <= 1e-12 or whole == 0.0 == total


def test_no_coupling_no_mass():
    assert all(ratio == 0.0 for ratio in branching_ratios(0.5, only()).values())
    assert all(ratio == 0.0 for ratio in branching_ratios(0.0, only(nu_mu=1.0)).values())
    assert all(np.isnan(width) for width in partial_widths(-0.1, only(nu_mu=1.0)).values())


def test_no_benchmark_has_axial_light_quarks():
    for model in list_models():
        if model == "R":
            continue  # right-handed currents: hadronic widths below 2 GeV have no accuracy there
        x = couplings(model, 0.5, 1.0)
        assert x.u.A == x.d.A == x.s.A == 0.0


def test_broadcasts_and_traces():
    m_X, g_X = np.geomspace(1e-3, 10.0, 4)[:, None], np.geomspace(1e-6, 1e-3, 3)[None, :]
    x = couplings("Lmu-Ltau", m_X, g_X)
    ratios = jax.jit(branching_ratios)(m_X, x)
    assert all(np.broadcast_shapes(ratio.shape, (4, 3)) == (4, 3) for ratio in ratios.values())
    np.testing.assert_allclose(
        total_width(m_X, x)[2, 1],
        total_width(m_X[2, 0], couplings("Lmu-Ltau", m_X[2, 0], g_X[0, 1])),
    )
    assert partial_widths(m_X, only(mu=(1.0, 0.0)))["mumu"].shape == (4, 1)


# Lifetimes c tau [m] of the dark photon at eps = 1 by DeLiVeR (arXiv:2201.01788), as the tables of
# FORESEE (github.com/KlingFelix/FORESEE, 2d6431f6) have them: mass [GeV], c tau
DELIVER = [
    (0.01, 8.11454e-12),
    (0.1, 8.11229e-13),
    (0.25, 1.88084e-13),
    (0.5, 6.54697e-14),
    (0.7, 1.70675e-14),
    (0.775, 7.64842e-15),
    (0.7826, 4.86738e-15),
    (0.85, 1.84887e-14),
    (0.95, 2.72586e-14),
    (1.016, 5.06462e-15),
    (1.04, 2.16252e-14),
    (1.2, 2.32506e-14),
    (1.4, 1.59006e-14),
    (1.7, 1.14099e-14),
    (1.95, 9.96830e-15),
]


def test_lifetimes_of_the_dark_photon():
    m_X, c_tau = np.array(DELIVER).T
    width = total_width(m_X, couplings("dark-photon", m_X, 1.0))
    ours = HBAR.value * SPEED_OF_LIGHT.value / np.asarray(width)
    assert np.all(np.abs(ours / c_tau - 1) < 0.035)
