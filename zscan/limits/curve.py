"""The rows of a limit curve: numbers, and what is wrong with them, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from zscan.errors import Fault, ParameterError
from zscan.limits.formula import evaluate

COLUMNS = (
    ("mass", "value"),
    ("mass", "value", "env_min", "env_max"),
    ("mass", "lower", "upper"),
)
_ROWS_SHOWN = 3


def to_array(rows: Any) -> np.ndarray:
    """Rows as an array of numbers; an empty one if they are none."""
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0)


def curve_faults(table: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the columns and rows of a limit file, and with its `t1` at their masses;
    rows are counted from 1.
    """
    columns, excludes = table.get("columns"), table.get("excludes")
    if not isinstance(columns, list) or tuple(columns) not in COLUMNS:
        yield Fault(
            "columns",
            "unknown set of columns",
            columns,
            " | ".join(", ".join(names) for names in COLUMNS),
        )
        return
    if ("lower" in columns) != (excludes == "between"):
        yield Fault("columns", "lower and upper go with excludes = 'between'", columns)
    array = to_array(table.get("rows"))
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] != len(columns):
        yield Fault("rows", "must be at least two rows of numbers, one for each column")
        return
    mass = array[:, 0]
    yield from _row_faults(array, columns)
    if isinstance(table.get("t1"), str) and table["t1"]:
        try:
            with np.errstate(all="ignore"):
                ends = evaluate(table["t1"], mass)
        except ParameterError as error:
            yield Fault("t1", str(error))
        else:
            if not (np.isfinite(ends) & (ends > 0)).all():
                yield Fault(
                    "t1", "must be finite and positive at all masses of the curve", table["t1"]
                )


def _row_faults(array: np.ndarray, columns: list[str]) -> Iterator[Fault]:
    mass, values = array[:, 0], array[:, 1:]
    broken = np.isnan(values).any(axis=1)
    rising = np.concatenate([[True], np.diff(mass) > 0])
    wrong = ~(np.isfinite(mass) & (mass > 0) & rising)
    if wrong.any():
        yield _fault("masses must be positive and increase", wrong, array)
    with np.errstate(invalid="ignore"):
        whole = (values > 0).all(axis=1)
        wrong = np.where(broken, ~np.isnan(values).all(axis=1), ~whole)
        if wrong.any():
            yield _fault(
                "values must be positive, or all NaN in a row that breaks the curve", wrong, array
            )
        elif broken.all():
            yield Fault("rows", "all values are NaN; at least one must be a number")
        elif (wrong := ~broken & ~np.isfinite(values).all(axis=1)).any():
            yield _fault("values must be finite", wrong, array)
        elif "lower" in columns and (wrong := values[:, 0] > values[:, -1]).any():
            yield _fault("lower must not exceed upper", wrong, array)
        elif "env_min" in columns:
            inside = (values[:, 1] <= values[:, 0]) & (values[:, 0] <= values[:, 2])
            if (wrong := ~broken & ~inside).any():
                yield _fault("value must lie between env_min and env_max", wrong, array)


def _fault(problem: str, wrong: np.ndarray, array: np.ndarray) -> Fault:
    """A fault that names the first rows it is about, and shows the first of them."""
    numbers = np.flatnonzero(wrong)
    names = ", ".join(str(number + 1) for number in numbers[:_ROWS_SHOWN])
    more = f" and {numbers.size - _ROWS_SHOWN} more" if numbers.size > _ROWS_SHOWN else ""
    rows = "row" if numbers.size == 1 else "rows"
    return Fault("rows", f"{problem}: {rows} {names}{more}", array[numbers[0]].tolist())
