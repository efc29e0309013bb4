"""Trouble that is no damage: files of other users, disks that do not answer, files that vanish."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import copytree

import pytest

import zscan.results.load
from zscan.errors import BusyError, CorruptFileError, DamagedTileWarning, StorageError
from zscan.results.files import (
    discard,
    is_temporary,
    new_file,
    remove_stale,
    require_space,
    write_file,
)
from zscan.results.hdf5 import open_hdf5
from zscan.results.load import open_scan
from zscan.scans.locks import hold
from zscan.scans.run import merge_scan, run_scan
from zscan.scans.store import tile_folder


@pytest.fixture
def dead() -> str:
    """The number of a process that ended, with its host."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return f"{process.pid}-0@{socket.gethostname()}"


def refuse(monkeypatch: pytest.MonkeyPatch, owner: type | object, name: str, ending: str) -> None:
    """Let a method of a path fail for names with an ending, as if they were of another user."""
    call = getattr(owner, name)

    def refused(path: Path, *arguments: object, **options: object) -> object:
        if str(path).endswith(ending):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return call(path, *arguments, **options)

    monkeypatch.setattr(owner, name, refused)


def test_what_another_user_left_is_in_nobodys_way(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    left = [tmp_path / f".map.h5.{dead}.tmp", tmp_path / f".map.h5.{dead}.lock"]
    for path in left:
        path.touch()
    for ending in (".tmp", ".lock"):
        refuse(monkeypatch, Path, "unlink", f"{dead}{ending}")
    refuse(monkeypatch, Path, "open", f"{dead}.lock")
    run_scan(card, tmp_path / "map.h5", progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        "map.h5",
        "tiny.toml",
        *(path.name for path in left),
    }


def test_a_lock_that_cannot_be_read_holds_the_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / f".map.h5.{os.getppid()}-0@{socket.gethostname()}.lock"
    lock.write_bytes(b"{}\n")
    refuse(monkeypatch, Path, "open", lock.name)
    busy = rf":{os.getppid()} since an unknown time runs an unknown command"
    with pytest.raises(BusyError, match=busy), hold(tmp_path / "map.h5", "a"):
        pass
    assert list(tmp_path.iterdir()) == [lock]


def test_a_lock_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / ".map.h5.7-0@elsewhere.lock").write_bytes(b"\xff\xfe\n")
    with pytest.raises(BusyError, match="an unknown command"), hold(tmp_path / "map.h5", "a"):
        pass


def test_the_first_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, Path, "unlink", ".tmp")

    def parts() -> Iterator[bytes]:
        yield b"1"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _write_slowly(tmp_path / "x", parts())
    (left,) = tmp_path.iterdir()
    assert is_temporary(left)
    monkeypatch.undo()
    discard(left)
    assert not left.exists()


def _write_slowly(path: Path, parts: Iterable[bytes]) -> None:
    with new_file(path, 0) as temporary, temporary.open("xb") as file:
        file.writelines(parts)


def test_a_probe_of_the_disk_never_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch = Path.touch

    def touched(path: Path, **options: bool) -> None:
        touch(path, **options)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "touch", touched)
    with pytest.raises(StorageError, match="x: cannot be written: Input/output error"):
        require_space(tmp_path / "x", 1)
    assert not list(tmp_path.iterdir())


def test_a_name_that_was_taken_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*paths: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def failing(*paths: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(StorageError, match="Input/output error"):
        write_file(tmp_path / "x", [b"1"], replace=False)
    assert not list(tmp_path.iterdir())


def test_temporaries_are_looked_for_quietly(tmp_path: Path) -> None:
    remove_stale(tmp_path / "nothing", "")
    assert not list(tmp_path.iterdir())


def test_tiles_that_cannot_be_removed_are_named(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "map.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    refuse(monkeypatch, Path, "unlink", "tile-000003.h5")
    with pytest.raises(StorageError, match=r"map\.h5\.tiles: cannot be removed: Permission denied"):
        merge_scan(out)
    open_scan(out).close()
    monkeypatch.undo()
    assert merge_scan(out) == out
    assert not tile_folder(out).exists()


def test_tiles_whose_spec_cannot_be_read_stay(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = tmp_path / "map.h5", tmp_path / "other.h5"
    run_scan(card, out, progress=False)
    run_scan(card, other, shard=(1, 3), overrides=["fixed.eps=1e-4"], progress=False)
    tiles = tile_folder(other).rename(tile_folder(out))
    count = len(list(tiles.iterdir()))
    refuse(monkeypatch, Path, "read_bytes", "spec.json")
    with pytest.raises(StorageError, match=r"spec\.json: Permission denied"):
        run_scan(card, out, resume=True, progress=False)
    assert len(list(tiles.iterdir())) == count


def test_a_tile_that_cannot_be_read_is_computed_again_but_not_called_damaged(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "map.h5"
    run_scan(card, out, shard=(1, 1), progress=False)
    copytree(tile_folder(out), tmp_path / "copy.h5.tiles")
    expected = merge_scan(tmp_path / "copy.h5").read_bytes()
    monkeypatch.setattr("builtins.open", _failing_open(tile_folder(out) / "tile-000002.h5"))
    with pytest.raises(CorruptFileError, match=r"tile-000002\.h5 \(cannot be read\); zscan run"):
        merge_scan(out)
    with pytest.warns(DamagedTileWarning, match=r"tile-000002\.h5 \(cannot be read\)$"):
        run_scan(card, out, resume=True, progress=False)
    assert out.read_bytes() == expected


def _failing_open(unreadable: Path) -> object:
    call = open

    def opened(path: object, *arguments: object, **options: object) -> object:
        if path == unreadable:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return call(path, *arguments, **options)  # type: ignore[call-overload]

    return opened


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("errno = 5, error message = 'Input/output error'", StorageError, "Input/output error"),
        (
            "errno = 22, error message = 'Invalid argument'",
            CorruptFileError,
            "truncated or damaged",
        ),
        ("truncated file: eof = 800", CorruptFileError, "truncated or damaged"),
    ],
)
def test_trouble_with_the_disk_is_no_damage(
    tmp_path: Path, card: Path, text: str, error: type[Exception], message: str
) -> None:
    out = run_scan(card, tmp_path / "map.h5", progress=False)
    with pytest.raises(error, match=message), open_hdf5(out):
        raise OSError(f"Can't synchronously read data (file read failed: {text})")


def test_a_map_that_vanishes_is_named(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_scan(card, tmp_path / "map.h5", progress=False)
    name = zscan.results.load.file_name

    class Vanishing:
        def __enter__(self) -> tuple[object, object]:
            return self.checked.__enter__()

        def __exit__(self, *arguments: object) -> None:
            self.checked.__exit__(*arguments)
            name(out).unlink()

        def __init__(self, path: Path) -> None:
            self.checked = check(path)

    check = zscan.results.load.open_checked
    monkeypatch.setattr(zscan.results.load, "open_checked", Vanishing)
    with pytest.raises(StorageError, match=r"map\.h5: cannot be read: "):
        open_scan(out)


def test_a_second_signal_ends_even_if_a_lock_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import os, signal, threading, time\n"
        "from pathlib import Path\n"
        "from zscan.scans.interrupts import exit_at_second_signal, last_will\n"
        "signal.signal(signal.SIGINT, lambda number, frame: None)\n"
        f"last_will.add(Path({str(tmp_path)!r}))\n"  # a folder: unlink fails
        "with exit_at_second_signal():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
