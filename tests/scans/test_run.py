"""Whole scans: the numbers, their status, and what survives a kill, an interrupt, a full disk."""

from __future__ import annotations

import copy
import dataclasses
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import zscan.scans.executors
import zscan.scans.header
from zscan.errors import (
    CorruptFileError,
    DamagedTileWarning,
    IncompleteScanError,
    NotFiniteWarning,
    ParameterError,
    ResultExistsError,
    ResumeMismatchError,
    StorageError,
)
from zscan.likelihood import Description, Term, log_likelihood
from zscan.results.load import open_scan
from zscan.results.schema import info, verify
from zscan.scans.journal import numbers
from zscan.scans.run import merge_scan, plan, run_scan
from zscan.scans.spec import load_card
from zscan.scans.store import TileStore, tile_folder

CARD: dict[str, Any] = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "trident_ccfr"],
    "axis": {
        "eps": {"values": [0.0, 1e-4]},
        "m_X": {"min": 1e-2, "max": 2.0, "num": 7, "scale": "log"},
        "g_X": {"min": 1e-5, "max": 1e-1, "num": 9, "scale": "log"},
    },
    "output": {"observables": ["delta_a_mu"], "tile_points": 20},
}


def changed(**sections: Any) -> dict[str, Any]:
    return copy.deepcopy(CARD) | sections


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.mark.parametrize(("tile_points", "tiles"), [(20, 8), (1, 126), (8, 28), (10**6, 1)])
def test_a_map_holds_what_the_likelihood_gives(
    tmp_path: Path, tile_points: int, tiles: int
) -> None:
    card = changed(
        output={"dtype": "float64", "observables": ["delta_a_mu"], "tile_points": tile_points}
    )
    assert load_card(card).grid.count == tiles
    out = run_scan(card, tmp_path / "map.h5", progress=False)
    verify(out)
    assert [path.name for path in tmp_path.iterdir()] == ["map.h5"]
    likelihood = log_likelihood("Lmu-Ltau", CARD["constraints"])
    with open_scan(out) as scan:
        assert scan.delta_chi2.dims == ("constraint", "eps", "m_X", "g_X")
        eps, m_X, g_X = (scan[name].values for name in ("eps", "m_X", "g_X"))
        terms = likelihood.evaluate(
            {"eps": eps[:, None, None], "m_X": m_X[None, :, None], "g_X": g_X[None, None, :]}
        )
        for name in CARD["constraints"]:
            np.testing.assert_allclose(
                scan.delta_chi2.sel(constraint=name), terms[name].delta_chi2, rtol=1e-10, atol=1e-10
            )
            assert scan.chi2_zero.sel(constraint=name) == likelihood.chi2_zero[name]
        np.testing.assert_allclose(
            scan["observable/delta_a_mu"], terms["delta_a_mu"].observable, rtol=1e-12
        )
        assert (scan.status == 1).all()


@dataclasses.dataclass(frozen=True)
class Known:
    """A likelihood of known values, every term on another shape."""

    constraints: tuple[str, ...] = ("delta_a_mu", "trident_ccfr", "borexino")
    chi2_zero = dict.fromkeys(("delta_a_mu", "trident_ccfr", "borexino"), 2.0)

    def terms_and_observables(
        self, parameters: Mapping[str, Array], names: Sequence[str]
    ) -> tuple[dict[str, Term], dict[str, Array]]:
        m_X, g_X = parameters["m_X"], parameters["g_X"]
        inside = m_X < 0.5
        huge = jnp.where(g_X > 1, jnp.inf, jnp.where(g_X < 0.1, 1e300, jnp.nan))
        terms = {
            "delta_a_mu": Term(m_X * g_X + parameters["eps"], m_X * g_X, jnp.asarray(True)),
            "trident_ccfr": Term(jnp.where(inside, m_X, jnp.nan), m_X, inside),
            "borexino": Term(huge, g_X, jnp.asarray(True)),
        }
        return terms, {name: terms[name].observable for name in names}

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def describe(self, stored: Sequence[str] = ()) -> Description:
        return log_likelihood("Lmu-Ltau", self.constraints).describe(stored)


