"""Options of sbatch that a user gives for the jobs of a scan: which are refused, which the merge
does without, and how long the jobs may take.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from zscan.errors import ParameterError

_SHORT = {
    "-a": "--array",
    "-b": "--begin",
    "-c": "--cpus-per-task",
    "-d": "--dependency",
    "-e": "--error",
    "-G": "--gpus",
    "-J": "--job-name",
    "-n": "--ntasks",
    "-o": "--output",
    "-t": "--time",
    "-W": "--wait",
}
_OURS = frozenset(["--array", "--wrap", "--test-only", "--wait", "--ntasks"])
_GPU = frozenset(
    [
        "--gpus",
        "--gpus-per-task",
        "--gpus-per-node",
        "--gpus-per-socket",
        "--gres",
        "--cpus-per-gpu",
        "--mem-per-gpu",
        "--gpu-bind",
        "--gpu-freq",
    ]
)
_OF_THE_ARRAY = _GPU | frozenset(
    [
        "--begin",
        "--cpus-per-task",
        "--dependency",
        "--error",
        "--exclusive",
        "--job-name",
        "--output",
        "--signal",
    ]
)
_WITHOUT_VALUE = frozenset(["--exclusive", "--wait", "--test-only"])
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_SHORTEST = 5  # s
RESTARTS = 10  # of a task, unless a user says otherwise


def require_allowed(options: Sequence[str]) -> None:
    """Raise `ParameterError` for options that a submission sets itself or that make no job."""
    given = list(_named(options))
    if given and given[0][1] is None:
        raise ParameterError(
            f"{options[0]!r} is no option of sbatch; after -- come options alone, such as "
            "--partition=short --time=1:00:00"
        )
    for name, _, _ in given:
        if name in _OURS:
            raise ParameterError(
                f"{name} is not for you to give: every task of the array is one shard, and -n says "
                "how many there are"
            )


def for_merge(options: Sequence[str]) -> list[str]:
    """The options without those that ask for accelerators or concern the array alone."""
    return [
        word for name, _, words in _named(options) if name not in _OF_THE_ARRAY for word in words
    ]


def requests_gpu(options: Sequence[str]) -> bool:
    """Whether the options ask for accelerators."""
    return any(name in _GPU for name, _, _ in _named(options))


def notice(options: Sequence[str], usual: int) -> tuple[int, list[str]]:
    """Seconds before the end of its time at which a task is told to stop: the `usual` ones, or a
    sixth of a short time limit; and what is to be said about it.

    SLURM looks twice a minute, and so may tell up to a minute too early."""
    limit = time_limit(options)
    if limit is None or limit >= 6 * usual:
        return usual, []
    seconds = max(_SHORTEST, limit // 6)
    return seconds, [
        f"with a time limit of {limit} s a task is told to stop {seconds} s before its end, not "
        f"{usual} s: it must finish its tile in that time, and starts again"
    ]


def time_limit(options: Sequence[str]) -> int | None:
    """The time limit in s that the options, or the environment, name; None if there is none.

    >>> [time_limit(["-t", text]) for text in ("30", "1:30", "2:00:00", "1-12", "1-0:30")]
    [1800, 90, 7200, 129600, 88200]
    """
    text = os.environ.get("SBATCH_TIMELIMIT", "")
    for name, value, _ in _named(options):
        if name == "--time":
            text = value or ""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    days, *rest = match.groups()
    parts = [int(part) for part in rest if part is not None]
    # days-hours:minutes:seconds, hours:minutes:seconds; minutes, minutes:seconds
    units = (3600, 60, 1) if days is not None or len(parts) == 3 else (60, 1)
    seconds = sum(part * unit for part, unit in zip(parts, units, strict=False))
    return 86400 * int(days or 0) + seconds


def _named(options: Sequence[str]) -> Iterator[tuple[str, str | None, list[str]]]:
    """Each option: its long name, its value, and the words that it takes; a word that belongs to no
    option has no value.
    """
    words = list(options)
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word.partition("=")
        else:
            name, equals, value = _SHORT.get(word[:2], word[:2]), word[2:], word[2:].lstrip("=")
        taken = [word]
        if not equals and name not in _WITHOUT_VALUE and words and not words[0].startswith("-"):
            value = words.pop(0)
            taken.append(value)
        yield name, value if word.startswith("-") else None, taken
