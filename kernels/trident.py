"""Recipe of zscan/kernels/tables/trident.txt: coherent neutrino trident on iron with a light X in
the t-channel.

    python kernels/trident.py [--replicas N] [--log2-points N] [-o PATH]

integrates nu_mu Fe -> nu_mu mu+ mu- Fe over the full four-body phase space (no equivalent-photon
approximation) for a neutrino of 160 GeV, and writes four functions of m_X for each selection of
`SELECTIONS`:

    v_n = m_X^(2n) < (K^2 + m_X^2)^-n >_V / sigma_SM,  a_n with the axial weight,  n = 1, 2,

K^2 > 0 being the square of the momentum that the neutrino loses. The cross section with X is a
quadratic polynomial in the couplings with these coefficients (zscan.kernels.trident). The phase
space and the squared amplitude are those of arXiv:1902.06765 in another form: two-component spinors
in the rest frame of the nucleus.

Four-vectors are arrays (4, N), matrices (2, 2, N), points of the unit cube (7, N); energies in GeV.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from zscan.constants import ALPHA_EM, G_F, M_MU, SIN2_THETA_W_MZ

E_NU = 160.0  # one energy stands for the CCFR beam, as in arXiv:1406.2332
SELECTIONS = {"inclusive": 0.0, "E_mu>9GeV": 9.0}  # least laboratory energy of both muons
MASSES = np.array([float(f"{10 ** (k / 10 - 3):.8e}") for k in range(61)])  # 1 MeV .. 1 TeV

MUON_MASS = M_MU.value
NUCLEAR_CHARGE = 26
NUCLEAR_MASS = 55.85 * 0.9315  # natural iron
HBAR_C = 0.1973269804  # GeV fm, CODATA 2018
GEV2_TO_FB = 0.3893793721e12  # GeV^-2 in fb, CODATA 2018
G_V_SM, G_A_SM = (
    0.5 + 2 * SIN2_THETA_W_MZ.value,
    -0.5,
)  # W and Z exchange together, at low momentum transfer

# Fourier-Bessel expansion of the charge density of 56Fe: de Vries, de Jager, de Vries, At. Data
# Nucl. Data Tables 36 (1987) 495.
CHARGE_RADIUS = 9.0  # fm, where the expansion ends
FOURIER_BESSEL = np.array(
    [
        *(
            0.042018,
            0.062337,
            0.23995e-3,
            -0.032776,
            -0.79941e-2,
            0.010844,
            0.49123e-2,
            -0.22144e-2,
            -0.18146e-3,
        ),
        *(
            0.37261e-3,
            -0.23296e-3,
            0.11494e-3,
            -0.50596e-4,
            0.20652e-4,
            -0.79428e-5,
            0.28986e-5,
            -0.10075e-5,
        ),
    ]
)

DIMENSIONS = 7
Q2_LARGEST = 1.0  # GeV^2; the iron form factor leaves nothing beyond
K2_LOG_ABOVE = 1e-7  # GeV^2; K^2 is sampled in its logarithm above this, linearly below
BINS = 64
DAMPING = 0.5  # adapts less than usual, which leaves enough points to a light X
TRAINING_ROUNDS, TRAINING_LOG2_POINTS = 5, 14
CHUNK = 1 << 13  # points whose arrays fit the processor's cache
SEED = 20210715


class Events(NamedTuple):
    """Momenta in the laboratory, and the volume of four-body phase space [GeV^4] per volume of the
    unit cube.
    """

    k1: np.ndarray
    k2: np.ndarray
    p_plus: np.ndarray
    p_minus: np.ndarray
    q: np.ndarray
    Q2: np.ndarray
    K2: np.ndarray
    volume: np.ndarray


class Sample(NamedTuple):
    """K^2 and the cross section densities in the unit cube [fb] of G_V^2, of G_A^2 and of 2 G_V
    G_A.
    """

    K2: np.ndarray
    vector: np.ndarray
    axial: np.ndarray
    interference: np.ndarray


class Result(NamedTuple):
    """(v1, a1, v2, a2) at each mass and (sigma_SM, sigma_V, sigma_A) [fb], with errors of one
    standard deviation.
    """

    coefficients: np.ndarray
    coefficient_errors: np.ndarray
    sigma: np.ndarray
    sigma_errors: np.ndarray


def form_factor(Q2: np.ndarray) -> np.ndarray:
    """Charge form factor of 56Fe, 1 at Q2 = 0."""
    z = np.sqrt(Q2) * CHARGE_RADIUS / HBAR_C
    total, at_zero = np.zeros_like(z), 0.0
    for v, a in enumerate(FOURIER_BESSEL, start=1):
        # (-1)^(v+1) sin z/(v^2 pi^2 - z^2), written so that z = v pi needs no care
        total += a * np.sinc(v - z / math.pi) / (v * math.pi + z)
        at_zero += (-1) ** (v + 1) * a / (v * math.pi) ** 2
    return total / (z * at_zero)


def amplitude(
    k1: np.ndarray,
    k2: np.ndarray,
    p_plus: np.ndarray,
    p_minus: np.ndarray,
    q: np.ndarray,
    Q2: np.ndarray,
    nuclear_mass: float = NUCLEAR_MASS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1 [GeV^4], T2 [GeV^2], T3 [GeV^4] of S = G_V^2 (T1 - m^2 T2) + G_A^2 (T1 + m^2 T2) + 2 G_V
    G_A T3.

    k1, k2: incoming and outgoing neutrino; q: momentum given by the nucleus at rest, q^2 = -Q2. S
    is the squared amplitude of a nucleus of spin 0, without form factor, charges and propagator of
    the photon."""
    spinor_in, spinor_out = _neutrino_spinor(k1), _neutrino_spinor(k2)
    J = 4 * spinor_in[:, None] * spinor_out.conj()[None, :]
    J_bar = np.array([[J[1, 1], -J[0, 1]], [-J[1, 0], J[0, 0]]])
    plus, minus = (
        nuclear_mass / (Q2 + 2 * _dot(q, p_plus)),
        nuclear_mass / (Q2 + 2 * _dot(q, p_minus)),
    )
    # The muon line with the photon before or after the weak vertex, for both chiralities.
    right = plus * _shifted(_upper(q), -2 * p_plus[0])
    left = minus * _shifted(-_upper(q), 2 * p_minus[0])
    K_a = _product(J, right) + _product(left, J)
    right = plus * _shifted(_lower(q), -2 * p_plus[0])
    left = minus * _shifted(-_lower(q), 2 * p_minus[0])
    K_b = _product(J_bar, right) + _product(left, J_bar)
    T_a = _trace_with_adjoint(_product(_upper(p_minus), K_a), _product(K_a, _upper(p_plus)))
    T_b = _trace_with_adjoint(_product(_lower(p_minus), K_b), _product(K_b, _lower(p_plus)))
    return T_a + T_b, 2 * _trace_with_adjoint(K_a, K_b), T_a - T_b


