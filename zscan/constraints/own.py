"""Constraints of a user: the decorator, "package.module:NAME", the entry points
`zscan.constraints`; the digest of their code.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from zscan.constraints.base import Constraint
from zscan.constraints.measurements import Measurement
from zscan.errors import ConstraintError, UnknownNameError, clipped, nearest, shown
from zscan.references import is_known

GROUP = "zscan.constraints"  # of entry points
Own = Mapping[str, Constraint]  # constraints of a user by their own names
NONE: Own = {}
# Names, patterns and constraints, as every door takes them
Asked = str | Constraint | Sequence[str | Constraint]

_PLACE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)")


def constraint(
    name: str, *, measurement: Measurement, **others: Any
) -> Callable[[Callable[..., Any]], Constraint]:
    """Make a `Constraint` of a function of a point; `others` are its further fields.

    >>> from zscan.constraints import Measurement
    >>> @constraint("small_g", measurement=Measurement(0.0, error=1e-4, excluded_above=2e-4))
    ... def small_g(point):
    ...     return abs(point.virtual.mu.V)
    >>> small_g.name
    'small_g'
    """

    def made(function: Callable[..., Any]) -> Constraint:
        return Constraint(name, predict=function, measurement=measurement, **others)

    return made


def own_constraints(asked: Any, shipped: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """What is asked for with the constraints of a user replaced by their names, and these by name.

    Objects, "package.module:NAME" and the exact names of entry points are constraints of a user;
    shell patterns never find one. Raises `ConstraintError` for a name of zscan or one that two
    constraints have, and what `find` raises.
    """
    items = [asked] if isinstance(asked, str | Constraint) else list(asked)
    names: list[Any] = []
    own: dict[str, Any] = {}
    for item in items:
        found: Any = None
        if isinstance(item, Constraint):
            found = None if shipped.get(item.name) is item else item
            item = item.name
        elif not isinstance(item, str):
            raise UnknownNameError(
                f"{shown(item)} is no constraint; allowed: a name, a pattern, a zscan.Constraint"
            )
        elif ":" in item or (item not in shipped and item in entry_points()):
            found = find(item)
        if found is None:
            names.append(item)
            continue
        if found.measurement is None:
            raise ConstraintError(f"constraint {found.name!r}: measurement is missing")
        if found.name in shipped:
            raise ConstraintError(f"constraint {found.name!r}: zscan has one of this name")
        cited = (*found.measurement.references, *found.references)
        if unknown := [key for key in cited if not is_known(key)]:
            allowed = "keys of zscan's references, 'arXiv:2107.07518', 'doi:10.1103/...'"
            raise ConstraintError(
                f"constraint {found.name!r}: reference {shown(unknown[0])}; allowed: {allowed}"
            )
        if unknown := [name for name in found.inputs if name not in shipped]:
            allowed = nearest(unknown[0], shipped)
            raise ConstraintError(f"constraint {found.name!r}: inputs: {unknown[0]!r}: {allowed}")
        if own.setdefault(found.name, found) is not found:
            raise ConstraintError(f"constraint {found.name!r}: given twice, not the same")
        names.append(found.name)
    return names, own


def find(place: str) -> Constraint:
    """The constraint at "package.module:NAME", or of the entry point of that name.

    A module is looked for as Python does, and in the current folder. Raises `UnknownNameError`
    where there is none, `ConstraintError` for one that cannot be imported.
    """
    place = entry_points().get(place, place)
    match = _PLACE.fullmatch(place)
    if not match:
        allowed = "such as 'package.module:NAME'"
        raise UnknownNameError(f"{shown(place)} is no place of a constraint; allowed: {allowed}")
    module_name, attribute = match.groups()
    try:
        with _current_folder():
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            folder = f"{Path.cwd()} and PYTHONPATH"
            raise UnknownNameError(f"{place}: no module {module_name!r} ({folder})") from error
        raise ConstraintError(f"{place}: {error}") from error
    except Exception as error:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ConstraintError(f"{place} cannot be imported: {clipped(text, 500)}") from error
    there = [name for name, item in vars(module).items() if isinstance(item, Constraint)]
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise UnknownNameError(f"{place}: no {attribute!r} there; {nearest(attribute, there)}")
    if not isinstance(found, Constraint):
        raise ConstraintError(f"{place} is no zscan.Constraint but {shown(found)}")
    return found


@contextlib.contextmanager
def _current_folder() -> Any:
    """The current folder as the last place where modules are looked for."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


@functools.cache
def entry_points() -> Mapping[str, str]:
    """Places of the constraints that installed packages offer, by the names of their entry
    points.
    """
    return {point.name: point.value for point in metadata.entry_points(group=GROUP)}


def place_of(item: Constraint) -> str:
    """Where the function of a constraint stands: "package.module:NAME"."""
    function = inspect.unwrap(item.predict)
    module = getattr(function, "__module__", "")
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{module}:{name}"


def fingerprint(item: Constraint) -> dict[str, Any]:
    """What the numbers of a constraint depend on: its place, version and range, the digest of its
    code.
    """
    place = place_of(item)
    package = place.partition(":")[0].partition(".")[0]
    return {
        "place": place,
        "version": item.version or _distribution_version(package),
        "m_X_range": [None if math.isinf(end) else end for end in item.m_X_range],
        "inputs": list(item.inputs),
        "code": code_digest(item.predict),
    }


def code_digest(function: Callable[..., Any]) -> str:
    """SHA-256 (hex) of the code of a function: the module that it stands in, and the values that it
    refers to: numbers, texts, arrays, tables of those, and functions of the same package.

    A module counts as a whole, so that whatever stands in it does. Of a notebook or a script the
    function counts alone, with what it refers to. Objects of other kinds count by their type."""
    digest = hashlib.sha256()
    package = _package(inspect.unwrap(_innermost(function)))
    seen: set[int] = set()

    def add(value: Any) -> None:
        value = inspect.unwrap(value) if callable(value) else value
        if inspect.isfunction(value) and id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, functools.partial):
            add([value.func, value.args, value.keywords])
        elif inspect.isfunction(value) and _package(value) == package:
            if value.__module__ != "__main__":
                with contextlib.suppress(OSError, TypeError):
                    module = sys.modules[value.__module__]
                    digest.update(inspect.getsource(module).encode())
            _add_code(digest, value.__code__)
            captured = inspect.getclosurevars(value)
            add([captured.globals, captured.nonlocals, value.__defaults__, value.__kwdefaults__])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        elif isinstance(value, Mapping):
            for key, item in sorted(value.items(), key=lambda pair: str(pair[0])):
                add([str(key), item])
        elif isinstance(value, str | bytes | int | float | complex | None):
            digest.update(repr(value).encode())
        elif hasattr(value, "dtype") and hasattr(value, "shape"):
            array = np.asarray(value)
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        else:
            name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
            digest.update(f"{type(value).__name__} {name}".encode())

    add(function)
    return digest.hexdigest()


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _package(function: Any) -> str:
    return str(getattr(function, "__module__", "")).partition(".")[0]


def _add_code(digest: Any, code: CodeType) -> None:
    digest.update(code.co_code + repr(code.co_names).encode())
    for value in code.co_consts:
        if isinstance(value, CodeType):
            _add_code(digest, value)
        else:
            digest.update(repr(value).encode())


@functools.cache  # it reads what every installed package says of itself, which takes a second
def _distribution_version(package: str) -> str:
    """Version of what was installed for a package, "" if there is nothing."""
    names = metadata.packages_distributions().get(package, ())
    return metadata.version(names[0]) if names else ""
