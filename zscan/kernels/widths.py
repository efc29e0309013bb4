"""Decay widths and branching ratios of X: leptons, neutrinos, photons, and hadrons channel by
channel.

m_X and widths are in GeV; m_X and the leaves of the couplings broadcast, and each result has the
shape of what it depends on. `ParameterError` for another name of `thresholds` or `hadrons`.
Sources: docs/hadrons.md; arXiv:1801.04847, 1705.00619 (3 gamma)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from zscan.constants import ALPHA_EM, M_E, M_MU, M_TAU
from zscan.errors import ParameterError, nearest
from zscan.kernels import _hadrons_darkcast
from zscan.kernels import hadrons as _hadrons
from zscan.kernels._pairs import pair, scale
from zscan.kernels._quotient import quotient
from zscan.kernels.couplings import Couplings
from zscan.kernels.hadrons import THRESHOLDS, hadron_uncertainty, production_bound_missing
from zscan.precision import as_float64, in_float64

__all__ = [
    "HADRONS",
    "THRESHOLDS",
    "branching_ratios",
    "dark_width",
    "hadron_uncertainty",
    "hadrons_known",
    "invisible",
    "partial_widths",
    "production_bound_missing",
    "total_of",
    "total_width",
]

DARK = ("dirac", "scalar")  # particles of a dark channel
HADRONS = ("default", "darkcast")  # tables of hadronic widths
_DISJOINT = ("ee", "mumu", "tautau", "nunu", "hadrons", "3gamma")  # these add up to the total width


@in_float64
def partial_widths(
    m_X: ArrayLike,
    couplings: Couplings,
    *,
    thresholds: str = "physical",
    hadrons: str = "default",
    channels: Sequence[str] | None = None,
) -> dict[str, Float[Array, "..."]]:
    """Partial widths [GeV] of X by channel, for the full couplings of `zscan.models.coupling` (on
    shell) at m_X [GeV].

    Keys: "ee", "mumu", "tautau"; "nue", "numu", "nutau" and their sum "nunu"; "3gamma"; "hadrons",
    the sum of the hadronic channels "pipi" (pi+ pi-), "pi0gamma", "etagamma", "3pi", "K+K-",
    "K0K0", "pi0pi0gamma", "2(pi+pi-)", "pi+pi-2pi0", "etapipi", "KKpi", "rest" (all other below 2
    GeV), "partons" (u, d, s from 2 GeV on), "axial" (u, d, s), "cc", "bb", "tt"; and "omegapi0",
    information: it is part of other channels; "dark" if X has such a channel. The total is
    `total_width`. The leaves of `couplings` broadcast against m_X; each width has the shape of what
    it depends on, functions of m_X being evaluated on its own.

    * f fbar: N_c m_X/(12 pi) beta [g_V^2 (1 + 2 m_f^2/m_X^2) + g_A^2 beta^2], neutrinos m_X/(24 pi)
      g_nu^2 each, light right-handed ones as much beside them.
    * u, d, s with vector couplings, below 2 GeV: m_X/(12 pi) times a quadratic form in u - d, 3 (u
      + d) and -3 s for each channel, from amplitudes and data, valid for any couplings. The tables
      are linear in m_X (0.7 % at 99 % of the masses, 2 % at worst, 6 % within 0.2 MeV of two
      pions); the omega and the phi are narrow, so that grids must have steps of 2 and 1 MeV there.
      From 2 GeV on free quarks with QCD corrections.
    * u, d, s with axial couplings: spectral functions of tau decays for the isovector current; a
      model without data, which `hadron_uncertainty` refuses, for the others; free quarks from 2
      GeV.
    * c, b, t: free quarks with half the mass at which the open channel begins, `thresholds` =
      "physical" (D Dbar 3.73 GeV, B Bbar 10.56 GeV) or "darkcast" (quark masses 1.5 and 4.8 GeV);
      QCD corrections from 4.5 and 11.5 GeV. Resonances between are left out, and quarkonia: the
      widths there are finite and may be wrong by orders of magnitude (`hadron_uncertainty`, which
      is NaN there).
    * 3 gamma, from the electron loop, for m_X <= 2 m_e only: expansion in m_X^2/m_e^2 to its second
      order, which falls short near 2 m_e. The axial coupling does not contribute.

    `hadrons` = "darkcast" takes the table of DarkCast instead, to compare with its recasts: right
    for couplings like those of the photon only, with the keys "pipi", "cc", "bb", "tt" of the
    hadronic channels, no axial width below 2 GeV and no QCD correction.

    `channels` leaves out those channels of the table (from "pipi" to "rest", and "omegapi0") that
    it does not name: fewer take less time to compile.

    How well hadrons are known: `hadron_uncertainty`. Leptons and neutrinos are exact at tree level.
    Valid for m_X >= 0 (NaN below); gradients are finite everywhere, also at thresholds. Raises
    `ParameterError` for another name of `thresholds` or `hadrons`. Source: docs/hadrons.md;
    arXiv:1801.04847 sec. 2 and app. A ("darkcast"); arXiv:1705.00619 (3 gamma).

    >>> from zscan import couplings
    >>> widths = partial_widths(0.05, couplings("Lmu-Ltau", 0.05, 1e-3))
    >>> f"{widths['nunu']:.4e}", float(widths["mumu"])
    ('1.3263e-09', 0.0)
    """
    return _partial(*_checked(m_X, couplings, thresholds, hadrons, channels))


@in_float64
def total_width(
    m_X: ArrayLike,
    couplings: Couplings,
    *,
    thresholds: str = "physical",
    hadrons: str = "default",
) -> Float[Array, "..."]:
    """Total width [GeV] of X at m_X [GeV]: the sum of "ee", "mumu", "tautau", "nunu", "hadrons",
    "3gamma" and "dark".

    Arguments, validity, errors and source as for `partial_widths`.

    >>> from zscan import couplings
    >>> round(float(total_width(0.1, couplings("Lmu-Ltau", 0.1, 1.0))) / 0.1, 4)
    0.0265
    """
    return _total(*_checked(m_X, couplings, thresholds, hadrons))


@in_float64
def branching_ratios(
    m_X: ArrayLike,
    couplings: Couplings,
    *,
    thresholds: str = "physical",
    hadrons: str = "default",
    channels: Sequence[str] | None = None,
) -> dict[str, Float[Array, "..."]]:
    """Branching ratios of X, with the keys of `partial_widths`; 0 where X has no width at all (as
    for zero couplings).

    "ee", "mumu", "tautau", "nunu", "hadrons" and "3gamma" add up to 1. They depend on ratios of
    couplings only. Arguments, validity, errors and source as for `partial_widths`.

    >>> from zscan import couplings
    >>> ratios = branching_ratios(0.05, couplings("B-3Lmu", 0.05, 1e-4))
    >>> float(ratios["nunu"])
    1.0
    """
    return _ratios(*_checked(m_X, couplings, thresholds, hadrons, channels))


@in_float64
def hadrons_known(
    m_X: ArrayLike, couplings: Couplings, *, thresholds: str = "physical"
) -> Bool[Array, "..."]:
    """Whether the hadronic width is known well enough for the total width of X at m_X [GeV].

    That is so unless its error exceeds half of the total width, or what has no accuracy in it (see
    `hadron_uncertainty`) a tenth. An X without a hadronic width is known. Maps store no branching
    ratios where it is not. Arguments and errors as for `partial_widths`.

    >>> from zscan import couplings
    >>> [bool(hadrons_known(3.1, couplings(name, 3.1, 1e-3))) for name in ("B-L", "Lmu-Ltau")]
    [False, True]
    """
    m_X, x, *_ = _checked(m_X, couplings, thresholds, "default")
    return _known(m_X, x, thresholds)


def total_of(widths: Mapping[str, Array]) -> Float[Array, "..."]:
    """The sum of those `partial_widths` that add up to the total width."""
    return sum((widths[name] for name in (*_DISJOINT, "dark") if name in widths), jnp.zeros(()))


def invisible(widths: Mapping[str, Array]) -> Float[Array, "..."]:
    """The part of `partial_widths`, or of `branching_ratios`, that no detector sees: neutrinos and
    the dark channel.
    """
    return widths["nunu"] + widths["dark"] if "dark" in widths else widths["nunu"]


@in_float64
def dark_width(
    m_X: ArrayLike, g_chi: ArrayLike, m_chi: ArrayLike, *, kind: str = "dirac"
) -> Float[Array, "..."]:
    """Width [GeV] of X at m_X [GeV] into a pair of dark particles of mass m_chi [GeV] and vector
    coupling g_chi, at tree level; zero below m_X = 2 m_chi.

    With r = m_chi^2/m_X^2: m_X g_chi^2/(12 pi) (1 + 2 r) sqrt(1 - 4 r) for `kind` = "dirac",
    m_X g_chi^2/(48 pi) (1 - 4 r)^(3/2) for a complex "scalar". Arguments broadcast; differentiable,
    also at the threshold. Raises `ParameterError` for another kind. Source: arXiv:2005.01515.

    >>> round(float(dark_width(0.3, 1.0, 0.1)) / 0.3, 5)
    0.02416
    """
    if kind not in DARK:
        raise ParameterError(f"kind = {kind!r}; {nearest(kind, DARK)}")
    m_X, g_chi, m_chi = as_float64(m_X, g_chi, m_chi)
    open_ = m_X > 2 * m_chi
    r = jnp.where(open_, m_chi / m_X, 0.0) ** 2
    beta = jnp.sqrt(jnp.where(open_, 1 - 4 * r, 1.0))
    shape = beta * (1 + 2 * r) if kind == "dirac" else beta**3 / 4
    return g_chi**2 * (scale(m_X) * jnp.where(open_, shape, 0.0))


def _checked(
    m_X: ArrayLike,
    couplings: Couplings,
    thresholds: str,
    hadrons: str,
    channels: Sequence[str] | None = (),
) -> tuple[Array, Couplings, str, str, tuple[str, ...]]:
    """The arguments of `_partial`, `channels` being those of the table that are wanted."""
    _hadrons.masses_of(thresholds)
    if hadrons not in HADRONS:
        raise ParameterError(f"hadrons = {hadrons!r}; {nearest(hadrons, HADRONS)}")
    wanted = _hadrons.CHANNELS if channels is None else channels
    further = tuple(name for name in _hadrons.CHANNELS if name in wanted)
    m_X, *leaves = as_float64(m_X, *jax.tree.leaves(couplings))
    x = jax.tree.unflatten(jax.tree.structure(couplings), leaves)
    return m_X, x, thresholds, hadrons, further


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _partial(
    m_X: Array, x: Couplings, thresholds: str, hadrons: str, channels: tuple[str, ...]
) -> dict[str, Array]:
    unit = scale(m_X)
    widths = {
        "ee": pair(m_X, x.e, M_E.value),
        "mumu": pair(m_X, x.mu, M_MU.value),
        "tautau": pair(m_X, x.tau, M_TAU.value),
        "nue": x.nu_e**2 * unit / 2,
        "numu": x.nu_mu**2 * unit / 2,
        "nutau": x.nu_tau**2 * unit / 2,
        "3gamma": x.e.V**2 * unit * _three_photons(m_X),
    }
    if x.nu_R is not None:
        for name, g in zip(("nue", "numu", "nutau"), x.nu_R, strict=True):
            widths[name] = widths[name] + g**2 * unit / 2
    if x.dark is not None:
        widths["dark"] = x.dark
    widths["nunu"] = widths["nue"] + widths["numu"] + widths["nutau"]
    quarks = _hadrons.masses_of(thresholds)
    if hadrons == "darkcast":
        return widths | _hadrons_darkcast.widths(m_X, x, quarks)
    return widths | _hadrons.widths(m_X, x, quarks, channels)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _total(
    m_X: Array, x: Couplings, thresholds: str, hadrons: str, channels: tuple[str, ...]
) -> Array:
    return total_of(_partial(m_X, x, thresholds, hadrons, channels))


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _ratios(
    m_X: Array, x: Couplings, thresholds: str, hadrons: str, channels: tuple[str, ...]
) -> dict[str, Array]:
    widths = _partial(m_X, x, thresholds, hadrons, channels)
    total = total_of(widths)
    stable = total == 0
    total = jnp.where(stable, 1.0, total)
    return {name: jnp.where(stable, 0.0, quotient(width, total)) for name, width in widths.items()}


@functools.partial(jax.jit, static_argnums=2)
def _known(m_X: Array, x: Couplings, thresholds: str) -> Array:
    total = _total(m_X, x, thresholds, "default", ())
    error = _hadrons.error(m_X, x, _hadrons.masses_of(thresholds))
    small = error <= _hadrons.LARGEST * total
    return small & (_hadrons.undetermined(m_X, x) <= _hadrons.NEGLIGIBLE * total)


def _three_photons(m_X: Array) -> Array:
    """Gamma(3 gamma)/(g_V,e^2 m_X/(12 pi)), zero above 2 m_e."""
    below = m_X <= 2 * M_E.value
    y = (jnp.where(below, m_X, 0.0) / M_E.value) ** 2
    series = 17 / 5 + y * (67 / 42 + y * 128941 / 246960)
    return (
        12
        * math.pi
        * ALPHA_EM.value**3
        / (4 * math.pi * 2**7 * 3**6 * 5**2 * math.pi**3)
        * y**4
        * series
    )
