"""The executor "dask": tiles as tasks of dask.distributed, on a cluster that runs already or on
workers of this machine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from zscan.errors import DeviceError, MissingExtraError, ParameterError
from zscan.results.grid import Tile
from zscan.results.schema import checked_rows
from zscan.scans.executors import Sink
from zscan.scans.progress import Progress
from zscan.scans.spec import ScanSpec
from zscan.scans.store import TileStore
from zscan.scans.workers import compute, job_of

if TYPE_CHECKING:
    from distributed import Client

_ADDRESS = "DASK_SCHEDULER_ADDRESS"
_AHEAD = 2  # tasks in flight for each thread of the cluster
_WORKERS, _MOST = 2, 256  # on this machine
_ANSWER = 20  # s
_PATIENCE = 300  # s for the tiles in flight, when the scan is interrupted


class Dask:
    """Workers of dask, one evaluator in each, compiled once. `argument` is the address of a
    scheduler, or the number of workers on this machine; by default the address that
    DASK_SCHEDULER_ADDRESS names or, without it, two workers here.

    Workers write into the store where they see it, else they send their tiles. dask repeats what a
    lost worker had."""

    def __init__(
        self, spec: ScanSpec, store: TileStore, sink: Sink, bar: Progress, argument: str = ""
    ) -> None:
        self.store, self.sink, self.bar = store, sink, bar
        self.argument = argument or os.environ.get(_ADDRESS, "")
        self.job = job_of(spec, store)

    @staticmethod
    def check(argument: str) -> None:
        """Raise `MissingExtraError` without dask, `ParameterError` unless `argument` is a number of
        workers, or the address of a scheduler that answers.
        """
        _distributed()
        address = argument or os.environ.get(_ADDRESS, "")
        if address.isdecimal() and not 1 <= int(address[:9]) <= _MOST:
            raise ParameterError(f"dask:{address}; allowed: 1 to {_MOST} workers")
        if address and not address.isdecimal():
            _connect(address).close()

    def run(self, tiles: Sequence[Tile]) -> None:
        """See `Executor`."""
        if not tiles:
            return
        distributed = _distributed()
        rest = iter(tiles)
        with self._client() as client:
            threads = max(1, sum(client.nthreads().values()))
            first = [self._submit(client, tile) for tile in islice(rest, _AHEAD * threads)]
            pending = distributed.as_completed(first)
            try:
                for future in pending:
                    self._take(future)
                    for tile in islice(rest, 1):
                        pending.add(self._submit(client, tile))
            except distributed.KilledWorker as error:
                raise DeviceError(
                    f"a tile has cost several workers of dask, perhaps for want of memory ({error})"
                    "; finished tiles are kept: continue with --resume, or start again with "
                    "smaller output.tile_points"
                ) from error
            except KeyboardInterrupt:
                distributed.wait(list(pending.futures), timeout=_PATIENCE)
                raise

    def _submit(self, client: Client, tile: Tile) -> Any:
        return client.submit(compute, self.job, tile.index, pure=False)

    def _take(self, future: Any) -> None:
        index, rows, digests = future.result()
        tile = self.store.grid.tile(index)
        if rows is None:
            rows, digests = checked_rows(tile, self.store)
        else:
            self.store.write(tile, rows, digests)
        self.sink.put(tile, rows, digests)
        self.bar.update(math.prod(tile.shape))

    @contextmanager
    def _client(self) -> Iterator[Client]:
        distributed = _distributed()
        with ExitStack() as stack:
            if self.argument and not self.argument.isdecimal():
                client = stack.enter_context(_connect(self.argument))
            else:
                cluster = distributed.LocalCluster(
                    n_workers=int(self.argument or _WORKERS),
                    threads_per_worker=1,
                    memory_limit=0,  # what jax holds would count
                    dashboard_address=None,
                    host="127.0.0.1",
                )
                stack.enter_context(cluster)
                client = stack.enter_context(distributed.Client(cluster, set_as_default=False))
            stack.enter_context(client.as_current())
            yield client


def _connect(address: str) -> Client:
    """A client of a scheduler that runs already; raises `ParameterError`."""
    client: Client
    try:
        client = _distributed().Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"dask:{address}: no scheduler answers there ({error}); allowed: the address of one, "
            "such as tcp://host:8786, or a number of workers"
        ) from error
    return client


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "executor 'dask' needs dask.distributed: pip install 'zscan[dask]'"
        ) from error
    return distributed
