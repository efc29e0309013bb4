"""Expansion of the weights of B -> K l l, and integrals of the expansion over a resonance, against
mpmath.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscan.kernels import _rates, _resonance


@settings(max_examples=60, deadline=None)
@given(lower=st.floats(0.1, 5.9), size=st.floats(0.01, 1.0), lepton=st.sampled_from(["mu", "e"]))
def test_weights_of_any_bin_are_expanded_to_a_part_in_a_billion(lower, size, lepton):
    """The intervals join without gaps and their polynomials are the weights; cut-off kinks of W
    stay below 1e-3.
    """
    q2_bin = (lower, lower + size * (6.0 - lower))
    expansions = _rates._expansions(*q2_bin, lepton, "strong", "paper", False)
    edges = [expansions[0].lower, *(expansion.upper for expansion in expansions)]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == q2_bin
    assert len(expansions) <= 2
    for expansion in expansions:
        x = np.linspace(-1, 1, 101)
        q2 = (expansion.lower * (1 - x) + expansion.upper * (1 + x)) / 2
        w_V, w_A, w_P = _rates.weights(q2, lepton)
        values = np.polynomial.legendre.legval(x, expansion.quadratic.T)
        np.testing.assert_allclose(values, [w_V, w_A + w_P], rtol=1e-8)
        w, w_bar = _rates.vector_amplitudes(q2, _rates._table(q2))
        n = _rates.N_PHASE
        exact = w_V * (n * w.conj() + n.conjugate() * w_bar.conj())
        np.testing.assert_allclose(
            np.polynomial.legendre.legval(x, expansion.linear[0]), exact, rtol=1e-3
        )


def _exact_integrals(expansion: _resonance.Expansion, m_X: float, width: float) -> list[mpmath.mpf]:
    """int Re(F P), int w |P|^2 of the polynomials of one interval; needs 300 digits, as the
    recurrence loses 150.
    """
    a, b = mpmath.mpf(expansion.lower), mpmath.mpf(expansion.upper)
    half, y = (b - a) / 2, m_X * width
    z = (m_X**2 - (a + b) / 2 - 1j * y) / half
    moments = [mpmath.log(1 - z) - mpmath.log(-1 - z)]
    moments.append(z * moments[0] + 2)
    for n in range(1, expansion.linear.shape[1] - 1):
        moments.append(((2 * n + 1) * z * moments[n] - n * moments[n - 1]) / (n + 1))
    linear = [
        mpmath.re(mpmath.fdot([mpmath.mpc(c) for c in row.tolist()], moments))
        for row in expansion.linear
    ]
    return linear + [
        -mpmath.im(mpmath.fdot(row.tolist(), moments)) / y for row in expansion.quadratic
    ]


@pytest.mark.parametrize("q2_bin", [(1.1, 6.0), (0.1, 1.1)])
def test_resonance_integrals_and_their_gradients_are_exact_for_the_expansion(q2_bin):
    """Values to 1e-10 and derivatives to 1e-8, each relative to itself: narrow, wide, at edges,
    inside and far away.
    """
    (expansion,) = _rates._expansions(*q2_bin, "mu", "strong", "paper", True)

    def function(m_X, width):
        linear, quadratic = _resonance.pole_integrals((expansion,), m_X, width)
        return jnp.stack([*linear, *quadratic])

    lower, upper = (math.sqrt(edge) for edge in q2_bin)
    points = [
        (m, ratio * m)
        for m in (0.85 * lower, 0.5 * (lower + upper), 1.08 * upper)
        for ratio in (1e-13, 1e-4, 0.3)
    ]
    points += [
        (lower - 1e-10, 1e-13),
        (lower + 1e-7, 1e-9),
        (upper + 1e-10, 1e-13),
        (upper - 1e-10, 1e-6),
    ]
    points += [(1e-3, 1e-9), (0.3 * lower, 1e-14), (12.0, 1e-12), (300.0, 1e-4)]
    m_X, width = map(np.array, zip(*points, strict=True))
    values = jax.vmap(function)(m_X, width)
    by_m, by_width = jax.vmap(jax.jacfwd(function, argnums=(0, 1)))(m_X, width)
    with mpmath.workdps(300):
        for i, (m, w) in enumerate(points):
            m, w = mpmath.mpf(m), mpmath.mpf(w)
            exact = _exact_integrals(expansion, m, w)
            up, down = (
                _exact_integrals(expansion, m * (1 + s), w)
                for s in (mpmath.mpf("1e-30"), -mpmath.mpf("1e-30"))
            )
            wide, slim = (
                _exact_integrals(expansion, m, w * (1 + s))
                for s in (mpmath.mpf("1e-25"), -mpmath.mpf("1e-25"))
            )
            np.testing.assert_allclose(values[i], np.array(exact, dtype=float), rtol=1e-10)
            dm = [(p - q) / (2 * m * mpmath.mpf("1e-30")) for p, q in zip(up, down, strict=True)]
            dw = [(p - q) / (2 * w * mpmath.mpf("1e-25")) for p, q in zip(wide, slim, strict=True)]
            np.testing.assert_allclose(by_m[i], np.array(dm, dtype=float), rtol=1e-8)
            np.testing.assert_allclose(by_width[i], np.array(dw, dtype=float), rtol=1e-8)
