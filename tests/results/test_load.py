"""Loading: labelled arrays from a map, a named error from anything else before data is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from zscan.errors import CorruptFileError, ForeignFileError, StorageError
from zscan.results.load import open_scan
from zscan.results.rule import excess
from zscan.results.schema import info, verify
from zscan.scans.run import run_scan

OLD_MAP = Path(__file__).parent / "data" / "map-0.1.0.h5"
CARD = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "borexino"],
    "axis": {"m_X": {"values": [0.1, 0.2, 0.3]}, "g_X": {"values": [1e-4, 1e-3]}},
    "output": {"observables": ["borexino"]},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_scan(CARD, tmp_path_factory.mktemp("map") / "small.h5", progress=False)


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(small, tmp_path / "copied.h5"))


def test_labels_and_values(small: Path) -> None:
    with open_scan(small) as scan, h5py.File(small) as file:
        assert isinstance(scan, xarray.Dataset)
        assert scan.delta_chi2.dims == scan.status.dims == ("constraint", "m_X", "g_X")
        assert scan["observable/borexino"].dims == ("m_X", "g_X")
        assert (scan.delta_chi2.dtype, scan.status.dtype) == (np.float32, np.uint8)
        assert scan.constraint.values.tolist() == ["delta_a_mu", "borexino"]
        assert scan.m_X.values.tolist() == [0.1, 0.2, 0.3]
        assert scan.m_X.attrs["units"] == "GeV"
        assert scan.attrs["name"] == "small"
        for name in ("delta_chi2", "status", "observable/borexino", "chi2_zero"):
            np.testing.assert_array_equal(scan[name].values, file[name][...])
        expected = file["delta_chi2"][1, 1, 0]
        assert (
            scan.delta_chi2.sel(constraint="borexino", m_X=0.2, g_X=1e-4, method=None).item()
            == expected
        )


def test_any_netcdf_reader_understands_a_map(small: Path) -> None:
    with xarray.open_dataset(small, engine="h5netcdf") as scan:
        assert scan.delta_chi2.dims == ("constraint", "m_X", "g_X")
        assert scan.constraint.values.tolist() == ["delta_a_mu", "borexino"]


def test_reading_does_not_import_jax(small: Path) -> None:
    script = (
        "import sys; from zscan.results.load import open_scan; from zscan.results.schema import "
        "verify; verify(sys.argv[1]); open_scan(sys.argv[1]).load(); assert 'jax' not in "
        "sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(small)], check=True)


def test_a_map_of_zscan_0_1_0_opens() -> None:
    """One without a seal, with the rules of its constraints as they were stored then."""
    verify(OLD_MAP)
    said = info(OLD_MAP)
    assert (said["versions"]["zscan"], said["other_versions"], said["digest"]) == (
        "0.1.0",
        [],
        None,
    )
    assert (said["points"], said["complete"], said["fixed"]) == (30, True, {})
    with open_scan(OLD_MAP) as scan:
        assert scan.constraint.values.tolist() == ["delta_a_mu", "borexino", "coherent", "nsi"]
        assert all(isinstance(scan.attrs[name], str) for name in ("card", "spec", "created"))
        assert scan.sizes == {"constraint": 4, "m_X": 5, "g_X": 6}
        # B-3Lmu does not couple to electrons: the rate is that of the standard model everywhere
        borexino = excess(scan, "borexino")
        assert float(borexino.max()) == float(borexino.min()) == pytest.approx(-0.166)
        coherent = excess(scan, "coherent")
        assert coherent.dims == ("m_X", "g_X")
        assert (coherent > 0).sum() == 22
        assert float(coherent[0, 1]) == pytest.approx(20.33, abs=0.01)


def test_a_map_that_lost_its_seal_is_corrupt(copied: Path) -> None:
    """Another program wrote to it, or its last bytes are missing; what is in it agrees."""
    with h5py.File(copied, "r+") as file:
        file.attrs["name"] = file.attrs["name"]
    for read in (open_scan, info, verify):
        with pytest.raises(CorruptFileError, match="something else wrote to it"):
            read(copied)


def replace(
    name: str, make: Callable[[h5py.File, h5py.Dataset, Path], None]
) -> Callable[[Path], None]:
    """Take a dataset out of the map and let `make` put something else in its place."""

    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            old = file[name]
            del file[name]
            make(file, old, path)

    return change


def external_storage(file: h5py.File, old: h5py.Dataset, path: Path) -> None:
    external = [(str(path.with_suffix(".raw")), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("status", old.shape, old.dtype, external=external)


def virtual(file: h5py.File, old: h5py.Dataset, path: Path) -> None:
    layout = h5py.VirtualLayout(old.shape, old.dtype)
    layout[...] = h5py.VirtualSource(str(path.with_suffix(".other")), "status", old.shape)
    file.create_virtual_dataset("status", layout)


def attribute(name: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file.attrs[name] = value

    return change


def huge_axes(path: Path) -> None:
    """Axes without storage that ask for terabytes."""
    with h5py.File(path, "r+") as file:
        for name in ("m_X", "g_X"):
            del file[name]
            file.create_dataset(name, (10**7,), "<f8").make_scale(name)


FOREIGN: dict[str, Callable[[Path], None]] = {
    "soft link": replace(
        "status", lambda file, old, path: file.__setitem__("status", h5py.SoftLink("/delta_chi2"))
    ),
    "external link": replace(
        "status",
        lambda file, old, path: file.__setitem__(
            "status", h5py.ExternalLink("/etc/none.h5", "/status")
        ),
    ),
    "link of a group": replace(
        "observable", lambda file, old, path: file.__setitem__("observable", h5py.SoftLink("/"))
    ),
    "external storage": replace("status", external_storage),
    "virtual dataset": replace("status", virtual),
    "filter": replace(
        "status", lambda f, old, path: f.create_dataset("status", data=old[...], fletcher32=True)
    ),
    "wrong class": replace("status", lambda file, old, path: file.create_group("status")),
    "named type": replace(
        "status", lambda file, old, path: file.__setitem__("status", np.dtype("u1"))
    ),
    "wrong dtype": replace(
        "status", lambda f, old, path: f.create_dataset("status", data=old[...].astype("i4"))
    ),
    "signed": replace(
        "status", lambda f, old, path: f.create_dataset("status", data=old[...].astype("i1"))
    ),
    "other byte order": replace(
        "m_X", lambda f, old, path: f.create_dataset("m_X", data=old[...].astype(">f8"))
    ),
    "numbers for text": replace(
        "constraint", lambda file, old, path: file.create_dataset("constraint", data=[1.0, 2.0])
    ),
    "wrong rank": replace(
        "status", lambda f, old, path: f.create_dataset("status", data=old[...][0])
    ),
    "beyond the axes": replace(
        "status", lambda f, old, path: f.create_dataset("status", data=np.ones((2, 3, 3), "u1"))
    ),
    "no axis": replace("m_X", lambda file, old, path: file.create_dataset("m_X", data=1.0)),
    "no dimension scale": replace(
        "status", lambda f, old, path: f.create_dataset("status", data=old[...])
    ),
    "without storage": replace(
        "chi2_zero", lambda file, old, path: file.create_dataset("chi2_zero", (2,), "<f8")
    ),
    "missing": replace("status", lambda file, old, path: None),
    "something else": replace(
        "status", lambda file, old, path: file.create_dataset("status2", data=old[...])
    ),
    "huge axes": huge_axes,
    "other schema": attribute("schema", "other-map"),
    "later version": attribute("schema_version", 2),
    "axes no list": attribute("axes", '"m_X"'),
    "axes no text": attribute("axes", 3),
    "tile shape": attribute("tile_shape", "[0, 2]"),
    "not HDF5": lambda path: path.write_text("format = 1\n") and None,
    "another HDF5 file": lambda path: h5py.File(path, "w").close(),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused(copied: Path, change: Callable[[Path], None]) -> None:
    change(copied)
    with pytest.raises(ForeignFileError, match=r"copied\.h5"):
        open_scan(copied)


def test_a_truncated_file_is_corrupt(copied: Path) -> None:
    whole = copied.read_bytes()
    for size in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        copied.write_bytes(whole[:size])
        with pytest.raises(CorruptFileError, match=r"copied\.h5"):
            open_scan(copied)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.h5", tmp_path):
        with pytest.raises(StorageError, match="cannot be read"):
            open_scan(path)
