"""Mixing of D0, B_s and B_d: amplitudes written out, QCD running integrated, values of flavio."""

from __future__ import annotations

import mpmath as mp
import numpy as np
from figure import Panel, Series, Stated, load
from scipy.integrate import solve_ivp

from zscan.kernels import charm, meson_mixing

MASS = "$m_X$ [GeV]"
M_B, M_T, M_Z, ALPHA_S = 4.18, 162.5, 91.1876, 0.1179
HBAR = 6.582119569e-25
# mass, f, B_1, scale of B_1, B_2, m_Q, m_Q + m_q at the scale of B_2 [GeV]: docs/mixing.md
INPUTS = {
    "D0": (1.86484, 0.2120, 0.757, 3.0, 0.65, 1.27, 0.988),
    "B_s": (5.36688, 0.2303, 0.826, M_B, 0.824, 4.18, 4.26),
    "B_d": (5.27965, 0.1900, 0.837, M_B, 0.808, 4.18, 4.18),
}


def _light(name: str, m_X: float) -> float:
    """M12 of a light X for g = 1, from the two operators."""
    with mp.workdps(30):
        m, f, B_1, _, B_2, m_Q, m_sum = (mp.mpf(x) for x in INPUTS[name])
        bracket = 2 * B_1 / 3 - (m_Q / mp.mpf(m_X)) ** 2 * 5 * (m / m_sum) ** 2 * B_2 / 12
        return float(-m * f**2 / (4 * (m_Q**2 - mp.mpf(m_X) ** 2)) * bracket)


def _beta(_: float, alpha: np.ndarray, n_f: int) -> np.ndarray:
    """d alpha_s/d ln mu^2 at four loops in MSbar."""
    zeta = 1.2020569031595942
    a = alpha / (4 * np.pi)
    b = (
        11 - 2 * n_f / 3,
        102 - 38 * n_f / 3,
        2857 / 2 - 5033 * n_f / 18 + 325 * n_f**2 / 54,
        149753 / 6
        + 3564 * zeta
        - (1078361 / 162 + 6508 * zeta / 27) * n_f
        + (50065 / 162 + 6472 * zeta / 81) * n_f**2
        + 1093 * n_f**3 / 729,
    )
    return -4 * np.pi * a**2 * (b[0] + a * (b[1] + a * (b[2] + a * b[3])))


def _run(alpha: float, start: float, stop: float, n_f: int) -> float:
    ends = 2 * np.log([start, stop])
    return float(solve_ivp(_beta, ends, [alpha], args=(n_f,), rtol=1e-10, atol=1e-13).y[0, -1])


def _heavy(name: str, m_X: float) -> float:
    """M12 of a heavy X for g = 1: the local operator, from m_X to the scale of B_1."""
    m, f, B_1, scale = INPUTS[name][:4]
    known = {5: (ALPHA_S, M_Z)}
    known[4] = (_run(ALPHA_S, M_Z, M_B, 5), M_B)
    known[6] = (_run(ALPHA_S, M_Z, M_T, 5), M_T)
    factor = 1.0
    for n_f, low, high in ((4, 0.0, M_B), (5, M_B, M_T), (6, M_T, np.inf)):
        upper, lower = (min(max(mu, low), high) for mu in (m_X, scale))
        if upper != lower:
            alpha = [_run(known[n_f][0], known[n_f][1], mu, n_f) for mu in (upper, lower)]
            factor *= (alpha[0] / alpha[1]) ** (6 / (33 - 2 * n_f))
    return m * f**2 * B_1 / (6 * m_X**2) * factor


def d_mixing() -> list[Panel]:
    unit = 2 * 410.3e-15 / HBAR
    light, heavy = np.geomspace(1e-4, 0.846, 80), np.geomspace(2.0, 1e3, 25)
    found = np.asarray(charm.x12(light, 1e-6)) / 1e-12
    lower = Series(
        "light X, mpmath", light, found / (unit * np.array([_light("D0", m) for m in light])) - 1
    )
    found = np.asarray(charm.x12(heavy, 1e-6)) / 1e-12
    upper = Series(
        "heavy X, running at four loops",
        heavy,
        found / (unit * np.array([_heavy("D0", m) for m in heavy])) - 1,
    )
    stated = [
        Stated("test, light: 1e-12", 1e-12, (1e-4, 0.847)),
        Stated("stated, QCD of a heavy X: 5 %", 0.05, (2.0, 1e3)),
    ]
    return [Panel(MASS, "relative deviation of x12", [lower, upper], stated)]


def b_mixing() -> list[Panel]:
    light, heavy = np.geomspace(1e-4, 2.78, 60), np.geomspace(6.28, 1e3, 25)
    series = []
    for name in ("B_s", "B_d"):
        found = np.asarray(meson_mixing.abs_m12(name, light, 1.0))
        expected = np.array([_light(name, m) for m in light])
        series.append(Series(f"{name}, light X, mpmath", light, found / expected - 1))
        found = np.asarray(meson_mixing.abs_m12(name, heavy, 1.0))
        expected = np.array([_heavy(name, m) for m in heavy])
        series.append(Series(f"{name}, heavy X, four loops", heavy, found / expected - 1))
    # flavio 2.7.1: m_X, g_sb, Delta M_s over its value in the Standard Model
    test = load("tests/kernels/test_meson_mixing.py")
    marks = [m for m in test.test_heavy_against_flavio.pytestmark if m.name == "parametrize"]
    rows = [
        (m, float(meson_mixing.mass_difference_ratio("B_s", m, g)) / value - 1)
        for m, g, value in marks[0].args[1]
    ]
    series.append(Series("Delta M_s, flavio 2.7.1", *np.array(rows).T))
    stated = [
        Stated("light: rounding, 1e-12", 1e-12, (1e-4, 2.79)),
        Stated("flavio, test: 1 %", 0.01, (6.27, 1e3)),
        Stated("stated, QCD of a heavy X: 5 %", 0.05, (6.27, 1e3)),
    ]
    return [Panel(MASS, "relative deviation of M12", series, stated)]
