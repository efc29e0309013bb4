"""Shared look of all figures: sizes, fonts, one colour per constraint (legible in gray and for the colour-blind)."""

from __future__ import annotations

from typing import Any

RC: dict[Any, Any] = {
    "font.family": "serif",
    "mathtext.fontset": "cm",
    "font.size": 10.0,
    "axes.labelsize": 12.0,
    "legend.fontsize": 8.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "hatch.linewidth": 0.5,
}

# (face colour, hatch) of the excluded regions; the hatch tells neighbours apart in a gray print
FILL = {
    "trident_ccfr": ("#c8c8c8", ""),
    "trident_nutev": ("#8f8f8f", ""),
    "borexino": ("#56b4a9", "////"),
}

WIDTH, HEIGHT = 5.4, 4.3  # inches, the axes of one panel with its tick labels
CAPTION_SIZE = 6.5  # points
