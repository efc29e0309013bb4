"""Limit curves that are published but not shipped: what they are, why they are not there, and the
file that a user would fill.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zscan.limits.format import FORMAT


@dataclass(frozen=True)
class MissingLimit:
    """A published result without a shipped curve.

    `fetch` is what a user has to get, `header` the keys of its limit file that are known (empty
    where the format of limits has no place for the result: `fetch` then says what is missing).
    """

    name: str
    experiment: str
    arxiv: str
    result: str
    fetch: str
    header: Mapping[str, Any]

    @property
    def template(self) -> str:
        """A limit file whose header is filled and whose rows are empty; "" without a header."""
        if not self.header:
            return ""
        columns = ["mass", "value"]
        table = {"format": FORMAT, "name": self.name, "experiment": self.experiment}
        table |= {"arxiv": self.arxiv, **self.header, "columns": columns}
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        return "\n".join([*lines, "rows = [  # [mass in GeV, value], masses increasing", "]", ""])

    def to_table(self) -> dict[str, Any]:
        """JSON-able table of all fields and the template."""
        return asdict(self) | {"header": dict(self.header), "template": self.template}


def missing() -> tuple[MissingLimit, ...]:
    """Published limits whose numbers nobody could get, each with a template of its limit file.

    Digitise the figure (both axes logarithmic, points at most 2 % apart), write the rows, put the
    file into a folder and name that in ZSCAN_LIMITS.

    >>> [limit.name for limit in missing()][:2]
    ['NA64mu_2024', 'BelleII_2022_mumuinv']
    """
    return _MISSING


_FIGURE = "the exclusion curve of the figure, digitised; no public table was found"
_SOURCE = "digitised by hand from the figure"
_MU_INVISIBLE: dict[str, Any] = {
    "quantity": "g_X",
    "reference_model": "Lmu-Ltau",
    "production": ["mu_brem"],
    "final_states": ["invisible"],
    "efficiency": "invisible",
}


def _header(
    references: str, likelihood: str, note: str, cl: float = 0.9, **what: Any
) -> dict[str, Any]:
    return {
        "references": [references],
        "kind": "limit",
        "status": "digitised",
        "cl": cl,
        "excludes": "above",
        **what,
        "likelihood": likelihood,
        "source": _SOURCE,
        "note": note,
    }


_MISSING = (
    MissingLimit(
        "NA64mu_2024",
        "NA64mu",
        "2401.01708",
        "L_mu - L_tau, X invisible: 1.98e10 muons of 160 GeV on target, no event",
        _FIGURE,
        _header(
            "NA64:2024klw",
            "counting",
            "1.98e10 muons of 160 GeV on target, no event; see also arXiv:2409.10128",
            **_MU_INVISIBLE,
        ),
    ),
    MissingLimit(
        "BelleII_2022_mumuinv",
        "Belle II",
        "2212.03066",
        "L_mu - L_tau, e+e- -> mu+mu- X, X invisible: 79.7 fb^-1, g_X from 3e-3 to 1 at 8 GeV",
        f"{_FIGURE}; that of L_mu - L_tau, or that of an X without visible decays with the key "
        "reference_branching_ratio = 1.0",
        _header(
            "Belle-II:2022yaw",
            "background",
            "79.7 fb^-1, e+e- -> mu+mu- X, X invisible; in place of the limit with 276 pb^-1",
            **_MU_INVISIBLE,
        ),
    ),
    MissingLimit(
        "BelleII_2024_4mu",
        "Belle II",
        "2403.02841",
        "L_mu - L_tau, e+e- -> mu+mu- X, X -> mu+mu-: 178 fb^-1",
        _FIGURE,
        _header(
            "Belle-II:2024wtd",
            "background",
            "178 fb^-1, e+e- -> mu+mu- X, X -> mu+mu-",
            **_MU_INVISIBLE | {"final_states": ["mumu"], "efficiency": "prompt"},
        ),
    ),
    MissingLimit(
        "NA64_2023",
        "NA64",
        "2307.02404",
        "dark photon, X invisible: 9.37e11 electrons on target",
        f"{_FIGURE}; NA64_2023_scaled is an estimate",
        _header(
            "NA64:2023wbi",
            "counting",
            "9.37e11 electrons on target, among them those of the older limits",
            quantity="eps",
            reference_model="dark-photon",
            reference_branching_ratio=1.0,
            production=["e_brem"],
            final_states=["invisible"],
            efficiency="invisible",
        ),
    ),
    MissingLimit(
        "NA62_2021_Kmunu",
        "NA62",
        "2101.12304",
        "K+ -> mu+ nu X, X invisible: the published curve for a vector X",
        "the curve of the figure, or its record at HEPData; what is shipped is derived and good to "
        "a factor 2-3",
        _header(
            "NA62:2021bji",
            "background",
            "K+ -> mu+ nu X with a vector X, invisible",
            quantity="branching_ratio",
            reference_branching_ratio=1.0,
            production=["kmunux"],
            final_states=["invisible"],
            efficiency="invisible",
        ),
    ),
    MissingLimit(
        "ATLAS_2019_4mu",
        "ATLAS",
        "1906.09272",
        "L_mu - L_tau, Z -> mu+mu- X, X -> mu+mu-: recast and projection for the LHC",
        "the curve of the figure, digitised; radiation off a muon is the nearest production that "
        "the recast knows",
        _header(
            "Galon:2019owl",
            "background",
            "Z -> mu+mu- X, X -> mu+mu-",
            cl=0.95,
            **_MU_INVISIBLE | {"final_states": ["mumu"], "efficiency": "prompt"},
        )
        | {"kind": "projection", "status": "provisional"},
    ),
    MissingLimit(
        "LHCb_B_to_K_X_displaced",
        "LHCb",
        "1508.04094, 1612.07818",
        "B -> K(*) X, X -> mu+mu- against mass and lifetime: the strongest bound on g_sb above "
        "2 m_mu",
        "the tables exist; a limit here is a curve of the mass alone: a table in mass and lifetime "
        "has no place in the format",
        {},
    ),
    MissingLimit(
        "LHCb_2019_displaced",
        "LHCb",
        "1910.06926",
        "displaced dimuons, dark photon of 0.214 to 0.35 GeV against mass and lifetime",
        "the tables of ratios of limit to expectation exist; they have no place in the format "
        "either, see above",
        {},
    ),
)
