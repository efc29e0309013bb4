"""Command line: each verb is one call of a public function. Exit codes: 0 done, 2 bad input, 3
incomplete, 4 corrupt, 130 interrupted; 1 an error that zscan does not know (ZSCAN_DEBUG=1 shows its
traceback)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

import zscan
from zscan.errors import ParameterError, ZscanError, clipped, message, shown
from zscan.scans.interrupts import EXIT_CODE, exit_at_second_signal, interruptible
from zscan.untrusted import file_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: sys.argv) and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        _check_texts(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            command: Callable[[argparse.Namespace], None] = arguments.command
            command(arguments)
    except ZscanError as error:
        print(f"zscan: error: {message(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        kept = "; finished tiles are kept, continue with --resume"
        hint = kept if arguments.command is _run else ""
        print(f"zscan: interrupted{hint}", file=sys.stderr)
        return EXIT_CODE
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"zscan: error: {clipped(str(error))}", file=sys.stderr)
        return 2
    except Exception as error:
        if os.environ.get("ZSCAN_DEBUG") == "1":
            raise
        text = clipped(f"{type(error).__name__}: {error}".rstrip(": "))
        hint = "set ZSCAN_DEBUG=1 for the traceback"
        print(f"zscan: error: internal: {text} ({hint})", file=sys.stderr)
        return 1
    return 0


def _check_texts(arguments: argparse.Namespace) -> None:
    """Refuse arguments that are empty, hold a NUL, are too long or no UTF-8, before any work."""
    for key, value in vars(arguments).items():
        if isinstance(value, str):
            file_name(value, key)
        for item in value if isinstance(value, list) else ():
            if isinstance(item, str) and ("\0" in item or not item):
                raise ParameterError(f"{key} {shown(item)} is empty, or holds a NUL character")


def _show_warning(warning: Warning | str, *_: object) -> None:
    print(f"zscan: warning: {message(warning)}", file=sys.stderr)


def _run(arguments: argparse.Namespace) -> None:
    from zscan.scans import run

    if arguments.dry_run:
        for key, value in run.plan(arguments.card, overrides=arguments.set).items():
            print(f"{key:16} {value}")
        return
    path = run.run_scan(
        arguments.card,
        arguments.output,
        resume=arguments.resume,
        force=arguments.force,
        executor=arguments.executor,
        overrides=arguments.set,
        shard=arguments.shard,
        strict=arguments.strict,
        allow_version_change=arguments.allow_version_change,
        progress=None if sys.stderr.isatty() else False,
    )
    print(path)


def _check(arguments: argparse.Namespace) -> None:
    from zscan.scans.check import check_card

    found = check_card(arguments.card, arguments.set)
    print(json.dumps(found.to_table(), indent=2) if arguments.json else found)


def _figure(arguments: argparse.Namespace) -> None:
    from zscan.results.figures import FIGURES
    from zscan.scans.figure import make_figures

    for path in make_figures(
        list(FIGURES) if arguments.number == "all" else [arguments.number],
        arguments.output,
        points=arguments.points,
        force=arguments.force,
        overrides=arguments.set,
        constraints=arguments.constraints,
    ):
        print(path)


def _fit(arguments: argparse.Namespace) -> None:
    from zscan.fit import fit_card

    overrides = [*arguments.set, *(["fit.sample={}"] if arguments.sample else [])]
    progress = None if sys.stderr.isatty() else False
    print(
        fit_card(
            arguments.card,
            arguments.output,
            overrides=overrides,
            force=arguments.force,
            progress=progress,
        )
    )


def _evaluate(arguments: argparse.Namespace) -> None:
    result = zscan.evaluate(
        arguments.model,
        arguments.m_X,
        arguments.g_X,
        arguments.eps,
        observables=arguments.observables,
        constraints=arguments.constraints,
        others=dict(arguments.set),
    )
    print(json.dumps(result.to_table(), indent=2) if arguments.json else result)


def _verdict(arguments: argparse.Namespace) -> None:
    result = zscan.verdict(
        arguments.model,
        n_sigma=arguments.n_sigma,
        eps_over_g=arguments.eps_over_g,
        observables=arguments.observables,
        masses=(arguments.m_X_min, arguments.m_X_max),
        constraints=arguments.constraints,
        points=arguments.points,
    )
    print(json.dumps(result.to_table(), indent=2) if arguments.json else result)


def _survey(arguments: argparse.Namespace) -> None:
    from zscan.analysis.survey.command import run_command

    print(run_command(arguments, None if sys.stderr.isatty() else False))


def _survivors(arguments: argparse.Namespace) -> None:
    from zscan.results.survivors import survivors

    found = survivors(arguments.map, n_sigma=arguments.n_sigma)
    print(json.dumps(found.to_table(), indent=2) if arguments.json else found)


def _models(arguments: argparse.Namespace) -> None:
    if arguments.output is not None:
        from zscan.models.write import write_model

        if not arguments.name:
            raise ParameterError("-o needs the name or the path of a model")
        print(write_model(arguments.name, arguments.output, force=arguments.force))
        return
    for name in [arguments.name] if arguments.name else zscan.list_models():
        model = zscan.load_model(name)
        print(f"{model.name:22} {model.description}" if not arguments.name else model)
        if arguments.name and isinstance(model, zscan.Model):
            from zscan.models.spectrum import summary

            print(summary(model))


def _su5(arguments: argparse.Namespace) -> None:
    from zscan.charges import su5

    print(f"{su5.table_2()}\n\n{su5.summary()}")


def _info(arguments: argparse.Namespace) -> None:
    from zscan.results.schema import info

    print(json.dumps(info(arguments.map), indent=2))


def _verify(arguments: argparse.Namespace) -> None:
    from zscan.results.schema import verify

    verify(arguments.map)
    print(f"{arguments.map}: all digests agree")


def _merge(arguments: argparse.Namespace) -> None:
    print(zscan.merge_scan(arguments.map, partial=arguments.partial, force=arguments.force))


def _export(arguments: argparse.Namespace) -> None:
    print(
        zscan.export(
            arguments.map,
            arguments.to,
            arguments.output,
            constraints=arguments.constraints,
            force=arguments.force,
        )
    )


def _cite(arguments: argparse.Namespace) -> None:
    from zscan.results.schema import info

    print(zscan.bibtex(info(arguments.map)["bibtex_keys"]))


def _charges(arguments: argparse.Namespace) -> None:
    from zscan.charges import catalogue

    classes = [*arguments.classes, *(["chiral"] if arguments.chiral else [])]
    written = None
    if arguments.output is not None:
        from zscan.results.catalogue_file import write_catalogue

        selection = catalogue.Selection(arguments.max, tuple(classes))
        written = write_catalogue(arguments.output, selection, force=arguments.force)
    print(catalogue.report(arguments.max, classes, table=arguments.table, listing=arguments.list))
    if written:
        print(written)


def _limits_list(arguments: argparse.Namespace) -> None:
    if arguments.missing:
        absent = zscan.limits.missing()
        tables = [limit.to_table() for limit in absent]
        text = zscan.limits.missing_table(absent, markdown=arguments.markdown)
    else:
        known = zscan.limits.load()
        tables = [zscan.limits.limit_row(limit) for limit in known]
        text = zscan.limits.limit_table(known, markdown=arguments.markdown)
    print(json.dumps(tables, indent=2) if arguments.json else text)


def _limits_import(arguments: argparse.Namespace) -> None:
    limits = zscan.limits.import_darkcast(arguments.path)
    for path in zscan.limits.write_limits(limits, arguments.output, force=arguments.force):
        print(path)


def _parameter(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form NAME=VALUE with a number"
        ) from None


def _shard(text: str) -> tuple[int, int]:
    try:
        index, count = (int(part) for part in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form i/n with whole numbers, such as 1/8"
        ) from None
    if not 1 <= index <= count:
        raise argparse.ArgumentTypeError(f"{text!r}: i runs from 1 to n")
    return index, count


class _Parser(argparse.ArgumentParser):
    """Tells a usage error in one line."""

    def error(self, message: str) -> NoReturn:
        text = f"{self.prog}: error: {clipped(message)} (--help shows the arguments)"
        self.exit(2, f"{text}\n")


_SET = "measurements: paper (default), current, or a TOML file with base = (docs/own.md)"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="zscan",
        description="Parameter scans for light U(1)_X gauge bosons (arXiv:2107.07518).",
    )
    parser.add_argument("--version", action="version", version=f"zscan {zscan.__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(
        name: str, command: Callable[[argparse.Namespace], None], text: str, examples: str = ""
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"examples:\n{textwrap.indent(examples, '  ')}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    run = verb("run", _run, "scan a grid: a card (TOML) in, one HDF5 map out")
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
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key, e.g. axis.m_X.num=800",
    )
    run.add_argument("--executor", default="inline", help="inline (the only one so far)")
    run.add_argument(
        "--shard",
        type=_shard,
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

    check = verb(
        "check",
        _check,
        "check a card in seconds, without running it: every fault, the size of the grid, and "
        "shapes, gradients and NaN of constraints of your own",
        "zscan check card.toml\nzscan check fig2 --set axis.m_X.num=800 --json",
    )
    check.add_argument("card", help="path of a card, or the name of a shipped one such as fig2")
    check.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the card"
    )
    check.add_argument("--json", action="store_true")

    figure = verb("figure", _figure, "scan and draw a figure of the paper: map and PNG")
    figure.add_argument("number", help="number of the figure, or all")
    figure.add_argument(
        "-o", "--output", default="results", metavar="DIR", help="folder (default results)"
    )
    figure.add_argument(
        "--points", type=int, metavar="K", help="points per axis (default: those of the card)"
    )
    figure.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of its cards, e.g. observables=current",
    )
    figure.add_argument(
        "--constraints",
        nargs="+",
        metavar="NAME",
        help="draw these layers only: names, patterns, or paper for exactly what the paper used",
    )
    figure.add_argument(
        "--force", action="store_true", help="replace existing maps of another card"
    )

    fit = verb(
        "fit", _fit, "fit a card: best fit, errors, intervals, profiles; one HDF5 file and a figure"
    )
    fit.add_argument(
        "card", help="path of a card, or the name of a shipped one such as fit-lmu-ltau"
    )
    fit.add_argument(
        "-o",
        "--output",
        metavar="OUT.h5",
        help="file to write, with OUT.png (default results/NAME.h5)",
    )
    fit.add_argument(
        "--sample",
        action="store_true",
        help="draw from the posterior with NUTS as well (needs priors)",
    )
    fit.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the card"
    )
    fit.add_argument("--force", action="store_true", help="replace an existing fit and its figure")

    evaluate = verb(
        "evaluate", _evaluate, "one point: every observable and delta chi2 with its reference"
    )
    evaluate.add_argument("model", help="benchmark name or path of a model file")
    evaluate.add_argument("--m_X", type=float, required=True, metavar="GEV")
    evaluate.add_argument(
        "--g_X",
        type=float,
        required=True,
        help="coupling (g_V of muon-effective, width_over_m_X of muon-resonance)",
    )
    evaluate.add_argument(
        "--set",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further parameter, e.g. g_sb=1e-9",
    )
    evaluate.add_argument(
        "--eps", type=float, default=0.0, help="kinetic mixing on top of the model's own"
    )
    evaluate.add_argument("--observables", default="paper", metavar="SET", help=_SET)
    evaluate.add_argument(
        "--constraints",
        nargs="+",
        metavar="NAME",
        help="names, patterns, package.module:NAME, or paper (default: all but projections)",
    )
    evaluate.add_argument("--json", action="store_true")

    verdict = verb(
        "verdict", _verdict, "at which masses a model explains g-2, and what excludes the rest"
    )
    verdict.add_argument("model", help="benchmark name or path of a model file")
    verdict.add_argument(
        "--n_sigma", type=float, default=2.0, help="width of the g-2 band (default 2)"
    )
    verdict.add_argument(
        "--eps_over_g", type=float, default=0.0, help="kinetic mixing on top of the model's own"
    )
    verdict.add_argument("--m_X_min", type=float, default=1e-3, metavar="GEV")
    verdict.add_argument("--m_X_max", type=float, default=10.0, metavar="GEV")
    verdict.add_argument(
        "--points", type=int, default=400, metavar="K", help="masses (default 400)"
    )
    verdict.add_argument("--observables", default="paper", metavar="SET", help=_SET)
    verdict.add_argument(
        "--constraints",
        nargs="+",
        metavar="NAME",
        help="names, patterns, package.module:NAME, or paper: what the paper uses (default: "
        "everything that is data)",
    )
    verdict.add_argument("--json", action="store_true")

    survey = verb(
        "survey",
        _survey,
        "which of all anomaly-free models explain g-2, with any kinetic mixing, and what excludes "
        "the others",
    )
    survey.add_argument(
        "selection",
        nargs="?",
        help="of the catalogue, such as max=10,vector,flavours=all (default), or the file of a "
        "survey, to be read",
    )
    survey.add_argument("-o", "--output", metavar="FILE", help="write FILE.h5 or FILE.csv")
    survey.add_argument("--quarks", default="universal", help="universal (default) or third-family")
    survey.add_argument(
        "--kappa", nargs="+", type=float, metavar="K", help="mixing eps e/g_X: low and high"
    )
    survey.add_argument(
        "--muon_coupling",
        type=float,
        metavar="G",
        help="where X could hide with this coupling to muons, instead of explaining g-2",
    )
    survey.add_argument("--observables", default="paper", metavar="SET")
    survey.add_argument(
        "--constraints",
        nargs="+",
        metavar="NAME",
        help="names, patterns, or paper (default: everything that is data)",
    )
    survey.add_argument("--m_X_min", type=float, default=1e-3, metavar="GEV")
    survey.add_argument("--m_X_max", type=float, default=10.0, metavar="GEV")
    survey.add_argument(
        "--points", type=int, metavar="K", help="masses (default 49), beside special ones"
    )
    survey.add_argument(
        "--table", help="what to print: survivors (default), patterns, choices, matter"
    )
    survey.add_argument(
        "--bounds",
        action="store_true",
        help="the strongest bound on g_X of every pattern, without mixing or at one --kappa",
    )
    survey.add_argument("--models", metavar="DIR", help="write a model file for each survivor")
    survey.add_argument("--figures", metavar="DIR", help="draw charges, and planes of survivors")
    survey.add_argument("--resume", action="store_true", help="continue an interrupted survey")
    survey.add_argument("--force", action="store_true", help="replace existing output")
    survey.add_argument("--shard", type=_shard, metavar="i/n", help="every n-th tile only")
    survey.add_argument("--json", action="store_true")

    left = verb(
        "survivors", _survivors, "which models of a map explain g-2 and pass its constraints"
    )
    left.add_argument("map", metavar="MAP.h5")
    left.add_argument(
        "--n_sigma", type=float, default=2.0, help="width of the g-2 band (default 2)"
    )
    left.add_argument("--json", action="store_true")

    models = verb(
        "models",
        _models,
        "list the named models, show one, or write one as a file",
        "zscan models\nzscan models B-L,neutrinos=dirac,g_chi_over_g=5,m_chi_over_m_X=0.3\n"
        "zscan models darkcast/models/mine.py -o mine.toml",
    )
    models.add_argument(
        "name",
        nargs="?",
        help="benchmark name, such as B-L,neutrinos=dirac, or path of a model file: NAME.toml, or "
        "NAME.py of DarkCast, which is read as text",
    )
    models.add_argument("-o", "--output", metavar="FILE.toml", help="write it as a model file")
    models.add_argument("--force", action="store_true", help="replace an existing file")

    verb(
        "su5",
        _su5,
        "vector muoquark of SU(5): charges of Table 2, anomalies, breaking chains, vector bosons",
    )
    charges = verb(
        "charges", _charges, "all anomaly-free charges with universal quarks: counts, tables, files"
    )
    charges.add_argument(
        "--max", type=int, required=True, metavar="N", help="largest absolute value of a charge"
    )
    charges.add_argument(
        "--class",
        dest="classes",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="select rows that are in all of these classes, such as vector or class3; "
        "!NAME: that are not in it",
    )
    charges.add_argument("--chiral", action="store_true", help="the same as --class chiral")
    charges.add_argument(
        "--table",
        action="store_true",
        help="Table 1 of the paper: also the chiral rows and class 3",
    )
    charges.add_argument("--list", action="store_true", help="print the selected rows")
    charges.add_argument(
        "-o", "--output", metavar="FILE", help="write the selected rows: FILE.h5 or FILE.csv"
    )
    charges.add_argument("--force", action="store_true", help="replace an existing catalogue")

    limits = verbs.add_parser(
        "limits", help="published limit curves", description="Published limit curves."
    )
    actions = limits.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list",
        help="all known curves with status, confidence level, masses and reference model",
        description="All known curves, or those that nobody could get.",
    )
    listing.add_argument(
        "--missing",
        action="store_true",
        help="published limits without public numbers: what to fetch, and the file to fill",
    )
    form = listing.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="as in docs/limits.md")
    form.add_argument("--json", action="store_true")
    listing.set_defaults(command=_limits_list)
    importing = actions.add_parser(
        "import", help="convert the limits of a DarkCast checkout (read as text)"
    )
    importing.add_argument("path", help="folder of the checkout")
    importing.add_argument(
        "-o", "--output", default="limits", metavar="DIR", help="folder to write (default limits)"
    )
    importing.add_argument("--force", action="store_true", help="replace existing limit files")
    importing.set_defaults(command=_limits_import)

    for name, command, text in (
        ("info", _info, "print what a map says of itself"),
        ("verify", _verify, "check every digest of a map"),
        ("cite", _cite, "BibTeX of everything a map rests on"),
    ):
        verb(name, command, text).add_argument("map", metavar="MAP.h5")
    export = verb(
        "export",
        _export,
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
    merge = verb("merge", _merge, "join the tiles of a scan into its map")
    merge.add_argument("map", metavar="OUT.h5")
    merge.add_argument("--force", action="store_true", help="replace an existing map")
    merge.add_argument(
        "--partial", action="store_true", help="missing tiles become NaN with status 0"
    )
    return parser


def entry() -> None:
    """Entry point of the command: `main`, then the exit code."""
    with interruptible(), exit_at_second_signal():
        code = main()
        if code == EXIT_CODE:
            # Interrupted: what the libraries still run in threads must not be torn down half-way
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    entry()
