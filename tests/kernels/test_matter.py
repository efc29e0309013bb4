"""Neutrinos in matter against a three-flavour evolution, an independent profile of the solar chi2,
and what must not change it.

Values called "grid and zooms" come from a NumPy program of its own, which takes all 1000 zones of
the Sun or every tenth of them and minimises chi2 over theta_12 and Dm^2_21 on grids that get finer,
with the 8B flux in closed form; m_X/g_X is in GeV, n is the baryon charge of a neutron."""

import importlib.util
import math
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.constants import E_CHARGE, G_F
from zscan.errors import ParameterError
from zscan.kernels import matter
from zscan.kernels.nsi import epsilon

ROOT = Path(__file__).resolve().parents[2]
FERMI = math.sqrt(2) * G_F.value

delta_chi2_solar = jax.jit(matter.delta_chi2_solar, static_argnames="dark")

# (X_e, X_mu, X_tau), n, m_X/g_X, solar chi2 - 6.606, chi2 of the Earth: grid and zooms
CHI2 = [
    ((-3, 0, 0), 1, 1300.3, -1.0820, 0.9385),
    ((0, -3, 0), 1, 2455.8, -0.2737, 6.6251),
    ((0, 0, -3), 1, 606.8, 1.1619, 1614.3885),
    ((0, -1.5, -1.5), 1, 642.8, -0.0659, 4.2139),
    ((1, -1, 0), 0, 1180.4, -0.6539, 3.7559),
    ((1, 0, -1), 0, 465.2, 0.2459, 126.0408),
    ((1, -0.5, -0.5), 0, 278.5, 16.8094, 18.4086),
    ((-2, -1, 0), 1, 296.6, -0.8188, 2.1802),
    ((-2, 0, -1), 1, 807.5, -0.6022, 0.4304),
    ((0, -1, -2), 1, 597.3, 0.8433, 194.3775),
    ((-6, 0, -3), 3, 684.7, 0.0865, 5.7087),
    ((-7, -1, -1), 3, 1727.9, -1.1657, 0.9452),
    ((1, 3, 3), 0, 517.7, 25.8951, 0.5663),
]

# (X_e, X_mu, X_tau), n, m_X/g_X [GeV] where chi2 is 3.84 above its minimum over the coupling, from
# the Sun, the Earth and both, strongest first: grid and zooms
BOUNDS = [
    ((-3, 0, 0), 1, [583.6], [615.63], [685.26]),
    ((0, -3, 0), 1, [487.55], [2772.96], [2733.41]),
    ((0, 0, -3), 1, [547.65], [2760.75], [2722.05]),
    ((0, -1.5, -1.5), 1, [519.17], [639.96], [646.6]),
    ((1, -1, 0), 0, [378.5], [1137.42], [1088.04]),
    ((1, 0, -1), 0, [389.85], [1129.22], [1081.38]),
    ((1, -0.5, -0.5), 0, [384.31], [446.86], [466.09]),
    ((-2, -1, 0), 1, [162.17], [246.06], [252.53]),
    ((-2, 0, -1), 1, [161.36], [246.54], [254.93]),
    ((0, -1, -2), 1, [528.86], [1617.19], [1559.76]),
    ((-6, 0, -3), 3, [484.08], [739.61], [764.78]),
    ((-7, -1, -1), 3, [918.46], [822.51], [1036.16]),
    # not free of anomalies: its LMA-D island is allowed again between the last two edges
    ((1, 3, 3), 0, [928.09, 255.36, 215.3], [379.61, 321.19, 226.92], [806.83, 258.51, 225.13]),
]

