"""`zscan plot`: the plane of any map; figures of the paper are drawn by the same panels."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zscan.errors import ParameterError, UnknownNameError, nearest, shown
from zscan.results.figures import names, style, words
from zscan.results.figures.layers import Band, Combined, Excluded, Favoured, Layer, Projected
from zscan.results.figures.picture import save_caption, save_picture
from zscan.results.figures.planes import Entry
from zscan.results.figures.plot import (
    Panel,
    absences,
    arranged_layers,
    draw_panel,
    name_inside,
    write_origin,
)
from zscan.results.figures.reduced import check_others, default_axes, reduced
from zscan.results.plot_table import PlotTable, read_plot_table
from zscan.results.rule import exclusion_rule
from zscan.untrusted import TextError, parse_toml

_ASPECT = 0.8  # height over width of a figure
_LOG = 1.001  # ratio of equal steps by which a log axis is known


class PlotWarning(UserWarning):
    """Something of a map that a plot cannot show."""


@dataclass(frozen=True)
class Plane:
    """A plane of a map, ready to be drawn: its data over x and y, panel and options."""

    data: xr.Dataset
    panel: Panel
    options: PlotTable
    left_out: dict[str, str]


def options_of(data: xr.Dataset) -> PlotTable:
    """The [plot] table of the card of a map; raises `CardError` if it is faulty."""
    try:
        table = parse_toml(str(data.attrs["card"])) if data.attrs.get("card") else {}
    except TextError as error:
        raise ParameterError(f"the card in the map cannot be read: {error}") from error
    return read_plot_table(table.get("plot", {}), str(data.attrs.get("name", "map")))


def plane_of(data: xr.Dataset, options: PlotTable) -> Plane:
    """What is drawn of a map; nothing is drawn yet.

    Raises `ParameterError` for axes, selections and projections that the map does not have,
    `UnknownNameError` for constraints that it does not hold."""
    x, y = default_axes(data, options.x, options.y)
    select = check_others(data, (x, y), options.select, options.project)
    held = [str(name) for name in data["constraint"].values]
    chosen = held if options.layers is None else matching(options.layers, held)
    for key in ("colours", "names", "thresholds"):
        matching(list(getattr(options, key)), held)
    dashed = set(matching(options.projections, held)) & set(chosen)
    combined = matching(options.combined, held)
    part = reduced(data, x, y, select, options.project, list(dict.fromkeys([*chosen, *combined])))
    part = _cropped(_cropped(part, x, options.xlim), y, options.ylim)
    layers, left_out = _layers(part, chosen, dashed, options)
    if combined:
        layers.append(Combined(tuple(combined)))
    if not layers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ParameterError(f"the map has nothing to draw ({reasons})")
    shown_axes = {name: data[name] for name in (x, y)}
    scales = {name: _scale(axis) for name, axis in shown_axes.items()}
    kept = {name: value for name, value in select.items() if data[name].size > 1}
    title = words.title(data, kept)
    if options.project:
        title += f", any {', '.join(names.symbol(name) for name in options.project)}"
    panel = Panel(
        tuple(layers),
        title=title,
        xlabel=_label(shown_axes[x]),
        ylabel=_label(shown_axes[y]),
        xscale=scales[x],
        yscale=scales[y],
        xlim=None if options.xlim is None else (options.xlim[0], options.xlim[1]),
        limits=None if options.ylim is None else (options.ylim[0], options.ylim[1]),
        order=tuple(matching(options.order, held)),
        axes=(x, y),
    )
    return Plane(part, panel, options, left_out)


def _cropped(data: xr.Dataset, axis: str, ends: Sequence[float] | None) -> xr.Dataset:
    """What a frame shows, and one point more at either end: what lies outside has no name."""
    if ends is None:
        return data
    if ends[0] <= 0 and _scale(data[axis]) == "log":
        raise ParameterError(f"{axis} from {ends[0]:g}: a log axis begins above zero")
    inside = np.flatnonzero((data[axis].values >= ends[0]) & (data[axis].values <= ends[1]))
    if inside.size < 2:
        raise ParameterError(
            f"{axis} from {ends[0]:g} to {ends[1]:g} shows less than two points of the map, which "
            f"reaches from {data[axis].values[0]:.4g} to {data[axis].values[-1]:.4g}"
        )
    return data.isel({axis: slice(max(inside[0] - 1, 0), inside[-1] + 2)})


def matching(patterns: Sequence[str], held: Sequence[str]) -> list[str]:
    """Constraints of a map for names and shell patterns, each once, in the order given; raises
    `UnknownNameError` for a pattern that matches none.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = [name for name in held if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError(
                f"the map holds no constraint {shown(pattern)}: {nearest(pattern, held)}"
            )
        found |= dict.fromkeys(matches)
    return list(found)


def _layers(
    data: xr.Dataset, chosen: Sequence[str], dashed: set[str], options: PlotTable
) -> tuple[list[Layer], dict[str, str]]:
    """A layer for each constraint, and why others have none."""
    layers: list[Layer] = []
    left_out: dict[str, str] = {}
    for name in chosen:
        label, colour = options.names.get(name, ""), options.colours.get(name, "")
        threshold = options.thresholds.get(name)
        excludes = exclusion_rule(data.attrs, name).excludes
        if f"{'excess' if excludes else 'pull'}/{name}" not in data:
            left_out[name] = (
                "its observable is not in the map: add it to output.observables of the card"
            )
        elif excludes and (name in dashed or names.is_projection(data.attrs, name)):
            layers.append(Projected(name, label, colour=colour, above=threshold))
        elif excludes:
            layers.append(Excluded(name, label, colour=colour, above=threshold))
        elif names.experiment(data.attrs, name) == "g-2":
            layers.append(Band(name, threshold or 2.0, label))
        else:
            layers.append(Favoured(name, label, threshold or 2.0, colour))
    layers.sort(key=lambda layer: isinstance(layer, Projected) + 2 * isinstance(layer, Band))
    return layers, left_out


def _scale(axis: xr.DataArray) -> str:
    """Log for values that grow by equal factors, as an axis of a card with scale = "log" has."""
    values = axis.values
    if values[0] <= 0 or len(values) < 3:
        return "log" if values[0] > 0 and values[-1] / values[0] > 100 else "linear"
    ratios = values[1:] / values[:-1]
    return "log" if ratios.max() / ratios.min() < _LOG else "linear"


def _label(axis: xr.DataArray) -> str:
    return names.axis_label(str(axis.name), str(axis.attrs.get("units", "")))


@contextmanager
def look(options: PlotTable) -> Iterator[None]:
    """The look of our figures, then the styles that the user names."""
    sheets = [style.sheet(name) for name in options.styles]
    with matplotlib.rc_context(style.RC), matplotlib.style.context(sheets or [{}]):
        yield


def draw_plane(
    plane: Plane, ax: Axes | None = None, *, command: str = "", provenance: bool = False
) -> Axes:
    """Draw a plane, into `ax` or a figure of its own; returns the axes.

    With `provenance` a line below the figure tells the command and the scan."""
    options = plane.options
    with look(options):
        if ax is None:
            wide = {"column": style.COLUMN, "double": style.DOUBLE}.get(
                str(options.width), options.width
            )
            assert not isinstance(wide, str)
            figure = Figure(figsize=(wide, options.height or _ASPECT * wide), layout="constrained")
            ax = figure.add_subplot()
        entries = draw_panel(ax, plane.panel, plane.data)
        for point in options.points:
            ax.plot(point.x, point.y, point.marker, color=point.colour, ms=7, zorder=4, gid="point")
            place: Any = {"xytext": (5, 4), "textcoords": "offset points"}
            place |= {"color": point.colour, "zorder": 5, "fontsize": style.LABEL_SIZE}
            ax.annotate(point.label, (point.x, point.y), **place)
        for item in options.text:
            ax.text(item.x, item.y, item.text, color=item.colour, fontsize=item.size, zorder=5)
        figure = ax.get_figure(root=True)  # type: ignore[assignment]
        assert isinstance(figure, Figure)
        if provenance:
            write_origin(figure, command, [plane.data])
        _name(figure, ax, plane, entries)
    return ax


def _name(figure: Figure, axes: Axes, plane: Plane, entries: list[Entry]) -> None:
    if plane.options.labels == "inside":
        # Names need the final places of the axes, which stay the user's own in a figure of theirs
        figure.draw_without_rendering()
        name_inside(axes, plane.data, entries)
        if len(figure.axes) == 1:
            figure.set_layout_engine("none")
    elif plane.options.labels == "legend" and entries:
        handles = [entry.handle for entry in entries]
        if len(figure.axes) == 1:
            figure.legend(handles=handles, loc="outside right upper", frameon=False)
        else:
            axes.legend(handles=handles, framealpha=0.95)


def warn_left_out(plane: Plane, *, stacklevel: int) -> None:
    """Warn of constraints that a plot cannot show."""
    if plane.left_out:
        listed = "; ".join(f"{name} ({reason})" for name, reason in plane.left_out.items())
        warnings.warn(f"not drawn: {listed}", PlotWarning, stacklevel=stacklevel)


def plane_caption(plane: Plane, command: str) -> str:
    """The caption of a plane, derived from its map."""
    layers = arranged_layers(plane.panel, plane.data)
    absent = {id(layer): (name, why) for layer, name, why in absences(layers, plane.data)}
    seen = [(plane.data, layer) for layer in layers if id(layer) not in absent]
    hidden = dict(absent.values()) | plane.left_out
    note = (
        ""
        if not plane.options.project
        else (f"Excluded is what no value of {', '.join(plane.options.project)} in the map allows.")
    )
    text = words.caption([plane.data], seen, hidden, note=note, command=command)
    return f"{words.plain(plane.panel.title)}.\n{text}"


def save_plane(
    plane: Plane, path: Path, command: str, *, provenance: bool = True, force: bool = False
) -> Path:
    """Draw and write a plane as PNG, PDF or SVG with its caption beside it; raises as
    `zscan.results.figures.picture.save_picture`.
    """
    caption = plane_caption(plane, command)
    axes = draw_plane(plane, command=command, provenance=provenance)
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    metadata = {
        "Title": words.plain(plane.panel.title),
        "Software": f"zscan {words.version(plane.data)}",
        "Description": caption,
        "spec_hash": str(plane.data.attrs["spec_hash"]),
        "command": command,
    }
    save_picture(figure, path, metadata, force=force)
    save_caption(path, caption, force=force)
    return path
