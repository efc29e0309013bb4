"""zscan beside the tools that a phenomenologist uses today, in one run: speeds, ratios, deviations.

    python benchmarks/peers.py [--darkcast CHECKOUT] [--json FILE]

Each line does the same job with a peer, point by point as the peer does it, and with zscan in one
call, compiled before: the muon's moment and the Borexino rate with SciPy's adaptive quadrature,
with NumPy on arrays (a Gauss rule of the textbook formula), the latter also with bsm-scanner (its
C++ graph of the same rule), R_K and a_mu with flavio, recasts of limits with DarkCast (a checkout
of https://gitlab.com/darkcast/releases, whose files are imported and run), for one model and for a
thousand; the deviation there is that of the factor between two models. Rates are points per second
of CPU time of this process, medians; where a peer is too slow for all points it does a few, and the
table says how many. A peer that is not there is named as skipped. The deviation is that of zscan
from the peer."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rk as rk_benchmark
from common import cpu
from scipy.integrate import quad

import zscan
from zscan.constants import G_F, M_E, M_MU
from zscan.kernels import borexino, g2, rk
from zscan.kernels.couplings import Couplings
from zscan.limits import excluded_couplings, load, signal_strengths
from zscan.models import Model, couplings

ENERGY = 0.862e-3  # GeV, the 7Be line
# GeV, from the threshold (arXiv:1707.09279) to the largest recoil
WINDOW = (0.19e-3, 2 * ENERGY**2 / (M_E.value + 2 * ENERGY))
FRACTIONS = (0.525, 0.192, 0.283)  # of nu_e, nu_mu, nu_tau at the Earth
SIN2 = 0.23857
RECAST = ("A1_Merkel2014avp", "NA48_Batley2015lha", "KLOE_Anastasi2015qla", "KLOE_Babusci2012cr")
SPECIES = ("e", "mu", "tau", "u", "d", "s", "c", "b")
Curve = tuple[np.ndarray, np.ndarray]  # masses, couplings


@dataclass(frozen=True)
class Line:
    """One comparison; rates are points per second."""

    job: str
    peer: str
    peer_rate: float
    zscan_rate: float
    deviation: float
    peer_points: int
    note: str = ""


def each(function: Callable[..., float], *columns: np.ndarray) -> tuple[np.ndarray, float]:
    """A peer's values point by point, and its rate."""
    rows = [tuple(map(float, row)) for row in zip(*columns, strict=True)]
    function(*rows[0])
    start = time.process_time()
    values = [function(*row) for row in rows]
    return np.array(values), len(rows) / (time.process_time() - start)


def compiled(function: Callable[..., Any], *columns: np.ndarray) -> tuple[np.ndarray, float]:
    """Values of zscan at all points, and its rate once compiled."""
    arrays = [jnp.asarray(column) for column in columns]
    program = jax.jit(function)
    values = np.asarray(jax.block_until_ready(program(*arrays)))
    return values, arrays[0].size / cpu(lambda: program(*arrays))


