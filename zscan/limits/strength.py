"""Signal strengths and excluded couplings: the curves of `zscan.limits` and the kernels of
recasting, put together.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import HBAR
from zscan.errors import ParameterError
from zscan.kernels import recast
from zscan.kernels._spline import interval
from zscan.kernels.couplings import Couplings
from zscan.kernels.recast import BR_K_MUNU, Search
from zscan.kernels.widths import invisible, partial_widths, total_of
from zscan.limits.accuracy import Rest, enough, rest
from zscan.limits.format import FINAL_STATES, Limit, ProductionTable
from zscan.limits.formula import evaluate
from zscan.limits.known import as_limit
from zscan.limits.reference import reference_model
from zscan.models import Model, ModelType, couplings, load_charged, load_model
from zscan.precision import as_float64, in_float64


@in_float64
def signal_strengths(
    limits: Sequence[Limit | str],
    m_X: ArrayLike,
    couplings: Couplings,
    *,
    thresholds: str = "physical",
    hadrons: str = "default",
) -> tuple[Float[Array, "..."], ...]:
    """Signal strength of every limit for the on-shell `couplings` of `zscan.couplings`, one array
    each.

    mu is the expected signal over the signal that the limit excludes: the point is excluded at the
    confidence level of the limit where mu > 1; NaN where the limit says nothing (outside its
    masses, in a veto). m_X [GeV] broadcasts against the leaves of `couplings`; what depends on m_X
    alone is evaluated on its shape, and widths and production rates are shared between the limits.
    Pure and differentiable in m_X and all couplings; compiled once per set of limits and shapes.
    `thresholds` and `hadrons` as for `zscan.kernels.widths.partial_widths`.

    NaN as well where mu rests on hadronic widths that have no accuracy (constraints then do not
    apply: status 2 in maps, skipped in sums; with hadrons = "darkcast" nothing is left out):

    * the error of the hadronic width (`zscan.kernels.hadrons.hadron_uncertainty`) leaves mu
      uncertain by more than half;
    * what has no accuracy may be more than a tenth of the total width of X: isoscalar and strange
      axial currents below 2 GeV, and the peaks of quarkonia in 3.05-3.15, 3.66-3.80 and 9.3-10.6
      GeV, unless it is the same part as in the reference model and cancels.

    So an X with the couplings of the reference model, scaled, keeps its limits on quarkonia,
    whatever the published curve assumes there; so does an X without couplings to c and b, or with
    those of a loop (L_mu - L_tau), whose decays no peak changes, on the assumption that the
    published curve has branching ratios without peaks, as the widths here. B - L, for example, has
    no limit there.

    Assumes what every recast does: the acceptance is that of the reference model, decays are to the
    final state of the search only, and X is narrow. Good to 10-20 % in the coupling; production by
    hadrons rests on vector-meson dominance. Source: arXiv:1801.04847."""
    m_X, *leaves = as_float64(m_X, *jax.tree.leaves(couplings))
    couplings = jax.tree.unflatten(jax.tree.structure(couplings), leaves)
    return tuple(
        _mu(*arguments)
        for arguments in _arguments(
            tuple(map(as_limit, limits)), m_X, couplings, thresholds, hadrons
        )
    )


def signal_strength(
    limit: Limit | str,
    model: ModelType | str,
    m_X: ArrayLike,
    g_X: ArrayLike,
    eps: ArrayLike | None = None,
    *,
    thresholds: str = "physical",
    hadrons: str = "default",
) -> Float[Array, "..."]:
    """Signal strength mu of `model` at m_X [GeV], g_X and eps (added to the model's mixing), which
    broadcast.

    See `signal_strengths`; `limit` may be a name, here and below; g_X is read as eps for the model
    "dark-photon".

    >>> round(float(signal_strength("NA64_NA642019imj", "Lmu-Ltau", 0.02, 5e-3)), 2)
    1.35
    """
    x = couplings(model, m_X, g_X, eps)
    return signal_strengths((limit,), m_X, x, thresholds=thresholds, hadrons=hadrons)[0]


@in_float64
def excluded_couplings(
    limit: Limit | str,
    model: ModelType | str,
    m_X: ArrayLike,
    *,
    thresholds: str = "physical",
    hadrons: str = "default",
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The couplings g_X between which `model` is excluded at m_X [GeV]: (g_lo, g_hi), each of the
    shape of m_X.

    NaN where nothing is excluded or known (see `signal_strengths`, also for the options), g_hi =
    inf for limits without an upper edge. Needs a model whose
    couplings are proportional to g_X, so without a fixed `eps`: raises `ParameterError` otherwise.

    >>> g_lo, g_hi = excluded_couplings("NA64_NA642019imj", "Lmu-Ltau", 0.02)
    >>> round(float(g_lo), 5), float(g_hi)
    (0.0043, inf)
    """
    (found,) = excluded_intervals([limit], model, m_X, thresholds=thresholds, hadrons=hadrons)
    return found.lower, found.upper


class Excluded(NamedTuple):
    """Of a limit, on the shape of m_X: the couplings between which it excludes, as
    `excluded_couplings` gives them, and where it says anything.
    """

    lower: Array
    upper: Array
    applies: Array


@in_float64
def excluded_intervals(
    limits: Sequence[Limit | str],
    model: ModelType | str,
    m_X: ArrayLike,
    *,
    eps_over_g: float = 0.0,
    levels: Sequence[float] | None = None,
    thresholds: str = "physical",
    hadrons: str = "default",
) -> tuple[Excluded, ...]:
    """`excluded_couplings` of many limits at once, which share widths and production rates; where a
    limit applies and has no interval, the model has too little signal in it, or none.

    `eps_over_g` is added to the mixing of the model; `levels` are the signal strengths above which
    each limit excludes (default 1: its own confidence level). Raises `ParameterError` for a model
    whose couplings are not proportional to g_X."""
    loaded = load_model(model)
    if not loaded.scales_with_coupling:
        raise ParameterError(
            f"the couplings of model {loaded.name!r} are not proportional to g_X (it has a fixed "
            "eps, g_chi or dark_width, or no charges); scan signal_strength instead"
        )
    (m_X,) = as_float64(m_X)
    unit = load_charged(loaded).couplings(m_X, 1.0, eps_over_g)
    chosen = tuple(map(as_limit, limits))
    found = []
    for arguments, level in zip(
        _arguments(chosen, m_X, unit, thresholds, hadrons),
        [1.0] * len(chosen) if levels is None else levels,
        strict=True,
    ):
        search, known, *rates = arguments
        search = search._replace(scale=search.scale / level)
        lower, upper = _edges(search, known, *rates)
        found.append(Excluded(lower, upper, search.valid & known))
    return tuple(found)


@in_float64
def delta_chi2(limit: Limit | str, mu: ArrayLike) -> Float[Array, "..."]:
    """-2 ln L of a signal strength, from a limit alone: an assumption on the form of the
    likelihood.

    `limit.likelihood` "counting", no background and no event: 2 ln(1/(1 - cl)) mu (4.61 mu at 90
    %); "background", a Gaussian around no signal: z^2 mu^2 with the two-sided quantile z of cl
    (2.71 mu^2 at 90 %). Both are 0 without a signal and reach the value of the confidence level at
    mu = 1. mu is dimensionless; the result has its shape.

    >>> limits = ("NA64_NA642019imj", "BaBar_Lees2014xha")
    >>> [round(float(delta_chi2(limit, 1.0)), 2) for limit in limits]
    [4.61, 2.71]
    """
    (mu,) = as_float64(mu)
    limit = as_limit(limit)
    deviation = mu / limit.error
    return deviation if limit.likelihood == "counting" else deviation**2


# Compiled in pieces: what depends on a limit is compiled for the shape of m_X only, the rest for
# all limits alike
@jax.jit
def _mu(search: Search, known: Array, rate: Array, partial: Array, width: Array) -> Array:
    search = search._replace(valid=search.valid & known)
    return recast.signal_strength(search, rate, partial, width)


@jax.jit
def _edges(
    search: Search, known: Array, rate: Array, partial: Array, width: Array
) -> tuple[Array, Array]:
    search = search._replace(valid=search.valid & known)
    return recast.excluded_scale(search, rate, partial, width)


class _Reference(NamedTuple):
    """A reference model at unit coupling."""

    couplings: Couplings
    branching: dict[str, Array]
    width: Array


_References = dict[str | Model, _Reference]
_CHANNELS = tuple(FINAL_STATES.values())  # more are not computed


def _arguments(
    limits: tuple[Limit, ...], m_X: Array, couplings: Couplings, thresholds: str, hadrons: str
) -> list[tuple[Search, Array, Array, Array, Array]]:
    """What `recast.signal_strength` and `recast.excluded_scale` take, for each limit, and after the
    search whether hadronic widths are known well enough.
    """
    if not limits:
        return []
    models = dict.fromkeys(limit.reference_model for limit in limits if limit.reference_model)
    references = {
        model: _reference(m_X, _unit_couplings(model, m_X), thresholds, hadrons) for model in models
    }
    searches = _searches(limits, m_X, references)
    origins = tuple(dict.fromkeys(_origin(limit) for limit in limits))
    states = tuple(dict.fromkeys(limit.final_states for limit in limits))
    rests = tuple(dict.fromkeys(rest(limit) for limit in limits))
    rates, partial, total, known = _signals(
        origins, states, rests, m_X, couplings, references, thresholds, hadrons
    )
    by_origin, by_states, by_rest = (
        dict(zip(origins, rates, strict=True)),
        dict(zip(states, partial, strict=True)),
        dict(zip(rests, known, strict=True)),
    )
    return [
        (
            search,
            by_rest[rest(limit)],
            by_origin[_origin(limit)],
            by_states[limit.final_states],
            total,
        )
        for search, limit in zip(searches, limits, strict=True)
    ]


@functools.partial(jax.jit, static_argnums=0)
def _unit_couplings(reference: str | Model, m_X: Array) -> Couplings:
    return reference_model(reference).couplings(m_X, 1.0)


@functools.partial(jax.jit, static_argnums=(2, 3))  # one program for all of like couplings
def _reference(m_X: Array, unit: Couplings, thresholds: str, hadrons: str) -> _Reference:
    widths = partial_widths(m_X, unit, thresholds=thresholds, hadrons=hadrons, channels=_CHANNELS)
    total = total_of(widths)
    channels = [name for name in (*_CHANNELS, "dark") if name in widths]
    return _Reference(unit, {name: recast.ratio(widths[name], total) for name in channels}, total)


_Origin = tuple[str | ProductionTable, str | Model]  # how X is produced, and the reference model


def _origin(limit: Limit) -> _Origin:
    return limit.production_table or limit.production[0], limit.reference_model


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 6, 7))
def _signals(
    origins: tuple[_Origin, ...],
    states: tuple[tuple[str, ...], ...],
    rests: tuple[Rest, ...],
    m_X: Array,
    couplings: Couplings,
    references: _References,
    thresholds: str,
    hadrons: str,
) -> tuple[list[Array], list[Array], Array, list[Array]]:
    """Production rates, widths into the final states, total width, where accuracy suffices."""

    @functools.cache
    def rate(mechanism: str, reference: str | Model) -> Array:
        """Over the rate of the reference model at unit coupling; absolute without a reference
        model.
        """
        own = recast.production_rate(mechanism, m_X, couplings)
        if not reference:
            return BR_K_MUNU.value * own
        return recast.ratio(
            own, recast.production_rate(mechanism, m_X, references[reference].couplings)
        )

    def mixed(table: ProductionTable, reference: str | Model) -> Array:
        shares = zip(_shares(table, m_X), table.mechanisms, strict=True)
        return sum(
            (share * rate(mechanism, reference) for share, mechanism in shares), jnp.zeros(())
        )

    rates = [rate(how, name) if isinstance(how, str) else mixed(how, name) for how, name in origins]
    widths = partial_widths(
        m_X, couplings, thresholds=thresholds, hadrons=hadrons, channels=_CHANNELS
    )
    known = [jnp.ones((), bool)] * len(rests)
    if hadrons == "default":
        others = {name: (found.couplings, found.width) for name, found in references.items()}
        known = enough(rests, m_X, couplings, widths, others, thresholds)
    return rates, [_sum(widths, names) for names in states], total_of(widths), known


