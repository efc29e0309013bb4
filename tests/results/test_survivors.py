"""Survivors of a map over models: `zscan survivors MAP`."""

import json

import pytest

import zscan
from zscan.cli import main
from zscan.errors import ParameterError, UnknownNameError
from zscan.results.survivors import survivors

CARD = {
    "format": 1,
    "name": "few",
    "models": "catalogue:max=2,vector",
    "constraints": ["delta_a_mu", "borexino", "nsi", "searches/NA64_NA642019imj"],
    "axis": {
        "m_X": {"values": [0.004, 0.05, 0.2]},
        "g_X": {"min": 1e-4, "max": 1e-2, "num": 60, "scale": "log"},
    },
    "output": {"observables": ["borexino"]},
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return zscan.run_scan(CARD, tmp_path_factory.mktemp("few") / "few.h5", progress=False)


def test_survivors_are_patterns_of_charges_whose_points_pass_evaluate(path, capsys):
    found = survivors(path)
    names = {item.name for item in found.found}
    assert "Lmu-Ltau" in names
    assert found.models > len(found.found) > 0
    assert set(found.excludes) == {"borexino", "nsi", "searches/NA64_NA642019imj"}
    verdict = zscan.verdict(
        zscan.Model("Lmu-Ltau", L=(0, 1, -1), E=(0, 1, -1), N=(0, 1, -1), loop="leptons"),
        masses=(0.004, 0.2),
        points=9,
        constraints=CARD["constraints"],
    )
    (item,) = {(i.m_X) for i in found.found if i.name == "Lmu-Ltau"}
    assert any(low <= item[0] and item[1] <= high * 1.01 for low, high in verdict.allowed)
    assert len(survivors(path, n_sigma=1.0).found) <= len(found.found)
    assert main(["survivors", str(path)]) == 0
    text = capsys.readouterr().out
    assert f"{len(found.found)} of {found.models} models" in text
    assert "Lmu-Ltau: m_X from" in text
    assert main(["survivors", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == found.models


def test_faults_are_named(path, tmp_path):
    with pytest.raises(ParameterError, match="n_sigma = 0"):
        survivors(path, n_sigma=0)
    card = CARD | {"output": {}, "models": "catalogue:max=1,vector"}
    bare = zscan.run_scan(card, tmp_path / "bare.h5", progress=False)
    with pytest.raises(UnknownNameError, match=r"'borexino'; add it to output\.observables"):
        survivors(bare)
    alone = zscan.run_scan(card | {"constraints": ["borexino"]}, tmp_path / "b.h5", progress=False)
    with pytest.raises(ParameterError, match="no delta_a_mu"):
        survivors(alone)
