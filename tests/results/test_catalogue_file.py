"""Catalogue files: what is written is read back; anything else is refused."""

import h5py
import numpy as np
import pytest

from zscan.charges.catalogue import Selection, columns
from zscan.errors import (
    CorruptFileError,
    ForeignFileError,
    ParameterError,
    ResultExistsError,
    StorageError,
)
from zscan.results.catalogue_file import read_catalogue, write_catalogue


@pytest.mark.parametrize("text", ["max=10", "max=10,chiral,flavours=all", "max=1,chiral"])
def test_round_trip(tmp_path, text):
    path = write_catalogue(tmp_path / "new" / "x.h5", text)
    found = read_catalogue(path)
    assert str(found.selection) == text
    np.testing.assert_array_equal(found.assigned, found.selection.assigned())
    for column in columns(found.assigned):
        np.testing.assert_array_equal(found.columns[column.name], column.values)
    if found.selection.flavours == "one":
        np.testing.assert_array_equal(found.rows, found.selection.rows())
    first = path.read_bytes()
    write_catalogue(
        path, Selection(found.selection.max_charge, found.selection.classes, "all"), force=True
    )
    write_catalogue(path, text, force=True)
    assert path.read_bytes() == first  # no time stamps
    assert [file.name for file in path.parent.iterdir()] == ["x.h5"]


def test_an_hdf5_file_says_what_it_is(tmp_path):
    with h5py.File(write_catalogue(tmp_path / "x.h5", "max=3,vector")) as file:
        attributes = dict(file.attrs)
        assert {
            name: attributes[name]
            for name in ("schema", "schema_version", "max_charge", "selection")
        } == {
            "schema": "zscan-catalogue",
            "schema_version": 1,
            "max_charge": 3,
            "selection": "max=3,vector",
        }
        assert "2107.07518" in attributes["references"]
        assert all(file[name].attrs["long_name"] for name in file)


def test_csv_holds_the_same_columns(tmp_path):
    path = write_catalogue(tmp_path / "x.csv", "max=10,muoquark")
    lines = path.read_text().splitlines()
    header = [line for line in lines if line.startswith("#")]
    for text in (
        "arXiv:2107.07518",
        "selection: max=10,muoquark",
        "max_charge: 10",
        "zscan_version",
        "column X_S_3_L",
    ):
        assert any(text in line for line in header)
    expected = columns(Selection(10, ("muoquark",)).assigned())
    assert lines[len(header)].split(",") == [column.name for column in expected]
    numbers = np.loadtxt(lines[len(header) + 1 :], delimiter=",", dtype=np.int64)
    np.testing.assert_array_equal(
        numbers, np.stack([column.values for column in expected], axis=1, dtype=np.int64)
    )


def test_only_a_catalogue_is_ever_replaced(tmp_path):
    for name in ("x.h5", "x.csv"):
        path = tmp_path / name
        path.write_text("mine")
        for force in (False, True):
            with pytest.raises(ResultExistsError):
                write_catalogue(path, "max=1", force=force)
        assert path.read_text() == "mine"
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(ResultExistsError):
        write_catalogue(tmp_path / "folder.h5", "max=1", force=True)
    with pytest.raises(ParameterError, match="ends in"):
        write_catalogue(tmp_path / "x", "max=1")
    assert len(list(tmp_path.iterdir())) == 3


def external(file):
    del file["q"]
    file.create_dataset("q", (4,), "i2", external=[("elsewhere", 0, 8)])


def linked(file):
    del file["q"]
    file["q"] = h5py.ExternalLink("other.h5", "q")


def packed(file):
    values = file["q"][...]
    del file["q"]
    file.create_dataset("q", data=values, chunks=True, compression="gzip")


def shorter(file):
    values = file["q"][:-1]
    del file["q"]
    file["q"] = values


def replace(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


FOREIGN = [
    external,
    linked,
    packed,
    shorter,
    replace("q", np.zeros(4)),
    lambda file: file.create_dataset("more", data=[1]),
    lambda file: file.__delitem__("L_mu"),
    lambda file: file.attrs.modify("schema", "zscan-map"),
    lambda file: file.attrs.modify("schema_version", 2),
    lambda file: file.attrs.modify("selection", "max=1000"),
]


@pytest.mark.parametrize("change", FOREIGN)
def test_foreign_files_are_refused(tmp_path, change):
    path = write_catalogue(tmp_path / "x.h5", "max=1")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ForeignFileError):
        read_catalogue(path)


def test_damage_and_missing_files_are_named(tmp_path):
    path = write_catalogue(tmp_path / "x.h5", "max=10")
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file["L_mu"][3] += 1
    with pytest.raises(CorruptFileError, match="digest"):
        read_catalogue(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError):
        read_catalogue(path)
    path.write_text("this is no HDF5 file")
    with pytest.raises(ForeignFileError):
        read_catalogue(path)
    with pytest.raises(StorageError):
        read_catalogue(tmp_path / "none.h5")
