"""Strict jax for every test: float64, no silent dtype or rank promotion. Property tests are
reproducible.

Compilation is most of what the suite does: its results are kept in .cache/ (ignored by git), which
all workers and the child processes of tests share, and so does the next run."""

import os
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "jax"
# Child processes inherit the environment; JAX reads it when it is imported
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import hypothesis  # noqa: E402
import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# jax compiles on the first call of each shape: a deadline per example would measure that
hypothesis.settings.register_profile("zscan", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("zscan")
