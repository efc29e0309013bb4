"""Tiles on disk: each one an HDF5 file that appears whole or not at all, or rows in a map that is
being filled, with a journal, so that a killed scan continues.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zscan.errors import (
    CorruptFileError,
    ResultExistsError,
    StorageError,
    ZscanError,
)
from zscan.results.files import (
    access,
    remove_stale,
    storage,
    sync_folder,
    write_file,
)
from zscan.results.grid import Tile
from zscan.results.hdf5 import create_hdf5, create_plain, open_hdf5
from zscan.results.layout import SCHEMA_VERSION, Field, MapHeader, value_digest
from zscan.results.memory import MemoryFile
from zscan.results.schema import Digests, Rows, Watch, checked_rows
from zscan.results.seal import Gap, seal, sealed_schema
from zscan.scans.agreement import (
    differing_parts,
    disagreements,
    require_same_spec,
    require_same_versions,
    versions,
)
from zscan.scans.folders import SPEC_FILE, TILE_FILE, TILE_SCHEMA, remove_tiles, tile_folder
from zscan.scans.journal import (
    MAP_PART,
    Filling,
    Journal,
    Owner,
    fill_map,
    numbers,
    read_journal,
)

_DIGEST = re.compile(rb'\{"digest": "([0-9a-f]{64})", ')  # how spec.json begins
TILE_OVERHEAD = 65536  # bytes of a tile file beside its values, generously


class TileStore:
    """The tiles of one scan in OUT.h5.tiles/, beside spec.json, which holds the spec and all a map
    needs but its data.

    `hash` is the spec hash. spec.json begins with a digest of all the rest of it, `identity`; a
    tile is done when its file exists and carries both. `earlier` lists identities of this scan
    under other versions of the libraries whose tiles are taken as well, with their spec hashes and
    versions."""

    def __init__(
        self, out: Path, spec_hash: str, canonical: Mapping[str, Any], header: MapHeader
    ) -> None:
        self.out, self.folder = out, tile_folder(out)
        self.hash, self.canonical, self.header = spec_hash, canonical, header
        self.grid = header.grid
        self.identity: str | None = None  # known once it is prepared or loaded
        self.earlier: tuple[Mapping[str, Any], ...] = ()
        self._journal: Journal | None = None
        self._filling: Filling | None = None

    @classmethod
    def load(cls, out: Path) -> TileStore:
        """The store beside `out`; raises `StorageError` when there is none, `CorruptFileError` for
        a damaged one, or one whose spec and header do not belong together.
        """
        path = tile_folder(out) / SPEC_FILE
        try:
            text = path.read_bytes()
        except OSError as error:
            raise StorageError(
                f"{path.parent}: no tiles of a scan here ({path.name}: {error.strerror})"
            ) from error
        start = _DIGEST.match(text)
        try:
            if (
                start is None
                or hashlib.sha256(text[start.end() :]).hexdigest().encode() != start[1]
            ):
                raise ValueError("it does not match its digest")
            table = json.loads(text)
            store = cls(
                out, table["spec_hash"], table["spec"], MapHeader.from_table(table["header"])
            )
            wrong = disagreements(store.canonical, store.header)
            if value_digest(store.canonical) != store.hash:
                wrong.append("spec_hash")
            if wrong:
                raise ValueError(f"header and spec disagree in {', '.join(wrong)}")
            store.identity, store.earlier = start[1].decode(), tuple(table["earlier"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptFileError(
                f"{path}: damaged ({error}); delete {path.parent} and run the scan again"
            ) from error
        return store

    def prepare(self, *, resume: bool, force: bool, allow_version_change: bool = False) -> None:
        """Make the folder ready: empty with `force`; with `resume` whatever an earlier run of this
        spec left.

        Raises `ResultExistsError` for left-over tiles with neither, `ResumeMismatchError` for tiles
        of another spec or, unless `allow_version_change`, of other versions of the libraries."""
        path = self.folder / SPEC_FILE
        if force:
            self.remove()
        with storage(self.folder, 0):
            self.folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder.parent)
        if path.exists():
            if not resume:
                count = len({*self._names(), *numbers(self.folder)})
                raise ResultExistsError(
                    f"{self.folder} holds {count} of {self.grid.count} tiles of an "
                    "unfinished scan; continue it with --resume, or discard it with --force"
                )
            self._adopt(allow_version_change)
            remove_stale(self.folder, "")
            return
        with suppress(ResultExistsError):  # another process may start a scan here just now
            write_file(path, self._spec_file(), replace=False)
        self._adopt(allow_version_change)

    def _adopt(self, allow_version_change: bool) -> None:
        """Go on with what spec.json says, if it belongs to this scan."""
        stored = TileStore.load(self.out)
        old, new = versions(stored.header), versions(self.header)
        require_same_spec(
            self.folder, stored.canonical, self.canonical, allow_version_change=old != new
        )
        if not allow_version_change:
            require_same_versions(self.folder, stored.header, self.header)
        if old.get("zscan") == new.get("zscan"):
            wrong = differing_parts(stored.header, self.header)
            if wrong:
                raise CorruptFileError(
                    f"{self.folder / SPEC_FILE}: damaged (its {', '.join(wrong)} are not those of "
                    f"its spec); delete {self.folder} and run the scan again"
                )
        self.earlier, self.identity = stored.earlier, stored.identity
        if old != new:
            before = {"digest": stored.identity, "spec_hash": stored.hash, "versions": old}
            self.earlier = (*self.earlier, before)
        others = [item["versions"] for item in self.earlier if item["versions"] != new]
        distinct = [item for number, item in enumerate(others) if item not in others[:number]]
        attributes = dict(self.header.attributes) | {"other_versions": json.dumps(distinct)}
        self.header = replace(self.header, attributes=attributes)
        if old != new:
            parts = self._spec_file()
            write_file(self.folder / SPEC_FILE, parts)
            self.identity = hashlib.sha256(parts[-1]).hexdigest()

    def _spec_file(self) -> list[bytes]:
        """The content of spec.json: JSON that begins with the digest of all that follows it."""
        table = {
            "schema": TILE_SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "spec_hash": self.hash,
            "spec": self.canonical,
            "header": self.header.to_table(),
            "earlier": self.earlier,
        }
        rest = json.dumps(table, sort_keys=True).encode()[1:]
        return [f'{{"digest": "{hashlib.sha256(rest).hexdigest()}", '.encode(), rest]

    def path(self, tile: Tile) -> Path:
        """File of a tile."""
        return self.folder / f"tile-{tile.index:06d}.h5"

    def survey(self) -> tuple[frozenset[int], dict[int, str]]:
        """Numbers of the tiles that are done, going by their headers and the journal, and what is
        wrong with others that are there.
        """
        done, faults = set(), {}
        self._journal = None
        for index in self._names():
            tile = self.grid.tile(index)
            try:
                with open_hdf5(self.path(tile)) as file:
                    ours = self._digests(file, tile) is not None
            except StorageError:
                faults[index] = "cannot be read"
                continue
            except (ZscanError, AttributeError, TypeError):  # damage can change types
                faults[index] = "truncated or damaged"
                continue
            if ours:
                done.add(index)
            else:
                faults[index] = "not of this scan"
        there = {*done, *faults}
        done |= self.journal.digests.keys() - there
        return frozenset(done), faults | {
            index: text for index, text in self.journal.faults.items() if index not in there
        }

    @property
    def journal(self) -> Journal:
        """That of the map which a run began to fill, as the last `survey` found it."""
        if self._journal is None:
            self._journal = read_journal(self.folder, self.header, self._taken())
        return self._journal

    def settle(self) -> None:
        """Make files of the tiles in a map that cannot be filled further, because another version
        places its fields elsewhere or it has another name as well.
        """
        self._journal = None
        journal = self.journal
        if not journal.offsets or journal.can_go_on():
            return
        for index in journal.digests:
            tile = self.grid.tile(index)
            if not self.path(tile).exists():
                with suppress(CorruptFileError):
                    self.write(tile, *checked_rows(tile, journal))
        journal.remove()

    def reserved(self) -> int:
        """Bytes that the map which a run began to fill takes on the disk."""
        try:
            found = (self.folder / MAP_PART).stat()
        except OSError:
            return 0
        blocks: int = getattr(found, "st_blocks", 0)  # of 512 bytes; Windows does not tell
        return 512 * blocks

    @contextmanager
    def filled(self, done: Set[int], watch: Watch, *, replace: bool) -> Iterator[Filling]:
        """Let `write` put tiles into the map itself, see `fill_map`; those that are `done` and lie
        in files are to be copied.
        """
        kept = {index for index in done & self.journal.digests.keys() if not self._is_file(index)}
        owner = str(self.identity), self.hash
        with fill_map(self.out, self.journal, owner, kept, watch, replace=replace) as filling:
            self._filling = filling
            try:
                yield filling
            finally:
                self._filling = None

    def discard(self, indices: Iterable[int]) -> None:
        """Delete the files of tiles that are damaged and to be computed again."""
        with access(self.folder, "removed"):
            for index in indices:
                self.path(self.grid.tile(index)).unlink(missing_ok=True)

    def name(self, index: int) -> str:
        """What a tile is called on the disk."""
        path = self.path(self.grid.tile(index))
        inside = index in self.journal.faults or index in self.journal.digests
        return f"tile {index} of {MAP_PART}" if inside and not path.exists() else path.name

    def _is_file(self, index: int) -> bool:
        return self.path(self.grid.tile(index)).exists()

    def _names(self) -> list[int]:
        with access(self.folder, "read"):
            matches = [TILE_FILE.fullmatch(path.name) for path in self.folder.iterdir()]
        return sorted(
            index for match in matches if match and (index := int(match[1])) < self.grid.count
        )

    def write(self, tile: Tile, rows: Rows, digests: Digests) -> None:
        """Write one tile with the `row_digests` of its rows, into the map itself if it is being
        filled. Raises `StorageError`.

        Equal values give equal bytes, and work done twice is harmless. The digests stand for the
        checksums of HDF5, which would need two more copies of the values and are weaker."""
        if self._filling is not None:
            self._filling.add(tile, rows, digests)
            return
        image = MemoryFile()
        gaps: list[Gap] = []
        with create_hdf5(image) as file:
            attributes = {
                "schema": TILE_SCHEMA,
                "spec_hash": self.hash,
                "header": self.identity or "",
                "digests": json.dumps(digests, sort_keys=True),
            }
            for name, text in attributes.items():
                # Text of fixed length lies under the checksum of the metadata.
                file.attrs[name] = np.bytes_(text.encode())
            file.attrs["index"] = tile.index
            starts: dict[int, np.ndarray] = {}
            for number, field in enumerate(self.header.fields):
                dataset = create_plain(
                    file, str(number), (len(rows[field.name]), *tile.shape), field.dtype
                )
                start = dataset.id.get_offset()
                for index, row in enumerate(rows[field.name]):
                    starts[start + index * row.nbytes] = row
                gaps.append((start, dataset.size * field.dtype.itemsize))
        write_file(self.path(tile), [*_spliced(image, starts), seal(image, TILE_SCHEMA, gaps)])

    def read(self, tile: Tile) -> tuple[Rows, Digests]:
        """Rows of every field as stored, and the digests that they should have. Raises
        `CorruptFileError`.
        """
        path = self.path(tile)
        if tile.index in self.journal.digests and not path.exists():
            return self.journal.read(tile)
        with open_hdf5(path) as file:
            digests = self._digests(file, tile)
            if digests is None:
                raise CorruptFileError(
                    f"{path}: not a tile of this scan; delete it and run with --resume"
                )
            fields = enumerate(self.header.fields)
            return {
                field.name: _read_rows(file[str(number)], field, tile) for number, field in fields
            }, digests

    def remove(self) -> None:
        """Delete the tiles and the folder, which stays if anything else lies in it."""
        remove_tiles(self.folder)

    def remove_from(self, first: int) -> None:
        """Delete the tiles with the number `first` and above, of the grid and beyond."""
        with access(self.folder, "removed"):
            for path in self.folder.iterdir():
                match = TILE_FILE.fullmatch(path.name)
                if match and int(match[1]) >= first:
                    path.unlink(missing_ok=True)

    def remove_left_over(self) -> None:
        """`remove` what an earlier run left beside the complete map; tiles of another scan stay."""
        try:
            stored = TileStore.load(self.out)
        except CorruptFileError:
            self.remove()  # they are of no use without it
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise  # they may be of another scan
            self.remove()  # the run ended while it removed its tiles
        else:
            if stored.hash == self.hash:
                self.remove()

    def _taken(self) -> set[Owner]:
        """What tiles of this scan were computed for."""
        earlier = {(item["digest"], item["spec_hash"]) for item in self.earlier}
        return {*earlier, (str(self.identity), self.hash)}

    def _digests(self, file: h5py.File, tile: Tile) -> Digests | None:
        """Digests in the header of a tile; None when its scan or its number is another one."""
        if sealed_schema(self.path(tile)) != TILE_SCHEMA:
            raise CorruptFileError(
                f"{self.path(tile)}: truncated or damaged; delete it and run with --resume"
            )
        schema, spec_hash, header, digests = (
            file.attrs[name].decode() for name in ("schema", "spec_hash", "header", "digests")
        )
        if (
            schema != TILE_SCHEMA
            or (header, spec_hash) not in self._taken()
            or file.attrs["index"] != tile.index
        ):
            return None
        return {name: tuple(rows) for name, rows in json.loads(digests).items()}


def _spliced(frame: MemoryFile, rows: Mapping[int, np.ndarray]) -> Iterator[bytes | memoryview]:
    """The bytes of a file in order: `frame` with `rows` at their offsets, which are not copied."""
    position = 0
    for start, row in sorted(rows.items()):
        yield frame.read(position, start)
        yield row.data.cast("B")
        position = start + row.nbytes
    yield frame.read(position, frame.size)


def _read_rows(dataset: h5py.Dataset, field: Field, tile: Tile) -> list[np.ndarray]:
    shape = (field.rows or 1, *tile.shape)
    if (
        dataset.is_virtual
        or dataset.external
        or dataset.dtype != field.dtype
        or dataset.shape != shape
    ):
        raise ValueError(f"{field.name} has type {dataset.dtype} and shape {dataset.shape}")
    return [dataset[row] for row in range(shape[0])]
