"""Recasts against DarkCast; K -> mu nu X against helicity amplitudes."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
from figure import Panel, Series, Stated, load

from zscan.errors import ModelWarning
from zscan.kernels import kmunux as kernel
from zscan.limits import excluded_couplings
from zscan.limits import load as load_limit
from zscan.models import Model

COUPLINGS = {
    "neutrino": (1.0, 0.0, 0.0, 0.0),
    "vector": (0.0, 1.0, 0.0, 0.0),
    "axial": (0.0, 0.0, 1.0, 0.0),
    "kaon": (0.0, 0.0, 0.0, 1.0),
    "left-handed doublet": (1.0, 0.5, -0.5, 0.0),
    "conserved current": (1.0, 1.0, 0.0, 0.0),
}


def kmunux() -> list[Panel]:
    test = load("tests/kernels/test_kmunux.py")
    m_X = np.concatenate(
        [[1.001e-4, 3e-4], np.geomspace(1e-3, 0.2, 14), [0.25, 0.3, 0.34, 0.37, 0.385]]
    )
    series = []
    for label, x in COUPLINGS.items():
        found = np.asarray(kernel.rate_ratio(m_X, *x))
        parts = [
            np.asarray(kernel.rate_ratio(m_X, *np.where(np.arange(4) == i, x, 0.0)))
            for i in range(4)
        ]
        expected = np.array([test.by_helicity_amplitudes(m, x, nodes=120) for m in m_X])
        series.append(Series(label, m_X, (found - expected) / sum(parts)))
    stated = [Stated("stated: 1e-6 of the terms", 1e-6)]
    label = "deviation over the sum of terms"
    return [Panel("$m_X$ [GeV]", label, series, stated, floor=1e-14)]


def searches() -> list[Panel]:
    """Edges of recast limits: of the curve itself, or over the original limit where the shipped
    curve is an envelope.
    """
    lower, upper, names = [], [], []
    recast, newer = load("tests/kernels/test_recast.py"), load("tests/limits/test_newer_curves.py")
    rows = [(*row, True) for row in recast.DARKCAST]
    rows += [
        (_model(newer.MODELS, model), name, m_X, edges[0], edges[1] if edges[1:] else None, False)
        for name, m_X, model, *edges in newer.DARKCAST
    ]
    for model, name, m_X, g_lo, g_hi, older in rows:
        limit = load_limit(name)
        options = {"thresholds": "darkcast"}
        if older:
            options["hadrons"] = "darkcast"
            if limit.final_states == ("invisible",):  # what DarkCast takes
                limit = dataclasses.replace(limit, reference_branching_ratio=0.99)
        low, high = (float(edge) for edge in excluded_couplings(limit, model, m_X, **options))
        if older and g_hi is None:
            low /= float(np.exp(np.interp(np.log(m_X), np.log(limit.mass), np.log(limit.value))))
        place = len(names)
        names.append(f"{name.split('_')[0]} {m_X:.3g}")
        lower.append((place, low / g_lo - 1))
        if g_hi is not None and math.isfinite(g_hi):
            upper.append((place, high / g_hi - 1))
    series = [
        Series("lower edge in g", *np.array(lower).T),
        Series("upper edge in g", *np.array(upper).T),
    ]
    stated = [Stated("tests, lower edge: 1.5 %", 0.015), Stated("tests, upper edge: 3 %", 0.03)]
    label = "relative deviation from DarkCast"
    return [Panel("limit, $m_X$ [GeV]", label, series, stated, floor=1e-6, names=names)]


def _model(models: dict, name: str) -> Model:
    """Charges of tests/limits/test_newer_curves.py as a model; thirds are exact there too."""
    quark, leptons, mixing = models[name]
    quark = "1/3" if quark == 1 / 3 else quark
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)  # of charges without right-handed neutrinos
        return Model(name, Q=quark, U=quark, D=quark, L=leptons, E=leptons, eps_over_g=mixing)
