"""Run a scan: from a card to its map, tile by tile; join the tiles of shards; say what a scan would
do.
"""

from __future__ import annotations

import json
import math
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import jax
from tqdm import tqdm

import zscan
from zscan.errors import IncompleteScanError, ParameterError
from zscan.results.check import json_attribute, open_checked
from zscan.results.files import require_space
from zscan.results.grid import Tile, tile_grid
from zscan.results.layout import MapAxis, MapConstraint, MapHeader, MapObservable, MapTable
from zscan.results.outputs import guard, target_of
from zscan.results.schema import map_writer, write_map
from zscan.scans.cards import TABLE_LABEL
from zscan.scans.executors import executor_class
from zscan.scans.profiled import profiled_observables
from zscan.scans.spec import ScanSpec, load_card
from zscan.scans.store import TILE_OVERHEAD, TileStore, map_outputs, require_same_spec
from zscan.scans.tiles import TileEvaluator

Card = str | Path | Mapping[str, Any] | ScanSpec

_ESTIMATE_POINTS = 65536
_VERSIONED = ("jax", "jaxlib", "numpy", "h5py")


def run_scan(
    card: Card,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    executor: str = "inline",
    overrides: Sequence[str] | None = None,
    shard: tuple[int, int] | None = None,
    progress: bool | None = None,
    command: str | None = None,
    tables: Sequence[MapTable] = (),
) -> Path:
    """Evaluate a scan card on its grid and write the map; returns the path of the map,
    results/NAME.h5 by default.

    `card` is a path, the name of a shipped card, a table or a `ScanSpec`; `overrides` are
    "axis.m_X.num=400". Tiles are kept in OUT.h5.tiles/ until the map is complete: after a crash or
    an interrupt `resume=True` continues, with the same numbers; with a complete map of the same
    spec it returns at once. `force=True` discards a map and tiles, and nothing else that is there.
    `shard=(i, n)`, 1 <= i <= n, computes every n-th tile only and makes no map: `merge_scan` does
    when all are there; it continues by itself. If `out` is a link, map and tiles lie where it
    points to. `progress` shows a bar on stderr (default: if it is a terminal). `command`
    is recorded, `tables` are stored beside the map.

    Numbers are evaluated in float64; those beyond the range of the stored dtype are stored as its
    largest number.

    Raises `CardError`, `ResultExistsError`, `ResumeMismatchError`, `StorageError`,
    `CorruptFileError` and `ParameterError`. On SIGINT and SIGTERM it finishes the tiles in flight
    and raises `KeyboardInterrupt`."""
    execute = executor_class(executor)
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise ParameterError(
            f"shard {shard[0]}/{shard[1]} is not possible; allowed: i/n with 1 <= i <= n"
        )
    if shard is not None and force:
        raise ParameterError(
            "a shard cannot discard the tiles of the others: delete the tiles first, then run "
            "without --force"
        )
    if resume and force:
        raise ParameterError("--resume and --force exclude each other")
    spec = _spec(card, overrides)
    out = Path("results") / f"{spec.name}.h5" if out is None else Path(out)
    resume = resume or shard is not None
    target, _ = guard(map_outputs(out, may_exist=resume), force=force)
    header = replace(map_header(spec, command or _command(spec)), tables=tuple(tables))
    store = TileStore(target.path, spec.hash, spec.canonical(), header)
    if target.exists and not force and _is_complete(target.path, store):
        store.remove()
        return out
    # A first look before the tiles of a hopelessly large grid are even counted.
    map_bytes = _bytes(store.header, store.grid.points, 1) if shard is None else 0
    require_space(target.path, map_bytes)
    store.prepare(resume=resume, force=force)
    done = store.done()
    mine = [tile for tile in store.grid if shard is None or tile.index % shard[1] == shard[0] - 1]
    todo = [tile for tile in mine if tile.index not in done]
    require_space(target.path, map_bytes + _bytes(store.header, _points(todo), len(todo)))
    with _sigterm_as_interrupt(), _bar(spec, mine, todo, progress) as bar:
        if shard is not None:
            execute(spec, store, None, bar).run(todo)
            return out
        with map_writer(target.path, store.header, replace=target.exists) as writer:
            execute(spec, store, writer, bar).run(
                todo, [tile for tile in mine if tile.index in done]
            )
        store.remove()
        return out


def merge_scan(out: str | Path, *, partial: bool = False, force: bool = False) -> Path:
    """Make the map `out` of the tiles in OUT.h5.tiles/, which are removed when it is complete.

    Missing tiles raise `IncompleteScanError`; with `partial` they become NaN with status 0, and the
    tiles are kept. An existing map is replaced if it is a partial one of the same scan, or with
    `force`; a complete one stays as it is, and that of another scan raises `ResumeMismatchError`.
    Every tile is compared with its digest: `CorruptFileError`. `StorageError`: no tiles there, or
    no space."""
    out = Path(out)
    store = TileStore.load(target_of(out))
    target, _ = guard(map_outputs(out, may_exist=True), force=force)
    if target.exists and not force and _is_complete(target.path, store):
        store.remove()
        return out
    done = store.done()
    missing = [tile.index for tile in store.grid if tile.index not in done]
    if missing and not partial:
        shown = ", ".join(map(str, missing[:20])) + (", ..." if len(missing) > 20 else "")
        raise IncompleteScanError(
            f"{store.folder}: {len(missing)} of {store.grid.count} tiles are missing ({shown}); "
            "continue the scan with --resume, or merge what is there with --partial"
        )
    require_space(target.path, _bytes(store.header, store.grid.points, 1))
    write_map(target.path, store.header, store, missing, replace=target.exists)
    if not missing:
        store.remove()
    return out


