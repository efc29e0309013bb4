"""A limit of one's own: from a table and what the publication says to a limit file that every
command knows.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zscan import references
from zscan.errors import Fault, NoEffectWarning, ZscanError, nearest, shown
from zscan.limits import known
from zscan.limits.format import FINAL_STATES, Limit, LimitError, ProductionTable, check
from zscan.limits.outline import curve_columns
from zscan.limits.reference import reference_model as model_of
from zscan.limits.strength import excluded_intervals
from zscan.limits.tables import UNITS, Table, read_table_of
from zscan.limits.write import write_limit
from zscan.models import Model, ModelType, load_model
from zscan.models.charged import benchmark_names
from zscan.models.parameters import M_X
from zscan.untrusted import TextError, is_file, parse_toml, read_text

QUANTITIES = {"BR": "branching_ratio"} | {q: q for q in ("g_X", "eps", "branching_ratio")}
_CLOSED = ("dump", "displaced")  # efficiencies of searches with a lower and an upper edge
_ROWS_SHOWN = 3


def add(
    table: str | Path,
    *,
    name: str,
    experiment: str,
    cl: float,
    production: str | Sequence[str] | Mapping[str, float],
    final_states: str | Sequence[str],
    quantity: str = "g_X",
    reference_model: ModelType | Mapping[str, Any] | str | Path | None = None,
    unit: str | None = None,
    columns: Sequence[int] | None = None,
    kind: str = "limit",
    status: str = "digitised",
    efficiency: str | None = None,
    t1: str = "",
    lratio: float | None = None,
    reference_branching_ratio: float | None = None,
    likelihood: str = "background",
    arxiv: str = "",
    bibtex: str | Path = "",
    source: str = "",
    note: str = "",
    folder: str | Path | None = None,
    force: bool = False,
) -> Limit:
    """Make a limit of a table: checked row by row, written as `folder`/NAME.toml with its BibTeX
    beside it, and from then on known as "NAME" and as the constraint "searches/NAME".

    `table` is a file of `zscan.limits.tables.read_table_of` (CSV, HEPData, .lmt); its first column
    is the mass in `unit` ("eV" to "TeV"; by default what the file says, else GeV), the others are
    the limit on `quantity`, or the lower and upper edge of an excluded region. Rows are sorted, a
    closed outline in two columns is split (`zscan.limits.outline.curve_columns`). The numbers hold
    for `reference_model`: the name of a model, a file, a table of charges, or a `Model` (for "eps"
    it is the dark photon, for "branching_ratio" there is none). The other keys are those of
    `Limit`; `efficiency` is by default "invisible" or "prompt", as the final states are; several
    mechanisms of `production` need their shares, {"e_brem": 0.7, "p_brem": 0.3}. `bibtex` is a file
    or the text of entries; without it one is made of `arxiv`. `folder` is by default
    `zscan.limits.user_folder()`, which every command reads.

    A limit that could never act is refused: masses above 10 TeV or below what zscan evaluates (the
    wrong unit), a reference model without any signal in this search. Where only some masses have no
    signal, or masses in eV lie below what is evaluated, that is a `NoEffectWarning`. Raises
    `LimitError`, which names file and row or key, what the readers raise and what `write_limit`
    raises (`force` replaces a limit of the same name)."""
    read = read_table_of(table, columns)
    states = _names(final_states)
    if efficiency is None:
        invisible = states == ("invisible",)
        chosen = "dump" if lratio is not None else "window" if t1 else "prompt"
        efficiency = "invisible" if invisible else chosen
    curve = _in_gev(read, unit, curve_columns(read, two_sided=efficiency in _CLOSED))
    if len(curve) == 3 and efficiency not in _CLOSED:
        listing = ", ".join(f"{number} {name}" for number, name in enumerate(read.names, 1))
        allowed = f"efficiency {' or '.join(_CLOSED)}, or two columns"
        allowed += f" out of: {listing}" if listing else ""
        problem = f"lower and upper edge do not go with efficiency {efficiency}"
        raise LimitError(read.source, [Fault("columns", problem, None, allowed)])
    mechanisms, shares = _production(production, name, read.source)
    quantity = _quantity(quantity, read.source)
    reference = _reference(reference_model, quantity, read.source)
    if (
        reference_branching_ratio is None
        and reference == "dark-photon"
        and states == ("invisible",)
    ):
        reference_branching_ratio = 1.0  # as all searches for invisible dark photons assume
    entries = _entries(bibtex, name, experiment, arxiv, read.source)
    limit = Limit(
        name=name,
        experiment=experiment,
        arxiv=arxiv,
        references=tuple(references.split(entries)),
        kind=kind,
        status=status,
        cl=cl,
        quantity=quantity,
        reference_model=reference,
        reference_branching_ratio=reference_branching_ratio,
        production=mechanisms,
        production_table=shares,
        final_states=states,
        efficiency=efficiency,
        t1=t1,
        lratio=lratio,
        likelihood=likelihood,
        source=source or f"added from {Path(table).name}",
        note=note,
        mass=curve[0],
        value=curve[1],
        upper=curve[2] if len(curve) == 3 else None,
        bibtex=entries,
    )
    _require_known(limit, read.source)
    try:
        check(limit)
    except LimitError as error:
        raise LimitError(read.source, error.faults) from None
    _require_signal(limit, read.source)
    write_limit(limit, known.user_folder() if folder is None else folder, force=force)
    (registered,) = known.register([limit])
    return known.load(registered)


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _in_gev(table: Table, unit: str | None, curve: list[np.ndarray]) -> list[np.ndarray]:
    if unit is not None and unit not in UNITS:
        raise LimitError(table.source, [Fault("unit", "unknown unit", unit, ", ".join(UNITS))])
    if unit is not None and table.unit is not None and unit != table.unit:
        problem = f"the file itself says {table.unit}"
        raise LimitError(table.source, [Fault("unit", problem, unit)])
    used = unit or table.unit or "GeV"
    mass = curve[0] * UNITS[used]
    low, high = float(mass[0]), float(mass[-1])
    text = f"masses from {low:.3g} to {high:.3g} GeV"
    allowed = f"{M_X.minimum:g} to {M_X.maximum:g} GeV"
    other = [
        name
        for name in UNITS
        if high / UNITS[used] * UNITS[name] <= M_X.maximum
        and high / UNITS[used] * UNITS[name] >= M_X.minimum
        and name != used
    ]
    hint = f"; is the unit {' or '.join(other)}?" if other else ""
    if high > M_X.maximum or (high < M_X.minimum and used != "eV"):
        problem = f"{text} are not plausible in {used}{hint}"
        raise LimitError(table.source, [Fault("unit", problem, used, allowed)])
    if high < M_X.minimum:
        problem = f"{text} lie below all masses that zscan evaluates ({allowed}): it has no effect"
        warnings.warn(NoEffectWarning(f"{table.source}: {problem}"), stacklevel=3)
    return [mass, *curve[1:]]


def _production(
    given: str | Sequence[str] | Mapping[str, float], name: str, source: str
) -> tuple[tuple[str, ...], ProductionTable | None]:
    if not isinstance(given, Mapping):
        mechanisms = _names(given)
        if len(mechanisms) > 1:
            allowed = "one mechanism, or the share of each, as e_brem=0.7 p_brem=0.3"
            problem = "several mechanisms without their shares"
            raise LimitError(source, [Fault("production", problem, list(mechanisms), allowed)])
        return mechanisms, None
    shares = np.array(list(given.values()), dtype=np.float64)
    if not (np.isfinite(shares).all() and (shares > 0).all()):
        raise LimitError(source, [Fault("production", "shares must be positive", dict(given))])
    if len(given) == 1:
        return tuple(given), None
    return tuple(given), ProductionTable(name, tuple(given), np.array([1.0]), shares[None, :])


def _quantity(quantity: str, source: str) -> str:
    if quantity not in QUANTITIES:
        allowed = nearest(quantity, QUANTITIES)
        raise LimitError(source, [Fault("quantity", "unknown quantity", quantity, allowed)])
    return QUANTITIES[quantity]


def _reference(
    given: ModelType | Mapping[str, Any] | str | Path | None, quantity: str, source: str
) -> str | Model:
    """The reference model as a limit holds it: a benchmark by its name, else charges."""
    if given is None:
        return {"eps": "dark-photon"}.get(quantity, "")
    if isinstance(given, str) and given in ("", *benchmark_names()):
        return given
    try:
        if isinstance(given, str) and given.lstrip().startswith("{"):
            given = parse_toml(f"model = {given}")["model"]
        if isinstance(given, Mapping):
            given = {"name": "reference model"} | dict(given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a reference may be anomalous
            model = load_model(given)
    except (ZscanError, KeyError) as error:
        raise LimitError(source, [Fault("reference_model", str(error))]) from error
    if not isinstance(model, Model):
        allowed = "a model with charges, by name, file or table"
        raise LimitError(source, [Fault("reference_model", "has none", model.name, allowed)])
    return model


def _entries(bibtex: str | Path, name: str, experiment: str, arxiv: str, source: str) -> str:
    text = str(bibtex)
    if isinstance(bibtex, Path) or (text and "@" not in text):
        if not is_file(text):
            raise LimitError(source, [Fault("bibtex", "neither a file nor an entry", text)])
        try:
            text = read_text(text)
        except TextError as error:
            raise LimitError(source, [error.fault]) from error
    if not text:
        return known.bare_entry(name, experiment, arxiv)
    if not references.split(text):
        raise LimitError(source, [Fault("bibtex", "no BibTeX entry", shown(text))])
    return text.strip() + "\n"


def _require_known(limit: Limit, source: str) -> None:
    """What the format allows, but no search of one's own can mean."""
    faults = []
    if limit.name in known.shipped_names():
        faults.append(Fault("name", "is that of a shipped limit", limit.name, "another name"))
    if limit.quantity == "branching_ratio" and limit.production != ("kmunux",):
        problem = "a branching ratio is that of K -> mu nu X, for other productions give a coupling"
        faults.append(Fault("production", problem, list(limit.production), "kmunux"))
    for state in limit.final_states:
        if state not in FINAL_STATES:
            allowed = nearest(state, FINAL_STATES)
            faults.append(Fault("final_states", "unknown name", state, allowed))
    if faults:
        raise LimitError(source, faults)


