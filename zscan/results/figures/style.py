"""The look of all figures: sizes, fonts, and one colour per experiment, legible in gray and for the
colour-blind.
"""

from __future__ import annotations

import zlib
from typing import Any

import matplotlib
from matplotlib.colors import to_rgba

RC: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 10.0,
    "axes.labelsize": 12.0,
    "axes.titlesize": 11.0,
    "legend.fontsize": 8.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,  # text stays text in PDF ...
    "svg.fonttype": "none",  # ... and SVG
    "svg.hashsalt": "zscan",
}

COLUMN, DOUBLE = 3.4, 7.0  # inches: one and two columns of a journal

# (light face, darker line) of each experiment; faces differ in lightness, for a gray print
_COLOURS = {
    "CCFR": ("#dbdbdb", "#5a5a5a"),
    "NuTeV": ("#b4b4b4", "#333333"),
    "Borexino": ("#83c4b6", "#00695c"),
    "CHARM-II": ("#f1c7b7", "#b23c17"),
    "TEXONO": ("#d9b79a", "#7a4a1e"),
    "LSND": ("#c9d3a0", "#5d6b1e"),
    "Planck": ("#f2e5cf", "#7d5a2a"),
    "COHERENT": ("#f1bce4", "#9b2584"),
    "NSI": ("#fdf4ad", "#8a7a00"),
    "oscillations": ("#dacf61", "#665c00"),
    "NA62": ("#b49bdc", "#512da8"),
    "NA64": ("#afce94", "#33691e"),
    "BaBar": ("#a1c8ef", "#0d56a0"),
    "Belle II": ("#6d9fd6", "#08306b"),
    "LHCb": ("#f5b550", "#a65300"),
    "D mixing": ("#93a5dd", "#1b2f7a"),
    "CLEO": ("#bfe3fa", "#2b8fd0"),
    "KLOE": ("#f3a6a6", "#a01c1c"),
    "g-2": ("#d9b48a", "#000000"),
    "NA64mu": ("#f4b6b6", "#c81e1e"),
    "M3": ("#b5dcae", "#1b7837"),
}
_FURTHER = (
    ("#cfd8dc", "#37474f"),
    ("#f8bbd0", "#ad1457"),
    ("#b2dfdb", "#00574b"),
    ("#ffe0b2", "#9a4a00"),
    ("#d1c4e9", "#4527a0"),
    ("#dcedc8", "#446b14"),
    ("#bbdefb", "#11508f"),
    ("#d7ccc8", "#4e342e"),
)

DASHES: tuple[Any, ...] = (
    (0, (6, 2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (2.2, 1.4)),
    (0, (9, 2, 3, 2)),
    (0, (1, 1.3)),
    (0, (7, 1.5, 1, 1.5, 1, 1.5)),
    (0, (11, 3)),
    (0, (3.5, 1.2, 1, 1.2)),
)

# (colour, dashes) of families of curves, in order
LINES: tuple[tuple[str, Any], ...] = (
    ("#0072b2", "-"),
    ("#d55e00", "--"),
    ("#009e73", "-."),
    ("#7a3e9d", (0, (1, 1))),
    ("#555555", (0, (5, 1, 1, 1))),
)

GUIDE = "#707070"
_BACKDROP, _DARK_BACKDROP = "#f1f1f1", "#1c1c1c"
LABEL_SIZE = 8.0  # points, of names inside a plot
SMALLEST = 6.0
NOTE_SIZE = 6.0  # of the line that tells the origin


def colours(experiment: str) -> tuple[str, str]:
    """Face and line of an experiment, the same in every figure; on dark paper the dark colour is
    the face.
    """
    face, line = (
        _COLOURS.get(experiment) or _FURTHER[zlib.crc32(experiment.encode()) % len(_FURTHER)]
    )
    return (line, face) if _dark_paper() else (face, line)


def backdrop() -> str:
    """The face of what anything excludes, under the regions."""
    return _DARK_BACKDROP if _dark_paper() else _BACKDROP


def _dark_paper() -> bool:
    """Whether axes are darker than middle gray in the style in force."""
    axes = to_rgba(matplotlib.rcParams["axes.facecolor"])
    figure = to_rgba(matplotlib.rcParams["figure.facecolor"])
    red, green, blue, _ = axes if axes[3] > 0.5 else figure
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def sheet(name: str) -> Any:
    """A style that matplotlib takes: its own name, or the settings of "mplhep.NAME", which mplhep
    does not tell to matplotlib.

    Raises ImportError without mplhep and OSError for a name that it does not have."""
    package, _, style = name.partition(".")
    if package != "mplhep":
        return name
    import mplhep

    found = getattr(mplhep.style, style, None)
    if not isinstance(found, dict):
        raise OSError(f"mplhep has no style {style!r}")
    return found
