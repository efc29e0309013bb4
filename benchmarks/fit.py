"""Speed of fits: `python benchmarks/fit.py [--starts N] [--points K] [--toys T]`.

Everything side by side in one run, as a user sees it: the first fit of a problem compiles, later
calls and intervals and profiles of the same problem do not. Fits of N starts against one; zscan
against iminuit on the same problem (same likelihood, same gradient); NUTS against a model in plain
numpyro; a K x K profile; T toys."""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable

import jax
import numpy as np

import zscan
from zscan.fit import (
    Parameter,
    Problem,
    intervals,
    maximum_likelihood,
    minuit,
    profile,
    sample,
    toys,
)

REPEATS = 3


def problem() -> Problem:
    """Two parameters, two minima of equal depth: muon couplings and b -> s coupling at 2.6 GeV."""
    return Problem(
        "muon-effective",
        ["delta_a_mu", "trident_ccfr", "r_k"],
        parameters={"g_V": (1e-4, 0.02), "g_sb": (-1e-5, 1e-5)},
        fixed={"m_X": 2.6},
    )


def light_problem() -> Problem:
    """Two parameters of cheap constraints."""
    return Problem(
        "muon-effective",
        ["delta_a_mu", "trident_ccfr"],
        parameters={"g_V": (2e-3, 4e-3), "g_A": (2e-4, 2e-3)},
        fixed={"m_X": 0.1},
    )


