"""Fits, intervals, profiles, toys and samples of the differentiable likelihood: `zscan.fit`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zscan.fit.best import FitResult, Minimum, maximum_likelihood
from zscan.fit.problem import Normal, Parameter, Problem
from zscan.fit.profiles import Profile, intervals, profile
from zscan.fit.toys import Toys, toys

if TYPE_CHECKING:
    from zscan.fit.card import FittedCard, card_problem, fit_card
    from zscan.fit.migrad import minuit
    from zscan.fit.nuts import Samples, sample

# Loaded on first use: cards bring figures, the others packages that may not be there
_LATER = {
    "FittedCard": "card",
    "Samples": "nuts",
    "card_problem": "card",
    "fit_card": "card",
    "minuit": "migrad",
    "sample": "nuts",
}

__all__ = [
    "FitResult",
    "FittedCard",
    "Minimum",
    "Normal",
    "Parameter",
    "Problem",
    "Profile",
    "Samples",
    "Toys",
    "card_problem",
    "fit_card",
    "intervals",
    "maximum_likelihood",
    "minuit",
    "profile",
    "sample",
    "toys",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'zscan.fit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"zscan.fit.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
