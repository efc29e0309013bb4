"""The figures of arXiv:2107.07518: which cards, which layers, which words; one module for each."""

from zscan.results.figures.paper import fig1, fig2, fig3, fig4, fig5, fig6, fig8, fig9, fig10

FIGURES = {
    module.SPEC.number: module.SPEC
    for module in (fig1, fig2, fig3, fig4, fig5, fig6, fig8, fig9, fig10)
}

__all__ = ["FIGURES"]
