"""Strict jax for every test: float64, no silent dtype or rank promotion."""

import matplotlib

matplotlib.use("Agg")

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
