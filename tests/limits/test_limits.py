"""The shipped curves and their file format, what a limit means as a likelihood, and the import of a
checkout.
"""

import dataclasses
import re
import warnings
from importlib import resources

import numpy as np
import pytest

from zscan.errors import ForeignFileError, ParameterError, ResultExistsError, UnknownNameError
from zscan.limits import (
    LimitError,
    LimitWarning,
    delta_chi2,
    excluded_couplings,
    import_darkcast,
    list_limits,
    load,
    signal_strength,
    write_limit,
    write_limits,
)
from zscan.limits.format import CHOICES
from zscan.limits.formula import evaluate

BIB = resources.files("zscan.limits").joinpath("references.bib").read_text(encoding="utf-8")
ENTRIES = {
    re.match(r"@article\{([^,]+),", entry)[1]: entry for entry in BIB.split("\n\n") if entry.strip()
}


@pytest.mark.parametrize("name", list_limits())
def test_every_curve(name):
    limit = load(name)
    assert limit.name == name
    for key in ("kind", "status", "quantity", "reference_model", "efficiency", "likelihood"):
        assert getattr(limit, key) in CHOICES[key]
    assert np.all(np.diff(limit.mass) > 0)
    assert np.all(limit.mass > 0)
    columns = np.stack(list(limit.columns().values())[1:])
    broken = np.isnan(columns)
    assert not broken[:, [0, -1]].any(), "a curve begins and ends with a number"
    assert np.array_equal(broken.all(axis=0), broken.any(axis=0))
    assert np.all(columns[~broken] > 0)
    assert np.all(columns[~broken] < 5), "no marks of missing limits among the values"
    assert limit.experiment
    assert limit.source
    assert limit.references
    entries = [ENTRIES[key] for key in limit.references]
    assert any(f'eprint = "{limit.arxiv}"' in entry for entry in entries)
    if limit.kind == "projection" or "assumed" in limit.note.replace(
        "assumed by the experiment", ""
    ):
        assert limit.status == "provisional"
    if limit.quantity == "eps":
        assert "Ilten:2018crw" in limit.references


def test_every_reference_is_used_and_complete():
    table = load("LHCb_Aaij2019bvg_prompt").production_table
    used = {key for limit in load() for key in limit.references} | set(table.references)
    assert used == set(ENTRIES)
    for entry in ENTRIES.values():
        assert re.search(
            r'^    (eprint = "\d{4}\.\d{4,5}"|volume = "\d+"),$', entry, flags=re.MULTILINE
        )
        assert all(
            f"    {field} = " in entry for field in ("author", "title", "journal", "pages", "year")
        )


def test_shares_of_production_add_up_to_one():
    table = load("LHCb_Aaij2019bvg_prompt").production_table
    # rounded fractions; between 0.52 and 0.58 GeV, mostly vetoed, the thinned table loses up to 10
    # %
    total = table.shares.sum(axis=1)
    assert np.all(
        np.abs(total - 1) < np.where((table.mass > 0.52) & (table.mass < 0.58), 0.1, 0.02)
    )


def test_published_numbers():
    # abstracts: 7e-4 (g', arXiv:1606.03501); 1e-5 to 1e-7 for BR(K -> mu nu X), arXiv:2101.12304
    assert np.nanmin(load("BaBar_TheBABAR2016rlg").env_min) == pytest.approx(7e-4, rel=0.06)
    kmunu = load("NA62_Kmunu_vector_BR_derived").value
    assert 1e-7 < kmunu.min() < kmunu.max() < 3e-5
    # Belle II, arXiv:1912.11276: the published coupling to the muon, not over e
    assert load("BelleII_Adachi2019otg").value.min() == pytest.approx(0.051, rel=0.01)


