"""Constraints of a user: as an object, by place, by entry point; in sums, scans and fits."""

import dataclasses
import importlib
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zscan
from zscan.constraints import data_constraints, expand_constraints, measured_constraints, own
from zscan.errors import CardError, ConstraintError, ParameterError, UnknownNameError
from zscan.scans.spec import load_card

# The whole of what a user writes: the decay of a muon into an electron and an X that nobody saw
# would do as well; here the asymmetry of left- and right-handed muons, measured to vanish
MODULE = """
import zscan

@zscan.constraint(
    "muon_axial",
    measurement=zscan.Measurement(0.0, error=1e-7, cl=0.9, excluded_above=1.645e-7),
    long_name="axial coupling of the muon",
    references=("arXiv:2107.07518",),
)
def muon_axial(point):
    return (point.virtual.mu.A**2 + point.virtual.mu.V**2) / (1 + point.m_X)
"""
GRID = {
    "format": 1,
    "name": "own",
    "model": "Lmu-Ltau",
    "constraints": ["mine_for_zscan:muon_axial", "delta_a_mu"],
    "axis": {
        "g_X": {"min": 1e-4, "max": 2e-3, "num": 3, "scale": "log"},
        "m_X": {"min": 0.01, "max": 1.0, "num": 4, "scale": "log"},
    },
    "output": {"observables": ["muon_axial"]},
}
MEASUREMENT = zscan.Measurement(0.0, error=1e-7, excluded_above=2e-7)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A module in the current folder, as a user has it."""
    (tmp_path / "mine_for_zscan.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "mine_for_zscan:muon_axial"
    sys.modules.pop("mine_for_zscan", None)


def test_into_sum_scan_and_fit(place, tmp_path):
    f = zscan.log_likelihood("Lmu-Ltau", [place, "delta_a_mu"])
    assert f.constraints == f.summed == ("muon_axial", "delta_a_mu")
    terms = f.terms(0.1, 5e-4)
    observable = 2.5e-7 / 1.1
    np.testing.assert_allclose(terms["muon_axial"], (observable / 1e-7) ** 2, rtol=2e-2)
    np.testing.assert_allclose(f(0.1, 5e-4), -sum(terms.values()) / 2, rtol=1e-12)

    path = zscan.run_scan(GRID, tmp_path / "own.h5", progress=False)
    data = zscan.open_scan(path)
    m_X, g_X = data.m_X.values[:, None], data.g_X.values[None, :]
    for name, expected in f.terms(m_X, g_X).items():
        np.testing.assert_allclose(data.delta_chi2.sel(constraint=name), expected, rtol=1e-5)
    assert data["observable/muon_axial"].shape == (4, 3)
    assert "arXiv:2107.07518" in zscan.bibtex(["arXiv:2107.07518"])

    problem = zscan.fit.Problem(
        "Lmu-Ltau",
        [place, "delta_a_mu"],
        parameters={"g_X": zscan.fit.Parameter(1e-4, 1e-2, "log")},
        fixed={"m_X": 0.1},
    )
    best = zscan.fit.maximum_likelihood(problem)
    grid = np.geomspace(3e-4, 1e-3, 2001)
    scanned = grid[np.argmax(f(0.1, grid))]
    assert best.parameters["g_X"] == pytest.approx(scanned, rel=1e-3)
    assert {row.split()[0] for row in str(best).splitlines() if "muon_axial" in row} != set()


def test_verdict_and_point_know_it(place):
    row = zscan.evaluate("Lmu-Ltau", 0.1, 1e-3, constraints=[place]).rows[0]
    assert (row.constraint, row.excluded, row.cl) == ("muon_axial", True, "90 %")
    found = zscan.verdict("Lmu-Ltau", points=5, constraints=["delta_a_mu", place])
    assert set(found.killed_by) == {"muon_axial"}


def test_an_own_constraint_is_in_no_sum_unless_asked_for(place, monkeypatch):
    monkeypatch.setattr(own, "entry_points", lambda: {"theirs": place})
    assert "muon_axial" not in measured_constraints()
    assert "muon_axial" not in (*data_constraints(), *expand_constraints("*"))
    assert "muon_axial" not in zscan.log_likelihood("Lmu-Ltau", ["*axial*", "delta*"][1:]).own
    assert zscan.log_likelihood("Lmu-Ltau", "theirs").constraints == ("muon_axial",)


def test_code_and_measurement_enter_the_hash(place, tmp_path):
    def spec_hash(text):
        (tmp_path / "mine_for_zscan.py").write_text(text)
        sys.modules.pop("mine_for_zscan", None)
        importlib.invalidate_caches()
        return load_card(GRID).hash

    texts = [
        MODULE,
        MODULE.replace("(1 + point.m_X)", "(2 + point.m_X)"),
        MODULE.replace("error=1e-7", "error=2e-7"),
        MODULE.replace("references=", "m_X_range=(1e-3, 1.0), references="),
        MODULE.replace("references=", 'version="2", references='),
    ]
    hashes = [spec_hash(text) for text in texts]
    assert len(set(hashes)) == len(texts)
    assert spec_hash(MODULE) == hashes[0]


def test_digest_of_what_a_function_refers_to():
    def made(scale, power=2):
        return lambda point: scale * point.m_X**power

    table = np.arange(3.0)
    digests = {
        own.code_digest(function)
        for function in (
            made(1.0),
            made(2.0),
            made(1.0, power=3),
            made(table),
            made(table + 1),
            lambda point: 1.0 * point.m_X**2,
        )
    }
    assert len(digests) == 6
    assert own.code_digest(made(1.0)) == own.code_digest(made(1.0))


def test_range_arity_and_gradients():
    item = zscan.Constraint(
        "two",
        predict=lambda point, measured: point.virtual.mu.V * measured["delta_a_mu"].value,
        measurement=zscan.Measurement(0.0, error=1e-12),
        inputs=("delta_a_mu",),
        m_X_range=(0.5, 2.0),
    )
    f = zscan.log_likelihood("B-3Lmu", [item])
    terms = f.evaluate({"m_X": np.array([0.4, 1.0]), "g_X": 1e-3})["two"]
    assert terms.valid.tolist() == [False, True]
    assert np.isnan(terms.delta_chi2[0])
    slope = jax.grad(lambda g: f.total({"m_X": 1.0, "g_X": g}))(1e-3)
    np.testing.assert_allclose(slope, 2e-3 * (3 * 251e-11 / 1e-12) ** 2, rtol=1e-10)
    assert f.excesses({"m_X": 1.0, "g_X": 1e-3}) == {}, "a measurement without a limit"


def test_one_point_per_call_is_a_fault_and_so_is_what_it_raises():
    def constraint(function, **others):
        return zscan.Constraint("bad", predict=function, measurement=MEASUREMENT, **others)

    for function, message in (
        (lambda point: point.mass, "bad: AttributeError.*mass"),
        (lambda point: {}["x"], "bad: KeyError"),
        (lambda point: jnp.zeros(3), r"shape \(3,\) at one point"),
        (lambda point: point.virtual.mu.V / point.virtual.e.V, "nan at zero coupling"),
        (lambda point: "x", "bad: "),
    ):
        with pytest.raises(ConstraintError, match=message):
            zscan.log_likelihood("Lmu-Ltau", [constraint(function)])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "no spaces"}, "its name"),
        ({"predict": 3}, "predict = 3"),
        ({"predict": lambda a, b, c: 0}, "takes a point"),
        ({"measurement": 1.0}, "a zscan.Measurement"),
        ({"m_X_range": (2.0, 1.0)}, "m_X_range"),
        ({"references": (3,)}, "references"),
    ],
)
def test_unusable_fields_are_named(fields, message):
    usable = {"name": "mine", "predict": lambda point: point.m_X, "measurement": MEASUREMENT}
    with pytest.raises(ConstraintError, match=message):
        zscan.Constraint(**usable | fields)


def test_names_that_clash_or_lead_nowhere(place):
    usable = zscan.Constraint("mine", predict=lambda point: point.m_X, measurement=MEASUREMENT)
    for item, error, message in (
        (dataclasses.replace(usable, name="borexino"), ConstraintError, "zscan has one"),
        (dataclasses.replace(usable, references="Nobody:2020"), ConstraintError, "Nobody:2020"),
        (dataclasses.replace(usable, inputs=("borexion",)), ConstraintError, "did you mean"),
        ("mine_for_zscan:muon_axal", UnknownNameError, "did you mean 'muon_axial'"),
        ("mine_for_zscan:zscan", ConstraintError, "no zscan.Constraint"),
        ("nobody_has_this:x", UnknownNameError, "no module 'nobody_has_this'"),
        ("a b:c", UnknownNameError, "no place of a constraint"),
        (3, UnknownNameError, "3 is no constraint"),
    ):
        with pytest.raises(error, match=message):
            zscan.log_likelihood("Lmu-Ltau", [item])
    with pytest.raises(ConstraintError, match="given twice"):
        zscan.log_likelihood("Lmu-Ltau", [usable, dataclasses.replace(usable, version="2")])
    with pytest.raises(CardError) as caught:
        load_card(GRID | {"constraints": ["delta_a_mu", "mine_for_zscan:absent"], "output": {}})
    assert [fault.path for fault in caught.value.faults] == ["constraints.1"]


def test_measurements_are_checked():
    for arguments, message in (
        ({"error": 0.0}, "not positive"),
        ({"error": 1.0, "error_plus": 1.0}, "an error, or error_plus and error_minus"),
        ({"error_minus": 1.0}, "an error, or error_plus and error_minus"),
        ({}, "error_plus = nan"),
        ({"error": 1.0, "cl": 90.0}, "cl = 90"),
        ({"error": "1"}, "error_plus = '1'"),
    ):
        with pytest.raises(ParameterError, match=message):
            zscan.Measurement(1.0, **arguments)
    assert zscan.Measurement(1.0, 0.2).error_minus == 0.2


def test_check_of_a_card(place, capsys):
    from zscan.cli import main
    from zscan.scans.check import check_card

    found = check_card(GRID)
    (item,) = found.own
    assert (found.points, item.points, item.applies) == (12, 12, 12)
    assert item.depends_on == ("m_X", "g_X")
    assert not item.warnings
    assert "no fault" in str(found)
    Path("card.toml").write_text(zscan.scans.cards.to_toml(GRID))  # where the module stands
    assert main(["check", "card.toml", "--set", "axis.m_X.num=5"]) == 0
    assert f"muon_axial ({place}): shapes, values and gradients" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda point: jnp.sqrt(point.virtual.mu.V - 1e-3), "not finite at .* points"),
        (lambda point: jnp.where(point.virtual.mu.V > 0, 1.0, 0.0) * np.ones(2), "shape"),
        (lambda point: point.virtual.mu.V if point.m_X.max() > 0 else 0.0, "TracerBool"),
        (lambda point: jnp.sqrt(jnp.abs(point.virtual.mu.V * (point.m_X - 0.01))), "gradient"),
    ],
)
def test_check_finds_what_a_scan_or_a_fit_would_not_survive(function, message):
    from zscan.scans.check import check_card

    item = zscan.Constraint(
        "bad", predict=lambda point: _zero(point, function), measurement=MEASUREMENT
    )
    with pytest.raises(CardError, match=message) as caught:
        check_card(GRID | {"constraints": [item], "output": {}})
    assert {fault.path for fault in caught.value.faults} == {"constraints.bad"}


def _zero(point, function):
    """A function that is harmless at zero coupling, where every likelihood looks first."""
    if isinstance(point.virtual.mu.V, jax.core.Tracer):
        return function(point)
    return function(point) if np.any(point.virtual.mu.V) else 0.0


def test_check_warns_of_what_constrains_nothing():
    from zscan.scans.check import check_card

    far = zscan.Constraint(
        "far",
        predict=lambda point: point.virtual.mu.V,
        measurement=MEASUREMENT,
        m_X_range=(10.0, 20.0),
    )
    flat = zscan.Constraint("flat", predict=lambda point: 1.0, measurement=MEASUREMENT)
    found = check_card(GRID | {"constraints": [far, flat], "output": {}})
    assert [item.applies for item in found.own] == [0, 12]
    assert "applies nowhere on the grid" in str(found)
    assert "depends on none of the axes" in str(found)


def test_the_example_of_the_documentation(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "own.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(# mine.py\n.*?)```", text, flags=re.DOTALL)[1]
    assert len(code.splitlines()) <= 16, "15 lines and the name of the file"
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    found = own.find("mine:delta_a_tau")
    sys.modules.pop("mine")
    f = zscan.log_likelihood("Lmu-Ltau,loop=none", [found])
    term = f.evaluate({"m_X": 1e-3, "g_X": 0.5})["delta_a_tau"]
    # a light X: g_V^2/(8 pi^2)
    assert float(term.observable) == pytest.approx(0.25 / (8 * np.pi**2), rel=5e-3)
    assert float(term.delta_chi2) == pytest.approx(
        ((float(term.observable) + 3e-4) / 3.2e-3) ** 2 - (3e-4 / 3.2e-3) ** 2, rel=1e-9
    )
    model = re.search(r"```toml\n(# mine.toml\n.*?)```", text, flags=re.DOTALL)[1]
    (tmp_path / "mine.toml").write_text(model)
    assert zscan.load_model(tmp_path / "mine.toml").g_chi_over_g == 5
    future = re.search(r"```toml\n(# future.toml.*?)```", text, flags=re.DOTALL)[1]
    (tmp_path / "future.toml").write_text(future)
    g = zscan.log_likelihood("Lmu-Ltau", ["delta_a_mu"], tmp_path / "future.toml")
    assert g.measured["delta_a_mu"].status == "published"
