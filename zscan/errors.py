"""Named errors of zscan: each says what was wrong, where, and what is allowed; each carries its
exit code.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass

_FAULTS_SHOWN = 40  # a message stays readable on one screen, and below the lines of `clipped`
_NAMES_SHOWN = 25
_MESSAGE_LINES, _LINE_CHARACTERS = 60, 1000
_SHORT = reprlib.Repr()  # looks at the beginning of a container only
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 4, 40, 40, 40
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 1000


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


class ConstraintError(ZscanError):
    """A constraint of a user that cannot be used: its fields, its module, or what it computes."""


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


class DamagedTileWarning(UserWarning):
    """Stored tiles of a scan that do not match their digests and are computed again."""


class NotFiniteError(ZscanError):
    """A constraint is not finite at a point where it is valid, and the scan is strict."""

    exit_code = 3


class NotFiniteWarning(UserWarning):
    """A constraint is not finite at points where it is valid."""


class UnitWarning(UserWarning):
    """A number that looks as if it were given in another unit."""


class NoEffectWarning(UserWarning):
    """A constraint that has no effect at any point that was asked for, which does not mean that
    anything is allowed.
    """


class DeviceError(ZscanError):
    """The device failed, or its memory is too small, also at half the size of a tile."""

    exit_code = 3


class BusyError(ZscanError):
    """Another process works on the same map."""


class BatchError(ZscanError):
    """The batch system is not there, or does not take a job."""


class DoubleWorkWarning(UserWarning):
    """Another process computes the same shard."""


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
        value = "" if self.value is None else f" (got {shown(self.value)})"
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return clipped(f"{clipped(self.path, 200)}: {self.problem}{value}{allowed}", 900)


class CardError(ZscanError):
    """All faults of a scan card at once, in `faults`; the message lists the first 40 of them."""

    def __init__(self, source: str, faults: Iterable[Fault]):
        self.source = source
        self.faults = tuple(faults)
        count = len(self.faults)
        lines = [f"  {fault}" for fault in self.faults[:_FAULTS_SHOWN]]
        if count > _FAULTS_SHOWN:
            lines.append(f"  and {count - _FAULTS_SHOWN} more")
        heading = f"{clipped(source, 300)}: {count} fault{'s' if count != 1 else ''}"
        super().__init__("\n".join([heading, *lines]))


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Text that lists `allowed` (the first 25), with the closest name to `name` first when one is
    close.

    >>> nearest("borexion", ["borexino", "trident_ccfr"])
    "did you mean 'borexino'? (all: borexino, trident_ccfr)"
    """
    names = [str(item) for item in allowed]
    close = difflib.get_close_matches(str(name)[:200], names, n=1, cutoff=0.6)
    listing = ", ".join(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        listing += f", and {len(names) - _NAMES_SHOWN} more"
    return f"did you mean {close[0]!r}? (all: {listing})" if close else listing


def shown(value: object, limit: int = 80) -> str:
    """`repr` of an untrusted value on one line of at most `limit` characters; never fails.

    >>> shown("a" * 100, 12), shown(10**5000, 60)
    ("'aaaaaaaa...", 'an integer of 16610 bits')
    """
    if isinstance(value, int) and value.bit_length() > 1000:  # repr refuses more than 4300 digits
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value[:limit]) if isinstance(value, str | bytes) else _SHORT.repr(value)
    except Exception:  # of a repr that is not ours, or of a value nested too deeply
        text = f"a value of the type {type(value).__name__}"
    return clipped(text if len(text) <= limit else text[: limit - 3] + "...", limit)


def clipped(text: str, limit: int = _LINE_CHARACTERS) -> str:
    """`text` on one line of at most `limit` characters, control characters escaped.

    >>> clipped("two\\nlines\\x1b[0m")
    'two; lines\\\\x1b[0m'
    """
    text = "; ".join(text[: 2 * limit].splitlines())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def message(error: BaseException | Warning | str) -> str:
    """The text of an error for a terminal: at most 60 lines of at most 1000 characters."""
    lines = str(error).split("\n", _MESSAGE_LINES)
    if len(lines) > _MESSAGE_LINES:
        lines[_MESSAGE_LINES - 1 :] = ["..."]
    return "\n".join(clipped(line) for line in lines)
