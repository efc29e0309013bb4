"""Constraints from neutrinos: trident production, scattering on electrons and nuclei, propagation
in matter.

Scattering takes the couplings at q2 = 0. For CHARM-II, q2 = -2 m_e T = -0.012 GeV^2 on average,
which makes the mixing from a muon-tau loop 3.5 % smaller; that is neglected."""

from __future__ import annotations

import jax.numpy as jnp

from zscan.constraints.base import Constraint, Measured, Point, Prediction
from zscan.kernels import borexino, coherent, matter, nsi, scattering, trident

_TRIDENT_THEORY = ("Altmannshofer:2014pba", "Altmannshofer:2019zhy", "DeVries:1987atn")
_TRIDENT_RATIO = "sigma / sigma_SM (nu_mu trident)"


def _trident(point: Point, _: Measured) -> Prediction:
    x = point.virtual
    return Prediction(trident.cross_section_ratio(point.m_X, x.mu.V, x.mu.A, x.nu_mu))


def _borexino(point: Point, _: Measured) -> Prediction:
    x = point.virtual
    rate = borexino.rate_ratio(point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_e, x.nu_mu, x.nu_tau)
    return Prediction(rate)


def _charm2(point: Point, measured: Measured) -> Prediction:
    x, options = point.virtual, measured["charm2"].options
    return Prediction(
        scattering.charm2_chi2(point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_mu, **options)
    )


def _texono(point: Point, _: Measured) -> Prediction:
    x = point.virtual
    rate = scattering.rate_ratio("texono", point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_e)
    return Prediction(rate)


def _lsnd_nue(point: Point, _: Measured) -> Prediction:
    x = point.virtual
    rate = scattering.rate_ratio("lsnd", point.m_X, x.e.V - x.e.A, x.e.V + x.e.A, x.nu_e)
    return Prediction(rate)


def _coherent(point: Point, _: Measured) -> Prediction:
    x = point.virtual
    return Prediction(coherent.chi2(point.m_X, x.u.V, x.d.V, x.nu_e, x.nu_mu))


def _nsi(point: Point, measured: Measured) -> Prediction:
    """|eps_tautau - eps_mumu| in the Earth over its 95 % bound; the bound and the Y_n that it is
    read with are options of the measurement.

    It does not apply where nothing else than eps_ee acts, or nothing at all."""
    x, options = point.virtual, measured["nsi"].options
    tau_mu, ratio = x.nu_tau - x.nu_mu, options["neutron_ratio"]
    eps = nsi.epsilon(point.m_X, x.e.V, x.u.V, x.d.V, tau_mu, neutron_ratio=ratio)
    c, n = matter.matter_charges(x.e.V, x.u.V, x.d.V)
    acts = (tau_mu != 0) & ((c != 0) | (n != 0))
    none = (x.nu_e == 0) & (x.nu_mu == 0) & (x.nu_tau == 0)
    return Prediction(jnp.abs(eps) / options["tautau_mumu"], applies=acts | none)


def _matter(point: Point, measured: Measured) -> Prediction:
    """chi2 of Sun and Earth; intervals and Y_n of the Earth are options of the measurement."""
    x = point.virtual
    couplings = x.e.V, x.u.V, x.d.V, x.nu_e, x.nu_mu, x.nu_tau
    return Prediction(matter.chi2(point.m_X, *couplings, **measured["matter"].options))


CONSTRAINTS = (
    Constraint("trident_ccfr", "neutrino trident, CCFR", _TRIDENT_RATIO, _trident, _TRIDENT_THEORY),
    Constraint(
        "trident_nutev", "neutrino trident, NuTeV", _TRIDENT_RATIO, _trident, _TRIDENT_THEORY
    ),
    Constraint(
        "borexino",
        "solar 7Be neutrino-electron scattering, Borexino",
        "rate / SM rate (7Be)",
        _borexino,
        ("Harnik:2012ni", "Esteban:2020cvm"),
    ),
    Constraint(
        "charm2",
        "muon neutrino-electron scattering, neutrinos and antineutrinos, CHARM-II",
        "chi2 (two rates over their SM values)",
        _charm2,
        ("Harnik:2012ni", "Bauer:2018onh"),
    ),
    Constraint(
        "texono",
        "reactor antineutrino-electron scattering, TEXONO",
        "rate / SM rate (reactor antinu_e)",
        _texono,
        ("Harnik:2012ni", "Mueller:2011nm"),
    ),
    Constraint(
        "lsnd_nue",
        "electron neutrino-electron scattering, LSND",
        "rate / SM rate (nu_e of muon decay)",
        _lsnd_nue,
        ("Harnik:2012ni",),
    ),
    Constraint(
        "coherent",
        "coherent elastic neutrino-nucleus scattering, COHERENT CsI",
        "chi2 (profiled over three pulls)",
        _coherent,
        (),
    ),
    Constraint("nsi", "neutrino oscillations in matter", "eps / its 95 % bound", _nsi, ()),
    Constraint(
        "matter",
        "neutrinos in matter: Sun with KamLAND, Earth",
        "chi2 (profiled over theta_12, Dm2_21, 8B flux)",
        _matter,
        ("Gonzalez-Garcia:2013usa", "Vinyoles:2016djt", "Winter:2004kf"),
    ),
)
