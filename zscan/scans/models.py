"""The axis of models of a scan: `models = "catalogue:max=10,vector"` in place of one model."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from zscan.charges.catalogue import parse_selection
from zscan.charges.patterns import pattern_name
from zscan.errors import CardError, Fault, nearest
from zscan.models import CHARGE_PARAMETERS, GENERATIONS, Model
from zscan.results.layout import MapCoordinate
from zscan.scans.axes import Axis, frozen

AXIS = "model"
_SOURCES = ("catalogue",)
# Columns of an assigned catalogue entry [q, L, E, N] for each species; quarks all carry q.
_COLUMNS = {
    "Q": (0, 0, 0),
    "U": (0, 0, 0),
    "D": (0, 0, 0),
    "L": (1, 2, 3),
    "E": (4, 5, 6),
    "N": (7, 8, 9),
}


def read_models(text: object, faults: list[Fault]) -> tuple[Model, Axis] | None:
    """The model without charges that carries the scan, and the axis that gives it those of each
    catalogue entry.

    `text` is "catalogue:SELECTION", see `zscan.charges.catalogue.parse_selection`. None, with the
    faults appended, if it cannot be read. The axis counts the entries from 0; its `columns` are
    their charges as parameters "charge.L.mu", its `coordinates` their names, the same charges and
    those of the right-handed neutrinos. Mixing by the loop of leptons is added where their charges
    sum to zero."""
    if not isinstance(text, str):
        faults.append(
            Fault("models", "wrong type", text, "a string such as 'catalogue:max=10,vector'")
        )
        return None
    source, _, selected = text.partition(":")
    if source not in _SOURCES:
        faults.append(
            Fault("models", "unknown source of models", source, nearest(source, _SOURCES))
        )
        return None
    try:
        selection = parse_selection(selected)
    except CardError as error:
        faults += [replace(fault, path=f"models.{fault.path}") for fault in error.faults]
        return None
    rows = selection.assigned()
    if not len(rows):
        faults.append(Fault("models", "no entry of the catalogue is selected", text))
        return None
    charges = {
        f"charge.{species}.{name}": rows[:, column].astype(np.float64)
        for species, columns in _COLUMNS.items()
        for name, column in zip(GENERATIONS[species], columns, strict=True)
    }
    names = (pattern_name([row[0], *row[:7]]) for row in rows.tolist())
    coordinates = (
        MapCoordinate("pattern_name", "1", "name of the charges", tuple(names)),
        *(
            MapCoordinate(
                name, "1", f"X charge of {name.removeprefix('charge.')}", tuple(values.tolist())
            )
            for name, values in charges.items()
        ),
    )
    definition = {
        "models": f"{source}:{selection}",
        "num": len(rows),
        "sha256": hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").data).hexdigest(),
    }
    columns = {name: frozen(charges[name]) for name in CHARGE_PARAMETERS}
    return Model(f"{source}:{selection}", loop="finite"), Axis(
        AXIS, frozen(np.arange(len(rows))), definition, columns, coordinates
    )
