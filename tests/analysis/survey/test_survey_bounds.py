"""Bounds of all patterns, and where an X could hide that couples to muons with a given strength."""

import numpy as np
import pytest

import zscan
from zscan.analysis.survey.bounds import _crossing, _last_passing, _lowest, coupling_bounds
from zscan.analysis.survey.run import survey
from zscan.limits import excluded_couplings, load

CONSTRAINTS = ("delta_a_mu", "borexino", "searches/NA64_NA642019imj")
SELECTION = "max=2,vector,flavours=all"


def test_bounds_are_those_of_single_constraints():
    masses = (0.02, 0.05, 0.2)
    found = coupling_bounds(SELECTION, masses=masses, constraints=CONSTRAINTS)
    limit = load("NA64_NA642019imj")
    for name in ("Le-Lmu", "Lmu-Ltau"):
        i = found.patterns.index(name)
        model = zscan.Model(
            "pattern", L=found.patterns.charges(i)["L"], loop="finite", **_rest(found, i)
        )
        alone, _ = excluded_couplings(limit, model, np.array(masses))
        for mass, m_X in enumerate(masses):
            bound, setter = found.g_X[i, mass], found.constraints[found.constraint[i, mass]]
            assert bound <= alone[mass] * 1.01
            assert found.smallest[i, mass] <= bound
            rows = {}
            for factor in (0.98, 1.02):
                result = zscan.evaluate(
                    model, m_X, factor * bound, constraints=CONSTRAINTS, observables="current"
                )
                rows[factor] = {row.constraint: row for row in result.rows}
            if setter == "delta_a_mu":
                values = [rows[factor]["delta_a_mu"].observable for factor in (0.98, 1.02)]
                assert values[0] < 38e-11 + 2 * 63e-11 < values[1]
            else:
                assert not rows[0.98][setter].excluded
                assert rows[1.02][setter].excluded
    assert found.csv().splitlines()[0] == "pattern,m_X,g_X,constraint,smallest,first"
    assert len(found.csv().splitlines()) == 1 + len(masses) * len(found.patterns)
    assert "largest g_X that passes every constraint" in str(found)


def test_the_largest_coupling_is_above_islands_of_excluded_ones():
    ratio = np.full((3, 2, 81), 0.1)
    ratio[0, 0, 10:20] = 5.0  # an island
    ratio[0, 1, 50:] = 2.0
    ratio[1] = 3.0  # nothing passes
    first, last = _crossing(ratio), _crossing(ratio, after=_last_passing(ratio))
    g_X, number = _lowest(last)
    grid = np.geomspace(1e-8, 1.0, 81)
    assert grid[49] < g_X[0] < grid[50]
    assert grid[9] < _lowest(first)[0][0] < grid[10]
    assert g_X[1] == pytest.approx(1e-8)
    assert np.isnan(g_X[2])
    assert number.tolist() == [1, 0, -1]


def _rest(found, i):
    charges = found.patterns.charges(i)
    return {species: charges[species] for species in "QUDEN"}


@pytest.mark.slow
def test_a_muon_coupling_is_what_is_asked_for():
    coupling = 1e-4
    found = survey(
        SELECTION,
        masses=(0.02, 0.1),
        observables="current",
        muon_coupling=coupling,
        constraints=CONSTRAINTS,
        progress=False,
    )
    assert "Lmu-Ltau" in found.survivors()
    for name in found.survivors():
        point = found.point(name)
        muon = zscan.couplings(found.model(name), point.m_X, point.g_X, q2=0.0).mu
        assert float(np.hypot(muon.V, muon.A)) == pytest.approx(coupling, rel=1e-9)
        assert np.isnan(point.sigma)
        result = zscan.evaluate(
            found.model(name), point.m_X, point.g_X, constraints=CONSTRAINTS, observables="current"
        )
        assert not any(row.excluded for row in result.rows)
    assert {choice.partition("/")[0] for choice in found.choices} == {"2sigma"}
