"""Recipe of zscan/kernels/tables/kmunux.txt: K+ -> mu+ nu X by emission of X from the neutrino, the
muon and the kaon.

    python kernels/kmunux.py [--nodes N] [-o PATH]

With P = p_nu + p_mu + k, q = p_nu + k, l = p_mu + k the amplitude is g G_F V_us f_K/sqrt2 eps*_a
ubar_nu Gamma^a v_mu,

    Gamma^a = x_nu gamma^a qslash/q^2 Pslash (1-gamma5)
            + Pslash (1-gamma5) (m_mu - lslash)/(l^2 - m_mu^2) gamma^a (x_V + x_A gamma5)
            + x_K [(2P-k)^a/((P-k)^2 - M^2) (Pslash-kslash)(1-gamma5) - gamma^a (1-gamma5)],

M the kaon mass. Its divergence is k_a Gamma^a = delta Pslash (1-gamma5) + x_A (k_a Gamma_A^a)
between the spinors, with delta = x_nu - x_V - x_K. The polarisation sum -g_ab + k_a k_b/m_X^2 is
therefore tabulated in two parts, so that what cancels by gauge invariance cancels in the couplings
and not in the numbers:

    Gamma(K -> mu nu X)/(g^2 Gamma(K -> mu nu)) = (1 - m_X/(M - m_mu))^(7/2)
        [ sum_{i<=j} x_i x_j metric_ij + (delta^2 long_dd + delta x_A long_dA + x_A^2 long_AA)/m_X^2
        ],

i, j = nu, V, A, K; off-diagonal elements contain both orders. The power is that of the rate near
threshold, where the neutrino is soft; long_* are in GeV^2. The traces are done with explicit Dirac
matrices, the phase space by Gauss-Legendre quadrature in variables in which the integrand is
analytic."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from zscan.constants import M_MU

M, MU = 0.493677, M_MU.value  # GeV; the kaon mass of PDG 2020
THRESHOLD = M - MU
LOWEST = 1e-4  # GeV
STEPS = 160
NODES = 72
COUPLINGS = ("nu", "V", "A", "K")
COLUMNS = [f"metric_{a}{b}" for i, a in enumerate(COUPLINGS) for b in COUPLINGS[i:]] + [
    "long_dd",
    "long_dA",
    "long_AA",
]


def masses() -> np.ndarray:
    """m_X [GeV] of the table up to the threshold itself: steps of ln m_X that get five times finer
    on the way.
    """
    fine = np.linspace(math.log(LOWEST / THRESHOLD), 0, 100001)
    density = fine + 4 * np.exp(fine)
    return THRESHOLD * np.exp(
        np.interp(np.linspace(density[0], density[-1], STEPS + 1), density, fine)
    )


def _dirac() -> tuple[np.ndarray, np.ndarray]:
    """gamma^a (4, 4, 4) and gamma5 in the chiral representation."""
    sigma = np.array([np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    gamma = np.zeros((4, 4, 4), dtype=complex)
    gamma[:, :2, 2:] = sigma
    gamma[:, 2:, :2] = sigma * np.array([1, -1, -1, -1])[:, None, None]
    return gamma, np.diag([-1.0, -1.0, 1.0, 1.0]).astype(complex)


METRIC = np.array([1.0, -1.0, -1.0, -1.0])
GAMMA, GAMMA5 = _dirac()
ONE = np.eye(4)
LEFT = ONE - GAMMA5


def slash(p: np.ndarray) -> np.ndarray:
    """gamma^a p_a of four-vectors (n, 4)."""
    return np.einsum("na,a,aij->nij", p, METRIC, GAMMA)


def phase_space(excess: float, nodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Momenta p_nu, p_mu, k (n, 4) and weights [GeV^4] of dq^2 dl^2 at m_X = (1 - excess)(M -
    m_mu).

    In the rest frame of q = p_nu + k. `excess` and not m_X is the argument so that nothing cancels
    at threshold. The variables are s, with q^2 = (M - m_mu)^2 exp(-s^2), and the logarithm of l^2 -
    m_mu^2: the poles of the amplitude are far from the range of either, and the square root of the
    phase space at the largest q^2 is linear in s."""
    m_X = (1 - excess) * THRESHOLD
    x, weight = np.polynomial.legendre.leggauss(nodes)
    x, weight = (x + 1) / 2, weight / 2
    s_max = math.sqrt(-2 * math.log1p(-excess))
    s, w_s = s_max * x, s_max * weight
    q2 = THRESHOLD**2 * np.exp(-(s**2))
    root = np.sqrt(q2)
    p_k = m_X**2 * np.expm1(s_max**2 - s**2) / (2 * root)
    E_k = np.sqrt(p_k**2 + m_X**2)
    below = -THRESHOLD * np.expm1(-(s**2) / 2)  # M - m_mu - root
    p_mu = np.sqrt(below * (THRESHOLD + root) * (2 * MU + below) * (M + MU + root)) / (2 * root)
    E_mu = np.sqrt(p_mu**2 + MU**2)
    product = E_mu * E_k + p_mu * p_k
    low = m_X**2 + 2 * (MU**2 * E_k**2 + m_X**2 * p_mu**2) / product
    width = np.log1p(4 * p_mu * p_k / low)
    rise = np.expm1(width[:, None] * x)
    # 1 - cos of the angle between muon and X, whose small values keep their digits
    one_minus_cos = np.minimum((low / (2 * p_mu * p_k))[:, None] * rise, 2.0)
    cos, sin = 1 - one_minus_cos, np.sqrt(one_minus_cos * (2 - one_minus_cos))
    weights = (2 * s * q2 * w_s * width * low)[:, None] * (1 + rise) * weight
    ones = np.ones_like(cos)
    k_direction = np.stack([sin, 0 * ones, cos], axis=-1) * p_k[:, None, None]

    def momentum(energy: np.ndarray, spatial: np.ndarray) -> np.ndarray:
        return np.concatenate([(energy[:, None] * ones)[..., None], spatial], axis=-1).reshape(
            -1, 4
        )

    muon = np.stack([0 * ones, 0 * ones, p_mu[:, None] * ones], axis=-1)
    return (
        momentum(p_k, -k_direction),
        momentum(E_mu, muon),
        momentum(E_k, k_direction),
        weights.reshape(-1),
    )


