"""What neutrino oscillations in matter do to the patterns of a survey, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zscan.analysis.survey.result import Survey
from zscan.analysis.survey.tiles import MATTER_COUPLING, MATTER_RATIO
from zscan.charges.patterns import Patterns
from zscan.constraints import measured_values
from zscan.kernels import matter, nsi

WITHOUT = "2sigma/without_matter"


@dataclass(frozen=True)
class MatterPoint:
    """What matter says of a pattern at a mass [GeV] and a coupling: chi2 of the Sun (with KamLAND)
    and of the Earth, each above its value without X, and the eps of the Earth.
    """

    pattern: str
    m_X: float
    g_X: float
    solar: float
    atmospheric: float
    eps_ee_mumu: float
    eps_tautau_mumu: float


def matter_point(
    found: Patterns, name: str, m_X: float, g_X: float, observables: str
) -> MatterPoint:
    """Matter at one point of a pattern; kinetic mixing drops out. Raises `UnknownNameError`."""
    options = measured_values(observables)["matter"].options
    q, _, *charges = (float(x) * g_X for x in found.rows[found.index(name)].tolist())
    neutrinos, vector = charges[:3], (charges[0] + charges[3]) / 2
    sun, nothing = (
        float(matter.solar_chi2(m_X, vector, q, q, *x, dark=options["dark"]))
        for x in (neutrinos, (0.0, 0.0, 0.0))
    )
    ratio = options["neutron_ratio"]
    d_e, d_t = (
        float(nsi.epsilon(m_X, vector, q, q, x - neutrinos[1], neutron_ratio=ratio))
        for x in (neutrinos[0], neutrinos[2])
    )
    earth = {key: options[key] for key in ("tautau_mumu", "ee_mumu", "dark")}
    beside = float(matter.chi2_earth(d_e, d_t, **earth) - matter.chi2_earth(0.0, 0.0, **earth))
    return MatterPoint(name, m_X, g_X, sun - nothing, beside, d_e, d_t)


def matter_deaths(found: Survey) -> tuple[MatterPoint, ...]:
    """Patterns that survive but for `matter`, each at the mass and coupling at which it passes all
    else and `matter` excludes it least; the smallest ratio first.
    """
    if WITHOUT not in found.choices:
        return ()
    without, published = found.survives(WITHOUT), found.survives()
    set_name, points = found.attributes["observables"], []
    for name in found.survivors(WITHOUT):
        i = found.patterns.index(name)
        if not published[i].any():
            ratio = np.where(without[i], found.values[MATTER_RATIO][i], np.inf)
            mass = int(ratio.argmin())
            g_X = float(found.values[MATTER_COUPLING][i, mass])
            at = matter_point(found.patterns, name, float(found.masses[mass]), g_X, set_name)
            points.append((float(ratio[mass]), at))
    return tuple(point for _, point in sorted(points, key=lambda item: item[0]))
