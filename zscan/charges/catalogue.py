"""The catalogue of anomaly-free charges as a user sees it: selections, counts, listings and columns
of a file.

The charges themselves are in `zscan.charges.universal`, flavour assignments in
`zscan.charges.flavours`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from zscan.charges.flavours import assign, assignments
from zscan.charges.muoquarks import MUOQUARKS, muon_only, muoquark_charges
from zscan.charges.sums import Rows, sorted_rows
from zscan.charges.universal import (
    checked_max_charge,
    classify,
    enumerate_universal,
    third_family_muons,
    third_family_muoquark,
)
from zscan.errors import CardError, Fault, ParameterError, UnknownNameError, nearest

MAX_SELECTED = 200
_LONGEST = 1000  # characters of a selection
FLAVOURS = ("one", "all")

# Name of a class and what a row of it has; see `zscan.charges.classify`
CLASSES = {
    "vector": "L = E up to order (15)",
    "chiral": "L and E differ (16)",
    "class1": "vector, N = L",
    "class2": "vector, -9q in L and in N",
    "class3": "vector, in neither class 1 nor 2",
    "muoquark": "L or E is not the same for all flavours (13)",
    "no_diquark_a": "a charge that occurs once in L or E differs from 3q (14a)",
    "no_diquark_b": "a charge that occurs once in L or E differs from -3q (14b)",
    "reflected": "E = -6q - L up to order (26)",
    "third_family": "allowed with charged third-family quarks only (33)",
}


@dataclass(frozen=True)
class Selection:
    """Rows of the catalogue with charges up to `max_charge` (at most 200) that are in all of
    `classes`.

    A class is a key of `CLASSES`, or one after "!" for rows that are not in it. `flavours` is "one"
    for the default assignment to e, mu and tau or "all" for every one. `classes` are kept in the
    order of `CLASSES`, without repetition; `str()` is the text that `parse_selection` reads.

    Raises `UnknownNameError` for an unknown class, `ParameterError` for other values that are not
    allowed.

    >>> str(Selection(10, ("!chiral", "class3")))
    'max=10,!chiral,class3'
    >>> len(Selection(10, ("chiral", "reflected")).rows())
    18
    """

    max_charge: int
    classes: tuple[str, ...] = ()
    flavours: Literal["one", "all"] = "one"

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_charge", checked_max_charge(self.max_charge, MAX_SELECTED))
        for name in self.classes:
            if name.removeprefix("!") not in CLASSES:
                raise UnknownNameError(
                    f"class {name!r} is not known: {nearest(name.removeprefix('!'), CLASSES)}"
                )
            if f"!{name}" in self.classes:
                raise ParameterError(f"class {name!r} is both asked for and excluded")
        if self.flavours not in FLAVOURS:
            raise ParameterError(
                f"flavours = {self.flavours!r} is not allowed; allowed: {', '.join(FLAVOURS)}"
            )
        order = list(CLASSES)
        names = sorted(set(self.classes), key=lambda name: order.index(name.removeprefix("!")))
        object.__setattr__(self, "classes", tuple(names))

    def __str__(self) -> str:
        flavours = () if self.flavours == "one" else (f"flavours={self.flavours}",)
        return ",".join((f"max={self.max_charge}", *self.classes, *flavours))

    def rows(self) -> Int[np.ndarray, "n 10"]:
        """The selected rows of `zscan.charges.enumerate_universal`, in its order."""
        rows = enumerate_universal(self.max_charge)
        return rows[self.mask(classify(rows))] if self.classes else rows

    def mask(self, classes: Mapping[str, Bool[np.ndarray, " n"]]) -> Bool[np.ndarray, " n"]:
        """Which rows are in all classes of the selection, from the result of
        `zscan.charges.classify`.
        """
        keep = np.ones(len(classes["vector"]), bool)
        for name in self.classes:
            keep &= classes[name.removeprefix("!")] != name.startswith("!")
        return keep

    def assigned(self) -> Int[np.ndarray, "k 10"]:
        """The selected rows as [q, L_e, L_mu, L_tau, E_e, E_mu, E_tau, N_1, N_2, N_3], none of them
        twice.

        With flavours "one" by `zscan.charges.flavours.assign`, line by line those of `rows()`; with
        "all" by `zscan.charges.flavours.assignments`, those of one row after the other."""
        return assign(self.rows()) if self.flavours == "one" else assignments(self.rows())


def parse_selection(text: str) -> Selection:
    """A selection from a text such as "max=10,vector,!class1,flavours=all".

    Items are separated by commas: max=N (needed), flavours=one or all, names of classes, all of
    which must hold, or !name. Raises `CardError` with all faults.

    >>> parse_selection(" max=10, muoquark, vector ")
    Selection(max_charge=10, classes=('vector', 'muoquark'), flavours='one')
    """
    if len(text) > _LONGEST:
        allowed = f"at most {_LONGEST} characters"
        raise CardError("selection", [Fault("selection", "too long", text, allowed)])
    faults: list[Fault] = []
    values: dict[str, str] = {}
    classes: list[str] = []
    for item in (part.strip() for part in text.split(",")):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            classes.append(item)
        elif key not in ("max", "flavours"):
            allowed = "max=N, flavours=one or all, names of classes"
            faults.append(Fault(key, "not a key of a selection", item, allowed))
        elif key in values:
            faults.append(Fault(key, "given twice", item))
        else:
            values[key] = value

    limit, flavours = values.get("max"), values.get("flavours", "one")
    whole = f"a whole number from 0 to {MAX_SELECTED}"
    if limit is None:
        faults.append(Fault("max", "missing", allowed=f"max=N with {whole}"))
    elif not (re.fullmatch("[0-9]{1,9}", limit) and int(limit) <= MAX_SELECTED):
        faults.append(Fault("max", "not usable", limit, whole))
    if flavours not in FLAVOURS:
        faults.append(Fault("flavours", "not known", flavours, ", ".join(FLAVOURS)))
    for name in dict.fromkeys(classes):
        if name.removeprefix("!") not in CLASSES:
            faults.append(
                Fault("class", "not known", name, nearest(name.removeprefix("!"), CLASSES))
            )
        elif f"!{name}" in classes:
            faults.append(Fault("class", "both asked for and excluded", name))
    if faults:
        raise CardError(f"selection {text!r}", faults)
    return Selection(int(limit or 0), tuple(classes), cast("Literal['one', 'all']", flavours))


# Columns of the table of counts: title, and the condition of a muoquark
_CONDITIONS = {"all": "", "muoquark": "(13)", "no_diquark_a": "(14a)", "no_diquark_b": "(14b)"}
# Lines of the table: key, printed name, and the classes that a row is in
_LINES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("total", "total", ()),
    ("vector", "vector", ("vector",)),
    ("class1", "  class 1", ("class1",)),
    ("class2", "  class 2", ("class2",)),
    ("class1_and_2", "  classes 1 and 2", ("class1", "class2")),
    ("class3", "  class 3", ("class3",)),
    ("chiral", "chiral", ("chiral",)),
    ("chiral_reflected", "  reflected", ("chiral", "reflected")),
    ("third_family", "third family", ("third_family",)),
    ("third_family_vector", "  vector", ("vector", "third_family")),
    ("third_family_chiral", "  chiral", ("chiral", "third_family")),
)


def counts(max_charge: int) -> dict[str, dict[str, int]]:
    """How many rows of the catalogue are in which class, and how many of these satisfy which
    muoquark condition.

    Keys: "total", "vector", "class1", ..., "third_family_chiral"; in each "all", "muoquark",
    "no_diquark_a" and "no_diquark_b", see `zscan.charges.classify`. Raises `ParameterError` as
    `zscan.charges.enumerate_universal`. Source: arXiv:2107.07518 sec. 2.

    >>> counts(10)["total"]
    {'all': 276, 'muoquark': 273, 'no_diquark_a': 272, 'no_diquark_b': 273}
    """
    return _counts(classify(enumerate_universal(max_charge)))


def _counts(classes: Mapping[str, np.ndarray]) -> dict[str, dict[str, int]]:
    classes = {**classes, "all": np.ones_like(classes["vector"])}

    def number(names: Iterable[str]) -> int:
        return int(np.logical_and.reduce([classes[name] for name in names]).sum())

    return {key: {name: number((name, *names)) for name in _CONDITIONS} for key, _, names in _LINES}


def report(
    max_charge: int, classes: Iterable[str] = (), *, table: bool = False, listing: bool = False
) -> str:
    """Text about the catalogue: its counts; with `classes` how many rows a `Selection` keeps.

    `table` adds the chiral rows (a star marks those that are not reflected) and class 3, as in
    Table 1 of the paper; `listing` adds every selected row. Raises as `Selection` and
    `zscan.charges.enumerate_universal`.

    >>> print(report(10, ["class3"], listing=True).partition("selected")[2])
     (max=10,class3): 2
      q |   L             |   E             |   N             |  L (e, mu, tau)  E (e, mu, tau)
      0 |  -5  -1   6     |  -5  -1   6     |  -3  -2   5     |  -1   6  -5      -1   6  -5
      0 |  -3  -2   5     |  -3  -2   5     |  -5  -1   6     |  -2   5  -3      -2   5  -3
    """
    names = tuple(classes)
    selection = Selection(max_charge, names) if names or listing else None
    rows = enumerate_universal(max_charge)
    found = classify(rows)
    lines = [
        f"Anomaly-free charges with universal quarks, integers from -{max_charge} to {max_charge} "
        "(arXiv:2107.07518)",
        "".join([" " * 18, *(f"{equation or name:>9}" for name, equation in _CONDITIONS.items())]),
    ]
    numbers = _counts(found)
    for key, title, _ in _LINES:
        lines.append("".join([f"{title:18}", *(f"{number:9}" for number in numbers[key].values())]))
    lines.append(
        "(13) flavour-dependent; (14a), (14b) no diquark coupling of a (qbar l), (q l) muoquark"
    )
    if table:
        lines += ["", "chiral (* not reflected: E is not -6q - L)", *_listed(rows[found["chiral"]])]
        lines += ["", "class 3", *_listed(rows[found["class3"]])]
    if selection is not None:
        keep = selection.mask(found)
        lines += [
            "",
            f"selected ({selection}): {keep.sum()}",
            *(_listed(rows[keep]) if listing else ()),
        ]
    return "\n".join(lines)


def _listed(rows: np.ndarray) -> list[str]:
    def charges(*triples: np.ndarray) -> list[str]:
        return ["".join(f"{charge:4}" for charge in triple) for triple in triples]

    lines = [
        "  q |   L             |   E             |   N             |  L (e, mu, tau)  E (e, mu, "
        "tau)"
    ]
    found = classify(rows)
    marks = np.where(found["chiral"] & ~found["reflected"], " *", "")
    for row, flavours, mark in zip(rows, assign(rows), marks, strict=True):
        L, E, N, *muon = charges(row[1:4], row[4:7], row[7:], flavours[1:4], flavours[4:7])
        lines.append(f"{row[0]:3} |{L}     |{E}     |{N}     |{muon[0]}    {muon[1]}{mark}")
    return lines


class Column(NamedTuple):
    """A column of a catalogue file: int16 charges, or uint8 for no (0) and yes (1)."""

    name: str
    long_name: str
    values: Int[np.ndarray, " n"]


def columns(assigned: ArrayLike) -> tuple[Column, ...]:
    """The columns of a catalogue file for assigned rows (n, 10) with charges up to 200.

    Charges of the row, its classes, charges of e, mu and tau, of muoquarks that couple to left- or
    right-handed muons and whether they couple to them alone, and the third-family variant for each
    charge of L as that of the muon."""
    assigned = np.asarray(assigned)
    rows = sorted_rows(assigned)
    result = []

    def add(name: str, long_name: str, values: np.ndarray) -> None:
        kind = np.uint8 if values.dtype == bool else np.int16
        result.append(Column(name, long_name, np.ascontiguousarray(values, kind)))

    add("q", "charge of all quarks", rows[:, 0])
    fields = {"L": "lepton doublets", "E": "charged lepton singlets", "N": "right-handed neutrinos"}
    for index, name in enumerate(f"{field}_{i}" for field in fields for i in (1, 2, 3)):
        add(name, f"charges of the {fields[name[0]]} in ascending order", rows[:, 1 + index])
    for name, values in classify(rows).items():
        add(name, CLASSES[name], values)
    for index, name in enumerate(
        f"{field}_{flavour}" for field in "LE" for flavour in ("e", "mu", "tau")
    ):
        add(
            name,
            f"charge of the {fields[name[0]]}, as assigned to flavours",
            assigned[:, 1 + index],
        )
    for muoquark in MUOQUARKS.values():
        charges = muoquark_charges(muoquark.name, assigned[:, 0], assigned[:, 2], assigned[:, 5])
        alone = muon_only(muoquark.name, assigned)
        for index, coupling in enumerate((muoquark.left, muoquark.right)):
            if coupling:
                name = f"{muoquark.name}_{'LR'[index]}"
                add(
                    f"X_{name}",
                    f"charge of {muoquark.name} with the coupling {coupling} to muons",
                    charges[index],
                )
                add(
                    f"{name}_muon_only",
                    f"it couples neither to e, tau nor to two quarks, {name}",
                    alone[:, index],
                )
    add(
        "X_q3",
        "charge of the quarks of the third family, the others having none (33)",
        3 * rows[:, 0],
    )
    allowed, charges_S = third_family_muons(rows), third_family_muoquark(rows)
    for i in range(3):
        add(f"third_family_{i + 1}", f"(33) holds if the muon carries L_{i + 1}", allowed[:, i])
        add(
            f"third_family_X_S_3_{i + 1}",
            f"charge of S_3 if the muon carries L_{i + 1}",
            charges_S[:, i],
        )
    return tuple(result)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A catalogue file as read: the selection it was written for, and its columns by name."""

    selection: Selection
    columns: dict[str, Int[np.ndarray, " n"]]

    @property
    def rows(self) -> Rows:
        """Canonical rows [q, L, E, N], one for each line of the file."""
        return self._stack("L_1", "L_2", "L_3", "E_1", "E_2", "E_3")

    @property
    def assigned(self) -> Rows:
        """Rows in flavour order, see `Selection.assigned`."""
        return self._stack("L_e", "L_mu", "L_tau", "E_e", "E_mu", "E_tau")

    def _stack(self, *leptons: str) -> Rows:
        names = ("q", *leptons, "N_1", "N_2", "N_3")
        return np.stack([self.columns[name] for name in names], axis=1).astype(np.int64)
