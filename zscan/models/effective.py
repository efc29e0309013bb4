"""Models without charges of arXiv:2107.07518: an X with muon and b -> s couplings (sec. 3.4),
leptoquarks (sec. 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from zscan.constants import M_MU
from zscan.kernels import btokx, muoquark, rk
from zscan.models.base import Derived, ModelType
from zscan.models.coupling import muon_couplings
from zscan.models.parameters import (
    EPS,
    FLAVOUR_CHANGING,
    G_SB,
    M_X,
    PERTURBATIVE,
    THEORY_PARAMETERS,
    ParameterInfo,
    Parameters,
)
from zscan.models.point import Measured, Point, Prediction

_M_T, _Q_R2 = 163.0, 5 / 3  # of "radiative-muon-mass": running top mass [GeV], charge of R_2
_SMALLEST_R_K = ("smallest R_K[1.1, 6] that the free coupling reaches", "1")


class _Effective(ModelType):
    """A model that is known by its name: its couplings are parameters."""

    reference = "arXiv:2107.07518 Eqs. (37), (42)"
    _parameters: ClassVar[Parameters]

    @property
    def parameters(self) -> Parameters:
        """The parameters that a likelihood, a card or a fit may vary, by name."""
        return self._parameters

    def to_table(self) -> dict[str, Any]:
        """Canonical table of the model: its name."""
        return {"name": self.name}

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.description}\nreference: {self.reference}\n"
            f"  parameters: {', '.join(self.parameters)} (needed: {', '.join(self.required)})"
        )


class MuonEffective(_Effective):
    """X_a [g_sb sbar gamma^a P_L b + h.c. + mubar gamma^a (g_V + g_A gamma5) mu + g_nu nubar_mu
    gamma^a P_L nu_mu].

    Parameters m_X and g_V; g_A and g_A_over_g_V add up (g_A + g_A_over_g_V g_V, default 0); g_nu =
    g_V - g_A by SU(2)_L; the width is that of the open channels; eps adds kinetic mixing. Without a
    g_sb it is profiled inside its bound from B -> K nu nu."""

    name = "muon-effective"
    description = "X coupled to muons, nu_mu and b -> s with free vector and axial couplings"
    required = axis_order = ("m_X", "g_V")
    coupling = "g_V"
    _parameters: ClassVar[Parameters] = {
        "m_X": M_X,
        "g_V": ParameterInfo("1", "vector coupling of X to muons", -PERTURBATIVE, PERTURBATIVE),
        "g_A": ParameterInfo("1", "axial coupling of X to muons", -PERTURBATIVE, PERTURBATIVE),
        "g_A_over_g_V": ParameterInfo(
            "1", "axial over vector coupling of X to muons, on top of g_A", -1e6, 1e6
        ),
        **FLAVOUR_CHANGING,
        "eps": EPS,
        **THEORY_PARAMETERS,
    }

    def point(self, values: Mapping[str, Array]) -> Point:
        """The point at m_X, g_V and any of `parameters`, see `ModelType`."""
        zero = jnp.zeros(())
        g_A = values.get("g_A", zero) + values.get("g_A_over_g_V", zero) * values["g_V"]
        x = muon_couplings(values["g_V"], g_A, values.get("eps", zero))
        predict = partial(self._r_k, electrons="eps" in values)
        flavour_changing: dict[str, Any] = {
            name: values[name] for name in FLAVOUR_CHANGING if name in values
        }
        return Point(values["m_X"], x, x, **flavour_changing, predictions={"r_k": predict})

    @staticmethod
    def _r_k(point: Point, measured: Measured, *, electrons: bool) -> Prediction:
        """Where g_sb is free, the observable is the reachable R_K nearest to the measured one.

        Of an X on shell the part that decays near the B counts."""
        options: dict[str, Any] = dict(measured["r_k"].options)
        x = point.on_shell
        if electrons:  # only kinetic mixing couples X to them
            options |= {"g_V_e": x.e.V, "g_A_e": x.e.A}
        options["decayed"] = rk.seen_at_lhcb(point.m_X, point.width)
        if point.g_sb is not None:
            return Prediction(rk.r_k(point.m_X, point.width, point.g_sb, x.mu.V, x.mu.A, **options))
        g_max = _largest_g_sb(point, measured)
        reach = rk.profile_g_sb(point.m_X, point.width, x.mu.V, x.mu.A, g_max, **options)
        nearest_reached = jnp.clip(measured["r_k"].value, reach.minimum, reach.maximum)
        return Prediction(nearest_reached, {"r_k_minimum": reach.minimum})


class MuonResonance(_Effective):
    """X in B -> K mu mu with parameters m_X and width_over_m_X; g_A = 0 and g_V is free at every
    point.

    Only R_K applies. Without a g_sb it is the largest one that B -> K nu nu allows.
    """

    name = "muon-resonance"
    description = "X in B -> K mu mu with a given width and the best vector coupling to muons"
    required = ("m_X", "width_over_m_X")
    axis_order = ("width_over_m_X", "m_X")
    constraints = ("r_k",)
    derived: ClassVar[Derived] = {
        "r_k": {
            "r_k_minimum": _SMALLEST_R_K,
            "g_V_minimum": ("vector coupling to muons that gives the smallest R_K", "1"),
        }
    }
    _parameters: ClassVar[Parameters] = {
        "m_X": M_X,
        "width_over_m_X": ParameterInfo("1", "total width of X over its mass", 1e-30, 10.0),
        "g_sb": G_SB,
        "theory.r_k": THEORY_PARAMETERS["theory.r_k"],
    }

    def point(self, values: Mapping[str, Array]) -> Point:
        """The point at m_X, width_over_m_X and any of `parameters`, see `ModelType`."""
        predict = partial(self._r_k, width_over_m_X=values["width_over_m_X"])
        return Point(values["m_X"], g_sb=values.get("g_sb"), predictions={"r_k": predict})

    @staticmethod
    def _r_k(point: Point, measured: Measured, *, width_over_m_X: Array) -> Prediction:
        g_sb = _largest_g_sb(point, measured) if point.g_sb is None else point.g_sb
        phase = measured["r_k"].options["phase"]
        best = rk.r_k_minimum(point.m_X, width_over_m_X * point.m_X, g_sb, phase=phase)
        reached = jnp.maximum(best.r_k, measured["r_k"].value)
        return Prediction(reached, {"r_k_minimum": best.r_k, "g_V_minimum": best.g_V})


class RadiativeMuonMass(_Effective):
    """Two scalar leptoquarks of masses M_1, M_2 [GeV] whose loop with the top makes the whole muon
    mass (sec. 4).

    There is no X. Further parameters are m_t (default 163 GeV, running) and Q_S, the charge of the
    component that couples the top to the muon (default 5/3: R_2; 1/3: S_1). Only delta_a_mu
    applies."""

    name = "radiative-muon-mass"
    description = "two scalar leptoquarks that generate the muon mass in a loop with the top"
    reference = "arXiv:2107.07518 sec. 4"
    required = axis_order = masses = ("M_2", "M_1")
    constraints = ("delta_a_mu",)
    derived: ClassVar[Derived] = {
        "delta_a_mu": {
            "muon_mass_coupling": ("lambda_L lambda_R sin(2 theta) that gives the muon mass", "1")
        }
    }
    _parameters: ClassVar[Parameters] = {
        "M_2": ParameterInfo("GeV", "mass of the second leptoquark", 1.0, 1e8),
        "M_1": ParameterInfo("GeV", "mass of the first leptoquark", 1.0, 1e8),
        "m_t": ParameterInfo("GeV", "top mass in the leptoquark loop", 1.0, 1e3),
        "Q_S": ParameterInfo(
            "1", "charge of the leptoquark that couples the top to the muon", -10.0, 10.0
        ),
    }

    def point(self, values: Mapping[str, Array]) -> Point:
        """The point at M_1, M_2 and any of `parameters`, see `ModelType`; its m_X is NaN."""
        m_t, Q_S = values.get("m_t", jnp.asarray(_M_T)), values.get("Q_S", jnp.asarray(_Q_R2))
        M_1, M_2 = values["M_1"], values["M_2"]

        def predict(point: Point, _: Measured) -> Prediction:
            value = M_MU.value * muoquark.delta_a_mu_over_m_mu(M_1, M_2, m_t=m_t, Q_S=Q_S)
            coupling = jnp.abs(muoquark.coupling_for_mass(M_1, M_2, m_t=m_t))
            return Prediction(value, {"muon_mass_coupling": coupling})

        return Point(jnp.full((), jnp.nan), predictions={"delta_a_mu": predict})


MODELS = (MuonEffective(), MuonResonance(), RadiativeMuonMass())


def _largest_g_sb(point: Point, measured: Measured) -> Array:
    """The largest |g_sb| that the bound on B -> K nu nu allows."""
    bound = measured["b_to_k_nunu"].excluded_above or jnp.inf
    return btokx.g_sb_max(point.m_X, bound, form="linear")
