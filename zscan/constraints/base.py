"""What a constraint is: an observable as a function of a `Point`, to be compared with its
measurement.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from zscan.constraints.measurements import Measurement
from zscan.errors import ConstraintError, clipped, shown
from zscan.models.point import Measured, Point, Prediction

__all__ = ["Constraint", "Measured", "Point", "Prediction"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*")
_LONGEST = 100  # characters of a name


@dataclass(frozen=True)
class Constraint:
    """A constraint: its observable as a function of a `Point` and the measured values, its names,
    its references.

    `predict` takes a point, and the measured values too if it has two arguments, and returns an
    array that broadcasts against `point.m_X` and the couplings, or a `Prediction`; it is written
    with jax.numpy, so that it can be compiled and differentiated. `derived` names further
    observables that it can store: name -> (long name, units); `inputs` other measurements that its
    prediction uses. `limit` is the limit curve behind a search. `m_X_range` [GeV] is where the
    prediction is validated: outside it the constraint does not apply.

    A constraint of a user brings its `measurement`, and may have a `version`; those of zscan have
    theirs in observable sets. It is used wherever a constraint's name is, as the object itself or
    as "package.module:NAME", and never enters a sum unless it is asked for. `references` are
    BibTeX keys of zscan, or texts such as "arXiv:2107.07518". Raises `ConstraintError` with every
    fault.

    >>> from zscan.constraints import Measurement
    >>> moment = Constraint("moment", predict=lambda point: point.virtual.mu.V**2,
    ...     measurement=Measurement(0.0, error=1e-7, excluded_above=2e-7))
    >>> moment.long_name
    'moment'
    """

    name: str
    long_name: str = ""
    observable_name: str = ""
    predict: Callable[..., Any] = field(default=lambda point: jnp.full((), jnp.nan))
    references: tuple[str, ...] = ()
    observable_units: str = "1"
    derived: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    limit: str | None = None
    m_X_range: tuple[float, float] = (0.0, math.inf)
    measurement: Measurement | None = None
    version: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.references, str):
            object.__setattr__(self, "references", (self.references,))
        if faults := list(self._faults()):
            raise ConstraintError(f"constraint {shown(self.name)}: " + "; ".join(faults))
        object.__setattr__(self, "long_name", self.long_name or self.name)
        object.__setattr__(self, "observable_name", self.observable_name or self.long_name)
        if self.measurement is not None:
            object.__setattr__(self, "predict", _checked(self.name, self.predict))

    def _faults(self) -> Iterator[str]:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name[:_LONGEST]):
            yield f"its name; allowed: a letter, then letters, digits, . _ -, {_LONGEST} at most"
        for key in ("long_name", "observable_name", "observable_units", "version"):
            if not isinstance(getattr(self, key), str):
                yield f"{key} = {shown(getattr(self, key))} is no text"
        if not callable(self.predict):
            yield f"predict = {shown(self.predict)} is no function of a point"
        elif not _positional(self.predict) and self.measurement is not None:
            yield "predict takes a point, or a point and the measured values, and nothing else"
        if not all(isinstance(key, str) and key for key in self.references):
            yield f"references = {shown(self.references)}; allowed: texts"
        ends = self.m_X_range
        usable = isinstance(ends, tuple | list) and len(ends) == 2
        if not usable or not all(isinstance(end, numbers.Real) for end in ends):
            yield f"m_X_range = {shown(ends)}; allowed: two masses [GeV]"
        elif not 0 <= ends[0] < ends[1]:
            yield f"m_X_range = {shown(ends)}; allowed: two increasing masses [GeV]"
        if self.measurement is not None and not isinstance(self.measurement, Measurement):
            yield f"measurement = {shown(self.measurement)}; allowed: a zscan.Measurement"


def _positional(function: Callable[..., Any]) -> int:
    """With how many arguments, one or two, a function can be called; 0 for neither."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return 1
    for count in (2, 1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    return 0


def _checked(name: str, function: Callable[..., Any]) -> Callable[[Point, Measured], Prediction]:
    """A user's function as a prediction: what it raises becomes a `ConstraintError`."""
    count = _positional(function)

    @functools.wraps(function)
    def predict(point: Point, measured: Measured) -> Prediction:
        try:
            found = function(point, measured) if count == 2 else function(point)
            if not isinstance(found, Prediction):
                found = Prediction(jnp.asarray(found, dtype=jnp.float64))
        except Exception as error:
            text = f"{type(error).__name__}: {error}".rstrip(": ")
            raise ConstraintError(f"constraint {name}: {clipped(text, 500)}") from error
        if not jnp.issubdtype(jnp.result_type(found.observable), jnp.floating):
            raise ConstraintError(
                f"constraint {name}: its observable is of the type "
                f"{jnp.result_type(found.observable)}; allowed: real numbers"
            )
        return found

    return predict
