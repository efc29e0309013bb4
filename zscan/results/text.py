"""Tables as text."""

from collections.abc import Sequence


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, the columns aligned to the left.

    >>> aligned([("model", "m_X"), ("B-L", "0.1")])
    ['model  m_X', 'B-L    0.1']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
