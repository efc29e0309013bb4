"""From a model and (m_X, g_X, eps) to the couplings of every fermion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from zscan.constants import E_CHARGE
from zscan.errors import ModelError, ParameterError, nearest
from zscan.kernels.mixing import LEPTON_MASSES, lepton_loop
from zscan.model import GENERATIONS, Model, load_model
from zscan.precision import as_float64, in_float64

CHARGE_NAMES = tuple(f"charge.{species}.{name}" for species, names in GENERATIONS.items() for name in names)


class FermionCoupling(NamedTuple):
    """X_a fbar gamma^a (V + A gamma5) f."""

    V: Array
    A: Array


class Couplings(NamedTuple):
    """Couplings of X to the fermions (a pytree); neutrinos are left-handed, X_a g_nu nubar gamma^a P_L nu.

    Every leaf has its own shape, broadcastable against m_X, g_X and eps: what does not depend on m_X does not carry its
    axis.
    """

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


@in_float64
def couplings(
    model: Model | str,
    m_X: ArrayLike,
    g_X: ArrayLike,
    eps: ArrayLike | None = None,
    *,
    q2: ArrayLike | None = None,
    charges: Mapping[str, ArrayLike] | None = None,
) -> Couplings:
    """Vector and axial couplings of all fermions for the interaction X_mu (g_X J_X^mu + eps e J_em^mu), Q_e = -1.

    g_V = g_X (q_L + q_R)/2 + eps e Q, g_A = g_X (q_R - q_L)/2, g_nu = g_X q_L. The mixing is the model's own (number,
    ratio to g_X and loop) plus the argument `eps`. The loop depends on q2 [GeV^2]: None means on shell, q2 = m_X^2,
    for production and decay; pass 0 (or the negative momentum transfer) for scattering. For q2 > 0 the complex loop
    enters as one real number, its modulus with the sign of its value at q2 = 0; for q2 <= 0 it is real.

    m_X [GeV], g_X, eps and q2 broadcast against each other (for "dark-photon", g_X is read as eps). `charges`
    overrides single charges of the model, keys as "charge.L.mu", values numbers or arrays. Everything is
    differentiable in m_X, g_X, eps and the charges. Raises `UnknownNameError`, `ModelError`, `ParameterError` (unknown
    charge; a lepton charge overridden while the model's loop sums over its own lepton charges).
    Source: arXiv:2107.07518 sec. 3.1, app. A; arXiv:2006.11225.

    >>> x = couplings("B-3Lmu", m_X=0.1, g_X=1e-3)
    >>> round(float(x.mu.V), 12), round(float(x.u.V), 12), float(x.nu_e)
    (-0.003, 0.000333333333, 0.0)
    """
    loaded = load_model(model)
    if not isinstance(loaded, Model):
        raise ModelError(f"{loaded.name} has no charges; its couplings are parameters (zscan.effective)")
    model = loaded
    for name in charges or {}:
        if name not in CHARGE_NAMES:
            raise ParameterError(f"charge {name!r} is not known; allowed: {nearest(name, CHARGE_NAMES)}")
        if model.loop == "leptons" and name.split(".")[1] in "LE":
            raise ParameterError(f"{name}: the model's loop 'leptons' needs lepton charges that sum to zero")
    overridden = dict(charges or {})
    arrays = as_float64(m_X, g_X, 0.0 if eps is None else eps, 0.0 if q2 is None else q2, *overridden.values())
    m_X, g_X, eps, q2_array = arrays[:4]
    q: dict[str, Array | float] = {name: float(model.charge(*name.split(".")[1:])) for name in CHARGE_NAMES}
    q |= zip(overridden, arrays[4:], strict=True)

    mixing = eps + model.eps + model.mixing_ratio * g_X
    if model.loop != "none":
        mixing = mixing + g_X * _loop(model, m_X**2 if q2 is None else q2_array)

    def fermion(left: str, right: str, electric: float) -> FermionCoupling:
        q_L, q_R = q[f"charge.{left}"], q[f"charge.{right}"]
        return FermionCoupling(g_X * ((q_L + q_R) / 2) + mixing * (E_CHARGE.value * electric), g_X * ((q_R - q_L) / 2))

    def generations(doublet: str, singlet: str, electric: float) -> list[FermionCoupling]:
        pairs = zip(GENERATIONS[doublet], GENERATIONS[singlet], strict=True)
        return [fermion(f"{doublet}.{left}", f"{singlet}.{right}", electric) for left, right in pairs]

    e, mu, tau = generations("L", "E", -1.0)
    u, c, t = generations("Q", "U", 2 / 3)
    d, s, b = generations("Q", "D", -1 / 3)
    neutrinos = (g_X * q[f"charge.L.{name}"] for name in GENERATIONS["L"])
    return Couplings(e, mu, tau, u, d, s, c, b, t, *neutrinos)


@in_float64
def muon_couplings(g_V: ArrayLike, g_A: ArrayLike, eps: ArrayLike = 0.0) -> Couplings:
    """Couplings of an X with muon couplings g_V, g_A and g_nu_mu = g_V - g_A (SU(2)_L), plus kinetic mixing eps.

    arXiv:2107.07518 Eqs. (37), (42); the other conventions are those of `couplings`.
    """
    g_V, g_A, eps = as_float64(g_V, g_A, eps)
    zero = jnp.zeros(())

    def mixed(electric: float) -> FermionCoupling:
        return FermionCoupling(eps * (E_CHARGE.value * electric), zero)

    muon = FermionCoupling(g_V + mixed(-1.0).V, g_A)
    ups, downs = [mixed(2 / 3)] * 3, [mixed(-1 / 3)] * 3
    (u, c, t), (d, s, b) = ups, downs
    return Couplings(mixed(-1.0), muon, mixed(-1.0), u, d, s, c, b, t, zero, g_V - g_A, zero)


def _loop(model: Model, q2: Array) -> Array:
    """Real eps/g_X of the model's loop, as `couplings` documents."""
    if model.loop == "mu-tau":
        vector = {"mu": 1.0, "tau": -1.0}
    else:
        vector = {name: float(model.charge("L", name) + model.charge("E", name)) / 2 for name in LEPTON_MASSES}
    loops = [(charge, *lepton_loop(q2, LEPTON_MASSES[name])) for name, charge in vector.items() if charge]
    if not loops:
        return jnp.zeros(())
    # eps/g_X = + sum_f Q_f g_V,f/g_X loop_f with Q = -1 for the charged leptons
    re = -sum((charge * real for charge, real, _ in loops), jnp.zeros(()))
    im = -sum((charge * imaginary for charge, _, imaginary in loops), jnp.zeros(()))
    at_zero = -sum(charge * math.log(LEPTON_MASSES[name]) for name, charge in vector.items())
    square = re**2 + im**2
    modulus = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    return jnp.where(q2 > 0, math.copysign(1.0, at_zero) * modulus, re)
