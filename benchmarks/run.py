"""Speed of the kernels and of a whole scan: `python benchmarks/run.py [--points K] [--folder DIR]`;
of a large one: `python benchmarks/run.py --large`.

Kernels: points per second on a K x K grid of masses and couplings, and how many times faster that
is than evaluating every point on its own (a flattened mesh). Scan: bytes per second of a whole run
(with all files) of 1e7 points and four constraints, next to NumPy writing as many bytes with one
fsync, in turns. Start-up (card, likelihood, compilation) is listed apart. Everything is the best
and the median of several repetitions.

Large: 1e8 points and eight constraints, once without and once with COHERENT and R_K among them,
each in a process of its own, which tells its peak memory. The roof of the disk, as many bytes
written in pieces of 16 MB and synced once, is measured before and after the run; its mean counts.
It needs 8 GB of disk for some minutes."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from common import EIGHT
from jax import Array

import zscan
from zscan.kernels import borexino, g2, trident
from zscan.scans import executors
from zscan.scans.spec import load_card
from zscan.scans.tiles import TileEvaluator

CARD: dict[str, object] = {
    "format": 1,
    "name": "benchmark",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "trident_ccfr", "trident_nutev", "borexino"],
    "axis": {
        "m_X": {"min": 1e-3, "max": 2.0, "num": 4000, "scale": "log"},
        "g_X": {"min": 1e-5, "max": 1e-1, "num": 2500, "scale": "log"},
    },
}
KERNELS: dict[str, Callable[[Array, Array], Array]] = {
    "delta_a_mu": lambda m_X, g_X: g2.delta_a_mu(m_X, g_X, 0.0),
    "trident_ccfr": lambda m_X, g_X: trident.cross_section_ratio(m_X, g_X, 0.0, g_X),
    "borexino": lambda m_X, g_X: borexino.rate_ratio(m_X, 0.01 * g_X, 0.01 * g_X, 0.0, g_X, -g_X),
}
LARGE = {"light": EIGHT, "heavy": [*EIGHT[:5], "electron_g2_rb", "coherent", "r_k"]}
LARGE_EXTENT = 10_000
PIECE = 1 << 24  # bytes
REPEATS = 5
# the flattened evaluation takes this fraction of the masses: it is slow and needs much memory
FLAT_SHARE = 20


def times(call: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Sorted wall times [s] of `call`."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return sorted(found)


def speed(compiled: Callable[..., Array], arguments: tuple[Array, Array]) -> float:
    """Points per second of a compiled function, at its best."""
    points = jax.block_until_ready(compiled(*arguments)).size
    return points / times(lambda: jax.block_until_ready(compiled(*arguments)))[0]


def kernels(points: int) -> None:
    """Print the speed of each kernel, on broadcast shapes and flattened."""
    m_X, g_X = np.geomspace(1e-3, 2.0, points), np.geomspace(1e-5, 1e-1, points)
    print(f"kernels on {points} x {points} points{'':12} points/s   flattened   ratio")
    for name, kernel in KERNELS.items():
        compiled = jax.jit(kernel)
        grid = jnp.asarray(m_X[:, None]), jnp.asarray(g_X[None, :])
        some = m_X[:: min(FLAT_SHARE, points)]
        masses, couplings = np.meshgrid(some, g_X, indexing="ij")
        flat = jnp.asarray(masses.ravel()), jnp.asarray(couplings.ravel())
        broadcast, flattened = speed(compiled, grid), speed(compiled, flat)
        print(f"  {name:34} {broadcast:11.3g} {flattened:11.3g} {broadcast / flattened:7.1f}")


def scan(folder: Path) -> None:
    """Print the speed of a whole scan beside that of writing as many bytes."""
    start = time.perf_counter()
    spec = load_card(CARD)
    loaded = time.perf_counter()
    evaluator = TileEvaluator(spec, spec.grid)
    evaluator(spec.grid.tile(0))()
    compiled = time.perf_counter()
    executors.TileEvaluator = lambda spec, grid: evaluator  # type: ignore[assignment,misc]
    out, plain = folder / "benchmark.h5", folder / "benchmark.bin"
    numbers = np.ones((len(spec.constraints), spec.grid.points), np.float32)
    status = np.ones(numbers.shape, np.uint8)
    size = numbers.nbytes + status.nbytes

    def numpy_writes() -> None:
        with open(plain, "wb") as file:
            numbers.tofile(file)
            status.tofile(file)
            file.flush()
            os.fsync(file.fileno())

    runs, writes = [], []
    for _ in range(REPEATS + 1):
        writes += times(numpy_writes, 1)
        runs += times(lambda: zscan.run_scan(spec, out, force=True, progress=False), 1)
    # The first turn touches memory and disk blocks that no one has used before.
    runs, writes = sorted(runs[1:]), sorted(writes[1:])
    evaluation = times(lambda: [evaluator(tile)() for tile in spec.grid])
    print(
        f"scan of {spec.grid.points:.0e} points x {len(spec.constraints)} constraints, "
        f"{size / 1e6:.0f} MB of map"
    )
    print(
        f"  start-up: card and likelihood {loaded - start:.2f} s, compilation "
        f"{compiled - loaded:.2f} s"
    )
    print(
        f"  evaluation alone    {evaluation[0]:6.3f} s (median {statistics.median(evaluation):.3f})"
    )
    for name, found in (("whole run", runs), ("numpy and fsync", writes)):
        middle = statistics.median(found)
        print(
            f"  {name:19} {found[0]:6.3f} s (median {middle:.3f}), {size / found[0] / 1e6:6.0f} "
            "MB/s"
        )
    middle = statistics.median(runs) / statistics.median(writes)
    print(f"  ratio               {runs[0] / writes[0]:6.2f}   (median {middle:.2f})")


def storage_roof(folder: Path, size: int) -> float:
    """Time [s] of writing and syncing so many bytes once."""
    piece = np.random.default_rng(1).integers(0, 256, PIECE, np.uint8).data
    path, start = folder / "roof.bin", time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for position in range(0, size, PIECE):
            file.write(piece[: min(PIECE, size - position)])
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds


def large(name: str, extent: int, folder: Path) -> None:
    """Print wall time and peak memory of a large scan beside the roof of the disk."""
    grid = {"num": extent, "scale": "log"}
    axes = {
        "m_X": {"min": 1e-3, "max": 2.0, **grid},
        "g_X": {"min": 1e-5, "max": 1e-1, **grid},
    }
    card = CARD | {"model": "B-3Lmu", "constraints": LARGE[name], "axis": axes}
    spec = load_card(card | {"fixed": {"g_sb": 1e-9}})  # without it R_K has nothing to say
    evaluator = TileEvaluator(spec, spec.grid)
    compilation = times(lambda: evaluator(spec.grid.tile(0))(), 1)[0]
    executors.TileEvaluator = lambda spec, grid: evaluator  # type: ignore[assignment,misc]
    size = spec.grid.points * len(spec.constraints) * (4 + 1)
    roofs, load, cpu = [storage_roof(folder, size)], os.getloadavg()[0], time.process_time()
    run = times(lambda: zscan.run_scan(spec, folder / "large.h5", progress=False), 1)[0]
    cpu, peak = time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (folder / "large.h5").unlink()
    roofs.append(storage_roof(folder, size))
    few = range(0, spec.grid.count, -(-spec.grid.count // 10))
    evaluation = times(lambda: [evaluator(spec.grid.tile(index))() for index in few], 1)[0]
    evaluation *= spec.grid.count / len(few)
    print(
        f"scan of {spec.grid.points:.0e} points x {len(spec.constraints)} constraints "
        f"({name}: {', '.join(spec.constraints)}), {size / 1e9:.2f} GB, load {load:.1f}\n"
        f"  compilation {compilation:.1f} s, run {run:.1f} s ({cpu:.1f} s of CPU), evaluation alone"
        f" about {evaluation:.1f} s\n"
        f"  write and fsync once {roofs[0]:.1f} and {roofs[1]:.1f} s, ratio "
        f"{run / statistics.mean(roofs):.2f}; peak memory {peak * 1024 / 1e9:.2f} GB",
        flush=True,
    )


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--points", type=int, default=4000, help="points per axis of the kernel part"
    )
    parser.add_argument("--folder", help="where to write (default: a temporary folder)")
    parser.add_argument("--large", action="store_true", help="only scans of 1e8 points")
    parser.add_argument("--extent", type=int, default=LARGE_EXTENT, help="points per axis of these")
    parser.add_argument("--case", choices=LARGE, help="with --large: only one of the two")
    arguments = parser.parse_args()
    zscan.enable_x64()
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
        f"{jax.local_devices()[0].device_kind}"
    )
    if arguments.large and arguments.case is None:
        for name in LARGE:
            subprocess.run([sys.executable, *sys.argv, "--case", name], check=True)
        return
    if not arguments.large:
        kernels(arguments.points)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.large:
            large(arguments.case, arguments.extent, Path(folder))
        else:
            scan(Path(folder))


if __name__ == "__main__":
    main()
