"""Refined scans: the contours of the dense grid at a part of its points, whole or killed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zscan
from zscan.errors import (
    CardError,
    CorruptFileError,
    DamagedTileWarning,
    ForeignFileError,
    IncompleteScanError,
    NotFiniteError,
    NotFiniteWarning,
    ParameterError,
)
from zscan.results.contour_lines import contour_lines
from zscan.results.export import export
from zscan.results.layout import NOT_COMPUTED
from zscan.results.load import open_drawn, open_scan
from zscan.results.refined import on_finest
from zscan.results.schema import info, verify
from zscan.scans import refine
from zscan.scans.cells import Cells
from zscan.scans.run import merge_scan, plan, run_scan
from zscan.scans.spec import load_card
from zscan.scans.status import scan_status
from zscan.scans.store import TileStore, tile_folder
from zscan.scans.submit import prepare_submission

LEVELS = 3


def _coordinates(point: Any) -> tuple[Any, Any]:
    """The decimal logarithms of m_X and g_X."""
    return jnp.log10(point.m_X), jnp.log10(point.virtual.nu_mu)


@zscan.constraint("line", measurement=zscan.Measurement(0.0, 1.0, excluded_above=1.0))
def line(point: Any) -> Any:
    x, y = _coordinates(point)
    return 10 ** (y + 2.3 - 0.4 * jnp.tanh(3 * (x + 1)))


@zscan.constraint("islands", measurement=zscan.Measurement(0.0, 1.0, excluded_above=1.0))
def islands(point: Any) -> Any:
    x, y = _coordinates(point)
    one = jnp.exp(-(((x + 1.5) / 0.25) ** 2) - ((y + 3.0) / 0.4) ** 2)
    return 2.0 * (one + jnp.exp(-(((x + 0.6) / 0.25) ** 2) - ((y + 1.8) / 0.4) ** 2))


@zscan.constraint("band", measurement=zscan.Measurement(1.0, 0.2))
def band(point: Any) -> Any:
    x, y = _coordinates(point)
    return 10 ** (y + 2.5 - 0.2 * x**2)


@zscan.constraint(
    "well", measurement=zscan.Measurement(0.0, 1.0, form="chi2", delta_chi2_excluded=3.84)
)
def well(point: Any) -> Any:
    """A chi2 whose minimum over the coupling is narrower than a cell of the grid."""
    x, y = _coordinates(point)
    return 30.0 - 28.0 * jnp.exp(-(((y + 2.5 + 0.3 * x) / 0.15) ** 2)) + 1e3 * 10 ** (y + 0.5)


def card(num: int = 9, **sections: Any) -> dict[str, Any]:
    axis = {"m_X": {"min": 1e-2, "max": 1.0}, "g_X": {"min": 1e-4, "max": 1e-1}}
    return {
        "format": 1,
        "name": "plane",
        "model": "Lmu-Ltau",
        "constraints": [line, islands, band, well],
        "axis": {name: ends | {"num": num, "scale": "log"} for name, ends in axis.items()},
        "output": {"observables": ["line", "islands", "band"]},
    } | sections


def small(tile_points: int) -> dict[str, Any]:
    """A scan that takes little to compile."""
    output = {"observables": ["line"], "tile_points": tile_points}
    return card(constraints=[line, well], output=output, refine={"levels": 2})


REFINE = {"levels": LEVELS, "combined": ["band", "well"]}
DENSE = card(8 * 2**LEVELS + 1)


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A refined map, and that of the dense grid."""
    folder = tmp_path_factory.mktemp("maps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        refined = run_scan(card(refine=REFINE), folder / "refined.h5", progress=False)
        return refined, run_scan(DENSE, folder / "dense.h5", progress=False)


@pytest.fixture
def one_program(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compile pieces of equal specs once; the numbers of the tiles that are evaluated."""
    made: dict[Any, Any] = {}
    evaluated: list[int] = []

    class Counting(refine.PointEvaluator):
        def __call__(self, tile: Any) -> Any:
            evaluated.append(tile.index)
            return super().__call__(tile)

    def once(spec: Any, shape: Any) -> Any:
        return made.setdefault((spec.hash, shape), Counting(spec, shape))

    monkeypatch.setattr(refine, "PointEvaluator", once)
    monkeypatch.setattr(refine, "_TOGETHER", 1)
    return evaluated


def steps_apart(one: Any, other: Any, constraint: str, steps: np.ndarray) -> float:
    """How far points of the contours of either map are from those of the other, at most."""
    lines = [contour_lines(data, constraint) for data in (one, other)]
    levels = [{item.level for item in found} for found in lines]
    assert levels[0] == levels[1] != set()
    assert len(lines[0]) == len(lines[1])
    furthest = 0.0
    for level in levels[0]:
        here, there = (
            np.concatenate([np.log(item.points) / steps for item in found if item.level == level])
            for found in lines
        )
        apart = np.hypot(*(here[:, np.newaxis] - there).transpose(2, 0, 1))
        furthest = max(furthest, apart.min(axis=0).max(), apart.min(axis=1).max())
    return furthest


@pytest.mark.parametrize("constraint", ["line", "islands", "band", "well"])
def test_contours_are_those_of_the_dense_grid(maps: tuple[Path, Path], constraint: str) -> None:
    with open_scan(maps[1]) as dense:
        steps = np.array([np.diff(np.log(dense[name].values)).mean() for name in ("m_X", "g_X")])
        for data in (open_scan(maps[0], refined=True), open_drawn(maps[0])):
            assert steps_apart(data, dense, constraint, steps) < 0.1
        if constraint == "islands":
            assert len(contour_lines(dense, constraint)) == 2


def test_regions_of_a_sum_are_those_of_the_dense_grid(maps: tuple[Path, Path]) -> None:
    drawn, dense = open_drawn(maps[0]), open_scan(maps[1]).load()
    inside = []
    for data in (drawn, dense):
        total = data["delta_chi2"].sel(constraint=["band", "well"]).sum("constraint", min_count=1)
        inside.append([(total - total.min() < level).values for level in (2.296, 5.991)])
    for here, there in zip(*inside, strict=True):
        assert np.array_equal(here, there)
        assert here.any()
        assert not here.all()


def test_every_point_is_that_of_the_dense_grid_or_marked(maps: tuple[Path, Path]) -> None:
    verify(maps[0])
    refined, dense = open_scan(maps[0], refined=True), open_scan(maps[1]).load()
    known = (refined["status"] != NOT_COMPUTED).values
    assert (known == known[0]).all()
    assert 0.1 < known.mean() < 0.6
    assert info(maps[0])["refinement"]["points"] == known[0].sum() - 81
    for name in ("delta_chi2", "status", "observable/line"):
        here, there = refined[name].values, dense[name].values
        at = known if here.ndim == 3 else known[0]
        np.testing.assert_allclose(here[at], there[at], rtol=1e-6)
        assert not np.asarray(here[~at], float)[~np.isnan(here[~at].astype(float))].any()
    for name in ("m_X", "g_X"):
        np.testing.assert_allclose(refined[name], dense[name], rtol=1e-14)
    # The file itself is a map of the grid of the card, to all that know of no more
    with open_scan(maps[0]) as grid:
        assert grid.sizes["m_X"] == grid.sizes["g_X"] == 9
        assert (grid["status"] == 1).all()
        assert np.array_equal(grid["delta_chi2"], refined["delta_chi2"][:, ::8, ::8])


def test_what_is_drawn_between_points_is_on_their_side(maps: tuple[Path, Path]) -> None:
    refined, drawn = open_scan(maps[0], refined=True), open_drawn(maps[0])
    dense = open_scan(maps[1]).load()
    assert np.array_equal(refined["status"], drawn["status"])
    known = (refined["status"] != NOT_COMPUTED).values[0]
    for name in ("line", "islands"):
        values = drawn[f"observable/{name}"].values
        assert np.isfinite(values).all()
        assert np.array_equal(values[known], refined[f"observable/{name}"].values[known])
        assert np.array_equal(values > 1, dense[f"observable/{name}"].values > 1)


def test_figures_and_tables_read_the_finest_level(maps: tuple[Path, Path], tmp_path: Path) -> None:
    texts = [export(path, "csv", tmp_path / f"{path.stem}.csv").read_bytes() for path in maps]
    assert texts[0] == texts[1]
    from zscan.scans.plot import make_plot

    (_, caption) = make_plot(str(maps[0]), tmp_path / "plane.svg", {})
    assert "1/8 of its steps; interpolated between them" in " ".join(caption.read_text().split())
    axes = zscan.plot(maps[0])
    (outline,) = [item for item in axes.collections if item.get_gid() == "line/outline"]
    assert len(np.concatenate(outline.get_paths()[0].to_polygons(closed_only=False))) > 64


def test_a_smooth_line_costs_less_than_a_tenth(tmp_path: Path) -> None:
    table = card(17, constraints=[line], output={"observables": ["line"]}, refine={"levels": 4})
    data = open_scan(run_scan(table, tmp_path / "x.h5", progress=False), refined=True)
    known = (data["status"] != NOT_COMPUTED).values[0]
    assert known.shape == (257, 257)
    assert known.mean() < 0.05
    (found,) = contour_lines(data, "line")
    x, y = np.log10(found.points).T
    apart = np.abs(y + 2.3 - 0.4 * np.tanh(3 * (x + 1))) / (3 / 256)
    assert apart.max() < 0.1


def test_without_refine_nothing_changes(tmp_path: Path) -> None:
    plain = {key: value for key, value in small(100).items() if key != "refine"}
    spec = load_card(plain)
    assert spec.refinement is None
    assert "refine" not in spec.canonical()
    out = run_scan(plain, tmp_path / "x.h5", progress=False)
    with h5py.File(out) as file:
        assert "refined" not in file
        assert "refinement" not in file.attrs
    assert info(out)["refinement"] is None
    refined = run_scan(small(100), tmp_path / "y.h5", progress=False)
    with open_scan(out) as data, open_scan(refined) as grid:
        assert np.array_equal(data["status"], grid["status"])
        np.testing.assert_allclose(data["delta_chi2"], grid["delta_chi2"], rtol=1e-6)
        assert open_scan(out, refined=True).equals(data)
        assert open_drawn(out).equals(data)


def test_a_scan_that_was_stopped_goes_on_to_the_same_bytes(
    tmp_path: Path, one_program: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, table = tmp_path / "x.h5", small(128)
    whole = run_scan(table, tmp_path / "whole.h5", progress=False).read_bytes()
    every = sorted(one_program)
    assert len(every) == len(set(every)) > 8
    write = TileStore.write

    def stop(self: TileStore, tile: Any, *rest: Any) -> None:
        write(self, tile, *rest)
        if tile.index == every[5]:
            raise KeyboardInterrupt

    monkeypatch.setattr(TileStore, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        run_scan(table, out, progress=False)
    monkeypatch.setattr(TileStore, "write", write)
    status = scan_status(out)
    assert status.state == "stopped"
    assert "--resume" in status.advice[0]
    with pytest.raises(IncompleteScanError, match=r"not merged; it goes on with: .* --resume"):
        merge_scan(out)
    folder = shutil.copytree(tile_folder(out), tmp_path / "copy")
    one_program.clear()
    assert run_scan(table, out, resume=True, progress=False).read_bytes() == whole
    assert 0 < len(one_program) < len(every) - 3  # what was in flight is finished first
    assert every[-len(one_program) :] == sorted(one_program)
    assert not tile_folder(out).exists()
    # A damaged piece is computed again, and all after it
    shutil.copytree(folder, tile_folder(out))
    out.unlink()
    damaged = TileStore.load(out).folder / f"tile-{every[1]:06d}.h5"
    content = bytearray(damaged.read_bytes())
    content[-200] ^= 1
    damaged.write_bytes(content)
    one_program.clear()
    with pytest.warns(DamagedTileWarning, match=damaged.name):
        run_scan(table, out, resume=True, progress=False)
    assert out.read_bytes() == whole
    assert sorted(one_program) == every[1:]
    # A complete map is not computed again
    assert run_scan(table, out, resume=True, progress=False).read_bytes() == whole
    assert sorted(one_program) == every[1:]
    # Pieces of another size give the same numbers
    other = run_scan(small(50), tmp_path / "y.h5", progress=False)
    with open_scan(out, refined=True) as one, open_scan(other, refined=True) as two:
        assert np.array_equal(one["status"], two["status"])
        np.testing.assert_allclose(one["delta_chi2"], two["delta_chi2"], rtol=1e-6)


def test_points_that_are_not_finite_are_told(tmp_path: Path) -> None:
    @zscan.constraint("hole", measurement=zscan.Measurement(0.0, 1.0, excluded_above=1.0))
    def hole(point: Any) -> Any:
        _, y = _coordinates(point)
        return jnp.where(jnp.abs(y + 2.26) < 0.03, jnp.nan, 10 ** (y + 2.3))

    table = card(constraints=[hole], output={"observables": ["hole"]}, refine={"levels": 3})
    with pytest.warns(NotFiniteWarning, match=r"hole is not finite on \d+ points .* g_X = 0.00"):
        out = run_scan(table, tmp_path / "x.h5", progress=False)
    with open_scan(out) as grid:
        assert (grid["status"] == 1).all()
    with pytest.raises(NotFiniteError, match=r"hole at m_X = .* GeV, g_X = "):
        run_scan(table, tmp_path / "y.h5", strict=True, progress=False)


@pytest.mark.parametrize(
    "call",
    [
        lambda table, out: run_scan(table, out, shard=(1, 2)),
        lambda table, out: run_scan(table, out, executor="processes:2"),
        lambda table, out: prepare_submission(table, 2, out),
    ],
)
def test_a_refined_scan_is_not_divided(tmp_path: Path, call: Callable[..., Any]) -> None:
    table = card(refine=REFINE, output=card()["output"] | {"tile_points": 9})
    with pytest.raises(ParameterError, match=r"not possible with \[refine\]"):
        call(table, tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_what_a_refined_scan_would_do_is_told() -> None:
    found = plan(small(100))["refine"]
    assert found["finest"] == {"m_X": 33, "g_X": 33}
    assert found["constraints"] == ["line", "well"]
    json.dumps(found)
    with pytest.raises(CardError, match=r"refine\.constraints\.0"):
        load_card(card(refine={"levels": 1, "constraints": ["lime"]}))


@pytest.mark.parametrize("what", ["index", "shape", "axis", "missing"])
def test_a_map_whose_levels_do_not_fit_is_refused(
    maps: tuple[Path, Path], tmp_path: Path, what: str
) -> None:
    copy = tmp_path / "x.h5"
    shutil.copyfile(maps[0], copy)
    with open_scan(maps[0]) as data, h5py.File(copy, "r+") as file:
        group = file["refined"]
        if what == "index":
            group["index"][0] = 65.0
        elif what == "missing":
            del group["delta_chi2"]
        else:
            name = {"shape": "status", "axis": "m_X"}[what]
            values = group[name][..., :-1]
            del group[name]
            group[name] = values
        with pytest.raises(CorruptFileError, match="refined"):
            on_finest(data, file)
    with open_scan(maps[0]) as data, pytest.raises(ForeignFileError, match="refinement"):
        zscan.plot(data.assign_attrs(refinement='{"levels": 99}'))


@given(st.integers(1, 4), st.floats(0.35, 0.7), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_every_crossed_cell_is_cut(levels: int, radius: float, x: float, y: float) -> None:
    cells = Cells((4, 5), levels, 1)
    size = np.array(cells.shape) - 1
    places = wanted = cells.grid()
    while len(wanted):
        beyond = np.hypot(*(wanted / size - (x, y)).T) > radius
        cells.note(wanted, {0: (beyond, ~beyond)})
        wanted = cells.cut()
        places = np.concatenate([places, wanted])
    known = np.zeros(cells.shape, bool)
    known[tuple(places.T)] = True
    assert known.sum() == len(places)
    nodes = np.moveaxis(np.indices(cells.shape), 0, -1)
    beyond = np.hypot(*np.moveaxis(nodes / size - (x, y), -1, 0)) > radius
    # Both cells at an edge that is crossed between known nodes are of the smallest size
    for there, side in ((known, beyond), (known.T, beyond.T)):
        crossed = there[1:] & there[:-1] & (side[1:] != side[:-1])
        assert crossed.any()
        for i, j in np.argwhere(crossed):
            assert there[i : i + 2, max(j - 1, 0) : j + 2].all()
