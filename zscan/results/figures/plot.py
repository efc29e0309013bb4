"""Panels from a map and lists of layers: the one way in which all figures are drawn."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.ticker
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from zscan.results.figures import names, style, words
from zscan.results.figures.arrange import arranged
from zscan.results.figures.layers import Layer, Region, rests_on
from zscan.results.figures.picture import save_caption, save_picture
from zscan.results.figures.place import place_names
from zscan.results.figures.planes import Entry

_SELECT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Panel:
    """One panel: layers, the values of the axes that it leaves out, title, scales and labels.

    `limits` of y default to the ends of the y axis of the map, `xlim` to those of its x axis.
    `axes` are x and y, by default the last two of the map. `map` is the number of the map that it
    shows, in the order of the cards of the figure. `unit` is that of the numbers at the ticks, in
    units of the map (1e3: TeV). `order` names regions that lie before all others, in this order."""

    layers: tuple[Layer, ...]
    select: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    xlabel: str = r"$m_X$ [GeV]"
    ylabel: str = r"$g_X$"
    xscale: str = "log"
    yscale: str | tuple[str, Mapping[str, Any]] = "log"
    limits: tuple[float, float] | None = None
    xlim: tuple[float, float] | None = None
    axes: tuple[str, str] | None = None
    map: int = 0
    unit: float = 1.0
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper: the cards that make its maps, its panels, a note on its method.

    `axes` are those of the cards whose number of points sets the resolution. `size` is that of the
    whole figure [inches]. `legend` is where names that do not stand inside go: a location in the
    first panel, "cell" for the first free cell of the grid of panels, or "below"; None writes all
    names into the panels. Panels share their axes. `beyond` are constraints of its cards that the
    paper does not draw there."""

    number: str
    cards: tuple[str, ...]
    axes: tuple[str, ...]
    panels: Callable[[Sequence[xr.Dataset]], tuple[Panel, ...]]
    note: str
    columns: int = 1
    size: tuple[float, float] = (5.2, 4.2)
    legend: str | tuple[float, float] | None = None
    sharey: bool = True
    beyond: tuple[str, ...] = ()


def draw(
    spec: FigureSpec,
    maps: Sequence[xr.Dataset],
    *,
    command: str | None = None,
    provenance: bool = True,
) -> Figure:
    """Draw a figure from the open maps of its cards (`zscan.open_scan`), with all observables.

    `command` is what made it, for the line of `provenance` below it."""
    panels = spec.panels(maps)
    cells = len(panels) + (spec.legend == "cell")
    rows = -(-cells // spec.columns)
    with matplotlib.rc_context(style.RC):
        layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
        figure = Figure(figsize=spec.size, layout=layout)
        grid = figure.subplots(rows, spec.columns, sharex=True, sharey=spec.sharey, squeeze=False)
        cell = iter(grid.flat)
        entries: list[list[Entry]] = []
        for number, panel in enumerate(panels):
            axes = next(cell)
            data = selected(panel, maps[panel.map])
            entries.append(draw_panel(axes, panel, data))
            below = number + spec.columns < len(panels)
            axes.tick_params(labelbottom=not below)
            axes.set_xlabel("" if below else axes.get_xlabel())
            if spec.sharey and number % spec.columns:
                axes.set_ylabel("")
        for axes in cell:
            axes.remove()
        if provenance:
            write_origin(figure, command or f"zscan figure {spec.number}", maps)
        _name(spec, figure, panels, maps, entries)
    return figure


def _name(
    spec: FigureSpec,
    figure: Figure,
    panels: Sequence[Panel],
    maps: Sequence[xr.Dataset],
    entries: Sequence[Sequence[Entry]],
) -> None:
    """Names of all layers, in the panels or in a legend; then the panels stay where they are."""
    axes = figure.axes
    if spec.legend is None:
        figure.draw_without_rendering()
        for where, panel, found in zip(axes, panels, entries, strict=True):
            name_inside(where, selected(panel, maps[panel.map]), found)
        figure.set_layout_engine("none")
        return
    handles = list({entry.text: entry.handle for found in entries for entry in found}.values())
    if spec.legend == "cell":
        row, column = divmod(len(panels), spec.columns)
        figure.draw_without_rendering()
        above = axes[(row - 1) * spec.columns + column].get_position()
        level = axes[row * spec.columns].get_position()
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(above.x0, level.y1),
            frameon=False,
            borderaxespad=0.0,
            fontsize=7.0,
            handlelength=1.6,
        )
        figure.set_layout_engine("none")
        return
    if spec.legend == "below":
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    else:
        look: Any = {"loc": spec.legend, "framealpha": 0.95, "edgecolor": "none"}
        axes[0].legend(handles=handles, **look)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def name_inside(axes: Axes, data: xr.Dataset, entries: Sequence[Entry]) -> None:
    """Write the names of entries into a panel; those without room into a small legend there."""
    x, y = (data[name].values for name in _plane_axes(data))
    lined = [entry for entry in entries if entry.lines or entry.region is not None]
    left = place_names(axes, lined, x, y)
    left += [entry for entry in entries if entry not in lined]
    if left:
        axes.legend(handles=[entry.handle for entry in left], loc="best", fontsize=style.SMALLEST)


def _plane_axes(data: xr.Dataset) -> tuple[str, str]:
    x, y = map(str, data["delta_chi2"].dims[-2:])
    return x, y


def selected(panel: Panel, data: xr.Dataset) -> xr.Dataset:
    """What a panel shows of its map."""
    if not panel.select:
        return data
    return data.sel(dict(panel.select), method="nearest", tolerance=_SELECT_TOLERANCE)


