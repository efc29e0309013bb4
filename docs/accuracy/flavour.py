"""R_K, B -> K nu nu and two-body decays with X, against amplitudes written out."""

from __future__ import annotations

import math
from types import ModuleType

import mpmath as mp
import numpy as np
from figure import Panel, Series, Stated, load

from zscan.kernels import btokx, charm, fcnc, rk
from zscan.kernels.formfactors import b_to_kstar

MASS = "$m_X$ [GeV]"


def r_k() -> list[Panel]:
    test = load("tests/kernels/test_rk.py")
    panels = []
    for title, q2_bin in (("[1.1, 6]", test.PAPER), ("[0.1, 1.1]", test.LOW)):
        points = test._points(q2_bin, 600, seed=3)
        columns = [np.array(column) for column in zip(*points, strict=True)]
        series = []
        for phase in ("strong", "flavio"):
            found = np.asarray(rk.r_k(*columns, q2_bin=q2_bin, phase=phase))
            expected = [
                test.quadrature.numpy_r_k(*point, q2_bin=q2_bin, phase=phase) for point in points
            ]
            series.append(Series(f'"{phase}", quadrature', columns[0], found / expected - 1))
        known = []
        for bin_, m_X, ratio, *couplings, strong, flavio in test.LIGHT:
            for phase, value in (("strong", strong), ("flavio", flavio)):
                if bin_ == q2_bin:
                    args = (m_X, ratio * m_X, *couplings)
                    off = float(rk.r_k(*args, q2_bin=bin_, phase=phase)) / value - 1
                    known.append((m_X, off))
        series.append(Series("amplitudes of flavio 2.7.1", *np.array(known).T))
        label = f"relative deviation of R_K{title}"
        panels.append(Panel(MASS, label, series, [Stated("stated: 1e-6", 1e-6)], floor=1e-16))
    return panels


def _f_plus(p: dict[str, float], q2: np.ndarray) -> np.ndarray:
    """f_+ of B -> K, arXiv:1503.05534 Eq. (15), typed again."""
    t_plus, t_minus = (p["m_B0"] + p["m_K0"]) ** 2, (p["m_B0"] - p["m_K0"]) ** 2
    t_0 = t_plus * (1 - np.sqrt(1 - t_minus / t_plus))

    def z(s: np.ndarray | float) -> np.ndarray:
        a, b = np.sqrt(t_plus - s), np.sqrt(t_plus - t_0)
        return (a - b) / (a + b)

    dz = z(q2) - z(0.0)
    series = p["plus_0"] + p["plus_1"] * dz + p["plus_2"] * dz**2
    return series / (1 - q2 / p["pole_plus"] ** 2)


def _neutrinos(
    tools: ModuleType, m_X: float, width: float, g_sb: complex, g_nu: list[float]
) -> float:
    """BR(B+ -> K+ nu nubar), CP-averaged: |C_L + N g_sb g_nu P/2|^2 over q2 = m^2 + m width
    sinh(t).
    """
    p = tools.AMPLITUDES.p
    end = (p["m_B"] - p["m_K"]) ** 2
    breaks = end * (1 - 0.5 ** np.arange(1, 40))
    q2, weight, propagator = tools.sinh_nodes(m_X, width, (0.0, end), breaks, 0.25, 20)
    lam = (end - q2) * ((p["m_B"] + p["m_K"]) ** 2 - q2)
    rate = p["tau_B"] * (p["G_F"] * p["alpha_em"] * abs(tools.AMPLITUDES.lambda_t)) ** 2
    rate = rate / (768 * np.pi**5 * p["m_B"] ** 3) * lam**1.5 * _f_plus(p, q2) ** 2
    coupling = tools.AMPLITUDES.N * g_sb
    squares = [
        np.abs(p["C_L"] + c * g * propagator / 2) ** 2
        for c in (coupling, coupling.conjugate())
        for g in g_nu
    ]
    return float(weight @ (rate * sum(squares) / 2))


