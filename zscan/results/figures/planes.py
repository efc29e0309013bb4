"""What a layer draws from: planes of a map as arrays, contour lines, the entry of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.lines
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from zscan.errors import UnknownNameError
from zscan.results.figures.reduced import pull
from zscan.results.rule import excess, exclusion_rule, stored


@dataclass(frozen=True)
class Entry:
    """What a layer drew: its legend entry, its name with colour, and where the name may stand.

    `lines` are polylines (n, 2) in data coordinates, `region` is where it is filled, an array of
    (y, x); without either it is named in a legend only. No name covers the lines of one that is
    `kept` clear."""

    handle: Artist
    colour: str = "black"
    lines: tuple[np.ndarray, ...] = ()
    region: np.ndarray | None = None
    kept: bool = False

    @property
    def text(self) -> str:
        """The name."""
        return str(self.handle.get_label())


def plane(data: xr.Dataset, observable: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes x, y that a map has left and a stored observable as an array (y, x) for drawing.

    Raises `UnknownNameError` when the map does not hold the observable or has not exactly two axes
    left."""
    return as_plane(stored(data, observable), observable)


def as_plane(values: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes x, y of an array and its values (y, x); `name` is for the message."""
    if values.ndim != 2:
        raise UnknownNameError(
            f"{name} has the axes {values.dims}; select one value of all but two first"
        )
    x, y = values.dims
    return values[x].values, values[y].values, values.values.T


def excess_plane(
    data: xr.Dataset, constraint: str, above: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes x, y that a map has left and the excess of a constraint over its limit as an
    array (y, x); `above` takes the place of the limit.
    """
    name = f"excess/{constraint}"
    x, y, values = as_plane(data[name] if name in data else excess(data, constraint), constraint)
    if above is not None:
        rule = exclusion_rule(data.attrs, constraint)
        values = values + float(rule.excluded_above or rule.delta_chi2_excluded or 0.0) - above
    return x, y, values


def pull_plane(data: xr.Dataset, constraint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes x, y that a map has left and the distance from a measurement in standard
    deviations as an array (y, x).
    """
    name = f"pull/{constraint}"
    return as_plane(data[name] if name in data else pull(data, constraint), constraint)


def summed(data: xr.Dataset, constraints: Sequence[str]) -> xr.DataArray:
    """Sum of delta chi2 where any of them is finite; the others add nothing there."""
    chi2 = data["delta_chi2"].sel(constraint=list(constraints))
    return chi2.sum("constraint", skipna=True, min_count=1)


def contour(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    levels: list[float],
    gid: str,
    look: Mapping[str, Any],
) -> list[np.ndarray]:
    """Contour lines, as polylines; nothing where the level is not reached at all (an absent band is
    a result, not a fault).
    """
    finite = values[np.isfinite(values)]
    reached = [level for level in levels if finite.size and finite.min() < level < finite.max()]
    if not reached:
        return []
    found = axes.contour(x, y, np.ma.masked_invalid(values), levels=reached, **look)
    found.set_gid(gid)
    return [piece for pieces in found.allsegs for piece in pieces if len(piece) > 1]


def line_entry(
    lines: list[np.ndarray],
    colour: str,
    width: float,
    dashes: Any,
    label: str,
    *,
    kept: bool = False,
) -> list[Entry]:
    """The entry of a layer that is lines alone; none without lines."""
    if not lines:
        return []
    handle = matplotlib.lines.Line2D([], [], color=colour, lw=width, ls=dashes, label=label)
    return [Entry(handle, colour, tuple(lines), kept=kept)]
