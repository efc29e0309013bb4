"""Exact charges, in integers and fractions: anomalies, the exhaustive catalogue, flavours,
muoquarks, SU(5); no jax.
"""

from zscan.charges.sums import (
    ANOMALY_NAMES,
    Charge,
    Charges,
    Rows,
    anomalies,
    anomaly_sums,
    canonical,
    exact,
    exact_triple,
    expand,
    integer_rows,
    sorted_rows,
    unique_charges,
)
from zscan.charges.universal import (
    MAX_ENUMERATED,
    ThirdFamily,
    checked_max_charge,
    classify,
    enumerate_universal,
    third_family,
    third_family_muons,
    third_family_muoquark,
)

__all__ = [
    "ANOMALY_NAMES",
    "MAX_ENUMERATED",
    "Charge",
    "Charges",
    "Rows",
    "ThirdFamily",
    "anomalies",
    "anomaly_sums",
    "canonical",
    "checked_max_charge",
    "classify",
    "enumerate_universal",
    "exact",
    "exact_triple",
    "expand",
    "integer_rows",
    "sorted_rows",
    "third_family",
    "third_family_muons",
    "third_family_muoquark",
    "unique_charges",
]
