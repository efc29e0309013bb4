"""One compiled function that evaluates a likelihood on a tile: status and stored numbers of every
constraint.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from zscan.errors import DeviceError
from zscan.results.grid import Tile, TileGrid
from zscan.results.layout import NOT_FINITE, OK, OUT_OF_RANGE
from zscan.scans.devices import in_use, named
from zscan.scans.profiled import CHI2, CONVERGED, find_minimum
from zscan.scans.spec import ScanSpec

Fields = dict[str, list[np.ndarray]]

_DEVICES = "devices"
_TROUBLE = (MemoryError, jax.errors.JaxRuntimeError)
_OF_DEVICE = ("RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE", "ABORTED", "DATA_LOSS")


class TileEvaluator:
    """Evaluates tiles of `grid` for a scan, all with one compiled shape; split over the devices if
    there are several.

    Calling it with a tile returns at once, with a function that waits for the values of every
    field. A tile that the device fails on, or has no memory for, is evaluated once more in two
    halves; if that fails too, the function raises `DeviceError`."""

    def __init__(self, spec: ScanSpec, grid: TileGrid) -> None:
        self.grid = grid
        self.whole = _Program(spec, grid.block, named())
        # The axis along which tiles are cut, see `tile_grid`; those before it have one point.
        self.cut = next((axis for axis, extent in enumerate(grid.block) if extent > 1), 0)
        self._lock = threading.Lock()

    def __call__(self, tile: Tile) -> Callable[[], Fields]:
        """Start the evaluation of a tile; the result waits for it and gives the rows, cut to the
        true extent.
        """
        try:
            start: Callable[[], Fields] = self.whole(tile.slices)
        except _TROUBLE as error:
            start = functools.partial(_fail, error)

        def rows() -> Fields:
            try:
                return start()
            except _TROUBLE as error:
                if not _is_of_device(error):
                    raise
                return self._in_halves(tile, error)

        return rows

    def wait(self) -> None:
        """Wait for the last evaluation that was started; what went wrong in it, its own function
        says.
        """
        with contextlib.suppress(*_TROUBLE):
            jax.block_until_ready(self.whole.last)

    @functools.cached_property
    def _half(self) -> _Program:
        block = list(self.grid.block)
        block[self.cut] = -(-block[self.cut] // 2)
        return _Program(self.whole.spec, block, self.whole.devices)

    def _in_halves(self, tile: Tile, first: BaseException) -> Fields:
        step = -(-self.grid.block[self.cut] // 2)
        part = tile.slices[self.cut]
        parts = []
        try:
            with self._lock:  # one at a time: memory is short
                for start in range(part.start, part.stop, step):
                    slices = list(tile.slices)
                    slices[self.cut] = slice(start, min(start + step, part.stop))
                    parts.append(self._half(slices)())
        except _TROUBLE as error:
            if not _is_of_device(error):
                raise
            raise DeviceError(
                f"tile {tile.index} cannot be evaluated, nor can its half: {_line(first)}; "
                "finished tiles are kept: continue with --resume where there is more memory, or "
                f"start again with output.tile_points below {math.prod(self.grid.block) // 2}"
            ) from error
        return {
            name: [
                np.concatenate(pieces, axis=self.cut)
                for pieces in zip(*(fields[name] for fields in parts), strict=True)
            ]
            for name in parts[0]
        }


class PointEvaluator:
    """Evaluates points in rows of one value of the first of two axes and any values of the second
    one: `shape` rows and points of a row at a time, with one compiled shape, on the first device.

    `points` are the values for each tile by its number, (rows,) and (rows, points of a row), of a
    multiple of so many rows."""

    def __init__(self, spec: ScanSpec, shape: tuple[int, int]) -> None:
        self.points: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.size = shape[0]
        self.device = in_use()[0]
        self.program = _Program(spec, shape, (self.device,))

    def __call__(self, tile: Tile) -> Callable[[], Fields]:
        """Start the evaluation of a tile; raises, as the result does, `DeviceError`."""
        x, y = self.points[tile.index]
        with _device_errors(tile):
            starts = [
                self._start(x[first : first + self.size], y[first : first + self.size])
                for first in range(0, len(x), self.size)
            ]

        def rows() -> Fields:
            with _device_errors(tile):
                parts = [start() for start in starts]
            return {
                name: [np.concatenate(row) for row in zip(*(p[name] for p in parts), strict=True)]
                for name in parts[0]
            }

        return rows

    def _start(self, x: np.ndarray, y: np.ndarray) -> Callable[[], Fields]:
        with jax.enable_x64(True):
            axes = [jax.device_put(values, self.device) for values in (x[:, np.newaxis], y)]
        return self.program.start(axes, (slice(None), slice(None)))

    def wait(self) -> None:
        """Wait for the last evaluation that was started."""
        with contextlib.suppress(*_TROUBLE):
            jax.block_until_ready(self.program.last)


@contextlib.contextmanager
def _device_errors(tile: Tile) -> Iterator[None]:
    try:
        yield
    except _TROUBLE as error:
        if not _is_of_device(error):
            raise
        raise DeviceError(
            f"{math.prod(tile.shape)} points of tile {tile.index} cannot be evaluated: "
            f"{_line(error)}; what is finished is kept: continue with --resume"
        ) from error


def _fail(error: BaseException) -> Fields:
    raise error


def _is_of_device(error: BaseException) -> bool:
    """Whether the device is lost or out of memory, in contrast to a fault of the program."""
    return isinstance(error, MemoryError) or str(error).startswith(_OF_DEVICE)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]


class _Program:
    """The compiled evaluation of a block of one shape.

    The axes enter as arrays of shape (1, ..., n, ..., 1), so that what depends on m_X alone is
    evaluated once for each mass."""

    def __init__(
        self, spec: ScanSpec, block: Sequence[int], devices: tuple[jax.Device, ...] | None
    ) -> None:
        self.spec = spec
        self.devices = devices
        devices = devices or tuple(jax.local_devices())
        self.block = list(block)
        # Where devices were named the axes are put there, from whatever thread
        place = SingleDeviceSharding(devices[0]) if self.devices else None
        self.axis_shardings: list[Sharding | None] = [place] * len(self.block)
        self.shape = tuple(self.block)  # of what one device evaluates
        evaluate = self._evaluate
        if len(devices) > 1:
            # The longest axis splits most evenly; it is padded so that it does.
            longest = int(np.argmax(self.block))
            self.block[longest] = -(-self.block[longest] // len(devices)) * len(devices)
            mesh = Mesh(np.array(devices), (_DEVICES,))
            numbers = range(len(self.block))
            along = PartitionSpec(*(_DEVICES if axis == longest else None for axis in numbers))
            parts = tuple(along if axis == longest else PartitionSpec() for axis in numbers)
            self.axis_shardings = [NamedSharding(mesh, part) for part in parts]
            self.shape = tuple(
                size // len(devices) if axis == longest else size
                for axis, size in enumerate(self.block)
            )
            # Each device evaluates its part by itself: blocks and loops inside the kernels would
            # otherwise gather from all
            evaluate = jax.shard_map(
                evaluate, mesh=mesh, in_specs=parts, out_specs=along, check_vma=False
            )
        self.last: dict[str, list[Array]] = {}
        self.compiled = jax.jit(evaluate)

    def __call__(self, slices: Sequence[slice]) -> Callable[[], Fields]:
        """Start the evaluation of a part of the grid of at most the block; the result waits for
        it.
        """
        with jax.enable_x64(True):
            axes = [self._axis(number, part) for number, part in enumerate(slices)]
        return self.start(axes, tuple(slice(part.stop - part.start) for part in slices))

    def start(self, axes: Sequence[Array], inside: tuple[slice, ...]) -> Callable[[], Fields]:
        """Start the evaluation of parameters that broadcast to the block; the result waits for it,
        and gives what lies `inside`.
        """
        with jax.enable_x64(True):
            fields = self.compiled(*axes)
            self.last = fields

        def rows() -> Fields:
            return {
                name: [np.ascontiguousarray(np.asarray(array)[inside]) for array in arrays]
                for name, arrays in fields.items()
            }

        return rows

    def _axis(self, number: int, part: slice) -> Array:
        values = self.spec.axes[number].values[part]
        # Padding repeats the last value, where the kernels are known to be evaluable.
        padded = np.pad(values, (0, self.block[number] - values.size), mode="edge")
        shape = [1] * len(self.block)
        shape[number] = padded.size
        return jax.device_put(padded.reshape(shape), self.axis_shardings[number])

    def _evaluate(self, *axes: Array) -> dict[str, list[Array]]:
        parameters = {name: jnp.asarray(value) for name, value in self.spec.fixed.items()}
        for axis, values in zip(self.spec.axes, axes, strict=True):
            if axis.columns:  # an axis of models: its values are their numbers
                parameters |= {
                    name: jnp.asarray(column)[values.astype(int)]
                    for name, column in axis.columns.items()
                }
            else:
                parameters[axis.name] = values
        shape, dtype = self.shape, jnp.dtype(self.spec.dtype)
        profiled, likelihood = self.spec.profiled, self.spec.likelihood
        if profiled:
            minimum = find_minimum(likelihood, parameters, profiled, shape)
            parameters |= minimum.parameters
        terms, observables = likelihood.terms_and_observables(
            parameters, self.spec.stored_observables
        )
        known = jnp.ones((), bool)
        if profiled:
            total, any_finite = likelihood.sum(terms)
            observables[CHI2] = jnp.where(any_finite, total, jnp.nan)
            known = jnp.isfinite(
                observables[CHI2]
            )  # elsewhere there is nothing to minimise, and no minimum
            observables |= {item.observable: minimum.parameters[item.name] for item in profiled}
            observables[CONVERGED] = minimum.converged.astype(float)
        delta_chi2, status = [], []
        for name in self.spec.constraints:
            term = terms[name]
            finite = jnp.where(
                jnp.isfinite(term.delta_chi2) & known, jnp.uint8(OK), jnp.uint8(NOT_FINITE)
            )
            status.append(
                jnp.broadcast_to(jnp.where(term.valid, finite, jnp.uint8(OUT_OF_RANGE)), shape)
            )
            valid = jnp.where(term.valid & known, term.delta_chi2, jnp.nan)
            delta_chi2.append(jnp.broadcast_to(_stored(valid, dtype), shape))
        # One array per row, not one for all: stacking would copy everything once more, into fresh
        # memory.
        fields = {"delta_chi2": delta_chi2, "status": status}
        for name, values in observables.items():
            values = jnp.where(known, values, jnp.nan)
            fields[f"observable/{name}"] = [jnp.broadcast_to(_stored(values, dtype), shape)]
        return fields


def _stored(values: Array, dtype: jnp.dtype) -> Array:
    """Cast to the stored dtype; finite numbers beyond its range become its largest number, so that
    they stay finite.
    """
    limit = float(jnp.finfo(dtype).max)
    return jnp.where(jnp.isfinite(values), jnp.clip(values, -limit, limit), values).astype(dtype)
