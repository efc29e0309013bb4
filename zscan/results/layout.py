"""What a map holds, apart from any file: axes, constraints, datasets, root attributes, digests."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zscan.results.grid import TileGrid

SCHEMA = "zscan-map"
SCHEMA_VERSION = 1
FORMAT_MINOR = 1  # since 1, files end in a seal; zscan 0.1.0 wrote none

# Values of the dataset `status`; the order is their number.
STATUS = ("not_computed", "ok", "out_of_range", "not_finite")
NOT_COMPUTED, OK, OUT_OF_RANGE, NOT_FINITE = range(len(STATUS))


@dataclass(frozen=True)
class MapCoordinate:
    """A further coordinate along an axis: one number, or one text, for each of its values."""

    name: str
    units: str
    long_name: str
    values: tuple[float, ...] | tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return isinstance(self.values[0], str)


@dataclass(frozen=True)
class MapAxis:
    """An axis of a map; `values` are float64, strictly increasing; `coordinates` further ones along
    it.
    """

    name: str
    units: str
    long_name: str
    values: tuple[float, ...]
    coordinates: tuple[MapCoordinate, ...] = ()

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> MapAxis:
        """Inverse of `dataclasses.asdict`."""
        coordinates = (
            MapCoordinate(**item | {"values": tuple(item["values"])})
            for item in table["coordinates"]
        )
        return cls(
            **dict(table) | {"values": tuple(table["values"]), "coordinates": tuple(coordinates)}
        )


@dataclass(frozen=True)
class MapConstraint:
    """An entry of the `constraint` axis; `chi2_zero` is its chi2 at zero coupling.

    `excluded_above`, `delta_chi2_excluded` and `cl` are the numbers of its `ExclusionRule`, `level`
    is `cl` in words."""

    name: str
    long_name: str
    references: tuple[str, ...]
    status: str
    level: str
    chi2_zero: float
    excluded_above: float | None
    delta_chi2_excluded: float | None
    cl: float


@dataclass(frozen=True)
class MapObservable:
    """An observable that is stored beside delta chi2."""

    name: str
    long_name: str
    units: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class MapTable:
    """A small array beside the fields, such as a covariance: float64 or text, in C order, or an
    array of one axis. `name` may name groups.
    """

    name: str
    units: str
    long_name: str
    shape: tuple[int, ...]
    values: tuple[float, ...] | tuple[str, ...] | np.ndarray

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return len(self.values) > 0 and isinstance(self.values[0], str)


def map_table(name: str, long_name: str, values: Any, units: str = "1") -> MapTable:
    """A table of an array of numbers or of a list of texts."""
    array = np.asarray(values)
    kept = array if array.dtype.kind == "U" else array.astype(np.float64)
    return MapTable(name, units, long_name, array.shape, tuple(kept.ravel().tolist()))


@dataclass(frozen=True)
class Field:
    """A dataset over the grid; with `rows` it has a leading axis of that length, the constraint
    axis.
    """

    name: str
    dtype: np.dtype
    rows: int | None

    def shape(self, extent: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the dataset on a grid or tile of `extent`."""
        return extent if self.rows is None else (self.rows, *extent)

    def split(self, values: np.ndarray) -> Sequence[np.ndarray]:
        """The rows of the dataset or of a part of it: one for each constraint, or the whole."""
        return list(values) if self.rows is not None else [values]

    def bytes(self, points: int) -> int:
        """Size on `points` grid points."""
        return (self.rows or 1) * points * self.dtype.itemsize


@dataclass(frozen=True)
class MapHeader:
    """A map without its data: enough to write it once all tiles are there.

    `block` is the shape of a tile, `dtype` that of stored numbers, `attributes` the root attributes
    of the file that the scan determines (the writer adds schema, digests and time). `tables` hold
    what a fit adds."""

    axes: tuple[MapAxis, ...]
    constraints: tuple[MapConstraint, ...]
    observables: tuple[MapObservable, ...]
    dtype: str
    block: tuple[int, ...]
    attributes: Mapping[str, str]
    tables: tuple[MapTable, ...] = ()

    @property
    def grid(self) -> TileGrid:
        """The grid, cut into the tiles that the digests refer to."""
        return TileGrid(tuple(len(axis.values) for axis in self.axes), self.block)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The datasets over the grid."""
        return grid_fields(
            self.dtype, len(self.constraints), [item.name for item in self.observables]
        )

    def to_table(self) -> dict[str, Any]:
        """JSON-able table; `from_table` reads it back without loss."""
        return asdict(self) | {"attributes": dict(self.attributes)}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> MapHeader:
        """Inverse of `to_table`."""
        return cls(
            axes=tuple(MapAxis.from_table(axis) for axis in table["axes"]),
            constraints=tuple(
                MapConstraint(**item | {"references": tuple(item["references"])})
                for item in table["constraints"]
            ),
            observables=tuple(
                MapObservable(**item | {"references": tuple(item["references"])})
                for item in table["observables"]
            ),
            dtype=table["dtype"],
            block=tuple(table["block"]),
            attributes=table["attributes"],
            tables=tuple(
                MapTable(**item | {"shape": tuple(item["shape"]), "values": tuple(item["values"])})
                for item in table["tables"]
            ),
        )


def grid_fields(
    dtype: str, constraints: int, stored_observables: Iterable[str]
) -> tuple[Field, ...]:
    """Datasets over the grid of a map or tile with numbers of `dtype` ("float32" or "float64")."""
    number = np.dtype(dtype).newbyteorder("<")
    return (
        Field("delta_chi2", number, constraints),
        Field("status", np.dtype(np.uint8), constraints),
        *(Field(f"observable/{name}", number, None) for name in stored_observables),
    )


def row_digests(rows: Iterable[np.ndarray]) -> tuple[str, ...]:
    """SHA-256 (hex) of each row of a field on one tile, of its bytes in C order, little-endian."""
    return tuple(hashlib.sha256(np.ascontiguousarray(row).data).hexdigest() for row in rows)


def field_digest(rows_of_tiles: Iterable[tuple[str, ...]]) -> str:
    """Digest of a whole field: SHA-256 over the digests of its rows on all tiles, row by row, tiles
    in order.

    A digest of digests lets a map take over the digests of its tiles, which the writer has checked,
    instead of hashing everything once more."""
    digest = hashlib.sha256()
    for row in zip(*rows_of_tiles, strict=True):
        digest.update(bytes.fromhex("".join(row)))
    return digest.hexdigest()


def value_digest(value: Any) -> str:
    """Digest of a small dataset or of attributes: float64 arrays by their bytes, anything else by
    canonical JSON.
    """
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value, dtype="<f8").data).hexdigest()
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def empty_rows(field: Field, extent: tuple[int, ...]) -> list[np.ndarray]:
    """The rows that a map holds where no tile was computed: NaN, status 0."""
    fill = NOT_COMPUTED if field.dtype.kind == "u" else math.nan
    return [np.full(extent, fill, field.dtype)] * (field.rows or 1)
