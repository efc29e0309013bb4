"""Public names, and the float64 policy."""

import importlib
import inspect
import subprocess
import sys

import pytest

import zscan

# What each package offers; packages without names are imported by module
PACKAGES = {
    "analysis": "Evaluation Verdict bounds evaluate verdict",
    "charges": (
        "ANOMALY_NAMES Charge Charges MAX_ENUMERATED Rows ThirdFamily anomalies "
        "anomaly_coefficients anomaly_sums canonical checked_max_charge classify "
        "enumerate_universal exact exact_triple expand integer_rows "
        "sorted_rows third_family third_family_muons third_family_muoquark unique_charges"
    ),
    "constraints": (
        "ALTERNATIVES Asked Constraint ConstraintInfo ExclusionRule Measurement ObservableInfo "
        "Observables Own SEARCHES constraint constraint_names data_constraints "
        "derived_observables describe describe_observable expand_constraints find_constraints "
        "general_observable is_projection measured_constraints measured_values measurements "
        "observable_set observable_sets observables_of predict with_inputs"
    ),
    "fit": (
        "FitResult FittedCard Minimum Normal Parameter Problem Profile Samples Toys "
        "card_problem fit_card intervals maximum_likelihood minuit profile sample toys"
    ),
    "kernels": (
        "borexino btokx charm coherent cosmology fcnc g2 hadrons kmunux matter meson_mixing "
        "mixing muoquark nsi recast rk running scattering trident widths"
    ),
    "limits": (
        "Limit LimitError LimitWarning MissingLimit ProductionTable add delta_chi2 "
        "excluded_couplings import_darkcast limit_row limit_table list_limits load missing "
        "missing_table register signal_strength signal_strengths user_folder write_limit "
        "write_limits"
    ),
    "models": (
        "ADDED_PARAMETERS CHARGE_NAMES CHARGE_PARAMETERS GENERATIONS Measured Model ModelType "
        "ParameterInfo Point Prediction SPECIES THEORY_PARAMETERS all_parameters couplings "
        "list_models load_charged load_model muon_couplings"
    ),
    "optimise": "",
    "results": "",
    "results.explore": "explore",
    "results.figures": "FIGURES FigureSpec draw save",
    "scans": "",
}


def test_public_names_exist():
    assert set(zscan.__all__) == {
        "Constraint",
        "Couplings",
        "Likelihood",
        "Measurement",
        "Model",
        "bibtex",
        "bounds",
        "charges",
        "constraint",
        "couplings",
        "enable_x64",
        "errors",
        "evaluate",
        "explore",
        "export",
        "fit",
        "open_fit",
        "kernels",
        "limits",
        "keep_programs",
        "list_models",
        "load_model",
        "log_likelihood",
        "merge_scan",
        "open_scan",
        "plot",
        "run_scan",
        "survey",
        "verdict",
        "__version__",
    }
    for name in zscan.__all__:
        assert getattr(zscan, name) is not None
    importlib.import_module(
        "zscan.likelihood"
    )  # a submodule of a public name would shadow the function once imported
    assert all(not inspect.ismodule(getattr(zscan, name)) for name in zscan._PUBLIC)
    with pytest.raises(AttributeError, match="nonsense"):
        zscan.nonsense  # noqa: B018


def test_eager_calls_are_float64_and_float32_traces_are_refused():
    code = """
import jax, numpy as np, zscan
from zscan.errors import PrecisionError
value = zscan.kernels.g2.delta_a_mu(0.1, 1e-3, 0.0)
assert value.dtype == np.float64 and not jax.config.jax_enable_x64
for traced in (jax.jit(zscan.kernels.g2.delta_a_mu), jax.grad(zscan.log_likelihood("Lmu-Ltau"))):
    try:
        traced(0.1, 1e-3, 0.0)
    except PrecisionError as error:
        assert "enable_x64" in str(error)
    else:
        raise AssertionError("a float32 trace was accepted")
zscan.enable_x64()
compiled = jax.jit(zscan.kernels.g2.delta_a_mu)(0.1, 1e-3, 0.0)
assert abs(compiled - value) < 1e-14 * value
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", PACKAGES)
def test_names_of_packages_are_pinned(package):
    module = importlib.import_module(f"zscan.{package}")
    names = set(PACKAGES[package].split())
    assert set(getattr(module, "__all__", ())) == names
    for name in names:
        assert getattr(module, name) is not None
