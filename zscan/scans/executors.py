"""Executors: how the tiles of a scan get evaluated and written. A new one is a class here, with a
line in EXECUTORS.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from zscan.errors import ParameterError, nearest
from zscan.results.grid import Tile
from zscan.results.schema import Digests, Rows, digests_of
from zscan.scans.progress import Progress
from zscan.scans.spec import ScanSpec
from zscan.scans.store import TileStore
from zscan.scans.tiles import TileEvaluator

_WRITERS = 2  # one waits for the disk while the other one hashes and copies
_PENDING = 4  # tiles in flight; bounds the memory


class Sink(Protocol):
    """Where finished tiles go beside the store: the writer of the map, or what watches a shard."""

    def put(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Take a tile; called from several threads."""


class Evaluator(Protocol):
    """Starts the evaluation of a tile; see `TileEvaluator`."""

    def __call__(self, tile: Tile) -> Callable[[], dict[str, list[np.ndarray]]]: ...

    def wait(self) -> None:
        """Wait for the last evaluation that was started."""


class Executor(Protocol):
    """Evaluates tiles and writes them to the store and the sink.

    Made with the spec, the store, the sink and the progress bar, which it advances by the points of
    each tile that is written."""

    def __init__(self, spec: ScanSpec, store: TileStore, sink: Sink, bar: Progress) -> None: ...

    def run(self, tiles: Sequence[Tile]) -> None:
        """Evaluate `tiles`. On an error or an interrupt the tiles that were started are finished
        first.
        """


class Inline:
    """In this process: one compiled function over all tiles, each written while the next one
    computes; `evaluator` takes the place of that of the grid.
    """

    def __init__(
        self,
        spec: ScanSpec,
        store: TileStore,
        sink: Sink,
        bar: Progress,
        evaluator: Evaluator | None = None,
    ) -> None:
        self.store, self.sink, self.bar = store, sink, bar
        self.evaluator = evaluator or TileEvaluator(spec, store.grid)

    def run(self, tiles: Sequence[Tile]) -> None:
        """See `Executor`."""
        with ThreadPoolExecutor(_WRITERS, thread_name_prefix="zscan-writer") as pool:
            pending: deque[Future[int]] = deque()
            try:
                for tile in tiles:
                    pending.append(pool.submit(self._write, tile, self.evaluator(tile)))
                    if len(pending) == _PENDING:
                        self.bar.update(pending.popleft().result())
                while pending:
                    self.bar.update(pending.popleft().result())
            finally:
                # an evaluation still running when the interpreter ends would crash it
                self.evaluator.wait()

    def _write(self, tile: Tile, evaluated: Callable[[], dict[str, list[np.ndarray]]]) -> int:
        rows = evaluated()
        digests = digests_of(rows)
        self.store.write(tile, rows, digests)
        self.sink.put(tile, rows, digests)
        return math.prod(tile.shape)


Maker = Callable[[ScanSpec, TileStore, Sink, Progress], Executor]
# A class, or where it is: what it needs is imported only when it is asked for
EXECUTORS: dict[str, type[Executor] | str] = {
    "inline": Inline,
    "processes": "zscan.scans.processes:Processes",
    "dask": "zscan.scans.on_dask:Dask",
}


def executor_class(name: str) -> Maker:
    """The executor of a name, or of NAME:ARGUMENT, which its `check` has seen, if it has one;
    raises `ParameterError` and `MissingExtraError`.
    """
    kind, colon, argument = name.partition(":")
    if kind not in EXECUTORS or (colon and (kind == "inline" or not argument)):
        raise ParameterError(f"executor {name!r} is not known; allowed: {nearest(kind, EXECUTORS)}")
    found = EXECUTORS[kind]
    if isinstance(found, str):
        module, _, cls = found.partition(":")
        found = getattr(importlib.import_module(module), cls)
    if check := getattr(found, "check", None):
        check(argument)
    made: Maker = functools.partial(found, argument=argument) if colon else found  # type: ignore
    return made


def computes_here(name: str) -> bool:
    """Whether tiles are computed in this process, which then needs the device itself."""
    return name.partition(":")[0] not in ("processes", "dask")
