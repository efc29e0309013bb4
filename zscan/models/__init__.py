"""Models: each type owns its parameters, their order as axes and its points; names, files and
tables to models.

What a constraint sees of a model needs jax, and is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zscan.models.base import ModelType
from zscan.models.charge_parameters import (
    ADDED_PARAMETERS,
    CHARGE_NAMES,
    CHARGE_PARAMETERS,
    GENERATIONS,
    SPECIES,
)
from zscan.models.charged import Model
from zscan.models.library import (
    all_parameters,
    couplings,
    list_models,
    load_charged,
    load_model,
)
from zscan.models.parameters import THEORY_PARAMETERS, ParameterInfo

if TYPE_CHECKING:
    from zscan.models.coupling import muon_couplings
    from zscan.models.point import Measured, Point, Prediction

_ON_FIRST_USE = {
    "Measured": "zscan.models.point",
    "Point": "zscan.models.point",
    "Prediction": "zscan.models.point",
    "muon_couplings": "zscan.models.coupling",
}

__all__ = [
    "ADDED_PARAMETERS",
    "CHARGE_NAMES",
    "CHARGE_PARAMETERS",
    "GENERATIONS",
    "SPECIES",
    "THEORY_PARAMETERS",
    "Measured",
    "Model",
    "ModelType",
    "ParameterInfo",
    "Point",
    "Prediction",
    "all_parameters",
    "couplings",
    "list_models",
    "load_charged",
    "load_model",
    "muon_couplings",
]


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return getattr(importlib.import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module 'zscan.models' has no attribute {name!r}")
