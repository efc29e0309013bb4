"""Kinetic mixing induced by lepton loops, arXiv:2006.11225 Eq. (7)."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Complex, Float

from zscan.constants import E_CHARGE, M_E, M_MU, M_TAU
from zscan.errors import ParameterError
from zscan.precision import as_float64, in_float64

LEPTON_MASSES = {"e": M_E.value, "mu": M_MU.value, "tau": M_TAU.value}

_SERIES_TERMS = 28  # (1/4)**28 is below the rounding error of float64
# F(t) = -sum_n t^n/n B(n+2, n+2); highest power first for polyval, the power t^0 is absent
_SERIES = np.array(
    [-(math.factorial(n + 1) ** 2) / (n * math.factorial(2 * n + 3)) for n in range(_SERIES_TERMS, 0, -1)] + [0.0]
)


@in_float64
def loop_eps_over_g(q2: ArrayLike, *, leptons: str = "mu-tau") -> Complex[Array, "..."]:
    """Kinetic mixing eps/g_X from the loop of two leptons with vector charges +1 and -1, at q2 [GeV^2].

    eps/g_X = e/(2 pi^2) int_0^1 dx x(1-x) ln{ [m_b^2 - x(1-x) q2 - i0] / [m_a^2 - x(1-x) q2 - i0] } for `leptons`
    = "a-b": lepton a has charge +1, b has -1 (names e, mu, tau). q2 > 0 is time-like; the result is complex above
    q2 = 4 m^2 of either lepton and real (zero imaginary part) below. The interaction is X_mu eps e J_em^mu with
    Q_e = -1, so that "mu-tau" is positive: +1/69.3 at q2 = 0.

    Relative accuracy 1e-12 for |q2| <= (10 GeV)^2, 1e-9 up to (1 TeV)^2, where the two leptons cancel. The gradient is
    finite everywhere; at a threshold itself, where the exact slope is infinite, the singular part is left out.
    Raises `ParameterError` for unknown leptons. Source: arXiv:2006.11225 Eq. (7); arXiv:2107.07518 app. A.

    >>> 1 / complex(loop_eps_over_g(0.0)).real
    69.28...
    """
    names = leptons.split("-")
    if len(names) != 2 or names[0] == names[1] or any(name not in LEPTON_MASSES for name in names):
        raise ParameterError(f"leptons = {leptons!r}; allowed: two different names of e, mu, tau such as 'mu-tau'")
    (q2,) = as_float64(q2)
    re_a, im_a = lepton_loop(q2, LEPTON_MASSES[names[0]])
    re_b, im_b = lepton_loop(q2, LEPTON_MASSES[names[1]])
    return lax.complex(re_b - re_a, im_b - im_a)


def lepton_loop(q2: Array, mass: float) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Real and imaginary part of e/(2 pi^2) int x(1-x) ln[(mass^2 - x(1-x) q2 - i0)/GeV^2] dx.

    The GeV^2 is arbitrary: it drops out of any sum over leptons whose charges add up to zero.
    """
    prefactor = E_CHARGE.value / (2 * math.pi**2)
    re, im = _vacuum_polarisation(q2 / mass**2)
    return prefactor * (math.log(mass**2) / 6 + re), prefactor * im


def _vacuum_polarisation(t: Array) -> tuple[Array, Array]:
    """F(t) = int_0^1 x(1-x) ln[1 - x(1-x) t - i0] dx = -5/18 - 2/(3t) + (1 + 2/t) K(t)/6, by its series at small t."""
    small = jnp.abs(t) < 1
    series = jnp.polyval(jnp.asarray(_SERIES), jnp.where(small, t, 0.0))
    # K = b ln[(b+1)/(b-1)], b = sqrt(1 - 4/t), on three branches, each fed a harmless argument off its range.
    # (b+1)/|b-1| is written as (b+1)^2 |t|/4, which does not cancel at large |t|.
    negative, bound, open_ = ~small & (t < 0), ~small & (t > 0) & (t < 4), t > 4
    free = negative | open_
    t_free = jnp.where(free, t, 8.0)
    b_free = jnp.sqrt(1 - 4 / t_free)
    b_bound = jnp.sqrt(4 / jnp.where(bound, t, 1.0) - 1)
    K = jnp.where(free, b_free * (2 * jnp.log1p(b_free) + jnp.log(jnp.abs(t_free) / 4)), 0.0)
    K = jnp.where(bound, 2 * b_bound * jnp.arctan(1 / b_bound), K)
    safe_t = jnp.where(small, 1.0, t)
    closed = -5 / 18 - 2 / (3 * safe_t) + (1 + 2 / safe_t) * K / 6
    imaginary = jnp.where(open_, -math.pi / 6 * (1 + 2 / safe_t) * b_free, 0.0)
    return jnp.where(small, series, closed), imaginary
