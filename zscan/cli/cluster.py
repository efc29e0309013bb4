"""Verbs for scans that run elsewhere: jobs of a batch system, what became of them."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence

from zscan.cli import options
from zscan.cli.options import Verbs
from zscan.scans.options import RESTARTS


def add(verbs: Verbs) -> None:
    """Add these verbs."""
    submit = verbs.add(
        "submit",
        submit_command,
        "run a scan as a job array of SLURM, with a merge that waits for it",
        "zscan submit fig2 -n 8 -o fig2.h5 --set output.tile_points=4000 -- --partition=short "
        "--time=1:00:00\n"
        "zscan submit card.toml -n 4 --device gpu -- --account=physics --cpus-per-task=8\n"
        "zscan submit card.toml -n 4 --dry-run     (print the job scripts; works without SLURM)",
        description="Run a scan as a job array of SLURM, with a merge that waits for it. What "
        "follows -- are options of sbatch.",
    )
    submit.add_argument("card", help="path of a card, or the name of a shipped one such as fig2")
    submit.add_argument(
        "-n", "--shards", type=int, required=True, metavar="N", help="tasks of the array"
    )
    submit.add_argument(
        "-o", "--output", metavar="OUT.h5", help="map to write (default results/NAME.h5)"
    )
    options.overrides(submit)
    options.device(submit)
    submit.add_argument(
        "--restarts",
        type=int,
        default=RESTARTS,
        metavar="K",
        help=f"how often a task that is stopped or killed starts again (default {RESTARTS})",
    )
    submit.add_argument("--strict", action="store_true", help="as of zscan run")
    submit.add_argument(
        "--dry-run", action="store_true", help="print the job scripts; write and submit nothing"
    )
    devices = verbs.add(
        "devices",
        devices_command,
        "the devices that scans can run on: kind, memory, speed in float64",
        "zscan devices\nzscan run fig2 --device gpu",
    )
    devices.add_argument("--json", action="store_true")

    status = verbs.add(
        "status",
        status_command,
        "how far a scan is: tiles done, running, failed, and what to do",
        "zscan status results/fig2.h5",
        description="How far a scan is. Exit code 0: the map is complete; 3: tiles are missing, or "
        "not merged (state: running, waiting, ready, stopped); 4: tiles are damaged; 2: nothing is "
        "there.",
    )
    status.add_argument("map", metavar="OUT.h5")
    status.add_argument("--json", action="store_true")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command, and those after -- where it is a submission."""
    words = list(words)
    if words[:1] != ["submit"] or "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def submit_command(arguments: argparse.Namespace) -> None:
    from zscan.scans.submit import prepare_submission, submit_scan

    found = prepare_submission(
        arguments.card,
        arguments.shards,
        arguments.output,
        overrides=arguments.set,
        options=arguments.sbatch,
        restarts=arguments.restarts,
        device=arguments.device,
        strict=arguments.strict,
    )
    if arguments.dry_run:
        print(found)
    else:
        jobs = submit_scan(found, shlex.join(["zscan", *arguments.argv]))
        print(f"{jobs.array} {jobs.merge}")
        print(
            f"zscan: job {jobs.array} computes {jobs.shards} shards, job {jobs.merge} merges them "
            f"into {found.out}; zscan status {shlex.quote(str(found.out))}",
            file=sys.stderr,
        )
    for line in found.advice:
        print(f"zscan: note: {line}", file=sys.stderr)


def devices_command(arguments: argparse.Namespace) -> None:
    from zscan.scans.devices import device_table, list_devices

    found = list_devices()
    if arguments.json:
        print(json.dumps([item.to_table() for item in found], indent=2))
    else:
        print(device_table(found))


def status_command(arguments: argparse.Namespace) -> None:
    from zscan.scans.status import scan_status

    found = scan_status(arguments.map)
    print(json.dumps(found.to_table(), indent=2) if arguments.json else found)
    found.require_complete()
