"""Limit curves together, profiled parameters and the axis of models, next to what arithmetic takes.

    python benchmarks/limits.py [--points K] [--json FILE]

Microseconds of CPU time per point, medians, in one run with the roofs of the machine: a chain of
multiply-adds, and exponentials and logarithms on numbers in a cache. The limit of a program is the
operations that XLA counts over the first roof and its transcendentals over the mean of the other
two; a loop counts once, so that the true limit of a program with loops is higher. Curves: the sum
of all limits in use for B - 3 L_mu, value and gradient by mass and coupling, on a grid of K x K
points and on as many points in any order. Models: the shipped card `catalogue`, at fewer masses and
couplings. Profile: chi2 of the shipped card `profile-eps` minimised over eps from one start at K x
K points; here the limit is one evaluation with derivatives for each step that a point needs
itself, where all points of a tile take the steps of the slowest one."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import cpu
from gpu import roofs
from jax import Array, lax

import zscan
from zscan.optimise import minimise
from zscan.scans.spec import load_card

CARDS = Path(__file__).resolve().parents[1] / "scans"
Record = dict[str, Any]


def transcendentals() -> float:
    """Exponentials and logarithms per second, half of each."""
    values, steps = jnp.linspace(0.1, 1.0, 2**13), 64

    def rate(function: Callable[[Array], Array]) -> float:
        chain = jax.jit(
            lambda x: lax.fori_loop(0, steps, lambda _, y: 0.5 * function(y) + x, x)  # stays finite
        )
        return steps * values.size / cpu(lambda: chain(values))

    return 2 / (1 / rate(jnp.exp) + 1 / rate(jnp.log))


def row(name: str, function: Callable[..., Any], arguments: Any, points: int, roof: Record) -> None:
    """Print time, limit and ratio of a function of arrays, and keep them."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compilation = time.perf_counter() - start
    counted = compiled.cost_analysis() or {}
    limit = counted.get("flops", 0.0) / roof["flops_per_s"]
    limit += counted.get("transcendentals", 0.0) / roof["transcendentals_per_s"]
    keep(name, cpu(lambda: compiled(*arguments)) / points, limit / points, compilation, roof)


def keep(name: str, seconds: float, limit: float, compilation: float, roof: Record) -> None:
    roof["rows"].append({"name": name, "seconds": seconds, "limit": limit, "compile": compilation})
    print(
        f"{name:44} {1e6 * seconds:9.3f} {1e6 * limit:9.3f} {seconds / limit:7.1f} "
        f"{compilation:10.1f}",
        flush=True,
    )


def curves(count: int, roof: Record) -> None:
    """All limits in use, together."""
    likelihood = zscan.log_likelihood("B-3Lmu", ["searches/*"])

    def value(m_X: Array, g_X: Array) -> Array:
        return likelihood.total({"m_X": m_X, "g_X": g_X})

    def gradient(m_X: Array, g_X: Array) -> tuple[Array, ...]:
        total, pullback = jax.vjp(value, m_X, g_X)
        return (total, *pullback(jnp.ones_like(total)))

    generator = np.random.default_rng(1)
    shapes = {
        "grid": (np.geomspace(1e-3, 10, count)[:, None], np.geomspace(1e-6, 1e-1, count)[None, :]),
        "any order": tuple(
            10 ** generator.uniform(*ends, count**2) for ends in ((-3, 1), (-6, -1))
        ),
    }
    for name, arrays in shapes.items():
        arguments = tuple(map(jnp.asarray, arrays))
        for kind, function in (("value", value), ("gradient", gradient)):
            label = f"{len(likelihood.summed)} limit curves, {name}, {kind}"
            row(label, function, arguments, count**2, roof)


def models(roof: Record) -> None:
    """The plane of every model of a catalogue."""
    card = {"axis.m_X.num": 20, "axis.g_X.num": 20}
    spec = load_card(CARDS / "catalogue.toml", overrides=[f"{k}={v}" for k, v in card.items()])
    parameters: dict[str, Array] = {}
    for number, axis in enumerate(spec.axes):
        shape = [1] * len(spec.axes)
        shape[number] = -1
        columns = axis.columns or {axis.name: axis.values}
        parameters |= {name: jnp.asarray(column).reshape(shape) for name, column in columns.items()}
    names = tuple(parameters)

    def value(*arrays: Array) -> Array:
        return spec.likelihood.total({**spec.fixed, **dict(zip(names, arrays, strict=True))})

    points = spec.grid.points
    label = f"{spec.axes[0].values.size} models x {len(spec.constraints)} constraints"
    row(label, value, tuple(parameters.values()), points, roof)


def profile(count: int, roof: Record) -> None:
    """chi2 minimised over one parameter."""
    spec = load_card(CARDS / "profile-eps.toml")
    (free,) = spec.profiled
    m_X = jnp.asarray(np.geomspace(1e-3, 2, count)[:, None])
    g_X = jnp.asarray(np.geomspace(1e-5, 1e-1, count)[None, :])

    def chi2(units: list[Array]) -> Array:
        values = {"m_X": m_X, "g_X": g_X, free.name: free.from_unit(units[0])}
        return jnp.broadcast_to(spec.likelihood.total(values), units[0].shape)

    def steps(start: Array, limit: Array | int) -> minimise.State:
        hold = jnp.zeros((1, count, count), bool)
        return minimise.advance(chi2, minimise.begin(start[None]), hold, limit, minimise.EDM_GOAL)

    begun = time.perf_counter()
    compiled = jax.jit(steps)
    start = jnp.full((count, count), 0.5)
    taken = int(compiled(start, minimise.MAX_STEPS).steps)
    compilation = time.perf_counter() - begun
    # Ten steps: eleven less one
    eleven, one = (cpu(lambda n=n: compiled(start, n)) for n in (11, 1))
    needed = sum(float(compiled(start, number).active.mean()) for number in range(taken))
    whole = cpu(lambda: compiled(start, minimise.MAX_STEPS))
    size = count**2
    keep(
        "minimum over eps, one start",
        whole / size,
        needed * (eleven - one) / 10 / size,
        compilation,
        roof,
    )
    print(f"{'':6}{taken} steps, of which a point needs {needed:.1f} on average")


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=200, help="of each axis of a plane (200)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    arguments = parser.parse_args()
    zscan.enable_x64()
    roof: Record = roofs(2**20) | {"transcendentals_per_s": transcendentals(), "rows": []}
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; multiply-add "
        f"{roof['flops_per_s'] / 1e9:.3g} Gflop/s, exponentials and logarithms "
        f"{roof['transcendentals_per_s'] / 1e9:.3g} G/s"
    )
    print(f"{'us of CPU per point':44} {'measured':>9} {'limit':>9} {'ratio':>7} {'compile s':>10}")
    profile(arguments.points, roof)
    models(roof)
    curves(arguments.points, roof)
    if arguments.json:
        arguments.json.write_text(json.dumps(roof, indent=1) + "\n")


if __name__ == "__main__":
    main()
