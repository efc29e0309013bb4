"""Scan cards: every fault with its dotted path and all at once; values, hash, overrides."""

from __future__ import annotations

import copy
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zscan.scans.cards
from zscan.errors import CardError
from zscan.scans.cards import shipped_cards, to_toml
from zscan.scans.spec import load_card

INVALID = sorted((Path(__file__).parents[1] / "invalid").glob("*.toml"))
CARD: dict[str, Any] = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu"],
    "axis": {
        "g_X": {"min": 1e-5, "max": 1e-1, "num": 3, "scale": "log"},
        "m_X": {"min": 1e-3, "max": 2.0, "num": 4, "scale": "log"},
    },
}


def changed(**sections: Any) -> dict[str, Any]:
    return copy.deepcopy(CARD) | sections


def fault_paths(card: Any, overrides: list[str] | None = None) -> list[str]:
    with pytest.raises(CardError) as caught:
        load_card(card, overrides)
    return [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_every_fault_has_its_path(path: Path) -> None:
    expected = re.findall(r"^# fault: (\S+)$", path.read_text(), flags=re.MULTILINE)
    assert expected
    assert sorted(fault_paths(path)) == sorted(expected)


def test_a_fault_tells_value_and_what_is_allowed() -> None:
    with pytest.raises(CardError) as caught:
        load_card(changed(constraints=["borexion"], axis={"mX": {"values": [1.0]}, **CARD["axis"]}))
    text = str(caught.value)
    assert "2 faults" in text
    assert "did you mean 'borexino'?" in text
    assert "axis.mX: unknown parameter; allowed: did you mean 'm_X'?" in text


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text('format = 1\nname = "a\n')
    assert fault_paths(path) == [f"{path}:2"]
    path.write_text("format = 1\n[axis.m_X]\nvalues = [")  # ends inside a list
    assert fault_paths(str(path)) == [f"{path}:3"]
    path.write_bytes(b"name = '\xff'")
    assert fault_paths(path) == [f"{path}:1"]


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    assert fault_paths(tmp_path / "none.toml") == ["card"]
    with pytest.raises(CardError, match="no shipped card"):
        load_card("fig0")


def test_shipped_cards_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "demo.toml").write_text(to_toml(CARD))
    monkeypatch.setattr(zscan.scans.cards, "_PACKAGE", tmp_path)
    assert list(shipped_cards()) == ["demo"]
    assert load_card("demo").name == "small"


def test_axes_are_ordered_and_end_exactly() -> None:
    axes = {
        "g_X": {"min": 1e-5, "max": 0.1, "num": 7, "scale": "log"},
        "charge": {
            "L": {
                "mu": {"min": -1, "max": 1, "num": 3, "scale": "linear"},
                "tau": {"values": [0.5]},
            }
        },
        "m_X": {"min": 1.1e-3, "max": 2.3, "num": 5, "scale": "log"},
        "eps": {"values": [-1e-3, 0.0, 1e-3]},
    }
    spec = load_card(changed(axis=axes))
    values = {axis.name: axis.values for axis in spec.axes}
    assert list(values) == ["charge.L.mu", "charge.L.tau", "eps", "m_X", "g_X"]
    assert (values["m_X"][0], values["m_X"][-1]) == (1.1e-3, 2.3)
    assert (values["g_X"][0], values["g_X"][-1]) == (1e-5, 0.1)
    np.testing.assert_allclose(
        np.diff(np.log(values["m_X"])), math.log(2.3 / 1.1e-3) / 4, rtol=1e-13
    )
    assert values["charge.L.mu"].tolist() == [-1.0, 0.0, 1.0]
    assert all(array.dtype == np.float64 and not array.flags.writeable for array in values.values())
    assert spec.grid.shape == (3, 1, 3, 5, 7)


def test_defaults() -> None:
    spec = load_card({key: value for key, value in CARD.items() if key != "constraints"})
    assert (spec.observables, spec.dtype, spec.tile_points, spec.stored_observables) == (
        "paper",
        "float32",
        10**6,
        (),
    )
    assert {"delta_a_mu", "trident_ccfr", "borexino"} <= set(spec.constraints)


