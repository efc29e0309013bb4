"""Tables that others wrote: CSV and text, HEPData's CSV and YAML, DarkCast's .lmt; rows of numbers
with the lines they stand on.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from zscan.errors import Fault, MissingExtraError, shown
from zscan.limits.format import LimitError
from zscan.untrusted import TextError, file_name, read_text

UNITS = {"eV": 1e-9, "keV": 1e-6, "MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}  # in GeV
_LARGEST = 10_000_000  # bytes
_NO_LIMIT = 1e4  # couplings from here on mark masses without a limit in .lmt files
_NOTHING = ("", "-", "--", "nan", "none", "n/a")
_COMMENT = ("#", "%", "//")
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Table:
    """Columns of numbers: `values` (rows, columns), NaN where a cell is empty, and for each row
    where it stands in the file `source`; `unit` of the first column and `names`, if the file says.
    """

    source: str
    places: tuple[str, ...]
    values: Float[np.ndarray, "rows columns"]
    names: tuple[str, ...] = ()
    unit: str | None = None

    def fault(self, row: int, problem: str, value: object = None, allowed: str = "") -> Fault:
        """A fault of one row."""
        return Fault(f"{self.source}, {self.places[row]}", problem, value, allowed)


def read_table_of(path: Path | str, columns: Sequence[int] | None = None) -> Table:
    """The columns of a curve in a file: mass and value, or mass, lower and upper edge.

    By the name of the file: .yaml and .yml are tables of HEPData (needs PyYAML, which is in the
    extra "hepdata"), .lmt those of DarkCast (couplings from 1e4 on mark masses without a limit),
    anything else columns with commas, semicolons or blanks between them, comments after #, at most
    one line of names above. Columns of bin edges and errors, as HEPData writes them, are skipped.
    `columns` are the numbers of those that are wanted, from 1; needed where there are more than
    three. Raises `LimitError`, which names the row."""
    path = file_name(path)
    try:
        text = read_text(path, _LARGEST)
    except TextError as error:
        raise LimitError(str(path), [error.fault]) from error
    table = _yaml(text, path) if path.suffix.lower() in _YAML else _text(text, path)
    table = _chosen(table, columns)
    if path.suffix.lower() == ".lmt":
        values = table.values.copy()
        values[(values[:, 1:] >= _NO_LIMIT).any(axis=1), 1:] = np.nan
        table = Table(table.source, table.places, values, table.names, table.unit)
    return table


def _chosen(table: Table, columns: Sequence[int] | None) -> Table:
    count, names = table.values.shape[1], table.names
    listing = ", ".join(f"{i} {name}" for i, name in enumerate(names, 1)) or f"1 to {count}"
    if columns is None:
        skipped = re.compile(r"\b(low|high)$|^(error|stat|sys)|[+-]$", re.IGNORECASE)
        kept = [i for i in range(count) if not (names and skipped.search(names[i]))]
        if len(kept) not in (2, 3):
            problem = f"has {len(kept)} columns" if kept else "has no columns of numbers"
            allowed = f"two or three, or the numbers of those that are meant; there are: {listing}"
            raise LimitError(table.source, [Fault("columns", problem, None, allowed)])
    else:
        wrong = [i for i in columns if not 1 <= i <= count]
        if wrong or len(columns) not in (2, 3):
            allowed = f"two or three numbers out of: {listing}"
            raise LimitError(table.source, [Fault("columns", "no such columns", columns, allowed)])
        kept = [i - 1 for i in columns]
    values, names = table.values[:, kept], tuple(names[i] for i in kept if names)
    unit = table.unit or (_unit(names[0]) if names else None)
    return Table(table.source, table.places, values, names, unit)


def _unit(name: str) -> str | None:
    """The unit that the name of a column tells, as in "mass [MeV]"."""
    found = re.search(r"[\[(/_ ]\s*([kMGT]?eV)\b", name)
    return found[1] if found else None


def _text(text: str, path: Path) -> Table:
    names: tuple[str, ...] = ()
    rows: list[list[float]] = []
    places: list[str] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().lstrip("\ufeff")
        if not line or line.startswith(_COMMENT):
            continue
        cells = _cells(line.partition("#")[0])
        numbers = [_number(cell) for cell in cells]
        where = f"{path}:{number}"
        if None not in numbers:
            rows.append([value for value in numbers if value is not None])
            places.append(f"line {number} (row {len(rows)})")
            if len(rows[-1]) != len(rows[0]):
                problem = (
                    f"row {len(rows)} has {len(rows[-1])} columns, the first has {len(rows[0])}"
                )
                faults.append(Fault(where, problem, line))
        elif not any(value is not None for value in numbers):
            if rows or names:
                problem = "a second table begins; one is read: put it into a file of its own"
                faults.append(Fault(where, problem, line))
                break
            names = tuple(cells)
        else:
            bad = cells[numbers.index(None)]
            faults.append(Fault(where, f"row {len(rows) + 1}: not a number", bad))
    if names and rows and len(names) != len(rows[0]):
        names = ()
    return _table(rows, places, faults, path, names)


def _cells(line: str) -> list[str]:
    for separator in (",", ";", "\t"):
        if separator in line:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
            return [cell.strip() for cell in cells]
    return line.split()


def _number(cell: Any) -> float | None:
    """A finite number, NaN of a cell that says nothing, None of anything else."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, str) and cell.strip().lower() in _NOTHING:
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) or math.isnan(value) else None


