"""Recipe of zscan/kernels/tables/matter.txt: chi2 of solar neutrinos and KamLAND with a light X.

    python kernels/matter.py [-o PATH]

The potential of X reaches the two states that mix in the Sun as eps_D = d (c + Y_n n) and eps_N =
t (c + Y_n n) e^(-i delta) (zscan.kernels.matter.two_flavour), so that three numbers fix chi2: with
the combinations p = c + 0.9 n and q = c + 0.2 n, which differ most where the potential of X changes
its sign inside the Sun,

    phi = angle of (p, q),  A = d |(p, q)|,  B = t |(p, q)|.

phi runs over half a circle (and one step more at each end, for the spline), because phi + pi is the
point with -A and -B. A and B run over all numbers as A = 0.825 + 2.2 x/(1 - x^2), B = 1.2 x/(1
- x^2) with even steps of x from -1 to 1. chi2 is a sum over
16 residuals, profiled over the 8B flux, u = cos 2 theta_12 (one octant at a time) and Dm^2_21 by
Gauss-Newton steps with damping, from several starts. Written are, for each octant,

    y = D/(1 + D/50),  D = chi2 - chi2 without X (the smaller of its two octants),

as 16-bit numbers: four hexadecimal digits each, in the order octant, phi, A, B."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.constants import M_E
from zscan.kernels import matter

# 8B, W. T. Winter et al., nucl-ex/0406019: relative flux at 4, 4.5, ..., 15.5 MeV
B8_ENERGY = np.arange(4.0, 15.51, 0.5)
# fmt: off
B8_SPECTRUM = np.array([
    99.331, 110.574, 119.553, 126.042, 129.914, 131.134, 129.752, 125.895, 119.758, 111.599,
    101.734, 90.528, 78.387, 65.754, 53.095, 40.889, 29.616, 19.735, 11.655, 5.703, 2.058, 0.513,
    0.099, 0.0,
])
# fmt: on

# SNO, arXiv:1109.0763: 8B flux [1e6/cm^2/s]; P_ee by day = c0 + c1 (E - 10 MeV) + c2 (E - 10
# MeV)^2, asymmetry 2 (N - D)/(N + D) = a0 + a1 (E - 10 MeV); statistical and systematic errors
SNO = np.array([5.25, 0.317, 0.0039, -0.0010, 0.046, -0.016])
SNO_STATISTICAL = np.array([0.16, 0.016, 0.0066, 0.0029, 0.031, 0.025])
SNO_SYSTEMATIC = np.array([0.12, 0.009, 0.0045, 0.0015, 0.0135, 0.0105])
SNO_CORRELATION = np.array(
    [
        [1, -0.723, 0.302, -0.168, 0.028, -0.012],
        [-0.723, 1, -0.299, -0.366, -0.376, 0.129],
        [0.302, -0.299, 1, -0.206, 0.219, -0.677],
        [-0.168, -0.366, -0.206, 1, 0.008, -0.035],
        [0.028, -0.376, 0.219, 0.008, 1, -0.297],
        [-0.012, 0.129, -0.677, -0.035, -0.297, 1],
    ]
)
SNO_RANGE, SNO_THRESHOLD = (5.0, 15.0), 1.442  # MeV; weight 8B spectrum times (E - threshold)^2
# Super-Kamiokande I-IV, arXiv:2312.12907: rate of elastic scattering [1e6/cm^2/s] and day-night
# asymmetry of it
SK_RATE, SK_DAY_NIGHT = (2.336, math.hypot(0.011, 0.043)), (0.0286, 0.0091)
SK_THRESHOLD, SIN2_THETA_W = 3.5, 0.2313  # MeV of kinetic energy; no smearing
# Borexino, Nature 562 (2018) 505: P_ee, its error, energy [MeV]
BOREXINO = {
    "pp": (0.57, 0.09, 0.267),
    "7Be": (0.53, 0.05, 0.862),
    "pep": (0.43, 0.11, 1.44),
    "8B": (0.37, 0.08, 8.1),
}
# Rates in SNU with errors that include the theory (arXiv:0901.2200; Astrophys. J. 496 (1998) 505)
GALLIUM, CHLORINE = (66.1, 3.7), (2.56, 0.255)
# Energy [MeV] that stands for the source, rates on gallium and on chlorine at P_ee = 1 [SNU] with
# the fluxes of B16-GS98
LOW_ENERGY = {
    "pp": (0.267, 70.1, 0.0),
    "7Be": (0.862, 35.3, 1.18),
    "pep": (1.44, 2.94, 0.23),
    "13N": (0.71, 1.68, 0.047),
    "15O": (1.0, 2.33, 0.139),
}
B8_ON_GALLIUM, B8_ON_CHLORINE = 12.6, 5.99  # SNU at P_ee = 1
# KamLAND, arXiv:1303.4667: sin^2 2 theta_12, blind to the octant, and Dm^2_21 [eV^2]
KAMLAND_ANGLE, KAMLAND_SPLITTING = (0.877, 0.054), (7.54e-5, 0.185e-5)

FLUX_UNIT, SPLITTING_UNIT = 5.2, 7.5e-5  # of the profiled parameters: 1e6/cm^2/s and eV^2
STARTS, STEPS = (0.03, 0.25, 0.55, 0.9), 16  # |u|, and steps from each
LARGEST = np.array([0.5, 0.2, 0.06])  # change of a parameter in one step
U_RANGE, V_RANGE = (1e-3, 0.95), (0.8, 1.2)
CHUNK = 8192

SHAPE = (59, 73, 31)  # phi, A, B; zero is a knot of A and of B
HALF_CIRCLE = SHAPE[0] - 3  # steps of phi
CENTRES, SCALES = (0.825, 0.0), (2.2, 1.2)  # of A and B
CAP, LOWEST, STEP = 50.0, -2.0, 8e-4
LARGEST_STRENGTH = 1e9  # stands for an infinite A or B


def lagrange(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Matrix (x, nodes) from values at the nodes to those of their polynomial at x."""
    weights = np.ones((x.size, nodes.size))
    for j, k in np.ndindex(nodes.size, nodes.size):
        if j != k:
            weights[:, j] *= (x - nodes[k]) / (nodes[j] - nodes[k])
    return weights