def _require_signal(limit: Limit, source: str) -> None:
    """Refuse a limit whose own reference model has no signal, and tell where it has none."""
    if not limit.reference_model:
        return
    there = np.isfinite(limit.value)
    if limit.upper is not None:  # at the tip of an outline there is nothing between the edges
        there &= limit.upper > limit.value * (1 + 1e-5)
    mass = limit.mass[there]
    probe = replace(limit, name="probe")
    model = model_of(limit.reference_model)
    if limit.reference_branching_ratio and isinstance(model, Model):
        # The experiment assumed decays that the model by itself need not have.
        model = replace(model, dark="dirac", g_chi_over_g=1.0, m_chi_over_m_X=0.0)
    (found,) = excluded_intervals([probe], model, mass)
    silent = np.isnan(np.broadcast_to(found.lower, mass.shape))
    search = f"{'+'.join(limit.production)} with decays to {'+'.join(limit.final_states)}"
    if silent.all():
        problem = f"gives no signal in this search ({search}) at any mass: the limit cannot act"
        raise LimitError(source, [Fault("reference_model", problem, model.name)])
    if silent.any():
        named = ", ".join(f"{m:.4g}" for m in mass[silent][:_ROWS_SHOWN])
        more = f" and {silent.sum() - _ROWS_SHOWN} more" if silent.sum() > _ROWS_SHOWN else ""
        text = f"at {named}{more} GeV the reference model {model.name} gives no signal in this "
        text += f"search ({search}): the limit has no effect there"
        warnings.warn(NoEffectWarning(f"{source}: {text}"), stacklevel=3)
