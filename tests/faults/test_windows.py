"""What differs on Windows, on a system that is told it were one: no fsync of folders, no flock, no
renaming of open files, and os.kill(pid, 0) is Ctrl-C.
"""

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from zscan.errors import BusyError
from zscan.results import files
from zscan.scans import locks

ENDED, RUNNING, FOREIGN, NOBODY = 11, 12, 13, 14
_ACCESS_DENIED, _INVALID_PARAMETER, _TIMEOUT = 5, 87, 258


class Function:
    """A function of a library, whose types of results can be set."""

    def __init__(self, call: object) -> None:
        self.call = call

    def __call__(self, *arguments: object) -> object:
        return self.call(*arguments)  # type: ignore[operator]


class Kernel:
    """kernel32.dll as OpenProcess and its like are documented; a handle is 2**40 + pid."""

    def __init__(self, name: str, use_last_error: bool) -> None:
        assert (name, use_last_error) == ("kernel32", True)
        self.error = 0
        self.open: list[int] = []
        self.OpenProcess = Function(self._open)

    def _open(self, right: int, inherit: bool, pid: int) -> int | None:
        assert (right, inherit) == (0x00100000, False)  # SYNCHRONIZE
        if pid in (ENDED, RUNNING):
            self.open.append(2**40 + pid)
            return 2**40 + pid
        self.error = _ACCESS_DENIED if pid == FOREIGN else _INVALID_PARAMETER
        return None

    def WaitForSingleObject(self, handle: ctypes.c_void_p, milliseconds: int) -> int:
        assert handle.value in self.open
        assert milliseconds == 0
        return 0 if handle.value == 2**40 + ENDED else _TIMEOUT

    def CloseHandle(self, handle: ctypes.c_void_p) -> None:
        assert handle.value is not None
        self.open.remove(handle.value)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    """The system says that it is Windows; asking like POSIX is an error."""
    made = Kernel("kernel32", use_last_error=True)

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"not on Windows: {arguments}")

    open_file = os.open

    def no_folders(path: str | Path, *arguments: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(f"{path} is a folder")
        return open_file(path, *arguments)

    def rename(old: Path, new: Path) -> None:
        held = {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
        assert os.path.realpath(old) not in held, "an open file is renamed"
        os.replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "WinDLL", lambda *a, **k: made, raising=False)
        patch.setattr(ctypes, "get_last_error", lambda: made.error, raising=False)
        patch.setattr(os, "kill", refuse)
        patch.setattr(locks.fcntl, "flock", refuse)
        patch.setattr(os, "open", no_folders)
        patch.setattr(os, "rename", rename)
        patch.setattr(files, "WINDOWS", True)
        patch.setattr(locks, "WINDOWS", True)
        yield made


@pytest.mark.parametrize(
    ("pid", "gone"), [(ENDED, True), (RUNNING, False), (FOREIGN, False), (NOBODY, True)]
)
def test_processes_are_asked_for_without_a_signal(kernel: Kernel, pid: int, gone: bool) -> None:
    assert files.process_is_gone(pid) is gone
    assert not kernel.open


def test_files_are_written_where_folders_cannot_be_synced(kernel: Kernel, tmp_path: Path) -> None:
    files.write_file(tmp_path / "map", [b"text"])
    assert (tmp_path / "map").read_bytes() == b"text"
    assert [path.name for path in tmp_path.iterdir()] == ["map"]


def test_a_map_is_held_by_one_process(kernel: Kernel, tmp_path: Path) -> None:
    out = tmp_path / "map.h5"
    with locks.hold(out, "zscan run"):
        (lock,) = tmp_path.iterdir()
        assert lock.read_text().endswith("\n")
        assert '"command": "zscan run"' in lock.read_text()
    assert not list(tmp_path.iterdir())
    lock = tmp_path / f".map.h5.{RUNNING}-0@{socket.gethostname()}.lock"
    lock.write_text("\n")
    with pytest.raises(BusyError, match="is in use"), locks.hold(out, "zscan run"):
        pass
    lock.rename(tmp_path / lock.name.replace(str(RUNNING), str(ENDED)))
    with locks.hold(out, "zscan run"):
        assert len(list(tmp_path.iterdir())) == 1
