"""Figures from changed cards: drawn, or refused with a named error before any work."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import zscan.scans.figure
from zscan.cli import main
from zscan.errors import CardError, ParameterError
from zscan.results.figures import FIGURES
from zscan.results.figures.layers import Curves
from zscan.results.figures.paper import fig8
from zscan.results.figures.picture import check_software
from zscan.scans.figure import make_figure

SMALL = Path(__file__).parents[1] / "results" / "data" / "small-fig2.h5"
MAPS_OF_PLANES = ["1", "2", "3", "4", "5", "6"]


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("work has begun")

    monkeypatch.setattr(zscan.scans.figure, "run_scan", never)


@pytest.mark.parametrize("number", MAPS_OF_PLANES)
@pytest.mark.usefixtures("idle")
def test_observables_of_constraints_that_are_left_out_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    command = ["figure", number, "--set", 'constraints=["borexino"]', "--points", "12"]
    assert main([*command, "-o", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    card = FIGURES[number].cards[0]
    assert error.startswith(f"zscan: error: {card}: ")
    assert "not among the constraints of the card (got 'delta_a_mu')" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("constraint", ["borexino", "delta_a_mu", "trident_ccfr"])
@pytest.mark.parametrize("number", MAPS_OF_PLANES)
def test_figures_of_one_constraint_are_drawn(tmp_path: Path, number: str, constraint: str) -> None:
    changes = [f"constraints=['{constraint}']", f"output.observables=['{constraint}']"]
    made = make_figure(number, tmp_path, points=4, overrides=changes)
    assert [path.exists() for path in made] == [True] * (len(FIGURES[number].cards) + 1)


@pytest.mark.parametrize(
    ("number", "change", "fault"),
    [
        (
            "2",
            "axis.m_X.values=[0.1]",
            "axis.m_X.values: one value draws nothing; allowed: two or more",
        ),
        (
            "10",
            "axis.m_X.values=[1.0]",
            "axis.m_X.values: one value draws nothing; allowed: two or more",
        ),
        ("2", "axis.eps.values=[0, 1e-4]", "axis.eps: no axis of Fig 2; allowed: m_X, g_X"),
    ],
)
@pytest.mark.usefixtures("idle")
def test_axes_that_cannot_be_drawn_are_refused(
    tmp_path: Path, number: str, change: str, fault: str
) -> None:
    with pytest.raises(CardError) as caught:
        make_figure(number, tmp_path, overrides=[change])
    assert str(caught.value.faults[0]) == fault
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("idle")
def test_a_profiled_axis_of_a_figure_is_refused(tmp_path: Path) -> None:
    table = zscan.scans.figure.read_card("fig8").table["axis"]
    scan = zscan.scans.figure.load_card("fig8", ["axis.Q_S.values=[1]"])
    faults = zscan.scans.figure._undrawable(FIGURES["8"], scan, [*table, "m_S"])
    assert [str(fault) for fault in faults] == ["axis.m_S: no axis of the map, but one of Fig 8"]


def test_what_a_figure_cannot_show_is_named() -> None:
    with pytest.raises(ParameterError, match="Q_S has 3 values; Fig 8 compares two"):
        fig8.SPEC.panels([xr.Dataset(coords={"Q_S": [1.0, 2.0, 3.0]})])
    values = xr.DataArray(np.ones((6, 2)), {"width": np.arange(6.0), "m_X": [1.0, 2.0]})
    curves = Curves((), "r", "width", "w")
    axes: Axes = Figure().add_subplot()
    curves.draw(axes, xr.Dataset({"observable/r": values[:5]}))
    assert len(axes.lines) == 5
    with pytest.raises(ParameterError, match="width has 6 values; at most 5 lines"):
        curves.draw(axes, xr.Dataset({"observable/r": values}))


@pytest.mark.parametrize(
    ("number", "beyond"),
    [
        ("2", {"charm2", "n_eff"}),
        ("5", {"b_to_k_x_babar", "b_to_k_x_belle2", "k_to_pi_x_na62"}),
        ("6", {"charm2", "n_eff", "kmunux", "searches/BaBar_TheBABAR2016rlg"}),
    ],
)
def test_the_selection_paper_keeps_what_the_paper_draws(number: str, beyond: set[str]) -> None:
    (full, *_), (paper, *_), (more, *_) = (
        zscan.scans.figure._scans(number, 4, (), selection)
        for selection in (None, "paper", ["paper", next(iter(sorted(beyond)))])
    )
    left_out = set(full.constraints) - set(paper.constraints)
    assert beyond <= left_out <= set(FIGURES[number].beyond)
    assert set(more.constraints) - set(paper.constraints) == {min(beyond)}
    assert set(paper.stored_observables) <= set(paper.constraints)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of a scan of Fig 2 a small map of it."""

    def copied(scan: object, path: Path, **options: object) -> None:
        shutil.copy(SMALL, path)

    monkeypatch.setattr(zscan.scans.figure, "run_scan", copied)


@pytest.mark.usefixtures("scanned")
@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_a_figure_has_the_format_of_its_ending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    picture = tmp_path / f"mine.{ending}"
    assert main(["figure", "2", "-o", str(picture)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "fig2.h5"), str(picture)]
    command = f"zscan figure 2 -o mine.{ending}"
    # texts of a PDF are not compressed in its metadata, those of a PNG neither
    content = picture.read_bytes()
    assert content.startswith({"pdf": b"%PDF-", "svg": b"<?xml", "png": b"\x89PNG"}[ending])
    assert command.encode() in content
    assert b"trident_ccfr" in content  # of the caption
    caption = (tmp_path / "mine.caption.txt").read_text()
    assert f"command: {command}" in " ".join(caption.split())
    check_software(picture)


@pytest.mark.usefixtures("scanned")
def test_pictures_of_a_folder_have_the_format_that_is_asked_for(tmp_path: Path) -> None:
    made = make_figure("2", tmp_path, ending="svg", provenance=False)
    assert [path.name for path in made] == ["fig2.h5", "fig2.svg"]
    text = made[-1].read_text()
    assert "zscan figure 2 --format svg" in text
    assert 'id="origin"' not in text
    assert 'id="origin"' in make_figure("2", tmp_path, ending="svg")[-1].read_text()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["2", "-o", "fig2.gif"], "fig2.gif: a figure ends in one of .pdf, .png, .svg"),
        (["2", "--format", "eps"], "fig2.eps: a figure ends in one of .pdf, .png, .svg"),
        (["all", "-o", "all.pdf"], "all.pdf is one picture for 9 figures: give a folder"),
        (["2", "-o", "fig2.pdf", "--format", "svg"], "fig2.pdf is no svg file"),
    ],
)
@pytest.mark.usefixtures("idle")
def test_pictures_that_cannot_be_written_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    fault: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["figure", *arguments]) == 2
    assert fault in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
