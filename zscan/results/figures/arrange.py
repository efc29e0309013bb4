"""Which layers of a panel are shaded, which are lines, which are left out; what lies on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from zscan.results.figures.layers import Backdrop, Excluded, Layer, Projected
from zscan.results.figures.planes import excess_plane

_STRONGEST = 0.03  # share of the columns in which a layer must be the strongest to be shaded
_ALONE = 0.01  # share of the frame that a layer must exclude alone to be shaded


@dataclass(frozen=True)
class Reach:
    """What a constraint excludes in a panel: `area`, its share of the frame; `strongest`, the share
    of the columns in which it borders on what nothing excludes, from above or below; `alone`, the
    share of the frame that no other one excludes.
    """

    area: float
    strongest: float
    alone: float


def reaches(
    layers: Sequence[Layer], data: xr.Dataset, limits: tuple[float, float] | None = None
) -> dict[str, Reach]:
    """Reach of all excluding layers of a panel whose y axis shows `limits`."""
    masks = {}
    for layer in layers:
        if isinstance(layer, Excluded):
            _, y, values = excess_plane(data, layer.constraint, layer.above)
            low, high = limits or (y[0], y[-1])
            masks[layer.constraint] = (values > 0)[(y >= low) & (y <= high)]
    if not masks:
        return {}
    union = np.any(list(masks.values()), axis=0)
    below, above = np.zeros_like(union), np.ones_like(union)
    below[1:], above[:-1] = union[:-1], union[1:]
    lower, upper = union & ~below, union & ~above
    # Of two bounds in neighbouring cells neither is the stronger one
    lower[1:] |= lower[:-1] & union[1:]
    upper[:-1] |= upper[1:] & union[:-1]
    count = np.sum(list(masks.values()), axis=0)
    return {
        name: Reach(
            float(mask.mean()),
            float(np.mean((mask & (lower | upper)).any(0))),
            float(np.mean(mask & (count == 1))),
        )
        for name, mask in masks.items()
    }


def arranged(
    layers: Sequence[Layer],
    data: xr.Dataset,
    limits: tuple[float, float] | None = None,
    order: Sequence[str] = (),
) -> tuple[Layer, ...]:
    """Layers with their places: the widest regions at the back, those of `order` in that order
    before all others; distinct dashes for projections.
    """
    found = reaches(layers, data, limits)
    ranks = _ranks(found, order)
    placed: list[Layer] = []
    projections = 0
    for layer in layers:
        if isinstance(layer, Excluded):
            reach = found[layer.constraint]
            bites = reach.strongest >= _STRONGEST or reach.alone >= _ALONE
            filled = bites if layer.filled is None else layer.filled
            layer = replace(layer, filled=filled, rank=ranks[layer.constraint])
        elif isinstance(layer, Projected):
            layer = replace(layer, rank=projections)
            projections += 1
        placed.append(layer)
    excluding = tuple(layer for layer in placed if isinstance(layer, Excluded))
    return (Backdrop(excluding), *placed) if excluding else tuple(placed)


def _ranks(found: Mapping[str, Reach], order: Sequence[str]) -> dict[str, float]:
    by_area = sorted(found, key=lambda name: -found[name].area)
    names = [name for name in by_area if name not in order]
    names += [name for name in order if name in found]
    return {name: float(number) for number, name in enumerate(names)}
