"""Observable sets of a user as text: a base and what is changed in it, from a file, a table or a
text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zscan.errors import ParameterError, UnknownNameError, shown
from zscan.untrusted import TextError, check_table, parse_toml, read_text

BASE_SET = "paper"
_FILE = re.compile(r".*\.toml|.*[/\\].*", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# What lies between semicolons, those in quotes left alone
_PART = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^;"'])+""")


def set_text(observables: Any, folder: Path | None = None) -> str:
    """The text of an observable set, see `zscan.constraints.observable_set`; names and keys are not
    checked.
    """
    if isinstance(observables, Mapping):
        return _text(observables, "observable set")
    if isinstance(observables, str) and ";" not in observables and not _FILE.fullmatch(observables):
        return observables
    if isinstance(observables, Path) or (isinstance(observables, str) and ";" not in observables):
        path = Path(observables) if folder is None else folder / observables
        try:
            return _text(parse_toml(read_text(path), path), str(path))
        except TextError as error:
            raise ParameterError(f"observable set: {error}") from error
    if isinstance(observables, str):
        return observables
    raise ParameterError(
        f"observables = {shown(observables)}; allowed: the name of a set, a TOML file, or a table"
    )


def changed_tables(text: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """The name of the set that a text begins with, and the changes after it by constraint and key.

    >>> changed_tables("paper; matter.sun = false; matter.neutron_ratio = 1.1")
    ('paper', {'matter': {'sun': False, 'neutron_ratio': 1.1}})
    """
    name, *changes = (part.strip() for part in _PART.findall(text)) if text.strip() else ("",)
    found: dict[str, dict[str, Any]] = {}
    for change in filter(None, changes):
        try:
            table = parse_toml(change, "change")
        except TextError as error:
            raise ParameterError(
                f"change {shown(change)} of an observable set is no TOML: {error}"
            ) from None
        for constraint, values in table.items():
            if not isinstance(values, dict):
                raise UnknownNameError(
                    f"change {shown(change)}: {constraint!r} is no constraint with a key"
                )
            given = found.setdefault(constraint, {})
            for key, value in values.items():
                if isinstance(value, dict) and isinstance(given.get(key), dict):
                    given[key] = {**given[key], **value}
                else:
                    given[key] = value
    return name, found


def _text(table: Mapping[str, Any], source: str) -> str:
    """One text for all tables of one content, whatever the order of their keys."""
    try:
        check_table(table, source)
    except TextError as error:
        raise ParameterError(str(error)) from error
    base = table.get("base", BASE_SET)
    if not isinstance(base, str) or _FILE.fullmatch(base):
        raise ParameterError(f"{source}: base = {shown(base)}; allowed: the name of a set")
    parts = [base]
    for name, values in sorted((key, value) for key, value in table.items() if key != "base"):
        if not isinstance(values, Mapping):
            raise UnknownNameError(
                f"{source}: {name} = {shown(values)}; allowed: base, and a table for each "
                "constraint whose measurement is changed"
            )
        for key, value in sorted(values.items()):
            parts.append(f"{_key(name)}.{_key(key)} = {_value(value, f'{source}: {name}.{key}')}")
    return "; ".join(parts)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _value(value: Any, path: str) -> str:
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item, path) for item in value)}]"
    if isinstance(value, Mapping):
        items = (f"{_key(str(key))} = {_value(item, path)}" for key, item in sorted(value.items()))
        return f"{{{', '.join(items)}}}"
    raise ParameterError(f"{path} = {shown(value)} is no number, text, list or table")
