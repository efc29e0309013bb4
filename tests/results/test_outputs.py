"""The guard of outputs: every case that it refuses, all that it allows; the atomic writer."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from matplotlib.figure import Figure

import zscan.results.files
from zscan.errors import (
    CorruptFileError,
    ForeignFileError,
    ParameterError,
    ResultExistsError,
    StorageError,
)
from zscan.results.catalogue_file import CATALOGUE, write_catalogue
from zscan.results.check import MAP
from zscan.results.figures.picture import PICTURE, save_picture
from zscan.results.files import new_file, temporary_path, write_file
from zscan.results.outputs import Kind, Output, guard, target_of, write_output

OURS = b"ours: "


def check_text(path: Path) -> None:
    if not path.read_bytes().startswith(OURS):
        raise ForeignFileError(f"{path}: it does not begin with {OURS!r}")


def check_damage(path: Path) -> None:
    raise CorruptFileError(f"{path}: damaged")


def check_folder(path: Path) -> None:
    if not (path / "mark").is_file():
        raise ForeignFileError(f"{path}: there is no mark in it")


TEXT = Kind("text", check_text)
DAMAGED = Kind("text", check_damage)
FOLDER = Kind("box", check_folder, folder=True)


def listing(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def ours(path: Path) -> None:
    path.write_bytes(OURS + b"old")


def foreign(path: Path) -> None:
    path.write_bytes(b"mine")


def empty(path: Path) -> None:
    path.touch()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def to_foreign(path: Path) -> None:
    foreign(path.with_name("target"))
    path.symlink_to("target")


def to_ours(path: Path) -> None:
    ours(path.with_name("target"))
    path.symlink_to("target")


def to_device(path: Path) -> None:
    path.symlink_to(os.devnull)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("may_exist", [False, True])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "x exists and is no text of zscan.*does not begin.*move it away"),
        (empty, "x exists and is no text of zscan"),
        (to_foreign, "x exists and is no text of zscan"),
        (Path.mkdir, "x is a folder, where the text belongs: move it away"),
        (os.mkfifo, "x is a named pipe"),
        (to_device, "x is a device"),
        (dangling, "x is a link to nowhere that leads nowhere.*No such file.*remove it"),
        (loop, "x is a link to x that leads nowhere.*symbolic links"),
    ],
)
def test_what_is_not_ours_is_never_replaced(
    tmp_path: Path, make: Callable[[Path], object], message: str, may_exist: bool, force: bool
) -> None:
    path = tmp_path / "x"
    make(path)
    before = listing(tmp_path)
    with pytest.raises(ResultExistsError, match=message):
        guard([Output(path, TEXT, may_exist)], force=force)
    with pytest.raises(ResultExistsError, match=message):
        write_output(Output(path, TEXT, may_exist), OURS, force=force)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("make", "may_exist", "force", "allowed"),
    [
        (ours, False, False, False),
        (ours, False, True, True),
        (ours, True, False, True),
        (ours, True, True, True),
        (to_ours, False, False, False),
        (to_ours, False, True, True),
        (None, False, False, True),
        (None, False, True, True),
    ],
)
def test_ours_is_replaced_when_asked(
    tmp_path: Path,
    make: Callable[[Path], None] | None,
    may_exist: bool,
    force: bool,
    allowed: bool,
) -> None:
    path = tmp_path / "x"
    if make is not None:
        make(path)
    before = listing(tmp_path)
    output = Output(path, TEXT, may_exist)
    if not allowed:
        with pytest.raises(ResultExistsError, match=r"x exists; --force replaces it, -o names"):
            guard([output], force=force)
        assert listing(tmp_path) == before
        return
    (target,) = guard([output], force=force)
    assert target.exists == (make is not None)
    assert listing(tmp_path) == before
    assert write_output(output, OURS + b"new", force=force) == path
    assert path.read_bytes() == OURS + b"new"
    assert path.is_symlink() == (make is to_ours)
    assert set(listing(tmp_path)) == {*before, "x"}


def test_a_damaged_file_that_is_continued_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x"
    foreign(path)
    with pytest.raises(CorruptFileError):
        guard([Output(path, DAMAGED, may_exist=True)])
    with pytest.raises(ResultExistsError, match=r"no text of zscan \(damaged\)"):
        guard([Output(path, DAMAGED, may_exist=True)], force=True)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["", ".", "/", "a\0b"])
def test_an_output_has_a_name(name: str, force: bool) -> None:
    with pytest.raises(ParameterError, match="must name a file"):
        guard([Output(Path(name), TEXT)], force=force)


def twice(folder: Path) -> tuple[Path, Path]:
    return folder / "x", folder / "x"


def through_a_folder(folder: Path) -> tuple[Path, Path]:
    (folder / "there").symlink_to(".")
    return folder / "x", folder / "there" / "x"


def around(folder: Path) -> tuple[Path, Path]:
    return folder / "x", folder / "more" / ".." / "x"


def link_and_target(folder: Path) -> tuple[Path, Path]:
    to_ours(folder / "x")
    return folder / "x", folder / "target"


def two_names(folder: Path) -> tuple[Path, Path]:
    ours(folder / "x")
    (folder / "y").hardlink_to(folder / "x")
    return folder / "x", folder / "y"


def inside(folder: Path) -> tuple[Path, Path]:
    return folder / "x", folder / "x" / "y"


@pytest.mark.parametrize(
    "make", [twice, through_a_folder, around, link_and_target, two_names, inside]
)
def test_outputs_are_distinct(tmp_path: Path, make: Callable[[Path], tuple[Path, Path]]) -> None:
    one, other = make(tmp_path)
    before = listing(tmp_path)
    with pytest.raises(ParameterError, match=r"\(text\) .*(are the same file|inside the other)"):
        guard([Output(one, TEXT), Output(other, TEXT)], force=True)
    assert listing(tmp_path) == before


def marked(path: Path) -> None:
    path.mkdir()
    (path / "mark").touch()


def unmarked(path: Path) -> None:
    path.mkdir()
    (path / "note").write_text("mine")


def to_marked(path: Path) -> None:
    marked(path.with_name("box"))
    path.symlink_to("box")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (marked, None),
        (unmarked, "x exists and is no box of zscan.*no mark in it"),
        (to_marked, "x is a link, where the box belongs"),
        (dangling, "x is a link, where the box belongs"),
        (foreign, "x is a file, where the box belongs"),
    ],
)
def test_folders(
    tmp_path: Path, make: Callable[[Path], None], message: str | None, force: bool
) -> None:
    path = tmp_path / "x"
    make(path)
    before = listing(tmp_path)
    output = Output(path, FOLDER, may_exist=True)
    if message is None:
        (target,) = guard([output], force=force)
        assert target.path == path
    else:
        with pytest.raises(ResultExistsError, match=message):
            guard([output], force=force)
    assert listing(tmp_path) == before


def test_one_refusal_holds_for_all_outputs(tmp_path: Path) -> None:
    foreign(tmp_path / "y")
    with pytest.raises(ResultExistsError, match="y exists"):
        guard([Output(tmp_path / "new" / "x", TEXT), Output(tmp_path / "y", TEXT)])
    assert listing(tmp_path) == {"y": b"mine"}


def test_folders_are_made_or_named(tmp_path: Path) -> None:
    guard([Output(tmp_path / "new" / "folder" / "x", TEXT)])
    assert (tmp_path / "new" / "folder").is_dir()
    foreign(tmp_path / "file")
    dangling(tmp_path / "link")
    for parent in ("file", "link"):
        with pytest.raises(StorageError, match="x: cannot be written: File exists"):
            guard([Output(tmp_path / parent / "x", TEXT)])
    with pytest.raises(StorageError, match="File name too long"):
        guard([Output(tmp_path / ("x" * 300), TEXT)])


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            guard([Output(tmp_path / "x", TEXT)])
    finally:
        tmp_path.chmod(0o700)


def test_space_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"x: 1000000000000000000 bytes are needed, \d+ are"):
        guard([Output(tmp_path / "x", TEXT, needed=10**18)])
    assert listing(tmp_path) == {}


def test_what_a_killed_command_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    owner = f"{process.pid}-0@{socket.gethostname()}"
    left, other = tmp_path / f".x.{owner}.tmp", tmp_path / f".y.{owner}.tmp"
    left.touch()
    other.touch()
    alive = temporary_path(tmp_path / "x")
    alive.touch()
    guard([Output(tmp_path / "x", TEXT)])
    assert [path.exists() for path in (left, other, alive)] == [False, True, True]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ours(tmp_path / "data" / "real")
    (tmp_path / "middle").symlink_to("data/real")
    (tmp_path / "x").symlink_to("middle")
    assert target_of(tmp_path / "x") == (tmp_path / "data" / "real").resolve()
    assert target_of(tmp_path / "data" / "real") == tmp_path / "data" / "real"
    write_output(Output(tmp_path / "x", TEXT), OURS + b"new", force=True)
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "middle").is_symlink()
    assert (tmp_path / "data" / "real").read_bytes() == OURS + b"new"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "x"

    def write() -> None:
        with new_file(path, 0, replace=False) as temporary:
            temporary.write_bytes(b"new")
            path.write_bytes(b"mine")

    with pytest.raises(ResultExistsError, match="x exists"):
        write()
    assert listing(tmp_path) == {"x": b"mine"}
    path.unlink()
    write_file(path, [b"a", b"b"], replace=False)
    assert listing(tmp_path) == {"x": b"ab"}
    write_file(path, [b"c"])
    assert listing(tmp_path) == {"x": b"c"}


@pytest.mark.parametrize("replace", [False, True])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "x"
    if replace:
        foreign(path)
    before = listing(tmp_path)
    monkeypatch.setattr(zscan.results.files, "sync_file", full)
    with pytest.raises(StorageError, match="no space left"):
        write_file(path, [b"new"], replace=replace)
    assert listing(tmp_path) == before


def hdf5(path: Path, **attributes: object) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)


def picture(path: Path, software: str | None) -> None:
    Figure(figsize=(1, 1)).savefig(path, format="png", metadata={"Software": software})


@pytest.mark.parametrize(
    ("kind", "make", "reason"),
    [
        (MAP, lambda path: hdf5(path, schema="zscan-map", schema_version=7), None),
        (MAP, lambda path: hdf5(path, schema="zscan-catalogue"), "not written by zscan"),
        (MAP, lambda path: hdf5(path, schema=[1, 2]), "not written by zscan"),
        (MAP, hdf5, "not written by zscan"),
        (MAP, foreign, "truncated or damaged"),
        (MAP, lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n junk"), "truncated or damaged"),
        (MAP, lambda path: path.write_text("longer than a signature"), "not an HDF5 file"),
        (CATALOGUE, lambda path: write_catalogue(path.with_suffix(".h5"), "max=1"), None),
        (CATALOGUE, lambda path: path.write_text("# schema: zscan-catalogue\n"), None),
        (CATALOGUE, lambda path: path.write_text("# schema: zscan-catalogue-2\n"), "HDF5"),
        (CATALOGUE, lambda path: hdf5(path, schema="zscan-map"), "not 'zscan-catalogue'"),
        (PICTURE, lambda path: picture(path, "zscan 0.1.0"), None),
        (PICTURE, lambda path: picture(path, "zscanner 0.1.0"), "do not name zscan"),
        (PICTURE, lambda path: picture(path, None), "do not name zscan"),
        (PICTURE, foreign, "not a PNG, PDF or SVG file"),
        (PICTURE, lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "do not name zscan"),
    ],
)
def test_files_are_known_by_their_content(
    tmp_path: Path, kind: Kind, make: Callable[[Path], object], reason: str | None
) -> None:
    path = tmp_path / "x.h5"
    make(path)
    if reason is None:
        guard([Output(path, kind)], force=True)
        return
    before = listing(tmp_path)
    with pytest.raises(ResultExistsError, match=reason):
        guard([Output(path, kind)], force=True)
    assert listing(tmp_path) == before


def test_pictures_are_written_and_known_again(tmp_path: Path) -> None:
    figure, path, metadata = Figure(figsize=(1, 1)), tmp_path / "x.png", {"Software": "zscan 1"}
    assert save_picture(figure, path, metadata) == path
    with pytest.raises(ResultExistsError, match=r"x\.png exists; --force"):
        save_picture(figure, path, metadata)
    save_picture(figure, path, metadata | {"Title": "again"}, force=True)
    assert b"again" in path.read_bytes()
    assert list(listing(tmp_path)) == ["x.png"]
