"""Panels from a map and lists of layers, with caption and provenance in the PNG."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.ticker
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zscan.results.figures import style
from zscan.results.figures.layers import Layer, level, rests_on
from zscan.results.figures.picture import save_picture
from zscan.results.rule import measurement

_SELECT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Panel:
    """One panel: layers from the lowest to the highest, the values of the axes that it leaves out,
    scales and labels.

    `limits` of y default to the ends of the y axis of the map, those of x are always the ends of
    its x axis. `map` is the number of the map that it shows, in the order of the cards of the
    figure. `unit` is that of the numbers at the ticks, in units of the map (1e3: TeV)."""

    layers: tuple[Layer, ...]
    select: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    xlabel: str = r"$m_X$ [GeV]"
    ylabel: str = r"$g_X$"
    xscale: str = "log"
    yscale: str | tuple[str, Mapping[str, Any]] = "log"
    limits: tuple[float, float] | None = None
    map: int = 0
    unit: float = 1.0


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper: the cards that make its maps, its panels, its caption.

    `axes` are those of the cards whose number of points sets the resolution. `size` is that of one
    panel with its labels [inches]. `legend` is a location in the first panel (a name or axes
    fractions), "cell" for the first free cell of the grid of panels, or "right" for a column of its
    own."""

    number: str
    cards: tuple[str, ...]
    axes: tuple[str, ...]
    panels: Callable[[Sequence[xr.Dataset]], tuple[Panel, ...]]
    caption: str
    columns: int = 1
    size: tuple[float, float] = (5.4, 4.1)
    legend: str | tuple[float, float] = "lower right"


def draw(spec: FigureSpec, maps: Sequence[xr.Dataset]) -> Figure:
    """Draw a figure from the open maps of its cards (`zscan.open_scan`), with all observables."""
    panels = spec.panels(maps)
    width, height = spec.size
    rows = -(-(len(panels) + (spec.legend == "cell")) // spec.columns)
    side = style.LEGEND_WIDTH if spec.legend == "right" else 0.0
    wide = width * spec.columns + side
    caption = caption_text(spec, maps, int(style.CAPTION_COLUMNS * wide))
    bottom = 0.12 + style.CAPTION_LINE * (caption.count("\n") + 1)
    tall = height * rows + bottom
    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(wide, tall))
        entries: dict[str, Artist] = {}
        for index, panel in enumerate(panels):
            row, column = divmod(index, spec.columns)
            left, low = column * width + 0.80, (rows - 1 - row) * height + bottom + 0.48
            axes = figure.add_axes(
                (left / wide, low / tall, (width - 0.96) / wide, (height - 0.80) / tall)
            )
            entries |= {
                str(entry.get_label()): entry for entry in _panel(axes, panel, maps[panel.map])
            }
        handles = list(entries.values())
        if spec.legend in ("cell", "right"):
            row, column = (
                divmod(len(panels), spec.columns) if spec.legend == "cell" else (0, spec.columns)
            )
            left = column * width + (0.5 if spec.legend == "cell" else 0.0)
            anchor = (left / wide, ((rows - row) * height + bottom - 0.25) / tall)
            figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, frameon=False)
        else:
            look: Any = {"loc": spec.legend, "framealpha": 0.95, "edgecolor": "none"}
            figure.axes[0].legend(handles=handles, **look)
        figure.text(0.1 / wide, 0.06 / tall, caption, fontsize=style.CAPTION_SIZE, va="bottom")
    return figure


def _panel(axes: Axes, panel: Panel, data: xr.Dataset) -> list[Artist]:
    kind, options = (panel.yscale, {}) if isinstance(panel.yscale, str) else panel.yscale
    axes.set_xscale(panel.xscale)
    axes.set_yscale(kind, **options)
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.title)
    selected = (
        data.sel(dict(panel.select), method="nearest", tolerance=_SELECT_TOLERANCE)
        if panel.select
        else data
    )
    layers = [layer for layer in panel.layers if _is_there(layer, data)]
    entries = [entry for layer in layers for entry in layer.draw(axes, selected)]
    before, last = map(str, data["delta_chi2"].dims[-2:])
    x = last if last == "m_X" else before  # with m_X last a stored observable is on the y axis
    axes.set_xlim(*data[x].values[[0, -1]])
    if panel.limits or last != x:
        axes.set_ylim(*(panel.limits or data[last].values[[0, -1]]))
    if panel.unit != 1:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value / panel.unit:g}")
            axis.set_major_locator(matplotlib.ticker.MultipleLocator(2 * panel.unit))
    return entries


def caption_text(spec: FigureSpec, maps: Sequence[xr.Dataset], columns: int = 100) -> str:
    """Caption: what is drawn at which confidence level, with its references; what is provisional;
    where it is from.
    """
    layers = []
    for constraint, (data, layer) in _shown(spec, maps).items():
        measured = measurement(data.attrs, constraint)
        layers.append(
            f"{constraint} ({level(layer, measured)}; {', '.join(measured['references'])})"
        )
    paragraphs = [spec.caption, f"Layers: {'; '.join(layers)}."] if layers else [spec.caption]
    provisional = dict.fromkeys(
        name for data in maps for name in json.loads(data.attrs["provisional"])
    )
    if provisional:
        paragraphs.append(f"Provisional inputs: {', '.join(provisional)} (see README).")
    scans = ", ".join(data.attrs["spec_hash"][:12] for data in maps)
    made = f"zscan {_version(maps[0])}, scan {scans}; command: zscan figure {spec.number}"
    paragraphs.append(f"Observable set: {maps[0].attrs['observables']}. {made}")
    return "\n".join(textwrap.fill(text, columns) for text in paragraphs)


def _shown(spec: FigureSpec, maps: Sequence[xr.Dataset]) -> dict[str, tuple[xr.Dataset, Layer]]:
    """The constraints of all layers, each once, with its map and the first layer that shows it."""
    found: dict[str, tuple[xr.Dataset, Layer]] = {}
    for panel in spec.panels(maps):
        for layer in panel.layers:
            if _is_there(layer, maps[panel.map]):
                found = dict.fromkeys(rests_on(layer), (maps[panel.map], layer)) | found
    return found


def save(
    spec: FigureSpec, maps: Sequence[xr.Dataset], path: str | Path, *, force: bool = False
) -> Path:
    """Draw and write a PNG whose metadata name the scans: spec hashes, zscan version, command and
    caption. Raises as `zscan.results.figures.picture.save_picture`, which `force` is for.
    """
    metadata = {
        "Title": f"Fig {spec.number} of arXiv:2107.07518",
        "Software": f"zscan {_version(maps[0])}",
        "Description": caption_text(spec, maps),
        "spec_hash": ", ".join(str(data.attrs["spec_hash"]) for data in maps),
        "command": f"zscan figure {spec.number}",
    }
    return save_picture(draw(spec, maps), path, metadata, force=force)


def _is_there(layer: Layer, data: xr.Dataset) -> bool:
    """Whether a map holds all that a layer shows: one of a selection of constraints need not."""
    return set(rests_on(layer)) <= set(data["constraint"].values.tolist())


def _version(data: xr.Dataset) -> str:
    return str(json.loads(data.attrs["versions"])["zscan"])
