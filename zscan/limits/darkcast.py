"""Import of limits from a DarkCast checkout (arXiv:1801.04847); its files are parsed as text,
nothing is executed.
"""

from __future__ import annotations

import ast
import copy
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from zscan import references
from zscan.errors import ForeignFileError, ZscanError, clipped
from zscan.kernels.recast import MECHANISMS
from zscan.limits.darkcast_syntax import (
    Definition,
    call,
    formula,
    literal,
    quotient,
    thresholds,
)
from zscan.limits.format import Limit, LimitWarning, ProductionTable, check
from zscan.limits.formula import evaluate
from zscan.results.files import access
from zscan.untrusted import file_name, read_bytes

_NO_LIMIT = 1e4  # couplings from here on mark masses without a limit (1e5 in the files)
_LARGEST_FILE = 10_000_000  # bytes
_MOST_FILES = 2000  # definitions in a folder
_FINAL_STATES = {
    "e_e": "ee",
    "mu_mu": "mumu",
    "tau_tau": "tautau",
    "pi+_pi-": "pipi",
    "invisible": "invisible",
}
# A search for hadrons in these exclusive states and others like them sees, below 2 GeV, about all
_HADRONS = {"pi+_pi-", "pi+_pi-_pi0"}
_MORE_HADRONS = {
    "pi+_pi-_pi+_pi-",
    "pi+_pi-_pi0_pi0",
    "K_K",
    "K_K_pi",
    "pi0_gamma",
    "eta_gamma",
    "eta_pi_pi",
    "omega_pi_pi",
    "phi_eta",
    "phi_pi",
    "pi0_omega",
    "other",
}
_MECHANISMS = {"rho0": "rho", "eta'_gamma": "etaprime_gamma", "D*0_D0": "Dstar_D"}
_MODELS = {"dark_photon": "dark-photon", "B-L_boson": "B-L", "Lmu-Ltau_boson": "Lmu-Ltau"}
# Numbers that are the coupling g_X of L_mu - L_tau, radiated off a muon, although the checkout
# calls them eps
_L_MU_L_TAU = ("BaBar_TheBABAR2016rlg",)
_BESIDE = 1e-9  # relative distance from a step in shares of production
_PLAIN = "imported; confidence level and form of the likelihood are assumed"


@dataclass(frozen=True)
class Checkout:
    """What `read_checkout` found: the limits, and for every definition that was left out, by its
    path in the checkout, the reason.
    """

    limits: tuple[Limit, ...]
    left_out: dict[str, str]

    def __str__(self) -> str:
        lines = [f"imported {len(self.limits)} limits, left out {len(self.left_out)}"]
        lines[0] += ":" if self.left_out else ""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
            lines.append(f"  {', '.join(names)} left out: {reason}")
        return "\n".join(lines)


def import_darkcast(path: Path | str) -> tuple[Limit, ...]:
    """The limits of a DarkCast checkout at `path` (folders limits and, for projections, reach), in
    the order of names; a definition that is left out gives a `LimitWarning` with the reason.

    Read are the definitions NAME.py, as syntax, and the data files they name. What the checkout
    does not say is set so: confidence level 90 % and likelihood "background" (hence status
    "provisional"), invisible searches assume a branching ratio of 1. Rows at mass 0 and rows that
    repeat a mass are dropped, with a warning. Shares of production that are functions of the mass
    become tables, with both sides of their steps. Of a table of r-values (mass, coupling, ratio of
    limit to signal) the region where the dark photon is excluded is kept, as edges of a displaced
    search. Many exclusive hadronic states become "hadrons". Limits with features that `Limit` has
    no place for (shifts of magnetic moments, scattering, other mechanisms or models) are left out.
    Save what is returned with `write_limit`. Cite the original publications (`references`) and
    arXiv:1801.04847.

    Raises `ForeignFileError` when there is no checkout at `path`. A file of the checkout raises
    nothing, whatever it holds: it is left out.
    """
    found = read_checkout(path)
    for name, reason in found.left_out.items():
        warnings.warn(LimitWarning(f"{name} left out: {reason}"), stacklevel=2)
    return found.limits


