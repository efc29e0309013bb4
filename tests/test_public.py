"""Public names, the import rules of the package, and its float64 policy."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import zscan

ROOT = Path(zscan.__file__).parent
# What each part must not import (nothing imports upward; plotting needs no jax; nothing imports the command line)
FORBIDDEN = {
    "kernels": ("zscan.likelihood", "zscan.scans", "zscan.results", "h5py", "matplotlib"),
    "results": (
        "jax",
        "zscan.scans.runner",
        "zscan.scans.spec",
        "zscan.scans.store",
        "zscan.likelihood",
        "zscan.kernels",
        "zscan.coupling",
        "zscan.parameters",
    ),
    "": ("zscan.cli",),
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_public_names_exist():
    assert set(zscan.__all__) == {
        "Couplings", "Likelihood", "Model", "bibtex", "charges", "couplings", "enable_x64", "errors", "evaluate",
            "fit", "open_fit",
        "kernels", "limits", "list_models", "load_model", "log_likelihood", "merge_scan", "open_scan", "run_scan",
        "verdict", "__version__",
    }  # fmt: skip
    for name in zscan.__all__:
        assert getattr(zscan, name) is not None
    importlib.import_module("zscan.likelihood")  # a submodule of a public name would shadow the function once imported
    assert all(not inspect.ismodule(getattr(zscan, name)) for name in zscan._PUBLIC)
    with pytest.raises(AttributeError, match="nonsense"):
        zscan.nonsense  # noqa: B018


def test_nothing_imports_upward():
    for part, forbidden in FORBIDDEN.items():
        for path in (ROOT / part).rglob("*.py"):
            if path.name == "__main__.py":  # it is the command line
                continue
            bad = [name for name in imports(path) if name.startswith(forbidden)]
            assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def test_importing_and_plotting_leave_jax_alone():
    code = (
        "import sys, zscan, zscan.results.load, zscan.results.figures; assert 'jax' not in sys.modules\n"
        "import jax; zscan.kernels.g2; assert not jax.config.jax_enable_x64"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
