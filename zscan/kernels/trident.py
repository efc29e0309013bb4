"""Coherent neutrino trident production nu_mu Fe -> nu_mu mu+ mu- Fe with X exchange,
arXiv:1406.2332, 1902.06765.

The cross section is a quadratic polynomial in the couplings. Its coefficients are functions of m_X
alone, integrated once over the full four-body phase space (recipe: kernels/trident.py, table:
tables/trident.txt) and interpolated here."""

from __future__ import annotations

import math
from importlib import resources
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import G_F, SIN2_THETA_W_MZ
from zscan.errors import ParameterError, nearest
from zscan.kernels._spline import Spline, cubic_spline, evaluate
from zscan.precision import as_float64, in_float64

G_V_SM = (
    0.5 + 2 * SIN2_THETA_W_MZ.value
)  # vector coupling of the muon to nu_mu by W and Z, in units of G_F
G_A_SM = -0.5
_FERMI = math.sqrt(2) * G_F.value
_POWERS = np.array([2.0, 2.0, 4.0, 4.0])  # of m_X, in v1, a1, v2, a2


class Coefficients(NamedTuple):
    """Functions of m_X that multiply the couplings: dimensionless, positive, growing with m_X."""

    v1: Float[Array, "..."]
    a1: Float[Array, "..."]
    v2: Float[Array, "..."]
    a2: Float[Array, "..."]


class _Table(NamedTuple):
    """One selection: sigma_SM [fb], and ln v1, ln a1, ln v2, ln a2 against ln m_X."""

    sigma_SM: float
    spline: Spline