def read_checkout(path: Path | str) -> Checkout:
    """As `import_darkcast`, with the reasons why definitions were left out in place of warnings."""
    root = file_name(path).resolve()
    folders = [folder for folder in (root / "limits", root / "reach") if folder.is_dir()]
    if not folders:
        raise ForeignFileError(
            f"{root} is no DarkCast checkout: it has no folder 'limits' or 'reach'"
        )
    limits, left_out = [], {}
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
                left_out[str(file.relative_to(root))] = f"{kind}{clipped(str(error), 600)}"
            else:
                limits.append(limit)
    return Checkout(tuple(limits), left_out)


def _limit(file: Path, root: Path) -> Limit:
    found = Definition(_text(file, root))
    final_states, broad = _final_states(found["decay"])
    production, shares = _production(found, file.stem, root)
    invisible = final_states == ("invisible",)
    data = _data_file(call(found["bounds"], "Dataset", "Datasets"), root)
    efficiency: dict[str, Any] = {"efficiency": "invisible" if invisible else "prompt"}
    efficiency |= _efficiency(found)
    note = _PLAIN
    if efficiency.pop("rvals", False):
        columns = _edges_of_r(data, root)
        note += "; edges of the excluded region of the dark photon, from a table of r-values"
    else:
        columns = _data(data, root)
    if (efficiency["efficiency"] in ("dump", "displaced")) != (len(columns) == 3):
        raise ForeignFileError(f"{len(columns)} columns of data do not go with its efficiency")
    if broad:
        note += "; exclusive hadronic states are taken as all hadrons"
    reference, decays = _model(found["model"])
    corrected = file.stem in _L_MU_L_TAU
    if corrected:
        reference, production, shares = "Lmu-Ltau", ("mu_brem",), None
    bibtex = literal(found["bibtex"], str)
    keys = tuple(references.split(bibtex))
    eprint = re.search(r"eprint\s*=\s*[\"{]([\w./-]+)", bibtex)
    entries = {k: v for k, v in references.split(bibtex).items() if not references.has(k)}
    return Limit(
        name=file.stem,
        experiment=file.stem.split("_")[0],
        arxiv=eprint[1] if eprint else "",
        references=(*keys, "Ilten:2018crw"),
        kind="projection" if file.parent.name == "reach" else "limit",
        status="provisional",
        cl=0.9,
        quantity="eps" if reference == "dark-photon" else "g_X",
        reference_model=reference,
        reference_branching_ratio=1.0 if invisible and reference == "dark-photon" else None,
        reference_decays=decays,
        production=production,
        production_table=shares,
        final_states=final_states,
        likelihood="background",
        source="DarkCast checkout, arXiv:1801.04847",
        note=note,
        mass=columns[0],
        value=columns[1],
        upper=columns[2] if len(columns) == 3 else None,
        bibtex="\n\n".join(entries.values()),
        **efficiency,
    )


def _final_states(node: ast.expr) -> tuple[tuple[str, ...], bool]:
    """Final states, and whether exclusive hadronic ones were taken as all hadrons."""
    decays = literal(node, str, list)
    names = [decays] if isinstance(decays, str) else decays
    if names == ["none"]:
        raise ForeignFileError("no search for decays, but a shift or a rate of scattering")
    known = {*_FINAL_STATES, *_MORE_HADRONS, *_HADRONS}
    unknown = [str(name) for name in names if not isinstance(name, str) or name not in known]
    broad = not unknown and set(names) >= _HADRONS
    if not broad:
        unknown += [name for name in names if name in _MORE_HADRONS | {"pi+_pi-_pi0"}]
    if unknown or not names:
        raise ForeignFileError(f"final states {', '.join(unknown)} are not known")
    if broad:
        leptons = [name for name in names if name in _FINAL_STATES and name not in _HADRONS]
        return (*(_FINAL_STATES[name] for name in leptons), "hadrons"), True
    return tuple(_FINAL_STATES[name] for name in names), False