def off(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest relative deviation, where ours says something."""
    return float(np.nanmax(np.abs(ours / theirs - 1)))


# The muon's moment


def moment(m_X: float, g: float) -> float:
    """Vector X, arXiv:0811.1030 Eq. (1), by adaptive quadrature."""
    r2 = (m_X / M_MU.value) ** 2
    value, _ = quad(
        lambda x: x * x * (1 - x) / (x * x + r2 * (1 - x)), 0, 1, epsabs=0, epsrel=1e-10
    )
    return g * g / (4 * np.pi**2) * value


def moment_arrays(m_X: np.ndarray, g: np.ndarray) -> np.ndarray:
    x, w = np.polynomial.legendre.leggauss(64)
    x, w = (x[:, None] + 1) / 2, w[:, None] / 2
    r2 = (m_X / M_MU.value) ** 2
    return g * g / (4 * np.pi**2) * np.sum(w * x * x * (1 - x) / (x * x + r2 * (1 - x)), axis=0)


def moments(count: int) -> Iterable[Line]:
    rng = np.random.default_rng(1)
    m_X, g = 10 ** rng.uniform(-2, 1, count), 10 ** rng.uniform(-5, -2, count)
    ours, rate = compiled(lambda m, g: g2.delta_a_mu(m, g, 0.0), m_X, g)
    job = "delta_a_mu"
    theirs, slow = each(moment, m_X[:1000], g[:1000])
    yield Line(job, "SciPy quad", slow, rate, off(ours[:1000], theirs), 1000)
    theirs = moment_arrays(m_X, g)
    slow = count / cpu(lambda: moment_arrays(m_X, g))
    yield Line(job, "NumPy, 64 nodes", slow, rate, off(ours, theirs), count)
    flavio = module("flavio")
    m_X = 10 ** rng.uniform(2, 3, count)  # so heavy that it is a coefficient of the dipole
    ours, rate = compiled(lambda m, g: g2.delta_a_mu(m, g, 0.0), m_X, g)
    parameters = flavio.default_parameters.get_central_all()
    in_c7 = np.sqrt(2) * np.pi**2 / (parameters["m_mu"] ** 2 * parameters["GF"])
    scale = flavio.config["renormalization scale"]["mudecays"]

    def with_flavio(m_X: float, g: float) -> float:
        wilson = flavio.WilsonCoefficients()
        size = (g * M_MU.value / m_X) ** 2 / (12 * np.pi**2)
        wilson.set_initial({"C7_mumu": size * in_c7}, scale, eft="WET-3", basis="flavio")
        return float(flavio.np_prediction("a_mu", wilson)) - parameters["a_mu SM"]

    theirs, slow = each(with_flavio, m_X[:20], np.full(20, 0.3))
    ours = np.asarray(g2.delta_a_mu(m_X[:20], 0.3, 0.0))
    yield Line(job, "flavio a_mu", slow, rate, off(ours, theirs), 20, "heavy X as C7_mumu")


# Borexino, one coupling to all leptons


def spectrum(T: np.ndarray | float, d: np.ndarray | float) -> np.ndarray | float:
    """Sum of dsigma/dT over flavours; d is the coupling of X over the Fermi interaction."""
    total = 0.0
    for fraction, extra in zip(FRACTIONS, (1.0, 0.0, 0.0), strict=True):
        left, right = SIN2 - 0.5 + extra + d, SIN2 + d
        part = left**2 + right**2 * (1 - T / ENERGY) ** 2
        total = total + fraction * (part - left * right * M_E.value * T / ENERGY**2)
    return total


def propagator(T: np.ndarray | float, m_X: np.ndarray | float) -> np.ndarray | float:
    return 1 / (2 * np.sqrt(2) * G_F.value * (2 * M_E.value * T + m_X**2))


def rate_by_quad(m_X: float, g: float) -> float:
    up, _ = quad(lambda T: spectrum(T, g * g * propagator(T, m_X)), *WINDOW, epsabs=0, epsrel=1e-11)
    down, _ = quad(lambda T: spectrum(T, 0.0), *WINDOW, epsabs=0, epsrel=1e-11)
    return up / down


def rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(nodes)
    low, high = WINDOW
    return (high + low) / 2 + (high - low) / 2 * x, w


def rate_arrays(m_X: np.ndarray, g: np.ndarray) -> np.ndarray:
    T, w = (column[:, None] for column in rule(24))
    total = np.sum(w * spectrum(T, g * g * propagator(T, m_X)), axis=0)
    return total / np.sum(w * spectrum(T, 0.0))


def rate_graph(nodes: int) -> str:
    """The rule as an expression of m_X and g."""
    T, w = rule(nodes)
    zero = np.sum(w * spectrum(T, 0.0))
    terms = ["1"]
    for node, weight in zip(T, w, strict=True):
        one, minus = spectrum(node, 1.0), spectrum(node, -1.0)
        linear, square = (one - minus) / 2, (one + minus) / 2 - spectrum(node, 0.0)
        scale, recoil = float(2 * np.sqrt(2) * G_F.value), float(2 * M_E.value * node)
        P = f"(g**2/({scale!r}*({recoil!r} + m_X**2)))"
        terms.append(f"({float(weight * linear / zero)!r})*{P}")
        terms.append(f"({float(weight * square / zero)!r})*{P}**2")
    return " + ".join(terms)


def rates(count: int) -> Iterable[Line]:
    rng = np.random.default_rng(2)
    m_X, g = 10 ** rng.uniform(-3, 0, count), 10 ** rng.uniform(-6, -4, count)
    ours, rate = compiled(lambda m, g: borexino.rate_ratio(m, g, g, g, g, g), m_X, g)
    job = "borexino"
    theirs, slow = each(rate_by_quad, m_X[:500], g[:500])
    yield Line(job, "SciPy quad", slow, rate, off(ours[:500], theirs), 500)
    theirs = rate_arrays(m_X, g)
    slow = count / cpu(lambda: rate_arrays(m_X, g))
    yield Line(job, "NumPy, 24 nodes", slow, rate, off(ours, theirs), count)
    scanner = module("bsm_scanner.api")
    parameter = {"value_type": "real", "scan": True, "prior": "flat", "default": 1e-2}
    table = {
        "metadata": {"name": "borexino", "version": "1", "description": "7Be rate"},
        "parameters": [
            parameter | {"name": "m_X", "lower": 1e-3, "upper": 1.0},
            parameter | {"name": "g", "lower": 1e-6, "upper": 1e-4},
        ],
        "observables": [{"name": "R", "value_type": "real", "expression": rate_graph(24)}],
        "outputs": {"save": ["R"]},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "borexino.yaml"
        path.write_text(json.dumps(table))
        model = scanner.compile_model(path)
    used = 2000

    def graph(m_X: float, g: float) -> float:
        return float(model.evaluate({"m_X": m_X, "g": g})["outputs"]["R"])

    theirs, slow = each(graph, m_X[:used], g[:used])
    yield Line(job, "bsm-scanner, 24 nodes", slow, rate, off(ours[:used], theirs), used)


# R_K


def ratios(count: int) -> Iterable[Line]:
    points = rk_benchmark.random_points(count)
    ours, rate = compiled(rk.r_k, *points)
    used = 200
    theirs, slow = each(rk_benchmark.numpy_r_k, *(column[:used] for column in points))
    yield Line("r_k", "NumPy, sinh map", slow, rate, off(ours[:used], theirs), used)
    module("flavio")
    for name, (function, arguments) in (rk_benchmark.flavio_methods() or {}).items():
        if arguments == 2:
            c9, c10 = np.array([-1.0, -0.5, 0.0]), np.array([0.0, 0.5, 0.7])
            theirs, slow = each(function, c9, c10)
            found = np.asarray(rk.r_k_wilson(c9, c10))
            yield Line("r_k", name, slow, rate, off(found, theirs), 3, "no light X")
        else:
            theirs, slow = each(function, *(column[:6] for column in points))
            yield Line("r_k", name, slow, rate, off(ours[:6], theirs), 6)


# Recasts


def recasts(checkout: Path | None) -> Iterable[Line]:
    if checkout is None:
        raise ImportError("--darkcast CHECKOUT was not given")
    sys.path.insert(0, str(checkout.resolve().parent))
    darkcast = importlib.import_module(checkout.resolve().name)
    limits = {name: darkcast.Limit(name) for name in RECAST}
    options = {"thresholds": "darkcast", "hadrons": "darkcast"}

    def recast(model: Any) -> tuple[dict[str, Curve], float]:
        start = time.process_time()
        found = {name: limit.recast(model)["lower"] for name, limit in limits.items()}
        seconds = time.process_time() - start
        curves = {name: (np.array(one.axes[0]), np.array(one.vals)) for name, one in found.items()}
        return curves, seconds

    theirs, seconds = recast(darkcast.Model("B-L_boson"))
    photon, _ = recast(darkcast.Model("dark_photon"))
    masses = sum(mass.size for mass, _ in theirs.values())

    def bounds_of(model: str) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(excluded_couplings(name, model, mass, **options)[0])
            for name, (mass, _) in theirs.items()
        }

    ours, ours_photon = bounds_of("B-L"), bounds_of("dark-photon")
    rate = masses / cpu(lambda: bounds_of("B-L"))
    # Curves of zscan are thinned: what the two tools calculate is the factor between two models
    worst = max(
        off(ours[name] / ours_photon[name], theirs[name][1] / photon[name][1]) for name in theirs
    )
    yield Line("recast, B-L, 4 limits", "DarkCast", masses / seconds, rate, worst, masses)

    # A thousand models at the masses of one limit: its prompt signals grow as g^2: the bound
    # is the coupling over the root of the signal strength
    name, used = RECAST[0], 3
    rng = np.random.default_rng(3)
    charges = {key: rng.integers(-3, 4, 1000).astype(float) for key in SPECIES}
    mass = theirs[name][0][:, None]
    limits = {name: limits[name]}

    def bounds() -> np.ndarray:
        strengths = signal_strengths([load(name)], mass, unit(mass, charges), **options)[0]
        with np.errstate(divide="ignore"):
            return 1 / np.sqrt(np.asarray(strengths))

    found, worst, seconds = bounds() / ours_photon[name][:, None], 0.0, 0.0
    for number in range(used):
        values = {key: float(column[number]) for key, column in charges.items()}
        with tempfile.TemporaryDirectory() as folder:
            others = dict.fromkeys(("nue", "numu", "nutau", "t"), 0.0)
            (Path(folder) / f"model_{number}.py").write_text(f"xfs = {values | others!r}\n")
            curves, spent = recast(darkcast.Model(f"model_{number}", path=folder))
        seconds += spent
        at, bound = curves[name]  # masses at which DarkCast finds a signal
        rows, known = np.isin(mass[:, 0], at), np.isin(photon[name][0], at)
        worst = max(worst, off(found[rows, number], bound / photon[name][1][known]))
    yield Line(
        "recast, 1000 models",
        "DarkCast",
        used * mass.size / seconds,
        1000 * mass.size / cpu(bounds),
        worst,
        used * mass.size,
        f"{used} of the models with DarkCast",
    )


def unit(mass: np.ndarray, charges: dict[str, np.ndarray]) -> Couplings:
    """Vector couplings of 1000 models at g_X = 1: neutral neutrinos."""
    zero = couplings(Model("none", L=0, E=0, N=0, Q=0, U=0, D=0), mass, np.zeros((1, 1)))
    shape = np.broadcast_shapes(mass.shape, (1, charges["e"].size))
    parts = {
        key: getattr(zero, key)._replace(V=jnp.broadcast_to(column, shape))
        for key, column in charges.items()
    }
    return zero._replace(**parts)


def module(name: str) -> Any:
    """A peer's package; raises ImportError with a word that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = {"flavio": "pip install flavio 'particle<1'"}.get(
            name, f"pip install {name.partition('.')[0].replace('_', '-')}"
        )
        raise ImportError(f"{name.partition('.')[0]} is not installed: {hint}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--darkcast", type=Path, metavar="CHECKOUT")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    zscan.enable_x64()
    lines: list[Line] = []
    skipped: list[str] = []
    jobs: dict[str, Callable[[], Iterable[Line]]] = {
        "delta_a_mu": lambda: moments(1_000_000),
        "borexino": lambda: rates(1_000_000),
        "r_k": lambda: ratios(200_000),
        "recasts": lambda: recasts(arguments.darkcast),
    }
    print(
        f"{'job':22s} {'peer':28s} {'peer [points/s]':>16s} {'zscan':>10s} {'ratio':>9s} "
        f"{'deviation':>10s} {'points':>8s}"
    )
    for job, run in jobs.items():
        try:
            for line in run():
                lines.append(line)
                print(
                    f"{line.job:22s} {line.peer:28s} {line.peer_rate:16.4g} "
                    f"{line.zscan_rate:10.3g} {line.zscan_rate / line.peer_rate:9.3g} "
                    f"{line.deviation:10.1e} {line.peer_points:8d}  {line.note}",
                    flush=True,
                )
        except ImportError as error:
            skipped.append(f"SKIPPED, {job}: {error}")
            print(skipped[-1], file=sys.stderr)
    print(f"CPU time, medians; float64, jax {jax.__version__} on {jax.devices()[0].platform}")
    if arguments.json:
        table = {"lines": [asdict(line) for line in lines], "skipped": skipped}
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
