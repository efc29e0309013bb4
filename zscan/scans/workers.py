"""What another process needs to compute tiles of a scan, and the worker that it becomes: one
evaluator, compiled once, for all the tiles that it gets.

As a program (`python -m zscan.scans.workers`) it reads a job and then numbers of tiles from
standard input, one a line, and answers each with a line of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zscan import errors
from zscan.errors import CardError, CorruptFileError, ParameterError, StorageError, ZscanError
from zscan.results.schema import Digests, Rows, digests_of
from zscan.scans.agreement import require_same_versions
from zscan.scans.cards import TABLE_LABEL
from zscan.scans.devices import using
from zscan.scans.header import map_header
from zscan.scans.interrupts import ENDING
from zscan.scans.spec import ScanSpec, load_card
from zscan.scans.store import TileStore
from zscan.scans.tiles import TileEvaluator
from zscan.untrusted import is_file, parse_toml


@dataclass(frozen=True)
class Job:
    """A scan for a worker: its card as a path or a name, and as text, for a worker that does not
    see the file; the overrides; the map, beside which the tiles lie; the hash of the spec; device.
    """

    source: str
    text: str
    overrides: tuple[str, ...]
    out: str
    spec_hash: str
    device: str | None = None

    def spec(self) -> ScanSpec:
        """The scan; raises `ParameterError` if it is not the same one here."""
        table = self.source == TABLE_LABEL or (
            self.source.endswith(".toml") and not is_file(Path(self.source))
        )
        try:
            spec = load_card(parse_toml(self.text) if table else self.source, self.overrides)
        except CardError as error:
            raise ParameterError(f"another process cannot read the scan: {error}") from error
        if spec.hash != self.spec_hash:
            raise ParameterError(
                f"{self.source}: another process does not read the same scan: it has another "
                "version of zscan, the card has changed, or constraints were made in this session"
                " (give them as package.module:NAME)"
            )
        return spec


def job_of(spec: ScanSpec, store: TileStore, device: str | None = None) -> Job:
    """The job of a scan whose store is prepared."""
    source = spec.label
    if source != TABLE_LABEL and is_file(Path(source)):
        source = os.path.abspath(source)
    out = os.path.abspath(store.out)
    return Job(source, spec.card, spec.overrides, out, spec.hash, device or spec.device)


class Worker:
    """Computes tiles of a job and writes them beside the map or, where that is not seen from here,
    gives them back.
    """

    def __init__(self, job: Job) -> None:
        with using(job.device):
            spec = job.spec()
            self.store = _shared(spec, job)
            self.evaluator = TileEvaluator(spec, spec.grid)

    def compute(self, index: int) -> tuple[int, Rows | None, Digests]:
        """Number, rows (None: they were written) and digests of a tile."""
        tile = self.evaluator.grid.tile(index)
        rows = self.evaluator(tile)()
        digests = digests_of(rows)
        if self.store is None:
            return index, rows, digests
        self.store.write(tile, rows, digests)
        return index, None, digests


def _shared(spec: ScanSpec, job: Job) -> TileStore | None:
    """The store of the job, None where it is not seen from here."""
    try:
        store = TileStore.load(Path(job.out))
    except (StorageError, CorruptFileError):
        return None
    if store.hash != spec.hash:
        return None
    require_same_versions(store.folder, store.header, map_header(spec, ""))
    return store


_lock = threading.Lock()
_kept: dict[Job, Worker] = {}


def compute(job: Job, index: int) -> tuple[int, Rows | None, Digests]:
    """`Worker.compute` of the one worker of this process."""
    with _lock:
        if job not in _kept:
            _kept.clear()
            _kept[job] = Worker(job)
        worker = _kept[job]
    return worker.compute(index)


def failure(answer: Mapping[str, Any]) -> ZscanError:
    """The error that a worker has told."""
    kind = getattr(errors, str(answer["error"]), None)
    if isinstance(kind, type) and issubclass(kind, ZscanError) and kind is not errors.CardError:
        return kind(answer["text"])
    return ZscanError(f"{answer['error']}: {answer['text']}")


def serve() -> None:
    """Answer the lines of standard input until it ends."""
    for number in (signal.SIGINT, *ENDING):  # who started this one tells it when to end
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed
    job = None
    for line in sys.stdin:
        given = json.loads(line)
        try:
            if job is None:
                job = Job(**given | {"overrides": tuple(given["overrides"])})
                continue
            index, _, _ = compute(job, given)
            answer: dict[str, Any] = {"tile": index}
        except Exception as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


def request(job: Job) -> str:
    """The first line for a worker."""
    return json.dumps(asdict(job)) + "\n"


if __name__ == "__main__":
    from zscan.compilation import keep_programs

    keep_programs()
    serve()
