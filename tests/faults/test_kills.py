"""Commands killed (SIGKILL) at moments spread over their duration: nothing half-written has a final
name, and the same command goes on to the bytes of one that was not killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest

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
RUN = ["run", "card.toml", "-o", "x.h5"]
TILES = [*RUN, "--shard", "1/1"]
SMALL = ["--set", "output.tile_points=1"]
FIGURE = ["figure", "10", "--points", "6", "-o", ".", *SMALL]


@dataclass(frozen=True)
class Case:
    """A command, the options it is repeated with, what runs before it."""

    command: list[str]
    options: tuple[str, ...] = ()
    before: tuple[list[str], ...] = ()


CASES = {
    "run": Case(RUN, ("--resume",)),
    "merge": Case(["merge", "x.h5"], before=(TILES,)),
    "figure": Case(FIGURE),
    "fit": Case(["fit", "card.toml", "-o", "x.h5"], ("--force",)),
}


def listing(folder: Path) -> dict[str, bytes]:
    """Every file in a folder with its content."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


class Server:
    """Runs commands in warm processes (tests/warm.py)."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).parents[1] / "warm.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
                text=True,
            )

    def __call__(
        self,
        folder: Path,
        arguments: list[str],
        *,
        fork: bool = True,
        kill: float | None = None,
        copy: Path | None = None,
    ) -> tuple[int, float]:
        """Exit code of a command and its time in s."""
        request = {"folder": str(folder), "arguments": arguments, "fork": fork, "kill": kill}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request | {"copy": copy and str(copy)}), file=self.process.stdin)
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.errors.read_text()
        code, seconds = json.loads(answer)
        return code, seconds

    def end(self) -> None:
        """Let it end."""
        self.process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "errors.txt")
    yield server
    server.end()


def sweep(server: Server, folder: Path, case: Case, moments: int) -> list[int]:
    """Kill a command at so many moments; returns the exit codes, after all were repeated."""
    start = folder / "start"
    start.mkdir()
    (start / "card.toml").write_text(CARD)
    for command in case.before:
        assert server(start, command, fork=False)[0] == 0

    def copy(name: str) -> Path:
        return Path(copytree(start, folder / name))

    assert server(copy("first"), case.command, fork=False)[0] == 0
    assert server(copy("end"), case.command, copy=folder / "full")[0] == 0
    code, duration = server(copy("timed"), case.command)
    end = listing(folder / "end")
    assert (code, listing(folder / "timed")) == (0, end)
    known: dict[str, set[bytes]] = {}
    for found in map(listing, (start, folder / "full", folder / "end")):
        for name, content in found.items():
            known.setdefault(name, set()).add(content)

    codes = []
    for moment in range(moments):
        work = copy(f"work-{moment}")
        after = (moment + 0.5) / moments * duration
        codes.append(server(work, case.command, kill=after)[0])
        for name, content in listing(work).items():
            hidden = Path(name).name.startswith(".")
            assert hidden or content in known.get(name, ()), (name, moment, codes)
        if codes[-1]:
            code, _ = server(work, [*case.command, *case.options])
            assert code == 0, (moment, codes, server.errors.read_text())
        assert listing(work) == end, (moment, codes)
    return codes


@pytest.mark.parametrize(("name", "moments"), [("run", 4), ("merge", 2)])
def test_a_killed_command_is_continued(
    server: Server, tmp_path: Path, name: str, moments: int
) -> None:
    assert -signal.SIGKILL in sweep(server, tmp_path, CASES[name], moments)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_kills_at_thirty_moments(server: Server, tmp_path: Path, name: str) -> None:
    codes = sweep(server, tmp_path, CASES[name], 30)
    assert codes.count(-signal.SIGKILL) >= 15, codes
