"""The lattice of starts, and which end counts as the lowest."""

import numpy as np
import pytest

from zscan.optimise.starts import lattice, lowest


@pytest.mark.parametrize("starts", [1, 4, 5, 100])
@pytest.mark.parametrize("size", [1, 3])
def test_starts_cover_the_range(starts: int, size: int) -> None:
    points = lattice(starts, size)
    assert points.shape == (starts, size)
    assert ((points > 0) & (points < 1)).all()
    gaps = np.diff(np.sort(points, axis=0), axis=0, prepend=0, append=1)
    assert gaps.max() < 2.7 / (starts + 1)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_shifted_starts_cover_the_range_away_from_the_bounds(seed: int) -> None:
    points = lattice(64, 2, seed)
    assert ((points >= 0.01) & (points <= 0.99)).all()
    for column in points.T:
        gaps = np.diff(np.sort(column), prepend=0.01, append=0.99)
        assert gaps.max() < 3 / 64
    assert np.abs(points - lattice(64, 2, seed + 1)).max() > 0.01


def test_an_end_that_has_not_converged_counts_only_where_it_is_clearly_lower() -> None:
    value = np.array([[1.0, 1.0, np.nan], [1.0 - 1e-4, 0.5, 2.0]])
    converged = np.array([[True, True, False], [False, False, True]])
    assert lowest(value, converged, 1e-3).tolist() == [0, 1, 1]
