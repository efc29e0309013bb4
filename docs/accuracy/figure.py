"""One picture of deviations: points of a kernel against an independent value, and stated errors.

Every page of docs/constraints shows one. The vertical axis is logarithmic: deviations of zero stand
at the floor of their panel, which is marked 0."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import matplotlib
import numpy as np
from numpy.typing import ArrayLike

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

ROOT = Path(__file__).resolve().parents[2]
# Okabe and Ito: told apart by colour-blind readers
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^v<>"


@dataclass(frozen=True)
class Series:
    """Deviations at `x`; `error` is the statistical error of the reference."""

    label: str
    x: ArrayLike
    deviation: ArrayLike
    error: ArrayLike | None = None


@dataclass(frozen=True)
class Stated:
    """An error that the code or a test states, between two x or everywhere."""

    label: str
    value: float
    between: tuple[float, float] | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes; `names` puts words in the place of numbers on the horizontal axis."""

    x: str
    y: str
    series: Sequence[Series]
    stated: Sequence[Stated]
    floor: float = 1e-17
    log: bool = True
    names: Sequence[str] = ()


def load(path: str) -> ModuleType:
    """A module by its path from the root of the checkout: a test, a benchmark, a recipe."""
    for folder in (ROOT, ROOT / "tests"):  # tests import the shared tests/zoo.py
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    name = "of_" + path.removesuffix(".py").replace("/", "_")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no module")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def draw(panels: Sequence[Panel], path: Path) -> None:
    """The panels beside each other, as a PNG: the same bytes for the same numbers."""
    width = 6.4 if len(panels) == 1 else 4.9 * len(panels)
    figure, row = plt.subplots(1, len(panels), figsize=(width, 4.0), squeeze=False)
    for panel, axes in zip(panels, row[0], strict=True):
        _panel(panel, axes)
    figure.tight_layout()
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


def _panel(panel: Panel, axes: plt.Axes) -> None:
    largest, zero = panel.floor, False
    for index, series in enumerate(panel.series):
        x, deviation = np.broadcast_arrays(series.x, np.abs(np.asarray(series.deviation, float)))
        if not np.isfinite(deviation).all():
            raise ValueError(f"{series.label}: {np.isnan(deviation).sum()} deviations are NaN")
        shown = np.maximum(deviation, panel.floor)
        largest, zero = max(largest, float(shown.max())), zero or bool((deviation == 0).any())
        style = {"color": COLOURS[index % 7], "marker": MARKERS[index % 7], "ms": 3.2, "lw": 0}
        label = f"{series.label}, {deviation.size}"
        if series.error is None:
            axes.plot(x, shown, label=label, **style)
        else:
            error = np.broadcast_to(series.error, shown.shape)
            low = np.minimum(error, shown - panel.floor)
            axes.errorbar(x, shown, yerr=[low, error], elinewidth=0.7, label=label, **style)
    for number, stated in enumerate(panel.stated):
        style = {"ls": ("--", ":", "-.")[number % 3], "color": "black", "lw": 1.1}
        if stated.between is None:
            axes.axhline(stated.value, label=stated.label, **style)
        else:
            axes.plot(stated.between, [stated.value] * 2, label=stated.label, **style)
    if panel.names:
        axes.set_xticks(range(len(panel.names)), panel.names, rotation=90, fontsize=6)
    elif panel.log:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        if high < 100 * low:  # fewer than two powers of ten: their names alone say little
            axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("{x:g}")
            axes.tick_params(which="minor", labelsize=8)
    axes.set_yscale("log")
    largest = max(largest, *(stated.value for stated in panel.stated))
    axes.set_ylim(panel.floor / 2, 4 * largest)
    if zero:
        axes.text(0.005, panel.floor, "0", transform=axes.get_yaxis_transform(), fontsize=7)
    axes.set_xlabel(panel.x, fontsize=9)
    axes.set_ylabel(panel.y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, lw=0.5)
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": 2, "frameon": False}
    axes.legend(fontsize=7, columnspacing=1.0, handletextpad=0.4, **place)
