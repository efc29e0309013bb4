"""Layers of a figure, drawn from a map alone: bands, excluded and favoured regions, curves, lines.

Each layer has `draw(axes, data)`, which returns an `Entry` for everything that is visible; `data`
has the axes of the panel left, x before y. `absence(data)` says why a layer shows nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import matplotlib.patches
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from zscan.results.figures import names, style
from zscan.results.figures.curves import Channels, Curves, Levels, MeasuredRange, VerticalLines
from zscan.results.figures.planes import (
    Entry,
    as_plane,
    contour,
    excess_plane,
    line_entry,
    plane,
    pull_plane,
    summed,
)
from zscan.results.rule import band

_FILLS, _OUTLINES, _PROJECTIONS, _BANDS = 1.0, 2.0, 2.4, 2.8  # from back to front
DAGGER = r"$^\dagger$"


@dataclass(frozen=True)
class Band:
    """Values of an observable within `n_sigma` of its measurement: edges solid black, centre
    dashed.

    Where the band contains zero coupling (no preference for new physics) only the upper edge is
    drawn, as a limit."""

    constraint: str
    n_sigma: float = 2.0
    name: str = ""

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the band."""
        text = self.name or names.label(data.attrs, self.constraint)
        label = rf"{text} $\pm{self.n_sigma:g}\sigma$"
        ink = str(matplotlib.rcParams["axes.edgecolor"])  # a style may be dark
        solid = {"colors": ink, "linewidths": 1.4, "linestyles": "solid", "zorder": _BANDS}
        edges_id = f"{self.constraint}/edges"
        if f"pull/{self.constraint}" in data and f"observable/{self.constraint}" not in data:
            x, y, pulls = as_plane(data[f"pull/{self.constraint}"], self.constraint)
            lines = contour(axes, x, y, pulls, [self.n_sigma], edges_id, solid)
            return line_entry(lines, ink, 1.4, "-", label, kept=True)
        x, y, observable = plane(data, self.constraint)
        lower, centre, upper = band(data.attrs, self.constraint, self.n_sigma)
        if lower <= 0:
            lines = contour(axes, x, y, observable, [upper], edges_id, solid)
            label = rf"{text}, ${self.n_sigma:g}\sigma$ upper limit"
            return line_entry(lines, ink, 1.4, "-", label, kept=True)
        lines = contour(axes, x, y, observable, [lower, upper], edges_id, solid)
        dashed = solid | {"linewidths": 1.0, "linestyles": "dashed"}
        lines += contour(axes, x, y, observable, [centre], f"{self.constraint}/centre", dashed)
        return line_entry(lines, ink, 1.4, "-", label, kept=True)

    def absence(self, data: xr.Dataset) -> str:
        """Why there is no band."""
        if f"observable/{self.constraint}" not in data:
            return "no point within its range"
        _, _, observable = plane(data, self.constraint)
        lower, _, upper = band(data.attrs, self.constraint, self.n_sigma)
        finite = observable[np.isfinite(observable)]
        if not finite.size:
            return "does not apply"
        if (finite <= 0).all() and lower > 0:
            return "wrong sign everywhere"
        inside = bool(np.any((finite >= lower) & (finite <= upper)))
        return "all points within its range" if inside else "no point within its range"


