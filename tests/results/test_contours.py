"""Crossings of a level, against analytic positions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zscan.results.contours import crossings


@given(st.floats(1.1e-3, 0.9e-1), st.sampled_from([1.0, 2.0, 4.0]))
def test_finds_the_position_of_a_power_law(position, power):
    x = np.geomspace(1e-3, 1e-1, 200)
    (found,) = crossings(x, (x / position) ** power, 1.0)
    # second order in the logarithmic step: error of log(x) <= power * step^2 / 8
    assert abs(np.log(found / position)) <= power * np.log(x[1] / x[0]) ** 2 / 8 + 1e-12


def test_finds_every_piece_and_bridges_no_gap():
    x = np.linspace(0.5, 9.5, 10)
    np.testing.assert_allclose(
        crossings(x, np.array([0, 2, 0, 0, 2, 2, 0, 0, 0, 0.0]), 1.0, log=False), [1, 2, 4, 6]
    )
    gap = np.array([0, 0, np.nan, 2, 2, np.nan, 0, 0, 0, 0])
    assert crossings(x, gap, 1.0).size == 0
    assert crossings(x, np.zeros(10), 1.0).size == 0


def test_a_sample_on_the_level_counts_once():
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(crossings(x, np.array([0.0, 1.0, 2.0]), 1.0), [2.0])
    np.testing.assert_allclose(crossings(x, np.array([0.0, 0.5, 1.0]), 1.0), [3.0])
