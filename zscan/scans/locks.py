"""Who works on a map: one process at a time, or the shards of its scan together."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from zscan.errors import BusyError, DoubleWorkWarning
from zscan.results.files import (
    FOREIGN_AGE,
    WINDOWS,
    access,
    discard,
    passing,
    process_is_gone,
    storage,
    temporary_path,
)
from zscan.scans import slurm
from zscan.scans.interrupts import last_will

if not WINDOWS:
    import fcntl

_HEARTBEAT = 600.0  # s


@dataclass(frozen=True)
class Claim:
    """What a lock file says of its process; `shard` is (i, n), None for a process that works alone,
    `place` the number and restarts of its batch job.

    It is text of one line, and ends with a line feed once the process holds the map; before that
    the process only asks for it."""

    host: str
    pid: int
    since: str
    command: str
    shard: tuple[int, int] | None = None
    place: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.pid} since {self.since} runs {self.command}"


@contextmanager
def hold(out: Path, command: str, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold the map `out` for this process: alone, or with other shards when it is one itself.

    The lock is a hidden file beside the map, one for each process, kept locked (flock) and its time
    renewed while the process lives. Those of processes that ended are removed, on other hosts when
    their batch job is over or has started again, or after a day without renewal. Raises
    `BusyError`, which says who holds the map; of two processes that ask at the same time exactly
    one gets it. Shards exclude each other never; a second process for the same shard is told with a
    `DoubleWorkWarning`. Where nothing can be written there is no lock.
    """
    out = Path(os.path.realpath(out))
    if not os.access(out.parent, os.W_OK):
        yield
        return
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    own = slurm.own_place()
    place = None if own is None else (own.job, own.restarts)
    claim = Claim(socket.gethostname(), os.getpid(), since, " ".join(command.split()), shard, place)
    temporary = temporary_path(out)
    path = passing(temporary.with_suffix(".lock"))
    last_will.add(path)
    try:
        with storage(path, 0):
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        try:
            with storage(path, 0):
                with suppress(OSError):  # Windows and some network file systems have no flock
                    _flock(descriptor, wait=True)
                os.write(descriptor, json.dumps(asdict(claim)).encode())
                # Others never see a claim without its text and lock
                _rename_open(descriptor, temporary, path)
            _wait_for_turn(out, path, claim)
            with storage(path, 0):
                os.write(descriptor, b"\n")
                os.fsync(descriptor)
            with _heartbeat(path):
                yield
        finally:
            with suppress(OSError):  # nobody reads any more what was written
                os.close(descriptor)
    finally:
        discard(temporary)
        discard(path)
        last_will.discard(path)


def _wait_for_turn(out: Path, own: Path, claim: Claim) -> None:
    """Return when no other claim stands in the way; raises `BusyError`.

    Every process shows its claim before it looks for others, so that of two at least one sees the
    other. If neither holds the map yet, the names decide: the later one gives way, the earlier one
    waits for that."""
    told = False
    while True:
        waiting = False
        for path, other, held in _others(out, own):
            shards = claim.shard is not None and other.shard is not None
            if shards and (told or claim.shard != other.shard):
                continue  # who is in nobody's way is not asked for, which takes a batch system time
            if _ended_with_its_job(path, other):
                continue
            if shards:
                told = True
                text = f"{out}: {other}, the same shard: the work is done twice"
                warnings.warn(text, DoubleWorkWarning, stacklevel=6)
            elif held or path.name < own.name:
                raise BusyError(
                    f"{out} is in use: {other}; wait until it ends, or end it (its lock: {path})"
                )
            else:
                waiting = True
        if not waiting:
            return
        time.sleep(0.01)


def _others(out: Path, own: Path) -> Iterator[tuple[Path, Claim, bool]]:
    """Lock files of living processes, their claims, and whether they hold the map."""
    pattern = re.compile(rf"\.{re.escape(out.name)}\.(\d+)-\d+@(.+)\.lock")
    with access(out.parent, "read"):
        paths = sorted(out.parent.iterdir())
    for path in paths:
        match = pattern.fullmatch(path.name)
        if not match or path.name == own.name:
            continue
        try:
            if _is_gone(path, int(match[1]), match[2]):
                discard(path)
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue  # ended just now
        except OSError:
            text = "\n"  # who cannot be asked holds the map
        yield path, _claim(text, int(match[1]), match[2]), text.endswith("\n")


def _is_over(job: str) -> bool:
    return slurm.is_over(job) is True


def _ended_with_its_job(
    path: Path, claim: Claim, is_over: Callable[[str], bool] = _is_over
) -> bool:
    """Whether a process of another host belonged to a batch job that has ended or, being this one,
    has started again; its lock is removed then.
    """
    if claim.place is None or claim.host == socket.gethostname():
        return False
    job, restarts = claim.place
    own = slurm.own_place()
    ended = restarts < own.restarts if own is not None and own.job == job else is_over(job)
    if ended:
        discard(path)
    return ended


def claims(out: Path) -> list[Claim]:
    """The living processes that hold the map `out`, or ask for it."""
    out = Path(os.path.realpath(out))
    others = list(_others(out, out)) if out.parent.is_dir() else []
    here, own = socket.gethostname(), slurm.own_place()
    elsewhere = {claim.place[0] for _, claim, _ in others if claim.place and claim.host != here}
    over = slurm.ended(elsewhere - ({own.job} if own else set()))
    return [
        claim
        for path, claim, _ in others
        if not _ended_with_its_job(path, claim, over.__contains__)
    ]


def _claim(text: str, pid: int, host: str) -> Claim:
    try:
        table = json.loads(text)
        shard, place = table["shard"], table.get("place")
        return Claim(
            host,
            pid,
            str(table["since"]),
            str(table["command"]),
            shard and (shard[0], shard[1]),
            place and (str(place[0]), int(place[1])),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return Claim(host, pid, "an unknown time", "an unknown command")


def _is_gone(path: Path, pid: int, host: str) -> bool:
    if host != socket.gethostname():
        return time.time() - path.stat().st_mtime > FOREIGN_AGE
    try:
        with path.open("rb") as file:
            _flock(file.fileno(), wait=False)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        raise
    except OSError:  # no flock here, or no right to ask for it
        return process_is_gone(pid)
    return True


def _flock(descriptor: int, *, wait: bool) -> None:
    """Lock an open file for this process (`wait`), or see whether nobody has locked it. Raises
    `OSError` where there is no flock, `BlockingIOError` for one that is locked.
    """
    if WINDOWS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_SH | fcntl.LOCK_NB)


def _rename_open(descriptor: int, old: Path, new: Path) -> None:
    """Rename a file that is open under a descriptor, which Windows allows for closed ones only."""
    if WINDOWS:
        _point(descriptor, os.devnull)
    os.rename(old, new)
    if WINDOWS:
        _point(descriptor, new)


def _point(descriptor: int, path: str | Path) -> None:
    """Let a descriptor stand at the end of another file; its number stays valid throughout."""
    other = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.dup2(other, descriptor, inheritable=False)
    finally:
        os.close(other)


@contextmanager
def _heartbeat(path: Path) -> Iterator[None]:
    """Renew the time of the lock, by which other hosts know that its process lives."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_HEARTBEAT):
            with suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=renew, name="zscan-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
