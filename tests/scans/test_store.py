"""Tiles on disk: atomic, deterministic, and never silently wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zscan.results.files
from zscan.errors import (
    CorruptFileError,
    ForeignFileError,
    ResultExistsError,
    ResumeMismatchError,
    StorageError,
)
from zscan.results.layout import (
    MapAxis,
    MapConstraint,
    MapHeader,
    MapObservable,
    row_digests,
    value_digest,
)
from zscan.results.load import open_scan
from zscan.results.schema import write_map
from zscan.scans.agreement import differing_keys
from zscan.scans.store import TileStore, tile_folder

ROOT_ATTRIBUTES = ("card", "spec_hash", "model", "command")
VERSIONS = {"zscan": "1", "jax": "2", "jaxlib": "3", "numpy": "4", "h5py": "5"}


def header(canonical: Mapping[str, Any], **versions: str) -> MapHeader:
    axes = (
        MapAxis("m_X", "GeV", "mass", (0.1, 0.2, 0.3)),
        MapAxis("g_X", "1", "coupling", (1e-3, 1e-2, 1e-1, 1.0)),
    )
    constraints = tuple(
        MapConstraint(name, name, ("key",), "published", "95 %", 1.0, 1.5, None, 0.95)
        for name in ("a", "b/c")
    )
    return MapHeader(
        axes,
        constraints,
        (MapObservable("b/c", "R", "1", ("key",)),),
        "float32",
        (2, 4),
        dict.fromkeys(ROOT_ATTRIBUTES, "{}")
        | {"spec": json.dumps(canonical), "versions": json.dumps(VERSIONS | versions)}
        | {"other_versions": "[]"},
    )


def store(out: Path, spec: str = "0", **versions: str) -> TileStore:
    canonical = {
        "spec": spec,
        "zscan": (VERSIONS | versions)["zscan"],
        "axis": {"m_X": {"num": 3}},
        "constraints": ["a", "b/c"],
        "output": {"dtype": "float32", "observables": ["b/c"], "tile_points": 8},
    }
    return TileStore(out, value_digest(canonical), canonical, header(canonical, **versions))


def values(store: TileStore, index: int) -> dict[str, list[np.ndarray]]:
    shape = store.grid.tile(index).shape
    random = np.random.default_rng(index)
    return {
        field.name: [
            (100 * random.random(shape)).astype(field.dtype) for _ in range(field.rows or 1)
        ]
        for field in store.header.fields
    }


def fill(store: TileStore, index: int) -> None:
    rows = values(store, index)
    store.write(
        store.grid.tile(index), rows, {name: row_digests(parts) for name, parts in rows.items()}
    )


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TileStore:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    tiles = store(tmp_path / "map.h5")
    tiles.prepare(resume=False, force=False)
    for tile in tiles.grid:
        fill(tiles, tile.index)
    return tiles


def test_a_tile_comes_back_as_written(filled: TileStore) -> None:
    assert filled.survey()[0] == {0, 1}
    tile = filled.grid.tile(1)
    (rows, digests), expected = filled.read(tile), values(filled, 1)
    assert tile.shape == (1, 4)
    for field in filled.header.fields:
        np.testing.assert_array_equal(rows[field.name], expected[field.name])
        assert digests[field.name] == row_digests(expected[field.name])
    assert [path.name for path in filled.folder.glob(".*")] == []


def test_equal_values_give_equal_bytes(filled: TileStore, tmp_path: Path) -> None:
    other = store(tmp_path / "other.h5")
    other.prepare(resume=False, force=False)
    tile = filled.grid.tile(0)
    fill(other, 0)
    assert other.path(tile).read_bytes() == filled.path(tile).read_bytes()


def test_leftover_tiles_need_a_decision(filled: TileStore, tmp_path: Path) -> None:
    again = store(tmp_path / "map.h5")
    with pytest.raises(ResultExistsError, match=r"2 of 2 tiles.*--resume.*--force"):
        again.prepare(resume=False, force=False)
    again.prepare(resume=True, force=False)
    assert again.survey()[0] == {0, 1}
    again.prepare(resume=False, force=True)
    assert again.survey()[0] == frozenset()


def test_tiles_of_another_spec_are_refused_and_never_taken(
    filled: TileStore, tmp_path: Path
) -> None:
    other = store(tmp_path / "map.h5", "1")
    with pytest.raises(ResumeMismatchError, match=r"spec: '0' on disk, '1' asked for"):
        other.prepare(resume=True, force=False)
    # the hash in each tile decides, whatever spec.json says
    assert other.survey() == (frozenset(), dict.fromkeys((0, 1), "not of this scan"))
    with pytest.raises(CorruptFileError, match="not a tile of this scan"):
        other.read(other.grid.tile(0))
    filled.path(filled.grid.tile(1)).write_bytes(filled.path(filled.grid.tile(0)).read_bytes())
    # a tile under the number of another one
    assert filled.survey() == ({0}, {1: "not of this scan"})


def test_differing_keys_show_both_values() -> None:
    stored = {"axis": {"m_X": {"min": (0.001).hex(), "num": 3}}, "fixed": {}}
    asked = {"axis": {"m_X": {"min": (0.002).hex(), "num": 3}}, "fixed": {"eps": (1.0).hex()}}
    assert differing_keys(stored, stored) == []
    assert differing_keys(stored, asked) == [
        "axis.m_X.min: 0.001 on disk, 0.002 asked for",
        "fixed.eps: nothing on disk, 1.0 asked for",
    ]


def test_the_store_is_found_again_without_the_card(filled: TileStore, tmp_path: Path) -> None:
    found = TileStore.load(tmp_path / "map.h5")
    assert (found.header, found.hash, found.canonical, found.identity) == (
        filled.header,
        filled.hash,
        filled.canonical,
        filled.identity,
    )
    (found.folder / "spec.json").write_text("{}")
    with pytest.raises(CorruptFileError, match=r"spec\.json"):
        TileStore.load(tmp_path / "map.h5")
    with pytest.raises(StorageError, match=r"none\.h5\.tiles"):
        TileStore.load(tmp_path / "none.h5")


def rewrite(tiles: TileStore, change: Callable[[dict[str, Any]], object]) -> None:
    """Change spec.json and give it the digest that goes with the change."""
    path = tiles.folder / "spec.json"
    table = json.loads(path.read_text())
    del table["digest"]
    change(table)
    rest = json.dumps(table)[1:]
    path.write_text(f'{{"digest": "{hashlib.sha256(rest.encode()).hexdigest()}", {rest}')


def third_axis_value(table: dict[str, Any]) -> None:
    table["header"]["axes"][0]["values"].append(0.4)


FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "spec": (lambda table: table["spec"].update(spec="1"), "spec, spec_hash"),
    "hash": (lambda table: table.update(spec_hash="0" * 64), "spec_hash"),
    "axis": (third_axis_value, "axis.m_X.num"),
    "constraints": (
        lambda table: table["header"]["constraints"][0].update(name="c"),
        "constraints",
    ),
    "dtype": (lambda table: table["header"].update(dtype="float64"), "output"),
    "block": (lambda table: table["header"].update(block=[1, 4]), "tile_shape"),
    "observable": (lambda table: table["header"].update(observables=[]), "output"),
    "copy": (lambda table: table["header"]["attributes"].update(spec="{}"), "spec"),
}


@pytest.mark.parametrize(("change", "parts"), FORGED.values(), ids=FORGED)
def test_header_and_spec_must_agree(
    filled: TileStore, change: Callable[[dict[str, Any]], object], parts: str
) -> None:
    rewrite(filled, change)
    with pytest.raises(CorruptFileError, match=f"disagree in {re.escape(parts)}"):
        TileStore.load(filled.out)


def test_a_run_notices_a_header_of_its_spec_that_is_not_its_own(filled: TileStore) -> None:
    """What the spec does not say, such as a value inside an axis, is compared with its own."""
    rewrite(filled, lambda table: table["header"]["axes"][0]["values"].__setitem__(1, 0.6))
    with pytest.raises(CorruptFileError, match=r"spec\.json: damaged \(its axes are not those"):
        store(filled.out).prepare(resume=True, force=False)
    rewrite(filled, lambda table: table["header"]["axes"][0]["values"].__setitem__(1, 0.2))
    rewrite(filled, lambda table: table["header"]["constraints"][1].update(chi2_zero=2.0))
    with pytest.raises(CorruptFileError, match="its chi2_zero are not those"):
        store(filled.out).prepare(resume=True, force=False)


def test_a_tile_of_another_header_is_not_taken(filled: TileStore) -> None:
    rewrite(filled, lambda table: table["header"]["attributes"].update(command="zscan run other"))
    other = TileStore.load(filled.out)
    assert (other.hash, other.survey()[0]) == (filled.hash, frozenset())
    with pytest.raises(CorruptFileError, match="not a tile of this scan"):
        other.read(other.grid.tile(0))


def test_tiles_of_other_versions_need_a_decision(filled: TileStore) -> None:
    newer = store(filled.out, jax="2.1", zscan="1.1", h5py="9")
    with pytest.raises(
        ResumeMismatchError,
        match=r"zscan 1 on disk, 1\.1 now; jax 2 on disk, 2\.1 now .--allow-version-change",
    ):
        newer.prepare(resume=True, force=False)
    newer.prepare(resume=True, force=False, allow_version_change=True)
    assert newer.survey()[0] == {0, 1}
    compared = {name: VERSIONS[name] for name in ("zscan", "jax", "jaxlib", "numpy")}
    assert json.loads(newer.header.attributes["other_versions"]) == [compared]
    fill(newer, 1)
    out = filled.out
    write_map(out, TileStore.load(out).header, TileStore.load(out))
    with open_scan(out) as scan:
        assert json.loads(scan.attrs["versions"])["jax"] == "2.1"
        assert json.loads(scan.attrs["other_versions"]) == [compared]

    again = store(out, jax="2.1", zscan="1.1", h5py="10")  # h5py does not matter
    again.prepare(resume=True, force=False)
    assert again.survey()[0] == {0, 1}
    assert json.loads(again.header.attributes["other_versions"]) == [compared]
    third = store(out, jax="2.2", zscan="1.1")
    third.prepare(resume=True, force=False, allow_version_change=True)
    assert third.survey()[0] == {0, 1}
    assert json.loads(third.header.attributes["other_versions"]) == [
        compared,
        compared | {"jax": "2.1", "zscan": "1.1"},
    ]
    with pytest.raises(ResumeMismatchError, match="spec: '0' on disk, '1' asked for"):
        store(out, "1", jax="3").prepare(resume=True, force=False, allow_version_change=True)


def test_the_first_of_two_runs_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find no spec.json; tiles of both belong to the one that is written first."""
    first, second = store(tmp_path / "map.h5"), store(tmp_path / "map.h5")
    second.header = replace(
        second.header, attributes=dict(second.header.attributes) | {"command": "other"}
    )
    first.prepare(resume=False, force=False)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    second.prepare(resume=False, force=False)
    assert first.identity == second.identity


