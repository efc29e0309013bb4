"""Sphinx: docstrings of zscan are plain text with `names`, "* " lists and doctests, not
reStructuredText; what would be markup there is escaped.
"""

import re
from collections.abc import Iterable

from sphinx.application import Sphinx

_NAME = re.compile(r"(`[^`]+`)")
_ITEM = re.compile(r" ?\* ")


def plain(lines: Iterable[str]) -> list[str]:
    """reStructuredText that shows the text of a docstring as it stands.

    >>> plain(["`f_` of |g| and x_:", "* one", "  more", "and", "", ">>> f(*x)", "1"])
    ['``f_`` of \\\\|g\\\\| and x\\\\_:', '', '* one', '  more', '', 'and', '', '>>> f(*x)', '1']
    """
    escaped: list[str] = []
    before = "blank"
    for line in lines:
        kind = _kind(line, before)
        if "blank" not in (kind, before) and kind != before:
            escaped.append("")  # lists and what is indented stand by themselves
        escaped.append(line if kind == "doctest" else _escaped(line))
        before = kind
    return escaped


def _kind(line: str, before: str) -> str:
    if not line.strip():
        return "blank"
    if before == "doctest" or line.lstrip().startswith(">>>"):
        return "doctest"
    if _ITEM.match(line) or (before == "list" and line.startswith(" ")):
        return "list"
    return "indented" if line.startswith(" ") else "text"


def _escaped(line: str) -> str:
    bullet = _ITEM.match(line)
    start = bullet.end() if bullet else 0
    parts = _NAME.split(line[start:])
    return line[:start] + "".join(
        f"`{part}`" if _NAME.fullmatch(part) else re.sub(r"([\\*|_])", r"\\\1", part)
        for part in parts
    )


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list) -> None:
    lines[:] = plain(lines)


def _shorten(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str,
) -> tuple[str | None, str]:
    zero = "Fraction(0, 1)"
    return signature and signature.replace(f"({zero}, {zero}, {zero})", "0"), returns


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
