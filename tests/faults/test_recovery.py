"""The run engine with left-over folders, points that are not finite and failing devices."""

from __future__ import annotations

import dataclasses
import socket
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.errors import JaxRuntimeError

import zscan.scans.store
from zscan.cli import main
from zscan.errors import (
    DeviceError,
    NotFiniteError,
    NotFiniteWarning,
    StorageError,
)
from zscan.likelihood import Description, Term, log_likelihood
from zscan.results.load import open_scan
from zscan.results.schema import verify
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.spec import load_card
from zscan.scans.store import tile_folder
from zscan.scans.tiles import TileEvaluator


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.toml"}


@pytest.mark.parametrize("left", ["nothing", "spec.json", "tiles"])
def test_a_complete_map_wins(tmp_path: Path, card: Path, left: str) -> None:
    out = tmp_path / "map.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    folder = tile_folder(out)
    spec = (folder / "spec.json").read_bytes()
    before = merge_scan(out).read_bytes()
    for arguments in (["run", str(card), "-o", str(out), "--resume"], ["merge", str(out)]):
        folder.mkdir()
        if left == "spec.json":
            (folder / left).write_bytes(spec)
        elif left == "tiles":
            (folder / "tile-000000.h5").write_bytes(b"")
            (folder / f".tile-000001.h5.999999999-0@{socket.gethostname()}.tmp").touch()
        assert main(arguments) == 0
        assert names(tmp_path) == {"map.h5"}
    assert out.read_bytes() == before