def test_a_truncated_tile_is_detected(filled: TileStore) -> None:
    path = filled.path(filled.grid.tile(0))
    whole = path.read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert filled.survey() == ({1}, {0: "truncated or damaged"})


def test_no_flipped_byte_goes_unnoticed(filled: TileStore, tmp_path: Path) -> None:
    reference = tmp_path / "reference.h5"
    write_map(reference, filled.header, filled)
    path = filled.path(filled.grid.tile(0))
    whole = path.read_bytes()
    out = tmp_path / "flipped.h5"
    noticed = 0
    for position in random.Random(1).sample(range(len(whole)), 150):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            write_map(out, filled.header, filled, replace=True)
        except (CorruptFileError, ForeignFileError):
            noticed += 1
        else:  # a byte that carries nothing
            assert out.read_bytes() == reference.read_bytes()
    assert noticed > 50


def test_every_payload_byte_is_covered(filled: TileStore, tmp_path: Path) -> None:
    tile = filled.grid.tile(0)
    path = filled.path(tile)
    whole = path.read_bytes()
    for field in filled.header.fields:
        for row in filled.read(tile)[0][field.name]:
            start = whole.index(row.tobytes())
            path.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
            with pytest.raises(CorruptFileError):
                write_map(tmp_path / "flipped.h5", filled.header, filled)
            assert not list(tmp_path.glob("*flipped*"))
            path.write_bytes(whole)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_reported_with_file_and_bytes(
    filled: TileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(path: Path) -> None:
        raise OSError(code, os.strerror(code))

    tile = filled.grid.tile(0)
    size = filled.path(tile).stat().st_size
    filled.path(tile).unlink()
    monkeypatch.setattr(zscan.results.files, "sync_file", full)
    with pytest.raises(
        StorageError, match=rf"tile-000000\.h5: no space left on the disk; {size} bytes"
    ):
        fill(filled, 0)
    assert sorted(path.name for path in filled.folder.iterdir()) == ["spec.json", "tile-000001.h5"]
    with pytest.raises(StorageError, match=r"map\.h5: no space left"):
        write_map(tmp_path / "map.h5", filled.header, filled, [0])
    assert [path.name for path in tmp_path.iterdir()] == ["map.h5.tiles"]


def test_space_is_asked_for_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    zscan.results.files.require_space(tmp_path / "new" / "map.h5", 1)
    with pytest.raises(StorageError, match=r"map\.h5: 2 bytes are needed, 1 are free"):
        zscan.results.files.require_space(tmp_path / "new" / "map.h5", 2)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"map\.h5: cannot be written: File exists"):
        zscan.results.files.require_space(tmp_path / "file" / "map.h5", 1)


def test_only_stale_temporary_files_are_removed(filled: TileStore, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    host = socket.gethostname()
    dead, mine, remote, old = (
        filled.folder / f".tile-000000.h5.{owner}.tmp"
        for owner in (
            f"{process.pid}-0@{host}",
            f"{os.getpid()}-0@{host}",
            "1-0@elsewhere",
            "2-0@elsewhere",
        )
    )
    for path in (dead, mine, remote, old):
        path.touch()
    os.utime(old, (0, 0))
    filled.prepare(resume=True, force=False)
    assert [path.exists() for path in (dead, mine, remote, old)] == [False, True, True, False]


def test_removing_tiles_leaves_other_files_alone(filled: TileStore, tmp_path: Path) -> None:
    note = filled.folder / "note.txt"
    note.write_text("mine")
    filled.remove()
    assert list(tile_folder(tmp_path / "map.h5").iterdir()) == [note]
    note.unlink()
    filled.remove()
    assert not filled.folder.exists()
