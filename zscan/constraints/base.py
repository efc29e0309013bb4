"""What a constraint is: an observable as a function of a `Point`, to be compared with its
measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zscan.models.point import Measured, Point, Prediction

__all__ = ["Constraint", "Measured", "Point", "Prediction"]


@dataclass(frozen=True)
class Constraint:
    """A constraint: its observable as a function of a `Point` and the measured values, its names,
    its references.

    `derived` names further observables that it can store: name -> (long name, units); `inputs`
    other measurements that its prediction uses. `limit` is the
    limit curve behind a search. `m_X_range` [GeV] is where the prediction is validated: outside it
    the constraint does not apply.
    """

    name: str
    long_name: str
    observable_name: str
    predict: Callable[[Point, Measured], Prediction]
    references: tuple[str, ...]
    observable_units: str = "1"
    derived: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    limit: str | None = None
    m_X_range: tuple[float, float] = (0.0, math.inf)
