"""Layers of lines: observables against one axis, levels, guides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.lines
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from zscan.errors import ParameterError
from zscan.results.figures import names, style
from zscan.results.figures.planes import Entry, plane
from zscan.results.rule import band, stored

_LONG = 0.4  # length of a line, in sizes of the plane, that has room for its number


@dataclass(frozen=True)
class Curves:
    """A stored observable against x, one line for each value of the axis `over`."""

    constraints: tuple[str, ...]
    observable: str
    over: str
    symbol: str

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the lines."""
        values = stored(data, self.observable)
        (x,) = (name for name in values.dims if name != self.over)
        entries: list[Entry] = []
        if data[self.over].size > len(style.LINES):
            raise ParameterError(
                f"{self.over} has {data[self.over].size} values; at most {len(style.LINES)} lines "
                "can be told apart"
            )
        for value, (colour, dashes) in zip(data[self.over].values, style.LINES, strict=False):
            y = values.sel({self.over: value}).values
            label = f"${self.symbol} = {names.number(value)}$"
            (line,) = axes.plot(data[x].values, y, color=colour, ls=dashes, lw=1.3, label=label)
            line.set_gid(f"{self.observable}/{value:g}")
            entries.append(Entry(line, colour))
        return entries


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

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the lines with their numbers, which stay clear of the frame."""
        x, y, values = plane(data, self.observable)
        look: dict[str, Any] = {"colors": self.colour, "linewidths": 0.8, "linestyles": "dotted"}
        lines = axes.contour(
            x, y, np.ma.masked_invalid(values) / self.unit, levels=sorted(self.levels), **look
        )
        lines.set_gid(f"{self.observable}/levels")
        # At the middle of each line: the ends lie at the frame, which would cut the numbers
        middles = [max(pieces, key=len) for pieces in lines.allsegs if pieces]
        size = np.array([np.ptp(x), np.ptp(y)])
        at = [
            tuple(piece[len(piece) // 2])
            for piece in middles
            if np.hypot(*np.diff(piece / size, axis=0).T).sum() > _LONG
        ]
        for text in axes.clabel(lines, fmt=lambda v: f"${v:g}$", fontsize=7, manual=at):
            text.set_clip_on(True)
        handle = matplotlib.lines.Line2D([], [], color=self.colour, lw=0.8, ls=":")
        handle.set_label(self.label)
        return [Entry(handle, self.colour)]


@dataclass(frozen=True)
class MeasuredRange:
    """Horizontal dashed lines at the measured value plus and minus `n_sigma`."""

    constraint: str
    label: str
    n_sigma: float = 1.0

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the lines."""
        lower, _, upper = band(data.attrs, self.constraint, self.n_sigma)
        for value in (lower, upper):
            axes.axhline(value, color="black", lw=1.0, ls="--", gid=f"{self.constraint}/range")
        label = rf"{self.label} $\pm{self.n_sigma:g}\sigma$"
        return [Entry(matplotlib.lines.Line2D([], [], color="black", lw=1.0, ls="--", label=label))]


@dataclass(frozen=True)
class VerticalLines:
    """Dotted gray guides at fixed x."""

    at: Sequence[float]
    label: str
    constraints: tuple[str, ...] = ()

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the guides."""
        look: Any = {"color": style.GUIDE, "lw": 0.9, "ls": ":"}
        for value in self.at:
            axes.axvline(value, gid="guide", **look)
        return [Entry(matplotlib.lines.Line2D([], [], label=self.label, **look), style.GUIDE)]


@dataclass(frozen=True)
class Channels:
    """Several stored observables against x, each with its own label: e.g. branching ratios."""

    observables: Mapping[str, str]
    constraints: tuple[str, ...] = ()

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Entry]:
        """Draw the lines."""
        entries: list[Entry] = []
        for (name, label), (colour, dashes) in zip(
            self.observables.items(), style.LINES, strict=False
        ):
            values = stored(data, name)
            (x,) = values.dims
            (line,) = axes.plot(
                data[x].values, values.values, color=colour, ls=dashes, lw=1.2, label=label
            )
            line.set_gid(name)
            entries.append(Entry(line, colour))
        return entries
