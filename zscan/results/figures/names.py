"""What constraints, axes and parameters are called in figures; whose colour a constraint has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zscan.errors import UnknownNameError, nearest

# (experiment, text) of constraints; of others the map tells the experiment and the final state
_KNOWN = {
    "delta_a_mu": ("g-2", r"$(g-2)_\mu$"),
    "r_k": ("LHCb", r"$R_K[1.1, 6]$"),
    "r_k_low": ("LHCb", r"$R_K[0.1, 1.1]$"),
    "b_to_k_nunu": ("Belle II", r"$B\to K\nu\nu$"),
    "b_to_k_x_babar": ("BaBar", r"BaBar, $B\to KX$"),
    "b_to_k_x_belle2": ("Belle II", r"Belle II, $B\to KX$"),
    "b_to_kstar_x_babar": ("BaBar", r"BaBar, $B\to K^*X$"),
    "k_to_pi_x_na62": ("NA62", r"NA62, $K\to\pi X$"),
    "kl_to_pi0_x_koto": ("KOTO", r"KOTO, $K_L\to\pi^0X$"),
    "z_gamma_x": ("LEP", r"LEP, $Z\to\gamma X$"),
    "trident_ccfr": ("CCFR", r"CCFR, $\nu$ trident"),
    "trident_nutev": ("NuTeV", r"NuTeV, $\nu$ trident"),
    "borexino": ("Borexino", r"Borexino, $^7$Be"),
    "charm2": ("CHARM-II", r"CHARM-II, $\nu e$"),
    "texono": ("TEXONO", r"TEXONO, $\bar\nu e$"),
    "lsnd_nue": ("LSND", r"LSND, $\nu e$"),
    "n_eff": ("Planck", r"$N_{\rm eff}$"),
    "electron_g2_rb": ("g-2 of the electron (Rb)", r"$(g-2)_e$, Rb"),
    "electron_g2_cs": ("g-2 of the electron (Cs)", r"$(g-2)_e$, Cs"),
    "coherent": ("COHERENT", "COHERENT, CsI"),
    "nsi": ("NSI", "NSI, oscillations"),
    "matter": ("oscillations", r"$\nu$ in matter"),
    "d_mixing": ("D mixing", r"$D^0$ mixing"),
    "d_to_pi": ("CLEO", r"$D^+\to\pi^+X$"),
    "b_s_mixing": ("B_s mixing", r"$B_s$ mixing"),
    "b_d_mixing": ("B_d mixing", r"$B_d$ mixing"),
    "kmunux": ("NA62", r"NA62, $K\to\mu\nu X$"),
    "searches/BaBar_TheBABAR2016rlg": ("BaBar", r"BaBar, $4\mu$"),
    "searches/BaBar_Lees2017lec": ("BaBar", r"BaBar, $\gamma$ + inv."),
    "searches/BaBar_Lees2014xha": ("BaBar", r"BaBar, $\gamma\ell\ell$"),
    "searches/BelleII_Adachi2019otg": ("Belle II", r"Belle II, $\mu\mu$ + inv."),
    "searches/LHCb_Aaij2019bvg_prompt": ("LHCb", r"LHCb, $\mu\mu$"),
    "searches/NA62_CortinaGil2019nuo": ("NA62", r"NA62, $\pi^0\to\gamma X$"),
    "searches/NA64_NA642019imj": ("NA64", r"NA64, inv."),
    "searches/proj_NA64mu": ("NA64mu", r"NA64$\mu$"),
    "searches/proj_M3_phase1": ("M3", "M$^3$ phase 1"),
    "searches/proj_M3_phase2": ("M3", "M$^3$ phase 2"),
    "searches/proj_BelleII_4mu_50ab_scaled": ("Belle II", r"Belle II, $4\mu$"),
    "searches/proj_BelleII_mumuinv_50ab_scaled": ("Belle II", r"Belle II, $\mu\mu$ + inv."),
    "searches/proj_NA62_Kmunu_Krnjaic": ("NA62", r"NA62, $K\to\mu\nu X$"),
    "searches/reach_LHCb_Ilten2016tkc_prompt": ("LHCb", r"LHCb, $\mu\mu$"),
}
_FAMILIES = ("KLOE", "NA64", "NA62", "Belle II")  # KLOE-2 has the colour of KLOE
_FINAL = {
    "ee": "$ee$",
    "mumu": r"$\mu\mu$",
    "ee/mumu": r"$\ell\ell$",
    "pipi": r"$\pi\pi$",
    "mumu/pipi": r"$\mu\mu$, $\pi\pi$",
    "invisible": "inv.",
}
_SYMBOLS = {
    "m_X": "m_X",
    "g_X": "g_X",
    "g_V": "g_V",
    "g_A": "g_A",
    "g_A_over_g_V": "g_A/g_V",
    "eps": r"\epsilon",
    "eps_over_g": r"\epsilon/g_X",
    "g_sb": "g_{sb}",
    "width_over_m_X": r"\Gamma_X/m_X",
    "M_1": "M_1",
    "M_2": "M_2",
    "Q_S": "Q_S",
}


def constraint_table(attributes: Mapping[str, Any], constraint: str) -> dict[str, Any]:
    """What a map says of a constraint; raises `UnknownNameError` if it does not hold it."""
    tables = {item["name"]: item for item in json.loads(attributes["constraints"])}
    if constraint not in tables:
        raise UnknownNameError(
            f"the map holds no constraint {constraint!r}: {nearest(constraint, tables)}"
        )
    table: dict[str, Any] = tables[constraint]
    return table


def is_projection(attributes: Mapping[str, Any], constraint: str) -> bool:
    """Whether a constraint of a map is the reach of a future experiment."""
    return " projection, " in constraint_table(attributes, constraint)["long_name"]


def experiment(attributes: Mapping[str, Any], constraint: str) -> str:
    """Whose colour a constraint has."""
    if constraint in _KNOWN:
        return _KNOWN[constraint][0]
    found, _ = _told(constraint_table(attributes, constraint)["long_name"])
    return next((family for family in _FAMILIES if found.startswith(family)), found)


def known_experiment(constraint: str) -> str | None:
    """Whose colour a constraint has, as far as that is known without a map."""
    return _KNOWN[constraint][0] if constraint in _KNOWN else None


def label(attributes: Mapping[str, Any], constraint: str) -> str:
    """Short text of a constraint, with "proj." and "provisional" where the map says so."""
    table = constraint_table(attributes, constraint)
    if constraint in _KNOWN:
        text = _KNOWN[constraint][1]
    else:
        found, final = _told(table["long_name"])
        text = escaped(found) + (f", {_FINAL.get(final, escaped(final))}" if final else "")
    projected = is_projection(attributes, constraint)
    remarks = ["proj."] * projected + ["prov."] * (table["status"] == "provisional")
    return text + (f" ({', '.join(remarks)})" if remarks else "")


def _told(long_name: str) -> tuple[str, str]:
    """Experiment and final state of a limit from its long name; any other name is taken whole."""
    for kind in (" limit, ", " projection, "):
        if kind in long_name:
            name, _, final = long_name.partition(kind)
            return name, final.removesuffix(" final state")
    return long_name, ""


def symbol(parameter: str) -> str:
    """A parameter as it stands in titles and at axes.

    >>> symbol("m_X"), symbol("charge.L.mu")
    ('$m_X$', 'charge.L.mu')
    """
    return f"${_SYMBOLS[parameter]}$" if parameter in _SYMBOLS else escaped(parameter)


def axis_label(parameter: str, units: str) -> str:
    """Label of an axis with its unit.

    >>> axis_label("m_X", "GeV")
    '$m_X$ [GeV]'
    """
    return symbol(parameter) + (f" [{escaped(units)}]" if units not in ("", "1") else "")


def escaped(text: str) -> str:
    """Text that matplotlib shows as it is."""
    return text.replace("$", r"\$")


def number(value: float, digits: int = 4) -> str:
    """A number in TeX: a true minus sign, powers of ten.

    >>> number(1e-8), number(-0.4), number(2.5e-7)
    ('10^{-8}', '-0.4', '2.5\\\\times 10^{-7}')
    """
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if not e:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa}\times {power}"
