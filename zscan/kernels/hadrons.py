"""Hadronic widths of X for any vector and axial couplings to quarks, channel by channel, and how
well they are known.

With the vector couplings u, d, s every channel is a quadratic form in r = u - d, o = 3 (u + d) and
p = -3 s, the strengths of the isovector, isoscalar and strange currents; a photon has r = o = p.
m_X and widths in GeV; m_X and the leaves of the couplings broadcast. Sources, channel by channel:
docs/hadrons.md; form factors and fits of arXiv:1205.2228, 2110.00520, 2201.01788, axial currents of
arXiv:1312.1501."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from zscan.constants import Constant
from zscan.errors import ParameterError, nearest
from zscan.kernels import _hadron_accuracy as stated
from zscan.kernels._pairs import pair, scale
from zscan.kernels._quotient import quotient
from zscan.kernels._spline import interval
from zscan.kernels.couplings import Couplings
from zscan.precision import as_float64, in_float64

_PDG = "PDG 2020, PTEP 2020 083C01"
M_D = Constant(1.86483, "GeV", 5e-5, _PDG)
M_B = Constant(5.27934, "GeV", 1.2e-4, _PDG)
M_T = Constant(172.76, "GeV", 0.3, _PDG)
# Masses [GeV] of c, b, t in phase space: half of where the open channel begins
THRESHOLDS = {
    "physical": {"c": M_D.value, "b": M_B.value, "t": M_T.value},
    "darkcast": {"c": 1.5, "b": 4.8, "t": M_T.value},
}
PARTONS = 2.0  # GeV: from here on u, d and s are free quarks
NEGLIGIBLE = 0.1  # share of a width up to which a part of it may have no accuracy
LARGEST = 0.5  # fractional error beyond which a width has no accuracy
PION_POLE = 0.35  # GeV: below, axial currents emit longitudinal X in decays of mesons
# Scales of QCD [GeV] for three, four and five flavours, PDG 2020; alpha_s(2 GeV) = 0.294
_LAMBDA = {3: 0.332, 4: 0.292, 5: 0.210}
# From where the QCD corrections of charm and beauty hold [GeV], and with how many flavours
_OPEN = {"c": (4.5, 4), "b": (11.5, 5)}
_COMPONENTS = ("rr", "oo", "pp", "ro", "rp", "op")
_AXIAL = ("isovector", "isoscalar", "strange")
_FREE_QUARKS = (3 / 2, 1 / 6, 1 / 3)  # rr, oo, pp of three colours


class _Table(NamedTuple):
    """Linear pieces of all light hadrons by six vector components, by three axial currents, and of
    each channel with its components: columns of values at the left ends, then as many slopes.
    """

    mass: Float[np.ndarray, " n"]
    vector: Float[np.ndarray, "n-1 12"]
    axial: Float[np.ndarray, "n-1 6"]
    channels: dict[str, tuple[tuple[int, ...], Float[np.ndarray, "n-1 columns"]]]


def _read_table() -> _Table:
    path = resources.files("zscan.kernels").joinpath("tables/hadrons.txt")
    lines = path.read_text(encoding="ascii").splitlines()
    header = next(line for line in lines if line.startswith("# Columns:"))
    mass, *columns = np.loadtxt(lines).T
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, column in zip(header.rstrip(".").split(", ")[1:], columns, strict=True):
        channel, component = name.split(":")
        found.setdefault(channel, {})[component] = column

    def pieces(values: list[np.ndarray]) -> np.ndarray:
        stacked = np.stack(values, axis=1)
        return np.hstack([stacked[:-1], np.diff(stacked, axis=0) / np.diff(mass)[:, None]])

    axial = found.pop("axial")
    total = [np.zeros_like(mass) for _ in _COMPONENTS]
    for name, components in found.items():
        for component, column in components.items() if name != "omegapi0" else ():
            total[_COMPONENTS.index(component)] += column
    channels = {
        name: (tuple(_COMPONENTS.index(k) for k in components), pieces(list(components.values())))
        for name, components in found.items()
    }
    return _Table(mass, pieces(total), pieces([axial[name] for name in _AXIAL]), channels)


_TABLE = _read_table()
_START = float(_TABLE.mass[0])  # the mass of the pi0
CHANNELS = tuple(_TABLE.channels)  # those below 2 GeV, "omegapi0" (information) among them


def widths(
    m_X: Array, x: Couplings, quarks: dict[str, float], channels: tuple[str, ...]
) -> dict[str, Array]:
    """Widths [GeV] by channel, see `zscan.kernels.widths.partial_widths`; `quarks` are masses of c,
    b, t, and `channels` those of `CHANNELS` that are wanted.
    """
    light, heavy = _light(m_X, x), _heavy(m_X, x, quarks)
    place, forms = _place(m_X), _forms(x)
    found = heavy | {"partons": light.partons, "axial": _sum(light.axial)}
    for name in channels:
        components, pieces = _TABLE.channels[name]
        R = _values(place, pieces)
        found[name] = _sum([forms[k] * (scale(m_X) * R[i]) for i, k in enumerate(components)])
    total = light.vector + _sum(light.axial) + _sum(heavy.values())
    return found | {"hadrons": total}


def qcd_factor(m: Array, flavours: int) -> Float[Array, "..."]:
    """1 + a + (1.9857 - 0.1153 n) a^2 + (-6.6369 - 1.2001 n - 0.0052 n^2) a^3 with a =
    alpha_s(m)/pi in three loops for n = 3, 4 or 5 flavours; m [GeV] above 1.2.

    Light-by-light terms are left out. Source: PDG 2020, review of QCD."""
    n = flavours
    b0, b1 = (33 - 2 * n) / 12, (153 - 19 * n) / 24
    b2 = (2857 - 5033 / 9 * n + 325 / 27 * n**2) / 128
    L = 2 * jnp.log(m / _LAMBDA[flavours])
    log = jnp.log(L)
    first, second = b1 / b0**2, b2 / b0**3
    a = (1 - first * log / L + (first**2 * (log**2 - log - 1) + second) / L**2) / (b0 * L)
    square, cube = 1.9857 - 0.1153 * n, -6.6369 - 1.2001 * n - 0.0052 * n**2
    return 1 + a * (1 + a * (square + a * cube))


def error(m_X: Array, x: Couplings, quarks: dict[str, float]) -> Float[Array, "..."]:
    """About one standard deviation of "hadrons" of `widths` [GeV], by the fractions of
    `zscan.kernels._hadron_accuracy`.
    """
    light = _light(m_X, x)
    errors = [
        stated.vector_error(m_X, light.squares, light.vector),
        *stated.axial_errors(m_X, light.axial),
    ]
    # Free quarks have one correction, and so one error
    independent = _sum([part**2 for part in errors])
    square = jnp.where(m_X < PARTONS, independent, _sum(errors) ** 2)
    for name, width in _heavy(m_X, x, quarks).items():
        if name[0] in _OPEN:
            square = square + stated.heavy_error(m_X, width, _OPEN[name[0]][0]) ** 2
    some = square > 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, square, 1.0)), square)


def undetermined(m_X: Array, x: Couplings) -> Float[Array, "..."]:
    """What has no accuracy in the hadronic width [GeV], as large as it is or may be.

    Isoscalar and strange axial currents below 2 GeV, and the peaks of charmonia (3.05-3.15 and
    3.66-3.80 GeV) and bottomonia (9.3-10.6 GeV), which "hadrons" of `widths` leaves out."""
    _, isoscalar, strange = _light(m_X, x).axial
    found = jnp.where(m_X < PARTONS, isoscalar + strange, 0.0)
    for quark in _OPEN:
        massless = 3 * scale(m_X) * getattr(x, quark).V ** 2
        found = found + stated.quarkonium(m_X, quark, massless)
    return found


@in_float64
def hadron_uncertainty(
    m_X: ArrayLike, couplings: Couplings, *, thresholds: str = "physical"
) -> Float[Array, "..."]:
    """Fractional error, about one standard deviation, of the hadronic width of X at m_X [GeV].

    Above `LARGEST` = 0.5 the width has no accuracy. NaN where it has none for want of any data:
    where isoscalar and strange axial currents below 2 GeV give more than 10 % of it (their part is
    a model), and on quarkonia (3.05-3.15, 3.66-3.80, 9.3-10.6 GeV) whose peaks may exceed 10 % of
    it, which takes a vector coupling to c or b. 0 where there is no hadronic width.

    Errors of the isovector, isoscalar and strange currents are constant in windows of mass and
    combined for the couplings at hand: as independent ones, but never less than their weighted
    mean. Arguments broadcast; NaN for m_X < 0. How likelihoods use it: see
    `zscan.limits.signal_strengths`. Raises `ParameterError` for another name of `thresholds`.

    >>> from zscan import couplings
    >>> [round(float(hadron_uncertainty(m, couplings("dark-photon", m, 1.0))), 2) for m in (0.6, 3)]
    [0.04, 0.04]
    """
    masses_of(thresholds)
    m_X, *leaves = as_float64(m_X, *jax.tree.leaves(couplings))
    x: Couplings = jax.tree.unflatten(jax.tree.structure(couplings), leaves)
    return _uncertainty(m_X, x, thresholds)


@in_float64
def production_bound_missing(m_X: ArrayLike, couplings: Couplings) -> Bool[Array, "..."]:
    """Whether stronger bounds than the limit curves are likely to be missing: axial couplings to u,
    d, s, e or mu and m_X < 0.35 GeV.

    Longitudinal X is then made in meson and lepton decays (K -> pi X, pi -> e nu X) at rates that
    grow as 1/m_X^2, through the pion pole too; recasts have the vector couplings of production
    only. Information: nothing in a likelihood depends on it."""
    m_X, *leaves = as_float64(m_X, *jax.tree.leaves(couplings))
    x: Couplings = jax.tree.unflatten(jax.tree.structure(couplings), leaves)
    axial = jnp.zeros((), bool)
    for fermion in (x.u, x.d, x.s, x.e, x.mu):
        axial = axial | (fermion.A != 0)
    return axial & (m_X < PION_POLE)


def masses_of(thresholds: str) -> dict[str, float]:
    """Masses [GeV] of c, b and t by name of `THRESHOLDS`; raises `ParameterError`."""
    if thresholds not in THRESHOLDS:
        raise ParameterError(f"thresholds = {thresholds!r}; {nearest(thresholds, THRESHOLDS)}")
    return THRESHOLDS[thresholds]


@functools.partial(jax.jit, static_argnums=2)
def _uncertainty(m_X: Array, x: Couplings, thresholds: str) -> Array:
    quarks = masses_of(thresholds)
    total = widths(m_X, x, quarks, ())["hadrons"]
    some = total > 0
    fraction = quotient(error(m_X, x, quarks), jnp.where(some, total, 1.0))
    fraction = jnp.where(some, fraction, total)
    return jnp.where(undetermined(m_X, x) > NEGLIGIBLE * total, jnp.nan, fraction)


class _Light(NamedTuple):
    """Widths to hadrons of u, d and s [GeV]: by vector currents, what of it are free quarks, by
    each vector current alone, by each axial one.
    """

    vector: Array
    partons: Array
    squares: tuple[Array, Array, Array]
    axial: tuple[Array, Array, Array]


def _light(m_X: Array, x: Couplings) -> _Light:
    unit, place = scale(m_X), _place(m_X)
    above = m_X >= PARTONS
    free = jnp.where(above, qcd_factor(jnp.where(above, m_X, PARTONS), 3), 0.0)
    R = _values(place, _TABLE.vector)
    R[:3] = [R_ii + weight * free for R_ii, weight in zip(R, _FREE_QUARKS, strict=False)]
    parts = [f * (unit * R_k) for f, R_k in zip(_forms(x), R, strict=True)]
    a, b, s = (3 * unit * (spectral + free / 2) for spectral in _values(place, _TABLE.axial))
    return _Light(
        _sum(parts),
        3 * unit * free * (x.u.V**2 + x.d.V**2 + x.s.V**2),
        (parts[0], parts[1], parts[2]),
        (a * (x.u.A - x.d.A) ** 2, b * (x.u.A + x.d.A) ** 2, 2 * s * x.s.A**2),
    )


def _heavy(m_X: Array, x: Couplings, quarks: dict[str, float]) -> dict[str, Array]:
    """Widths "cc", "bb", "tt" of free quarks."""
    found = {}
    for name, mass in quarks.items():
        weight = jnp.full((), 3.0)
        if name in _OPEN:
            start, flavours = _OPEN[name]
            above = m_X >= start
            factor = qcd_factor(jnp.where(above, m_X, start), flavours)
            weight = weight * jnp.where(above, factor, 1.0)
        found[name + name] = pair(m_X, getattr(x, name), mass, weight)
    return found


def _forms(x: Couplings) -> tuple[Array, ...]:
    """What the six vector components multiply."""
    r, o, p = x.u.V - x.d.V, 3 * (x.u.V + x.d.V), -3 * x.s.V
    return r * r, o * o, p * p, r * o, r * p, o * p


class _Place(NamedTuple):
    """Row of the table, distance from its mass, and whether there is one."""

    row: Array
    distance: Array
    inside: Array


def _place(m_X: Array) -> _Place:
    inside = (m_X > _START) & (m_X < PARTONS)
    safe = jnp.where(inside, m_X, _START)
    mass = jnp.asarray(_TABLE.mass)
    row = interval(_TABLE.mass, safe)
    return _Place(row, safe - mass[row], inside)


def _values(place: _Place, pieces: np.ndarray) -> list[Array]:
    """Columns at a place, each of the shape of the masses; zero outside the table."""
    found = [jnp.asarray(column)[place.row] for column in pieces.T]
    count = len(found) // 2
    return [
        jnp.where(place.inside, found[k] + place.distance * found[count + k], 0.0)
        for k in range(count)
    ]


def _sum(terms: Iterable[Array]) -> Array:
    return sum(terms, jnp.zeros(()))
