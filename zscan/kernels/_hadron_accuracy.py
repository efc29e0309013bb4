"""Stated accuracy of the hadronic widths: fractions, about one standard deviation, by current and
window of mass.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

# From a mass [GeV] up to the next: isovector, isoscalar and strange vector current. Judged by data
# that the amplitudes were not fitted to, by the spread of fits of equal quality, and by the second
# sources 1801.04847 and 2201.01788. 1 means a factor of 2: no accuracy.
_VECTOR = np.array(
    [
        (0.0, 0.06, 0.06, 1.0),  # pi0 gamma
        (0.28, 0.04, 0.06, 1.0),
        (0.5, 0.04, 0.12, 1.0),
        (0.75, 0.04, 0.05, 0.3),
        (0.82, 0.04, 0.08, 0.15),
        (0.98, 0.05, 0.08, 0.05),
        (1.03, 0.07, 0.15, 0.10),
        (1.12, 0.07, 0.25, 0.10),
        (1.2, 0.07, 0.40, 0.3),
        (1.4, 0.12, 0.25, 0.4),
        (1.75, 0.12, 0.40, 0.4),
        (2.0, 0.04, 0.04, 0.04),  # free quarks
    ]
)
# The same for axial currents. Isoscalar and strange below 2 GeV are a model that no data test.
_AXIAL = np.array(
    [
        (0.0, 0.5, 1.0, 2.0),
        (0.8, 0.15, 1.0, 2.0),
        (1.5, 0.2, 1.0, 2.0),
        (2.0, 0.04, 0.04, 0.04),
    ]
)
# Free c and b where their mesons are resonant: R of e+ e- is up to 2.5 times as large just above
# the threshold of charm (BES, hep-ex/0102003)
_RESONANT, _FREE = 1.0, 0.04
# Quarkonia: quark, window [GeV]
QUARKONIA = (("c", 3.05, 3.15), ("c", 3.66, 3.80), ("b", 9.3, 10.6))
# R at their peaks over that of free quarks: 9 B(V -> e e)/(alpha^2 3 Q^2) is 7,600 for the J/psi,
# 1,000 for the psi(2S), 10,000 to 12,000 for the Upsilons (PDG 2022)
_PEAK = 1e4


def vector_error(m_X: Array, squares: tuple[Array, Array, Array], total: Array) -> Array:
    """Error of the width `total` by vector currents, of which `squares` are those of each current
    alone.

    The larger of two sums: errors that are independent, which matter where the currents cancel in
    `total`, and the mean of the fractions with the squares over them as weights, which is the error
    where all currents have the same."""
    fractions = _fractions(m_X, _VECTOR)
    pairs = list(zip(fractions, squares, strict=True))
    independent = jnp.sqrt(sum(((f * part) ** 2 for f, part in pairs), jnp.zeros(())))
    whole = sum(squares, jnp.zeros(()))
    weighted = sum((part / f for f, part in pairs), jnp.zeros(()))
    mean = whole / jnp.where(weighted > 0, weighted, 1.0)
    return jnp.maximum(independent, jnp.where(weighted > 0, mean, 0.0) * total)


def axial_errors(m_X: Array, parts: tuple[Array, Array, Array]) -> list[Array]:
    """Errors of the widths by the isovector, isoscalar and strange axial currents."""
    return [f * part for f, part in zip(_fractions(m_X, _AXIAL), parts, strict=True)]


def heavy_error(m_X: Array, width: Array, above: float) -> Array:
    """Error of the width to free c or b quarks, whose mesons are resonant up to `above` [GeV]."""
    return jnp.where(m_X < above, _RESONANT, _FREE) * width


def quarkonium(m_X: Array, quark: str, free: Array) -> Array:
    """What the peaks of quarkonia of a quark may reach in their windows; `free` is the width to
    free massless quarks with its vector coupling.
    """
    inside = jnp.zeros((), bool)
    for name, low, high in QUARKONIA:
        if name == quark:
            inside = inside | ((m_X >= low) & (m_X <= high))
    return jnp.where(inside, _PEAK, 0.0) * free


def _fractions(m_X: Array, table: np.ndarray) -> list[Array]:
    row = jnp.clip(jnp.searchsorted(jnp.asarray(table[:, 0]), m_X, side="right") - 1, 0)
    return [jnp.asarray(column)[row] for column in table[:, 1:].T]
