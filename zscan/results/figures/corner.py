"""The figure of a fit: profiles on the diagonal, regions of 68 and 95 % for each pair of parameters
below it.
"""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path

import matplotlib
import matplotlib.lines
import matplotlib.patches
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from zscan.results.figures import style
from zscan.results.figures.picture import save_picture
from zscan.results.fits import FitFile

_LEVELS_2D = (2.296, 5.991)  # chi2 of two parameters at 68.27 and 95 %
_LEVELS_1D = (1.0, 3.841)
_COLOURS = ("#2f6da8", "#a9cbe8")
_DRAWS_SHOWN = 3000
_CEILING = 12.0  # chi2 above which nothing is shown


def draw_corner(fit: FitFile) -> Figure:
    """Draw a fit (see `zscan.open_fit`): chi2 profiles, regions from the profile likelihood, best
    fit, draws if any.
    """
    count = len(fit.names)
    size = 2.6 if count > 2 else 3.2
    caption = _caption(fit, int(style.CAPTION_COLUMNS * max(size * count, 5.0)))
    bottom = 0.12 + style.CAPTION_LINE * (caption.count("\n") + 1)
    wide, tall = max(size * count, 5.0) + 1.1, size * count + bottom + 0.4
    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(wide, tall))
        for row in range(count):
            for column in range(row + 1):
                left, low = 0.85 + column * size, bottom + 0.45 + (count - 1 - row) * size
                box = (left / wide, low / tall, (size - 0.25) / wide, (size - 0.3) / tall)
                axes = figure.add_axes(box)
                axes.tick_params(labelsize=8)
                if row == column:
                    _draw_profile(axes, fit, fit.names[row])
                else:
                    _draw_plane(axes, fit, fit.names[column], fit.names[row])
                _label(axes, fit, row, column)
        handles = [
            matplotlib.patches.Patch(fc=_COLOURS[0], label="68 %"),
            matplotlib.patches.Patch(fc=_COLOURS[1], label="95 %"),
            matplotlib.lines.Line2D([], [], color="black", marker="+", ls="", label="best fit"),
        ]
        if fit.samples:
            handles.append(
                matplotlib.lines.Line2D(
                    [], [], color="#b03030", marker=".", ls="", label="posterior draws"
                )
            )
        place = (0.98, 0.98) if count > 1 else (0.98, 0.9)
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=place, frameon=False)
        figure.text(0.1 / wide, 0.06 / tall, caption, fontsize=style.CAPTION_SIZE, va="bottom")
    return figure


def save_corner(fit: FitFile, path: str | Path, *, force: bool = False) -> Path:
    """Draw and write a PNG whose metadata name the map and the command. Raises as
    `zscan.results.figures.picture.save_picture`, which `force` is for.
    """
    metadata = {
        "Title": f"Fit {fit.attributes['name']}",
        "Software": f"zscan {json.loads(str(fit.attributes['versions']))['zscan']}",
        "Description": _caption(fit, 100),
        "spec_hash": str(fit.attributes["spec_hash"]),
        "command": str(fit.attributes["command"]),
    }
    return save_picture(draw_corner(fit), path, metadata, force=force)


def _draw_profile(axes: Axes, fit: FitFile, name: str) -> None:
    values, chi2 = fit.profiles[name]
    axes.plot(
        values,
        np.where(chi2 < 2 * _CEILING, chi2, np.nan),
        color="black",
        lw=1.2,
        gid=f"profile/{name}",
    )
    for level, colour in zip(_LEVELS_1D, _COLOURS, strict=True):
        axes.axhline(level, color=colour, lw=1.0, ls="--")
    axes.axvline(fit.best[name], color="black", lw=0.7, ls=":")
    axes.set_ylim(0.0, _CEILING)
    if fit.samples:
        draws = fit.samples[name]
        spaced = np.geomspace if fit.scales[name] == "log" else np.linspace
        edges = spaced(float(values[0]), float(values[-1]), 41)
        heights, _ = np.histogram(draws, edges)
        axes.stairs(
            heights / max(heights.max(), 1) * 0.6 * _CEILING, edges, color="#b03030", lw=0.8
        )


