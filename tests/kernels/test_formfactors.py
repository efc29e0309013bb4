"""Form factors of B -> K and B -> K* against flavio."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zscan.kernels import formfactors

# flavio 2.7.1, "B->K BSZ3" and "B->K* BSZ3" at central parameters: (q2, f_+, f_0, f_T) and (q2,
# A_1, A_12, V).
B_TO_K = [
    (0.0, 0.33196382, 0.33196382, 0.32361471),
    (1.0, 0.35110919452572475, 0.34020070563937505, 0.3429621264490911),
    (6.0, 0.4756418174506564, 0.3893211399181196, 0.46885004452547574),
    (22.0, 2.2750917939028117, 0.7933185333366348, 2.283630809135206),
]
B_TO_KSTAR = [
    (1e-4, 0.2972506192770491, 0.26424397078272915, 0.3763150419425741),
    (1.0, 0.3036471740445195, 0.26864847677533993, 0.39767183693832653),
    (9.0, 0.375785008458829, 0.31368130402086386, 0.6715620562901098),
]


def test_agreement_with_flavio():
    q2, *expected = map(np.array, zip(*B_TO_K, strict=True))
    np.testing.assert_allclose(formfactors.b_to_k(q2), expected, rtol=1e-13)
    q2, *expected = map(np.array, zip(*B_TO_KSTAR, strict=True))
    np.testing.assert_allclose(formfactors.b_to_kstar(q2), expected, rtol=1e-13)


def test_range_and_finite_gradients():
    for function, end in (
        (formfactors.b_to_k, formfactors.Q2_MAX),
        (formfactors.b_to_kstar, formfactors.Q2_MAX_KSTAR),
    ):
        values = np.array(function(np.array([-0.1, 0.0, end, end * (1 + 1e-12), 40.0])))
        assert np.all(np.isnan(values[:, [0, 3, 4]]))
        assert np.all(np.isfinite(values[:, [1, 2]]))
        for q2 in (0.0, end, 40.0):
            assert np.all(np.isfinite(jax.jacfwd(lambda x: jnp.stack(function(x)))(q2)))  # noqa: B023
    f_plus = jax.grad(lambda q2: formfactors.b_to_k(q2).plus)
    slope = (formfactors.b_to_k(4.001).plus - formfactors.b_to_k(3.999).plus) / 2e-3
    assert float(f_plus(4.0)) == pytest.approx(float(slope), rel=1e-6)


def test_parameters_can_be_varied():
    varied = formfactors.BTOK._replace(plus=(0.34, *formfactors.BTOK.plus[1:]))
    at_zero = formfactors.b_to_k(0.0, varied)
    assert at_zero.plus == at_zero.zero == 0.34
    gradient = jax.grad(lambda p: formfactors.b_to_k(0.0, p).plus)(formfactors.BTOK)
    assert gradient.plus == (1.0, 0.0, 0.0)
