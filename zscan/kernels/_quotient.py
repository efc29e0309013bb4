"""Division whose derivatives do not overflow where both numbers are tiny."""

from __future__ import annotations

import jax
from jax import Array


@jax.custom_jvp
def quotient(part: Array, whole: Array) -> Array:
    """part/whole, to the last bit. Its derivative is (d part - quotient d whole)/whole: the usual
    form has 1/whole^2, which overflows for widths and rates of couplings below 1e-77.
    """
    return part / whole


@quotient.defjvp
def _jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (part, whole), (part_dot, whole_dot) = primals, tangents
    value = quotient(part, whole)
    return value, quotient(part_dot - value * whole_dot, whole)
