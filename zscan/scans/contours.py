"""On which side of each contour of a refined scan its points are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from zscan.results.layout import MapHeader
from zscan.results.rule import ExclusionRule, band
from zscan.scans.cells import Sides
from zscan.scans.refinement import Refinement


class Contours:
    """The `count` contours of a refined scan: limits and bands of its constraints as maps draw
    them, and regions of a sum of chi2.
    """

    def __init__(self, header: MapHeader, refinement: Refinement) -> None:
        self.refinement = refinement
        self._row = {item.name: n for n, item in enumerate(header.constraints)}
        rules = {
            item.name: ExclusionRule(item.excluded_above, item.delta_chi2_excluded, item.cl)
            for item in header.constraints
        }
        self._edges: list[tuple[str, float]] = []
        self._moving: list[tuple[str, ExclusionRule]] = []
        for name in refinement.constraints:
            rule = rules[name]
            if rule.excluded_above is not None:
                self._edges.append((name, rule.excluded_above))
            elif rule.excludes:
                self._moving.append((name, rule))
            else:
                self._edges += [(name, edge) for edge in band(header.attributes, name)]
        self._lowest = np.zeros((len(self._moving), 0))  # of each row, where below zero
        self._least = np.nan  # of the sum
        regions = len(refinement.combined_levels) if refinement.combined else 0
        self.count = len(self._edges) + len(self._moving) + regions

    def sides(
        self, places: np.ndarray, fields: Mapping[str, np.ndarray], first: int
    ) -> Iterator[tuple[np.ndarray, dict[int, Sides]]]:
        """On which sides points are, those from number `first` on and, where a contour has moved,
        others: `places` (n, 2) of some points, and their sides by the number of the contour.

        On both sides is where a minimum lies that a contour is measured from. A point where a
        constraint does not apply is not beyond its contour."""
        fixed = {
            number: _sides(fields[f"observable/{name}"][first:] - edge)
            for number, (name, edge) in enumerate(self._edges)
        }
        yield places[first:], fixed
        rows = places[:, 0]
        if self._lowest.shape[1] <= rows.max():
            self._lowest = np.zeros((len(self._moving), int(rows.max()) + 1))
        fresh = np.arange(len(rows)) >= first
        for number, (name, rule) in enumerate(self._moving):
            chi2 = fields["delta_chi2"][self._row[name]]
            lowest = np.zeros(self._lowest.shape[1], chi2.dtype)
            np.fmin.at(lowest, rows, chi2)
            moved = lowest != self._lowest[number]
            self._lowest[number] = lowest
            some = np.flatnonzero(fresh | moved[rows])
            least = lowest[rows[some]]
            at_least = (chi2[some] == least) & (least < 0)
            sides = _sides(rule.excess(None, chi2[some], least), at_least)
            yield places[some], {len(self._edges) + number: sides}
        if self.refinement.combined:
            yield from self._of_sum(places, fields, first)

    def _of_sum(
        self, places: np.ndarray, fields: Mapping[str, np.ndarray], first: int
    ) -> Iterator[tuple[np.ndarray, dict[int, Sides]]]:
        terms = fields["delta_chi2"][[self._row[name] for name in self.refinement.combined]]
        applies = np.isfinite(terms).any(axis=0)
        if not applies.any():
            return
        total = np.where(applies, np.nansum(terms, axis=0), np.nan)
        least = np.nanmin(total)
        some = slice(first if least == self._least else 0, None)
        self._least = least
        start = len(self._edges) + len(self._moving)
        yield (
            places[some],
            {
                start + number: _sides(total[some] - least - level, total[some] == least)
                for number, level in enumerate(self.refinement.combined_levels)
            },
        )


def _sides(excess: np.ndarray, on_both: np.ndarray | None = None) -> Sides:
    beyond = excess > 0
    return (beyond, ~beyond) if on_both is None else (beyond | on_both, ~beyond | on_both)
