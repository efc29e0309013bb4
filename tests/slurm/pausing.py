"""A constraint that takes its time, so that tests meet tasks at work: ZSCAN_TEST_PAUSE seconds for
each tile.
"""

import os
import time

import jax

import zscan


def _wait(m_X):
    time.sleep(float(os.environ.get("ZSCAN_TEST_PAUSE", "0")))
    return m_X


@zscan.constraint(
    "pausing", measurement=zscan.Measurement(0.0, 1.0), long_name="mass of X, after a while"
)
def pausing(point):
    return jax.pure_callback(_wait, jax.ShapeDtypeStruct(point.m_X.shape, "float64"), point.m_X)
