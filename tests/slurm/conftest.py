"""One SLURM for all tests of a run, and a folder in which a user works with it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from slurm.cluster import Cluster, missing_programs

from zscan.cli import main

HERE = Path(__file__).parent
CARD = """
format = 1
name = "plane"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino", "pausing:pausing"]
[axis.m_X]
min = 1e-2
max = 2.0
num = 24
scale = "log"
[axis.g_X]
min = 1e-5
max = 1e-1
num = 30
scale = "log"
[output]
observables = ["delta_a_mu", "borexino"]
tile_points = 60
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running SLURM; without its packages the tests are skipped."""
    if absent := missing_programs():
        pytest.skip(f"no SLURM here, {', '.join(absent)} missing")
    folder = tmp_path_factory.mktemp("slurm")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # munge does not trust folders that others cannot enter
    with Cluster(folder) as running:
        yield running


@dataclass(frozen=True)
class Said:
    """Standard output and error of a command."""

    stdout: str
    stderr: str


@dataclass
class User:
    """Who works in `folder` with a card plane.toml; commands see the cluster."""

    folder: Path
    cluster: Cluster
    variables: dict[str, str] = field(default_factory=dict)

    def zscan(self, *arguments: str, code: int = 0) -> Said:
        """What a command of zscan says, which must end with an exit code; in this process, which
        has imported jax already.
        """
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.cluster.environment | self.variables),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            ended = main(arguments)
        assert ended == code, f"{arguments}: {ended}\n{err.getvalue()}"
        return Said(out.getvalue(), err.getvalue())

    def submit(self, *arguments: str) -> tuple[str, str]:
        """Numbers of the array and of the merge."""
        array, merge = self.zscan("submit", "plane.toml", *arguments).stdout.split()
        return array, merge

    def status(self, out: str = "map.h5", code: int = 0) -> dict[str, object]:
        table: dict[str, object] = json.loads(self.zscan("status", out, "--json", code=code).stdout)
        return table

    def state(self, job: str) -> str:
        """What SLURM says of a job."""
        return self.cluster.run("squeue", "--noheader", "--states=all", "-o", "%T", "--jobs", job)

    def wait_until(self, what: Callable[[], object], seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not what():
            queue = self.cluster.run("squeue", "--states=all")
            assert time.monotonic() < end, f"{queue}\n{self.logs()}"
            time.sleep(0.2)

    def start_now(self, job: str) -> None:
        """Let a job that was put back begin; SLURM lets it rest for two minutes."""
        self.wait_until(lambda: self.state(job) == "PENDING")
        self.cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def logs(self) -> str:
        """All that jobs have said."""
        paths = sorted(self.folder.glob("*.jobs/*.log"))
        return "".join(f"--- {path.name}\n{path.read_text()}\n" for path in paths)

    def wait_for_map(self, merge: str, seconds: float = 120) -> bytes:
        """The map, when its merge has ended well."""
        self.wait_until(lambda: self.state(merge) in ("COMPLETED", "FAILED"), seconds)
        assert self.state(merge) == "COMPLETED", self.logs()
        return (self.folder / "map.h5").read_bytes()


def settle(folder: Path) -> dict[str, str]:
    """Put card and constraint into a folder; the variables of who works there."""
    (folder / "plane.toml").write_text(CARD)
    shutil.copy(HERE / "pausing.py", folder)
    path = os.pathsep.join([str(HERE.parents[1]), str(folder), os.environ.get("PYTHONPATH", "")])
    return {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": path}


@pytest.fixture
def user(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """A user with the card CARD; at the end none of the jobs is left."""
    monkeypatch.syspath_prepend(HERE)
    yield User(tmp_path, cluster, settle(tmp_path))
    cluster.run("scancel", "--user=root", check=False)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> bytes:
    """The map that one process makes of the card CARD."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        User(folder, cluster, settle(folder)).zscan("run", "plane.toml", "-o", "map.h5")
    return (folder / "map.h5").read_bytes()
