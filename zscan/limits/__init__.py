"""Published limits on light resonances and projections: curves, their recast to a model, import
from DarkCast.
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import overload

from zscan.errors import Fault, UnknownNameError, clipped, nearest, shown
from zscan.limits.darkcast import LimitWarning, import_darkcast
from zscan.limits.format import (
    Limit,
    LimitError,
    ProductionTable,
    read_limit,
    read_production,
)
from zscan.limits.listing import limit_row, limit_table, missing_table
from zscan.limits.missing import MissingLimit, missing
from zscan.limits.strength import delta_chi2, excluded_couplings, signal_strength, signal_strengths
from zscan.limits.write import write_limit, write_limits
from zscan.untrusted import file_name, is_file

__all__ = [
    "Limit",
    "LimitError",
    "LimitWarning",
    "MissingLimit",
    "ProductionTable",
    "delta_chi2",
    "excluded_couplings",
    "import_darkcast",
    "limit_row",
    "limit_table",
    "list_limits",
    "load",
    "missing",
    "missing_table",
    "signal_strength",
    "signal_strengths",
    "write_limit",
    "write_limits",
]

_WARNINGS = 20  # about a folder
_NAMES = "letters, digits, _, + and -"


@overload
def load(name: None = None) -> tuple[Limit, ...]: ...
@overload
def load(name: str | Path) -> Limit: ...
def load(name: str | Path | None = None) -> Limit | tuple[Limit, ...]:
    """The limit `name`, or all known limits in the order of their names; `name` may be a path to a
    limit file.

    Known are the shipped limits and, as "user/NAME", those of the folder that the environment
    variable ZSCAN_LIMITS names, such as a converted DarkCast checkout; the variable is read once.
    A file there that cannot be used is left out with a `LimitWarning`.

    Raises `UnknownNameError` for a name that is neither, `LimitError` for an unusable file. A
    shipped limit is read once: the same object is returned again, which keeps compiled functions
    valid.

    >>> load("NA64_NA642019imj").experiment
    'NA64'
    """
    if name is None:
        return tuple(_shipped(known) for known in list_limits())
    if str(name) in list_limits():
        return _shipped(str(name))
    path = Path(name)
    if not is_file(path):
        raise UnknownNameError(
            f"limit {shown(str(name))} is neither shipped nor a file: "
            f"{nearest(str(name), list_limits())}"
        )
    return read_limit(path)


@cache
def list_limits() -> tuple[str, ...]:
    """Names of the known limits.

    >>> "BaBar_Lees2014xha" in list_limits()
    True
    """
    files = resources.files("zscan.limits").joinpath("data").iterdir()
    shipped = (entry.name.removesuffix(".toml") for entry in files if entry.name.endswith(".toml"))
    return (*sorted(shipped), *_user_limits())


@cache
def _user_limits() -> dict[str, Limit]:
    """The usable limits of the user's folder by name; the others are left out with a warning."""
    name = os.environ.get("ZSCAN_LIMITS")
    if not name:
        return {}
    folder = file_name(name, "ZSCAN_LIMITS =")
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.suffix == ".toml")
    except OSError as error:
        raise UnknownNameError(
            f"ZSCAN_LIMITS = {shown(name)} is not a folder that can be read: {error.strerror}"
        ) from error
    limits, reasons = {}, []
    for path in entries:
        try:
            if not re.fullmatch(r"[\w+-]+", path.stem):
                raise LimitError(str(path), [Fault("file", "unusual name", path.name, _NAMES)])
            known = f"user/{path.stem}"
            limits[known] = replace(read_limit(path, _production), name=known)
        except Exception as error:  # one bad file must not stop commands that do not need it
            kind = "" if isinstance(error, LimitError) else f"{path}: {type(error).__name__}: "
            reasons.append(f"limit left out: {kind}{clipped(str(error))}")
    if len(reasons) > _WARNINGS:
        reasons[_WARNINGS:] = [f"and {len(reasons) - _WARNINGS} more limits of {folder}"]
    for reason in reasons:
        warnings.warn(LimitWarning(reason), stacklevel=2)
    return limits


# One table for all limits that use it, so that its mixture of production is computed once
_production = cache(read_production)


@cache
def _shipped(name: str) -> Limit:
    if name.startswith("user/"):
        return _user_limits()[name]
    with resources.as_file(resources.files("zscan.limits").joinpath("data")) as folder:
        return read_limit(folder / f"{name}.toml", _production)
