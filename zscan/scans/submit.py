"""Scans as jobs of SLURM: a job array of shards, and a merge that runs when all of them have ended,
however they ended.

A task that is told to stop (time limit, preemption) or is killed is put back into the queue, at
most `restarts` times; it goes on where it was. The merge says what is missing, if anything is."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zscan
from zscan.compilation import VARIABLE, cache_folder
from zscan.errors import BatchError, ParameterError, ResultExistsError, StorageError
from zscan.results.files import storage, write_file
from zscan.results.grid import TileGrid
from zscan.results.outputs import Output, guard, target_of
from zscan.scans import slurm
from zscan.scans.agreement import require_same_spec
from zscan.scans.folders import map_outputs
from zscan.scans.header import map_header
from zscan.scans.jobs import ARRAY, CARD, JOBS, MERGE, RECORD, Jobs, jobs_folder, load_jobs
from zscan.scans.options import RESTARTS, for_merge, notice, requests_gpu, require_allowed
from zscan.scans.refinement import require_whole
from zscan.scans.run import is_complete
from zscan.scans.shards import check_count, finer_tiles
from zscan.scans.spec import ScanSpec, load_card
from zscan.scans.store import TileStore
from zscan.untrusted import creation_time, file_name

_MAX_SHARDS = 100_000
_NOTICE = 120  # s before the end of its time at which a task is told to stop
_FEW = 4  # tiles of a shard below which it is said that they are few
# What the commands read from the environment, which --export=NONE would take away
_KEPT = ("ZSCAN_LIMITS", "SOURCE_DATE_EPOCH", "PYTHONPATH", "XDG_DATA_HOME")


@dataclass(frozen=True)
class Submission:
    """Job scripts of a scan in `shards` shards, with the options that `sbatch` gets for each;
    `advice` is what a user should know.
    """

    spec: ScanSpec
    out: Path
    shards: int
    array: str
    merge: str
    array_options: tuple[str, ...]
    merge_options: tuple[str, ...]
    advice: tuple[str, ...]

    def __str__(self) -> str:
        folder = jobs_folder(self.out)
        first = shlex.join(["sbatch", "--parsable", *self.array_options, str(folder / ARRAY)])
        second = shlex.join(
            ["sbatch", "--parsable", *self.merge_options, "--dependency=afterany:ARRAY"]
        )
        return (
            f"# {folder / ARRAY}, submitted with: {first}\n{self.array}\n"
            f"# {folder / MERGE}, submitted with: {second} {folder / MERGE}\n{self.merge}"
        )


def prepare_submission(
    card: str | Path,
    shards: int,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] | None = None,
    options: Sequence[str] = (),
    restarts: int = RESTARTS,
    device: str | None = None,
    strict: bool = False,
) -> Submission:
    """A scan as a job array of `shards` shards, and a merge that waits for them; nothing is
    written.

    `card`, `out`, `overrides`, `device` and `strict` as for `run_scan`; `options` are those of
    sbatch for the array, and for the merge without what asks for accelerators. Every task keeps
    what it has done: it is started again, at most `restarts` times, after the notice before its
    time is up, after SIGKILL, and by SLURM itself after preemption or the loss of a node. With a
    `device` other than "cpu", which a card may name, too, each task gets a GPU of its own, unless
    `options` ask for some. Compiled programs are shared through `ZSCAN_CACHE`. Paths are as seen
    from the current folder, in which the jobs run. Raises `CardError`, and `ParameterError` for
    more shards than tiles and for options that are not a user's to give."""
    if not 1 <= shards <= _MAX_SHARDS:
        raise ParameterError(f"{shards} shards; allowed: 1 to {_MAX_SHARDS}")
    if not 0 <= restarts <= 1000:
        raise ParameterError(f"restarts {restarts}; allowed: 0 to 1000")
    require_allowed(options)
    creation_time()
    spec = load_card(card, overrides)
    out = Path("results") / f"{spec.name}.h5" if out is None else file_name(out, "map")
    require_whole(spec.refinement, shard=(1, shards))
    check_count(shards, spec.grid)
    seconds, advice = notice(options, _NOTICE)
    run = ["run", str(card), "-o", str(out), "--copy", str(jobs_folder(target_of(out)) / CARD)]
    run += [part for text in overrides or () for part in ("--set", text)]
    run += ["--strict"] if strict else []
    run += ["--device", device] if device else []
    gpu = (device or spec.device) not in (None, "cpu") and not requests_gpu(options)
    lines = [f"#SBATCH --array=1-{shards}", f"#SBATCH --signal=TERM@{seconds}"]
    lines += ["#SBATCH --gpus-per-task=1"] if gpu else []
    return Submission(
        spec=spec,
        out=out,
        shards=shards,
        array=_array_script(spec, out, shards, run, lines, restarts),
        merge=_merge_script(spec, out),
        array_options=tuple(options),
        merge_options=tuple(for_merge(options)),
        advice=(*advice, *_advice(spec.grid, shards)),
    )


