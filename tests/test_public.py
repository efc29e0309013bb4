"""Public names, and the float64 policy."""

import importlib
import inspect
import subprocess
import sys

import pytest

import zscan


def test_public_names_exist():
    assert set(zscan.__all__) == {
        "Couplings",
        "Likelihood",
        "Model",
        "bibtex",
        "charges",
        "couplings",
        "enable_x64",
        "errors",
        "evaluate",
        "fit",
        "open_fit",
        "kernels",
        "limits",
        "list_models",
        "load_model",
        "log_likelihood",
        "merge_scan",
        "open_scan",
        "run_scan",
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
assert jax.jit(zscan.kernels.g2.delta_a_mu)(0.1, 1e-3, 0.0) == value
"""
    subprocess.run([sys.executable, "-c", code], check=True)
