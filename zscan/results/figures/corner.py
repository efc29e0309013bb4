"""The figure of a fit: profiles on the diagonal, regions of 68 and 95 % for each pair of parameters
below it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.lines
import matplotlib.patches
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from zscan.results.figures import names, style, words
from zscan.results.figures.picture import save_caption, save_picture
from zscan.results.figures.plot import write_line
from zscan.results.fits import FitFile

_LEVELS_2D = (2.296, 5.991)  # chi2 of two parameters at 68.27 and 95 %
_LEVELS_1D = {"68 %": 1.0, "95 %": 3.841}
_COLOURS = ("#2f6da8", "#a9cbe8")
_DRAWS = "#b03030"
_DRAWS_SHOWN = 3000
_CEILING = 12.0  # chi2 above which nothing is shown
_CELL = 2.3  # inches of a panel, less in a figure of many
_LEFT, _RIGHT, _BOTTOM, _TOP, _GAP = 0.7, 0.6, 0.75, 0.0, 0.16  # inches beside and between panels
_EDGE = 0.09  # of an axis, at either end, where a number would touch that of the next panel
_PLAIN = (1e-2, 1e3)  # sizes of numbers that need no power of ten


def draw_corner(fit: FitFile, *, command: str = "", provenance: bool = True) -> Figure:
    """Draw a fit (see `zscan.open_fit`): chi2 profiles, regions from the profile likelihood, best
    fit, draws if any; with `provenance` a line with the `command` (of the fit, by default).
    """
    count = len(fit.names)
    across = (2 * style.COLUMN + 0.2 - _LEFT - _RIGHT) / count
    size = _CELL if count < 3 else across
    wide = _LEFT + size * count + _RIGHT
    tall = _TOP + size * count + _BOTTOM
    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(wide, tall))
        for row in range(count):
            for column in range(row + 1):
                left, low = _LEFT + column * size, _BOTTOM + (count - 1 - row) * size
                box = (
                    left / wide,
                    low / tall,
                    (size - _GAP) / wide,
                    (size - _GAP) / tall,
                )
                axes = figure.add_axes(box)
                axes.tick_params(labelsize=8)
                if row == column:
                    _draw_profile(axes, fit, fit.names[row])
                else:
                    _draw_plane(axes, fit, fit.names[column], fit.names[row])
                _label(axes, fit, row, column)
        _name(figure, fit)
        if provenance:
            hashes = str(fit.attributes["spec_hash"])[:12]
            write_line(figure, command or str(fit.attributes["command"]), hashes)
    return figure


def _name(figure: Figure, fit: FitFile) -> None:
    """Model and legend, beside the first panel; above the one panel there may be."""
    planes, line = len(fit.names) > 1, matplotlib.lines.Line2D
    best: dict[str, Any] = {"color": "black", "ls": ":", "lw": 0.8}
    best["marker"] = "+" if planes else ""
    handles: list[Any] = [
        line([], [], color="black", lw=1.2, label="profile"),
        line([], [], label="best fit", **best),
    ]
    for colour, label in zip(_COLOURS, _LEVELS_1D, strict=True) if planes else ():
        handles.append(matplotlib.patches.Patch(fc=colour, ec="black", lw=0.7, label=label))
    if fit.samples:
        handles.append(line([], [], color=_DRAWS, marker=".", ls="", label="draws"))
    first = figure.axes[0]
    look: dict[str, Any] = {"handles": handles, "title": _model(fit), "alignment": "left"}
    look |= {"frameon": False, "borderaxespad": 0.0, "title_fontsize": 11.0}
    if planes:
        place = first.get_position()
        beside = place.x1 + 0.25 / figure.get_figwidth()
        figure.legend(loc="upper left", bbox_to_anchor=(beside, place.y1), **look)
    else:
        first.legend(loc="upper center", **look)


def _model(fit: FitFile) -> str:
    return words.model_text(json.loads(str(fit.attributes["model"])))


def save_corner(
    fit: FitFile,
    path: str | Path,
    *,
    command: str = "",
    provenance: bool = True,
    force: bool = False,
) -> Path:
    """Draw and write a PNG, PDF or SVG whose metadata name the map, the command and the caption,
    and the caption beside it. Raises as `zscan.results.figures.picture.save_picture`, which `force`
    is for.
    """
    path = Path(path)
    command = command or str(fit.attributes["command"])
    caption = corner_caption(fit, command)
    metadata = {
        "Title": f"Fit {fit.attributes['name']}",
        "Software": f"zscan {json.loads(str(fit.attributes['versions']))['zscan']}",
        "Description": caption,
        "spec_hash": str(fit.attributes["spec_hash"]),
        "command": command,
    }
    figure = draw_corner(fit, command=command, provenance=provenance)
    save_picture(figure, path, metadata, force=force)
    save_caption(path, caption, force=force)
    return path


def _draw_profile(axes: Axes, fit: FitFile, name: str) -> None:
    values, chi2 = fit.profiles[name]
    axes.plot(
        values,
        np.where(chi2 < 2 * _CEILING, chi2, np.nan),
        color="black",
        lw=1.2,
        gid=f"profile/{name}",
    )
    for label, level in _LEVELS_1D.items():
        axes.axhline(level, color=style.GUIDE, lw=0.7, ls="--")
        if name == fit.names[0]:
            look: dict[str, Any] = {"textcoords": "offset points", "color": style.GUIDE}
            look |= {"fontsize": style.SMALLEST, "ha": "right", "va": "bottom", "zorder": 5}
            axes.annotate(label, (1.0, level), (-3, 1), xycoords=("axes fraction", "data"), **look)
    axes.axvline(fit.best[name], color="black", lw=0.8, ls=":")
    axes.set_ylim(0.0, _CEILING)
    if fit.samples:
        draws = fit.samples[name]
        spaced = np.geomspace if fit.scales[name] == "log" else np.linspace
        edges = spaced(float(values[0]), float(values[-1]), 41)
        heights, _ = np.histogram(draws, edges)
        axes.stairs(heights / max(heights.max(), 1) * 0.6 * _CEILING, edges, color=_DRAWS, lw=0.8)


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
        axes.plot(fit.samples[x][::step], fit.samples[y][::step], ".", ms=1.2, mew=0, color=_DRAWS)
    axes.plot(fit.best[x], fit.best[y], "+", color="black", ms=8)


def _label(axes: Axes, fit: FitFile, row: int, column: int) -> None:
    last = len(fit.names) - 1
    name, other = fit.names[column], fit.names[row]
    axes.set_xscale(fit.scales[name])
    axes.set_xlim(*fit.profiles[name][0][[0, -1]])
    power = _tick(axes.xaxis, fit, name)
    axes.set_xlabel(_text(name, power) if row == last else "", fontsize=11)
    axes.tick_params(labelbottom=row == last)
    if row == column:
        axes.set_ylabel(r"$\Delta\chi^2$", fontsize=11)
        axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(4))
        if row:
            axes.yaxis.tick_right()
            axes.yaxis.set_ticks_position("both")
            axes.tick_params(labelleft=False, labelright=True)
            axes.yaxis.set_label_position("right")
        return
    axes.set_yscale(fit.scales[other])
    axes.set_ylim(*fit.profiles[other][0][[0, -1]])
    power = _tick(axes.yaxis, fit, other)
    axes.set_ylabel(_text(other, power) if column == 0 else "", fontsize=11)
    axes.tick_params(labelleft=column == 0)


def _tick(axis: Axis, fit: FitFile, name: str) -> int:
    """Few numbers, none at the ends, where the next panel has its own: on a log scale powers of
    ten, with numbers between them where there are less than two; returns the power of ten in whose
    units all others are.
    """
    values = fit.profiles[name][0]
    low, high = float(values[0]), float(values[-1])
    if fit.scales[name] == "linear":
        largest = max(abs(low), abs(high))
        in_range = _PLAIN[0] <= largest < _PLAIN[1]
        power = 0 if in_range else math.floor(math.log10(largest))
        inside = (high - low) * _EDGE
        steps = matplotlib.ticker.MaxNLocator(4).tick_values(low, high)
        axis.set_major_locator(
            matplotlib.ticker.FixedLocator(
                [tick for tick in steps if low + inside <= tick <= high - inside]
            )
        )
        axis.set_major_formatter(lambda value, _: _plain(value / 10.0**power))
        axis.set_minor_locator(matplotlib.ticker.AutoMinorLocator())
        return power
    decades = math.log10(high / low)
    ends = low * 10 ** (decades * _EDGE), high / 10 ** (decades * _EDGE)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in (1,), (1, 2, 5), range(1, 10):
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if ends[0] <= tick <= ends[1]]
        if len(ticks) > 1:
            break
    axis.set_major_locator(matplotlib.ticker.FixedLocator(ticks))
    axis.set_minor_locator(matplotlib.ticker.LogLocator(subs=range(1, 10)))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    if digits == (1,):
        axis.set_major_formatter(lambda value, _: f"$10^{{{round(math.log10(value))}}}$")
        return 0
    power = 0 if _PLAIN[0] <= low and high < _PLAIN[1] else math.floor(math.log10(ticks[-1]))
    axis.set_major_formatter(lambda value, _: _plain(value / 10.0**power))
    return power


def _plain(value: float) -> str:
    """A number of an axis, with a true minus sign."""
    return f"${names.number(round(value, 12) + 0.0)}$"


def _text(name: str, power: int) -> str:
    text = names.axis_label(name, "GeV" if name in ("m_X", "M_1", "M_2") else "")
    return text if not power else f"{text} [$10^{{{power}}}$]"


def corner_caption(fit: FitFile, command: str) -> str:
    """The caption of the figure of a fit, derived from it."""
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
    points = ", ".join(f"{len(values)} of {name}" for name, (values, _) in fit.profiles.items())
    paragraphs = [
        f"{model}: profile likelihood of {', '.join(summary['contributions'])}; best fit {best}, "
        f"chi2 = {summary['chi2_total']:.4g} ({summary['chi2']:+.4g} relative to zero coupling).",
        f"Pulls at the best fit: {', '.join(pulls)}.",
        "On the diagonal chi2 above its minimum, minimised over all other parameters; dashed the "
        "levels of 68 and 95 % for one parameter, dotted the best fit. Below it the regions of 68 "
        "and 95 % for two parameters.",
        f"Profiles are straight lines between computed points ({points}): a bend is where the "
        "minimum over the other parameters changes its place, a step where a limit begins or ends.",
    ]
    if fit.samples:
        priors = ", ".join(f"{name} {text}" for name, text in summary["samples"]["priors"].items())
        paragraphs.append(
            f"Draws (red) of the posterior with the priors {priors}; histograms in arbitrary units."
        )
    provisional = json.loads(str(attributes["provisional"]))
    if provisional:
        listed_inputs = ", ".join(provisional)
        page = "docs/overview-of-constraints.md"
        paragraphs.append(f"Provisional inputs: {listed_inputs} (see {page}).")
    version = json.loads(str(attributes["versions"]))["zscan"]
    paragraphs.append(
        f"Observable set: {attributes['observables']}. zscan {version}, scan "
        f"{str(attributes['spec_hash'])[:12]}; command: {command}"
    )
    return "\n".join(paragraphs)
