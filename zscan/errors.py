"""Named errors of zscan: each says what was wrong, where, and what is allowed; each carries its
exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class ZscanError(Exception):
    """Base class; `exit_code` is what the command line returns (2 bad input, 3 incomplete, 4
    corrupt).
    """

    exit_code = 2


class ModelError(ZscanError):
    """A model file or a charge that cannot be used."""


class ModelWarning(UserWarning):
    """A model that can be used but that a user should know something about, such as an anomalous
    charge sum.
    """


class UnknownNameError(ZscanError):
    """A name (model, constraint, observable set, reference) that zscan does not know."""


class PrecisionError(ZscanError):
    """A kernel was traced in float32, where its accuracy is not proven."""


class ParameterError(ZscanError):
    """A parameter value outside what the function accepts."""


class ResultExistsError(ZscanError):
    """A result would be overwritten."""


class ResumeMismatchError(ZscanError):
    """The tiles on disk belong to another scan."""


class StorageError(ZscanError):
    """The disk is full, or the folder cannot be written."""


class IncompleteScanError(ZscanError):
    """Some tiles of a scan are missing."""

    exit_code = 3


class IncompleteMapError(ZscanError):
    """A map in which tiles are missing, where a complete one is asked for."""

    exit_code = 3


class NotConvergedError(ZscanError):
    """A fit or a sampler that did not converge."""

    exit_code = 3


class MissingExtraError(ZscanError):
    """An optional package that is not installed."""


class CorruptFileError(ZscanError):
    """A file of ours whose content does not match its digest or its schema."""

    exit_code = 4


class ForeignFileError(ZscanError):
    """A file that zscan did not write, or that refers to data outside itself."""


@dataclass(frozen=True)
class Fault:
    """One fault of an input file: dotted path of the key, its value, the problem, and what is
    allowed.
    """

    path: str
    problem: str
    value: object = None
    allowed: str = ""

    def __str__(self) -> str:
        value = "" if self.value is None else f" (got {_short(self.value)})"
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return f"{self.path}: {self.problem}{value}{allowed}"


class CardError(ZscanError):
    """All faults of a scan card at once."""

    def __init__(self, source: str, faults: Iterable[Fault]):
        self.source = source
        self.faults = tuple(faults)
        count = len(self.faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{source}: {count} fault{'s' if count != 1 else ''}\n{lines}")


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Text that lists `allowed`, with the closest name to `name` first when one is close.

    >>> nearest("borexion", ["borexino", "trident_ccfr"])
    "did you mean 'borexino'? (all: borexino, trident_ccfr)"
    """
    names = [str(item) for item in allowed]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    listing = ", ".join(names)
    return f"did you mean {close[0]!r}? (all: {listing})" if close else listing


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
