"""A refined scan beside the dense one: `python benchmarks/adaptive.py [--levels L ...] [--base N]`.

Planes: Fig 2 (19 constraints) on its card, and one line, that of COHERENT for B - 3
L_mu. For each the number of points, the CPU time of a whole run with files (start-up, which is
tracing and compilation, apart), and how far the contours lie from each other in steps of the dense
grid, at most. Both grids have the same finest step: N x N cells of the card, each axis cut into
2^L."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import zscan
from zscan.errors import UnknownNameError
from zscan.results.contour_lines import contour_lines
from zscan.scans import executors, refine
from zscan.scans.spec import ScanSpec, load_card

_COUPLING = {"min": 1e-6, "max": 1e-2, "scale": "log"}
LINE = {
    "format": 1,
    "name": "line",
    "model": "B-3Lmu",
    "constraints": ["coherent"],
    "axis": {"m_X": {"min": 1e-2, "max": 1.0, "scale": "log"}, "g_X": _COUPLING},
}
PLANES: dict[str, Any] = {"Fig 2": "fig2", "COHERENT": LINE}


def cpu(call: Callable[[], object]) -> float:
    """CPU time [s] of `call`."""
    start = time.process_time()
    call()
    return time.process_time() - start


def timed(spec: ScanSpec, out: Path) -> tuple[float, float]:
    """CPU time [s] of a run: start-up, and the rest, the better of two."""
    kept: dict[str, Any] = {}
    for module, name in ((executors, "TileEvaluator"), (refine, "PointEvaluator")):
        made = getattr(module, name)
        setattr(module, name, lambda *a, made=made, name=name: kept.setdefault(name, made(*a)))

    def run() -> None:
        zscan.run_scan(spec, out, force=True, progress=False)

    try:
        first, *others = (cpu(run) for _ in range(3))
    finally:
        executors.TileEvaluator = zscan.scans.tiles.TileEvaluator  # type: ignore[misc]
        refine.PointEvaluator = zscan.scans.tiles.PointEvaluator  # type: ignore[misc]
    return first - min(others), min(others)


def distance(refined: xr.Dataset, dense: xr.Dataset) -> float:
    """How far a point of the contours of either map lies from those of the other one, at most, in
    steps of the dense grid.
    """
    steps = [np.diff(np.log(dense[name].values)).mean() for name in ("m_X", "g_X")]
    furthest = 0.0
    for constraint in dense["constraint"].values:
        try:
            both = [contour_lines(data, str(constraint)) for data in (refined, dense)]
        except UnknownNameError:
            continue  # the map does not hold its observable
        for level in {line.level for lines in both for line in lines}:
            one, other = (
                np.concatenate([line.points for line in lines if line.level == level])
                for lines in both
            )
            for here, there in ((one, other), (other, one)):
                furthest = max(furthest, _apart(np.log(here) / steps, np.log(there) / steps))
    return furthest


def _apart(here: np.ndarray, there: np.ndarray) -> float:
    nearest = [np.min(np.hypot(*(there - point).T)) for point in here]
    return float(max(nearest, default=0.0))


def main() -> None:
    """Print a line for each plane and number of levels."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--base", type=int, default=51, help="points of an axis of the card")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print("plane      grid           points  share   CPU s + start-up    lines apart [steps]")
    with tempfile.TemporaryDirectory() as folder:
        for name, card in PLANES.items():
            for levels in arguments.levels:
                fine = (arguments.base - 1) * 2**levels + 1
                maps, found = [], []
                for size, changes in ((fine, []), (arguments.base, [f"refine.levels={levels}"])):
                    sizes = [f"axis.{axis}.num={size}" for axis in ("m_X", "g_X")]
                    out = Path(folder) / f"{size}.h5"
                    found.append(timed(load_card(card, [*sizes, *changes]), out))
                    maps.append(zscan.open_scan(out, refined=True))
                dense, refined = maps
                table = json.loads(refined.attrs["refinement"])
                points = table["points"] + arguments.base**2
                apart = distance(refined, dense)
                grids = (
                    (f"{fine} x {fine}", fine**2),
                    (f"{arguments.base}, {levels} levels", points),
                )
                for (grid, count), (start, rest) in zip(grids, found, strict=True):
                    print(
                        f"{name:10} {grid:12} {count:8} {count / fine**2:6.1%} "
                        f"{rest:7.2f} + {start:5.1f}   {apart:16.2g}"
                    )
                dense.close()


if __name__ == "__main__":
    main()
