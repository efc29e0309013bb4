"""Figures of the paper, drawn from maps alone: no jax, no kernels."""

from zscan.results.figures import fig1, fig2, fig3, fig4, fig5, fig6, fig8, fig9, fig10
from zscan.results.figures.plot import FigureSpec, draw, save

FIGURES = {module.SPEC.number: module.SPEC for module in (fig1, fig2, fig3, fig4, fig5, fig6, fig8, fig9, fig10)}

__all__ = ["FIGURES", "FigureSpec", "draw", "save"]
