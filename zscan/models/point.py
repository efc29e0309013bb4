"""What a constraint sees of a model at the points of a grid, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from zscan.errors import UnknownNameError
from zscan.kernels import widths
from zscan.kernels._blocks import stored
from zscan.kernels.couplings import Couplings

# Measurements by name of the constraint, see `zscan.constraints.Measurement`
Measured = Mapping[str, Any]


class Prediction(NamedTuple):
    """An observable, further ones that come with it by name, and where the prediction applies.

    `chi2_zero` is chi2 at zero coupling where that depends on the point; delta chi2 is relative to
    it as well."""

    observable: Array
    derived: Mapping[str, Array] = {}
    applies: Array | bool = True
    chi2_zero: Array | float = 0.0


class Point:
    """Points of parameter space: the mass m_X [GeV] and the couplings of X, arrays that broadcast.

    `on_shell` are the couplings at q2 = m_X^2, for production and decay, `virtual` those at q2 = 0,
    for scattering and loops; both raise `UnknownNameError` for a model without them. `g_sb`, `g_sd`
    and `g_bd` are the b -> s, s -> d and b -> d couplings, real or complex, None where there is
    none; of g_sd the imaginary part may be given as `g_sd_imag`. `anomaly` are g_X A_W and g_X A_B
    of a current whose anomaly is emitted (`zscan.charges.anomaly_coefficients`). `predictions` are
    those that the model type makes itself, by name of the constraint, in place of the constraint's
    own. Made by the `point` of a model type."""

    def __init__(
        self,
        m_X: Array,
        on_shell: Couplings | None = None,
        virtual: Couplings | None = None,
        *,
        g_sb: Array | None = None,
        g_sd: Array | None = None,
        g_sd_imag: Array | None = None,
        g_bd: Array | None = None,
        anomaly: tuple[Array, Array] | None = None,
        predictions: Mapping[str, Callable[[Point, Measured], Prediction]] | None = None,
    ) -> None:
        self.m_X = m_X
        self.g_sb, self.g_bd = g_sb, g_bd
        self.g_sd, self.anomaly = g_sd, anomaly
        if g_sd_imag is not None:
            real = jnp.zeros_like(g_sd_imag) if g_sd is None else g_sd
            self.g_sd = jax.lax.complex(*jnp.broadcast_arrays(real, g_sd_imag))
        self.predictions = dict(predictions or {})
        self._on_shell, self._virtual = on_shell, virtual

    @property
    def on_shell(self) -> Couplings:
        """Couplings at q2 = m_X^2."""
        return _present(self._on_shell)

    @property
    def virtual(self) -> Couplings:
        """Couplings at q2 = 0."""
        return _present(self._virtual)

    @cached_property
    def width(self) -> Array:
        """Total width of X [GeV]."""
        return stored(widths.total_width(self.m_X, self.on_shell))

    @cached_property
    def branching_ratios(self) -> dict[str, Array]:
        """Branching ratios of X by channel, finite also where `hadrons_known` is False."""
        return widths.branching_ratios(self.m_X, self.on_shell)

    @property
    def invisible(self) -> Array:
        """Branching ratio of X into neutrinos and a dark channel."""
        return widths.invisible(self.branching_ratios)

    @cached_property
    def hadrons_known(self) -> Array:
        """Whether hadronic widths are known well enough for branching ratios and lifetimes, see
        `zscan.kernels.widths.hadrons_known`; a constraint that rests on them applies only there.
        """
        return widths.hadrons_known(self.m_X, self.on_shell)


def _present(couplings: Couplings | None) -> Couplings:
    if couplings is None:
        raise UnknownNameError(
            "the model has no couplings of X: only its own constraints and their observables apply"
        )
    return couplings
