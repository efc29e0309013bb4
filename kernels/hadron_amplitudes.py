"""Amplitudes of the hadronic channels of a vector X that have a model, for `kernels/hadrons.py`.

A vector X with couplings u, d, s to the light quarks is a sum of an isovector current with strength
r = u - d, an isoscalar one with o = 3 (u + d) and a strange one with p = -3 s; a photon has r = o =
p = 1. Every channel has an amplitude r A_r + o A_o + p A_p, and a cross section in units of the
point cross section of mu+ mu-, without vacuum polarisation (X does not see that of the photon):
`quadratic` makes its six columns from the three amplitudes.

Arrays of amplitudes have shape (3, n), r, o, p along the first axis, n masses. Energies in GeV."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from zscan.constants import ALPHA_EM, E_CHARGE, M_E, M_MU, M_TAU

COMPONENTS = ("rr", "oo", "pp", "ro", "rp", "op")
ALPHA = ALPHA_EM.value
# PDG 2022, PTEP 2022 083C01
PION, PION0, ETA, KAON, KAON0 = 0.13957039, 0.1349768, 0.547862, 0.493677, 0.497611
F_PI = 0.0922


class Meson(NamedTuple):
    """Mass, width, partial width to e+ e- [GeV] and branching ratios."""

    mass: float
    width: float
    ee: float
    branching: dict[str, float]


# PDG 2022; the rho as in e+ e-
RHO = Meson(0.77526, 0.1474, 7.04e-6, {"pi0gamma": 4.7e-4, "etagamma": 3.00e-4})
OMEGA = Meson(
    0.78266,
    0.00868,
    7.39e-5 * 0.00868,
    {"pi0gamma": 0.0835, "etagamma": 4.5e-4, "3pi": 0.892, "pipi": 0.0153},
)
PHI = Meson(
    1.019461,
    0.004249,
    2.979e-4 * 0.004249,
    {"pi0gamma": 1.32e-3, "etagamma": 1.303e-2, "3pi": 0.154, "K+K-": 0.491, "K0K0": 0.339},
)

# Amplitude of pi0 gamma at s = 0 for the photon, 1/GeV: the axial anomaly. It is proportional to
# tr(tau_3 Q Q_X): half of it isovector, half isoscalar, nothing from s
ANOMALY_PI0 = E_CHARGE.value / (4 * math.pi**2 * F_PI)
ANOMALY_ETA = E_CHARGE.value * 0.2736  # from Gamma(eta -> gamma gamma) = 0.515 keV, PDG 2022

# omega' and omega'' of three pions: mass, width, B_ee B_3pi, phase in degrees; their widths run as
# (W(s)/W(m^2))^0.3, at most 1. Fitted to the cross sections of BaBar (2110.00520, 0.62-2 GeV) and
# SND (hep-ex/0305049) with 3 % added in quadrature, without 0.773-0.793 and 1.008-1.055 GeV, where
# the poles of PDG 2022 decide: chi2/n = 0.73. Effective numbers, no resonance parameters.
OMEGA_PRIMES = ((1.286, 0.319, 7.70e-7, 140.0), (1.618, 0.200, 1.438e-6, -36.5))
WIDTH_POWER = 0.3
PHI_PHASE = 163.0  # degrees, BaBar hep-ex/0408078
RHO_3PI = (0.516e-4, -113.0)  # B(rho -> 3 pi) and phase in degrees, of the same fit

# Kaon form factors: towers of resonances in the form of 1002.0279 with the numbers that 2201.01788
# quotes. Couplings of the lowest states; masses and widths of those that have their own; width over
# mass of the others
TOWERS = (
    (
        (1.11489, -0.0503748, -0.0149089, -0.0390248, -0.0383415),
        (0.77549, 1.5207, 1.74092, 1.99228),
        (0.1494, 0.213417, 0.0841222, 0.289973),
        0.1494 / 0.77549,
    ),
    (
        (1.36532, -0.0277516, -0.324972, 1.39932),
        (0.78265, 1.41443, 1.65538),
        (0.00849, 0.0854414, 0.160318),
        0.5,
    ),
    (
        (0.965842, -0.00237977, -0.195621, 0.165278),
        (PHI.mass, 1.59476, 2.15697),
        (PHI.width, 0.0287418, 0.673756),
        0.2,
    ),
)
TOWER_STATES = 200


def alpha_at(s: np.ndarray) -> np.ndarray:
    """alpha with the vacuum polarisation of leptons in one loop (real part), at time-like s."""
    shift = np.zeros_like(s)
    for mass in (M_E.value, M_MU.value, M_TAU.value):
        x = 4 * mass**2 / s
        root = np.sqrt(np.abs(1 - x))
        with np.errstate(divide="ignore"):
            loop = np.where(x < 1, np.log(np.abs(1 + root) / np.abs(1 - root)), 0.0)
            loop = np.where(x > 1, 2 * np.arctan(1 / root), loop)
        shift -= ALPHA / (3 * math.pi) * (5 / 3 + x - (1 + x / 2) * root * loop)
    return ALPHA / (1 - shift)


def momentum(m: np.ndarray | float, a: float, b: np.ndarray | float) -> np.ndarray:
    """Momentum of the daughters a and b, 0 below the threshold."""
    m = np.asarray(m, dtype=float)
    square = (m**2 - (a + b) ** 2) * (m**2 - (a - b) ** 2)
    return np.where(m > a + b, np.sqrt(np.maximum(square, 0.0)), 0.0) / (2 * m)


def velocity_cubed(s: np.ndarray | float, mass: float) -> np.ndarray:
    """beta^3 of a pair, 0 below the threshold."""
    return np.maximum(1 - 4 * mass**2 / np.asarray(s, dtype=float), 0.0) ** 1.5


def pole(s: np.ndarray, mass: float, width: np.ndarray | float) -> np.ndarray:
    """m_V^2/(m_V^2 - s - i sqrt(s) Gamma(s)), 1 at s = 0."""
    return mass**2 / (mass**2 - s - 1j * np.sqrt(s) * width)


def gounaris_sakurai(s: np.ndarray, mass: float, width: float) -> np.ndarray:
    """Resonance in pi+ pi- with the dispersive real part of its width, 1 at s = 0; for s above the
    threshold.
    """
    k0 = math.sqrt(mass**2 / 4 - PION**2)
    log0 = math.log((mass + 2 * k0) / (2 * PION))
    h0 = 2 / math.pi * k0 / mass * log0
    slope = h0 * (1 / (8 * k0**2) - 1 / (2 * mass**2)) + 1 / (2 * math.pi * mass**2)
    at_zero = (
        3 / math.pi * (PION / k0) ** 2 * log0
        + mass / (2 * math.pi * k0)
        - PION**2 * mass / (math.pi * k0**3)
    )
    k = np.sqrt(np.maximum(s / 4 - PION**2, 0.0))
    m = np.sqrt(s)
    h = 2 / math.pi * k / m * np.log((m + 2 * k) / (2 * PION))
    real = width * mass**2 / k0**3 * (k**2 * (h - h0) + (mass**2 - s) * k0**2 * slope)
    running = width * (k / k0) ** 3 * mass / m
    return mass**2 * (1 + at_zero * width / mass) / (mass**2 - s + real - 1j * mass * running)


def rho_width(s: np.ndarray) -> np.ndarray:
    """Gamma_rho(s), p-wave."""
    ratio = velocity_cubed(s, PION) / velocity_cubed(RHO.mass**2, PION)
    return RHO.width * ratio * np.sqrt(s) / RHO.mass


# ---------------------------------------------------------------- three pions
def three_pion_integral(m: np.ndarray, nodes: int = 48) -> np.ndarray:
    """W(m^2) = m times the integral of |p+ x p-|^2 |sum of three rho poles|^2 over dE+ dE-.

    In terms of the squared mass s of the pair pi- pi0 and the angle of pi- in its rest frame, with
    Gauss-Legendre points in both: m dE+ dE- = ds dcos p+ q/(2 sqrt(s)), |p+ x p-| = p+ q sin."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    low, high = (PION + PION0) ** 2, (m[:, None] - PION) ** 2
    half = (high - low) / 2
    s = low + half * (1 + x)
    root = np.sqrt(s)
    p, q = momentum(m[:, None], PION, root), momentum(root, PION, PION0)
    # energies in the rest frame of the pair: of pi+, pi-, pi0
    plus = (m[:, None] ** 2 - s - PION**2) / (2 * root)
    minus, zero = ((s + sign * (PION**2 - PION0**2)) / (2 * root) for sign in (1, -1))
    mix = (m[:, None] * p / root * q)[..., None] * x
    invariants = (
        s[..., None],
        PION**2 + PION0**2 + 2 * ((plus * zero)[..., None] + mix),
        2 * PION**2 + 2 * ((plus * minus)[..., None] - mix),
    )
    poles = sum(pole(t, RHO.mass, rho_width(t)) for t in invariants)
    measure = half * weight * (p * q) ** 3 / (2 * root)
    return np.einsum("ij,ijk->i", measure, weight * (1 - x**2) * np.abs(poles) ** 2)


