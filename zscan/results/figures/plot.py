"""Panels from a map and lists of layers, with caption and provenance in the PNG."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zscan.results.figures import style
from zscan.results.figures.layers import Layer, measurement

_SELECT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Panel:
    """One panel: layers from the lowest to the highest, the values of the axes that it leaves out, scales and labels.

    `limits` of y default to the ends of the y axis of the map, those of x are always the ends of m_X.
    """

    layers: tuple[Layer, ...]
    select: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    xlabel: str = r"$m_X$ [GeV]"
    ylabel: str = r"$g_X$"
    xscale: str = "log"
    yscale: str | tuple[str, Mapping[str, Any]] = "log"
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper: the card that makes its map, its panels, its caption.

    `axes` are those of the card whose number of points sets the resolution. `size` is that of one panel with its labels
    [inches]. `legend` is a location in the first panel (a name or axes fractions), or "cell": the first free cell of
    the grid of panels.
    """

    number: str
    card: str
    axes: tuple[str, ...]
    panels: Callable[[xr.Dataset], tuple[Panel, ...]]
    caption: str
    columns: int = 1
    size: tuple[float, float] = (5.4, 4.1)
    legend: str | tuple[float, float] = "lower right"


def draw(spec: FigureSpec, data: xr.Dataset) -> Figure:
    """Draw a figure from an open map (see `zscan.open_scan`). The map must hold the observables of all layers."""
    panels = spec.panels(data)
    width, height = spec.size
    cells = len(panels) + (spec.legend == "cell")
    rows = -(-cells // spec.columns)
    caption = caption_text(spec, data)
    bottom = 0.12 + style.CAPTION_LINE * (caption.count("\n") + 1)
    total = (width * spec.columns, height * rows + bottom)
    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=total)
        entries: dict[str, Artist] = {}
        for index, panel in enumerate(panels):
            row, column = divmod(index, spec.columns)
            left, low = column * width + 0.72, (rows - 1 - row) * height + bottom + 0.48
            box = (left / total[0], low / total[1], (width - 0.88) / total[0], (height - 0.80) / total[1])
            entries |= {str(entry.get_label()): entry for entry in _panel(figure.add_axes(box), panel, data)}
        if spec.legend == "cell":
            row, column = divmod(len(panels), spec.columns)
            anchor = ((column * width + 0.5) / total[0], ((rows - row) * height + bottom - 0.25) / total[1])
            figure.legend(handles=list(entries.values()), loc="upper left", bbox_to_anchor=anchor, frameon=False)
        else:
            look: Any = {"loc": spec.legend, "framealpha": 0.95, "edgecolor": "none"}
            figure.axes[0].legend(handles=list(entries.values()), **look)
        figure.text(0.1 / total[0], 0.06 / total[1], caption, fontsize=style.CAPTION_SIZE, va="bottom")
    return figure


def _panel(axes: Axes, panel: Panel, data: xr.Dataset) -> list[Artist]:
    kind, options = (panel.yscale, {}) if isinstance(panel.yscale, str) else panel.yscale
    axes.set_xscale(panel.xscale)
    axes.set_yscale(kind, **options)
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.title)
    selected = data.sel(dict(panel.select), method="nearest", tolerance=_SELECT_TOLERANCE) if panel.select else data
    entries = [entry for layer in panel.layers for entry in layer.draw(axes, selected)]
    axes.set_xlim(*data["m_X"].values[[0, -1]])
    last = str(data["delta_chi2"].dims[-1])
    if panel.limits or last != "m_X":
        axes.set_ylim(*(panel.limits or data[last].values[[0, -1]]))
    return entries


def caption_text(spec: FigureSpec, data: xr.Dataset) -> str:
    """Caption: what is drawn at which confidence level, with its references; what is provisional; where it is from."""
    constraints = [layer.constraint for panel in spec.panels(data) for layer in panel.layers if layer.constraint]
    layers, provisional = [], []
    for constraint in dict.fromkeys(constraints):
        measured = measurement(data, constraint)
        layers.append(f"{constraint} ({measured['cl']}; {', '.join(measured['references'])})")
        if measured["status"] == "provisional":
            provisional.append(constraint)
    paragraphs = [spec.caption, f"Layers: {'; '.join(layers)}. Observable set: {data.attrs['observables']}."]
    if provisional:
        paragraphs.append(f"Provisional inputs: {', '.join(provisional)} (see README).")
    scan = data.attrs["spec_hash"][:12]
    paragraphs.append(f"zscan {_version(data)}, scan {scan}; command: zscan figure {spec.number}")
    columns = int(style.CAPTION_COLUMNS * spec.size[0] * spec.columns)
    return "\n".join(textwrap.fill(text, columns) for text in paragraphs)


def save(spec: FigureSpec, data: xr.Dataset, path: str | Path) -> Path:
    """Draw and write a PNG whose metadata name the scan: spec hash, zscan version, command and caption."""
    path = Path(path)
    metadata = {
        "Title": f"Fig {spec.number} of arXiv:2107.07518",
        "Software": f"zscan {_version(data)}",
        "Description": caption_text(spec, data),
        "spec_hash": str(data.attrs["spec_hash"]),
        "command": f"zscan figure {spec.number}",
    }
    temporary = path.with_name(f".{path.name}.part")
    draw(spec, data).savefig(temporary, dpi=200, metadata=metadata, format="png")
    temporary.replace(path)
    return path


def _version(data: xr.Dataset) -> str:
    return str(json.loads(data.attrs["versions"])["zscan"])
