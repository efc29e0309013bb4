"""Excluded couplings against mass: edges, islands, levels, what does not apply, files."""

import json

import numpy as np
import pytest
import xarray as xr
from limits.test_newer_curves import DARKCAST

import zscan
from zscan.analysis.crossings import ACCURACY, BLOCK, excluded_pieces
from zscan.cli import main
from zscan.errors import (
    ForeignFileError,
    NoEffectWarning,
    ParameterError,
    ResultExistsError,
    UnknownNameError,
)
from zscan.limits import excluded_couplings, load
from zscan.results.bounds_file import bounds_csv, bounds_table, read_bounds, write_bounds
from zscan.results.layout import OK, OUT_OF_RANGE

MASSES = np.array([0.005, 0.02, 0.05, 0.1, 0.3])
DUMPS = ("searches/E137_Andreas2012mt", "searches/NA64_Banerjee2019hmi")
MEASURED = ("borexino", "coherent")


def test_pieces_of_a_function_with_islands():
    # sin of the logarithm: positive on intervals that are known, at any number of masses
    m_X = np.geomspace(1e-3, 1, BLOCK + 3)
    grid = np.geomspace(1e-6, 1, 200)
    calls = []

    def excess(m, g):
        calls.append(g.shape)
        values = np.sin(2 * np.log(g * m))
        return np.stack([values, np.where(g > 1e-3, -1.0, np.nan), np.full(g.shape, np.nan)])

    lower, upper, known = excluded_pieces(excess, m_X, grid)
    assert set(calls) == {(BLOCK, 200)}
    assert known.all(axis=1).tolist() == [True, True, False]
    assert np.isnan(lower[1:]).all()
    for i, m in enumerate(m_X):
        k = np.arange(-12, 1)
        edges = np.exp(k * np.pi) / m, np.exp((k + 0.5) * np.pi) / m
        there = (edges[1] > grid[0]) & (edges[0] < grid[-1])
        low = np.where(edges[0] < grid[0], 0, edges[0])[there]
        high = np.where(edges[1] > grid[-1], np.inf, edges[1])[there]
        count = there.sum()
        np.testing.assert_allclose(lower[0, i, :count], low, rtol=2 * ACCURACY)
        np.testing.assert_allclose(upper[0, i, :count], high, rtol=2 * ACCURACY)
        assert np.isnan(lower[0, i, count:]).all()


@pytest.fixture(scope="module")
def sought():
    """With a mixing of its own, however small, nothing has a closed form: all edges are sought."""
    return zscan.bounds("B-L", [*DUMPS, *MEASURED], m_X=MASSES, eps=1e-20)


def test_edges_that_are_sought_are_those_of_the_closed_form(sought):
    solved = zscan.bounds("B-L", DUMPS, m_X=MASSES)
    for name in DUMPS:
        edges = excluded_couplings(load(name.removeprefix("searches/")), "B-L", MASSES)
        assert np.isfinite(edges[0]).any()
        for key, edge in zip(("lower", "upper"), edges, strict=True):
            found = solved[key].sel(constraint=name).values
            # five masses are interpreted, the closed form is compiled
            np.testing.assert_allclose(found[:, 0], edge, rtol=1e-14)
            np.testing.assert_allclose(sought[key].sel(constraint=name)[:, 0], edge, rtol=1e-8)


def test_an_excess_changes_its_sign_at_every_edge(sought):
    likelihood = zscan.log_likelihood("B-L", MEASURED)
    lower = sought["lower"].sel(constraint=list(MEASURED)).values[..., 0]
    assert (lower > 0).all()
    assert np.isinf(sought["upper"].sel(constraint=list(MEASURED)).values[..., 0]).all()
    inside, outside = (
        likelihood.excesses({"m_X": MASSES[:, None], "g_X": edge[..., None]})
        for edge in (lower.max(axis=0) * 1.001, lower.min(axis=0) * 0.999)
    )
    for number, name in enumerate(MEASURED):
        strongest = lower[number] == lower.min(axis=0)
        assert (inside[name] > 0).all()
        assert (outside[name][strongest] < 0).all()


