"""The map: what it says of itself, and that no change of it goes unnoticed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import h5py
import numpy as np
import pytest

from zscan.errors import CorruptFileError, ForeignFileError, ResultExistsError
from zscan.results.grid import Tile
from zscan.results.layout import MapAxis, MapConstraint, MapHeader, MapObservable, row_digests
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
    assert set(json.loads(attributes["digests"])) == {*shape, *stored, "attributes"}


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
    verify(path)
    with h5py.File(path) as file:
        assert file["delta_chi2"][0].tolist() == [
            [[0, 0], [0, 0], [1, 1]],
            [[pytest.approx(np.nan, nan_ok=True)] * 2] * 2 + [[3, 3]],
        ]
        assert file["status"][1].tolist() == [[[1, 1], [1, 1], [2, 2]], [[0, 0], [0, 0], [4, 4]]]
    with open_scan(path) as scan:
        assert scan["observable/b/c"].dims == ("eps", "m_X", "g_X")
        assert scan["observable/b/c"][0].values.tolist() == [[0, 0], [0, 0], [1, 1]]
    with pytest.raises(ResultExistsError, match=r"map\.h5 exists"):
        write_map(path, header, Constant(header))
    before = path.read_bytes()
    with pytest.raises(CorruptFileError, match="tile 1: status"):
        write_map(path, header, Constant(header, wrong=1), replace=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["map.h5"]
