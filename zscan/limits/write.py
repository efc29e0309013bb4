"""Limit files, written whole or not at all and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zscan.errors import ForeignFileError
from zscan.limits.format import (
    FORMAT,
    Limit,
    ProductionTable,
    check,
    read_limit,
    read_production,
    read_table,
    to_table,
)
from zscan.references import split
from zscan.results.files import access, write_file
from zscan.results.outputs import Kind, Output, guard
from zscan.untrusted import read_text


def _require_bibtex(path: Path) -> None:
    if not split(read_text(path)):
        raise ForeignFileError(f"{path}: it holds no BibTeX entry")


BIBTEX = Kind("BibTeX file", _require_bibtex)
LIMIT = Kind("limit file", read_table)
PRODUCTION = Kind("production table", read_production)


def write_limit(limit: Limit, folder: Path | str, *, force: bool = False) -> Path:
    """Write `limit` to FOLDER/NAME.toml, its BibTeX entries to FOLDER/NAME.bib and its production
    table to FOLDER/production; `load` reads the file back. Raises as `write_limits`.
    """
    return write_limits([limit], folder, force=force)[0]


def write_limits(
    limits: Iterable[Limit], folder: Path | str, *, force: bool = False
) -> tuple[Path, ...]:
    """Write each limit to FOLDER/NAME.toml, with FOLDER/NAME.bib if it brings BibTeX entries, and
    the production tables to FOLDER/production, read every file back, and return the paths of the
    limits.

    A production table that is there already, with the same content, is shared. Raises `LimitError`
    for a limit that cannot be read back, `ParameterError` for two of the same name,
    `ResultExistsError` for a file that exists (`force` replaces those that are limit files or
    production tables), all of these before anything is written, and `StorageError`."""
    folder, limits = Path(folder), tuple(limits)
    for limit in limits:
        check(limit)
    tables: dict[tuple[Path, bytes], Kind] = {}
    for table in filter(None, (limit.production_table for limit in limits)):
        path, content = folder / "production" / f"{table.name}.toml", _text(_production(table))
        if not _holds(path, content):
            tables[path, content] = PRODUCTION
    files = list(tables.items())  # first what a limit is never to be without
    paths = [folder / f"{limit.name}.toml" for limit in limits]
    for limit, path in zip(limits, paths, strict=True):
        entries = (path.with_suffix(".bib"), limit.bibtex.encode())
        if limit.bibtex and not _holds(*entries):
            files.append((entries, BIBTEX))
        files.append(((path, _text(to_table(limit))), LIMIT))
    outputs = [Output(path, kind, needed=len(text)) for (path, text), kind in files]
    targets = guard(outputs, force=force)
    for target, ((_, content), _) in zip(targets, files, strict=True):
        write_file(target.path, [content], replace=target.exists)
    for path in paths:
        read_limit(path)
    return tuple(paths)


def _holds(path: Path, content: bytes) -> bool:
    with access(path, "read"):
        same_size = path.is_file() and path.stat().st_size == len(content)
        return same_size and path.read_bytes() == content


def _production(table: ProductionTable) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": table.name,
        "references": list(table.references),
        "note": table.note,
        "columns": ["mass", *table.mechanisms],
        "rows": np.column_stack([table.mass, table.shares]),
    }


def _text(table: Mapping[str, Any]) -> bytes:
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if key != "rows"]
    rows = [f"    [{', '.join(repr(float(x)) for x in row)}]," for row in table["rows"]]
    return "\n".join([*lines, "rows = [", *rows, "]", ""]).encode()


def _value(value: Any) -> str:
    # json writes strings, numbers and lists as TOML does, but for NaN, which occurs in rows only
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)