def vertices(p_nu: np.ndarray, p_mu: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Gamma_i^a of i = nu, V, A, K: (4, n, 4, 4, 4)."""
    P, q, mu_k = p_nu + p_mu + k, p_nu + k, p_mu + k
    q2, k2 = _square(q), _square(k)
    neutrino = np.einsum(
        "aij,njk,nkl,lm->naim", GAMMA, slash(q) / q2[:, None, None], slash(P), LEFT
    )
    line = slash(P) @ LEFT @ (MU * ONE - slash(mu_k)) / (_square(mu_k) - MU**2)[:, None, None]
    vector = np.einsum("nij,ajk->naik", line, GAMMA)
    pole = (2 * P - k) / (k2 - 2 * np.sum(P * k * METRIC, axis=1))[:, None]
    kaon = pole[:, :, None, None] * (slash(P - k) @ LEFT)[:, None] - (GAMMA @ LEFT)[None]
    return np.stack([neutrino, vector, vector @ GAMMA5, kaon])


def coefficients(excess: float, nodes: int) -> np.ndarray:
    """The columns of the table at m_X = (1 - excess)(M - m_mu)."""
    p_nu, p_mu, k, weights = phase_space(excess, nodes)
    # Gamma(3 body) = int |amplitude|^2 dq^2 dw/((2 pi)^3 32 M^3), Gamma(2 body) = 4 m^2 (M^2 -
    # m^2)^2/(16 pi M^3)
    weights = weights / ((2 * math.pi) ** 3 * 32 * M**3)
    weights = weights / (4 * MU**2 * (M**2 - MU**2) ** 2 / (16 * math.pi * M**3)) / excess**3.5
    Gamma = vertices(p_nu, p_mu, k)
    trace_nu, trace_mu = slash(p_nu), slash(p_mu) - MU * ONE

    def traces(a: np.ndarray, b: np.ndarray) -> float:
        """Integral of Re tr[p_nu a (p_mu - m) bbar]."""
        adjoint = GAMMA[0] @ np.conj(np.swapaxes(b, -1, -2)) @ GAMMA[0]
        value = np.einsum("nij,nji->n", trace_nu @ a, trace_mu @ adjoint).real
        return float(np.sum(weights * value))

    def metric(i: int, j: int) -> float:
        return -sum(METRIC[a] * traces(Gamma[i][:, a], Gamma[j][:, a]) for a in range(4))

    S_delta = slash(p_nu + p_mu + k) @ LEFT
    S_axial = np.einsum("na,a,naij->nij", k, METRIC, Gamma[2])
    values = [metric(i, j) * (1 if i == j else 2) for i in range(4) for j in range(i, 4)]
    values += [traces(S_delta, S_delta), 2 * traces(S_delta, S_axial), traces(S_axial, S_axial)]
    return np.array(values)


def table(nodes: int) -> tuple[str, float]:
    """Text of the table, and the largest change of a column from fewer nodes, relative to its
    diagonal elements.
    """
    rows, worst = [], 0.0
    for m_X in masses():
        # At threshold the coefficients are finite limits; they are taken just below it.
        excess = max(1 - float(m_X) / THRESHOLD, 1e-10)
        row, coarse = coefficients(excess, nodes), coefficients(excess, 2 * nodes // 3)
        worst = max(worst, float(np.max(np.abs(row - coarse) / _size(row))))
        rows.append((m_X, row))
    header = f"""\
Gamma(K+ -> mu+ nu X)/Gamma(K+ -> mu+ nu) at tree level, by couplings (formula in the recipe).
Recipe: python kernels/kmunux.py --nodes {nodes}
  (traces of Dirac matrices, Gauss-Legendre quadrature of the three-body phase space).
Constants: M = {M} GeV, m_mu = {MU} GeV.
Convergence: two thirds of the nodes change no element by more than {worst:.0e} of its size.
Emission of X from neutrino, muon and kaon with point-like kaon; no structure-dependent part, no \
radiative corrections.
References: arXiv:1109.6652, arXiv:1902.07715 (process).
Columns: m_X [GeV], {", ".join(COLUMNS[:10])},
  {", ".join(COLUMNS[10:])} [GeV^2]; all divided by (1 - m_X/(M - m_mu))^(7/2)."""
    lines = [f"# {line}" for line in header.splitlines()]
    lines += [f"{m_X:.16e} " + " ".join(f"{value:.10e}" for value in row) for m_X, row in rows]
    return "\n".join(lines) + "\n", worst


def _square(p: np.ndarray) -> np.ndarray:
    return np.sum(p**2 * METRIC, axis=1)


def _size(row: np.ndarray) -> np.ndarray:
    """Geometric mean of the diagonal elements that each column belongs to."""
    diagonal = np.abs(row[[0, 4, 7, 9]])
    metric = [math.sqrt(diagonal[i] * diagonal[j]) for i in range(4) for j in range(i, 4)]
    return np.array([*metric, row[10], math.sqrt(row[10] * row[12]), row[12]])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the table of zscan.kernels.kmunux.")
    default = Path(__file__).resolve().parents[1] / "zscan/kernels/tables/kmunux.txt"
    parser.add_argument(
        "--nodes", type=int, default=NODES, help="quadrature nodes per axis (default: %(default)s)"
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
    text, worst = table(arguments.nodes)
    arguments.output.write_text(text, encoding="ascii")
    print(f"largest change of an element from two thirds of the nodes: {worst:.1e}")


if __name__ == "__main__":
    main()
