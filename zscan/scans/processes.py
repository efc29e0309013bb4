"""The executor "processes": one process for each device of this machine, each with an evaluator of
its own.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from zscan.errors import DeviceError, ParameterError
from zscan.results.grid import Tile
from zscan.results.schema import checked_rows
from zscan.scans.devices import in_use
from zscan.scans.executors import Sink
from zscan.scans.progress import Progress
from zscan.scans.spec import ScanSpec
from zscan.scans.store import TileStore
from zscan.scans.workers import failure, job_of, request

_TRIES = 3  # of a tile whose process was killed
_MOST = 256
_MOST_OF_ITSELF = 4  # processes on a machine without GPUs, if no number is given
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class _Place:
    """What a process finds in its environment, and the cores that it may use (none: all)."""

    variables: dict[str, str]
    cores: tuple[int, ...] = ()


class Processes:
    """Processes on this machine, which write tiles into the store; this one reads them back into
    the map.

    On GPUs there is one for each, which sees no other; else as many as `argument` says, each on
    cores of its own. One that is killed is started again: it costs the tile that it worked on."""

    def __init__(
        self, spec: ScanSpec, store: TileStore, sink: Sink, bar: Progress, argument: str = ""
    ) -> None:
        self.store, self.sink, self.bar = store, sink, bar
        self.places = _places(argument)
        device = None if _gpus() else "cpu"
        self.request = request(job_of(spec, store, device))
        self.todo: deque[Tile] = deque()
        self.deaths: dict[int, int] = {}
        self.results: queue.Queue[int | BaseException] = queue.Queue()
        self.stopped = threading.Event()

    @staticmethod
    def check(argument: str) -> None:
        """Raise `ParameterError` unless `argument` is a number of processes, or empty."""
        if argument and not (argument.isdecimal() and 1 <= int(argument[:9]) <= _MOST):
            raise ParameterError(
                f"executor 'processes:{argument}' is not known; allowed: processes, or "
                f"processes:N with N from 1 to {_MOST}"
            )

    def run(self, tiles: Sequence[Tile]) -> None:
        """See `Executor`."""
        self.todo.extend(tiles)
        threads = [
            threading.Thread(target=self._serve, args=(place,), name=f"zscan-process-{number}")
            for number, place in enumerate(self.places[: len(tiles)])
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in tiles:
                found = self.results.get()
                if isinstance(found, BaseException):
                    raise found
                self.bar.update(found)
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def _serve(self, place: _Place) -> None:
        process = None
        try:
            while not self.stopped.is_set():
                try:
                    tile = self.todo.popleft()
                except IndexError:
                    # Others may yet lose the tiles that they have
                    if self.stopped.wait(0.05):
                        return
                    continue
                process = process or self._start(place)
                answer = _ask(process, tile)
                if answer is None:
                    _end(process)
                    process = None
                    self._lost(tile)
                elif "error" in answer:
                    raise failure(answer)
                else:
                    rows, digests = checked_rows(tile, self.store)
                    self.sink.put(tile, rows, digests)
                    self.results.put(math.prod(tile.shape))
        except BaseException as error:
            self.results.put(error)
        finally:
            if process is not None:
                _end(process)

    def _start(self, place: _Place) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "zscan.scans.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | place.variables,
        )
        # A process that has ended already is found out with its first tile
        with suppress(OSError):
            if place.cores and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(process.pid, place.cores)
            _pipes(process)[0].write(self.request)
        return process

    def _lost(self, tile: Tile) -> None:
        if self.stopped.is_set():
            return
        deaths = self.deaths[tile.index] = self.deaths.get(tile.index, 0) + 1
        if deaths == _TRIES:
            raise DeviceError(
                f"tile {tile.index}: its process was killed {deaths} times, perhaps for want of "
                "memory; finished tiles are kept: continue with --resume where there is more, or "
                "start again with smaller output.tile_points"
            )
        self.todo.appendleft(tile)


def _ask(process: subprocess.Popen[str], tile: Tile) -> dict[str, object] | None:
    """The answer of a process, None if it is dead."""
    to, back = _pipes(process)
    try:
        to.write(f"{tile.index}\n")
        to.flush()
        line = back.readline()
    except OSError:
        return None
    return json.loads(line) if line.endswith("\n") else None


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in _pipes(process):
        with suppress(OSError):  # of a dead process
            pipe.close()
    process.wait()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _gpus() -> int:
    return sum(device.platform != "cpu" for device in in_use())


def _places(argument: str) -> list[_Place]:
    if gpus := _gpus():
        count = int(argument or gpus)
        if count > gpus:
            raise ParameterError(f"{count} processes; allowed: at most one for each of {gpus} GPUs")
        visible = [name for name in os.environ.get(_VISIBLE, "").split(",") if name]
        names = visible or list(map(str, range(gpus)))
        return [_Place({_VISIBLE: names[device.local_hardware_id]}) for device in in_use()[:count]]
    available = getattr(os, "sched_getaffinity", None)
    cores = sorted(available(0)) if available else list(range(os.cpu_count() or 1))
    count = int(argument or max(1, min(_MOST_OF_ITSELF, len(cores) // 2)))
    return [_Place({}, tuple(cores[number::count] or cores)) for number in range(count)]
