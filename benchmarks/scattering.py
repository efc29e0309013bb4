"""Time of neutrino-electron scattering on one core: every channel and the chi2 of CHARM-II on a
broadcast grid.

    python benchmarks/scattering.py [--points N]

The map is N x N points (default 2000) of L_mu - L_e in (m_X, g_X)."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
from jax import Array

import zscan
from zscan.kernels import scattering

zscan.enable_x64()
_REPEATS = 5


def everything(m_X: Array, g_X: Array) -> list[Array]:
    """All channels of `scattering.CHANNELS`, and chi2 of CHARM-II."""
    m_X, g_X = m_X[:, None], g_X[None, :]
    neutrinos = (-g_X, g_X, jnp.zeros_like(g_X))
    ratios = [
        scattering.rate_ratio(name, m_X, -g_X, -g_X, neutrinos) for name in scattering.CHANNELS
    ]
    return [*ratios, scattering.charm2_chi2(m_X, -g_X, -g_X, g_X)]


def gradient(m_X: Array, g_X: Array) -> tuple[Array, Array]:
    """Derivatives of the sum of all with respect to the axes."""
    return jax.grad(lambda m, g: sum(part.sum() for part in everything(m, g)), argnums=(0, 1))(
        m_X, g_X
    )


def measure(label: str, function: Callable[..., object], m_X: Array, g_X: Array) -> None:
    """Print the best time of a few runs."""
    compiled = jax.jit(function).lower(m_X, g_X).compile()
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(m_X, g_X))
        seconds.append(time.perf_counter() - start)
    points = m_X.size * g_X.size
    print(f"{label:42s} {min(seconds) / points * 1e6:7.3f} us per point and core")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=2000, help="points along each axis")
    number = parser.parse_args().points
    m_X, g_X = jnp.geomspace(1e-3, 1.0, number), jnp.geomspace(1e-6, 1e-2, number)
    measure("six channels and chi2 of CHARM-II", everything, m_X, g_X)
    measure("their gradient in the axes", gradient, m_X, g_X)


if __name__ == "__main__":
    main()
