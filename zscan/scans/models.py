"""The axis of models of a scan: `models = "catalogue:max=10,vector"`, or a list of models, in place
of one model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from zscan.charges.catalogue import parse_selection
from zscan.charges.patterns import pattern_name
from zscan.errors import CardError, Fault, ZscanError, nearest
from zscan.models import CHARGE_NAMES, CHARGE_PARAMETERS, GENERATIONS, Model, ModelType
from zscan.models.charge_parameters import EFFECTIVE_CHARGES
from zscan.models.dark import DARK_PARAMETERS
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


def read_models(
    given: object, load: Callable[[str], ModelType], faults: list[Fault]
) -> tuple[Model, Axis] | None:
    """The model without charges that carries the scan, and the axis that gives it those of each
    model: of a list of names and files, which `load` reads, or of the entries of a catalogue,
    "catalogue:SELECTION". None, with the faults appended, if it cannot be read.
    """
    if isinstance(given, list):
        return _listed(given, load, faults)
    return _catalogue(given, faults)


def _catalogue(text: object, faults: list[Fault]) -> tuple[Model, Axis] | None:
    """The axis of a catalogue, see `zscan.charges.catalogue.parse_selection`. None, with the
    faults appended, if it cannot be read. The axis counts the entries from 0; its `columns` are
    their charges as parameters "charge.L.mu", its `coordinates` their names, the same charges and
    those of the right-handed neutrinos. Mixing by the loop of leptons is added where their charges
    sum to zero."""
    if not isinstance(text, str):
        faults.append(
            Fault(
                "models",
                "wrong type",
                text,
                "a string such as 'catalogue:max=10,vector', or a list of names and files",
            )
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


_MOST = 1000  # models of a list


def _listed(
    given: Sequence[object], load: Callable[[str], ModelType], faults: list[Fault]
) -> tuple[Model, Axis] | None:
    """The axis of a list of models: their charges, mixing, loop, dark channel and neutrinos become
    parameters of one model, so that all are evaluated by one program.

    They must have the same flavour change and, those with a dark channel, the same kind of chi;
    fixed numbers eps, g_chi and dark_width count too. The map has the name of each model and its
    charges as coordinates."""
    if not 1 <= len(given) <= _MOST:
        faults.append(Fault("models", "of no use", len(given), f"1 to {_MOST} names and files"))
        return None
    models: list[Model] = []
    before = len(faults)
    for index, item in enumerate(given):
        path = f"models.{index}"
        if not isinstance(item, str):
            faults.append(Fault(path, "wrong type", item, "the name or the file of a model"))
            continue
        try:
            model = load(item)
        except ZscanError as error:
            faults.append(Fault(path, str(error)))
            continue
        if not isinstance(model, Model):
            faults.append(Fault(path, "a model without charges", item, "models with charges"))
        elif models and (model.fcnc, model.fcnc_scale) != (models[0].fcnc, models[0].fcnc_scale):
            allowed = f"fcnc = {models[0].fcnc}, as the first one"
            faults.append(Fault(path, "another flavour change", item, allowed))
        elif model.loop == "mu-tau" and _lepton(model, "e"):
            faults.append(Fault(path, "loop 'mu-tau' and charged electrons", item, "'leptons'"))
        else:
            models.append(model)
    kinds = {model.dark for model in models if _has_dark(model)}
    if len(kinds) > 1:
        faults.append(Fault("models", "dark channels of two kinds", None, "dirac or scalar"))
    if len(faults) > before:
        return None
    columns, coordinates = _columns(models)
    tables = json.dumps([model.to_table() for model in models], sort_keys=True)
    names = [model.name for model in models]
    definition = {
        "models": names,
        "num": len(models),
        "sha256": hashlib.sha256(tables.encode()).hexdigest(),
    }
    dirac = any(model.neutrinos == "dirac" for model in models)
    carrier = Model(
        "models",
        loop="finite",
        fcnc=models[0].fcnc,
        fcnc_scale=models[0].fcnc_scale,
        neutrinos="dirac" if dirac else "majorana",
        dark=kinds.pop() if kinds else "dirac",
    )
    name = MapCoordinate("pattern_name", "1", "name of the model", tuple(names))
    axis = Axis(AXIS, frozen(np.arange(len(models))), definition, columns, (name, *coordinates))
    return carrier, axis


def _columns(models: Sequence[Model]) -> tuple[dict[str, np.ndarray], list[MapCoordinate]]:
    """The parameters that tell the models apart, and those of them that the map names."""
    charges = {
        name: [float(model.charge(*name.split(".")[1:])) for model in models]
        for name in CHARGE_NAMES
    }
    coordinates = [
        MapCoordinate(name, "1", f"X charge of {name.removeprefix('charge.')}", tuple(values))
        for name, values in charges.items()
    ]
    if any(model.neutrinos == "dirac" for model in models):
        for name in charges:
            if name not in CHARGE_PARAMETERS:  # those of heavy neutrinos have no effect
                light = [model.neutrinos == "dirac" for model in models]
                charges[name] = [
                    q if on else 0.0 for q, on in zip(charges[name], light, strict=True)
                ]
    else:
        charges = {name: charges[name] for name in CHARGE_PARAMETERS}
    others = {
        "eps": [model.eps for model in models],
        "eps_over_g": [model.mixing_ratio for model in models],
        "loop_factor": [0.0 if model.loop == "none" else 1.0 for model in models],
    }
    for name in EFFECTIVE_CHARGES:
        kind, fermion = name.split(".")
        others[name] = [dict(getattr(model, kind)).get(fermion, 0.0) for model in models]
    for name in DARK_PARAMETERS:
        others[name] = [getattr(model, name) for model in models]
    columns = charges | {name: values for name, values in others.items() if any(values)}
    columns["loop_factor"] = others["loop_factor"]
    return {name: frozen(values) for name, values in columns.items()}, coordinates


def _lepton(model: Model, name: str) -> bool:
    vector = float(model.charge("L", name) + model.charge("E", name)) / 2
    return bool(vector + dict(model.vector).get(name, 0.0))


def _has_dark(model: Model) -> bool:
    return any(getattr(model, name) for name in DARK_PARAMETERS)
