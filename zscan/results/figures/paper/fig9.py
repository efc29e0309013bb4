"""Fig 9 of arXiv:2107.07518: branching ratios of X in two benchmark models."""

import json
from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.curves import Channels
from zscan.results.figures.plot import FigureSpec, Panel
from zscan.results.figures.words import mixing_text, model_text

CHANNELS = Channels(
    {
        "branching_ratio/nunu": r"$\nu\bar\nu$",
        "branching_ratio/mumu": r"$\mu^+\mu^-$",
        "branching_ratio/tautau": r"$\tau^+\tau^-$",
        "branching_ratio/hadrons": "hadrons",
        "branching_ratio/ee": r"$e^+e^-$",
    }
)


def _panels(maps: Sequence[xr.Dataset]) -> tuple[Panel, ...]:
    return tuple(
        Panel((CHANNELS,), {}, _title(data), ylabel="branching ratio", limits=(1e-6, 1.5), map=i)
        for i, data in enumerate(maps)
    )


def _title(data: xr.Dataset) -> str:
    """The model alone: branching ratios do not depend on the coupling that is held."""
    parts = model_text(json.loads(data.attrs["model"])), mixing_text(data)
    return ", ".join(part for part in parts if part)


SPEC = FigureSpec(
    number="9",
    cards=("fig9-lmu-ltau", "fig9-b-3lmu"),
    axes=("m_X",),
    panels=_panels,
    columns=2,
    size=(7.0, 3.2),
    legend=(0.03, 0.32),
    note=(
        "Hadrons by resonances and data to 2 GeV, free quarks beyond; no values on quarkonia, "
        "whose peaks are not in the widths."
    ),
)
