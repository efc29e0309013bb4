"""Detector, exposure, counts and response of COHERENT CsI[Na], in NumPy, once (arXiv:1708.01294,
1804.09459).
"""

from __future__ import annotations

import math
from importlib import resources
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zscan.constants import G_F, M_MU

# Detector and exposure: arXiv:1804.09459
DETECTOR_MASS = 14.6  # kg of CsI
LIVE_TIME, LIVE_TIME_BEAM_OFF = 308.1, 153.5  # days
DISTANCE = 1930.0  # cm
NEUTRINOS = 0.08 * 1.76e23  # of each flavour in the live time: per proton, times protons on target
PE_PER_GEV = (
    0.0878 * 13.348 * 1e6
)  # photo-electrons per nuclear recoil energy: quenching x light yield
PULL_ERRORS = (
    0.28,
    0.25,
    0.171,
)  # relative, of the signal, the prompt neutrons and the steady background

# Standard Model couplings of nu to p and n with radiative corrections: g_p = 1/2 - 2 s2, g_n = -1/2
# at tree level
_RHO, _KAPPA, _SIN2_THETA_W = 1.0082, 0.9972, 0.23129
_LAMBDA_UL, _LAMBDA_DL, _LAMBDA_DR, _LAMBDA_UR = -0.0031, -0.0025, 7.5e-5, 3.75e-5
_UP, _DOWN = _LAMBDA_UL + _LAMBDA_UR, _LAMBDA_DL + _LAMBDA_DR
G_P_SM = _RHO * (0.5 - 2 * _KAPPA * _SIN2_THETA_W) + 2 * _UP + _DOWN
G_N_SM = -_RHO / 2 + _UP + 2 * _DOWN

# Two inputs that arXiv:2008.06062 rounds; kept, because they set the 163.95 expected events
# (CODATA: 0.75 % more)
_HBAR_C = 1.97e-14  # GeV cm
_KG_PER_GEV = 1.79e-27
_E_PROMPT, _E_END = 29.79e-3, M_MU.value / 2  # GeV: line of pi -> mu nu, end point of mu -> e nu nu
BINS = 12  # of energy, and of time
_TRUE_PE = np.arange(4, 37)  # bins [n, n + 1] of true photo-electrons
_SEEN_PE = np.arange(6, 30)  # photo-electron counts, two in each energy bin
_PANEL_NODES, _Q2_NODES = 8, 20


class Nucleus(NamedTuple):
    A: int
    Z: int
    binding: float  # GeV

    @property
    def N(self) -> int:
        return self.A - self.Z

    @property
    def mass(self) -> float:
        return self.Z * 0.93827208816 + self.N * 0.93956542052 - self.binding


class Data(NamedTuple):
    """Counts and backgrounds (energy, time); time profiles of neutrinos from muon and from pion
    decay.
    """

    counts: np.ndarray
    neutrons: np.ndarray
    steady: np.ndarray
    delayed_time: np.ndarray
    prompt_time: np.ndarray


class Response(NamedTuple):
    """Events = sum_k weights[flux, nucleus, energy, k] (Q + y/(q2[k] + m_X^2))^2, fluxes nu_e,
    anti-nu_mu, nu_mu.
    """

    q2: Float[np.ndarray, " k"]
    weights: Float[np.ndarray, "3 2 12 k"]


CAESIUM, IODINE = Nucleus(133, 55, 1.118532104), Nucleus(127, 53, 1.072580322)
NUCLEI = (CAESIUM, IODINE)
CHARGES = np.array([nucleus.Z * G_P_SM + nucleus.N * G_N_SM for nucleus in NUCLEI])


def _resolution() -> np.ndarray:
    """Probability that an event of a true bin is seen and selected in each energy bin, shape (12,
    true bins).
    """
    mean = _TRUE_PE + 0.5
    log_factorial = np.array([math.lgamma(seen + 1) for seen in _SEEN_PE])
    poisson = np.exp(_SEEN_PE[:, None] * np.log(mean) - mean - log_factorial[:, None])
    efficiency = 0.6655 / (
        1 + np.exp(-0.4942 * (_SEEN_PE - (10.8507 - 0.3995)))
    )  # lower edge of the release's range
    return (efficiency[:, None] * poisson).reshape(BINS, 2, -1).sum(axis=1)


