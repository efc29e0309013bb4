"""zscan: parameter scans for light U(1)_X gauge bosons, vectorised and differentiable.

Names are loaded on first use, so that reading and plotting a map does not import jax.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from zscan import charges as charges
    from zscan import fit as fit
    from zscan import kernels as kernels
    from zscan import limits as limits
    from zscan.analysis.bounds import bounds as bounds
    from zscan.analysis.evaluation import evaluate as evaluate
    from zscan.analysis.survey.run import survey as survey
    from zscan.analysis.verdicts import verdict as verdict
    from zscan.compilation import keep_programs as keep_programs
    from zscan.constraints.base import Constraint as Constraint
    from zscan.constraints.measurements import Measurement as Measurement
    from zscan.constraints.own import constraint as constraint
    from zscan.kernels.couplings import Couplings as Couplings
    from zscan.likelihood import Likelihood as Likelihood
    from zscan.likelihood import log_likelihood as log_likelihood
    from zscan.models import Model as Model
    from zscan.models import couplings as couplings
    from zscan.models import list_models as list_models
    from zscan.models import load_model as load_model
    from zscan.precision import enable_x64 as enable_x64
    from zscan.references import bibtex as bibtex
    from zscan.results.explore import explore as explore
    from zscan.results.export import export as export
    from zscan.results.fits import open_fit as open_fit
    from zscan.results.load import open_scan as open_scan
    from zscan.scans.plot import plot as plot
    from zscan.scans.run import merge_scan as merge_scan
    from zscan.scans.run import run_scan as run_scan

_PUBLIC = {
    "Constraint": "zscan.constraints.base",
    "Couplings": "zscan.kernels.couplings",
    "Likelihood": "zscan.likelihood",
    "Measurement": "zscan.constraints.measurements",
    "Model": "zscan.models",
    "bibtex": "zscan.references",
    "bounds": "zscan.analysis.bounds",
    "constraint": "zscan.constraints.own",
    "couplings": "zscan.models",
    "enable_x64": "zscan.precision",
    "evaluate": "zscan.analysis.evaluation",
    "explore": "zscan.results.explore",
    "export": "zscan.results.export",
    "keep_programs": "zscan.compilation",
    "list_models": "zscan.models",
    "load_model": "zscan.models",
    "log_likelihood": "zscan.likelihood",
    "merge_scan": "zscan.scans.run",
    "open_fit": "zscan.results.fits",
    "open_scan": "zscan.results.load",
    "plot": "zscan.scans.plot",
    "run_scan": "zscan.scans.run",
    "survey": "zscan.analysis.survey.run",
    "verdict": "zscan.analysis.verdicts",
}
_MODULES = ("charges", "errors", "fit", "kernels", "limits")

__all__ = [*sorted(_PUBLIC), *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"zscan.{name}")
    else:
        raise AttributeError(f"module 'zscan' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
