"""The same problem for iminuit: MIGRAD, HESSE and MINOS with our gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from zscan.errors import MissingExtraError, UnknownNameError, nearest
from zscan.fit.best import start_points
from zscan.fit.problem import Problem
from zscan.precision import in_float64

if TYPE_CHECKING:
    from iminuit import Minuit

_LOOKS = 256
_TOLERANCE = 1e-3  # estimated distance to the minimum below 2e-6, 1e-3 standard deviations


@in_float64
def minuit(
    problem: Problem, start: Mapping[str, float] | None = None, *, minos: bool = True
) -> Minuit:
    """An `iminuit.Minuit` of `problem`, after MIGRAD, HESSE and, if `minos`, MINOS; needs the extra
    `fit`.

    It minimises chi2 (errordef 1) in the parameters themselves, with limits and our gradient, from
    `start` or else from the lowest of 256 points between the bounds. The object is iminuit's own:
    `.values`, `.errors`, `.merrors`, `.valid`, `.draw_mncontour()`. Raises `MissingExtraError`
    without iminuit, `UnknownNameError` for an unknown name."""
    try:
        from iminuit import Minuit
    except ImportError as error:
        raise MissingExtraError("minuit() needs iminuit: pip install 'zscan[fit]'") from error
    names = problem.names
    for name in start or {}:
        if name not in names:
            raise UnknownNameError(f"{name!r} is not a free parameter: {nearest(name, names)}")
    units = start_points(problem, _LOOKS, 0)
    looks = np.asarray(problem.values(list(jnp.asarray(units))))
    lowest = units[:, int(np.nanargmin(looks))]
    values = problem.at(lowest) | dict(start or {})

    def chi2(x: np.ndarray) -> float:
        with jax.enable_x64(True):
            return float(problem.value_and_gradient(np.asarray(x))[0])

    def gradient(x: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(problem.value_and_gradient(np.asarray(x))[1])

    fit = Minuit(chi2, np.array([values[name] for name in names]), grad=gradient, name=names)
    fit.errordef = Minuit.LEAST_SQUARES
    fit.tol = _TOLERANCE
    for name in names:
        bounded = problem.bounded(name)
        fit.limits[name] = (bounded.min, bounded.max)
    fit.migrad()
    fit.hesse()
    if minos and fit.valid:
        fit.minos()
    return fit
