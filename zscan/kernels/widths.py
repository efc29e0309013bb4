"""Decay widths and branching ratios of X: leptons, neutrinos, photons, and hadrons by vector-meson
dominance.
"""

from __future__ import annotations

import math
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from zscan.constants import ALPHA_EM, M_E, M_MU, M_TAU, Constant
from zscan.errors import ParameterError, nearest
from zscan.kernels._quotient import quotient
from zscan.kernels._spline import Spline, evaluate
from zscan.kernels.couplings import Couplings
from zscan.precision import as_float64, in_float64

_PDG = "PDG 2020, PTEP 2020 083C01"
M_D = Constant(1.86483, "GeV", 5e-5, _PDG)
M_B = Constant(5.27934, "GeV", 1.2e-4, _PDG)
M_T = Constant(172.76, "GeV", 0.3, _PDG)
# Masses [GeV] of c, b, t in phase space: half of where the open channel begins
THRESHOLDS = {
    "physical": {"c": M_D.value, "b": M_B.value, "t": M_T.value},
    "darkcast": {"c": 1.5, "b": 4.8, "t": M_T.value},
}
_DISJOINT = ("ee", "mumu", "tautau", "nunu", "hadrons", "3gamma")  # these add up to the total width


def _read_table() -> Spline:
    """Columns rho, omega, phi, omega_phi, pipi of the table, linear between its masses."""
    path = resources.files("zscan.kernels").joinpath("tables/hadrons.txt")
    mass, *channels = np.loadtxt(path.read_text(encoding="ascii").splitlines()).T
    values = np.stack(channels, axis=1)
    slope = np.diff(values, axis=0) / np.diff(mass)[:, None]
    zero = np.zeros_like(slope)
    return Spline(mass, np.stack([values[:-1], slope, zero, zero]))


_TABLE = _read_table()
_TABLE_START, _TABLE_END = float(_TABLE.knots[0]), float(_TABLE.knots[-1])  # 0.14 and 2 GeV


@in_float64
def partial_widths(
    m_X: ArrayLike, couplings: Couplings, *, thresholds: str = "physical"
) -> dict[str, Float[Array, "..."]]:
    """Partial widths [GeV] of X by channel, for the full couplings of `zscan.models.coupling` (on
    shell) at m_X [GeV].

    Keys: "ee", "mumu", "tautau"; "nue", "numu", "nutau" and their sum "nunu"; "hadrons" (all of
    them, with "cc", "bb", "tt"); "pipi" (pi+ pi-, part of "hadrons"); "3gamma". The total is
    `total_width`. The leaves of `couplings` broadcast against m_X; each width has the shape of what
    it depends on, functions of m_X being evaluated on its own.

    * f fbar: N_c m_X/(12 pi) beta [g_V^2 (1 + 2 m_f^2/m_X^2) + g_A^2 beta^2], neutrinos m_X/(24 pi)
      g_nu^2 each.
    * light hadrons: m_X/(12 pi) [R_rho (u-d)^2 + 9 R_omega (u+d)^2 + 9 R_phi s^2 + 18 R_omegaphi
      (u+d) s] with the vector couplings u, d, s: U(3) flavour symmetry, no isospin breaking. The
      tables are linear in m_X to 1 % up to 2 GeV; the omega and the phi are narrow, so that grids
      must have steps of 2 and 1 MeV there. Beyond 2 GeV R keeps its last value: 2.18 for the
      photon, where free quarks have 2. For "pipi" that value means nothing: the pion form factor
      falls. Of the exclusive hadronic channels only this one is available (not 3 pi, K K, pi0
      gamma).
    * axial couplings of u, d, s: free quarks above 2 GeV; below nothing, for want of a table, so
      that the hadronic width of such a model is too small there and its other branching ratios too
      large. No benchmark model has them.
    * c, b, t: free quarks with half the mass at which the open channel begins, `thresholds` =
      "physical" (D Dbar 3.73 GeV, B Bbar 10.56 GeV) or "darkcast" (quark masses 1.5 and 4.8 GeV).
      No charmonium, no bottomonium, no QCD correction (alpha_s/pi of the partonic widths, some 7
      %): provisional.
    * 3 gamma, from the electron loop, for m_X <= 2 m_e only: expansion in m_X^2/m_e^2 to its second
      order, which falls short near 2 m_e. The axial coupling does not contribute.

    Leptons and neutrinos are exact at tree level. Valid for m_X >= 0 (NaN below); gradients are
    finite everywhere, also at thresholds. Raises `ParameterError` for another name of `thresholds`.
    Source: arXiv:1801.04847 sec. 2 and app. A; arXiv:1705.00619 (3 gamma).

    >>> from zscan import couplings
    >>> widths = partial_widths(0.05, couplings("Lmu-Ltau", 0.05, 1e-3))
    >>> f"{widths['nunu']:.4e}", float(widths["mumu"])
    ('1.3263e-09', 0.0)
    """
    if thresholds not in THRESHOLDS:
        raise ParameterError(f"thresholds = {thresholds!r}; {nearest(thresholds, THRESHOLDS)}")
    m_X, *leaves = as_float64(m_X, *jax.tree.leaves(couplings))
    x: Couplings = jax.tree.unflatten(jax.tree.structure(couplings), leaves)
    scale = jnp.where(m_X >= 0, m_X, jnp.nan) / (12 * math.pi)

    def pair(V: Array, A: Array, mass: float, colours: int = 1) -> Array:
        vector, axial = _phase_space(m_X, mass)
        return colours * (V**2 * (scale * vector) + A**2 * (scale * axial))

    quarks = THRESHOLDS[thresholds]
    widths = {
        "ee": pair(*x.e, M_E.value),
        "mumu": pair(*x.mu, M_MU.value),
        "tautau": pair(*x.tau, M_TAU.value),
        "nue": x.nu_e**2 * scale / 2,
        "numu": x.nu_mu**2 * scale / 2,
        "nutau": x.nu_tau**2 * scale / 2,
        "cc": pair(*x.c, quarks["c"], 3),
        "bb": pair(*x.b, quarks["b"], 3),
        "tt": pair(*x.t, quarks["t"], 3),
        "3gamma": x.e.V**2 * scale * _three_photons(m_X),
    }
    R = _hadron_table(m_X)
    isovector, isoscalar, strange = x.u.V - x.d.V, x.u.V + x.d.V, x.s.V
    light = R["rho"] * isovector**2 + 9 * (R["omega"] * isoscalar**2 + R["phi"] * strange**2)
    light = light + 18 * R["omega_phi"] * isoscalar * strange
    light = light + jnp.where(m_X > _TABLE_END, 3.0, 0.0) * (x.u.A**2 + x.d.A**2 + x.s.A**2)
    widths["nunu"] = widths["nue"] + widths["numu"] + widths["nutau"]
    widths["hadrons"] = scale * light + widths["cc"] + widths["bb"] + widths["tt"]
    widths["pipi"] = scale * R["pipi"] * isovector**2
    return widths


