"""Surveys with all constraints, at a few masses: what they say of survivors and of excluded points,
nothing missed on a dense grid, the table of survivors by the choice of the bounds from matter."""

import numpy as np
import pytest

import zscan
from zscan.analysis.survey.engine import Entries, engine_of
from zscan.analysis.survey.run import SELECTION, survey
from zscan.analysis.survey.search import Search, kappa_grid
from zscan.charges.patterns import patterns
from zscan.constants import E_CHARGE
from zscan.constraints import data_constraints
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
        counted = {row.constraint: row.excluded for row in rows}
        assert not any(counted[c] for c in found.constraints), name


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
    "delta_a_mu",
    "trident_ccfr",
    "trident_nutev",
    "borexino",
    "coherent",
    "matter",
    "kmunux",
    "searches/*",
)
BOREXINO_OF_2011 = (
    "paper; borexino.value = 1.0; borexino.error_plus = 0.085; borexino.error_minus = 0.085; "
    "borexino.excluded_above = 1.166; borexino.cl = 0.95"
)
