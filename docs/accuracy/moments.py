"""Magnetic moments of muon and electron, and N_eff, against mpmath."""

from __future__ import annotations

import jax
import mpmath as mp
import numpy as np
from figure import Panel, Series, Stated, load

from zscan.constants import M_E, M_MU
from zscan.kernels import cosmology, g2

DIGITS = 250


def delta_a_mu() -> list[Panel]:
    return [_loop_functions(M_MU.value, 1e-4, 1e5, r"$m_X/m_\mu$")]


def electron_g2() -> list[Panel]:
    # m_X [GeV], eps of the published limit on a dark photon, tests/kernels/test_g2.py
    published = [(0.001, 1.1297e-4), (0.016298, 1.3562e-3), (1.0723, 8.8588e-2), (17.475, 1.4438)]
    m_X, eps = np.array(published).T
    coupling = eps * 0.30282212
    moment = np.asarray(g2.delta_a(m_X, coupling, 0.0, M_E.value))
    curve = Panel(
        "$m_X$ [GeV]",
        r"deviation of $\Delta a_e$",
        [Series("published limit = 1.38e-12", m_X, moment / 1.38e-12 - 1)],
        [Stated("3e-4, digits of the curve", 3e-4)],
        floor=1e-6,
    )
    return [_loop_functions(M_E.value, 1e-4, 1e8, "$m_X/m_e$"), curve]


def _loop_functions(m_lepton: float, low: float, high: float, x_label: str) -> Panel:
    closed_form = load("tests/kernels/test_g2.py").closed_form
    m_X = np.geomspace(low, high, 241) * m_lepton
    ratios = [mp.mpf(m) / mp.mpf(m_lepton) for m in m_X]
    exact = [closed_form(x, DIGITS) for x in ratios]
    slopes = [_slopes(closed_form, x, m_lepton) for x in ratios]
    series = []
    for index, name in enumerate("VA"):
        values = np.asarray(g2.loop_functions(m_X, m_lepton)[index])
        gradient = jax.vmap(jax.grad(lambda m, i=index: g2.loop_functions(m, m_lepton)[i]))(m_X)
        for label, found, expected in (
            (f"$I_{name}$", values, exact),
            (f"$dI_{name}/dm_X$", np.asarray(gradient), slopes),
        ):
            pairs = zip(found, expected, strict=True)
            series.append(Series(label, m_X / m_lepton, [_off(f, e[index]) for f, e in pairs]))
    few = slice(0, None, 12)
    integrals = [_integrals(x) for x in ratios[few]]
    values = np.asarray(g2.loop_functions(m_X[few], m_lepton)).T
    worst = [
        max(_off(f, e) for f, e in zip(*row, strict=True))
        for row in zip(values, integrals, strict=True)
    ]
    series.append(Series("both, definition integrated", m_X[few] / m_lepton, worst))
    stated = [Stated("stated, values: 1e-11", 1e-11), Stated("stated, gradients: 1e-10", 1e-10)]
    return Panel(x_label, "relative deviation from mpmath", series, stated)


def _off(found: float, expected: mp.mpf) -> float:
    return abs(float(mp.mpf(float(found)) / expected - 1))


def _slopes(closed_form, x: mp.mpf, m_lepton: float) -> list[mp.mpf]:
    with mp.workdps(DIGITS):
        step = x * mp.mpf(10) ** -20
        up, down = (closed_form(x + sign * step, DIGITS) for sign in (1, -1))
        return [(a - b) / (2 * step * mp.mpf(m_lepton)) for a, b in zip(up, down, strict=True)]


def _integrals(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """I_V and I_A as integrals over z, in pieces where the denominator turns."""
    with mp.workdps(25):
        s = x**2
        inner = {min(mp.mpf(1) / 2, x * 10**k) for k in (-2, -1, 0, 1)}
        outer = {max(mp.mpf(1) / 2, 1 - mp.mpf(10) ** k / s) for k in range(-1, 16)}
        pieces = sorted({mp.mpf(0), *inner, *outer, mp.mpf(1)})
        D = lambda z: z**2 + s * (1 - z)  # noqa: E731
        vector = mp.quad(lambda z: z**2 * (1 - z) / D(z), pieces)
        axial = mp.quad(lambda z: (z * (1 - z) * (4 - z) + 2 * z**3 / s) / D(z), pieces)
        return vector, axial


def n_eff() -> list[Panel]:
    m_X = np.concatenate([[1e-9, 1e-7], np.geomspace(1e-6, 0.06, 90)])
    entropy = [_entropy(mp.mpf(m) / mp.mpf(cosmology.T_DEC)) for m in m_X]
    series = []
    for flavours in (3, 2):
        share = mp.mpf(flavours) / 3
        found = np.asarray(cosmology.n_eff(m_X, flavours=flavours))
        expected = [
            mp.mpf(cosmology.N_EFF_SM)
            * (1 - share + share * (1 + mp.mpf(3) / 2 * F / flavours) ** (mp.mpf(4) / 3))
            for F in entropy
        ]
        off = [_off(f, e) for f, e in zip(found, expected, strict=True)]
        series.append(Series(f"{flavours} flavours", m_X, off))
    stated = [Stated("stated, quadrature: 1e-13", 1e-13)]
    return [Panel("$m_X$ [GeV]", "relative deviation of $N_{eff}$ from mpmath", series, stated)]


def _entropy(x: mp.mpf) -> mp.mpf:
    """Entropy of a massive vector over that of one neutrino species: momentum as the variable."""
    with mp.workdps(25):

        def density(p: mp.mpf) -> mp.mpf:
            y = mp.sqrt(p**2 + x**2)
            return p**2 * (4 * p**2 + 3 * x**2) / y / mp.expm1(y)

        edges = sorted({mp.mpf(0), x / 3, x, 3 * x, 1 + x, 4 + x, 10 + x, 25 + x, 90 + x})
        return 30 / (7 * mp.pi**4) * mp.quad(density, edges)
