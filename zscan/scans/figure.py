"""A figure of the paper from scratch: run its scan card, then draw the map."""

from __future__ import annotations

import json
import shlex
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from zscan.constraints import expand_constraints, is_projection
from zscan.errors import (
    CardError,
    Fault,
    NoEffectWarning,
    ParameterError,
    UnknownNameError,
    nearest,
)
from zscan.results.figures import FIGURES, save
from zscan.results.figures.picture import (
    CAPTION,
    FORMATS,
    PICTURE,
    caption_path,
    picture_format,
)
from zscan.results.figures.plot import FigureSpec
from zscan.results.load import open_drawn
from zscan.results.outputs import Output, guard
from zscan.scans.cards import read_card
from zscan.scans.folders import map_outputs
from zscan.scans.interrupts import interruptible
from zscan.scans.run import run_scan
from zscan.scans.spec import ScanSpec, load_card

# Endings that ask for a picture which we do not write; any other name is that of a folder
_OTHER_FORMATS = ("bmp", "eps", "gif", "jpeg", "jpg", "ps", "tif", "tiff", "webp")


@interruptible()
def make_figure(
    number: str,
    out: str | Path = "results",
    *,
    points: int | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    constraints: str | Sequence[str] | None = None,
    ending: str | None = None,
    provenance: bool = True,
) -> tuple[Path, ...]:
    """Scan and draw figure `number` ("2", ...) into the folder or picture `out`; returns the paths
    of the maps and of the picture; its caption is beside it. See `make_figures`."""
    made = make_figures(
        [number],
        out,
        points=points,
        force=force,
        overrides=overrides,
        constraints=constraints,
        ending=ending,
        provenance=provenance,
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
    ending: str | None = None,
    provenance: bool = True,
) -> Iterator[Path]:
    """Scan and draw figures, one after the other; yields the paths of the maps and of the picture
    of each, beside which its caption is, as soon as it is there.

    `out` is a folder, in which the pictures are figNUMBER.png, or with another `ending` ("pdf",
    "svg"); or, for one figure, the picture itself, whose ending tells the format, with its maps
    beside it. `points` overrides the number of points of every axis, `overrides` any keys of the
    cards ("observables=current"). With `constraints`, such as "paper", only those of each card that
    are among them are scanned and drawn, and projections. Without `provenance` no line in the
    figure tells where it is from. A finished map of the same card is drawn again without a new
    scan, an interrupted one is resumed; a map of another card is kept unless `force`
    (`ResumeMismatchError`). A picture is replaced if zscan drew it. Raises, before any work,
    `UnknownNameError` for a figure that does not exist, `ParameterError` for a picture that is none
    of these formats or that several figures would share, `ResultExistsError` for a file in the way
    of any output that is not ours, `CardError` for changes after which the figure cannot be drawn,
    and what `run_scan` raises."""
    for number in numbers:
        if number not in FIGURES:
            raise UnknownNameError(f"unknown figure {number!r}: {nearest(number, FIGURES)}")
    folder, pictures, options = _places(numbers, out, ending)
    cards = dict.fromkeys(card for number in numbers for card in FIGURES[number].cards)
    outputs = [
        item for card in cards for item in map_outputs(folder / f"{card}.h5", may_exist=True)
    ]
    for picture in pictures.values():
        outputs.append(Output(picture, PICTURE, may_exist=True))
        outputs.append(Output(caption_path(picture), CAPTION, may_exist=True))
    guard(outputs, force=force)
    scans = {number: _scans(number, points, overrides, constraints) for number in numbers}
    for number, picture in pictures.items():
        command = _command(number, points, overrides, constraints, options)
        yield from _make(number, scans[number], picture, force, command, provenance)


def _places(
    numbers: Sequence[str], out: str | Path, ending: str | None
) -> tuple[Path, dict[str, Path], list[str]]:
    """The folder of the maps, the picture of each figure, and the options that ask for them."""
    path = Path(out)
    kind = path.suffix.removeprefix(".").lower()
    if not path.is_dir() and (kind in FORMATS or kind in _OTHER_FORMATS):
        picture_format(path)
        if ending not in (None, kind):
            raise ParameterError(f"{path} is no {ending} file: leave out one of the two")
        if len(numbers) != 1:
            raise ParameterError(f"{path} is one picture for {len(numbers)} figures: give a folder")
        return path.parent, {numbers[0]: path}, ["-o", path.name]
    pictures = {number: path / f"fig{number}.{ending or 'png'}" for number in numbers}
    for picture in pictures.values():
        picture_format(picture)
    return path, pictures, [] if ending in (None, "png") else ["--format", ending]


