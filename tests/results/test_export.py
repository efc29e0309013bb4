"""Maps for other programs: contours where the limits are, as CSV, HEPData submission and netCDF."""

import csv
import json
import zipfile

import numpy as np
import pytest
import xarray as xr

import zscan
from zscan.errors import ForeignFileError, ParameterError, ResultExistsError, UnknownNameError
from zscan.results.contour_lines import contour_lines
from zscan.results.export import ExportWarning, export

CARD = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau,loop=none",
    "constraints": ["delta_a_mu", "trident_ccfr", "trident_nutev"],
    "axis": {
        "eps": {"values": [0.0, 1e-5]},
        "m_X": {"min": 1e-2, "max": 1.0, "num": 81, "scale": "log"},
        "g_X": {"min": 1e-4, "max": 1e-1, "num": 121, "scale": "log"},
    },
    "output": {"dtype": "float64", "observables": ["delta_a_mu", "trident_ccfr"]},
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return zscan.run_scan(CARD, tmp_path_factory.mktemp("export") / "small.h5", progress=False)


def test_csv_has_the_points_where_limits_are_met(path):
    with pytest.warns(ExportWarning, match="trident_nutev: the map holds no observable"):
        out = zscan.export(path, "csv")
    assert out == path.with_suffix(".csv")
    with open(out) as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["constraint", "level", "piece", "eps", "m_X", "g_X"]
    levels = {(row["constraint"], row["level"]) for row in rows}
    assert levels == {
        ("delta_a_mu", "band_low"),
        ("delta_a_mu", "band_high"),
        ("trident_ccfr", "excluded"),
    }
    f = zscan.log_likelihood("Lmu-Ltau,loop=none", ["delta_a_mu", "trident_ccfr"])
    expected = {
        ("delta_a_mu", "band_low"): (251 - 2 * 59) * 1e-11,
        ("delta_a_mu", "band_high"): (251 + 2 * 59) * 1e-11,
        ("trident_ccfr", "excluded"): f.measured["trident_ccfr"].excluded_above,
    }
    for (name, level), value in expected.items():
        mine = [row for row in rows if (row["constraint"], row["level"]) == (name, level)]
        point = {key: np.array([float(row[key]) for row in mine]) for key in ("eps", "m_X", "g_X")}
        assert set(point["eps"]) == {0.0, 1e-5}
        # between two points of the grid, 6 % apart in both, a square is not quite a line
        np.testing.assert_allclose(f.evaluate(point)[name].observable, value, rtol=1e-2)
        masses = point["m_X"][point["eps"] == 0]
        assert (masses.min(), masses.max()) == pytest.approx((1e-2, 1.0))


def test_hepdata_submission(path, tmp_path):
    yaml = pytest.importorskip("yaml")
    out = export(path, "hepdata", tmp_path / "a.zip", constraints=["trident_c*", "delta_a_mu"])
    with zipfile.ZipFile(out) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    first, *tables = yaml.safe_load_all(texts.pop("submission.yaml"))
    assert "small" in first["comment"]
    assert [table["name"] for table in tables] == [
        "trident_ccfr excluded",
        "delta_a_mu band_low",
        "delta_a_mu band_high",
    ]
    assert {table["data_file"] for table in tables} == set(texts)
    table = yaml.safe_load(texts["table001.yaml"])
    independent, (dependent,) = table["independent_variables"], table["dependent_variables"]
    assert [item["header"]["name"] for item in independent] == ["piece", "eps", "m_X"]
    assert independent[2]["header"]["units"] == "GeV"
    assert dependent["header"]["name"] == "g_X"
    assert len({len(item["values"]) for item in (*independent, dependent)}) == 1
    assert {"name": "CL", "value": "95 %"} in dependent["qualifiers"]
    again = export(path, "hepdata", tmp_path / "b.zip", constraints=["trident_c*", "delta_a_mu"])
    assert out.read_bytes() == again.read_bytes()