@functools.partial(jax.jit, static_argnums=0)
def _searches(limits: tuple[Limit, ...], m_X: Array, references: _References) -> list[Search]:
    # All curves are interpolated, and all windows solved, in one go: that keeps the compilation
    # short
    two_sided = [limit for limit in limits if limit.upper is not None]
    curves = [(limit.mass, limit.value) for limit in limits]
    curves += [(limit.mass, limit.upper) for limit in two_sided if limit.upper is not None]
    # Unstacked in one step, here and below: the derivative of an index for each row would add as
    # many arrays of the whole size
    values, valid = map(jnp.unstack, recast.interpolate(recast.stack_curves(curves), m_X))
    lower = {limit: (values[i], valid[i]) for i, limit in enumerate(limits)}
    upper = dict(zip(two_sided, values[len(limits) :], strict=True))
    windows = _windows({limit: (upper[limit] / lower[limit][0]) ** 2 for limit in two_sided})
    return [_search(limit, m_X, *lower[limit], windows.get(limit), references) for limit in limits]


def _search(
    limit: Limit,
    m_X: Array,
    value: Array,
    valid: Array,
    window: _Window | None,
    references: _References,
) -> Search:
    if limit.quantity == "branching_ratio":
        return Search(valid, 1 / value)
    reference = references[limit.reference_model]
    allowed = (
        _sum(reference.branching, limit.reference_decays)
        if limit.reference_decays
        else jnp.ones(())
    )
    valid = valid & (allowed > 0)
    allowed = jnp.where(allowed > 0, allowed, 1.0)
    lifetime = 1 / (reference.width * allowed * value**2)
    if limit.reference_branching_ratio is None:
        branching = _sum(reference.branching, limit.final_states) / allowed
        valid = valid & (branching > 0)
        branching = jnp.where(valid, branching, 1.0)
    else:
        branching = jnp.asarray(limit.reference_branching_ratio)
    scale = 1 / (value**2 * branching)
    if window is not None:
        scale = scale / recast.efficiency(jnp.ones(()), window.start, window.stop)
        start, stop = window.start * lifetime, window.stop * lifetime
        return Search(valid & window.valid, scale, start, stop, window.beyond)
    if limit.efficiency == "window":
        mass = jnp.where(valid, m_X, limit.mass[np.isfinite(limit.value)][0])
        stop = evaluate(limit.t1, mass) / HBAR.value
        return Search(valid, scale / recast.efficiency(1 / lifetime, None, stop), None, stop)
    return Search(valid, scale)


