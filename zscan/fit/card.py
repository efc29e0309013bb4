"""A fit from a card: best fit, intervals, profiles, samples into one file, a table and a figure."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from pydantic import Field

from zscan.errors import CardError, Fault
from zscan.fit.best import FitResult, maximum_likelihood
from zscan.fit.nuts import Samples, sample
from zscan.fit.problem import Normal, Parameter, Problem
from zscan.fit.profiles import intervals, profile
from zscan.precision import in_float64
from zscan.results.figures.corner import save_corner
from zscan.results.figures.picture import CAPTION, PICTURE, caption_path, picture_format
from zscan.results.fits import LEVELS, FitFile, fit_tables, open_fit
from zscan.results.outputs import Output, guard
from zscan.results.text import jsonable
from zscan.scans.axes import Number, Section, validate
from zscan.scans.devices import choose, using
from zscan.scans.folders import map_outputs
from zscan.scans.interrupts import interruptible
from zscan.scans.run import run_scan
from zscan.scans.spec import ScanSpec, load_card
from zscan.untrusted import creation_time, file_name

_DRAWN = 1e-3  # accuracy of chi2 in a plane, which is for the eye
_FINER = 4  # intervals of a profile in one of the planes: a line shows bends that a region does not
_BEYOND = (
    1.7  # a plane reaches this far beyond the 95 % intervals: regions of two parameters are wider
)


class _Fit(Section):
    starts: int = Field(default=128, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0)
    points: int = Field(default=41, ge=5, le=1000)
    start: dict[str, Number] = Field(default_factory=dict)
    prior: dict[str, Any] = Field(default_factory=dict)
    sample: dict[str, Any] | None = None


class _Normal(Section):
    mean: Number
    sigma: Number


class _Sample(Section):
    draws: int = Field(default=2000, ge=10, le=1_000_000)
    warmup: int = Field(default=1000, ge=10, le=1_000_000)
    chains: int = Field(default=4, ge=1, le=1000)


FIT_SECTIONS: dict[str, type[Section]] = {"fit": _Fit, "fit.prior": _Normal, "fit.sample": _Sample}


@dataclass(frozen=True)
class FittedCard:
    """What `fit_card` made: the paths of map and figure, the result, the intervals, the samples if
    there are any.
    """

    map: Path
    figure: Path
    result: FitResult
    intervals: dict[str, dict[str, tuple[float, float]]]
    samples: Samples | None

    def to_table(self) -> dict[str, Any]:
        """JSON-able table: paths, best fit, errors, intervals by level; NaN becomes None."""
        result = self.result
        table = {
            "map": str(self.map),
            "figure": str(self.figure),
            "parameters": result.parameters,
            "errors": result.errors,
            "at_bound": dict(zip(result.names, result.at_bound, strict=True)),
            "chi2": result.chi2,
            "chi2_total": result.chi2_total,
            "p_value": result.p_value,
            "intervals": self.intervals,
        }
        plain: dict[str, Any] = jsonable(table)
        return plain

    def __str__(self) -> str:
        lines = [str(self.result), f"  {'parameter':18}{'68 % interval':>28}{'95 % interval':>28}"]
        for name in self.result.names:
            cells = []
            for level, _ in LEVELS:
                ends = [
                    "bound" if math.isnan(end) else f"{end:.5g}"
                    for end in self.intervals[level][name]
                ]
                cells.append(f"{' .. '.join(ends):>28}")
            lines.append(f"  {name:18}{''.join(cells)}")
        return "\n".join(
            [
                *lines,
                *([str(self.samples)] if self.samples else []),
                str(self.map),
                str(self.figure),
            ]
        )


def card_problem(
    card: str | Path | Mapping[str, Any], overrides: Sequence[str] | None = None
) -> Problem:
    """The `Problem` of a card: its axes are the free parameters, min and max their bounds; see
    `fit_card`. Raises `CardError`.
    """
    return _problem(load_card(card, overrides))[0]


@interruptible()
@in_float64
def fit_card(
    card: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] | None = None,
    force: bool = False,
    progress: bool | None = None,
    ending: str = "png",
    provenance: bool = True,
    device: str | None = None,
) -> FittedCard:
    """Fit a card: OUT.h5 with the map of the card and the fit, OUT.png with its profiles and
    regions and its caption beside it; with another `ending` ("pdf", "svg") OUT.pdf or OUT.svg.
    Without `provenance` no line in the figure tells where it is from.

    A card of a fit is one of a scan: every axis is a free parameter between its min and max on its
    scale, and so is every profiled one; the map is the scan of the axes. A section [fit] may give
    `starts` (128), `seed` (0), `points` of each axis of a plane (41; in a profile each step has
    four parts), tables `start` (values to start from) and `prior` ("flat", "log-flat" or { mean,
    sigma }) by parameter, and `sample` (draws, warmup, chains) for NUTS. Defaults: results/NAME.h5
    and .png.

    `device` is "cpu", "gpu" or the number of one, by default that of the card; map and fit are
    computed there. Nothing is written, and `NotConvergedError` raised, when the fit has no minimum
    or the chains do not agree. Raises `CardError` for a faulty card, `ParameterError` for a device
    that is not here, `ResultExistsError` if one of the files exists and is not ours or not `force`,
    before any work, and what `run_scan` raises. `zscan.open_scan`
    reads the map, `zscan.open_fit` the fit.
    """
    choose(device)
    spec = load_card(card, overrides)
    problem, options, sampling = _problem(spec)
    creation_time()  # a bad environment is told before the work
    device = device or spec.device
    choose(device)
    out = Path("results") / f"{spec.name}.h5" if out is None else file_name(out, "map")
    figure = out.parent / f"{out.stem}.{ending}"
    picture_format(figure)
    pictures = [Output(figure, PICTURE), Output(caption_path(figure), CAPTION)]
    guard([*map_outputs(out), *pictures], force=force)
    with using(device):
        result = maximum_likelihood(problem, starts=options["starts"], seed=options["seed"])
        _ = result.parameters  # raises when there is no minimum
        found = {level: intervals(problem, result, cl=cl) for level, cl in LEVELS}
        samples = None if sampling is None else sample(problem, seed=options["seed"], **sampling)
        content = _content(problem, result, found, samples, options["points"])
    changes = [part for text in spec.overrides for part in ("--set", text)]
    path = run_scan(
        spec,
        out,
        resume=not force,
        force=force,
        progress=progress,
        tables=fit_tables(content),
        device=device,
        command=shlex.join(["zscan", "fit", spec.label, *changes]),
    )
    save_corner(open_fit(path), figure, provenance=provenance, force=force)
    return FittedCard(path, figure, result, found, samples)


def _problem(spec: ScanSpec) -> tuple[Problem, dict[str, Any], dict[str, Any] | None]:
    faults: list[Fault] = []
    options = validate(_Fit, spec.fit, "fit", faults)
    sampling = None
    if options.get("sample") is not None:
        sampling = validate(_Sample, options["sample"], "fit.sample", faults)
    ranges = {axis.name: axis.definition for axis in spec.axes}
    ranges |= {item.name: item.definition for item in spec.profiled}
    for key in ("start", "prior"):
        for name in options.get(key, {}):
            if name not in ranges:
                faults.append(
                    Fault(f"fit.{key}.{name}", "not an axis of the card", allowed=", ".join(ranges))
                )
    parameters: dict[str, Parameter | tuple[float, float]] = {}
    for name, definition in ranges.items():
        if "models" in definition or "min" not in definition:
            faults.append(
                Fault(f"axis.{name}", "a fit needs min and max", allowed="min, max, num and scale")
            )
            continue
        prior = _prior(name, options.get("prior", {}).get(name), faults)
        start = options.get("start", {}).get(name)
        scale = definition.get("scale", "linear")
        parameters[name] = Parameter(definition["min"], definition["max"], scale, prior, start)
    if faults:
        raise CardError(spec.label, faults)
    problem = Problem(
        spec.model, spec.likelihood.asked, spec.observables, parameters=parameters, fixed=spec.fixed
    )
    return problem, options, sampling


def _prior(name: str, value: Any, faults: list[Fault]) -> Any:
    if isinstance(value, Mapping):
        found = validate(_Normal, value, f"fit.prior.{name}", faults)
        return Normal(**found) if len(found) == 2 else None
    if value not in (None, "flat", "log-flat"):
        faults.append(
            Fault(f"fit.prior.{name}", "unknown", value, "'flat', 'log-flat' or { mean, sigma }")
        )
        return None
    return value


def _content(
    problem: Problem,
    result: FitResult,
    found: Mapping[str, Mapping[str, tuple[float, float]]],
    samples: Samples | None,
    points: int,
) -> FitFile:
    units = {
        name: _places(problem, result, name, found["95"][name], points) for name in problem.names
    }
    grids = {name: _values(problem, name, places) for name, places in units.items()}
    profiles = {}
    for name, places in units.items():
        finer = _values(problem, name, _finer(places))
        chi2 = profile(problem, {name: finer}, result=result, starts=12).chi2 - result.chi2
        profiles[name] = (finer, chi2)
    planes = {}
    for a, b in combinations(problem.names, 2):
        plane = profile(problem, {a: grids[a], b: grids[b]}, result=result, starts=2, goal=_DRAWN)
        planes[a, b] = (grids[a], grids[b], plane.chi2 - result.chi2)
    summary = result.to_table()
    if samples is not None:
        summary["samples"] = {
            "r_hat": samples.r_hat,
            "effective": samples.effective,
            "divergences": samples.divergences,
            "priors": samples.priors,
        }
    summary["priors"] = {name: str(problem.free(name).prior) for name in problem.names}
    return FitFile(
        names=problem.names,
        best=result.parameters,
        errors=result.errors,
        covariance=result.covariance,
        intervals={level: dict(ends) for level, ends in found.items()},
        profiles=profiles,
        planes=planes,
        samples={}
        if samples is None
        else {name: draws.ravel() for name, draws in samples.values.items()},
        scales={name: problem.free(name).scale for name in problem.names},
        summary=summary,
        attributes={},
    )


def _places(
    problem: Problem, result: FitResult, name: str, interval: tuple[float, float], points: int
) -> np.ndarray:
    """Places between the bounds around the 95 % interval and the best fit, as far as the bounds
    allow, even on the parameter's scale.
    """
    bounded = problem.bounded(name)
    centre = float(bounded.to_unit(result.parameters[name]))
    ends = []
    for end, bound in zip(interval, (0.0, 1.0), strict=True):
        place = bound if math.isnan(end) else float(bounded.to_unit(end))
        ends.append(min(max(centre + _BEYOND * (place - centre), 0.0), 1.0))
    units = np.linspace(ends[0], ends[1], points)
    units[np.argmin(np.abs(units - centre))] = centre
    return units


def _finer(places: np.ndarray) -> np.ndarray:
    """Places with `_FINER` - 1 further ones in each interval."""
    steps = np.arange((len(places) - 1) * _FINER + 1) / _FINER
    return np.interp(steps, np.arange(len(places)), places)


def _values(problem: Problem, name: str, places: np.ndarray) -> np.ndarray:
    return np.asarray(problem.bounded(name).from_unit(jnp.asarray(places)))
