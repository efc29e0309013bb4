"""Commands killed (SIGKILL) at moments spread over their duration: nothing half-written has a final
name, and the same command goes on to the bytes of one that was not killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest

from zscan.cli import main

CARD = """
format = 1
name = "small"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino"]
axis.g_X = { min = 1e-5, max = 1e-1, num = 80, scale = "log" }
fixed.m_X = 0.1
output.tile_points = 1
fit = { points = 5, starts = 4 }
"""
# A command that has compiled all it needs, by running once elsewhere, before it says so and begins
CHILD = """
import os, sys
from zscan.cli import main
from zscan.scans import executors

make, made = executors.TileEvaluator, {}
def evaluator(spec, grid):
    key = spec.hash, grid.shape
    return made.get(key) or made.setdefault(key, make(spec, grid))
executors.TileEvaluator = evaluator

rehearsal, folder, *arguments = sys.argv[1:]
os.chdir(rehearsal)
assert main(arguments) == 0
os.chdir(folder)
print("READY", flush=True)
main(arguments)
"""
RUN = ["run", "card.toml", "-o", "x.h5"]
TILES = [*RUN, "--shard", "1/1"]
SMALL = ["--set", "output.tile_points=1"]
FIGURE = ["figure", "10", "--points", "6", "-o", ".", *SMALL]
FIGURE_TILES = ["run", "fig10", "-o", "fig10.h5", "--shard", "1/1", "--set", "axis.m_X.num=6"]
FIGURE_TILES += SMALL


@dataclass(frozen=True)
class Case:
    """A command, the options it is repeated with, what runs before it, what makes its tiles."""

    command: list[str]
    options: tuple[str, ...] = ()
    before: tuple[list[str], ...] = ()
    tiles: list[str] | None = None


CASES = {
    "run": Case(RUN, ("--resume",), tiles=TILES),
    "merge": Case(["merge", "x.h5"], before=(TILES,)),
    "figure": Case(FIGURE, tiles=FIGURE_TILES),
    "fit": Case(["fit", "card.toml", "-o", "x.h5"], ("--force",), tiles=TILES),
}


def listing(folder: Path) -> dict[str, bytes]:
    """Every file in a folder with its content."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


Sweep = Callable[[str, int], list[int]]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Kills a case at so many moments; returns the exit codes, after all have been repeated."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    def killed(name: str, moments: int) -> list[int]:
        case, start = CASES[name], tmp_path / "start"
        start.mkdir()
        (start / "card.toml").write_text(CARD)
        monkeypatch.chdir(start)
        for command in case.before:
            assert main(command) == 0

        known = {path: {content} for path, content in listing(start).items()}

        def run_in(folder: str, command: list[str]) -> dict[str, bytes]:
            copytree(start, tmp_path / folder, dirs_exist_ok=True)
            monkeypatch.chdir(tmp_path / folder)
            assert main(command) == 0
            found = listing(Path.cwd())
            for path, content in found.items():
                known.setdefault(path, set()).add(content)
            return found

        if case.tiles:
            run_in("tiles", case.tiles)
        run_in("first", case.command)
        begin = time.monotonic()
        end = run_in("end", case.command)
        duration = time.monotonic() - begin

        codes = []
        for moment in range(moments):
            rehearsal, folder = tmp_path / f"rehearsal-{moment}", tmp_path / f"work-{moment}"
            copytree(start, rehearsal)
            copytree(start, folder)
            codes.append(
                kill_after((moment + 0.5) / moments * duration, rehearsal, folder, case.command)
            )
            for path, content in listing(folder).items():
                if not Path(path).name.startswith("."):
                    assert content in known.get(path, ()), path
            monkeypatch.chdir(folder)
            code = main([*case.command, *case.options])
            if code == 2 and codes[-1] == 0:  # --force for one that had ended
                code = main([*case.command, "--force"])
            assert code == 0, (moment, codes)
            assert listing(folder) == end, (moment, codes)
        return codes

    return killed


def kill_after(seconds: float, rehearsal: Path, folder: Path, command: list[str]) -> int:
    """Start a command, kill it so long after it began, and return how it ended."""
    arguments = [sys.executable, "-c", CHILD, str(rehearsal), str(folder), *command]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as child:
        try:
            assert child.stdout is not None
            for line in child.stdout:
                if line == b"READY\n":
                    break
            else:
                assert child.stderr is not None
                raise AssertionError(child.stderr.read().decode())
            time.sleep(seconds)
        finally:
            child.kill()
    return child.returncode


@pytest.mark.parametrize(("name", "moments"), [("run", 4), ("merge", 2)])
def test_a_killed_command_is_continued(sweep: Sweep, name: str, moments: int) -> None:
    assert -signal.SIGKILL in sweep(name, moments)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_kills_at_thirty_moments(sweep: Sweep, name: str) -> None:
    codes = sweep(name, 30)
    assert codes.count(-signal.SIGKILL) >= 15, codes
