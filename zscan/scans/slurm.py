"""The batch system SLURM, through its own commands: which job this process is, what became of
others, and how new ones are made.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zscan.compilation import environment_for_others
from zscan.errors import BatchError, clipped

_PATIENCE = 60.0  # s; a controller that is busy takes its time
_JOB = re.compile(r"\d+")
OVER = frozenset(
    [
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "TIMEOUT",
    ]
)
"""States that a job does not leave; all others end in one of them."""


@dataclass(frozen=True)
class Place:
    """The job that this process belongs to, and how often SLURM has started it again."""

    job: str
    restarts: int


def own_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The job of this process; None outside SLURM."""
    job = environment.get("SLURM_JOB_ID", "")
    if not _JOB.fullmatch(job):
        return None
    restarts = environment.get("SLURM_RESTART_COUNT", "")
    return Place(job, int(restarts) if restarts.isdecimal() else 0)


def require_sbatch() -> None:
    """Raise `BatchError` where jobs cannot be submitted."""
    if shutil.which("sbatch") is None:
        raise BatchError(
            "sbatch is not here: submit from a login node of a cluster with SLURM; --dry-run "
            "prints the job scripts everywhere, and without SLURM zscan run CARD --shard i/n on "
            "any machines that share the folder, then zscan merge, does the same"
        )


def sbatch(script: Path, options: Sequence[str]) -> str:
    """Submit a script; returns the number of the job. Raises `BatchError` with what SLURM said."""
    command = ["sbatch", "--parsable", *options, str(script)]
    done = _ask(command)
    number = "" if done is None else done.stdout.strip().split(";")[0]
    if done is None or done.returncode or not _JOB.fullmatch(number):
        said = "no answer" if done is None else clipped(done.stderr.strip() or done.stdout, 600)
        raise BatchError(f"{' '.join(command)}: not submitted: {said}")
    return number


def cancel(job: str) -> None:
    """Take back a job; nothing is said if that fails."""
    _ask(["scancel", job])


def is_over(job: str) -> bool | None:
    """Whether a job has ended, None if nobody can say."""
    states = job_states(job)
    return None if states is None else all(state in OVER for state in states.values())


def ended(jobs: Collection[str]) -> frozenset[str]:
    """Those of several jobs that are known to have ended, asked for at once."""
    if not jobs:
        return frozenset()
    listed = ",".join(sorted(jobs))
    done = _ask(
        ["squeue", "--noheader", "--array", "--states=all", "-o", "%A|%T", "--jobs", listed]
    )
    if done is None or (done.returncode and (len(jobs) > 1 or "nvalid job id" not in done.stderr)):
        return frozenset()
    states = dict(row for line in done.stdout.splitlines() if len(row := line.split("|")) == 2)
    # What the controller has forgotten is over
    return frozenset(job for job in jobs if states.get(job, "COMPLETED").strip() in OVER)


def job_states(job: str) -> dict[int, str] | None:
    """State of every task of a job array by its number, 0 for a job that is none, as SLURM names
    them; ended ones for as long as SLURM remembers. None if nobody can say.
    """
    done = _ask(["squeue", "--noheader", "--array", "--states=all", "-o", "%K|%T", "--jobs", job])
    if done is None or (done.returncode and "nvalid job id" not in done.stderr):
        return None
    found = _states(line.split("|") for line in done.stdout.splitlines())
    if found:
        return found
    # Forgotten by the controller: the accounting, where there is one, still knows
    done = _ask(["sacct", "--noheader", "--parsable2", "-X", "-o", "JobID,State", "--jobs", job])
    if done is None or done.returncode:
        return {}
    rows = (line.split("|") for line in done.stdout.splitlines())
    return _states((row[0].rpartition("_")[2], row[1].split()[0]) for row in rows if len(row) == 2)


def _states(rows: object) -> dict[int, str]:
    found = {}
    for row in rows:  # type: ignore[attr-defined]
        if len(row) == 2:
            found[int(row[0]) if row[0].isdecimal() else 0] = row[1].strip()
    return found


def _ask(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            env=environment_for_others(),  # jobs get it
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
