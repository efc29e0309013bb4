"""What a user waits for: CPU and wall seconds of commands, each in a process of its own.

    python benchmarks/startup.py [--quick] [--repeats N] [--only NAME ...] [--json FILE]

Cold is the first call with an empty folder of compiled programs (`ZSCAN_CACHE`), a folder for each
command; warm is the median of the calls after it, which go in turns. CPU is what the process and
its children used, user and system (wait4). The yardstick is a process that adds two numbers with
jax, measured in every turn: ratios to it hold on machines of any speed. Aims are printed next to
the numbers, not asserted. `--quick` leaves out what takes long, and calls once when warm."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
YARDSTICK = ("-c", "import jax; jax.numpy.zeros(1) + 1")
# So that nothing but ZSCAN_CACHE says where compiled programs are
NOT_PASSED_ON = ("ZSCAN_CACHE", "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE")

# Model, fit and verdict are those of docs/quickstart.md
MODEL = """\
name = "mine"
L = [0, 1, -1]
E = [0, 1, -1]
N = [0, 1, -1]
loop = "mu-tau"
dark = "dirac"
g_chi_over_g = 5
m_chi_over_m_X = 0.3333
"""
FIT = """\
import zscan
from zscan import fit

problem = fit.Problem(
    "mine.toml", ["delta_a_mu", "trident_ccfr", "borexino"],
    parameters={"g_X": fit.Parameter(1e-5, 1e-1, scale="log")},
    fixed={"m_X": 0.05},
)
best = fit.maximum_likelihood(problem)
print(best)
print("95 % interval:", fit.intervals(problem, best, cl=0.95)["g_X"])
"""
VERDICT = (
    "delta_a_mu trident_ccfr borexino charm2 searches/NA64_NA642019imj "
    "searches/BaBar_TheBABAR2016rlg searches/BelleII_Adachi2019otg"
)
CARD = """\
format = 1
name = "small"
model = "B-3Lmu"
constraints = [
    "delta_a_mu", "trident_ccfr", "trident_nutev", "borexino", "texono", "lsnd_nue",
    "electron_g2_rb", "electron_g2_cs",
]
[axis.m_X]
min = 1e-3
max = 2.0
num = 400
scale = "log"
[axis.g_X]
min = 1e-6
max = 1e-1
num = 250
scale = "log"
[output]
observables = ["delta_a_mu", "trident_ccfr", "borexino"]
"""


@dataclass(frozen=True)
class Command:
    """What is typed after `zscan` (or, `python` set, after the interpreter), with aims in CPU
    seconds.
    """

    name: str
    words: tuple[str, ...]
    python: bool = False
    quick: bool = False
    cold_aim: float | None = None
    warm_aim: float | None = None

    @property
    def line(self) -> tuple[str, ...]:
        return (sys.executable, *(() if self.python else ("-m", "zscan")), *self.words)


def commands() -> list[Command]:
    """In an order in which each finds the files of those before it."""
    cards = ROOT / "scans"
    fig2 = "--set axis.m_X.num=200 --set axis.g_X.num=200"
    four = "--set axis.m_X.num=10 --set axis.g_V.num=10"  # and two that are minimised at each point
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("help", "--help", {"quick": True}),
        ("check", "check small.toml", {"quick": True}),
        ("scan", "run small.toml --force -o small.h5", {"quick": True, "warm_aim": 4}),
        ("info", "info small.h5", {"quick": True}),
        ("plot", "plot small.h5 -o small.png", {"quick": True}),
        (
            "evaluate",
            "evaluate B-3Lmu --m_X 0.1 --g_X 1e-4",
            {"quick": True, "cold_aim": 10, "warm_aim": 3},
        ),
        ("fig2", f"run {cards / 'fig2.toml'} {fig2} --force -o fig2.h5", {}),
        ("fit", "quickstart.py", {"python": True, "warm_aim": 5}),
        (
            "four",
            f"run {cards / 'fit-muon-effective.toml'} {four} --force -o four.h5",
            {"cold_aim": 30},
        ),
        ("verdict", f"verdict mine.toml --points 200 --constraints {VERDICT}", {}),
    ]
    return [Command(name, tuple(words.split()), **rest) for name, words, rest in rows]


class Seconds(NamedTuple):
    """Of one process."""

    cpu: float
    wall: float


def seconds(line: tuple[str, ...], folder: Path, cache: Path | None) -> Seconds:
    """Run a command in `folder` and measure it; ends this program with what it printed where it
    fails.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
    environment = kept | {"PYTHONPATH": str(ROOT), "ZSCAN_CACHE": str(cache) if cache else "off"}
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        # Waited for by hand: wait4 tells the CPU time of this one child
        process = subprocess.Popen(
            line, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")
            sys.exit(f"{' '.join(line)} ended with {process.returncode}:\n{text}")
    return Seconds(usage.ru_utime + usage.ru_stime, wall)


def middle(found: list[Seconds]) -> Seconds:
    """Medians."""
    return Seconds(*(statistics.median(column) for column in zip(*found, strict=True)))


def measure(chosen: list[Command], repeats: int, folder: Path) -> dict[str, Any]:
    """Cold and warm seconds of every command, and of the yardstick, with the load before and
    after.
    """
    for name, text in (("mine.toml", MODEL), ("quickstart.py", FIT), ("small.toml", CARD)):
        (folder / name).write_text(text)
    yardstick = (sys.executable, *YARDSTICK)
    load = [os.getloadavg()[0]]
    seconds(yardstick, folder, None)  # reads files into memory
    reference = [seconds(yardstick, folder, None)]
    caches = {command.name: folder / f"cache-{command.name}" for command in chosen}
    cold, warm = {}, {command.name: [] for command in chosen}  # type: ignore[var-annotated]
    for command in chosen:
        cold[command.name] = seconds(command.line, folder, caches[command.name])
    for _ in range(repeats):
        reference.append(seconds(yardstick, folder, None))
        for command in chosen:
            warm[command.name].append(seconds(command.line, folder, caches[command.name]))
    load.append(os.getloadavg()[0])
    return {
        "load": load,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "repeats": repeats,
        "yardstick": middle(reference)._asdict(),
        "commands": [
            {
                "name": command.name,
                "line": " ".join((*(["python"] if command.python else ["zscan"]), *command.words)),
                "cold": cold[command.name]._asdict(),
                "warm": middle(warm[command.name])._asdict(),
                "cold_aim_cpu": command.cold_aim,
                "warm_aim_cpu": command.warm_aim,
            }
            for command in chosen
        ],
    }


def show(report: Mapping[str, Any]) -> None:
    """Print a report as a table."""
    yardstick = report["yardstick"]
    before, after = report["load"]
    print(
        f"{report['cpus']} CPUs ({report['machine']}), load {before:.1f} before, {after:.1f} "
        f"after; Python {report['python']}; warm: median of {report['repeats']}"
    )
    print(
        f"yardstick: import of jax and one addition, {yardstick['cpu']:.2f} CPU s, "
        f"{yardstick['wall']:.2f} s wall (ratios are CPU over CPU)"
    )
    print(
        f"{'':10}{'cold CPU s':>11} {'aim':>5} {'wall':>7} {'ratio':>6}   "
        f"{'warm CPU s':>11} {'aim':>5} {'wall':>7} {'ratio':>6}   command"
    )
    for row in report["commands"]:
        parts = []
        for kind in ("cold", "warm"):
            found, aim = row[kind], row[f"{kind}_aim_cpu"]
            parts.append(
                f"{found['cpu']:11.2f} {'' if aim is None else f'{aim:g}':>5} {found['wall']:7.2f} "
                f"{found['cpu'] / yardstick['cpu']:6.1f}"
            )
        line = row["line"].replace(f"{ROOT}/", "")
        print(f"{row['name']:10}{'   '.join(parts)}   {line[:70]}{'...' * (len(line) > 70)}")


def main() -> None:
    """Measure and print."""
    every = commands()
    names = [command.name for command in every]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only short commands, warm once")
    parser.add_argument("--repeats", type=int, default=3, help="warm calls (default 3)")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    arguments = parser.parse_args()
    chosen = [
        command
        for command in every
        if (command.name in arguments.only if arguments.only else command.quick)
        or not (arguments.quick or arguments.only)
    ]
    with tempfile.TemporaryDirectory() as folder:
        report = measure(chosen, 1 if arguments.quick else arguments.repeats, Path(folder))
    show(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
