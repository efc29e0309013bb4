"""The file of a limit curve: one TOML table per curve, read into a frozen `Limit` with all faults
reported at once.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from zscan.errors import CardError, Fault, nearest
from zscan.kernels.recast import MECHANISMS
from zscan.limits import reference
from zscan.limits.curve import curve_faults, to_array
from zscan.models.charged import Model, benchmark_names
from zscan.results.levels import two_sided
from zscan.untrusted import TextError, is_file, parse_toml, read_text

FORMAT = 1
CHOICES = {
    "kind": ("limit", "projection"),
    "status": ("published", "digitised", "derived", "provisional"),
    "excludes": ("above", "between"),
    "quantity": ("eps", "g_X", "branching_ratio"),
    "reference_model": (*benchmark_names(), ""),  # or a model of its own
    "efficiency": ("prompt", "invisible", "window", "dump", "displaced"),
    "likelihood": ("counting", "background"),
}
# Final states of a limit and the channels of `zscan.kernels.widths.partial_widths` that they add
# up; a dark channel is invisible too
FINAL_STATES = {
    "ee": "ee",
    "mumu": "mumu",
    "tautau": "tautau",
    "pipi": "pipi",
    "hadrons": "hadrons",
    "invisible": "nunu",
}
# Keys of a file in the order in which they are written
_KEYS = (
    "format",
    "name",
    "experiment",
    "arxiv",
    "references",
    "kind",
    "status",
    "cl",
    "excludes",
    "quantity",
    "reference_model",
    "reference_branching_ratio",
    "reference_decays",
    "production",
    "production_table",
    "final_states",
    "efficiency",
    "t1",
    "lratio",
    "likelihood",
    "source",
    "note",
    "columns",
    "rows",
)
_OPTIONAL = (
    "arxiv",
    "reference_model",
    "reference_branching_ratio",
    "reference_decays",
    "production_table",
    "t1",
    "lratio",
    "note",
)
_ELSEWHERE = (
    "format",
    "excludes",
    "production_table",
    "columns",
    "rows",
)  # keys that are no fields of Limit


class LimitError(CardError):
    """All faults of a limit file at once."""


class LimitWarning(UserWarning):
    """A limit, or rows of one, that were left out or changed on reading, and why."""


@dataclass(frozen=True, eq=False)
class ProductionTable:
    """Shares of production for the dark photon, up to a norm: linear between masses, constant
    beyond the ends.
    """

    name: str
    mechanisms: tuple[str, ...]
    mass: Float[np.ndarray, " n"]
    shares: Float[np.ndarray, "n mechanisms"]
    references: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, eq=False)
class Limit:
    """A published limit curve, or a projection, with what is needed to recast it.

    At `mass` [GeV] couplings above `value` are excluded at confidence level `cl`, or those between
    `value` and `upper` where there is an `upper`; NaN breaks the curve (a veto or a gap). `env_min`
    and `env_max` are the strongest and the weakest value of a ragged curve nearby, `value` then is
    their typical one.

    The numbers are `quantity` ("eps", "g_X" or "branching_ratio") for `reference_model`: the name
    of a benchmark ("dark-photon" has no neutrinos, "Lmu-Ltau" is taken without loop mixing), or a
    model of its own (in a file: the path of a model file, or a table of charges). X is produced by
    `production` (shares in `production_table` when there are several), decays to `final_states`,
    and must do so within a window: `efficiency` "prompt" and "invisible" are fully efficient,
    "window" ends at the proper time `t1` (formula of the mass m in GeV, result in s), "dump" is a
    shield followed by a volume `lratio` times as long, "displaced" as
    `zscan.kernels.recast.displaced_window`. `reference_branching_ratio` is the one the experiment
    assumes, if not that of the reference model, whose decays are restricted to `reference_decays`
    where these are given. `likelihood` chooses the form of `delta_chi2`.

    `status`: "published" numbers, "digitised" from a figure or thinned from a data file, "derived"
    by others from the data, or "provisional": estimated, third-party, or with a confidence level
    that could not be checked (see `note`). `references` are BibTeX keys; `bibtex` has the entries
    of those that zscan does not have, in a file NAME.bib beside that of the limit. Compared and
    hashed by identity."""

    name: str
    experiment: str
    arxiv: str
    references: tuple[str, ...]
    kind: str
    status: str
    cl: float
    quantity: str
    reference_model: str | Model
    production: tuple[str, ...]
    final_states: tuple[str, ...]
    efficiency: str
    likelihood: str
    source: str
    mass: Float[np.ndarray, " n"]
    value: Float[np.ndarray, " n"]
    upper: Float[np.ndarray, " n"] | None = None
    env_min: Float[np.ndarray, " n"] | None = None
    env_max: Float[np.ndarray, " n"] | None = None
    reference_branching_ratio: float | None = None
    reference_decays: tuple[str, ...] = ()
    production_table: ProductionTable | None = None
    t1: str = ""
    lratio: float | None = None
    note: str = ""
    bibtex: str = ""

    def __post_init__(self) -> None:
        # Compiled functions hold these numbers as constants, so they must not change
        for key in ("mass", "value", "upper", "env_min", "env_max"):
            if getattr(self, key) is not None:
                array = np.array(getattr(self, key), dtype=np.float64)
                array.flags.writeable = False
                object.__setattr__(self, key, array)

    @property
    def reference_name(self) -> str:
        """Name of the reference model; empty for a limit on a branching ratio."""
        model = self.reference_model
        return model.name if isinstance(model, Model) else model

    @property
    def excludes(self) -> str:
        """What is excluded: "above" the curve or "between" its two edges."""
        return "above" if self.upper is None else "between"

    @property
    def error(self) -> float:
        """One standard deviation of a signal strength around zero, or the expected events per unit
        of chi2 if counted.

        Chosen such that delta chi2 at mu = 1 is that of the confidence level, see
        `zscan.limits.delta_chi2`."""
        if self.likelihood == "counting":
            return -1 / (2 * math.log1p(-self.cl))
        return 1 / two_sided(self.cl)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that the numbers of a recast depend on and of what is said of
        them, the production table included; not of the BibTeX entries.
        """
        tables: list[Limit | ProductionTable] = [self]
        if self.production_table is not None:
            tables.append(self.production_table)
        digest = hashlib.sha256()
        for table in tables:
            for item in fields(table):
                value = getattr(table, item.name)
                if item.name not in ("production_table", "bibtex"):
                    content = value.tobytes() if hasattr(value, "tobytes") else repr(value).encode()
                    digest.update(item.name.encode() + content)
        return digest.hexdigest()

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays by column name."""
        if self.upper is not None:
            return {"mass": self.mass, "lower": self.value, "upper": self.upper}
        if self.env_min is not None and self.env_max is not None:
            return {
                "mass": self.mass,
                "value": self.value,
                "env_min": self.env_min,
                "env_max": self.env_max,
            }
        return {"mass": self.mass, "value": self.value}


def read_production(path: Path) -> ProductionTable:
    """The production table in a file; raises `LimitError`."""
    table = _toml(path)
    columns: Any = table.get("columns")
    faults = (
        []
        if _texts(columns) and columns[:1] == ["mass"]
        else [Fault("columns", "must be names, the first one mass", columns)]
    )
    if not _texts(table.get("references", [])):
        faults.append(Fault("references", "must be a list of strings", table["references"]))
    if not isinstance(table.get("note", ""), str):
        faults.append(Fault("note", "must be a string", table["note"]))
    array = to_array(table.get("rows"))
    if not faults and (array.ndim != 2 or array.shape[1] != len(columns)):
        faults.append(Fault("rows", "must be rows of numbers, one for each column"))
    if not faults and not _shares_ok(array):
        faults.append(
            Fault(
                "rows", "masses must be positive and increase, shares not be negative nor all be 0"
            )
        )
    if faults:
        raise LimitError(str(path), faults)
    references, note = tuple(table.get("references", ())), table.get("note", "")
    return ProductionTable(
        path.stem, tuple(table["columns"][1:]), array[:, 0], array[:, 1:], references, note
    )


def read_limit(
    path: Path, production: Callable[[Path], ProductionTable] = read_production
) -> Limit:
    """The limit in a file; `production` reads its production table, from the folder `production`
    beside it. BibTeX entries are read from NAME.bib beside it, if that is there.

    Raises `LimitError` that lists every fault.
    """
    table = read_table(path)
    data = dict(zip(table["columns"], to_array(table["rows"]).T, strict=True))
    name = table.get("production_table")
    shares = production(path.parent / "production" / f"{name}.toml") if name else None
    lists = ("references", "production", "final_states", "reference_decays")
    given: dict[str, Any] = {
        key: tuple(value) if key in lists else value
        for key, value in table.items()
        if key not in _ELSEWHERE
    }
    given |= {"value" if key == "lower" else key: column for key, column in data.items()}
    if isinstance(given.get("reference_model"), dict):
        given["reference_model"] = reference.own_model(given["reference_model"])
    given["bibtex"] = _bibtex(path.with_suffix(".bib"))
    limit = Limit(**{"arxiv": "", "reference_model": "", **given}, production_table=shares)
    if shares is not None and shares.mechanisms != limit.production:
        problem = f"the table has the mechanisms {', '.join(shares.mechanisms)}"
        raise LimitError(str(path), [Fault("production_table", problem, name)])
    return limit


def read_table(path: Path) -> dict[str, Any]:
    """The table in a limit file, its production table left aside and a model file that is its
    reference read in; raises `LimitError` that lists every fault.
    """
    table = _toml(path)
    try:
        table["reference_model"] = reference.inlined(table.get("reference_model", ""), path.parent)
    except TextError as error:
        raise LimitError(str(path), [Fault("reference_model", str(error))]) from error
    faults = _faults(table)
    if faults:
        raise LimitError(str(path), faults)
    return table


def _bibtex(path: Path) -> str:
    try:
        return read_text(path) if is_file(path) else ""
    except TextError as error:
        raise LimitError(str(path), [error.fault]) from error


def _shares_ok(array: np.ndarray) -> bool:
    mass, shares = array[:, 0], array[:, 1:]
    increasing = bool((mass > 0).all() and (np.diff(mass) > 0).all())
    return increasing and bool(
        np.isfinite(array).all() and (shares >= 0).all() and (shares.sum(axis=1) > 0).all()
    )


def to_table(limit: Limit) -> dict[str, Any]:
    """The table of a limit file, keys in their order; `rows` is an array."""
    table = {key: getattr(limit, key) for key in _KEYS[1:-2]}  # without format, columns and rows
    table["production_table"] = limit.production_table.name if limit.production_table else None
    table = {"format": FORMAT} | {
        key: value for key, value in table.items() if value not in (None, "", ())
    }
    table = {
        key: list(value) if isinstance(value, tuple) else value for key, value in table.items()
    }
    if isinstance(limit.reference_model, Model):
        table["reference_model"] = limit.reference_model.to_table()
    columns = limit.columns()
    return table | {"columns": list(columns), "rows": np.stack(list(columns.values()), axis=1)}


def check(limit: Limit) -> None:
    """Raise `LimitError` with every fault that `read_limit` would find in the file of `limit`."""
    faults = _faults(to_table(limit))
    if faults:
        raise LimitError(limit.name, faults)


def _toml(path: Path) -> dict[str, Any]:
    try:
        table = parse_toml(read_text(path), path)
    except TextError as error:
        raise LimitError(str(path), [error.fault]) from error
    if table.get("format") != FORMAT:
        raise LimitError(
            str(path), [Fault("format", "unknown format", table.get("format"), str(FORMAT))]
        )
    return table


def _faults(table: Mapping[str, Any]) -> list[Fault]:
    faults = list(_plain_faults(table))
    if not faults:  # what follows compares keys, and takes their types for granted
        faults += _dependent_faults(table)
    return [*faults, *curve_faults(table)]


def _plain_faults(table: Mapping[str, Any]) -> Iterator[Fault]:
    for key in _KEYS:
        if key not in table and key not in _OPTIONAL:
            yield Fault(key, "is missing")
    for key in table:
        if key not in _KEYS:
            yield Fault(key, "unknown key", allowed=nearest(key, _KEYS))
    yield from reference.faults(table.get("reference_model", ""))
    for key, allowed in CHOICES.items():
        if key != "reference_model" and key in table and table[key] not in allowed:
            yield Fault(key, "unknown choice", table[key], ", ".join(filter(None, allowed)))
    for key in ("name", "experiment", "arxiv", "source", "note", "t1", "production_table"):
        if not isinstance(table.get(key, ""), str):
            yield Fault(key, "must be a string", table[key])
    for key in ("name", "production_table"):
        if not re.fullmatch(r"[\w+-]+", str(table.get(key, "-"))):
            yield Fault(key, "must consist of letters, digits, _, + and -", table[key])
    names = {
        "production": MECHANISMS,
        "final_states": FINAL_STATES,
        "reference_decays": FINAL_STATES,
    }
    for key in ("references", *names):
        value = table.get(key, ["-"])
        if not (value and _texts(value)):
            yield Fault(key, "must be a list of strings", value)
            continue
        for item in value if key in names and key in table else ():
            if item not in names[key]:
                yield Fault(key, "unknown name", item, nearest(item, names[key]))
    if not _number(table.get("cl", 0.9), 0.5, 1):
        yield Fault("cl", "must be a number between 0.5 and 1", table["cl"])


def _dependent_faults(table: Mapping[str, Any]) -> Iterator[Fault]:
    efficiency, lratio, assumed = (
        table.get(key) for key in ("efficiency", "lratio", "reference_branching_ratio")
    )
    if (efficiency == "window") != bool(table.get("t1")):
        yield Fault("t1", "goes with efficiency 'window', and only with it")
    if (efficiency == "dump") != ("lratio" in table) or (
        "lratio" in table and not _number(lratio, 0, math.inf)
    ):
        yield Fault(
            "lratio", "a positive number goes with efficiency 'dump', and only with it", lratio
        )
    if (efficiency in ("dump", "displaced")) != (table.get("excludes") == "between"):
        yield Fault(
            "excludes", "is 'between' for the efficiencies 'dump' and 'displaced', else 'above'"
        )
    if assumed is not None and not _number(assumed, 0, 1.0000001):
        yield Fault("reference_branching_ratio", "must be a number above 0 and at most 1", assumed)
    dark_photon = table.get("reference_model") == "dark-photon"
    if (table.get("quantity") == "eps") != dark_photon:
        yield Fault(
            "quantity",
            "is eps for the reference model dark-photon, and only for it",
            table.get("quantity"),
        )
    absolute = table.get("quantity") == "branching_ratio"
    if absolute != (not table.get("reference_model")):
        yield Fault("reference_model", "is needed, but for the quantity branching_ratio")
    if assumed is None and (absolute or (dark_photon and "invisible" in table["final_states"])):
        yield Fault("reference_branching_ratio", "is needed: the reference model has no such decay")
    if (len(table["production"]) > 1) != ("production_table" in table):
        yield Fault("production_table", "goes with more than one production mechanism")
    if "production_table" in table and not dark_photon:
        yield Fault(
            "production_table",
            "holds shares for the dark photon, which must be the reference model",
        )


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _number(value: Any, above: float, below: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value < below