def _read_data(resolution: np.ndarray) -> Data:
    text = (
        resources.files("zscan.kernels")
        .joinpath("tables/coherent_csi.txt")
        .read_text(encoding="ascii")
    )
    rows: dict[str, list[list[float]]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, *numbers = line.split()
            rows.setdefault(name, []).append([float(number) for number in numbers])
    (energy,), (time,) = (
        np.array(rows["steady_counts_energy"]),
        np.array(rows["steady_counts_time"]),
    )
    (spectrum,), (neutron_time,) = (
        np.array(rows["neutron_spectrum"]),
        np.array(rows["neutron_time"]),
    )
    (delayed_time,), (prompt_time,) = np.array(rows["delayed_time"]), np.array(rows["prompt_time"])
    exposure = LIVE_TIME / (LIVE_TIME + 2 * LIVE_TIME_BEAM_OFF)
    return Data(
        np.array(rows["beam_counts"]),
        np.outer(resolution @ spectrum, neutron_time),
        exposure * np.outer(energy, time) / energy.sum(),
        delayed_time,
        prompt_time,
    )


def _flux_times_kinematics(T: np.ndarray, mass: float) -> np.ndarray:
    """int dE flux(E) (2 - 2T/E + T^2/E^2 - M T/E^2) above its zero, one neutrino each: nu_e,
    anti-nu_mu, nu_mu.
    """
    zero = (T + np.sqrt(2 * mass * T - T**2)) / 2
    m_mu = M_MU.value

    def from_muon_decay(quadratic: float, cubic: float) -> np.ndarray:
        """Spectrum quadratic E^2 + cubic E^3 in closed form."""
        last = T**2 - mass * T
        integrand = [
            last * quadratic,
            last * cubic - 2 * T * quadratic,
            2 * (quadratic - T * cubic),
            2 * cubic + 0 * T,
        ]
        powers = ((coefficient / (n + 1), n + 1) for n, coefficient in enumerate(integrand))
        return sum((c * (_E_END**n - zero**n) for c, n in powers), np.zeros_like(T))

    line = np.maximum(0, 2 - 2 * T / _E_PROMPT + (T**2 - mass * T) / _E_PROMPT**2)
    nu_e = from_muon_decay(96 / m_mu**3, -192 / m_mu**4)
    return np.stack([nu_e, from_muon_decay(48 / m_mu**3, -64 / m_mu**4), line])


def _response(resolution: np.ndarray) -> Response:
    """Fold flux, cross section and detector once, onto a few momentum transfers common to both
    nuclei.

    1/(q2 + m_X^2) is analytic in ln q2 within pi of the real axis, whatever m_X is: a polynomial
    through 20 Chebyshev points of ln q2, which spans 2.3 here, has errors of 1e-14."""
    x, w = np.polynomial.legendre.leggauss(_PANEL_NODES)
    samples = []
    for nucleus in NUCLEI:
        M = nucleus.mass
        prompt_end = 2 * _E_PROMPT**2 / (M + 2 * _E_PROMPT) * PE_PER_GEV  # a kink of the spectrum
        edges = np.sort(np.append(np.append(_TRUE_PE, _TRUE_PE[-1] + 1.0), prompt_end))
        low, width = edges[:-1, None], np.diff(edges)[:, None]
        pe, weight = (low + width * (x + 1) / 2).ravel(), (width * w / 2).ravel()
        T, true_bin = pe / PE_PER_GEV, pe.astype(int) - _TRUE_PE[0]
        targets = DETECTOR_MASS * nucleus.A / (CAESIUM.A + IODINE.A) / (M * _KG_PER_GEV)
        exposure = targets * NEUTRINOS / (4 * math.pi * DISTANCE**2) * _HBAR_C**2
        q = np.sqrt(2 * M * T)
        density = G_F.value**2 * M / (2 * math.pi) * _form_factor(q, nucleus.A) ** 2 / PE_PER_GEV
        events = exposure * weight * density * _flux_times_kinematics(T, M)
        samples.append((2 * np.log(q), events[:, None] * resolution[:, true_bin]))
    first, last = (
        min(log_q2.min() for log_q2, _ in samples),
        max(log_q2.max() for log_q2, _ in samples),
    )
    nodes = np.polynomial.chebyshev.chebpts1(_Q2_NODES)

    def vandermonde(points: np.ndarray) -> np.ndarray:
        return np.polynomial.chebyshev.chebvander(points, _Q2_NODES - 1)

    weights = []
    for log_q2, events in samples:
        basis = np.linalg.solve(
            vandermonde(nodes).T, vandermonde((2 * log_q2 - first - last) / (last - first)).T
        )
        weights.append(events @ basis.T)
    return Response(np.exp((first + last + (last - first) * nodes) / 2), np.stack(weights, axis=1))


def _form_factor(q: np.ndarray, A: int) -> np.ndarray:
    """Klein-Nystrand form factor at q [GeV], R = 1.2 A^(1/3) fm, a = 0.7 fm; 1 at q = 0."""
    fermi = 1e-13 / _HBAR_C  # 1/GeV
    z, range_ = q * 1.2 * A ** (1 / 3) * fermi, 0.7 * fermi
    return 3 * (np.sin(z) - z * np.cos(z)) / z**3 / (1 + (range_ * q) ** 2)


DATA = _read_data(_resolution())
RESPONSE = _response(_resolution())
STANDARD_MODEL = np.einsum("i,fiek->fe", CHARGES**2, RESPONSE.weights)
_POSITIVE = DATA.counts[DATA.counts > 0]
SATURATED = float((_POSITIVE * np.log(_POSITIVE)).sum() - DATA.counts.sum())
