"""The run engine under signals, locks, left-over folders, points that are not finite and failing
devices.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.errors import JaxRuntimeError

import zscan.scans.store
from zscan.cli import main
from zscan.errors import (
    BusyError,
    DeviceError,
    DoubleWorkWarning,
    NotFiniteError,
    NotFiniteWarning,
    StorageError,
)
from zscan.likelihood import Description, Term, log_likelihood
from zscan.results.load import open_scan
from zscan.results.schema import verify
from zscan.scans.interrupts import ENDING
from zscan.scans.locks import hold
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.spec import load_card
from zscan.scans.store import TileStore, tile_folder
from zscan.scans.tiles import TileEvaluator

CARD = """
format = 1
name = "tiny"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino"]
[axis.m_X]
values = [0.01, 0.1, 1.0]
[axis.g_X]
min = 1e-5
max = 1e-1
num = 40
scale = "log"
[output]
tile_points = 4
"""

# A command line with an executor that takes its time, one that hangs in a long call, and slow
# merges and fits; what hangs says so by making a file.
CHILD = """
import hashlib, sys, time
from pathlib import Path
import zscan.cli
import zscan.fit.card
from zscan.scans import executors
from zscan.scans.store import TileStore

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


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / "tiny.toml"
    path.write_text(CARD)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.toml"}


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
        assert {path.suffix for path in tile_folder(out).iterdir()} == {".h5", ".json"}
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
        while not list(folder.glob("map.h5.tiles/tile-*")):
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


@pytest.mark.parametrize("left", ["nothing", "spec.json", "tiles"])
def test_a_complete_map_wins(tmp_path: Path, card: Path, left: str) -> None:
    out = tmp_path / "map.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    folder = tile_folder(out)
    spec = (folder / "spec.json").read_bytes()
    before = merge_scan(out).read_bytes()
    for arguments in (["run", str(card), "-o", str(out), "--resume"], ["merge", str(out)]):
        folder.mkdir()
        if left == "spec.json":
            (folder / left).write_bytes(spec)
        elif left == "tiles":
            (folder / "tile-000000.h5").write_bytes(b"")
            (folder / f".tile-000001.h5.999999999-0@{socket.gethostname()}.tmp").touch()
        assert main(arguments) == 0
        assert names(tmp_path) == {"map.h5"}
    assert out.read_bytes() == before


