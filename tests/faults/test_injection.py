"""Every call that writes, removes or reads fails once, or from then on: exit code 2 with one line,
nothing is left half-written or left over, and the same command goes on to the bytes of an
undisturbed one.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from disk import Disk
from test_kills import check_journals
from warm import compute_once
from zoo import LIMIT_OF_A_CHECKOUT

import zscan.results.files
import zscan.scans.store
from zscan.cli import main
from zscan.scans.journal import JOURNAL, MAP_PART

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
CSV = ["charges", "--max", "1", "-o", "x.csv"]
H5 = ["charges", "--max", "1", "-o", "x.h5"]
IMPORT = ["limits", "import", "checkout", "-o", "mine"]
FIT = ["fit", "card.toml", "-o", "x.h5"]


@dataclass(frozen=True)
class Case:
    """A command that is disturbed, what runs before it, how it is repeated, and what completes
    it.
    """

    command: list[str]
    before: tuple[list[str], ...] = ()
    options: tuple[str, ...] = ()
    after: tuple[list[str], ...] = ()


CASES = {
    "run": Case(RUN, options=("--resume",)),
    "resume": Case([*RUN, "--resume"], before=([*RUN, "--shard", "1/2"],)),
    "force": Case([*RUN, "--force"], before=([*RUN, "--set", "output.tile_points=4"],)),
    "shard": Case([*RUN, "--shard", "1/2"], after=([*RUN, "--shard", "2/2"], ["merge", "x.h5"])),
    "merge": Case(["merge", "x.h5"], before=(TILES,)),
    "merge of a part": Case(["merge", "x.h5", "--partial"], before=([*RUN, "--shard", "1/2"],)),
    "charges to CSV": Case(CSV, options=("--force",)),
    "charges to HDF5": Case(H5, options=("--force",)),
    "import": Case(IMPORT, options=("--force",)),
    "figure": Case(FIGURE),
    "fit": Case(FIT, options=("--force",)),
}


@pytest.fixture(scope="module")
def warm() -> Iterator[None]:
    """Numbers and pictures are made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        compute_once(patch.setattr)
        yield


def listing(folder: Path, without: Collection[Path] = ()) -> dict[str, bytes]:
    """Every file in a folder with its content."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path not in without]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def fill(folder: Path) -> None:
    """What all commands begin with: a card and a checkout of limits."""
    (folder / "checkout" / "limits").mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "checkout" / "limits" / "one.lmt").write_text("0.25 1e-3\n0.3 1e-3\n0.5 2e-3\n")
    for name, production in (("A", "'e_brem'"), ("B", "{'eta_gamma': 0.25, 'u_u': 0.5}")):
        path = folder / "checkout" / "limits" / f"{name}.py"
        path.write_text(LIMIT_OF_A_CHECKOUT.format(production=production))


class Bench:
    """A case with what lies there before and after, and all that may lie there in between: what is
    there when an undisturbed command begins to remove its tiles.
    """

    def __init__(self, case: Case, folder: Path, disk: Disk, capsys: Any, patch: Any) -> None:
        self.case, self.folder, self.disk, self.capsys = case, folder, disk, capsys
        self.patch, self.copies = patch, 0
        self.start = folder / "start"
        patch.chdir(self.start)
        for command in case.before:
            assert main(command) == 0
        self.known = {name: {content} for name, content in listing(self.start).items()}
        remove = zscan.scans.store.remove_tiles

        def look_and_remove(tiles: Path) -> None:
            self._learn()
            remove(tiles)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(zscan.scans.store, "remove_tiles", look_and_remove)
            self.count()
            self._learn()
            self._complete()
        self.end = listing(Path.cwd())

    def count(self) -> None:
        """Run the command in a new folder, and count its calls."""
        self.patch.chdir(self.copy())
        self.disk.fail_at(0, 0)
        assert main(self.case.command) == 0
        self.calls = dict(self.disk.counts)

    def copy(self) -> Path:
        """A new folder with what lies there before the command."""
        self.copies += 1
        path: Path = self.folder / str(self.copies)
        copytree(self.start, path)
        return path

    def _learn(self) -> None:
        for name, content in listing(Path.cwd()).items():
            self.known.setdefault(name, set()).add(content)

    def _complete(self) -> None:
        for command in self.case.after:
            assert main(command) == 0

    def disturb(self, number: int, error: int, *, lasting: bool, kind: str = "write") -> None:
        """The command with a failing call, what it says and leaves, and the same command again.

        What cannot be read may be made again or left out, what is temporary may stay if it cannot
        be removed, and nothing is lost when a lock cannot be closed: the command may then end
        well."""
        what = f"{kind} {number} of {self.calls[kind]}, {errno.errorcode[error]}, {lasting = }"
        self.patch.chdir(self.copy())
        self.capsys.readouterr()
        self.disk.fail_at(number, error, lasting=lasting, kind=kind)
        code, text = main(self.case.command), self.capsys.readouterr().err
        kept, came = self.disk.kept, self.disk.counts[kind] >= number
        self.disk.fail_at(0, 0)
        hidden = {path for path in Path.cwd().rglob(".*") if path.is_file()}
        assert {str(path) for path in hidden} <= kept, what
        found = listing(Path.cwd(), without=hidden)
        reason = "no space left on the disk" if error == errno.ENOSPC else "Input/output error"
        if not came:  # how often a map is synced while it is filled depends on the time
            assert code == 0, (what, text)
        if (kind != "write" or not came) and code == 0 and "left out: " not in text:
            self._complete()
            assert listing(Path.cwd(), without=hidden) == self.end, what
            return
        if kind == "read":
            assert code in (2, 4) or f": {reason}" in text, (what, text)
            assert not any(word in text for word in ("Errno", "internal")), (what, text)
        else:
            assert text.startswith("zscan: error: "), (what, text)
            assert (code, text.count("\n")) == (2, 1), (what, text)
            assert f": {reason}" in text, (what, text)
        for name, content in found.items():
            if Path(name).name not in (JOURNAL, MAP_PART):
                assert content in self.known.get(name, ()), (what, name, len(content))
        check_journals(Path.cwd())
        self.repeat(what)

    def repeat(self, what: object) -> None:
        """The same command, undisturbed, after the process of the first one ended."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(zscan.results.files, "process_is_gone", lambda number: True)
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
    case = CASES[request.param]
    fill(tmp_path / "start")
    return Bench(case, tmp_path, Disk(tmp_path, monkeypatch.setattr), capsys, monkeypatch)


