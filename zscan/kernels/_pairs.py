"""Width of X to a pair of fermions at tree level, shared by leptons and quarks."""

from __future__ import annotations

import functools
import math

import jax
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
    vector, axial = _phase_space(m_X, mass)
    V, A = coupling
    unit = scale(m_X) * weight
    return V**2 * (unit * vector) + A**2 * (unit * axial)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _phase_space(m_X: Array, mass: float) -> tuple[Array, Array]:
    """beta (1 + 2 mass^2/m_X^2) and beta^3 above m_X = 2 mass, zero below. The slopes are written
    down: fewer operations than differentiating both.
    """
    return _with_slopes(m_X, mass)[0]


@_phase_space.defjvp
def _phase_space_jvp(
    mass: float, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    values, (by_vector, by_axial) = _with_slopes(primals[0], mass)
    return values, (by_vector * tangents[0], by_axial * tangents[0])


def _with_slopes(m_X: Array, mass: float) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    open_ = m_X > 2 * mass
    safe = jnp.where(open_, m_X, 4 * mass)
    ratio = 2 * mass / safe
    beta = jnp.sqrt((1 - ratio) * (1 + ratio))
    square = ratio**2
    vector, axial = beta * (1 + square / 2), beta**3
    by_vector, by_axial = 1.5 * square**2 / (beta * safe), 3 * beta * square / safe

    def above(values: Array) -> Array:
        return jnp.where(open_, values, 0.0)

    return (above(vector), above(axial)), (above(by_vector), above(by_axial))
