"""Time of the profiled COHERENT chi2 on one core, next to a textbook implementation of the same
numbers.

    python benchmarks/coherent.py [--points N]

The map is N x N points (default 200) of B - 3 L_mu in (m_X, g_X). The textbook is a plain vmap over
points of six steps of Newton's method on the 144 bins."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import zscan
from zscan.kernels import coherent
from zscan.kernels._coherent_csi import DATA, PULL_ERRORS

zscan.enable_x64()
_STEPS, _REPEATS = 6, 3


def coupled(chi2: Callable[..., Array], m_X: Array, g_X: Array) -> Array:
    """chi2 of B - 3 L_mu."""
    return chi2(m_X, g_X / 3, g_X / 3, jnp.zeros_like(g_X), -3 * g_X)


def textbook(m_X: Array, *g: Array) -> Array:
    """chi2 of one point; same start and step limit as zscan, numpy-like code."""
    data = DATA
    signal = coherent.expected_events(m_X, *g)
    parts = jnp.stack([signal, jnp.asarray(data.neutrons), jnp.asarray(data.steady)])
    counts, penalty = jnp.asarray(data.counts), 2 / jnp.asarray(PULL_ERRORS) ** 2
    x = jnp.array([jnp.minimum(1.0, 120 / signal.sum()), 1.0, 1.0])
    for _ in range(_STEPS):
        expected = jnp.tensordot(x, parts, axes=1)
        gradient = 2 * jnp.sum(parts * (1 - counts / expected), axis=(1, 2)) + penalty * (1 - 1 / x)
        hessian = 2 * jnp.einsum("iet,jet,et->ij", parts, parts, counts / expected**2) + jnp.diag(
            penalty / x**2
        )
        x = jnp.maximum(x - jnp.linalg.solve(hessian, gradient), 0.1 * x)
    expected = jnp.tensordot(x, parts, axes=1)
    terms = (
        expected
        - counts
        + jnp.where(counts > 0, counts * jnp.log(jnp.maximum(counts, 1) / expected), 0.0)
    )
    return 2 * jnp.sum(terms) + jnp.sum(penalty * (x - 1 - jnp.log(x)))


def measure(label: str, function: Callable[[Array, Array], Any], m_X: Array, g_X: Array) -> Any:
    """Print compilation time and best time of a few runs; return the numbers."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(m_X, g_X).compile()
    compilation = time.perf_counter() - start
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        result = jax.block_until_ready(compiled(m_X, g_X))
        seconds.append(time.perf_counter() - start)
    points = m_X.size * g_X.size
    print(
        f"{label:28s} {min(seconds) / points * 1e6:8.2f} us per point and core, "
        f"{min(seconds):.3f} s for {points} points, compilation {compilation:.1f} s"
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=200, help="points along each axis")
    number = parser.parse_args().points
    m_X, g_X = jnp.geomspace(1e-3, 1.0, number), jnp.geomspace(1e-6, 1e-2, number)
    plain = jax.vmap(jax.vmap(lambda m, g: coupled(textbook, m, g), (None, 0)), (0, None))
    ours = measure("zscan", lambda m, g: coupled(coherent.chi2, m[:, None], g[None, :]), m_X, g_X)
    gradient = jax.grad(
        lambda m, g: coupled(coherent.chi2, m[:, None], g[None, :]).sum(), argnums=(0, 1)
    )
    measure("zscan, gradient in m_X, g_X", gradient, m_X, g_X)
    theirs = measure("textbook vmap", plain, m_X, g_X)
    difference = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
    print(f"largest difference in chi2: {difference:.1e}")
    if not difference < 1e-6:
        raise SystemExit("the two implementations disagree")


if __name__ == "__main__":
    main()
