"""Verbs about scans and their maps."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

import zscan
from zscan.cli import options
from zscan.cli.options import Verbs
from zscan.results.text import human_bytes


def add(verbs: Verbs) -> None:
    """Add these verbs."""
    run = verbs.add(
        "run",
        run_command,
        "scan a grid: a card (TOML) in, one HDF5 map out",
        "zscan run fig2 -o fig2.h5 --set axis.m_X.num=800\nzscan run card.toml --shard 1/8",
    )
    run.add_argument("card", help="path of a card, or the name of a shipped one such as fig2")
    run.add_argument(
        "-o", "--output", metavar="OUT.h5", help="map to write (default results/NAME.h5)"
    )
    exclusive = run.add_mutually_exclusive_group()
    exclusive.add_argument("--resume", action="store_true", help="continue an interrupted scan")
    exclusive.add_argument(
        "--force", action="store_true", help="replace an existing map and its tiles"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="print points, tiles, bytes, time; write nothing"
    )
    run.add_argument("--json", action="store_true", help="with --dry-run")
    run.add_argument("--copy", metavar="FILE", help=argparse.SUPPRESS)  # of submitted tasks
    options.overrides(run, "override a key, e.g. axis.m_X.num=800")
    run.add_argument(
        "--executor",
        default="inline",
        metavar="NAME",
        help="inline (default), processes[:N] (one for each GPU), dask[:ADDRESS or N]",
    )
    options.device(run)
    run.add_argument(
        "--shard",
        type=options.shard,
        metavar="i/n",
        help="compute every n-th tile only; join with zscan merge",
    )
    run.add_argument(
        "--strict",
        action="store_true",
        help="fail where a constraint is valid but not finite, instead of a warning at the end",
    )

    run.add_argument(
        "--allow-version-change",
        action="store_true",
        help="continue with tiles that other versions of zscan, jax or numpy computed",
    )

    check = verbs.add(
        "check",
        check_command,
        "check a card in seconds, without compilation: every fault, the size of the grid, and "
        "shapes, gradients and NaN of constraints of your own",
        "zscan check card.toml\nzscan check fig2 --set axis.m_X.num=800 --json",
    )
    check.add_argument("card", help="path of a card, or the name of a shipped one such as fig2")
    options.overrides(check)
    check.add_argument("--json", action="store_true")

    verbs.add(
        "schema",
        schema_command,
        "JSON schema of cards, for editors",
        "zscan schema > zscan.schema.json     (then, first in a card: #:schema zscan.schema.json)",
    )

    merge = verbs.add(
        "merge",
        merge_command,
        "join the tiles of a scan into its map",
        "zscan merge results/fig2.h5",
    )
    merge.add_argument("map", metavar="OUT.h5")
    merge.add_argument("--force", action="store_true", help="replace an existing map")
    merge.add_argument(
        "--partial", action="store_true", help="missing tiles become NaN with status 0"
    )

    for name, command, text in (
        ("info", info_command, "print what a map says of itself"),
        ("verify", verify_command, "check every digest of a map"),
        ("cite", cite_command, "BibTeX of everything a map rests on"),
    ):
        verbs.add(name, command, text, f"zscan {name} results/fig2.h5").add_argument(
            "map", metavar="MAP.h5"
        )

    export = verbs.add(
        "export",
        export_command,
        "write a map for other programs: contours as CSV or as a HEPData submission, all as netCDF",
        "zscan export results/fig2.h5 --to csv\n"
        "zscan export results/fig2.h5 --to hepdata -o fig2.zip --constraints 'trident_*' borexino",
    )
    export.add_argument("map", metavar="MAP.h5")
    export.add_argument("--to", required=True, help="csv, hepdata or netcdf")
    export.add_argument(
        "-o", "--output", metavar="FILE", help="file to write (default: MAP.csv, MAP.zip or MAP.nc)"
    )
    export.add_argument(
        "--constraints", nargs="+", metavar="NAME", help="names or patterns (default: all)"
    )
    export.add_argument("--force", action="store_true", help="replace an existing export")


def run_command(arguments: argparse.Namespace) -> None:
    from zscan.scans import run
    from zscan.scans.spec import load_card
    from zscan.scans.store import tile_folder

    if arguments.dry_run:
        found = run.plan(arguments.card, arguments.set, arguments.device)
        if arguments.json:
            print(json.dumps(found, indent=2))
            return
        for key, value in found.items():
            is_bytes = key.endswith("_bytes") and value is not None
            print(f"{key:19} {human_bytes(value) if is_bytes else value}")
        return
    card, changes = arguments.card, arguments.set
    if arguments.copy is not None:
        card, changes = load_card(card, changes, arguments.copy), None
    path = run.run_scan(
        card,
        arguments.output,
        resume=arguments.resume,
        force=arguments.force,
        executor=arguments.executor,
        overrides=changes,
        shard=arguments.shard,
        strict=arguments.strict,
        allow_version_change=arguments.allow_version_change,
        device=arguments.device,
    )
    if arguments.shard is None or path.exists():
        print(path)
        return
    print(tile_folder(path))
    index, count = arguments.shard
    joined = f"zscan merge {shlex.quote(str(path))} makes the map when all are there"
    print(f"zscan: shard {index} of {count} is done; {joined}", file=sys.stderr)


def check_command(arguments: argparse.Namespace) -> None:
    from zscan.scans.check import check_card

    found = check_card(arguments.card, arguments.set)
    print(json.dumps(found.to_table(), indent=2) if arguments.json else found)


def schema_command(arguments: argparse.Namespace) -> None:
    from zscan.fit.schema import card_schema

    print(json.dumps(card_schema(), indent=2))


def merge_command(arguments: argparse.Namespace) -> None:
    print(zscan.merge_scan(arguments.map, partial=arguments.partial, force=arguments.force))


def info_command(arguments: argparse.Namespace) -> None:
    from zscan.results.schema import info

    print(json.dumps(info(arguments.map), indent=2))


def verify_command(arguments: argparse.Namespace) -> None:
    from zscan.results.schema import verify

    verify(arguments.map)
    print(f"{arguments.map}: all digests agree")


def cite_command(arguments: argparse.Namespace) -> None:
    from zscan import references
    from zscan.results.schema import info

    found = info(arguments.map)
    references.add(found["bibtex"])
    print(zscan.bibtex(found["bibtex_keys"]))


def export_command(arguments: argparse.Namespace) -> None:
    print(
        zscan.export(
            arguments.map,
            arguments.to,
            arguments.output,
            constraints=arguments.constraints,
            force=arguments.force,
        )
    )
