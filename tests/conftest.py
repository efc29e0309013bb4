"""Strict jax for every test: float64, no silent dtype or rank promotion. Property tests are
reproducible.

Compilation is most of what the suite does. So XLA compiles here quickly rather than well, as in
jax's own tests (the slow checks of the README run what users run), and what it compiled is kept in
.cache/ (ignored by git), which all workers, the child processes of tests and the next run share."""

import os
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "jax"
KEPT_DAYS = 14
# Compilation 5 times faster, programs up to 2 times slower; results differ in the last digits only
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# A process ends at once at a flag that its XLA does not know; jaxlib 0.12 has dropped this one
if version("jaxlib").startswith("0.10."):
    QUICK += " --xla_cpu_use_fusion_emitters=false"


def keep_compiled_functions():
    """Tell JAX, here and in child processes, to keep what it compiles; no cache where none can be
    written. A folder that the environment names is left as it is.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    probe = CACHE / f".probe-{os.getpid()}"
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHE)
    # small functions as well: there are thousands of them
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


# JAX reads the environment when it is imported
os.environ.setdefault("XLA_FLAGS", QUICK)  # XLA_FLAGS="" compiles as for users
# Limits of whoever runs the tests are none of theirs
os.environ["XDG_DATA_HOME"] = str(CACHE.parent / "no-data")
os.environ.pop("ZSCAN_LIMITS", None)
keep_compiled_functions()

import hypothesis  # noqa: E402
import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# jax compiles on the first call of each shape: a deadline per example would measure that
hypothesis.settings.register_profile("zscan", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("zscan")


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_functions():
    """Compiled functions of a whole run take gigabytes: drop them after each module."""
    yield
    jax.clear_caches()


def pytest_configure(config):
    """Drop old entries once a run: a change of a kernel leaves those of its former self behind."""
    if hasattr(config, "workerinput") or not CACHE.is_dir():
        return
    oldest = time.time() - KEPT_DAYS * 86400
    for entry in CACHE.iterdir():
        with suppress(OSError):
            if entry.stat().st_mtime < oldest:
                entry.unlink()
