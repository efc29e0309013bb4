"""Commands killed (SIGKILL) at moments spread over their duration, and before every call that
changes the disk: nothing half-written has a final name, and the same command goes on to the bytes
of one that was not killed.
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
from shutil import copytree, rmtree

import pytest

from zscan.results.schema import checked_rows
from zscan.scans.journal import JOURNAL, MAP_PART
from zscan.scans.store import TileStore

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
PLANE = [
    "axis.m_X.min=0.01",
    "axis.m_X.max=1.0",
    "axis.m_X.num=4",
    'axis.m_X.scale="log"',
    "fixed={}",
    "axis.g_X.num=5",
    "refine.levels=2",
    'refine.constraints=["delta_a_mu"]',
    'output.observables=["delta_a_mu"]',
]
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
    "refined": Case([*RUN, *(word for key in PLANE for word in ("--set", key))], ("--resume",)),
    "merge": Case(["merge", "x.h5"], before=(TILES,)),
    "figure": Case(FIGURE),
    "fit": Case(["fit", "card.toml", "-o", "x.h5"], ("--force",)),
}


def listing(folder: Path) -> dict[str, bytes]:
    """Every file in a folder with its content."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def check_journals(folder: Path) -> None:
    """What a journal says is done lies in the map that is being filled."""
    for path in folder.rglob(JOURNAL):
        store = TileStore.load(path.parent.with_suffix(""))
        done, faults = store.survey()
        assert not faults
        for index in done:
            checked_rows(store.grid.tile(index), store)


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
        call: tuple[str, int] | None = None,
        copy: Path | None = None,
    ) -> tuple[int, float]:
        """Exit code of a command and its time in s."""
        request = {"folder": str(folder), "arguments": arguments, "fork": fork, "kill": kill}
        request |= {"call": call, "copy": copy and str(copy)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin)
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


class Scene:
    """A case with what lies there before and after, and all that may lie there in between."""

    def __init__(self, server: Server, folder: Path, case: Case, card: str = CARD) -> None:
        self.server, self.folder, self.case = server, folder, case
        self.start, self.copies = folder / "start", 0
        self.start.mkdir()
        (self.start / "card.toml").write_text(card)
        for command in case.before:
            assert server(self.start, command, fork=False)[0] == 0
        assert server(self.copy(), case.command, fork=False)[0] == 0
        full, first = folder / "full", self.copy()
        assert server(first, case.command, copy=full)[0] == 0
        self.end = listing(first)
        self.known: dict[str, set[bytes]] = {}
        for found in map(listing, (self.start, full, first)):
            for name, content in found.items():
                self.known.setdefault(name, set()).add(content)

    def copy(self) -> Path:
        """A new folder with what lies there before the command."""
        self.copies += 1
        return Path(copytree(self.start, self.folder / str(self.copies)))

    def duration(self) -> float:
        """Time of the command in s, the shortest of three."""
        return min(self.server(self.copy(), self.case.command)[1] for _ in range(3))

    def kill(
        self, *, after: float | None = None, call: tuple[str, int] | None = None
    ) -> tuple[int, float]:
        """Kill the command, look at what it left, and repeat it; exit code and time of the first
        one.
        """
        work, what = self.copy(), (after, call)
        code, seconds = self.server(work, self.case.command, kill=after, call=call)
        assert code in (0, -signal.SIGKILL), (what, code, self.server.errors.read_text())
        for name, content in listing(work).items():
            passing = Path(name).name.startswith(".") or Path(name).name in (JOURNAL, MAP_PART)
            assert passing or content in self.known.get(name, ()), (what, name)
        check_journals(work)
        if code:
            again, _ = self.server(work, [*self.case.command, *self.case.options])
            assert again == 0, (what, self.server.errors.read_text())
        assert listing(work) == self.end, what
        rmtree(work)
        return code, seconds


def sweep(scene: Scene, moments: int) -> list[int]:
    """Kill a command at so many moments; returns the exit codes."""
    duration, codes = scene.duration(), []
    for moment in range(moments):
        code, seconds = scene.kill(after=(moment + 0.5) / moments * duration)
        codes.append(code)
        if code == 0:  # the machine had more to do when it was measured
            duration = min(duration, seconds)
    return codes


@pytest.mark.parametrize(("name", "moments"), [("run", 4), ("refined", 2), ("merge", 2)])
def test_a_killed_command_is_continued(
    server: Server, tmp_path: Path, name: str, moments: int
) -> None:
    assert -signal.SIGKILL in sweep(Scene(server, tmp_path, CASES[name]), moments)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_kills_at_thirty_moments(server: Server, tmp_path: Path, name: str) -> None:
    codes = sweep(Scene(server, tmp_path, CASES[name]), 30)
    assert codes.count(-signal.SIGKILL) >= 15, codes


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["write", "remove"])
def test_kills_before_every_call(server: Server, tmp_path: Path, kind: str, name: str) -> None:
    scene = Scene(server, tmp_path, CASES[name], CARD.replace("num = 80", "num = 8"))
    number = 1
    while scene.kill(call=(kind, number))[0]:
        number += 1
    assert number > 10  # the last one passed untouched
