"""Surveys of all patterns of charges: what they say agrees with single points, verdicts and files.

The default run takes few patterns and constraints; slow tests all constraints, dense grids."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import zscan
from zscan.analysis.masses import masked, survey_masses
from zscan.analysis.survey.choices import variants
from zscan.analysis.survey.command import file_name_of, write_models
from zscan.analysis.survey.figures import planes
from zscan.analysis.survey.matter import matter_deaths
from zscan.analysis.survey.result import open_survey
from zscan.analysis.survey.run import survey
from zscan.analysis.survey.tables import TABLES, csv_text, table
from zscan.cli import main
from zscan.errors import (
    CardError,
    CorruptFileError,
    ParameterError,
    ResultExistsError,
    ResumeMismatchError,
    UnknownNameError,
)

SELECTION = "max=2,vector,flavours=all"
CONSTRAINTS = (
    "delta_a_mu",
    "trident_ccfr",
    "borexino",
    "charm2",
    "matter",
    "searches/NA64_NA642019imj",
    "searches/BaBar_TheBABAR2016rlg",
    "searches/BaBar_Lees2014xha",
    "searches/NA48_Batley2015lha",
)
MASSES = (0.004, 0.02, 0.1, 0.2, 0.3, 1.2, 3.1)


@pytest.fixture(scope="module")
def found():
    return survey(SELECTION, masses=MASSES, constraints=CONSTRAINTS, progress=False)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Of the same survey, in three tiles."""
    path = tmp_path_factory.mktemp("survey") / "s.h5"
    asked = {"masses": MASSES, "constraints": CONSTRAINTS, "progress": False, "out": path}
    return path, asked


def test_lmu_ltau_survives_and_every_best_point_passes_all_constraints(found):
    assert "Lmu-Ltau" in found.survivors()
    for name in found.survivors():
        point = found.point(name)
        assert point.ratio <= 1
        assert abs(point.sigma) <= 2
        again = zscan.evaluate(found.model(name), point.m_X, point.g_X, constraints=CONSTRAINTS)
        assert not any(row.excluded for row in again.rows)
        (muon,) = (row for row in again.rows if row.constraint == "delta_a_mu")
        assert muon.observable == pytest.approx(251e-11 + point.sigma * 59e-11)
        assert point.joint_chi2 == pytest.approx(-2 * again.log_likelihood + (251 / 59) ** 2)


def test_the_nearest_point_of_every_cell_is_excluded_by_the_named_constraint(found):
    compared = 0
    for name in found.patterns.names[1:]:
        for mass in range(0, len(MASSES), 3):
            cell = found.cell(name, mass)
            if not cell.ratio > 1:
                continue
            compared += 1
            model = found.model(name, cell.kappa)
            rows = zscan.evaluate(model, cell.m_X, cell.g_X, constraints=CONSTRAINTS).rows
            (row,) = (row for row in rows if row.constraint == cell.constraint)
            assert row.excluded
    assert compared > 5


def test_without_mixing_the_window_is_that_of_a_verdict():
    low, high, points = 0.005, 0.5, 24
    verdict = zscan.verdict("Lmu-Ltau", masses=(low, high), points=points, constraints=CONSTRAINTS)
    masses = np.geomspace(low, high, points)
    found = survey(
        "max=1,vector",
        masses=masses,
        eps_over_g=(0.0, 0.0),
        constraints=CONSTRAINTS,
        progress=False,
    )
    assert list(found.windows("Lmu-Ltau", in_masks=True)) == list(verdict.allowed)
    assert np.nanmax(np.abs(found.values["kappa"])) == 0


def test_choices_only_widen_or_narrow(found):
    published = found.survives("2sigma/published")
    assert (found.survives("1sigma/published") <= published).all()
    assert (found.survives("2sigma/90_") <= found.survives("2sigma/95_")).all()
    for choice in found.choices:
        if "without" in choice:
            assert (found.survives(f"{choice[:6]}/published") <= found.survives(choice)).all()
    assert (published <= found.survives("2sigma/sun_alone")).all()
    names = {choice.partition("/")[2] for choice in found.choices}
    assert {"joint", "without_borexino", "mantle", "core", "tau_0.0162_core"} <= names
    with pytest.raises(UnknownNameError, match="2sigma/mantle"):
        found.survivors("2sigma/mantel")


