"""Run a scan: from a card to its map, tile by tile; join the tiles of shards; say what a scan would
do.
"""

from __future__ import annotations

import math
import shlex
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from zscan.errors import (
    CorruptFileError,
    IncompleteScanError,
    NoEffectWarning,
    NotFiniteWarning,
    ParameterError,
    ZscanError,
)
from zscan.results.check import json_attribute, open_checked
from zscan.results.files import require_space, storage
from zscan.results.grid import Tile, tile_grid
from zscan.results.layout import MapHeader, MapTable
from zscan.results.outputs import guard, target_of
from zscan.results.schema import map_writer, verify, write_map
from zscan.scans.agreement import require_same_spec
from zscan.scans.cards import TABLE_LABEL
from zscan.scans.devices import choose, device_info, in_use, spared, using
from zscan.scans.executors import Sink, computes_here, executor_class
from zscan.scans.finite import FiniteCheck
from zscan.scans.folders import SPEC_FILE, map_outputs, remove_tiles, tile_folder
from zscan.scans.header import map_header
from zscan.scans.interrupts import interruptible
from zscan.scans.journal import Filling
from zscan.scans.locks import hold
from zscan.scans.progress import progress_of
from zscan.scans.refine import run_refined
from zscan.scans.refinement import require_whole
from zscan.scans.shards import check_continuation, check_count, of_shard
from zscan.scans.spec import ScanSpec, load_card
from zscan.scans.store import TILE_OVERHEAD, TileStore
from zscan.scans.stored import listing, take_over, warn_of_damage
from zscan.scans.tiles import TileEvaluator
from zscan.untrusted import creation_time, file_name

Card = str | Path | Mapping[str, Any] | ScanSpec

_ESTIMATE_POINTS = 65536


