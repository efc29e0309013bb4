"""Arithmetic formulas of the mass in limit files, such as the lifetime window of a search: parsed,
never executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.constants import M_E, M_MU, M_TAU
from zscan.errors import ParameterError
from zscan.kernels.recast import M_ETA, M_PHI, M_PI0, SPEED_OF_LIGHT

# What a formula may name beside the mass m: masses in GeV, the speed of light in m/s
NAMES = {
    "m_e": M_E.value,
    "m_mu": M_MU.value,
    "m_tau": M_TAU.value,
    "m_pi0": M_PI0.value,
    "m_eta": M_ETA.value,
    "m_phi": M_PHI.value,
    "c": SPEED_OF_LIGHT.value,
}
_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_LONGEST = 200  # characters; keeps the depth of the parsed tree small
Numbers = TypeVar("Numbers", Array, np.ndarray)


def evaluate(formula: str, m_X: Numbers) -> Numbers:
    """Value of `formula` at the masses m_X [GeV]; numbers, + - * / **, brackets, m, the keys of
    `NAMES`, and choices "A if m < B else C".

    Shape of m_X. Raises `ParameterError` for anything else and for arithmetic that fails.

    >>> evaluate("2*m_mu + m if m < 2 else 5", np.array([1.0, 3.0]))
    array([1.21131675, 5.        ])
    """
    if len(formula) > _LONGEST:
        raise ParameterError(f"formula of {len(formula)} characters; at most {_LONGEST} are read")
    try:
        return 0 * m_X + _value(ast.parse(formula, mode="eval").body, m_X)
    except (SyntaxError, ValueError, ArithmeticError) as error:
        raise ParameterError(f"formula {formula!r} cannot be evaluated: {error}") from error


def _value(node: ast.AST, m_X: Any) -> Any:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id == "m":
        return m_X
    if isinstance(node, ast.Name) and node.id in NAMES:
        return NAMES[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, m_X), _value(node.right, m_X))
    if isinstance(node, ast.IfExp):
        where = np.where if isinstance(m_X, np.ndarray) else jnp.where
        parts = (_value(part, m_X) for part in (node.body, node.orelse))
        return where(_choice(node.test, m_X), *parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, m_X)
    raise _refusal(node)


def _choice(node: ast.AST, m_X: Any) -> Any:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        sides = (_value(side, m_X) for side in (node.left, node.comparators[0]))
        return _COMPARISONS[type(node.ops[0])](*sides)
    raise _refusal(node)


def _refusal(node: ast.AST) -> ValueError:
    allowed = f"numbers, + - * / **, A if m < B else C, m, {', '.join(NAMES)}"
    return ValueError(f"{ast.unparse(node)!r} is not allowed; allowed: {allowed}")
