"""A model as a file that `load_model` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zscan.errors import ForeignFileError
from zscan.models.base import ModelType
from zscan.models.library import load_charged
from zscan.results.outputs import Kind, Output, write_output
from zscan.results.text import to_toml
from zscan.untrusted import file_name, read_text

_HEADER = "# Model of zscan"


def write_model(
    model: ModelType | str | Mapping[str, Any], path: str | Path, *, force: bool = False
) -> Path:
    """Write a model with charges as a file for `load_model`; returns the path.

    Only what differs from the default stands in it. Raises what `load_model` and `guard` raise.
    """
    found = load_charged(model)
    table = found.to_table()
    zero = ["0", "0", "0"]
    for key in [key for key, value in table.items() if value in (zero, 0.0, "none")]:
        del table[key]
    given = {"description": found.description, "reference": found.reference}
    tables: dict[str, Any] = {key: table.pop(key) for key in ("vector", "axial") if key in table}
    named = {"name": table.pop("name"), **{key: text for key, text in given.items() if text}}
    text = f"{_HEADER}\n{to_toml({**named, **table, **tables})}"
    output = Output(file_name(path, "model file"), Kind("model", _check))
    return write_output(output, text.encode(), force=force)


def _check(path: Path) -> None:
    if not read_text(path).startswith(_HEADER):
        raise ForeignFileError(f"{path} was not written by zscan models")