def _draw_plane(axes: Axes, fit: FitFile, x: str, y: str) -> None:
    a, b, chi2 = fit.planes[x, y]
    shown = np.ma.masked_invalid(chi2.T)
    axes.contourf(a, b, shown, levels=[-math.inf, *_LEVELS_2D], colors=_COLOURS).set_gid(
        f"regions/{x}/{y}"
    )
    reached = [level for level in _LEVELS_2D if shown.min() < level < shown.max()]
    if reached:
        axes.contour(a, b, shown, levels=reached, colors="black", linewidths=0.7)
    if fit.samples:
        step = max(len(fit.samples[x]) // _DRAWS_SHOWN, 1)
        axes.plot(
            fit.samples[x][::step], fit.samples[y][::step], ".", ms=1.2, mew=0, color="#b03030"
        )
    axes.plot(fit.best[x], fit.best[y], "+", color="black", ms=8)


def _label(axes: Axes, fit: FitFile, row: int, column: int) -> None:
    name = fit.names[column]
    axes.set_xscale(fit.scales[name])
    axes.set_xlim(*fit.profiles[name][0][[0, -1]])
    _tick(axes.xaxis, fit, name)
    if row == len(fit.names) - 1:
        axes.set_xlabel(_text(name), fontsize=10)
    else:
        axes.tick_params(labelbottom=False)
    if row == column:
        axes.set_ylabel(r"$\Delta\chi^2$", fontsize=10)
        axes.yaxis.tick_right() if row else None
        axes.yaxis.set_label_position("right" if row else "left")
        return
    axes.set_yscale(fit.scales[fit.names[row]])
    axes.set_ylim(*fit.profiles[fit.names[row]][0][[0, -1]])
    _tick(axes.yaxis, fit, fit.names[row])
    if column == 0:
        axes.set_ylabel(_text(fit.names[row]), fontsize=10)
    else:
        axes.tick_params(labelleft=False)


def _tick(axis: Axis, fit: FitFile, name: str) -> None:
    """Few labels: on a log scale decades, with one in between where there are less than two of
    them.
    """
    values = fit.profiles[name][0]
    if fit.scales[name] == "linear":
        axis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
        return
    decades = math.log10(float(values[-1] / values[0]))
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0,) if decades > 2 else (1.0, 3.0)))
    axis.set_major_formatter(
        matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))
    )
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def _text(name: str) -> str:
    known = {
        "m_X": r"$m_X$ [GeV]",
        "g_X": "$g_X$",
        "g_V": "$g_V$",
        "g_A": "$g_A$",
        "g_sb": "$g_{sb}$",
    }
    return known.get(name, name)


def _caption(fit: FitFile, columns: int) -> str:
    attributes, summary = fit.attributes, fit.summary
    pulls = [
        f"{name} {item['pull']:+.2f}"
        if item["pull"] is not None
        else f"{name} (chi2 {item['chi2']:.3g})"
        for name, item in summary["contributions"].items()
        if item["chi2"] is not None
    ]
    model = json.loads(str(attributes["model"]))["name"]
    best = ", ".join(f"{name} = {value:.4g}" for name, value in fit.best.items())
    paragraphs = [
        f"{model}: profile likelihood of {', '.join(summary['contributions'])}; best fit {best}, "
        f"chi2 = {summary['chi2_total']:.4g} ({summary['chi2']:+.4g} relative to zero coupling).",
        f"Pulls at the best fit: {', '.join(pulls)}.",
    ]
    if fit.samples:
        priors = ", ".join(f"{name} {text}" for name, text in summary["samples"]["priors"].items())
        paragraphs.append(
            f"Draws (red) of the posterior with the priors {priors}; histograms in arbitrary units."
        )
    provisional = json.loads(str(attributes["provisional"]))
    if provisional:
        paragraphs.append(f"Provisional inputs: {', '.join(provisional)} (see README).")
    version = json.loads(str(attributes["versions"]))["zscan"]
    paragraphs.append(
        f"Observable set: {attributes['observables']}. zscan {version}, scan "
        f"{str(attributes['spec_hash'])[:12]}; command: {attributes['command']}"
    )
    return "\n".join(textwrap.fill(text, columns) for text in paragraphs)
