"""Recipe of zscan/kernels/tables/hadrons.txt: hadronic decays of a vector X with any couplings to
u, d, s, vector and axial, below 2 GeV.

    python kernels/hadrons.py [-o PATH]

A channel is a quadratic form in the strengths r = u - d, o = 3 (u + d), p = -3 s of the isovector,
the isoscalar and the strange current (all 1 for the photon): six columns R_rr, R_oo, R_pp, R_ro,
R_rp, R_op in units of the point cross section of e+ e- -> mu+ mu-, of which those that vanish are
left out. Channels with few bodies come from amplitudes (`kernels/hadron_amplitudes.py`), others
from a table of fits (`kernels/hadron_channels.txt`); between 1.6 and 2 GeV "rest" fills up, for
each current by itself, what they lack of free quarks with QCD corrections. Axial currents are
spectral functions that free quarks make 1/2 (`axial`).

Rows are close where resonances or thresholds ask for it; linear interpolation is good to 0.7 % at
99 % of the masses, 2 % at worst (6 % within 0.2 MeV of a threshold). The diagonal columns are
raised by 1e-6 of themselves, so that rounding leaves every channel a positive form."""

from __future__ import annotations

import argparse
import functools
import math
from pathlib import Path

import numpy as np
from hadron_amplitudes import (
    COMPONENTS,
    ETA,
    KAON,
    KAON0,
    OMEGA,
    PION,
    PION0,
    channels,
    smoothstep,
)

from zscan.constants import M_TAU

PARTONS = 2.0  # GeV, from here on free quarks
BLEND = 1.6, PARTONS
FREE_QUARKS = np.array([3 / 2, 1 / 6, 1 / 3])  # R of each current, three colours
LAMBDA_3 = 0.332  # GeV, three flavours: alpha_s(m_tau) = 0.313
RIDGE = 1e-6
# Channels of the table; all others of hadron_channels.txt are part of "rest"
LISTED = ("2(pi+pi-)", "pi+pi-2pi0", "etapipi", "KKpi")
CHANNELS = ("pipi", "pi0gamma", "etagamma", "3pi", "K+K-", "K0K0", "pi0pi0gamma", *LISTED, "rest")
AXIAL = ("isovector", "isoscalar", "strange")
# Isovector axial spectral function from tau decays to hadrons: ALEPH, 1312.1501, as distributed
# with the program of 2206.08563; mass [GeV], a
ALEPH = np.array(
    [
        (0.385, 0.0),
        (0.665, 0.005977),
        (0.765, 0.02685),
        (0.815, 0.06137),
        (0.86, 0.1258),
        (0.895, 0.2239),
        (1.04, 0.7963),
        (1.13, 0.9451),
        (1.25, 0.8533),
        (1.4, 0.5599),
        (1.485, 0.48),
    ]
).T
A1 = 1.25, 0.55  # mass and width in the form of Kuehn and Santamaria: rms 9 % to ALEPH at 0.8-1.4
TAU_TO_3PI, TAU_TO_E = 0.1831, 0.1782  # branching ratios, PDG 2022 (without K0)
V_UD, S_EW = 0.9737, 1.0198
# f1(1285) and f1(1420): mass, width (PDG 2022), threshold. The decay constant 0.245 GeV is a model:
# sum rules (hep-ph/0705.0692) for the first, U(3) symmetry for the second.
F1 = (1.2819, 0.0227, 2 * PION + ETA), (1.4263, 0.0545, 2 * KAON + PION0)
F1_DECAY_CONSTANT = 0.245