def _model(node: ast.expr) -> tuple[str, tuple[str, ...]]:
    """The reference model and the restriction of its decays; how a dark photon gets its invisible
    width is of no interest here.
    """
    found = call(node, "Model")
    name = literal(found.args[0], str) if found.args else ""
    if name not in _MODELS:
        raise ForeignFileError(f"reference model {ast.unparse(node)[:60]!r} is not known")
    states = [keyword.value for keyword in found.keywords if keyword.arg == "states"]
    return _MODELS[name], _final_states(states[0])[0] if states else ()


def _production(
    found: Definition, name: str, root: Path
) -> tuple[tuple[str, ...], ProductionTable | None]:
    node = call(found["production"], "Production")
    if len(node.args) != 1 or node.keywords:
        raise ForeignFileError(f"production {ast.unparse(node)[:60]!r} is not known")
    argument = node.args[0]
    if isinstance(argument, ast.Call):
        return _production_table(_data_file(call(argument, "Datasets"), root), root)
    if isinstance(argument, ast.Dict) and any(isinstance(v, ast.Lambda) for v in argument.values):
        return _production_formulas(found, argument, name)
    value = literal(argument, str, dict)
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


def _production_table(file: Path, root: Path) -> tuple[tuple[str, ...], ProductionTable]:
    text = _text(file, root)
    names = text.strip().partition("\n")[0].lstrip("# \t").split()
    mechanisms = _mechanisms(names[1:])
    array = _numbers(text, file.name)
    if array.shape[1] != 1 + len(mechanisms):
        raise ForeignFileError(f"{file.name}: its first line does not name its columns")
    if not ((array[:, 1:] >= 0).all() and (array[:, 1:].sum(axis=1) > 0).all()):
        raise ForeignFileError(f"{file.name}: shares must not be negative nor all be 0")
    return mechanisms, ProductionTable(
        file.stem, mechanisms, array[:, 0], array[:, 1:], ("Ilten:2018crw",)
    )


def _production_formulas(
    found: Definition, shares: ast.Dict, name: str
) -> tuple[tuple[str, ...], ProductionTable]:
    """Shares that are functions of the mass, as a table: constant but for steps."""
    keys = [literal(key, str) for key in shares.keys if key is not None]
    formulas = [found.formula_of(value) for value in shares.values]
    if len(keys) != len(formulas) or None in formulas:
        raise ForeignFileError("shares of production are no formulas of the mass")
    whole = [item for item in formulas if item is not None]
    steps = [side for item in whole for side in thresholds(item)]
    ends = [evaluate(ast.unparse(step), np.array([1.0, 2.0])) for step in steps]
    fixed = np.unique([end[0] for end in ends if end[0] == end[1] and end[0] > 0])
    if any(re.search(r"\bm\b", ast.unparse(item)) for item in map(_values, whole)):
        raise ForeignFileError("shares of production that depend on the mass beyond steps")
    beside = np.outer(fixed, [1 - _BESIDE, 1 + _BESIDE]).ravel()
    mass = np.unique(beside) if fixed.size else np.array([1.0])
    values = np.column_stack([evaluate(ast.unparse(item), mass) for item in whole])
    if not (np.isfinite(values).all() and (values >= 0).all() and (values.sum(axis=1) > 0).all()):
        raise ForeignFileError("shares of production must not be negative nor all be 0")
    return _mechanisms(keys), ProductionTable(name, _mechanisms(keys), mass, values)


def _values(node: ast.expr) -> ast.expr:
    """A formula without its comparisons."""

    class WithoutTests(ast.NodeTransformer):
        def visit_Compare(self, node: ast.Compare) -> ast.expr:
            return ast.Constant(1.0)

    return cast(ast.expr, WithoutTests().visit(copy.deepcopy(node)))


def _mechanisms(names: Sequence[str]) -> tuple[str, ...]:
    known = tuple(_MECHANISMS.get(name, name) for name in names)
    unknown = [name for name in known if name not in MECHANISMS]
    if unknown or not known:
        raise ForeignFileError(
            f"production mechanisms {', '.join(map(str, unknown))} are not known"
        )
    return known


