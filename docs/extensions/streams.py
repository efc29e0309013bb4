"""Sphinx: what a cell printed, in one piece.

A shell cell prints in chunks of a hundred characters; the merging of myst-nb begins a new line
after each, which would break lines of tables.
"""

from myst_nb.core import render
from nbformat import NotebookNode
from sphinx.application import Sphinx


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs with each stream at the place of its first chunk.

    >>> first, second = (NotebookNode(output_type="stream", name="stdout", text=t) for t in "ab")
    >>> merged([first, second])
    [{'output_type': 'stream', 'name': 'stdout', 'text': 'ab'}]
    """
    kept: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output["output_type"] != "stream":
            kept.append(output)
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = output
            kept.append(output)
    return kept


def setup(app: Sphinx) -> dict[str, bool]:
    render.coalesce_streams = merged
    return {"parallel_read_safe": True, "parallel_write_safe": True}
