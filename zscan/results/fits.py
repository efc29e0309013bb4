"""Fits as files: a map with tables below fit/; reading them needs no jax."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zscan.errors import ForeignFileError
from zscan.results.check import open_checked
from zscan.results.layout import MapTable, map_table

GROUP = "fit"
LEVELS = (("68", 0.6827), ("95", 0.95))  # name and confidence level of the intervals


@dataclass(frozen=True)
class FitFile:
    """A fit as `zscan fit` writes it.

    `best` and `errors` by parameter name, `covariance` in the order of `names`,
    `intervals["68"][name]` (low, high), NaN where a bound is reached, `profiles[name]` (values,
    chi2 above the minimum), `planes[a, b]` (values of a, of b, every n-th of those of the profiles,
    and chi2 above the minimum with shape (a, b)), `samples` by name (empty without any), `scales`
    ("linear", "log"), `summary` the JSON table of the fit (goodness of fit by constraint, local
    minima, convergence, priors), `attributes` the root attributes of the map in the same file,
    which `zscan.open_scan` reads."""

    names: tuple[str, ...]
    best: dict[str, float]
    errors: dict[str, float]
    covariance: np.ndarray
    intervals: dict[str, dict[str, tuple[float, float]]]
    profiles: dict[str, tuple[np.ndarray, np.ndarray]]
    planes: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]
    samples: dict[str, np.ndarray]
    scales: dict[str, str]
    summary: Mapping[str, Any]
    attributes: Mapping[str, Any]


def fit_tables(fit: FitFile) -> tuple[MapTable, ...]:
    """The tables that a map stores of a fit."""
    names = fit.names
    tables = [
        map_table(f"{GROUP}/parameter", "free parameters, in the order of all tables", list(names)),
        map_table(
            f"{GROUP}/scale",
            "scale on which each parameter was varied",
            [fit.scales[name] for name in names],
        ),
        map_table(f"{GROUP}/best", "best fit", [fit.best[name] for name in names]),
        map_table(
            f"{GROUP}/error",
            "one standard deviation, from the Hessian",
            [fit.errors[name] for name in names],
        ),
        map_table(
            f"{GROUP}/covariance", "covariance: twice the inverse Hessian of chi2", fit.covariance
        ),
        map_table(
            f"{GROUP}/summary",
            "goodness of fit, minima, convergence, priors (JSON)",
            [json.dumps(fit.summary)],
        ),
    ]
    for level, cl in LEVELS:
        ends = [fit.intervals[level][name] for name in names]
        tables.append(
            map_table(
                f"{GROUP}/interval_{level}", f"profile-likelihood interval, {100 * cl:g} %", ends
            )
        )
    for name, columns in fit.profiles.items():
        text = f"{name}, and chi2 above the minimum, minimised over all other parameters"
        tables.append(map_table(f"{GROUP}/profile/{name}", text, columns))
    for (a, b), (_, _, chi2) in fit.planes.items():
        text = f"chi2 above the minimum over ({a}, {b}), minimised over all other parameters"
        tables.append(map_table(f"{GROUP}/plane/{a}/{b}", text, chi2))
    if fit.samples:
        draws = np.stack([fit.samples[name] for name in names], axis=1)
        tables.append(
            map_table(f"{GROUP}/samples", "draws of the posterior, one line for each", draws)
        )
    return tuple(tables)


def open_fit(path: str | Path) -> FitFile:
    """Read a fit; raises as `zscan.open_scan`, and `ForeignFileError` for a map without a fit."""
    path = Path(path)
    with open_checked(path) as (file, structure):
        if f"{GROUP}/summary" not in structure.tables:
            raise ForeignFileError(f"{path}: a map without a fit; zscan fit writes them")

        def numbers(name: str) -> np.ndarray:
            return np.asarray(file[f"{GROUP}/{name}"][...])

        def texts(name: str) -> list[str]:
            return [str(text) for text in file[f"{GROUP}/{name}"].asstr()[...]]

        names = tuple(texts("parameter"))
        profiles, planes = {}, {}
        for name in structure.tables:
            kind, *parameters = name.removeprefix(f"{GROUP}/").split("/")
            if kind == "profile":
                values, chi2 = numbers(f"profile/{parameters[0]}")
                profiles[parameters[0]] = (values, chi2)
        for name in structure.tables:
            kind, *parameters = name.removeprefix(f"{GROUP}/").split("/")
            if kind == "plane":
                a, b = parameters
                chi2 = numbers(f"plane/{a}/{b}")
                on_a, on_b = (
                    _every(profiles[name][0], size, path)
                    for name, size in zip((a, b), chi2.shape, strict=True)
                )
                planes[a, b] = (on_a, on_b, chi2)
        samples = numbers("samples").T if f"{GROUP}/samples" in structure.tables else ()
        ends = {level: numbers(f"interval_{level}").tolist() for level, _ in LEVELS}
        return FitFile(
            names=names,
            best=dict(zip(names, numbers("best").tolist(), strict=True)),
            errors=dict(zip(names, numbers("error").tolist(), strict=True)),
            covariance=numbers("covariance"),
            intervals={
                level: {n: (e[0], e[1]) for n, e in zip(names, ends[level], strict=True)}
                for level, _ in LEVELS
            },
            profiles=profiles,
            planes=planes,
            samples=dict(zip(names, samples, strict=False)),
            scales=dict(zip(names, texts("scale"), strict=True)),
            summary=json.loads(texts("summary")[0]),
            attributes={name: file.attrs[name] for name in file.attrs},
        )


def _every(values: np.ndarray, size: int, path: Path) -> np.ndarray:
    """The values of a plane with `size` of them, of those of a profile."""
    step, left = divmod(len(values) - 1, size - 1) if size > 1 else (0, 1)
    if left or not step:
        problem = f"a plane with {size} values on a profile with {len(values)}"
        raise ForeignFileError(f"{path}: the fit in it has {problem}")
    return values[::step]
