"""Import of limits from a DarkCast checkout (arXiv:1801.04847); its files are parsed as text,
nothing is executed.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zscan.errors import ForeignFileError, ZscanError, clipped
from zscan.kernels.recast import MECHANISMS
from zscan.limits.format import Limit, LimitWarning, ProductionTable, check
from zscan.limits.formula import NAMES
from zscan.results.files import access
from zscan.untrusted import file_name, read_bytes

_NO_LIMIT = 1e4  # couplings from here on mark masses without a limit (1e5 in the files)
_LARGEST_FILE = 10_000_000  # bytes
_MOST_FILES = 2000  # definitions in a folder
_LONGEST_DEFINITION = 100_000  # characters
_FINAL_STATES = {
    "e_e": "ee",
    "mu_mu": "mumu",
    "tau_tau": "tautau",
    "pi+_pi-": "pipi",
    "invisible": "invisible",
}
_MECHANISMS = {"rho0": "rho", "eta'_gamma": "etaprime_gamma", "D*0_D0": "Dstar_D"}
_ASSIGNMENTS = ("bibtex", "model", "production", "decay", "bounds", "efficiency")
# Numbers that are the coupling g_X of L_mu - L_tau, radiated off a muon, although the checkout
# calls them eps
_L_MU_L_TAU = ("BaBar_TheBABAR2016rlg",)


def import_darkcast(path: Path | str) -> tuple[Limit, ...]:
    """The limits of a DarkCast checkout at `path` (folders limits and, for projections, reach), in
    the order of names.

    Read are the definitions NAME.py, as syntax, and the data files they name. What the checkout
    does not say is set so: confidence level 90 % and likelihood "background" (hence status
    "provisional"), invisible searches assume a branching ratio of 1. Limits with features that
    `Limit` has no place for (tables of r-values, shares or windows that are functions in the code,
    other final states or models) are left out with a `LimitWarning`. Save what is returned with
    `write_limit`. Cite the original publications (`references`) and arXiv:1801.04847.

    Raises `ForeignFileError` when there is no checkout at `path`. A file of the checkout raises
    nothing, whatever it holds: it is left out.
    """
    root = file_name(path).resolve()
    folders = [folder for folder in (root / "limits", root / "reach") if folder.is_dir()]
    if not folders:
        raise ForeignFileError(
            f"{root} is no DarkCast checkout: it has no folder 'limits' or 'reach'"
        )
    limits = []
    for folder in folders:
        with access(folder, "read"):
            files = sorted(folder.glob("*.py"))
        if len(files) > _MOST_FILES:
            raise ForeignFileError(f"{folder} holds {len(files)} files; at most {_MOST_FILES}")
        for file in files:
            try:
                limit = _limit(file, root)
                check(limit)
            except Exception as error:  # the parsers of Python raise many kinds
                kind = "" if isinstance(error, ZscanError) else f"{type(error).__name__}: "
                reason = f"{file.relative_to(root)} left out: {kind}{clipped(str(error), 600)}"
                warnings.warn(LimitWarning(reason), stacklevel=2)
            else:
                limits.append(limit)
    return tuple(limits)


def _limit(file: Path, root: Path) -> Limit:
    text = _text(file, root)
    if len(text) > _LONGEST_DEFINITION:
        raise ForeignFileError(f"more than {_LONGEST_DEFINITION} characters")
    try:
        with warnings.catch_warnings():  # on backslashes in BibTeX
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError) as error:
        raise ForeignFileError(f"cannot be parsed: {error}") from error
    found = dict(_assignments(module))
    missing = [name for name in _ASSIGNMENTS if name not in found]
    if missing:
        raise ForeignFileError(f"no plain assignment of {', '.join(missing)}")
    production, shares = _production(found["production"], file.stem, root)
    final_states = _final_states(found["decay"])
    invisible = final_states == ("invisible",)
    columns = _data(_call(found["bounds"], "Dataset", "Datasets"), root)
    efficiency: dict[str, Any] = {"efficiency": "invisible" if invisible else "prompt"}
    efficiency |= _efficiency(_call(found["efficiency"], "Efficiency"))
    if (efficiency["efficiency"] in ("dump", "displaced")) != (len(columns) == 3):
        raise ForeignFileError(f"{len(columns)} columns of data do not go with its efficiency")
    corrected = file.stem in _L_MU_L_TAU
    bibtex = _literal(found["bibtex"], str)
    keys, eprint = (
        re.findall(r"@\w+\{([^,\s{}@]{1,200}),", bibtex),
        re.search(r"eprint\s*=\s*[\"{]([\w./-]+)", bibtex),
    )
    return Limit(
        name=file.stem,
        experiment=file.stem.split("_")[0],
        arxiv=eprint[1] if eprint else "",
        references=(*keys, "Ilten:2018crw"),
        kind="projection" if file.parent.name == "reach" else "limit",
        status="provisional",
        cl=0.9,
        quantity="g_X" if corrected else "eps",
        reference_model="Lmu-Ltau" if corrected else "dark-photon",
        reference_branching_ratio=1.0 if invisible else None,
        reference_decays=_model_decays(found["model"]),
        production=("mu_brem",) if corrected else production,
        production_table=shares,
        final_states=final_states,
        likelihood="background",
        source="DarkCast checkout, arXiv:1801.04847",
        note="imported; confidence level and form of the likelihood are assumed",
        mass=columns[0],
        value=columns[1],
        upper=columns[2] if len(columns) == 3 else None,
        **efficiency,
    )


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id in _ASSIGNMENTS:
                yield target.id, statement.value


def _call(node: ast.expr, *names: str) -> ast.Call:
    """`node` as the call darkcast.NAME(...) with one of `names`."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in [
        f"darkcast.{name}" for name in names
    ]:
        return node
    raise ForeignFileError(
        f"expected a call of {' or '.join(names)}, found {ast.unparse(node)[:60]!r}"
    )


