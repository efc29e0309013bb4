"""One panel from a map and a list of layers, with caption and provenance in the PNG."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib
import xarray as xr
from matplotlib.figure import Figure

from zscan.results.figures import style
from zscan.results.figures.layers import Layer, measurement

_CAPTION_COLUMNS = 106
_LINE_HEIGHT = 0.125  # inches per caption line


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the paper: the card that makes its map, its layers from the lowest to the highest, its caption."""

    number: str
    card: str
    title: str
    layers: tuple[Layer, ...]
    caption: str
    ylabel: str = r"$g_X$"
    legend: Literal["lower right", "lower left", "upper left", "upper right"] = "lower right"


def draw(spec: FigureSpec, data: xr.Dataset) -> Figure:
    """Draw a figure from an open map (see `zscan.open_scan`). The map must hold the observables of all layers."""
    caption = caption_text(spec, data)
    bottom = 0.12 + _LINE_HEIGHT * (caption.count("\n") + 1)
    with matplotlib.rc_context(style.RC):
        height = style.HEIGHT + bottom
        figure = Figure(figsize=(style.WIDTH, height))
        axes = figure.add_axes((0.125, (bottom + 0.42) / height, 0.845, (style.HEIGHT - 0.75) / height))
        axes.set(xscale="log", yscale="log", xlabel=r"$m_X$ [GeV]", ylabel=spec.ylabel, title=spec.title)
        entries = [entry for layer in spec.layers for entry in layer.draw(axes, data)]
        axes.set_xlim(*data["m_X"].values[[0, -1]])
        axes.set_ylim(*data["g_X"].values[[0, -1]])
        axes.legend(handles=entries, loc=spec.legend, framealpha=0.95, edgecolor="none")
        figure.text(0.02, 0.06 / height, caption, fontsize=style.CAPTION_SIZE, va="bottom", linespacing=1.25)
    return figure


def caption_text(spec: FigureSpec, data: xr.Dataset) -> str:
    """Caption: what is drawn at which confidence level, with its references; what is provisional; where it is from."""
    layers, provisional = [], []
    for layer in spec.layers:
        measured = measurement(data, layer.constraint)
        layers.append(f"{layer.constraint} ({measured['cl']}; {', '.join(measured['references'])})")
        if measured["status"] == "provisional":
            provisional.append(layer.constraint)
    paragraphs = [
        spec.caption,
        f"Layers: {'; '.join(layers)}. Observable set: {data.attrs['observables']}.",
    ]
    if provisional:
        paragraphs.append(f"Provisional inputs: {', '.join(provisional)} (see README).")
    version, scan = _version(data), data.attrs["spec_hash"][:12]
    paragraphs.append(f"zscan {version}, scan {scan}; command: zscan figure {spec.number}")
    return "\n".join(textwrap.fill(text, _CAPTION_COLUMNS) for text in paragraphs)


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
