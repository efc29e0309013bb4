"""Constraints: each predicts an observable from a point of parameter space, to be compared with its measurement."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from statistics import NormalDist
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from zscan.constants import M_MU
from zscan.coupling import Couplings
from zscan.errors import UnknownNameError, nearest
from zscan.kernels import borexino, btokx, charm, coherent, g2, muoquark, nsi, rk, trident, widths
from zscan.limits import Limit, list_limits, load, signal_strengths
from zscan.measurements import Measurement, measurements

Measured = Mapping[str, Measurement]


class Leptoquarks(NamedTuple):
    """Two leptoquarks that generate the muon mass: masses and top mass [GeV], charge; see `zscan.kernels.muoquark`."""

    M_1: Array
    M_2: Array
    m_t: Array
    Q_S: Array


@dataclass(frozen=True)
class Point:
    """What a constraint sees: mass and couplings, on shell (q2 = m_X^2) and of a virtual X (q2 = 0).

    `g_sb` None means no b -> s coupling, or with `profile_g_sb` one that is free inside its bound. With
    `width_over_m_X` the width is given and the vector coupling to muons is free (there are no couplings then).
    `electrons` is False where X is known not to couple to electrons. With `leptoquarks` there is no X at all and m_X is
    NaN. `searches` are the limits that are evaluated
    together, because they share widths and production rates.
    """

    m_X: Array
    on_shell: Couplings | None
    virtual: Couplings | None
    g_sb: Array | None = None
    profile_g_sb: bool = False
    width_over_m_X: Array | None = None
    electrons: bool = True
    leptoquarks: Leptoquarks | None = None
    searches: tuple[str, ...] = ()

    @cached_property
    def signal_strengths(self) -> dict[str, Array]:
        """Signal strength of each of `searches` by name."""
        limits = [load(name) for name in self.searches]
        return dict(zip(self.searches, signal_strengths(limits, self.m_X, _needed(self.on_shell)), strict=True))

    @cached_property
    def width(self) -> Array:
        """Total width of X [GeV]."""
        return widths.total_width(self.m_X, _needed(self.on_shell))

    @cached_property
    def branching_ratios(self) -> dict[str, Array]:
        """Branching ratios of X by channel."""
        return widths.branching_ratios(self.m_X, _needed(self.on_shell))


class Prediction(NamedTuple):
    """An observable, further ones that come with it by name, and where the prediction applies."""

    observable: Array
    derived: Mapping[str, Array] = {}
    applies: Array | bool = True


@dataclass(frozen=True)
class Constraint:
    """A constraint: its observable as a function of a `Point` and the measured values, its names, its references.

    `derived` names further observables that it can store: name -> (long name, units); `inputs` other measurements that
    its prediction uses.
    """

    name: str
    long_name: str
    observable_name: str
    predict: Callable[[Point, Measured], Prediction]
    references: tuple[str, ...]
    observable_units: str = "1"
    derived: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConstraintInfo:
    """Description of a constraint in an observable set, for tables and files."""

    long_name: str
    observable_name: str
    observable_units: str
    references: tuple[str, ...]
    status: str
    cl: str
    measurement: Measurement


def _needed(couplings: Couplings | None) -> Couplings:
    if couplings is None:
        raise UnknownNameError("the model has no couplings of X: only its own constraints and their observables apply")
    return couplings


def _delta_a_mu(point: Point, _: Measured) -> Prediction:
    if point.leptoquarks is not None:
        M_1, M_2, m_t, Q_S = point.leptoquarks
        value = M_MU.value * muoquark.delta_a_mu_over_m_mu(M_1, M_2, m_t=m_t, Q_S=Q_S)
        return Prediction(value, {"muon_mass_coupling": jnp.abs(muoquark.coupling_for_mass(M_1, M_2, m_t=m_t))})
    # X is virtual: its momentum is space-like and of the order of m_mu, so that the mixing is taken at q2 = 0.
    x = _needed(point.virtual)
    return Prediction(g2.delta_a_mu(point.m_X, x.mu.V, x.mu.A))


def _trident(point: Point, _: Measured) -> Prediction:
    x = _needed(point.virtual)
    return Prediction(trident.cross_section_ratio(point.m_X, x.mu.V, x.mu.A, x.nu_mu))


def _borexino(point: Point, _: Measured) -> Prediction:
    x = _needed(point.virtual)
    rate = borexino.rate_ratio(point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_e, x.nu_mu, x.nu_tau)
    return Prediction(rate)


def _r_k(point: Point, measured: Measured) -> Prediction:
    """Where g_sb or g_V is free, the observable is the reachable R_K nearest to the measured one.

    X is taken to decay promptly; so it is in B -> K nu nu, where one that leaves the detector would be invisible.
    """
    options: dict[str, Any] = dict(measured["r_k"].options)
    g_max = btokx.g_sb_max(point.m_X, measured["b_to_k_nunu"].excluded_above or jnp.inf, form="linear")
    if point.width_over_m_X is not None:
        g_sb = g_max if point.g_sb is None else point.g_sb
        best = rk.r_k_minimum(point.m_X, point.width_over_m_X * point.m_X, g_sb, phase=options["phase"])
        reached = jnp.maximum(best.r_k, measured["r_k"].value)
        return Prediction(reached, {"r_k_minimum": best.r_k, "g_V_minimum": best.g_V})
    x = point.on_shell
    if x is None or (point.g_sb is None and not point.profile_g_sb):
        return Prediction(jnp.full((), jnp.nan), applies=False)  # no b -> s coupling: nothing to constrain
    electrons: dict[str, Any] = {"g_V_e": x.e.V, "g_A_e": x.e.A} if point.electrons else {}
    if point.g_sb is not None:
        return Prediction(rk.r_k(point.m_X, point.width, point.g_sb, x.mu.V, x.mu.A, **electrons, **options))
    reach = rk.profile_g_sb(point.m_X, point.width, x.mu.V, x.mu.A, g_max, **electrons, **options)
    nearest_reached = jnp.clip(measured["r_k"].value, reach.minimum, reach.maximum)
    return Prediction(nearest_reached, {"r_k_minimum": reach.minimum})


def _b_to_k_nunu(point: Point, _: Measured) -> Prediction:
    x = point.on_shell
    if x is None or point.g_sb is None:
        # No b -> s coupling; or a profiled one, which this very rate bounds: it does not count a second time.
        return Prediction(jnp.full((), jnp.nan), applies=False)
    rate = btokx.branching_ratio_nunu(point.m_X, point.width, point.g_sb, x.nu_e, x.nu_mu, x.nu_tau)
    return Prediction(rate)


def _coherent(point: Point, _: Measured) -> Prediction:
    x = _needed(point.virtual)
    return Prediction(coherent.chi2(point.m_X, x.u.V, x.d.V, x.nu_e, x.nu_mu))


def _nsi(point: Point, measured: Measured) -> Prediction:
    """Electron-normalised NSI in the Earth over their 95 % bounds, which are options of the measurement."""
    bounds = measured["nsi"].options
    x = _needed(point.virtual)
    matter = nsi.epsilon(point.m_X, x.e.V, x.u.V, x.d.V, 1.0)
    tau_mu, mu_e, tau_e = x.nu_tau - x.nu_mu, x.nu_mu - x.nu_e, x.nu_tau - x.nu_e
    strength = jnp.maximum(
        jnp.abs(matter * tau_mu) / bounds["tautau_mumu"],
        # this one is of a fit in which eps_ee = eps_tautau
        jnp.where(tau_e == 0, jnp.abs(matter * mu_e) / bounds["mumu_ee"], 0.0),
    )
    return Prediction(strength)


def _g_uc(point: Point) -> Array:
    """Left-handed u-c coupling of a down-aligned model whose third family has another charge than the first two."""
    x = _needed(point.virtual)
    return charm.g_uc((x.t.V - x.t.A) - (x.u.V - x.u.A), 1.0)


def _d_mixing(point: Point, _: Measured) -> Prediction:
    x12 = charm.x12(point.m_X, _g_uc(point))
    return Prediction(x12, applies=jnp.isfinite(x12))


def _d_to_pi(point: Point, _: Measured) -> Prediction:
    return Prediction(charm.branching_ratio_dpi(point.m_X, _g_uc(point)) * point.branching_ratios["nunu"])


_TRIDENT_THEORY = ("Altmannshofer:2014pba", "Altmannshofer:2019zhy", "DeVries:1987atn")
_TRIDENT_RATIO = "sigma / sigma_SM (nu_mu trident)"


def _search(constraint: str, limit: Limit) -> Constraint:
    def predict(point: Point, _: Measured) -> Prediction:
        mu = point.signal_strengths[limit.name]
        return Prediction(mu, applies=jnp.isfinite(mu))

    what = f"{limit.experiment} {limit.kind}, {'/'.join(limit.final_states)} final state"
    return Constraint(constraint, what, "signal strength mu", predict, ("Ilten:2018crw",))


KMUNUX_LIMIT = "NA62_Kmunu_vector_BR_derived"
# Constraint -> limit curve; projections are among them but are never summed
SEARCHES = {"kmunux": KMUNUX_LIMIT} | {f"searches/{name}": name for name in list_limits() if name != KMUNUX_LIMIT}

_CONSTRAINTS = {
    constraint.name: constraint
    for constraint in (
        Constraint(
            "delta_a_mu",
            "muon anomalous magnetic moment",
            "Delta a_mu",
            _delta_a_mu,
            ("Jegerlehner:2009ry",),
            derived={"muon_mass_coupling": ("lambda_L lambda_R sin(2 theta) that gives the muon mass", "1")},
        ),
        Constraint(
            "r_k",
            "lepton universality in B -> K l l, 1.1 < q2 < 6 GeV^2",
            "R_K[1.1, 6]",
            _r_k,
            ("Straub:2018kue", "Gubernari:2023puw", "Sala:2017ihs"),
            derived={
                "r_k_minimum": ("smallest R_K[1.1, 6] that the free coupling reaches", "1"),
                "g_V_minimum": ("vector coupling to muons that gives the smallest R_K", "1"),
            },
            inputs=("b_to_k_nunu",),
        ),
        Constraint(
            "b_to_k_nunu",
            "B+ -> K+ nu nubar and B+ -> K+ X, X -> nu nubar",
            "BR(B+ -> K+ nu nubar)",
            _b_to_k_nunu,
            ("Straub:2018kue", "Gubernari:2023puw"),
        ),
        Constraint("trident_ccfr", "neutrino trident, CCFR", _TRIDENT_RATIO, _trident, _TRIDENT_THEORY),
        Constraint("trident_nutev", "neutrino trident, NuTeV", _TRIDENT_RATIO, _trident, _TRIDENT_THEORY),
        Constraint(
            "borexino",
            "solar 7Be neutrino-electron scattering, Borexino",
            "rate / SM rate (7Be)",
            _borexino,
            ("Harnik:2012ni", "Esteban:2020cvm"),
        ),
        Constraint(
            "coherent",
            "coherent elastic neutrino-nucleus scattering, COHERENT CsI",
            "chi2 (profiled over three pulls)",
            _coherent,
            (),
        ),
        Constraint("nsi", "neutrino oscillations in matter", "eps / its 95 % bound", _nsi, ()),
        Constraint("d_mixing", "D0 mixing, real couplings, down-aligned", "x12", _d_mixing, ("Smolkovic:2019jow",)),
        Constraint(
            "d_to_pi",
            "D+ -> pi+ X, X invisible, down-aligned",
            "BR(D+ -> pi+ X, X -> nu nubar)",
            _d_to_pi,
            ("MartinCamalich:2020dfe",),
        ),
    )
} | {name: _search(name, load(limit)) for name, limit in SEARCHES.items()}


def _branching_ratio(channel: str) -> Callable[[Point], Array]:
    return lambda point: point.branching_ratios[channel]


# Observables that belong to no constraint: name -> (long name, units, prediction)
_OBSERVABLES = {
    f"branching_ratio/{channel}": (f"branching ratio of X to {channel}", "1", _branching_ratio(channel))
    for channel in ("ee", "mumu", "tautau", "nunu", "hadrons", "3gamma")
}
_BRANCHING_REFERENCES = ("Ilten:2018crw",)

# Measurements of one quantity, or searches in the same data, that must not be added: the first one present counts.
ALTERNATIVES = (
    ("trident_ccfr", "trident_nutev"),
    ("searches/LHCb_Aaij2019bvg_prompt", "searches/LHCb_Aaij2017rft_prompt"),
    ("searches/KLOE_Anastasi2018azp_combined", "searches/KLOE_Anastasi2015qla"),
)


def is_projection(name: str) -> bool:
    """Whether a constraint is the projection of a future experiment, which is no data."""
    return name in SEARCHES and load(SEARCHES[name]).kind == "projection"


@cache
def measured_values(observables: str) -> dict[str, Measurement]:
    """Measurements of a set, with the signal strengths of all limits as measurements of zero.

    A limit tells its confidence level only; the form of its likelihood is a choice made for each curve: a Gaussian
    around zero ("background"), or events without background ("counting"), see `zscan.limits.delta_chi2`.
    """
    return measurements(observables) | {name: _of_limit(load(limit)) for name, limit in SEARCHES.items()}


def _of_limit(limit: Limit) -> Measurement:
    counting = limit.likelihood == "counting"
    error = -1 / (2 * math.log1p(-limit.cl)) if counting else 1 / NormalDist().inv_cdf((1 + limit.cl) / 2)
    return Measurement(
        value=0.0,
        error_plus=error,
        error_minus=error,
        cl=f"{100 * limit.cl:g} %",
        references=limit.references,
        status=limit.status,
        excluded_above=1.0,
        note=f"{limit.source}; {limit.note}" if limit.note else limit.source,
        form=limit.likelihood,
    )


def constraint_names() -> tuple[str, ...]:
    """Names of all constraints: measurements, then limits as "kmunux" and "searches/NAME".

    >>> constraint_names()[:2]
    ('delta_a_mu', 'r_k')
    """
    return tuple(_CONSTRAINTS)


def measured_constraints() -> tuple[str, ...]:
    """Names of the constraints that are measurements, with a likelihood of their own: the default of a likelihood."""
    return tuple(name for name in _CONSTRAINTS if name not in SEARCHES)


def data_constraints() -> tuple[str, ...]:
    """Names of the constraints that are data: measurements and limits, but no projections."""
    return tuple(name for name in _CONSTRAINTS if not is_projection(name))


def expand_constraints(patterns: Sequence[str] | None) -> tuple[str, ...]:
    """Constraint names for names and shell patterns, each once, in the order given; None means all measurements.

    Raises `UnknownNameError` for a pattern that matches nothing.

    >>> expand_constraints(["trident_*", "delta_a_mu"])
    ('trident_ccfr', 'trident_nutev', 'delta_a_mu')
    """
    names: dict[str, None] = {}
    for pattern in measured_constraints() if patterns is None else patterns:
        matches = [name for name in _CONSTRAINTS if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError(f"unknown constraint {pattern!r}: {nearest(pattern, _CONSTRAINTS)}")
        names |= dict.fromkeys(matches)
    return tuple(names)


def with_inputs(names: Sequence[str]) -> tuple[str, ...]:
    """Constraints and the other measurements that their predictions use, each once."""
    return tuple(dict.fromkeys(needed for name in names for needed in (name, *_CONSTRAINTS[name].inputs)))


def observable_names(constraints: Sequence[str]) -> tuple[str, ...]:
    """Observables that a scan of `constraints` can store: theirs, named like them, derived ones, and general ones."""
    derived = (name for constraint in constraints for name in _CONSTRAINTS[constraint].derived)
    return (*constraints, *derived, *_OBSERVABLES)


def constraint(name: str) -> Constraint:
    """A constraint by name; raises `UnknownNameError`."""
    (found,) = expand_constraints([name])
    return _CONSTRAINTS[found]


def general_observable(name: str) -> Callable[[Point], Array] | None:
    """The prediction of an observable that belongs to no constraint, None if there is none of that name."""
    return _OBSERVABLES[name][2] if name in _OBSERVABLES else None


def describe(name: str, observables: str = "paper") -> ConstraintInfo:
    """Long name, observable, references (measurement first, then prediction), status and CL of a constraint."""
    item, measurement = constraint(name), measured_values(observables)[name]
    return ConstraintInfo(
        item.long_name,
        item.observable_name,
        item.observable_units,
        tuple(dict.fromkeys(measurement.references + item.references)),
        measurement.status,
        measurement.cl,
        measurement,
    )


def describe_observable(name: str, observables: str = "paper") -> tuple[str, str, tuple[str, ...]]:
    """Long name, units and references of an observable that a scan stores; raises `UnknownNameError`."""
    if name in _OBSERVABLES:
        return (*_OBSERVABLES[name][:2], _BRANCHING_REFERENCES)
    for item in _CONSTRAINTS.values():
        if name in item.derived:
            return (*item.derived[name], describe(item.name, observables).references)
    info = describe(name, observables)
    return info.observable_name, info.observable_units, info.references
