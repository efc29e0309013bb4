"""HDF5 files of ours: created without time stamps, so that equal content gives equal bytes; read
with named errors.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from zscan.errors import CorruptFileError, ForeignFileError, StorageError
from zscan.results.files import access, system_error
from zscan.results.memory import MemoryFile
from zscan.results.seal import check_seal
from zscan.results.trial import require_readable

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What reading a damaged file may raise: damage can change types and sizes.
_DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)
# Errors of the system that say nothing about the file itself: it may be whole
_TROUBLE = {
    errno.EIO,
    errno.ESTALE,
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ETIMEDOUT,
}


def create_hdf5(target: MemoryFile) -> h5py.File:
    """A new file in memory whose metadata carry checksums (format 1.10)."""
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = _access(target)
    return h5py.File(h5py.h5f.create(b"memory", h5py.h5f.ACC_TRUNC, creation, access))


def change_hdf5(target: MemoryFile) -> h5py.File:
    """Open a file that `create_hdf5` made once more, to add to it."""
    return h5py.File(h5py.h5f.open(b"memory", h5py.h5f.ACC_RDWR, _access(target)))


def _access(target: MemoryFile) -> h5py.h5p.PropFAID:
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, target)
    return access


def create_plain(
    parent: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype
) -> h5py.Dataset:
    """A dataset that is stored in one piece, at `.id.get_offset()`, whose values are written past
    HDF5.
    """
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind, space = h5py.h5t.py_create(dtype), h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(parent.id, name.encode(), kind, space, properties))


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file of ours for reading; names the trouble with it, also when it shows while the data
    are read.

    HDF5 only gets to see a file whose seal holds or, without a seal, that a child process could
    read. `StorageError`: no such file, or trouble with the disk; `ForeignFileError`: not HDF5;
    `CorruptFileError`: not as its seal says, or any other error of h5py."""
    with access(path, "read"), open(path, "rb") as start:
        signature = start.read(len(_SIGNATURE))
    if len(signature) == len(_SIGNATURE) and signature != _SIGNATURE:
        raise ForeignFileError(f"{path}: not an HDF5 file")
    if not check_seal(path):
        require_readable(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except _DAMAGE as error:
        number = system_error(error) if isinstance(error, OSError) else 0
        if number in _TROUBLE:
            raise StorageError(f"{path}: cannot be read: {os.strerror(number)}") from error
        raise CorruptFileError(
            f"{path}: truncated or damaged ({error}); delete it and run again"
        ) from error