def test_a_limit_survives_writing_and_reading(tmp_path):
    for limit in load():
        again = load(write_limit(limit, tmp_path))
        for field in dataclasses.fields(limit):
            before, after = getattr(limit, field.name), getattr(again, field.name)
            if field.name == "production_table":
                assert (before is None) == (after is None)
                assert before is None or np.array_equal(before.shares, after.shares)
            elif isinstance(before, np.ndarray):
                np.testing.assert_array_equal(before, after)
            else:
                assert before == after
    with pytest.raises(ValueError, match="read-only"):
        limit.value[0] = 1.0


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="did you mean 'BaBar_Lees2014xha'"):
        load("BaBar_Lees2014")
    assert load("BaBar_Lees2014xha") is load("BaBar_Lees2014xha")


BROKEN = """
format = 1
name = "../x"
references = "Lees:2014xha"
kind = "limit"
status = "certain"
cl = 90
excludes = "above"
quantity = "eps"
reference_model = "dark-photon"
production = ["ee_brem"]
final_states = ["ee"]
efficiency = "prompt"
likelihood = "background"
source = ""
colour = "red"
columns = ["mass", "value"]
rows = [[0.1, 1e-3], [0.1, 1e-3]]
"""


def test_all_faults_at_once(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    with pytest.raises(LimitError) as error:
        load(path)
    assert [fault.path for fault in error.value.faults] == [
        "experiment",
        "colour",
        "status",
        "name",
        "references",
        "production",
        "cl",
        "rows",
    ]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"efficiency": "window"}, ["t1"]),
        ({"efficiency": "dump"}, ["lratio", "excludes"]),
        ({"efficiency": "window", "t1": "1/(m - 0.2)"}, ["t1"]),
        ({"final_states": ("invisible",)}, ["reference_branching_ratio"]),
        ({"reference_model": "Lmu-Ltau"}, ["quantity"]),
        ({"production": ("e_e", "u_u")}, ["production_table"]),
        ({"value": np.array([1.0, -1.0])}, ["rows"]),
        ({"value": np.array([1.0, np.inf])}, ["rows"]),
        ({"env_min": np.array([2.0, 2.0]), "env_max": np.array([3.0, 3.0])}, ["rows"]),
        ({"upper": np.array([0.5, 0.5])}, ["excludes", "rows"]),
    ],
)
def test_faults_between_keys(tmp_path, changes, faults):
    good = dataclasses.replace(
        load("BaBar_Lees2014xha"),
        mass=np.array([0.1, 0.2]),
        value=np.array([1.0, 1.0]),
        env_min=None,
        env_max=None,
    )
    write_limit(good, tmp_path)
    with pytest.raises(LimitError) as error:
        write_limit(dataclasses.replace(good, **changes), tmp_path)
    assert [fault.path for fault in error.value.faults] == faults


def test_formulas_are_arithmetic_only():
    mass = np.array([0.3, 1.0])
    np.testing.assert_allclose(
        evaluate("-(0.5 - m**2)/(2*m_mu)", mass), (mass**2 - 0.5) / 0.2113167510
    )
    pieces = "1 if m < 0.5 else m**2 if m <= 1 else 0"
    np.testing.assert_array_equal(evaluate(pieces, np.array([0.3, 1.0, 2.0])), [1, 1, 0])
    for formula in (
        "1 if m < 1 < 2 else 0",
        "1 if m else 0",
        "1 if m == 1 else 0",
        "1 if 'a' < m else 0",
        "__import__('os')",
        "m.shape",
        "m if m else 1",
        "x",
        "[m]",
        "'a'*9",
        "True",
        "m()",
        "9**9**9**9",
        "1/0",
        "(",
    ):
        with pytest.raises(ParameterError):
            evaluate(formula, mass)
    with pytest.raises(ParameterError):
        evaluate("+".join(["m"] * 200), mass)


def test_likelihood_of_a_limit():
    # 2 x 2.303 mu and 2.71 mu^2 at 90 %, 2 x 2.996 mu and 3.84 mu^2 at 95 %
    for name, at_one, power in (("NA64_NA642019imj", 4.605, 1), ("BaBar_Lees2014xha", 2.7055, 2)):
        limit = load(name)
        np.testing.assert_allclose(
            delta_chi2(limit, np.array([0.0, 1.0, 3.0])), [0, at_one, at_one * 3**power], rtol=1e-3
        )
        at_95 = delta_chi2(dataclasses.replace(limit, cl=0.95), 1.0)
        assert float(at_95) == pytest.approx({1: 5.991, 2: 3.8415}[power], rel=1e-3)
    assert np.isnan(float(delta_chi2(limit, np.nan)))