@functools.cache
def _three_pion_grid() -> tuple[np.ndarray, np.ndarray]:
    """Masses above the threshold, and the logarithm of W over the fourth power of that excess,
    which is smooth.
    """
    excess = np.linspace(1e-3, 1.9, 320)
    return excess, np.log(three_pion_integral(excess + 2 * PION + PION0) / excess**4)


def W(m: np.ndarray | float) -> np.ndarray:
    """W(m^2) of `three_pion_integral`, from a grid; 0 below the threshold."""
    excess = np.maximum(np.asarray(m, dtype=float) - 2 * PION - PION0, 0.0)
    grid, logarithm = _three_pion_grid()
    return excess**4 * np.exp(np.interp(excess, grid, logarithm))


def omega_width(s: np.ndarray) -> np.ndarray:
    """Gamma_omega(s): three pions, pi0 gamma, pi+ pi-."""
    m, share = np.sqrt(s), OMEGA.branching
    pions = velocity_cubed(s, PION) / velocity_cubed(OMEGA.mass**2, PION) * m / OMEGA.mass
    photon = (momentum(m, PION0, 0.0) / momentum(OMEGA.mass, PION0, 0.0)) ** 3
    three = W(np.minimum(m, 1.2)) / W(OMEGA.mass)
    rest = 1 - share["pipi"] - share["pi0gamma"]
    return OMEGA.width * (rest * three + share["pipi"] * pions + share["pi0gamma"] * photon)