ERRORS = [
    (errno.ENOSPC, False),
    (errno.EIO, False),
    (errno.ENOSPC, True),
    (errno.EIO, True),
]


def spread(calls: int) -> list[int]:
    """Some of the numbers from 1 to `calls`, the ends among them."""
    return sorted({1 + (calls - 1) * step // (SPREAD - 1) for step in range(SPREAD)})


QUICK = [name for name in CASES if name != "fit"]


@pytest.mark.parametrize("bench", QUICK, indirect=True)
def test_a_call_that_fails(bench: Bench) -> None:
    assert bench.calls["write"] >= 8
    for turn, number in enumerate(spread(bench.calls["write"])):
        error, lasting = ERRORS[turn % len(ERRORS)]
        bench.disturb(number, error, lasting=lasting)


@pytest.mark.filterwarnings("default")  # of damaged tiles, limits left out
@pytest.mark.parametrize("bench", ["resume"], indirect=True)
@pytest.mark.parametrize("kind", ["close", "remove", "read"])
def test_another_call_that_fails(bench: Bench, kind: str) -> None:
    for turn, number in enumerate(spread(bench.calls[kind])):
        bench.disturb(number, errno.EIO, lasting=turn % 2 == 1, kind=kind)


@pytest.mark.slow
@pytest.mark.parametrize("bench", CASES, indirect=True)
@pytest.mark.parametrize(("error", "lasting"), ERRORS)
def test_every_call_that_fails(bench: Bench, error: int, lasting: bool) -> None:
    for number in range(1, bench.calls["write"] + 1):
        bench.disturb(number, error, lasting=lasting)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of damaged tiles, limits left out
@pytest.mark.parametrize("bench", CASES, indirect=True)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("kind", ["close", "remove", "read"])
def test_every_other_call_that_fails(bench: Bench, kind: str, lasting: bool) -> None:
    for number in range(1, bench.calls[kind] + 1):
        bench.disturb(number, errno.EIO, lasting=lasting, kind=kind)


@pytest.mark.parametrize("bench", QUICK, indirect=True)
def test_short_writes_are_continued(bench: Bench) -> None:
    bench.disk.short = True
    bench.count()
    bench._complete()
    assert listing(Path.cwd()) == bench.end


@pytest.mark.parametrize("bench", ["run", "import"], indirect=True)
def test_calls_that_fail_where_there_are_no_links(bench: Bench) -> None:
    bench.disk.without_links = True
    bench.count()
    calls = bench.calls["write"]
    for number in range(calls - 5, calls + 1):  # those of the last file
        bench.disturb(number, errno.ENOSPC, lasting=number % 2 == 0)