# Source, E [MeV], u, Dm^2_21, d_e, d_t, c, n, P_ee by day and at night: all zones of the Sun
P_EE = [
    ("8B", 9.99, 0.4, 6.56e-5, -0.7, 0.86, 0.994, 0.11, 0.6313453521, 0.6365932829),
    ("8B", 14.01, 0.304, 6.57e-5, -0.6, -0.31, 0.741, 0.672, 0.3677533399, 0.3762766721),
    ("8B", 11.91, 0.264, 6.57e-5, 0.69, 0.18, 0.885, 0.466, 0.3562245153, 0.3975236397),
    ("pp", 0.267, 0.487, 7.74e-5, -0.26, 0.02, 0.505, 0.863, 0.5874719094, None),
    ("pep", 1.44, 0.309, 8.10e-5, 0.73, -0.74, 0.743, 0.67, 0.4687907092, None),
    ("7Be", 0.862, -0.424, 7.18e-5, -0.97, -0.68, 0.006, 1.0, 0.5810157209, None),
    ("7Be", 0.862, 0.415, 7.88e-5, 0.56, 0.86, 0.972, 0.233, 0.5371094264, None),
]

# r/R, N_e [mol/cm^3] and Y_n of the solar model B16-GS98, arXiv:1611.09867
SUN = np.array(
    [
        (0.00, 100.99, 0.486),
        (0.02, 98.92, 0.481),
        (0.04, 93.08, 0.448),
        (0.06, 84.88, 0.400),
        (0.08, 75.69, 0.351),
        (0.10, 66.43, 0.307),
        (0.12, 57.60, 0.271),
        (0.14, 49.40, 0.242),
        (0.16, 41.92, 0.221),
        (0.20, 29.25, 0.196),
        (0.24, 19.63, 0.186),
        (0.30, 10.25, 0.180),
        (0.40, 3.344, 0.177),
        (0.50, 1.153, 0.174),
    ]
)
# Gauss nodes in r/R for the production, with weights
BIRTHPLACES = {
    "8B": ((0.0255, 0.3552), (0.0601, 0.5774), (0.1070, 0.0674)),
    "7Be": ((0.0364, 0.3953), (0.0868, 0.5543), (0.1615, 0.0504)),
}
RADIUS = 6.957e8 / 1.973269804e-7  # of the Sun [1/eV]


def mixing_matrix(u):
    s12, s13, s23 = (
        math.sqrt(x) for x in ((1 - u) / 2, matter.SIN2_THETA_13, matter.SIN2_THETA_23)
    )
    c12, c13, c23 = (math.sqrt(1 - s * s) for s in (s12, s13, s23))
    phase = np.exp(1j * matter.DELTA_CP)
    R23 = np.array([[1, 0, 0], [0, c23, s23], [0, -s23, c23]])
    R13 = np.array([[c13, 0, s13 / phase], [0, 1, 0], [-s13 * phase, 0, c13]])
    R12 = np.array([[c12, s12, 0], [-s12, c12, 0], [0, 0, 1]])
    return R23 @ R13 @ R12


def by_evolution(E, source, u, dm21, d_e, d_t, c, n, slabs=30000):
    """P_ee from the Schroedinger equation of three flavours on the way to the surface, in slabs."""
    U = mixing_matrix(u)
    vacuum = U @ np.diag([0, dm21, 2.5e-3]) / (2e6 * E) @ U.conj().T
    total = 0.0
    for birthplace, weight in BIRTHPLACES[source]:
        edges = np.linspace(birthplace, 1, slabs + 1)
        r = (edges[1:] + edges[:-1]) / 2
        slope = np.log(SUN[-1, 1] / SUN[-2, 1]) / (SUN[-1, 0] - SUN[-2, 0])
        density = np.exp(np.interp(r, SUN[:, 0], np.log(SUN[:, 1])))
        density *= np.exp(np.maximum(r - SUN[-1, 0], 0) * slope)
        ratio = np.interp(r, SUN[:, 0], SUN[:, 2])
        factor = matter.POTENTIAL * density
        H = np.broadcast_to(vacuum, (slabs, 3, 3)).copy()
        H[:, 0, 0] += factor * (1 + d_e * (c + ratio * n))
        H[:, 2, 2] += factor * d_t * (c + ratio * n)
        energy, states = np.linalg.eigh(H)
        step = np.exp(-1j * energy * (edges[1] - edges[0]) * RADIUS)
        slab = (states * step[:, None, :]) @ states.conj().swapaxes(-1, -2)
        while len(slab) > 1:  # product in the order of the path
            if len(slab) % 2:
                slab = np.concatenate([slab, np.eye(3)[None]])
            slab = slab[1::2] @ slab[::2]
        # The phase at birth is averaged: states of matter there, one at a time
        born = states[0]
        mean = np.abs(U.conj().T @ slab[0] @ born) ** 2 @ np.abs(born[0]) ** 2
        np.testing.assert_allclose(mean.sum(), 1, rtol=1e-9)
        total += weight * float(np.abs(U[0]) ** 2 @ mean)
    return total


