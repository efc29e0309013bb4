"""Constraints from cosmology: the effective number of neutrino species."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.kernels import cosmology


def _n_eff(point: Point, _: Measured) -> Prediction:
    """Does not apply to an X that was never in equilibrium, that is too heavy, or that heats
    photons, see `cosmology.applies`; it does to an X without any coupling, which changes nothing.
    Nor does it apply to an X that decays to light particles beyond the Standard Model, which count
    themselves: a dark channel, light right-handed neutrinos.
    """
    x = point.virtual
    absent = jnp.ones((), bool)
    for coupling in jax.tree.leaves(x):
        absent = absent & (coupling == 0)
    applies = absent | cosmology.applies(
        point.m_X, x.nu_e, x.nu_mu, x.nu_tau, point.branching_ratios["nunu"]
    )
    further = [*(x.nu_R or ()), *([] if x.dark is None else [x.dark])]
    for width in further:
        applies = absent | (applies & (width == 0))
    value: Array = jnp.where(absent, cosmology.N_EFF_SM, cosmology.n_eff(point.m_X))
    return Prediction(value, applies=applies)


CONSTRAINTS = (
    Constraint(
        "n_eff",
        "effective number of neutrino species, X in equilibrium with neutrinos",
        "N_eff",
        _n_eff,
        ("Kamada:2015era", "Escudero:2019gzq"),
    ),
)
