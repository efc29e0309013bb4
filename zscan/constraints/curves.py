"""Measurements whose value and error depend on the mass of X: curves as data, a TOML file each."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from zscan.errors import UnknownNameError, nearest, shown
from zscan.kernels._spline import interval
from zscan.results.levels import two_sided


@dataclass(frozen=True, eq=False)
class Curve:
    """A measured rate against `mass` [GeV]: `best` fit and the distance `sigma` to its upper edge
    of one standard deviation, taken as the error on both sides.

    An upper limit at confidence level cl is best = 0 with sigma = limit/1.645 for 90 % (the
    two-sided quantile). NaN breaks the curve. `digest` is of the whole file."""

    name: str
    experiment: str
    arxiv: str
    quantity: str
    status: str
    note: str
    digest: str
    mass: Float[np.ndarray, " n"]
    best: Float[np.ndarray, " n"]
    sigma: Float[np.ndarray, " n"]

    def at(self, m_X: Array) -> tuple[Array, Array, Array]:
        """Best fit, sigma and where they are valid, each on the shape of m_X: linear between
        masses, constant below the first one, not valid beyond the last one and in a gap.
        """
        mass, best, sigma = (jnp.asarray(column) for column in (self.mass, self.best, self.sigma))
        m = jnp.maximum(m_X, mass[0])
        left = interval(self.mass, m)
        right = left + 1
        t = (m - mass[left]) / (mass[right] - mass[left])
        whole_left, whole_right = jnp.isfinite(sigma[left]), jnp.isfinite(sigma[right])
        on_segment = whole_left & whole_right & (t <= 1)
        valid = on_segment | (whole_left & (t == 0)) | (whole_right & (t == 1))

        def value(column: Array) -> Array:
            ends = jnp.nan_to_num(column, nan=1.0)
            return jnp.where(valid, ends[left] + t * (ends[right] - ends[left]), 1.0)

        return value(best), value(sigma), valid


def curves() -> tuple[str, ...]:
    """Names of the curves, for `options.curve` of a measurement.

    >>> curves()
    ('BaBar_BKX', 'BaBar_BKstarX', 'BelleII_BKX', 'KOTO_KpiX', 'NA62_KpiX')
    """
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_curve(name: str) -> Curve:
    """A curve by its name; raises `UnknownNameError`."""
    if name not in curves():
        raise UnknownNameError(f"unknown curve {shown(str(name))}: {nearest(str(name), curves())}")
    data = _folder().joinpath(f"{name}.toml").read_bytes()
    table = tomllib.loads(data.decode("utf-8"))
    columns = dict(zip(table["columns"], np.array(table["rows"]).T, strict=True))
    if "limit" in columns:
        limit = columns.pop("limit")
        columns |= {"best": 0.0 * limit, "sigma": limit / two_sided(table["cl"])}
    texts = {key: table[key] for key in ("experiment", "arxiv", "quantity", "status", "note")}
    return Curve(name=name, digest=hashlib.sha256(data).hexdigest(), **texts, **columns)


def _folder() -> resources.abc.Traversable:
    return resources.files("zscan").joinpath("constraints", "curves")
