"""Sphinx: formulas as MathML, which browsers draw by themselves."""

import html
import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_SIZES = re.compile(r"\\[Bb]igg?(l|r)(?![A-Za-z])")
_BARS = re.compile(r"\\(left|right)\s*\\[lr]vert(?![A-Za-z])")
_log = logging.getLogger(__name__)


def mathml(tex: str, display: str = "inline") -> str:
    """A formula in TeX as MathML; warns of commands that the converter does not know."""
    tex = _SIZES.sub(lambda size: r"\left" if size[1] == "l" else r"\right", tex)
    converted = convert(_BARS.sub(r"\\\1|", tex), display=display)
    if unknown := re.findall(r"\\[A-Za-z]+", text_of(converted)):
        _log.warning("formula %s: %s cannot be shown", tex, ", ".join(unknown))
    return converted


def text_of(converted: str) -> str:
    """The characters of MathML, for places that take text alone."""
    characters = html.unescape(re.sub(r"<[^>]+>", "", converted))
    return re.sub("[\u00af\u2015]", "\u0304", characters)  # a bar over what stands before it


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(mathml(node.astext(), "block") + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