def phase_space(u: np.ndarray) -> Events:
    """Map points of the unit cube to events: Q^2, s', W^2, K^2, angle of k2, polar and azimuthal
    angle of the mu-.

    s' = (k1 + q)^2, W^2 = (p+ + p-)^2, K^2 = -(k1 - k2)^2. The azimuth of the whole event is
    integrated out."""
    m, M, E = MUON_MASS, NUCLEAR_MASS, E_NU
    u_Q2, u_s, u_W2, u_K2, u_neutrino, u_cos, u_phi = u
    Q2_min, Q2_max = _q2_range()
    log_Q2 = math.log(Q2_max / Q2_min)
    Q2 = Q2_min * np.exp(u_Q2 * log_Q2)
    s_min, s_max = 4 * m**2, 2 * E * (np.sqrt(Q2 + Q2**2 / (4 * M**2)) - Q2 / (2 * M)) - Q2
    log_s = np.log(np.maximum(s_max / s_min, 1.0))
    s = s_min * np.exp(u_s * log_s)
    log_W2 = np.log(s / s_min)
    W2 = s_min * np.exp(u_W2 * log_W2)
    log_K2 = np.log1p((s + Q2) * (s - W2) / s / K2_LOG_ABOVE)
    K2 = K2_LOG_ABOVE * np.expm1(u_K2 * log_K2)
    beta = np.sqrt(1 - s_min / W2)
    rapidity = np.arctanh(beta)
    beta_cos = np.tanh((2 * u_cos - 1) * rapidity)

    # dPhi_4 in these variables, each differential times the Jacobian of its map
    volume = s * log_s / (2 * math.pi) * 2 * math.pi * Q2 * log_Q2 / (32 * math.pi**2 * M * E)
    volume *= (K2 + K2_LOG_ABOVE) * log_K2 * 2 * math.pi / (16 * math.pi**2 * (s + Q2))
    volume *= W2 * log_W2 / (2 * math.pi)
    volume *= (1 - beta_cos**2) * 2 * rapidity * 2 * math.pi / (32 * math.pi**2)

    zero = np.zeros_like(Q2)
    k1 = np.array([zero + E, zero, zero, zero + E])
    q_0 = -Q2 / (2 * M)
    q_z = q_0 - (s + Q2) / (2 * E)
    q = np.array([q_0, np.sqrt(np.maximum(Q2 + q_0**2 - q_z**2, 0)), zero, q_z])
    total = k1 + q
    root_s, root_W2 = np.sqrt(s), np.sqrt(W2)
    e_1, e_2 = (s + Q2) / (2 * root_s), (s - W2) / (2 * root_s)
    one_minus_cos = np.minimum(K2 / (2 * e_1 * e_2), 2.0)
    direction = _direction(_to_rest(k1, total, root_s), one_minus_cos, 2 * math.pi * u_neutrino)
    k2 = _from_rest(np.concatenate([e_2[None], e_2 * direction]), total, root_s)
    pair = total - k2
    direction = _direction(_to_rest(q, pair, root_W2), 1 - beta_cos / beta, 2 * math.pi * u_phi)
    energy = root_W2 / 2
    p_minus = _from_rest(np.concatenate([energy[None], beta * energy * direction]), pair, root_W2)
    return Events(k1, k2, pair - p_minus, p_minus, q, Q2, K2, volume)


