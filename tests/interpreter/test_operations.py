"""Each operation in NumPy against the same operation of jax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from zscan.interpreter import operations
from zscan.interpreter.program import Program
from zscan.interpreter.translate import Untranslatable, translate

RNG = np.random.default_rng(5)
A, B = RNG.normal(size=(2, 4, 6))
UNIT = np.tanh(A)
SPECIAL = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 1e300, -2.5, 2.5, 3e9, 1e19, 7.0])
WHOLE = np.array([-7, -2, 0, 3, 8, 5], np.int32)
ONES = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])


def elementwise(a, b, unit, special, whole, ones):
    """Every operation on one element or two."""
    one = [lax.neg, lax.abs, lax.sign, lax.square, lax.exp, lax.exp2, lax.expm1, lax.logistic]
    one += [lax.sin, lax.cos, lax.tan, lax.atan, lax.sinh, lax.cosh, lax.tanh, lax.asinh]
    one += [lax.floor, lax.ceil, lax.cbrt, lax.is_finite, jnp.copy]
    positive = [lax.log, lax.sqrt, lax.rsqrt, lambda x: lax.acosh(1 + x)]
    found = [f(a) for f in one] + [f(jnp.abs(a)) for f in positive]
    found += [f(unit) for f in (lax.asin, lax.acos, lax.atanh, lax.log1p)]
    for f in (lax.exp, lax.log, lax.sqrt, lax.is_finite, lax.floor, lax.sign, lax.expm1):
        found.append(f(special))
    two = [lax.add, lax.sub, lax.mul, lax.div, lax.max, lax.min, lax.atan2]
    two += [lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge]
    found += [f(a, b) for f in two] + [f(special, special[::-1]) for f in two]
    found += [lax.pow(jnp.abs(a), b), lax.pow(a, b), lax.integer_pow(a, 2), lax.integer_pow(a, -3)]
    found += [lax.clamp(-0.5, a, 0.5), lax.stop_gradient(a), lax.div(whole, jnp.int32(3))]
    bits = whole, whole[::-1]
    found += [lax.bitwise_and(*bits), lax.bitwise_or(*bits), lax.bitwise_xor(*bits)]
    found += [lax.bitwise_not(whole), ~(a > 0), (a > 0) & (b > 0)]
    # NaN is 0 as an integer, what is too large the largest; float32 rounds
    found += [special.astype(t) for t in (jnp.int32, jnp.int64, jnp.uint32, bool, jnp.float32)]
    found += [whole.astype(jnp.float64), ones.astype(bool), whole.astype(jnp.int64)]
    found += [jnp.where(a > 0, a, b), lax.select_n(jnp.clip(whole, 0, 2), ones, 2 * ones, -ones)]
    found += [jnp.searchsorted(jnp.sort(a[0]), b, side=side) for side in ("left", "right")]
    return [*found, lax.sort(special), lax.rem(a, b), lax.rem(whole, jnp.int32(3))]


def shapes(a, b, unit, special, whole, ones):
    """Operations that move elements about, or add them up."""
    found = [a[1:3, ::2], a[:, 3], a.reshape(3, 8), a.T, a[::-1], a[None, :, :], a[..., None]]
    found += [jnp.concatenate([a, b], axis=1), jnp.stack([a, b], axis=1), jnp.squeeze(a[:1], 0)]
    found += [*jnp.split(a, (2, 3), axis=1), *jnp.unstack(a, axis=1)]
    found += [jnp.broadcast_to(a[0], (4, 6)), lax.iota(jnp.int64, 4)]
    found += [lax.iota(jnp.float64, 70_000)[::7000], lax.broadcasted_iota(jnp.float64, (2, 3), 1)]
    found += [jnp.transpose(a[None], (2, 0, 1))]
    found += [f(a, axis=axis) for axis in (0, 1) for f in (jnp.sum, jnp.prod, jnp.max, jnp.min)]
    found += [(a > 0).any(axis=1), (a > 0).all(), jnp.argmax(a, axis=1), jnp.argmin(a, axis=0)]
    for f in (lax.cumsum, lax.cumprod, lax.cummax, lax.cummin):
        found += [f(a, axis=1), f(a, axis=0, reverse=True)]
    for start in (-3, 1, 9):  # beyond the ends it is moved inside
        found.append(lax.dynamic_slice(a, (start, start), (2, 3)))
        found.append(lax.dynamic_update_slice(a, b[:2, :3], (start, 0)))
    found += [*lax.sort((jnp.abs(a), b), dimension=1, num_keys=1), jnp.argsort(a, axis=0)]
    # gathers: along one axis, several, a batch; clipped, filled, promised to be inside
    rows, columns = jnp.array([3, 0, -1, 9]), jnp.array([5, 1, 2, 7])
    found += [a[rows], a[:, columns], a[rows, columns], a[rows[:, None], columns[None, :]]]
    for mode in ("clip", "fill", "promise_in_bounds"):
        inside = jnp.arange(4) if mode == "promise_in_bounds" else rows
        found.append(a.at[inside, :].get(mode=mode))
    found += [jnp.take_along_axis(a, jnp.abs(columns)[:, None] % 6, axis=1)]
    found += [jax.vmap(lambda row, n: row[n])(a, jnp.array([1, 2, 3, 5]))]
    found += [
        jax.vmap(lambda row, n: lax.dynamic_slice(row, (n,), (2,)))(a, jnp.array([1, 9, 3, 0]))
    ]
    found += [a @ b.T, jnp.einsum("ij,ij->i", a, b), jnp.einsum("bij,bkj->bki", a[None], b[None])]
    found += [jnp.dot(a[0], b[0]), jnp.tensordot(a, b, axes=2)]
    return found


def structure(a, b, unit, special, whole, ones):
    """Operations that hold functions."""
    total, rows = lax.scan(lambda c, x: (c + x[0], c * x[1]), jnp.zeros(6), (a, b))
    back, _ = lax.scan(lambda c, x: (0.5 * c + x, None), jnp.zeros(6), a, reverse=True)
    halved = lax.while_loop(lambda x: x[0] > 1e-3, lambda x: (x[0] / 2, x[1] + 1), (ones[0], 0))
    found = [total, rows, back, *halved, lax.fori_loop(0, 5, lambda i, x: x + i * a[0], b[0])]
    for index in (-1, 0, 1, 7):  # chosen while it runs
        chosen = (whole[2] + index).astype(jnp.int32)
        found.append(lax.switch(chosen, [jnp.sin, jnp.cos, lambda x: x + ones.sum()], a))

    def add(one, other):
        return one[0] + other[0], jnp.maximum(one[1], other[1])

    start = jnp.zeros(()), jnp.full((), -jnp.inf)
    found += [*lax.reduce((a, b), start, add, (0,)), *lax.reduce((a, b), start, add, (0, 1))]
    found += [jax.jit(lambda x: x + 1)(a), jax.checkpoint(jnp.sin)(a), _own_slope(a)]
    return [*found, lax.platform_dependent(a, cpu=jnp.sin, default=jnp.cos)]


@jax.custom_jvp
def _own_slope(x):
    return x**2


_own_slope.defjvp(lambda primals, tangents: (_own_slope(*primals), tangents[0]))


def used(program):
    for step in program.steps:
        yield step.name
        for value in step.parameters.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Program):
                    yield from used(item)


@pytest.mark.parametrize("function", [elementwise, shapes, structure])
def test_operations_are_those_of_jax(function):
    arguments = A, B, UNIT, SPECIAL, WHOLE, ONES
    program, _ = translate(function, *arguments)
    with np.errstate(all="ignore"):
        found = program(*arguments)
    expected = jax.jit(function)(*arguments)
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert np.shape(one) == other.shape, number
        assert np.result_type(one) == other.dtype, number
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-15, err_msg=str(number))


def test_every_operation_is_compared():
    found = set()
    for function in (elementwise, shapes, structure):
        found |= set(used(translate(function, A, B, UNIT, SPECIAL, WHOLE, ONES)[0]))
    assert set(operations.OPERATIONS) - found == set()


def test_what_does_not_depend_on_arguments_is_computed_before_and_what_is_not_needed_left_out():
    def function(a):
        table = jnp.cumsum(jnp.arange(10.0))
        jnp.sin(a)
        return a * table[3] + a * table[3]

    program, _ = translate(function, np.float64(2.0))
    assert [step.name for step in program.steps] == ["mul", "add"]
    assert program(np.float64(2.0)) == (24.0,)


def test_an_operation_without_counterpart_is_named():
    with pytest.raises(Untranslatable, match="erf"):
        translate(lambda a: jax.scipy.special.erf(a) + 1, np.float64(2.0))