def test_masks_of_limit_curves_do_not_count(found):
    assert found.masked.tolist() == [False] * 6 + [True]
    assert (found.survives() == found.survives(in_masks=True) & ~found.masked).all()
    masses = survey_masses((1e-3, 10.0), 49, CONSTRAINTS)
    assert {0.001, 10.0} <= set(masses.tolist())
    assert (np.diff(masses) > 0).all()
    threshold = 2 * 0.1056583755
    assert ((masses > 0.99 * threshold) & (masses < threshold)).any()
    assert masked(np.array([3.1, 2.0]), CONSTRAINTS).tolist() == [True, False]


def test_what_dies_by_matter_alone_is_excluded_by_matter_where_it_is_said(found):
    deaths = matter_deaths(found)
    assert deaths
    for point in deaths:
        model = found.model(point.pattern)
        (row,) = zscan.evaluate(model, point.m_X, point.g_X, constraints=["matter"]).rows
        assert row.excluded
        assert row.delta_chi2 == pytest.approx(point.solar + point.atmospheric, abs=0.05)


def test_tables_and_files_tell_the_same(found, tmp_path):
    head = table(found, "survivors").splitlines()[0]
    assert f"7 patterns ({SELECTION}" in head
    assert f"{len(found.survivors())} survive" in head
    assert table(found, "choices").splitlines()[1].split()[:2] == [
        "published",
        str(len(found.survivors())),
    ]
    for name in TABLES[:2]:
        assert "Lmu-Ltau" in table(found, name)
    assert table(found, "matter").startswith("pattern")
    lines = csv_text(found).splitlines()
    assert len(lines) == 1 + len(found.patterns)
    assert any(line.startswith("Lmu-Ltau,0,0,0,1,-1,0,1,-1,1,0,") for line in lines)
    rows = json.loads(json.dumps(found.to_table(), allow_nan=False))["rows"]
    assert [row["pattern"] for row in rows] == list(found.ranked())
    paths = {path.name: path for path in write_models(found, tmp_path)}
    path = paths["Lmu-Ltau.toml"]
    model, point = zscan.load_model(path), found.point("Lmu-Ltau")
    assert model == found.model("Lmu-Ltau")
    assert model.loop == "leptons"
    assert model.mixing_ratio * 0.3028221208 == pytest.approx(point.kappa, rel=1e-8)
    with pytest.raises(ResultExistsError):
        write_models(found, tmp_path)
    assert path in write_models(found, tmp_path, force=True)
    assert file_name_of("3B-6Le-3Lmu") == "3B-6Le-3Lmu"


def test_a_survey_in_a_file_continues_and_is_the_same(found, file, monkeypatch):
    path, asked = file
    from zscan.analysis.survey import tiles

    monkeypatch.setattr(tiles, "TILE_PATTERNS", 3)
    survey(SELECTION, **asked, shard=(2, 3))
    assert not path.exists()
    assert len(list(path.parent.glob("s.h5.tiles/tile-*"))) == 1
    with pytest.raises(ResultExistsError, match="1 of 3 tiles"):
        survey(SELECTION, **asked)
    result = survey(SELECTION, **asked, resume=True)
    assert not path.with_name("s.h5.tiles").exists()
    read = open_survey(path)
    for other in (result, read):
        assert other.survivors(in_masks=True) == found.survivors(in_masks=True)
        np.testing.assert_array_equal(other.values["kappa"], found.values["kappa"])
        np.testing.assert_array_equal(other.delta_chi2, found.delta_chi2)
    with zscan.open_scan(path) as data:
        assert data["pattern_name"].values.tolist() == list(found.patterns.names)
        killed = data["killed_by"].values
        assert (killed == "").tolist() == (data["survives"].values == 1).tolist()
    assert survey(SELECTION, **asked, resume=True).survivors() == found.survivors()
    with pytest.raises(ResultExistsError):
        survey(SELECTION, **asked)
    with pytest.raises(ResumeMismatchError, match="another survey"):
        survey("max=1,vector", **asked, resume=True)


