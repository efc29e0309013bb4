"""Fig 9 of arXiv:2107.07518: branching ratios of X in two benchmark models."""

from collections.abc import Sequence

import xarray as xr

from zscan.results.figures.layers import Channels
from zscan.results.figures.plot import FigureSpec, Panel

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
        Panel((CHANNELS,), {}, title, ylabel="branching ratio", limits=(1e-6, 1.5), map=number)
        for number, title in enumerate((r"$L_\mu - L_\tau$", r"$B - 3L_\mu$"))
    )


SPEC = FigureSpec(
    number="9",
    cards=("fig9-lmu-ltau", "fig9-b-3lmu"),
    axes=("m_X",),
    panels=_panels,
    columns=2,
    size=(4.6, 3.6),
    legend=(0.03, 0.32),
    caption=(
        "Left: L_mu - L_tau with the kinetic mixing of the mu-tau loop; right: B - 3 L_mu without "
        "kinetic mixing. Hadrons by resonances and data to 2 GeV, free quarks beyond; no values on "
        "quarkonia, whose peaks are not in the widths."
    ),
)
