"""`zscan plot`: draw a map, or scan a model on a sensible grid first and draw that."""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from zscan.errors import CardError, Fault, ParameterError, UnknownNameError
from zscan.results.figures.custom import (
    draw_plane,
    options_of,
    plane_of,
    save_plane,
    warn_left_out,
)
from zscan.results.figures.picture import CAPTION, PICTURE, caption_path, picture_format
from zscan.results.load import open_drawn
from zscan.results.outputs import Output, guard
from zscan.results.plot_table import PlotTable, read_plot_table
from zscan.results.refined import for_drawing
from zscan.untrusted import TextError, file_name, is_file, parse_toml

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The grid of a model without a map
_RANGES = {
    "m_X": (1e-3, 10.0, "log"),
    "g_X": (1e-6, 1e-1, "log"),
    "g_V": (1e-4, 1.0, "log"),
    "M_1": (1e3, 12e3, "linear"),
    "M_2": (1e3, 12e3, "linear"),
}
_POINTS = 201
_MAP_ENDINGS = (".h5", ".hdf5")


def plot(
    map_or_model: str | Path | xr.Dataset | Any,
    *,
    x: str | None = None,
    y: str | None = None,
    layers: str | Sequence[str] | None = None,
    select: Mapping[str, float] | None = None,
    project: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    style: str | Sequence[str] | None = None,
    labels: Literal["inside", "legend", "none"] | None = None,
    constraints: str | Sequence[str] | None = None,
    **options: Any,
) -> Axes:
    """Draw a plane of a map, or of a model that is scanned first, and return the axes.

    `map_or_model`: the path of a map, an open one, or what `load_model` takes. `x`, `y`: two axes
    of the map (default: its last two); all others are selected, `select={"eps": 0}`, or projected,
    `project="eps"`: excluded is then what no value allows. `layers`: names or patterns of the
    constraints that are drawn; `constraints`: those that a model is scanned with (default: all
    data, of two readings of the same the first). `ax`: axes of a figure of yours. `style`: names of
    matplotlib styles. `labels`: "inside" the plot, in a "legend", or "none". Further `options` are
    the keys of the [plot] table of a card, which they take the place of: `order`, `colours`,
    `names`, `thresholds`, `projections`, `combined`, `points`, `text`, `xlim`, `ylim`, `width`,
    `height`.

    Title and labels are those of the map. Raises `ParameterError` and `UnknownNameError` for what
    the map does not have, `CardError` for faulty options; warns of constraints that cannot be
    shown.
    """
    given = {
        "x": x,
        "y": y,
        "layers": _listed(layers),
        "select": None if select is None else {k: float(v) for k, v in select.items()},
        "project": _listed(project),
        "style": _listed(style),
        "labels": labels,
    }
    options |= {key: value for key, value in given.items() if value is not None}
    changed = read_plot_table(options, "options of the plot")
    with _opened(map_or_model, constraints, None, False)[0] as data:
        plane = plane_of(data, _merged(options_of(data), changed))
        warn_left_out(plane, stacklevel=3)
        return draw_plane(plane, ax)


def make_plot(
    source: str,
    out: str | Path,
    options: Mapping[str, Any],
    *,
    constraints: Sequence[str] | None = None,
    command: str = "",
    provenance: bool = True,
    force: bool = False,
) -> Iterator[Path]:
    """Draw a map, or a model that is scanned first, into the file `out` (.pdf, .svg or .png), with
    its caption in OUT.caption.txt; yields the paths of what is written as soon as it is there.

    The map of a model is written beside the figure, OUT.h5; a finished one of the same scan is used
    again. A figure and a caption of ours are replaced. Raises as `plot`, before any work
    `ParameterError` for an ending that is none of those, and `ResultExistsError` for a file in the
    way that is not ours."""
    out = file_name(out, "figure")
    picture_format(out)
    changed = read_plot_table(options, "options of the plot")
    outputs = [Output(out, PICTURE, True), Output(caption_path(out), CAPTION, True)]
    guard(outputs, force=force)
    opened, made = _opened(source, constraints, out.with_suffix(".h5"), force)
    yield from made
    with opened as data:
        plane = plane_of(data, _merged(options_of(data), changed))
        warn_left_out(plane, stacklevel=2)
        command = command or shlex.join(["zscan", "plot", source])
        yield save_plane(plane, out, command, provenance=provenance, force=True)
        yield caption_path(out)


