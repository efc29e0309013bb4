"""Seals: the end of an HDF5 file of ours that tells, before HDF5 reads it, whether a byte changed.

Damaged metadata make HDF5 hang or crash, and it does not checksum all of them (text of variable
length, the lists of dimension scales). A seal lies after the end of the HDF5 file, where HDF5 does
not look, and covers every byte but the fields, which have digests of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from zscan.errors import CorruptFileError
from zscan.results.files import access
from zscan.results.memory import MemoryFile

_TAIL = re.compile(rb"\n([a-z-]+) *seal 1 ([0-9a-f]{8}) ([0-9a-f]{64})\n")
_TAIL_SIZE = 98  # bytes
_NAME_SIZE = 16  # bytes of the tail for the schema and blanks
_MAX_BODY = 1 << 20  # bytes, of 10,000 fields or more
_CHUNK = 1 << 20  # bytes

Gap = tuple[int, int]  # offset and size in bytes of what a seal does not cover


def outside(size: int, gaps: Sequence[Gap]) -> list[tuple[int, int]]:
    """Start and stop of the pieces of a file of `size` bytes outside `gaps`; raises `ValueError`
    unless these lie in the file and apart from each other.
    """
    pieces, position = [], 0
    for offset, length in sorted(gaps):
        if offset < position or length < 0:
            raise ValueError(f"a field at byte {offset} overlaps another one")
        pieces.append((position, offset))
        position = offset + length
    if position > size:
        raise ValueError(f"a field ends at byte {position} of {size}")
    return [*pieces, (position, size)]


def seal(image: MemoryFile, schema: str, gaps: Sequence[Gap] = ()) -> bytes:
    """The seal of an HDF5 image, to be written right after it; `gaps` are not covered.

    Its last line tells the schema also of a file that is damaged otherwise."""
    body = json.dumps({"size": image.size, "fields": sorted(gaps)}).encode()
    pieces = (image.read(start, stop) for start, stop in outside(image.size, gaps))
    digest = _digest(pieces, schema, body)
    return body + f"\n{schema:{_NAME_SIZE}}seal 1 {len(body):08x} {digest}\n".encode()


def sealed_schema(path: Path) -> str | None:
    """The schema that the seal of a file names, whether the rest of it holds or not; None without a
    seal. Raises `StorageError`.
    """
    with access(path, "read"), open(path, "rb") as file:
        found = _tail(file)
    return None if found is None else found[1].decode()


def check_seal(path: Path) -> bool:
    """Compare a file with its seal; False if it has none, as those that zscan 0.1.0 wrote.

    Raises `CorruptFileError` if they disagree, `StorageError` for a file that cannot be read."""
    with access(path, "read"), open(path, "rb") as file:
        found = _tail(file)
        if found is None:
            return False
        schema, length, digest = found[1].decode(), int(found[2], 16), found[3].decode()
        size = os.fstat(file.fileno()).st_size - _TAIL_SIZE - length
        if length > _MAX_BODY or size < 0:
            raise _damaged(path)
        body = _read(file, size, size + length)
        try:
            table = json.loads(body)
            whole = table["size"] == size
            pieces = outside(size, [(int(start), int(count)) for start, count in table["fields"]])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise _damaged(path) from error
        chunks = (
            _read(file, first, min(first + _CHUNK, stop))
            for start, stop in pieces
            for first in range(start, stop, _CHUNK)
        )
        if not whole or _digest(chunks, schema, body) != digest:
            raise _damaged(path)
    return True


def _digest(pieces: Iterable[bytes], schema: str, body: bytes) -> str:
    digest = hashlib.sha256(schema.encode())
    for piece in pieces:
        digest.update(piece)
    digest.update(body)
    return digest.hexdigest()


def _tail(file: BinaryIO) -> re.Match[bytes] | None:
    size = os.fstat(file.fileno()).st_size
    return _TAIL.fullmatch(_read(file, size - _TAIL_SIZE, size)) if size > _TAIL_SIZE else None


def _read(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)


def _damaged(path: Path) -> CorruptFileError:
    return CorruptFileError(
        f"{path}: damaged: its bytes do not match its seal; delete it and run again"
    )
