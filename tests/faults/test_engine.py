"""The run engine under signals and in company: real processes, locks, races."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import pytest

import zscan.results.files
import zscan.scans.locks
from zscan.cli import main
from zscan.errors import (
    BusyError,
    DoubleWorkWarning,
)
from zscan.results.files import require_space, write_file
from zscan.results.schema import verify
from zscan.scans.interrupts import ENDING, interruptible
from zscan.scans.journal import numbers
from zscan.scans.locks import hold
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.store import TileStore, tile_folder

# A command line with an executor that takes its time, one that hangs in a long call, and slow
# merges and fits; what hangs says so by making a file.
CHILD = """
import hashlib, signal, sys, time
from pathlib import Path
import zscan.cli
import zscan.fit.card
from zscan.scans import executors
from zscan.scans.store import TileStore

# Whoever runs the tests in the background ignores signals, and so would their children
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
ready = Path(sys.argv.pop(1))

class Slow(executors.Inline):
    def run(self, tiles):
        for tile in tiles:
            super().run([tile])
            ready.touch()
            time.sleep(0.1)

class Stuck(executors.Inline):
    def run(self, tiles):
        super().run(tiles[:1])
        ready.touch()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)

read = TileStore.read
def slow_read(*arguments):
    ready.touch()
    time.sleep(0.1)
    return read(*arguments)

def slow_fit(*arguments, **options):
    ready.touch()
    time.sleep(60)

executors.EXECUTORS |= {"slow": Slow, "stuck": Stuck}
TileStore.read = slow_read
zscan.fit.card.maximum_likelihood = slow_fit
write = TileStore.write
def slow_write(*arguments):
    write(*arguments)
    if "figure" in sys.argv:
        ready.touch()
        time.sleep(1)
