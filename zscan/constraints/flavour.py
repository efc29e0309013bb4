"""Constraints from flavour-changing processes: b -> s transitions, and u -> c ones of down-aligned
models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.constraints.flavour_two_body import unseen
from zscan.kernels import _flight, btokx, charm, rk
from zscan.kernels._btokll import INPUTS


def _r_k(name: str, **bin_: tuple[float, float]) -> Callable[[Point, Measured], Prediction]:
    """R_K in a bin of q2, that of the kernel unless given: of an X on shell the part that decays
    near the B counts, see `zscan.kernels.rk`.
    """

    def predict(point: Point, measured: Measured) -> Prediction:
        if point.g_sb is None:  # no b -> s coupling: nothing to constrain
            return Prediction(jnp.full((), jnp.nan), applies=False)
        x = point.on_shell
        options: dict[str, Any] = {
            "g_V_e": x.e.V,
            "g_A_e": x.e.A,
            "decayed": rk.seen_at_lhcb(point.m_X, point.width),
            **bin_,
            **measured[name].options,
        }
        return Prediction(rk.r_k(point.m_X, point.width, point.g_sb, x.mu.V, x.mu.A, **options))

    return predict


def _b_to_k_nunu(point: Point, measured: Measured) -> Prediction:
    """An X that leaves the detector, `options.length` [m] long, counts as well."""
    if point.g_sb is None:
        # No b -> s coupling; or a profiled one, which this very rate bounds: it does not count a
        # second time.
        return Prediction(jnp.full((), jnp.nan), applies=False)
    x = point.on_shell
    p = _flight.momentum(point.m_X, INPUTS["m_B"], INPUTS["m_K"])
    invisible = unseen(point, measured["b_to_k_nunu"].options.get("length", 1.0), p)
    neutrinos = (x.nu_e, x.nu_mu, x.nu_tau)
    rate = btokx.branching_ratio_nunu(
        point.m_X, point.width, point.g_sb, *neutrinos, invisible=invisible
    )
    return Prediction(rate)


def g_uc(point: Point) -> Array:
    """Left-handed u-c coupling of a down-aligned model whose third family has another charge than
    the first two.
    """
    x = point.virtual
    return charm.g_uc((x.t.V - x.t.A) - (x.u.V - x.u.A), 1.0)


def _d_to_pi(point: Point, _: Measured) -> Prediction:
    return Prediction(charm.branching_ratio_dpi(point.m_X, g_uc(point)) * point.invisible)


CONSTRAINTS = (
    Constraint(
        "r_k",
        "lepton universality in B -> K l l, 1.1 < q2 < 6 GeV^2",
        "R_K[1.1, 6]",
        _r_k("r_k"),
        ("Straub:2018kue", "Gubernari:2023puw", "Sala:2017ihs"),
        derived={"r_k_minimum": ("smallest R_K[1.1, 6] that the free coupling reaches", "1")},
        inputs=("b_to_k_nunu",),
    ),
    Constraint(
        "r_k_low",
        "lepton universality in B -> K l l, 0.1 < q2 < 1.1 GeV^2",
        "R_K[0.1, 1.1]",
        _r_k("r_k_low", q2_bin=(0.1, 1.1)),  # of q2 [GeV^2]
        ("Straub:2018kue", "Gubernari:2023puw", "Sala:2017ihs"),
    ),
    Constraint(
        "b_to_k_nunu",
        "B+ -> K+ nu nubar and B+ -> K+ X, X -> nu nubar",
        "BR(B+ -> K+ nu nubar)",
        _b_to_k_nunu,
        ("Straub:2018kue", "Gubernari:2023puw"),
    ),
    Constraint(
        "d_to_pi",
        "D+ -> pi+ X, X invisible, down-aligned",
        "BR(D+ -> pi+ X, X -> nu nubar)",
        _d_to_pi,
        ("MartinCamalich:2020dfe",),
        m_X_range=(0.0, 0.3),  # of the form factor, and of the recast of the search
    ),
)