def scattering(E: np.ndarray, g_L: float) -> np.ndarray:
    """Cross section of nu-e scattering above the threshold of Super-Kamiokande, up to a factor."""
    m_e, g_R = M_E.value * 1e3, SIN2_THETA_W
    T = np.linspace(SK_THRESHOLD, np.maximum(2 * E**2 / (m_e + 2 * E), SK_THRESHOLD), 401)
    density = g_L**2 + g_R**2 * (1 - T / E) ** 2 - g_L * g_R * m_e * T / E**2
    return np.trapezoid(density, T, axis=0)


def least_squares(E: np.ndarray, weight: np.ndarray, powers: int) -> np.ndarray:
    """Matrix from values at E to the coefficients of 1, E - 10 MeV, ..."""
    basis = (E[:, None] - 10) ** np.arange(powers)
    return np.linalg.solve(basis.T @ (weight[:, None] * basis), basis.T * weight)


# P_ee of 8B is a polynomial through six energies; matrices take it from there to what is measured
NODES = 10 - 5 * np.cos(np.pi * (np.arange(6) + 0.5) / 6) * 0.99
_inside = (SNO_RANGE[0] <= B8_ENERGY) & (SNO_RANGE[1] >= B8_ENERGY)
_E, _weight = B8_ENERGY[_inside], B8_SPECTRUM[_inside] * (B8_ENERGY[_inside] - SNO_THRESHOLD) ** 2
_to_E = lagrange(NODES, _E)
TO_DAY, TO_ASYMMETRY = (least_squares(_E, _weight, powers) @ _to_E for powers in (3, 2))
TO_ABSORPTION = _weight / _weight.sum() @ _to_E  # P_ee averaged as on gallium and chlorine
_electron, _muon = (
    B8_SPECTRUM * scattering(B8_ENERGY, SIN2_THETA_W + sign / 2) for sign in (1, -1)
)
TO_SCATTERING = (_electron - _muon) / _electron.sum() @ lagrange(NODES, np.clip(B8_ENERGY, 5, 15))
SCATTERING_OF_OTHERS = _muon.sum() / _electron.sum()
TO_BOREXINO = lagrange(NODES, np.array([BOREXINO["8B"][2]]))[0]
SNO_WEIGHT = np.linalg.cholesky(
    np.linalg.inv(SNO_CORRELATION * np.outer(*[np.hypot(SNO_STATISTICAL, SNO_SYSTEMATIC)] * 2))
).T