def _scans(
    number: str,
    points: int | None,
    overrides: Sequence[str],
    constraints: str | Sequence[str] | None,
) -> tuple[ScanSpec, ...]:
    """The changed cards of a figure; raises `CardError` for those that cannot be drawn."""
    figure, scans = FIGURES[number], []
    resolution = [] if points is None else [f"axis.{axis}.num={points}" for axis in figure.axes]
    for card in figure.cards:
        chosen = [] if constraints is None else _selected(card, constraints, figure.beyond)
        scans.append(load_card(card, [*resolution, *chosen, *overrides]))
        faults = list(_contradicting(figure, scans[-1], load_card(card))) if overrides else []
        faults += _undrawable(figure, scans[-1], read_card(card).table["axis"])
        if faults:
            raise CardError(card, faults)
    return tuple(scans)


def _contradicting(figure: FigureSpec, scan: ScanSpec, shipped: ScanSpec) -> Iterator[Fault]:
    """What of a changed card would make another figure of it than that of the paper: its model."""
    advice = "zscan run CARD, then zscan plot MAP, draws any model"
    if scan.model.to_table() != shipped.model.to_table():
        allowed = f"{shipped.model.name}; {advice}"
        problem = f"not the model of Fig {figure.number}"
        yield Fault("model", problem, scan.model.name, allowed)
    for name, value in scan.fixed.items():
        if name.startswith(("charge.", "add.")) and shipped.fixed.get(name) != value:
            problem = f"changes the model of Fig {figure.number}"
            yield Fault(f"fixed.{name}", problem, value, advice)


def _command(
    number: str,
    points: int | None,
    overrides: Sequence[str],
    constraints: str | Sequence[str] | None,
    options: Sequence[str],
) -> str:
    """The command that makes a figure."""
    parts = ["zscan", "figure", number, *options]
    parts += [] if points is None else ["--points", str(points)]
    parts += [part for change in overrides for part in ("--set", change)]
    names = [constraints] if isinstance(constraints, str) else constraints or []
    return shlex.join([*parts, *(["--constraints", *names] if names else [])])


def _undrawable(figure: FigureSpec, scan: ScanSpec, needed: Iterable[str]) -> Iterator[Fault]:
    """Why a figure whose card has the axes `needed` cannot be drawn from a scan."""
    sizes = {axis.name: axis.values.size for axis in scan.axes}
    names = ", ".join(needed)
    for name in dict.fromkeys([*needed, *sizes]):
        if name not in sizes:
            yield Fault(f"axis.{name}", f"no axis of the map, but one of Fig {figure.number}")
        elif name not in needed:
            yield Fault(f"axis.{name}", f"no axis of Fig {figure.number}", allowed=names)
        elif name in figure.axes and sizes[name] == 1:
            yield Fault(f"axis.{name}.values", "one value draws nothing", allowed="two or more")


def _make(
    number: str,
    scans: Sequence[ScanSpec],
    picture: Path,
    force: bool,
    command: str,
    provenance: bool,
) -> tuple[Path, ...]:
    figure = FIGURES[number]
    paths = [picture.parent / f"{card}.h5" for card in figure.cards]
    for scan, path in zip(scans, paths, strict=True):
        with warnings.catch_warnings():
            # Of its own models the paper also shows what sees nothing of them
            if not any(text.startswith("model") for text in scan.overrides):
                warnings.simplefilter("ignore", NoEffectWarning)
            run_scan(scan, path, resume=not force, force=force)
    with ExitStack() as stack:
        maps = [stack.enter_context(open_drawn(path)) for path in paths]
        save(figure, maps, picture, command=command, provenance=provenance, force=True)
        return (*paths, picture)


def _selected(card: str, constraints: str | Sequence[str], beyond: Sequence[str]) -> list[str]:
    """Overrides that keep the constraints of a card that are selected, and projections; what is
    `beyond` the paper in the figure is none of "paper".
    """
    asked = [constraints] if isinstance(constraints, str) else list(constraints)
    selected: set[str] = set()
    for pattern in asked:
        found = expand_constraints([pattern])
        selected.update(found if pattern != "paper" else set(found) - set(beyond))
    spec = load_card(card)
    left_out = {
        name for name in spec.constraints if name not in selected and not is_projection(name)
    }
    kept = [name for name in spec.constraints if name not in left_out]
    stored = [name for name in spec.stored_observables if name not in left_out]
    return [f"constraints={json.dumps(kept)}", f"output.observables={json.dumps(stored)}"]
