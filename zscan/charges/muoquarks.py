"""Muoquarks: leptoquarks whose U(1)_X charge lets them couple to muons only (arXiv:2107.07518 sec.
2).

Hypercharges are normalised as Q = T3 + Y; the X charges of quarks and leptons are those of the
fields as written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from zscan.charges.sums import integer_rows, unique_charges
from zscan.errors import UnknownNameError, nearest


@dataclass(frozen=True)
class Muoquark:
    """A leptoquark: representation under SU(3) x SU(2)_L x U(1)_Y and its couplings to muons.

    `left` is the coupling to the doublet l, `right` that to the singlet e (empty where there is
    none). `diquark` is the multiple of the quark charge q that the muon's charge must not have,
    lest its X charge allows a coupling to quarks alone: 3 for couplings of the type (anti-q, muon),
    Eq. (14a), and -3 for (q, muon), Eq. (14b)."""

    name: str
    kind: Literal["scalar", "vector"]
    colour: Literal["3", "3bar"]
    isospin: int
    hypercharge: Fraction
    left: str
    right: str
    diquark: Literal[3, -3]


MUOQUARKS = {
    muoquark.name: muoquark
    for muoquark in (
        Muoquark("S_3", "scalar", "3bar", 3, Fraction(1, 3), "q l S_3", "", -3),
        Muoquark("S_1", "scalar", "3bar", 1, Fraction(1, 3), "q l S_1", "u e S_1", -3),
        Muoquark("R_2", "scalar", "3", 2, Fraction(7, 6), "ubar l R_2", "qbar e R_2", 3),
        Muoquark(
            "U_1", "vector", "3", 1, Fraction(2, 3), "qbar gamma l U_1", "dbar gamma e U_1", 3
        ),
    )
}


class MuoquarkCharges(NamedTuple):
    """X charge of a muoquark that couples to left-handed muons, to right-handed ones (None: there
    is no coupling).

    A chiral model needs one muoquark for each, or only one of the couplings.
    """

    left: Any
    right: Any


def muoquark(name: str) -> Muoquark:
    """The muoquark of a name; raises `UnknownNameError`."""
    if name not in MUOQUARKS:
        raise UnknownNameError(f"no muoquark {name!r}: {nearest(name, MUOQUARKS)}")
    return MUOQUARKS[name]


def muoquark_charges(
    name: str,
    q: Any,
    l: Any,  # noqa: E741
    e: Any,
    u: Any = None,
    d: Any = None,
) -> MuoquarkCharges:
    """X charge of a muoquark from those of quark and muon: doublets q and l, singlets e, u and d
    (default q).

    Each coupling must be neutral: S_3 and S_1: -(q + l), and S_1: -(u + e); R_2: u - l and q - e;
    U_1: q - l and d - e. Arguments are exact numbers or arrays that broadcast; the result is of
    their type. The charges of the third family are used where it alone couples. Raises
    `UnknownNameError`. Source: arXiv:2107.07518 secs. 2 and 4.

    >>> muoquark_charges("S_3", Fraction(1, 3), -3, -3)  # B - 3 L_mu
    MuoquarkCharges(left=Fraction(8, 3), right=None)
    >>> muoquark_charges("R_2", 0, 7, 6)
    MuoquarkCharges(left=-7, right=-6)
    """
    u, d = (q if charge is None else charge for charge in (u, d))
    match muoquark(name).name:
        case "S_3":
            return MuoquarkCharges(-(q + l), None)
        case "S_1":
            return MuoquarkCharges(-(q + l), -(u + e))
        case "R_2":
            return MuoquarkCharges(u - l, q - e)
        case _:
            return MuoquarkCharges(q - l, d - e)


def allowed_muons(name: str, rows: ArrayLike) -> Bool[np.ndarray, "*n 2 3"]:
    """Which charges of catalogue rows (..., 10) a muon may carry so that this muoquark couples to
    it alone.

    Result (..., 2, 3): coupling to left- or right-handed muons, and the position in L or in E. True
    where the charge occurs once in its triple, and at most once in the other triple if the muoquark
    couples to that as well (the muon then takes it there too), and where it leaves the muoquark
    without a coupling to two quarks: it is not 3q for R_2 and U_1, Eq. (14a), not -3q for S_3 and
    S_1, Eq. (14b). Raises `UnknownNameError` and `ParameterError`.

    >>> allowed_muons("S_3", [1, -9, 0, 0, -9, 0, 0, -9, 0, 0]).tolist()  # B - 3 L_mu
    [[True, False, False], [False, False, False]]
    """
    kind, rows = muoquark(name), integer_rows(rows)
    triples = rows[..., 1:7].reshape(*rows.shape[:-1], 2, 3)
    others = triples[..., ::-1, :]  # of the other handedness
    repeated = (triples[..., :, None] == others[..., None, :]).sum(axis=-1) > 1
    diquark = triples == kind.diquark * rows[..., :1, None]
    alone = unique_charges(rows).reshape(triples.shape)
    return alone & ~diquark & _chiralities(kind, repeated)


def muon_only(name: str, assigned: ArrayLike) -> Bool[np.ndarray, "*n 2"]:
    """Whether this muoquark couples to the muon alone, for assigned rows (..., 10) of
    `zscan.charges.flavours`.

    Result (..., 2): a muoquark with the charge of its coupling to left-handed, to right-handed
    muons (see `muoquark_charges`). It then couples to neither handedness of e and tau, and not to
    two quarks, as in `allowed_muons`. Raises `UnknownNameError` and `ParameterError`.

    >>> muon_only("S_3", [0, 0, 1, -1, 0, 1, -1, 0, 0, 0]).tolist()  # L_mu - L_tau
    [True, False]
    """
    kind, assigned = muoquark(name), integer_rows(assigned)
    triples = assigned[..., 1:7].reshape(*assigned.shape[:-1], 2, 3)
    muon, others = triples[..., 1], triples[..., ::2]
    same = (others == muon[..., None]).any(axis=-1)
    crossed = (others[..., ::-1, :] == muon[..., None]).any(axis=-1)
    diquark = muon == kind.diquark * assigned[..., :1]
    result: Bool[np.ndarray, "*n 2"] = (
        ~same & ~diquark & _chiralities(kind, crossed[..., None])[..., 0]
    )
    return result


def _chiralities(kind: Muoquark, crossed: np.ndarray) -> np.ndarray:
    """Where a coupling (..., 2, k) exists and, if both do, the other handedness spares it."""
    if kind.right:
        return ~crossed
    return np.broadcast_to(np.array([[True], [False]]), crossed.shape)
