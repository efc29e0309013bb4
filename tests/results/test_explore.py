"""A map as one HTML page: its numbers, its rules, what it lets through, what it refuses."""

import base64
import hashlib
import json
import re
import zlib

import hypothesis.strategies as st
import numpy as np
import pytest
from explored import CARD, EVIL, MODELS
from hypothesis import given

import zscan
from zscan.cli import main
from zscan.errors import IncompleteMapError, ParameterError, ResultExistsError, UnknownNameError
from zscan.results.explore.encode import codes, held, pack
from zscan.results.explore.page import safe_json
from zscan.results.rule import excess


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return zscan.run_scan(CARD, tmp_path_factory.mktemp("explore") / "small.h5", progress=False)


@pytest.fixture(scope="module")
def page(path):
    return zscan.explore(path, path.with_suffix(".html"))


def told(page):
    """What a page tells: the JSON in it."""
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def inflated(text):
    return np.frombuffer(zlib.decompress(base64.b64decode(text), -15), np.uint8).astype(int)


def unpacked(text, width):
    """Codes from second differences, as the script of the page reads them."""
    low, middle, high = inflated(text).reshape(3, -1, width)
    unsigned = low + 256 * middle + 65536 * high
    steps = np.where(unsigned % 2, -((unsigned + 1) // 2), unsigned // 2)
    steps[:, :2] = np.cumsum(steps[:, :2], axis=0)
    first, slopes = steps[:, :1], np.cumsum(steps[:, 1:], axis=1)
    return np.concatenate([first, first + np.cumsum(slopes, axis=1)], axis=1)


def text_of(code):
    if code == 0:
        return "0"
    exponent, digits = divmod(abs(code) - 1, 900)
    return format(float(f"{'-' if code < 0 else ''}{digits + 100}e{exponent - 332}"), ".3g")


@given(st.lists(st.floats(-1e308, 1e308), min_size=1))
def test_codes_are_three_digits_of_any_number(values):
    assert [text_of(code) for code in codes(np.array(values)).tolist()] == [
        format(value or 0.0, ".3g") for value in values
    ]


def test_codes_at_ties_powers_of_ten_and_in_order():
    values = [1.125, 11.35, 0.28125, 9.995, 9.996, 99.95, 1000.0, 999.5, 1e22, 1e23, 0.1, 5e-324]
    assert [text_of(int(code)) for code in codes(np.array(values))] == [
        format(value, ".3g") for value in values
    ]
    rising = np.concatenate([-np.logspace(30, -30, 500), [0.0], np.logspace(-30, 30, 500)])
    assert np.all(np.diff(codes(rising)) > 0)
    assert codes(np.array([np.nan, np.inf, -np.inf])).tolist() == [0, 0, 0]


def test_packing_loses_nothing():
    largest = 2**20 - 1
    random = np.random.default_rng(1).integers(-largest, largest, (7, 33))
    extreme = np.array([[largest, -largest, largest, -largest], [-largest, largest] * 2])
    for values in (random, extreme, np.array([[3, 5]])):
        np.testing.assert_array_equal(unpacked(pack(values), values.shape[1]), values)
    known = np.array([[False, True, False, True]])
    np.testing.assert_array_equal(held(np.array([[7, 8, 9, 6]]), known), [[0, 8, 8, 6]])


def test_page_holds_the_numbers_and_verdicts_of_the_map(path, page):
    tables = told(page)["constraints"]
    with zscan.open_scan(path) as data:
        assert [table["name"] for table in tables] == data["constraint"].values.tolist()
        for table in tables:
            name = table["name"]
            chi2 = data["delta_chi2"].sel(constraint=name)
            status = data["status"].sel(constraint=name).values.ravel()
            state = inflated(table["state"])
            np.testing.assert_array_equal(state & 3, status)
            fields = [(table["chi2"], chi2)]
            if f"observable/{name}" in data:
                fields.append((table["observable"], data[f"observable/{name}"]))
            for packed, values in fields:
                found = unpacked(packed, data.sizes["g_X"]).ravel()
                for code, value in zip(
                    found[::7].tolist(), values.values.ravel()[::7], strict=True
                ):
                    assert np.isnan(value) or text_of(code) == format(float(value), ".3g")
            verdict = state >> 2
            assert not np.any(verdict[status != 1])  # what does not apply never looks allowed
            if table["rule"]["kind"] in ("above", "chi2"):
                by = excess(data, name).values.ravel()
                np.testing.assert_array_equal(verdict == 2, by > 0)
                np.testing.assert_array_equal(verdict == 1, by <= 0)
    kinds = {table["name"]: table["rule"]["kind"] for table in tables}
    assert kinds == {
        "delta_a_mu": "band",
        "trident_ccfr": "above",
        "charm2": "chi2",
        "searches/BaBar_TheBABAR2016rlg": "signal",
        "searches/proj_M3_phase1": "above",
    }
    band = tables[0]["rule"]
    assert (band["low"], band["high"]) == pytest.approx((1.33e-9, 3.69e-9))
    assert [table["projection"] for table in tables] == [False] * 4 + [True]
    assert tables[2]["status"] == "provisional"


def test_a_limit_without_its_observable_is_read_off_its_chi2(path, page):
    """The signal strength of BaBar is not stored: evaluate says the same of points around 1."""
    table = told(page)["constraints"][3]
    state = inflated(table["state"]).reshape(2, 31, 31)[0] >> 2
    f = zscan.log_likelihood("Lmu-Ltau,loop=none", ["searches/BaBar_TheBABAR2016rlg"])
    with zscan.open_scan(path) as data:
        point = {"m_X": data["m_X"].values[:, None], "g_X": data["g_X"].values[None]}
    signal = np.asarray(
        f.evaluate(point | {"eps": 0.0})["searches/BaBar_TheBABAR2016rlg"].observable
    )
    assert (signal > 1).any()
    np.testing.assert_array_equal(state == 2, signal > 1)


def test_references_come_with_bibtex(page):
    literature = told(page)["literature"]
    for table in told(page)["constraints"]:
        for key in table["references"]:
            assert literature[key]["bibtex"].startswith("@")
    assert literature["Muong-2:2021ojo"]["label"] == "arXiv:2104.03281"


def test_text_of_a_map_cannot_become_markup(page):
    """A model and a note that hold markup stay text, and the page runs and loads nothing else."""
    raw = page.read_text(encoding="utf-8")
    assert EVIL not in raw
    assert "onerror" not in re.sub(r"\\u003cimg[^>]*?onerror", "", raw)
    assert "\u2028" not in raw
    assert raw.count("<script") == raw.count("</script>") == 2
    tables = told(page)["constraints"]
    assert tables[1]["note"] == f"{EVIL}\u2028note"
    assert told(page)["sentence"].startswith(f"Model {EVIL}")
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', raw)[1]
    script = re.search(r"<script>(.*?)</script>", raw, re.DOTALL)[1]
    look = re.search(r"<style>(.*?)</style>", raw, re.DOTALL)[1]
    without = re.sub(r'id="data">.*?</script>', "", raw, flags=re.DOTALL)
    for text in (script, look):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
    assert not re.search(r"<(link|img|iframe)\b|\ssrc=|\shref=|@import|url\(", without)
    assert not set("<>&\u2028\u2029") & set(safe_json({EVIL: [EVIL, "\u2028\u2029"]}))


def test_a_page_of_a_part_says_so(path, tmp_path):
    out = zscan.explore(
        path,
        tmp_path / "part.html",
        select={"eps": 0.0, "m_X": (0.1, 1.0)},
        constraints=["trident*", "delta_a_mu"],
        thin={"g_X": 3},
    )
    found = told(out)
    sizes = {axis["name"]: len(axis["values"]) for axis in found["axes"]}
    assert sizes == {"eps": 1, "m_X": 16, "g_X": 11}
    assert found["thinned"] == {"g_X": 3}
    assert [table["name"] for table in found["constraints"]] == ["trident_ccfr", "delta_a_mu"]


def test_a_cut_of_the_coupling_leaves_verdicts_as_they_are(path, page, tmp_path):
    """CHARM-II counts from its lowest chi2 of all couplings of the map, also of those cut off."""
    cut = zscan.explore(path, tmp_path / "cut.html", select={"g_X": (1e-2, 1e-1)})
    whole, part = told(page)["constraints"][2], told(cut)["constraints"][2]
    state = inflated(whole["state"]).reshape(2, 31, 31)[..., 20:]
    np.testing.assert_array_equal(inflated(part["state"]).reshape(2, 31, 11), state)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"select": {"mX": 1.0}}, ParameterError, "no axis 'mX'.*m_X"),
        ({"select": {"m_X": 5.0}}, ParameterError, "m_X = 5 lies outside the map: 0.01 to 1"),
        ({"select": {"m_X": (2.0, 3.0)}}, ParameterError, "no value of m_X from 2 to 3"),
        ({"select": {"m_X": 0.1, "eps": 0.0}}, ParameterError, "a plane needs two axes"),
        ({"thin": {"m_X": 0}}, ParameterError, "thin: m_X = 0; allowed: whole numbers from 1"),
        ({"max_size": 2000}, ParameterError, "more than 2 kB.*--select eps=LOW:HIGH.*--thin m_X=2"),
        ({"max_size": float("nan")}, ParameterError, "max_size = nan"),
        ({"constraints": "tridnt"}, UnknownNameError, "no constraint 'tridnt'"),
    ],
)
def test_faults_are_named_and_nothing_is_written(path, tmp_path, options, error, text):
    with pytest.raises(error, match=text):
        zscan.explore(path, tmp_path / "page.html", **options)
    assert list(tmp_path.iterdir()) == []


