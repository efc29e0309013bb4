"""Shared look of all figures: sizes, fonts, one colour per constraint (legible in gray and for the
colour-blind).
"""

from __future__ import annotations

from typing import Any

RC: dict[Any, Any] = {
    "font.family": "serif",
    "mathtext.fontset": "cm",
    "font.size": 10.0,
    "axes.labelsize": 12.0,
    "axes.titlesize": 11.0,
    "legend.fontsize": 8.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "hatch.linewidth": 0.5,
}

# (face colour, hatch) of shaded regions; the hatch tells neighbours apart in a gray print
FILL = {
    "delta_a_mu": ("#b07d4f", ""),
    "r_k": ("#f0a030", ""),
    "trident_ccfr": ("#c8c8c8", ""),
    "trident_nutev": ("#8f8f8f", ""),
    "borexino": ("#56b4a9", "////"),
    "searches/BaBar_TheBABAR2016rlg": ("#7fb3e0", "\\\\\\\\"),
    "searches/BelleII_Adachi2019otg": ("#4a7fb5", "...."),
    "kmunux": ("#a58bc9", "xxxx"),
    "coherent": ("#e3b5dc", ""),
    "charm2": ("#f4b8a4", "oo"),
    "n_eff": ("#d9c8b4", "**"),
    "matter": ("#cfc04a", ""),
    "nsi": ("#f5e67a", ""),
    "d_mixing": ("#27408b", ""),
    "searches/LHCb_Aaij2019bvg_prompt": ("#e69f00", ""),
    "searches/NA62_CortinaGil2019nuo": ("#8a5fb5", "----"),
    "searches/NA64_NA642019imj": ("#b8d8a0", "||||"),
    "searches/BaBar_Lees2014xha": ("#9ecae1", ""),
    "searches/BaBar_Lees2017lec": ("#6baed6", "++++"),
}
OTHERS = "#6b3d00"

PROJECTED = {
    "searches/proj_NA64mu": "#d62728",
    "searches/proj_M3_phase1": "#2ca02c",
    "searches/proj_M3_phase2": "#98a800",
    "searches/proj_BelleII_4mu_50ab_scaled": "#1f5fa8",
    "searches/proj_BelleII_mumuinv_50ab_scaled": "#00a0c0",
    "searches/proj_NA62_Kmunu_Krnjaic": "#7b3fa0",
    "searches/reach_LHCb_Ilten2016tkc_prompt": "#b35900",
    "d_to_pi": "#4aa3df",
}

# (colour, dashes) of families of curves, in order
LINES: tuple[tuple[str, Any], ...] = (
    ("#0072b2", "-"),
    ("#d55e00", "--"),
    ("#009e73", "-."),
    ("#7a3e9d", (0, (1, 1))),
    ("#555555", (0, (5, 1, 1, 1))),
)

CAPTION_SIZE = 6.5  # points
CAPTION_LINE = 0.125  # inches per line
CAPTION_COLUMNS = 19.6  # characters per inch of figure width
LEGEND_WIDTH = 2.9  # inches, of a legend beside the panels