def options_of_command(arguments: argparse.Namespace) -> dict[str, Any]:
    """The [plot] table that the arguments of a command make; raises `CardError` for a --set that is
    none.
    """
    given: dict[str, Any] = {}
    for text in arguments.set:
        key, equals, value = text.partition("=")
        parts = [part.strip() for part in key.split(".", 1)]
        if not equals or not all(parts):
            problem = "not of the form KEY=VALUE"
            fault = Fault("--set", problem, text, "such as thresholds.delta_a_mu=1")
            raise CardError("options of the plot", [fault])
        table = given if len(parts) == 1 else given.setdefault(parts[0], {})
        if not isinstance(table, dict):
            raise CardError("options of the plot", [Fault(f"plot.{key}", "no table", table)])
        table[parts[-1]] = _value(value.strip())
    if arguments.at:
        given["select"] = given.get("select", {}) | dict(arguments.at)
    if arguments.width is not None:
        given["width"] = _value(arguments.width)
    for key in ("x", "y", "project", "layers", "labels", "style"):
        if getattr(arguments, key) is not None:
            given[key] = getattr(arguments, key)
    return given


def _value(text: str) -> Any:
    """A TOML value, else a bare string."""
    try:
        parsed = parse_toml(f"value = {text}")
    except TextError:
        return text
    value = parsed["value"] if list(parsed) == ["value"] else text
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _listed(value: str | Sequence[str] | None) -> list[str] | None:
    return [value] if isinstance(value, str) else None if value is None else list(value)


def _merged(card: PlotTable, changed: PlotTable) -> PlotTable:
    """Options of a card with those that were given in their place."""
    return card.model_copy(update={key: getattr(changed, key) for key in changed.model_fields_set})


def _opened(
    source: Any, constraints: str | Sequence[str] | None, out: Path | None, force: bool
) -> tuple[Any, tuple[Path, ...]]:
    """A context with the open map of a source, and what was written for it.

    A model is scanned into `out`, or into memory if that is None."""
    if isinstance(source, xr.Dataset):
        return _kept(for_drawing(source)), ()
    if isinstance(source, str | Path) and _is_map(source):
        if constraints is not None:
            raise ParameterError(
                f"{source} is a map, whose constraints are there already: choose among them with "
                "layers"
            )
        return open_drawn(source), ()
    if out is not None:
        return open_drawn(_scanned(source, constraints, out, force)), (out,)
    with tempfile.TemporaryDirectory() as folder:
        path = _scanned(source, constraints, Path(folder) / "model.h5", force)
        with open_drawn(path) as data:
            return _kept(data.load()), ()


@contextmanager
def _kept(data: xr.Dataset) -> Iterator[xr.Dataset]:
    yield data


def _is_map(source: str | Path) -> bool:
    path = str(source)
    if path.endswith(_MAP_ENDINGS):
        return True
    return is_file(source) and not path.endswith(".toml")


def _scanned(source: Any, constraints: str | Sequence[str] | None, out: Path, force: bool) -> Path:
    """Scan a model on the default grid, with every observable that is drawn."""
    from zscan.constraints import ALTERNATIVES, data_constraints, expand_constraints
    from zscan.models import load_model
    from zscan.scans.run import run_scan

    model = load_model(source)
    unknown = [name for name in model.required if name not in _RANGES]
    if unknown:
        raise UnknownNameError(
            f"{model.name}: no plane to draw by default, for lack of a range of "
            f"{', '.join(unknown)}; scan a card of it, then plot its map"
        )
    if constraints is not None:
        chosen = expand_constraints(constraints)
    else:  # of two readings of the same data the first
        second = {name for group in ALTERNATIVES for name in group[1:]}
        chosen = tuple(name for name in data_constraints() if name not in second)
    if model.constraints is not None:
        chosen = tuple(name for name in chosen if name in model.constraints)
    axes = {}
    for name in model.required:
        low, high, scale = _RANGES[name]
        axes[name] = {"min": low, "max": high, "num": _POINTS, "scale": scale}
    card = {
        "format": 1,
        "name": re.sub(r"[^A-Za-z0-9._+-]", "-", f"plot-{model.name}")[:100],
        "model": model.to_table(),
        "constraints": list(chosen),
        "axis": axes,
        "output": {"observables": list(chosen)},
    }
    return run_scan(card, out, resume=not force, force=force, progress=False)
