"""The folder OUT.h5.jobs/ of what was submitted for a map: job scripts, logs, and jobs.json, which
says which jobs they were.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from zscan.errors import CorruptFileError, ForeignFileError
from zscan.results.files import access
from zscan.results.outputs import Kind

SCHEMA = "zscan-jobs"
RECORD = "jobs.json"
ARRAY, MERGE = "array.sh", "merge.sh"
CARD = "card.toml"  # the text of the card as it was submitted
_TAIL = 4096  # bytes of a log that are looked at


def jobs_folder(out: Path) -> Path:
    """Folder of the jobs of the map `out`."""
    return out.with_name(f"{out.name}.jobs")


@dataclass(frozen=True)
class Jobs:
    """What was submitted: the numbers of the job array and of the merge that waits for it.

    `folder` is that of scripts and logs, `command` what submitted them."""

    shards: int
    tiles: int
    array: str
    merge: str
    command: str
    spec_hash: str
    submitted: str
    folder: Path = field(default=Path(), repr=False, compare=False)

    def text(self) -> str:
        """The content of jobs.json."""
        table = {"schema": SCHEMA} | asdict(self)
        del table["folder"]
        return json.dumps(table, indent=2) + "\n"

    def log(self, task: int) -> Path:
        """Log of a task of the array; 0: of the merge."""
        name = f"{self.array}_{task}.log" if task else f"merge-{self.merge}.log"
        return self.folder / name

    def last_words(self, task: int) -> str:
        """The last line of the log of a task that says anything; empty without one."""
        try:
            with self.log(task).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def load_jobs(out: Path) -> Jobs | None:
    """What was submitted for the map `out`, None if nothing was; raises `CorruptFileError`."""
    path = jobs_folder(out) / RECORD
    try:
        with access(path, "read"):
            if not path.exists():
                return None
            table = json.loads(path.read_text(encoding="utf-8"))
        if table.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        return Jobs(**table, folder=path.parent)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(
            f"{path}: damaged ({error}); delete it: what was computed is not lost"
        ) from error


def _check_folder(folder: Path) -> None:
    """Raise `ForeignFileError` unless a folder is one of jobs, or holds nothing that is not."""
    names = {path.name for path in folder.iterdir()}
    if names and RECORD not in names and not names <= {ARRAY, MERGE, CARD}:
        raise ForeignFileError(f"{folder}: there is no {RECORD} of a submitted scan in it")


JOBS = Kind("folder of jobs", _check_folder, folder=True)
