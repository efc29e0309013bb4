"""Strict jax for every test: float64, no silent dtype or rank promotion. Property tests are reproducible."""

import hypothesis
import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# jax compiles on the first call of each shape: a deadline per example would measure that
hypothesis.settings.register_profile("zscan", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("zscan")