def _literal(node: ast.expr, *kinds: type) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, kinds):
        raise ForeignFileError(f"not a plain value: {ast.unparse(node)[:60]!r}")
    return value


def _final_states(node: ast.expr) -> tuple[str, ...]:
    decays = _literal(node, str, list)
    names = [decays] if isinstance(decays, str) else decays
    unknown = [
        str(name) for name in names if not isinstance(name, str) or name not in _FINAL_STATES
    ]
    if unknown or not names:
        raise ForeignFileError(f"final states {', '.join(unknown)} are not known")
    return tuple(_FINAL_STATES[name] for name in names)


def _model_decays(node: ast.expr) -> tuple[str, ...]:
    """Restriction of the decays of the dark photon; how it gets its invisible width is of no
    interest here.
    """
    call = _call(node, "Model")
    if not call.args or _literal(call.args[0], str) != "dark_photon":
        raise ForeignFileError(f"reference model {ast.unparse(node)[:60]!r} is not the dark photon")
    states = [keyword.value for keyword in call.keywords if keyword.arg == "states"]
    return _final_states(states[0]) if states else ()


def _production(
    node: ast.expr, name: str, root: Path
) -> tuple[tuple[str, ...], ProductionTable | None]:
    call = _call(node, "Production")
    if len(call.args) != 1 or call.keywords:
        raise ForeignFileError(f"production {ast.unparse(node)[:60]!r} is not known")
    argument = call.args[0]
    if isinstance(argument, ast.Call):
        file = _data_file(_call(argument, "Datasets"), root)
        text = _text(file, root)
        mechanisms = _mechanisms(text.partition("\n")[0].lstrip("#").split()[1:])
        array = _numbers(text, file.name)
        if array.shape[1] != 1 + len(mechanisms):
            raise ForeignFileError(f"{file.name}: its first line does not name its columns")
        if not ((array[:, 1:] >= 0).all() and (array[:, 1:].sum(axis=1) > 0).all()):
            raise ForeignFileError(f"{file.name}: shares must not be negative nor all be 0")
        return mechanisms, ProductionTable(
            file.stem, mechanisms, array[:, 0], array[:, 1:], ("Ilten:2018crw",)
        )
    value = _literal(argument, str, dict)
    if isinstance(value, str):
        return _mechanisms([value]), None
    if not all(
        isinstance(share, int | float) and 0 <= share < math.inf for share in value.values()
    ):
        raise ForeignFileError("shares of production are not plain numbers")
    shares = {mechanism: float(share) for mechanism, share in value.items() if share > 0}
    mechanisms = _mechanisms(list(shares))
    if len(mechanisms) == 1:
        return mechanisms, None
    return mechanisms, ProductionTable(
        name, mechanisms, np.array([1.0]), np.array([list(shares.values())])
    )