HEADER = """\
Hadronic decays of a vector X by channel and current, below 2 GeV; from there on free quarks.
Recipe: python kernels/hadrons.py; linear interpolation between the rows.
Source: resonance amplitudes with parameters of PDG 2022, BaBar (arXiv:1205.2228, 2110.00520,
  hep-ex/0408078), SND (arXiv:1601.08061, 1610.00235, hep-ex/0305049) and arXiv:1002.0279; other
  channels: fits of arXiv:2201.01788, four pions averaged with arXiv:1801.04847; axial: ALEPH
  (arXiv:1312.1501, 2206.08563), Kuehn and Santamaria below 0.85 GeV; its isoscalar and strange
  parts are a model (f1 mesons), without data.
Vector columns, channel:component, are R in units of the point cross section of mu+ mu-: width of X
  = m/(12 pi) sum of R_ij c_i c_j with r = u-d, o = 3 (u+d), p = -3 s, each pair once. They add up
  to all hadrons, but for omegapi0 (information: it is part of other channels).
Axial columns a: width of X = m/(4 pi) [isovector (u-d)^2 + isoscalar (u+d)^2 + 2 strange s^2].
Columns: m [GeV], {columns}."""


def qcd(m: np.ndarray) -> np.ndarray:
    """1 + a + 1.6398 a^2 - 10.284 a^3, a = alpha_s/pi for three flavours and three loops; alpha_s
    is constant below 1.2 GeV.
    """
    L = 2 * np.log(np.maximum(m, 1.2) / LAMBDA_3)
    log, ratio = np.log(L), 64 / 81
    third = ratio**2 * (log**2 - log - 1 + 3863 / 6 * 9 / 4096) / L**2
    a = 4 / (9 * L) * (1 - ratio * log / L + third)
    return 1 + a + 1.6398 * a**2 - 10.284 * a**3


