"""Speed of recasting: all shipped limits at 100 masses, for 1, 100 and 10,000 models in one call.

Run from the repository root: python benchmarks/recast.py
"""

from __future__ import annotations

import time

import jax
import numpy as np

from zscan import enable_x64
from zscan.kernels.couplings import Couplings
from zscan.limits import load, signal_strengths
from zscan.models import GENERATIONS, couplings

MASSES = np.geomspace(2e-3, 8.0, 100)[:, None]


def models(number: int) -> Couplings:
    """Couplings of `number` random models with loop mixing, so that every coupling depends on mass
    and model.
    """
    rng = np.random.default_rng(1)
    names = [f"charge.{species}.{name}" for species, names in GENERATIONS.items() for name in names]
    charges = {
        name: rng.integers(-3, 4, (1, number)) for name in names if not name.startswith("charge.N")
    }
    return couplings("Lmu-Ltau", MASSES, np.full((1, number), 1e-3), charges=charges)


def main() -> None:
    enable_x64()
    limits = load()
    for number in (1, 100, 10_000):
        arrays = jax.block_until_ready(models(number))
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            jax.block_until_ready(signal_strengths(limits, MASSES, arrays))
            seconds.append(time.perf_counter() - start)
        print(
            f"{number:6d} models x {MASSES.size} masses x {len(limits)} limits: {min(seconds):.3f} "
            f"s ({number / min(seconds):.0f} models/s), first call with compilation "
            f"{seconds[0]:.2f} s"
        )


if __name__ == "__main__":
    main()