def residuals(parameters: Array, d_e: Array, d_t: Array, c: Array, n: Array) -> Array:
    """The 16 residuals at (8B flux, u, Dm^2_21) in their units; coupling to X as in
    `survival_probability`.
    """
    flux, u, v = parameters

    def survival(E: Array | float, source: str, *, night: bool = False) -> Array:
        return matter.survival_probability(E, source, u, SPLITTING_UNIT * v, d_e, d_t, c, n, night)

    day = survival(jnp.asarray(NODES), "8B")
    night = survival(jnp.asarray(NODES), "8B", night=True)
    low = {source: survival(E, source) for source, (E, *_) in LOW_ENERGY.items()}
    sno = [
        jnp.asarray(SNO[:1]) - FLUX_UNIT * flux,
        SNO[1:4] - TO_DAY @ day,
        SNO[4:] - TO_ASYMMETRY @ (2 * (night - day) / (night + day)),
    ]
    by_day, by_night = (TO_SCATTERING @ p + SCATTERING_OF_OTHERS for p in (day, night))
    rate = FLUX_UNIT * flux * (by_day + by_night) / 2
    absorbed = TO_ABSORPTION @ day
    gallium = B8_ON_GALLIUM * absorbed + sum(r[1] * low[s] for s, r in LOW_ENERGY.items())
    chlorine = B8_ON_CHLORINE * absorbed + sum(r[2] * low[s] for s, r in LOW_ENERGY.items())
    measured = [
        (rate, SK_RATE),
        (2 * (by_night - by_day) / (by_night + by_day), SK_DAY_NIGHT),
        *((low[source], BOREXINO[source]) for source in ("pp", "7Be", "pep")),
        (TO_BOREXINO @ day, BOREXINO["8B"]),
        (gallium, GALLIUM),
        (chlorine, CHLORINE),
        (1 - u * u, KAMLAND_ANGLE),
        (SPLITTING_UNIT * v, KAMLAND_SPLITTING),
    ]
    pulls = [(value - data[0]) / data[1] for value, data in measured]
    return jnp.concatenate([SNO_WEIGHT @ jnp.concatenate(sno), jnp.stack(pulls)])