def integrand(u: np.ndarray, selection: str) -> Sample:
    """Cross section densities at points of the unit cube; 0 where a muon fails the selection."""
    events = phase_space(u)
    kept = np.minimum(events.p_plus[0], events.p_minus[0]) > SELECTIONS[selection]
    k1, k2, p_plus, p_minus, q, Q2, _, volume = (array[..., kept] for array in events)
    T1, T2, T3 = amplitude(k1, k2, p_plus, p_minus, q, Q2)
    coupling = G_F.value**2 / 2 * (4 * math.pi * ALPHA_EM.value * NUCLEAR_CHARGE) ** 2
    factor = (
        GEV2_TO_FB * coupling / (4 * NUCLEAR_MASS * E_NU) * 4 * volume * (form_factor(Q2) / Q2) ** 2
    )
    vector, axial, interference = np.zeros((3, u.shape[1]))
    vector[kept] = factor * (T1 - MUON_MASS**2 * T2)
    axial[kept] = factor * (T1 + MUON_MASS**2 * T2)
    interference[kept] = factor * T3
    return Sample(events.K2, vector, axial, interference)


def train(selection: str) -> np.ndarray:
    """Edges (7, BINS + 1) of a separable importance grid that serves all masses at once."""
    edges = np.tile(np.linspace(0, 1, BINS + 1), (DIMENSIONS, 1))
    for training_round in range(TRAINING_ROUNDS):
        importance = np.zeros((DIMENSIONS, BINS))
        for x, part in _chunks(selection, edges, TRAINING_LOG2_POINTS, (SEED, 0, training_round)):
            f = G_V_SM**2 * part.vector + G_A_SM**2 * part.axial
            # A light X weights K^2 ~ m_X^2, where the cross section of the Standard Model has
            # little.
            f *= 1 + sum(0.1 / m2 * (m2 / (part.K2 + m2)) ** 2 for m2 in (1e-2, 1e-4, 1e-6))
            for axis in range(DIMENSIONS):
                importance[axis] += np.bincount(
                    (x[axis] * BINS).astype(int), weights=f**2, minlength=BINS
                )
        edges = np.array([_refined(*axis) for axis in zip(edges, importance, strict=True)])
    return edges


