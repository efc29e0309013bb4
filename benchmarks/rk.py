"""Speed and accuracy of R_K with a light X: zscan, careful NumPy quadrature, and flavio, side by
side in one run.

    python benchmarks/rk.py [--points 200000]

Every method evaluates the same kind of points: m_X from 10 MeV to 10 GeV, width/m_X from 1e-12 to
0.3, half of the masses in or near the bin [1.1, 6] GeV^2, vector and axial couplings. The NumPy
line is what a careful user would write: the substitution q2 = m_X^2 + m_X width sinh(t), which
resolves any peak, with Gauss-Legendre panels between the knots of the amplitude table; it shares
only that table with zscan. The flavio lines are its observable for constant Wilson coefficients,
and its amplitudes with q2-dependent coefficients on the same substitution (adaptive quadrature
misses narrow peaks without a warning). The deviation of each line is that of zscan from it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from zscan.kernels import rk

TABLE = Path(__file__).resolve().parents[1] / "zscan" / "kernels" / "tables" / "btokll.txt"
BIN = (1.1, 6.0)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)


class Amplitudes:
    """Standard Model amplitudes from the table, with formulas written again from arXiv:2107.07518
    Eqs. (86)-(88).
    """

    def __init__(self) -> None:
        lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
        self.p = {
            name: float(value)
            for name, value in (line.split(" = ") for line in lines if "=" in line)
        }
        rows = np.array([line.split() for line in lines if "=" not in line], dtype=float)
        self.q2, self.columns = (
            rows[:, 0],
            CubicSpline(rows[:, 0], rows[:, 1:], bc_type="not-a-knot"),
        )
        self.lambda_t = complex(self.p["lambda_t_re"], self.p["lambda_t_im"])
        self.N = np.sqrt(2) * np.pi / (self.p["G_F"] * self.p["alpha_em"] * self.lambda_t)

    def rate(
        self, q2: np.ndarray, lepton: str, c9: tuple, c10: tuple, c10_spin0: tuple
    ) -> np.ndarray:
        """dBR/dq2 for new coefficients of (B, its CP conjugate); those of the spin-0 amplitude may
        differ.
        """
        p, m_l = self.p, self.p[f"m_{lepton}"]
        t_plus, t_minus = (p["m_B0"] + p["m_K0"]) ** 2, (p["m_B0"] - p["m_K0"]) ** 2
        t_0 = t_plus * (1 - np.sqrt(1 - t_minus / t_plus))

        def z(s: np.ndarray | float) -> np.ndarray | float:
            a, b = np.sqrt(t_plus - s), np.sqrt(t_plus - t_0)
            return (a - b) / (a + b)

        dz = z(q2) - z(0.0)
        f_plus = (p["plus_0"] + p["plus_1"] * dz + p["plus_2"] * dz**2) / (
            1 - q2 / p["pole_plus"] ** 2
        )
        f_zero = (p["plus_0"] + p["zero_1"] * dz + p["zero_2"] * dz**2) / (
            1 - q2 / p["pole_zero"] ** 2
        )
        f_tensor = (p["tensor_0"] + p["tensor_1"] * dz + p["tensor_2"] * dz**2) / (
            1 - q2 / p["pole_plus"] ** 2
        )
        m_B2, m_K2 = p["m_B"] ** 2, p["m_K"] ** 2
        lam = m_B2**2 + m_K2**2 + q2**2 - 2 * (m_B2 * m_K2 + m_B2 * q2 + m_K2 * q2)
        beta = np.sqrt(1 - 4 * m_l**2 / q2)
        pre = (
            p["tau_B"] * (p["G_F"] * p["alpha_em"] * abs(self.lambda_t)) ** 2 * np.sqrt(lam) * beta
        )
        pre /= 512 * np.pi**5 * p["m_B"] ** 3
        column = self.columns(q2).T
        total = np.zeros_like(q2)
        for k in (0, 1):
            dipole = 2 * p["m_b"] / (p["m_B"] + p["m_K"]) * f_tensor / f_plus
            w = (
                column[4 * k]
                + 1j * column[4 * k + 1]
                + dipole * (column[4 * k + 2] + 1j * column[4 * k + 3])
            )
            vector = np.abs(w + c9[k]) ** 2 * (1 + 2 * m_l**2 / q2) / 3
            axial = np.abs(p["C10"] + c10[k]) ** 2 * (1 - 4 * m_l**2 / q2) / 3
            spin_0 = (
                2
                * m_l**2
                / q2
                * (m_B2 - m_K2) ** 2
                * f_zero**2
                * np.abs(p["C10"] + c10_spin0[k]) ** 2
            )
            total += pre * (lam * f_plus**2 * (vector + axial) + spin_0) / 2
        return total


AMPLITUDES = Amplitudes()


def sinh_nodes(
    m_X: float,
    width: float,
    q2_bin: tuple[float, float],
    breaks: np.ndarray,
    step: float,
    order: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q2, weight and propagator at the nodes of q2 = m_X^2 + m_X width sinh(t); edges of the bin
    exactly.
    """
    y = m_X * width
    ends = [float(np.arcsinh(float(Fraction(edge) - Fraction(m_X) ** 2) / y)) for edge in q2_bin]
    inner = np.clip(np.arcsinh((breaks - m_X**2) / y), *ends)
    panels = np.unique(
        np.concatenate([np.linspace(*ends, int((ends[1] - ends[0]) / step) + 2), inner])
    )
    nodes, weights = (NODES, WEIGHTS) if order == 10 else np.polynomial.legendre.leggauss(order)
    half = np.diff(panels)[:, None] / 2
    t = ((panels[1:] + panels[:-1])[:, None] / 2 + half * nodes).ravel()
    distance = y * np.sinh(t)
    return (
        np.clip(m_X**2 + distance, *q2_bin),
        (half * weights).ravel() * y * np.cosh(t),
        1 / (distance + 1j * y),
    )


