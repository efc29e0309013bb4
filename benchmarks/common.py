"""What several benchmarks share: a scan of eight constraints, and a stopwatch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jax

# Cheap ones: what a scan of them takes is mostly files
EIGHT = [
    "delta_a_mu",
    "trident_ccfr",
    "trident_nutev",
    "borexino",
    "texono",
    "lsnd_nue",
    "electron_g2_rb",
    "electron_g2_cs",
]


def cpu(call: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU time [s] of `call`, whose arrays are waited for; the first call is not counted."""
    jax.block_until_ready(call())
    found = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(call())
        found.append(time.process_time() - start)
    return statistics.median(found)
