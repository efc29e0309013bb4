"""Tables of the limit curves, known and missing, as text or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zscan.limits.format import Limit
from zscan.limits.missing import MissingLimit
from zscan.results.text import aligned

_HEADER = (
    "limit",
    "experiment",
    "arXiv",
    "kind",
    "status",
    "CL",
    "masses [GeV]",
    "reference",
    "production",
    "final states",
    "efficiency",
)


def limit_row(limit: Limit) -> dict[str, Any]:
    """What a table says of a limit: texts and numbers, ready for JSON."""
    table = limit.production_table
    return {
        "limit": limit.name,
        "experiment": limit.experiment,
        "arXiv": limit.arxiv,
        "kind": limit.kind,
        "status": limit.status,
        "CL": limit.cl,
        "masses [GeV]": [float(limit.mass[0]), float(limit.mass[-1])],
        "pieces": _pieces(limit),
        "reference": limit.reference_name or "branching ratio",
        "production": table.name if table else limit.production[0],
        "final states": list(limit.final_states),
        "efficiency": limit.efficiency,
        "references": list(limit.references),
        "source": limit.source,
        "note": limit.note,
    }


def _pieces(limit: Limit) -> int:
    """Number of pieces between gaps."""
    finite = np.isfinite(limit.value)
    return int(finite[0]) + int(np.sum(finite[1:] & ~finite[:-1]))


def limit_table(limits: Iterable[Limit], *, markdown: bool = False) -> str:
    """One line for each limit."""
    lines: list[tuple[str, ...]] = [_HEADER]
    for found in map(limit_row, limits):
        low, high = found["masses [GeV]"]
        texts = {
            "CL": f"{100 * found['CL']:.4g} %",
            "masses [GeV]": f"{low:.4g}-{high:.4g}",
            "final states": "+".join(found["final states"]),
        }
        lines.append(tuple(str(texts.get(key, found[key])) for key in _HEADER))
    return _table(lines, markdown)


def missing_table(limits: Sequence[MissingLimit], *, markdown: bool = False) -> str:
    """What is missing, and what a user would have to fetch; in Markdown with the templates."""
    if not markdown:
        blocks = [
            f"{limit.name} ({limit.experiment}, arXiv:{limit.arxiv})\n  {limit.result}\n"
            f"  to fetch: {limit.fetch}\n\n{_indented(limit.template or 'no template')}"
            for limit in limits
        ]
        return "\n\n".join(blocks)
    lines: list[tuple[str, ...]] = [("limit", "experiment", "arXiv", "result", "to fetch")]
    lines += [
        (limit.name, limit.experiment, limit.arxiv, limit.result, limit.fetch) for limit in limits
    ]
    templates = [f"```toml\n{limit.template}```" for limit in limits if limit.template]
    return "\n\n".join([_table(lines, markdown), *templates])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


def _table(lines: Sequence[tuple[str, ...]], markdown: bool) -> str:
    if markdown:
        rule = "|".join(["---"] * len(lines[0]))
        texts = [f"| {' | '.join(line)} |" for line in lines]
        return "\n".join([texts[0], f"|{rule}|", *texts[1:]])
    return "\n".join(aligned(lines))
