"""Names, files and tables to models; every model type keeps the interface."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import zscan
from zscan.errors import ModelError, ParameterError, UnknownNameError
from zscan.models import ModelType, all_parameters, list_models, load_charged, load_model

EFFECTIVE = ("muon-effective", "muon-resonance", "radiative-muon-mass")
SECOND = {"g_X": 1e-3, "g_V": 1e-3, "width_over_m_X": 0.1, "M_1": 2e3}


@pytest.mark.parametrize("name", [*list_models(), *EFFECTIVE])
def test_every_type_keeps_the_interface(name: str) -> None:
    model = load_model(name)
    assert isinstance(model, ModelType)
    assert load_model(model.to_table() if name in EFFECTIVE else model) is model
    assert set(model.axis_order) == set(model.required) <= set(model.parameters)
    assert set(model.masses) <= set(model.parameters)
    assert model.coupling is None or model.coupling in model.required
    assert set(model.parameters) <= set(all_parameters())
    first, second = model.required
    values = {first: jnp.asarray(1.0), second: jnp.asarray(SECOND.get(second, 1.0))}
    model.check(values)
    point = model.point(values)
    assert set(point.predictions) <= set(model.constraints or ("r_k",))
    for missing in model.required:
        with pytest.raises(ParameterError, match=f"{missing} is needed"):
            model.check({key: value for key, value in values.items() if key != missing})
    with pytest.raises(UnknownNameError, match="not a parameter of"):
        model.check(values | {"m_Y": jnp.asarray(1.0)})


def test_a_model_without_couplings_says_so() -> None:
    point = load_model("muon-resonance").point(
        {"m_X": jnp.ones(()), "width_over_m_X": jnp.ones(())}
    )
    for kind in ("on_shell", "virtual", "width", "branching_ratios"):
        with pytest.raises(UnknownNameError, match="no couplings of X"):
            getattr(point, kind)
    with pytest.raises(ModelError, match="muon-effective has no charges"):
        load_charged("muon-effective")
    with pytest.raises(ModelError, match="muon-effective has no charges"):
        zscan.couplings("muon-effective", 1.0, 1e-3)


@pytest.mark.parametrize(
    "wrong", [3, None, {"name": ["x"]}, {"name": "muon-effective", "L": 1, "M": 2}]
)
def test_what_is_no_model_is_refused(wrong: object) -> None:
    with pytest.raises(ModelError):
        load_model(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "first", "second", "others"),
    [
        ("Lmu-Ltau", 0.1, 1e-3, {"g_Y": 1.0}),
        ("muon-resonance", 1.0, 0.1, {"eps": 1e-3}),
        ("radiative-muon-mass", 1e3, 2e3, {"m_X": 1.0}),
    ],
)
def test_unknown_parameters_are_named_in_evaluate(model, first, second, others) -> None:  # type: ignore[no-untyped-def]
    (name,) = others
    with pytest.raises(UnknownNameError, match=f"{name!r} is not a parameter of {model}"):
        zscan.evaluate(model, first, second, others=others)


def test_unknown_observables_and_wrong_kinds_are_named() -> None:
    f = zscan.log_likelihood("Lmu-Ltau", ["delta_a_mu"])
    with pytest.raises(UnknownNameError, match="unknown observable 'x12'"):
        f.terms_and_observables({"m_X": 0.1, "g_X": 1e-3}, ["x12"])
    with pytest.raises(ParameterError, match="m_X = a"):
        zscan.evaluate("Lmu-Ltau", "a", 1e-3)  # type: ignore[arg-type]


def test_what_the_model_itself_predicts_is_described() -> None:
    f = zscan.log_likelihood("radiative-muon-mass")
    _, stored = f.terms_and_observables({"M_1": 7e3, "M_2": 5e3}, ["muon_mass_coupling"])
    assert np.isfinite(stored["muon_mass_coupling"])
    info = f.describe(["muon_mass_coupling", "delta_a_mu"]).observables["muon_mass_coupling"]
    assert (info.units, "muon mass" in info.long_name) == ("1", True)
    with pytest.raises(UnknownNameError, match="muon_mass_coupling"):
        zscan.log_likelihood("Lmu-Ltau", ["delta_a_mu"]).describe(["muon_mass_coupling"])
