"""Figures of a survey: the charges of all patterns with what excludes them, and the planes of one
pattern; from arrays, without jax."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import matplotlib.patches
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from zscan.results.figures import style
from zscan.results.figures.names import known_experiment

_MORE = ("#c44e52", "#8c8c8c", "#937860", "#da8bc3", "#64b5cd", "#55a868", "#4c72b0", "#ccb974")
_SURVIVES = "#111111"
_EDGE = 30.0  # where patterns without a charge of the muon are drawn
_SHOWN = 25  # windows in the list
_ROW = 0.19  # inches


@dataclass(frozen=True)
class ChargeSpace:
    """All patterns: charges over that of the muon (infinite where it has none), the constraint that
    excludes each ("" for survivors), and the windows [GeV] of survivors by name.
    """

    title: str
    electron: np.ndarray
    quark: np.ndarray
    killers: tuple[str, ...]
    windows: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Planes:
    """Two planes of a pattern, each with the number of the constraint that excludes, -1 where none
    does, -2 where no coupling is asked for.

    `coupling` (m_X, g_X) at the mixing `kappa`, with the band of g-2 (low, high) at each mass;
    `mixing` (m_X, kappa) for couplings in the band."""

    name: str
    constraints: tuple[str, ...]
    m_X: np.ndarray
    g_X: np.ndarray
    kappa: float
    coupling: np.ndarray
    band: np.ndarray
    mixings: np.ndarray
    mixing: np.ndarray
    best: tuple[float, float]


def colours(constraints: Sequence[str]) -> dict[str, str]:
    """A colour for each constraint: that of its experiment where no other one has it here."""
    more = iter(_MORE * (1 + len(constraints) // len(_MORE)))
    taken: dict[str, str] = {}
    for name in constraints:
        experiment = known_experiment(name)
        face = None if experiment is None else style.colours(experiment)[0]
        taken[name] = next(more) if face is None or face in taken.values() else face
    return taken


def draw_charge_space(space: ChargeSpace) -> Figure:
    """Patterns in the plane of their charges, coloured by what excludes them, and the mass windows
    of the survivors.
    """
    counts = {name: space.killers.count(name) for name in dict.fromkeys(space.killers) if name}
    names = sorted(counts, key=lambda name: -counts[name])
    palette = colours(names)
    shown = list(space.windows.items())[:_SHOWN]
    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(11.5, max(5.2, 1.4 + _ROW * len(shown))), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        x, y = (_on_paper(values) for values in (space.electron, space.quark))
        for name in names:
            chosen = np.array([killer == name for killer in space.killers])
            label = f"{_label(name)} ({counts[name]})"
            left.plot(x[chosen], y[chosen], "o", ms=4, mfc=palette[name], mec="none", label=label)
        alive = np.array([not killer for killer in space.killers])
        label = f"survives ({alive.sum()})"
        left.plot(x[alive], y[alive], "*", ms=11, mfc="none", mec=_SURVIVES, label=label)
        left.set(xscale="symlog", yscale="symlog")
        ticks = [-_EDGE, -10, -1, 0, 1, 10, _EDGE]
        texts = ["$-\\infty$", "-10", "-1", "0", "1", "10", "$\\infty$"]
        left.set_xticks(ticks, texts)
        left.set_yticks(ticks, texts)
        left.set(xlim=(-40, 40), ylim=(-40, 40))
        left.set(xlabel="$X_e/X_\\mu$", ylabel="baryon number over $X_\\mu$")
        left.plot([-40, 40], [20, -20], ":", color="0.6", lw=0.8, zorder=0)
        left.legend(loc="upper right", fontsize=6.5, framealpha=0.9)
        left.set_title(space.title, fontsize=9)
        _draw_windows(right, shown)
    return figure


def _on_paper(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.sign(values) * _EDGE)


def _draw_windows(axes: Axes, shown: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> None:
    for row, (_, windows) in enumerate(reversed(shown)):
        for low, high in windows:
            axes.plot([low, high], [row, row], "-", color=_SURVIVES, lw=4, solid_capstyle="butt")
            if low == high:
                axes.plot([low], [row], "|", color=_SURVIVES, ms=8)
    axes.set_yticks(range(len(shown)), [name for name, _ in reversed(shown)], fontsize=8)
    axes.set(xscale="log", xlabel="$m_X$ [GeV]", ylim=(-0.7, max(len(shown), 1) - 0.3))
    axes.set_title("masses that survive (outside gaps of limit curves)", fontsize=9)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color="0.9")


def draw_planes(planes: Planes) -> Figure:
    """The planes of a pattern, coloured by the constraint that excludes most strongly."""
    numbers = sorted(
        {*planes.coupling.ravel().tolist(), *planes.mixing.ravel().tolist()} - {-1, -2}
    )
    names = [planes.constraints[int(number)] for number in numbers]
    palette = colours(names)
    cells = ListedColormap(["0.85", "white", *(palette[name] for name in names)])
    norm = BoundaryNorm(np.arange(-0.5, len(names) + 2), len(names) + 2)
    order = {-2: 0, -1: 1} | {number: 2 + i for i, number in enumerate(numbers)}

    def number(plane: np.ndarray) -> np.ndarray:
        return np.vectorize(lambda value: order[int(value)])(plane)

    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(11.5, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        kept = {"cmap": cells, "norm": norm, "shading": "nearest", "rasterized": True}
        left.pcolormesh(planes.m_X, planes.g_X, number(planes.coupling).T, **kept)
        left.fill_between(
            planes.m_X, *planes.band, fc="none", ec="black", hatch="////", lw=0.8, zorder=3
        )
        left.set(xscale="log", yscale="log", xlabel="$m_X$ [GeV]", ylabel="$g_X$")
        left.set(ylim=(planes.g_X[0], planes.g_X[-1]))
        left.set_title(f"{planes.name}, $\\epsilon e/g_X$ = {planes.kappa:.4f}", fontsize=10)
        right.pcolormesh(planes.m_X, planes.mixings, number(planes.mixing).T, **kept)
        right.set(xscale="log", xlabel="$m_X$ [GeV]", ylabel="$\\kappa = \\epsilon e/g_X$")
        right.plot(*planes.best, "+", color="black", ms=9)
        right.set_title("any coupling in the band of $g-2$ (hatched on the left)", fontsize=10)
        patches = [matplotlib.patches.Patch(fc="white", ec="0.5", label="allowed")]
        patches += [
            matplotlib.patches.Patch(fc=palette[name], label=_label(name)) for name in names
        ]
        figure.legend(handles=patches, loc="outside right center", fontsize=7)
    return figure


def _label(constraint: str) -> str:
    """A search as its experiment and the year in its name, such as BaBar 2014."""
    name = constraint.removeprefix("searches/")
    if name == constraint:
        return name
    year = re.search(r"(19|20)\d\d", name)
    return " ".join([name.split("_")[0], *([year[0]] if year else [])])