def numpy_rate(
    m_X: float,
    width: float,
    g_sb: complex,
    g_V: float,
    g_A: float,
    *,
    lepton: str = "mu",
    q2_bin: tuple[float, float] = BIN,
    phase: str = "strong",
    longitudinal: str = "paper",
) -> float:
    """Binned BR(B+ -> K+ l l) by quadrature of the squared amplitudes."""
    q2, weight, propagator = sinh_nodes(m_X, width, q2_bin, AMPLITUDES.q2, 0.4, 10)
    n = AMPLITUDES.N * g_sb
    both = (
        n * propagator,
        (n * propagator).conj() if phase == "flavio" else n.conjugate() * propagator,
    )
    c9, c10 = (tuple(g * factor for factor in both) for g in (g_V, g_A))
    spin_0 = (-n * g_A / m_X**2, -n.conjugate() * g_A / m_X**2) if longitudinal == "full" else c10
    return float(weight @ AMPLITUDES.rate(q2, lepton, c9, c10, spin_0))


def numpy_r_k(
    m_X: float,
    width: float,
    g_sb: complex,
    g_V: float,
    g_A: float,
    *,
    g_V_e: float = 0.0,
    g_A_e: float = 0.0,
    q2_bin: tuple[float, float] = BIN,
    phase: str = "strong",
    longitudinal: str = "paper",
) -> float:
    """R_K as the ratio of two `numpy_rate`."""

    def rate(lepton: str, g_V: float, g_A: float) -> float:
        return numpy_rate(
            m_X,
            width,
            g_sb,
            g_V,
            g_A,
            lepton=lepton,
            q2_bin=q2_bin,
            phase=phase,
            longitudinal=longitudinal,
        )

    return rate("mu", g_V, g_A) / rate("e", g_V_e, g_A_e)


