"""A figure of the paper from scratch: run its scan card, then draw the map."""

from __future__ import annotations

from pathlib import Path

from zscan.errors import UnknownNameError, nearest
from zscan.results.figures import FIGURES, save
from zscan.results.load import open_scan
from zscan.scans.runner import run_scan


def make_figure(
    number: str, out: str | Path = "results", *, points: int | None = None, force: bool = False
) -> tuple[Path, Path]:
    """Scan and draw figure `number` ("2", ...) into the folder `out`; returns the paths of the map and the PNG.

    `points` overrides the number of points of every axis. A finished map of the same card is drawn again without
    a new scan, an interrupted one is resumed; a map of another card is kept unless `force` (`ResumeMismatchError`).
    Raises `UnknownNameError` for a figure that does not exist and what `run_scan` raises.
    """
    if number not in FIGURES:
        raise UnknownNameError(f"unknown figure {number!r}: {nearest(number, FIGURES)}")
    spec = FIGURES[number]
    folder = Path(out)
    map_path = folder / f"fig{number}.h5"
    overrides = [] if points is None else [f"axis.{axis}.num={points}" for axis in spec.axes]
    run_scan(spec.card, map_path, resume=not force, force=force, overrides=overrides)
    with open_scan(map_path) as data:
        return map_path, save(spec, data, folder / f"fig{number}.png")