def test_too_many_numbers_are_refused_before_they_are_read(path, tmp_path, monkeypatch):
    monkeypatch.setattr("zscan.results.explore.page.MOST_NUMBERS", 10_000)
    with pytest.raises(ParameterError, match=r"1.5e\+04 numbers; allowed: 1e\+04. It holds eps"):
        zscan.explore(path, tmp_path / "page.html")


def test_command(path, tmp_path, capsys):
    out = tmp_path / "page.html"
    arguments = ["explore", str(path), "-o", str(out)]
    chosen = ["--select", "eps=0", "--select", "g_X=1e-3:1e-1", "--thin", "m_X=2"]
    assert main([*arguments, *chosen, "--constraints", "trident*", "delta_a_mu"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert [len(axis["values"]) for axis in told(out)["axes"]] == [1, 16, 21]
    assert main(arguments) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    out.write_text("<!doctype html>\n<p>mine")
    assert main([*arguments, "--force"]) == 2
    assert "was not written by zscan explore" in capsys.readouterr().err
    assert out.read_text() == "<!doctype html>\n<p>mine"
    for wrong in (["--select", "eps=x"], ["--thin", "m_X=a"]):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *wrong])
        assert ended.value.code == 2
        assert "is not of the form NAME=" in capsys.readouterr().err