def test_every_state_of_a_removal_can_be_continued(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    out = tmp_path / "map.h5"
    overrides = ["axis.m_X.values=[0.01]", "output.tile_points=20"]
    unlink = Path.unlink
    for allowed in range(4):  # two tiles, spec.json, the folder
        run_scan(card, out, shard=(1, 1), overrides=overrides, progress=False)
        left = allowed

        def counted(path: Path, missing_ok: bool = False) -> None:
            nonlocal left
            if path.parent.name == "map.h5.tiles" and path.suffix in (".h5", ".json"):
                if left == 0:
                    raise Killed
                left -= 1
            unlink(path, missing_ok)

        def never(path: Path) -> None:
            raise Killed

        monkeypatch.setattr(Path, "unlink", counted)
        monkeypatch.setattr(Path, "rmdir", never)
        with pytest.raises(Killed):
            merge_scan(out)
        monkeypatch.undo()
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert tile_folder(out).exists()
        if allowed % 2:
            merge_scan(out)
        else:
            run_scan(card, out, resume=True, overrides=overrides, progress=False)
        assert names(tmp_path) == {"map.h5"}
        verify(out)
        out.unlink()


def test_tiles_of_another_scan_stay(tmp_path: Path, card: Path) -> None:
    out, other = tmp_path / "map.h5", tmp_path / "other.h5"
    run_scan(card, out, progress=False)
    run_scan(card, other, shard=(1, 9), overrides=["fixed.eps=1e-4"], progress=False)
    tile_folder(other).rename(tile_folder(out))
    assert run_scan(card, out, resume=True) == out
    assert len(names(tile_folder(out))) > 1


def test_a_merge_removes_temporaries_of_killed_ones(tmp_path: Path, card: Path) -> None:
    out = tmp_path / "map.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    (tmp_path / f".map.h5.999999999-3@{socket.gethostname()}.tmp").write_bytes(b"1" * 1000)
    merge_scan(out)
    assert names(tmp_path) == {"map.h5"}
    with pytest.raises(StorageError, match="no tiles of a scan here"):
        merge_scan(tmp_path / "no" / "map.h5")
    assert not (tmp_path / "no").exists()


def test_names_of_a_new_tile_folder_are_synced(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(zscan.scans.store, "sync_folder", synced.append)
    run_scan(card, tmp_path / "map.h5", progress=False)
    assert synced == [tmp_path]


@dataclasses.dataclass(frozen=True)
class Hollow:
    """A likelihood that is not finite for large couplings of a heavy X, in one of its terms."""

    constraints: tuple[str, ...] = ("delta_a_mu", "borexino")
    chi2_zero = dict.fromkeys(("delta_a_mu", "borexino"), 0.0)

    def terms_and_observables(
        self, parameters: Mapping[str, Array], names: Sequence[str]
    ) -> tuple[dict[str, Term], dict[str, Array]]:
        m_X, g_X = parameters["m_X"], parameters["g_X"]
        hole = jnp.where((m_X > 0.05) & (g_X > 1e-3), jnp.nan, m_X * g_X)
        valid = m_X < 0.5
        return {
            "delta_a_mu": Term(m_X * g_X, g_X, jnp.asarray(True)),
            "borexino": Term(hole, g_X, valid),
        }, {}

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def describe(self, stored: Sequence[str] = ()) -> Description:
        return log_likelihood("Lmu-Ltau", self.constraints).describe(stored)


def test_points_that_are_not_finite(tmp_path: Path, card: Path) -> None:
    spec = dataclasses.replace(load_card(card), likelihood=Hollow())
    g_X = spec.axes[1].values
    count, first = int((g_X > 1e-3).sum()), float(g_X[g_X > 1e-3][0])
    text = rf"borexino at m_X = 0\.1 GeV, g_X = {first!r};"
    out = tmp_path / "map.h5"
    with pytest.raises(NotFiniteError, match=text) as strict:
        run_scan(spec, out, strict=True, progress=False)
    assert strict.value.exit_code == 3
    assert not out.exists()
    with pytest.raises(NotFiniteError, match=text):  # the tile is among those that are kept
        run_scan(spec, out, strict=True, resume=True, progress=False)
    told = rf"{out}: borexino is not finite on {count} points .* m_X = 0\.1 GeV, g_X = {first!r}$"
    with pytest.warns(NotFiniteWarning, match=told):
        run_scan(spec, out, resume=True, progress=False)
    with open_scan(out) as scan:
        assert int((scan.status == 3).sum()) == count
    parts = tmp_path / "parts.h5"
    with pytest.warns(NotFiniteWarning, match=told.replace("map.h5", "parts.h5")):
        run_scan(spec, parts, shard=(1, 1), progress=False)
    with pytest.warns(NotFiniteWarning, match=told.replace("map.h5", "parts.h5")):
        merge_scan(parts)
    with pytest.raises(NotFiniteError, match=text):
        run_scan(spec, tmp_path / "shard.h5", shard=(1, 1), strict=True, progress=False)


def test_strict_scans_of_finite_numbers_pass(tmp_path: Path, card: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["run", str(card), "-o", str(tmp_path / "map.h5"), "--strict"]) == 0


class Failing:
    """The compiled evaluation of a tile on a device that fails the first calls."""

    def __init__(self, program: Any, errors: list[BaseException]) -> None:
        self.program, self.errors = program, errors
        self.spec, self.last, self.calls = program.spec, {}, 0

    def __call__(self, slices: Sequence[slice]) -> Any:
        self.calls += 1
        rows = self.program(slices)
        if not self.errors:
            return rows
        error = self.errors.pop(0)
        if isinstance(error, MemoryError):
            raise error  # at the start; errors of the device show when one waits

        def fail() -> Any:
            raise error

        return fail


def trouble(text: str) -> BaseException:
    return JaxRuntimeError(text)


OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."


@pytest.mark.parametrize(
    "error", [MemoryError(), trouble(OUT_OF_MEMORY), trouble("INTERNAL: CUDA_ERROR_ECC")]
)
def test_a_tile_is_evaluated_in_halves_after_trouble(card: Path, error: BaseException) -> None:
    spec = load_card(card, ["output.tile_points=9"])
    evaluator = TileEvaluator(spec, spec.grid)
    tiles = [spec.grid.tile(index) for index in (0, 4)]  # the last of a row is a short one
    assert [tile.shape for tile in tiles] == [(1, 8), (1, 8)]
    for tile in tiles:
        expected = evaluator(tile)()
        whole = evaluator.whole
        evaluator.whole = Failing(whole, [error])  # type: ignore[assignment]
        found = evaluator(tile)()
        evaluator.wait()
        evaluator.whole = whole
        assert found.keys() == expected.keys()
        for name, rows in expected.items():
            for one, other in zip(found[name], rows, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.flags.c_contiguous


def test_trouble_that_stays_is_named_with_advice(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_card(card, ["output.tile_points=8"])
    evaluator = TileEvaluator(spec, spec.grid)
    errors = [trouble(OUT_OF_MEMORY), trouble(OUT_OF_MEMORY)]
    evaluator.whole = Failing(evaluator.whole, errors)  # type: ignore[assignment]
    evaluator.__dict__["_half"] = Failing(evaluator._half, errors)
    with pytest.raises(DeviceError, match=r"tile 3 .*Out of memory.*tile_points below 4"):
        evaluator(spec.grid.tile(3))()
    assert not errors
    faulty = Failing(evaluator.whole.program, [trouble("INVALID_ARGUMENT: a fault of ours")])
    evaluator.whole = faulty  # type: ignore[assignment]
    with pytest.raises(JaxRuntimeError, match="INVALID_ARGUMENT"):
        evaluator(spec.grid.tile(0))()


def test_a_scan_survives_trouble_with_the_same_bytes(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run_scan(card, tmp_path / "one.h5", progress=False)
    start = TileEvaluator.__init__

    def failing(self: TileEvaluator, *arguments: Any) -> None:
        start(self, *arguments)
        self.whole = Failing(self.whole, [trouble(OUT_OF_MEMORY)] * 5)  # type: ignore[assignment]

    monkeypatch.setattr(TileEvaluator, "__init__", failing)
    out = run_scan(card, tmp_path / "two.h5", progress=False)
    assert out.read_bytes() == undisturbed.read_bytes()
