"""Layers of a figure, drawn from a map alone: bands, excluded and favoured regions, curves, lines.

Each layer has `draw(axes, data)`, which returns its legend entries; `data` has the axes of the
panel left, x before y."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.lines
import matplotlib.patches
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from zscan.errors import ParameterError, UnknownNameError
from zscan.results.figures import style
from zscan.results.rule import excess, measurement, stored


@dataclass(frozen=True)
class Band:
    """Values of an observable within `n_sigma` of its measurement: edges solid black, centre
    dashed.

    Where the band contains zero coupling (no preference for new physics) only the upper edge is
    drawn, as a limit."""

    constraint: str
    name: str
    n_sigma: float = 2.0

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the band; returns its legend entries."""
        x, y, observable = plane(data, self.constraint)
        lower, centre, upper = interval(data, self.constraint, self.n_sigma)
        edges = [upper] if lower <= 0 else [lower, upper]
        solid: dict[str, Any] = {"colors": "black", "linewidths": 1.3, "linestyles": "solid"}
        _contour(axes, x, y, observable, edges, f"{self.constraint}/edges", solid)
        label = f"{self.name}, ${self.n_sigma:g}\\sigma$"
        if lower <= 0:
            return [
                matplotlib.lines.Line2D([], [], color="black", lw=1.3, label=f"{label} upper limit")
            ]
        dashed: dict[str, Any] = {"colors": "black", "linewidths": 1.0, "linestyles": "dashed"}
        _contour(axes, x, y, observable, [centre], f"{self.constraint}/centre", dashed)
        return [
            matplotlib.lines.Line2D([], [], color="black", lw=1.3, label=label),
            matplotlib.lines.Line2D(
                [], [], color="black", lw=1.0, ls="--", label=f"{self.name}, centre"
            ),
        ]


@dataclass(frozen=True)
class Excluded:
    """Region that a constraint excludes by its rule (see `zscan.results.rule`), all its pieces,
    shaded.
    """

    constraint: str
    label: str

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Shade the region; returns its legend entry."""
        x, y, values = excess_plane(data, self.constraint)
        status = measurement(data.attrs, self.constraint)["status"]
        provisional = " (provisional)" if status == "provisional" else ""
        return _shade(axes, x, y, values, self.constraint, self.label + provisional)


@dataclass(frozen=True)
class ExcludedByAny:
    """Boundary of the union of the regions that several limits exclude: searches that matter little
    in the figure.
    """

    constraints: tuple[str, ...]
    label: str

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the boundary; returns its legend entry."""
        x, y, _ = excess_plane(data, self.constraints[0])
        excesses = [excess_plane(data, name)[2] for name in self.constraints]
        # Where no curve applies nothing is excluded
        largest = np.max(
            [np.where(np.isfinite(values), values, -1.0) for values in excesses], axis=0
        )
        look: dict[str, Any] = {"colors": style.OTHERS, "linewidths": 0.9, "linestyles": "solid"}
        _contour(axes, x, y, largest, [0.0], "others/outline", look)
        return [matplotlib.lines.Line2D([], [], color=style.OTHERS, lw=0.9, label=self.label)]


@dataclass(frozen=True)
class Projected:
    """Reach of a future experiment, or a bound drawn like one: the dashed line on which it would
    exclude.
    """

    constraint: str
    label: str

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the line; returns its legend entry."""
        x, y, values = excess_plane(data, self.constraint)
        colour = style.PROJECTED[self.constraint]
        look: dict[str, Any] = {"colors": colour, "linewidths": 1.2, "linestyles": "dashed"}
        _contour(axes, x, y, values, [0.0], f"{self.constraint}/projection", look)
        return [matplotlib.lines.Line2D([], [], color=colour, lw=1.2, ls="--", label=self.label)]


@dataclass(frozen=True)
class Favoured:
    """Region in which an observable lies within `n_sigma` of its measurement, shaded."""

    constraint: str
    label: str
    n_sigma: float = 2.0

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Shade the region; returns its legend entry."""
        x, y, observable = plane(data, self.constraint)
        lower, centre, upper = interval(data, self.constraint, self.n_sigma)
        inside = self.n_sigma - np.where(
            observable > centre,
            self.n_sigma * (observable - centre) / (upper - centre),
            self.n_sigma * (centre - observable) / (centre - lower),
        )
        return _shade(
            axes, x, y, inside, self.constraint, f"{self.label}, ${self.n_sigma:g}\\sigma$"
        )


@dataclass(frozen=True)
class Curves:
    """A stored observable against x, one line for each value of the axis `over`."""

    constraints: tuple[str, ...]
    observable: str
    over: str
    symbol: str

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the lines; returns their legend entries."""
        values = stored(data, self.observable)
        (x,) = (name for name in values.dims if name != self.over)
        lines: list[Artist] = []
        if data[self.over].size > len(style.LINES):
            raise ParameterError(
                f"{self.over} has {data[self.over].size} values; at most {len(style.LINES)} lines "
                "can be told apart"
            )
        for value, (colour, dashes) in zip(data[self.over].values, style.LINES, strict=False):
            y = values.sel({self.over: value}).values
            (line,) = axes.plot(
                data[x].values,
                y,
                color=colour,
                ls=dashes,
                lw=1.3,
                label=f"{self.symbol} = {value:g}",
            )
            line.set_gid(f"{self.observable}/{value:g}")
            lines.append(line)
        return lines


@dataclass(frozen=True)
class Levels:
    """Labelled contour lines of a stored observable; `unit` is that of the labels, in units of the
    map.
    """

    observable: str
    levels: Sequence[float]
    label: str
    unit: float = 1.0
    constraints: tuple[str, ...] = ()
    colour: str = "#606060"

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the lines; returns their legend entry."""
        x, y, values = plane(data, self.observable)
        look: dict[str, Any] = {"colors": self.colour, "linewidths": 0.8, "linestyles": "dotted"}
        lines = axes.contour(
            x, y, np.ma.masked_invalid(values) / self.unit, levels=sorted(self.levels), **look
        )
        lines.set_gid(f"{self.observable}/levels")
        axes.clabel(lines, fmt="%g", fontsize=7)
        return [
            matplotlib.lines.Line2D([], [], color=self.colour, lw=0.8, ls=":", label=self.label)
        ]


