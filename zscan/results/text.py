"""Tables as text, for people, as TOML and for JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, the columns aligned to the left.

    >>> aligned([("model", "m_X"), ("B-L", "0.1")])
    ['model  m_X', 'B-L    0.1']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def to_toml(table: Mapping[str, Any]) -> str:
    """TOML text of a table of strings, numbers, booleans, lists and tables.

    >>> print(to_toml({"name": "a", "axis": {"charge.L.mu": {"values": [1, 2.5]}}}), end="")
    name = "a"
    <BLANKLINE>
    [axis."charge.L.mu"]
    values = [1, 2.5]
    """
    return "\n".join(_sections((), table)).lstrip("\n") + "\n"


def _sections(path: tuple[str, ...], table: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{_key(key)} = {_value(value)}"
        for key, value in table.items()
        if not isinstance(value, Mapping)
    ]
    if path and (lines or not table):
        lines = ["", f"[{'.'.join(map(_key, path))}]", *lines]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _sections((*path, key), value)
    return lines


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())}}}"
    return repr(value)


def human_bytes(count: float) -> str:
    """A number of bytes as people read it.

    >>> human_bytes(512), human_bytes(3.2e9)
    ('512 B', '3.2 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def jsonable(value: Any, infinity: Any = None) -> Any:
    """A copy of a table of numbers and texts that JSON can hold: NaN becomes None, an infinite
    number `infinity`, a number of NumPy a plain one, a tuple a list.

    >>> jsonable({"a": (1, float("nan")), "b": {"c": float("inf")}}, infinity="inf")
    {'a': [1, None], 'b': {'c': 'inf'}}
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(item, infinity) for key, item in value.items()}
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return [jsonable(item, infinity) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else infinity
    return value
