"""Pictures as files: PNG with metadata that name their origin, by which they are known again."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from zscan.errors import ForeignFileError
from zscan.results.files import storage
from zscan.results.outputs import Kind, Output, write_output

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST = 1 << 16  # bytes of a text that is read
_CHECKSUM = 4  # bytes after each chunk


def save_picture(
    figure: Figure, path: str | Path, metadata: Mapping[str, str], *, force: bool = False
) -> Path:
    """Write a figure as PNG, whole or not at all; `metadata` must have `Software` "zscan VERSION".

    Raises `ResultExistsError` for a file that exists (`force` replaces it if it is a picture of
    ours) and `StorageError`."""
    content = io.BytesIO()
    figure.savefig(content, dpi=200, metadata=dict(metadata), format="png")
    return write_output(Output(Path(path), PICTURE), content.getbuffer(), force=force)


def check_software(path: Path) -> None:
    """Raise `ForeignFileError` unless a file is a PNG whose `Software` is zscan."""
    with storage(path, 0), open(path, "rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            raise ForeignFileError(f"{path}: not a PNG file")
        # Texts stand before the pixels: chunks of length, type, data, checksum
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT":
                break
            if kind == b"tEXt" and size <= _LONGEST:
                if file.read(size).startswith(b"Software\0zscan "):
                    return
                size = 0
            file.seek(size + _CHECKSUM, io.SEEK_CUR)
    raise ForeignFileError(f"{path}: a PNG file whose metadata do not name zscan as Software")


PICTURE = Kind("picture", check_software)
