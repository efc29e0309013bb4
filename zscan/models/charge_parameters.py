"""Names of charges, and what parameters a charged model has."""

from __future__ import annotations

from zscan.models.dark import DARK_PARAMETERS
from zscan.models.parameters import (
    EPS,
    FLAVOUR_CHANGING,
    M_X,
    PERTURBATIVE,
    THEORY_PARAMETERS,
    ParameterInfo,
    Parameters,
)

GENERATIONS = {
    "Q": ("1", "2", "3"),
    "U": ("u", "c", "t"),
    "D": ("d", "s", "b"),
    "L": ("e", "mu", "tau"),
    "E": ("e", "mu", "tau"),
    "N": ("1", "2", "3"),
}
SPECIES = ("Q", "U", "D", "L", "E", "N")
FERMIONS = ("e", "mu", "tau", "u", "d", "s", "c", "b", "t")
NEUTRINOS = ("nu_e", "nu_mu", "nu_tau")

CHARGE, ADDED = "charge.", "add."
CHARGE_NAMES = tuple(
    f"{CHARGE}{species}.{name}" for species, names in GENERATIONS.items() for name in names
)
# Right-handed neutrinos enter no observable unless they are light
_RIGHT = tuple(name for name in CHARGE_NAMES if name.startswith(f"{CHARGE}N."))
CHARGE_PARAMETERS = tuple(name for name in CHARGE_NAMES if name not in _RIGHT)
# Effective charges of single fermions, on top of those of the species
EFFECTIVE_CHARGES = (
    *(f"vector.{name}" for name in (*FERMIONS, *NEUTRINOS)),
    *(f"axial.{name}" for name in FERMIONS),
)

BENCHMARKS = (
    "Lmu-Ltau",
    "B-3Lmu",
    "Lmu-Le",
    "Lmu-Le-shifted",
    "9B3-8Lmu-Ltau",
    "Lmutau-chiral",
    "Lmutau-chiral-partner",
    "B-2Le-Lmu",
    "B-L",
    "dark-photon",
    "protophobic",
    "B",
    "R",
    "Le-Lmu",
    "Le-Ltau",
    "B-3Le",
    "B-3Ltau",
)
# Multiples of the charges of a benchmark that are added to those of the model: of those that are
# made by charges alone
ADDED_PARAMETERS = tuple(
    f"{ADDED}{name}"
    for name in BENCHMARKS
    if name not in ("Lmu-Le-shifted", "dark-photon", "protophobic")
)


def _charge(name: str) -> ParameterInfo:
    return ParameterInfo("1", f"X charge of {name.removeprefix(CHARGE)}", -1e6, 1e6)


PARAMETERS: Parameters = {
    "m_X": M_X,
    "g_X": ParameterInfo(
        "1", "gauge coupling of X (eps for the model dark-photon)", -PERTURBATIVE, PERTURBATIVE
    ),
    "eps": EPS,
    "eps_over_g": ParameterInfo(
        "1", "kinetic mixing over g_X, on top of the model's own", -1e6, 1e6
    ),
    "loop_factor": ParameterInfo("1", "factor of the model's mixing by loops", -1e3, 1e3),
    **FLAVOUR_CHANGING,
    **DARK_PARAMETERS,
    **{name: _charge(name) for name in CHARGE_PARAMETERS},
    **{
        name: ParameterInfo(
            "1", f"{name.partition('.')[0]} charge of {name.partition('.')[2]}, added", -1e6, 1e6
        )
        for name in EFFECTIVE_CHARGES
    },
    **{
        name: ParameterInfo(
            "1", f"multiple of the charges of {name.removeprefix(ADDED)} that is added", -1e6, 1e6
        )
        for name in ADDED_PARAMETERS
    },
    **THEORY_PARAMETERS,
}
# Of a model whose right-handed neutrinos are light
DIRAC_PARAMETERS: Parameters = {**PARAMETERS, **{name: _charge(name) for name in _RIGHT}}