def wall(call: Callable[[], object]) -> float:
    """Wall time [s] of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def best_fits(make: Callable[[], Problem], starts: int) -> None:
    """Print times of one and of many starts, in turns; one start also without the padding to a
    whole batch.
    """
    first = {
        number: wall(lambda number=number: maximum_likelihood(make(), starts=number))
        for number in (1, starts)
    }
    made, bare = make(), make()
    bare.solver.batch = 1
    calls = {
        1: lambda: maximum_likelihood(made, starts=1),
        starts: lambda: maximum_likelihood(made, starts=starts),
        0: lambda: maximum_likelihood(bare, starts=1),
    }
    for call in calls.values():
        call()
    later = {
        number: statistics.median([wall(call) for _ in range(REPEATS)])
        for number, call in calls.items()
    }
    print(f"best fit of {', '.join(made.names)}{'':12} 1 start   {starts} starts   ratio")
    for name, one, many in (
        ("first call, with compilation", first[1], first[starts]),
        ("later calls", later[1], later[starts]),
        ("one start in a batch of one", later[0], later[starts]),
    ):
        print(f"  {name:28} {one:8.3f} s {many:8.3f} s {many / one:8.2f}")


def against_iminuit(make: Callable[[], Problem]) -> None:
    """Print times of fit and intervals beside MIGRAD, HESSE and MINOS."""
    made = make()
    result = maximum_likelihood(made)
    ours, theirs, sides, minos = [], [], [], []
    for _ in range(REPEATS):
        ours.append(wall(lambda: maximum_likelihood(made)))
        theirs.append(wall(lambda: minuit(made, minos=False)))
        sides.append(wall(lambda: intervals(made, result)))
        minos.append(wall(lambda: minuit(made)))
    print(f"the same problem, median of {REPEATS}{'':16} zscan     iminuit   ratio")
    rows = (
        ("fit (64 starts, 1 start)", ours, theirs),
        ("intervals (MINOS with fit)", sides, minos),
    )
    for name, mine, other in rows:
        a, b = statistics.median(mine), statistics.median(other)
        print(f"  {name:28} {a:8.3f} s {b:8.3f} s {a / b:8.2f}")
    other = minuit(made, minos=False)
    print(f"  chi2: zscan {result.chi2:.8f}, iminuit {other.fval:.8f}")


def against_numpyro(draws: int) -> None:
    """Print draws and effective draws per second of `sample`, and of the same likelihood and priors
    in a model that is written for numpyro alone.
    """
    try:
        import numpyro
        from numpyro.distributions import Uniform
        from numpyro.infer import MCMC, NUTS
    except ImportError:
        print("SKIPPED: numpyro is not installed (pip install 'zscan[sample]')")
        return
    names, bounds = ["delta_a_mu", "trident_ccfr", "borexino"], {"m_X": (0.02, 0.2)}
    bounds["g_X"] = (1e-5, 1e-1)
    free = {
        name: Parameter(low, high, scale="log", prior="log-flat")
        for name, (low, high) in bounds.items()
    }
    made = Problem("Lmu-Ltau", names, parameters=free)
    likelihood = zscan.log_likelihood("Lmu-Ltau", names)

    def plain() -> None:
        m_X, g_X = (
            jax.numpy.exp(numpyro.sample(name, Uniform(*np.log(ends))))
            for name, ends in bounds.items()
        )
        numpyro.factor("data", likelihood(m_X, g_X))

    def run(seed: int) -> MCMC:
        mcmc = MCMC(
            NUTS(plain, target_accept_prob=0.9, dense_mass=True),
            num_warmup=500,
            num_samples=draws,
            num_chains=4,
            chain_method="vectorized",
            progress_bar=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mcmc.run(jax.random.PRNGKey(seed))
        return mcmc

    def ours(seed: int) -> tuple[float, np.ndarray]:
        found = sample(made, draws=draws, warmup=500, seed=seed, check=False)
        return min(found.effective.values()), np.log(found.values["g_X"])

    def theirs(seed: int) -> tuple[float, np.ndarray]:
        by_chain = run(seed).get_samples(group_by_chain=True)
        effective = min(numpyro.diagnostics.effective_sample_size(x) for x in by_chain.values())
        return float(effective), np.asarray(by_chain["g_X"])

    print(f"NUTS, 4 x {draws} draws of two parameters, medians of {REPEATS} after the first call")
    for name, call in (("zscan.fit.sample", ours), ("plain numpyro", theirs)):
        first = wall(lambda call=call: call(0))
        seconds, effective, logs = [], [], []
        for seed in range(1, REPEATS + 1):
            start = time.perf_counter()
            found, log_g = call(seed)
            seconds.append(time.perf_counter() - start)
            effective.append(found / seconds[-1])
            logs.append(log_g)
        median = statistics.median(seconds)
        print(
            f"  {name:20} {4 * draws / median:9.0f} draws/s {statistics.median(effective):8.0f} "
            f"effective/s, first call {first:.1f} s, "
            f"ln g_X = {np.mean(logs):.3f} +- {np.std(logs):.3f}"
        )


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--points", type=int, default=100, help="points per axis of the profile")
    parser.add_argument("--draws", type=int, default=500, help="of each chain of NUTS")
    parser.add_argument("--toys", type=int, default=500)
    arguments = parser.parse_args()
    zscan.enable_x64()
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
        f"{jax.local_devices()[0].device_kind}"
    )
    for make in (light_problem, problem):
        best_fits(make, arguments.starts)
        against_iminuit(make)
    three = Problem(
        "muon-effective",
        ["delta_a_mu", "trident_ccfr"],
        parameters={"m_X": (0.01, 1.0), "g_V": (1e-4, 1e-2), "g_A": (-5e-3, 5e-3)},
    )
    grid = {
        "m_X": np.geomspace(0.01, 1, arguments.points),
        "g_V": np.geomspace(1e-4, 1e-2, arguments.points),
    }
    for name in ("first", "second"):
        seconds = wall(lambda: profile(three, grid))
        print(
            f"profile over g_A on {arguments.points} x {arguments.points} points, {name} call: "
            f"{seconds:.2f} s"
        )
    against_numpyro(arguments.draws)
    light = light_problem()
    for name in ("first", "second"):
        seconds = wall(lambda: toys(light, {"g_V": 3e-3, "g_A": 1e-3}, arguments.toys))
        print(f"{arguments.toys} toys of two parameters, {name} call: {seconds:.2f} s")


if __name__ == "__main__":
    main()
