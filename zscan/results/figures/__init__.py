"""Figures of the paper, drawn from maps alone: no jax, no kernels."""

from zscan.results.figures import fig1, fig2, fig9, fig10
from zscan.results.figures.plot import FigureSpec, draw, save

FIGURES = {spec.number: spec for spec in (fig1.SPEC, fig2.SPEC, fig9.SPEC, fig10.SPEC)}

__all__ = ["FIGURES", "FigureSpec", "draw", "save"]