@pytest.mark.parametrize(
    ("source", "E", "d_e", "d_t", "c", "n", "left"),
    [
        ("8B", 8.0, 0.0, 0.0, 1.0, 0.0, 1e-3),
        ("8B", 8.0, 0.3, 0.0, -2.0, 1.0, 1e-3),
        ("8B", 10.0, 0.1, -0.6, 0.4, 0.7, 1e-3),
        ("8B", 10.0, 0.0, 0.4, 1.0, 0.0, 1e-3),
        ("7Be", 0.862, 1.2, -0.8, 1.0, 0.5, 1e-3),
        ("8B", 12.0, -0.2, 0.5, 1.0, 1.0, 4e-3),
        ("8B", 12.0, 0.0, 1.5, 1.0, 0.0, 0.03),
    ],
)
def test_survival_against_three_flavour_evolution(source, E, d_e, d_t, c, n, left):
    # What is left is the third state: as the docstring says
    place = (E, source, 0.3946, 7.53e-5, d_e, d_t, c, n)
    error = abs(float(matter.survival_probability(*place)) - by_evolution(*place))
    assert error < left


@pytest.mark.parametrize("row", P_EE)
def test_survival_reference_values(row):
    source, E, u, *place, day, night = row
    np.testing.assert_allclose(
        matter.survival_probability(E, source, u, *place), day, rtol=0, atol=5e-5
    )
    if night is not None:
        found = matter.survival_probability(E, source, u, *place, night=True)
        np.testing.assert_allclose(found, night, rtol=0, atol=5e-5)


def test_survival_without_x():
    u, dm21 = 0.3983, 7.51e-5
    for source, E, expected in (
        ("pp", 0.267, 0.549),
        ("7Be", 0.862, 0.531),
        ("pep", 1.44, 0.520),
        ("8B", 8.1, 0.338),
    ):
        found = matter.survival_probability(E, source, u, dm21, 0.0, 0.0, 0.0, 0.0)
        assert float(found) == pytest.approx(expected, abs=6e-4)
    with pytest.raises(ParameterError, match=r"'B8'; pp, pep, 7Be, 8B"):
        matter.survival_probability(1.0, "B8", u, dm21, 0.0, 0.0, 0.0, 0.0)


def chi2_of(charges, n, kappa, **options):
    """Delta chi2 of the Sun, absolute chi2 of the Earth."""
    X_e, X_mu, X_tau = (float(x) for x in charges)
    c = X_e + n
    eps = kappa * (c + 1.051 * n)
    sun = delta_chi2_solar(kappa, X_e, X_mu, X_tau, c, float(n), **options)
    earth = matter.chi2_earth(eps * (X_e - X_mu), eps * (X_tau - X_mu), **options)
    return np.asarray(sun), np.asarray(earth)


@pytest.mark.parametrize(("charges", "n", "scale", "sun", "earth"), CHI2)
def test_chi2_reference_values(charges, n, scale, sun, earth):
    found = chi2_of(charges, n, 1 / (FERMI * scale**2))
    np.testing.assert_allclose(found[0], sun, rtol=0, atol=0.01 if sun < 10 else 0.05)
    np.testing.assert_allclose(found[1], earth, rtol=1e-5, atol=6e-5)  # four digits


