"""Positions at which a sampled quantity crosses a level: bounds and band edges read off a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def crossings(x: ArrayLike, values: ArrayLike, level: float, *, log: bool = True) -> np.ndarray:
    """All x, ascending, at which `values` crosses `level` between two neighbouring samples.

    `x` (strictly increasing) and `values` have one shape (n,); the crossing is interpolated
    linearly in log(x) (in x if `log` is False). An interval with a NaN end gives no crossing:
    nothing is bridged. The interpolation error is of second order in the step of log(x); refine the
    grid of the map where it matters.

    >>> crossings([1.0, 10.0, 100.0], [0.0, 2.0, 1.0], 1.0).round(3)
    array([  3.162, 100.   ])
    """
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64) - level
    u = np.log(x) if log else x
    with np.errstate(invalid="ignore"):
        change = (y[:-1] < 0) != (y[1:] < 0)
    change &= np.isfinite(y[:-1]) & np.isfinite(y[1:])
    i = np.flatnonzero(change)
    u_cross = u[i] + (u[i + 1] - u[i]) * y[i] / (y[i] - y[i + 1])
    exact = u[-1:][y[-1:] == 0]  # a last sample that lies on the level from below ends a region
    found = np.unique(np.concatenate([u_cross, exact]))
    return np.exp(found) if log else found
