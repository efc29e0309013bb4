"""What each operation of a traced program is in NumPy.

Each entry of `OPERATIONS` takes the parameters of an operation and returns the function of its
arguments; it has the name that jax gives the operation. Nothing here imports jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Values = tuple[Any, ...]
Function = Callable[..., Any]
Parameters = Mapping[str, Any]


def _plain(function: Function) -> Callable[[Parameters], Function]:
    """An operation without parameters."""
    return lambda parameters: function


def _divide(a: Any, b: Any) -> Any:
    if np.issubdtype(np.result_type(a), np.integer):
        return (a / b).astype(np.result_type(a))  # towards zero, small indices only
    return np.divide(a, b)


def _total_order(a: Any) -> Any:
    """Integers in the total order of floats: -0 before 0, NaN last."""
    if not np.issubdtype(np.result_type(a), np.floating):
        return a
    signed = np.dtype(f"i{np.result_type(a).itemsize}")
    bits: Any = np.asarray(a).view(signed)
    return np.where(bits < 0, bits ^ np.iinfo(signed).max, bits)


def _convert(parameters: Parameters) -> Function:
    dtype: Any = np.dtype(parameters["new_dtype"])
    if not np.issubdtype(dtype, np.integer):
        return lambda a: np.asarray(a).astype(dtype)[()]
    limits = np.iinfo(dtype)

    def to_integer(a: Any) -> Any:
        if not np.issubdtype(np.result_type(a), np.floating):
            return np.asarray(a).astype(dtype)[()]
        # NaN is 0 and what is too large the largest, as XLA has it. The largest integers of 64
        # bits are no floats: they are put in afterwards
        whole = np.where(np.isnan(a), 0.0, a)
        inside = (whole > limits.min) & (whole < limits.max)
        ends = np.where(whole > 0, limits.max, limits.min).astype(dtype)
        return np.where(inside, np.where(inside, whole, 0.0).astype(dtype), ends)[()]

    return to_integer


def _power(parameters: Parameters) -> Function:
    exponent = int(parameters["y"])
    if exponent == 2:
        return np.square
    return lambda a: np.power(a, np.result_type(a).type(exponent))


def _select(parameters: Parameters) -> Function:
    def select(which: Any, *cases: Any) -> Any:
        if len(cases) == 2:
            return np.where(which, cases[1], cases[0])[()]
        return np.choose(which, cases)[()]

    return select


def _broadcast(parameters: Parameters) -> Function:
    shape, axes = tuple(parameters["shape"]), tuple(parameters["broadcast_dimensions"])

    def broadcast(a: Any) -> Any:
        thin = [1] * len(shape)
        for axis, length in zip(axes, np.shape(a), strict=True):
            thin[axis] = length
        return np.broadcast_to(np.reshape(a, thin), shape)

    return broadcast


def _slice(parameters: Parameters) -> Function:
    starts, stops = parameters["start_indices"], parameters["limit_indices"]
    steps = parameters["strides"] or [1] * len(starts)
    where = tuple(slice(*item) for item in zip(starts, stops, steps, strict=True))
    return lambda a: a[where]


def _dynamic_slice(parameters: Parameters) -> Function:
    sizes = tuple(parameters["slice_sizes"])

    def dynamic_slice(a: Any, *starts: Any) -> Any:
        where = []
        for start, size, length in zip(starts, sizes, np.shape(a), strict=True):
            low = min(max(int(start), 0), length - size)
            where.append(slice(low, low + size))
        return a[tuple(where)]

    return dynamic_slice


def _update_slice(parameters: Parameters) -> Function:
    def update(a: Any, part: Any, *starts: Any) -> Any:
        out, where = np.array(a), []
        for start, size, length in zip(starts, np.shape(part), np.shape(a), strict=True):
            low = min(max(int(start), 0), length - size)
            where.append(slice(low, low + size))
        out[tuple(where)] = part
        return out

    return update


def _gather(parameters: Parameters) -> Function:
    """As XLA defines it, for indices that are clipped, promised to be inside or filled with NaN."""
    sizes = [int(size) for size in parameters["slice_sizes"]]
    offsets = [int(axis) for axis in parameters["offset_dims"]]
    starts_of = [int(axis) for axis in parameters["start_index_map"]]
    batching = [int(axis) for axis in parameters["operand_batching_dims"]]
    indexed = [int(axis) for axis in parameters["start_indices_batching_dims"]]
    gone = {int(axis) for axis in parameters["collapsed_slice_dims"]} | set(batching)
    kept = [axis for axis in range(len(sizes)) if axis not in gone]
    fill = parameters["fill"]

    def gather(a: Any, indices: Any) -> Any:
        indices = np.asarray(indices)
        batch = indices.shape[:-1]
        inside = np.ones(batch, bool)
        where: list[Any] = []
        for axis, (size, length) in enumerate(zip(sizes, np.shape(a), strict=True)):
            start: Any = np.zeros(batch, np.int64)
            if axis in starts_of:
                start = indices[..., starts_of.index(axis)].astype(np.int64)
                inside &= (start >= 0) & (start <= length - size)
                start = np.clip(start, 0, length - size)
            elif axis in batching:
                along = indexed[batching.index(axis)]
                thin = [1] * len(batch)
                thin[along] = batch[along]
                start = np.broadcast_to(np.arange(batch[along]).reshape(thin), batch)
            start = start.reshape(batch + (1,) * len(kept))
            if axis in kept:
                thin = [1] * (len(batch) + len(kept))
                thin[len(batch) + kept.index(axis)] = size
                start = start + np.arange(size).reshape(thin)
            where.append(start)
        out = a[tuple(where)]
        if fill:
            out = np.where(inside.reshape(batch + (1,) * len(kept)), out, np.nan)
        # The axes of the slices go where the operation wants them
        order = [axis for axis in range(out.ndim) if axis not in offsets]
        return np.moveaxis(out, range(out.ndim), [*order, *offsets])

    return gather


def _dot_general(parameters: Parameters) -> Function:
    (left_sum, right_sum), (left_batch, right_batch) = parameters["dimension_numbers"]

    def dot_general(a: Any, b: Any) -> Any:
        left = [*range(np.ndim(a))]
        right = [*range(np.ndim(a), np.ndim(a) + np.ndim(b))]
        for one, other in (
            *zip(left_sum, right_sum, strict=True),
            *zip(left_batch, right_batch, strict=True),
        ):
            right[other] = left[one]
        rows = [left[axis] for axis in range(len(left)) if axis not in (*left_sum, *left_batch)]
        columns = [
            right[axis] for axis in range(len(right)) if axis not in (*right_sum, *right_batch)
        ]
        out = [left[axis] for axis in left_batch] + rows + columns
        return np.einsum(a, left, b, right, out, optimize=True)

    return dot_general


def _reduction(function: Function) -> Callable[[Parameters], Function]:
    def operation(parameters: Parameters) -> Function:
        axes = tuple(parameters["axes"])
        return lambda a: function(a, axis=axes)

    return operation


def _place(function: Function) -> Callable[[Parameters], Function]:
    def operation(parameters: Parameters) -> Function:
        (axis,) = parameters["axes"]
        dtype = np.dtype(parameters["index_dtype"])
        return lambda a: function(a, axis=axis).astype(dtype)

    return operation


def _running(function: Function) -> Callable[[Parameters], Function]:
    def operation(parameters: Parameters) -> Function:
        axis = parameters["axis"]
        if parameters["reverse"]:
            return lambda a: np.flip(function(np.flip(a, axis), axis=axis), axis)
        return lambda a: function(a, axis=axis)

    return operation


def _iota(parameters: Parameters) -> Function:
    shape, axis = tuple(parameters["shape"]), parameters["dimension"]
    thin = [1] * len(shape)
    thin[axis] = shape[axis]
    row = np.arange(shape[axis], dtype=parameters["dtype"]).reshape(thin)
    return lambda: np.broadcast_to(row, shape)


def _split(parameters: Parameters) -> Function:
    ends = np.cumsum(parameters["sizes"])[:-1]
    return lambda a: tuple(np.split(a, ends, axis=parameters["axis"]))


def _concatenate(parameters: Parameters) -> Function:
    return lambda *parts: np.concatenate(parts, axis=parameters["dimension"])


def _stack(parameters: Parameters) -> Function:
    return lambda *parts: np.stack(parts, axis=parameters["axis"])


def _unstack(parameters: Parameters) -> Function:
    return lambda a: tuple(np.moveaxis(a, parameters["axis"], 0))


def _squeeze(parameters: Parameters) -> Function:
    axes = tuple(parameters["dimensions"])
    return lambda a: np.squeeze(a, axes)[()]


def _reshape(parameters: Parameters) -> Function:
    shape = tuple(parameters["new_sizes"])
    return lambda a: np.reshape(a, shape)[()]


def _transpose(parameters: Parameters) -> Function:
    return lambda a: np.transpose(a, parameters["permutation"])


def _reverse(parameters: Parameters) -> Function:
    return lambda a: np.flip(a, tuple(parameters["dimensions"]))


def _sort(parameters: Parameters) -> Function:
    axis = parameters["dimension"]

    def sort(*arrays: Any) -> Values:
        order = np.argsort(arrays[0], axis=axis, kind="stable")
        return tuple(np.take_along_axis(array, order, axis) for array in arrays)

    return sort


# Operations that hold programs of their own: these are functions already
def _cond(parameters: Parameters) -> Function:
    branches = parameters["branches"]
    last = len(branches) - 1
    return lambda index, *operands: branches[min(max(int(index), 0), last)](*operands)


def _while(parameters: Parameters) -> Function:
    test, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
    of_test, of_both = parameters["cond_nconsts"], parameters["body_nconsts"]
    of_both += of_test

    def loop(*operands: Any) -> Values:
        carried = operands[of_both:]
        while test(*operands[:of_test], *carried)[0]:
            carried = body(*operands[of_test:of_both], *carried)
        return carried

    return loop


def _scan(parameters: Parameters) -> Function:
    body, length = parameters["jaxpr"], parameters["length"]
    fixed, carries = parameters["num_consts"], parameters["num_carry"]
    steps = range(length)[::-1] if parameters["reverse"] else range(length)

    def scan(*operands: Any) -> Values:
        constants, carried = operands[:fixed], operands[fixed : fixed + carries]
        rows = operands[fixed + carries :]
        out: dict[int, Values] = {}
        for step in steps:
            found = body(*constants, *carried, *(row[step] for row in rows))
            carried, out[step] = found[:carries], found[carries:]
        columns = zip(*(out[step] for step in range(length)), strict=True)
        return (*carried, *(np.stack(column) for column in columns))

    return scan


def _fold(parameters: Parameters) -> Function:
    combine, axes = parameters["jaxpr"], tuple(parameters["dimensions"])

    def fold(*operands: Any) -> Values:
        half = len(operands) // 2
        arrays, found = operands[:half], operands[half:]
        ends = range(-len(axes), 0)
        flat = [np.moveaxis(array, axes, ends) for array in arrays]
        flat = [array.reshape(*array.shape[: array.ndim - len(axes)], -1) for array in flat]
        for place in range(flat[0].shape[-1]):
            found = combine(*found, *(array[..., place] for array in flat))
        return tuple(found)

    return fold


_ELEMENTWISE: dict[str, Function] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "cbrt": np.cbrt,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "rem": np.fmod,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "floor": np.floor,
    "ceil": np.ceil,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt_to": lambda a, b: np.less(_total_order(a), _total_order(b)),
    "le_to": lambda a, b: np.less_equal(_total_order(a), _total_order(b)),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.bitwise_not,
    "is_finite": np.isfinite,
    "clamp": lambda low, a, high: np.minimum(np.maximum(a, low), high),
}
OPERATIONS: dict[str, Callable[[Parameters], Function]] = {
    name: _plain(function) for name, function in _ELEMENTWISE.items()
} | {
    "convert_element_type": _convert,
    "integer_pow": _power,
    "select_n": _select,
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _update_slice,
    "gather": _gather,
    "dot_general": _dot_general,
    "reduce_sum": _reduction(np.sum),
    "reduce_prod": _reduction(np.prod),
    "reduce_max": _reduction(np.max),
    "reduce_min": _reduction(np.min),
    "reduce_and": _reduction(np.all),
    "reduce_or": _reduction(np.any),
    "argmax": _place(np.argmax),
    "argmin": _place(np.argmin),
    "cumsum": _running(np.cumsum),
    "cumprod": _running(np.cumprod),
    "cummax": _running(np.maximum.accumulate),
    "cummin": _running(np.minimum.accumulate),
    "iota": _iota,
    "split": _split,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "squeeze": _squeeze,
    "reshape": _reshape,
    "transpose": _transpose,
    "rev": _reverse,
    "sort": _sort,
    "cond": _cond,
    "while": _while,
    "scan": _scan,
    "reduce": _fold,
}