@dataclass(frozen=True)
class Excluded:
    """Region that a constraint excludes by its rule (see `zscan.results.rule`), all its pieces.

    Shaded where `filled`, with an outline in the colour of its experiment; else the outline alone,
    thin. None: shaded if it is somewhere the strongest of its figure. `rank` orders the shades from
    the back, `beyond` marks what the paper does not use, `above` takes the place of the limit."""

    constraint: str
    label: str = ""
    filled: bool | None = None
    rank: float = 0.0
    beyond: bool = False
    colour: str = ""
    above: float | None = None

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the region."""
        x, y, values = excess_plane(data, self.constraint, self.above)
        if not np.any(values > 0):
            return []
        face, line = style.colours(names.experiment(data.attrs, self.constraint))
        face, line = (self.colour, self.colour) if self.colour else (face, line)
        text = self.label or names.label(data.attrs, self.constraint)
        text += f" {DAGGER}" if self.beyond else ""
        closed = np.where(np.isfinite(values), values, -1.0)
        look = {"colors": line, "linewidths": 1.0 if self.filled else 0.7, "zorder": _OUTLINES}
        lines = contour(axes, x, y, closed, [0.0], f"{self.constraint}/outline", look)
        if not self.filled:
            return line_entry(lines, line, 0.7, "-", text)
        region = axes.contourf(
            x, y, closed, levels=[0.0, np.inf], colors=[face], zorder=_FILLS + self.rank / 1000
        )
        region.set_gid(f"{self.constraint}/region")
        patch = matplotlib.patches.Patch(fc=face, ec=line, lw=1.0, label=text)
        return [Entry(patch, line, tuple(lines), values > 0)]

    def absence(self, data: xr.Dataset) -> str:
        """Why nothing is excluded."""
        if self.constraint not in data["constraint"].values:
            return "not in the map"
        _, _, values = excess_plane(data, self.constraint, self.above)
        if not np.isfinite(values).any():
            return "does not apply"
        spread = np.nanmax(values, initial=-np.inf) - np.nanmin(values, initial=np.inf)
        return "no effect" if spread == 0 else "excludes nothing here"


@dataclass(frozen=True)
class Backdrop:
    """All that any of several constraints excludes, very light, behind everything: what only a thin
    line bounds must not look allowed.
    """

    layers: tuple[Excluded, ...]

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Shade the union; it has no name."""
        planes = [excess_plane(data, layer.constraint, layer.above) for layer in self.layers]
        largest = np.max([np.where(np.isfinite(v), v, -1.0) for _, _, v in planes], axis=0)
        if np.any(largest > 0):
            x, y, _ = planes[0]
            axes.contourf(
                x, y, largest, levels=[0.0, np.inf], colors=[style.backdrop()], zorder=_FILLS - 0.1
            ).set_gid("excluded")
        return []


@dataclass(frozen=True)
class Projected:
    """Reach of a future experiment, or a bound drawn like one: the dashed line on which it would
    exclude; `rank` is the number of its dashes.
    """

    constraint: str
    label: str = ""
    rank: int = 0
    beyond: bool = False
    colour: str = ""
    above: float | None = None

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the line."""
        x, y, values = excess_plane(data, self.constraint, self.above)
        experiment = names.experiment(data.attrs, self.constraint)
        colour = self.colour or style.colours(experiment)[1]
        dashes = style.DASHES[self.rank % len(style.DASHES)]
        look = {"colors": colour, "linewidths": 1.2, "linestyles": [dashes], "zorder": _PROJECTIONS}
        lines = contour(axes, x, y, values, [0.0], f"{self.constraint}/projection", look)
        text = self.label or names.label(data.attrs, self.constraint)
        text += f" {DAGGER}" if self.beyond else ""
        return line_entry(lines, colour, 1.2, dashes, text)

    def absence(self, data: xr.Dataset) -> str:
        """Why there is no line."""
        return Excluded(self.constraint, above=self.above).absence(data)


@dataclass(frozen=True)
class Favoured:
    """Region in which an observable lies within `n_sigma` of its measurement, shaded."""

    constraint: str
    label: str = ""
    n_sigma: float = 2.0
    colour: str = ""

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Shade the region."""
        x, y, pulls = pull_plane(data, self.constraint)
        inside = self.n_sigma - np.where(np.isfinite(pulls), pulls, np.inf)
        inside = np.maximum(inside, -1e3)
        if not np.any(inside > 0):
            return []
        face, line = style.colours(names.experiment(data.attrs, self.constraint))
        face, line = (self.colour, self.colour) if self.colour else (face, line)
        look = {"colors": line, "linewidths": 1.0, "zorder": _OUTLINES}
        lines = contour(axes, x, y, inside, [0.0], f"{self.constraint}/outline", look)
        region = axes.contourf(
            x, y, inside, levels=[0.0, np.inf], colors=[face], zorder=_OUTLINES - 0.1
        )
        region.set_gid(f"{self.constraint}/region")
        text = self.label or names.label(data.attrs, self.constraint)
        label = rf"{text} $\pm{self.n_sigma:g}\sigma$"
        patch = matplotlib.patches.Patch(fc=face, ec=line, lw=1.0, label=label)
        return [Entry(patch, line, tuple(lines), inside > 0)]

    def absence(self, data: xr.Dataset) -> str:
        """Why nothing is favoured."""
        _, _, pulls = pull_plane(data, self.constraint)
        finite = np.isfinite(pulls).any()
        return f"nowhere within {self.n_sigma:g} sigma" if finite else "does not apply"


