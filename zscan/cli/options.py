"""What the verbs share: the parser, options with one meaning, types of arguments."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from zscan.errors import clipped, nearest

T = TypeVar("T")
Command = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """Tells a usage error in one line."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser`."""
        if match := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            names = match[2].replace("'", "").split(", ")
            message = f"no {match[1]!r}: {nearest(match[1], names)}"
        text = f"{self.prog}: error: {clipped(message)} (--help shows the arguments)"
        self.exit(2, f"{text}\n")


class Verbs:
    """The verbs of a parser, or the actions of a verb."""

    def __init__(self, parser: argparse.ArgumentParser, metavar: str = "VERB") -> None:
        self.parsers: Any = parser.add_subparsers(required=True, metavar=metavar)

    def add(
        self,
        name: str,
        command: Command | None,
        text: str,
        examples: str = "",
        description: str = "",
    ) -> argparse.ArgumentParser:
        """A verb with its help; without a command, one that has actions."""
        sub: argparse.ArgumentParser = self.parsers.add_parser(
            name,
            help=text,
            description=description or text,
            epilog=f"examples:\n{textwrap.indent(examples, '  ')}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if command is not None:
            sub.set_defaults(command=command)
        return sub


def overrides(parser: argparse.ArgumentParser, text: str = "override a key of the card") -> None:
    """--set KEY=VALUE of a card, any number of times."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)


def device(parser: argparse.ArgumentParser) -> None:
    """--device."""
    text = "cpu, gpu, or the number of one device of zscan devices (default: all that jax finds)"
    parser.add_argument("--device", metavar="NAME", help=text)


def observables(parser: argparse.ArgumentParser) -> None:
    """--observables."""
    text = "measurements: paper (default), current, or a TOML file with base = (docs/own.md)"
    parser.add_argument("--observables", default="paper", metavar="SET", help=text)


def constraints(parser: argparse.ArgumentParser, names: Sequence[str] = ("--constraints",)) -> None:
    """--constraints, or other names of the option."""
    text = (
        "names, patterns, package.module:NAME, or paper: what the paper uses (default: "
        "everything that is data)"
    )
    parser.add_argument(
        *names, dest="constraints", nargs="+", action="extend", metavar="NAME", help=text
    )


def picture(parser: argparse.ArgumentParser) -> None:
    """--format and --no-caption of a picture in a folder."""
    text = "of the picture: png (default), pdf or svg"
    parser.add_argument("--format", metavar="ENDING", help=text)
    no_caption(parser)


def no_caption(parser: argparse.ArgumentParser) -> None:
    """--no-caption."""
    text = "leave out the line in the figure that tells the origin"
    parser.add_argument("--no-caption", action="store_true", help=text)


def masses(parser: argparse.ArgumentParser) -> None:
    """--m_X_min and --m_X_max."""
    for name, default in (("min", 1e-3), ("max", 10.0)):
        parser.add_argument(f"--m_X_{name}", type=float, default=default, metavar="GEV")


def n_sigma(parser: argparse.ArgumentParser) -> None:
    """--n_sigma."""
    text = "width of the g-2 band (default 2)"
    parser.add_argument("--n_sigma", type=float, default=2.0, help=text)


def _named(text: str, convert: Callable[[str], T], form: str) -> tuple[str, T]:
    """NAME=VALUE, whose value is what `convert` makes of it."""
    name, _, value = text.partition("=")
    try:
        return name, convert(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form {form}") from None


def parameter(text: str) -> tuple[str, float]:
    """NAME=VALUE with a number."""
    return _named(text, float, "NAME=VALUE with a number")


def part(text: str) -> tuple[str, float | tuple[float, float]]:
    """NAME=VALUE or NAME=LOW:HIGH with numbers."""

    def ends(value: str) -> float | tuple[float, float]:
        low, colon, high = value.partition(":")
        return (float(low), float(high)) if colon else float(value)

    return _named(text, ends, "NAME=VALUE or NAME=LOW:HIGH with numbers")


def count(text: str) -> tuple[str, int]:
    """NAME=N with a whole number."""
    return _named(text, int, "NAME=N with a whole number")


def shard(text: str) -> tuple[int, int]:
    """i/n, 1 <= i <= n."""
    try:
        index, count = (int(part) for part in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form i/n with whole numbers, such as 1/8"
        ) from None
    if not 1 <= index <= count:
        raise argparse.ArgumentTypeError(f"{text!r}: i runs from 1 to n")
    return index, count