@functools.cache
def _fits() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Masses and columns "channel:component" of hadron_channels.txt."""
    path = Path(__file__).with_name("hadron_channels.txt")
    lines = path.read_text(encoding="ascii").splitlines()
    names = next(line for line in lines if line.startswith("# Columns:")).split(", ")[1:]
    mass, *columns = np.loadtxt(lines).T
    return mass, dict(zip(names, columns, strict=True))


def vector(m: np.ndarray) -> dict[str, np.ndarray]:
    """R of every channel at masses m (n,) below 2 GeV, arrays (6, n) in the order of `COMPONENTS`;
    "omegapi0" is information, the others add up to all hadrons.
    """
    R = channels(m)
    information = R.pop("omegapi0")
    R["pi0pi0gamma"] = OMEGA.branching["pi0gamma"] * information
    R |= {name: np.zeros((len(COMPONENTS), m.size)) for name in (*LISTED, "rest")}
    mass, columns = _fits()
    for column, values in columns.items():
        name, component = column.split(":")
        to = R[name if name in LISTED else "rest"]
        to[COMPONENTS.index(component)] += np.interp(m, mass, values, left=0.0)
    found = sum(R.values())[:3]
    missing = np.maximum(FREE_QUARKS[:, None] * qcd(m) - found, 0.0)
    R["rest"][:3] += smoothstep(m, *BLEND) * missing
    return R | {"omegapi0": information}


def _a1(s: np.ndarray) -> np.ndarray:
    """Three pions through the a1, up to a norm: the form of Kuehn and Santamaria (1990)."""

    def phase_space(s: np.ndarray) -> np.ndarray:
        excess = np.maximum(s - 9 * PION**2, 0.0)
        low = 4.1 * excess**3 * (1 - 3.3 * excess + 5.8 * excess**2)
        return np.where(s > 0.839, 1.623 * s + 10.38 - 9.32 / s + 0.65 / s**2, low)

    mass, width = A1
    ratio = phase_space(s) / phase_space(np.array(mass**2))
    return ratio / s * np.abs(mass**2 / (mass**2 - s - 1j * mass * width * ratio)) ** 2


@functools.cache
def _a1_norm() -> float:
    """The norm that gives tau -> 3 pi nu its branching ratio."""
    tau = M_TAU.value**2
    s = np.linspace(9 * PION**2, tau, 4001)
    integral = np.trapezoid((1 - s / tau) ** 2 * (1 + 2 * s / tau) * _a1(s), s)
    return TAU_TO_3PI / TAU_TO_E * tau / (6 * V_UD**2 * S_EW) / float(integral)


def _f1(m: np.ndarray, mass: float, width: float, threshold: float) -> np.ndarray:
    """A narrow axial meson: area 2 pi^2 f^2 in s, a width that opens with the square of the excess
    (at most tripled), zero below the threshold.
    """
    opened = np.minimum((np.maximum(m - threshold, 0.0) / (mass - threshold)) ** 2, 3.0)
    running = mass * width * opened
    shape = running / ((m**2 - mass**2) ** 2 + running**2)
    return 2 * math.pi * F1_DECAY_CONSTANT**2 * shape


def axial(m: np.ndarray) -> np.ndarray:
    """Axial spectral functions at masses m (n,) below 2 GeV, shape (3, n) in the order of `AXIAL`;
    1/2 for free quarks.

    Isovector: the a1 of theory below 0.85 GeV, where data are poor, ALEPH above 0.95 GeV, free
    quarks from 1.485 to 2 GeV. The others are a model: an f1 meson each, free quarks from 1.4 and
    1.5 to 2 GeV."""
    quarks = 0.5 * qcd(m)

    def blend(first: np.ndarray, second: np.ndarray, low: float, high: float) -> np.ndarray:
        w = smoothstep(m, low, high)
        return (1 - w) * first + w * second

    isovector = blend(_a1_norm() * _a1(m**2), np.interp(m, *ALEPH), 0.85, 0.95)
    isovector = blend(isovector, 0.5 * qcd(np.array(PARTONS)), 1.485, PARTONS)
    light, strange = (
        np.where(m > state[2], blend(_f1(m, *state), quarks, low, PARTONS), 0.0)
        for state, low in zip(F1, (1.4, 1.5), strict=True)
    )
    return np.stack([np.where(m > 2 * PION + PION0, isovector, 0.0), light, strange])


def masses() -> np.ndarray:
    """Masses of the rows [GeV]: dense on the omega, the phi and the f1, and rising by a ratio above
    thresholds, where widths begin with a power of the excess.
    """

    def rise(threshold: float, ratio: float, number: int) -> np.ndarray:
        return np.append(threshold, threshold + 1e-4 * ratio ** np.arange(number))

    spans = (
        *((0.151, 0.38, 0.0025), (0.38, 0.70, 0.005), (0.70, 0.76, 0.002), (0.76, 0.81, 0.0005)),
        *((0.81, 0.87, 0.002), (0.87, 0.985, 0.005), (0.985, 1.008, 0.0005)),
        *((1.008, 1.032, 0.00025), (1.032, 1.06, 0.001), (1.06, 2.0, 0.01)),
        *((1.24, 1.32, 0.002), (1.37, 1.49, 0.005)),
    )
    parts = [np.arange(*span) for span in spans]
    parts += [rise(PION0, 1.12, 45), rise(2 * PION, 1.12, 35)]
    parts += [rise(2 * mass, 1.3, 15) for mass in (KAON, KAON0)]
    grid = np.unique(np.round(np.concatenate(parts), 8))
    return np.append(grid[grid < PARTONS - 1e-4], PARTONS)


def table(m: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the table by name at masses m (n,), those that vanish left out."""
    columns = {}
    for name, R in vector(m).items():
        R[:3] *= 1 + RIDGE
        columns |= {
            f"{name}:{component}": row
            for component, row in zip(COMPONENTS, R, strict=True)
            if np.any(row)
        }
    names = [f"axial:{current}" for current in AXIAL]
    return columns | dict(zip(names, axial(m), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write the hadronic table of zscan.kernels.hadrons."
    )
    default = Path(__file__).resolve().parents[1] / "zscan/kernels/tables/hadrons.txt"
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=default,
        metavar="PATH",
        help="default: the package's table",
    )
    output = parser.parse_args().output
    m = masses()
    columns = table(m)
    lines = [f"# {line}" for line in HEADER.format(columns=", ".join(columns)).splitlines()]
    for mass, *row in zip(m, *columns.values(), strict=True):
        lines.append(" ".join([f"{mass:.8f}", *(f"{value:.8g}" for value in row)]))
    output.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{output}: {m.size} masses, {len(columns)} columns")


if __name__ == "__main__":
    main()
