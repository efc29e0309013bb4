"""Every call that writes fails once, or from then on: exit code 2 with one line, nothing is left
half-written or left over, and the same command goes on to the bytes of an undisturbed one.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from zoo import LIMIT_OF_A_CHECKOUT

import zscan.results.figures.plot
import zscan.scans.executors
from zscan.cli import main

CARD = """
format = 1
name = "small"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino"]
axis.g_X = { min = 1e-5, max = 1e-1, num = 8, scale = "log" }
fixed.m_X = 0.1
output.tile_points = 2
fit = { points = 5, starts = 4 }
"""
SPREAD = 12

RUN = ["run", "card.toml", "-o", "x.h5"]
TILES = [*RUN, "--shard", "1/1"]
SMALL = ["--set", "output.tile_points=4"]
FIGURE = ["figure", "10", "--points", "3", "-o", ".", *SMALL]
FIGURE_TILES = ["run", "fig10", "-o", "fig10.h5", "--shard", "1/1", "--set", "axis.m_X.num=3"]
FIGURE_TILES += SMALL
CSV = ["charges", "--max", "1", "-o", "x.csv"]
H5 = ["charges", "--max", "1", "-o", "x.h5"]
IMPORT = ["limits", "import", "checkout", "-o", "mine"]
FIT = ["fit", "card.toml", "-o", "x.h5"]


@dataclass(frozen=True)
class Case:
    """A command that is disturbed, what runs before it, how it is repeated, and what completes it.

    `tiles` is a command that makes the tiles which may lie there in between."""

    command: list[str]
    before: tuple[list[str], ...] = ()
    options: tuple[str, ...] = ()
    after: tuple[list[str], ...] = ()
    tiles: list[str] | None = None


CASES = {
    "run": Case(RUN, options=("--resume",), tiles=TILES),
    "resume": Case([*RUN, "--resume"], before=([*RUN, "--shard", "1/2"],), tiles=TILES),
    "force": Case(
        [*RUN, "--force"], before=([*RUN, "--set", "output.tile_points=4"],), tiles=TILES
    ),
    "shard": Case(
        [*RUN, "--shard", "1/2"],
        after=([*RUN, "--shard", "2/2"], ["merge", "x.h5"]),
        tiles=TILES,
    ),
    "merge": Case(["merge", "x.h5"], before=(TILES,)),
    "merge of a part": Case(["merge", "x.h5", "--partial"], before=([*RUN, "--shard", "1/2"],)),
    "charges to CSV": Case(CSV, options=("--force",)),
    "charges to HDF5": Case(H5, options=("--force",)),
    "import": Case(IMPORT, options=("--force",)),
    "figure": Case(FIGURE, tiles=FIGURE_TILES),
}
LONG = {"fit": Case(FIT, options=("--force",), tiles=TILES)}  # seconds for each fit


class Disk:
    """Counts the calls that write below `folder`, and lets chosen ones fail.

    Nothing is synced in truth: the tests end before their power does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.lock = f"{folder}{os.sep}", threading.Lock()
        self.names: set[int] = set()  # descriptors of what lies below the folder
        self.rest()
        for name in ("write", "pwrite", "fsync", "posix_fallocate", "ftruncate"):
            monkeypatch.setattr(os, name, self._on_descriptor(name, getattr(os, name)))
        for name in ("replace", "rename", "link"):
            monkeypatch.setattr(os, name, self._on_paths(name, getattr(os, name)))
        monkeypatch.setattr(os, "mkdir", self._on_paths("mkdir", os.mkdir))
        self._patch_opening(monkeypatch)

    def rest(self) -> None:
        """Let all calls pass, and count from 0."""
        self.fail_at(0, 0)
        self.short = self.without_links = False

    def fail_at(self, number: int, error: int, *, lasting: bool = False) -> None:
        """Let the call of a number, from 1, fail, or with `lasting` it and all that follow."""
        self.count, self.number, self.error, self.lasting = 0, number, error, lasting

    def _strike(self) -> None:
        with self.lock:
            self.count += 1
            late = self.lasting and self.count > self.number
        if self.number and (self.count == self.number or late):
            raise OSError(self.error, os.strerror(self.error))

    def _inside(self, path: Any) -> bool:
        return not isinstance(path, int) and os.path.abspath(path).startswith(self.folder)

    def _on_descriptor(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(descriptor: int, *arguments: Any) -> Any:
            if descriptor not in self.names:
                return call(descriptor, *arguments)
            self._strike()
            if name == "fsync":
                return None
            if name == "pwrite" and self.short:
                data, offset = arguments
                return call(descriptor, data[: -(-len(data) // 2)], offset)
            return call(descriptor, *arguments)

        return counted

    def _on_paths(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *arguments: Any, **options: Any) -> Any:
            if self._inside(path) and not (name == "mkdir" and os.path.isdir(path)):
                self._strike()
                if name == "link" and self.without_links:
                    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            return call(path, *arguments, **options)

        return counted

    def _patch_opening(self, monkeypatch: pytest.MonkeyPatch) -> None:
        disk, os_open, os_close, file_open = self, os.open, os.close, builtins.open

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                disk._strike()
                view = memoryview(data)
                return super().write(view[: -(-len(view) // 2)] if disk.short else view)

        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            ours = self._inside(path) and options.get("dir_fd") is None
            if ours and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._strike()
            descriptor = os_open(path, flags, *arguments, **options)
            if ours:
                self.names.add(descriptor)
            return descriptor

        def closed(descriptor: int) -> None:
            self.names.discard(descriptor)
            os_close(descriptor)

        def open_file(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not (set(mode) & set("wxa+") and self._inside(path)):
                return file_open(path, mode, *arguments, **options)
            assert mode in ("xb", "wb"), mode
            self._strike()
            return io.BufferedWriter(Raw(path, mode))

        monkeypatch.setattr(os, "open", opened)
        monkeypatch.setattr(os, "close", closed)
        monkeypatch.setattr(builtins, "open", open_file)


@pytest.fixture(scope="module")
def warm() -> Iterator[None]:
    """Each card is compiled, and each figure drawn, once."""
    make, draw = zscan.scans.executors.TileEvaluator, zscan.results.figures.plot.draw
    evaluators: dict[Any, Any] = {}
    drawn: dict[Any, Any] = {}

    def evaluator(spec: Any, grid: Any) -> Any:
        key = spec.hash, grid.shape, grid.block
        return evaluators.get(key) or evaluators.setdefault(key, make(spec, grid))

    def figure(spec: Any, maps: Any) -> Any:
        key = tuple(data.attrs["spec_hash"] for data in maps)
        if key not in drawn:
            drawn[key] = draw(spec, maps)
            drawn[key].set_size_inches(1, 1)  # quick to write
        return drawn[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        patch.setattr(zscan.scans.executors, "TileEvaluator", evaluator)
        patch.setattr(zscan.results.figures.plot, "draw", figure)
        yield


def listing(folder: Path) -> dict[str, bytes]:
    """Every file in a folder with its content."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


class Bench:
    """A case with what lies there before and after, and all that may lie there in between."""

    def __init__(self, case: Case, folder: Path, disk: Disk, capsys: Any, patch: Any) -> None:
        self.case, self.folder, self.disk, self.capsys = case, folder, disk, capsys
        self.patch, self.copies = patch, 0
        start = folder / "start"
        self._fill(start)
        patch.chdir(start)
        for command in case.before:
            assert main(command) == 0
        self.start = start
        self.known = {name: {content} for name, content in listing(start).items()}
        if case.tiles:
            patch.chdir(self.copy())
            Path("x.h5").unlink(missing_ok=True)
            assert main(case.tiles) == 0
            self._learn(Path.cwd())
        patch.chdir(self.copy())
        disk.rest()
        assert main(case.command) == 0
        self.calls = disk.count
        self._learn(Path.cwd())
        self._complete()
        self.end = listing(Path.cwd())
        self._learn(Path.cwd())

    @staticmethod
    def _fill(folder: Path) -> None:
        (folder / "checkout" / "limits").mkdir(parents=True)
        (folder / "card.toml").write_text(CARD)
        (folder / "checkout" / "limits" / "one.lmt").write_text("0.25 1e-3\n0.3 1e-3\n0.5 2e-3\n")
        for name, production in (("A", "'e_brem'"), ("B", "{'eta_gamma': 0.25, 'u_u': 0.5}")):
            path = folder / "checkout" / "limits" / f"{name}.py"
            path.write_text(LIMIT_OF_A_CHECKOUT.format(production=production))

    def copy(self) -> Path:
        """A new folder with what lies there before the command."""
        self.copies += 1
        path: Path = self.folder / str(self.copies)
        copytree(self.start, path)
        return path

    def _learn(self, folder: Path) -> None:
        for name, content in listing(folder).items():
            self.known.setdefault(name, set()).add(content)

    def _complete(self) -> None:
        for command in self.case.after:
            assert main(command) == 0

    def disturb(self, number: int, error: int, *, lasting: bool) -> None:
        """The command with a failing call, what it says and leaves, and the same command again."""
        what = f"call {number} of {self.calls}, {errno.errorcode[error]}, lasting: {lasting}"
        self.patch.chdir(self.copy())
        self.capsys.readouterr()
        self.disk.fail_at(number, error, lasting=lasting)
        code, text = main(self.case.command), self.capsys.readouterr().err
        assert (code, text.count("\n")) == (2, 1), (what, text)
        assert text.startswith("zscan: error: "), (what, text)
        reason = "no space left on the disk" if error == errno.ENOSPC else "Input/output error"
        assert f": {reason}" in text, (what, text)
        for name, content in listing(Path.cwd()).items():
            assert not Path(name).name.startswith("."), (what, name)
            assert content in self.known.get(name, ()), (what, name, len(content))
        self.disk.fail_at(0, 0)
        self.repeat(what)

    def repeat(self, what: object) -> None:
        """The same command, undisturbed."""
        code = main([*self.case.command, *self.case.options])
        assert code == 0, (what, self.capsys.readouterr().err)
        self._complete()
        assert listing(Path.cwd()) == self.end, what


@pytest.fixture
def bench(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    warm: None,
) -> Bench:
    case = (CASES | LONG)[request.param]
    return Bench(case, tmp_path, Disk(tmp_path, monkeypatch), capsys, monkeypatch)


ERRORS = [
    (errno.ENOSPC, False),
    (errno.EIO, False),
    (errno.ENOSPC, True),
    (errno.EIO, True),
]


@pytest.mark.parametrize("bench", CASES, indirect=True)
def test_a_call_that_fails(bench: Bench) -> None:
    assert bench.calls >= 8
    numbers = sorted({1 + (bench.calls - 1) * step // (SPREAD - 1) for step in range(SPREAD)})
    for turn, number in enumerate(numbers):
        error, lasting = ERRORS[turn % len(ERRORS)]
        bench.disturb(number, error, lasting=lasting)


@pytest.mark.slow
@pytest.mark.parametrize("bench", CASES, indirect=True)
@pytest.mark.parametrize(("error", "lasting"), ERRORS)
def test_every_call_that_fails(bench: Bench, error: int, lasting: bool) -> None:
    for number in range(1, bench.calls + 1):
        bench.disturb(number, error, lasting=lasting)


@pytest.mark.slow
@pytest.mark.parametrize("bench", LONG, indirect=True)
def test_a_call_that_fails_in_a_fit(bench: Bench) -> None:
    for turn, number in enumerate(range(1, bench.calls + 1, 4)):
        error, lasting = ERRORS[turn % len(ERRORS)]
        bench.disturb(number, error, lasting=lasting)


@pytest.mark.parametrize("bench", CASES, indirect=True)
def test_short_writes_are_continued(bench: Bench) -> None:
    bench.patch.chdir(bench.copy())
    bench.disk.short = True
    assert main(bench.case.command) == 0
    bench._complete()
    assert listing(Path.cwd()) == bench.end


@pytest.mark.parametrize("bench", ["run", "import"], indirect=True)
def test_calls_that_fail_where_there_are_no_links(bench: Bench) -> None:
    bench.disk.without_links = True
    bench.patch.chdir(bench.copy())
    bench.disk.fail_at(0, 0)
    assert main(bench.case.command) == 0
    bench.calls = bench.disk.count
    for number in range(bench.calls - 5, bench.calls + 1):  # those of the last file
        bench.disturb(number, errno.ENOSPC, lasting=number % 2 == 0)