def phi_width(s: np.ndarray) -> np.ndarray:
    """Gamma_phi(s): kaon pairs, and all else as three pions."""
    m, share = np.sqrt(s), PHI.branching
    total = (1 - share["K+K-"] - share["K0K0"]) * W(np.minimum(m, 1.4)) / W(PHI.mass)
    for channel, mass in (("K+K-", KAON), ("K0K0", KAON0)):
        ratio = velocity_cubed(s, mass) / velocity_cubed(PHI.mass**2, mass) * m / PHI.mass
        total = total + share[channel] * ratio
    return PHI.width * total


def ground_states(s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The poles of rho, omega and phi with their running widths."""
    return (
        pole(s, RHO.mass, rho_width(s)),
        pole(s, OMEGA.mass, omega_width(s)),
        pole(s, PHI.mass, phi_width(s)),
    )


def three_pions(m: np.ndarray) -> np.ndarray:
    """Amplitudes of pi+ pi- pi0: R = 9 W/(alpha^2 m) |amplitude|^2.

    The isoscalar one is omega, omega' and omega'', the strange one the phi; the rho enters by
    isospin breaking, a local effect of its mixing with the omega, and is switched off between 0.85
    and 1.05 GeV."""
    s = m**2

    def term(mass: float, width: float, product: float, running: np.ndarray, phase: float):
        strength = math.sqrt(product) * width * mass**1.5 / math.sqrt(float(W(mass)))
        return strength * np.exp(1j * math.radians(phase)) / (mass**2 - s - 1j * m * running)

    def of(meson: Meson, branching: float, running: np.ndarray, phase: float):
        return term(meson.mass, meson.width, meson.ee / meson.width * branching, running, phase)

    omega = of(OMEGA, OMEGA.branching["3pi"], omega_width(s), 0.0)
    for mass, width, product, phase in OMEGA_PRIMES:
        running = width * np.minimum((W(m) / W(mass)) ** WIDTH_POWER, 1.0)
        omega = omega + term(mass, width, product, running, phase)
    phi = of(PHI, PHI.branching["3pi"], phi_width(s), PHI_PHASE)
    rho = of(RHO, RHO_3PI[0], rho_width(s), RHO_3PI[1]) * (1 - smoothstep(m, 0.85, 1.05))
    return np.stack([rho, omega, phi]) * (ALPHA / alpha_at(s))


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, a cubic with flat ends between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t**2 * (3 - 2 * t)


# ---------------------------------------------------------------- two bodies
def pion_pair(m: np.ndarray) -> np.ndarray:
    """Form factor of the pion, R = beta^3/4 |F|^2; BaBar 1205.2228.

    The omega term belongs to the isoscalar current: it is the omega that X couples to, which decays
    through the rho."""
    s = m**2
    omega = 1.644e-3 * np.exp(-0.011j)
    excited = (
        (0.158 * np.exp(3.76j), 1.493, 0.427),
        (0.068 * np.exp(1.39j), 1.861, 0.316),
        (0.0051 * np.exp(0.70j), 2.254, 0.109),
    )
    norm = 1 + sum(strength for strength, _, _ in excited)
    ground = gounaris_sakurai(s, 0.77502, 0.14959) / (1 + omega)
    rho = ground + sum(c * gounaris_sakurai(s, mass, width) for c, mass, width in excited)
    mixed = ground * omega * pole(s, 0.78191, 0.00813)
    return np.stack([rho, mixed, 0 * rho]) / norm * (ALPHA / alpha_at(s))


def radiative(meson: Meson, channel: str, daughter: float) -> float:
    """Modulus of the amplitude V -> daughter gamma [1/GeV] from the partial widths at the pole."""
    at_pole = float(alpha_at(np.array(meson.mass**2)))
    p = float(momentum(meson.mass, daughter, 0.0))
    square = 9 * meson.ee * meson.branching[channel] * meson.width
    return math.sqrt(square / (at_pole**2 * meson.mass * p**3))


def pi0_gamma(m: np.ndarray) -> np.ndarray:
    """Amplitudes of pi0 gamma [1/GeV], R = p^3/m |amplitude|^2.

    Excited states, with the omega' and the phase of the phi of SND 1601.08061, close the sum rule
    of the anomaly at s = 0 for each isospin."""
    s = m**2
    rho, omega, phi = ground_states(s)
    a_rho, a_omega, a_phi = (radiative(V, "pi0gamma", PION0) for V in (RHO, OMEGA, PHI))
    half, a_prime = ANOMALY_PI0 / 2, -0.00523
    return np.stack(
        [
            a_rho * rho + (half - a_rho) * pole(s, 1.465, 0.40),
            a_omega * omega
            + a_prime * pole(s, 1.45, 0.40)
            + (half - a_omega - a_prime) * pole(s, 1.67, 0.315),
            a_phi * np.exp(1j * math.radians(158.0)) * (phi - pole(s, 2.16, 0.35)),
        ]
    )


def eta_gamma(m: np.ndarray) -> np.ndarray:
    """Amplitudes of eta gamma [1/GeV], as for pi0 gamma; the rho' alone closes the sum rule."""
    s = m**2
    rho, omega, phi = ground_states(s)
    a_rho, a_omega, a_phi = (radiative(V, "etagamma", ETA) for V in (RHO, OMEGA, PHI))
    rest = ANOMALY_ETA - (a_rho + a_omega - a_phi)
    return np.stack([a_rho * rho + rest * pole(s, 1.465, 0.40), a_omega * omega, -a_phi * phi])


def _tower(number: int) -> list[tuple[float, float, float]]:
    """Coupling, mass and width of each state of a tower: those beyond the given ones follow from
    the first coupling 2/sqrt(pi) Gamma(beta - 1/2)/Gamma(beta - 1), and one closes the sum at 1.
    """
    couplings, masses, widths, ratio = TOWERS[number]
    low, high = 1.5001, 10.0
    for _ in range(80):
        beta = (low + high) / 2
        first = 2 / math.sqrt(math.pi) * math.gamma(beta - 0.5) / math.gamma(beta - 1)
        low, high = (beta, high) if first < couplings[0] else (low, beta)
    states = []
    falling = math.gamma(2 - beta)  # Gamma(2 - beta + k)/k!
    for k in range(TOWER_STATES):
        falling *= (1 - beta + k) / k if k else 1.0
        sine = math.sin(math.pi * (beta - 1 - k)) / math.pi
        states.append(
            (-1) ** k * math.gamma(beta - 0.5) / ((0.5 + k) * math.sqrt(math.pi)) * sine * falling
        )
    given = len(couplings)
    states[:given] = couplings
    states[given] = 1 - sum(couplings) - sum(states[given + 1 :])
    known = len(masses)
    return [
        (
            coupling,
            masses[k] if k < known else masses[0] * math.sqrt(1 + 2 * k),
            widths[k] if k < known else ratio * masses[0] * math.sqrt(1 + 2 * k),
        )
        for k, coupling in enumerate(states)
    ]


def kaon_pair(m: np.ndarray, channel: str) -> np.ndarray:
    """Form factors of the kaons ("K+K-" or "K0K0"), R = beta^3/4 |F|^2.

    With F = 1 at s = 0 in each tower the charges are 1/2, 1/6, 1/3 (-1/2 for the isovector part of
    K0). The phi pole has the residue that its partial widths of PDG 2022 ask for."""
    s, mass = m**2, {"K+K-": KAON, "K0K0": KAON0}[channel]
    rho = sum(c * gounaris_sakurai(s, M, width) for c, M, width in _tower(0))
    omega = sum(c * M**2 / (M**2 - s - 1j * M * width) for c, M, width in _tower(1))
    at_pole = 9 * PHI.ee * PHI.branching[channel] / PHI.width
    at_pole /= float(alpha_at(np.array(PHI.mass**2))) ** 2
    beta3 = float(velocity_cubed(PHI.mass**2, mass))
    residue = 6 * math.sqrt(at_pole / beta3) * PHI.width / PHI.mass
    phi = residue * pole(s, PHI.mass, phi_width(s))
    for c, M, width in _tower(2)[1:]:
        running = width * s / M * velocity_cubed(s, mass) / velocity_cubed(M**2, mass)
        phi = phi + c * M**2 / (M**2 - s - 1j * running)
    sign = 1 if channel == "K+K-" else -1
    return np.stack([sign * rho / 2, omega / 6, phi / 3])


def omega_pi0(m: np.ndarray) -> np.ndarray:
    """Amplitudes of omega pi0, isovector, R = p^3/m |amplitude|^2; SND 1610.00235, model 1."""
    s = m**2
    coupling, f_rho = 15.9, 5.06  # of the rho to omega pi0 [1/GeV], to the photon
    width = rho_width(s) + coupling**2 * momentum(m, OMEGA.mass, PION0) ** 3 / (12 * math.pi)
    excited = 0.175 * np.exp(1j * math.radians(124)) * pole(s, 1.51, 0.44)
    excited = excited + 0.014 * np.exp(-1j * math.radians(63)) * pole(s, 1.72, 0.25)
    amplitude = coupling / f_rho * (pole(s, RHO.mass, width) + excited) * (ALPHA / alpha_at(s))
    return np.stack([amplitude, 0 * amplitude, 0 * amplitude])


# ---------------------------------------------------------------- cross sections
def quadratic(factor: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """The six columns of `COMPONENTS`: squares, and twice the real parts of the products."""
    A = np.where(factor > 0, amplitudes, 0.0)
    pairs = ((0, 1), (0, 2), (1, 2))
    cross = [2 * np.real(A[i] * np.conj(A[j])) for i, j in pairs]
    return factor * np.stack([*np.abs(A) ** 2, *cross])


def channels(m: np.ndarray) -> dict[str, np.ndarray]:
    """R of every channel at masses m (n,), arrays (6, n); "omegapi0" overlaps with others."""
    s = m**2
    return {
        "pipi": quadratic(velocity_cubed(s, PION) / 4, pion_pair(m)),
        "pi0gamma": quadratic(momentum(m, PION0, 0.0) ** 3 / m, pi0_gamma(m)),
        "etagamma": quadratic(momentum(m, ETA, 0.0) ** 3 / m, eta_gamma(m)),
        "3pi": quadratic(9 / ALPHA**2 / m * W(m), three_pions(m)),
        "K+K-": quadratic(velocity_cubed(s, KAON) / 4, kaon_pair(m, "K+K-")),
        "K0K0": quadratic(velocity_cubed(s, KAON0) / 4, kaon_pair(m, "K0K0")),
        "omegapi0": quadratic(momentum(m, OMEGA.mass, PION0) ** 3 / m, omega_pi0(m)),
    }