def test_output_is_checked_before_the_map_is_read(tmp_path):
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(ResultExistsError):
        zscan.explore(tmp_path / "nothing.h5", tmp_path / "page.html")


def test_missing_tiles_are_shown_as_not_computed_if_asked_for(tmp_path):
    axis = {"min": 1e-4, "max": 1e-1, "num": 4, "scale": "log"}
    card = CARD | {"constraints": ["trident_ccfr"], "model": "Lmu-Ltau,loop=none"}
    card = card | {"axis": {"m_X": axis, "g_X": axis}}
    card["output"] = {"observables": ["trident_ccfr"], "tile_points": 8}
    out = tmp_path / "part.h5"
    zscan.run_scan(card, out, shard=(1, 2), progress=False)
    zscan.merge_scan(out, partial=True)
    with pytest.raises(IncompleteMapError):
        zscan.explore(out)
    assert main(["explore", str(out), "--partial"]) == 0
    found = told(out.with_suffix(".html"))
    assert found["missing"] == 1
    state = inflated(found["constraints"][0]["state"])
    assert set(state[:8].tolist()) == {5, 9}  # computed: allowed, excluded
    assert set(state[8:].tolist()) == {0}


def test_models_are_told_with_their_charges(tmp_path):
    path = zscan.run_scan(MODELS, tmp_path / "models.h5", progress=False)
    found = told(zscan.explore(path))
    assert [axis["name"] for axis in found["axes"]] == ["model", "m_X", "g_X"]
    count = len(found["models"])
    assert found["title"] == f"{count} models"
    assert (
        found["sentence"]
        == f"{count} models, each with its own charges and mixing, eps_over_g = 0."
    )
    assert found["models"][1] == {
        "name": "-Le+2Lmu-Ltau",
        "charges": "L -1, 2, -1; E -1, 2, -1; N -1, -1, 2",
    }


@pytest.mark.slow
def test_page_of_figure_2_is_below_a_megabyte(tmp_path):
    path = zscan.run_scan("scans/fig2.toml", tmp_path / "fig2.h5", progress=False)
    page = zscan.explore(path)
    assert page.stat().st_size < 1e6
    assert [len(axis["values"]) for axis in told(page)["axes"]] == [400, 400]