TileStore.write = slow_write
zscan.cli.entry()
"""


class Child:
    """A command in a process of its own; none outlives its test."""

    all: ClassVar[list[Child]] = []

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.ready = folder / f"ready-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.ready), *arguments], stderr=subprocess.PIPE
        )
        Child.all.append(self)

    def wait_until_busy(self) -> Child:
        deadline = time.monotonic() + 60
        while not self.ready.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def end(self) -> tuple[int, str]:
        """Its exit code and what it said."""
        _, text = self.process.communicate(timeout=60)
        self.ready.unlink(missing_ok=True)
        return self.process.returncode, text.decode()


@pytest.fixture(autouse=True)
def no_child_outlives_its_test() -> Iterator[None]:
    yield
    while Child.all:
        process = Child.all.pop().process
        if process.poll() is None:
            process.kill()
        process.communicate()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.toml"}


def probe(path: Path) -> None:
    require_space(path, 1)


def write(path: Path) -> None:
    write_file(path, [b"text"])


def work(path: Path) -> None:
    with hold(path, "zscan run"):
        pass


# A file that was just opened is closed by Python, which says so
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("call", [probe, write, work])
def test_an_interrupt_at_any_line_leaves_no_temporary_file(
    tmp_path: Path, call: Callable[[Path], None]
) -> None:
    places = (zscan.results.files, zscan.scans.locks, contextlib, pathlib)
    sources = {module.__file__ for module in places}

    def interrupted(at: int) -> bool:
        """Whether the call was interrupted as it came to its line number `at`."""
        lines = itertools.count(1)

        def line(frame: FrameType, event: str, _: object) -> Any:
            if event == "line" and next(lines) == at:
                sys.settrace(None)
                raise KeyboardInterrupt
            return line

        def begin(frame: FrameType, *_: object) -> Any:
            return line if frame.f_code.co_filename in sources else None

        before = sys.gettrace()
        sys.settrace(begin)
        try:
            with interruptible():
                call(tmp_path / "x.h5")
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    number = 1
    while interrupted(number):
        assert names(tmp_path) <= {"x.h5"}, number
        number += 1
    assert number > 50


def test_every_signal_ends_a_scan_alike(tmp_path: Path, card: Path) -> None:
    whole = run_scan(card, tmp_path / "whole.h5", progress=False)
    signals = (signal.SIGINT, *ENDING)
    assert len(signals) == 4
    outs = [tmp_path / number.name / "x.h5" for number in signals]
    children = [
        Child(tmp_path, "run", str(card), "-o", str(out), "--executor", "slow") for out in outs
    ]
    for number, child in zip(signals, children, strict=True):
        child.wait_until_busy().process.send_signal(number)
    for out, child in zip(outs, children, strict=True):
        code, text = child.end()
        assert code == 130, text
        assert "interrupted; finished tiles are kept, continue with --resume" in text
        assert names(out.parent) == {"x.h5.tiles"}
        done, faults = TileStore.load(out).survey()
        assert 1 <= len(done) < 30
        assert not faults
        assert names(tile_folder(out)) == {"spec.json", "journal", "map.part"}
    assert run_scan(card, outs[0], resume=True, progress=False).read_bytes() == whole.read_bytes()


def test_signals_end_merges_fits_and_figures(tmp_path: Path, card: Path) -> None:
    out = tmp_path / "merged" / "x.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    tiles = names(tile_folder(out))
    folders = [tmp_path / name for name in ("merged", "fitted", "drawn")]
    changes = ("output.tile_points=1", "output.observables=[]", "constraints=['nsi']")
    figure = ["figure", "2", "--points", "4", "-o", str(folders[2])]
    figure += [part for text in changes for part in ("--set", text)]
    children = [
        Child(tmp_path, "merge", str(out)),
        Child(tmp_path, "fit", "fit-lmu-ltau", "-o", str(folders[1] / "y.h5")),
        Child(tmp_path, *figure),
    ]
    for child, number in zip(children, ENDING, strict=True):
        child.wait_until_busy().process.send_signal(number)
    for child in children:
        code, text = child.end()
        assert code == 130, text
        assert "interrupted" in text
    assert names(folders[0]) == {"x.h5.tiles"}
    assert names(tile_folder(out)) == tiles
    assert not folders[1].exists() or names(folders[1]) == set()
    assert names(folders[2]) == {"fig2.h5.tiles"}
    verify(merge_scan(out))


def test_a_second_signal_ends_at_once(tmp_path: Path, card: Path) -> None:
    out = tmp_path / "x" / "x.h5"
    child = Child(tmp_path, "run", str(card), "-o", str(out), "--executor", "stuck")
    child.wait_until_busy().process.send_signal(signal.SIGTERM)
    time.sleep(0.4)
    assert child.process.poll() is None  # Python delivers a signal after the call only
    child.process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    code, text = child.end()
    assert code == 130
    assert "stopped at once" in text
    assert time.monotonic() - start < 5
    assert [name for name in names(out.parent) if name.endswith(".lock")] == []
    # what the killed one left is no obstacle, and its temporary map is removed
    verify(run_scan(card, out, resume=True, progress=False))
    assert names(out.parent) == {"x.h5"}


def test_ignored_signals_and_own_handlers_stay(tmp_path: Path, card: Path) -> None:
    number = signal.SIGUSR1
    seen = []
    for handler in (signal.SIG_IGN, lambda *_: seen.append(1)):
        previous = signal.signal(number, handler)
        try:
            with sending(tmp_path, number):
                run_scan(card, tmp_path / "map.h5", force=True, progress=False)
            assert signal.getsignal(number) is handler
        finally:
            signal.signal(number, previous)
    assert seen
    assert signal.getsignal(number) is signal.SIG_DFL


@contextmanager
def sending(folder: Path, number: signal.Signals) -> Iterator[None]:
    """Sends a signal to this process as soon as there are tiles."""

    def send() -> None:
        while not numbers(folder / "map.h5.tiles"):
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


def test_the_loser_is_told_who_holds_the_map(tmp_path: Path, card: Path) -> None:
    out = tmp_path / "x" / "x.h5"
    winner = Child(tmp_path, "run", str(card), "-o", str(out), "--executor", "slow")
    winner.wait_until_busy()
    owner = rf"{socket.gethostname()}:{winner.process.pid} since \S+ runs zscan run {card}"
    for call in (
        lambda: run_scan(card, out, resume=True),
        lambda: run_scan(card, out, force=True),
        lambda: run_scan(card, out, shard=(1, 2)),
        lambda: merge_scan(out),
    ):
        with pytest.raises(BusyError, match=owner) as refused:
            call()
        assert refused.value.exit_code == 2
    assert main(["merge", str(out)]) == 2
    winner.process.kill()
    winner.end()
    verify(run_scan(card, out, resume=True, progress=False))  # its lock is stale
    assert names(out.parent) == {"x.h5"}


def test_shards_share_and_exclude_everything_else(tmp_path: Path) -> None:
    out = tmp_path / "map.h5"
    with hold(out, "zscan run a --shard 1/3", (1, 3)), hold(out, "b", (2, 3)):
        assert len(list(tmp_path.glob(".*.lock"))) == 2
        with pytest.raises(BusyError, match=r"runs zscan run a --shard 1/3"), hold(out, "merge"):
            pass
        told = pytest.warns(
            DoubleWorkWarning, match=r"runs zscan run a --shard 1/3, the same shard"
        )
        with told, hold(out, "c", (1, 3)):
            pass
        with hold(tmp_path / "map.h5.12-0@x.h5", "another map"):
            pass
    with hold(out, "merge"):
        record = json.loads(next(tmp_path.glob(".*.lock")).read_text())
        assert record["host"] == socket.gethostname()
        assert (record["pid"], record["command"]) == (os.getpid(), "merge")
        with pytest.raises(BusyError, match="runs merge"), hold(out, "d", (1, 3)):
            pass
    assert list(tmp_path.iterdir()) == []


def test_locks_of_dead_processes_and_silent_hosts_are_taken_over(tmp_path: Path) -> None:
    out = tmp_path / "map.h5"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    dead = tmp_path / f".map.h5.{process.pid}-0@{socket.gethostname()}.lock"
    # its number may be in use again: the lock of the file counts, not the number
    reused = tmp_path / f".map.h5.{os.getpid()}-99@{socket.gethostname()}.lock"
    for path in (dead, reused):
        path.write_text("{}\n")
    with hold(out, "a"):
        assert not dead.exists()
        assert not reused.exists()
    remote = tmp_path / ".map.h5.7-0@elsewhere.lock"
    remote.write_text("not JSON\n")
    with pytest.raises(BusyError, match=r"elsewhere:7 since an unknown time"), hold(out, "a"):
        pass
    os.utime(remote, (time.time() - 90_000,) * 2)
    with hold(out, "a"):
        assert not remote.exists()
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_start_at_once_exactly_one_wins(tmp_path: Path) -> None:
    count = 8
    start, end = threading.Barrier(count), threading.Barrier(count)
    results: list[str] = []

    def compete() -> None:
        for _ in range(10):
            start.wait()
            try:
                with hold(tmp_path / "map.h5", "x"):
                    results.append("won")
                    end.wait()  # holds it until all others have given up
            except BusyError:
                results.append("lost")
                end.wait()

    threads = [threading.Thread(target=compete) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [results.count(word) for word in ("won", "lost")] == [10, 10 * (count - 1)]
    assert list(tmp_path.iterdir()) == []
