"""Files in memory, for HDF5 to write to."""

from __future__ import annotations

import io
from collections.abc import Iterator

_PAGE = 1 << 16  # bytes


class MemoryFile:
    """A file in memory, for HDF5 to write an image to.

    HDF5 must not write to a disk that may be full: after a failed write it crashes the process when
    it exits. Pages that are never written are not kept: a dataset that is created but not filled
    costs nothing, whatever its size."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._end = self._position = 0

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._end

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`; those never written are zero."""
        pieces = []
        for number, first, last in _spans(start, min(stop, self._end)):
            page = self._pages.get(number)
            pieces.append(bytes(last - first) if page is None else bytes(page[first:last]))
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset from the start or, with SEEK_END, from the end."""
        self._position = offset + (self._end if whence == io.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        """Present position."""
        return self._position

    def readinto(self, target: memoryview) -> int:
        """Fill `target` from the present position."""
        data = self.read(self._position, self._position + len(target))
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def write(self, data: memoryview) -> int:
        """Write at the present position."""
        data, done = memoryview(data).cast("B"), 0
        for number, first, last in _spans(self._position, self._position + len(data)):
            if number not in self._pages:
                self._pages[number] = bytearray(_PAGE)
            self._pages[number][first:last] = data[done : done + last - first]
            done += last - first
        self._position += len(data)
        self._end = max(self._end, self._position)
        return len(data)

    def truncate(self, size: int) -> int:
        """Set the length; what is added is zero."""
        for number in [number for number in self._pages if (number + 1) * _PAGE > size]:
            if number * _PAGE >= size:
                del self._pages[number]
            else:
                kept = size - number * _PAGE
                self._pages[number][kept:] = bytes(_PAGE - kept)
        self._end = size
        return size

    def flush(self) -> None:
        """Nothing is held back."""


def _spans(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Number of each page from `start` to `stop`, and the part of it."""
    for number in range(start // _PAGE, -(-stop // _PAGE)):
        yield number, max(start - number * _PAGE, 0), min(stop - number * _PAGE, _PAGE)