@pytest.mark.parametrize(("charges", "n", "sun", "earth", "both"), BOUNDS)
def test_bounds(charges, n, sun, earth, both):
    scale = np.geomspace(1e5, 100, 60001)
    found = chi2_of(charges, n, 1 / (FERMI * scale**2))
    for chi2, expected in zip((*found, found[0] + found[1]), (sun, earth, both), strict=True):
        excess = chi2 - chi2.min() - 3.84
        edges = scale[1:][np.diff(np.sign(excess)) != 0]
        np.testing.assert_allclose(edges, expected, rtol=0.01)


def test_no_bound_without_coupling_to_matter():
    sun, earth = chi2_of((0, 1, -1), 0, np.geomspace(1e-6, 1e9, 40))
    np.testing.assert_array_equal(sun, sun[0])
    np.testing.assert_array_equal(earth, earth[0])
    np.testing.assert_allclose(sun, 0, atol=1e-9)


def test_islands_are_kept_and_can_be_left_out():
    # eps_ee = -2 in matter of electrons and protons is as good as none, in the dark octant
    kappa = 2.0
    for n in (0.0, 1e-9):
        assert abs(float(delta_chi2_solar(kappa, -1.0, 0.0, 0.0, 1.0, n))) < 0.05
        assert float(delta_chi2_solar(kappa, -1.0, 0.0, 0.0, 1.0, n, dark=False)) > 30
    assert matter.chi2_earth(-1.765, 0.0005) < 1e-20
    assert matter.chi2_earth(-1.765, 0.0005, dark=False) > 20
    place = (8.1, "8B", 0.4, 7.5e-5, 0.3, 0.2, 1.0, 0.0)
    mirrored = (8.1, "8B", -0.4, 7.5e-5, -2.3, 0.2, 1.0, 0.0)
    # H -> -H* with theta_12 in the other octant: exact where eps_N = 0
    exact = [(*p[:5], 0.0, *p[6:]) for p in (place, mirrored)]
    for night in (False, True):
        np.testing.assert_allclose(
            matter.survival_probability(*exact[0], night=night),
            matter.survival_probability(*exact[1], night=night),
            rtol=1e-12,
        )


charge = st.floats(-9, 9)
strength = st.floats(0, 5)


@given(strength, charge, charge, charge, charge, charge, charge)
def test_what_leaves_the_chi2_of_the_sun_unchanged(kappa, X_e, X_mu, X_tau, c, n, shift):
    found = delta_chi2_solar(kappa, X_e, X_mu, X_tau, c, n)
    for other in (
        (kappa, X_e + shift, X_mu + shift, X_tau + shift, c, n),  # the same for all flavours
        (kappa, -X_e, -X_mu, -X_tau, -c, -n),  # g_X -> -g_X
        (4 * kappa, X_e / 2, X_mu / 2, X_tau / 2, c / 2, n / 2),  # g_X -> 2 g_X
        (kappa, 4 * X_e, 4 * X_mu, 4 * X_tau, c / 4, n / 4),
    ):
        np.testing.assert_allclose(delta_chi2_solar(*other), found, rtol=1e-7, atol=1e-7)


