"""Fits from cards: file, figure, table, exit codes; what is refused before any work starts."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pytest
from PIL import Image

import zscan
from zscan.cli import main
from zscan.errors import (
    CardError,
    CorruptFileError,
    ForeignFileError,
    NotConvergedError,
    ParameterError,
    ResultExistsError,
)
from zscan.fit import FittedCard, card_problem, fit_card
from zscan.results.figures.corner import draw_corner, save_corner
from zscan.results.figures.picture import caption_path
from zscan.results.fits import _every
from zscan.results.schema import verify
from zscan.scans.devices import named

CARD: dict[str, Any] = {
    "format": 1,
    "name": "fit",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "trident_ccfr"],
    "axis": {
        "g_X": {"min": 1e-5, "max": 1e-1, "num": 9, "scale": "log"},
        "theory.delta_a_mu": {"min": -5.0, "max": 5.0, "num": 5, "scale": "linear"},
    },
    "fixed": {"m_X": 0.05},
    "fit": {"points": 15, "starts": 16},
}


def changed(**sections: Any) -> dict[str, Any]:
    return copy.deepcopy(CARD) | sections


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedCard:
    return fit_card(CARD, tmp_path_factory.mktemp("fit") / "fit.h5", progress=False)


def test_the_file_holds_the_fit_and_the_map(fitted: FittedCard) -> None:
    verify(fitted.map)
    fit = zscan.open_fit(fitted.map)
    assert fit.names == ("theory.delta_a_mu", "g_X")
    assert fit.best == fitted.result.parameters
    np.testing.assert_array_equal(fit.covariance, fitted.result.covariance)
    assert fit.intervals["68"] == fitted.intervals["68"]
    table = json.loads(json.dumps(fitted.to_table(), allow_nan=False))
    assert table["parameters"] == fit.best
    assert table["intervals"]["68"]["g_X"] == pytest.approx(fit.intervals["68"]["g_X"])
    # the theory error is part of the full one: profiled over it, the interval of g_X is that of the
    # fit without it
    plain = card_problem(CARD | {"axis": {"g_X": CARD["axis"]["g_X"]}})
    low, high = zscan.fit.intervals(plain, zscan.fit.maximum_likelihood(plain))["g_X"]
    found = zscan.fit.intervals(card_problem(CARD), fitted.result)["g_X"]
    np.testing.assert_allclose(found, (low, high), rtol=1e-5)
    for name in fit.names:
        values, chi2 = fit.profiles[name]
        assert values.size == chi2.size == 4 * 14 + 1
        assert (np.diff(values) > 0).all()
        assert chi2.min() > -1e-6
        assert values[0] < fit.best[name] < values[-1]
    a, b, plane = fit.planes["theory.delta_a_mu", "g_X"]
    assert plane.shape == (a.size, b.size)
    np.testing.assert_allclose(
        plane.min(axis=0), fit.profiles["g_X"][1][::4], atol=0.3
    )  # the grid is coarse
    assert (plane.min(axis=0) > fit.profiles["g_X"][1][::4] - 1e-6).all()
    assert set(fit.summary["contributions"]) == {"delta_a_mu", "trident_ccfr"}
    with zscan.open_scan(fitted.map) as data:
        assert data["delta_chi2"].sizes == {"constraint": 2, "theory.delta_a_mu": 5, "g_X": 9}


def test_the_figure_shows_regions_and_its_origin(fitted: FittedCard) -> None:
    with Image.open(fitted.figure) as picture:
        assert "Lmu-Ltau" in picture.info["Description"]
        assert picture.info["command"].startswith("zscan fit")
    figure = draw_corner(zscan.open_fit(fitted.map))
    assert len(figure.axes) == 3
    drawn = {item.get_gid() for axes in figure.axes for item in (*axes.collections, *axes.lines)}
    assert {"profile/g_X", "profile/theory.delta_a_mu", "regions/theory.delta_a_mu/g_X"} <= drawn
    caption = caption_path(fitted.figure).read_text()
    assert "profile likelihood of delta_a_mu, trident_ccfr" in caption
    lines = {text.get_gid() for text in figure.texts}
    lines |= {figure._supxlabel.get_gid()}  # type: ignore[attr-defined]
    assert "origin" in lines
    assert all(len(text.get_text()) < 200 for text in figure.texts)
    unsigned = draw_corner(zscan.open_fit(fitted.map), provenance=False)
    assert unsigned._supxlabel is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_the_figure_in_other_formats_has_text(
    fitted: FittedCard, tmp_path: Path, ending: str
) -> None:
    fit = zscan.open_fit(fitted.map)
    content = save_corner(fit, tmp_path / f"fit.{ending}").read_bytes()
    assert content.startswith({"pdf": b"%PDF-", "svg": b"<?xml"}[ending])
    assert b"zscan fit" in content
    if ending == "svg":
        assert b">best fit</text>" in content
    else:  # a TrueType font, not outlines
        assert b"/FontFile2" in content


@pytest.mark.parametrize("values", [[0.1, 1.0], [1e-5, 1.0], [3e-4, 8e-4], [-2e-9, 3e-9]])
def test_numbers_at_the_ticks_do_not_touch(fitted: FittedCard, values: list[float]) -> None:
    fit = zscan.open_fit(fitted.map)
    kind, spaced = ("log", np.geomspace) if values[0] > 0 else ("linear", np.linspace)
    ends = np.array(spaced(*values, 15))
    finer = np.array(spaced(*values, 57))
    a, b = fit.names
    wide = replace(
        fit,
        scales=dict.fromkeys(fit.names, kind),
        profiles={name: (finer, fit.profiles[name][1]) for name in fit.names},
        planes={(a, b): (ends, ends, fit.planes[a, b][2])},
        best=dict.fromkeys(fit.names, float(ends[7])),
    )
    figure = draw_corner(wide)
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [
                label.get_window_extent()
                for label in axis.get_ticklabels()
                if label.get_visible() and label.get_text()
            ]
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
            for box, name in ((box, axes) for box in boxes):
                inside = name.get_window_extent()
                assert axis is axes.yaxis or inside.x0 <= box.x0 < box.x1 <= inside.x1


def test_a_plane_that_does_not_fit_its_profiles_is_refused(
    fitted: FittedCard, tmp_path: Path
) -> None:
    assert _every(np.arange(57.0), 15, tmp_path).size == 15
    with pytest.raises(ForeignFileError, match="a plane with 14 values on a profile with 57"):
        _every(np.arange(57.0), 14, tmp_path)


def test_the_table_is_printed(fitted: FittedCard) -> None:
    text = str(fitted)
    for word in (
        "minimum found",
        "g_X",
        "68 % interval",
        "trident_ccfr",
        "pull",
        "fit.h5",
        "fit.png",
    ):
        assert word in text


def test_a_change_of_the_fit_is_noticed(fitted: FittedCard, tmp_path: Path) -> None:
    copied = tmp_path / "copied.h5"
    copied.write_bytes(fitted.map.read_bytes())
    with h5py.File(copied, "r+") as file:
        file["fit/best"][0] = 1.0
    with pytest.raises(CorruptFileError, match="fit/best"):
        verify(copied)
    with h5py.File(copied, "r+") as file:
        tables = json.loads(file.attrs["tables"])
        file.attrs["tables"] = json.dumps(tables | {"fit/best": [7]})
    with pytest.raises(ForeignFileError, match="fit/best has the shape"):
        zscan.open_fit(copied)


def test_a_map_without_a_fit_is_refused(tmp_path: Path) -> None:
    card = {key: value for key, value in CARD.items() if key != "fit"}
    path = zscan.run_scan(card, tmp_path / "map.h5", progress=False)
    with pytest.raises(ForeignFileError, match="a map without a fit"):
        zscan.open_fit(path)


def test_an_existing_file_is_kept(fitted: FittedCard) -> None:
    before = fitted.map.read_bytes()
    with pytest.raises(ResultExistsError):
        fit_card(CARD, fitted.map)
    assert fitted.map.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"fit": {"start": {"g_X": 1.0}}}, ["parameters.g_X.start"]),
        ({"fit": {"startz": 3}}, ["fit.startz"]),
        ({"fit": {"starts": 0}}, ["fit.starts"]),
        ({"fit": {"prior": {"g_Y": "flat"}}}, ["fit.prior.g_Y"]),
        ({"fit": {"prior": {"g_X": "flatt"}}}, ["fit.prior.g_X"]),
        ({"fit": {"prior": {"g_X": {"mean": 1e-3}}}}, ["fit.prior.g_X.sigma"]),
        ({"fit": {"sample": {"draws": 1}}}, ["fit.sample.draws"]),
        ({"axis": {"g_X": {"values": [1e-4, 1e-3]}}}, ["axis.g_X"]),
    ],
)
def test_faults_are_named_before_work_starts(
    change: dict[str, Any], paths: list[str], tmp_path: Path
) -> None:
    with pytest.raises(CardError) as caught:
        fit_card(changed(**change), tmp_path / "fit.h5")
    assert [fault.path for fault in caught.value.faults] == paths
    assert not list(tmp_path.iterdir())


def test_a_fit_is_made_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "gpu" not in {device.platform for device in jax.local_devices()}:
        for card, device in ((changed(device="gpu"), None), (CARD, "gpu")):
            with pytest.raises(ParameterError, match="device 'gpu' is not here"):
                fit_card(card, tmp_path / "fit.h5", device=device)
    assert not list(tmp_path.iterdir())
    cpu = tuple(jax.local_devices(backend="cpu"))

    def look(*_: Any, **__: Any) -> None:
        assert named() == cpu
        raise KeyboardInterrupt

    monkeypatch.setattr("zscan.fit.card.maximum_likelihood", look)
    for card, device in ((changed(device="cpu"), None), (CARD, "cpu")):
        with pytest.raises(KeyboardInterrupt):
            fit_card(card, tmp_path / "fit.h5", device=device)


def test_without_convergence_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zscan.optimise.minimise.MAX_STEPS", 1)
    monkeypatch.setattr("zscan.optimise.solver._WARM_STEPS", 1)
    with pytest.raises(NotConvergedError):
        fit_card(CARD, tmp_path / "fit.h5")
    assert not list(tmp_path.iterdir())
    (tmp_path / "card.toml").write_text(
        'format = 1\nname = "a"\nmodel = "Lmu-Ltau"\nconstraints = ["delta_a_mu"]\n'
        "fixed.m_X = 0.1\n"
        'axis.g_X = { min = 1e-5, max = 1e-1, num = 5, scale = "log" }\nfit.starts = 4\n'
    )
    assert main(["fit", str(tmp_path / "card.toml"), "-o", str(tmp_path / "fit.h5")]) == 3
    assert "did not converge" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["card.toml"]
