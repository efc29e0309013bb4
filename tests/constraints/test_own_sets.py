"""Measurements of a user: a file, a table or a text wherever an observable set is taken."""

import json

import pytest

import zscan
from zscan.constraints import measurements, observable_set
from zscan.errors import CardError, ParameterError, UnknownNameError
from zscan.scans.spec import load_card

# A world average of g-2 that differs from both sets of zscan
FILE = """base = "paper"
[delta_a_mu]
value = 105e-11
error_plus = 59e-11
error_minus = 59e-11
"""
TABLE = {"base": "paper", "delta_a_mu": {"error": 59e-11, "value": 105e-11}}
CARD = {
    "format": 1,
    "name": "own",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "borexino"],
    "axis": {"g_X": {"values": [1e-4, 1e-3]}, "m_X": {"values": [0.01, 0.1]}},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return path


def test_a_file_or_a_table_wherever_a_set_is_taken(file):
    for given in (file, str(file), TABLE):
        found = measurements(given)["delta_a_mu"]
        assert (found.value, found.error_plus, found.error_minus) == (1.05e-9, 5.9e-10, 5.9e-10)
        assert found.theory_error == 43e-11, "the rest is that of the base"
        assert found.status == "provisional", "the reference is that of another number"
        f = zscan.log_likelihood("Lmu-Ltau", ["delta_a_mu"], given)
        assert f.chi2_zero["delta_a_mu"] == pytest.approx((105 / 59) ** 2, rel=1e-12)
        (row,) = zscan.evaluate(
            "Lmu-Ltau", 0.1, 1e-3, constraints=["delta_a_mu"], observables=given
        ).rows
        assert row.measured == "1.05e-09 +- 5.9e-10"
    assert measurements(file)["borexino"] == measurements("paper")["borexino"]


def test_the_hash_of_a_scan_is_that_of_the_numbers(file):
    reference = load_card(CARD)
    (file.parent / "card.toml").write_text(zscan.scans.cards.to_toml(CARD))
    near = load_card(file.parent / "card.toml", ["observables=mine.toml"])  # beside the card
    table = load_card(CARD | {"observables": TABLE})
    assert near.likelihood.fingerprint() == table.likelihood.fingerprint()
    assert reference.hash not in (near.hash, table.hash)
    file.write_text(FILE.replace("105e-11", "106e-11"))
    assert load_card(file.parent / "card.toml", ["observables=mine.toml"]).hash != near.hash
    one, other = ({"r_k": {"value": 0.9, "status": status}} for status in ("published", "derived"))
    assert (
        load_card(CARD | {"observables": one}).hash != load_card(CARD | {"observables": other}).hash
    )
    reordered = {"delta_a_mu": dict(reversed(TABLE["delta_a_mu"].items())), "base": "paper"}
    assert observable_set(reordered) == observable_set(TABLE)


def test_a_limit_moves_with_its_measurement():
    # CCFR: 0.82 +- 0.28, excluded above 0.82 + 1.96 x 0.28
    old = measurements("paper")["trident_ccfr"]
    errors = (old.excluded_above - old.value) / old.error_plus
    new = measurements({"trident_ccfr": {"value": 1.0, "error": 0.1}})["trident_ccfr"]
    assert new.excluded_above == pytest.approx(1 + 0.1 * errors, rel=1e-12)
    given = {"trident_ccfr": {"value": 1.0, "error": 0.1, "excluded_above": 1.3}}
    assert measurements(given)["trident_ccfr"].excluded_above == 1.3
    cited = {"trident_ccfr": {"value": 1.0, "references": ["CCFR:1991lpl"]}}
    assert measurements(cited)["trident_ccfr"].status == old.status
    text = {"matter": {"options": {"sun": False}, "note": "a; b = 'c'"}}
    changed = measurements(text)["matter"]
    assert (changed.options["sun"], changed.note) == (False, "a; b = 'c'")


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ({"bse": "paper"}, UnknownNameError, "bse = 'paper'; allowed: base, and a table"),
        ({"base": "papre"}, UnknownNameError, "did you mean 'paper'"),
        ({"base": 3}, ParameterError, "base = 3"),
        ({"borexion": {"value": 1.0}}, UnknownNameError, "did you mean 'borexino'"),
        ({"borexino": {"valu": 1.0}}, UnknownNameError, r"borexino.valu .*did you mean 'value'"),
        ({"borexino": {"value": "1"}}, ParameterError, r"borexino.value = '1'"),
        ({"borexino": {"error": -1.0}}, ParameterError, "borexino: .*error_plus = -1"),
        ({"borexino": {"cl": 95}}, ParameterError, "cl = 95; allowed: between 0 and 1"),
        ({"borexino": {"error": 1.0, "error_plus": 1.0}}, ParameterError, "together"),
        ({"borexino": {"form": "normal"}}, ParameterError, "allowed|form = 'normal'"),
        ({"matter": {"options": {"moon": 1}}}, UnknownNameError, "matter.options.moon"),
        ({"delta_a_mu": {"error": 1e-11}}, ParameterError, "theory_error"),
        (5, ParameterError, "allowed: the name of a set"),
        ("nowhere.toml", ParameterError, "nowhere.toml"),
    ],
)
def test_faults_name_table_and_key(table, error, message):
    with pytest.raises(error, match=message):
        measurements(table)
    with pytest.raises(CardError) as caught:
        load_card(CARD | {"observables": table})
    assert [fault.path for fault in caught.value.faults] == ["observables"]


def test_command_line(file, capsys):
    from zscan.cli import main

    point = ["evaluate", "Lmu-Ltau", "--m_X", "0.1", "--g_X", "1e-3", "--json"]
    assert main([*point, "--constraints", "delta_a_mu", "--observables", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["measured"] == "1.05e-09 +- 5.9e-10"
    assert main([*point, "--observables", "absent.toml"]) == 2
    assert "absent.toml" in capsys.readouterr().err
