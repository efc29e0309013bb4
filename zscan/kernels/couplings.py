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

    `nu_R` are the couplings of light right-handed neutrinos, X_a g nubar gamma^a P_R nu, and `dark`
    is the width [GeV] of X into what is invisible and no neutrino; None where there is none, so
    that nothing is compiled for it. Both enter decays of X only.

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
    nu_R: tuple[Array, Array, Array] | None = None
    dark: Array | None = None