def b_to_k_nunu() -> list[Panel]:
    tools = load("benchmarks/rk.py")
    g_nu, masses = [0.03, -0.1, 0.06], np.concatenate([np.geomspace(0.01, 50, 61), [4.7, 4.786]])
    series = []
    for ratio in (1e-12, 1e-5, 0.1):
        found, expected = [], []
        for m_X in masses:
            g_sb = 1e-9 * (1 - 2j) * m_X
            found.append(float(btokx.branching_ratio_nunu(m_X, ratio * m_X, g_sb, *g_nu)))
            expected.append(_neutrinos(tools, m_X, ratio * m_X, g_sb, g_nu))
        series.append(
            Series(f"width/m_X = {ratio:g}", masses, np.array(found) / np.array(expected) - 1)
        )
    # flavio 2.7.1 with a constant C_L: (C, BR), tests/kernels/test_btokx.py
    heavy, known = 1e4, []
    for C, value in (
        (0.0, 4.7061217712112416e-06),
        (-3.0, 6.478894479701721e-06),
        (5 + 2j, 3.370651743967536e-06),
    ):
        g_sb = -2 * C * heavy**2 / tools.AMPLITUDES.N
        known.append(float(btokx.branching_ratio_nunu(heavy, 0.0, g_sb, g_numu=1.0)) / value - 1)
    series.append(Series("flavio 2.7.1, contact", [heavy] * 3, known))
    stated = [Stated("stated: 1e-6", 1e-6)]
    return [Panel(MASS, "relative deviation of BR(B -> K nu nu)", series, stated, floor=1e-16)]


def _two_body(
    parent: float, final: float, m_X: float, coupling: float, f_plus: float, lifetime: float
) -> float:
    """BR of P -> P' X from the squared amplitude, polarisations of X summed; lifetime in 1/GeV."""
    with mp.workdps(30):
        M, m_P, m = mp.mpf(parent), mp.mpf(final), mp.mpf(m_X)
        along, square = M**2 - m_P**2, 2 * M**2 + 2 * m_P**2 - m**2
        squared = (mp.mpf(coupling) / 2 * mp.mpf(f_plus)) ** 2 * (along**2 / m**2 - square)
        energy = (M**2 + m_P**2 - m**2) / (2 * M)
        width = mp.sqrt(energy**2 - m_P**2) / (8 * mp.pi * M**2) * squared
        return float(width * mp.mpf(lifetime))


def _kstar(p: dict[str, float], m_X: float, left: float, right: float) -> float:
    """BR(B0 -> K*0 X) with the hadronic tensor, contracted with the polarisations of both."""
    m_B, m_V = p["m_B0"], p["m_Kstar0"]
    A_1, A_12, V = (float(value) for value in b_to_kstar(m_X**2))
    lam = (m_B**2 - (m_V + m_X) ** 2) * (m_B**2 - (m_V - m_X) ** 2)
    A_2 = (m_B + m_V) ** 2 * (m_B**2 - m_V**2 - m_X**2) * A_1
    A_2 = (A_2 - 16 * m_B * m_V**2 * (m_B + m_V) * A_12) / lam
    k = math.sqrt(lam) / (2 * m_B)
    metric = np.diag([1.0, -1.0, -1.0, -1.0])
    B = np.array([m_B, 0, 0, 0])
    K = np.array([math.hypot(m_V, k), 0, 0, k])

    def polarisations(momentum: float, mass: float) -> list[np.ndarray]:
        energy = math.hypot(mass, momentum)
        rows = ([0, 1, 0, 0], [0, 0, 1, 0], [momentum / mass, 0, 0, energy / mass])
        return [np.array(row, dtype=float) for row in rows]

    levi_civita = np.zeros((4,) * 4)
    for order in np.ndindex(4, 4, 4, 4):
        if len(set(order)) == 4:
            levi_civita[order] = np.linalg.det(np.eye(4)[list(order)])
    lower_B, lower_K = metric @ B, metric @ K
    total = 0.0
    for eta in polarisations(k, m_V):
        low = metric @ eta
        vector = 2 * V / (m_B + m_V) * np.einsum("abcd,b,c,d", levi_civita, low, lower_B, lower_K)
        axial = (m_B + m_V) * A_1 * eta - A_2 / (m_B + m_V) * (low @ B) * (B + K)
        for e in polarisations(-k, m_X):
            # the vector current is real where the axial one is imaginary: they do not interfere
            total += (((right + left) / 2 * metric @ vector) @ e) ** 2
            total += (((right - left) / 2 * metric @ axial) @ e) ** 2
    return p["tau_B0"] * k / (8 * math.pi * m_B**2) * total