def plan(card: Card, overrides: Sequence[str] | None = None) -> dict[str, Any]:
    """What a scan would do, without writing anything: points, tiles, bytes, and the time its
    evaluation takes.

    The time is that of one small compiled tile, the best of three, times the number of points over
    its points; it leaves out compilation (`compile_seconds`, measured for the small tile) and
    files. Raises `CardError`."""
    spec = _spec(card, overrides)
    header = map_header(spec, "")
    small = tile_grid(header.grid.shape, min(spec.tile_points, _ESTIMATE_POINTS))
    evaluator = TileEvaluator(spec, small)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        evaluator(small.tile(0))()
        seconds.append(time.perf_counter() - start)
    return {
        "name": spec.name,
        "model": spec.model.name,
        "constraints": list(spec.constraints),
        "axes": {axis.name: axis.values.size for axis in spec.axes},
        "profiled": {item.name: [item.min, item.max] for item in spec.profiled},
        "points": header.grid.points,
        "tiles": header.grid.count,
        "tile_shape": list(header.block),
        "map_bytes": _bytes(header, header.grid.points, 0),
        "disk_bytes": _bytes(header, 2 * header.grid.points, header.grid.count + 1),
        "devices": len(jax.local_devices()),
        "compile_seconds": seconds[0] - min(seconds[1:]),
        "estimated_seconds": min(seconds[1:]) * header.grid.points / math.prod(small.block),
        "spec_hash": spec.hash,
    }


def map_header(spec: ScanSpec, command: str) -> MapHeader:
    """Everything of a map but its data."""
    described = spec.likelihood.describe(spec.stored_observables)
    device = jax.local_devices()[0]
    attributes = {
        "name": spec.name,
        "model": json.dumps(spec.model.to_table()),
        "observables": spec.observables,
        "fixed": json.dumps(dict(spec.fixed)),
        "card": spec.card,
        "overrides": json.dumps(list(spec.overrides)),
        "command": command,
        "spec": json.dumps(spec.canonical(), sort_keys=True),
        "spec_hash": spec.hash,
        "versions": json.dumps(
            {"zscan": zscan.__version__} | {name: version(name) for name in _VERSIONED}
        ),
        "device": f"{device.platform}: {device.device_kind}",
        "precision": f"evaluated in float64, stored in {spec.dtype}",
        "bibtex_keys": json.dumps(list(described.bibtex_keys)),
        "provisional": json.dumps(list(described.provisional)),
    }
    axes = []
    for axis in spec.axes:
        values = tuple(axis.values.tolist())
        if axis.columns:
            axes.append(MapAxis(axis.name, "1", "number of the model", values, axis.coordinates))
        else:
            parameter = spec.model.parameter(axis.name)
            axes.append(MapAxis(axis.name, parameter.units, parameter.long_name, values))
    constraints = tuple(
        MapConstraint(
            name=name,
            long_name=info.long_name,
            references=info.references,
            status=info.status,
            level=info.cl,
            chi2_zero=described.chi2_zero[name],
            excluded_above=info.measurement.excluded_above,
            delta_chi2_excluded=info.measurement.delta_chi2_excluded,
            cl=info.measurement.cl,
        )
        for name, info in described.constraints.items()
    )
    stored = tuple(
        MapObservable(name, info.long_name, info.units, info.references)
        for name, info in described.observables.items()
    )
    stored += profiled_observables(spec.model, spec.profiled)
    return MapHeader(tuple(axes), constraints, stored, spec.dtype, spec.grid.block, attributes)


def _spec(card: Card, overrides: Sequence[str] | None) -> ScanSpec:
    if not isinstance(card, ScanSpec):
        return load_card(card, overrides)
    if overrides:
        raise ParameterError(
            "overrides change a card, not a validated ScanSpec: give them to load_card"
        )
    return card


def _command(spec: ScanSpec) -> str:
    """The command that makes the same map; without --resume, so that a continued scan gives equal
    bytes.
    """
    if spec.label == TABLE_LABEL:
        return "zscan.run_scan(...)"
    return shlex.join(
        ["zscan", "run", spec.label, *(part for text in spec.overrides for part in ("--set", text))]
    )


def _is_complete(out: Path, store: TileStore) -> bool:
    """Whether the map `out` has all its tiles; raises `ResumeMismatchError` when it belongs to
    another spec.
    """
    with open_checked(out) as (file, structure):
        stored = json_attribute(file, "spec")
    require_same_spec(out, stored, store.canonical)
    return not structure.missing_tiles


def _bytes(header: MapHeader, points: int, files: int) -> int:
    """Bytes that `points` grid points in `files` files take."""
    return sum(field.bytes(points) for field in header.fields) + files * TILE_OVERHEAD


def _points(tiles: Sequence[Tile]) -> int:
    return sum(math.prod(tile.shape) for tile in tiles)


def _bar(
    spec: ScanSpec, mine: Sequence[Tile], todo: Sequence[Tile], progress: bool | None
) -> tqdm[Any]:
    return tqdm(
        total=_points(mine),
        initial=_points(mine) - _points(todo),
        desc=spec.name,
        unit="point",
        unit_scale=True,
        file=sys.stderr,
        disable=None if progress is None else not progress,
    )


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, which a batch system sends before the time is up, end a scan as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
