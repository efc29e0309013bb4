"""Limits of one's own: tables of all kinds, outlines, units, reference models, and that they are
then known everywhere.
"""

import json
import os

import numpy as np
import pytest

import zscan
from zscan.cli import main
from zscan.errors import (
    CardError,
    NoEffectWarning,
    ParameterError,
    ResultExistsError,
    UnknownNameError,
)
from zscan.limits import LimitError, LimitWarning, add, excluded_couplings, known, load
from zscan.limits.outline import curve_columns
from zscan.limits.tables import read_table_of
from zscan.references import bibtex, label
from zscan.scans.spec import load_card

MINE = {
    "name": "mine",
    "experiment": "NA64",
    "cl": 0.9,
    "production": "e_brem",
    "final_states": "invisible",
    "reference_model": "B-L",
}
PROMPT = MINE | {"final_states": "ee"}
# A curve of B - L, invisible, as digitised: some points of NA64 (arXiv:2207.09979); the last one
# returns to the first mass, which closes an outline
CURVE = [
    (1.04e-6, 2.07e-6),
    (1.36e-5, 2.06e-6),
    (1.81e-4, 2.21e-6),
    (1.94e-3, 3.71e-6),
    (2.07e-2, 2.02e-5),
    (0.211, 2.34e-4),
    (0.631, 9.99e-4),
    (9.74e-7, 1.01e-3),
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A user's folder of its own for each test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    forget()
    yield tmp_path / "data" / "zscan" / "limits"
    monkeypatch.undo()
    forget()


def forget():
    """What a new process would know."""
    known.forget_users()
    known.list_limits()


def test_invisible_dark_photon_with_assumed_decays(tmp_path):
    """The usual limit of a search for missing energy: all decays go to dark matter."""
    path = csv(tmp_path, CURVE[3:7])
    limit = add(path, **(MINE | {"quantity": "eps", "reference_model": None}))
    assert limit.reference_branching_ratio == 1.0
    lower, _ = excluded_couplings(limit, "B-L", 1.94e-3)
    # eps e = g_X sqrt(BR), BR(invisible) = 3/(3 + 2 x 0.968): the electron has a mass
    assert float(lower) == pytest.approx(3.71e-6 * 0.302822 / (3 / 4.936) ** 0.5, rel=0.01)


def csv(tmp_path, rows, name="curve.csv", header="mass,value"):
    path = tmp_path / name
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_a_limit_is_known_everywhere(tmp_path, own_folder, capsys):
    path = csv(tmp_path, CURVE[:-1])
    command = ["limits", "add", str(path), "--name", "mine", "--experiment", "NA64", "--cl", "0.9"]
    command += ["--production", "e_brem", "--final-states", "invisible", "--reference-model", "B-L"]
    command += ["--arxiv", "2207.09979"]
    assert main(command) == 0
    assert "searches/mine: 7 rows, 1.04e-06-0.631 GeV, g_X of B-L" in capsys.readouterr().out
    assert {entry.name for entry in own_folder.iterdir()} == {"mine.toml", "mine.bib"}
    assert main(command) == 2
    assert "mine.toml exists; --force replaces it" in capsys.readouterr().err

    # by name, as its neighbours, and as another process finds it
    forget()
    m_X = np.array([m for m, _ in CURVE[:-1]])
    low, high = excluded_couplings("mine", "B-L", m_X)
    np.testing.assert_allclose(low, [g for _, g in CURVE[:-1]], rtol=1e-12)
    assert np.isinf(high).all()
    assert main(["limits", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["limit"] == "mine"
    found = zscan.evaluate("B-L", 0.0207, 1e-4, constraints=["searches/mine", "delta_a_mu"])
    assert found.rows[0].excluded
    assert found.rows[0].references == ("mine", "Ilten:2018crw")
    assert "arXiv:2207.09979" in str(found)
    assert "2207.09979" in bibtex(["mine"])
    alone = zscan.verdict("B-L", constraints=["searches/mine"], masses=(0.01, 0.1), points=5)
    assert list(alone.killed_by) == ["searches/mine"]
    bounds = zscan.bounds("B-L", "searches/mine", m_X=[0.0207])
    assert float(bounds["lower"][0, 0, 0]) == pytest.approx(2.02e-5, rel=1e-9)


def test_a_closed_outline_is_split(tmp_path):
    path = csv(tmp_path, CURVE)
    with pytest.warns(LimitWarning, match=r"line 9 \(row 8\).*of a closed outline, dropped"):
        limit = add(path, **MINE)
    np.testing.assert_array_equal(np.column_stack([limit.mass, limit.value]), CURVE[:-1])
    # of a beam dump both edges are kept; the outline may begin anywhere, and run either way
    upper = [(m, 40 * g) for m, g in CURVE[1:5]]
    outline = [CURVE[0], *CURVE[1:6], *upper[::-1]]
    for turned in (outline, outline[::-1], outline[4:] + outline[:4]):
        table = read_table_of(csv(tmp_path, turned))
        mass, low, high = curve_columns(table, two_sided=True)
        np.testing.assert_array_equal(mass, [m for m, _ in CURVE[:6]])
        np.testing.assert_allclose(low, [g for _, g in CURVE[:6]], rtol=1e-12)
        np.testing.assert_allclose(high[1:5] / low[1:5], 40, rtol=1e-9)
    dump = MINE | {
        "final_states": "ee",
        "efficiency": "dump",
        "lratio": 1.5,
        "name": "dump",
        "quantity": "eps",
        "reference_model": None,
    }
    region = [(m, g) for m, g in outline if m > 2e-3]
    limit = add(csv(tmp_path, [(0.0015, 3e-6), *region]), **dump)
    assert (limit.excludes, limit.reference_name) == ("between", "dark-photon")
    # one that turns back is refused in these words
    zigzag = [(0.1, 1.0), (0.2, 5.0), (0.15, 0.5), (0.3, 4.0), (0.18, 0.1), (0.35, 3.0), (0.11, 2)]
    with pytest.raises(LimitError, match=r"a closed outline that turns back, .*at line 3"):
        add(csv(tmp_path, zigzag), **PROMPT)
    with pytest.raises(LimitError, match="one edge, where this search needs a lower and an upper"):
        add(csv(tmp_path, CURVE[:5]), **dump)


def test_units_and_order(tmp_path):
    falling = [(195.8, 1e-3), (131.1, 7e-4), (80.57, 8e-4), (38.8, 1e-3)]
    limit = add(csv(tmp_path, falling), **PROMPT, unit="MeV")
    np.testing.assert_allclose(limit.mass, [0.0388, 0.08057, 0.1311, 0.1958], rtol=1e-12)
    assert limit.value.tolist() == [1e-3, 8e-4, 7e-4, 1e-3]
    for unit in ("keV", "GeV"):
        assert add(csv(tmp_path, falling), **MINE, unit=unit, force=True).mass[0] == pytest.approx(
            38.8 * {"keV": 1e-6, "GeV": 1}[unit]
        )
    with pytest.raises(LimitError, match=r"not plausible in TeV; is the unit keV or MeV or GeV\?"):
        add(csv(tmp_path, falling), **MINE, unit="TeV")
    with pytest.raises(LimitError, match="not plausible in keV"):
        add(csv(tmp_path, [(1e-4, 1e-3), (2e-4, 1e-3)]), **MINE, unit="keV")
    with pytest.warns(NoEffectWarning, match="below all masses that zscan evaluates"):
        add(csv(tmp_path, falling), **MINE, unit="eV", force=True)
    named = csv(tmp_path, falling, header="mass [MeV],value")
    assert add(named, **MINE, force=True).mass[0] == pytest.approx(0.0388)
    with pytest.raises(LimitError, match="the file itself says MeV"):
        add(named, **MINE, unit="GeV")
    shuffled = [(0.1, 1e-3), (0.3, 1.2e-3), (0.2, 1.1e-3), (0.4, 1.3e-3)]
    with pytest.warns(LimitWarning, match=r"line 4 \(row 3\).*sorted"):
        limit = add(csv(tmp_path, shuffled), **PROMPT, force=True)
    assert limit.mass.tolist() == [0.1, 0.2, 0.3, 0.4]


def test_rows_that_are_dropped(tmp_path):
    # as the data of Belle II (arXiv:1912.11276) in DarkCast: a row at mass 0, one mass twice
    path = tmp_path / "belle.lmt"
    path.write_text(
        " #  mass  lower\n0.0 0.168\n2e-3 0.168\n1.16 0.168\n1.16 0.2\n1.64 0.231\n2.0 1e5\n3 0.3\n"
    )
    given = {**MINE, "production": "mu_brem", "reference_model": "Lmu-Ltau", "name": "belle"}
    with pytest.warns(LimitWarning) as caught:
        limit = add(path, **given)
    told = " ".join(str(warning.message) for warning in caught)
    assert "line 2 (row 1) [0.0, 0.168]: dropped: the mass is 0" in told
    assert "line 5 (row 4) [1.16, 0.2]: dropped: the mass is that of a row before" in told
    np.testing.assert_array_equal(limit.mass, [2e-3, 1.16, 1.64, 2.0, 3.0])
    np.testing.assert_array_equal(limit.value, [0.168, 0.168, 0.231, np.nan, 0.3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mass,value\n0.1,1e-3\n0.2,abc\n", r"curve.csv:3: row 2: not a number \(got 'abc'\)"),
        ("0.1 1e-3\n0.2 1e-3 7\n", "curve.csv:2: row 2 has 3 columns"),
        ("0.1,1e-3\n-0.2,1e-3\n", r"line 2 \(row 2\): the mass must not be negative"),
        ("0.1,1e-3\n0.2,-1\n0.3,0\n", r"line 3 \(row 3\): values must be positive"),
        ("0.1,2,1\n0.2,2,3\n", "line 1 .row 1.: the lower edge"),
        ("0.1,1e-3\n", "1 rows of numbers"),
        ("", "0 rows of numbers"),
        ("a,b,c,d\n1,2,3,4\n2,3,4,5\n", "two or three, .*there are: 1 a, 2 b, 3 c, 4 d"),
        ("m,g\n1,2\n2,3\n\nm,g2\n1,2\n", "curve.csv:5: a second table begins"),
        ("0.1,1e-3,1e-2\n0.2,1e-3,1e-2\n", "lower and upper edge do not go with efficiency"),
    ],
)
def test_faults_of_rows(tmp_path, text, message):
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(LimitError, match=message):
        add(path, **MINE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference_model": "Lmu-Ltau"}, "gives no signal in this search .e_brem with decays"),
        ({"reference_model": "B-LL"}, "did you mean 'B-L'"),
        ({"reference_model": "{ name = 'x', L = [0, 1] }"}, "reference_model: .*L"),
        ({"reference_model": "{ L = "}, "not TOML"),
        ({"reference_model": "muon-effective"}, "a model with charges"),
        ({"reference_model": None}, "reference_model: is needed"),
        ({"quantity": "eps"}, "is eps for the reference model dark-photon"),
        ({"quantity": "g"}, "unknown quantity"),
        ({"quantity": "BR"}, "a branching ratio is that of K -> mu nu X"),
        ({"production": ["e_brem", "p_brem"]}, "several mechanisms without their shares"),
        ({"production": "ee_brem"}, "production: unknown name"),
        ({"final_states": "muons"}, "final_states: unknown name"),
        ({"cl": 90}, "between 0.5 and 1"),
        ({"unit": "MEV"}, "unknown unit"),
        ({"name": "NA64_NA642022yly"}, "is that of a shipped limit"),
        ({"name": "a/b"}, "letters, digits"),
        ({"bibtex": "no such file"}, "neither a file nor an entry"),
        ({"columns": [1, 9]}, "two or three numbers out of"),
    ],
)
def test_faults_of_keys(tmp_path, own_folder, changes, message):
    with pytest.raises(LimitError, match=message) as error:
        add(csv(tmp_path, CURVE[:-1]), **(MINE | changes))
    assert str(tmp_path / "curve.csv") in str(error.value)
    assert not own_folder.exists()


def test_reference_models_of_ones_own(tmp_path):
    charges = "{ name = 'L_e - L_tau', L = [1, 0, -1], E = [1, 0, -1], N = [1, 0, -1] }"
    one = add(csv(tmp_path, CURVE[:-1]), **(MINE | {"reference_model": charges}))
    assert one.reference_name == "L_e - L_tau"
    (tmp_path / "mine.toml").write_text(
        "name = 'L_e - L_tau'\nL = [1, 0, -1]\nE = [1, 0, -1]\nN = [1, 0, -1]\n"
    )
    given = MINE | {"reference_model": str(tmp_path / "mine.toml"), "name": "file"}
    assert add(csv(tmp_path, CURVE[:-1]), **given).reference_model == one.reference_model
    m_X = np.array([0.01, 0.1])
    np.testing.assert_allclose(
        excluded_couplings("mine", one.reference_model, m_X)[0],
        excluded_couplings("file", one.reference_model, m_X)[0],
    )
    # below two muon masses there are no muons: said, where it is a part of the curve only
    with pytest.warns(NoEffectWarning, match=r"at 0.1, 0.2 GeV the reference model B-L gives no"):
        add(
            csv(tmp_path, [(0.1, 1e-3), (0.2, 1e-3), (0.3, 1e-3), (0.5, 1e-3)]),
            **(MINE | {"final_states": ["mumu"], "name": "muons", "production": "e_e"}),
        )


def test_shares_and_a_branching_ratio(tmp_path):
    path = csv(tmp_path, [(0.05, 1e-3), (0.1, 1e-3)])
    mixed = {
        "name": "mixed",
        "quantity": "eps",
        "reference_model": None,
        "production": {"e_brem": 3, "pi0_gamma": 1},
    }
    limit = add(path, **(PROMPT | mixed))
    assert limit.production == ("e_brem", "pi0_gamma")
    assert limit.production_table.shares.tolist() == [[3, 1]]
    kaon = {
        "name": "kaon",
        "quantity": "BR",
        "production": "kmunux",
        "reference_model": None,
        "reference_branching_ratio": 1.0,
    }
    limit = add(path, **(MINE | kaon))
    assert (limit.quantity, limit.reference_name) == ("branching_ratio", "")


HEPDATA_CSV = """#: name: Table 3
#: table_doi: 10.17182/hepdata.1
mass [MEV],mass [MEV] LOW,mass [MEV] HIGH,limit on g
100.0,90.0,110.0,0.001
200.0,190.0,210.0,-
300.0,290.0,310.0,0.003
""".replace("MEV", "MeV")
HEPDATA_YAML = """
independent_variables:
- header: {name: mass, units: MeV}
  values:
  - {value: 100.0}
  - {low: 190.0, high: 210.0}
  - {value: 300}
dependent_variables:
- header: {name: observed}
  qualifiers: [{name: CL, value: 90}]
  values: [{value: 0.001, errors: [{symerror: 1e-4}]}, {value: '-'}, {value: 0.003}]
- header: {name: expected}
  values: [{value: 0.1}, {value: 0.2}, {value: 0.3}]
"""


def test_tables_of_hepdata(tmp_path):
    csv_file, yaml_file = tmp_path / "t.csv", tmp_path / "t.yaml"
    csv_file.write_text(HEPDATA_CSV)
    yaml_file.write_text(HEPDATA_YAML)
    one = add(csv_file, **PROMPT)
    with pytest.raises(LimitError, match="1 mass, 2 observed, 3 expected"):
        add(yaml_file, **PROMPT, force=True)
    other = add(yaml_file, **PROMPT, columns=[1, 2], force=True)
    for limit in (one, other):
        np.testing.assert_allclose(limit.mass, [0.1, 0.2, 0.3], rtol=1e-12)
        np.testing.assert_array_equal(limit.value, [1e-3, np.nan, 3e-3])
    for text, message in (
        ("a: &a [1]\nb: *a\n", "aliases are not read"),
        ("a: [1", "not YAML"),
        ("a: 1", "no table of HEPData"),
        (HEPDATA_YAML.replace("0.003", "abc"), "observed: value 3: not a number"),
        (HEPDATA_YAML.replace("units: MeV", "units: barn"), "unknown unit"),
        (HEPDATA_YAML.replace("  - {value: 300}\n", ""), "3 values, the first variable has 2"),
    ):
        yaml_file.write_text(text)
        with pytest.raises(LimitError, match=message):
            add(yaml_file, **PROMPT, columns=[1, 2], force=True)


def test_bibtex_beside_the_curve(tmp_path, own_folder):
    entry = "@article{Doe:2030abc,\n    eprint = {2030.00001},\n    author = {Doe, J.},\n}"
    (tmp_path / "doe.bib").write_text(entry)
    limit = add(csv(tmp_path, CURVE[:-1]), **MINE, bibtex=str(tmp_path / "doe.bib"))
    assert limit.references == ("Doe:2030abc",)
    assert (own_folder / "mine.bib").read_text().strip() == entry
    assert label("Doe:2030abc") == "arXiv:2030.00001"
    assert bibtex(["Doe:2030abc"]) == entry


def test_several_folders_and_names_of_shipped_limits(tmp_path, monkeypatch):
    rows = csv(tmp_path, CURVE[:-1])
    for number in (1, 2):
        add(rows, **(MINE | {"name": f"n{number}"}), folder=tmp_path / f"f{number}")
    shipped = load("NA64_NA642022yly")
    zscan.limits.write_limit(shipped, tmp_path / "f2")
    folders = os.pathsep.join(str(tmp_path / f"f{number}") for number in (1, 2))
    monkeypatch.setenv("ZSCAN_LIMITS", folders)
    known.forget_users()
    names = zscan.limits.list_limits()
    assert names[-3:] == ("n1", "user/NA64_NA642022yly", "n2")
    assert load("NA64_NA642022yly") is shipped
    assert load("user/n1") is load("n1")
    with pytest.raises(UnknownNameError, match="neither known nor a file"):
        load("user/n3")
    monkeypatch.setenv("ZSCAN_LIMITS", str(tmp_path / "none"))
    known.forget_users()
    with pytest.raises(UnknownNameError, match="not a folder that can be read"):
        zscan.limits.list_limits()


CARD = {
    "format": 1,
    "name": "own",
    "model": "B-L",
    "constraints": ["searches/card_limit"],
    "axis": {"g_X": {"values": [1e-6, 1e-3]}, "m_X": {"values": [0.01, 0.1]}},
}


def test_a_limit_of_a_card(tmp_path, capsys):
    rows = csv(tmp_path, CURVE[:-1])
    given = MINE | {"name": "card_limit", "arxiv": "2207.09979"}
    folder = tmp_path / "limits"
    add(rows, **given, folder=folder)
    forget()
    card = tmp_path / "card.toml"
    text = 'format = 1\nname = "own"\nmodel = "B-L"\nlimits = ["limits/card_limit.toml"]\n'
    text += 'constraints = ["searches/card_limit"]\n'
    text += "axis.g_X.values = [1e-6, 1e-3]\naxis.m_X.values = [0.01, 0.1]\n"
    card.write_text(text)
    first = load_card(card)
    assert load_card(card, ['limits=["limits"]']).hash == first.hash  # a folder, the same limits
    assert main(["run", str(card), "-o", str(tmp_path / "own.h5")]) == 0
    with zscan.open_scan(tmp_path / "own.h5") as data:
        excluded = data["delta_chi2"].sel(constraint="searches/card_limit").values > 2.71
        assert excluded.tolist() == [[False, True], [False, True]]
    # the map carries the entry, whatever becomes of the file
    capsys.readouterr()
    zscan.references._added.pop("card_limit")
    assert main(["cite", str(tmp_path / "own.h5")]) == 0
    assert "2207.09979" in capsys.readouterr().out
    # other numbers in the file are another scan
    path = folder / "card_limit.toml"
    path.write_text(path.read_text().replace("2.34e-04", "3e-4").replace("0.000234", "0.0003"))
    assert load_card(card).hash != first.hash

    for limits, constraints, message in (
        (["none.toml"], ["searches/card_limit"], r"limits.0: .*none.toml"),
        ([str(folder)], ["delta_a_mu"], "limits.0: none of it is among the constraints"),
        ([str(tmp_path / "data")], ["delta_a_mu"], "limits.0"),
    ):
        with pytest.raises(CardError, match=message):
            load_card(CARD | {"limits": limits, "constraints": constraints})


def test_a_scan_reports_constraints_without_effect(tmp_path):
    names = ["searches/CMS_CMS2019kiy", "searches/NA64_NA642022yly", "borexino"]
    card = CARD | {"constraints": names, "model": "dark-photon"}
    with pytest.warns(NoEffectWarning) as caught:
        zscan.run_scan(card, tmp_path / "own.h5")
    (text,) = (str(item.message) for item in caught)
    assert "apply nowhere on the grid: searches/CMS_CMS2019kiy;" in text
    assert "give no signal anywhere on the grid: searches/NA64_NA642022yly" in text
    assert "which does not mean allowed" in text


def test_force_and_shares_of_the_command_line(tmp_path, capsys):
    path = csv(tmp_path, [(0.05, 1e-3), (0.1, 1e-3)])
    base = ["limits", "add", str(path), "--name", "c", "--experiment", "E", "--cl", "0.9"]
    base += ["--quantity", "eps", "--final-states", "ee", "--production"]
    assert main([*base, "e_brem=0.7,pi0_gamma=0.3", "-o", str(tmp_path / "there")]) == 0
    assert "ZSCAN_LIMITS=" in capsys.readouterr().err
    assert main([*base, "e_brem=x"]) == 2
    assert "--production e_brem=x; allowed" in capsys.readouterr().err
    with pytest.raises(ResultExistsError):
        add(path, **(PROMPT | {"name": "c"}), folder=tmp_path / "there")
    with pytest.raises(ParameterError):
        add(tmp_path / "\0", **PROMPT)
