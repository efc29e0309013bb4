"""Elastic nu-e scattering of solar 7Be neutrinos in Borexino with a light X (arXiv:2107.07518 sec.
3.5): one row of `zscan.kernels.scattering`.
"""

from __future__ import annotations

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.kernels import scattering
from zscan.precision import in_float64


@in_float64
def rate_ratio(
    m_X: ArrayLike,
    g_eL: ArrayLike,
    g_eR: ArrayLike,
    g_nue: ArrayLike,
    g_numu: ArrayLike,
    g_nutau: ArrayLike,
) -> Float[Array, "..."]:
    """Rate of 7Be neutrino-electron scattering in the Borexino window divided by its Standard Model
    value.

    R = sum_a P_a int dT dsigma_a/dT / (same at zero coupling), see `zscan.kernels.scattering` for
    the cross section and the couplings. All arguments broadcast (m_X in GeV, couplings
    dimensionless); integrals over T are done on the shape of m_X only.

    Valid for m_X >= 0 (NaN below) and any couplings; quadrature error <= 1e-12. Physics choices:
    tree level, s2 = 0.23857, 862 keV line, window 0.19 MeV < T < 0.665 MeV, incoherent flavours
    with fractions 0.525, 0.192, 0.283. Published bounds spread by a factor 1.5-2 with such choices.
    Source: arXiv:1202.6073 (cross section), arXiv:1406.2332, arXiv:1707.09279 (window),
    arXiv:2007.14792 (oscillation parameters).

    >>> float(rate_ratio(0.1, 0.0, 0.0, 0.0, 0.0, 0.0))
    1.0
    """
    return scattering.rate_ratio("borexino_be7", m_X, g_eL, g_eR, (g_nue, g_numu, g_nutau))
