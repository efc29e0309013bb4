"""Matter potential of neutrinos from X exchange: non-standard interactions in oscillations,
arXiv:2009.14220.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import G_F
from zscan.precision import as_float64, in_float64


@in_float64
def epsilon(
    m_X: ArrayLike,
    g_e: ArrayLike,
    g_u: ArrayLike,
    g_d: ArrayLike,
    g_nu: ArrayLike,
    *,
    neutron_ratio: ArrayLike = 1.051,
) -> Float[Array, "..."]:
    """Diagonal NSI parameter eps_aa of the neutrino with coupling g_nu, in units of the electron
    density.

    eps_aa = g_nu (g_e + g_p + Y_n g_n) / (sqrt2 G_F m_X^2),  g_p = 2 g_u + g_d,  g_n = g_u + 2 g_d,

    where the potential is V_a = sqrt2 G_F n_e eps_aa and Y_n = n_n/n_e = `neutron_ratio`: 1.051
    Earth on average, 1.012 mantle, 1.137 core, 0.5 to 1/6 from the centre of the Sun outwards. g_e,
    g_u, g_d are vector couplings (axial ones do not act in unpolarised matter), X_a (g_f fbar
    gamma^a f + g_nu nubar_L gamma^a nu_L); all arguments broadcast, m_X in GeV. Only differences
    eps_aa - eps_bb are observable. Kinetic mixing drops out, because matter is neutral.

    The scattering is forward, so that no momentum transfer enters: valid for every m_X > 0 whose
    inverse is short against the medium (NaN for m_X <= 0). Closed form, exact to rounding. Source:
    arXiv:2009.14220, 1812.04067.

    >>> g = 1 / 4800  # B - 3 L_mu at m_X/g_X = 4.8 TeV, g_nu = -3 g_X
    >>> round(float(epsilon(1.0, 0.0, g / 3, g / 3, -3 * g)), 5)
    -0.01619
    """
    m_X, g_e, g_u, g_d, g_nu, ratio = as_float64(m_X, g_e, g_u, g_d, g_nu, neutron_ratio)
    positive = m_X > 0
    strength = g_nu / (math.sqrt(2) * G_F.value * jnp.where(positive, m_X, 1.0) ** 2)
    return jnp.where(
        positive, strength * ((g_e + (2 * g_u + g_d)) + ratio * (g_u + 2 * g_d)), jnp.nan
    )
