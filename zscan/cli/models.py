"""Verbs about models and charges."""

from __future__ import annotations

import argparse
import json

import zscan
from zscan.cli.options import Verbs
from zscan.errors import ParameterError


def add(verbs: Verbs) -> None:
    """Add these verbs."""
    models = verbs.add(
        "models",
        models_command,
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
    models.add_argument("--json", action="store_true")
    models.add_argument("--force", action="store_true", help="replace an existing file")

    verbs.add(
        "su5",
        su5_command,
        "vector muoquark of SU(5): charges of Table 2, anomalies, breaking chains, vector bosons",
        "zscan su5\nzscan su5 --json",
    ).add_argument("--json", action="store_true")

    charges = verbs.add(
        "charges",
        charges_command,
        "all anomaly-free charges with universal quarks: counts, tables, files",
        "zscan charges --max 10 --table\nzscan charges --max 100 --class chiral -o chiral.csv",
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
    charges.add_argument("--json", action="store_true", help="the counts")


def models_command(arguments: argparse.Namespace) -> None:
    if arguments.output is not None:
        from zscan.models.write import write_model

        if not arguments.name:
            raise ParameterError("-o needs the name or the path of a model")
        print(write_model(arguments.name, arguments.output, force=arguments.force))
        return
    if arguments.json:
        models = (
            [zscan.load_model(arguments.name)]
            if arguments.name
            else map(zscan.load_model, zscan.list_models())
        )
        rows = [{"description": model.description} | model.to_table() for model in models]
        print(json.dumps(rows[0] if arguments.name else rows, indent=2))
        return
    for name in [arguments.name] if arguments.name else zscan.list_models():
        model = zscan.load_model(name)
        print(f"{model.name:22} {model.description}" if not arguments.name else model)
        if arguments.name and isinstance(model, zscan.Model):
            from zscan.models.spectrum import summary

            print(summary(model))


def su5_command(arguments: argparse.Namespace) -> None:
    from zscan.charges import su5

    if arguments.json:
        print(json.dumps(su5.to_table(), indent=2))
        return
    print(f"{su5.table_2()}\n\n{su5.summary()}")


def charges_command(arguments: argparse.Namespace) -> None:
    from zscan.charges import catalogue

    classes = [*arguments.classes, *(["chiral"] if arguments.chiral else [])]
    written = None
    if arguments.output is not None:
        from zscan.results.catalogue_file import write_catalogue

        selection = catalogue.Selection(arguments.max, tuple(classes))
        written = write_catalogue(arguments.output, selection, force=arguments.force)
    if arguments.json:
        print(json.dumps(catalogue.counts(arguments.max), indent=2))
        return
    print(catalogue.report(arguments.max, classes, table=arguments.table, listing=arguments.list))
    if written:
        print(written)