def test_b_l_of_the_reference_tool():
    # as in tests/limits: lower edges to 1.5 %, upper edges of dumps to 3 %
    points = [entry for entry in DARKCAST if entry[2] == "B-L" and "reach" not in entry[0]]
    names = [f"searches/{name}" for name in dict.fromkeys(entry[0] for entry in points)]
    masses = np.unique([entry[1] for entry in points])
    found = zscan.bounds("B-L", names, m_X=masses)
    assert len(points) == 13
    for name, m_X, _, *edges in points:
        one = found.sel(constraint=f"searches/{name}", m_X=m_X, piece=0)
        assert float(one["lower"]) == pytest.approx(edges[0], rel=0.015)
        if len(edges) == 2:
            assert float(one["upper"]) == pytest.approx(edges[1], rel=0.03)
    # and the curve of a search in B - L is its own bound
    own = load("NA64_NA642022yly")
    m_X = own.mass[(own.mass > 2e-3) & (own.mass < 0.5)]
    found = zscan.bounds("B-L", "searches/NA64_NA642022yly", m_X=m_X)
    np.testing.assert_allclose(
        found["lower"][0, :, 0], own.value[(own.mass > 2e-3) & (own.mass < 0.5)], rtol=1e-12
    )


def test_other_confidence_levels():
    name = "searches/NA64_NA642019imj"  # events without background: mu grows as g^2
    own, other = (zscan.bounds("B-L", name, m_X=[0.1], cl=cl) for cl in (None, 0.95))
    ratio = float(other["lower"][0, 0, 0] / own["lower"][0, 0, 0])
    assert ratio == pytest.approx(np.sqrt(np.log(0.05) / np.log(0.1)), rel=1e-9)
    assert (float(own["cl"][0]), float(other["cl"][0])) == (0.9, 0.95)


@pytest.mark.filterwarnings("default")
def test_what_does_not_apply_is_not_allowed(capsys):
    name = "searches/NA62_CortinaGil2019nuo"
    found = zscan.bounds("B-L", [name], m_X=[0.01, 0.1])
    assert found["status"].values.tolist() == [[OUT_OF_RANGE, OK]]
    assert np.isnan(found["lower"].values[0, 0]).all()
    assert "0.01,0,nan,nan,does not apply" in bounds_csv(found)
    with pytest.warns(NoEffectWarning, match=r"does not apply.*0.03529 to 0.1197 GeV"):
        found = zscan.bounds("B-L", name, m_X=[1.0])
    # a search for invisible decays sees nothing of an X without neutrinos, which is not "allowed"
    blind = "searches/NA64_NA642022yly"
    with pytest.warns(NoEffectWarning, match="dark-photon has too little signal in it"):
        found = zscan.bounds("dark-photon", blind, m_X=[0.1])
    assert found["status"].values.tolist() == [[OK]]
    assert "not excluded" in bounds_csv(found)
    assert f"{blind}  dark-photon has too little signal" in bounds_table(found)
    assert main(["bounds", "dark-photon", "--constraint", blind, "--masses", "0.1"]) == 0
    assert "NoEffect" not in (text := capsys.readouterr()).err
    assert "warning: searches/NA64_NA642022yly: dark-photon has too little" in text.err
    assert "which does not mean allowed" in text.out


def test_curves_as_they_are_published():
    found = zscan.bounds(
        "B-L",
        ["searches/E137*", "searches/NA64_NA642022yly", "borexino"],
        m_X=[0.005, 0.02],
        recast=False,
    )
    assert found["quantity"].values.tolist() == ["eps", "g_X"]
    assert found["reference"].values.tolist() == ["dark-photon", "B-L"]
    assert found.sizes["constraint"] == 2
    for name in ("E137_Andreas2012mt", "NA64_NA642022yly"):
        limit = load(name)
        curve = np.exp(np.interp(np.log([0.005, 0.02]), np.log(limit.mass), np.log(limit.value)))
        one = found["lower"].sel(constraint=f"searches/{name}").values[:, 0]
        np.testing.assert_allclose(one, curve, rtol=1e-12)


