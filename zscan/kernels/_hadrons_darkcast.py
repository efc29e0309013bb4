"""Hadronic widths of X as DarkCast has them: the table that recasts of its curves compare with."""

from __future__ import annotations

from importlib import resources

import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.kernels._pairs import pair, scale
from zscan.kernels._spline import Spline, evaluate
from zscan.kernels.couplings import Couplings


def _read_table() -> Spline:
    """Columns rho, omega, phi, omega_phi, pipi of the table, linear between its masses."""
    path = resources.files("zscan.kernels").joinpath("tables/hadrons_darkcast.txt")
    mass, *channels = np.loadtxt(path.read_text(encoding="ascii").splitlines()).T
    values = np.stack(channels, axis=1)
    slope = np.diff(values, axis=0) / np.diff(mass)[:, None]
    zero = np.zeros_like(slope)
    return Spline(mass, np.stack([values[:-1], slope, zero, zero]))


_TABLE = _read_table()
_TABLE_START, _TABLE_END = float(_TABLE.knots[0]), float(_TABLE.knots[-1])  # 0.14 and 2 GeV


def widths(m_X: Array, x: Couplings, quarks: dict[str, float]) -> dict[str, Array]:
    """Widths [GeV] "pipi", "cc", "bb", "tt" and "hadrons", all of them; `quarks` are masses of c,
    b, t.

    Light hadrons: m_X/(12 pi) [R_rho (u-d)^2 + 9 R_omega (u+d)^2 + 9 R_phi s^2 + 18 R_omegaphi
    (u+d) s] with the vector couplings u, d, s: whole channels are given to one meson, so that this
    is right for couplings like those of the photon only. Linear in m_X to 1 % up to 2 GeV; R keeps
    its last value beyond, 2.18 for the photon, also that of "pipi", where it means nothing. Axial
    couplings: free quarks above 2 GeV, nothing below. c, b and t as free quarks, without QCD
    corrections. Source: arXiv:1801.04847 sec. 2 and app. A."""
    widths = {name + name: pair(m_X, getattr(x, name), mass, 3) for name, mass in quarks.items()}
    R = _hadron_table(m_X)
    isovector, isoscalar, strange = x.u.V - x.d.V, x.u.V + x.d.V, x.s.V
    light = R["rho"] * isovector**2 + 9 * (R["omega"] * isoscalar**2 + R["phi"] * strange**2)
    light = light + 18 * R["omega_phi"] * isoscalar * strange
    light = light + jnp.where(m_X > _TABLE_END, 3.0, 0.0) * (x.u.A**2 + x.d.A**2 + x.s.A**2)
    hadrons = scale(m_X) * light + widths["cc"] + widths["bb"] + widths["tt"]
    return widths | {"hadrons": hadrons, "pipi": scale(m_X) * R["pipi"] * isovector**2}


def _hadron_table(m_X: Array) -> dict[str, Array]:
    """R of each channel: zero below the table, its last value above."""
    inside = (m_X > _TABLE_START) & (m_X < _TABLE_END)
    above = m_X >= _TABLE_END
    values = evaluate(_TABLE, jnp.where(inside, m_X, jnp.where(above, _TABLE_END, _TABLE_START)))
    return dict(zip(("rho", "omega", "phi", "omega_phi", "pipi"), values, strict=True))
