"""Published limits on light resonances and projections: curves, their recast to a model, import
from DarkCast.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import overload

from zscan.errors import UnknownNameError, nearest
from zscan.limits.darkcast import LimitWarning, import_darkcast
from zscan.limits.format import (
    Limit,
    LimitError,
    ProductionTable,
    read_limit,
    read_production,
)
from zscan.limits.strength import delta_chi2, excluded_couplings, signal_strength, signal_strengths
from zscan.limits.write import write_limit, write_limits

__all__ = [
    "Limit",
    "LimitError",
    "LimitWarning",
    "ProductionTable",
    "delta_chi2",
    "excluded_couplings",
    "import_darkcast",
    "list_limits",
    "load",
    "signal_strength",
    "signal_strengths",
    "write_limit",
    "write_limits",
]


@overload
def load(name: None = None) -> tuple[Limit, ...]: ...
@overload
def load(name: str | Path) -> Limit: ...
def load(name: str | Path | None = None) -> Limit | tuple[Limit, ...]:
    """The limit `name`, or all known limits in the order of their names; `name` may be a path to a
    limit file.

    Known are the shipped limits and, as "user/NAME", those of the folder that the environment
    variable ZSCAN_LIMITS names, such as a converted DarkCast checkout; the variable is read once.

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
    if not path.is_file():
        raise UnknownNameError(
            f"limit {str(name)!r} is neither shipped nor a file: "
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
    folder = _user_folder()
    user = () if folder is None else (f"user/{path.stem}" for path in folder.glob("*.toml"))
    return (*sorted(shipped), *sorted(user))


def _user_folder() -> Path | None:
    name = os.environ.get("ZSCAN_LIMITS")
    if name is None:
        return None
    if not Path(name).is_dir():
        raise UnknownNameError(f"ZSCAN_LIMITS = {name!r} is not a folder")
    return Path(name)


# One table for all limits that use it, so that its mixture of production is computed once
_production = cache(read_production)


@cache
def _shipped(name: str) -> Limit:
    if name.startswith("user/"):
        path = Path(os.environ["ZSCAN_LIMITS"]) / f"{name.removeprefix('user/')}.toml"
        return replace(read_limit(path, _production), name=name)
    with resources.as_file(resources.files("zscan.limits").joinpath("data")) as folder:
        return read_limit(folder / f"{name}.toml", _production)
