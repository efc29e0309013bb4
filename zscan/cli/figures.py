"""Verbs that draw."""

from __future__ import annotations

import argparse
import shlex

import zscan
from zscan.cli import options
from zscan.cli.options import Verbs


def add(verbs: Verbs) -> None:
    """Add these verbs."""
    figure = verbs.add(
        "figure",
        figure_command,
        "scan and draw a figure of the paper: map and picture (PNG, PDF or SVG)",
        "zscan figure 2 -o results --points 200\n"
        "zscan figure 3 -o fig3.pdf --no-caption\n"
        "zscan figure all --format svg",
    )
    figure.add_argument("number", help="number of the figure, or all")
    figure.add_argument(
        "-o",
        "--output",
        default="results",
        metavar="DIR|FILE",
        help="folder (default results), or the picture to write: .pdf, .svg or .png",
    )
    figure.add_argument(
        "--points", type=int, metavar="K", help="points per axis (default: those of the card)"
    )
    options.overrides(figure, "override a key of its cards, e.g. observables=current")
    figure.add_argument(
        "--constraints",
        nargs="+",
        metavar="NAME",
        help="draw these layers only: names, patterns, or paper for exactly what the paper used",
    )
    options.picture(figure)
    figure.add_argument(
        "--force", action="store_true", help="replace existing maps of another card"
    )

    plot = verbs.add(
        "plot",
        plot_command,
        "draw a map, or a model that is scanned first: PDF, SVG or PNG",
        "zscan plot results/fig2.h5 -o fig2.pdf\n"
        "zscan plot mine.toml -o mine.pdf --constraints paper charm2     (scans the model first)\n"
        "zscan plot map.h5 --x m_X --y g_X --at eps=0 --layers 'trident_*' delta_a_mu -o p.svg\n"
        "zscan plot map.h5 --project eps_over_g --labels legend --style dark_background",
    )
    plot.add_argument(
        "source", metavar="MAP|MODEL", help="a map (.h5), or the name or file of a model"
    )
    plot.add_argument(
        "-o",
        "--output",
        default="plot.pdf",
        metavar="FILE",
        help="figure to write (default plot.pdf), with FILE.caption.txt; for a model also FILE.h5",
    )
    plot.add_argument("--x", metavar="AXIS", help="horizontal axis (default: last but one)")
    plot.add_argument("--y", metavar="AXIS", help="vertical axis (default: the last of the map)")
    plot.add_argument(
        "--at",
        type=options.parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold another axis at a value",
    )
    plot.add_argument(
        "--project",
        action="append",
        metavar="NAME",
        help="project another axis: excluded is what no value of it allows",
    )
    plot.add_argument(
        "--layers", nargs="+", metavar="NAME", help="draw these constraints only: names or patterns"
    )
    plot.add_argument(
        "--constraints",
        nargs="+",
        metavar="NAME",
        help="of a model: scan these constraints (default: all that is data)",
    )
    plot.add_argument("--labels", choices=("inside", "legend", "none"), help="where names stand")
    plot.add_argument(
        "--style", nargs="+", metavar="NAME", help="styles of matplotlib, or mplhep.NAME"
    )
    plot.add_argument("--width", help="inches (default 6), or column, or double")
    options.overrides(plot, "any key of a [plot] table, e.g. thresholds.delta_a_mu=1")
    options.no_caption(plot)
    plot.add_argument("--force", action="store_true", help="replace the map of another scan")

    explore = verbs.add(
        "explore",
        explore_command,
        "write a map as one HTML page: what excludes the point under the cursor, and by how much",
        "zscan explore results/fig2.h5 -o fig2.html\n"
        "zscan explore results/catalogue.h5 --select model=0:50 --thin g_X=2 -o few.html\n"
        "zscan explore map.h5 --select eps=0 --constraints delta_a_mu 'trident_*' -o page.html",
    )
    explore.add_argument("map", metavar="MAP.h5")
    explore.add_argument(
        "-o", "--output", metavar="FILE.html", help="page to write (default: MAP.html)"
    )
    explore.add_argument(
        "--select",
        type=options.part,
        action="append",
        default=[],
        metavar="NAME=VALUE|LOW:HIGH",
        help="hold an axis at a value, or keep a range of it",
    )
    explore.add_argument(
        "--constraints", nargs="+", metavar="NAME", help="names or patterns (default: all)"
    )
    explore.add_argument(
        "--thin",
        type=options.count,
        action="append",
        default=[],
        metavar="NAME=N",
        help="keep every n-th value of an axis, which the page tells",
    )
    explore.add_argument(
        "--max-size",
        type=float,
        default=10.0,
        metavar="MB",
        help="refuse a page that is larger (default 10)",
    )
    explore.add_argument(
        "--partial", action="store_true", help="show a map with missing tiles: not computed there"
    )
    explore.add_argument("--force", action="store_true", help="replace an existing page")


def figure_command(arguments: argparse.Namespace) -> None:
    from zscan.results.figures import FIGURES
    from zscan.scans.figure import make_figures

    for path in make_figures(
        list(FIGURES) if arguments.number == "all" else [arguments.number],
        arguments.output,
        points=arguments.points,
        force=arguments.force,
        overrides=arguments.set,
        constraints=arguments.constraints,
        ending=arguments.format,
        provenance=not arguments.no_caption,
    ):
        print(path)


def plot_command(arguments: argparse.Namespace) -> None:
    from zscan.scans.plot import make_plot, options_of_command

    for path in make_plot(
        arguments.source,
        arguments.output,
        options_of_command(arguments),
        constraints=arguments.constraints,
        command=shlex.join(["zscan", *arguments.argv]),
        provenance=not arguments.no_caption,
        force=arguments.force,
    ):
        print(path)


def explore_command(arguments: argparse.Namespace) -> None:
    print(
        zscan.explore(
            arguments.map,
            arguments.output,
            select=dict(arguments.select),
            constraints=arguments.constraints,
            thin=dict(arguments.thin),
            max_size=arguments.max_size * 1e6,
            allow_partial=arguments.partial,
            force=arguments.force,
        )
    )
