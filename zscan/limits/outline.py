"""From rows as they were digitised to a curve that is single-valued in the mass: sorted, without
repetitions, a closed outline split into its lower and its upper edge.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from zscan.errors import Fault
from zscan.limits.format import LimitError, LimitWarning
from zscan.limits.tables import Table, shown_row

# Of the logarithmic range of masses: an outline ends so near to its beginning, or within a step
_RETURNS = 0.2
_STEEP, _HIGH = 1.1, 3.0  # a side of an outline: the mass within 10 %, the value by a factor of 3
_JUMP = 1.5  # factor between neighbours that no curve goes up and down again and again
_SHOWN = 3


def curve_columns(table: Table, *, two_sided: bool) -> list[np.ndarray]:
    """Mass, value and, of a limit with two edges, the upper edge: masses rise strictly, NaN breaks
    the curve.

    Rows that fall are turned round, rows in disorder are sorted, rows at mass 0 and rows that
    repeat a mass are dropped (the first one is kept), each with a `LimitWarning`. Two columns that
    form a closed outline are split; of a search with one edge the upper part is dropped, with a
    warning. Raises `LimitError`, which names the row, for numbers that cannot be a curve, and for
    an outline that cannot be split."""
    values = table.values
    faults = [
        table.fault(int(row), problem, values[row].tolist())
        for problem, wrong in (
            ("the mass is no number", np.isnan(values[:, 0])),
            ("the mass must not be negative", values[:, 0] < 0),
            ("values must be positive", (values[:, 1:] <= 0).any(axis=1)),
        )
        for row in np.flatnonzero(wrong)
    ]
    if values.shape[1] == 3:
        wrong = values[:, 1] > values[:, 2]
        problem = "the lower edge, in the second column, is above the upper one"
        faults += [table.fault(int(r), problem, values[r].tolist()) for r in np.flatnonzero(wrong)]
    if faults:
        raise LimitError(table.source, faults)
    kept = np.flatnonzero(values[:, 0] > 0)
    _warn(table, np.flatnonzero(values[:, 0] == 0), "dropped: the mass is 0")
    if kept.size < 2:
        raise LimitError(table.source, [Fault("rows", "fewer than two rows have a mass above 0")])
    mass = values[kept, 0]
    if values.shape[1] == 2 and _is_outline(mass):
        return _split(table, kept, two_sided)
    if two_sided and values.shape[1] == 2:
        raise LimitError(
            table.source,
            [
                Fault(
                    "rows",
                    "one edge, where this search needs a lower and an upper one",
                    allowed="three columns, or a closed outline",
                )
            ],
        )
    order = np.argsort(mass, kind="stable")
    in_order = (np.diff(mass) >= 0).all() or (np.diff(mass) <= 0).all()
    if not in_order:
        if values.shape[1] == 2 and _zigzags(values[kept[order], 1]):
            raise _refused(table, kept, "a closed outline that turns back, or curves mixed up")
        _warn(table, kept[1:][np.diff(mass) < 0], "the masses neither rise nor fall: sorted")
    return _distinct(table, kept[order])


def _distinct(table: Table, rows: np.ndarray) -> list[np.ndarray]:
    mass = table.values[rows, 0]
    again = np.concatenate([[False], np.diff(mass) == 0])
    _warn(table, rows[again], "dropped: the mass is that of a row before")
    return list(table.values[rows[~again]].T)


def _is_outline(mass: np.ndarray) -> bool:
    """Whether masses go up once and down once, and end about where they began."""
    steps = np.sign(np.diff(mass, append=mass[0]))
    steps = steps[steps != 0]
    turns = np.count_nonzero(steps != np.roll(steps, 1))
    both = (np.diff(mass) > 0).any() and (np.diff(mass) < 0).any()
    near = max(_RETURNS * np.log(mass.max() / mass.min()), np.abs(np.diff(np.log(mass))).max())
    return bool(both and turns == 2 and abs(np.log(mass[-1] / mass[0])) <= near)


def _zigzags(value: np.ndarray) -> bool:
    steps = np.diff(np.log(value[~np.isnan(value)]))
    both = np.minimum(np.abs(steps[1:]), np.abs(steps[:-1])) > np.log(_JUMP)
    return bool(np.count_nonzero(both & (steps[1:] * steps[:-1] < 0)) >= 2)


def _split(table: Table, rows: np.ndarray, two_sided: bool) -> list[np.ndarray]:
    if np.isnan(table.values[rows]).any():
        raise _refused(table, rows, "a closed outline with gaps")
    mass = table.values[rows, 0]
    left, right = int(mass.argmin()), int(mass.argmax())
    count = rows.size
    there = rows[np.arange(left, left + (right - left) % count + 1) % count]
    back = rows[np.arange(right, right + (left - right) % count + 1) % count][::-1]
    parts = []
    for part in (there, back):
        m, v = table.values[part].T
        new = np.concatenate([[True], np.diff(m) > 0])
        parts.append((m[new], np.log(v[new])))
    union = np.unique(mass)
    first, second = (np.interp(np.log(union), np.log(m), v) for m, v in parts)
    if (first > second).sum() > (first < second).sum():
        first, second, there, back = second, first, back, there
    if (first > second + 1e-9).any():
        raise _refused(table, rows, "a closed outline whose edges cross")
    if two_sided:
        return [union, np.exp(first), np.exp(np.maximum(first, second))]
    while there.size > 2 and _is_side(table.values[there[:2]]):
        there = there[1:]
    while there.size > 2 and _is_side(table.values[there[:-3:-1]]):
        there = there[:-1]
    text = "of a closed outline, dropped: this search excludes all above its lower edge"
    _warn(table, np.setdiff1d(rows, there), text)
    return _distinct(table, there)


def _is_side(ends: np.ndarray) -> bool:
    """Whether the step from an end of the lower edge to its neighbour is a side of the outline."""
    (mass, value), (next_mass, next_value) = ends
    apart = max(mass / next_mass, next_mass / mass)
    return bool(apart < _STEEP and value > _HIGH * next_value)


def _refused(table: Table, rows: np.ndarray, what: str) -> LimitError:
    mass = table.values[rows, 0]
    turns = 1 + np.flatnonzero(np.diff(np.sign(np.diff(mass))) != 0)
    named = ", ".join(table.places[row] for row in rows[turns[:_SHOWN]])
    allowed = "one row for each mass, or a lower and an upper edge in three columns"
    return LimitError(table.source, [Fault("rows", f"{what}, at {named}", None, allowed)])


def _warn(table: Table, rows: Sequence[int] | np.ndarray, text: str) -> None:
    if len(rows):
        named = ", ".join(shown_row(table, int(row)) for row in rows[:_SHOWN])
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        warnings.warn(LimitWarning(f"{table.source}: {named}{more}: {text}"), stacklevel=4)