# The validator leaves files open, which Python tells when it collects them
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_submission_is_one_for_hepdata(path, tmp_path):
    validator = pytest.importorskip("hepdata_validator.full_submission_validator")
    out = export(path, "hepdata", tmp_path / "a.zip", constraints=["trident_c*", "delta_a_mu"])
    check = validator.FullSubmissionValidator()
    assert check.validate(archive=str(out)), check.get_messages()


def test_netcdf_is_the_whole_map(path, tmp_path):
    out = export(path, "netcdf", tmp_path / "map.nc")
    with xr.open_dataset(out, engine="h5netcdf") as data, zscan.open_scan(path) as ours:
        xr.testing.assert_allclose(data["delta_chi2"], ours["delta_chi2"])
        np.testing.assert_array_equal(
            data["observable_trident_ccfr"], ours["observable/trident_ccfr"]
        )
        assert data.m_X.attrs["units"] == "GeV"
        assert json.loads(data.attrs["constraints"])[0]["name"] == "delta_a_mu"


def test_what_cannot_be_exported_is_named(path, tmp_path):
    with pytest.raises(ParameterError, match="did you mean 'hepdata'"):
        export(path, "hepdat")
    with pytest.raises(UnknownNameError, match="did you mean 'trident_ccfr'"):
        export(path, "csv", constraints="trident_cfr")
    foreign = tmp_path / "mine.csv"
    foreign.write_text("a,b\n1,2\n")
    for force, error in ((False, ResultExistsError), (True, ResultExistsError)):
        with pytest.raises(error, match=r"mine\.csv"):
            export(path, "csv", foreign, constraints="trident_ccfr", force=force)
    out = export(path, "csv", tmp_path / "ours.csv", constraints="trident_ccfr")
    with pytest.raises(ResultExistsError, match="force"):
        export(path, "csv", out, constraints="trident_ccfr")
    export(path, "csv", out, constraints="trident_ccfr", force=True)
    with pytest.raises((ForeignFileError, ResultExistsError)):
        export(out, "csv", tmp_path / "none.csv")


def made(form, mu, **axes):
    """A map as `open_scan` gives it, of one search with the signal strength `mu`."""
    error = 1 / 2.302585 if form == "counting" else 1 / 1.644854
    chi2 = mu / error if form == "counting" else (mu / error) ** 2
    name = "searches/one"
    measured = {"value": 0.0, "form": form, "excluded_above": 1.0, "error_plus": error}
    spec = {
        "likelihood": {"measurements": {name: measured}},
        "axis": {axis: {"scale": "log"} for axis in axes},
    }
    rule = {"name": name, "excluded_above": 1.0, "delta_chi2_excluded": None, "cl": 0.9}
    attributes = {"spec": json.dumps(spec), "constraints": json.dumps([rule])}
    return xr.Dataset(
        {"delta_chi2": (("constraint", *axes), chi2[None])},
        {"constraint": [name], **axes},
        attributes,
    )


@pytest.mark.parametrize("form", ["counting", "background"])
def test_limits_on_a_signal_need_no_stored_observable(form):
    m_X, g_X = np.geomspace(0.1, 10, 41), np.geomspace(1e-4, 1e-2, 41)
    # an island: a circle of radius ln 3 in the logarithms, with a hole where nothing is known
    u, v = np.log(m_X)[:, None], np.log(g_X / 1e-3)[None, :]
    mu = np.exp((np.log(3) - np.hypot(u, v)) / 2)
    (line,) = contour_lines(made(form, mu, m_X=m_X, g_X=g_X), "searches/one")
    radius = np.hypot(np.log(line.points[:, 0]), np.log(line.points[:, 1] / 1e-3))
    np.testing.assert_allclose(radius, np.log(3), rtol=1e-2)
    np.testing.assert_array_equal(line.points[0], line.points[-1])
    half = np.where(m_X[:, None] < 1, np.nan, mu)
    (line,) = contour_lines(made(form, half, m_X=m_X, g_X=g_X), "searches/one")
    assert line.points[:, 0].min() >= 1
    assert not contour_lines(made(form, mu * np.nan, m_X=m_X, g_X=g_X), "searches/one")
