"""Numbers of a map as short text: three significant digits each, packed without further loss."""

from __future__ import annotations

import base64
import zlib

import numpy as np

DIGITS = 3
STEPS = 9 * 10 ** (DIGITS - 1)  # numbers of three digits in a decade: 100 to 999
_TIE = 1e-6  # so near to half a step the numbers are rounded as text
LOWEST = -330  # decimal exponent of the first decade; float64 reaches down to 1e-324


def codes(values: np.ndarray) -> np.ndarray:
    """Integers that say all of `values` that three significant digits can; shape as `values`.

    A number that `format(value, ".3g")` writes as d.dd x 10^e has the code STEPS (e - LOWEST) +
    ddd - 99, its negative the negative code, zero has 0: codes rise with the numbers. What is not
    finite gets 0 too; that it is none says the state of the point.

    >>> codes(np.array([1.368, -2e-9, 0.0])).tolist()
    [297038, -289001, 0]
    """
    wide = np.asarray(values, dtype=np.float64)
    known = np.isfinite(wide) & (wide != 0)
    size = np.where(known, np.abs(wide), 1.0)
    exponent = np.floor(np.log10(size)).astype(np.int64)
    scaled = _scaled(size, exponent)
    # log10 may be off by one next to a power of ten, and 9.996 is written 10.0
    exponent += (np.rint(scaled) >= 10**DIGITS).astype(np.int64) - (scaled < 10 ** (DIGITS - 1))
    scaled = _scaled(size, exponent)
    mantissa = np.maximum(np.rint(scaled), 10 ** (DIGITS - 1)).astype(np.int64)
    for place in np.flatnonzero(abs(scaled - np.floor(scaled) - 0.5) < _TIE):
        text = f"{size.flat[place]:.{DIGITS - 1}e}"  # of all digits that the number has
        mantissa.flat[place] = int(text[: DIGITS + 1].replace(".", ""))
        exponent.flat[place] = int(text[DIGITS + 2 :])
    found = STEPS * (exponent - LOWEST) + mantissa - (10 ** (DIGITS - 1) - 1)
    return np.where(known, np.sign(wide) * found, 0).astype(np.int32)


def _scaled(size: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Numbers with the first three digits before the point."""
    power = DIGITS - 1 - exponent
    first = np.clip(power, -300, 300)  # 1e330 is no float64
    found: np.ndarray = size * 10.0**first * 10.0 ** (power - first)
    return found


def held(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`values` (..., n) in which those not `known` repeat the last known one of their row, so that
    gaps cost nothing; 0 where there is none before.
    """
    place = np.where(known, np.arange(values.shape[-1]), 0)
    last = np.maximum.accumulate(place, axis=-1)
    kept = np.where(known, values, 0)
    found: np.ndarray = np.take_along_axis(kept, last, axis=-1)
    return found


def pack(values: np.ndarray) -> str:
    """Integers (rows, n), n >= 2 and below 2^20 in size, as base64 of a raw deflate stream.

    Stored are second differences along rows, the first two columns of which are differences from
    the row before; non-negative ones d as 2 d, others as -2 d - 1; the lowest byte of all of them,
    then the middle one, then the highest."""
    steps = np.asarray(values, dtype=np.int64).copy()
    steps[:, 2:] = values[:, 2:] - 2 * steps[:, 1:-1] + steps[:, :-2]
    steps[:, 1] -= steps[:, 0]
    steps[1:, :2] = np.diff(steps[:, :2], axis=0)
    unsigned = np.where(steps >= 0, 2 * steps, -2 * steps - 1)
    return deflated(np.stack([(unsigned >> shift) & 0xFF for shift in (0, 8, 16)]))


def deflated(values: np.ndarray) -> str:
    """Integers from 0 to 255 as base64 of a raw deflate stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    stream = packer.compress(np.ascontiguousarray(values, dtype=np.uint8).data) + packer.flush()
    return base64.b64encode(stream).decode("ascii")
