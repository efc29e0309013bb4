"""Models of DarkCast (arXiv:1801.04847, arXiv:2206.08945): their files are parsed as text, nothing
is executed.
"""

from __future__ import annotations

import ast
import math
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

from zscan.constants import E_CHARGE, M_E, M_MU, M_TAU
from zscan.errors import ModelError, clipped, nearest
from zscan.models.charge_parameters import FERMIONS
from zscan.models.charged import Model
from zscan.untrusted import TextError, read_text

_NEUTRINOS = {"nue": "nu_e", "numu": "nu_mu", "nutau": "nu_tau"}
_KEYS = (*FERMIONS, *_NEUTRINOS)
_NAMES = {"pi": math.pi, "math.pi": math.pi} | {
    f"{module}ge": E_CHARGE.value for module in ("", "pars.", "darkcast.pars.")
}
_MASSES = {"e": M_E.value, "mu": M_MU.value, "tau": M_TAU.value}
_MOST_NODES = 100  # of an expression
_ROUND = 10**6  # denominators of charges of right-handed neutrinos


def from_darkcast(path: str | Path) -> Model:
    """The model that a DarkCast model file NAME.py describes, with the effective charges of its
    table `xfs`: numbers, pairs (axial, vector), or sums and products of numbers, pi and ge.

    A single number is a vector charge, of neutrinos a left-handed one. Of a pair for a neutrino the
    left-handed charge is vector - axial and the right-handed one vector + axial; one that is not
    zero makes the neutrinos light (Dirac). `iwidth`, if it is a number, is the invisible width at
    unit coupling. The name is that of the file.

    Raises `ModelError`, which names file and line, for a file without a table `xfs`, and for
    charges that are functions of the mass: loops, which a zscan model has as `loop` ("mu-tau" of
    the named model Lmu-Ltau, "leptons" of Le-Lmu and Le-Ltau).
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(read_text(path))
    except TextError as error:
        raise ModelError(str(error)) from error
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be parsed: {clipped(str(error), 300)}") from error
    found = _assignments(module)
    if "xfs" not in found:
        raise ModelError(f"{path}: no table xfs of couplings by fermion; is it a DarkCast model?")
    charges = _charges(found["xfs"], path)
    table: dict[str, Any] = {"name": path.stem, "description": "converted from a DarkCast model"}
    table["vector"] = {name: charges[name][1] for name in FERMIONS}
    table["axial"] = {name: charges[name][0] for name in FERMIONS}
    right = []
    for name, ours in _NEUTRINOS.items():
        axial, vector, *alone = charges[name]
        table["vector"][ours] = vector if alone else vector - axial
        right.append(0.0 if alone else vector + axial)
    if any(right):
        table["neutrinos"], table["N"] = "dirac", [_exact(charge) for charge in right]
    if "iwidth" in found:
        table["dark_width_over_g2"] = _number(found["iwidth"], path, "iwidth")
    with warnings.catch_warnings():  # effective charges have no anomaly that could be known
        warnings.simplefilter("ignore")
        return Model.from_table(table, str(path))


def _assignments(module: ast.Module) -> dict[str, ast.AST]:
    found: dict[str, ast.AST] = {}
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef):
            found[statement.name] = statement
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = statement.value  # type: ignore[attr-defined]
    return {key: found[key] for key in ("xfs", "iwidth") if key in found}


def _charges(node: ast.AST, path: Path) -> dict[str, tuple[float, ...]]:
    """Axial and vector charge by fermion, with a third entry where only one number is given."""
    if not isinstance(node, ast.Dict):
        raise ModelError(f"{path}:{getattr(node, 'lineno', 1)}: xfs is no table")
    charges: dict[str, tuple[float, ...]] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if name not in _KEYS:
            where = f"{path}:{getattr(key, 'lineno', node.lineno)}"
            raise ModelError(f"{where}: xfs: {name!r}: {nearest(str(name), _KEYS)}")
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == 2:
            axial, vector = (_number(part, path, f"xfs.{name}") for part in value.elts)
            charges[str(name)] = (axial, vector)
        else:
            charges[str(name)] = (0.0, _number(value, path, f"xfs.{name}"), 1.0)
    missing = [name for name in _KEYS if name not in charges]
    if missing:
        raise ModelError(f"{path}:{node.lineno}: xfs: missing: {', '.join(missing)}")
    return charges


def _number(node: ast.AST, path: Path, key: str) -> float:
    where = f"{path}:{getattr(node, 'lineno', 1)}: {key}"
    if isinstance(node, ast.Lambda | ast.FunctionDef):
        raise ModelError(
            f"{where} is a function of the mass; allowed: a number. Of a loop: the models "
            "Lmu-Ltau, 'Le-Lmu,loop=leptons', 'Le-Ltau,loop=leptons', or loop in a model file"
        )
    try:
        if sum(1 for _ in ast.walk(node)) > _MOST_NODES:
            raise ValueError("a long expression")
        value = _value(node)
        if not math.isfinite(value):
            raise ValueError("not finite")
    except (ValueError, ZeroDivisionError, OverflowError, RecursionError) as error:
        text = clipped(ast.unparse(node), 60) if isinstance(node, ast.expr) else ""
        allowed = "numbers, + - * / **, pi and ge"
        raise ModelError(f"{where} = {text!r}: {error}; allowed: {allowed}") from error
    return value


def _value(node: ast.AST) -> float:
    """The value of a plain expression; raises `ValueError` for any other."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]  # of the two types
    if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in _NAMES:
        return _NAMES[ast.unparse(node)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return -_value(node.operand) if isinstance(node.op, ast.USub) else _value(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
        if isinstance(node.op, ast.Pow) and abs(right) <= 100:
            return float(left**right) if left > 0 or right == int(right) else math.nan
    if isinstance(node, ast.Subscript):
        text = ast.unparse(node)
        for name, mass in _MASSES.items():
            if text in (f"mfs['{name}']", f"darkcast.pars.mfs['{name}']"):
                return mass
    raise ValueError("unknown expression")


def _exact(charge: float) -> str:
    return str(Fraction(charge).limit_denominator(_ROUND))
