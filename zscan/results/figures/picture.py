"""Pictures as files: PNG, PDF or SVG with metadata that name their origin, by which they are known
again, and a caption beside them.
"""

from __future__ import annotations

import io
import struct
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from zscan.errors import ForeignFileError, ParameterError
from zscan.results.figures import style
from zscan.results.files import storage
from zscan.results.outputs import Kind, Output, write_output

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST = 1 << 16  # bytes of a text that is read
_CHECKSUM = 4  # bytes after each chunk
_CAPTION = "Caption of a figure drawn by zscan"
_CAPTION_COLUMNS = 100
FORMATS = ("pdf", "png", "svg")


def save_picture(
    figure: Figure, path: str | Path, metadata: Mapping[str, str], *, force: bool = False
) -> Path:
    """Write a figure in the format that the ending of `path` names, whole or not at all.

    `metadata` has Title, Software "zscan VERSION", Description, spec_hash and command. Raises
    `ResultExistsError` for a file that exists (`force` replaces it if it is a picture of ours),
    `ParameterError` for another ending and `StorageError`."""
    path = Path(path)
    kind, content = picture_format(path), io.BytesIO()
    # When a file is written settles what is text in it; no time stamps: equal maps, equal bytes
    kept: dict[Any, Any] = {
        key: style.RC[key] for key in ("pdf.fonttype", "svg.fonttype", "svg.hashsalt")
    }
    with matplotlib.rc_context(kept):
        figure.savefig(content, dpi=200, metadata=_fields(kind, metadata), format=kind)
    return write_output(Output(path, PICTURE), content.getbuffer(), force=force)


def picture_format(path: Path) -> str:
    """The format of a picture from its ending; raises `ParameterError`."""
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        endings = ", ".join(f".{item}" for item in FORMATS)
        raise ParameterError(f"{path}: a figure ends in one of {endings}")
    return kind


def _fields(kind: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    if kind == "png":
        return dict(metadata)
    keywords = f"spec_hash {metadata['spec_hash']}, command: {metadata['command']}"
    if kind == "svg":
        return {
            "Title": metadata["Title"],
            "Creator": [metadata["Software"]],
            "Description": metadata["Description"],
            "Keywords": [keywords],
            "Date": None,
        }
    return {
        "Title": metadata["Title"],
        "Subject": metadata["Description"],
        "Keywords": keywords,
        "Creator": metadata["Software"],
        "CreationDate": None,
    }


def caption_path(path: Path) -> Path:
    """Where the caption of a picture goes: FIG.caption.txt beside FIG.pdf."""
    return path.with_name(f"{path.stem}.caption.txt")


def save_caption(path: Path, text: str, *, force: bool = False) -> Path:
    """Write the caption of a picture beside it; raises as `save_picture`."""
    lines = [textwrap.fill(part, _CAPTION_COLUMNS) for part in text.split("\n")]
    content = "\n".join([_CAPTION, "", *lines, ""]).encode()
    return write_output(Output(caption_path(path), CAPTION), content, force=force)


def check_software(path: Path) -> None:
    """Raise `ForeignFileError` unless a file is a PNG, PDF or SVG whose metadata name zscan as its
    software.
    """
    with storage(path, 0), open(path, "rb") as file:
        start = file.read(len(_SIGNATURE))
        if start != _SIGNATURE:
            if start.startswith(b"%PDF-") and b"(zscan " in file.read():
                return
            if start.startswith(b"<?xml") and b"<dc:title>zscan " in file.read(_LONGEST):
                return
            raise ForeignFileError(f"{path}: not a PNG, PDF or SVG file of zscan")
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


def check_caption(path: Path) -> None:
    """Raise `ForeignFileError` unless a file is a caption of ours."""
    with storage(path, 0), open(path, "rb") as file:
        if file.read(len(_CAPTION)) != _CAPTION.encode():
            raise ForeignFileError(f"{path}: no caption of a figure")


PICTURE = Kind("picture", check_software)
CAPTION = Kind("caption", check_caption)
