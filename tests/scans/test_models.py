"""Scans over the catalogue: the axis of models, its coordinates, and the same numbers as one model
at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import zscan
from zscan.charges.catalogue import parse_selection
from zscan.charges.patterns import pattern_name
from zscan.errors import CardError, CorruptFileError, ForeignFileError
from zscan.models import GENERATIONS
from zscan.results.schema import info, verify
from zscan.scans.spec import load_card

CONSTRAINTS = [
    "delta_a_mu",
    "trident_ccfr",
    "borexino",
    "nsi",
    "coherent",
    "searches/BaBar_TheBABAR2016rlg",
]
CARD: dict[str, Any] = {
    "format": 1,
    "name": "catalogue",
    "models": "catalogue:max=3",
    "constraints": CONSTRAINTS,
    "axis": {"m_X": {"values": [0.03, 0.3]}, "g_X": {"values": [1e-4, 1e-3]}},
    "fixed": {"eps_over_g": 0.1},
    "output": {"dtype": "float64", "tile_points": 20, "observables": ["delta_a_mu"]},
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zscan.run_scan(
        CARD, tmp_path_factory.mktemp("catalogue") / "catalogue.h5", progress=False
    )


def test_every_entry_gives_the_numbers_of_its_model(path: Path) -> None:
    m_X, g_X = np.array([[0.03], [0.3]]), np.array([1e-4, 1e-3])
    with zscan.open_scan(path) as data:
        assert data["delta_chi2"].dims == ("constraint", "model", "m_X", "g_X")
        charges = {
            name: data[name].values for name in data.coords if str(name).startswith("charge.")
        }
        assert len(charges) == 18
        assert all(data[name].dims == ("model",) for name in charges)
        rows = parse_selection("max=3").assigned()
        names = list(data["pattern_name"].values)
        assert names[(rows == rows[-1]).all(axis=1).argmax()] == pattern_name(
            [rows[-1][0], *rows[-1][:7]]
        )
        np.testing.assert_array_equal(
            [charges[f"charge.L.{name}"] for name in ("e", "mu", "tau")], rows[:, 1:4].T
        )
        for index in (0, 5, len(rows) // 2, len(rows) - 1):
            table = {
                key: [int(charges[f"charge.{key}.{n}"][index]) for n in names]
                for key, names in GENERATIONS.items()
            }
            finite = sum(table["L"]) + sum(table["E"]) == 0
            loop = "leptons" if finite else "none"
            model = zscan.Model("one", **table, eps_over_g=0.1, loop=loop)
            assert not any(model.anomalies().values())
            for name, term in zscan.log_likelihood(model, CONSTRAINTS).terms(m_X, g_X).items():
                stored = data["delta_chi2"].sel(constraint=name, model=index)
                np.testing.assert_allclose(
                    stored, term, rtol=1e-10, atol=1e-10
                )  # jitted, not jitted


def test_the_map_tells_its_models(path: Path) -> None:
    verify(path)
    described = info(path)
    assert described["model"]["name"] == "catalogue:max=3"
    assert described["axes"]["model"]["num"] == len(parse_selection("max=3").assigned())
    assert "charge.L.mu" in described["axes"]["model"]["coordinates"]


def test_charges_are_covered_by_the_digests(path: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied.h5"
    copied.write_bytes(path.read_bytes())
    with h5py.File(copied, "r+") as file:
        file["charge.E.tau"][3] = 7.0
    with pytest.raises(CorruptFileError, match=r"charge\.E\.tau"):
        verify(copied)
    with h5py.File(copied, "r+") as file:
        del file["charge.E.tau"]
    with pytest.raises(ForeignFileError, match=r"charge\.E\.tau is missing"):
        zscan.open_scan(copied)
    with h5py.File(copied, "r+") as file:
        file.attrs["coordinates"] = '{"model": 3}'
    with pytest.raises(ForeignFileError, match="coordinates"):
        zscan.open_scan(copied)


def test_the_hash_covers_the_selection() -> None:
    cards = [
        CARD,
        CARD | {"models": "catalogue:max=4"},
        CARD | {"models": "catalogue:max=3,vector"},
    ]
    assert len({load_card(card).hash for card in cards}) == 3
    assert load_card(CARD, ["models=catalogue:max=4"]).hash == load_card(cards[1]).hash


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"models": 3}, ["models"]),
        ({"models": "atlas:max=3"}, ["models"]),
        ({"models": "catalogue:max=3,vectr"}, ["models.class"]),
        ({"models": "catalogue:vector,flavour=all"}, ["models.flavour", "models.max"]),
        ({"models": "catalogue:max=1,chiral"}, ["models"]),  # there is none
        ({"model": "Lmu-Ltau"}, ["model"]),
        ({"fixed": {"charge.L.mu": 1}}, ["fixed.charge.L.mu"]),
    ],
)
def test_faults_are_named(change: dict[str, Any], paths: list[str]) -> None:
    with pytest.raises(CardError) as caught:
        load_card(CARD | change)
    assert [fault.path for fault in caught.value.faults] == paths
