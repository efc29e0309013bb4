"""Job scripts, options of sbatch and the state of a scan, with stand-ins for the commands of SLURM;
the real ones are in tests/slurm.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from zscan import compilation
from zscan.cli import main
from zscan.errors import (
    BatchError,
    CorruptFileError,
    ParameterError,
    ResultExistsError,
    ResumeMismatchError,
)
from zscan.scans.jobs import jobs_folder, load_jobs
from zscan.scans.locks import Claim, claims, hold
from zscan.scans.options import for_merge, notice, requests_gpu, require_allowed, time_limit
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.status import scan_status
from zscan.scans.store import TileStore, tile_folder
from zscan.scans.submit import prepare_submission, submit_scan

CARD = """
format = 1
name = "small"
model = "Lmu-Ltau"
constraints = ["delta_a_mu"]
axis.m_X = { min = 1e-3, max = 2.0, num = 8, scale = "log" }
axis.g_X = { min = 1e-5, max = 1e-1, num = 3, scale = "log" }
output.tile_points = 6
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a card of four tiles, in which no command of SLURM is known."""
    (tmp_path / "small.toml").write_text(CARD)
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def stand_in(folder: Path, name: str, script: str) -> None:
    """A command of SLURM that does what a script says; its arguments go to NAME.said."""
    path = folder / "bin" / name
    path.write_text(f'#!/bin/sh\nPATH=/bin:/usr/bin\necho "$@" >> {folder}/{name}.said\n{script}\n')
    path.chmod(0o755)


def test_a_script_says_all_that_slurm_must_know(folder: Path) -> None:
    found = prepare_submission(
        "small.toml",
        4,
        "map.h5",
        overrides=["axis.m_X.num=9"],
        options=["--time=8:00:00"],
        device="gpu",
    )
    for line in (
        "#SBATCH --job-name=zscan-",
        "#SBATCH --array=1-4",
        "#SBATCH --signal=TERM@120",
        "#SBATCH --gpus-per-task=1",
        f'#SBATCH --output="{folder}/map.h5.jobs/%A_%a.log"',
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
        f"cd {folder} ||",
        "--set axis.m_X.num=9",
        "--device gpu",
        '--shard "$SLURM_ARRAY_TASK_ID/4"',
    ):
        assert line in found.array
    assert f"export ZSCAN_CACHE={compilation.cache_folder()}" in found.array
    assert "gpu" not in found.merge
    assert "-m zscan merge map.h5" in found.merge
    assert not list(folder.glob("map*"))
    for script in (found.array, found.merge):
        subprocess.run(["/bin/bash", "-n"], input=script, text=True, check=True)


def test_a_task_starts_again_when_it_is_stopped_and_not_for_ever(folder: Path) -> None:
    script = prepare_submission("small.toml", 2, "map.h5", restarts=3).array
    stand_in(folder, "scontrol", "exit 0")
    stand_in(folder, "sleep", "exit 0")

    def end(code: int, restarts: int) -> subprocess.CompletedProcess[str]:
        stand_in(folder, "srun", f"exit {code}")
        variables = {
            "SLURM_ARRAY_TASK_ID": "2",
            "SLURM_ARRAY_JOB_ID": "7",
            "SLURM_RESTART_COUNT": str(restarts),
            "SLURM_CPUS_PER_TASK": "4",
            "PATH": os.environ["PATH"],
        }
        return subprocess.run(
            ["/bin/bash"], input=script, env=variables, text=True, capture_output=True, check=False
        )

    def asked() -> list[str]:
        path = folder / "scontrol.said"
        return path.read_text().splitlines() if path.exists() else []

    for code in (0, 2, 3, 4):
        assert end(code, 0).returncode == code
    assert not asked()
    for code in (130, 137, 143):
        assert "starts again, 3 of 3" in end(code, 2).stdout
    assert asked() == ["requeue 7_2"] * 3
    ended = end(130, 3)
    assert (ended.returncode, len(asked())) == (130, 3)
    assert "ended with 130 after 3 restarts" in ended.stdout
    said = (folder / "srun.said").read_text()
    assert "--cpus-per-task=4" in said
    assert "run small.toml -o map.h5 --copy map.h5.jobs/card.toml --shard 2/2" in said


def test_without_sbatch_nothing_is_written(folder: Path) -> None:
    with pytest.raises(BatchError, match="sbatch is not here"):
        submit_scan(prepare_submission("small.toml", 2, folder / "new" / "map.h5"))
    assert not (folder / "new").exists()


def test_more_shards_than_tiles_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = r"5 shards are more than .* 4 tiles\); allowed: at most 4; output.tile_points = 1 makes"
    with pytest.raises(ParameterError, match=text):
        prepare_submission("small.toml", 5)
    with pytest.raises(ParameterError, match=text):
        run_scan("small.toml", "map.h5", shard=(1, 5))
    with pytest.raises(ParameterError, match=r"25 shards .* at most 4$"):
        run_scan("small.toml", "map.h5", shard=(25, 25))
    assert not tile_folder(Path("map.h5")).exists()
    assert main(["run", "small.toml", "-o", "map.h5", "--shard", "2/4"]) == 0
    said = capsys.readouterr()
    assert said.out == "map.h5.tiles\n"
    assert "shard 2 of 4 is done; zscan merge map.h5" in said.err
    (advice,) = prepare_submission("small.toml", 3, "map.h5").advice
    assert "4 tiles for 3 shards: 1 or 2 for each" in advice
    assert "output.tile_points=2" in advice


@pytest.mark.parametrize(
    "options", [["--array=1-4"], ["-a1"], ["--wrap", "x"], ["-n4"], ["main"], ["-W"]]
)
def test_options_that_are_not_for_a_user_are_refused(options: list[str]) -> None:
    with pytest.raises(ParameterError, match=r"is not for you to give|no option of sbatch"):
        require_allowed(options)


def test_a_merge_takes_what_is_not_of_the_array() -> None:
    given = "-p gpu -G 1 --gres gpu:1 --gpus=2 -c8 --exclusive --time 60 --account=a --signal=B:10"
    assert for_merge(given.split()) == ["-p", "gpu", "--time", "60", "--account=a"]
    assert requests_gpu(given.split())
    assert not requests_gpu(["-p", "gpu"])


def test_short_time_limits_make_the_notice_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SBATCH_TIMELIMIT", raising=False)
    assert notice([], 120) == (120, [])
    assert notice(["--time=12"], 120) == (120, [])
    seconds, (text,) = notice(["-t", "6"], 120)
    assert seconds == 60
    assert "time limit of 360 s a task is told to stop 60 s before" in text
    monkeypatch.setenv("SBATCH_TIMELIMIT", "1")
    assert notice([], 120)[0] == 10
    assert time_limit(["--time=UNLIMITED"]) is None


def test_what_is_submitted_is_recorded_and_not_submitted_twice(folder: Path) -> None:
    stand_in(folder, "sbatch", "case $* in *afterany*) echo 13 ;; *) echo '12;cluster' ;; esac")
    stand_in(folder, "squeue", "echo '1|PENDING'; echo '2|RUNNING'")
    out = folder / "map.h5"
    given = prepare_submission("small.toml", 2, out, options=["--qos=q"])
    jobs = submit_scan(given, "zscan submit ...")
    assert (jobs.array, jobs.merge, jobs.tiles, jobs.shards) == ("12", "13", 4, 2)
    assert load_jobs(out) == jobs
    array, merge = (folder / "sbatch.said").read_text().splitlines()
    assert array == f"--parsable --qos=q {jobs_folder(out)}/array.sh"
    assert merge == f"--parsable --qos=q --dependency=afterany:12 {jobs_folder(out)}/merge.sh"
    with pytest.raises(ResultExistsError, match="job 12 of an earlier submission"):
        submit_scan(given)
    status = scan_status(out)
    assert [item.state for item in status.shards] == ["waiting", "running"]
    assert (status.state, status.done, status.tiles) == ("running", 0, 4)
    stand_in(folder, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    stand_in(folder, "sacct", "echo '12_1|TIMEOUT'; echo '12_2|CANCELLED by 0'")
    jobs.log(2).write_text("one\nslurmstepd: it was cancelled\n\n")
    status = scan_status(out)
    assert status.state == "stopped"
    assert [item.job for item in status.shards] == ["TIMEOUT", "CANCELLED"]
    assert status.shards[1].last_words == "slurmstepd: it was cancelled"
    assert "zscan submit ..." in status.advice[0]
    assert any("--signal=TERM@SECONDS" in text for text in status.advice)
    jobs_folder(out).joinpath("jobs.json").write_text("{")
    with pytest.raises(CorruptFileError, match=r"jobs\.json: damaged"):
        scan_status(out)


def test_an_array_whose_merge_is_refused_is_taken_back(folder: Path) -> None:
    refused = "case $* in *afterany*) echo 'sbatch: error: no' >&2; exit 1 ;; *) echo 12 ;; esac"
    stand_in(folder, "sbatch", refused)
    stand_in(folder, "scancel", "exit 0")
    with pytest.raises(BatchError, match="not submitted: sbatch: error: no"):
        submit_scan(prepare_submission("small.toml", 2, "map.h5"))
    assert (folder / "scancel.said").read_text() == "12\n"
    assert load_jobs(folder / "map.h5") is None


def test_jobs_are_not_submitted_over_what_is_there(folder: Path) -> None:
    stand_in(folder, "sbatch", "echo 12")
    run_scan("small.toml", "map.h5", shard=(1, 4), progress=False)
    with pytest.raises(ResumeMismatchError, match=r"axis\.m_X\.num"):
        submit_scan(prepare_submission("small.toml", 2, "map.h5", overrides=["axis.m_X.num=9"]))
    run_scan("small.toml", "map.h5", resume=True, progress=False)
    with pytest.raises(ResultExistsError, match="nothing to submit"):
        submit_scan(prepare_submission("small.toml", 2, "map.h5"))
    assert not (folder / "sbatch.said").exists()


def test_status_tells_every_state_of_a_scan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "map.h5"]) == 2
    run_scan("small.toml", "map.h5", shard=(1, 2), progress=False)
    assert main(["status", "map.h5", "--json"]) == 3
    table = json.loads(capsys.readouterr().out)
    assert (table["state"], table["done"], table["missing"]) == ("stopped", 2, [1, 3])
    assert "zscan run small.toml -o map.h5 --resume" in table["advice"][0]
    with hold(folder / "map.h5", "zscan run small.toml --shard 2/2", (2, 2)):
        status = scan_status("map.h5")
    assert status.state == "running"
    assert [(item.state, item.done) for item in status.shards] == [("done", 2), ("running", 0)]
    run_scan("small.toml", "map.h5", shard=(2, 2), progress=False)
    status = scan_status("map.h5")
    assert (status.state, status.advice) == ("ready", ("all tiles are there: zscan merge map.h5",))
    store = TileStore.load(Path("map.h5"))
    tile = store.path(store.grid.tile(2))
    content = tile.read_bytes()
    tile.write_bytes(content[:-9])
    assert main(["status", "map.h5"]) == 4
    assert "damaged: tile 2: truncated or damaged" in capsys.readouterr().out
    tile.write_bytes(content)
    merge_scan("map.h5")
    assert main(["status", "map.h5"]) == 0
    assert capsys.readouterr().out == "map.h5: complete, 4 of 4 tiles done\n"


@pytest.mark.parametrize(
    ("own", "queue", "alive"),
    [
        (None, "echo '5|RUNNING'", True),
        (None, "echo '5|FAILED'", False),
        (None, "echo 'Invalid job id' >&2; exit 1", False),
        (None, "echo 'no answer' >&2; exit 1", True),
        (("5", "1"), "exit 1", False),  # this job, which another node began
        (("5", "0"), "exit 1", True),  # a second process of this job
    ],
)
def test_a_lock_of_another_host_lives_as_long_as_its_job(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: tuple[str, str] | None,
    queue: str,
    alive: bool,
) -> None:
    stand_in(folder, "squeue", queue)
    if own is not None:
        monkeypatch.setenv("SLURM_JOB_ID", own[0])
        monkeypatch.setenv("SLURM_RESTART_COUNT", own[1])
    lock = folder / ".map.h5.77-0@elsewhere.lock"
    claim = {"since": "then", "command": "zscan run", "shard": None, "place": ["5", 0]}
    lock.write_text(json.dumps(claim) + "\n")
    found = claims(folder / "map.h5")
    assert found == ([Claim("elsewhere", 77, "then", "zscan run", None, ("5", 0))] * alive)
    assert lock.exists() == alive


def test_status_asks_for_the_jobs_of_all_locks_at_once(folder: Path) -> None:
    stand_in(folder, "squeue", "echo '5|RUNNING'; echo '6|TIMEOUT'")
    for number in (5, 6, 7):
        lock = folder / f".map.h5.{number}-0@elsewhere.lock"
        claim = {"since": "then", "command": "zscan run", "shard": [number, 9]}
        lock.write_text(json.dumps(claim | {"place": [str(number), 0]}) + "\n")
    assert [claim.pid for claim in claims(folder / "map.h5")] == [5]
    (said,) = (folder / "squeue.said").read_text().splitlines()
    assert said.endswith("--jobs 5,6,7")
    assert len(list(folder.glob(".map.h5.*.lock"))) == 1


def test_tasks_run_the_card_that_was_submitted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    whole = run_scan("small.toml", "map.h5", progress=False).read_bytes()
    Path("map.h5").unlink()
    stand_in(folder, "sbatch", "echo 12")
    given = prepare_submission("small.toml", 2, "map.h5")
    submit_scan(given)
    text = Path("small.toml").read_text()
    Path("small.toml").write_text(text.replace("num = 8", "num = 9"))
    assert Path("small.toml").read_text() != text
    (line,) = [item for item in given.array.splitlines() if "--shard" in item]
    words = shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "1"))
    task = words[words.index("run") :]
    task[-1] = "1/1"
    assert main(task) == 0
    Path("small.toml").unlink()
    assert main(task) == 0
    assert main(["merge", "map.h5"]) == 0
    assert Path("map.h5").read_bytes() == whole


def test_jobs_see_the_environment_without_what_is_of_this_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "_told", set())
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZSCAN_CACHE", str(tmp_path))
    monkeypatch.setattr(compilation, "_tell_jax", lambda folder: None)
    assert compilation.keep_programs() is not None
    assert "JAX_COMPILATION_CACHE_DIR" in os.environ
    kept = compilation.environment_for_others()
    assert "JAX_COMPILATION_CACHE_DIR" not in kept
    assert kept["ZSCAN_CACHE"] == compilation.cache_folder() == str(tmp_path)
