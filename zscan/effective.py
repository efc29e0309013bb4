"""Models without charges of arXiv:2107.07518: an X with muon and b -> s couplings (sec. 3.4), leptoquarks (sec. 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EffectiveModel:
    """X_a [g_sb sbar gamma^a P_L b + h.c. + mubar gamma^a (g_V + g_A gamma5) mu + g_nu nubar_mu gamma^a P_L nu_mu].

    "muon-effective": parameters m_X and g_V; g_A and g_A_over_g_V add up (g_A + g_A_over_g_V g_V, default 0); g_nu =
    g_V - g_A by SU(2)_L; the width is that of the open channels; eps adds kinetic mixing.
    "muon-resonance": parameters m_X and width_over_m_X; g_A = 0 and g_V is free at every point. Only R_K applies.
    In both, g_sb is profiled inside its bound from B -> K nu nu unless it is given.

    "radiative-muon-mass" has no X: two scalar leptoquarks of masses M_1, M_2 [GeV] whose loop with the top makes the
    whole muon mass (sec. 4). Further parameters are m_t (default 163 GeV, running) and Q_S, the charge of the component
    that couples the top to the muon (default 5/3: R_2; 1/3: S_1). Only delta_a_mu applies.
    """

    name: str
    description: str
    required: tuple[str, ...]
    parameters: tuple[str, ...]
    constraints: tuple[str, ...] | None
    reference: str = "arXiv:2107.07518 Eqs. (37), (42)"

    def to_table(self) -> dict[str, Any]:
        """Canonical table of the model."""
        return {"name": self.name}

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.description}\nreference: {self.reference}\n"
            f"  parameters: {', '.join(self.parameters)} (needed: {', '.join(self.required)})"
        )


EFFECTIVE_MODELS = {
    model.name: model
    for model in (
        EffectiveModel(
            "muon-effective",
            "X coupled to muons, nu_mu and b -> s with free vector and axial couplings",
            ("m_X", "g_V"),
            ("m_X", "g_V", "g_A", "g_A_over_g_V", "g_sb", "eps", "theory.delta_a_mu", "theory.r_k"),
            None,
        ),
        EffectiveModel(
            "muon-resonance",
            "X in B -> K mu mu with a given width and the best vector coupling to muons",
            ("m_X", "width_over_m_X"),
            ("m_X", "width_over_m_X", "g_sb", "theory.r_k"),
            ("r_k",),
        ),
        EffectiveModel(
            "radiative-muon-mass",
            "two scalar leptoquarks that generate the muon mass in a loop with the top",
            ("M_2", "M_1"),
            ("M_2", "M_1", "m_t", "Q_S"),
            ("delta_a_mu",),
            "arXiv:2107.07518 sec. 4",
        ),
    )
}