@given(charge, charge)
def test_exchange_of_mu_and_tau(d_e, d_t):
    s23 = matter.SIN2_THETA_23
    found = matter.two_flavour(d_e, d_t)
    other = matter.two_flavour(d_e - d_t, -d_t, s23=1 - s23, delta=matter.DELTA_CP + math.pi)
    np.testing.assert_allclose(other[0], found[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(other[1], found[1], rtol=0, atol=1e-13)


def test_two_flavour_reference_values():
    # B - 3 L_mu and B - 3 L_tau at m_X/g_X = 1 TeV, Y_n = 1.051: closed form
    eps = -0.3730201884380113
    for d_e, d_t, D, N in (
        (-eps, -eps, -0.07726728992699314, -0.026290351250698497 + 0.008037767003663597j),
        (0.0, eps, -0.10510228020035059, 0.026290351250698497 - 0.008037767003663597j),
    ):
        found = matter.two_flavour(d_e, d_t)
        np.testing.assert_allclose(found[0], D, rtol=1e-9)
        np.testing.assert_allclose(found[1], N, rtol=1e-9)


couplings = st.tuples(*[st.floats(-1, 1)] * 6)


@given(couplings, st.floats(-1, 1))
def test_kinetic_mixing_drops_out(g, eps):
    e = E_CHARGE.value * eps
    mixed = (g[0] - e, g[1] + 2 * e / 3, g[2] - e / 3, *g[3:])
    # rounding of the couplings is a small relative change of eps
    np.testing.assert_allclose(matter.chi2(500.0, *mixed), matter.chi2(500.0, *g), rtol=1e-9)


@given(st.floats(-1, 1))
def test_kinetic_mixing_alone_is_no_charge_of_matter(eps):
    e = E_CHARGE.value * eps
    assert [float(x) for x in matter.matter_charges(-e, 2 * e / 3, -e / 3)] == [0, 0]


@pytest.mark.slow  # half a minute of compilation
@given(couplings, st.floats(0, 1.2))
def test_chi2_is_the_sum_of_sun_and_earth(g, ratio):
    d_e, d_t = (epsilon(700.0, *g[:3], g[i] - g[4], neutron_ratio=ratio) for i in (3, 5))
    expected = matter.solar_chi2(700.0, *g) + matter.chi2_earth(d_e, d_t)
    np.testing.assert_allclose(matter.chi2(700.0, *g, neutron_ratio=ratio), expected, rtol=1e-9)


def test_earth_takes_intervals():
    # 90 % is 1.6449 standard deviations
    np.testing.assert_allclose(
        matter.chi2_earth(0.3, 0.1, tautau_mumu=(-0.1, 0.1), ee_mumu=[(-0.3, 0.3)]),
        2 * 1.6449**2,
        rtol=1e-12,
    )
    wells = [(-0.3, 0.3), (-2.3, -1.7)]
    np.testing.assert_allclose(
        matter.chi2_earth(np.array([0.3, -1.7]), 0.0, tautau_mumu=(-0.1, 0.1), ee_mumu=wells),
        1.6449**2,
        rtol=1e-12,
    )


def test_limits_and_shapes():
    assert matter.solar_chi2(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) == pytest.approx(6.606, abs=1e-3)
    one = (1.0, 0.3, 0.2, 0.1, -0.4, 0.5)
    assert np.isnan(matter.chi2(np.array([0.0, -1.0, np.nan]), *one)).all()
    assert np.isnan(delta_chi2_solar(-1e-9, 1.0, 0.0, 0.0, 1.0, 0.0))
    # no edge: finite and excluded however strong, in every direction
    X = np.random.default_rng(3).normal(size=(5, 500))
    far = np.asarray(delta_chi2_solar(10.0 ** np.arange(3, 31, 3)[:, None], *X))
    assert np.isfinite(far).all()
    np.testing.assert_allclose(far[-1], far[-2], rtol=1e-6)
    in_phase = (X[3] + 0.15 * X[4]) * (X[3] + 0.5 * X[4]) > 0  # the same sign all over the Sun
    assert far[:, in_phase].min() > 25
    shape = matter.chi2(np.ones((4, 1)), np.ones(3), 0.0, np.ones((2, 1, 1)), 1.0, 0.0, 0.0).shape
    assert shape == (2, 4, 3)
    assert matter.chi2(np.float32(1.0), *one).dtype == jnp.float64


ARGUMENTS = [
    (0.3, -3.0, 0.0, 0.0, -2.0, 1.0),
    (0.02, 1.0, -1.0, 0.5, 1.0, 0.3),
    (0.5, -2.0, -1.0, 0.3, -1.0, 1.0),
    (0.9, 1.0, 3.0, 3.2, 1.0, 0.1),
]


@pytest.mark.parametrize("point", ARGUMENTS)
def test_gradients_equal_differences(point):
    gradient = jax.grad(matter.delta_chi2_solar, argnums=tuple(range(6)))(*point)
    for i, value in enumerate(gradient):
        step = 1e-5
        up, down = (
            float(delta_chi2_solar(*(x + s * step * (j == i) for j, x in enumerate(point))))
            for s in (1, -1)
        )
        assert float(value) == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-6)


def test_gradients_are_finite():
    first = jax.jit(jax.grad(matter.delta_chi2_solar, argnums=tuple(range(6))))
    for kappa in (0.0, 1e-30, 1e-3, 1.0, 1e3, 1e20):
        for rest in (
            (0.0, 0.0, 0.0, 0.0, 0.0),
            (1.0, 1.0, 1.0, 1.0, 0.0),
            (0.0, 1.0, -1.0, 0.0, 0.0),
            (-3.0, 0.0, 0.0, -0.9, 1.0),  # phi at its end
            (-3.0, 0.0, 0.0, -0.2, 1.0),
            (0.0, 0.0, 5.0, -2.0, 1.0),
        ):
            assert np.isfinite(first(kappa, *rest)).all(), (kappa, rest)
    # at zero coupling the slope in kappa is that of the direction
    slope = first(0.0, -3.0, 0.0, 0.0, -2.0, 1.0)[0]
    step = float(delta_chi2_solar(1e-4, -3.0, 0.0, 0.0, -2.0, 1.0)) / 1e-4
    assert float(slope) == pytest.approx(step, rel=1e-2)
    assert slope < 0


def test_the_two_ends_of_the_half_circle_meet():
    # where c + 0.9 n changes its sign, phi jumps from one end to the other with A and B turned
    X = np.random.default_rng(4).uniform(-3, 3, (3, 400))
    n = np.ones(400)
    for kappa in (0.05, 0.3):
        left, right = (delta_chi2_solar(kappa, *X, -0.9 * n + side, n) for side in (-1e-9, 1e-9))
        np.testing.assert_allclose(left, right, rtol=0.02, atol=0.02)


@pytest.fixture(scope="module")
def recipe():
    path = ROOT / "kernels" / "matter.py"
    spec = importlib.util.spec_from_file_location("matter_recipe", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_recipe_rebuilds_a_part_of_the_table(recipe):
    text = (ROOT / "zscan/kernels/tables/matter.txt").read_text(encoding="ascii")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert tuple(map(int, lines[0].split())) == recipe.SHAPE
    assert float(lines[1].split()[0]) == pytest.approx(recipe.standard(), abs=1e-5)
    shipped = np.frombuffer(bytes.fromhex("".join(lines[2:])), dtype=">u2")
    shipped = shipped.reshape(2, *recipe.SHAPE).astype(int)
    generator = np.random.default_rng(7)
    index = np.array([generator.integers(0, extent, 200) for extent in recipe.SHAPE])
    rebuilt = recipe.packed(index, recipe.standard())
    stored = shipped[:, *index]
    # one unit is 8e-4; a minimum far above 20 may be found to a few units only
    low = stored * recipe.STEP + recipe.LOWEST < 14
    assert np.abs(rebuilt - stored)[low].max() <= 1
    assert np.abs(rebuilt - stored).max() <= 20


@pytest.mark.slow
def test_table_against_direct_profiles(recipe):
    generator = np.random.default_rng(8)
    X_e, X_mu, X_tau = generator.integers(-10, 11, (3, 1500)).astype(float)
    n = generator.integers(0, 4, 1500).astype(float)
    size = np.hypot(X_e - X_mu, X_tau - X_mu) * np.hypot(X_e + n, n)
    kappa = 10 ** generator.uniform(-1.5, 1, 1500) / np.maximum(size, 1)
    direct = recipe.chi2_of_octants(kappa * (X_e - X_mu), kappa * (X_tau - X_mu), X_e + n, n).min(
        axis=0
    )
    direct = direct - recipe.standard()
    error = np.abs(np.asarray(delta_chi2_solar(kappa, X_e, X_mu, X_tau, X_e + n, n)) - direct)
    for low, high, typical, largest in ((-9, 4, 3e-3, 0.05), (4, 25, 0.02, 0.3)):
        chosen = error[(direct >= low) & (direct < high)]
        assert np.sqrt(np.mean(chosen**2)) < typical
        assert chosen.max() < largest