def b_to_k_x() -> list[Panel]:
    p, hbar = load("benchmarks/rk.py").AMPLITUDES.p, 6.582119569e-25
    test, more = load("tests/kernels/test_btokx.py"), load("tests/kernels/test_fcnc.py")
    series = []
    m_X = np.geomspace(1e-3, p["m_B"] - p["m_K"] - 1e-3, 80)
    f_plus = _f_plus(p, m_X**2)
    expected = [
        _two_body(p["m_B"], p["m_K"], m, 1e-9, f, p["tau_B"])
        for m, f in zip(m_X, f_plus, strict=True)
    ]
    found = np.asarray(btokx.branching_ratio(m_X, 1e-9))
    series.append(Series("B+ -> K+ X, amplitude", m_X, found / expected - 1))
    m_X = np.geomspace(1e-2, 4.38, 60)
    for left, right in ((1e-9, 0.0), (1e-9, 0.7e-9)):
        expected = [_kstar(p, float(m), left, right) for m in m_X]
        found = np.asarray(btokx.branching_ratio_kstar(m_X, left, right))
        label = "B0 -> K*0 X, " + ("left" if right == 0 else "left and right")
        series.append(Series(label, m_X, found / expected - 1))
    for label, kernel, parent, final, lifetime, coupling in (
        ("K+ -> pi+ X", fcnc.branching_ratio_k_pi, 0.493677, 0.13957039, 12.38e-9, 1e-13),
        ("K_L -> pi0 X", fcnc.branching_ratio_kl_pi0, 0.497611, 0.1349768, 51.16e-9, 1e-13j),
    ):
        m_X = np.geomspace(1e-3, parent - final - 1e-4, 60)
        f_plus = 0.9698 * (1 + 0.02969 * (m_X / 0.13957039) ** 2)
        expected = [
            _two_body(parent, final, m, 1e-13, f, lifetime / hbar)
            for m, f in zip(m_X, f_plus, strict=True)
        ]
        series.append(Series(label, m_X, np.asarray(kernel(m_X, coupling)) / expected - 1))
    rows = [(m, float(btokx.branching_ratio(m, g)) / value - 1) for m, g, value in test.TWO_BODY]
    rows += [
        (m, float(btokx.branching_ratio_kstar(m, *g)) / value - 1) for m, *g, value in test.KSTAR
    ]
    series.append(Series("flavio 2.7.1: K, K*", *np.array(rows).T))
    rows = [
        (m, float(fcnc.branching_ratio_z_gamma(m, *args)) / value - 1)
        for m, *args, value in more.Z_GAMMA
    ]
    series.append(Series("Z -> gamma X, another program", *np.array(rows).T))
    stated = [Stated("tests: 1e-9", 1e-9)]
    return [Panel(MASS, "relative deviation of the branching ratio", series, stated)]


def d_to_pi() -> list[Panel]:
    by_polarisation_sum = load("tests/kernels/test_charm.py").by_polarisation_sum
    m_X = np.concatenate([np.geomspace(1e-6, 0.3, 60), np.linspace(0.31, 1.73, 40)])
    expected = [by_polarisation_sum(m, 1e-9) for m in m_X]
    off = np.asarray(charm.branching_ratio_dpi(m_X, 1e-9)) / expected - 1
    inside = m_X <= 0.3
    series = [
        Series("where the constraint applies", m_X[inside], off[inside]),
        Series("formula beyond it", m_X[~inside], off[~inside]),
    ]
    stated = [Stated("test: 1e-9", 1e-9)]
    return [Panel(MASS, "relative deviation of BR(D+ -> pi+ X) from mpmath", series, stated)]
