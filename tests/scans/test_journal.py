"""Scans that fill their map in place: what the journal says is believed where the map agrees, a run
goes on to the same bytes from wherever it stopped, and every byte is written once.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_store import fill, store, values
from warm import compute_once

import zscan.results.schema
import zscan.scans.executors
import zscan.scans.journal
from zscan.errors import CorruptFileError, DamagedTileWarning, ForeignFileError, StorageError
from zscan.results.schema import digests_of, verify
from zscan.scans.finite import FiniteCheck
from zscan.scans.journal import numbers
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.status import scan_status
from zscan.scans.store import TileStore, tile_folder

CARD = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu"],
    "axis": {
        "m_X": {"min": 1e-2, "max": 2.0, "num": 6, "scale": "log"},
        "g_X": {"min": 1e-5, "max": 1e-1, "num": 9, "scale": "log"},
    },
    "output": {"observables": ["delta_a_mu"], "tile_points": 9},
}
TILES = 6
OTHER = ["fixed.eps=1e-4"]


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[None]:
    """Numbers are computed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        compute_once(patch.setattr)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, warm: None) -> bytes:
    """The map of a run that nothing disturbed."""
    return run_scan(CARD, tmp_path_factory.mktemp("whole") / "x.h5", progress=False).read_bytes()


def begin(out: Path, tiles: int, **options: Any) -> TileStore:
    """A run that is interrupted when its first tiles are written."""
    write = TileStore.write

    def some(self: TileStore, tile: Any, rows: Any, digests: Any) -> None:
        if tile.index >= tiles:
            raise KeyboardInterrupt
        write(self, tile, rows, digests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TileStore, "write", some)
        patch.setattr(zscan.scans.executors, "_WRITERS", 1)  # one after the other
        with pytest.raises(KeyboardInterrupt):
            run_scan(CARD, out, progress=False, **options)
    found = TileStore.load(out)
    assert found.journal.digests.keys() == set(range(tiles))
    return found


def go_on(out: Path, whole: bytes) -> None:
    """Resume, to the right bytes and nothing beside them."""
    run_scan(CARD, out, resume=True, progress=False)
    assert out.read_bytes() == whole
    assert not tile_folder(out).exists()


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def place(tiles: TileStore, index: int) -> int:
    """Where the rows of delta_chi2 of a tile lie in the map."""
    found = zscan.results.schema.places(tiles.header, tiles.journal.offsets, tiles.grid.tile(index))
    return next(offset for field, _, offset in found if field.name == "delta_chi2")


