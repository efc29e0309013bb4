"""Sphinx: how references are listed: authors, collaboration, title with its formulas as text,
journal if there is one, arXiv id or DOI.
"""

import codecs
import re

import latexcodec  # noqa: F401  the codec "ulatex"
from mathml import mathml, text_of
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsrt
from pybtex.style.formatting.unsrt import date, pages, toplevel
from pybtex.style.template import Node, field, join, optional, sentence, tag
from sphinx.application import Sphinx


class Style(Unsrt):
    """Articles, with or without a journal."""

    def get_article_template(self, entry: Entry) -> Node:
        volume = join[field("volume"), ", ", pages]
        names = self.format_names("author", as_sentence=False)
        return toplevel[
            sentence[join[names, optional[" (", field("collaboration"), ")"]]],
            sentence[field("title", raw=True, apply_func=title)],
            sentence(sep=" ")[
                optional[tag("em")[field("journal")], " ", volume], join["(", date, ")"]
            ],
            self.format_web_refs(entry),
        ]


def title(tex: str) -> str:
    r"""The title of a BibTeX entry as text.

    >>> title(r"{Search for $B^+ \to K^+ \nu$ at \"a place}")
    'Search for B+→K+ν at ä place'
    """
    parts = re.split(r"\$([^$]+)\$", tex)
    parts[::2] = [re.sub(r"\S(.*\S)?", _decoded, part) for part in parts[::2]]
    parts[1::2] = [text_of(mathml(formula)) for formula in parts[1::2]]
    return "".join(parts)


def _decoded(words: re.Match[str]) -> str:
    return re.sub(r"[{}]", "", codecs.decode(words[0], "ulatex"))


def setup(app: Sphinx) -> dict[str, bool]:
    register_plugin("pybtex.style.formatting", "zscan", Style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
