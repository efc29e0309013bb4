"""Width of X to a pair of fermions at tree level, shared by leptons and quarks."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from zscan.kernels.couplings import FermionCoupling


def scale(m_X: Array) -> Array:
    """m_X/(12 pi), NaN for m_X < 0."""
    return jnp.where(m_X >= 0, m_X, jnp.nan) / (12 * math.pi)


def pair(m_X: Array, coupling: FermionCoupling, mass: float, weight: Array | float = 1.0) -> Array:
    """weight m_X/(12 pi) beta [V^2 (1 + 2 mass^2/m_X^2) + A^2 beta^2], zero below m_X = 2 mass;
    `weight` counts colours and corrects, of the shape of m_X.
    """
    open_ = m_X > 2 * mass
    ratio = 2 * mass / jnp.where(open_, m_X, 4 * mass)
    beta = jnp.sqrt((1 - ratio) * (1 + ratio))
    vector = jnp.where(open_, beta * (1 + ratio**2 / 2), 0.0)
    axial = jnp.where(open_, beta**3, 0.0)
    V, A = coupling
    unit = scale(m_X) * weight
    return V**2 * (unit * vector) + A**2 * (unit * axial)
