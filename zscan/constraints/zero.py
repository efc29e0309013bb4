"""Predictions at zero coupling, as numbers: every likelihood subtracts their chi2, and computing
them takes longer than most of what is asked of it.

`zero.toml` holds one table for each measurement with its options, as `zscan.likelihood` computes it
for a model without charges; `tests/constraints/test_zero.py` computes them again. What is not there
(a measurement with other options, one of the user's own) is computed when it is needed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


def at_zero(name: str, options: Mapping[str, Any]) -> tuple[float, float] | None:
    """The observable of a constraint with these options of its measurement at zero coupling, NaN
    where the constraint does not apply there, and the part of its chi2 that its prediction itself
    subtracts (of a curve that prefers a signal at some masses); None where they are not stored.

    >>> at_zero("trident_ccfr", {})
    (1.0, 0.0)
    """
    return _stored().get((name, _key(options)))


@cache
def _stored() -> dict[tuple[str, str], tuple[float, float]]:
    file = resources.files("zscan").joinpath("constraints", "zero.toml")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        (name, _key(entry.get("options", {}))): (
            float(entry["observable"]),
            float(entry.get("subtracted", 0.0)),
        )
        for name, entries in tables.items()
        for entry in entries
    }


def _key(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True, default=str)