def test_status_and_broadcasting(tmp_path: Path) -> None:
    card = changed(
        constraints=["delta_a_mu", "trident_ccfr", "borexino"],
        axis={"m_X": {"values": [0.1, 0.4, 0.6]}, "g_X": {"values": [0.05, 0.5, 5.0, 6.0]}},
        fixed={"eps": 0.25},
        output={"observables": ["trident_ccfr"], "tile_points": 8},
    )
    spec = dataclasses.replace(load_card(card), likelihood=Known())
    with pytest.warns(NotFiniteWarning, match=r"borexino is not finite on 9 points .* g_X = 0\.5$"):
        out = run_scan(spec, tmp_path / "map.h5", progress=False)
    with open_scan(out) as scan:
        m_X, g_X = np.meshgrid(scan.m_X, scan.g_X, indexing="ij")
        np.testing.assert_allclose(scan.delta_chi2[0], m_X * g_X + 0.25, rtol=1e-7)
        np.testing.assert_array_equal(scan.status[0], 1)
        np.testing.assert_allclose(scan.delta_chi2[1], np.where(m_X < 0.5, m_X, np.nan), rtol=1e-7)
        np.testing.assert_array_equal(scan.status[1], np.where(m_X < 0.5, 1, 2))
        # beyond float32 but finite; neither finite nor out of range
        np.testing.assert_array_equal(scan.status[2], np.where(g_X < 0.1, 1, 3))
        np.testing.assert_array_equal(scan.delta_chi2[2, :, 0], np.finfo(np.float32).max)
        assert not np.isfinite(scan.delta_chi2[2, :, 1:]).any()
        np.testing.assert_allclose(scan["observable/trident_ccfr"], m_X, rtol=1e-7)


def test_an_existing_map_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = run_scan(CARD, progress=False)
    assert out == Path("results/small.h5")
    first = out.read_bytes(), out.stat().st_mtime_ns
    tile_folder(out).mkdir()  # as if killed before the tiles were gone
    (tile_folder(out) / "tile-000000.h5").touch()
    (tile_folder(out) / "spec.json").write_text('{"schema": "zscan-tile"}')
    with pytest.raises(ResultExistsError, match=r"small\.h5 exists; --force"):
        run_scan(CARD)
    assert run_scan(CARD, resume=True) == out
    assert (out.read_bytes(), out.stat().st_mtime_ns) == first
    assert not tile_folder(out).exists()
    with pytest.raises(ResumeMismatchError, match=r"axis\.m_X\.num: 7 on disk, 8 asked for"):
        run_scan(CARD, resume=True, overrides=["axis.m_X.num=8"])
    run_scan(CARD, force=True, overrides=["axis.m_X.num=8"], progress=False)
    assert open_scan(out).sizes["m_X"] == 8
    assert run_scan(CARD, force=True, progress=False).read_bytes() == first[0]


def test_shards_make_the_map_together(tmp_path: Path) -> None:
    whole = run_scan(CARD, tmp_path / "whole.h5", progress=False)
    out = tmp_path / "map.h5"
    assert run_scan(CARD, out, shard=(2, 3), progress=False) == out
    assert TileStore.load(out).survey()[0] == {1, 4, 7}
    with pytest.raises(ResultExistsError, match="3 of 8 tiles"):
        run_scan(CARD, out)
    with pytest.raises(
        ResumeMismatchError, match=r"fixed\.charge\.L\.mu: nothing on disk, 1\.0 asked for"
    ):
        run_scan(CARD, out, shard=(1, 3), overrides=["fixed.charge.L.mu=1"])
    with pytest.raises(IncompleteScanError, match=r"5 of 8 tiles are missing \(0, 2, 3, 5, 6\)"):
        merge_scan(out)

    merge_scan(out, partial=True)
    verify(out, allow_partial=True)
    with open_scan(out, allow_partial=True) as part, open_scan(whole) as full:
        computed = part.status.values != 0
        grid = load_card(CARD).grid
        assert computed.sum() == 2 * sum(np.prod(grid.tile(index).shape) for index in (1, 4, 7))
        np.testing.assert_array_equal(
            part.delta_chi2.values[computed], full.delta_chi2.values[computed]
        )
        assert np.isnan(part.delta_chi2.values[~computed]).all()
        assert json.loads(part.attrs["missing_tiles"]) == [0, 2, 3, 5, 6]

    for number in (1, 2, 3):  # number 2 finds its tiles done
        run_scan(CARD, out, shard=(number, 3), progress=False)
    merge_scan(out)
    assert out.read_bytes() == whole.read_bytes()
    assert not tile_folder(out).exists()
    assert run_scan(CARD, out, shard=(1, 3)) == out  # nothing left to do


def test_a_partial_map_is_completed_by_resume(tmp_path: Path) -> None:
    out = tmp_path / "map.h5"
    run_scan(CARD, out, shard=(1, 2), progress=False)
    merge_scan(out, partial=True)
    run_scan(CARD, out, resume=True, progress=False)
    with open_scan(out) as scan:
        assert json.loads(scan.attrs["missing_tiles"]) == []
        assert (scan.status == 1).all()


