"""How far a scan is, from what lies beside its map: which tiles are there, who works on them, what
became of submitted jobs, and what to do.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from zscan.errors import (
    CorruptFileError,
    IncompleteScanError,
    ParameterError,
    StorageError,
    ZscanError,
    clipped,
)
from zscan.results.check import open_checked
from zscan.results.outputs import target_of
from zscan.results.text import aligned
from zscan.scans import slurm
from zscan.scans.jobs import Jobs, load_jobs
from zscan.scans.locks import Claim, claims
from zscan.scans.store import TileStore
from zscan.untrusted import file_name

State = Literal["complete", "running", "waiting", "ready", "stopped", "damaged"]
_SHOWN = 20


@dataclass(frozen=True)
class ShardStatus:
    """One shard of a scan: `done` of its `tiles`; `state` is "done", "running", "waiting" or, for
    one that ended before it was done, "failed" ("stopped" where nobody can say); `job` is what the
    batch system says, `last_words` the last line of its log.
    """

    shard: int
    tiles: int
    done: int
    state: str
    job: str = ""
    last_words: str = ""


@dataclass(frozen=True)
class ScanStatus:
    """How far a scan is. `state`: "complete" (the map is there), "running", "waiting" (queued),
    "ready" (to be merged), "stopped" (tiles are missing, and nobody works on them) or "damaged";
    `damaged` tells what is wrong with a tile, `workers` who works, `advice` what to do.
    """

    map: str
    state: State
    tiles: int
    done: int
    missing: tuple[int, ...]
    damaged: Mapping[int, str]
    shards: tuple[ShardStatus, ...]
    workers: tuple[str, ...]
    advice: tuple[str, ...]

    def to_table(self) -> dict[str, Any]:
        """JSON-able table."""
        return asdict(self) | {"missing": list(self.missing)}

    def __str__(self) -> str:
        share = f"{self.done} of {self.tiles} tiles"
        lines = [f"{self.map}: {self.state}, {share} done"]
        if self.shards:
            head = ("shard", "tiles", "state", "job", "last line of its log")
            rows = [
                (
                    str(item.shard),
                    f"{item.done}/{item.tiles}",
                    item.state,
                    item.job,
                    clipped(item.last_words, 100),
                )
                for item in self.shards
            ]
            lines += aligned([head, *rows])
        lines += [f"working: {worker}" for worker in self.workers]
        if self.missing and self.state != "complete":
            shown = ", ".join(map(str, self.missing[:_SHOWN]))
            more = len(self.missing) - _SHOWN
            lines.append(f"missing: {shown}" + (f" and {more} more" if more > 0 else ""))
        lines += [f"damaged: tile {index}: {text}" for index, text in self.damaged.items()]
        lines += [f"next: {text}" for text in self.advice]
        return "\n".join(lines)

    def require_complete(self) -> None:
        """Raise `IncompleteScanError`, or `CorruptFileError` for damaged tiles, unless the map is
        there.
        """
        if self.state != "complete":
            kind = CorruptFileError if self.state == "damaged" else IncompleteScanError
            raise kind(f"{self.map} is not complete: {self.state}")


def scan_status(out: str | Path) -> ScanStatus:
    """How far the scan of the map `out` is; nothing is written or computed.

    Tiles count as done by their headers; `merge_scan` compares them with their digests. Raises
    `ParameterError` where there is neither a map nor a scan, `CorruptFileError` for a damaged map
    or spec.json, `ForeignFileError`, `StorageError`."""
    out = file_name(out, "map")
    path = target_of(out)
    workers, jobs = claims(path), load_jobs(path)
    try:
        store = TileStore.load(path)
    except StorageError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        return _without_tiles(out, path, workers, jobs)
    done, damaged = store.survey()
    missing = tuple(index for index in range(store.grid.count) if index not in done)
    shards = _shards(store.grid.count, done, workers, jobs)
    state = _state(path, missing, damaged, workers, shards)
    advice = _advice(out, store, state, shards, jobs)
    return ScanStatus(
        map=str(out),
        state=state,
        tiles=store.grid.count,
        done=len(done),
        missing=missing,
        damaged=damaged,
        shards=shards,
        workers=tuple(map(str, workers)),
        advice=advice,
    )


def _without_tiles(out: Path, path: Path, workers: list[Claim], jobs: Jobs | None) -> ScanStatus:
    """Of a map that is there, or a scan that has only been submitted or begun."""
    tiles = 0
    shards: tuple[ShardStatus, ...] = ()
    missing: tuple[int, ...]
    advice: tuple[str, ...]
    state: State
    if path.exists():
        with open_checked(path) as (_, structure):
            missing, tiles = structure.missing_tiles, structure.grid.count
        state = "stopped" if missing else "complete"
        advice = (f"tiles are missing in the map: zscan run CARD -o {_quoted(out)} --resume",)
    elif jobs is not None or workers:
        tiles = jobs.tiles if jobs else 0
        shards = _shards(tiles, frozenset(), workers, jobs)
        missing = tuple(range(tiles))
        state = _state(path, missing or (0,), {}, workers, shards)
        advice = _advice(out, None, state, shards, jobs)
    else:
        raise ParameterError(f"{out}: there is no map, nor a scan for it: zscan run CARD -o {out}")
    return ScanStatus(
        str(out),
        state,
        tiles,
        tiles - len(missing),
        tuple(missing),
        {},
        shards,
        tuple(map(str, workers)),
        () if state == "complete" else advice,
    )


def _shards(
    tiles: int, done: frozenset[int], workers: list[Claim], jobs: Jobs | None
) -> tuple[ShardStatus, ...]:
    """Every shard of what was submitted or, without that, those that someone works on."""
    here = {claim.shard for claim in workers if claim.shard is not None}
    count = jobs.shards if jobs else max((shard[1] for shard in here), default=0)
    states = slurm.job_states(jobs.array) if jobs else None
    found = []
    for number in range(1, count + 1):
        mine = range(number - 1, tiles, count)
        ready = sum(index in done for index in mine)
        job = "" if states is None else states.get(number, states.get(0, ""))
        if ready == len(mine):
            state = "done"
        elif (number, count) in here or job in ("RUNNING", "COMPLETING"):
            state = "running"
        elif job and job not in slurm.OVER:
            state = "waiting"
        else:
            state = "failed" if job else "stopped"
        said = jobs.last_words(number) if jobs and state in ("failed", "stopped") else ""
        found.append(ShardStatus(number, len(mine), ready, state, job, said))
    return tuple(found)


def _state(
    path: Path,
    missing: tuple[int, ...],
    damaged: Mapping[int, str],
    workers: list[Claim],
    shards: tuple[ShardStatus, ...],
) -> State:
    if _is_whole(path):
        return "complete"  # its tiles are left over
    states = {item.state for item in shards}
    if workers or "running" in states:
        return "running"
    if "waiting" in states:
        return "waiting"
    if damaged:
        return "damaged"
    return "stopped" if missing else "ready"


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with open_checked(path) as (_, structure):
            return not structure.missing_tiles
    except ZscanError:
        return False


def _advice(
    out: Path,
    store: TileStore | None,
    state: State,
    shards: tuple[ShardStatus, ...],
    jobs: Jobs | None,
) -> tuple[str, ...]:
    if state == "complete":
        return ()
    if state == "running":
        return ("wait: it is being worked on",)
    if state == "waiting":
        return (
            f"wait: its jobs are in the queue (squeue --jobs {jobs.array})" if jobs else "wait",
        )
    if state == "ready":
        if jobs is not None and slurm.is_over(jobs.merge) is False:
            return (f"wait: all tiles are there, and job {jobs.merge} merges them",)
        return (f"all tiles are there: zscan merge {_quoted(out)}",)
    lost = [item for item in shards if item.state in ("failed", "stopped")]
    command = "zscan run CARD" if store is None else store.header.attributes["command"]
    what = "what is missing or damaged"
    if store is not None and "refine" in store.canonical:
        what = "a refined scan, which keeps its points until its map is written,"
    advice = [f"{what} is computed by: {command} -o {_quoted(out)} --resume"]
    if jobs is not None and lost:
        folder = jobs.folder
        numbers = ",".join(str(item.shard) for item in lost)
        advice = [
            f"shards {numbers} ended early: see their logs in {folder}, then submit again, which "
            f"keeps what is done: {jobs.command or 'zscan submit CARD'}",
            *advice,
        ]
        if any(item.job == "TIMEOUT" for item in lost):
            advice.append(
                "a task did not stop in time: a tile takes longer than the notice; make "
                "output.tile_points smaller in a new scan, or give -- --signal=TERM@SECONDS"
            )
    return tuple(advice)


def _quoted(out: Path) -> str:
    return shlex.quote(str(out))