def submit_scan(given: Submission, command: str = "") -> Jobs:
    """Submit what `prepare_submission` gave to SLURM: a job array, and a merge that waits for it.

    `command` is recorded. Scripts, logs, jobs.json and a copy of the card, which the tasks read,
    lie in OUT.h5.jobs/. Raises `BatchError`
    where there is no SLURM, before anything is written, or if it refuses; `ResultExistsError` if
    the map is there or its jobs still run; else as `run_scan`."""
    slurm.require_sbatch()
    _require_free(given)
    folder = jobs_folder(target_of(given.out))
    guard([*map_outputs(given.out, may_exist=True), Output(folder, JOBS, may_exist=True)])
    with storage(folder, 0):
        folder.mkdir(exist_ok=True)
    for name, text in ((CARD, given.spec.card), (ARRAY, given.array), (MERGE, given.merge)):
        write_file(folder / name, [text.encode()])
    array = slurm.sbatch(folder / ARRAY, given.array_options)
    try:
        after = f"--dependency=afterany:{array}"
        merge = slurm.sbatch(folder / MERGE, [*given.merge_options, after])
    except BatchError:
        slurm.cancel(array)
        raise
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    spec = given.spec
    jobs = Jobs(given.shards, spec.grid.count, array, merge, command, spec.hash, since, folder)
    write_file(folder / RECORD, [jobs.text().encode()])
    return jobs


def _require_free(given: Submission) -> None:
    """Raise unless the jobs may start: no map, no tiles of another scan, no jobs of before."""
    spec = given.spec
    target, _ = guard(map_outputs(given.out, may_exist=True))
    store = TileStore(target.path, spec.hash, spec.canonical(), map_header(spec, ""))
    if target.exists and is_complete(target.path, store, allow_version_change=False):
        raise ResultExistsError(f"{given.out} exists and is complete: there is nothing to submit")
    try:
        stored = TileStore.load(target.path)
    except StorageError:
        pass  # no tiles yet
    else:
        require_same_spec(stored.folder, stored.canonical, store.canonical)
    before = load_jobs(target.path)
    for job in () if before is None else (before.array, before.merge):
        if slurm.is_over(job) is False:
            raise ResultExistsError(
                f"{given.out}: job {job} of an earlier submission is still there; wait for it "
                f"(zscan status {given.out}) or take it back with scancel {job}"
            )


def _advice(grid: TileGrid, shards: int) -> list[str]:
    if grid.count >= _FEW * shards or (finer := finer_tiles(grid, shards)) is None:
        return []
    most, least = -(-grid.count // shards), grid.count // shards
    tiles = f"{least}" if most == least else f"{least} or {most}"
    return [
        f"{grid.count} tiles for {shards} shards: {tiles} for each, and a task that is stopped "
        f"loses the tile that it works on; output.tile_points={finer} would share them more evenly"
    ]


def _head(spec: ScanSpec, out: Path, what: str, lines: Sequence[str]) -> str:
    folder = Path(os.path.abspath(jobs_folder(target_of(out))))
    log = "%A_%a.log" if what == "scan" else "merge-%j.log"
    own = [
        f"#SBATCH --job-name=zscan-{spec.name}{'' if what == 'scan' else '-merge'}",
        *lines,
        "#SBATCH --ntasks=1",
        # % begins a pattern of SLURM; a folder whose name has one keeps it doubled
        f'#SBATCH --output="{str(folder).replace("%", "%%")}/{log}"',
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
    ]
    kept = {VARIABLE: cache_folder()}
    kept |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in kept.items()]
    return "\n".join(
        [
            "#!/bin/bash",
            f"# {what} of {_plain(out)}, made by zscan {zscan.__version__}",
            *own,
            "",
            f"cd {shlex.quote(os.getcwd())} || exit 2",
            *exports,
            "",
        ]
    )


def _array_script(
    spec: ScanSpec,
    out: Path,
    shards: int,
    run: Sequence[str],
    lines: Sequence[str],
    restarts: int,
) -> str:
    command = shlex.join([sys.executable, "-m", "zscan", *run])
    return f"""{_head(spec, out, "scan", lines)}
# srun does not take over the cores of the job nor, with --export=NONE, what is exported above
srun --ntasks=1 --export=ALL ${{SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"}} \\
    {command} --shard "$SLURM_ARRAY_TASK_ID/{shards}"
code=$?
task="${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID" restarts="${{SLURM_RESTART_COUNT:-0}}"
# 130: told to stop, finished tiles are kept; 137: killed; 143: stopped before it could listen
case $code in 130 | 137 | 143)
    if [ "$restarts" -lt {restarts} ]; then
        echo "zscan: task $task ended with $code; it starts again, $((restarts + 1)) of {restarts}"
        scontrol requeue "$task" && sleep 60
    fi
    echo "zscan: task $task ended with $code after $restarts restarts" ;;
esac
exit $code
"""


def _merge_script(spec: ScanSpec, out: Path) -> str:
    zscan_command = shlex.join([sys.executable, "-m", "zscan"])
    name = shlex.quote(str(out))
    return f"""{_head(spec, out, "merge", ())}
{zscan_command} merge {name}
code=$?
# What is missing, and how to go on
[ $code = 0 ] || {zscan_command} status {name}
exit $code
"""


def _plain(path: Path) -> str:
    """A path for a comment: on one line."""
    return " ".join(str(path).split())