def _mechanisms(names: Sequence[str]) -> tuple[str, ...]:
    known = tuple(_MECHANISMS.get(name, name) for name in names)
    unknown = [name for name in known if name not in MECHANISMS]
    if unknown or not known:
        raise ForeignFileError(
            f"production mechanisms {', '.join(map(str, unknown))} are not known"
        )
    return known


def _efficiency(call: ast.Call) -> dict[str, Any]:
    given = {str(keyword.arg): keyword.value for keyword in call.keywords}
    if set(given) == {"lratio"}:
        if ast.unparse(given["lratio"]) == "float('inf')":
            return {"efficiency": "displaced"}
        formula = _formula(given["lratio"], "")
        return {"efficiency": "dump", "lratio": _quotient(formula)}
    if set(given) == {"t0", "t1"} and _literal(given["t0"], int, float) == 0:
        if ast.unparse(given["t1"]) == "float('inf')":
            return {}
        if isinstance(given["t1"], ast.Lambda):
            arguments = [argument.arg for argument in given["t1"].args.args]
            if len(arguments) == 1:
                return {
                    "efficiency": "window",
                    "t1": ast.unparse(_formula(given["t1"].body, arguments[0])),
                }
    raise ForeignFileError(f"efficiency {ast.unparse(call)[:60]!r} is not known")


def _formula(node: ast.expr, mass: str) -> ast.expr:
    """`node` in the names of `zscan.limits.formula`; refuses what that cannot evaluate."""
    if isinstance(node, ast.Name) and node.id == mass:
        return ast.Name("m")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow
    ):
        return ast.BinOp(_formula(node.left, mass), node.op, _formula(node.right, mass))
    text = ast.unparse(node)
    particle = re.fullmatch(r"darkcast\.pars\.m[fm]s\['(\w+)'\]", text)
    name = f"m_{particle[1]}" if particle else {"darkcast.pars.c": "c"}.get(text, "")
    if name in NAMES:
        return ast.Name(name)
    raise ForeignFileError(f"formula with {text[:60]!r} is not known")


def _quotient(node: ast.expr) -> float:
    parts = (
        (node.left, node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        else (node,)
    )
    numbers = [float(_literal(part, int, float)) for part in parts]
    if min(numbers) <= 0:
        raise ForeignFileError(f"ratio of lengths {ast.unparse(node)!r} is not positive")
    return numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]


def _data(call: ast.Call, root: Path) -> list[np.ndarray]:
    file = _data_file(call, root)
    array = _numbers(_text(file, root), file.name)
    if array.shape[1] not in (2, 3):
        raise ForeignFileError(
            f"{file.name}: expected two or three columns, found {array.shape[1]}"
        )
    broken = (array[:, 1:] >= _NO_LIMIT).any(axis=1)
    if array.shape[1] == 3:
        broken |= array[:, 1] > array[:, 2]
    if not (array[~broken, 1:] > 0).all() or broken.all():
        raise ForeignFileError(f"{file.name}: couplings must be positive, and some must be limits")
    array[broken, 1:] = np.nan
    return list(array.T)


def _data_file(call: ast.Call, root: Path) -> Path:
    if len(call.args) != 1 or call.keywords:
        raise ForeignFileError(f"data {ast.unparse(call)[:60]!r} is not one file")
    return root / _literal(call.args[0], str)


def _text(file: Path, root: Path) -> str:
    file = file.resolve()
    if not file.is_relative_to(root):
        raise ForeignFileError(f"{file} lies outside the checkout")
    return read_bytes(file, _LARGEST_FILE).decode("utf-8", errors="replace")


def _numbers(text: str, name: str) -> np.ndarray:
    """Rows of numbers, masses increasing; of equal masses the first one is kept."""
    lines = [
        line.split()
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    try:
        array = np.array([[float(word) for word in line] for line in lines], dtype=np.float64)
    except ValueError as error:
        raise ForeignFileError(f"{name}: {error}") from error
    if (
        array.ndim != 2
        or array.shape[0] < 2
        or not np.isfinite(array).all()
        or not (array[:, 0] > 0).all()
    ):
        raise ForeignFileError(
            f"{name}: expected at least two rows of finite numbers, with positive masses"
        )
    _, first = np.unique(array[:, 0], return_index=True)
    return array[first]
