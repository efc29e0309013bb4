"""A figure of the paper from scratch: run its scan card, then draw the map."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from zscan.constraints import expand_constraints, is_projection
from zscan.errors import UnknownNameError, nearest
from zscan.results.figures import FIGURES, save
from zscan.results.figures.picture import PICTURE
from zscan.results.load import open_scan
from zscan.results.outputs import Output, guard
from zscan.scans.interrupts import interruptible
from zscan.scans.run import run_scan
from zscan.scans.spec import load_card
from zscan.scans.store import map_outputs


@interruptible()
def make_figure(
    number: str,
    out: str | Path = "results",
    *,
    points: int | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    constraints: str | Sequence[str] | None = None,
) -> tuple[Path, ...]:
    """Scan and draw figure `number` ("2", ...) into the folder `out`; returns the paths of the maps
    and of the PNG. See `make_figures`."""
    made = make_figures(
        [number],
        out,
        points=points,
        force=force,
        overrides=overrides,
        constraints=constraints,
    )
    return tuple(made)


def make_figures(
    numbers: Sequence[str],
    out: str | Path = "results",
    *,
    points: int | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    constraints: str | Sequence[str] | None = None,
) -> Iterator[Path]:
    """Scan and draw figures into the folder `out`, one after the other; yields the paths of the
    maps and of the PNG of each as soon as it is there.

    `points` overrides the number of points of every axis, `overrides` any keys of the cards
    ("observables=current"). With `constraints`, such as "paper", only those of each card that are
    among them are scanned and drawn, and projections. A finished map of the same card is drawn
    again without a new scan, an interrupted one is resumed; a map of another card is kept unless
    `force` (`ResumeMismatchError`). A PNG is replaced if zscan drew it. Raises, before any work,
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
        yield from _make(number, folder, points, force, overrides, constraints)


def _make(
    number: str,
    folder: Path,
    points: int | None,
    force: bool,
    overrides: Sequence[str],
    constraints: str | Sequence[str] | None,
) -> tuple[Path, ...]:
    spec = FIGURES[number]
    resolution = [] if points is None else [f"axis.{axis}.num={points}" for axis in spec.axes]
    paths = [folder / f"{card}.h5" for card in spec.cards]
    for card, path in zip(spec.cards, paths, strict=True):
        chosen = [] if constraints is None else _selected(card, constraints)
        changes = [*resolution, *chosen, *overrides]
        run_scan(card, path, resume=not force, force=force, overrides=changes)
    with ExitStack() as stack:
        maps = [stack.enter_context(open_scan(path)) for path in paths]
        return (*paths, save(spec, maps, folder / f"fig{number}.png", force=True))


def _selected(card: str, constraints: str | Sequence[str]) -> list[str]:
    """Overrides that keep the constraints of a card that are selected, and projections."""
    selected, spec = expand_constraints(constraints), load_card(card)
    left_out = {
        name for name in spec.constraints if name not in selected and not is_projection(name)
    }
    kept = [name for name in spec.constraints if name not in left_out]
    stored = [name for name in spec.stored_observables if name not in left_out]
    return [f"constraints={json.dumps(kept)}", f"output.observables={json.dumps(stored)}"]