def test_a_damaged_map_is_never_called_finished(tmp_path: Path) -> None:
    out = run_scan(CARD, tmp_path / "map.h5", progress=False)
    run_scan(CARD, tmp_path / "other.h5", shard=(1, 1), progress=False)
    tile_folder(tmp_path / "other.h5").rename(tile_folder(out))
    whole = out.read_bytes()
    with open_scan(out) as scan:
        start = whole.index(scan.delta_chi2.values[0].tobytes())
    out.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    for again in (lambda: run_scan(CARD, out, resume=True), lambda: merge_scan(out)):
        with pytest.raises(
            CorruptFileError, match=r"digest of delta_chi2 .* delete it and run again"
        ):
            again()
    assert TileStore.load(out).survey()[0] == set(range(8))  # still there to make it again from
    assert merge_scan(out, force=True).read_bytes() == whole
    start = whole.index(b"OHDR") + 8  # metadata: HDF5 does not get to read it
    out.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    with pytest.raises(CorruptFileError, match="seal"):
        run_scan(CARD, out, resume=True)
    assert run_scan(CARD, out, force=True, progress=False).read_bytes() == whole


def test_tiles_of_another_jax_are_not_taken_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, now = tmp_path / "map.h5", zscan.scans.header.version
    with monkeypatch.context() as patch:
        patch.setattr(
            zscan.scans.header, "version", lambda name: "0.0.1" if name == "jax" else now(name)
        )
        run_scan(CARD, out, shard=(1, 2), progress=False)
    difference = rf"jax 0\.0\.1 on disk, {re.escape(now('jax'))} now"
    with pytest.raises(ResumeMismatchError, match=difference):
        run_scan(CARD, out, resume=True, progress=False)
    run_scan(CARD, out, resume=True, progress=False, allow_version_change=True)
    verify(out)
    said = info(out)
    assert said["versions"]["jax"] == now("jax")
    assert [item["jax"] for item in said["other_versions"]] == ["0.0.1"]
    with open_scan(out) as scan:
        assert (scan.status == 1).all()


def damage(store: TileStore) -> tuple[int, ...]:
    """Make tiles wrong in every way: a byte of the values, an end that is missing, nothing at all,
    no HDF5, one of another number. Returns their numbers.
    """
    ways = (0, 1, 2, 4, 5)
    paths = [store.path(store.grid.tile(index)) for index in range(7)]
    whole = paths[0].read_bytes()
    start = whole.index(store.read(store.grid.tile(0))[0]["delta_chi2"][1].tobytes())
    paths[0].write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    paths[2].write_bytes(b"")
    paths[4].write_text("these are not the bytes of a tile")
    paths[5].write_bytes(paths[6].read_bytes())
    return ways


def test_damaged_tiles_stop_a_merge_and_are_computed_again(tmp_path: Path) -> None:
    whole = run_scan(CARD, tmp_path / "whole.h5", progress=False)
    out = tmp_path / "map.h5"
    run_scan(CARD, out, shard=(1, 1), progress=False)
    store = TileStore.load(out)
    wrong = damage(store)
    names = ".*".join(rf"tile-00000{index}\.h5 \([\w ]+\)" for index in wrong)
    for partial in (False, True):
        with pytest.raises(CorruptFileError, match=names) as refused:
            merge_scan(out, partial=partial)
        assert refused.value.exit_code == 4
        assert not out.exists()
    with pytest.warns(DamagedTileWarning, match=names) as told:
        run_scan(CARD, out, resume=True, progress=False)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    assert out.read_bytes() == whole.read_bytes()


def test_a_shard_checks_its_own_tiles(tmp_path: Path) -> None:
    out = tmp_path / "map.h5"
    run_scan(CARD, out, shard=(1, 1), progress=False)
    damage(TileStore.load(out))
    with pytest.warns(DamagedTileWarning, match=r": tile-000000.*tile-000002.*tile-000004[^,]*$"):
        run_scan(CARD, out, shard=(1, 2), progress=False)
    with pytest.warns(DamagedTileWarning, match=r": tile-000001.*tile-000005[^,]*$"):
        run_scan(CARD, out, shard=(2, 2), progress=False)
    verify(merge_scan(out))


