"""Neutrino-electron scattering against adaptive quadrature, an independent implementation and
published bounds.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from zscan.constants import G_F, M_E, M_MU
from zscan.errors import ParameterError
from zscan.kernels import borexino
from zscan.kernels.scattering import (
    CHANNELS,
    Spectrum,
    channel,
    charm2_chi2,
    cross_section,
    largest_recoil,
    rate_ratio,
)
from zscan.models import load_model

# Independent NumPy code (100 E nodes, adaptive T): (name, m_X, g_eL, g_eR, g_nu, ratio, tolerance)
REFERENCE = [
    ("charm2_nu", 0.01828, 1.317e-4, 6.585e-5, -1.317e-4, 1.300160319805865, 1e-9),
    ("charm2_anti", 0.01828, 1.317e-4, 6.585e-5, -1.317e-4, 1.0038571906079774, 1e-9),
    ("charm2_nu", 0.000284, -4.162e-4, 4.162e-4, -2.9134e-3, 296.3803486327311, 1e-9),
    ("charm2_anti", 0.000284, -4.162e-4, 4.162e-4, -2.9134e-3, 429.5697612591751, 1e-9),
    ("charm2_nu", 0.111, -1.17e-4, 1.17e-4, 8.19e-4, 2.187309794147283, 1e-9),
    ("charm2_anti", 0.111, -1.17e-4, 1.17e-4, 8.19e-4, 2.4354782469006304, 1e-9),
    ("charm2_nu", 0.111, 1.17e-4, -1.17e-4, 7.02e-4, 0.3659146971460114, 1e-9),
    ("charm2_anti", 0.111, 1.17e-4, -1.17e-4, 7.02e-4, 0.28233486854903517, 1e-9),
    ("texono", 0.0001851, -6.366e-8, -6.366e-8, -6.366e-8, 1.00021233245733, 1e-6),
    ("texono", 0.007585, 3.5399195e-5, -3.5399195e-5, -3.5399195e-5, 10.05181879903511, 1e-6),
    ("texono", 0.13, 1.00438e-5, 1.00438e-5, -1.00438e-5, 0.9988102607677954, 1e-6),
    ("lsnd", 0.001079, 3.4034e-6, -3.4034e-6, -6.8068e-6, 0.9367940704266914, 1e-6),
    ("lsnd", 0.02199, -4.206687e-6, 4.206687e-6, 8.413374e-6, 0.9945271874946923, 1e-6),
    (
        "borexino_be7",
        0.0005613,
        -2.958e-6,
        2.958e-6,
        (0.0, 0.0, 2.958e-6),
        1.4637989036901051,
        1e-10,
    ),
    ("borexino_pp", 0.0005613, -2.958e-6, 2.958e-6, (0.0, 0.0, 2.958e-6), 1.8875797529469778, 1e-6),
    (
        "borexino_pp",
        0.0308,
        -4.74628e-6,
        4.74628e-6,
        (2.847768e-5, -4.74628e-6, -2.847768e-5),
        0.9816382572991496,
        1e-6,
    ),
]
# chi2 of CHARM-II by the same code: (m_X, g_eL, g_eR, g_numu, chi2), 1e-8
CHI2 = [
    (0.01828, 1.317e-4, 6.585e-5, -1.317e-4, 23.50491888634229),
    (0.000284, -4.162e-4, 4.162e-4, -2.9134e-3, 30578315.5820077),
    (0.0001414, 8.47e-5, -4.235e-5, -5.929e-4, 492.62746372849983),
    (9.734, -0.31810712, 0.31810712, -2.22674984, 151162358452664.9),
    (1.0, 0.0, 0.0, 0.0, 0.12135025853425466),
]
# Cross sections [GeV^-2] by the same code, 1e-9: line energy, lowest recoil, flavour, anti, m_X,
# g_eL, g_eR, g_nu
CROSS_SECTIONS = [
    (
        0.4253,
        0.02969,
        "mu",
        True,
        0.00139,
        -5.738049193126376e-5,
        5.738049193126376e-5,
        5.738049193126376e-5,
        3.015947834130609e-14,
    ),
    (
        0.04727,
        0.007562,
        "tau",
        False,
        0.004456,
        -1.0921775147351528e-5,
        -1.0921775147351528e-5,
        -1.0921775147351528e-5,
        1.058438437325848e-16,
    ),
    (
        0.04222,
        0.001778,
        "e",
        True,
        0.01104,
        -1.1247552e-5,
        -1.1247552e-5,
        1.1247552e-5,
        3.539504360456005e-16,
    ),
    (
        0.001584,
        0.0004574,
        "mu",
        False,
        0.3604,
        -4.1528892e-4,
        -4.1528892e-4,
        -4.1528892e-4,
        3.070497547790645e-18,
    ),
]


@pytest.mark.parametrize(("name", "m_X", "g_eL", "g_eR", "g_nu", "expected", "rtol"), REFERENCE)
def test_reference_values(name, m_X, g_eL, g_eR, g_nu, expected, rtol):
    np.testing.assert_allclose(rate_ratio(name, m_X, g_eL, g_eR, g_nu), expected, rtol=rtol)


@pytest.mark.parametrize(("m_X", "g_eL", "g_eR", "g_numu", "expected"), CHI2)
def test_chi2_of_charm2(m_X, g_eL, g_eR, g_numu, expected):
    np.testing.assert_allclose(charm2_chi2(m_X, g_eL, g_eR, g_numu), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("E", "T_lo", "flavour", "anti", "m_X", "g_eL", "g_eR", "g_nu", "expected"), CROSS_SECTIONS
)
def test_cross_section_of_a_line(E, T_lo, flavour, anti, m_X, g_eL, g_eR, g_nu, expected):
    row = channel(E, (T_lo, 1e9), flavour, anti)
    np.testing.assert_allclose(cross_section(row, m_X, g_eL, g_eR, g_nu), expected, rtol=1e-9)


def by_quadrature(flux, energies, window, charges, g_e, m_X, *, anti=False, s2=0.23857):
    """Rate ratio with the integral over T inside that over E, each adaptive; `charges` are
    (fraction, L of the Standard Model, g_nu).
    """
    m_e = M_E.value

    def rate(scale):
        def density(T, E, L_SM, g):
            d = scale * g / (2 * np.sqrt(2) * G_F.value * (2 * m_e * T + m_X**2))
            L, R = L_SM + d * g_e[0], s2 + d * g_e[1]
            if anti:
                L, R = R, L
            return L**2 + R**2 * (1 - T / E) ** 2 - L * R * m_e * T / E**2

        def at(E):
            end = min(window[1], 2 * E**2 / (m_e + 2 * E))
            if end <= window[0]:
                return 0.0
            return flux(E) * sum(
                fraction
                * quad(density, window[0], end, (E, L_SM, g), epsabs=0, epsrel=1e-11, limit=200)[0]
                for fraction, L_SM, g in charges
            )

        if len(energies) == 1:
            return at(energies[0])
        lowest = (window[0] + np.sqrt(window[0] ** 2 + 2 * m_e * window[0])) / 2
        start = max(lowest, energies[0])
        return quad(at, start, energies[1], epsabs=0, epsrel=1e-9, limit=200)[0]

    return rate(1.0) / rate(0.0)


def reactor(E):
    """Fission spectra of arXiv:1101.2663, typed again."""
    x = E * 1e3
    parts = [
        (0.55, [3.217, -3.111, 1.395, -0.3690, 0.04445, -0.002053]),
        (0.07, [0.4833, 0.1927, -0.1283, -0.006762, 0.002233, -0.0001536]),
        (0.32, [6.413, -7.432, 3.535, -0.8820, 0.1025, -0.004550]),
        (0.06, [3.251, -3.204, 1.428, -0.3675, 0.04254, -0.001896]),
    ]
    return sum(f * np.exp(sum(c * x**n for n, c in enumerate(a))) for f, a in parts)


def pp(E):
    W = 0.42341e-3 + M_E.value - E
    return E**2 * W * np.sqrt(max(W**2 - M_E.value**2, 0.0))


@pytest.mark.parametrize("m_X", [0.0, 1e-3, 0.03, 10.0])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-0.5, 0.0)])
def test_against_adaptive_quadrature(m_X, signs):
    mu = 0.2324 - 0.5
    for name, E, anti, reach in (("charm2_nu", 23.7, False, 0.3), ("charm2_anti", 19.1, True, 0.3)):
        g = 2e-4 * max(m_X, reach) / reach
        g_e = (g * signs[0], g * signs[1])
        end = min(24.0, largest_recoil(E))
        expected = by_quadrature(
            lambda E: 1.0, (E,), (3.0, end), [(1.0, mu, g)], g_e, m_X, anti=anti, s2=0.2324
        )
        np.testing.assert_allclose(rate_ratio(name, m_X, *g_e, g), expected, rtol=1e-11)
    g = 1e-5 * max(m_X, 5e-3) / 5e-3
    g_e, e, mu = (g * signs[0], g * signs[1]), 0.23857 + 0.5, 0.23857 - 0.5
    for name, flux, energies, window, anti in (
        ("texono", reactor, (2e-3, 8e-3), (3e-3, 8e-3), True),
        (
            "lsnd",
            lambda E: E**2 * (1 - 2 * E / M_MU.value),
            (0, M_MU.value / 2),
            (18e-3, 52.2e-3),
            False,
        ),
    ):
        expected = by_quadrature(flux, energies, window, [(1.0, e, g)], g_e, m_X, anti=anti)
        np.testing.assert_allclose(rate_ratio(name, m_X, *g_e, g), expected, rtol=1e-7)


@pytest.mark.parametrize("m_X", [1e-4, 1e-2])
def test_pp_against_adaptive_quadrature(m_X):
    g = 1e-6 * max(m_X, 1e-3) / 1e-3
    couplings = (g, -2 * g, 0.5 * g)
    charges = zip((0.552, 0.181, 0.267), (0.73857, -0.26143, -0.26143), couplings, strict=True)
    expected = by_quadrature(
        pp, (0, 0.42341e-3), (0.19e-3, 0.42341e-3), list(charges), (g, -g), m_X
    )
    np.testing.assert_allclose(
        rate_ratio("borexino_pp", m_X, g, -g, couplings), expected, rtol=1e-7
    )


@given(
    st.floats(1e-3, 1.0),
    st.floats(0.01, 0.9),
    st.floats(1e-4, 1.0),
    st.floats(-1e-4, 1e-4),
    st.booleans(),
)
def test_windows_of_any_width(E, depth, m_X, g, anti):
    # the first panels of a wide window are narrow: 1/(2 m_e T + m_X^2) varies there
    T_lo = depth**4 * largest_recoil(E)
    row = channel(E, (T_lo, 1e9), "tau", anti)
    expected = by_quadrature(
        lambda E: 1.0, (E,), (T_lo, 1e9), [(1.0, -0.26143, g)], (g, -g), m_X, anti=anti
    )
    np.testing.assert_allclose(rate_ratio(row, m_X, g, -g, g), expected, rtol=1e-9)


def test_a_spectrum_that_starts_inside_the_window_has_a_kink():
    flux = lambda E: np.exp(-E / 2e-3)  # noqa: E731
    row = channel(Spectrum(flux, 2e-3, 9e-3), (0.5e-3, 8e-3), "e", True)
    g = 3e-5
    expected = by_quadrature(
        flux, (2e-3, 9e-3), (0.5e-3, 8e-3), [(1.0, 0.73857, g)], (g, g), 0.01, anti=True
    )
    np.testing.assert_allclose(rate_ratio(row, 0.01, g, g, g), expected, rtol=1e-8)


def test_borexino_is_one_row():
    g = (1.3e-5, -0.7e-5, 1e-5, 2e-5, -3e-5)
    for m_X in (0.0, 1e-3, 0.02, 5.0):
        one = rate_ratio("borexino_be7", m_X, *g[:2], g[2:])
        assert one == borexino.rate_ratio(m_X, *g)
    # 16-node rule of the first implementation, the same formula: 1e-14
    np.testing.assert_allclose(
        borexino.rate_ratio(0.01, *[-1.2e-5] * 5), 1.0763869789718916, rtol=1e-14
    )


def test_limits_and_signs():
    for name in CHANNELS:
        flavours = len(CHANNELS[name].flavours)
        g = 1.0 if flavours == 1 else (1.0, 1.0, 1.0)
        zero = 0.0 if flavours == 1 else (0.0, 0.0, 0.0)
        assert rate_ratio(name, 0.1, 0.0, 0.0, g) == 1.0
        assert rate_ratio(name, 0.1, 1.0, 1.0, zero) == 1.0
        assert np.isfinite(rate_ratio(name, 0.0, 1e-6, 1e-6, g))
        assert abs(rate_ratio(name, 1e8, 1.0, 1.0, g) - 1) < 1e-9
        assert np.isnan(rate_ratio(name, -0.1, 0.0, 0.0, zero))
    assert np.isnan(charm2_chi2(-0.1, 0.0, 0.0, 0.0))
    # a repulsive vector force lowers nu_mu e and raises antinu_mu e (interference with -1/2 + s2)
    assert rate_ratio("charm2_nu", 0.1, 5e-5, 5e-5, 5e-5) < 1
    assert rate_ratio("charm2_anti", 0.1, 5e-5, 5e-5, 5e-5) > 1
    # heavy X: d = g g/(2 sqrt2 G_F m_X^2) added to L and R, cross section in closed form
    m_X, g, E = 1e3, 0.05, 0.01
    row = channel(E, (1e-9, 1.0), "mu")
    d = g**2 / (2 * np.sqrt(2) * G_F.value * m_X**2)
    T = largest_recoil(E)
    weights = T, E / 3 * (1 - (1 - T / E) ** 3), -M_E.value * T**2 / (2 * E**2)
    sigma = lambda L, R: L**2 * weights[0] + R**2 * weights[1] + L * R * weights[2]  # noqa: E731
    expected = sigma(-0.26143 + d, 0.23857 - d) / sigma(-0.26143, 0.23857)
    np.testing.assert_allclose(rate_ratio(row, m_X, g, -g, g), expected, rtol=1e-8)


@pytest.mark.parametrize("name", ["charm2_nu", "charm2_anti"])
def test_other_signs_of_L_and_R_are_other_solutions(name):
    # heavy X, so that L -> -L, R -> -R exactly; m_e T/E^2 lifts the degeneracy at the level of 1e-5
    m_X, s2 = 1e3, 0.2324
    scale = 2 * np.sqrt(2) * G_F.value * m_X**2
    for d_L, d_R in ((1 - 2 * s2, 0.0), (0.0, -2 * s2), (1 - 2 * s2, -2 * s2)):
        ratio = rate_ratio(name, m_X, d_L * scale, d_R * scale, 1.0)
        assert ratio == pytest.approx(1, abs=1e-4)
        assert charm2_chi2(m_X, d_L * scale, d_R * scale, 1.0) == pytest.approx(0.1214, abs=0.01)


# B - L bounds of CHARM-II [GeV, g], interpolated in the published curves of arXiv:1803.05466 and,
# last four, of the FORESEE collection (arXiv:2105.07077), with the two ratios there by independent
# code
CHARM2_CURVES = [
    (0.005, 6.3559e-5, 0.9543, 1.0586),
    (0.02, 6.4858e-5, 0.9541, 1.0582),
    (0.1, 9.1180e-5, 0.9503, 1.0578),
    (0.5, 3.2088e-4, 0.9445, 1.0591),
    (0.005, 6.3243e-5, 0.9547, 1.0579),
    (0.05, 7.2608e-5, 0.9519, 1.0591),
    (0.1, 9.3769e-5, 0.9475, 1.0613),
    (1.0, 6.2257e-4, 0.9454, 1.0576),
]


@pytest.mark.parametrize(("m_X", "g", "nu", "anti"), CHARM2_CURVES)
def test_published_bounds_of_charm2(m_X, g, nu, anti):
    assert rate_ratio("charm2_nu", m_X, -g, -g, -g) == pytest.approx(nu, abs=1e-4)
    assert rate_ratio("charm2_anti", m_X, -g, -g, -g) == pytest.approx(anti, abs=1e-4)

    def limit(errors, level):
        trial = np.geomspace(1e-7, 3 * g, 4000)
        chi2 = np.asarray(charm2_chi2(m_X, -trial, -trial, -trial, errors=errors))
        return trial[np.argmax(chi2 - chi2.min() > level)]

    # the published line is 90 % with statistical errors alone; all errors and 95 % are weaker by
    # design
    assert 0.97 < limit("statistical", 2.71) / g < 1.035
    assert 1.25 < limit("total", 3.84) / g < 1.315


# B - L bounds of two more experiments [GeV, g]: the published ones lie at one rate, whatever the
# mass (arXiv:1803.05466 first, then FORESEE, arXiv:2105.07077)
@pytest.mark.parametrize(
    ("name", "lowest", "highest", "curve"),
    [
        ("texono", 1.34, 1.38, [(0.003988, 5.6285e-6), (0.02602, 3.3153e-5), (0.17543, 2.2961e-4)]),
        ("texono", 1.37, 1.45, [(0.00606431, 8.85549e-6), (0.01532, 2.09314e-5)]),
        ("borexino_be7", 1.31, 1.36, [(0.0042586, 9.5842e-6), (0.17764, 4.1584e-4)]),
        ("borexino_be7", 1.36, 1.46, [(0.00591791, 1.44708e-5), (0.379696, 9.81566e-4)]),
    ],
)
def test_published_bounds_lie_at_one_rate(name, lowest, highest, curve):
    for m_X, g in curve:
        assert lowest < rate_ratio(name, m_X, -g, -g, (-g, -g, -g)) < highest


# 7Be branch of the L_mu - L_tau bound in arXiv:2307.03143 [GeV, g_X]
@pytest.mark.parametrize(
    ("m_X", "g_X"),
    [(0.00592929, 2.90735e-4), (0.00845981, 4.13332e-4), (0.0137409, 6.73787e-4)],
)
def test_lmu_ltau_bound_of_borexino_lies_at_1_113(m_X, g_X):
    x = load_model("Lmu-Ltau").couplings(m_X, g_X, q2=0.0)
    ratio = borexino.rate_ratio(m_X, x.e.V, x.e.V, x.nu_e, x.nu_mu, x.nu_tau)
    assert ratio == pytest.approx(1.113, abs=0.003)
    # pp is less sensitive: recoils are low there (0.036 against 0.113 for the same coupling)
    low = rate_ratio("borexino_pp", m_X, x.e.V, x.e.V, (x.nu_e, x.nu_mu, x.nu_tau))
    assert (low - 1) / (ratio - 1) == pytest.approx(0.036 / 0.113, rel=0.1)


def test_gradients():
    names = [*CHANNELS, None]

    def function(name):
        if name is None:
            return lambda m, L, R, g: charm2_chi2(m, L, R, g)
        if len(CHANNELS[name].flavours) == 1:
            return lambda m, L, R, g: rate_ratio(name, m, L, R, g)
        return lambda m, L, R, g: rate_ratio(name, m, L, R, (g, -g, 2 * g))

    for name in names:
        gradient = jax.jit(jax.grad(function(name), argnums=(0, 1, 2, 3)))
        place = (0.02, 3e-5, -2e-5, 4e-5)
        for index, value in enumerate(gradient(*place)):
            step = 1e-5 * abs(place[index])
            up, down = (
                function(name)(*(x + sign * step * (i == index) for i, x in enumerate(place)))
                for sign in (1, -1)
            )
            np.testing.assert_allclose(value, (up - down) / (2 * step), rtol=1e-5)
        for m_X in (0.0, 1e-9, 1e6, 1e12, -1.0):
            for g in (0.0, 1e-3):
                assert np.isfinite(gradient(m_X, g, 0.0, g)).all(), (name, m_X, g)


def test_broadcasts_and_works_once_per_mass():
    m_X, g = np.geomspace(1e-3, 1.0, 4)[:, None], np.geomspace(1e-6, 1e-3, 3)[None, :]
    assert rate_ratio("texono", m_X, g, g, 0.5 * g).shape == (4, 3)
    assert charm2_chi2(m_X, g, g, g).shape == (4, 3)
    assert rate_ratio("borexino_pp", m_X, g, g, [g, g, g]).shape == (4, 3)
    grid = jax.make_jaxpr(lambda m, g: rate_ratio("texono", m, g, g, g))(
        jnp.ones((70, 1)), jnp.ones((1, 90))
    )
    assert max(var.aval.size for eqn in grid.eqns for var in eqn.outvars) == 70 * 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, (0.1, 1.0), "e"), "spectrum: energies -1 to -1 GeV"),
        ((Spectrum(np.ones_like, 2.0, 1.0), (0.1, 1.0), "e"), "spectrum: energies 2 to 1 GeV"),
        ((Spectrum(lambda E: -E, 1.0, 2.0), (0.1, 1.0), "e"), "its flux is negative"),
        ((Spectrum(lambda E: 1.0, 1.0, 2.0), (0.1, 1.0), "e"), "not on the shape"),
        ((Spectrum(np.zeros_like, 1.0, 2.0), (0.1, 1.0), "e"), "zero everywhere"),
        ((1.0, (0.0, 1.0), "e"), "window: .0.0, 1.0. GeV is empty; allowed: 0 < lower"),
        ((1e-3, (1e-3, 2e-3), "e"), "below the largest recoil, 0.000796"),
        ((1.0, (0.1, 1.0), "nu_e"), "flavour 'nu_e' is not known; e, mu, tau"),
        ((1.0, (0.1, 1.0), (1.0, 2.0)), "three fractions"),
        ((1.0, (0.1, 1.0), (1.0, -2.0, 0.0)), "three fractions"),
        ((1.0, (0.1, 1.0), "e", False, 1.5), "s2: 1.5 is out of range"),
    ],
)
def test_bad_experiments_are_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        channel(*arguments)


def test_bad_calls_are_refused():
    with pytest.raises(ParameterError, match="did you mean 'texono'"):
        rate_ratio("texon", 0.1, 0.0, 0.0, 0.0)
    with pytest.raises(ParameterError, match="a tuple of three"):
        rate_ratio("borexino_be7", 0.1, 0.0, 0.0, 1e-5)
    with pytest.raises(ParameterError, match="2 couplings"):
        rate_ratio("texono", 0.1, 0.0, 0.0, (1e-5, 1e-5))
    with pytest.raises(ParameterError, match="errors = 'systematic'"):
        charm2_chi2(0.1, 0.0, 0.0, 0.0, errors="systematic")