def random_points(count: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    m_X = np.where(
        np.arange(count) % 2, 10 ** rng.uniform(-2, 1, count), np.sqrt(rng.uniform(0.8, 7, count))
    )
    width = m_X * 10 ** rng.uniform(-12, np.log10(0.3), count)
    # Couplings of the size that moves R_K by order one: the peak carries (g_sb g)^2/width.
    size = (
        np.abs(AMPLITUDES.N)
        * 1e-8
        * m_X
        / np.sqrt(m_X * width + 0.1 * np.abs(m_X**2 - np.clip(m_X**2, *BIN)))
    )
    g_V, g_A = (rng.normal(size=count) / size for _ in range(2))
    return [m_X, width, 1e-8 * m_X, g_V, g_A]


def flavio_methods() -> dict[str, tuple[Callable[..., float], int]] | None:
    """R_K by flavio: for points with X, and for constant coefficients; None if flavio is not
    installed.
    """
    try:
        import flavio
        from flavio.config import config
        from flavio.physics.bdecays import angular, bpll, wilsoncoefficients
        from flavio.physics.common import conjugate_par, conjugate_wc
    except ImportError:
        return None
    parameters = flavio.default_parameters.get_central_all()
    scale = config["renormalization scale"]["bpll"]
    m_b = flavio.physics.running.running.get_mb(parameters, scale)
    sides = []
    for lepton in ("mu", "e"):
        conjugate = conjugate_par(parameters)
        plain, barred = (
            wilsoncoefficients.wctot_dict(
                flavio.WilsonCoefficients(), "bs" + 2 * lepton, scale, par
            )
            for par in (parameters, conjugate)
        )
        sides.append((lepton, ((parameters, plain), (conjugate, conjugate_wc(barred)))))

    def rate(q2: float, lepton: str, versions: tuple, c9: tuple, c10: tuple) -> float:
        total = 0.0
        for (par, wc), v, a in zip(versions, c9, c10, strict=True):
            effective = dict(wilsoncoefficients.get_wceff(q2, wc, par, "B+", "K+", lepton, scale))
            effective["v"], effective["a"] = effective["v"] + v, effective["a"] + a
            arguments = q2, par["m_B+"], par["m_K+"], m_b, 0, par[f"m_{lepton}"], par[f"m_{lepton}"]
            prefactor, ff = bpll.prefactor(q2, par, "B+", "K+"), bpll.get_ff(q2, par, "B+", "K+")
            amplitudes = angular.helicity_amps_p(*arguments, ff, effective, prefactor)
            total += bpll.dGdq2(angular.angularcoeffs_general_p(amplitudes, *arguments)) / 2
        return total

    def with_x(m_X: float, width: float, g_sb: float, g_V: float, g_A: float) -> float:
        nodes = sinh_nodes(m_X, width, BIN, np.linspace(*BIN, 21), 1.0, 8)
        ratio = []
        for (lepton, versions), v, a in zip(sides, (g_V, 0.0), (g_A, 0.0), strict=True):
            total = 0.0
            for q2, weight, propagator in zip(*nodes, strict=True):
                c = AMPLITUDES.N * g_sb * propagator, AMPLITUDES.N.conjugate() * g_sb * propagator
                total += weight * rate(
                    q2, lepton, versions, (c[0] * v, c[1] * v), (c[0] * a, c[1] * a)
                )
            ratio.append(total)
        return ratio[0] / ratio[1]

    def constant(c9: float, c10: float) -> float:
        wilson = flavio.WilsonCoefficients()
        wilson.set_initial({"C9_bsmumu": c9, "C10_bsmumu": c10}, scale, eft="WET", basis="flavio")
        return float(flavio.np_prediction("<Rmue>(B+->Kll)", wilson, *BIN))

    return {
        "flavio amplitudes, sinh map": (with_x, 5),
        "flavio <Rmue>, constant C9, C10": (constant, 2),
    }


def best_time(function: Callable[[], object], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=200_000)
    count = parser.parse_args().points
    jax.config.update("jax_enable_x64", True)
    points = [jnp.asarray(values) for values in random_points(count)]
    value = jax.jit(rk.r_k)

    @jax.jit
    def gradient(
        m_X: jax.Array, width: jax.Array, g_sb: jax.Array, g_V: jax.Array, g_A: jax.Array
    ) -> object:
        result, pullback = jax.vjp(
            lambda m, w, v, a: rk.r_k(m, w, g_sb, v, a), m_X, width, g_V, g_A
        )
        return result, pullback(jnp.ones_like(result))

    profile = jax.jit(
        lambda m_X, width, g_sb, g_V, g_A: rk.profile_g_sb(m_X, width, g_V, g_A, g_sb)[:2]
    )
    reference = np.asarray(value(*points))
    lines = []
    for name, function in (
        ("zscan r_k", value),
        ("zscan r_k and 4 gradients", gradient),
        ("zscan profile_g_sb (min, max)", profile),
    ):
        jax.block_until_ready(function(*points))
        lines.append((name, count / best_time(lambda f=function: f(*points)), None, count))
    fastest = lines[0][1]

    def slow(
        name: str, function: Callable[..., float], columns: list[np.ndarray], expected: np.ndarray
    ) -> None:
        function(*(float(column[0]) for column in columns))
        start = time.perf_counter()
        values = [function(*map(float, row)) for row in zip(*columns, strict=True)]
        rate = len(values) / (time.perf_counter() - start)
        lines.append(
            (name, rate, float(np.max(np.abs(expected / np.array(values) - 1))), len(values))
        )

    slow(
        "NumPy, sinh map",
        numpy_r_k,
        [np.asarray(column)[:300] for column in points],
        reference[:300],
    )
    methods = flavio_methods()
    for name, (function, arguments) in (methods or {}).items():
        if arguments == 2:
            c9, c10 = np.array([-1.0, -0.5, 0.0]), np.array([0.0, 0.5, 0.7])
            slow(name, function, [c9, c10], np.asarray(rk.r_k_wilson(c9, c10)))
        else:
            slow(name, function, [np.asarray(column)[:6] for column in points], reference[:6])

    print(
        f"R_K, bin {BIN} GeV^2, float64, jax {jax.__version__} on {jax.devices()[0].platform}, "
        "best of 7"
    )
    print(
        f"{'method':34s} {'points/s':>12s} {'zscan r_k is faster by':>23s} {'max deviation':>14s} "
        f"{'points':>8s}"
    )
    for name, rate, deviation, used in lines:
        shown = "" if deviation is None else f"{deviation:.1e}"
        print(f"{name:34s} {rate:12.4g} {fastest / rate:23.4g} {shown:>14s} {used:8d}")
    if methods is None:
        print("flavio is not installed: its lines are left out (pip install flavio 'particle<1')")


if __name__ == "__main__":
    main()