def test_payload_faults_of_all_tiles_are_listed(tmp_path: Path) -> None:
    out = tmp_path / "map.h5"
    run_scan(CARD, out, shard=(1, 1), progress=False)
    store = TileStore.load(out)
    for index in (2, 5):
        path, rows = store.path(store.grid.tile(index)), store.read(store.grid.tile(index))[0]
        whole = path.read_bytes()
        start = whole.index(rows["delta_chi2"][1].tobytes())
        path.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    with pytest.raises(CorruptFileError, match=r"(?s)tile 2: delta_chi2.*tile 5: delta_chi2"):
        merge_scan(out)
    assert not out.exists()


def test_a_full_disk_ends_the_scan_and_keeps_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = os.pwrite, 0

    def full_after_three_tiles(descriptor: int, data: memoryview, offset: int) -> int:
        nonlocal count
        count += 1
        if count > 3 * 5:  # rows of a tile
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data, offset)

    out = tmp_path / "map.h5"
    monkeypatch.setattr(os, "pwrite", full_after_three_tiles)
    monkeypatch.setattr(zscan.scans.executors, "_WRITERS", 1)
    with pytest.raises(StorageError, match=r"map\.h5: no space left"):
        run_scan(CARD, out, progress=False)
    monkeypatch.undo()
    assert len(TileStore.load(out).survey()[0]) == 3
    verify(run_scan(CARD, out, resume=True, progress=False))


def test_a_scan_that_cannot_fit_does_not_start(tmp_path: Path) -> None:
    huge = ["axis.m_X.num=1000000", "axis.g_X.num=1000000"]
    with pytest.raises(StorageError, match=r"map\.h5: \d{14,} bytes are needed, \d+ are free"):
        run_scan(CARD, tmp_path / "map.h5", overrides=[*huge, "output.tile_points=100000000"])
    assert list(tmp_path.rglob("tile-*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executor": "dusk"}, "executor 'dusk' is not known; allowed: did you mean 'dask'"),
        ({"shard": (0, 3)}, "1 <= i <= n"),
        ({"shard": (4, 3)}, "1 <= i <= n"),
        ({"shard": (1, 3), "force": True}, "tiles of the others"),
        ({"resume": True, "force": True}, "exclude each other"),
    ],
)
def test_impossible_arguments(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        run_scan(CARD, tmp_path / "map.h5", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_plan_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan(CARD, ["axis.m_X.num=8"])
    assert (found["points"], found["tiles"], found["tile_shape"]) == (2 * 8 * 9, 8, [1, 2, 9])
    assert found["map_bytes"] == 2 * 8 * 9 * (2 * (4 + 1) + 4)
    assert found["estimated_seconds"] > 0
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import json, sys, time
from zscan.scans.run import run_scan
from zscan.scans.store import TileStore

write = TileStore.write
def slow(*arguments):
    time.sleep(0.03)
    write(*arguments)
TileStore.write = slow

if __name__ == "__main__":
    run_scan(json.loads(sys.argv[1]), sys.argv[2], resume=sys.argv[3] == "resume", progress=False)
"""


def start(
    out: Path, mode: str, card: dict[str, Any], **environment: str
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, json.dumps(card), str(out), mode]
    return subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE)


def test_a_killed_scan_continues_to_the_same_bytes(tmp_path: Path) -> None:
    card = changed(constraints=["delta_a_mu"], output=CARD["output"] | {"tile_points": 5})
    undisturbed = run_scan(card, tmp_path / "undisturbed.h5", progress=False)
    out = tmp_path / "map.h5"
    count, mode = load_card(card).grid.count, "new"
    for number, tiles in ((signal.SIGKILL, 3), (signal.SIGTERM, 11)):
        process = start(out, mode, card)
        while process.poll() is None and len(numbers(tile_folder(out))) < tiles:
            time.sleep(0.005)
        process.send_signal(number)
        _, errors = process.communicate()
        mode = "resume"
        done, faults = TileStore.load(out).survey()
        assert not faults
        assert tiles <= len(done) < count
        assert not out.exists()
        if number == signal.SIGTERM:
            assert errors.decode().rstrip().endswith("KeyboardInterrupt")
            assert list(tile_folder(out).glob(".*")) == []
        else:
            assert process.returncode == -signal.SIGKILL
    run_scan(card, out, resume=True, progress=False)
    assert out.read_bytes() == undisturbed.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.h5", "undisturbed.h5"]


def test_several_devices_give_the_same_bytes(tmp_path: Path) -> None:
    one = run_scan(CARD, tmp_path / "one.h5", progress=False)
    process = start(
        tmp_path / "eight.h5", "new", CARD, XLA_FLAGS="--xla_force_host_platform_device_count=8"
    )
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert (tmp_path / "eight.h5").read_bytes() == one.read_bytes()
