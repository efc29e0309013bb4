"""HDF5 files of ours: created without time stamps, so that equal content gives equal bytes; read
with named errors.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from zscan.errors import CorruptFileError, ForeignFileError, StorageError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class MemoryFile:
    """A file in memory of up to about `size` bytes, for HDF5 to write an image to.

    HDF5 must not write to a disk that may be full: after a failed write it crashes the process when
    it exits. Memory that is never written is never taken from the system: a dataset that is created
    but not filled costs nothing."""

    def __init__(self, size: int) -> None:
        self._buffer = np.zeros(size, np.uint8)
        self._end = self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset from the start or, with SEEK_END, from the end."""
        self._position = offset + (self._end if whence == io.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        """Present position."""
        return self._position

    def readinto(self, target: memoryview) -> int:
        """Fill `target` from the present position."""
        data = self._buffer[self._position : self._end][: len(target)]
        target[: data.size] = data.data
        self._position += data.size
        return int(data.size)

    def write(self, data: memoryview) -> int:
        """Write at the present position."""
        stop = self._position + len(data)
        self.truncate(max(stop, self._end))
        self._buffer[self._position : stop] = np.frombuffer(data, np.uint8)
        self._position = stop
        return len(data)

    def truncate(self, size: int) -> int:
        """Set the length; what is added is zero."""
        if size > self._buffer.size:
            self._buffer = np.concatenate([self._buffer, np.zeros(size, np.uint8)])
        self._buffer[size : self._end] = 0
        self._end = size
        return size

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def data(self) -> memoryview:
        """The content."""
        return self._buffer[: self._end].data


def create_hdf5(target: Path | MemoryFile) -> h5py.File:
    """A new file, on disk (it must not exist) or in memory, whose metadata carry checksums (format
    1.10).
    """
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    if isinstance(target, Path):
        return h5py.File(h5py.h5f.create(os.fsencode(target), h5py.h5f.ACC_EXCL, creation, access))
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, target)
    return h5py.File(h5py.h5f.create(b"memory", h5py.h5f.ACC_TRUNC, creation, access))


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

    `StorageError`: no such file; `ForeignFileError`: not HDF5; `CorruptFileError`: any error of
    h5py."""
    try:
        with open(path, "rb") as start:
            signature = start.read(len(_SIGNATURE))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(signature) == len(_SIGNATURE) and signature != _SIGNATURE:
        raise ForeignFileError(f"{path}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise CorruptFileError(
            f"{path}: truncated or damaged ({error}); delete it and run again"
        ) from error
