"""The verb `limits`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

import zscan
from zscan.cli.options import Verbs
from zscan.errors import ParameterError, message


def add(verbs: Verbs) -> None:
    """Add these verbs."""
    actions = Verbs(verbs.add("limits", None, "published limit curves"), "ACTION")
    listing = actions.add(
        "list",
        limits_list,
        "all known curves with status, confidence level, masses and reference model",
        "zscan limits list\nzscan limits list --missing",
    )
    listing.add_argument(
        "--missing",
        action="store_true",
        help="published limits without public numbers: what to fetch, and the file to fill",
    )
    form = listing.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="as in docs/limits.md")
    form.add_argument("--json", action="store_true")
    importing = actions.add(
        "import",
        limits_import,
        "convert the limits of a DarkCast checkout (read as text)",
        "zscan limits import darkcast/ -o limits/",
    )
    importing.add_argument("path", help="folder of the checkout")
    importing.add_argument(
        "-o", "--output", default="limits", metavar="DIR", help="folder to write (default limits)"
    )
    importing.add_argument("--force", action="store_true", help="replace existing limit files")

    adding = actions.add(
        "add",
        limits_add,
        "a limit of your own, from a table: then known to every command",
        "zscan limits add na64.csv --name NA64_mine --experiment NA64 --cl 0.9 --quantity g_X \\\n"
        "    --reference-model B-L --production e_brem --final-states invisible\n"
        "zscan limits add dump.csv --name Dump --experiment E1 --cl 0.95 --quantity eps \\\n"
        "    --unit MeV --production e_brem --final-states ee --efficiency dump --lratio 1.5",
        description="A limit of your own from a table (CSV, HEPData YAML or CSV, DarkCast .lmt): "
        "mass and limit, or mass, lower and upper edge. It becomes searches/NAME everywhere.",
    )
    adding.add_argument("table", metavar="FILE")
    adding.add_argument("--name", required=True, help="letters, digits, _, + and -")
    adding.add_argument("--experiment", required=True)
    adding.add_argument("--cl", type=float, required=True, help="confidence level, such as 0.9")
    adding.add_argument(
        "--production",
        nargs="+",
        required=True,
        metavar="HOW",
        help="how X is produced, such as e_brem, mu_brem, e_e, pi0_gamma (docs/limits.md); shares "
        "of several as e_brem=0.7 p_brem=0.3",
    )
    adding.add_argument(
        "--final-states",
        nargs="+",
        required=True,
        metavar="WHAT",
        help="ee, mumu, tautau, pipi, hadrons, invisible",
    )
    adding.add_argument("--quantity", default="g_X", help="g_X (default), eps, or BR of kmunux")
    adding.add_argument(
        "--reference-model",
        metavar="MODEL",
        help='for which the numbers hold: a name, a file, or charges as "{L = [0, 1, -1], ...}" '
        "(eps: the dark photon)",
    )
    adding.add_argument("--unit", help="of the masses: eV, keV, MeV, GeV (default), TeV")
    adding.add_argument(
        "--columns",
        nargs="+",
        type=int,
        metavar="N",
        help="numbers of the columns of mass and limit, from 1, where there are more than three",
    )
    adding.add_argument("--kind", default="limit", help="limit (default) or projection")
    adding.add_argument("--status", default="digitised", help="published, digitised (default), ...")
    adding.add_argument(
        "--efficiency", help="prompt, invisible (by the final states), window, dump, displaced"
    )
    adding.add_argument("--t1", help="end of a window [s], a formula of m [GeV]")
    adding.add_argument("--lratio", type=float, help="length of a dump's volume over its shield")
    adding.add_argument("--reference-br", type=float, help="branching ratio that was assumed")
    adding.add_argument("--likelihood", default="background", help="background or counting")
    adding.add_argument("--arxiv", metavar="ID")
    adding.add_argument("--bibtex", metavar="FILE", help="entries that are to be cited")
    adding.add_argument("--source", metavar="TEXT")
    adding.add_argument("--note", metavar="TEXT")
    adding.add_argument(
        "-o", "--output", metavar="DIR", help="folder (default: the user's, read by every command)"
    )
    adding.add_argument("--force", action="store_true", help="replace a limit of the same name")


def limits_list(arguments: argparse.Namespace) -> None:
    if arguments.missing:
        absent = zscan.limits.missing()
        tables = [limit.to_table() for limit in absent]
        text = zscan.limits.missing_table(absent, markdown=arguments.markdown)
    else:
        known = zscan.limits.load()
        tables = [zscan.limits.limit_row(limit) for limit in known]
        text = zscan.limits.limit_table(known, markdown=arguments.markdown)
    print(json.dumps(tables, indent=2) if arguments.json else text)


def limits_import(arguments: argparse.Namespace) -> None:
    from zscan.limits.darkcast import read_checkout

    found = read_checkout(arguments.path)
    for path in zscan.limits.write_limits(found.limits, arguments.output, force=arguments.force):
        print(path)
    print(f"zscan: {message(str(found))}", file=sys.stderr)


def limits_add(arguments: argparse.Namespace) -> None:
    keys = "unit columns kind status efficiency t1 lratio likelihood arxiv bibtex source note force"
    limit = zscan.limits.add(
        arguments.table,
        name=arguments.name,
        experiment=arguments.experiment,
        cl=arguments.cl,
        production=_shares(arguments.production),
        final_states=_words(arguments.final_states),
        quantity=arguments.quantity,
        reference_model=arguments.reference_model,
        reference_branching_ratio=arguments.reference_br,
        folder=arguments.output,
        **{key: value for key in keys.split() if (value := getattr(arguments, key)) is not None},
    )
    print(f"searches/{limit.name}: {limit.mass.size} rows, {limit.mass[0]:.4g}-", end="")
    print(f"{limit.mass[-1]:.4g} GeV, {limit.quantity} of {limit.reference_name or 'kmunux'}")
    folder = zscan.limits.user_folder() if arguments.output is None else arguments.output
    print(os.path.join(folder, f"{arguments.name}.toml"))
    if arguments.output is not None:
        print(f"known to every command with ZSCAN_LIMITS={arguments.output}", file=sys.stderr)


def _words(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in text.split(",") if word]


def _shares(texts: Sequence[str]) -> list[str] | dict[str, float]:
    words = _words(texts)
    if not any("=" in word for word in words):
        return words
    try:
        return {name: float(share) for name, _, share in (word.partition("=") for word in words)}
    except ValueError:
        raise ParameterError(
            f"--production {' '.join(words)}; allowed: e_brem, or shares as e_brem=0.7,p_brem=0.3"
        ) from None
