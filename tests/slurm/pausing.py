"""A constraint that does nothing but bring with it that tiles take their time to be written, so
that tests meet tasks at work: ZSCAN_TEST_PAUSE seconds for each.
"""

import os
import time

import zscan
from zscan.scans.store import TileStore

_write = TileStore.write


def _write_later(*arguments):
    time.sleep(float(os.environ.get("ZSCAN_TEST_PAUSE", "0")))
    _write(*arguments)


TileStore.write = _write_later


@zscan.constraint(
    "pausing", measurement=zscan.Measurement(0.0, 1.0), long_name="mass of X, written late"
)
def pausing(point):
    return point.m_X
