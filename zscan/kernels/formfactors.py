"""Local form factors of B -> K and B -> K*: pole times a quadratic in z(q2) - z(0)
(arXiv:1503.05534 Eqs. 15-16).

    f(q2) = [a_0 + a_1 dz + a_2 dz^2] / (1 - q2/m_pole^2),  dz = z(q2) - z(0),
    z(q2) = (sqrt(t_+ - q2) - sqrt(t_+ - t_0)) / (sqrt(t_+ - q2) + sqrt(t_+ - t_0)),
    t_+- = (m_B0 +- m_P)^2,  t_0 = t_+ (1 - sqrt(1 - t_-/t_+)).

The variable z is that of the neutral mesons, for charged ones too. Defaults: B -> K fit of
arXiv:2305.06301, B -> K* of arXiv:1503.05534 (light-cone sum rules and lattice), as in flavio 2.7.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.kernels._btokll import INPUTS
from zscan.precision import as_float64, in_float64

NumpyOrJax = TypeVar("NumpyOrJax", np.ndarray, Array)

Number = Any  # a float, or a traced scalar for gradients with respect to a parameter


class BToKParameters(NamedTuple):
    """Series coefficients (a_0, a_1, a_2) and pole masses [GeV] of f_+, f_0, f_T; a_0 of f_0 is
    that of f_+.
    """

    plus: tuple[Number, Number, Number] = (INPUTS["plus_0"], INPUTS["plus_1"], INPUTS["plus_2"])
    zero: tuple[Number, Number] = (INPUTS["zero_1"], INPUTS["zero_2"])
    tensor: tuple[Number, Number, Number] = (
        INPUTS["tensor_0"],
        INPUTS["tensor_1"],
        INPUTS["tensor_2"],
    )
    pole_plus: Number = INPUTS["pole_plus"]  # B_s^*(1-), of f_+ and f_T
    pole_zero: Number = INPUTS["pole_zero"]  # B_s(0+), of f_0


class BToKFormFactors(NamedTuple):
    """Values of f_+, f_0, f_T."""

    plus: Float[Array, "..."]
    zero: Float[Array, "..."]
    tensor: Float[Array, "..."]


class BToKstarFormFactors(NamedTuple):
    """Values of A_1, A_12, V."""

    axial_1: Float[Array, "..."]
    axial_12: Float[Array, "..."]
    vector: Float[Array, "..."]


BTOK = BToKParameters()
Q2_MAX = (INPUTS["m_B"] - INPUTS["m_K"]) ** 2
Q2_MAX_KSTAR = (INPUTS["m_B0"] - INPUTS["m_Kstar0"]) ** 2
# A_12(0) follows from A_0(0), arXiv:1503.05534 Eq. (16).
_AXIAL_12_0 = (
    INPUTS["kstar_A0_0"]
    * (INPUTS["m_B0"] ** 2 - INPUTS["m_Kstar0"] ** 2)
    / (8 * INPUTS["m_B0"] * INPUTS["m_Kstar0"])
)


@in_float64
def b_to_k(q2: ArrayLike, parameters: BToKParameters = BTOK) -> BToKFormFactors:
    """Form factors f_+, f_0, f_T of B -> K at q2 [GeV^2], on the shape of q2.

    `parameters` may hold numbers or traced scalars, so that gradients with respect to them exist.
    Valid for 0 <= q2 <= (m_B - m_K)^2 = 22.9 GeV^2, NaN outside. f_+(0) = f_0(0) = 0.332. The
    defaults have 4 % uncertainty. Source: arXiv:2305.06301; parametrisation arXiv:1503.05534 Eq.
    (15).

    >>> round(float(b_to_k(1.0).plus), 6)
    0.351109
    """
    (q2,) = as_float64(q2)
    inside = (q2 >= 0) & (q2 <= Q2_MAX)
    values = btok_values(jnp.where(inside, q2, 0.0), parameters)
    return BToKFormFactors(*(jnp.where(inside, value, jnp.nan) for value in values))


@in_float64
def b_to_kstar(q2: ArrayLike) -> BToKstarFormFactors:
    """Form factors A_1, A_12, V of B -> K*(892) at q2 [GeV^2], on the shape of q2; K* taken as
    stable.

    Valid for 0 <= q2 <= (m_B - m_K*)^2 = 19.2 GeV^2, NaN outside. About 10 % uncertainty. Source:
    arXiv:1503.05534."""
    (q2,) = as_float64(q2)
    inside = (q2 >= 0) & (q2 <= Q2_MAX_KSTAR)
    safe = jnp.where(inside, q2, 0.0)
    dz = _dz(safe, INPUTS["m_Kstar0"])
    axial = 1 - safe / INPUTS["kstar_pole_axial"] ** 2
    values = (
        (INPUTS["kstar_A1_0"] + dz * (INPUTS["kstar_A1_1"] + dz * INPUTS["kstar_A1_2"])) / axial,
        (_AXIAL_12_0 + dz * (INPUTS["kstar_A12_1"] + dz * INPUTS["kstar_A12_2"])) / axial,
        (INPUTS["kstar_V_0"] + dz * (INPUTS["kstar_V_1"] + dz * INPUTS["kstar_V_2"]))
        / (1 - safe / INPUTS["kstar_pole_vector"] ** 2),
    )
    return BToKstarFormFactors(*(jnp.where(inside, value, jnp.nan) for value in values))


def btok_values(
    q2: NumpyOrJax, p: BToKParameters = BTOK
) -> tuple[NumpyOrJax, NumpyOrJax, NumpyOrJax]:
    """f_+, f_0, f_T without a check of the range, for NumPy or JAX arrays alike."""
    dz = _dz(q2, INPUTS["m_K0"])
    pole_plus, pole_zero = 1 - q2 / p.pole_plus**2, 1 - q2 / p.pole_zero**2
    plus = (p.plus[0] + dz * (p.plus[1] + dz * p.plus[2])) / pole_plus
    zero = (p.plus[0] + dz * (p.zero[0] + dz * p.zero[1])) / pole_zero
    tensor = (p.tensor[0] + dz * (p.tensor[1] + dz * p.tensor[2])) / pole_plus
    return plus, zero, tensor


def _dz(q2: NumpyOrJax, m_final: float) -> NumpyOrJax:
    t_plus, t_minus = (INPUTS["m_B0"] + m_final) ** 2, (INPUTS["m_B0"] - m_final) ** 2
    anchor = (t_plus**2 - t_plus * t_minus) ** 0.25  # sqrt(t_+ - t_0)
    root, root_0 = (t_plus - q2) ** 0.5, t_plus**0.5
    # The difference of the two z, written without its cancellation at small q2.
    return -2 * anchor * q2 / ((root + anchor) * (root_0 + anchor) * (root + root_0))