class _Window(NamedTuple):
    """Of a two-sided limit, in lifetimes at its lower edge."""

    start: Array
    stop: Array
    valid: Array
    beyond: Array | None = None


def _windows(squares: Mapping[Limit, Array]) -> dict[Limit, _Window]:
    """Windows of two-sided limits from (upper/lower)^2, dumps and displaced searches each in one
    go.
    """
    windows: dict[Limit, _Window] = {}
    dumps = {limit: square for limit, square in squares.items() if limit.lratio is not None}
    if dumps:
        stacked = jnp.stack(list(dumps.values()))
        lratios = np.array([limit.lratio for limit in dumps]).reshape(-1, *[1] * (stacked.ndim - 1))
        valid = stacked > 1 + 1e-6
        start, stop = recast.dump_window(jnp.where(valid, stacked, 4.0), jnp.asarray(lratios))
        each = zip(dumps, *map(jnp.unstack, (start, stop, valid)), strict=True)
        windows |= {limit: _Window(*row) for limit, *row in each}
    displaced = [limit for limit in squares if limit not in dumps]
    if displaced:
        start, stop, beyond, valid = recast.displaced_window(
            jnp.stack([squares[limit] for limit in displaced])
        )
        rows = zip(displaced, *map(jnp.unstack, (start, stop, valid, beyond)), strict=True)
        windows |= {limit: _Window(*row) for limit, *row in rows}
    return windows


def _sum(widths: Mapping[str, Array], states: Sequence[str]) -> Array:
    found = (
        invisible(widths) if state == "invisible" else widths[FINAL_STATES[state]]
        for state in states
    )
    return sum(found, jnp.zeros(()))


def _shares(table: ProductionTable, m_X: Array) -> list[Array]:
    """Shares of each mechanism at m_X, their sum being 1: linear between masses, constant beyond
    the ends.
    """
    shares = table.shares / table.shares.sum(axis=1, keepdims=True)
    if table.mass.size == 1:
        return [jnp.asarray(share) for share in shares[0]]
    inside = jnp.clip(m_X, table.mass[0], table.mass[-1])
    left = interval(table.mass, inside)
    low, high = jnp.asarray(table.mass)[left], jnp.asarray(table.mass)[left + 1]
    t = (inside - low) / (high - low)
    return [(1 - t) * column[left] + t * column[left + 1] for column in map(jnp.asarray, shares.T)]
