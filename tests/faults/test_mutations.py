"""Nothing damaged is believed: maps, tiles, spec.json and catalogues with random bytes changed."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zscan.results.trial
from zscan.cli import main
from zscan.errors import CorruptFileError, ForeignFileError
from zscan.results.catalogue_file import read_catalogue, write_catalogue
from zscan.results.layout import row_digests
from zscan.results.load import open_scan
from zscan.results.schema import info, verify
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.store import TileStore

CARD = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "borexino"],
    "axis": {"m_X": {"values": [0.1, 0.2, 0.3]}, "g_X": {"values": [1e-4, 1e-3]}},
    "output": {"observables": ["borexino"], "tile_points": 2},
}
MUTATIONS = 300
# Kinds of mutations and how often they come. A file without its end is first read in a child
# process, which takes time.
KINDS = {"bit": 30, "byte": 30, "zeros": 15, "moved": 15, "cut": 1, "added": 1}
OLD_MAP = Path(__file__).parents[1] / "results" / "data" / "map-0.1.0.h5"


def mutations(whole: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies with flipped bits, other bytes, zeros, pieces moved, cut off and added at the end; all
    differ from `whole`.
    """
    chance = random.Random(seed)
    made = 0
    while made < count:
        data, position = bytearray(whole), chance.randrange(len(whole))
        stop = position + chance.randint(1, 300)
        (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
        if kind == "bit":
            data[position] ^= 1 << chance.randrange(8)
        elif kind == "byte":
            data[position] = chance.randrange(256)
        elif kind == "zeros":
            data[position:stop] = bytes(len(data[position:stop]))
        elif kind == "moved":
            source = chance.randrange(len(whole))
            piece = whole[source : source + stop - position]
            data[position : position + len(piece)] = piece
        elif kind == "cut":
            del data[position:]
        else:
            data += chance.randbytes(stop - position)
        if data != whole:
            made += 1
            yield bytes(data)


def unnoticed(path: Path, read: Callable[[], object], count: int, seed: int) -> int:
    """How many of `count` mutations of a file `read` does not object to with its named errors."""
    whole, missed = path.read_bytes(), 0
    read()
    for data in mutations(whole, count, seed):
        path.write_bytes(data)
        try:
            read()
        except (CorruptFileError, ForeignFileError):
            continue
        missed += 1
    path.write_bytes(whole)
    return missed


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of three tiles."""
    return run_scan(CARD, tmp_path_factory.mktemp("map") / "small.h5", progress=False)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TileStore:
    """All tiles of the same map, not merged."""
    out = tmp_path_factory.mktemp("tiles") / "small.h5"
    run_scan(CARD, out, shard=(1, 1), progress=False)
    return TileStore.load(out)


LENGTHS = pytest.mark.parametrize(
    ("count", "seed"),
    [(MUTATIONS, 1), pytest.param(5 * MUTATIONS, 2, marks=pytest.mark.slow)],
    ids=["some", "many"],
)


@LENGTHS
def test_maps(small: Path, tmp_path: Path, count: int, seed: int) -> None:
    path = Path(shutil.copy(small, tmp_path / "map.h5"))
    assert unnoticed(path, lambda: verify(path), count, seed) == 0


@LENGTHS
def test_opening_maps(small: Path, tmp_path: Path, count: int, seed: int) -> None:
    """Opening notices all but changed values of fields, which only `verify` reads as a whole."""
    path = Path(shutil.copy(small, tmp_path / "map.h5"))
    fields, opened = ["delta_chi2", "status", "observable/borexino"], 0
    with open_scan(path) as scan:
        expected = scan.load().drop_vars(fields)
    for data in mutations(path.read_bytes(), count, seed):
        path.write_bytes(data)
        with contextlib.suppress(CorruptFileError, ForeignFileError), open_scan(path) as found:
            opened += 1
            assert found.drop_vars(fields).identical(expected)
    assert opened < count / 10


@LENGTHS
def test_tiles(tiles: TileStore, count: int, seed: int) -> None:
    tile = tiles.grid.tile(1)

    def read() -> None:
        rows, promised = tiles.read(tile)
        if {name: row_digests(values) for name, values in rows.items()} != promised:
            raise CorruptFileError("as MapWriter.copy says")

    assert unnoticed(tiles.path(tile), read, count, seed) == 0


@LENGTHS
def test_tile_folders(tiles: TileStore, count: int, seed: int) -> None:
    path = tiles.folder / "spec.json"
    assert unnoticed(path, lambda: TileStore.load(tiles.out), count, seed) == 0


@LENGTHS
def test_catalogues(tmp_path: Path, count: int, seed: int) -> None:
    path = write_catalogue(tmp_path / "x.h5", "max=2")
    assert unnoticed(path, lambda: read_catalogue(path), count, seed) == 0


def test_commands_end_with_their_exit_codes(
    tiles: TileStore, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(small, tmp_path / "map.h5"))
    whole = path.read_bytes()
    for position in random.Random(3).sample(range(len(whole)), 20):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
        assert main(["verify", str(path)]) == 4
        assert "map.h5: damaged" in capsys.readouterr().err
        with pytest.raises(CorruptFileError, match="damaged"):
            run_scan(CARD, path, resume=True, progress=False)
    spec = tiles.folder / "spec.json"
    text = spec.read_bytes()
    spec.write_bytes(text.replace(b"0.2", b"0.6"))
    assert main(["merge", str(tiles.out)]) == 4
    assert f"delete {tiles.folder} and run the scan again" in capsys.readouterr().err
    assert not tiles.out.exists()
    spec.write_bytes(text)
    verify(merge_scan(Path(shutil.copytree(tiles.folder, tmp_path / "b.h5.tiles")).with_suffix("")))


@pytest.mark.parametrize(
    ("count", "seed"), [(12, 4), pytest.param(MUTATIONS, 5, marks=pytest.mark.slow)]
)
def test_maps_without_a_seal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, seed: int
) -> None:
    """Those of zscan 0.1.0: noticed, or nothing of what is read has changed; and it always ends."""
    monkeypatch.setattr(zscan.results.trial, "_CPU_SECONDS", 1)
    path = Path(shutil.copy(OLD_MAP, tmp_path / "old.h5"))
    whole, said = path.read_bytes(), info(path)
    with open_scan(path) as scan:
        expected = scan.load()
    for data in mutations(whole, count, seed):
        path.write_bytes(data)
        try:
            verify(path)
        except (CorruptFileError, ForeignFileError):
            continue
        assert info(path) | {"bytes": 0} == said | {"bytes": 0}
        with open_scan(path) as found:
            assert found.identical(expected)


@pytest.mark.parametrize(("offset", "count"), [(16, 150), (600, 299)])
def test_a_damaged_heap_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path, offset: int, count: int
) -> None:
    """HDF5 never returns from reading text of variable length whose heap was overwritten."""
    monkeypatch.setattr(zscan.results.trial, "_CPU_SECONDS", 1)
    path = tmp_path / "map.h5"
    for source, problem in ((OLD_MAP, "finite time"), (small, "seal")):
        data = bytearray(source.read_bytes())
        start = data.index(b"GCOL") + offset
        data[start : start + count] = bytes(count)
        path.write_bytes(data)
        for read in (info, verify, open_scan):
            with pytest.raises(CorruptFileError, match=problem):
                read(path)
