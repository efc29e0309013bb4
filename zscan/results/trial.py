"""A trial reading of HDF5 files without a seal, in a child process: damaged ones make HDF5 hang,
crash or ask for all memory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py

from zscan.errors import CorruptFileError

_CPU_SECONDS = 5  # of reading metadata, which takes milliseconds; other processes do not count
_WALL_SECONDS = 120.0
_MEMORY = 8 << 30  # bytes of address space
_NAMED = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # how HDF5 reports damage
_STARTED = "started"
_CHILD = "import sys; from zscan.results.trial import read; read(sys.argv[1], int(sys.argv[2]))"


def require_readable(path: Path) -> None:
    """Raise `CorruptFileError` if reading the metadata and the text of a file does not end, crashes
    or takes more than 8 GiB; what else may be wrong with it shows when it is read here.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        "OPENBLAS_NUM_THREADS": "1",
    }
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD, os.fspath(path), str(_CPU_SECONDS)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(path) from error
    except OSError:
        return  # no child can be started here: better unguarded than not at all
    if child.returncode and child.stdout.decode().startswith(_STARTED):
        raise _damaged(path)


def _damaged(path: Path) -> CorruptFileError:
    return CorruptFileError(
        f"{path}: damaged: HDF5 cannot read it in finite time and memory; delete it and run again"
    )


def read(path: str, cpu_seconds: int) -> None:
    """Read all attributes and text of a file, within limits of time and memory; runs in the child.
    Errors that HDF5 reports do not count.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limit = int(time.process_time()) + 1 + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(_STARTED, flush=True)
    with contextlib.suppress(*_NAMED), h5py.File(path, "r") as file:
        items = [file]
        file.visititems(lambda name, item: items.append(item))
        for item in items:
            _read_item(item)


def _read_item(item: h5py.HLObject) -> None:
    for name in item.attrs:
        with contextlib.suppress(*_NAMED):
            item.attrs[name]
    if isinstance(item, h5py.Dataset):
        with contextlib.suppress(*_NAMED):
            # Anything else is refused by its structure, before it is read.
            is_plain = item.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
            if is_plain and not item.external and h5py.check_string_dtype(item.dtype):
                item[...]
