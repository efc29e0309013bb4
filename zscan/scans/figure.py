"""A figure of the paper from scratch: run its scan card, then draw the map."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from zscan.errors import UnknownNameError, nearest
from zscan.results.figures import FIGURES, save
from zscan.results.load import open_scan
from zscan.scans.interrupts import interruptible
from zscan.scans.run import run_scan


@interruptible()
def make_figure(
    number: str,
    out: str | Path = "results",
    *,
    points: int | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Scan and draw figure `number` ("2", ...) into the folder `out`; returns the paths of the maps
    and of the PNG.

    `points` overrides the number of points of every axis, `overrides` any keys of the cards
    ("observables=current"). A finished map of the same card is drawn again without a new scan, an
    interrupted one is resumed; a map of another card is kept unless `force`
    (`ResumeMismatchError`). Raises `UnknownNameError` for a figure that does not exist and what
    `run_scan` raises."""
    if number not in FIGURES:
        raise UnknownNameError(f"unknown figure {number!r}: {nearest(number, FIGURES)}")
    spec = FIGURES[number]
    folder = Path(out)
    resolution = [] if points is None else [f"axis.{axis}.num={points}" for axis in spec.axes]
    paths = [folder / f"{card}.h5" for card in spec.cards]
    for card, path in zip(spec.cards, paths, strict=True):
        run_scan(card, path, resume=not force, force=force, overrides=[*resolution, *overrides])
    with ExitStack() as stack:
        maps = [stack.enter_context(open_scan(path)) for path in paths]
        return (*paths, save(spec, maps, folder / f"fig{number}.png"))
