"""Speed on the accelerator that is there, next to what its memory and arithmetic allow.

    python benchmarks/gpu.py [--points N] [--scan N] [--folder DIR] [--json FILE] [--cpu]

Three parts, all in float64. Roofs: a copy in memory and a chain of multiply-adds, measured here.
Kernels: every measured constraint through `zscan.log_likelihood`, on points that all differ in mass
and coupling: the value, and the value with its gradient by both. Two shares go with each: the bytes
of a point (two numbers read, one written; two more with the gradient) times points per second over
the copy roof, and the operations that XLA counts in the program of 512 points, before it optimises,
over the multiply-add roof (a transcendental counts as one, and a loop once, so that the true share
of a kernel with loops is higher). Scan: eight constraints on a grid of masses and couplings, a
whole run with all files, and its parts on their own: compute, transfer to the host, and digests and
writing, which is all that remains.

Without an accelerator it says so and ends with exit code 1; `--cpu` runs the same code on the CPU
at a small size. Times are medians of several repetitions; compilation is listed apart."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import EIGHT
from jax import Array, lax

import zscan
from zscan.constraints import measured_constraints
from zscan.scans import executors
from zscan.scans.spec import ScanSpec, load_card
from zscan.scans.tiles import TileEvaluator

REPEATS = 5
COUNTED = 512  # points of the program whose operations are counted
STEPS = 512  # multiply-adds of each number in the chain that measures arithmetic
MODEL = "B-3Lmu"
FLAVOUR = {"g_sb": 1e-9, "g_sd": 1e-13, "g_bd": 1e-10}  # so that no constraint is without effect
Record = dict[str, Any]


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time of `call`, whose arrays are waited for."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def roofs(count: int) -> Record:
    """Bytes per second of a copy (read and written) of `count` numbers, and operations per second
    of a chain of multiply-adds on them.
    """
    values = jnp.linspace(0.0, 1.0, count)
    copy = jax.jit(lambda x: x + 1.0)
    unrolled = 32

    def chain(x: Array) -> Array:
        def step(_: int, y: Array) -> Array:
            for _number in range(unrolled):
                y = y * 0.999 + x
            return y

        return lax.fori_loop(0, STEPS // unrolled, step, x)

    # Numbers that fit into a cache, so that memory does not limit the arithmetic of a CPU
    short = values[: min(count, 2**13 if jax.default_backend() == "cpu" else count)]
    arithmetic = jax.jit(chain)
    jax.block_until_ready((copy(values), arithmetic(short)))
    return {
        "bytes_per_s": 16 * count / seconds(lambda: copy(values)),
        "flops_per_s": 2 * STEPS * short.size / seconds(lambda: arithmetic(short)),
    }


def points(count: int) -> tuple[Array, Array]:
    """Masses [GeV] and couplings, each point on its own, in random order."""
    generator = np.random.default_rng(1)
    m_X, g_X = 10 ** generator.uniform(-3, 1, count), 10 ** generator.uniform(-6, -1, count)
    return jnp.asarray(m_X), jnp.asarray(g_X)


def kernel(name: str, m_X: Array, g_X: Array, roof: Record) -> list[Record]:
    """Value and gradient of one constraint."""
    likelihood = zscan.log_likelihood(MODEL, [name])

    def value(m_X: Array, g_X: Array) -> Array:
        return likelihood.total({"m_X": m_X, "g_X": g_X} | FLAVOUR)

    def gradient(m_X: Array, g_X: Array) -> tuple[Array, ...]:
        total, pullback = jax.vjp(value, m_X, g_X)
        return (total, *pullback(jnp.ones_like(total)))

    found = []
    for kind, function, numbers in (("value", value, 3), ("gradient", gradient, 5)):
        start = time.perf_counter()
        compiled = jax.jit(function).lower(m_X, g_X).compile()
        compilation = time.perf_counter() - start
        rows = jax.tree.leaves(compiled(m_X, g_X))
        finite = all(bool(jnp.isfinite(row).all()) for row in rows)
        speed = m_X.size / seconds(lambda c=compiled: c(m_X, g_X))  # type: ignore[misc]
        # Of so few points that none of them wait in a loop, whose operations count once
        few = jax.jit(function).lower(m_X[:COUNTED], g_X[:COUNTED])
        operations = float((few.cost_analysis() or {}).get("flops", math.nan)) / COUNTED
        found.append(
            {
                "constraint": name,
                "kind": kind,
                "points_per_s": speed,
                "compile_s": compilation,
                "flops_per_point": operations,
                "share_of_bytes": 8 * numbers * speed / roof["bytes_per_s"],
                "share_of_flops": operations * speed / roof["flops_per_s"],
                "temporary_bytes": int(compiled.memory_analysis().temp_size_in_bytes),
                "finite": finite,
            }
        )
    return found


def scan_spec(count: int) -> ScanSpec:
    """A scan of `count` points or a few more, masses by couplings."""
    masses = math.isqrt(count)
    couplings = -(-count // masses)
    card = {
        "format": 1,
        "name": "gpu",
        "model": MODEL,
        "constraints": EIGHT,
        "axis": {
            "m_X": {"min": 1e-3, "max": 2.0, "num": masses, "scale": "log"},
            "g_X": {"min": 1e-6, "max": 1e-1, "num": couplings, "scale": "log"},
        },
    }
    return load_card(card)


def scan(count: int, folder: Path) -> Record:
    """A whole run, and its parts: each tile computed and waited for; computed and copied out."""
    spec = scan_spec(count)
    evaluator = TileEvaluator(spec, spec.grid)
    start = time.perf_counter()
    fields = evaluator(spec.grid.tile(0))()
    compilation = time.perf_counter() - start
    tile_bytes = sum(rows.nbytes for values in fields.values() for rows in values)

    # The run takes what is compiled here
    executors.TileEvaluator = lambda spec, grid: evaluator  # type: ignore[assignment,misc]

    def compute() -> None:
        for tile in spec.grid:
            evaluator(tile)
            evaluator.wait()

    def copied() -> None:
        for tile in spec.grid:
            evaluator(tile)()

    def whole() -> Path:
        return zscan.run_scan(spec, folder / "gpu.h5", force=True, progress=False)

    repeats = 1 if count > 1e8 else 3
    computed, moved, run = (seconds(part, repeats) for part in (compute, copied, whole))
    size = (folder / "gpu.h5").stat().st_size
    return {
        "points": spec.grid.points,
        "constraints": len(spec.constraints),
        "tiles": spec.grid.count,
        "tile_bytes": tile_bytes,
        "map_bytes": size,
        "compile_s": compilation,
        "compute_s": computed,
        "transfer_s": max(moved - computed, 0.0),
        "write_s": max(run - moved, 0.0),
        "whole_run_s": run,
        "points_per_s": spec.grid.points / run,
    }


def show(report: Record) -> None:
    """Print a report as tables."""
    roof = report["roofs"]
    print(
        f"{report['device']} ({report['platform']}), jax {report['jax']}, {report['cpus']} CPUs, "
        f"load {report['load']:.1f}; copy {roof['bytes_per_s'] / 1e9:.4g} GB/s, multiply-add "
        f"{roof['flops_per_s'] / 1e9:.4g} Gflop/s (float64)"
    )
    print(
        f"{'constraint':18} {'kind':9} {'points/s':>10} {'of bytes':>9} {'of flops':>9} "
        f"{'compile s':>10} {'temp MB':>8}"
    )
    for row in report["kernels"]:
        print(
            f"{row['constraint']:18} {row['kind']:9} {row['points_per_s']:10.3g} "
            f"{row['share_of_bytes']:9.2g} {row['share_of_flops']:9.2g} {row['compile_s']:10.2f} "
            f"{row['temporary_bytes'] / 1e6:8.0f}{'' if row['finite'] else '  not finite'}"
        )
    part = report["scan"]
    print(
        f"scan of {part['points']:.3g} points x {part['constraints']} constraints in "
        f"{part['tiles']} tiles, map {part['map_bytes'] / 1e6:.4g} MB: {part['whole_run_s']:.3g} s "
        f"({part['points_per_s']:.3g} points/s); compute {part['compute_s']:.3g}, transfer "
        f"{part['transfer_s']:.3g}, digests and writing that do not overlap "
        f"{part['write_s']:.3g}; compilation {part['compile_s']:.2f}"
    )


def main() -> int:
    """Run all parts; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, help="of the kernels (2^22; with --cpu 2^12)")
    parser.add_argument("--scan", type=float, help="points of the scan (1e9; with --cpu 1e5)")
    parser.add_argument("--constraints", nargs="+", help="only these kernels")
    parser.add_argument("--folder", help="where the scan writes (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--cpu", action="store_true", help="run on the CPU, at a small size")
    arguments = parser.parse_args()
    if arguments.cpu:
        jax.config.update("jax_platforms", "cpu")
    zscan.enable_x64()
    device = jax.local_devices()[0]
    if device.platform == "cpu" and not arguments.cpu:
        print("no accelerator found (jax has a CPU only); --cpu runs there", file=sys.stderr)
        return 1
    small = arguments.cpu
    count = arguments.points or (2**12 if small else 2**22)
    roof = roofs(2**22 if small else 2**27)
    m_X, g_X = points(count)
    names = arguments.constraints or measured_constraints()
    report: Record = {
        "device": device.device_kind,
        "platform": device.platform,
        "jax": jax.__version__,
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "points": count,
        "roofs": roof,
        "kernels": [row for name in names for row in kernel(name, m_X, g_X, roof)],
    }
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        report["scan"] = scan(int(arguments.scan or (1e5 if small else 1e9)), Path(folder))
    show(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