def test_every_state_of_a_removal_can_be_continued(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    out = tmp_path / "map.h5"
    overrides = ["axis.m_X.values=[0.01]", "output.tile_points=20"]
    unlink = Path.unlink
    for allowed in range(4):  # two tiles, spec.json, the folder
        run_scan(card, out, shard=(1, 1), overrides=overrides, progress=False)
        left = allowed

        def counted(path: Path, missing_ok: bool = False) -> None:
            nonlocal left
            if path.parent.name == "map.h5.tiles" and path.suffix in (".h5", ".json"):
                if left == 0:
                    raise Killed
                left -= 1
            unlink(path, missing_ok)

        def never(path: Path) -> None:
            raise Killed

        monkeypatch.setattr(Path, "unlink", counted)
        monkeypatch.setattr(Path, "rmdir", never)
        with pytest.raises(Killed):
            merge_scan(out)
        monkeypatch.undo()
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert tile_folder(out).exists()
        if allowed % 2:
            merge_scan(out)
        else:
            run_scan(card, out, resume=True, overrides=overrides, progress=False)
        assert names(tmp_path) == {"map.h5"}
        verify(out)
        out.unlink()


def test_tiles_of_another_scan_stay(tmp_path: Path, card: Path) -> None:
    out, other = tmp_path / "map.h5", tmp_path / "other.h5"
    run_scan(card, out, progress=False)
    run_scan(card, other, shard=(1, 3), overrides=["fixed.eps=1e-4"], progress=False)
    tile_folder(other).rename(tile_folder(out))
    assert run_scan(card, out, resume=True) == out
    assert len(names(tile_folder(out))) > 1


def test_a_merge_removes_temporaries_of_killed_ones(tmp_path: Path, card: Path) -> None:
    out = tmp_path / "map.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    (tmp_path / f".map.h5.999999999-3@{socket.gethostname()}.tmp").write_bytes(b"1" * 1000)
    merge_scan(out)
    assert names(tmp_path) == {"map.h5"}
    with pytest.raises(StorageError, match="no tiles of a scan here"):
        merge_scan(tmp_path / "no" / "map.h5")
    assert not (tmp_path / "no").exists()


def test_names_of_a_new_tile_folder_are_synced(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(zscan.scans.store, "sync_folder", synced.append)
    run_scan(card, tmp_path / "map.h5", progress=False)
    assert synced == [tmp_path]


@dataclasses.dataclass(frozen=True)
class Hollow:
    """A likelihood that is not finite for large couplings of a heavy X, in one of its terms."""

    constraints: tuple[str, ...] = ("delta_a_mu", "borexino")
    chi2_zero = dict.fromkeys(("delta_a_mu", "borexino"), 0.0)

    def terms_and_observables(
        self, parameters: Mapping[str, Array], names: Sequence[str]
    ) -> tuple[dict[str, Term], dict[str, Array]]:
        m_X, g_X = parameters["m_X"], parameters["g_X"]
        hole = jnp.where((m_X > 0.05) & (g_X > 1e-3), jnp.nan, m_X * g_X)
        valid = m_X < 0.5
        return {
            "delta_a_mu": Term(m_X * g_X, g_X, jnp.asarray(True)),
            "borexino": Term(hole, g_X, valid),
        }, {}

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def describe(self, stored: Sequence[str] = ()) -> Description:
        return log_likelihood("Lmu-Ltau", self.constraints).describe(stored)


def test_points_that_are_not_finite(tmp_path: Path, card: Path) -> None:
    spec = dataclasses.replace(load_card(card), likelihood=Hollow())
    g_X = spec.axes[1].values
    count, first = int((g_X > 1e-3).sum()), float(g_X[g_X > 1e-3][0])
    text = rf"borexino at m_X = 0\.1 GeV, g_X = {first!r};"
    out = tmp_path / "map.h5"
    with pytest.raises(NotFiniteError, match=text) as strict:
        run_scan(spec, out, strict=True, progress=False)
    assert strict.value.exit_code == 3
    assert not out.exists()
    with pytest.raises(NotFiniteError, match=text):  # the tile is among those that are kept
        run_scan(spec, out, strict=True, resume=True, progress=False)
    told = rf"{out}: borexino is not finite on {count} points .* m_X = 0\.1 GeV, g_X = {first!r}$"
    with pytest.warns(NotFiniteWarning, match=told):
        run_scan(spec, out, resume=True, progress=False)
    with open_scan(out) as scan:
        assert int((scan.status == 3).sum()) == count
    parts = tmp_path / "parts.h5"
    with pytest.warns(NotFiniteWarning, match=told.replace("map.h5", "parts.h5")):
        run_scan(spec, parts, shard=(1, 1), progress=False)
    with pytest.warns(NotFiniteWarning, match=told.replace("map.h5", "parts.h5")):
        merge_scan(parts)
    with pytest.raises(NotFiniteError, match=text):
        run_scan(spec, tmp_path / "shard.h5", shard=(1, 1), strict=True, progress=False)


def test_strict_scans_of_finite_numbers_pass(tmp_path: Path, card: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["run", str(card), "-o", str(tmp_path / "map.h5"), "--strict"]) == 0


class Failing:
    """The compiled evaluation of a tile on a device that fails the first calls."""

    def __init__(self, program: Any, errors: list[BaseException]) -> None:
        self.program, self.errors = program, errors
        self.spec, self.devices = program.spec, program.devices
        self.last, self.calls = {}, 0

    def __call__(self, slices: Sequence[slice]) -> Any:
        self.calls += 1
        rows = self.program(slices)
        if not self.errors:
            return rows
        error = self.errors.pop(0)
        if isinstance(error, MemoryError):
            raise error  # at the start; errors of the device show when one waits

        def fail() -> Any:
            raise error

        return fail


def trouble(text: str) -> BaseException:
    return JaxRuntimeError(text)


OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."


@pytest.mark.parametrize(
    "error", [MemoryError(), trouble(OUT_OF_MEMORY), trouble("INTERNAL: CUDA_ERROR_ECC")]
)
def test_a_tile_is_evaluated_in_halves_after_trouble(card: Path, error: BaseException) -> None:
    spec = load_card(card, ["output.tile_points=9"])
    evaluator = TileEvaluator(spec, spec.grid)
    tiles = [spec.grid.tile(index) for index in (0, 4)]  # the last of a row is a short one
    assert [tile.shape for tile in tiles] == [(1, 8), (1, 8)]
    for tile in tiles:
        expected = evaluator(tile)()
        whole = evaluator.whole
        evaluator.whole = Failing(whole, [error])  # type: ignore[assignment]
        found = evaluator(tile)()
        evaluator.wait()
        evaluator.whole = whole
        assert found.keys() == expected.keys()
        for name, rows in expected.items():
            for one, other in zip(found[name], rows, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.flags.c_contiguous


def test_trouble_that_stays_is_named_with_advice(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_card(card, ["output.tile_points=8"])
    evaluator = TileEvaluator(spec, spec.grid)
    errors = [trouble(OUT_OF_MEMORY), trouble(OUT_OF_MEMORY)]
    evaluator.whole = Failing(evaluator.whole, errors)  # type: ignore[assignment]
    evaluator.__dict__["_half"] = Failing(evaluator._half, errors)
    with pytest.raises(DeviceError, match=r"tile 3 .*Out of memory.*tile_points below 4"):
        evaluator(spec.grid.tile(3))()
    assert not errors
    faulty = Failing(evaluator.whole.program, [trouble("INVALID_ARGUMENT: a fault of ours")])
    evaluator.whole = faulty  # type: ignore[assignment]
    with pytest.raises(JaxRuntimeError, match="INVALID_ARGUMENT"):
        evaluator(spec.grid.tile(0))()


def test_a_scan_survives_trouble_with_the_same_bytes(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run_scan(card, tmp_path / "one.h5", progress=False)
    start = TileEvaluator.__init__

    def failing(self: TileEvaluator, *arguments: Any) -> None:
        start(self, *arguments)
        self.whole = Failing(self.whole, [trouble(OUT_OF_MEMORY)] * 5)  # type: ignore[assignment]

    monkeypatch.setattr(TileEvaluator, "__init__", failing)
    out = run_scan(card, tmp_path / "two.h5", progress=False)
    assert out.read_bytes() == undisturbed.read_bytes()
