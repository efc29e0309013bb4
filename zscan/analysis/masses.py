"""Masses at which a survey or a table of bounds looks: a logarithmic grid, both sides of
thresholds, and every interval in which other limit curves apply than beside it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from zscan.constants import M_MU, M_TAU
from zscan.constraints.searches import SEARCHES
from zscan.errors import ParameterError
from zscan.limits import Limit, load
from zscan.models.parameters import M_X

_BESIDE = 1e-3  # relative distance from a threshold
_NARROW = 0.015  # relative width of intervals that digitised curves do not tell from nothing
_MOST = 2000


def survey_masses(interval: Sequence[float], points: int, constraints: Sequence[str]) -> np.ndarray:
    """The masses [GeV] of a survey, rising.

    An interval of two masses gets `points` of them at equal logarithmic steps, both sides of the
    thresholds of two muons and taus, and the middle of each interval without any of these between
    two masses at which curves among `constraints` begin, end or have gaps (not of those narrower
    than 1.5 %). More than two masses are taken as they
    are. Raises `ParameterError` for masses that do not rise, or are out of range."""
    given = np.asarray(interval, dtype=float)
    allowed = (
        f"two masses or a rising list of at most {_MOST}, {M_X.minimum:g} to {M_X.maximum:g} GeV"
    )
    inside = given.ndim == 1 and given.size > 0 and bool(np.all(np.isfinite(given)))
    if not inside or given.min() < M_X.minimum or given.max() > M_X.maximum or given.size > _MOST:
        raise ParameterError(f"masses = {interval}; allowed: {allowed}")
    if np.any(np.diff(given) <= 0):
        raise ParameterError(f"masses = {interval} do not rise; allowed: {allowed}")
    if given.size != 2:
        return given
    if not 2 <= points <= _MOST:
        raise ParameterError(f"points = {points}; allowed: 2 to {_MOST}")
    low, high = given
    beside = [2 * m.value * factor for m in (M_MU, M_TAU) for factor in (1 - _BESIDE, 1 + _BESIDE)]
    grid = np.concatenate([np.geomspace(low, high, points), beside])
    grid = np.unique(grid[(grid >= low) & (grid <= high)])
    edges = np.unique([edge for limit in _curves(constraints) for edge in _edges(limit)])
    edges = edges[(edges > low) & (edges < high)]
    empty = (np.diff(np.searchsorted(grid, edges)) == 0) & (edges[1:] > edges[:-1] * (1 + _NARROW))
    return np.unique(np.concatenate([grid, np.sqrt(edges[:-1] * edges[1:])[empty]]))


def masked(m_X: np.ndarray, constraints: Sequence[str]) -> np.ndarray:
    """Whether each mass lies in a gap of a limit curve, such as the window of a resonance that the
    search leaves out: nothing may be concluded there from what survives.
    """
    found = np.zeros(len(m_X), bool)
    for limit in _curves(constraints):
        for low, high in _gaps(limit):
            found |= (m_X > low) & (m_X < high)
    return found


def _curves(constraints: Sequence[str]) -> list[Limit]:
    return [load(SEARCHES[name]) for name in constraints if name in SEARCHES]


def _edges(limit: Limit) -> list[float]:
    finite = limit.mass[np.isfinite(limit.value)]
    return [float(finite[0]), float(finite[-1]), *(edge for gap in _gaps(limit) for edge in gap)]


def _gaps(limit: Limit) -> list[tuple[float, float]]:
    """Intervals inside a curve, between two finite neighbours of values that are not."""
    finite = np.flatnonzero(np.isfinite(limit.value))
    pairs = itertools.pairwise(finite)
    return [(float(limit.mass[a]), float(limit.mass[b])) for a, b in pairs if b > a + 1]
