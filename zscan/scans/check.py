"""What can be said of a card before it runs: its faults, its size, and whether constraints of a
user can be scanned and fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.constraints.own import place_of
from zscan.errors import CardError, Fault, ZscanError, clipped
from zscan.precision import in_float64
from zscan.results.text import aligned
from zscan.scans.spec import ScanSpec, load_card

_VALUES = 7  # of each axis, its ends included
_MOST = 20_000  # points of the sample


@dataclass(frozen=True)
class OwnCheck:
    """A constraint of a user on a sample of the grid: at how many of `points` it applies, and on
    which of the axes its observable depends.
    """

    constraint: str
    place: str
    points: int
    applies: int
    depends_on: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is no fault but can hardly be meant."""
        if not self.applies:
            return ("applies nowhere on the grid: it constrains nothing there",)
        if not self.depends_on:
            return ("depends on none of the axes",)
        return ()


@dataclass(frozen=True)
class CardCheck:
    """What `check_card` found in a card without faults."""

    name: str
    model: str
    observables: str
    constraints: tuple[str, ...]
    axes: dict[str, int]
    points: int
    tiles: int
    spec_hash: str
    own: tuple[OwnCheck, ...]

    def to_table(self) -> dict[str, Any]:
        """JSON-able table."""
        return asdict(self) | {
            "own": [asdict(item) | {"warnings": list(item.warnings)} for item in self.own]
        }

    def __str__(self) -> str:
        axes = " x ".join(f"{name} {size}" for name, size in self.axes.items())
        lines = [
            f"{self.name}: no fault",
            *aligned(
                [
                    ("model", self.model),
                    ("observables", clipped(self.observables, 200)),
                    ("constraints", clipped(", ".join(self.constraints), 500)),
                    ("grid", f"{axes}: {self.points} points, {self.tiles} tiles"),
                    ("spec hash", self.spec_hash),
                ]
            ),
        ]
        for item in self.own:
            depends = ", ".join(item.depends_on) or "nothing"
            lines.append(
                f"{item.constraint} ({item.place}): shapes, values and gradients are good at "
                f"{item.points} points, of which it applies at {item.applies}; depends on {depends}"
            )
            lines += [f"  warning: {item.constraint} {text}" for text in item.warnings]
        return "\n".join(lines)


@in_float64
def check_card(
    card: str | Path | Mapping[str, Any], overrides: Sequence[str] | None = None
) -> CardCheck:
    """Check a card without running it; see `zscan.run_scan` for the arguments.

    A constraint of a user is evaluated on a sample of the grid, 7 values of each axis: its
    observable must broadcast against the grid, be finite wherever it applies, with finite
    gradients in all axes, and must be a function that jax can trace. Raises `CardError` with every
    fault.

    >>> axes = {"m_X": {"values": [0.01, 0.1]}, "g_X": {"values": [1e-4, 1e-3]}}
    >>> print(check_card({"format": 1, "name": "a", "model": "Lmu-Ltau",
    ...     "constraints": ["delta_a_mu"], "axis": axes}))  # doctest: +ELLIPSIS
    a: no fault
    model        Lmu-Ltau
    ...
    """
    spec = load_card(card, overrides)
    faults: list[Fault] = []
    found = []
    for name in spec.constraints:
        if name in spec.likelihood.own:
            found += list(_own(spec, name, faults))
    if faults:
        raise CardError(spec.label, faults)
    return CardCheck(
        name=spec.name,
        model=spec.model.name,
        observables=spec.observables,
        constraints=spec.constraints,
        axes={axis.name: axis.values.size for axis in spec.axes},
        points=spec.grid.points,
        tiles=spec.grid.count,
        spec_hash=spec.hash,
        own=tuple(found),
    )


def _own(spec: ScanSpec, name: str, faults: list[Fault]) -> Iterator[OwnCheck]:
    path = f"constraints.{name}"
    part = spec.likelihood.of([name])
    sample, axes, shape = _sample(spec)

    def observable(values: Mapping[str, Array]) -> tuple[Array, Array]:
        term = part.evaluate({**sample, **values})[name]
        return term.observable, term.valid

    def total(values: Mapping[str, Array]) -> tuple[Array, tuple[Array, Array]]:
        found, valid = observable(values)
        return jnp.where(valid & jnp.isfinite(found), found, 0.0).sum(), (found, valid)

    try:
        # One small program takes less time than the many that single operations are
        slopes, (found, valid) = jax.jit(jax.grad(total, has_aux=True))(axes)
        found, valid = np.asarray(found), np.asarray(valid)
        try:
            found, valid = np.broadcast_to(found, shape), np.broadcast_to(valid, shape)
        except ValueError:
            allowed = f"what broadcasts against {shape}"
            faults.append(Fault(path, "shape of its observable", found.shape, allowed))
            return
    except (ZscanError, TypeError, ValueError) as error:  # the latter two of shapes that differ
        hint = "functions of jax.numpy, no if on arrays"
        faults.append(Fault(path, clipped(str(error), 600), allowed=hint))
        return
    places = dict(zip(axes, np.broadcast_arrays(*axes.values()), strict=True))
    bad = np.argwhere(valid & ~np.isfinite(found))
    if len(bad):
        where = _where(places, tuple(bad[0]), shape)
        problem = f"its observable is not finite at {len(bad)} points where it applies"
        faults.append(Fault(path, problem, where, "finite numbers, or applies = False"))
    depends = []
    for axis in axes:
        numbers = np.asarray(slopes[axis])
        if not np.isfinite(numbers).all():
            at = float(np.ravel(axes[axis])[np.argmin(np.isfinite(np.ravel(numbers)))])
            problem = f"its gradient in {axis} is not finite"
            faults.append(Fault(path, problem, f"{axis} = {at:g}", "a finite gradient"))
        elif numbers.any():
            depends.append(axis)
    yield OwnCheck(
        name,
        place_of(spec.likelihood.own[name]),
        int(np.prod(shape)),
        int(valid.sum()),
        tuple(depends),
    )


def _sample(spec: ScanSpec) -> tuple[dict[str, Array], dict[str, Array], tuple[int, ...]]:
    """Fixed parameters, those of the axes on a sample of the grid, and its shape; the models of an
    axis of models are among the fixed ones.
    """
    fixed = {name: jnp.asarray(value) for name, value in spec.fixed.items()}
    fixed |= {item.name: jnp.asarray((item.min + item.max) / 2) for item in spec.profiled}
    most = max(2, min(_VALUES, int(_MOST ** (1 / len(spec.axes)))))
    axes, shape = {}, []
    for number, axis in enumerate(spec.axes):
        places = np.unique(np.linspace(0, axis.values.size - 1, most).astype(int))
        along = [1] * len(spec.axes)
        along[number] = places.size
        shape.append(places.size)
        if axis.columns:
            columns = axis.columns.items()
            fixed |= {name: jnp.asarray(values[places].reshape(along)) for name, values in columns}
        else:
            axes[axis.name] = jnp.asarray(axis.values[places].reshape(along))
    return fixed, axes, tuple(shape)


def _where(places: Mapping[str, np.ndarray], index: tuple[int, ...], shape: tuple[int, ...]) -> str:
    values = {name: np.broadcast_to(array, shape)[index] for name, array in places.items()}
    return ", ".join(f"{name} = {value:.4g}" for name, value in values.items())
