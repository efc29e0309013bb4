"""Figures from changed cards: drawn, or refused with a named error before any work."""

from __future__ import annotations

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
from zscan.scans.figure import make_figure

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