@interruptible()
def run_scan(
    card: Card,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    executor: str = "inline",
    overrides: Sequence[str] | None = None,
    shard: tuple[int, int] | None = None,
    strict: bool = False,
    progress: bool | None = None,
    command: str | None = None,
    tables: Sequence[MapTable] = (),
    allow_version_change: bool = False,
    device: str | None = None,
) -> Path:
    """Evaluate a scan card on its grid and write the map; returns the path of the map,
    results/NAME.h5 by default.

    `card` is a path, the name of a shipped card, a table or a `ScanSpec`; `overrides` are
    "axis.m_X.num=400". Tiles are kept in OUT.h5.tiles/ until the map is complete: after a crash or
    an interrupt `resume=True` continues, with the same numbers; with a complete map of the same
    spec it returns at once. `force=True` discards a map and tiles, and nothing else that is there.
    `shard=(i, n)`, 1 <= i <= n, computes every n-th tile only and makes no map: `merge_scan` does
    when all are there; it continues by itself. There may not be more shards than tiles. If `out` is
    a link, map and tiles lie where it points to. Damaged tiles are computed again, with a
    `DamagedTileWarning`; tiles of other versions of zscan, jax, jaxlib or numpy are refused, or
    with `allow_version_change` taken, and the map names them all. `strict` makes a point where a
    constraint is valid but not finite a `NotFiniteError`; without it a `NotFiniteWarning` at the
    end counts them. `progress` shows a bar on stderr (default: if it is a terminal). `command` is
    recorded, `tables` are stored beside the map.

    Numbers are evaluated in float64; those beyond the range of the stored dtype are stored as its
    largest number.

    One process at a time works on a map, or several shards of its scan: the others get a
    `BusyError`. Raises `CardError`, `ResultExistsError`, `ResumeMismatchError`, `StorageError`,
    `CorruptFileError`, `DeviceError` and `ParameterError`. On SIGINT, SIGTERM, SIGUSR1 and SIGHUP
    it finishes the tiles in flight and raises `KeyboardInterrupt`."""
    executor_class(executor)
    creation_time()  # a bad environment is told before the work
    choose(device)
    out = out if out is None else file_name(out, "map")
    check_continuation(shard, resume=resume, force=force)
    aside = not computes_here(executor)
    with spared(aside):
        spec = _spec(card, overrides)
    require_whole(spec.refinement, executor, shard)
    if shard is not None:
        check_count(shard[1], spec.grid)
    out = Path("results") / f"{spec.name}.h5" if out is None else out
    resume = resume or shard is not None
    device = device or spec.device
    choose(device)
    guard(map_outputs(out, may_exist=resume), force=force)  # before any work
    with using(device), spared(aside):
        header = replace(map_header(spec, command or _command(spec)), tables=tuple(tables))
    path = target_of(out)
    with storage(out, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    with (
        using(device),
        spared(aside),
        hold(path, _with_shard(header.attributes["command"], shard), shard),
    ):
        # Once more: another process may have been here meanwhile
        target, _ = guard(map_outputs(out, may_exist=resume), force=force)
        store = TileStore(target.path, spec.hash, spec.canonical(), header)
        if target.exists and not force and is_complete(target.path, store, allow_version_change):
            store.remove_left_over()
            return out
        # A first look before the tiles of a hopelessly large grid are even counted.
        require_space(target.path, _map_bytes(store, shard, executor))
        store.prepare(resume=resume, force=force, allow_version_change=allow_version_change)
        check = FiniteCheck(header, strict=strict)
        how: Any = {"replace_map": target.exists, "progress": progress}
        if spec.refinement is not None:
            run_refined(spec, spec.refinement, store, check, **how)
        else:
            _compute(spec, store, executor, shard, check, **how)
        if shard is None:
            store.remove()
    _warn_of(check, out, complete=shard is None)
    return out


def _compute(
    spec: ScanSpec,
    store: TileStore,
    executor: str,
    shard: tuple[int, int] | None,
    check: FiniteCheck,
    *,
    replace_map: bool,
    progress: bool | None,
) -> None:
    """Evaluate the tiles that are missing or damaged, of all or of a shard; without one into the
    map as well, after those that are there.
    """
    out, header = store.out, store.header
    in_place = shard is None and computes_here(executor)
    if in_place:
        store.settle()
    done, faults = store.survey()
    mine = of_shard(store.grid, shard)
    todo = [tile for tile in mine if tile.index not in done]
    tile_bytes = 0 if in_place else _bytes(header, _points(todo), len(todo))
    require_space(out, _map_bytes(store, shard, executor) + tile_bytes)
    with ExitStack() as stack:
        sink: Sink = check
        filling: Filling | None = None
        if in_place:
            sink = filling = stack.enter_context(store.filled(done, check, replace=replace_map))
        elif shard is None:
            writer = map_writer(out, header, replace=replace_map, watch=check)
            sink = stack.enter_context(writer)
        faults |= take_over((tile for tile in mine if tile.index in done), store, sink)
        again = {tile.index: faults[tile.index] for tile in mine if tile.index in faults}
        if again:
            warn_of_damage(store, again, stacklevel=5)
        todo = [tile for tile in mine if tile.index not in done or tile.index in again]
        if filling is not None:
            store.discard(again)
            filling.begin(tile.index for tile in todo)
        count = _points(mine)
        with progress_of(spec.name, count, count - _points(todo), shown=progress) as bar:
            executor_class(executor)(spec, store, sink, bar).run(todo)


def _warn_of(check: FiniteCheck, out: Path, *, complete: bool) -> None:
    if text := str(check):
        warnings.warn(f"{out}: {text}", NotFiniteWarning, stacklevel=5)
    if complete and (text := check.without_effect()):
        text = f"{out}: some constraints have no effect, which does not mean allowed; they {text}"
        warnings.warn(text, NoEffectWarning, stacklevel=5)


@interruptible()
def merge_scan(out: str | Path, *, partial: bool = False, force: bool = False) -> Path:
    """Make the map `out` of the tiles in OUT.h5.tiles/, which are removed when it is complete.

    Missing tiles raise `IncompleteScanError`; with `partial` they become NaN with status 0, and the
    tiles are kept. An existing map is replaced if it is a partial one of the same scan, or with
    `force`; a complete one stays as it is, and that of another scan raises `ResumeMismatchError`.
    Every tile is compared with its digest: `CorruptFileError` names all that do not match. Points
    that are not finite, locks and signals as for `run_scan`. `StorageError`: no tiles there, or no
    space."""
    out = file_name(out, "map")
    creation_time()
    path = target_of(out)
    with hold(path, shlex.join(["zscan", "merge", str(out)])):
        if force or not _without_spec(path):
            store = TileStore.load(path)
            target, _ = guard(map_outputs(out, may_exist=True), force=force)
            _merge(store, partial, force, target.exists)
    return out


def _merge(store: TileStore, partial: bool, force: bool, exists: bool) -> None:
    out = store.out
    if exists and not force and is_complete(out, store, bool(store.earlier)):
        store.remove()
        return
    if "refine" in store.canonical:
        raise IncompleteScanError(
            f"{store.folder}: a refined scan is not merged; it goes on with: "
            f"{store.header.attributes['command']} -o {shlex.quote(str(out))} --resume"
        )
    done, faults = store.survey()
    if faults:
        check = FiniteCheck(store.header)
        faults |= take_over((tile for tile in store.grid if tile.index in done), store, check)
        raise CorruptFileError(
            f"{store.folder}: damaged tiles: {listing(store, faults)}; zscan run --resume "
            "computes them again"
        )
    missing = [tile.index for tile in store.grid if tile.index not in done]
    if missing and not partial:
        shown = ", ".join(map(str, missing[:20])) + (", ..." if len(missing) > 20 else "")
        raise IncompleteScanError(
            f"{store.folder}: {len(missing)} of {store.grid.count} tiles are missing ({shown}); "
            "continue the scan with --resume, or merge what is there with --partial"
        )
    require_space(out, _bytes(store.header, store.grid.points, 1))
    check = FiniteCheck(store.header)
    write_map(out, store.header, store, missing, replace=exists, watch=check)
    if not missing:
        store.remove()
    _warn_of(check, out, complete=not missing)


def plan(
    card: Card, overrides: Sequence[str] | None = None, device: str | None = None
) -> dict[str, Any]:
    """What a scan would do, without writing anything: points, tiles, bytes, the devices that it
    would use, with their memory and speed in float64, and the time its evaluation takes.

    The time is that of one small compiled tile, the best of three, times the number of points over
    its points; it leaves out compilation (`compile_seconds`, measured for the small tile) and
    files. Raises `CardError`, and `ParameterError` for a `device` that is not here."""
    spec = _spec(card, overrides)
    with using(device or spec.device):
        return _plan(spec)


def _plan(spec: ScanSpec) -> dict[str, Any]:
    header = map_header(spec, "")
    info = device_info(in_use()[0])
    speed = f"{info.gflops:.3g} Gflop/s, {info.float64_ratio:.2f} of float32"
    small = tile_grid(header.grid.shape, min(spec.tile_points, _ESTIMATE_POINTS))
    evaluator = TileEvaluator(spec, small)
    refinement = spec.refinement
    finest = (
        {}
        if refinement is None
        else {
            axis.name: values.size
            for axis, values in zip(spec.axes, refinement.axes(spec.axes), strict=True)
        }
    )
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
        "disk_bytes": _bytes(header, (1 if refinement is None else 2) * header.grid.points, 1),
        "disk_bytes_shards": _bytes(header, 2 * header.grid.points, header.grid.count + 1),
        "devices": len(in_use()),
        "device": f"{info.platform}: {info.kind}",
        "device_memory_bytes": info.memory_bytes,
        "float64": f"{info.float64}: {speed}",
        "compile_seconds": _rounded(seconds[0] - min(seconds[1:])),
        "estimated_seconds": _rounded(
            min(seconds[1:]) * header.grid.points / math.prod(small.block)
        ),
        "spec_hash": spec.hash,
    } | ({} if refinement is None else {"refine": refinement.table() | {"finest": finest}})


