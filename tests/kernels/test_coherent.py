"""COHERENT CsI: signal against adaptive quadrature, profile against scipy.optimize, bounds of an
independent fit.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq, minimize, minimize_scalar

from zscan.constants import G_F, M_MU
from zscan.kernels import _coherent_csi, _coherent_pulls, coherent
from zscan.kernels.coherent import chi2, expected_events

LOOP = 0.0043706  # eps e/g_X of the mu-tau loop at q2 = 0, UV value zero


def charges(X_q, X_e, X_mu, r=0.0):
    """Couplings (g_u, g_d, g_nue, g_numu) for g_X = 1; r = eps e/g_X."""
    return np.array([X_q + 2 * r / 3, X_q - r / 3, X_e, X_mu])


def one_signal(m_X, g_u, g_d, g_nue, g_numu):
    """Events before the time cut (flux, energy) from the formulas, with quad for both integrals.
    GeV.
    """
    hbar_c, m_mu, line = 1.97e-14, M_MU.value, 29.79e-3
    nu_e, anti_nu_mu = (
        (lambda x: 192 / m_mu * x**2 * (0.5 - x)),
        (lambda x: 64 / m_mu * x**2 * (0.75 - x)),
    )
    total = np.zeros((3, 12))
    for A, Z, binding in ((133, 55, 1.118532104), (127, 53, 1.072580322)):
        N, M = A - Z, Z * 0.93827208816 + (A - Z) * 0.93956542052 - binding
        protons, neutrons = 2 * g_u + g_d, g_u + 2 * g_d
        events = (
            14.6 * A / 260 / (M * 1.79e-27) * 0.08 * 1.76e23 / (4 * math.pi * 1930**2) * hbar_c**2
        )

        def density(T, flux, A=A, Z=Z, N=N, M=M, protons=protons, neutrons=neutrons):
            k = lambda E: 2 - 2 * T / E + (T / E) ** 2 - M * T / E**2  # noqa: E731
            if flux == 2:
                kinematics = max(0.0, k(line))
            else:
                zero = (T + math.sqrt(2 * M * T - T * T)) / 2
                spectrum = nu_e if flux == 0 else anti_nu_mu
                kinematics = quad(
                    lambda E: spectrum(E / m_mu) * k(E), zero, m_mu / 2, epsabs=0, epsrel=1e-12
                )[0]
            q, R, a = math.sqrt(2 * M * T), 1.2 * A ** (1 / 3) * 1e-13 / hbar_c, 0.7e-13 / hbar_c
            x = q * R
            F = 3 * (math.sin(x) / x**2 - math.cos(x) / x) / x / (1 + (a * q) ** 2)
            y = (
                (g_nue if flux == 0 else g_numu)
                * (Z * protons + N * neutrons)
                / (math.sqrt(2) * G_F.value)
            )
            weak = Z * 0.030482688836800 - N * 0.5120125 + y / (2 * M * T + m_X**2)
            return G_F.value**2 * M / (2 * math.pi) * F**2 * weak**2 * kinematics

        for n in range(4, 37):
            seen = np.arange(6, 30)
            log_poisson = (
                seen * np.log(n + 0.5) - n - 0.5 - np.array([math.lgamma(s + 1) for s in seen])
            )
            response = np.exp(log_poisson) * 0.6655 / (1 + np.exp(-0.4942 * (seen - 10.4512)))
            per_pe = 0.0878 * 13.348 * 1e6
            kink = 2 * line**2 / (M + 2 * line)
            for flux in range(3):
                points = [kink] if flux == 2 and n < kink * per_pe < n + 1 else None
                ends = n / per_pe, (n + 1) / per_pe
                recoils = quad(density, *ends, args=(flux,), epsabs=0, epsrel=1e-10, points=points)[
                    0
                ]
                total[flux] += events * recoils * response.reshape(12, 2).sum(axis=1)
    return total


@pytest.mark.parametrize(
    ("m_X", "g"), [(0.0, [2e-5, 1e-5, 1e-5, -3e-5]), (0.03, [1e-4, 0.0, -2e-4, 1e-4])]
)
def test_signal_against_adaptive_quadrature(m_X, g):
    nu_e, anti_nu_mu, nu_mu = one_signal(m_X, *g)
    expected = np.outer(nu_e + anti_nu_mu, _coherent_csi.DATA.delayed_time) + np.outer(
        nu_mu, _coherent_csi.DATA.prompt_time
    )
    np.testing.assert_allclose(expected_events(m_X, *g), expected, rtol=1e-9)


def test_reference_values():
    # Independent NumPy implementation (8 Gauss-Legendre nodes per photo-electron), compared bin by
    # bin to 3e-4 with a direct double integration; tolerances as stated there
    np.testing.assert_allclose(
        expected_events(1.0, 0, 0, 0, 0).sum(), 163.95397026280932, rtol=2e-3
    )
    np.testing.assert_allclose(chi2(1.0, 0.0, 0.0, 0.0, 0.0), 148.24144401907793, rtol=0, atol=0.02)
    g = 4e-5 * charges(1 / 3, 0, -3)
    np.testing.assert_allclose(expected_events(0.02, *g).sum(), 259.5865705479524, rtol=2e-3)
    np.testing.assert_allclose(chi2(0.02, *g), 153.27045218603362, rtol=0, atol=0.03)


def test_data_and_backgrounds():
    # published totals; chi2 without pulls from the implementation above
    data = _coherent_csi.DATA
    np.testing.assert_allclose(data.counts.sum(), 547)
    np.testing.assert_allclose(
        [data.neutrons.sum(), data.steady.sum()], [5.459, 411.234], atol=5e-4
    )
    np.testing.assert_allclose(
        [data.delayed_time.sum(), data.prompt_time.sum()], [0.91479, 1.0], atol=5e-6
    )
    zero_pulls = poisson_chi2((1.0, 1.0, 1.0), np.asarray(expected_events(1.0, 0.0, 0.0, 0.0, 0.0)))
    np.testing.assert_allclose(zero_pulls, 150.295, atol=1e-2)


def allowed_pieces(m_X, x, delta):
    """Intervals of g_X with chi2 less than `delta` above the minimum over g_X >= 0 at m_X [GeV]."""
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 0.1, 1500)])
    values = np.asarray(chi2(m_X, *(grid * charge for charge in x)))
    i = int(np.argmin(values))
    f = lambda g: float(chi2(m_X, *(g * x)))  # noqa: E731
    lowest = minimize_scalar(
        f, bounds=(grid[max(i - 1, 0)], grid[i + 1]), method="bounded", options={"xatol": 1e-12}
    )
    level = min(lowest.fun, values[i]) + delta
    below = values < level
    edges = [
        brentq(lambda g: f(g) - level, grid[k], grid[k + 1], rtol=1e-10)
        for k in np.flatnonzero(np.diff(below))
    ]
    edges = [0.0, *edges] if below[0] else edges
    return list(zip(edges[::2], edges[1::2], strict=True))


# Independent implementation as above; three digits are given. delta chi2 = 3.84 (one parameter, 95
# %) or 5.99.
BOUNDS = [
    (charges(1 / 3, 0, -3), 3.84, {1: 3.21e-5, 20: 3.65e-5, 100: 9.02e-5, 1000: 8.35e-4}),
    (charges(1 / 3, 0, -3), 5.99, {1: 3.73e-5, 1000: 9.70e-4}),
    (charges(1 / 3, 0, -3, 0.1), 3.84, {3: 3.15e-5, 50: 5.24e-5, 500: 4.10e-4}),
    (charges(1 / 3, 0, -3, -0.1), 3.84, {3: 3.29e-5, 50: 5.46e-5, 500: 4.28e-4}),
    (charges(0, -1, 1, -1), 3.84, {1: 9.16e-5, 100: 2.58e-4, 1000: 2.40e-3}),
    (charges(0, -1, 1, -1), 5.99, {1: 1.04e-4, 1000: 2.74e-3}),
    (charges(0, -1, 1, 0.1), 3.84, {10: 2.81e-4, 200: 1.29e-3}),
    (charges(0, -1, 1, -0.1), 3.84, {10: 3.00e-4, 200: 1.55e-3}),
    (charges(0, -1, 1, -0.0024), 3.84, {1: 1.87e-3, 500: 2.46e-2}),
    (charges(0, 0, 1, LOOP), 3.84, {1: 1.47e-3, 50: 2.24e-3, 100: 3.62e-3, 500: 1.63e-2}),
    (charges(1 / 3, -1, -1), 3.84, {1: 4.84e-5, 50: 8.01e-5, 1000: 1.23e-3}),
]


@pytest.mark.parametrize(("x", "delta", "bounds"), BOUNDS)
def test_bounds(x, delta, bounds):
    found = [allowed_pieces(m_X * 1e-3, x, delta)[0][1] for m_X in bounds]
    np.testing.assert_allclose(found, list(bounds.values()), rtol=5e-3)


def test_bound_to_all_digits():
    # as above, delta chi2 = 3.841; relative tolerance 0.005 as stated there
    ((_, bound),) = allowed_pieces(0.010, charges(1 / 3, 0, -3), 3.841)
    np.testing.assert_allclose(bound, 3.3269159531991095e-05, rtol=5e-3)


@pytest.mark.parametrize(("m_X", "island"), [(0.1, (7.29e-3, 8.38e-3)), (0.2, (1.33e-2, 1.62e-2))])
def test_second_allowed_region(m_X, island):
    # L_mu - L_tau: the weak charge has changed its sign; same independent implementation
    (low, _), second = allowed_pieces(m_X, charges(0, 0, 1, LOOP), 3.84)
    assert low == 0.0
    np.testing.assert_allclose(second, island, rtol=5e-3)


def poisson_chi2(scales, signal):
    """chi2 at 1 + pulls = `scales`, written out."""
    data = _coherent_csi.DATA
    expected = scales[0] * signal + scales[1] * data.neutrons + scales[2] * data.steady
    ratio = np.where(data.counts > 0, data.counts, 1) / expected
    total = 2 * np.sum(expected - data.counts + data.counts * np.log(ratio))
    return total + sum(
        2 * (x - 1 - np.log(x)) / s**2 for x, s in zip(scales, (0.28, 0.25, 0.171), strict=True)
    )


def scipy_profile(signal):
    """Minimum over the pulls by BFGS in the logarithms of the scales."""
    data = _coherent_csi.DATA

    def gradient(logs):
        scales = np.exp(logs)
        expected = scales[0] * signal + scales[1] * data.neutrons + scales[2] * data.steady
        parts = (signal, data.neutrons, data.steady)
        likelihood = [2 * np.sum(part * (1 - data.counts / expected)) for part in parts]
        return scales * likelihood + 2 * (scales - 1) / np.array([0.28, 0.25, 0.171]) ** 2

    start = [np.log(min(1, 120 / signal.sum())), 0.0, 0.0]
    f = lambda logs: poisson_chi2(np.exp(logs), signal)  # noqa: E731
    return minimize(f, start, jac=gradient, method="BFGS", options={"gtol": 1e-7}).fun


def random_points(number):
    """Masses of 1 keV to 1 TeV, couplings of both signs between 1e-7 and 1e3, one in five zero."""
    random = np.random.default_rng(20210715)
    sizes = 10 ** random.uniform(-7, 3, (4, number)) * random.choice([-1, 1], (4, number))
    return 10 ** random.uniform(-6, 3, number), *(sizes * (random.uniform(size=(4, number)) > 0.2))


def test_profile_against_scipy():
    points = random_points(50)
    signals = np.asarray(expected_events(*points))
    assert signals.sum(axis=(1, 2)).max() > 1e20  # extreme couplings are among them
    np.testing.assert_allclose(
        chi2(*points), [scipy_profile(signal) for signal in signals], rtol=0, atol=1e-8
    )


def test_profile_converges_everywhere():
    # NaN would mean that Newton's method did not converge
    m_X, *g = random_points(20_000)
    assert np.isfinite(chi2(m_X, *g)).all()
    # couplings that cancel the weak charge at some momentum transfer, up to an almost vanishing
    # signal
    tuned = np.sqrt(
        np.geomspace(0.1, 10, 200)[:, None]
        * 40
        * math.sqrt(2)
        * G_F.value
        * (0.05**2 + 0.1**2)
        / 190
    )
    values = chi2(0.1, tuned / 3, tuned / 3, tuned, tuned * np.linspace(-1.5, 1.5, 50))
    assert np.isfinite(values).all()
    assert np.min(expected_events(0.1, tuned / 3, tuned / 3, tuned, tuned).sum(axis=(2, 3))) < 20


def test_the_last_step_ends_at_the_minimum():
    # chi2 is at most about (squared decrement)^2/4 above its minimum: 1e-16 where the last step
    # starts, nothing but rounding after it
    delayed, prompt, _ = coherent._signal(*random_points(2000))
    total = _coherent_pulls._total(delayed, prompt)
    scales = _coherent_pulls._minimum(delayed, prompt)
    steady = _coherent_pulls._STEADY[:, None]
    _, decrement = _coherent_pulls._newton_step(
        scales, delayed / steady, prompt / steady, total, jnp.ones_like(total)
    )
    assert np.max(decrement) < 1e-15  # 1e-8 squared, times ten, is what one more step leaves
    jaxpr = str(jax.make_jaxpr(_coherent_pulls._minimum)(delayed, prompt))
    assert "while" not in jaxpr  # a fixed number of steps needs no test among devices


def test_limits():
    standard_model = chi2(1.0, 0.0, 0.0, 0.0, 0.0)
    assert chi2(0.0, 1e-3, 1e-3, 0.0, 0.0) == standard_model  # no coupling to neutrinos
    assert chi2(0.1, 0.0, 0.0, 1.0, 1.0) == standard_model  # no coupling to quarks
    np.testing.assert_allclose(chi2(1e9, 1.0, 1.0, 1.0, 1.0), standard_model, atol=1e-8)
    np.testing.assert_allclose(
        chi2(1e-9, 1e-5, 1e-5, 1e-5, 0.0), chi2(0.0, 1e-5, 1e-5, 1e-5, 0.0), rtol=1e-12
    )
    assert np.isnan(chi2(np.array([-0.1, -1e-300]), 0.0, 0.0, 0.0, 0.0)).all()
    assert np.isnan(expected_events(-0.1, 0.0, 0.0, 0.0, 0.0)).all()
    assert np.isfinite(chi2(0.01, 1e30, 1e30, 1e30, 1e30))
    # contact limit: only g_nu g_q/m_X^2 enters
    np.testing.assert_allclose(
        chi2(1e3, 0.1, 0.2, 0.3, 0.4), chi2(1e4, 1.0, 2.0, 3.0, 4.0), rtol=1e-7
    )


@given(
    st.floats(1e-3, 10), st.lists(st.floats(-1e-3, 1e-3), min_size=4, max_size=4), st.floats(-5, 5)
)
def test_only_products_of_quark_and_neutrino_couplings_enter(m_X, g, exponent):
    factor = 2.0**exponent
    scaled = chi2(m_X, g[0] * factor, g[1] * factor, g[2] / factor, g[3] / factor)
    np.testing.assert_allclose(scaled, chi2(m_X, *g), rtol=1e-9)


ARGUMENTS = (0.05, 2e-4, -3e-5, 1e-4, -2e-4)


gradient_of_chi2 = jax.jit(jax.grad(chi2, argnums=tuple(range(5))))


def test_gradients():
    index, first = tuple(range(5)), gradient_of_chi2
    gradient, hessian = first(*ARGUMENTS), jax.jit(jax.jacfwd(first, argnums=index))(*ARGUMENTS)
    for i in index:
        step = 1e-3 * abs(ARGUMENTS[i])

        def shifted(k, i=i, step=step):
            return tuple(a + k * step * (j == i) for j, a in enumerate(ARGUMENTS))

        def difference(f, step=step, shifted=shifted):
            return (8 * (f(shifted(1)) - f(shifted(-1))) - (f(shifted(2)) - f(shifted(-2)))) / (
                12 * step
            )

        np.testing.assert_allclose(gradient[i], difference(lambda a: float(chi2(*a))), rtol=1e-8)
        # the pulls respond: without them second derivatives would be wrong by tens of per cent
        rows = difference(lambda a: np.array(first(*a)))
        np.testing.assert_allclose(np.array(hessian[i]), rows, rtol=1e-6)


@pytest.mark.parametrize("m_X", [0.0, 1e-6, 0.1, 1e6])
@pytest.mark.parametrize("g", [0.0, 1e-5, 1e3])
def test_gradients_are_finite(m_X, g):
    gradient = gradient_of_chi2(m_X, g, -2 * g, g, g)
    assert np.isfinite(gradient).all()
    assert g or not np.any(gradient)


def test_broadcasts_and_transforms():
    m_X, g = np.geomspace(1e-3, 1.0, 4)[:, None], np.geomspace(1e-6, 1e-3, 3)
    grid = chi2(m_X, g, 0.0, 0.0, 1e-3)
    assert grid.shape == (4, 3)
    assert expected_events(m_X, g, g, 0.0, 1e-3).shape == (4, 3, 12, 12)
    single = [[chi2(float(m), float(x), 0.0, 0.0, 1e-3) for x in g] for m in m_X[:, 0]]
    np.testing.assert_allclose(grid, single, rtol=1e-12)
    mapped = jax.jit(jax.vmap(lambda m, x: chi2(m, x, 0.0, 0.0, 1e-3), (0, None)))
    np.testing.assert_allclose(mapped(m_X[:, 0], g), single, rtol=1e-12)
    assert chi2(jnp.float32(0.1), 1e-3, 0, 0, 1e-3).dtype == jnp.float64