DEFINITION = '''
import darkcast
notes = """nothing"""
bibtex = """
@article{{Doe:2020abc,
 title  = "{{Search for $A'\\!\\to\\!\\mu^+\\mu^-$}}",
 eprint = "2001.00001",
}}
"""
model = darkcast.Model("dark_photon")
production = darkcast.Production({production})
decay = {decay}
bounds = darkcast.{kind}("limits/{data}.lmt")
efficiency = darkcast.Efficiency({efficiency})
'''
PROMPT = "t0 = 0, t1 = float('inf')"
WINDOW = "t0 = 0, t1 = lambda m: (0.004/(m - 2*darkcast.pars.mfs['mu']) + 0.1)*1e-12"


@pytest.fixture
def checkout(tmp_path):
    """A checkout of a few synthetic limits, among them hostile ones."""
    root = tmp_path / "checkout"
    (root / "limits").mkdir(parents=True)
    (root / "reach").mkdir()
    (root / "limits" / "one.lmt").write_text(
        "# mass lower\n 0.25 1e-3\n 0.3 1e-3\n 0.3 2e-3\n 0.4 1.0e+05\n 0.5 2e-3\n"
    )
    (root / "limits" / "two.lmt").write_text(
        "# mass lower upper\n 0.01 1e-7 1e-4\n 0.02 1e-7 1e-5\n 0.03 3e-6 1e-6\n"
    )
    (root / "limits" / "mix.prd").write_text(
        "# mass eta_gamma rho0\n 0.2 0.75 0.25\n 0.6 0.5 0.5\n"
    )
    (root / "limits" / "bad.lmt").write_text("0.1 __import__('os').system('touch hacked')\n0.2 1\n")
    (tmp_path / "secret.lmt").write_text("0.1 1e-3\n0.2 1e-3\n")

    def add(
        name,
        production="'e_e'",
        decay="'mu_mu'",
        kind="Dataset",
        data="one",
        efficiency=PROMPT,
        extra="",
        folder="limits",
    ):
        text = DEFINITION.format(
            production=production, decay=decay, kind=kind, data=data, efficiency=efficiency
        )
        (root / folder / f"{name}.py").write_text(text + extra)

    add("A_prompt", decay='["e_e", "mu_mu"]')
    add("B_window", production='darkcast.Datasets("limits/mix.prd")', efficiency=WINDOW)
    add(
        "C_dump",
        production="'e_brem'",
        decay="'e_e'",
        kind="Datasets",
        data="two",
        efficiency="lratio = 204.0/179.0",
    )
    add("D_invisible", decay="'invisible'")
    add(
        "E_shares",
        production="{'eta_gamma': 0.25, \"eta'_gamma\": 0.0, 'u_u': 0.5}",
        folder="reach",
    )
    add("BaBar_TheBABAR2016rlg")
    touch = f"open({str(tmp_path / 'executed')!r}, 'w')"
    add("X_code", extra=f"\n{touch}\nimport os; os.abort()\n")
    add("Y_call", production=f"[{touch}][0] and 'e_e'")
    add("Y_lambda", efficiency=f"t0 = 0, t1 = lambda m: {touch}")
    add("Y_default", efficiency=f"t0 = 0, t1 = lambda m, x={touch}: m")
    add("Y_escape", data="../../secret")
    add("Y_numbers", data="bad")
    add("Y_rvalues", efficiency="rvals = True")
    add("Y_state", decay="'none'")
    (root / "limits" / "Y_syntax.py").write_text("(" * 5000)
    (root / "limits" / "Y_link.py").symlink_to("/etc/hostname")
    return root


