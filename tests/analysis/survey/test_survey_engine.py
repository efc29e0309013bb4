"""Surveys with all constraints, at a few masses: what they say of survivors and of excluded points,
nothing missed on a dense grid, the table of survivors by the choice of the bounds from matter."""

import numpy as np
import pytest

import zscan
from zscan.analysis.masses import masked
from zscan.analysis.survey.engine import Engine, Entries, engine_of
from zscan.analysis.survey.run import SELECTION, survey
from zscan.analysis.survey.search import Search, kappa_grid
from zscan.charges.patterns import patterns
from zscan.constants import E_CHARGE
from zscan.constraints import data_constraints
from zscan.constraints.measurements import chi2_quantile
from zscan.constraints.selections import SELECTIONS
from zscan.kernels import nsi
from zscan.models import Model

pytestmark = pytest.mark.slow

MASSES = (0.013, 0.05, 0.12, 0.2112, 0.3)


@pytest.fixture(scope="module")
def vector():
    return patterns(SELECTION)


@pytest.fixture(scope="module")
def engine():
    return engine_of(data_constraints(), "paper")


@pytest.fixture(scope="module")
def found():
    return survey(SELECTION, masses=MASSES, progress=False)


def test_every_best_point_of_a_survivor_passes_evaluate(found):
    survivors = found.survivors()
    assert "Lmu-Ltau" in survivors
    assert 10 <= len(survivors) <= 30
    for name in survivors:
        point = found.point(name)
        rows = zscan.evaluate(found.model(name), point.m_X, point.g_X).rows
        counted = {row.constraint: row for row in rows}
        assert not any(counted[c].excluded for c in found.constraints), name
        wanted = 251e-11 + 59e-11 * point.sigma  # arXiv:2104.03281
        assert counted["delta_a_mu"].observable == pytest.approx(wanted, rel=1e-9), name


def test_a_mixing_that_cancels_the_charge_of_the_muon_explains_nothing(vector, engine):
    i = vector.index("3B-9Le-4Lmu+4Ltau")
    kappa = np.array([-4.0, np.nextafter(-4.0, -5.0), -4.0 + 1e-12, -3.9])
    entries = Entries(np.repeat(vector.rows[[i]], 4, 0), np.full(4, 0.2112), kappa)
    screened, index, details = engine.screen(entries, every=True)
    assert np.isfinite(screened.worst).tolist() == [False, False, False, True]
    assert not screened.open.any()
    assert np.isfinite(details.g_X[np.argsort(index)])[:, 0].tolist() == [False] * 3 + [True]


def test_lmu_ltau_has_the_window_of_its_verdict():
    verdict = zscan.verdict("Lmu-Ltau", points=60)
    masses = np.geomspace(1e-3, 10.0, 60)
    result = survey("max=1,vector", masses=masses, eps_over_g=(0.0, 0.0), progress=False)
    assert result.windows("Lmu-Ltau", in_masks=True) == verdict.allowed
    profiled = survey("max=1,vector", masses=masses, progress=False)
    ((low, high), *_) = profiled.windows("Lmu-Ltau")
    assert low <= verdict.allowed[0][0]
    assert high >= verdict.allowed[0][1]


def test_random_excluded_points_are_excluded_by_the_named_constraint(vector, engine):
    random = np.random.default_rng(5)
    index = random.integers(1, len(vector), 260)
    kappa = np.array([random.choice(kappa_grid(vector, i, None)) for i in index])
    m_X = np.exp(random.uniform(np.log(1e-3), np.log(8.0), len(index)))
    screened, _, details = engine.screen(Entries(vector.rows[index], m_X, kappa), every=True)
    order = np.argsort(m_X, kind="stable")  # in which details come
    g_X = details.g_X[np.argsort(order)]
    compared = 0
    for number, i in enumerate(index):
        if not 1 < screened.worst[number] < np.inf:
            continue
        charges = vector.charges(i)
        finite = sum(charges["L"]) + sum(charges["E"]) == 0
        loop = "leptons" if finite else "none"
        ratio = kappa[number] / E_CHARGE.value
        model = Model("random", **charges, eps_over_g=ratio, loop=loop)
        name = engine.names[screened.killer[number]]
        coupling = g_X[number, screened.target[number]]
        (row,) = zscan.evaluate(model, m_X[number], coupling, constraints=[name]).rows
        assert row.excluded, (vector.names[i], m_X[number], kappa[number], name)
        compared += 1
    assert compared >= 200


