"""Fits, intervals, profiles, toys and samples of the differentiable likelihood: `zscan.fit`."""

from zscan.fit.best import FitResult, Minimum, maximum_likelihood
from zscan.fit.card import FittedCard, card_problem, fit_card
from zscan.fit.migrad import minuit
from zscan.fit.nuts import Samples, sample
from zscan.fit.problem import Normal, Parameter, Problem
from zscan.fit.profiles import Profile, intervals, profile
from zscan.fit.toys import Toys, toys

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