def test_files(tmp_path, capsys):
    names = ["searches/E137_Andreas2012mt", "searches/BaBar_Lees2014xha"]
    command = ["bounds", "B-L", "--constraint", *names, "--masses", "0.01", "0.1", "--points", "4"]
    for suffix in ("csv", "h5"):
        path = tmp_path / f"b.{suffix}"
        assert main([*command, "-o", str(path)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == str(path)
        assert main([*command, "-o", str(path)]) == 2
        assert "--force replaces it" in capsys.readouterr().err
    found = read_bounds(tmp_path / "b.h5")
    with xr.open_dataset(tmp_path / "b.h5", engine="h5netcdf") as again:
        xr.testing.assert_identical(found, again.load())
    assert (tmp_path / "b.csv").read_text() == bounds_csv(found)
    assert json.loads(found.attrs["model"])["name"] == "B-L"
    assert "Bjorken:2009mm" not in json.loads(found.attrs["bibtex_keys"])
    zscan.bibtex(json.loads(found.attrs["bibtex_keys"]))
    assert main([*command, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [row["constraint"] for row in table["summary"]] == names
    assert table["rows"][0]["upper"] == pytest.approx(float(found["upper"][0, 0, 0]))
    (tmp_path / "mine.csv").write_text("m,g\n1,2\n")
    with pytest.raises(ResultExistsError, match="no table of bounds"):
        write_bounds(tmp_path / "mine.csv", found, force=True)
    with pytest.raises(ForeignFileError):
        read_bounds(tmp_path / "mine.csv")
    with pytest.raises(ParameterError, match=r"\.csv, \.h5"):
        write_bounds(tmp_path / "b.txt", found)


@pytest.mark.parametrize(
    ("model", "options", "error", "match"),
    [
        ("B-L", {"m_X": []}, ParameterError, "a list of masses"),
        ("B-L", {"m_X": [0.2, 0.1]}, ParameterError, "that rise"),
        ("B-L", {"m_X": [-1.0]}, ParameterError, "positive"),
        ("B-L", {"m_X": [0.1], "points": 3}, ParameterError, "a pair of masses"),
        ("B-L", {"m_X": [0.1], "cl": 90}, ParameterError, "cl = 90"),
        ("B-L", {"m_X": [0.1], "eps": 2.0}, ParameterError, "eps = 2.0 is out of range"),
        ("B-L", {"m_X": [0.1], "constraints": "borexion"}, UnknownNameError, "borexino"),
        ("B-L", {"m_X": [0.1], "constraints": "nsi", "recast": False}, ParameterError, "only lim"),
        ("muon-resonance", {"m_X": [4.0]}, ParameterError, "no single coupling"),
    ],
)
def test_faults(model, options, error, match):
    with pytest.raises(error, match=match):
        zscan.bounds(model, **options)


def test_borexino_against_published_lines_of_b_l():
    # arXiv:1803.05466 fig. 13, and the tables of FORESEE (2d6431f6): drawn at R = 1.3 to 1.5, where
    # zscan takes 1.113; what docs/limits.md states
    m_X = np.array([1e-3, 0.01, 0.1, 1.0])
    bauer = np.array([2.76719e-6, 2.25312e-5, 2.30397e-4, 2.390674e-3])
    foresee = np.array([2.38238e-6, 2.4625e-5, 2.54659e-4, 2.634228e-3])
    found = zscan.bounds("B-L", "borexino", m_X=m_X)["lower"].values[0, :, 0]
    assert np.all((found / bauer > 0.595) & (found / bauer < 0.645))
    assert np.all((found / foresee > 0.54) & (found / foresee < 0.715))