def profile(d_e: Array, d_t: Array, c: Array, n: Array, octant: Array) -> Array:
    """chi2 at its minimum with u of the sign `octant` (1.0 or -1.0), at one point."""

    def pulls(parameters: Array) -> Array:
        return residuals(parameters, d_e, d_t, c, n)

    low = jnp.array([0.0, U_RANGE[0], V_RANGE[0]])
    high = jnp.array([jnp.inf, U_RANGE[1], V_RANGE[1]])
    mirror = jnp.array([1.0, octant, 1.0])

    def step(state: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        place, chi2, damping = state
        jacobian, value = jax.jacfwd(pulls)(place), pulls(place)
        slope, curvature = jacobian.T @ value, jacobian.T @ jacobian
        # A parameter that is pushed against its bound keeps still
        inside = mirror * place
        free = ~(
            ((inside <= low) & (mirror * slope > 0)) | ((inside >= high) & (mirror * slope < 0))
        )
        diagonal = jnp.where(free, damping * jnp.diag(curvature), 1.0)
        matrix = jnp.where(free[:, None] & free[None, :], curvature, 0.0) + jnp.diag(diagonal)
        change = jnp.clip(jnp.linalg.solve(matrix, jnp.where(free, slope, 0.0)), -LARGEST, LARGEST)
        trial = mirror * jnp.clip(mirror * (place - change), low, high)
        found = jnp.sum(pulls(trial) ** 2)
        better = found < chi2
        damping = jnp.where(better, damping / 10, jnp.minimum(10 * damping + 1e-3, 1e3))
        return (jnp.where(better, trial, place), jnp.where(better, found, chi2), damping), None

    def from_start(u: Array) -> Array:
        place = jnp.stack([jnp.ones(()), octant * u, jnp.ones(())])
        state = place, jnp.sum(pulls(place) ** 2), jnp.full((), 1e-3)
        return jax.lax.scan(step, state, None, length=STEPS)[0][1]

    return jnp.min(jax.vmap(from_start)(jnp.array(STARTS)))


_profiles = jax.jit(jax.vmap(profile))


def chi2_of_octants(d_e: np.ndarray, d_t: np.ndarray, c: np.ndarray, n: np.ndarray) -> np.ndarray:
    """chi2 (2, ...) of both octants, theta_12 below 45 degrees first, of arrays that broadcast."""
    jax.config.update("jax_enable_x64", True)
    arrays = np.broadcast_arrays(d_e, d_t, c, n)
    shape, size = arrays[0].shape, arrays[0].size
    padded = [
        np.resize(array, -(-size // CHUNK) * CHUNK if size > CHUNK else size) for array in arrays
    ]
    found = [
        [
            _profiles(*(array[i : i + CHUNK] for array in padded), np.full(min(CHUNK, size), sign))
            for i in range(0, size, CHUNK)
        ]
        for sign in (1.0, -1.0)
    ]
    return np.stack([np.concatenate(parts)[:size].reshape(shape) for parts in found])


def standard() -> float:
    """chi2 without X."""
    return float(np.min(chi2_of_octants(*np.zeros((4, 1)))))


def knots(index: np.ndarray) -> tuple[np.ndarray, ...]:
    """(d_e, d_t, c, n) at numbers (phi, A, B) of the knots, along the first axis."""
    phi = math.pi * ((index[0] - 1) / HALF_CIRCLE - 0.5)
    A, B = (strength(index[1 + axis], axis) for axis in (0, 1))
    p, q = np.cos(phi), np.sin(phi)
    n = (p - q) / (matter.COMBINATIONS[0] - matter.COMBINATIONS[1])
    along_e, along_t, mixed = matter.REDUCTION
    d_t = B / mixed
    return (A - along_t * d_t) / along_e, d_t, p - matter.COMBINATIONS[0] * n, n


def strength(index: np.ndarray, axis: int) -> np.ndarray:
    """A (axis 0) or B (1) at the numbers of its knots."""
    x = 2 * index / (SHAPE[1 + axis] - 1) - 1
    inner = np.abs(x) < 1
    far = np.where(inner, x / np.where(inner, 1 - x * x, 1), LARGEST_STRENGTH * x)
    return CENTRES[axis] + SCALES[axis] * far


def packed(index: np.ndarray, chi2_standard: float) -> np.ndarray:
    """What the table holds (octant, ...) at the numbers of knots: integers from 0 to 65535."""
    D = chi2_of_octants(*knots(index)) - chi2_standard
    return np.round((D / (1 + D / CAP) - LOWEST) / STEP).astype(int)


def table() -> str:
    """Text of the table."""
    chi2_standard = standard()
    numbers = packed(np.indices(SHAPE), chi2_standard)
    header = f"""\
chi2 of solar neutrinos and KamLAND with an X that adds to the potential of neutrinos in matter.
Recipe: python kernels/matter.py
  (16 residuals, profiled over 8B flux, theta_12 of one octant, Dm^2_21; propagation of
  zscan.kernels.matter.survival_probability).
Constants: sin^2 theta_13 = {matter.SIN2_THETA_13}, sin^2 theta_23 = {matter.SIN2_THETA_23}, \
delta = {math.degrees(matter.DELTA_CP):g} degrees,
  Earth at night {matter.NIGHT_DENSITY} mol/cm^3 of electrons, Y_n = {matter.NIGHT_NEUTRON_RATIO}.
References: arXiv:1611.09867 (Sun), arXiv:1307.3092 (propagation), nucl-ex/0406019 (8B spectrum),
  arXiv:1109.0763, arXiv:2312.12907, Nature 562 (2018) 505, arXiv:0901.2200,
  Astrophys. J. 496 (1998) 505, arXiv:1303.4667 (data).
Values quoted from memory, 2018-2023: all data, cross sections and mixing parameters.
First row: numbers of phi (step pi/(number - 3), first -pi/2 minus a step), of A and of B (x from
  -1 to 1; centre + scale x/(1 - x^2)).
Second row: chi2 without X, centres of A and B, their scales, cap, lowest, step.
Then y = lowest + step * number of 16 bits, in hexadecimal digits, by octant (theta_12 < 45
  degrees first), phi, A, B; D = y/(1 - y/cap) is to be added to chi2 without X."""
    lines = [f"# {line}" for line in header.splitlines()]
    lines.append(" ".join(map(str, SHAPE)))
    lines.append(
        f"{chi2_standard:.6f} " + " ".join(map(str, (*CENTRES, *SCALES, CAP, LOWEST, STEP)))
    )
    lines += ["".join(f"{number:04x}" for number in row) for row in numbers.reshape(-1, SHAPE[2])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the table of zscan.kernels.matter.")
    default = Path(__file__).resolve().parents[1] / "zscan/kernels/tables/matter.txt"
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=default,
        metavar="PATH",
        help="default: the package's table",
    )
    parser.parse_args().output.write_text(table(), encoding="ascii")


if __name__ == "__main__":
    main()
