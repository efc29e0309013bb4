"""A figure of the paper from scratch: run its scan card, then draw the map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from zscan.errors import UnknownNameError, nearest
from zscan.results.figures import FIGURES, save
from zscan.results.figures.picture import PICTURE
from zscan.results.load import open_scan
from zscan.results.outputs import Output, guard
from zscan.scans.run import run_scan
from zscan.scans.store import map_outputs


def make_figure(
    number: str,
    out: str | Path = "results",
    *,
    points: int | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Scan and draw figure `number` ("2", ...) into the folder `out`; returns the paths of the maps
    and of the PNG. See `make_figures`."""
    made = make_figures([number], out, points=points, force=force, overrides=overrides)
    return tuple(made)


def make_figures(
    numbers: Sequence[str],
    out: str | Path = "results",
    *,
    points: int | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
) -> Iterator[Path]:
    """Scan and draw figures into the folder `out`, one after the other; yields the paths of the
    maps and of the PNG of each as soon as it is there.

    `points` overrides the number of points of every axis, `overrides` any keys of the cards
    ("observables=current"). A finished map of the same card is drawn again without a new scan, an
    interrupted one is resumed; a map of another card is kept unless `force`
    (`ResumeMismatchError`). A PNG is replaced if zscan drew it. Raises, before any work,
    `UnknownNameError` for a figure that does not exist and `ResultExistsError` for a file in the
    way of any output that is not ours, and what `run_scan` raises."""
    for number in numbers:
        if number not in FIGURES:
            raise UnknownNameError(f"unknown figure {number!r}: {nearest(number, FIGURES)}")
    folder = Path(out)
    cards = dict.fromkeys(card for number in numbers for card in FIGURES[number].cards)
    outputs = [
        item for card in cards for item in map_outputs(folder / f"{card}.h5", may_exist=True)
    ]
    outputs += [Output(folder / f"fig{number}.png", PICTURE, may_exist=True) for number in numbers]
    guard(outputs, force=force)
    for number in numbers:
        yield from _make(number, folder, points, force, overrides)


def _make(
    number: str, folder: Path, points: int | None, force: bool, overrides: Sequence[str]
) -> tuple[Path, ...]:
    spec = FIGURES[number]
    resolution = [] if points is None else [f"axis.{axis}.num={points}" for axis in spec.axes]
    paths = [folder / f"{card}.h5" for card in spec.cards]
    for card, path in zip(spec.cards, paths, strict=True):
        run_scan(card, path, resume=not force, force=force, overrides=[*resolution, *overrides])
    with ExitStack() as stack:
        maps = [stack.enter_context(open_scan(path)) for path in paths]
        return (*paths, save(spec, maps, folder / f"fig{number}.png", force=True))
