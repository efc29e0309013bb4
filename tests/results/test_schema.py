"""The map: what it says of itself, and that no change of it goes unnoticed."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from zscan.errors import (
    CorruptFileError,
    ForeignFileError,
    IncompleteMapError,
    ResultExistsError,
    StorageError,
)
from zscan.results.grid import Tile
from zscan.results.layout import (
    MapAxis,
    MapConstraint,
    MapHeader,
    MapObservable,
    row_digests,
    value_digest,
)
from zscan.results.load import open_scan
from zscan.results.schema import Digests, Rows, info, verify, write_map
from zscan.scans.run import run_scan

CARD = """format = 1
name = "small"  # a remark
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino"]
axis.m_X = { min = 1e-2, max = 2.0, num = 5, scale = "log" }
axis.g_X = { min = 1e-5, max = 1e-1, num = 4, scale = "log" }
axis.charge.L.mu = { values = [1.0, 2.0] }
fixed.eps = 1e-5
output = { observables = ["borexino"], tile_points = 8 }
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map")
    (folder / "card.toml").write_text(CARD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        patch.chdir(folder)
        return folder / run_scan("card.toml", progress=False, overrides=["axis.m_X.num=6"])


def test_a_map_describes_itself(small: Path) -> None:
    verify(small)
    with h5py.File(small) as file:
        shape = {
            name: file[name].shape
            for name in ("constraint", "charge.L.mu", "m_X", "g_X", "chi2_zero")
        }
        assert shape == {
            "constraint": (2,),
            "charge.L.mu": (2,),
            "m_X": (6,),
            "g_X": (4,),
            "chi2_zero": (2,),
        }
        assert (file["delta_chi2"].shape, file["delta_chi2"].dtype) == ((2, 2, 6, 4), np.float32)
        assert (file["status"].shape, file["status"].dtype) == ((2, 2, 6, 4), np.uint8)
        assert file["observable/borexino"].shape == (2, 6, 4)
        assert [dimension[0].name for dimension in file["status"].dims] == [
            "/constraint",
            "/charge.L.mu",
            "/m_X",
            "/g_X",
        ]
        datasets = [file[name] for name in (*shape, "delta_chi2", "status", "observable/borexino")]
        assert all(
            {"units", "long_name", "reference"} <= set(dataset.attrs) for dataset in datasets
        )
        assert all(dataset.attrs["reference"] for dataset in datasets)
        assert file["m_X"].attrs["units"] == "GeV"
        attributes = dict(file.attrs)
    assert attributes["card"] == CARD
    assert json.loads(attributes["overrides"]) == ["axis.m_X.num=6"]
    assert attributes["command"] == "zscan run card.toml --set axis.m_X.num=6"
    assert attributes["created"] == "2023-11-14T22:13:20Z"
    assert json.loads(attributes["fixed"]) == {"eps": 1e-5}
    assert set(json.loads(attributes["versions"])) == {"zscan", "jax", "jaxlib", "numpy", "h5py"}
    assert json.loads(attributes["provisional"]) == ["borexino"]
    assert "Muong-2:2021ojo" in json.loads(attributes["bibtex_keys"])
    assert json.loads(attributes["model"])["name"] == "Lmu-Ltau"
    stored = {"delta_chi2", "status", "observable/borexino"}
    digests = json.loads(attributes["digests"])
    assert set(digests) == {*shape, *stored, "attributes"}
    assert attributes["digest"] == info(small)["digest"] == value_digest(digests)
    assert info(small)["other_versions"] == json.loads(attributes["other_versions"]) == []


def test_info_reads_no_data(small: Path) -> None:
    found = info(small)
    assert json.loads(json.dumps(found)) == found
    assert (found["points"], found["tiles"], found["complete"]) == (48, 6, True)
    assert found["axes"]["m_X"] == {"num": 6, "min": 0.01, "max": 2.0, "units": "GeV"}
    assert (found["constraints"], found["stored_observables"]) == (
        ["delta_a_mu", "borexino"],
        ["borexino"],
    )


def test_the_same_scan_gives_the_same_bytes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.chdir(small.parents[1])
    again = run_scan(
        "card.toml", tmp_path / "again.h5", progress=False, overrides=["axis.m_X.num=6"]
    )
    assert again.read_bytes() == small.read_bytes()


def contents(path: Path) -> dict[str, object]:
    found: dict[str, object] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        found[name] = {
            key: np.asarray(item.attrs[key]).tolist()
            for key in ("units", "long_name")
            if key in item.attrs
        }
        if isinstance(item, h5py.Dataset):
            found[f"{name} values"] = (
                item[...].tobytes() if item.dtype.kind != "O" else item.asstr()[...].tolist()
            )

    with h5py.File(path) as file:
        found["attributes"] = {name: str(value) for name, value in file.attrs.items()}
        file.visititems(visit)
    return found


def test_no_flipped_byte_goes_unnoticed(small: Path, tmp_path: Path) -> None:
    whole, expected, noticed = small.read_bytes(), contents(small), 0
    path = tmp_path / "flipped.h5"
    for position in random.Random(2).sample(range(len(whole)), 150):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            verify(path)
        except (CorruptFileError, ForeignFileError):
            noticed += 1
        else:  # a byte that carries nothing
            assert contents(path) == expected
    assert noticed > 50


@pytest.mark.parametrize(
    "name", ["delta_chi2", "status", "observable/borexino", "m_X", "chi2_zero"]
)
def test_every_value_is_covered(small: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "changed.h5"
    path.write_bytes(small.read_bytes())
    with h5py.File(path, "r+") as file:
        last = tuple(extent - 1 for extent in file[name].shape)
        file[name][last] = file[name][last] + 1
    with pytest.raises(CorruptFileError, match=f"digest of {name} does not match"):
        verify(path)


@pytest.mark.parametrize(
    ("name", "attribute"), [("/", "card"), ("/", "created"), ("delta_chi2", "units")]
)
def test_every_attribute_is_covered(small: Path, tmp_path: Path, name: str, attribute: str) -> None:
    path = tmp_path / "changed.h5"
    path.write_bytes(small.read_bytes())
    with h5py.File(path, "r+") as file:
        file[name].attrs[attribute] = "changed"
    with pytest.raises(CorruptFileError, match="digest of attributes does not match"):
        verify(path)


class Constant:
    """Tiles of known values, with one digest promised wrongly."""

    def __init__(self, header: MapHeader, wrong: int | None = None) -> None:
        self.header, self.wrong = header, wrong

    def read(self, tile: Tile) -> tuple[Rows, Digests]:
        rows = {
            field.name: [
                np.full(tile.shape, tile.index + row, field.dtype) for row in range(field.rows or 1)
            ]
            for field in self.header.fields
        }
        digests = {name: row_digests(values) for name, values in rows.items()}
        if tile.index == self.wrong:
            rows["status"][0][...] = 9
        return rows, digests


def small_header(**attributes: str) -> MapHeader:
    axes = (MapAxis("m_X", "GeV", "", (1.0, 2.0, 3.0)), MapAxis("g_X", "1", "", (1.0, 2.0)))
    constraint = MapConstraint("a", "", (), "published", "", 0.0, None, 3.84, 0.95)
    return MapHeader(axes, (constraint,), (), "float64", (1, 2), attributes)


def test_long_attributes_are_kept(tmp_path: Path) -> None:
    """A catalogue of models makes specs of many kilobytes."""
    text = json.dumps({"models": ["é" * 40] * 12_000})
    header = small_header(spec=text, versions="{}", card=text)
    path = tmp_path / "map.h5"
    write_map(path, header, Constant(header))
    verify(path)
    assert len(text) > 500_000
    with open_scan(path) as scan:
        assert scan.attrs["spec"] == scan.attrs["card"] == text
    data = bytearray(path.read_bytes())
    data[data.rindex(b"00e9")] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match="seal"):
        open_scan(path)


CALLS = ("open", "posix_fallocate", "pwrite", "ftruncate", "close", "fsync", "replace", "link")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("name", CALLS)
def test_a_map_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    """A call that writes fails the first time, the second time, ..., until it is not made again."""
    header, path, call = small_header(), tmp_path / "map.h5", getattr(os, name)
    for turn in range(100):
        made = 0

        def failing(*given: Any, turn: int = turn, **named: Any) -> Any:
            nonlocal made
            made += 1
            if made == turn + 1:
                raise OSError(code, os.strerror(code))
            return call(*given, **named)

        monkeypatch.setattr(os, name, failing)
        try:
            write_map(path, header, Constant(header))
        except StorageError as error:
            problem = str(error)
        else:
            break
        finally:
            monkeypatch.setattr(os, name, call)
        assert re.search(r"map\.h5: .*\b54 bytes", problem)
        if path.exists():  # what failed came after it had got its name
            verify(path)
            path.unlink()
        assert list(tmp_path.iterdir()) == []
    assert made <= turn
    assert turn > 0 or name == "replace"
    verify(path)


def test_a_write_may_be_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header, whole = small_header(), os.pwrite
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    write_map(tmp_path / "map.h5", header, Constant(header))
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:100], at))
    write_map(tmp_path / "short.h5", header, Constant(header))
    assert (tmp_path / "short.h5").read_bytes() == (tmp_path / "map.h5").read_bytes()


