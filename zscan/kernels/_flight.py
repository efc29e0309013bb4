"""How far an X on shell flies: momentum in a two-body decay, and the probability to decay outside a
detector.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from zscan.constants import HBAR_C


def kallen(m: Array, m_initial: float, m_final: float) -> Array:
    """lambda(m_initial^2, m_final^2, m^2), without cancellation near threshold."""
    difference, total = m_initial - m_final, m_initial + m_final
    return (difference - m) * (difference + m) * (total - m) * (total + m)


def momentum(m_X: Array, m_initial: float, m_final: float) -> Array:
    """Momentum [GeV] of X at rest of the parent; 0, with zero gradient, from threshold on."""
    open_channel = (m_X > 0) & (m_X < m_initial - m_final)
    lam = kallen(jnp.where(open_channel, m_X, 0.0), m_initial, m_final)
    return jnp.where(open_channel, jnp.sqrt(lam) / (2 * m_initial), 0.0)


def two_body_width(m_X: Array, m_initial: float, m_final: float, form_factor: Array) -> Array:
    """Width [GeV] of P -> P' X for unit coupling, masses in GeV: f_+(m_X^2)^2 lambda^(3/2)/(64 pi
    m_P^3 m_X^2), where the channel is open.
    """
    lam = kallen(m_X, m_initial, m_final)
    return form_factor**2 * lam**1.5 / (64 * math.pi * m_initial**3 * m_X**2)


def decayed(m_X: Array, width: Array, length: float, p: Array | float) -> Array:
    """Probability that an X of momentum p [GeV] decays within a length [m]: 1 - exp(-length m_X
    width/(p hbar c)).

    0 for a width of 0, 1 for p = 0 and a width; relatively accurate when it is small."""
    return -jnp.expm1(-_lengths(m_X, width, length, p))


def escaped(m_X: Array, width: Array, length: float, p: Array | float) -> Array:
    """1 - `decayed`: exp(-length m_X width/(p hbar c))."""
    return jnp.exp(-_lengths(m_X, width, length, p))


def _lengths(m_X: Array, width: Array, length: float, p: Array | float) -> Array:
    # 1e-30 GeV stands for rest, and for a threshold; beyond 1e4 nothing is left
    decay_lengths = m_X * width * (length / HBAR_C.value) / jnp.maximum(p, 1e-30)
    return jnp.minimum(decay_lengths, 1e4)
