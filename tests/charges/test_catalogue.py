"""Counts of the catalogue as in the paper, selections, and the verb `zscan charges`."""

import numpy as np
import pytest

from zscan.charges import classify, enumerate_universal
from zscan.charges.catalogue import CLASSES, Selection, columns, counts, parse_selection, report
from zscan.charges.flavours import assign, assignments
from zscan.cli import main
from zscan.errors import CardError, ParameterError, UnknownNameError

# Counts with (13), (14a) and (14b), and without any condition; arXiv:2107.07518 sec. 2 and an
# exhaustive C loop
TABLE_10 = {
    "total": (276, 273, 272, 273),
    "vector": (255, 252, 251, 252),
    "class1": (79, 77, 76, 77),
    "class2": (187, 185, 185, 185),
    "class1_and_2": (13, 12, 12, 12),
    "class3": (2, 2, 2, 2),
    "chiral": (21, 21, 21, 21),
    "chiral_reflected": (18, 18, 18, 18),
    "third_family": (171, 171, None, None),
    "third_family_vector": (158, 158, None, None),
    "third_family_chiral": (13, 13, None, None),
}
# Charges up to 7, from the same loop
TABLE_7 = {
    "total": (75, 72, 71, 72),
    "vector": (None, 67, 66, 67),
    "class1": (None, 30, 29, 30),
    "class2": (None, 36, None, None),
    "class1_and_2": (None, 1, None, None),
    "class3": (None, 2, None, None),
    "chiral": (5, 5, None, None),
    "chiral_reflected": (5, 5, None, None),
    "third_family": (22, 22, None, None),
    "third_family_vector": (19, 19, None, None),
    "third_family_chiral": (3, 3, None, None),
}


@pytest.mark.parametrize(("limit", "table"), [(10, TABLE_10), (7, TABLE_7)])
def test_counts(limit, table):
    found = counts(limit)
    assert list(found) == list(table)
    for line, expected in table.items():
        for number, value in zip(found[line].values(), expected, strict=True):
            assert value is None or number == value, line
    assert classify(enumerate_universal(10))["reflected"].sum() == 105


def test_selection_text_rows_and_flavours():
    selection = parse_selection("max=10, class1,!class2 ,vector,vector")
    assert selection == Selection(10, ("vector", "class1", "!class2"))
    assert str(selection) == "max=10,vector,class1,!class2"
    assert parse_selection(str(Selection(7, ("!chiral",), "all"))) == Selection(
        7, ("!chiral",), "all"
    )
    assert len(selection.rows()) == 79 - 13
    np.testing.assert_array_equal(selection.assigned(), assign(selection.rows()))
    every = Selection(10, ("chiral",), "all").assigned()
    np.testing.assert_array_equal(every, assignments(Selection(10, ("chiral",)).rows()))
    assert len(np.unique(every, axis=0)) == len(every)
    rows = enumerate_universal(10)
    np.testing.assert_array_equal(Selection(10).rows(), rows)
    for name, values in classify(rows).items():
        np.testing.assert_array_equal(Selection(10, (name,)).rows(), rows[values])
        np.testing.assert_array_equal(Selection(10, (f"!{name}",)).rows(), rows[~values])
    assert Selection(1, ("chiral",)).assigned().shape == (0, 10)
    assert list(CLASSES) == list(classify(rows))


def test_all_faults_of_a_selection_are_named():
    with pytest.raises(CardError) as error:
        parse_selection("max=1e3,vectr,!chiral,chiral,flavours=both,min=3,,max=4")
    faults = error.value.faults
    assert [(fault.path, fault.value) for fault in faults] == [
        ("min", "min=3"),
        ("max", "max=4"),
        ("max", "1e3"),
        ("flavours", "both"),
        ("class", "vectr"),
        ("class", "chiral"),
        ("class", ""),
    ]
    assert "did you mean 'vector'" in str(error.value)
    for text in ("", "vector", "max=201", "max=-1", "max=" + "9" * 5000, "max=10,!!vector"):
        with pytest.raises(CardError):
            parse_selection(text)
    with pytest.raises(UnknownNameError, match="did you mean 'class3'"):
        Selection(10, ("!class4", "klass3"))
    for arguments in ((201,), (10.0,), (10, ("vector", "!vector")), (10, (), "two")):
        with pytest.raises(ParameterError):
            Selection(*arguments)


def test_columns_of_a_file():
    selection = Selection(10, ("third_family",), "all")
    table = {column.name: column.values for column in columns(selection.assigned())}
    assigned = selection.assigned()
    names = [
        *(f"{field}_{flavour}" for field in "LE" for flavour in ("e", "mu", "tau")),
        "N_1",
        "N_2",
        "N_3",
    ]
    np.testing.assert_array_equal(
        np.stack([table["q"], *(table[name] for name in names)], axis=1), assigned
    )
    np.testing.assert_array_equal(table["X_S_3_L"], -table["q"] - table["L_mu"])
    np.testing.assert_array_equal(table["X_R_2_R"], table["q"] - table["E_mu"])
    np.testing.assert_array_equal(table["X_q3"], 3 * table["q"])
    np.testing.assert_array_equal(table["third_family_X_S_3_2"], -table["X_q3"] - table["L_2"])
    assert np.all(table["third_family_1"] | table["third_family_2"] | table["third_family_3"])
    assert "S_3_R_muon_only" not in table
    assert {values.dtype for values in table.values()} == {np.dtype(np.int16), np.dtype(np.uint8)}
    largest = columns(np.array([[66, 200, -200, 200, -200, 200, 200, -200, -200, 200]]))
    assert max(int(np.abs(column.values.astype(int)).max()) for column in largest) == 3 * 66 + 200


def test_table_1_is_one_command(capsys):
    assert main(["charges", "--max", "10", "--table"]) == 0
    out = capsys.readouterr().out
    numbers = [line.rsplit(maxsplit=4) for line in out.splitlines()]
    assert ["total", "276", "273", "272", "273"] in numbers
    assert ["  class 1", "79", "77", "76", "77"] in numbers
    assert out.count("|") == 4 * (2 + 21 + 2)
    assert [line.rstrip().endswith("*") for line in out.splitlines() if "|" in line].count(
        True
    ) == 3
    assert main(["charges", "--max", "10"]) == 0
    assert capsys.readouterr().out.strip() == report(10)
    assert "|" not in report(10)


def test_command_selects_and_writes(capsys, tmp_path):
    for name in ("x.h5", "x.csv"):
        path = str(tmp_path / name)
        command = ["charges", "--max", "10", "--class", "reflected", "--chiral", "-o", path]
        assert main(command) == 0
        out = capsys.readouterr().out
        assert "selected (max=10,chiral,reflected): 18" in out
        assert out.endswith(f"{path}\n")
        assert main(command) == 2
        assert "--force" in capsys.readouterr().err
        assert main([*command, "--force", "--list"]) == 0
        assert capsys.readouterr().out.count("|") == 4 * (1 + 18)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max", "10", "--class", "vectr"], "did you mean 'vector'"),
        (["--max", "10", "--class", "vector", "!vector"], "both asked for and excluded"),
        (["--max", "501"], "max_charge = 501 is not allowed"),
        (["--max", "-1"], "max_charge = -1 is not allowed"),
        (["--max", "300", "-o", "x.h5"], "from 0 to 200"),
        (["--max", "10", "-o", "x.txt"], ".csv"),
    ],
)
def test_bad_input_exits_with_2_and_writes_nothing(
    capsys, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["charges", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out
    assert not list(tmp_path.iterdir())