def test_a_limit_on_the_size_of_files_is_reported(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from test_schema import *; header = small_header()\n"
        "del os.posix_fallocate  # so that the first write fails, or the second one, ...\n"
        "for size in range(0, 24000, 400):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
        "    try: write_map(Path(sys.argv[1]), header, Constant(header))\n"
        "    except StorageError as error: assert 'no space left' in str(error), error\n"
        "    else: verify(sys.argv[1]); break\n"
        "    assert not Path(sys.argv[1]).exists(), size\n"
        "print(size)"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    }
    path = tmp_path / "map.h5"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert path.stat().st_size <= int(done.stdout) < path.stat().st_size + 400
    assert list(tmp_path.iterdir()) == [path]


def test_tiles_land_where_they_belong(tmp_path: Path) -> None:
    axes = (
        MapAxis("eps", "1", "", (0.0, 1.0)),
        MapAxis("m_X", "GeV", "", (1.0, 2.0, 3.0)),
        MapAxis("g_X", "1", "", (1.0, 2.0)),
    )
    constraints = tuple(
        MapConstraint(name, "", (), "published", "", 0.0, None, 3.84, 0.95) for name in ("a", "b/c")
    )
    header = MapHeader(
        axes, constraints, (MapObservable("b/c", "R", "1", ()),), "float64", (1, 2, 2), {}
    )
    path = tmp_path / "map.h5"
    write_map(path, header, Constant(header), missing=[2])
    verify(path, allow_partial=True)
    with pytest.raises(IncompleteMapError, match="all digests agree; 1 of 4 tiles are missing"):
        verify(path)
    with h5py.File(path) as file:
        assert file["delta_chi2"][0].tolist() == [
            [[0, 0], [0, 0], [1, 1]],
            [[pytest.approx(np.nan, nan_ok=True)] * 2] * 2 + [[3, 3]],
        ]
        assert file["status"][1].tolist() == [[[1, 1], [1, 1], [2, 2]], [[0, 0], [0, 0], [4, 4]]]
    with pytest.raises(IncompleteMapError, match=r"map\.h5: 1 of 4 tiles are missing"):
        open_scan(path)
    with open_scan(path, allow_partial=True) as scan:
        assert scan["observable/b/c"].dims == ("eps", "m_X", "g_X")
        assert scan["observable/b/c"][0].values.tolist() == [[0, 0], [0, 0], [1, 1]]
    with pytest.raises(ResultExistsError, match=r"map\.h5 exists"):
        write_map(path, header, Constant(header))
    before = path.read_bytes()
    with pytest.raises(CorruptFileError, match="tile 1: status"):
        write_map(path, header, Constant(header, wrong=1), replace=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["map.h5"]