def _read_tables() -> dict[str, _Table]:
    text = (
        resources.files("zscan.kernels").joinpath("tables/trident.txt").read_text(encoding="ascii")
    )
    sigma: dict[str, float] = {}
    rows: dict[str, list[list[float]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        selection, first, *rest = line.split()
        if first == "sigma":
            sigma[selection] = float(rest[0])
        else:
            rows.setdefault(selection, []).append([float(number) for number in (first, *rest[:4])])
    logs = {selection: np.log(np.array(numbers)) for selection, numbers in rows.items()}
    return {
        name: _Table(sigma[name], cubic_spline(log[:, 0], log[:, 1:])) for name, log in logs.items()
    }


_TABLES = _read_tables()


@in_float64
def cross_section_ratio(
    m_X: ArrayLike, g_V: ArrayLike, g_A: ArrayLike, g_nu: ArrayLike, *, selection: str = "E_mu>9GeV"
) -> Float[Array, "..."]:
    """R = sigma / sigma_SM of nu_mu Fe -> nu_mu mu+ mu- Fe, for the muon couplings g_V, g_A and the
    neutrino's g_nu.

    With L = X_a [mubar gamma^a (g_V + g_A gamma5) mu + g_nu nubar_L gamma^a nu_L] and y =
    g_nu/(sqrt2 G_F m_X^2),

        R = 1 + 2 y (G_V g_V v1 + G_A g_A a1) + y^2 (g_V^2 v2 + g_A^2 a2),  G_V = 1/2 + 2 sin^2
        theta_W,  G_A = -1/2.

    Positive g_nu g_V interferes constructively. The couplings are full ones and independent:
    without kinetic mixing g_nu = g_V - g_A, with it only g_V shifts. There is no term g_V g_A: it
    is odd under mu+ <-> mu-. R is the same for antineutrinos. m_X in GeV; all arguments broadcast,
    and the coefficients are evaluated on the shape of m_X only.

    selection: "E_mu>9GeV" (both muons above 9 GeV in the laboratory, as in the CCFR analysis;
    provisional, the cut of the experiment was not re-read) or "inclusive" (no cut). The two bounds
    on g differ by at most 0.7 % for g_A = 0; the axial coefficients differ by 10 %. Any other name
    raises `ParameterError`.

    Valid for every m_X > 0 (NaN otherwise): below 1 MeV and above 1 TeV the analytic limits of the
    integrals continue the table, with its value and first derivative. For m_X -> 0 the vector part
    grows only as a logarithm, the axial part as 1/m_X^2, because the axial muon current is not
    conserved. Error of the coefficients: <= 0.06 % (statistics of the table), of their
    interpolation 1e-5.

    What the numbers stand for, and what it does to bounds on g (g_V = g_nu, CCFR):
    * coherent scattering on iron only. Scattering on single nucleons would add some 22 % to
      sigma_SM and weaken the bounds by 6 % (10 MeV to 1 GeV), 0.7 % (10 GeV) in the model of
      arXiv:1902.06765 (not checked independently);
    * one neutrino energy, 160 GeV. Other energies would move the bounds at 10-100 MeV by -24 % (50
      GeV), -11 % (100 GeV), -3 % (140 GeV), +16 % (300 GeV); those of a heavy X by less than 1 %
      between 100 and 300 GeV;
    * W and Z as contact interactions; sin^2 theta_W = 0.23119; no X exchange with the nucleus.
    Published bounds, which average over the beam, should agree within some 10 % in g.

    Source: arXiv:1406.2332 (bounds), 1902.06765 (cross section); K. Lovseth, M. Radomski, Phys.
    Rev. D 3 (1971) 2686.

    >>> round(float(cross_section_ratio(0.1, 1e-3, 0.0, 1e-3, selection="inclusive")), 2)
    1.26
    """
    table = _table(selection)
    m_X, g_V, g_A, g_nu = as_float64(m_X, g_V, g_A, g_nu)
    positive = m_X > 0
    log_v1, log_a1, log_v2, log_a2 = _reduced_logs(jnp.where(positive, m_X, 1.0), table.spline)
    # The roots of v2/m^4 and a2/m^4 keep every factor representable; g/m^2 and v2/m^4 apart would
    # not be.
    strength = g_nu / _FERMI
    vector, axial = strength * g_V, strength * g_A
    linear = vector * (2 * G_V_SM * jnp.exp(log_v1)) + axial * (2 * G_A_SM * jnp.exp(log_a1))
    quadratic = (vector * jnp.exp(log_v2 / 2)) ** 2 + (axial * jnp.exp(log_a2 / 2)) ** 2
    return jnp.where(positive, 1 + linear + quadratic, jnp.nan)


@in_float64
def coefficients(m_X: ArrayLike, *, selection: str = "E_mu>9GeV") -> Coefficients:
    """The coefficients v1, a1, v2, a2 of `cross_section_ratio` at m_X [GeV], on the shape of m_X;
    NaN for m_X <= 0.

    v_n = m_X^(2n) < (K^2 + m_X^2)^-n >_V / sigma_SM, a_n with the axial weight; K is the momentum
    that the neutrino loses. For m_X -> infinity v_n -> sigma_V/sigma_SM and a_n ->
    sigma_A/sigma_SM, and G_V^2 v_n + G_A^2 a_n -> 1; for m_X -> 0 v1 and a2 fall as m_X^2, a1 as
    m_X^2 ln(1/m_X^2), v2 as m_X^4 ln(1/m_X^2).
    Raises `ParameterError` for another selection."""
    table = _table(selection)
    (m_X,) = as_float64(m_X)
    positive = m_X > 0
    safe = jnp.where(positive, m_X, 1.0)
    logs = zip(_reduced_logs(safe, table.spline), _POWERS, strict=True)
    return Coefficients(
        *(jnp.where(positive, jnp.exp(log + power * jnp.log(safe)), jnp.nan) for log, power in logs)
    )


def standard_model_cross_section(selection: str = "E_mu>9GeV") -> float:
    """sigma_SM [fb] per iron nucleus of the coherent process at 160 GeV, under the cuts of
    `selection`; `ParameterError` for another one.
    """
    return _table(selection).sigma_SM


def _table(selection: str) -> _Table:
    if selection not in _TABLES:
        raise ParameterError(
            f"unknown trident selection {selection!r}; {nearest(selection, _TABLES)}"
        )
    return _TABLES[selection]


def _reduced_logs(m_X: Array, spline: Spline) -> tuple[Array, ...]:
    """Logarithms of v1/m^2, a1/m^2, v2/m^4, a2/m^4 at m_X > 0; outside the table the limits, with
    its value and slope.

    Light: v1/m^2 -> const, a1/m^2 and v2/m^4 -> const + const ln(1/m^2), a2/m^4 -> const/m^2;
    heavy: v_n, a_n -> const. Where the limit has one constant, the slope at the edge is met by a
    correction of relative order m^2 or 1/m^2, which is < 1e-4 in all: less than the error of the
    table."""
    low, high = float(spline.knots[0]), float(spline.knots[-1])
    (first, first_slope), (last, last_slope) = _ends(spline)
    first, first_slope = first - _POWERS * low, first_slope - _POWERS  # of the reduced functions
    log_m = jnp.log(m_X)
    light, heavy = log_m < low, log_m > high
    outside = jnp.where(light, low - log_m, jnp.where(heavy, log_m - high, 0.0))
    correction = -jnp.expm1(-2 * outside) / 2  # 1 - m^2/m_edge^2 or 1 - m_edge^2/m^2, over 2
    table = evaluate(spline, jnp.where(light | heavy, low, log_m))
    logs = []
    for i, power in enumerate(_POWERS):
        if i in (1, 2):
            below = first[i] + jnp.log1p(-first_slope[i] * outside)
        else:
            growth = 2.0 if i == 3 else 0.0
            below = first[i] + growth * outside - (first_slope[i] + growth) * correction
        above = last[i] + last_slope[i] * correction - power * log_m
        logs.append(jnp.where(light, below, jnp.where(heavy, above, table[i] - power * log_m)))
    return tuple(logs)


def _ends(spline: Spline) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Values and first derivatives of the spline at its first and its last knot."""
    c, h = spline.coefficients[:, -1], spline.knots[-1] - spline.knots[-2]
    last = c[0] + h * (c[1] + h * (c[2] + h * c[3])), c[1] + h * (2 * c[2] + 3 * h * c[3])
    return (spline.coefficients[0, 0], spline.coefficients[1, 0]), last
