"""The types that carry couplings from a model to the kernels."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array


class FermionCoupling(NamedTuple):
    """X_a fbar gamma^a (V + A gamma5) f."""

    V: Array
    A: Array


class Couplings(NamedTuple):
    """Couplings of X to the fermions (a pytree); neutrinos are left-handed, X_a g_nu nubar gamma^a
    P_L nu.

    Every leaf has its own shape, broadcastable against m_X, g_X and eps: what does not depend on
    m_X does not carry its axis."""

    e: FermionCoupling
    mu: FermionCoupling
    tau: FermionCoupling
    u: FermionCoupling
    d: FermionCoupling
    s: FermionCoupling
    c: FermionCoupling
    b: FermionCoupling
    t: FermionCoupling
    nu_e: Array
    nu_mu: Array
    nu_tau: Array
