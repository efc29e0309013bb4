"""Verbs that ask a likelihood, or a map."""

from __future__ import annotations

import argparse
import json
import sys

import zscan
from zscan.cli import options
from zscan.cli.options import Verbs


def add(verbs: Verbs) -> None:
    """Add these verbs."""
    evaluate = verbs.add(
        "evaluate",
        evaluate_command,
        "one point: every observable and delta chi2 with its reference",
        "zscan evaluate Lmu-Ltau --m_X 0.1 --g_X 1e-3",
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
        type=options.parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further parameter, e.g. g_sb=1e-9",
    )
    evaluate.add_argument(
        "--eps", type=float, default=0.0, help="kinetic mixing on top of the model's own"
    )
    options.observables(evaluate)
    options.constraints(evaluate)
    evaluate.add_argument("--json", action="store_true")

    verdict = verbs.add(
        "verdict",
        verdict_command,
        "at which masses a model explains g-2, and what excludes the rest",
        "zscan verdict mine.toml --constraints paper --points 100",
    )
    verdict.add_argument("model", help="benchmark name or path of a model file")
    options.n_sigma(verdict)
    verdict.add_argument(
        "--eps_over_g", type=float, default=0.0, help="kinetic mixing on top of the model's own"
    )
    options.masses(verdict)
    verdict.add_argument(
        "--points", type=int, default=400, metavar="K", help="masses (default 400)"
    )
    options.observables(verdict)
    options.constraints(verdict)
    verdict.add_argument("--json", action="store_true")

    bounds = verbs.add(
        "bounds",
        bounds_command,
        "the couplings that each constraint excludes, against the mass of X",
        "zscan bounds B-L -o bounds.csv\n"
        "zscan bounds mine.toml --constraint 'searches/NA64*' borexino --masses 0.001 1\n"
        "zscan bounds dark-photon --masses 0.01 0.02 0.05 --cl 0.95 -o bounds.h5",
    )
    bounds.add_argument("model", help="benchmark name or path of a model file")
    options.constraints(bounds, names=("--constraint", "--constraints"))
    bounds.add_argument(
        "--masses",
        nargs="+",
        type=float,
        default=[1e-3, 10.0],
        metavar="GEV",
        help="lowest and highest mass (default 0.001 10), or more than two: a list",
    )
    bounds.add_argument(
        "--points",
        type=int,
        default=100,
        metavar="K",
        help="masses between the two (default 100), beside thresholds and ends of curves",
    )
    bounds.add_argument("--eps", type=float, default=0.0, help="kinetic mixing, added")
    bounds.add_argument("--eps_over_g", type=float, default=0.0, help="kinetic mixing over g_X")
    options.observables(bounds)
    bounds.add_argument(
        "--cl", type=float, help="confidence level (default: that of each constraint)"
    )
    bounds.add_argument(
        "--recast",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="limits for the model (default), or as published, for their own reference model",
    )
    bounds.add_argument(
        "-o", "--output", metavar="FILE", help="write FILE.csv or FILE.h5 (.nc), see docs/limits.md"
    )
    bounds.add_argument("--force", action="store_true", help="replace an existing table of bounds")
    bounds.add_argument("--json", action="store_true")

    fit = verbs.add(
        "fit",
        fit_command,
        "fit a card: best fit, errors, intervals, profiles; one HDF5 file and a figure",
        "zscan fit fit-lmu-ltau -o fit.h5",
    )
    fit.add_argument(
        "card", help="path of a card, or the name of a shipped one such as fit-lmu-ltau"
    )
    fit.add_argument(
        "-o",
        "--output",
        metavar="OUT.h5",
        help="file to write, with OUT.png and its caption (default results/NAME.h5)",
    )
    options.picture(fit)
    fit.add_argument(
        "--sample",
        action="store_true",
        help="draw from the posterior with NUTS as well (needs priors)",
    )
    options.overrides(fit)
    options.device(fit)
    fit.add_argument("--force", action="store_true", help="replace an existing fit and its figure")
    fit.add_argument("--json", action="store_true")

    survey = verbs.add(
        "survey",
        survey_command,
        "which of all anomaly-free models explain g-2, with any kinetic mixing, and what excludes "
        "the others",
        "zscan survey -o all.h5\nzscan survey all.h5 --table choices --figures figures",
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
    options.observables(survey)
    options.constraints(survey)
    options.masses(survey)
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
    survey.add_argument("--shard", type=options.shard, metavar="i/n", help="every n-th tile only")
    survey.add_argument("--json", action="store_true")

    left = verbs.add(
        "survivors",
        survivors_command,
        "which models of a map explain g-2 and pass its constraints",
        "zscan survivors results/catalogue.h5",
    )
    left.add_argument("map", metavar="MAP.h5")
    options.n_sigma(left)
    left.add_argument("--json", action="store_true")


def evaluate_command(arguments: argparse.Namespace) -> None:
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


def verdict_command(arguments: argparse.Namespace) -> None:
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


def bounds_command(arguments: argparse.Namespace) -> None:
    from zscan.results import bounds_file

    bounds = zscan.bounds(
        arguments.model,
        arguments.constraints,
        m_X=arguments.masses,
        points=arguments.points if len(arguments.masses) == 2 else None,
        eps=arguments.eps,
        eps_over_g=arguments.eps_over_g,
        observables=arguments.observables,
        cl=arguments.cl,
        recast=arguments.recast,
    )
    print(bounds_file.bounds_json(bounds) if arguments.json else bounds_file.bounds_table(bounds))
    if arguments.output is not None:
        path = bounds_file.write_bounds(arguments.output, bounds, force=arguments.force)
        print(path, file=sys.stderr if arguments.json else sys.stdout)


def fit_command(arguments: argparse.Namespace) -> None:
    from zscan.fit import fit_card

    overrides = [*arguments.set, *(["fit.sample={}"] if arguments.sample else [])]
    found = fit_card(
        arguments.card,
        arguments.output,
        overrides=overrides,
        force=arguments.force,
        ending=arguments.format or "png",
        provenance=not arguments.no_caption,
        device=arguments.device,
    )
    print(json.dumps(found.to_table(), indent=2) if arguments.json else found)


def survey_command(arguments: argparse.Namespace) -> None:
    from zscan.analysis.survey.command import run_command

    print(run_command(arguments))


def survivors_command(arguments: argparse.Namespace) -> None:
    from zscan.results.survivors import survivors

    found = survivors(arguments.map, n_sigma=arguments.n_sigma)
    print(json.dumps(found.to_table(), indent=2) if arguments.json else found)
