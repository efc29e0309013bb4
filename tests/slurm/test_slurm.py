"""Scans as jobs of a real SLURM: the path of a user, and tasks that are killed, stopped and started
again. Whatever happens the map has the bytes of one that a single process made.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from slurm.conftest import User

pytestmark = pytest.mark.slurm


def processes(user: User, text: str) -> list[int]:
    """Numbers of the processes of a user's zscan whose command line holds a text."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            here = (folder / "cwd").resolve(strict=True) == user.folder
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, NotADirectoryError):
            continue
        if here and folder.name.isdecimal() and "srun" not in words[0] and text in words:
            found.append(int(folder.name))
    return found


def test_from_a_card_to_a_figure(user: User, whole: bytes) -> None:
    """What docs/cluster.md tells: laptop, array, map, figure."""
    dry = user.zscan("submit", "plane.toml", "-n", "3", "-o", "map.h5", "--dry-run").stdout
    assert "#SBATCH --array=1-3" in dry
    assert not (user.folder / "map.h5.jobs").exists()
    array, merge = user.submit("-n", "3", "-o", "map.h5", "--", "--gpus-per-task=1", "--time=30")
    assert user.status(code=3)["state"] in ("waiting", "running")
    again = user.zscan("submit", "plane.toml", "-n", "3", "-o", "map.h5", code=2).stderr
    assert f"job {array} of an earlier submission" in again
    assert user.wait_for_map(merge) == whole
    status = user.status()
    assert (status["state"], status["done"], status["tiles"]) == ("complete", 12, 12)
    assert not (user.folder / "map.h5.tiles").exists()
    user.zscan("verify", "map.h5")
    user.zscan("plot", "map.h5", "-o", "map.pdf", "--layers", "delta_a_mu", "borexino")
    assert (user.folder / "map.pdf").read_bytes().startswith(b"%PDF")
    # tasks had a device each, and the merge none
    assert "Gres" not in user.cluster.run("scontrol", "show", "job", merge)
    assert "gpu" in user.cluster.run("scontrol", "show", "job", f"{array}_1")
    finished = user.zscan("submit", "plane.toml", "-n", "3", "-o", "map.h5", code=2).stderr
    assert "there is nothing to submit" in finished


def test_tasks_killed_stopped_and_started_again_end_in_the_same_bytes(
    user: User, whole: bytes
) -> None:
    user.variables["ZSCAN_TEST_PAUSE"] = "1.5"
    array, merge = user.submit("-n", "2", "-o", "map.h5")
    tiles = user.folder / "map.h5.tiles"

    def at_work(shard: int) -> bool:
        mine = range(shard - 1, 12, 2)
        return any((tiles / f"tile-{index:06d}.h5").exists() for index in mine)

    def says(task: int, text: str) -> bool:
        return text in (user.folder / "map.h5.jobs" / f"{array}_{task}.log").read_text()

    user.wait_until(lambda: at_work(1) and at_work(2))
    for number in processes(user, "1/2"):
        os.kill(number, signal.SIGKILL)
    user.cluster.run("scancel", "--signal=TERM", f"{array}_2")
    user.wait_until(lambda: says(1, "ended with 137; it starts again, 1 of 10"))
    user.wait_until(lambda: says(2, "ended with 130; it starts again, 1 of 10"))
    for task in (1, 2):
        user.start_now(f"{array}_{task}")
    user.wait_until(lambda: processes(user, "1/2"))
    # Nothing is said to the task here, as when a more urgent job takes its place
    user.cluster.run("scontrol", "requeue", f"{array}_1")
    user.start_now(f"{array}_1")
    assert user.wait_for_map(merge) == whole
    assert "Restarts=2" in user.cluster.run("scontrol", "show", "job", f"{array}_1")
    assert "Restarts=1" in user.cluster.run("scontrol", "show", "job", f"{array}_2")


def test_a_task_that_fails_is_named_by_the_merge_and_by_status(user: User, whole: bytes) -> None:
    user.variables["ZSCAN_TEST_PAUSE"] = "1"
    _, merge = user.submit("-n", "2", "-o", "map.h5", "--restarts", "0")
    user.wait_until(lambda: processes(user, "2/2"))
    for number in processes(user, "2/2"):
        os.kill(number, signal.SIGKILL)
    user.wait_until(lambda: user.state(merge) == "FAILED")
    log = (user.folder / "map.h5.jobs" / f"merge-{merge}.log").read_text()
    assert "6 of 12 tiles are missing (1, 3, 5, 7, 9, 11)" in log
    assert "ended with 137 after 0 restarts" in user.logs()
    status = user.status(code=3)
    assert status["state"] == "stopped"
    first, second = status["shards"]
    assert (first["state"], second["state"], second["job"]) == ("done", "failed", "FAILED")
    assert "ended with 137" in second["last_words"]
    assert "zscan submit plane.toml -n 2 -o map.h5" in status["advice"][0]
    # The advice is followed
    user.variables["ZSCAN_TEST_PAUSE"] = "0"
    _, merge = user.submit("-n", "2", "-o", "map.h5")
    assert user.wait_for_map(merge) == whole


@pytest.mark.slow
def test_a_cancelled_array_is_not_started_again(user: User) -> None:
    user.variables["ZSCAN_TEST_PAUSE"] = "1"
    array, merge = user.submit("-n", "2", "-o", "map.h5")
    user.wait_until(lambda: (user.folder / "map.h5.tiles" / "spec.json").exists())
    user.cluster.run("scancel", array)
    user.wait_until(lambda: user.state(merge) == "FAILED")
    assert user.status(code=3)["state"] == "stopped"
    assert set(user.state(array).split()) == {"CANCELLED"}
    assert "starts again" not in user.logs()


@pytest.mark.slow
def test_a_real_time_limit(user: User, whole: bytes) -> None:
    """One minute, which SLURM looks at twice a minute: at most 90 s; a task works for 120 s."""
    user.variables["ZSCAN_TEST_PAUSE"] = "20"
    done = user.zscan("submit", "plane.toml", "-n", "2", "-o", "map.h5", "--", "--time=1")
    assert "is told to stop 10 s before its end" in done.stderr
    assert user.wait_for_map(done.stdout.split()[1], 600) == whole
    assert "ended with 130; it starts again" in user.logs()


@pytest.mark.slow
def test_jobs_without_the_environment(user: User, tmp_path: Path, whole: bytes) -> None:
    """--export=NONE, a card that is changed, a folder with a blank and a per cent sign."""
    folder = tmp_path / "a b%j"
    folder.mkdir()
    for path in list(user.folder.iterdir()):
        if path.is_file():
            path.rename(folder / path.name)
    user.folder = folder
    _, merge = user.submit("-n", "1", "-o", "map.h5", "--", "--export=NONE")
    (folder / "plane.toml").write_text("changed while it waits")
    assert user.wait_for_map(merge) == whole
    assert len(list((folder / "map.h5.jobs").glob("*.log"))) == 2


def test_a_refused_job_leaves_none_behind(user: User) -> None:
    refused = user.zscan(
        "submit", "plane.toml", "-n", "2", "-o", "map.h5", "--", "--partition=none", code=2
    )
    assert "not submitted: sbatch: error: invalid partition" in refused.stderr
    assert not subprocess.run(
        ["squeue", "--noheader"], env=user.cluster.environment, capture_output=True, check=True
    ).stdout
