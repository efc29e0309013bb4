"""Commands that compute once: what they write is made again each time, numbers and pictures are
not. Run as a program it is a server that forks a process for each command.

A fork cannot compile or evaluate: the threads that would do so stay behind. With all that kept from
a first command it need not, and begins at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from disk import Disk

import zscan.fit.card
import zscan.results.figures.corner
import zscan.results.figures.plot
import zscan.scans.executors
import zscan.scans.figure
import zscan.scans.refine
import zscan.scans.run
import zscan.scans.store
from zscan.cli import main

Set = Callable[[Any, str, Any], None]
_LONGEST = 120  # s that a command may take
_BROKEN = 99  # exit code of a process that ended otherwise than a command does


class _Evaluator:
    """The tiles of a scan, each evaluated once."""

    def __init__(self, evaluator: Any) -> None:
        self.evaluator, self.rows = evaluator, {}
        self.points = getattr(evaluator, "points", None)  # of a refined scan

    def __call__(self, tile: Any) -> Callable[[], Any]:
        if tile.index not in self.rows:
            self.rows[tile.index] = self.evaluator(tile)()
        return lambda: self.rows[tile.index]

    def wait(self) -> None:
        pass


def compute_once(set_attribute: Set) -> None:
    """Keep the rows of all tiles, the figure of each scan and the steps of the one fit there is."""
    kept: dict[Any, Any] = {}

    def keep(module: Any, name: str, key: Callable[..., Any], change: Any = None) -> None:
        call = getattr(module, name)

        @wraps(call)
        def once(*arguments: Any, **options: Any) -> Any:
            place = name, key(*arguments, **options)
            if place not in kept:
                found = call(*arguments, **options)
                kept[place] = found if change is None else change(found)
            return kept[place]

        set_attribute(module, name, once)

    def small(figure: Any) -> Any:
        figure.set_size_inches(1, 1)  # quick to write
        return figure

    def of_maps(spec: Any, maps: Any, **options: Any) -> Any:
        return tuple(data.attrs["spec_hash"] for data in maps)

    def of_grid(spec: Any, grid: Any) -> Any:
        return spec.hash, grid.shape, grid.block

    def of_shape(spec: Any, shape: Any) -> Any:
        return spec.hash, shape

    def of_level(*arguments: Any, cl: Any = None, **options: Any) -> Any:
        return cl

    keep(zscan.scans.executors, "TileEvaluator", of_grid, _Evaluator)
    keep(zscan.scans.refine, "PointEvaluator", of_shape, _Evaluator)
    keep(zscan.results.figures.plot, "draw", of_maps, small)
    keep(zscan.results.figures.corner, "draw_corner", of_level, small)
    for name in ("maximum_likelihood", "intervals", "_content"):
        keep(zscan.fit.card, name, of_level)


def read_cards_once(set_attribute: Set) -> None:
    """Keep cards: to check them evaluates their constraints."""
    load, kept = zscan.scans.run.load_card, {}

    def once(source: Any, overrides: Any = None) -> Any:
        path = Path(source)
        key = str(source), tuple(overrides or ()), path.is_file() and path.read_bytes()
        if key not in kept:
            kept[key] = load(source, overrides)
        return kept[key]

    for module in (zscan.scans.run, zscan.scans.figure, zscan.fit.card):
        set_attribute(module, "load_card", once)


class _Deadly(Disk):
    """A disk whose chosen call kills the process before it is made."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _serve() -> None:
    """Obey requests, one a line of JSON on stdin: {"folder", "arguments"} of a command that runs in
    this process, or in a fork with {"fork": true}. There "kill" may be the time in s after which it
    is killed, "call" [kind, number] of the call that kills it (see `Disk`), and "copy" a folder
    that gets all there is when it begins to remove tiles. The answer is its exit code and the time
    that it took.
    """
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what commands say
    compute_once(setattr)
    read_cards_once(setattr)
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request["folder"])
        answer = _forked(request) if request["fork"] else (main(request["arguments"]), 0.0)
        print(json.dumps(answer), file=answers, flush=True)


def _forked(request: dict[str, Any]) -> tuple[int, float]:
    reader, writer = os.pipe()
    number = os.fork()
    if number == 0:
        try:
            signal.alarm(_LONGEST)
            if request["copy"]:
                _copy_before_removal(request["folder"], request["copy"])
            if request["call"]:
                kind, call = request["call"]
                _Deadly(Path(request["folder"]), setattr).fail_at(call, 0, kind=kind)
            os.write(writer, b".")
            os._exit(main(request["arguments"]))
        finally:
            os._exit(_BROKEN)
    os.close(writer)
    os.read(reader, 1)
    begin = time.monotonic()
    if request["kill"] is not None:
        time.sleep(request["kill"])
        os.kill(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    seconds = time.monotonic() - begin
    os.close(reader)
    return os.waitstatus_to_exitcode(status), seconds


def _copy_before_removal(folder: str, copy: str) -> None:
    remove = zscan.scans.store.remove_tiles

    def copy_and_remove(tiles: Path) -> None:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        remove(tiles)

    zscan.scans.store.remove_tiles = copy_and_remove


if __name__ == "__main__":
    _serve()