def signed(table: dict[str, Any]) -> bytes:
    text = json.dumps(table, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest().encode() + b" " + text


def test_every_byte_is_written_once(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    write = os.pwrite

    def counted(descriptor: int, data: memoryview, offset: int) -> int:
        count = write(descriptor, data, offset)
        written.append((offset, count))
        return count

    monkeypatch.setattr(os, "pwrite", counted)
    out = run_scan(CARD, tmp_path / "x.h5", progress=False)
    assert out.read_bytes() == whole
    end = 0
    for offset, count in sorted(written):
        assert offset == end
        end += count
    assert end == len(whole)


@pytest.mark.parametrize("tiles", [1, 4, TILES])
def test_an_interrupted_run_goes_on_with_its_tiles(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch, tiles: int
) -> None:
    out = tmp_path / "x.h5"
    if tiles < TILES:
        begin(out, tiles)
    else:  # all tiles are there, the map has no name yet
        with monkeypatch.context() as patch:
            patch.setattr(zscan.scans.journal, "finish_file", lambda *a, **k: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                run_scan(CARD, out, progress=False)
    assert {path.name for path in tile_folder(out).iterdir()} == {
        "journal",
        "map.part",
        "spec.json",
    }
    status = scan_status(out)
    assert status.done == tiles
    assert status.state == ("stopped" if tiles < TILES else "ready")
    computed: list[int] = []
    write = TileStore.write

    def noted(self: TileStore, tile: Any, *arguments: Any) -> None:
        computed.append(tile.index)
        write(self, tile, *arguments)

    monkeypatch.setattr(TileStore, "write", noted)
    go_on(out, whole)
    assert sorted(computed) == list(range(tiles, TILES))


def test_shards_and_merges_take_the_tiles_of_a_begun_map(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    begin(out, 3)
    for number in (1, 2):
        run_scan(CARD, out, shard=(number, 2), progress=False)
    assert {path.name for path in tile_folder(out).glob("tile-*")} == {
        f"tile-00000{index}.h5" for index in (3, 4, 5)
    }
    shutil.copytree(tile_folder(out), tmp_path / "y.h5.tiles")
    merge_scan(out)
    assert out.read_bytes() == whole
    assert not tile_folder(out).exists()
    go_on(tmp_path / "y.h5", whole)


def test_a_begun_map_takes_the_tiles_of_shards(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    run_scan(CARD, out, shard=(2, 3), progress=False)  # 1 and 4
    assert begin(out, 1, resume=True).survey() == ({0, 1, 4}, {})
    assert numbers(tile_folder(out)) == {0}
    go_on(out, whole)


def test_a_torn_line_is_ignored(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    tiles = begin(out, 3)
    path = tiles.journal.path
    lines = [line for line in path.read_bytes().splitlines() if b"synced" not in line]
    text = b"\n".join(lines) + b"\n"
    last = len(lines[-1]) + 1
    for cut in (1, 2, 100, last - 1, last):
        path.write_bytes(text[:-cut])
        assert tiles.survey() == ({0, 1}, {})
    for cut in range(len(text) - len(lines[0]) + 1, len(text), 97):  # in the first line
        path.write_bytes(text[:-cut])
        with pytest.raises(CorruptFileError, match=r"journal: damaged \(its first line"):
            tiles.survey()
    # zeros, as a file system may leave behind where the power was lost
    path.write_bytes(text[:-last] + bytes(last + 500))
    assert tiles.survey() == ({0, 1}, {})
    go_on(out, whole)


def test_rows_that_do_not_match_are_computed_again(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    tiles = begin(out, 4)
    flip(tiles.journal.part, place(tiles, 2) + 5)
    with pytest.raises(CorruptFileError, match="tile 2: delta_chi2 does not match its digest"):
        merge_scan(out, partial=True)
    with pytest.warns(DamagedTileWarning, match=r"tile 2 of map\.part \(does not match its dig"):
        go_on(out, whole)


def test_a_shorter_map_is_computed_again(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    tiles = begin(out, 4)
    os.truncate(tiles.journal.part, place(tiles, 1))
    with pytest.warns(DamagedTileWarning, match=r"tile 0 of map\.part .*, tile 3 of map\.part"):
        go_on(out, whole)


def test_an_edited_line_is_named(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    tiles = begin(out, 4)
    path = tiles.journal.path
    text = path.read_bytes()
    digest = tiles.journal.digests[1]["delta_chi2"][0].encode()
    path.write_bytes(text.replace(digest, digest[::-1]))
    assert tiles.survey() == ({0, 2, 3}, {1: "its line in the journal is damaged"})
    assert scan_status(out).state == "damaged"
    with pytest.raises(CorruptFileError, match=r"tile 1 of map\.part \(its line"):
        merge_scan(out)
    # with the digest of the line that goes with the change
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines):
        if digest[::-1] in line:
            lines[number] = signed(json.loads(line[65:]))
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert tiles.survey() == ({0, 1, 2, 3}, {})
    with pytest.warns(DamagedTileWarning, match=r"tile 1 of map\.part \(does not match its dig"):
        go_on(out, whole)


@pytest.mark.parametrize(
    "line",
    [
        {"tile": 99, "header": "", "spec_hash": "", "digests": {}},
        {"tile": "x", "header": "", "spec_hash": "", "digests": {}},
        {"tile": 1},
        {"synced": 3},
    ],
)
def test_a_forged_line_is_a_named_error(tmp_path: Path, line: dict[str, Any]) -> None:
    out = tmp_path / "x.h5"
    tiles = begin(out, 2)
    with tiles.journal.path.open("ab") as file:
        file.write(signed(line) + b"\n")
    for call in (lambda: run_scan(CARD, out, resume=True), lambda: scan_status(out)):
        with pytest.raises(CorruptFileError, match=r"journal: damaged .*; delete it"):
            call()


def test_a_journal_of_another_scan_is_refused(tmp_path: Path, whole: bytes) -> None:
    out, other = tmp_path / "x.h5", tmp_path / "other.h5"
    tiles = begin(out, 3)
    theirs = begin(other, 3, overrides=OTHER)
    shutil.copy(theirs.journal.path, tiles.journal.path)
    for call in (
        lambda: run_scan(CARD, out, resume=True),
        lambda: run_scan(CARD, out, shard=(1, 2)),
        lambda: merge_scan(out),
        lambda: scan_status(out),
    ):
        with pytest.raises(CorruptFileError, match=r"journal: damaged \(it is not of this scan\)"):
            call()
    tiles.journal.path.unlink()
    go_on(out, whole)


def test_lines_and_maps_of_another_scan_are_not_believed(tmp_path: Path, whole: bytes) -> None:
    out, other = tmp_path / "x.h5", tmp_path / "other.h5"
    tiles = begin(out, 3)
    theirs = begin(other, 5, overrides=OTHER)
    with tiles.journal.path.open("ab") as file:
        file.write(theirs.journal.lines[4] + b"\n")
    assert tiles.survey() == ({0, 1, 2}, {4: "not of this scan"})
    shutil.copy(theirs.journal.part, tiles.journal.part)
    with pytest.warns(DamagedTileWarning, match=r"tile 0 of map\.part .*tile 4 of map\.part \(not"):
        go_on(out, whole)


@pytest.mark.parametrize(
    ("count", "seed"), [(150, 1), pytest.param(1500, 2, marks=pytest.mark.slow)]
)
def test_no_changed_byte_of_a_journal_is_believed(tmp_path: Path, count: int, seed: int) -> None:
    tiles = begin(tmp_path / "x.h5", 4)
    path, chance = tiles.journal.path, random.Random(seed)
    text, digests = path.read_bytes(), dict(tiles.journal.digests)
    for _ in range(count):
        data, position = bytearray(text), chance.randrange(len(text))
        if chance.random() < 0.7:
            data[position] ^= 1 << chance.randrange(8)
        else:
            data[position : position + chance.randrange(300)] = chance.randbytes(
                chance.randrange(300)
            )
        path.write_bytes(data)
        try:
            done, _ = tiles.survey()
        except CorruptFileError:
            continue
        assert done <= digests.keys()
        assert all(tiles.journal.digests[index] == digests[index] for index in done)


def test_a_map_with_another_name_is_not_touched(tmp_path: Path, whole: bytes) -> None:
    out, kept = tmp_path / "x.h5", tmp_path / "kept"
    tiles = begin(out, 3)
    kept.hardlink_to(tiles.journal.part)
    before = kept.read_bytes()
    go_on(out, whole)
    assert kept.read_bytes() == before
    tiles = begin(tmp_path / "y.h5", 3)
    tiles.journal.part.rename(kept)
    tiles.journal.part.symlink_to(kept)
    go_on(tmp_path / "y.h5", whole)
    assert kept.exists()
    assert kept.stat().st_size > len(before) // 2


def test_tiles_move_where_another_version_places_its_fields(tmp_path: Path) -> None:
    """Longer texts of the references move the fields; the tiles become files then."""
    old = store(tmp_path / "map.h5")
    old.prepare(resume=False, force=False)
    watch = FiniteCheck(old.header)

    def stop() -> None:
        with old.filled(frozenset(), watch, replace=False) as filling:
            filling.begin([0, 1])
            fill(old, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    new = store(old.out, zscan="2")
    longer = tuple(replace(item, references=("key" * 2000,)) for item in new.header.constraints)
    new.header = replace(new.header, constraints=longer)
    new.prepare(resume=True, force=False, allow_version_change=True)
    assert new.survey() == ({0}, {})
    assert not new.journal.can_go_on()
    new.settle()
    assert {path.name for path in new.folder.iterdir()} == {"spec.json", "tile-000000.h5"}
    assert new.survey() == ({0}, {})
    np.testing.assert_array_equal(new.read(new.grid.tile(0))[0]["status"], values(new, 0)["status"])


class Trouble:
    """Lets calls of the system fail from a moment on."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str, error: int, after: int) -> None:
        self.call, self.error, self.left = getattr(os, name), error, after
        patch.setattr(os, name, self)

    def __call__(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.error, os.strerror(self.error))
        return self.call(*arguments)


@pytest.mark.parametrize(
    ("name", "error", "after", "message"),
    [
        ("pwrite", errno.ENOSPC, 7, r"x\.h5: no space left on the disk"),
        ("pwrite", errno.EROFS, 7, r"x\.h5: cannot be written: Read-only file system"),
        ("posix_fallocate", errno.ENOSPC, 0, r"x\.h5: no space left on the disk"),
        ("fsync", errno.EIO, 6, r": cannot be written: Input/output error"),
    ],
)
def test_trouble_with_the_disk_keeps_what_is_done(
    tmp_path: Path,
    whole: bytes,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: int,
    after: int,
    message: str,
) -> None:
    out = tmp_path / "x.h5"
    with monkeypatch.context() as patch:
        Trouble(patch, name, error, after)
        with pytest.raises(StorageError, match=message):
            run_scan(CARD, out, progress=False)
    assert not out.exists()
    go_on(out, whole)


def test_a_line_that_could_not_be_written_spoils_no_other(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write, torn = tmp_path / "x.h5", os.write, 0

    def half(descriptor: int, data: Any) -> int:
        nonlocal torn
        if torn == 1:  # the rest of the line
            torn = 2
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not torn and b'"tile": 1}' in bytes(data):
            torn = 1
            return write(descriptor, data[: len(data) // 2])
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(StorageError, match=r"journal: no space left on the disk"):
            run_scan(CARD, out, progress=False)
    done, faults = TileStore.load(out).survey()
    assert {0, 2} <= done
    assert 1 not in done | faults.keys()
    go_on(out, whole)


def test_tiles_that_were_not_synced_are_written_again(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails to sync may have lost what the system still shows."""
    out = tmp_path / "x.h5"
    tiles = begin(out, 3)
    text = tiles.journal.path.read_bytes().splitlines()
    kept = [line for line in text if b"synced" not in line] + [signed({"synced": [1]})]
    tiles.journal.path.write_bytes(b"\n".join(kept) + b"\n")
    offsets = set()
    write = os.pwrite

    def noted(descriptor: int, data: memoryview, offset: int) -> int:
        offsets.add(offset)
        return write(descriptor, data, offset)

    tiles.survey()
    starts = [place(tiles, index) for index in range(TILES)]
    monkeypatch.setattr(os, "pwrite", noted)
    go_on(out, whole)
    assert [start in offsets for start in starts] == [True, False, *[True] * (TILES - 2)]


def test_tiles_do_not_run_ahead_of_the_disk(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power costs no more than the tiles that were not synced."""
    out, allowed = tmp_path / "x.h5", threading.Event()
    monkeypatch.setattr(zscan.scans.journal, "_UNSYNCED", 2)
    sync, said = zscan.results.schema.MapWriter.sync, []

    def slow(writer: Any) -> None:
        allowed.wait(1.0)
        said.append(len(numbers(tile_folder(out))))
        allowed.set()
        sync(writer)

    monkeypatch.setattr(zscan.results.schema.MapWriter, "sync", slow)
    run_scan(CARD, out, progress=False)
    assert said[0] <= 2 + 2  # and a tile of each writer
    assert out.read_bytes() == whole


def test_a_begun_map_needs_no_further_space(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "x.h5"
    usage = namedtuple("usage", ["total", "used", "free"])
    begin(out, 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 100))
    with pytest.raises(StorageError, match="bytes are needed, 100 are free"):
        run_scan(CARD, tmp_path / "y.h5", progress=False)
    go_on(out, whole)


def test_a_begun_map_is_no_map(tmp_path: Path) -> None:
    out = tmp_path / "x.h5"
    tiles = begin(out, 2)
    with pytest.raises(ForeignFileError, match="not an HDF5 file"):
        verify(tiles.journal.part)
    assert str(scan_status(out)).startswith(f"{out}: stopped, 2 of 6 tiles done")


def test_force_discards_a_begun_map(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "x.h5"
    begin(out, 2, overrides=OTHER)
    run_scan(CARD, out, force=True, progress=False)
    assert out.read_bytes() == whole
    assert not tile_folder(out).exists()


def test_digests_of_a_begun_map_are_those_of_tiles(tmp_path: Path) -> None:
    tiles = begin(tmp_path / "x.h5", 2)
    rows, digests = tiles.read(tiles.grid.tile(1))
    assert digests == digests_of(rows)
