"""Published limits on light resonances and projections: curves, their recast to a model, limits of
one's own, import from tables and from DarkCast.
"""

from __future__ import annotations

from zscan.limits.add import add
from zscan.limits.darkcast import import_darkcast
from zscan.limits.format import (
    Limit,
    LimitError,
    LimitWarning,
    ProductionTable,
)
from zscan.limits.known import list_limits, load, register, user_folder
from zscan.limits.listing import limit_row, limit_table, missing_table
from zscan.limits.missing import MissingLimit, missing
from zscan.limits.strength import delta_chi2, excluded_couplings, signal_strength, signal_strengths
from zscan.limits.write import write_limit, write_limits

__all__ = [
    "Limit",
    "LimitError",
    "LimitWarning",
    "MissingLimit",
    "ProductionTable",
    "add",
    "delta_chi2",
    "excluded_couplings",
    "import_darkcast",
    "limit_row",
    "limit_table",
    "list_limits",
    "load",
    "missing",
    "missing_table",
    "register",
    "signal_strength",
    "signal_strengths",
    "user_folder",
    "write_limit",
    "write_limits",
]
