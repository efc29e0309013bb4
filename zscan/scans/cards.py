"""Where a scan card comes from: a file, a shipped card or a table, with overrides; nothing is
validated here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscan.errors import CardError, Fault, nearest
from zscan.results.text import to_toml
from zscan.untrusted import (
    MAX_PARTS,
    GrammarError,
    TextError,
    check_table,
    is_file,
    parse_toml,
    read_text,
)

TABLE_LABEL = "card table"
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class RawCard:
    """A card as read: `table` with the axis and fixed tables flattened to dotted parameter names.

    `label` names the card in messages, `folder` is what paths in it are relative to, `text` is what
    the user wrote."""

    label: str
    folder: Path
    text: str
    overrides: tuple[str, ...]
    table: dict[str, Any]
    faults: tuple[Fault, ...]


def read_card(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] | None = None,
    copy: str | Path | None = None,
) -> RawCard:
    """Read a card from a path (ends in .toml or holds a separator), the name of a shipped card, or
    a table; `zscan.untrusted` says how large and how deep it may be.

    `overrides` are "axis.m_X.num=400": a dotted path and a TOML value, else a bare string. `copy`
    is a file with the text of the card as it was, which is read in its place. Raises `CardError`
    for a file that is missing or is not TOML, with the line."""
    if isinstance(source, Mapping):
        label, folder = TABLE_LABEL, Path()
        text, table = "", _plain(_checked(source, label))
    else:
        path = _find(source, there=copy is None)
        label, folder = str(source), path.parent
        text, table = _parse(path if copy is None else Path(copy))
    faults: list[Fault] = []
    for section in ("axis", "fixed"):
        if isinstance(table.get(section), dict):
            table[section] = _flatten(section, table[section], faults)
    overrides = tuple(overrides or ())
    text = text or to_toml(_named(table))
    for override in overrides:
        _apply(table, override, faults)
    if overrides:
        _checked(table, label)
    return RawCard(label, folder, text, overrides, table, tuple(faults))


def shipped_cards() -> dict[str, Path]:
    """Cards that come with zscan, by name: package data of an installation, else the folder scans/
    of a source tree.
    """
    folder, source_tree = _PACKAGE / "shipped", _PACKAGE.parents[1]
    if not folder.is_dir() and (source_tree / "pyproject.toml").is_file():
        folder = source_tree / "scans"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _named(value: Any) -> Any:
    """A copy of a table with the places of constraints in place of these."""
    # Here, for a card without any: its faults are told before jax is imported
    from zscan.constraints import Constraint
    from zscan.constraints.own import place_of

    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item) for item in value]
    return place_of(value) if isinstance(value, Constraint) else value


def _plain(value: Any) -> Any:
    """A copy made of dict, list and scalars; NumPy arrays and scalars and paths become their plain
    counterparts.
    """
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _find(source: str | Path, *, there: bool) -> Path:
    text = str(source)
    if isinstance(source, str) and not text.endswith(".toml") and not re.search(r"[/\\]", text):
        cards = shipped_cards()
        if text in cards:
            return cards[text]
        allowed = f"a file that ends in .toml, or a shipped card: {nearest(text, cards)}"
        raise CardError(text, [Fault("card", "no shipped card of this name", text, allowed)])
    path = Path(source)
    if there and not is_file(path):
        raise CardError(text, [Fault("card", "no such file", text)])
    return path


def _checked(table: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    try:
        check_table(table, "card")
    except TextError as error:
        raise CardError(label, [error.fault]) from error
    return table


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = read_text(path)
        return text, parse_toml(text, path)
    except TextError as error:
        raise CardError(str(path), [error.fault]) from error


def _flatten(section: str, table: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """Nested tables to dotted names: of [axis] down to the tables that hold a value, of [fixed]
    down to the values.
    """
    flat: dict[str, Any] = {}

    def walk(prefix: str, node: Mapping[str, Any]) -> None:
        for key, value in node.items():
            name = f"{prefix}{key}"
            nested = isinstance(value, Mapping) and bool(value)
            if nested and (
                section == "fixed" or all(isinstance(item, Mapping) for item in value.values())
            ):
                walk(f"{name}.", value)
            elif name in flat:
                faults.append(Fault(f"{section}.{name}", "given twice"))
            else:
                flat[name] = value

    walk("", table)
    return flat


def _apply(table: dict[str, Any], override: str, faults: list[Fault]) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        faults.append(
            Fault("--set", "not of the form KEY=VALUE", override, "such as axis.m_X.num=400")
        )
        return
    if len(parts) > MAX_PARTS:
        faults.append(Fault("--set", "a key of many parts", override, f"at most {MAX_PARTS}"))
        return
    try:
        value = _parse_value(text.strip())
    except TextError as error:
        faults.append(Fault(key.strip(), error.fault.problem, override, error.fault.allowed))
        return
    if parts[0] == "axis" and len(parts) > 2:
        parts = ["axis", ".".join(parts[1:-1]), parts[-1]]
    elif parts[0] == "fixed" and len(parts) > 1:
        parts = ["fixed", ".".join(parts[1:])]
    node = table
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            faults.append(Fault(key.strip(), f"{part} is not a table", override))
            return
    if parts[0] == "axis" and parts[-1] == "values":  # takes the place of a spaced axis
        for name in ("min", "max", "num", "scale", "profile", "starts"):
            node.pop(name, None)
    node[parts[-1]] = value


def _parse_value(text: str) -> Any:
    try:
        parsed = parse_toml(f"value = {text}")
    except GrammarError:
        return text
    return parsed["value"] if list(parsed) == ["value"] else text
