"""Trident production, scattering on electrons and on nuclei, against integrations of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from figure import Panel, Series, Stated, load
from scipy.integrate import quad

from zscan.constants import G_F, M_E, M_MU
from zscan.kernels import borexino as borexino_kernel
from zscan.kernels import coherent as coherent_kernel
from zscan.kernels import scattering
from zscan.kernels import trident as trident_kernel

MASS = "$m_X$ [GeV]"
# Of g_eL, g_eR: vector, axial, left-handed
CHIRALITIES = {"vector": (1.0, 1.0), "axial": (-1.0, 1.0), "left": (1.0, 0.0)}


def trident() -> list[Panel]:
    """New random points of the recipe, and what a generator with another amplitude gives."""
    test = load("tests/kernels/test_trident.py")
    recipe, selection, replicas, log2_points = test.recipe, "E_mu>9GeV", 40, 19
    grid = recipe.train(selection)
    masses = np.geomspace(1e-3, 1e3, 25)
    found = np.zeros((replicas, 4, masses.size))
    for replica in range(replicas):
        # the table rests on replicas 0 to 63
        K2, vector, axial, _ = recipe.sample(selection, grid, log2_points, 1000 + replica)
        sigma = np.sum(trident_kernel.G_V_SM**2 * vector + trident_kernel.G_A_SM**2 * axial)
        share = masses[:, None] ** 2 / (K2 + masses[:, None] ** 2)
        found[replica] = np.stack(
            [share**n @ density / sigma for n in (1, 2) for density in (vector, axial)]
        )
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / replicas**0.5
    kernel = trident_kernel.coefficients(masses, selection=selection)
    series = [
        Series(f"{name}, new points", masses, np.asarray(row) / m - 1, e / m)
        for name, row, m, e in zip(("v1", "a1", "v2", "a2"), kernel, mean, error, strict=True)
    ]
    x, off = [], []
    for name, m_X, *expected in test.COEFFICIENTS:
        values = np.array(trident_kernel.coefficients(m_X, selection=name), dtype=float)
        x, off = [*x, *[m_X] * 4], [*off, *(values / np.array(expected) - 1)]
    series.append(Series("v, a of the generator", x, off, 1.5e-3))
    stated = [
        Stated("stated, one sigma of the table: 0.06 %", 6e-4),
        Stated("generator, test: 0.6 %", 6e-3),
    ]
    coefficients = Panel(MASS, "deviation of the coefficients", series, stated, floor=1e-6)
    rows = [(m, test._bound(R, m, "inclusive") / g - 1) for R, m, g, _ in test.BOUNDS]
    cut = [(m, test._bound(R, m, selection) / g - 1) for R, m, _, g in test.BOUNDS if g]
    bounds = [
        Series("bound on g, no cut", *np.array(rows).T),
        Series(f"bound on g, {selection}", *np.array(cut).T),
    ]
    stated = [Stated("generator, test: 0.6 %", 6e-3)]
    return [coefficients, Panel(MASS, "deviation of bounds", bounds, stated, floor=1e-6)]


def borexino() -> list[Panel]:
    test = load("tests/kernels/test_borexino.py")
    masses = np.geomspace(1e-6, 1e3, 55)
    series = []
    for label, signs in CHIRALITIES.items():
        off = []
        for m_X in masses:
            g = 1e-5 * max(m_X, 1e-3) / 1e-3
            electron, neutrinos = (g * signs[0], g * signs[1]), (g, -2 * g, 0.5 * g)
            expected = test.by_quadrature(m_X, *electron, neutrinos)
            off.append(float(borexino_kernel.rate_ratio(m_X, *electron, *neutrinos)) / expected - 1)
        series.append(Series(label, masses, off))
    stated = [Stated("stated, quadrature: 1e-12", 1e-12)]
    return [Panel(MASS, "relative deviation of R from quadrature", series, stated)]


def _line(name: str, m_X: float, electron: tuple[float, float], g: float) -> float:
    """R of one CHARM-II channel by adaptive quadrature."""
    test = load("tests/kernels/test_scattering.py")
    E, anti = {"charm2_nu": (23.7, False), "charm2_anti": (19.1, True)}[name]
    window, charges = (3.0, min(24.0, test.largest_recoil(E))), [(1.0, 0.2324 - 0.5, g)]
    flat = lambda E: 1.0  # noqa: E731
    return test.by_quadrature(flat, (E,), window, charges, electron, m_X, anti=anti, s2=0.2324)


def _charm2_data() -> tuple[np.ndarray, np.ndarray]:
    """The measured ratios and their covariance from g_V and g_A, by differences."""

    def ratios(g_V: float, g_A: float) -> np.ndarray:
        rates = []
        for E, anti in ((23.7, False), (19.1, True)):
            end = min(24.0, 2 * E**2 / (0.51099895e-3 + 2 * E))
            both = []
            for v, a in ((g_V, g_A), (-0.0398, -0.5064)):
                L, R = ((v + a) / 2, (v - a) / 2)[:: -1 if anti else 1]
                density = lambda T, L=L, R=R, E=E: (  # noqa: E731
                    L**2 + R**2 * (1 - T / E) ** 2 - L * R * 0.51099895e-3 * T / E**2
                )
                both.append(quad(density, 3.0, end, epsrel=1e-13)[0])
            rates.append(both[0] / both[1])
        return np.array(rates)

    g_V, g_A, step = -0.035, -0.503, 1e-4
    jacobian = np.column_stack(
        [
            (ratios(g_V + step, g_A) - ratios(g_V - step, g_A)) / (2 * step),
            (ratios(g_V, g_A + step) - ratios(g_V, g_A - step)) / (2 * step),
        ]
    )  # exact but for rounding: the ratios are of second degree
    errors = np.array([0.016971, 0.017088])  # statistical and systematic, to five digits
    return ratios(g_V, g_A), jacobian @ np.diag(errors**2) @ jacobian.T


def charm2() -> list[Panel]:
    test = load("tests/kernels/test_scattering.py")
    masses, data = np.geomspace(1e-6, 1e3, 37), _charm2_data()
    rates, chi2 = [], []
    for label, signs in CHIRALITIES.items():
        off, off_chi2 = {"charm2_nu": [], "charm2_anti": []}, []
        for m_X in masses:
            g = 2e-4 * max(m_X, 0.3) / 0.3
            electron, expected = (g * signs[0], g * signs[1]), []
            for name, found in off.items():
                expected.append(_line(name, m_X, electron, g))
                found.append(
                    float(scattering.rate_ratio(name, m_X, *electron, g)) / expected[-1] - 1
                )
            left = np.array(expected) - data[0]
            reference = left @ np.linalg.solve(data[1], left)
            off_chi2.append(float(scattering.charm2_chi2(m_X, *electron, g)) / reference - 1)
        worst = np.max(np.abs(list(off.values())), axis=0)
        rates.append(Series(f"{label}, both beams", masses, worst))
        chi2.append(Series(f"{label}, written out", masses, off_chi2))
    row = [(m, float(scattering.charm2_chi2(m, *g)) / value - 1) for m, *g, value in test.CHI2]
    chi2.append(Series("another program", *np.array(row).T))
    stated = [Stated("stated, quadrature: 1e-12", 1e-12)]
    return [
        Panel(MASS, "relative deviation of R from quadrature", rates, stated),
        Panel(MASS, "relative deviation of chi2", chi2, [Stated("test: 1e-8", 1e-8)], floor=1e-16),
    ]


def _muon_decay(E: float) -> float:
    """nu_e of mu+ at rest."""
    return E**2 * (1 - 2 * E / M_MU.value)


def _events(
    flux: Callable[[float], float],
    energies: tuple[float, float],
    window: tuple[float, float],
    anti: bool,
    m_X: float,
    electron: tuple[float, float],
    g_nu: float,
) -> float:
    """Rate of nu_e e in a window of recoils: over E for each T, so that the cut in T makes no kink
    in an integrand.
    """
    m_e, s2 = M_E.value, 0.23857

    def recoil(T: float) -> float:
        d = g_nu / (2 * np.sqrt(2) * G_F.value * (2 * m_e * T + m_X**2))
        L, R = s2 + 0.5 + d * electron[0], s2 + d * electron[1]
        if anti:
            L, R = R, L
        start = max((T + np.sqrt(T**2 + 2 * m_e * T)) / 2, energies[0])

        def density(E: float) -> float:
            return flux(E) * (L**2 + R**2 * (1 - T / E) ** 2 - L * R * m_e * T / E**2)

        return quad(density, start, energies[1], epsabs=0, epsrel=1e-13)[0]

    end = min(window[1], 2 * energies[1] ** 2 / (m_e + 2 * energies[1]))
    return quad(recoil, window[0], end, epsabs=0, epsrel=3e-13, limit=200)[0]


def texono_lsnd() -> list[Panel]:
    reactor = load("tests/kernels/test_scattering.py").reactor
    channels = {
        "texono": ((reactor, (2e-3, 8e-3), (3e-3, 8e-3), True), 1e-8),
        "lsnd": ((_muon_decay, (0.0, M_MU.value / 2), (18e-3, 52.2e-3), False), 1e-12),
    }
    panels, masses = [], np.geomspace(1e-5, 1e2, 15)
    for name, (experiment, error) in channels.items():
        series, standard_model = [], _events(*experiment, 1.0, (0.0, 0.0), 0.0)
        for label, signs in CHIRALITIES.items():
            off = []
            for m_X in masses:
                g = 1e-5 * max(m_X, 5e-3) / 5e-3
                electron = (g * signs[0], g * signs[1])
                expected = _events(*experiment, m_X, electron, g) / standard_model
                off.append(float(scattering.rate_ratio(name, m_X, *electron, g)) / expected - 1)
            series.append(Series(label, masses, off))
        stated = [Stated(f"stated, quadrature: {error:.0e}".replace("e-0", "e-"), error)]
        panels.append(Panel(MASS, f"relative deviation of R, {name.upper()}", series, stated))
    return panels


def coherent() -> list[Panel]:
    """Signal by adaptive quadrature, pulls by BFGS; and a program of its own."""
    test = load("tests/kernels/test_coherent.py")
    data = test._coherent_csi.DATA
    masses = np.geomspace(1e-4, 10, 21)
    models = {
        "B - 3 L_mu": test.charges(1 / 3, 0, -3),
        "L_mu - L_e, mixed": test.charges(0, -1, 1, -0.1),
    }
    events, chi2 = [], []
    for label, x in models.items():
        off_events, off_chi2 = [], []
        for m_X in masses:
            # about the bound of B - 3 L_mu, twice that of the other model
            g = x * 6e-5 * np.hypot(1, m_X / 0.04)
            nu_e, anti_nu_mu, nu_mu = test.one_signal(m_X, *g)
            signal = np.outer(nu_e + anti_nu_mu, data.delayed_time)
            signal = signal + np.outer(nu_mu, data.prompt_time)
            found = np.asarray(coherent_kernel.expected_events(m_X, *g))
            off_events.append(np.max(np.abs(found / signal - 1)))
            off_chi2.append(float(coherent_kernel.chi2(m_X, *g)) - test.scipy_profile(signal))
        events.append(Series(f"{label}, worst bin", masses, off_events))
        chi2.append(Series(label, masses, off_chi2))
    known = [(1.0, (0.0,) * 4, 148.24144401907793)]
    known.append((0.02, tuple(4e-5 * models["B - 3 L_mu"]), 153.27045218603362))
    row = [(m, float(coherent_kernel.chi2(m, *g)) - value) for m, g, value in known]
    chi2.append(Series("another program", *np.array(row).T))
    stated = [Stated("against the other program: 3e-4", 3e-4), Stated("minimum, test: 1e-8", 1e-8)]
    return [
        Panel(
            MASS,
            "relative deviation of events",
            events,
            [Stated("test: 1e-9", 1e-9)],
            floor=1e-16,
        ),
        Panel(MASS, "deviation of chi2", chi2, stated, floor=1e-14),
    ]
