"""Figures of the paper, drawn from maps alone: no jax, no kernels."""

from zscan.results.figures import fig2
from zscan.results.figures.plot import FigureSpec, draw, save

FIGURES = {spec.number: spec for spec in (fig2.SPEC,)}

__all__ = ["FIGURES", "FigureSpec", "draw", "save"]
