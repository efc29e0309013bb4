"""Sphinx: docstrings of zscan are plain text with `names`, "* " lists and doctests, not
reStructuredText; what would be markup there is escaped.
"""

import re
from collections.abc import Iterable

from sphinx.application import Sphinx

_NAME = re.compile(r"(`[^`]+`)")
_ITEM = re.compile(r"\* ")


def plain(lines: Iterable[str]) -> list[str]:
    """reStructuredText that shows the text of a docstring as it stands.

    >>> plain(["`f_` of |g| and x_*:", "", ">>> f(*x)", "1"])
    ['``f_`` of \\\\|g\\\\| and x\\\\_\\\\*:', '', '>>> f(*x)', '1']
    """
    escaped: list[str] = []
    doctest = listed = False
    for line in lines:
        doctest = bool(line.strip()) and (doctest or line.lstrip().startswith(">>>"))
        item = bool(_ITEM.match(line))
        if escaped and escaped[-1] and (item != listed) and not line.startswith("  "):
            escaped.append("")  # a list stands by itself
        listed = item or (listed and line.startswith("  "))
        escaped.append(line if doctest else _escaped(line))
    return escaped


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


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