@in_float64
def total_width(
    m_X: ArrayLike, couplings: Couplings, *, thresholds: str = "physical"
) -> Float[Array, "..."]:
    """Total width [GeV] of X at m_X [GeV]: the sum of "ee", "mumu", "tautau", "nunu", "hadrons" and
    "3gamma".

    Arguments, validity, errors and source as for `partial_widths`.

    >>> from zscan import couplings
    >>> round(float(total_width(0.1, couplings("Lmu-Ltau", 0.1, 1.0)) / 0.1), 4)
    0.0265
    """
    return _sum(partial_widths(m_X, couplings, thresholds=thresholds))


@in_float64
def branching_ratios(
    m_X: ArrayLike, couplings: Couplings, *, thresholds: str = "physical"
) -> dict[str, Float[Array, "..."]]:
    """Branching ratios of X, with the keys of `partial_widths`; 0 where X has no width at all (as
    for zero couplings).

    "ee", "mumu", "tautau", "nunu", "hadrons" and "3gamma" add up to 1. They depend on ratios of
    couplings only. Arguments, validity, errors and source as for `partial_widths`.

    >>> from zscan import couplings
    >>> ratios = branching_ratios(0.05, couplings("B-3Lmu", 0.05, 1e-4))
    >>> float(ratios["nunu"])
    1.0
    """
    widths = partial_widths(m_X, couplings, thresholds=thresholds)
    total = _sum(widths)
    stable = total == 0
    total = jnp.where(stable, 1.0, total)
    return {name: jnp.where(stable, 0.0, quotient(width, total)) for name, width in widths.items()}


def _sum(widths: dict[str, Array]) -> Array:
    return sum((widths[name] for name in _DISJOINT), jnp.zeros(()))


def _phase_space(m_X: Array, mass: float) -> tuple[Array, Array]:
    """beta (1 + 2 mass^2/m_X^2) and beta^3, zero below m_X = 2 mass."""
    open_ = m_X > 2 * mass
    ratio = 2 * mass / jnp.where(open_, m_X, 4 * mass)
    beta = jnp.sqrt((1 - ratio) * (1 + ratio))
    return jnp.where(open_, beta * (1 + ratio**2 / 2), 0.0), jnp.where(open_, beta**3, 0.0)


def _three_photons(m_X: Array) -> Array:
    """Gamma(3 gamma)/(g_V,e^2 m_X/(12 pi)), zero above 2 m_e."""
    below = m_X <= 2 * M_E.value
    y = (jnp.where(below, m_X, 0.0) / M_E.value) ** 2
    series = 17 / 5 + y * (67 / 42 + y * 128941 / 246960)
    return (
        12
        * math.pi
        * ALPHA_EM.value**3
        / (4 * math.pi * 2**7 * 3**6 * 5**2 * math.pi**3)
        * y**4
        * series
    )


def _hadron_table(m_X: Array) -> dict[str, Array]:
    """R of each channel: zero below the table, its last value above."""
    inside = (m_X > _TABLE_START) & (m_X < _TABLE_END)
    above = m_X >= _TABLE_END
    values = evaluate(_TABLE, jnp.where(inside, m_X, jnp.where(above, _TABLE_END, _TABLE_START)))
    return dict(
        zip(("rho", "omega", "phi", "omega_phi", "pipi"), jnp.moveaxis(values, -1, 0), strict=True)
    )
