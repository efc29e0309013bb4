"""Neutrinos in matter against the evolution of three flavours and another profile; NSI."""

from __future__ import annotations

import mpmath as mp
import numpy as np
from figure import Panel, Series, Stated, load

from zscan.constants import G_F
from zscan.kernels import matter as kernel
from zscan.kernels import nsi as nsi_kernel


def matter() -> list[Panel]:
    test = load("tests/kernels/test_matter.py")
    u, dm21, energies = 0.3946, 7.53e-5, np.linspace(1.0, 14.0, 14)
    cases = {  # d_e, d_t, c, n
        "no X": (0.0, 0.0, 1.0, 0.0),
        "d_e = 0.3, B - 3 L_e": (0.3, 0.0, -2.0, 1.0),
        "d_t = 0.4, electrons": (0.0, 0.4, 1.0, 0.0),
    }
    series = []
    for label, place in cases.items():
        off = []
        for E in energies:
            point = (float(E), "8B", u, dm21, *place)
            found = float(kernel.survival_probability(*point))
            off.append(found - test.by_evolution(*point, slabs=20000))
        series.append(Series(label, energies, off))
    rows = [
        (row[1], float(kernel.survival_probability(row[1], row[0], *row[2:8])) - row[8])
        for row in test.P_EE
    ]
    series.append(Series("all zones of the Sun", *np.array(rows).T))
    stated = [Stated("stated, three flavours: 1e-3", 1e-3), Stated("test, zones: 5e-5", 5e-5)]
    survival = Panel("E [MeV]", "deviation of $P_{ee}$", series, stated, floor=1e-8, log=False)
    sun, scales = [], []
    for charges, n, scale, expected, _ in test.CHI2:
        sun.append(float(test.chi2_of(charges, n, 1 / (test.FERMI * scale**2))[0]) - expected)
        scales.append(scale)
    edges, off = [], []
    trial = np.geomspace(1e5, 100, 60001)
    for charges, n, *bounds in test.BOUNDS:
        found = test.chi2_of(charges, n, 1 / (test.FERMI * trial**2))
        for chi2, expected in zip((*found, found[0] + found[1]), bounds, strict=True):
            excess = chi2 - chi2.min() - 3.84
            where = trial[1:][np.diff(np.sign(excess)) != 0]
            edges, off = [*edges, *expected], [*off, *(where / np.array(expected) - 1)]
    chi2 = Panel(
        "$m_X/g_X$ [GeV]",
        "deviation",
        [
            Series("solar chi2, absolute", scales, sun),
            Series("bound on $m_X/g_X$, relative", edges, off),
        ],
        [Stated("stated, chi2: 0.01", 0.01)],
        floor=1e-6,
    )
    return [survival, chi2]


def nsi() -> list[Panel]:
    """The sum over quarks of a proton and Y_n neutrons, with kinetic mixing in all of them."""
    random = np.random.default_rng(7)
    m_X = np.geomspace(1e-9, 1e3, 240)
    eps, series = 0.30282212 * 1e-5, []
    for label, mixing in (("without mixing", 0.0), ("with kinetic mixing", eps)):
        g_e, g_u, g_d, g_nu = 1e-5 * random.uniform(-1, 1, (4, m_X.size))
        electron, up, down = g_e - mixing, g_u + 2 * mixing / 3, g_d - mixing / 3
        found = np.asarray(nsi_kernel.epsilon(m_X, electron, up, down, g_nu))
        off = []
        for m, e, u, d, nu, value in zip(m_X, electron, up, down, g_nu, found, strict=True):
            with mp.workdps(40):
                e, u, d = (mp.mpf(float(x)) for x in (e, u, d))
                unit = mp.mpf(float(nu)) / (mp.sqrt(2) * mp.mpf(G_F.value) * mp.mpf(float(m)) ** 2)
                proton, neutron = u + u + d, u + d + d
                exact = unit * (e + proton + mp.mpf("1.051") * neutron)
                largest = abs(unit) * max(abs(e), abs(u), abs(d))
                off.append(float(abs(mp.mpf(float(value)) - exact) / largest))
        series.append(Series(label, m_X, off))
    stated = [Stated("test, rounding: 4.4e-15", 20 * np.finfo(float).eps)]
    label = "deviation of eps over its largest term"
    return [Panel("$m_X$ [GeV]", label, series, stated)]