def test_import_of_a_checkout(checkout, tmp_path):
    with pytest.warns(LimitWarning) as caught:
        limits = {limit.name: limit for limit in import_darkcast(checkout)}
    assert not (tmp_path / "executed").exists()
    assert set(limits) == {
        "A_prompt",
        "B_window",
        "BaBar_TheBABAR2016rlg",
        "C_dump",
        "D_invisible",
        "E_shares",
        "X_code",
    }
    told = [str(warning.message) for warning in caught]
    assert told.count("one.lmt: 1 row at the mass of another dropped") > 0
    left_out = {text.split()[0].removeprefix("limits/") for text in told if " left out: " in text}
    assert left_out == {
        f"Y_{n}.py"
        for n in (
            "call",
            "default",
            "escape",
            "lambda",
            "link",
            "numbers",
            "rvalues",
            "state",
            "syntax",
        )
    }

    prompt = limits["A_prompt"]
    assert prompt.final_states == ("ee", "mumu")
    assert prompt.references == ("Doe:2020abc", "Ilten:2018crw")
    assert (prompt.arxiv, prompt.kind, prompt.status, prompt.quantity) == (
        "2001.00001",
        "limit",
        "provisional",
        "eps",
    )
    np.testing.assert_array_equal(prompt.mass, [0.25, 0.3, 0.4, 0.5])
    np.testing.assert_array_equal(prompt.value, [1e-3, 1e-3, np.nan, 2e-3])

    window = limits["B_window"]
    assert window.production == ("eta_gamma", "rho")
    np.testing.assert_array_equal(window.production_table.shares, [[0.75, 0.25], [0.5, 0.5]])
    # the window of the LHCb searches at 1 GeV
    assert evaluate(window.t1, np.array([1.0]))[0] == pytest.approx(1.051e-13, rel=1e-3)

    dump = limits["C_dump"]
    assert (dump.efficiency, dump.lratio) == ("dump", pytest.approx(204 / 179))
    np.testing.assert_array_equal(dump.upper, [1e-4, 1e-5, np.nan])
    assert limits["D_invisible"].reference_branching_ratio == 1.0
    assert limits["E_shares"].kind == "projection"
    assert limits["E_shares"].production == ("eta_gamma", "u_u")
    muonic = limits["BaBar_TheBABAR2016rlg"]
    assert (muonic.reference_model, muonic.quantity, muonic.production) == (
        "Lmu-Ltau",
        "g_X",
        ("mu_brem",),
    )

    again = load(write_limit(window, tmp_path / "mine"))
    assert float(signal_strength(again, "dark-photon", 0.27, 1e-3)) == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(excluded_couplings(dump, "dark-photon", 0.015)[0], 1e-7, rtol=1e-9)


def test_limits_share_a_production_table(checkout, tmp_path):
    with pytest.warns(LimitWarning):
        window = {limit.name: limit for limit in import_darkcast(checkout)}["B_window"]
    other = dataclasses.replace(window, name="other")
    paths = write_limits([window, other], tmp_path / "mine")
    assert [path.name for path in paths] == ["B_window.toml", "other.toml"]
    write_limit(dataclasses.replace(window, name="third"), tmp_path / "mine")
    (table,) = (tmp_path / "mine" / "production").iterdir()
    before = table.read_bytes()

    shares = window.production_table
    doubled = dataclasses.replace(shares, shares=2 * shares.shares)
    fourth = dataclasses.replace(window, name="fourth", production_table=doubled)
    with pytest.raises(ResultExistsError, match=r"mix\.toml exists; --force"):
        write_limit(fourth, tmp_path / "mine")
    for limits in ([window, window], [window, fourth]):
        with pytest.raises(ParameterError, match="are the same file"):
            write_limits(limits, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert table.read_bytes() == before
    write_limit(fourth, tmp_path / "mine", force=True)
    again = load(tmp_path / "mine" / "fourth.toml")
    np.testing.assert_array_equal(again.production_table.shares, doubled.shares)


def test_import_refuses_what_is_no_checkout(tmp_path):
    with pytest.raises(ForeignFileError, match="no DarkCast checkout"):
        import_darkcast(tmp_path)
    (tmp_path / "limits").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_darkcast(tmp_path) == ()
