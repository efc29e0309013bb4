"""Trident kernel against an independent Monte Carlo, direct integration with local couplings, and
its limits.

Values called "Monte Carlo" come from a C++ VEGAS integration (4e7 points, errors <= 0.2 %) with the
squared matrix element of the trident event generator of arXiv:1902.06765 and its numerical form
factor of iron: another amplitude, phase space and integrator than the recipe's. Constants there:
G_F = 1.16637e-5/GeV^2, alpha = 1/137.036, m_mu = 0.105658 GeV, otherwise those of the table."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from zscan.constants import G_F
from zscan.errors import ParameterError
from zscan.kernels import trident
from zscan.kernels._spline import cubic_spline

# Compiled as a whole: operation by operation each new shape costs a second.
coefficients = jax.jit(trident.coefficients, static_argnames="selection")
cross_section_ratio = jax.jit(trident.cross_section_ratio, static_argnames="selection")

ROOT = Path(__file__).resolve().parents[2]
SELECTIONS = ("inclusive", "E_mu>9GeV")
CCFR, NUTEV = 1.3688, 4.1108  # largest allowed R: 0.82 + 1.96 * 0.28, 0.72 + 1.96 * 1.73
ZEROS = {"g_V": 0.0, "g_A": 0.0, "g_nu": 0.0}


def _load_recipe(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("trident_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


recipe = _load_recipe(ROOT / "kernels" / "trident.py")

# k2, p+, p-, q (E, px, py, pz in GeV, nucleus at rest, k1 = (160, 0, 0, 160)), Q^2, and T1, m_mu^2
# T2, T3 of the generator's matrix element (arXiv:1902.06765), for m_mu = 0.105658 GeV and M =
# 52.024275 GeV; 1e-6 relative.
AMPLITUDE_POINTS = [
    (
        [125.386223934228, 0.080064443054715, -0.0907578783438388, 125.386165525455],
        [22.3869266576008, -0.0257793268003357, 0.0563514354017161, 22.3865915561497],
        [12.226844276127, -0.031196334494372, 0.0344064429421227, 12.2262995352271],
        [-5.13204449870508e-06, 0.0230887817600073, 0.0, -0.000943383168376181],
        0.0005339817886257407,
        (113788082.9, 75883290.21, 3387530.5),
    ),
    (
        [71.9268866594578, 0.00292044539475627, 0.123512733190084, 71.9267805521576],
        [42.4331301693144, 0.0643625667149012, -0.138478136317574, 42.4327238533986],
        [45.6399830483606, -0.0637731371265679, 0.0149654031274907, 45.6398137382852],
        [-1.2286716348112e-07, 0.00350987498308955, 0.0, -0.000681856158586218],
        1.2784150202823484e-05,
        (780870.4966, 288780.6216, -65568.071),
    ),
    (
        [113.061551161604, 0.122129233472708, -0.228103631814962, 113.061255097631],
        [21.6292157034471, -0.0773571141799378, -0.105865346562566, 21.62856020956],
        [25.3092126351206, 0.00128701225694462, 0.333968978377529, 25.3067884896892],
        [-2.04998279601501e-05, 0.046059131549715, 0.0, -0.00339620311996633],
        0.0021329773745030786,
        (38813433.03, 11040420.48, 494309.15),
    ),
]

# (selection, m_X, v1, a1, v2, a2), Monte Carlo; tolerance 0.6 %, of which its error is <= 0.15 %.
COEFFICIENTS = [
    ("inclusive", 0.01, 1.96728e-4, 7.67247e-4, 9.19954e-7, 9.81765e-5),
    ("inclusive", 0.1, 0.0165949, 0.0329035, 1.84768e-3, 8.7535e-3),
    ("inclusive", 1.0, 0.372787, 0.452539, 0.221206, 0.290666),
    ("E_mu>9GeV", 0.1, 0.0163163, 0.0305175, 1.81657e-3, 7.86446e-3),
]

# (largest R, m_X, bound on g_V = g_nu at g_A = 0 for "inclusive" and for "E_mu>9GeV"), Monte Carlo;
# tolerance 0.6 %.
BOUNDS = [
    (CCFR, 1e-3, 7.70e-4, 7.72e-4),
    (CCFR, 1e-2, 8.7104e-4, 8.743e-4),
    (CCFR, 0.1, 1.14289e-3, 1.1503e-3),
    (CCFR, 1.0, 2.72816e-3, 2.737e-3),
    (CCFR, 10.0, 1.877e-2, 1.875e-2),
    (NUTEV, 1e-2, 1.647e-3, None),
    (NUTEV, 0.1, 2.343e-3, None),
    (NUTEV, 1.0, 6.375e-3, None),
]


def _bound(largest_R: float, m_X: float, selection: str) -> float:
    """Coupling g = g_V = g_nu at which R reaches its largest allowed value."""

    def excess(g: float) -> float:
        return float(cross_section_ratio(m_X, g, 0.0, g, selection=selection)) - largest_R

    return brentq(excess, 0.0, 0.02 * (1 + m_X), xtol=1e-12)


# The recipe
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", AMPLITUDE_POINTS)
def test_amplitude_agrees_with_the_generator(point: tuple) -> None:
    *momenta, Q2, expected = point
    k1 = np.array([[160.0], [0.0], [0.0], [160.0]])
    columns = [np.array(momentum)[:, None] for momentum in momenta]
    T1, T2, T3 = recipe.amplitude(k1, *columns, np.array([Q2]), nuclear_mass=52.024275)
    np.testing.assert_allclose([T1[0], 0.105658**2 * T2[0], T3[0]], expected, rtol=1e-6)


def test_interference_of_the_muon_currents_is_odd_under_exchange_of_the_muons() -> None:
    events = recipe.phase_space(np.random.default_rng(1).random((7, 200)))
    arguments = (events.k1, events.k2, events.p_plus, events.p_minus, events.q, events.Q2)
    T1, T2, T3 = recipe.amplitude(*arguments)
    swapped = recipe.amplitude(
        arguments[0], arguments[1], arguments[3], arguments[2], *arguments[4:]
    )
    np.testing.assert_allclose(swapped[:2], (T1, T2), rtol=1e-6)
    assert np.all(np.abs(swapped[2] + T3) <= 1e-7 * np.abs(T1))


def test_phase_space_conserves_momentum_and_mass_shells() -> None:
    events = recipe.phase_space(np.random.default_rng(2).random((7, 2000)))
    metric = np.array([1.0, -1.0, -1.0, -1.0])

    def square(p: np.ndarray) -> np.ndarray:
        return metric @ p**2

    np.testing.assert_allclose(
        events.k1 + events.q - events.k2, events.p_plus + events.p_minus, atol=1e-12
    )
    for muon in (events.p_plus, events.p_minus):
        np.testing.assert_allclose(square(muon), recipe.MUON_MASS**2, rtol=1e-7)
    np.testing.assert_allclose(square(events.k2), 0, atol=1e-9)
    np.testing.assert_allclose(-square(events.q), events.Q2, rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(-square(events.k1 - events.k2), events.K2, rtol=1e-6, atol=1e-9)
    # The nucleus, at rest before, is on its mass shell after: q^0 = -Q^2/(2M).
    np.testing.assert_allclose(2 * recipe.NUCLEAR_MASS * events.q[0], -events.Q2, rtol=1e-12)


@pytest.mark.parametrize("Q2", [1e-7, 1e-3, 0.0193, 0.2])
def test_form_factor_is_the_transform_of_the_charge_density(Q2: float) -> None:
    radius = recipe.CHARGE_RADIUS
    k = np.arange(1, 18) * np.pi / radius

    def charge(r: float) -> float:
        return 4 * np.pi * r**2 * float(recipe.FOURIER_BESSEL @ np.sinc(k * r / np.pi))

    Q = np.sqrt(Q2) / recipe.HBAR_C
    total = quad(charge, 0, radius, epsrel=1e-11)[0]
    expected = (
        quad(lambda r: charge(r) * np.sinc(Q * r / np.pi), 0, radius, epsrel=1e-11, epsabs=1e-11)[0]
        / total
    )
    assert total == pytest.approx(26, rel=2e-4)
    assert recipe.form_factor(np.array([Q2]))[0] == pytest.approx(expected, rel=1e-8, abs=1e-12)


@pytest.fixture(scope="module")
def grids() -> dict[str, np.ndarray]:
    return {selection: recipe.train(selection) for selection in SELECTIONS}


def test_interference_of_the_muon_currents_integrates_to_zero(grids: dict[str, np.ndarray]) -> None:
    for selection in SELECTIONS:
        replicas = [
            recipe.sample(selection, grids[selection], 13, replica).interference
            for replica in range(8)
        ]
        means = 2 * trident.G_V_SM * trident.G_A_SM * np.mean(replicas, axis=1)
        error = means.std(ddof=1) / np.sqrt(means.size)
        assert error < 2e-3 * trident.standard_model_cross_section(selection)
        assert abs(means.mean()) < 5 * error


@pytest.mark.parametrize("selection", SELECTIONS)
def test_quadratic_form_equals_integration_with_local_couplings(
    selection: str, grids: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The couplings of the muon to nu_mu inside the integral, at the K^2 of each event, on the
    # points that also give the coefficients: the polynomial of the package must reproduce it to
    # rounding.
    K2, vector, axial, _ = recipe.sample(selection, grids[selection], 13, 0)
    masses = np.geomspace(1e-3, 1e3, 7)
    G_V, G_A = trident.G_V_SM, trident.G_A_SM
    sigma = np.sum(G_V**2 * vector + G_A**2 * axial)
    propagator = 1 / (K2 + masses[:, None] ** 2)
    columns = [
        masses ** (2 * n) * (propagator**n @ density) / sigma
        for n in (1, 2)
        for density in (vector, axial)
    ]
    table = trident._Table(1.0, cubic_spline(np.log(masses), np.log(np.column_stack(columns))))
    monkeypatch.setitem(trident._TABLES, f"sample {selection}", table)
    for g_V, g_A, g_nu in ((1.0, 0.0, 1.0), (0.7, -0.4, 1.1), (-0.5, 0.8, 0.6), (0.0, 0.3, -1.0)):
        scale = 1e-3 + 5e-3 * masses  # near the bounds
        local = scale[:, None] ** 2 * g_nu * propagator / (np.sqrt(2) * G_F.value)
        direct = (
            (G_V + g_V * local) ** 2 @ vector[:, None] + (G_A + g_A * local) ** 2 @ axial[:, None]
        )[:, 0] / sigma
        ratio = cross_section_ratio(
            masses, g_V * scale, g_A * scale, g_nu * scale, selection=f"sample {selection}"
        )
        np.testing.assert_allclose(ratio, direct, rtol=1e-11)


# The table
# --------------------------------------------------------------------------------------------------


def test_table_covers_its_range_with_the_stated_errors() -> None:
    assert set(trident._TABLES) == set(SELECTIONS) == set(recipe.SELECTIONS)
    text = (ROOT / "zscan" / "kernels" / "tables" / "trident.txt").read_text(encoding="ascii")
    rows = [
        line.split()
        for line in text.splitlines()
        if not line.startswith("#") and " sigma " not in line
    ]
    for selection in SELECTIONS:
        numbers = np.array(
            [[float(number) for number in row[1:]] for row in rows if row[0] == selection]
        )
        np.testing.assert_allclose(numbers[:, 0], np.geomspace(1e-3, 1e3, 61), rtol=1e-8)
        assert np.all(numbers[:, 5:] > 0)
        assert np.all(numbers[:, 5:] < 6e-4 * numbers[:, 1:5])


def test_standard_model_cross_section() -> None:
    # Monte Carlo, fb per nucleus; with the generator's own phase space 0.75316(14).
    assert trident.standard_model_cross_section("inclusive") == pytest.approx(0.753103, rel=6e-3)
    assert trident.standard_model_cross_section() == pytest.approx(0.313288, rel=6e-3)


@pytest.mark.parametrize(("selection", "m_X", "v1", "a1", "v2", "a2"), COEFFICIENTS)
def test_coefficients(
    selection: str, m_X: float, v1: float, a1: float, v2: float, a2: float
) -> None:
    np.testing.assert_allclose(coefficients(m_X, selection=selection), (v1, a1, v2, a2), rtol=6e-3)


@pytest.mark.parametrize(("m_X", "g", "expected"), [(0.1, 1e-3, 1.26155), (1.0, 3e-3, 1.45735)])
def test_cross_section_ratio(m_X: float, g: float, expected: float) -> None:
    # Monte Carlo, errors 1e-4; tolerance 0.6 % of R - 1.
    ratio = cross_section_ratio(m_X, g, 0.0, g, selection="inclusive")
    assert float(ratio) - 1 == pytest.approx(expected - 1, rel=6e-3)


@pytest.mark.parametrize(("largest_R", "m_X", "inclusive", "cut"), BOUNDS)
def test_bounds_on_the_coupling(
    largest_R: float, m_X: float, inclusive: float, cut: float | None
) -> None:
    assert _bound(largest_R, m_X, "inclusive") == pytest.approx(inclusive, rel=6e-3)
    if cut is not None:
        assert _bound(largest_R, m_X, "E_mu>9GeV") == pytest.approx(cut, rel=6e-3)


# Limits
# --------------------------------------------------------------------------------------------------


def test_heavy_limit() -> None:
    # m_X/g of the CCFR bound, Monte Carlo; 545.4 GeV would neglect the muon mass.
    assert 1e5 / _bound(CCFR, 1e5, "inclusive") == pytest.approx(539.407, rel=3e-3)
    for selection in SELECTIONS:
        v1, a1, v2, a2 = coefficients(1e6, selection=selection)
        assert float(v1) == pytest.approx(float(v2), rel=1e-6)
        assert float(a1) == pytest.approx(float(a2), rel=1e-6)
        # Contact couplings proportional to those of W and Z scale the whole cross section, which R
        # is a ratio to.
        assert trident.G_V_SM**2 * float(v1) + trident.G_A_SM**2 * float(a1) == pytest.approx(
            1, abs=1e-6
        )
        g = 1e6 * np.sqrt(np.sqrt(2) * G_F.value)
        ratio = cross_section_ratio(
            1e6, trident.G_V_SM * g, trident.G_A_SM * g, g, selection=selection
        )
        assert float(ratio) == pytest.approx(4, rel=1e-6)


def test_light_limit() -> None:
    # Fit to the Monte Carlo (inclusive): v1 -> 1.978 m^2, a1 -> m^2 (0.983 ln(1/m^2) - 1.38), a2 ->
    # 0.983 m^2 and v2 -> m^4 (19.0 ln(1/m^2) - 83.3).
    for m in (1e-4, 1e-6):
        log = np.log(1 / m**2)
        expected = [
            1.978 * m**2,
            (0.983 * log - 1.38) * m**2,
            (19.0 * log - 83.3) * m**4,
            0.983 * m**2,
        ]
        np.testing.assert_allclose(coefficients(m, selection="inclusive"), expected, rtol=6e-3)
    # What is left at K^2 = 0 of the axial cross section gives both the logarithm of a1 and the
    # constant of a2.
    for selection in SELECTIONS:
        low, high = coefficients(1e-9, selection=selection), coefficients(1e-8, selection=selection)
        slope = (float(low.a1) / 1e-18 - float(high.a1) / 1e-16) / np.log(100)
        assert slope == pytest.approx(float(low.a2) / 1e-18, rel=3e-4)


def test_light_limit_agrees_with_integration_below_the_table(grids: dict[str, np.ndarray]) -> None:
    m = 1e-4
    K2, vector, axial, _ = recipe.sample("inclusive", grids["inclusive"], 16, 0)
    sigma = np.sum(trident.G_V_SM**2 * vector + trident.G_A_SM**2 * axial)
    v1, a1, v2, _ = coefficients(m, selection="inclusive")  # a2 would need more points
    u = m**2 / (K2 + m**2)
    expected = [u @ vector / sigma, u @ axial / sigma, u**2 @ vector / sigma]
    np.testing.assert_allclose([v1, a1, v2], expected, rtol=1e-2)


def test_ratio_is_finite_everywhere_and_nan_without_a_mass() -> None:
    m_X = jnp.array([1e-300, 1e-30, 1e-3, 1.0, 1e3, 1e30, 1e300, jnp.inf])
    for selection in SELECTIONS:
        vector = np.asarray(cross_section_ratio(m_X, 1e-4, 0.0, 1e-4, selection=selection))
        assert np.all(np.isfinite(vector))
        assert np.all(np.diff(vector) <= 0)
        assert np.all(vector >= 1)
        assert vector[-1] == 1
        # At fixed couplings the axial part is ~ 1/m_X^2.
        axial = cross_section_ratio(jnp.array([1e-6, 1e-7]), 0.0, 1e-4, 1e-4, selection=selection)
        assert float(axial[1] / axial[0]) == pytest.approx(100, rel=1e-4)
    assert np.all(np.isnan(cross_section_ratio(jnp.array([0.0, -1.0, jnp.nan]), 1e-3, 0.0, 1e-3)))
    assert np.all(np.isnan(coefficients(0.0)))


def test_ratio_is_one_without_coupling() -> None:
    m_X = jnp.array([1e-300, 1e-10, 1e-3, 0.1, 1e3, 1e10])
    for off in (ZEROS, {**ZEROS, "g_nu": 1e-3}, {"g_V": 1e-3, "g_A": -1e-3, "g_nu": 0.0}):
        np.testing.assert_array_equal(cross_section_ratio(m_X, **off), 1.0)


# Gradients, shapes, errors
# -------------------------------------------------------------------------------------------

_gradient = jax.jit(
    jax.grad(trident.cross_section_ratio, argnums=(0, 1, 2, 3)), static_argnames="selection"
)


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize(
    "m_X", [1e-6, 9e-4, 1e-3, 1.0000001e-3, 0.03, 1.0, 999.0, 1e3, 1.0001e3, 1e6]
)
def test_gradients_equal_differences(m_X: float, selection: str) -> None:
    # Both edges of the table are among the masses: there the difference straddles table and limit.
    scale = 1e-3 + 5e-3 * m_X
    point = (m_X, 0.9 * scale, 0.1 * min(scale, m_X), 0.8 * scale)

    gradient = _gradient(*point, selection=selection)
    for i, derivative in enumerate(gradient):
        step = 1e-5 * point[i]
        up, down = [
            float(
                cross_section_ratio(
                    *(x + sign * step * (j == i) for j, x in enumerate(point)), selection=selection
                )
            )
            for sign in (1, -1)
        ]
        assert float(derivative) == pytest.approx((up - down) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("m_X", [0.0, 1e-300, 1e-100, 1e-6, 1e-3, 1.0, 1e3, 1e100, 1e300])
def test_gradients_are_finite(m_X: float) -> None:
    for couplings in ((0.0, 0.0, 0.0), (1e-3, 0.0, 1e-3), (0.0, 0.0, 1e-3), (1e-3, 0.0, 0.0)):
        assert np.all(np.isfinite(_gradient(m_X, *couplings)))


def test_shapes_of_eager_and_compiled_calls() -> None:
    m_X = jnp.geomspace(1e-4, 1e4, 5)[:, None]
    g = jnp.geomspace(1e-4, 1e-2, 3)
    ratio = trident.cross_section_ratio(m_X, g, -0.2 * g, 1.2 * g)
    assert ratio.shape == (5, 3)
    assert ratio.dtype == jnp.float64
    np.testing.assert_allclose(cross_section_ratio(m_X, g, -0.2 * g, 1.2 * g), ratio, rtol=1e-13)
    for i in range(5):
        for j in range(3):
            single = cross_section_ratio(m_X[i, 0], g[j], -0.2 * g[j], 1.2 * g[j])
            assert single.shape == ()
            assert float(single) == pytest.approx(float(ratio[i, j]), rel=1e-13)
    assert cross_section_ratio(0.1, g, 0.0, g).shape == (3,)
    assert trident.cross_section_ratio(np.float32(0.1), 1e-3, 0.0, 1e-3).dtype == jnp.float64
    assert {field.shape for field in coefficients(m_X)} == {(5, 1)}


@pytest.mark.parametrize(
    "call",
    [
        lambda selection: cross_section_ratio(0.1, 0.0, 0.0, 0.0, selection=selection),
        lambda selection: coefficients(0.1, selection=selection),
        trident.standard_model_cross_section,
    ],
)
def test_unknown_selection_names_the_allowed_ones(call: Callable[[str], object]) -> None:
    with pytest.raises(ParameterError, match=r"E_mu>9.*did you mean 'E_mu>9GeV'.*inclusive"):
        call("E_mu>9")


@pytest.mark.slow
def test_recipe_rebuilds_the_table(tmp_path: Path) -> None:
    output = tmp_path / "trident.txt"
    command = [
        sys.executable,
        str(ROOT / "kernels" / "trident.py"),
        "--replicas",
        "32",
        "--log2-points",
        "16",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "-o", str(output)], check=True, env=environment, capture_output=True)

    def read(path: Path) -> tuple[list[tuple[str, str]], np.ndarray, np.ndarray]:
        lines = path.read_text(encoding="ascii").splitlines()
        rows = [line.split() for line in lines if not line.startswith("#")]
        numbers = [np.array(row[2:], dtype=float).reshape(2, -1) for row in rows]
        values, errors = (np.concatenate([number[i] for number in numbers]) for i in (0, 1))
        return [(row[0], row[1]) for row in rows], values, errors

    keys, values, errors = read(output)
    shipped_keys, shipped_values, shipped_errors = read(
        ROOT / "zscan" / "kernels" / "tables" / "trident.txt"
    )
    assert keys == shipped_keys
    assert np.all(errors < 1e-2 * values)
    pulls = (values - shipped_values) / np.hypot(errors, shipped_errors)
    assert np.abs(pulls).max() < 5
    assert np.sqrt(np.mean(pulls**2)) < 2