def _efficiency(found: Definition) -> dict[str, Any]:
    node = call(found["efficiency"], "Efficiency")
    given = {str(keyword.arg): keyword.value for keyword in node.keywords}
    if set(given) == {"lratio"}:
        if ast.unparse(given["lratio"]) == "float('inf')":
            return {"efficiency": "displaced"}
        return {"efficiency": "dump", "lratio": quotient(formula(given["lratio"], ""))}
    if set(given) == {"rvals"} and literal(given["rvals"], bool):
        return {"efficiency": "displaced", "rvals": True}
    if set(given) == {"t0", "t1"} and literal(given["t0"], int, float) == 0:
        if ast.unparse(given["t1"]) == "float('inf')":
            return {}
        end = found.formula_of(given["t1"])
        if end is not None:
            return {"efficiency": "window", "t1": ast.unparse(end)}
    raise ForeignFileError(f"efficiency {ast.unparse(node)[:60]!r} is not known")


def _edges_of_r(file: Path, root: Path) -> list[np.ndarray]:
    """Lower and upper coupling at which a table of (mass, coupling, r) passes r = 1, interpolated
    in logarithms; NaN at masses where r is nowhere below 1.
    """
    text = _text(file, root)
    names = text.strip().partition("\n")[0].lstrip("# \t").split()
    array = _rows(text, file.name)
    if array.shape[1] != 3 or names[2:3] != ["r"] or not (array > 0).all():
        raise ForeignFileError(f"{file.name}: no table of mass, coupling and r, all positive")
    mass = np.unique(array[:, 0])
    edges = np.full((2, mass.size), np.nan)
    for number, m in enumerate(mass):
        g, r = np.log(array[array[:, 0] == m, 1:]).T
        order = np.argsort(g)
        g, r = g[order], r[order]
        below = np.flatnonzero(r < 0)
        if below.size:
            first, last = below[0], below[-1]
            low = g[0] if first == 0 else np.interp(0, r[[first, first - 1]], g[[first, first - 1]])
            stop = last == g.size - 1
            high = g[-1] if stop else np.interp(0, r[[last, last + 1]], g[[last, last + 1]])
            edges[:, number] = np.exp([low, high])
    if np.isfinite(edges[0]).sum() < 2:
        raise ForeignFileError(f"{file.name}: r is below 1 at fewer than two masses")
    ends = np.flatnonzero(np.isfinite(edges[0]))[[0, -1]]
    inside = slice(ends[0], ends[1] + 1)
    return [mass[inside], *edges[:, inside]]


def _data(file: Path, root: Path) -> list[np.ndarray]:
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


def _data_file(node: ast.Call, root: Path) -> Path:
    if len(node.args) != 1 or node.keywords:
        raise ForeignFileError(f"data {ast.unparse(node)[:60]!r} is not one file")
    return root / literal(node.args[0], str)


def _text(file: Path, root: Path) -> str:
    file = file.resolve()
    if not file.is_relative_to(root):
        raise ForeignFileError(f"{file} lies outside the checkout")
    return read_bytes(file, _LARGEST_FILE).decode("utf-8", errors="replace")


def _numbers(text: str, name: str) -> np.ndarray:
    """Rows of numbers, masses increasing; rows at mass 0 are dropped, of equal masses the first one
    is kept.
    """
    array = _rows(text, name)
    zero = array[:, 0] == 0
    _, first = np.unique(array[:, 0], return_index=True)
    first = first[~zero[first]]
    repeated = array.shape[0] - first.size - int(zero.sum())
    for count, why in ((int(zero.sum()), "at mass 0"), (repeated, "at the mass of another")):
        if count:
            text = f"{name}: {count} row{'s' if count > 1 else ''} {why} dropped"
            warnings.warn(LimitWarning(text), stacklevel=7)
    if first.size < 2:
        raise ForeignFileError(f"{name}: fewer than two rows have a mass above 0")
    return array[first]


def _rows(text: str, name: str) -> np.ndarray:
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
        or not (array[:, 0] >= 0).all()
    ):
        raise ForeignFileError(
            f"{name}: expected at least two rows of finite numbers, without negative masses"
        )
    return array