def test_a_constraint_of_a_user_counts(tmp_path):
    """|g_V^mu| < 1e-3 allows the g-2 of light X only: 251e-11 needs 8e-4 at 0.1 GeV."""
    muon = zscan.Constraint(
        "muon",
        predict=lambda point: jnp.abs(point.virtual.mu.V),
        measurement=zscan.Measurement(0.0, error=5e-4, excluded_above=1e-3),
    )
    asked = {"masses": (0.02, 0.1, 2.0), "constraints": ["delta_a_mu", muon], "progress": False}
    found = survey("max=1,vector,flavours=all", out=tmp_path / "s.h5", **asked)
    here = found.survives(in_masks=True)[found.patterns.index("Lmu-Ltau")]
    assert here.tolist() == [True, True, False]
    point = found.cell("Lmu-Ltau", 2)
    assert point.constraint == "muon"
    assert point.ratio > 5
    assert found.attributes["command"].endswith("--constraints delta_a_mu muon")
    assert planes(found, "Lmu-Ltau").constraints == ("delta_a_mu", "muon")
    read = open_survey(tmp_path / "s.h5")
    assert read.constraints == found.constraints
    with pytest.raises(ParameterError, match="muon, which the file does not hold"):
        planes(read, "Lmu-Ltau")


def test_faults_of_input_are_named(tmp_path):
    for given, error, text in (
        ({"selection": "max=2,vektor"}, CardError, "did you mean 'vector'"),
        ({"eps_over_g": (1.0, 0.0)}, ParameterError, "two rising numbers"),
        ({"masses": (2.0, 1.0)}, ParameterError, "do not rise"),
        ({"masses": (1e-3, float("nan"))}, ParameterError, "two masses or a rising list"),
        ({"points": 1}, ParameterError, "points = 1"),
        ({"observables": "papre"}, UnknownNameError, "did you mean 'paper'"),
        ({"constraints": ["borexion"]}, UnknownNameError, "did you mean 'borexino'"),
        ({"observables": "current"}, ParameterError, "nothing is to be explained"),
        ({"resume": True}, ParameterError, "need an output"),
        ({"out": tmp_path / "x.txt"}, ParameterError, "ends in .h5"),
        ({"out": tmp_path / "x.h5", "shard": (3, 2)}, ParameterError, "not possible"),
    ):
        with pytest.raises(error, match=text):
            survey(**({"selection": "max=1", "masses": (0.1, 0.2), "points": 2} | given))
    (tmp_path / "y.h5").write_text("a text")
    with pytest.raises(CorruptFileError):
        open_survey(tmp_path / "y.h5")


def test_readings_of_matter_are_observable_sets():
    readings = variants("paper")
    assert readings["mantle"] == ("matter", "paper; matter.neutron_ratio = 1.012")
    for constraint, observables in readings.values():
        assert zscan.log_likelihood("Lmu-Ltau", [constraint], observables).constraints


def test_the_command_line_runs_and_reads_surveys(file, tmp_path, capsys):
    path, asked = file
    if not path.exists():
        survey(SELECTION, **asked)
    written, folder = tmp_path / "s.csv", tmp_path / "models"
    assert main(["survey", str(path), "-o", str(written), "--models", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "Lmu-Ltau" in printed
    assert str(written) in printed
    assert (folder / "Lmu-Ltau.toml").exists()
    assert written.read_text().startswith("# zscan survey: max=2")
    assert main(["survey", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["patterns"] == 7
    for name in TABLES:
        assert main(["survey", str(path), "--table", name]) == 0
    capsys.readouterr()
    for arguments, text in (
        (["survey", str(path), "-o", str(written)], "exists; --force replaces it"),
        (["survey", "--table", "choice"], "did you mean 'choices'"),
        (["survey", "--kappa", "1"], "--kappa takes two mixings"),
        (["survey", "-o", "x.txt"], "ends in .h5 or .csv"),
        (["survey", str(tmp_path / "none.h5")], "cannot be read"),
        (["survey", "--bounds", "--kappa", "1", "2"], "--bounds takes one mixing"),
    ):
        assert main(arguments) == 2
        assert text in capsys.readouterr().err
    short = ["--m_X_min", "0.1", "--m_X_max", "0.2", "--points", "2"]
    assert main(["survey", SELECTION, *short, "--constraints", *CONSTRAINTS]) == 0
    assert "7 patterns" in capsys.readouterr().out