def draw_panel(axes: Axes, panel: Panel, data: xr.Dataset) -> list[Entry]:
    """Draw the layers of a panel, from back to front; an empty panel says why it is empty."""
    kind, options = (panel.yscale, {}) if isinstance(panel.yscale, str) else panel.yscale
    axes.set_xscale(panel.xscale)
    axes.set_yscale(kind, **options)
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.title)
    layers = arranged_layers(panel, data)
    drawn = [(getattr(layer, "rank", 0.0), layer.draw(axes, data)) for layer in layers]
    before, last = panel.axes or _plane_axes(data)
    # With m_X last a stored observable is on the y axis
    x = last if last == "m_X" and panel.axes is None else before
    axes.set_xlim(*(panel.xlim or data[x].values[[0, -1]]))
    if panel.limits or last != x:
        axes.set_ylim(*(panel.limits or data[last].values[[0, -1]]))
    if panel.unit != 1:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value / panel.unit:g}")
            axis.set_major_locator(matplotlib.ticker.MultipleLocator(2 * panel.unit))
    regions = [layer for layer in layers if isinstance(layer, Region)]
    if regions and not any(
        e for layer, (_, e) in zip(layers, drawn, strict=True) if layer in regions
    ):
        _say_why_empty(axes, regions, data)
    return [entry for _, entries in sorted(drawn, key=lambda item: item[0]) for entry in entries]


def arranged_layers(panel: Panel, data: xr.Dataset) -> tuple[Layer, ...]:
    """The layers of a panel that its map holds, with their places."""
    return arranged(_held(panel.layers, data), data, panel.limits, panel.order)


def _say_why_empty(axes: Axes, layers: Sequence[Layer], data: xr.Dataset) -> None:
    reasons = {
        names.label(data.attrs, name): reason
        for _, name, reason in absences(layers, data)
        if name in data["constraint"].values
    }
    text = "\n".join(f"{name}: {reason}" for name, reason in reasons.items())
    look: Any = {"ha": "right", "va": "top", "fontsize": 6.5, "gid": "empty", "zorder": 5}
    look["bbox"] = {"fc": axes.get_facecolor(), "ec": "none", "alpha": 0.85, "pad": 1.5}
    axes.text(0.97, 0.96, text, transform=axes.transAxes, **look)


def absences(layers: Sequence[Layer], data: xr.Dataset) -> Iterator[tuple[Layer, str, str]]:
    """Layers that show nothing, the constraint of each and why."""
    scratch = Figure().add_subplot()
    for layer in layers:
        if isinstance(layer, Region) and not layer.draw(scratch, data):
            yield layer, ", ".join(rests_on(layer)), layer.absence(data)


def write_origin(figure: Figure, command: str, maps: Sequence[xr.Dataset]) -> None:
    """The one line in a figure that tells where it is from."""
    write_line(figure, command, ", ".join(str(data.attrs["spec_hash"])[:12] for data in maps))


def write_line(figure: Figure, command: str, scans: str) -> None:
    """As `write_origin`, for the short hashes of the scans."""
    text = names.escaped(f"{command} · scan {scans}")
    figure.supxlabel(text, x=0.99, ha="right", fontsize=style.NOTE_SIZE, color="0.45", gid="origin")


def caption_text(
    spec: FigureSpec, maps: Sequence[xr.Dataset], *, command: str | None = None
) -> str:
    """Caption: what is drawn at which confidence level, with its references; what shows nothing;
    what is provisional; where it is from.
    """
    shown: list[tuple[xr.Dataset, Layer]] = []
    hidden: dict[str, list[str]] = {}
    panels = spec.panels(maps)
    for panel in panels:
        data = selected(panel, maps[panel.map])
        layers = arranged_layers(panel, data)
        absent = {id(layer): (name, reason) for layer, name, reason in absences(layers, data)}
        shown += [(data, layer) for layer in layers if id(layer) not in absent]
        for name, reason in absent.values():
            where = (
                f"{words.plain(panel.title)}: {reason}"
                if len(panels) > 1 and panel.title
                else reason
            )
            hidden.setdefault(name, []).append(where)
    everywhere = {name: "; ".join(dict.fromkeys(reasons)) for name, reasons in hidden.items()}
    return words.caption(
        maps, shown, everywhere, note=spec.note, command=command or command_of(spec, maps)
    )


def command_of(spec: FigureSpec, maps: Sequence[xr.Dataset]) -> str:
    """The command of a figure, with what its maps say of changes of their cards."""
    changes = json.loads(maps[0].attrs["overrides"])
    parts = [part for change in changes for part in ("--set", change)]
    return shlex.join(["zscan", "figure", spec.number, *parts])


def save(
    spec: FigureSpec,
    maps: Sequence[xr.Dataset],
    path: str | Path,
    *,
    command: str | None = None,
    provenance: bool = True,
    force: bool = False,
) -> Path:
    """Draw and write a picture whose metadata name the scans: spec hashes, zscan version, command
    and caption, and the caption beside it. Raises as `zscan.results.figures.picture.save_picture`,
    which `force` is for.
    """
    command = command or command_of(spec, maps)
    caption = caption_text(spec, maps, command=command)
    metadata = {
        "Title": f"Fig {spec.number} of arXiv:2107.07518",
        "Software": f"zscan {words.version(maps[0])}",
        "Description": caption,
        "spec_hash": ", ".join(str(data.attrs["spec_hash"]) for data in maps),
        "command": command,
    }
    figure = draw(spec, maps, command=command, provenance=provenance)
    picture = save_picture(figure, path, metadata, force=force)
    save_caption(picture, caption, force=force)
    return picture


def _held(layers: Sequence[Layer], data: xr.Dataset) -> list[Layer]:
    """Layers of which a map holds all constraints: one of a selection of constraints need not."""
    held = set(data["constraint"].values.tolist())
    return [layer for layer in layers if set(rests_on(layer)) <= held]
