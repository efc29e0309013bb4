"""One guard for what a command writes: asked before any work, it lets nothing be replaced that is
not ours.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from zscan.errors import CorruptFileError, ParameterError, ResultExistsError, ZscanError
from zscan.results.files import remove_stale, require_space, storage, write_file

_TYPES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISREG, "a file"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of output: its name ("map"), and `check`, which raises a `ZscanError` that says why
    unless an existing path is one of ours. `folder`: it is a folder, not a file.
    """

    name: str
    check: Callable[[Path], object]
    folder: bool = False


@dataclass(frozen=True)
class Output:
    """One output of a command; `needed` is its size in bytes, as far as that is known.

    With `may_exist` one of ours may be there without force: the command itself says what becomes of
    it (a scan continues, a figure is drawn again)."""

    path: Path
    kind: Kind
    may_exist: bool = False
    needed: int = 0


@dataclass(frozen=True)
class Target:
    """What an output is written to: the path behind its link, if it is one, and whether there was
    one of ours, which alone may be replaced.
    """

    path: Path
    exists: bool


def target_of(path: Path) -> Path:
    """The file that is written for `path`: itself, or what it points to if it is a link.

    Raises `ParameterError` for a path without a name, `ResultExistsError` for a link to nothing or
    to itself, `StorageError` for one that cannot be looked at."""
    if not path.name or "\0" in str(path):
        raise ParameterError(f"{str(path)!r} is not usable as an output: it must name a file")
    with storage(path, 0):
        if not path.is_symlink():
            return path
        try:
            return Path(os.path.realpath(path, strict=True))
        except OSError as error:
            raise ResultExistsError(
                f"{path} is a link to {os.readlink(path)} that leads nowhere "
                f"({error.strerror}): remove it, or make the file it should point to"
            ) from error


def guard(outputs: Iterable[Output], *, force: bool = False) -> tuple[Target, ...]:
    """Check all outputs of a command before it starts to work; returns what each is written to.

    Each must be distinct from the others, also as a file with two names, in a folder that can be
    written (made if it is missing) with space for it. An existing one is replaced with `force`
    only, and only if it is a plain file of its kind, made by zscan; a link is written through, and
    a folder that is a link is refused. Temporary files that a killed command left are removed.

    Raises `ParameterError` for outputs that coincide or have no name, `ResultExistsError` for what
    must not be replaced, `CorruptFileError` for a damaged file that the command would continue,
    `StorageError` for a folder that cannot be written or is too small. No file is touched then.
    """
    outputs = tuple(outputs)
    paths = [output.path if output.kind.folder else target_of(output.path) for output in outputs]
    _require_distinct(outputs, paths)
    targets = []
    for output, path in zip(outputs, paths, strict=True):
        with storage(output.path, 0):
            exists = os.path.lexists(path)
            if exists:
                _require_ours(output, path, force)
            targets.append(Target(path, exists))
    for output, path in zip(outputs, paths, strict=True):
        require_space(path, output.needed)
        if not output.kind.folder:
            remove_stale(path.parent, path.name)
    return tuple(targets)


def write_output(output: Output, content: bytes | memoryview, *, force: bool = False) -> Path:
    """Guard one output and write it, whole or not at all; returns its path as given. Raises what
    `guard` raises.
    """
    (target,) = guard([output], force=force)
    write_file(target.path, [content], replace=target.exists)
    return output.path


def _require_distinct(outputs: Iterable[Output], paths: Iterable[Path]) -> None:
    found = [
        (output, Path(os.path.realpath(path.parent)) / path.name, _identity(path))
        for output, path in zip(outputs, paths, strict=True)
    ]
    for (one, here, this), (other, there, that) in combinations(found, 2):
        if here == there or (this is not None and this == that):
            raise ParameterError(
                f"{one.path} ({one.kind.name}) and {other.path} ({other.kind.name}) are the same "
                "file: name another output"
            )
        if here in there.parents or there in here.parents:
            raise ParameterError(
                f"{one.path} ({one.kind.name}) and {other.path} ({other.kind.name}): one would lie "
                "inside the other; name another output"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _require_ours(output: Output, path: Path, force: bool) -> None:
    kind, mode = output.kind, path.lstat().st_mode
    expected = stat.S_ISDIR if kind.folder else stat.S_ISREG
    if not expected(mode):
        what = next((name for is_type, name in _TYPES if is_type(mode)), "a link")
        raise ResultExistsError(
            f"{output.path} is {what}, where the {kind.name} belongs: move it away or name another "
            "output"
        )
    try:
        kind.check(path)
    except ZscanError as error:
        if output.may_exist and not force and isinstance(error, CorruptFileError):
            raise
        reason = " ".join(str(error).removeprefix(f"{path}: ").split())
        raise ResultExistsError(
            f"{output.path} exists and is no {kind.name} of zscan ({reason}); it is never "
            "replaced: move it away or name another output"
        ) from error
    if not (force or output.may_exist):
        raise ResultExistsError(
            f"{output.path} exists; --force replaces it, -o names another output"
        )