def test_the_hash_covers_what_determines_the_numbers() -> None:
    reference = load_card(CARD).hash
    assert re.fullmatch("[0-9a-f]{64}", reference)
    assert load_card(changed(name="other")).hash == reference
    assert load_card(changed(constraints=["delta_a_*"])).hash == reference
    different = [
        changed(model="B-3Lmu"),
        changed(constraints=["delta_a_mu", "borexino"]),
        changed(fixed={"eps": 1e-6}),
        changed(fixed={"eps": math.nextafter(1e-6, 1)}),
        changed(output={"dtype": "float64"}),
        changed(output={"tile_points": 10}),
        changed(output={"observables": ["delta_a_mu"]}),
        changed(axis=CARD["axis"] | {"m_X": CARD["axis"]["m_X"] | {"max": math.nextafter(2.0, 3)}}),
        changed(axis=CARD["axis"] | {"m_X": {"values": [0.1, 0.2]}}),
    ]
    assert len({reference, *(load_card(card).hash for card in different)}) == len(different) + 1


def test_measurements_enter_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_card(CARD)
    reference = spec.hash
    monkeypatch.setattr(
        type(spec.likelihood), "fingerprint", lambda self: {"measurements": {"value": 0.5}}
    )
    assert load_card(CARD).hash != reference


def test_overrides_change_single_keys() -> None:
    overrides = [
        "axis.m_X.num=9",
        "fixed.charge.L.mu = 2",
        "model=B-3Lmu",
        "output.dtype=float64",
        "name='b'",
    ]
    spec = load_card(CARD, overrides)
    assert [axis.values.size for axis in spec.axes] == [9, 3]
    assert (spec.fixed, spec.model.name, spec.dtype, spec.name) == (
        {"charge.L.mu": 2.0},
        "B-3Lmu",
        "float64",
        "b",
    )
    assert spec.overrides == tuple(overrides)
    assert load_card(CARD).grid.shape == (4, 3)  # the card itself is unchanged
    card = changed(axis=CARD["axis"] | {"charge.L.mu": {"values": [1.0]}})
    assert load_card(card, ["axis.charge.L.mu.values=[1, 2]"]).grid.shape == (2, 4, 3)


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("axis.m_X.num", "--set"),
        ("=3", "--set"),
        ("axis..num=3", "--set"),
        ("axis.m_X.nun=3", "axis.m_X.nun"),
        ("axis.m_X.num=many", "axis.m_X.num"),
        ("name.first=a", "name.first"),
        ("colour=red", "colour"),
        ("name=a\nmodel='B-L'", "name"),  # one key only
    ],
)
def test_a_wrong_override_is_a_fault(override: str, path: str) -> None:
    assert fault_paths(CARD, [override]) == [path]


def test_a_model_path_is_relative_to_the_card(tmp_path: Path) -> None:
    table = {"name": "mine", "L": [0, 2, -2], "E": [0, 2, -2], "N": [0, 2, -2]}
    (tmp_path / "mine.toml").write_text(to_toml(table))
    (tmp_path / "card.toml").write_text(to_toml(changed(model="mine.toml")))
    spec = load_card(tmp_path / "card.toml")
    assert spec.model.name == "mine"
    assert load_card(changed(model=table)).hash == spec.hash


def test_numpy_values_are_accepted_in_a_table() -> None:
    axis = CARD["axis"] | {
        "m_X": {"min": np.float64(1e-3), "max": 2.0, "num": np.int64(4), "scale": "log"}
    }
    assert load_card(changed(axis=axis)).hash == load_card(CARD).hash
    masses = np.geomspace(1e-3, 2.0, 4)
    assert (
        load_card(changed(axis=CARD["axis"] | {"m_X": {"values": masses}})).axes[0].values.tolist()
        == masses.tolist()
    )


keys = st.text(max_size=5)
scalars = (
    st.text(max_size=5)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
)
tables = st.recursive(
    scalars | st.lists(scalars, max_size=3),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(table=st.dictionaries(keys, tables, max_size=4))
def test_the_text_of_a_table_is_the_table(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table