def _table(
    rows: list[list[float]],
    places: list[str],
    faults: list[Fault],
    path: Path,
    names: tuple[str, ...] = (),
    unit: str | None = None,
) -> Table:
    if not faults and len(rows) < 2:
        faults = [Fault("rows", f"{len(rows)} rows of numbers", None, "at least two")]
    if faults:
        raise LimitError(str(path), faults)
    return Table(str(path), tuple(places), np.array(rows, dtype=np.float64), names, unit)


def _yaml(text: str, path: Path) -> Table:
    try:
        import yaml
    except ImportError:
        raise MissingExtraError(
            f"{path}: to read YAML install PyYAML: pip install 'zscan[hepdata]'"
        ) from None

    class Loader(yaml.SafeLoader):
        """Without aliases, whose expansion could take any memory."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.YAMLError("aliases are not read")
            return super().compose_node(parent, index)

    try:
        content = yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise LimitError(str(path), [Fault("file", f"not YAML: {error}")]) from error
    variables: list[Any] = []
    if isinstance(content, dict):
        for key in ("independent_variables", "dependent_variables"):
            found = content.get(key)
            variables += found if isinstance(found, list) else [None]
    if not variables or not all(
        isinstance(item, dict)
        and isinstance(item.get("header"), dict)
        and isinstance(item.get("values"), list)
        for item in variables
    ):
        allowed = "independent_variables and dependent_variables, each with header and values"
        raise LimitError(str(path), [Fault("file", "no table of HEPData", None, allowed)])
    names = tuple(str(item["header"].get("name")) for item in variables)
    faults = []
    columns = [[_value(cell) for cell in item["values"]] for item in variables]
    for name, column in zip(names, columns, strict=True):
        if len(column) != len(columns[0]):
            problem = f"{len(column)} values, the first variable has {len(columns[0])}"
            faults.append(Fault(name, problem))
        faults += [
            Fault(f"{name}: value {number}", "not a number")
            for number, value in enumerate(column, 1)
            if value is None
        ]
    rows = [] if faults else [[value or 0.0 for value in row] for row in zip(*columns, strict=True)]
    places = [f"row {number}" for number in range(1, len(rows) + 1)]
    unit = variables[0]["header"].get("units")
    known = str(unit) if str(unit) in UNITS else None
    if unit is not None and known is None:
        faults.append(Fault(f"{names[0]}: units", "unknown unit", unit, ", ".join(UNITS)))
    return _table(rows, places, faults, path, names, known)


def _value(cell: Any) -> float | None:
    """The value of a cell of HEPData; the middle of a bin."""
    if not isinstance(cell, dict):
        return _number(cell)
    if "value" in cell:
        return _number(cell["value"])
    low, high = (_number(cell.get(key)) for key in ("low", "high"))
    return None if low is None or high is None else (low + high) / 2


def shown_row(table: Table, row: int) -> str:
    """A row as text, for a message."""
    return f"{table.places[row]} {shown(table.values[row].tolist())}"
