"""Constraints: one file per family, measurements beside them, and what "excluded" means."""

from zscan.constraints.base import Constraint
from zscan.constraints.exclusion import ExclusionRule
from zscan.constraints.measurements import (
    Measurement,
    Observables,
    measurements,
    observable_set,
    observable_sets,
)
from zscan.constraints.own import Asked, Own
from zscan.constraints.registry import (
    ALTERNATIVES,
    ConstraintInfo,
    ObservableInfo,
    constraint,
    constraint_names,
    data_constraints,
    derived_observables,
    describe,
    describe_observable,
    expand_constraints,
    find_constraints,
    general_observable,
    is_projection,
    measured_constraints,
    measured_values,
    observables_of,
    predict,
    with_inputs,
)
from zscan.constraints.searches import SEARCHES

__all__ = [
    "ALTERNATIVES",
    "SEARCHES",
    "Asked",
    "Constraint",
    "ConstraintInfo",
    "ExclusionRule",
    "Measurement",
    "ObservableInfo",
    "Observables",
    "Own",
    "constraint",
    "constraint_names",
    "data_constraints",
    "derived_observables",
    "describe",
    "describe_observable",
    "expand_constraints",
    "find_constraints",
    "general_observable",
    "is_projection",
    "measured_constraints",
    "measured_values",
    "measurements",
    "observable_set",
    "observable_sets",
    "observables_of",
    "predict",
    "with_inputs",
]
