"""Files that appear whole or not at all: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import ctypes
import errno
import glob
import itertools
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zscan.errors import ResultExistsError, StorageError

WINDOWS = os.name == "nt"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
_COUNTER = itertools.count()
_PASSING: dict[Path, int] = {}  # files that are there for a while, and the threads that made them
_TEMPORARY = re.compile(r"\..+\.(\d+)-\d+@(.+)\.tmp")
_SYNCHRONIZE = 0x00100000  # the right of Windows to wait for a process
_NO_SUCH_PROCESS = 87  # ERROR_INVALID_PARAMETER, what OpenProcess says of a number without process
FOREIGN_AGE = 86400.0  # s after which a temporary file or a lock of another host is stale


def temporary_path(path: Path) -> Path:
    """A hidden name beside `path` that no other process or thread uses; it tells whose it is."""
    name = f".{path.name}.{os.getpid()}-{next(_COUNTER)}@{socket.gethostname()}.tmp"
    return passing(path.with_name(name))


def passing(path: Path) -> Path:
    """Note a file that this thread will `discard`."""
    _PASSING[path] = threading.get_ident()
    return path


@contextmanager
def nothing_left() -> Iterator[None]:
    """Remove what is left of files that pass, when an interrupt came just as they were removed."""
    before = set(_PASSING)
    try:
        yield
    finally:
        own = threading.get_ident()
        for path in [path for path, thread in tuple(_PASSING.items()) if thread == own]:
            if path not in before:
                discard(path)


def is_temporary(path: Path) -> bool:
    """Whether a name is one of `temporary_path`."""
    return _TEMPORARY.fullmatch(path.name) is not None


def system_error(error: OSError) -> int:
    """The number of a system error, 0 without one; h5py puts it into its message only."""
    found = re.search(r"errno = (\d+)", str(error))
    return error.errno or (int(found[1]) if found else 0)


@contextmanager
def storage(path: Path, needed: int) -> Iterator[None]:
    """Turn an `OSError` while writing `path` into a `StorageError` that names the file and the
    bytes needed.
    """
    try:
        yield
    except OSError as error:
        number = system_error(error)
        if number in _FULL:
            raise StorageError(
                f"{path}: no space left on the disk; {needed} bytes are needed (a scan continues "
                "with --resume)"
            ) from error
        reason = os.strerror(number) if number else str(error)
        raise StorageError(f"{path}: cannot be written: {reason} ({needed} bytes)") from error


@contextmanager
def access(path: Path, what: str) -> Iterator[None]:
    """Turn an `OSError` into a `StorageError`: `path` cannot be `what` ("read", "removed")."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: cannot be {what}: {error.strerror or error}") from error


def discard(path: Path) -> None:
    """Remove a temporary file of ours. One that cannot be removed stays, for `remove_stale`: it
    must not hide how the work ended.
    """
    with suppress(OSError):
        path.unlink(missing_ok=True)
    _PASSING.pop(path, None)


@contextmanager
def new_file(path: Path, needed: int, *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path to fill; on success it is synced and becomes `path`, on any error it
    is removed.

    With `replace` False an existing `path` is kept, even one that appears at the last moment, and
    `ResultExistsError` is raised. Raises `StorageError`."""
    temporary = temporary_path(path)
    try:
        yield temporary
        finish_file(temporary, path, needed, replace=replace)
    finally:
        discard(temporary)


def finish_file(temporary: Path, path: Path, needed: int, *, replace: bool = True) -> None:
    """Let a file that is written become `path`, as `new_file` does. Where `path` may not exist yet
    it may keep its first name as well.
    """
    with storage(path, needed):
        sync_file(temporary)
        if replace:
            os.replace(temporary, path)
        else:
            _name_new(temporary, path)
        sync_folder(path.parent)


def _name_new(temporary: Path, path: Path) -> None:
    """Give a finished file the name `path`, which no file may have: the system itself refuses it
    then.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _appeared(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: an empty file of our own takes the name first
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            raise _appeared(path) from None
        try:
            os.close(descriptor)
            os.replace(temporary, path)
        except OSError:
            discard(path)
            raise


def _appeared(path: Path) -> ResultExistsError:
    return ResultExistsError(f"{path} exists; only --force replaces it")


def write_file(path: Path, parts: Iterable[bytes | memoryview], *, replace: bool = True) -> None:
    """Write `parts` in turn to `path`; what is there is replaced, or kept with `replace` False.

    Raises `StorageError` and, with `replace` False, `ResultExistsError`."""
    parts = list(parts)
    size = sum(len(part) for part in parts)
    with (
        new_file(path, size, replace=replace) as temporary,
        storage(path, size),
        open(temporary, "xb") as file,
    ):
        file.writelines(parts)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows has no such call, and does not open
    folders.
    """
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_stale(folder: Path, prefix: str) -> None:
    """Remove temporary files for names that begin with `prefix` whose process is gone (other hosts:
    a day old). Those that cannot be removed, of another user say, stay.
    """
    with suppress(OSError):
        for path in folder.glob(f".{glob.escape(prefix)}*.tmp"):
            match = _TEMPORARY.fullmatch(path.name)
            if match and _is_stale(path, int(match[1]), match[2]):
                discard(path)


def _is_stale(path: Path, pid: int, host: str) -> bool:
    if host != socket.gethostname():
        try:
            return time.time() - path.stat().st_mtime > FOREIGN_AGE
        except OSError:
            return False
    return process_is_gone(pid)


def process_is_gone(pid: int) -> bool:
    """Whether no process of this host has the number `pid`."""
    if WINDOWS:  # there os.kill(pid, 0) is not a question but Ctrl-C
        return _is_gone_from_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _is_gone_from_windows(pid: int) -> bool:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
    if not handle:  # one of another user lives, too
        gone: bool = ctypes.get_last_error() == _NO_SUCH_PROCESS  # type: ignore[attr-defined]
        return gone
    try:
        ended: bool = kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == 0
        return ended
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def require_space(path: Path, needed: int) -> None:
    """Raise `StorageError` unless the folder of `path` exists or can be made, is writable and has
    `needed` bytes.
    """
    with storage(path, needed):
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(path)
        try:
            probe.touch(exist_ok=False)
        finally:
            discard(probe)
        free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageError(f"{path}: {needed} bytes are needed, {free} are free in {path.parent}")
