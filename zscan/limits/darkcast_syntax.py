"""The syntax of DarkCast's definitions of limits (arXiv:1801.04847): assignments, calls, plain
values and formulas of the mass, read as text; nothing is executed.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

from zscan.errors import ForeignFileError
from zscan.limits.formula import NAMES

ASSIGNMENTS = ("bibtex", "model", "production", "decay", "bounds", "efficiency")
_LONGEST = 100_000  # characters of a definition
_ENDLESS = 1.0  # s, in place of infinity in a window: no search here sees a longer life
_MOST_CHOICES = 20


class Definition:
    """What a definition assigns, by name, and the functions of the mass that it defines."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise ForeignFileError(f"more than {_LONGEST} characters")
        try:
            with warnings.catch_warnings():  # on backslashes in BibTeX
                warnings.simplefilter("ignore")
                module = ast.parse(text)
        except (SyntaxError, ValueError, MemoryError) as error:
            raise ForeignFileError(f"cannot be parsed: {error}") from error
        self.found = dict(_assignments(module))
        self.functions = {
            node.name: node for node in module.body if isinstance(node, ast.FunctionDef)
        }
        missing = [name for name in ASSIGNMENTS if name not in self.found]
        if set(missing) == {*ASSIGNMENTS} - {"bibtex"}:
            raise ForeignFileError("holds a reference and no limit")
        if missing:
            raise ForeignFileError(f"no plain assignment of {', '.join(missing)}")

    def __getitem__(self, name: str) -> ast.expr:
        return self.found[name]

    def formula_of(self, node: ast.expr) -> ast.expr | None:
        """A function of the mass, written as a lambda or defined above, as a formula in the names
        of `zscan.limits.formula`; None for anything else.
        """
        if isinstance(node, ast.Lambda):
            arguments, body = node.args, node.body
        elif isinstance(node, ast.Name) and node.id in self.functions:
            function = self.functions[node.id]
            arguments, body = function.args, _chosen(function.body)
        else:
            return None
        names = [argument.arg for argument in arguments.args]
        return formula(body, names[0]) if len(names) == 1 else None


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id in ASSIGNMENTS:
                yield target.id, statement.value


def _chosen(body: list[ast.stmt], left: int = _MOST_CHOICES) -> ast.expr:
    """The body of a function of returns and choices between them, as one expression."""
    first = body[0] if body else None
    if isinstance(first, ast.Return) and first.value is not None:
        return first.value
    if isinstance(first, ast.If) and left:
        otherwise = _chosen([*first.orelse, *body[1:]], left - 1)
        return ast.IfExp(first.test, _chosen(first.body, left - 1), otherwise)
    raise ForeignFileError("a function of the mass that is more than choices of values")


def call(node: ast.expr, *names: str) -> ast.Call:
    """`node` as the call darkcast.NAME(...) with one of `names`."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in [
        f"darkcast.{name}" for name in names
    ]:
        return node
    raise ForeignFileError(
        f"expected a call of {' or '.join(names)}, found {ast.unparse(node)[:60]!r}"
    )


def literal(node: ast.expr, *kinds: type) -> Any:
    """A plain value of one of `kinds`."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, kinds):
        raise ForeignFileError(f"not a plain value: {ast.unparse(node)[:60]!r}")
    return value


def formula(node: ast.expr, mass: str) -> ast.expr:
    """`node` in the names of `zscan.limits.formula`; refuses what that cannot evaluate."""
    if isinstance(node, ast.Name) and node.id == mass:
        return ast.Name("m")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow
    ):
        return ast.BinOp(formula(node.left, mass), node.op, formula(node.right, mass))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return ast.UnaryOp(node.op, formula(node.operand, mass))
    if isinstance(node, ast.IfExp):
        body, otherwise = formula(node.body, mass), formula(node.orelse, mass)
        return ast.IfExp(_comparison(node.test, mass), body, otherwise)
    if isinstance(node, ast.Compare):  # a truth as a number
        return ast.IfExp(_comparison(node, mass), ast.Constant(1.0), ast.Constant(0.0))
    text = ast.unparse(node)
    if text in ("float('inf')", "float('Inf')", "math.inf"):
        return ast.Constant(_ENDLESS)
    particle = re.fullmatch(r"(?:darkcast\.pars\.)?m[fm]s\['(\w+)'\]", text)
    name = f"m_{particle[1]}" if particle else {"darkcast.pars.c": "c"}.get(text, "")
    if name in NAMES:
        return ast.Name(name)
    raise ForeignFileError(f"formula with {text[:60]!r} is not known")


def _comparison(node: ast.expr, mass: str) -> ast.Compare:
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise ForeignFileError(f"formula with {ast.unparse(node)[:60]!r} is not known")
    left, right = formula(node.left, mass), formula(node.comparators[0], mass)
    return ast.Compare(left, node.ops, [right])


def thresholds(node: ast.expr) -> list[ast.expr]:
    """What the mass is compared with in a formula."""
    found = [item for item in ast.walk(node) if isinstance(item, ast.Compare)]
    return [side for item in found for side in (item.left, item.comparators[0])]


def quotient(node: ast.expr) -> float:
    """A positive number, or the ratio of two."""
    parts = (
        (node.left, node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        else (node,)
    )
    numbers = [float(literal(part, int, float)) for part in parts]
    if min(numbers) <= 0 or not math.isfinite(max(numbers)):
        raise ForeignFileError(f"ratio of lengths {ast.unparse(node)!r} is not positive")
    return numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]
