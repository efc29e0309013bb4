"""Tiles computed by other processes: equal bytes, and a process that is killed costs its tile."""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscan.errors import DeviceError, MissingExtraError, ParameterError, StorageError
from zscan.scans import processes
from zscan.scans.executors import executor_class
from zscan.scans.progress import progress_of
from zscan.scans.run import run_scan
from zscan.scans.spec import load_card
from zscan.scans.store import TileStore
from zscan.scans.tiles import TileEvaluator
from zscan.scans.workers import Job, compute, failure, job_of

TESTS = Path(__file__).parents[1]
CARD = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "slurm.pausing:pausing"],  # tiles can be made to take their time
    "axis": {
        "m_X": {"min": 1e-3, "max": 2.0, "num": 12, "scale": "log"},
        "g_X": {"min": 1e-5, "max": 1e-1, "num": 3, "scale": "log"},
    },
    "output": {"tile_points": 6},
}
DASK = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not DASK, reason="dask.distributed is not installed")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        out = tmp_path_factory.mktemp("whole") / "map.h5"
        return run_scan(CARD, out, progress=False).read_bytes()


def killer(out: Path, find: Callable[[], list[int]]) -> threading.Thread:
    """A thread that waits for a first tile and then kills one of the processes that are found."""

    def kill() -> None:
        folder = out.with_name(f"{out.name}.tiles")
        while not list(folder.glob("tile-*.h5")):
            time.sleep(0.01)
        os.kill(find()[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def children() -> list[int]:
    """Processes that this one has started to compute tiles."""
    found = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for number in (task / "children").read_text().split():
            if b"zscan.scans.workers" in Path(f"/proc/{number}/cmdline").read_bytes():
                found.append(int(number))
    return found


def test_processes_make_the_same_map_and_one_that_is_killed_costs_its_tile(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZSCAN_TEST_PAUSE", "0.3")
    out = tmp_path / "map.h5"
    thread = killer(out, children)
    run_scan(CARD, out, executor="processes:2", progress=False)
    thread.join()
    assert out.read_bytes() == whole
    assert not children()


@pytest.fixture
def cluster() -> Iterator[Any]:
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster


@needs_dask
@pytest.mark.filterwarnings("ignore")  # of dask's own loops and sockets when a worker dies
def test_dask_makes_the_same_map_and_a_killed_worker_costs_its_tile(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch, cluster: Any
) -> None:
    import distributed

    out = tmp_path / "map.h5"
    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(os.environ.update, {"ZSCAN_TEST_PAUSE": "0.3"})
        numbers = list(client.run(os.getpid).values())
    thread = killer(out, lambda: numbers)
    run_scan(CARD, out, executor=f"dask:{cluster.scheduler_address}", progress=False)
    thread.join()
    assert out.read_bytes() == whole


def test_a_worker_that_sees_no_store_gives_its_tiles_back(tmp_path: Path) -> None:
    spec = load_card(CARD)
    job = Job("card table", spec.card, (), str(tmp_path / "no.h5"), spec.hash)
    index, rows, digests = compute(job, 3)
    expected = TileEvaluator(spec, spec.grid)(spec.grid.tile(3))()
    assert index == 3
    assert set(digests) == set(expected) == set(rows)
    for name, values in expected.items():
        for one, other in zip(rows[name], values, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_card_that_another_process_cannot_read_is_refused(tmp_path: Path) -> None:
    spec = load_card(CARD)
    path = tmp_path / "card.toml"
    path.write_text(spec.card)
    store = TileStore(tmp_path / "map.h5", "", {}, _header(spec))
    job = job_of(load_card(path), store)
    assert job.source == str(path)
    assert job.spec().hash == spec.hash
    path.unlink()  # as on a machine that does not see it
    assert job.spec().hash == spec.hash
    path.write_text(spec.card.replace("12", "13"))
    with pytest.raises(
        ParameterError, match=r"does not read the same scan: .* the card has changed"
    ):
        job.spec()


def _header(spec: Any) -> Any:
    from zscan.scans.header import map_header

    return map_header(spec, "")


def test_what_a_worker_tells_is_an_error_of_its_kind() -> None:
    for kind in (StorageError, DeviceError):
        found = failure({"error": kind.__name__, "text": "x: no space"})
        assert type(found) is kind
        assert str(found) == "x: no space"
    assert str(failure({"error": "OSError", "text": "y"})) == "OSError: y"


def test_a_constraint_that_another_process_does_not_find_is_told(tmp_path: Path) -> None:
    text = load_card(CARD).card.replace("slurm.pausing", "no_such_module")
    with pytest.raises(ParameterError, match=r"cannot read the scan: .*\n.*no_such_module"):
        Job("card table", text, (), str(tmp_path / "map.h5"), "").spec()


def test_a_tile_that_kills_every_process_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["/bin/false"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    monkeypatch.setattr(processes.Processes, "_start", dies)
    with pytest.raises(DeviceError, match="its process was killed 3 times"):
        run_scan(CARD, tmp_path / "map.h5", executor="processes:1", progress=False)


@pytest.mark.slow
def test_an_interrupt_ends_the_processes_after_their_tiles(tmp_path: Path) -> None:
    class Interrupting:
        def put(self, *_: object) -> None:
            raise KeyboardInterrupt

    spec = load_card(CARD)
    store = TileStore(tmp_path / "map.h5", spec.hash, spec.canonical(), _header(spec))
    store.prepare(resume=False, force=False)
    with progress_of("x", math.prod(spec.grid.shape), shown=False) as bar:
        made = executor_class("processes:1")(spec, store, Interrupting(), bar)
        with pytest.raises(KeyboardInterrupt):
            made.run(list(store.grid))
    assert not children()
    assert len(store.survey()[0]) == 1


@pytest.mark.parametrize(
    "name",
    ["inline:2", "processes:", "processes:0", "processes:x", "dusk", "dask:"]
    + ["dask:0", "dask:1000"] * DASK,
)
def test_executors_that_do_not_exist_are_told_before_any_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="allowed: "):
        run_scan("no card.toml", tmp_path / "map.h5", executor=name)


def test_dask_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zscan\[dask\]'"):
        executor_class("dask")
