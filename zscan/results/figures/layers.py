"""Layers of a figure in the (m_X, coupling) plane: the g-2 band and excluded regions, drawn from a map alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import matplotlib.lines
import matplotlib.patches
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from zscan.errors import UnknownNameError
from zscan.results.figures import style


@dataclass(frozen=True)
class Band:
    """Values of an observable within `n_sigma` of its measurement: edges solid black, centre dashed.

    Where the band contains zero coupling (no preference for new physics) only the upper edge is drawn, as a limit.
    """

    constraint: str
    name: str
    n_sigma: float = 2.0

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Draw the band; returns its legend entries."""
        m_X, g_X, observable = plane(data, self.constraint)
        measured = measurement(data, self.constraint)
        lower = measured["value"] - self.n_sigma * measured["error_minus"]
        upper = measured["value"] + self.n_sigma * measured["error_plus"]
        edges = [upper] if lower <= 0 else [lower, upper]
        solid: dict[str, Any] = {"colors": "black", "linewidths": 1.3, "linestyles": "solid"}
        axes.contour(m_X, g_X, observable, levels=edges, **solid).set_gid(f"{self.constraint}/edges")
        line = matplotlib.lines.Line2D([], [], color="black", lw=1.3, label=f"{self.name}, ${self.n_sigma:g}\\sigma$")
        if lower <= 0:
            line.set_label(f"{line.get_label()} upper limit")
            return [line]
        dashed: dict[str, Any] = {"colors": "black", "linewidths": 1.0, "linestyles": "dashed"}
        axes.contour(m_X, g_X, observable, levels=[measured["value"]], **dashed).set_gid(f"{self.constraint}/centre")
        return [line, matplotlib.lines.Line2D([], [], color="black", lw=1.0, ls="--", label=f"{self.name}, centre")]


@dataclass(frozen=True)
class Excluded:
    """Region in which an observable lies above the limit of its measurement, shaded."""

    constraint: str
    label: str

    def draw(self, axes: Axes, data: xr.Dataset) -> list[Artist]:
        """Shade the region; returns its legend entry."""
        m_X, g_X, observable = plane(data, self.constraint)
        limit = measurement(data, self.constraint)["excluded_above"]
        face, hatch = style.FILL[self.constraint]
        excess = np.ma.masked_invalid(observable - limit)
        region = axes.contourf(m_X, g_X, excess, levels=[0.0, np.inf], colors=[face], alpha=0.85, hatches=[hatch])
        region.set_edgecolor("white")
        region.set_linewidth(0.0)
        region.set_gid(f"{self.constraint}/excluded")
        axes.contour(m_X, g_X, excess, levels=[0.0], colors="#404040", linewidths=0.7)
        provisional = " (provisional)" if measurement(data, self.constraint)["status"] == "provisional" else ""
        return [matplotlib.patches.Patch(fc=face, ec="#404040", lw=0.7, hatch=hatch, label=self.label + provisional)]


Layer = Band | Excluded


def plane(data: xr.Dataset, constraint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axes m_X and g_X of a map and the stored observable of a constraint as an array (g_X, m_X) for drawing.

    Raises `UnknownNameError` when the map does not hold the observable or has further axes left.
    """
    name = f"observable/{constraint}"
    if name not in data:
        raise UnknownNameError(
            f"the map holds no observable {constraint!r}; add it to output.observables of its card "
            f"(stored: {', '.join(sorted(key for key in map(str, data) if key.startswith('observable/')))})"
        )
    values = data[name]
    if set(values.dims) != {"m_X", "g_X"}:
        raise UnknownNameError(f"{name} has the axes {values.dims}; select one value of each but m_X and g_X first")
    return data["m_X"].values, data["g_X"].values, values.transpose("g_X", "m_X").values


def measurement(data: xr.Dataset, constraint: str) -> dict[str, Any]:
    """The measurement of a constraint as the map records it (numbers are exact hexadecimal floats there)."""
    table = json.loads(data.attrs["spec"])["likelihood"]["measurements"][constraint]
    return {key: _number(value) for key, value in table.items()}


def _number(value: Any) -> Any:
    is_number = isinstance(value, str) and re.fullmatch(r"-?0x[01]\.[0-9a-f]+p[+-]\d+", value)
    return float.fromhex(value) if is_number else value
