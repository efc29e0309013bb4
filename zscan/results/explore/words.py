"""The TeX of names as text of a page."""

from __future__ import annotations

import re

_SIGNS = {
    r"\bar\nu": "ν̄",
    r"\epsilon": "ε",
    r"\gamma": "γ",
    r"\Gamma": "Γ",
    r"\dagger": "†",
    r"\times": "×",
    r"\ell": "ℓ",
    r"\tau": "τ",
    r"\mu": "μ",
    r"\nu": "ν",
    r"\pi": "π",
    r"\pm": "±",
    r"\rm": "",
    r"\to": " → ",
}
_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_POWER = re.compile(r"\^(?:\{([^{}]*)\}|(.))")


def readable(tex: str) -> str:
    """A name of a figure without TeX, as far as that goes; nothing outside $...$ is touched.

    >>> readable(r"NA62, $K\\to\\mu\\nu X$ (proj.)"), readable("$L_\\\\mu - L_\\\\tau$")
    ('NA62, K → μν X (proj.)', 'Lμ − Lτ')
    """
    parts = re.split(r"(?<!\\)\$", tex)
    return "".join(
        _mathematics(part) if number % 2 else part.replace(r"\$", "$")
        for number, part in enumerate(parts)
    )


def _mathematics(tex: str) -> str:
    for sign, text in _SIGNS.items():
        tex = re.sub(re.escape(sign) + r"(?![A-Za-z])", text, tex)
    tex = _POWER.sub(lambda found: (found[1] or found[2] or "").translate(_RAISED), tex)
    tex = tex.replace(" - ", " − ")
    tex = re.sub(r"_\{\s*([^{}]*)\}", r"_\1", tex)
    tex = re.sub(r"_(?=[μτ])", "", tex)
    return re.sub(r"[{}]", "", tex)
