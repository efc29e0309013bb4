"""What "excluded" means: a rule that is part of each measurement, and that a map stores for its
figures.

Everything that says "excluded" (evaluate, verdict, figures, tables of maps) asks
`ExclusionRule.excess`; a live likelihood takes the reference minimum of a chi2 over `COUPLINGS`, a
figure over the coupling axis of its map."""

from __future__ import annotations

import numpy as np

from zscan.results.rule import ExclusionRule

__all__ = ["COUPLINGS", "ExclusionRule"]

# Where the minimum of a chi2 over the coupling of a model is looked for
COUPLINGS = np.geomspace(1e-7, 1.0, 200)
