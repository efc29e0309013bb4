"""The limits that are known by name: shipped ones, those of the user's folders, and those that a
card or a program adds.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import overload

import platformdirs

from zscan import references
from zscan.errors import Fault, UnknownNameError, clipped, nearest, shown
from zscan.limits.format import (
    Limit,
    LimitError,
    LimitWarning,
    ProductionTable,
    read_limit,
    read_production,
)
from zscan.untrusted import file_name, is_file

ENVIRONMENT = "ZSCAN_LIMITS"
_WARNINGS = 20  # about a folder
_NAMES = "letters, digits, _, + and -"
# Limits of users by name, in the order in which they became known; None: not yet looked for
_users: dict[str, Limit] | None = None
_listeners: list[Callable[[], None]] = []


@overload
def load(name: None = None) -> tuple[Limit, ...]: ...
@overload
def load(name: str | Path) -> Limit: ...
def load(name: str | Path | None = None) -> Limit | tuple[Limit, ...]:
    """The limit `name`, or all known limits in the order of their names; `name` may be a path to a
    limit file.

    Known are the shipped limits and those of the user: of the folder `user_folder`, of the folders
    that the environment variable ZSCAN_LIMITS names (separated as in PATH; such as a converted
    DarkCast checkout), and those that `register` added. A limit of the user that is named as a
    shipped one is "user/NAME"; of two of the user the last one counts. The folders are read once. A
    file there that cannot be used is left out with a `LimitWarning`.

    Raises `UnknownNameError` for a name that is neither, `LimitError` for an unusable file. A limit
    is read once: the same object is returned again, which keeps compiled functions valid.

    >>> load("NA64_NA642019imj").experiment
    'NA64'
    """
    if name is None:
        return tuple(_known(known) for known in list_limits())
    text = str(name)
    for known in (text, text.removeprefix("user/")):
        if known in list_limits():
            return _known(known)
    path = Path(name)
    if not is_file(path):
        raise UnknownNameError(
            f"limit {shown(text)} is neither known nor a file: {nearest(text, list_limits())}"
        )
    return read_limit(path)


def as_limit(limit: Limit | str | Path) -> Limit:
    """A limit as it is, or what `load` makes of a name or a path."""
    return limit if isinstance(limit, Limit) else load(limit)


def list_limits() -> tuple[str, ...]:
    """Names of the known limits: shipped ones first, then those of the user.

    Raises `LimitError` for a faulty file in a folder of the user, `UnknownNameError` for a folder
    that cannot be read.

    >>> "BaBar_Lees2014xha" in list_limits()
    True
    """
    return (*shipped_names(), *_user_limits())


@cache
def shipped_names() -> tuple[str, ...]:
    """Names of the limits that come with zscan."""
    files = resources.files("zscan.limits").joinpath("data").iterdir()
    names = (entry.name.removesuffix(".toml") for entry in files if entry.name.endswith(".toml"))
    return tuple(sorted(names))


def user_folder() -> Path:
    """The folder in which `zscan limits add` keeps limits, which every command reads."""
    return Path(platformdirs.user_data_dir("zscan", appauthor=False)) / "limits"


def register(limits: Iterable[Limit]) -> tuple[str, ...]:
    """Make limits known by name, as those of a user's folder are; returns the names.

    One of the same name that a user added before is replaced; the name of a shipped limit becomes
    "user/NAME". Raises
    `LimitError` and `UnknownNameError` as `list_limits`."""
    users, names, changed = _user_limits(), [], False
    for limit in limits:
        name = _name(limit.name)
        if name not in users or not same(users[name], limit):
            users[name], changed = replace(limit, name=name), True
        _remember_references(users[name])
        names.append(name)
    if changed:
        _announce()
    return tuple(names)


def on_change(listener: Callable[[], None]) -> None:
    """Call `listener` whenever other limits are known than before."""
    _listeners.append(listener)


def _announce() -> None:
    for listener in _listeners:
        listener()


def same(one: Limit, other: Limit) -> bool:
    """Whether two limits say the same, whatever they are called."""
    return replace(one, name="").digest == replace(other, name="").digest


def forget_users() -> None:
    """Read the folders of the user again when limits are asked for next."""
    global _users
    _users = None


def _name(name: str) -> str:
    return f"user/{name}" if name in shipped_names() else name


def _known(name: str) -> Limit:
    users = _user_limits()
    return users[name] if name in users else _shipped(name)


# One table for all limits that use it, so that its mixture of production is computed once
_production = cache(read_production)


@cache
def _shipped(name: str) -> Limit:
    with resources.as_file(resources.files("zscan.limits").joinpath("data")) as folder:
        return read_limit(folder / f"{name}.toml", _production)


def _user_limits() -> dict[str, Limit]:
    """The usable limits of the user's folders by name; the others are left out with a warning."""
    global _users
    if _users is None:
        _users = {}
        production = cache(read_production)
        for folder in _folders():
            for limit in _of_folder(folder, production):
                _users[limit.name] = limit
                _remember_references(limit)
        _announce()
    return _users


def _folders() -> list[Path]:
    """The folders of the user that are there; raises `UnknownNameError` for one of the environment
    that cannot be read.
    """
    folders = []
    own = user_folder()
    try:
        if own.is_dir() and os.access(own, os.R_OK | os.X_OK):
            folders.append(own)
    except OSError:  # a home that cannot be looked at holds no limits
        pass
    for name in os.environ.get(ENVIRONMENT, "").split(os.pathsep):
        if name:
            folder = file_name(name, f"{ENVIRONMENT} =")
            try:
                next(folder.iterdir(), None)
            except OSError as error:
                raise UnknownNameError(
                    f"{ENVIRONMENT} = {shown(name)} is not a folder that can be read: "
                    f"{error.strerror}"
                ) from error
            folders.append(folder)
    return folders


def _of_folder(folder: Path, production: Callable[[Path], ProductionTable]) -> list[Limit]:
    limits, reasons = [], []
    for path in sorted(entry for entry in folder.iterdir() if entry.suffix == ".toml"):
        try:
            if not re.fullmatch(r"[\w+-]+", path.stem):
                raise LimitError(str(path), [Fault("file", "unusual name", path.name, _NAMES)])
            limits.append(replace(read_limit(path, production), name=_name(path.stem)))
        except Exception as error:  # one bad file must not stop commands that do not need it
            kind = "" if isinstance(error, LimitError) else f"{path}: {type(error).__name__}: "
            reasons.append(f"limit left out: {kind}{clipped(str(error))}")
    if len(reasons) > _WARNINGS:
        reasons[_WARNINGS:] = [f"and {len(reasons) - _WARNINGS} more limits of {folder}"]
    for reason in reasons:
        warnings.warn(LimitWarning(reason), stacklevel=2)
    return limits


def _remember_references(limit: Limit) -> None:
    """Make the BibTeX entries of a limit known; a reference without an entry gets one that says
    what the limit knows of it.
    """
    references.add(limit.bibtex)
    for key in limit.references:
        if not references.has(key):
            references.add(bare_entry(key, limit.experiment, limit.arxiv))


def bare_entry(key: str, experiment: str, arxiv: str) -> str:
    """A BibTeX entry of which only the experiment and the arXiv id are known."""
    eprint = f'    eprint = "{arxiv}",\n' if arxiv else ""
    return f'@misc{{{key},\n    title = "{experiment}",\n{eprint}}}'
