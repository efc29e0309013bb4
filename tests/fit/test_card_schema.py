"""The JSON schema of cards knows what cards may hold."""

import tomllib

import jsonschema
import pytest

from zscan.fit.schema import card_schema
from zscan.scans.cards import shipped_cards

SCHEMA = card_schema()
BASE = {
    "format": 1,
    "name": "a",
    "model": "Lmu-Ltau",
    "axis": {
        "m_X": {"min": 1e-3, "max": 1.0, "num": 3, "scale": "log"},
        "charge": {"L": {"mu": {"values": [1.0, 2.0]}}},
        "eps": {"profile": True, "min": -1e-3, "max": 1e-3},
    },
    "fixed": {"g_X": {"value": 1e-3}},
    "fit": {"prior": {"m_X": "log-flat", "g_X": {"mean": 1e-3, "sigma": 1e-4}}, "sample": {}},
    "plot": {"layers": ["trident_*"], "thresholds": {"delta_a_mu": 1.0}},
}


def test_the_schema_is_one_and_takes_every_shipped_card():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(BASE, SCHEMA)
    for path in shipped_cards().values():
        jsonschema.validate(tomllib.loads(path.read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("nam",), "a"),
        (("axis", "m_X", "scale"), "cubic"),
        (("axis", "m_X", "num"), "3"),
        (("output",), {"tile_points": 0}),
        (("output",), {"dtyp": "float32"}),
        (("fit", "starts"), 0),
        (("fit", "prior", "m_X"), "even"),
        (("fit", "sample"), {"chain": 4}),
        (("plot", "layer"), ["trident_*"]),
        (("constraints",), [1]),
    ],
)
def test_a_fault_of_a_card_is_one_of_the_schema(keys, value):
    card = {name: dict(part) if isinstance(part, dict) else part for name, part in BASE.items()}
    table = card
    for key in keys[:-1]:
        table[key] = dict(table.get(key, {}))
        table = table[key]
    table[keys[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(card, SCHEMA)