def sample(selection: str, edges: np.ndarray, log2_points: int, replica: int) -> Sample:
    """One scrambled Sobol set of 2^log2_points points; the mean of a density over it is a cross
    section.
    """
    parts = [part for _, part in _chunks(selection, edges, log2_points, (SEED, 1, replica))]
    return Sample(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def integrate(selection: str, masses: np.ndarray, replicas: int, log2_points: int) -> Result:
    """Coefficients and cross sections from independent Sobol sets, whose spread is the error."""
    edges = train(selection)
    plain, weighted = np.zeros((replicas, 2)), np.zeros((replicas, 4, masses.size))
    for replica in range(replicas):
        for _, part in _chunks(selection, edges, log2_points, (SEED, 1, replica)):
            densities = np.stack([part.vector, part.axial])
            propagator = masses[:, None] ** 2 / (part.K2 + masses[:, None] ** 2)
            plain[replica] += densities.sum(axis=1)
            weighted[replica, :2] += densities @ propagator.T
            weighted[replica, 2:] += densities @ (propagator**2).T
    weighted /= 2**log2_points
    plain /= 2**log2_points
    sigma = np.column_stack([plain @ np.array([G_V_SM**2, G_A_SM**2]), plain])
    total = sigma.mean(axis=0)
    ratios = weighted / sigma[:, 0, None, None]
    root = math.sqrt(replicas)
    return Result(
        coefficients=(weighted.mean(axis=0) / total[0]).T,
        coefficient_errors=ratios.std(axis=0, ddof=1).T / root,
        sigma=total,
        sigma_errors=sigma.std(axis=0, ddof=1) / root,
    )


def table(results: dict[str, Result], replicas: int, log2_points: int) -> str:
    """Text of the table."""
    header = f"""\
Neutrino trident nu_mu Fe -> nu_mu mu+ mu- Fe, coherent, with a light X in the t-channel.
Recipe: python kernels/trident.py --replicas {replicas} --log2-points {log2_points}
  (scrambled Sobol points of scipy.stats.qmc on a trained grid, seed {SEED}).
Constants: E_nu = {E_NU} GeV, G_F = {G_F.value} GeV^-2, alpha = 1/{1 / ALPHA_EM.value:.9f},
  sin^2 theta_W = {SIN2_THETA_W_MZ.value}, m_mu = {MUON_MASS} GeV, Z = {NUCLEAR_CHARGE}, M_Fe = \
{NUCLEAR_MASS} GeV,
  hbar c = {HBAR_C} GeV fm, 1/GeV^2 = {GEV2_TO_FB} fb, Fourier-Bessel form factor of 56Fe (radius \
{CHARGE_RADIUS} fm).
Selections: inclusive = no cut; E_mu>9GeV = both muons above 9 GeV in the laboratory.
v_n = m_X^(2n) < (K^2 + m_X^2)^-n >_V / sigma_SM, a_n with the axial weight; K = momentum lost by \
the neutrino;
  sigma_SM = G_V^2 sigma_V + G_A^2 sigma_A, G_V = 1/2 + 2 sin^2 theta_W, G_A = -1/2.
Errors: one standard deviation of the mean over the replicas.
References: arXiv:1902.06765 (process, phase space), arXiv:1406.2332 (light X),
  At. Data Nucl. Data Tables 36 (1987) 495 (form factor).
Columns: selection, m_X [GeV], v1, a1, v2, a2, their errors.
Rows "sigma": selection, "sigma", sigma_SM, sigma_V, sigma_A [fb], their errors."""
    lines = [f"# {line}" for line in header.splitlines()]
    for selection, result in results.items():
        sigma = " ".join(f"{value:.7e}" for value in result.sigma)
        errors = " ".join(f"{value:.1e}" for value in result.sigma_errors)
        lines.append(f"{selection} sigma {sigma} {errors}")
        for mass, row, error in zip(
            MASSES, result.coefficients, result.coefficient_errors, strict=True
        ):
            values = " ".join(f"{value:.8e}" for value in row)
            lines.append(
                f"{selection} {mass:.8e} {values} " + " ".join(f"{value:.1e}" for value in error)
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the table of zscan.kernels.trident.")
    default = Path(__file__).resolve().parents[1] / "zscan/kernels/tables/trident.txt"
    parser.add_argument(
        "--replicas", type=int, default=64, help="independent Sobol sets (default: %(default)s)"
    )
    parser.add_argument(
        "--log2-points",
        type=int,
        default=19,
        help="binary logarithm of their size (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=default,
        metavar="PATH",
        help="default: the package's table",
    )
    arguments = parser.parse_args()
    results = {
        selection: integrate(selection, MASSES, arguments.replicas, arguments.log2_points)
        for selection in SELECTIONS
    }
    arguments.output.write_text(
        table(results, arguments.replicas, arguments.log2_points), encoding="ascii"
    )
    for selection, result in results.items():
        worst = (result.coefficient_errors / result.coefficients).max(axis=0)
        print(
            f"{selection}: sigma_SM = {result.sigma[0]:.5f} +- {result.sigma_errors[0]:.5f} fb; "
            f"largest relative errors of v1 a1 v2 a2: {worst}"
        )


def _q2_range() -> tuple[float, float]:
    m, E, g = MUON_MASS, E_NU, E_NU / NUCLEAR_MASS
    a = 1 - 2 * m**2 * (1 + g) / E**2
    largest = 2 * E**2 / (1 + 2 * g) * (a + math.sqrt(a**2 - 4 * m**4 * (1 + 2 * g) / E**4))
    return 16 * m**4 / ((1 + 2 * g) * largest), min(largest, Q2_LARGEST)


def _chunks(
    selection: str, edges: np.ndarray, log2_points: int, seed: tuple[int, int, int]
) -> Iterator[tuple[np.ndarray, Sample]]:
    """Sobol points x (7, n) and their densities, including the Jacobian of the importance grid."""
    points = qmc.Sobol(DIMENSIONS, seed=np.random.default_rng(seed)).random_base2(log2_points)
    rows = np.arange(DIMENSIONS)[:, None]
    for start in range(0, len(points), CHUNK):
        x = np.ascontiguousarray(points[start : start + CHUNK].T)
        bins = (x * BINS).astype(int)
        low, width = edges[rows, bins], edges[rows, bins + 1] - edges[rows, bins]
        jacobian = np.prod(width * BINS, axis=0)
        K2, *densities = integrand(low + (x * BINS - bins) * width, selection)
        yield x, Sample(K2, *(density * jacobian for density in densities))


def _refined(edges: np.ndarray, importance: np.ndarray) -> np.ndarray:
    """Move the edges of one axis so that its damped importance is equal in all bins."""
    padded = np.pad(importance, 1, mode="edge")
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    r = np.clip(smooth / smooth.sum(), 1e-30, 1 - 1e-12)
    damped = ((r - 1) / np.log(r)) ** DAMPING
    cumulated = np.concatenate([[0], np.cumsum(np.maximum(damped, 0.02 * damped.mean()))])
    return np.interp(np.linspace(0, cumulated[-1], edges.size), cumulated, edges)


def _direction(axis: np.ndarray, one_minus_cos: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Unit vectors (3, N) at the given polar angle and azimuth about the spatial part of the
    four-vectors `axis`.
    """
    x, y, z = axis[1:] / np.sqrt(np.sum(axis[1:] ** 2, axis=0))
    sign = np.copysign(1.0, z)
    a = -1 / (sign + z)
    b = x * y * a
    first, second = (
        np.array([1 + sign * x * x * a, sign * b, -sign * x]),
        np.array([b, sign + y * y * a, -y]),
    )
    sin = np.sqrt(np.maximum(one_minus_cos * (2 - one_minus_cos), 0))
    return (1 - one_minus_cos) * np.array([x, y, z]) + sin * (
        np.cos(phi) * first + np.sin(phi) * second
    )


def _from_rest(p: np.ndarray, frame: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Boost p from the rest frame of momentum `frame` (of that mass) to where `frame` is given."""
    energy = (frame[0] * p[0] + np.sum(frame[1:] * p[1:], axis=0)) / mass
    return np.concatenate([energy[None], p[1:] + frame[1:] * (p[0] + energy) / (frame[0] + mass)])


def _to_rest(p: np.ndarray, frame: np.ndarray, mass: np.ndarray) -> np.ndarray:
    return _from_rest(p, frame * np.array([[1.0], [-1.0], [-1.0], [-1.0]]), mass)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]


def _neutrino_spinor(k: np.ndarray) -> np.ndarray:
    """chi (2, N) with chi chi^dagger = k^0 - k.sigma."""
    n = np.sqrt(k[0] + k[3])
    return np.array([-(k[1] - 1j * k[2]) / n, n])


def _upper(a: np.ndarray) -> np.ndarray:
    """a^0 + a.sigma"""
    return np.array([[a[0] + a[3], a[1] - 1j * a[2]], [a[1] + 1j * a[2], a[0] - a[3]]])


def _lower(a: np.ndarray) -> np.ndarray:
    """a^0 - a.sigma"""
    return np.array([[a[0] - a[3], -a[1] + 1j * a[2]], [-a[1] - 1j * a[2], a[0] + a[3]]])


def _shifted(matrix: np.ndarray, number: np.ndarray) -> np.ndarray:
    """matrix + number * 1"""
    return np.array([[matrix[0, 0] + number, matrix[0, 1]], [matrix[1, 0], matrix[1, 1] + number]])


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0, None] * b[None, 0] + a[:, 1, None] * b[None, 1]


def _trace_with_adjoint(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Re tr(a b^dagger)"""
    return np.sum((a * b.conj()).real, axis=(0, 1))


if __name__ == "__main__":
    main()
