"""The figures of a survey: its charges, and the planes of each survivor, evaluated on grids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import zscan
from zscan.analysis.survey.engine import (
    G_2,
    NOTHING,
    Details,
    Engine,
    Entries,
    engine_of,
)
from zscan.analysis.survey.result import Survey
from zscan.errors import ParameterError
from zscan.results.figures.picture import save_picture
from zscan.results.figures.survey import ChargeSpace, Planes, draw_charge_space, draw_planes

_COUPLINGS = np.geomspace(1e-5, 3e-2, 120)  # of the muon
_MIXINGS = 161
_MARGIN = 1.0  # of the mixing around what survives, in its own width


def draw_survey(found: Survey, folder: str | Path, *, force: bool = False) -> list[Path]:
    """Draw FOLDER/charges.png and FOLDER/PATTERN.png for each survivor; returns their paths.

    Raises `ParameterError` for a survey that asked for no g-2, `ResultExistsError`."""
    from zscan.analysis.survey.command import file_name_of

    figures = {"charges": draw_charge_space(charge_space(found))}
    for name in found.survivors():
        figures[file_name_of(name)] = draw_planes(planes(found, name))
    return [
        _saved(figure, Path(folder) / f"{name}.png", found, force)
        for name, figure in figures.items()
    ]


def _saved(figure: Figure, path: Path, found: Survey, force: bool) -> Path:
    texts = {"Software": f"zscan {zscan.__version__}", "Source": found.attributes["command"]}
    return save_picture(figure, path, texts, force=force)


def charge_space(found: Survey) -> ChargeSpace:
    """All patterns by their charges."""
    rows = found.patterns.rows.astype(float)
    muon, electron = rows[:, 3] + rows[:, 6], rows[:, 2] + rows[:, 5]
    quark = 6 * np.where(rows[:, 0] == rows[:, 1], rows[:, 0], 0.0)

    def over(charge: np.ndarray) -> np.ndarray:
        none = np.select([charge > 0, charge < 0], [np.inf, -np.inf], 0.0)
        return np.where(muon == 0, none, charge / np.where(muon == 0, 1.0, muon))

    alive = found.survivors()
    killers = tuple(
        "" if name in alive else found.point(name).constraint for name in found.patterns.names
    )
    title = f"{len(found.patterns)} patterns, colour: limit exceeded most at the nearest point"
    windows = {name: found.windows(name) for name in alive}
    return ChargeSpace(title, over(electron), over(quark), killers, windows)


def planes(found: Survey, name: str) -> Planes:
    """The (m_X, g_X) plane of a pattern at the mixing of its best point, and its (m_X, kappa)
    plane.
    """
    asked = json.loads(found.attributes["spec"])
    if asked["survey"]["couplings"]:
        raise ParameterError("planes are drawn of a survey in which g-2 is to be explained")
    constraints = tuple(found.own.get(name, name) for name in asked["constraints"])
    if missing := [n for n in asked["likelihood"].get("own", ()) if n not in found.own]:
        raise ParameterError(
            f"planes need {', '.join(missing)}, which the file does not hold: draw them in the run "
            "of the survey (--figures)"
        )
    observables = found.attributes["observables"]
    point, i = found.point(name), found.patterns.index(name)
    masses = found.masses
    charges = np.repeat(found.patterns.rows[i : i + 1], len(masses), axis=0)
    along = Entries(charges, masses, np.full(len(masses), point.kappa))
    explaining = engine_of(constraints, observables)
    band = _details(explaining, along).g_X[:, [0, -1]].T
    free = engine_of(constraints, observables, (), tuple(_COUPLINGS.tolist()))
    g_X, coupling = _coupling_plane(free, along)
    alive = found.survives()[i]
    low = float(np.nanmin(found.values["kappa_low"][i][alive], initial=point.kappa))
    high = float(np.nanmax(found.values["kappa_high"][i][alive], initial=point.kappa))
    width = max(high - low, 0.02)
    mixings = np.linspace(low - _MARGIN * width, high + _MARGIN * width, _MIXINGS)
    many = Entries(
        np.repeat(charges[:1], len(masses) * len(mixings), axis=0),
        np.repeat(masses, len(mixings)),
        np.tile(mixings, len(masses)),
    )
    mixing = _number(explaining, many).reshape(len(masses), len(mixings))
    shift = len(free.names) - len(explaining.names)  # Delta a_mu is a limit for free couplings
    mixing = np.where(mixing >= 0, mixing + shift, mixing)
    return Planes(
        name,
        free.names,
        masses,
        g_X,
        point.kappa,
        coupling,
        band,
        mixings,
        mixing,
        (point.m_X, point.kappa),
    )


def _details(engine: Engine, entries: Entries) -> Details:
    _, index, details = engine.screen(entries, every=True)
    return details.take(np.argsort(index))


def _number(engine: Engine, entries: Entries) -> np.ndarray:
    """Number of the constraint that excludes each entry, -1 where some target survives."""
    found, index, details = engine.screen(entries)
    number = np.where(found.worst <= 1, -1, found.killer)
    number[~np.isfinite(found.worst)] = -2
    engine.add_dear(entries.take(index), details)
    largest = np.where(np.isfinite(details.g_X), details.ratio.max(axis=1), np.inf)
    target = largest.argmin(axis=1)
    here = np.arange(len(index)), target
    killer = details.ratio[here[0], :, target].argmax(axis=1)
    known = np.isfinite(largest[here])
    number[index[known]] = np.where(largest[here] <= 1, -1, killer)[known]
    return number


def _coupling_plane(engine: Engine, entries: Entries) -> tuple[np.ndarray, np.ndarray]:
    """Couplings g_X of a grid, and what excludes at each mass and coupling: chi2 compared with its
    minimum over the grid.
    """
    details = _details(engine, entries)
    engine.add_dear(entries, details)
    for name in engine.by_chi2:
        rule, delta = engine.rules[name], details.delta_chi2[:, engine.summed.index(name)]
        excess = rule.excess(delta, delta, np.nanmin(delta, axis=1, keepdims=True))
        ratio = 1 + excess / (rule.delta_chi2_excluded or 1.0)
        details.ratio[:, engine.names.index(name)] = np.nan_to_num(ratio, nan=NOTHING)
    details.ratio[:, engine.names.index(G_2)] = NOTHING
    killer = details.ratio.argmax(axis=1)
    return details.g_X[0], np.where(details.ratio.max(axis=1) <= 1, -1, killer)
