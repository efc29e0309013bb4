"""The journal of a map that one process fills in place: which tiles lie in it, so that a scan that
was killed goes on with them.

A tile is written once, into the hidden map; then the journal gets a line with the digests of its
rows. What a killed process wrote stays with the system, so that it loses the tiles in flight only.
Against a loss of power a thread syncs map and journal all the time, and no more than `_UNSYNCED`
tiles get ahead of it. A line is a promise, no proof: rows are compared with their digests before
they are taken, and those that were not known to be on the disk are written again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import threading
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zscan.errors import CorruptFileError, StorageError
from zscan.results.files import access, finish_file, storage, write_file
from zscan.results.frame import make_frame
from zscan.results.grid import Tile
from zscan.results.layout import MapHeader
from zscan.results.schema import Digests, MapWriter, Rows, Watch, filling, places

JOURNAL, MAP_PART = "journal", "map.part"
_SCHEMA = "zscan-journal"
_LINE = re.compile(rb"([0-9a-f]{64}) (\{.*\})")
_NUMBER = re.compile(rb'"tile": (\d{1,18})\b')
_UNSYNCED = 8  # tiles

Owner = tuple[str, str]  # digest of spec.json and spec hash that a tile was computed for


@dataclass
class Journal:
    """What a journal says: `offsets` of the fields in the map (none: there is no journal), the
    digests of its tiles and their lines, which of them are `synced`, and what is wrong with others.
    """

    folder: Path
    header: MapHeader
    offsets: Mapping[str, int] = field(default_factory=dict)
    digests: dict[int, Digests] = field(default_factory=dict)
    lines: dict[int, bytes] = field(default_factory=dict)
    synced: set[int] = field(default_factory=set)
    faults: dict[int, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / JOURNAL

    @property
    def part(self) -> Path:
        """The map that is being filled."""
        return self.folder / MAP_PART

    def read(self, tile: Tile) -> tuple[Rows, Digests]:
        """Rows of a tile as they lie in the map, and the digests that they should have."""
        rows: dict[str, list[np.ndarray]] = {item.name: [] for item in self.header.fields}
        with access(self.part, "read"), open(self.part, "rb", buffering=0) as file:
            for item, _, offset in places(self.header, self.offsets, tile):
                row = np.zeros(tile.shape, item.dtype)
                _read_into(file, offset, row.data.cast("B"))
                rows[item.name].append(row)
        return rows, self.digests[tile.index]

    def can_go_on(self) -> bool:
        """Whether the map may be filled further: its fields lie where they would now, and it has no
        other name under which someone may keep it.
        """
        with access(self.part, "read"):
            found = self.part.lstat()
        plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        return plain and self.offsets == make_frame(self.header)[1]

    def forget(self, index: int, reason: str) -> None:
        """Note what is wrong with a tile."""
        self.digests.pop(index, None)
        self.lines.pop(index, None)
        self.synced.discard(index)
        self.faults[index] = reason

    def remove(self) -> None:
        """Delete it, and then the map."""
        with access(self.path, "removed"):
            self.path.unlink(missing_ok=True)
            self.part.unlink(missing_ok=True)


def read_journal(folder: Path, header: MapHeader, taken: Container[Owner]) -> Journal:
    """The journal in a folder of tiles, empty if there is none, or no map to it.

    A line at the end that is not whole is none; one that does not match its digest, or is of a scan
    not in `taken`, is a fault of its tile. Raises `CorruptFileError` if that is so of the first
    line, which says where in the map the fields lie, `StorageError` if it cannot be read."""
    journal = Journal(folder, header)
    with access(journal.path, "read"):
        if not (journal.path.exists() and journal.part.exists()):
            return journal
        text = journal.path.read_bytes()
    first, *lines = text.split(b"\n")
    try:
        table = _checked(first)
        if table is None or not _is_first(table, header):
            raise ValueError("its first line does not match its digest")
        if (table["header"], table["spec_hash"]) not in taken:
            raise ValueError("it is not of this scan")
        journal.offsets = table["offsets"]
        for line in lines[:-1]:  # each ends in a line feed
            _note(journal, line, taken)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptFileError(
            f"{journal.path}: damaged ({error}); delete it, and --resume computes its tiles again"
        ) from error
    return journal


def _note(journal: Journal, line: bytes, taken: Container[Owner]) -> None:
    table, count = _checked(line), journal.header.grid.count
    if table is None:
        found = _NUMBER.search(line)
        if found and int(found[1]) < count:
            journal.forget(int(found[1]), "its line in the journal is damaged")
    elif "synced" in table:
        journal.synced.update(table["synced"])
    else:
        index, owner = int(table["tile"]), (table["header"], table["spec_hash"])
        if not 0 <= index < count:
            raise ValueError(f"tile {index} of {count}")
        journal.forget(index, "not of this scan")
        if owner in taken:
            del journal.faults[index]
            journal.lines[index] = line
            journal.digests[index] = {name: tuple(rows) for name, rows in table["digests"].items()}


class Filling:
    """Fills a map in place and keeps its journal; made by `fill_map`. As a sink it takes tiles over
    that lie in the map or in files; `add` is for new ones.
    """

    def __init__(
        self, writer: MapWriter, journal: Journal, owner: Owner, kept: set[int], watch: Watch
    ) -> None:
        self.writer, self.journal, self.owner, self.watch = writer, journal, owner, watch
        self.kept = kept  # tiles that lie in the map
        self.descriptor: int | None = None
        self.unsynced: list[int] = []
        self.fault: BaseException | None = None
        self.ended = self.torn = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._sync, name="zscan-sync", daemon=True)

    def put(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Take a tile whose rows have these digests, from the map itself or from a file."""
        self.watch(tile, rows)
        if tile.index in self.writer.digests:  # it was added
            return
        if tile.index in self.kept and tile.index in self.journal.synced:
            self.writer.digests[tile.index] = digests
        else:
            self.writer.put(tile, rows, digests)

    def begin(self, todo: Iterable[int]) -> None:
        """Write the journal anew, with tiles that were taken over and without those that are to be
        added.
        """
        self.kept -= set(todo)
        self.kept &= set(self.writer.digests)
        self.unsynced = sorted(self.kept - self.journal.synced)
        known = sorted(self.kept & self.journal.synced)
        offsets = dict(self.writer.offsets)
        lines = [_line({"schema": _SCHEMA, **self._owner(), "offsets": offsets})]
        lines += [self.journal.lines[index] + b"\n" for index in sorted(self.kept)]
        write_file(self.journal.path, [*lines, _line({"synced": known})])
        with storage(self.journal.path, 0):
            self.descriptor = os.open(self.journal.path, os.O_WRONLY | os.O_APPEND)
        self.thread.start()

    def add(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Write a new tile; from several threads. Raises `StorageError`, also for a tile before."""
        self.writer.put(tile, rows, digests)
        with self.changed:
            self._append({"tile": tile.index, **self._owner(), "digests": digests})
            self.unsynced.append(tile.index)
            self.changed.notify_all()
            while len(self.unsynced) > _UNSYNCED and self.fault is None:
                self.changed.wait()
            if self.fault is not None:
                raise self.fault

    def end(self) -> None:
        """Stop syncing, and wait until the last tile is on the disk."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        if self.thread.is_alive():
            self.thread.join()
        if self.descriptor is not None:
            descriptor, self.descriptor = self.descriptor, None
            with storage(self.journal.path, 0):
                os.close(descriptor)
        if self.fault is not None:
            raise self.fault

    def _sync(self) -> None:
        try:
            while True:
                with self.changed:
                    while not (self.unsynced or self.ended):
                        self.changed.wait()
                    batch = list(self.unsynced)
                if not batch:
                    return
                self.writer.sync()
                with self.changed:
                    self._append({"synced": batch})
                with storage(self.journal.path, 0):
                    assert self.descriptor is not None
                    os.fsync(self.descriptor)
                with self.changed:
                    self.unsynced = [index for index in self.unsynced if index not in batch]
                    self.changed.notify_all()
        except BaseException as error:
            with self.changed:
                self.fault = error
                self.changed.notify_all()

    def _append(self, table: Mapping[str, object]) -> None:
        assert self.descriptor is not None
        data = memoryview((b"\n" if self.torn else b"") + _line(table))
        self.torn = True
        with storage(self.journal.path, len(data)):
            while data:
                data = data[os.write(self.descriptor, data) :]
        self.torn = False

    def _owner(self) -> dict[str, str]:
        return {"header": self.owner[0], "spec_hash": self.owner[1]}


@contextmanager
def fill_map(
    out: Path, journal: Journal, owner: Owner, kept: set[int], watch: Watch, *, replace: bool
) -> Iterator[Filling]:
    """Fill the map `out` in place: with the tiles `kept` of the journal, which lie in it, and all
    others, each given once. The map appears on success; otherwise it stays hidden, with its
    journal.

    `owner` is what new tiles are computed for, `watch` sees the tiles that are taken over. Raises
    `ResultExistsError` if `out` exists and not `replace`, and `StorageError`."""
    begun, header = bool(journal.offsets), journal.header
    needed = sum(item.bytes(header.grid.points) for item in header.fields)
    if not begun:
        journal.remove()
    with filling(out, journal.part, header, new=not begun) as writer:
        filled = Filling(writer, journal, owner, kept, watch)
        try:
            yield filled
        except BaseException:
            with suppress(StorageError):  # the first error is told
                filled.end()
            raise
        filled.end()
    finish_file(journal.part, out, needed, replace=replace)


def numbers(folder: Path) -> set[int]:
    """Numbers of the tiles that a journal has lines for, whatever they are worth."""
    journal, part = folder / JOURNAL, folder / MAP_PART
    if not (journal.exists() and part.exists()):
        return set()
    with access(journal, "read"):
        return {int(number) for number in _NUMBER.findall(journal.read_bytes())}


def _line(table: Mapping[str, object]) -> bytes:
    text = json.dumps(table, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest().encode() + b" " + text + b"\n"


def _checked(line: bytes) -> dict | None:
    """What a line says; None for one that does not match its digest."""
    match = _LINE.fullmatch(line)
    if match is None or hashlib.sha256(match[2]).hexdigest().encode() != match[1]:
        return None
    found: dict = json.loads(match[2])
    return found


def _is_first(table: Mapping[str, object], header: MapHeader) -> bool:
    offsets = table.get("offsets")
    return (
        table.get("schema") == _SCHEMA
        and isinstance(offsets, dict)
        and set(offsets) == {item.name for item in header.fields}
        and all(type(offset) is int and offset >= 0 for offset in offsets.values())
    )


def _read_into(file: BinaryIO, offset: int, data: memoryview) -> None:
    file.seek(offset)
    while data and (count := file.readinto(data)):  # type: ignore[attr-defined]
        data = data[count:]
