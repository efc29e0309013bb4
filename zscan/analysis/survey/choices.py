"""The choices under which a survey asks what survives: levels, bands of g-2, constraints left out,
readings of neutrino oscillations in matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zscan.analysis.survey.engine import G_2, Details, Engine
from zscan.constraints.measurements import chi2_quantile

BANDS = (2, 1)  # standard deviations of Delta a_mu
LEVELS = (0.90, 0.95)
PUBLISHED = "published"
JOINT = "joint"
# Options of `matter` and `nsi`, by name: the Y_n of the Earth and the bound on eps_tautau -
# eps_mumu there. Intervals of `matter` are 90 % ones, bounds of `nsi` 95 % ones.
_RATIOS = {"mantle": 1.012, "core": 1.137}
_TIGHTER = {"tau 0.025": 0.025, "tau 0.0162": 0.0162}
_TO_90 = 1.6449 / 1.9600
_ANY = "[-1e6, 1e6]"


@dataclass(frozen=True)
class Choice:
    """One way to ask whether a point survives.

    Delta a_mu lies within `band` standard deviations, and no constraint but `without` excludes at
    the level `cl` (None: each at its own), with `variant` in place of the constraint that it
    changes. `joint`: in place of all limits, the sum of chi2 over all likelihoods, that of g-2
    included, is at most the quantile of `cl` above an X that explains g-2 and changes nothing else.
    """

    name: str
    band: int = 2
    cl: float | None = None
    without: str | None = None
    variant: int | None = None
    joint: bool = False

    @property
    def key(self) -> str:
        """Name of the choice in a file."""
        return f"{self.band}sigma/" + re.sub(r"[^A-Za-z0-9_.-]+", "_", self.name.replace("/", "."))


def variants(observables: str) -> dict[str, tuple[str, str]]:
    """Readings of oscillations in matter: name -> the constraint and the observable set."""

    def changed(constraint: str, *options: str) -> tuple[str, str]:
        return constraint, "; ".join([observables, *(f"{constraint}.{text}" for text in options)])

    found = {}
    for where, ratio in _RATIOS.items():
        found[where] = changed("matter", f"neutron_ratio = {ratio}")
    for name, bound in _TIGHTER.items():
        tighter = f"tautau_mumu = [{-bound * _TO_90:.6f}, {bound * _TO_90:.6f}]"
        found[name] = changed("matter", tighter)
    for where, ratio in _RATIOS.items():
        found[f"{name}, {where}"] = changed("matter", tighter, f"neutron_ratio = {ratio}")
    found["sun alone"] = changed("matter", f"tautau_mumu = {_ANY}", f"ee_mumu = [{_ANY}]")
    found["earth alone"] = changed("matter", "sun = false")
    for where, ratio in _RATIOS.items():
        found[f"nsi {where}"] = changed("nsi", f"neutron_ratio = {ratio}")
    for name, bound in _TIGHTER.items():
        found[f"nsi {name}"] = changed("nsi", f"tautau_mumu = {bound}")
    return found


def choices(engine: Engine, readings: Mapping[str, tuple[str, str]]) -> tuple[Choice, ...]:
    """All choices of a survey with the `variants` that `engine` was made with; the first one is
    that of published limits.
    """
    applied = [name for name, item in readings.items() if item in engine.variants]
    found = []
    for band in BANDS if engine.explains else BANDS[:1]:
        found.append(Choice(PUBLISHED, band))
        found += [Choice(f"{100 * cl:g} %", band, cl) for cl in LEVELS]
        found.append(Choice(JOINT, band, 0.95, joint=True))
        for name, provisional in zip(engine.names, engine.provisional, strict=True):
            if provisional:
                found.append(Choice(f"without {name}", band, without=name))
        found += [Choice(name, band, variant=number) for number, name in enumerate(applied)]
    return tuple(found)


def joint_chi2(engine: Engine, details: Details) -> np.ndarray:
    """(n, G): chi2 of all likelihoods above that of an X which explains g-2 and changes nothing."""
    total = np.nansum(details.delta_chi2, axis=1)
    return total + engine.likelihood.chi2_zero[G_2]


def ratios(engine: Engine, choice: Choice, details: Details) -> np.ndarray:
    """(n, G): the largest ratio of a choice at each target, infinite outside the band of g-2; a
    target survives where it is at most 1.
    """
    if choice.joint and choice.cl is not None:
        largest = joint_chi2(engine, details) / chi2_quantile(choice.cl)
    else:
        ratio = details.ratio
        if choice.variant is not None:
            ratio = ratio.copy()
            changed = engine.names.index(engine.variants[choice.variant][0])
            ratio[:, changed] = details.variants[:, choice.variant]
        if choice.without is not None:
            ratio = np.delete(ratio, engine.names.index(choice.without), axis=1)
        if choice.cl is not None:
            ratio = ratio * (engine.limits() / engine.limits(choice.cl))[:, None]
        largest = ratio.max(axis=1, initial=-np.inf)
    inside = np.isfinite(details.g_X)
    if engine.explains:
        inside &= np.abs(engine.targets) <= choice.band
    return np.where(inside, largest, np.inf)
