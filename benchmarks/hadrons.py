"""Hadronic widths: speed, channels, accuracy and what they change, next to the table of DarkCast.

Run from the repository root: python benchmarks/hadrons.py speed|components|limits

speed: total widths and branching ratios on 1000 masses x 1000 couplings and at 1e6 points, in turns
with hadrons = "darkcast", ratio of the least times. components: width over that of mu+ mu- and
accuracy for currents and models by window of mass. limits: largest change of the lower edge of
every shipped limit from "darkcast" to the default, and where bounds are left out, for the shipped
models."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan import couplings, enable_x64, list_models, load_model
from zscan.kernels.couplings import Couplings, FermionCoupling
from zscan.kernels.widths import (
    HADRONS,
    branching_ratios,
    hadron_uncertainty,
    partial_widths,
    total_width,
)
from zscan.limits import Limit, excluded_couplings, load

REPEATS = 15
WINDOWS = (0.14, 0.28, 0.5, 0.6, 0.75, 0.82, 0.98, 1.03, 1.12, 1.2, 1.4, 1.75, 2.0)
# Couplings of u, d, s: vector and axial
MODELS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "rho": ((1 / 2, -1 / 2, 0.0), (0.0, 0.0, 0.0)),
    "omega": ((1 / 6, 1 / 6, 0.0), (0.0, 0.0, 0.0)),
    "phi": ((0.0, 0.0, -1 / 3), (0.0, 0.0, 0.0)),
    "photon": ((2 / 3, -1 / 3, -1 / 3), (0.0, 0.0, 0.0)),
    "U(1)_B": ((1 / 3, 1 / 3, 1 / 3), (0.0, 0.0, 0.0)),
    "protophobic": ((-1 / 3, 2 / 3, 2 / 3), (0.0, 0.0, 0.0)),
    "U(1)_R": ((1 / 2, -1 / 2, -1 / 2), (1 / 2, -1 / 2, -1 / 2)),
}


def quarks(vector: tuple[float, float, float], axial: tuple[float, float, float]) -> Couplings:
    """Couplings to u, d and s only."""
    zero = jnp.zeros(())
    light = {
        name: FermionCoupling(jnp.asarray(V), jnp.asarray(A))
        for name, V, A in zip("uds", vector, axial, strict=True)
    }
    return Couplings(
        **{
            name: light.get(name, FermionCoupling(zero, zero))
            for name in ("e", "mu", "tau", "u", "d", "s", "c", "b", "t")
        },
        **dict.fromkeys(("nu_e", "nu_mu", "nu_tau"), zero),
    )


def in_turns(calls: dict[str, Callable[[], Array]]) -> dict[str, float]:
    """Least wall time [s] of each, called in turns: what else the machine does hits all alike."""
    best = dict.fromkeys(calls, np.inf)
    for repeat in range(REPEATS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            if repeat:  # the first one compiles
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def speed() -> None:
    m_X = jnp.asarray(np.geomspace(0.02, 8.0, 1000))[:, None]
    g_X = jnp.asarray(np.geomspace(1e-6, 1e-3, 1000))[None, :]
    points = jnp.asarray(np.random.default_rng(0).uniform(0.02, 5.0, 1_000_000))
    for name, masses, x in (
        ("1000 x 1000 grid", m_X, couplings("B-L", m_X, g_X, 1e-4)),
        ("1e6 points", points, couplings("B-L", points, jnp.full(points.shape, 1e-3), 1e-4)),
    ):
        for what, function in (
            ("total width", total_width),
            ("B(mu mu)", lambda *a, **k: branching_ratios(*a, **k)["mumu"]),
        ):
            compiled = {
                table: jax.jit(lambda m, x, f=function, h=table: f(m, x, hadrons=h))
                for table in HADRONS
            }
            calls = {table: (lambda f=f, m=masses, x=x: f(m, x)) for table, f in compiled.items()}
            best = in_turns(calls)
            print(
                f"{what:12} on a {name}: {best['default']:.4f} s, darkcast "
                f"{best['darkcast']:.4f} s, ratio {best['default'] / best['darkcast']:.2f}"
            )


def components() -> None:
    print(
        "Gamma(hadrons)/[g^2 m_X/(12 pi)], geometric mean in the window, and accuracy; *: none in "
        "a part of it"
    )
    print("| GeV |", " | ".join(MODELS), "|")
    print("|---|" + "---|" * len(MODELS))
    for low, high in zip(WINDOWS, (*WINDOWS[1:], 3.0), strict=True):
        m_X = np.linspace(low, high, 202)[1:-1]
        cells = []
        for vector, axial in MODELS.values():
            x = quarks(vector, axial)
            R = np.array(partial_widths(m_X, x)["hadrons"]) * 12 * np.pi / m_X
            error = np.array(hadron_uncertainty(m_X, x))
            typical = np.exp(np.log(R[R > 0]).mean()) if (R > 0).any() else 0.0
            bad = ~(error <= 0.5)
            accuracy = "none" if bad.all() else f"{error[~bad].min():.2f}-{error[~bad].max():.2f}"
            accuracy += "*" if bad.any() and not bad.all() else ""
            cells.append(f"{typical:.1e} ({accuracy})")
        print(f"| {low:.2f}-{high:.2f} |", " | ".join(cells), "|")


def models() -> list[str]:
    """The shipped models whose couplings scale with g_X."""
    return [name for name in list_models() if load_model(name).scales_with_coupling]


def changes(limit: Limit, model: str) -> tuple[float, float, str]:
    """Largest change of the lower edge (a factor minus one), where, and masses [GeV] without a
    bound for want of accuracy.
    """
    low, high = limit.mass[0], limit.mass[-1]
    grid = [np.geomspace(low, high, 600), np.linspace(0.76, 0.81, 101), np.linspace(1, 1.04, 161)]
    m_X = np.sort(np.clip(np.concatenate(grid), low, high))  # of one size: compiled once
    new, old = (
        np.array(excluded_couplings(limit, model, m_X, hadrons=table)[0]) for table in HADRONS
    )
    change = np.nan_to_num(new / old - 1)
    worst = int(np.argmax(np.abs(change)))
    lost = m_X[np.isnan(new) & np.isfinite(old)]
    where = ", ".join(
        f"{part[0]:.3g}-{part[-1]:.3g}"
        for part in np.split(lost, np.flatnonzero(np.diff(lost) > 0.1 * lost[:-1]) + 1)
        if part.size
    )
    return change[worst], m_X[worst], where


def limits() -> None:
    names = [name for name in list_models() if load_model(name).scales_with_coupling]
    print("| limit | largest change of g_lo | model, m_X [GeV] | left out [GeV] |")
    print("|---|---|---|---|")
    for limit in load():
        found = {name: changes(limit, name) for name in names}
        worst = max(found, key=lambda name: abs(found[name][0]))
        change, mass, _ = found[worst]
        lost: dict[str, list[str]] = {}
        for name, (*_, where) in found.items():
            if where:
                lost.setdefault(where, []).append(name)
        left_out = "; ".join(f"{', '.join(names)}: {where}" for where, names in lost.items())
        at = f"{worst}, {mass:.3g}" if abs(change) >= 5e-4 else ""
        print(f"| {limit.name} | {100 * change:+.1f} % | {at} | {left_out} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("speed", "components", "limits"))
    enable_x64()
    {"speed": speed, "components": components, "limits": limits}[parser.parse_args().table]()


if __name__ == "__main__":
    main()