@pytest.mark.parametrize(
    "name", ["Lmu-Ltau", "3B-6Le+3Lmu-6Ltau", "3B-7Le-Lmu-Ltau", "3B-9Le", "3B-9Lmu"]
)
def test_a_dense_grid_finds_nothing_that_the_survey_missed(name, vector, engine):
    i, masses = vector.index(name), np.array(MASSES)
    points = Search(engine, vector, [i], masses, None).run()
    kappa = np.arange(-16.0, 16.0, 0.002) * (1 if vector.largest(i) > 1 else 0.1)
    for number, mass in enumerate(masses):
        size = len(kappa)
        entries = Entries(np.repeat(vector.rows[[i]], size, 0), np.full(size, mass), kappa)
        _, index, details = engine.screen(entries)
        left = engine.add_dear(entries.take(index), details)
        index, details = index[left], details.take(left)
        engine.add_minima(entries.take(index), details)
        passes = (details.ratio.max(axis=1) <= 1) & np.isfinite(details.g_X)
        dense = kappa[index[passes.any(axis=1)]]
        mine = points.kappa[(points.mass == number) & (points.worst <= 1)]
        assert (len(dense) > 0) <= (len(mine) > 0)
        if len(dense):
            assert mine.min() <= dense.min() + 0.01
            assert mine.max() >= dense.max() - 0.01


OF_2021 = (
    *("delta_a_mu", "trident_ccfr", "trident_nutev", "borexino", "coherent", "matter", "kmunux"),
    *(name for name in SELECTIONS["paper"] if name.startswith("searches/")),
)
BOREXINO_OF_2011 = (
    "paper; borexino.value = 1.0; borexino.error_plus = 0.085; borexino.error_minus = 0.085; "
    "borexino.excluded_above = 1.166; borexino.cl = 0.95"
)
SUN_ALONE = "matter.tautau_mumu = [-1e6, 1e6]; matter.ee_mumu = [[-1e6, 1e6]]"


def test_survivors_by_the_bound_on_matter_in_the_earth():
    """Counts of patterns with the data of 2021, within 2 and 1 standard deviations of g-2, by an
    independent prototype of `matter` (solar data in its own code, 22 masses): equal where the bound
    is a number, 12 and 12 for the joint chi2 of g-2 and matter.
    """
    engine = Engine(OF_2021, BOREXINO_OF_2011, [("matter", f"{BOREXINO_OF_2011}; {SUN_ALONE}")])
    every = patterns(SELECTION)
    # Patterns without quarks and those of one unit of B/3 in which electrons can decouple; none
    # of the others survives any of the choices
    chosen = [i for i in range(1, len(every)) if abs(every.rows[i, 0]) <= 1]
    masses = np.unique([*np.geomspace(1e-3, 10.0, 19), 0.15, 0.19, 0.21])
    masses = masses[~masked(masses, engine.summed)]
    search = Search(engine, every, chosen, masses, None)
    points = search.run()
    details = points.details
    (index,) = np.nonzero(points.number >= 0)
    index = index[np.argsort(points.number[index])]
    rows = search.rows[points.pattern[index]].astype(float)
    m_X, g_X = masses[points.mass[index]][:, None], details.g_X
    matter = engine.names.index("matter")
    others = np.delete(details.ratio, matter, axis=1).max(axis=1)
    passing = (others <= 1) & np.isfinite(g_X)
    sun = details.variants[:, 0] <= 1

    def epsilon(ratio):
        q, electron = (rows[:, [0]] * g_X, (rows[:, [2]] + rows[:, [5]]) / 2 * g_X)
        difference = (rows[:, [4]] - rows[:, [3]]) * g_X
        return np.abs(np.asarray(nsi.epsilon(m_X, electron, q, q, difference, neutron_ratio=ratio)))

    def counts(allowed):
        found = []
        for band in (2, 1):
            good = passing & allowed & (np.abs(engine.targets) <= band)
            found.append(len(np.unique(points.pattern[index[good.any(axis=1)]])))
        return tuple(found)

    delta = details.delta_chi2[:, engine.summed.index("matter")]
    assert counts(engine.targets**2 + delta < chi2_quantile(0.95)) == (12, 12)
    assert counts(sun & (epsilon(1.051) < 0.0162)) == (14, 5)
    assert counts(sun & (epsilon(1.012) < 0.0162)) == (15, 13)
    assert counts(sun & (epsilon(1.137) < 0.0162)) == (5, 3)
