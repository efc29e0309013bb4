"""Scans over a list of models: the numbers of each model alone, its name and charges in the map."""

import numpy as np
import pytest

import zscan
from zscan.errors import CardError
from zscan.scans.spec import load_card

MODEL = """name = "mine"
L = [0, 1, -1]
E = [0, 1, -1]
N = [0, 1, -1]
loop = "leptons"
neutrinos = "dirac"
g_chi_over_g = 5
m_chi_over_m_X = 0.3
[vector]
u = "1/3"
"""
CARD = {
    "format": 1,
    "name": "listed",
    "models": ["Lmu-Ltau", "mine.toml", "Lmu-Le", "protophobic"],
    "constraints": ["delta_a_mu"],
    "axis": {"m_X": {"values": [0.05, 0.3]}, "g_X": {"values": [1e-4, 1e-3]}},
    "output": {"dtype": "float64", "observables": ["branching_ratio/invisible"]},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(MODEL)
    (tmp_path / "card.toml").write_text(zscan.scans.cards.to_toml(CARD))
    return tmp_path


def test_every_model_gives_its_own_numbers(folder, monkeypatch):
    path = zscan.run_scan(folder / "card.toml", folder / "listed.h5", progress=False)
    data = zscan.open_scan(path)
    assert list(data.pattern_name.values) == ["Lmu-Ltau", "mine", "Lmu-Le", "protophobic"]
    assert data["charge.L.mu"].values.tolist() == [1, 1, 1, 0]
    monkeypatch.chdir(folder)
    m_X, g_X = data.m_X.values[:, None], data.g_X.values[None, :]
    for index, name in enumerate(CARD["models"]):
        alone = zscan.log_likelihood(name, CARD["constraints"])
        terms, observables = alone.terms_and_observables(
            {"m_X": m_X, "g_X": g_X}, CARD["output"]["observables"]
        )
        for constraint, term in terms.items():
            np.testing.assert_allclose(
                data.delta_chi2.sel(constraint=constraint)[index],
                np.broadcast_to(term.delta_chi2, (2, 2)),
                rtol=1e-9,
                atol=1e-12,
                err_msg=f"{name}: {constraint}",
            )
        (ratio,) = observables.values()
        np.testing.assert_allclose(
            data["observable/branching_ratio/invisible"][index],
            np.broadcast_to(ratio, (2, 2)),
            rtol=1e-9,
        )


def test_the_models_enter_the_hash(folder):
    reference = load_card(folder / "card.toml")
    (folder / "mine.toml").write_text(MODEL.replace("g_chi_over_g = 5", "g_chi_over_g = 6"))
    assert load_card(folder / "card.toml").hash != reference.hash
    swapped = load_card(folder / "card.toml", ['models=["Lmu-Le", "Lmu-Ltau"]'])
    assert swapped.hash != load_card(folder / "card.toml", ['models=["Lmu-Ltau", "Lmu-Le"]']).hash


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"models": []}, ["models"]),
        ({"models": ["Lmu-Ltau", "nobody"]}, ["models.1"]),
        ({"models": ["Lmu-Ltau", 3]}, ["models.1"]),
        ({"models": ["muon-effective"]}, ["models.0"]),
        ({"models": ["B-L", "9B3-8Lmu-Ltau,fcnc=loop"]}, ["models.1"]),
        (
            {"models": ["B-L,g_chi_over_g=1", "B-L,g_chi_over_g=1,dark=scalar"]},
            ["models"],
        ),
        ({"models": ["B-L,eps=0.1"], "fixed": {"eps": 0.1}}, ["fixed.eps"]),
        ({"models": 3}, ["models"]),
    ],
)
def test_faults_have_their_paths(changes, paths):
    with pytest.raises(CardError) as caught:
        load_card(CARD | {"models": ["B-L"]} | changes)
    assert [fault.path for fault in caught.value.faults] == paths