@dataclass(frozen=True)
class Combined:
    """Regions of the sum of chi2 of several constraints, above its minimum in the figure, with the
    best point: levels of two parameters.
    """

    constraints: tuple[str, ...]
    levels: Mapping[str, float] = field(default_factory=lambda: {"68 %": 2.296, "95 %": 5.991})
    colour: str = "#c2185b"

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the outlines and the best point."""
        x, y, chi2 = as_plane(summed(data, self.constraints), "sum of delta_chi2")
        if not np.isfinite(chi2).any():
            return []
        row, column = np.unravel_index(np.nanargmin(chi2), chi2.shape)
        entries = []
        for (label, level), dashes in zip(self.levels.items(), ("-", "--"), strict=False):
            look = {"colors": self.colour, "linewidths": 1.3, "linestyles": dashes}
            above = chi2 - np.nanmin(chi2)
            lines = contour(
                axes, x, y, above, [level], f"combined/{label}", look | {"zorder": _BANDS}
            )
            entries += line_entry(lines, self.colour, 1.3, dashes, f"combined, {label}")
        (star,) = axes.plot(
            x[column], y[row], "*", color=self.colour, ms=8, zorder=_BANDS, label="best point"
        )
        star.set_gid("combined/best")
        return [*entries, Entry(star, self.colour)]

    def absence(self, data: xr.Dataset) -> str:
        """Why there is no region."""
        return "none of its constraints applies"


Region = Band | Excluded | Projected | Favoured | Combined  # may be empty, and says why
Layer = Region | Backdrop | Curves | Channels | Levels | MeasuredRange | VerticalLines


def rests_on(layer: Layer) -> tuple[str, ...]:
    """Constraints that a layer shows, for the caption."""
    if isinstance(layer, Curves | Channels | Levels | VerticalLines | Combined):
        return layer.constraints
    if isinstance(layer, Backdrop):
        return tuple(item.constraint for item in layer.layers)
    return (layer.constraint,)


def beyond_the_paper(layers: Iterable[Layer]) -> tuple[str, ...]:
    """Constraints of the layers that are marked as what the paper does not use."""
    marked = (item for item in layers if isinstance(item, Excluded | Projected) and item.beyond)
    return tuple(item.constraint for item in marked)


def level(layer: Layer, measured: Mapping[str, Any]) -> str:
    """The level at which a layer draws a measurement, for the caption."""
    if isinstance(layer, Band | Favoured | MeasuredRange):
        return f"{layer.n_sigma:g} sigma"
    if isinstance(layer, Excluded | Projected) and layer.above is not None:
        return f"limit set to {layer.above:g}"
    if measured.get("band"):
        return str(measured["band"])
    cl = measured["cl"]  # text in maps of zscan 0.1
    return cl if isinstance(cl, str) else f"{100 * cl:g} %"
