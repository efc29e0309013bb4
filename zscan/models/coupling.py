"""From charges and kinetic mixing to the couplings of every fermion."""

from __future__ import annotations

import math
from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from zscan.constants import E_CHARGE
from zscan.kernels.couplings import Couplings, FermionCoupling
from zscan.kernels.mixing import LEPTON_MASSES, lepton_loop
from zscan.models import dark
from zscan.models.charge_parameters import GENERATIONS
from zscan.models.charged import LOOP_LEPTONS, Loop, Model
from zscan.precision import as_float64, in_float64

_ROUNDING = 1e-12  # relative; below it a sum of charges is zero


@in_float64
def charged_couplings(
    charges: Mapping[str, float],
    changed: Mapping[str, ArrayLike],
    m_X: ArrayLike,
    g_X: ArrayLike,
    eps: ArrayLike | None,
    q2: ArrayLike | None,
    mixing: tuple[float, float, Loop, ArrayLike],
    *,
    right: bool = False,
) -> Couplings:
    """Couplings of a charged model, see `zscan.couplings`; `charges` by name as "L.mu" or
    "vector.u", of which some are `changed`.

    `mixing` is the model's own: eps, eps over g_X, the loop and its factor; `right` says that
    right-handed neutrinos are light."""
    own_eps, own_ratio, loop, factor = mixing
    given = (m_X, g_X, 0.0 if eps is None else eps, 0.0 if q2 is None else q2, *changed.values())
    m_X, g_X, eps, q2_array, *arrays = as_float64(*given)
    q: dict[str, Array | float] = {**charges, **dict(zip(changed, arrays, strict=True))}
    total = eps + own_eps + own_ratio * g_X
    mixed = _loop(loop, q, m_X**2 if q2 is None else q2_array)
    if mixed is not None:
        (factor,) = (1.0,) if isinstance(factor, float) and factor == 1 else as_float64(factor)
        total = total + (g_X if isinstance(factor, float) else factor * g_X) * mixed

    def fermion(name: str, left: str, right: str, electric: float) -> FermionCoupling:
        q_L, q_R = q[left], q[right]
        V = g_X * ((q_L + q_R) / 2) + total * (E_CHARGE.value * electric)
        A = g_X * ((q_R - q_L) / 2)
        for kind in ("vector", "axial"):
            more = q.get(f"{kind}.{name}")
            if more is not None:
                V, A = (V + g_X * more, A) if kind == "vector" else (V, A + g_X * more)
        return FermionCoupling(V, A)

    def generations(doublet: str, singlet: str, electric: float) -> list[FermionCoupling]:
        pairs = zip(GENERATIONS[doublet], GENERATIONS[singlet], strict=True)
        return [
            fermion(right, f"{doublet}.{left}", f"{singlet}.{right}", electric)
            for left, right in pairs
        ]

    e, mu, tau = generations("L", "E", -1.0)
    u, c, t = generations("Q", "U", 2 / 3)
    d, s, b = generations("Q", "D", -1 / 3)
    nu_e, nu_mu, nu_tau = (
        g_X * (q[f"L.{name}"] + q.get(f"vector.nu_{name}", 0.0)) for name in GENERATIONS["L"]
    )
    light = (g_X * q["N.1"], g_X * q["N.2"], g_X * q["N.3"]) if right else None
    return Couplings(e, mu, tau, u, d, s, c, b, t, nu_e, nu_mu, nu_tau, light)


def _loop(loop: Loop, q: Mapping[str, Array | float], at: Array) -> Array | None:
    """Real eps/g_X of a model's loop at q2 = `at`, None for none: of the vector charges of its
    leptons less their mean, or, where it is "finite", of charges that sum to zero.
    """
    if loop == "none":
        return None
    vector = {
        name: (q[f"L.{name}"] + q[f"E.{name}"]) / 2 + q.get(f"vector.{name}", 0.0)
        for name in LOOP_LEPTONS.get(loop, GENERATIONS["L"])
    }
    if loop == "finite":
        rest = sum(vector.values(), jnp.zeros(()))
        size = sum(map(jnp.abs, vector.values()), jnp.zeros(()))
        return jnp.where(jnp.abs(rest) <= _ROUNDING * size, loop_mixing(vector, at), 0.0)
    if all(isinstance(value, float) for value in vector.values()):  # the model's own
        return loop_mixing(vector, at)
    mean = sum(vector.values(), jnp.zeros(())) / len(vector)
    return loop_mixing({name: value - mean for name, value in vector.items()}, at)


@in_float64
def with_dark(
    couplings: Couplings,
    model: Model,
    m_X: ArrayLike,
    g_X: ArrayLike,
    given: Mapping[str, ArrayLike],
) -> Couplings:
    """`couplings` with the width into the dark channel of `model`, or into the `given` one."""
    m_X, g_X, *arrays = as_float64(m_X, g_X, *given.values())
    width = dark.width(model, m_X, g_X, dict(zip(given, arrays, strict=True)))
    return couplings._replace(dark=width)


@in_float64
def muon_couplings(g_V: ArrayLike, g_A: ArrayLike, eps: ArrayLike = 0.0) -> Couplings:
    """Couplings of an X with muon couplings g_V, g_A and g_nu_mu = g_V - g_A (SU(2)_L), plus
    kinetic mixing eps.

    arXiv:2107.07518 Eqs. (37), (42); the other conventions are those of `zscan.couplings`.
    """
    g_V, g_A, eps = as_float64(g_V, g_A, eps)
    zero = jnp.zeros(())

    def mixed(electric: float) -> FermionCoupling:
        return FermionCoupling(eps * (E_CHARGE.value * electric), zero)

    muon = FermionCoupling(g_V + mixed(-1.0).V, g_A)
    ups, downs = [mixed(2 / 3)] * 3, [mixed(-1 / 3)] * 3
    (u, c, t), (d, s, b) = ups, downs
    return Couplings(mixed(-1.0), muon, mixed(-1.0), u, d, s, c, b, t, zero, g_V - g_A, zero)


def loop_mixing(charges: Mapping[str, ArrayLike], q2: Array) -> Array:
    """Real eps/g_X of the loop of charged leptons with vector `charges` by name, which sum to zero.

    Charges are numbers or arrays that broadcast against q2. For q2 > 0 the complex loop enters as
    its modulus with the sign of its value at q2 = 0; for q2 <= 0 it is real. Source:
    arXiv:2006.11225."""
    loops = [
        (charge, *lepton_loop(q2, LEPTON_MASSES[name]))
        for name, charge in charges.items()
        if not (isinstance(charge, float) and charge == 0)
    ]
    if not loops:
        return jnp.zeros(())
    # eps/g_X = + sum_f Q_f g_V,f/g_X loop_f with Q = -1 for the charged leptons
    re = -sum((charge * real for charge, real, _ in loops), jnp.zeros(()))
    im = -sum((charge * imaginary for charge, _, imaginary in loops), jnp.zeros(()))
    logs = [jnp.asarray(x) * math.log(LEPTON_MASSES[name]) for name, x in charges.items()]
    at_zero = -sum(logs, jnp.zeros(()))
    square = re**2 + im**2
    modulus = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    return jnp.where(q2 > 0, jnp.where(at_zero < 0, -modulus, modulus), re)