def _rounded(seconds: float) -> float:
    """A measured time to two digits: it is never known better."""
    return float(f"{max(seconds, 0.0):.2g}")


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


def _with_shard(command: str, shard: tuple[int, int] | None) -> str:
    return command if shard is None else f"{command} --shard {shard[0]}/{shard[1]}"


def _without_spec(out: Path) -> bool:
    """Whether `out` is a complete map whose tiles have no spec.json (any more); removes what is
    left of them.
    """
    folder = tile_folder(out)
    if (folder / SPEC_FILE).exists() or not out.exists():
        return False
    try:
        with open_checked(out) as (_, structure):
            complete = not structure.missing_tiles
    except ZscanError:
        return False
    if complete:
        remove_tiles(folder)
    return complete


def is_complete(out: Path, store: TileStore, allow_version_change: bool) -> bool:
    """Whether the map `out` has all its tiles; raises `ResumeMismatchError` when it belongs to
    another spec, `CorruptFileError` when it is damaged.
    """
    with open_checked(out) as (file, structure):
        stored = json_attribute(file, "spec")
    require_same_spec(out, stored, store.canonical, allow_version_change=allow_version_change)
    verify(out, allow_partial=True)
    return not structure.missing_tiles


def _map_bytes(store: TileStore, shard: tuple[int, int] | None, executor: str) -> int:
    """Bytes that the map takes on the disk and does not have yet: a shard makes none, and one that
    is filled in place may have been begun.
    """
    if shard is not None:
        return 0
    needed = _bytes(store.header, store.grid.points, 1)
    return max(0, needed - store.reserved()) if computes_here(executor) else needed


def _bytes(header: MapHeader, points: int, files: int) -> int:
    """Bytes that `points` grid points in `files` files take."""
    return sum(field.bytes(points) for field in header.fields) + files * TILE_OVERHEAD


def _points(tiles: Sequence[Tile]) -> int:
    return sum(math.prod(tile.shape) for tile in tiles)
