"""The devices that jax finds on this machine: which a scan runs on, their memory, and how fast they
are in float64, in which everything is computed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zscan.errors import ParameterError, shown
from zscan.results.text import aligned, human_bytes

NAMES = ("cpu", "gpu")
_FULL = 0.2  # of the speed in float32: a device made for float64 reaches a half
_CHAIN, _VALUES = 256, 1 << 18  # operations on each of so many values
_CHOSEN: ContextVar[tuple[jax.Device, ...] | None] = ContextVar("devices", default=None)


@dataclass(frozen=True)
class DeviceInfo:
    """A device: its `number`, by which --device names it, platform ("cpu", "gpu"), kind and memory
    [bytes] (None where it does not say), measured speed in float64 [1e9 operations per s] and its
    ratio to that in float32.
    """

    number: int
    platform: str
    kind: str
    memory_bytes: int | None
    gflops: float
    float64_ratio: float

    @property
    def float64(self) -> str:
        """Speed class: "full" for a device made for float64, "slow" for one that is not."""
        return "full" if self.float64_ratio >= _FULL else "slow"

    def to_table(self) -> dict[str, Any]:
        """JSON-able table."""
        return asdict(self) | {"float64": self.float64}


def list_devices() -> list[DeviceInfo]:
    """All devices of this process, those that jax uses by default first. Takes a second: speeds are
    measured.
    """
    return [device_info(device) for device in _all()]


def device_info(device: jax.Device) -> DeviceInfo:
    """What is known of a device, its speed measured."""
    double, single = (_speed(device, dtype) for dtype in (np.float64, np.float32))
    return DeviceInfo(
        number=_all().index(device),
        platform=device.platform,
        kind=device.device_kind,
        memory_bytes=_memory(device),
        gflops=round(double / 1e9, 2),
        float64_ratio=round(double / single, 3),
    )


def device_table(found: list[DeviceInfo]) -> str:
    """Devices as a table for people."""
    head = ("device", "platform", "kind", "memory", "float64", "of float32", "")
    rows = [
        (
            str(item.number),
            item.platform,
            item.kind,
            "unknown" if item.memory_bytes is None else human_bytes(item.memory_bytes),
            f"{item.gflops:.3g} Gflop/s",
            f"{item.float64_ratio:.2f}",
            item.float64,
        )
        for item in found
    ]
    return "\n".join(aligned([head, *rows]))


def choose(name: str | None) -> tuple[jax.Device, ...]:
    """The devices of a name: "cpu", "gpu" (all there are), or the number of one; None: all of the
    kind that jax prefers. Raises `ParameterError` where there is no such device.
    """
    if name is None:
        return tuple(jax.local_devices())
    every = _all()
    if name in NAMES:
        found = tuple(device for device in every if device.platform == name)
    else:
        found = tuple(every[int(name) : int(name) + 1]) if name.isdecimal() else ()
    if not found:
        here = ", ".join(f"{place} ({device.platform})" for place, device in enumerate(every))
        platforms = [kind for kind in NAMES if any(item.platform == kind for item in every)]
        hint = "; a GPU needs its driver and an accelerated jaxlib, such as jax[cuda13]"
        raise ParameterError(
            f"device {shown(name)} is not here; allowed: {' or '.join(platforms)}, or one of {here}"
            + (hint if name == "gpu" else "")
        )
    return found


@contextmanager
def using(name: str | None) -> Iterator[None]:
    """Compute on the devices of a name, see `choose`; with None nothing is changed."""
    if name is None:
        yield
        return
    chosen = choose(name)
    token = _CHOSEN.set(chosen)
    try:
        with jax.default_device(chosen[0]):
            yield
    finally:
        _CHOSEN.reset(token)


def spared(spare: bool = True) -> AbstractContextManager[object]:
    """Let this process compute what little it does itself on the CPU, so that its workers have the
    memory of other devices.
    """
    return jax.default_device(jax.local_devices(backend="cpu")[0]) if spare else nullcontext()


def named() -> tuple[jax.Device, ...] | None:
    """The devices that were named with `using`, None without."""
    return _CHOSEN.get()


def in_use() -> tuple[jax.Device, ...]:
    """The devices that scans compute on here and now."""
    return _CHOSEN.get() or tuple(jax.local_devices())


def _all() -> list[jax.Device]:
    found = list(jax.local_devices())
    return found + [device for device in jax.local_devices(backend="cpu") if device not in found]


def _memory(device: jax.Device) -> int | None:
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return stats.get("bytes_limit")
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no such question to this system
        return None


def _speed(device: jax.Device, dtype: type[np.floating[Any]]) -> float:
    """Operations per s: a long chain of products and sums, in which memory plays no part."""

    def chain(values: jax.Array) -> jax.Array:
        def step(_: int, state: jax.Array) -> jax.Array:
            for _ in range(8):
                state = state * state * values + values
            return state

        return jax.lax.fori_loop(0, _CHAIN // 24, step, values)

    with jax.enable_x64(True):
        values = jax.device_put(jnp.full(_VALUES, 0.1, dtype=dtype), device)
        compiled = jax.jit(chain)
        jax.block_until_ready(compiled(values))
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            jax.block_until_ready(compiled(values))
            seconds.append(time.perf_counter() - start)
    return _CHAIN // 24 * 24 * _VALUES / min(seconds)