@dataclass(frozen=True)
class MeasuredRange:
    """Horizontal dashed lines at the measured value plus and minus `n_sigma`."""

    constraint: str
    label: str
    n_sigma: float = 1.0

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the lines; returns their legend entry."""
        lower, _, upper = interval(data, self.constraint, self.n_sigma)
        for value in (lower, upper):
            axes.axhline(value, color="black", lw=1.0, ls="--", gid=f"{self.constraint}/range")
        label = f"{self.label}, ${self.n_sigma:g}\\sigma$"
        return [matplotlib.lines.Line2D([], [], color="black", lw=1.0, ls="--", label=label)]


@dataclass(frozen=True)
class VerticalLines:
    """Dotted gray guides at fixed x."""

    at: Sequence[float]
    label: str
    constraints: tuple[str, ...] = ()

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the guides; returns their legend entry."""
        for value in self.at:
            axes.axvline(value, color="#707070", lw=0.9, ls=":", gid="guide")
        return [matplotlib.lines.Line2D([], [], color="#707070", lw=0.9, ls=":", label=self.label)]


@dataclass(frozen=True)
class Channels:
    """Several stored observables against x, each with its own label: e.g. branching ratios."""

    observables: Mapping[str, str]
    constraints: tuple[str, ...] = ()

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the lines; returns their legend entries."""
        lines: list[Artist] = []
        for (name, label), (colour, dashes) in zip(
            self.observables.items(), style.LINES, strict=False
        ):
            values = stored(data, name)
            (x,) = values.dims
            (line,) = axes.plot(
                data[x].values, values.values, color=colour, ls=dashes, lw=1.2, label=label
            )
            line.set_gid(name)
            lines.append(line)
        return lines


Layer = (
    Band
    | Excluded
    | ExcludedByAny
    | Projected
    | Favoured
    | Curves
    | Channels
    | Levels
    | MeasuredRange
    | VerticalLines
)


def rests_on(layer: Layer) -> tuple[str, ...]:
    """Constraints that a layer shows, for the caption."""
    if isinstance(layer, Curves | Channels | Levels | VerticalLines | ExcludedByAny):
        return layer.constraints
    return (layer.constraint,)


def level(layer: Layer, measured: Mapping[str, Any]) -> str:
    """The level at which a layer draws a measurement, for the caption."""
    if isinstance(layer, Band | Favoured | MeasuredRange):
        return f"{layer.n_sigma:g} sigma"
    if measured.get("band"):
        return str(measured["band"])
    cl = measured["cl"]  # text in maps of zscan 0.1
    return cl if isinstance(cl, str) else f"{100 * cl:g} %"


def plane(data: xr.Dataset, observable: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes x, y that a map has left and a stored observable as an array (y, x) for drawing.

    Raises `UnknownNameError` when the map does not hold the observable or has not exactly two axes
    left."""
    return _as_plane(stored(data, observable), observable)


def _as_plane(values: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if values.ndim != 2:
        raise UnknownNameError(
            f"{name} has the axes {values.dims}; select one value of all but two first"
        )
    x, y = values.dims
    return values[x].values, values[y].values, values.values.T


def excess_plane(data: xr.Dataset, constraint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes x, y that a map has left and the excess of a constraint over its limit as an
    array (y, x).
    """
    return _as_plane(excess(data, constraint), constraint)


def interval(data: xr.Dataset, constraint: str, n_sigma: float) -> tuple[float, float, float]:
    """Measured value minus `n_sigma` standard deviations, itself, and plus `n_sigma`."""
    measured = measurement(data.attrs, constraint)
    value = float(measured["value"])
    return (
        value - n_sigma * measured["error_minus"],
        value,
        value + n_sigma * measured["error_plus"],
    )


def _contour(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    levels: list[float],
    gid: str,
    look: dict[str, Any],
) -> None:
    """Contour lines; nothing where the level is not reached at all (an absent band is a result, not
    a fault).
    """
    finite = values[np.isfinite(values)]
    reached = [level for level in levels if finite.size and finite.min() < level < finite.max()]
    if reached:
        axes.contour(x, y, np.ma.masked_invalid(values), levels=reached, **look).set_gid(gid)


def _shade(
    axes: Axes, x: np.ndarray, y: np.ndarray, excess: np.ndarray, constraint: str, label: str
) -> list[Artist]:
    """Shade where `excess` is positive; the entry of the legend is there even if the region is
    empty.
    """
    face, hatch = style.FILL[constraint]
    outline: dict[str, Any] = {"colors": "#404040", "linewidths": 0.7}
    _contour(axes, x, y, excess, [0.0], f"{constraint}/outline", outline)
    if np.any(excess > 0):
        shown = np.ma.masked_invalid(excess)
        region = axes.contourf(
            x, y, shown, levels=[0.0, np.inf], colors=[face], alpha=0.85, hatches=[hatch]
        )
        region.set_edgecolor("white")
        region.set_linewidth(0.0)
        region.set_gid(f"{constraint}/region")
    return [matplotlib.patches.Patch(fc=face, ec="#404040", lw=0.7, hatch=hatch, label=label)]
