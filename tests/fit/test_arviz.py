"""Samples for arviz, old and new; a clear word where it is not installed."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from zscan.errors import MissingExtraError
from zscan.fit import Samples

SAMPLES = Samples(
    values={"g_X": np.ones((2, 3))},
    chi2=np.full((2, 3), -18.0),
    r_hat={"g_X": 1.0},
    effective={"g_X": 6.0},
    divergences=0,
    priors={"g_X": "flat"},
)


def test_groups_by_chain_and_draw(monkeypatch):
    old = SimpleNamespace(InferenceData=object, from_dict=lambda **groups: groups)
    new = SimpleNamespace(from_dict=lambda groups: groups)
    for module in (old, new):
        monkeypatch.setitem(sys.modules, "arviz", module)
        found = SAMPLES.to_arviz()
        assert found["posterior"]["g_X"].shape == (2, 3)
        np.testing.assert_array_equal(found["sample_stats"]["lp"], 9.0)


def test_without_arviz_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zscan\[arviz\]'"):
        SAMPLES.to_arviz()
