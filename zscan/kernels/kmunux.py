"""K+ -> mu+ nu X: emission of a light X from the legs of a leptonic kaon decay (arXiv:1109.6652,
1902.07715).
"""

from __future__ import annotations

from importlib import resources
from itertools import combinations_with_replacement

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.kernels._spline import cubic_spline, evaluate
from zscan.precision import as_float64, in_float64

_THRESHOLD_POWER = 3.5  # of 1 - m_X/(m_K - m_mu), taken out of the table


def _read_table() -> np.ndarray:
    path = resources.files("zscan.kernels").joinpath("tables/kmunux.txt")
    return np.loadtxt(path.read_text(encoding="ascii").splitlines())


_TABLE = _read_table()
_SPLINE = cubic_spline(np.log(_TABLE[:, 0]), _TABLE[:, 1:])
LOWEST, THRESHOLD = float(_TABLE[0, 0]), float(_TABLE[-1, 0])  # GeV; the latter is m_K - m_mu


@in_float64
def rate_ratio(
    m_X: ArrayLike, x_nu: ArrayLike, x_V: ArrayLike, x_A: ArrayLike, x_K: ArrayLike
) -> Float[Array, "..."]:
    """Gamma(K+ -> mu+ nu X)/(g^2 Gamma(K+ -> mu+ nu)), the couplings being x times g; with full
    couplings, g = 1.

    x_nu is the coupling of the left-handed nu_mu, x_V and x_A those of the muon, mubar gamma^a (x_V
    + x_A gamma5) mu (of the mu-, which fixes the sign), and x_K = x_u - x_s that of the kaon, from
    the vector couplings of u and s. m_X in GeV; all arguments broadcast, and the integrals are
    evaluated on the shape of m_X only.

    With delta = x_nu - x_V - x_K the ratio is T + L/m_X^2: L is a quadratic form in delta and x_A
    alone, T one in the four couplings, growing as a power of ln m_X. For delta = x_A = 0 the
    current is conserved and nothing grows as 1/m_X^2; that cancellation is exact here. Otherwise
    the growth signals that the model needs further states at high energy, and the bound from it is
    strong.

    Valid from 0.1 MeV (NaN below) to m_K - m_mu; 0 from there on. Error of quadrature and
    interpolation <= 1e-6 of the sum of the absolute terms. Physics choices: tree level, no
    radiative corrections, point-like kaon: the structure-dependent emission that couplings to
    quarks bring (also with x_K = 0) is left out. Source: inner bremsstrahlung amplitude in
    kernels/kmunux.py; arXiv:1109.6652, 1902.07715.

    >>> round(float(rate_ratio(0.05, 1.0, 1.0, 0.0, 0.0)), 5)
    0.08701
    """
    m_X, x_nu, x_V, x_A, x_K = as_float64(m_X, x_nu, x_V, x_A, x_K)
    inside = (m_X >= LOWEST) & (m_X < THRESHOLD)
    mass = jnp.where(inside, m_X, LOWEST)
    # jnp.log and np.log may differ in the last digit, which must not lead out of the knots
    log_m, first, last = jnp.log(mass), _SPLINE.knots[0], _SPLINE.knots[-1]
    log_m = jnp.where(log_m < first, first, jnp.where(log_m > last, last, log_m))
    table = evaluate(_SPLINE, log_m)
    delta = x_nu - x_V - x_K
    metric, long = jnp.zeros(()), jnp.zeros(())
    for column, (a, b) in enumerate(combinations_with_replacement((x_nu, x_V, x_A, x_K), 2)):
        metric = metric + a * b * table[column]
    for column, (a, b) in enumerate(combinations_with_replacement((delta, x_A), 2), start=10):
        long = long + a * b * table[column]
    ratio = (1 - mass / THRESHOLD) ** _THRESHOLD_POWER * (metric + long / mass**2)
    return jnp.where(inside, ratio, jnp.where(m_X >= THRESHOLD, 0.0, jnp.nan))
