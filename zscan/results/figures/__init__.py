"""Figures, drawn from maps alone: no jax, no kernels."""

from zscan.results.figures.paper import FIGURES
from zscan.results.figures.plot import FigureSpec, draw, save

__all__ = ["FIGURES", "FigureSpec", "draw", "save"]
