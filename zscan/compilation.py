"""Compiled programs are kept from one command to the next.

What a user waits for at the first command is compilation; the next one, another process on the same
kind of machine, reads what the first has compiled. Nothing here imports jax: it reads the
environment when it is imported itself."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import warnings
from pathlib import Path

import platformdirs

from zscan.untrusted import file_name

VARIABLE = "ZSCAN_CACHE"
"""Environment variable: a folder for compiled programs, or "off"."""
OFF = "off"
_FOLDER = "JAX_COMPILATION_CACHE_DIR"
# Programs of a tenth of a second as well: a command has a hundred of them
_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
_told: set[str] = set()  # variables that `keep_programs` has set in this process


def cache_folder() -> str:
    """What `ZSCAN_CACHE` says or, without it, the user's cache folder, for processes of other
    machines: each finds the part of its own processor in it.
    """
    return os.environ.get(VARIABLE, "").strip() or str(platformdirs.user_cache_path("zscan"))


def environment_for_others() -> dict[str, str]:
    """The environment of this process without what `keep_programs` has set for its processor."""
    return {name: value for name, value in os.environ.items() if name not in _told}


def keep_programs() -> Path | None:
    """Let jax keep what it compiles in a folder, for this process and its children, and return the
    folder; None where nothing is kept.

    The folder is `ZSCAN_CACHE` or else the user's cache folder (platformdirs), with a part for each
    kind of processor, because programs are compiled for it. `ZSCAN_CACHE=off` keeps nothing. A
    setting of jax's own (JAX_COMPILATION_CACHE_DIR) comes first and is left as it is. It is never a
    reason to fail: a folder that cannot be written is not used, entries that cannot be read or
    written are compiled again without a word. Two processes may use one folder. Raises
    `ParameterError` for a `ZSCAN_CACHE` that no file can have as its name."""
    if (own := os.environ.get(_FOLDER)) is not None:
        return Path(own) if own else None
    named = os.environ.get(VARIABLE, "").strip()
    if named.lower() == OFF:
        return None
    base = file_name(named, VARIABLE) if named else platformdirs.user_cache_path("zscan")
    folder = base / "programs" / _processor()
    if not _writable(folder):
        return None
    for name, value in {_FOLDER: str(folder), **_SETTINGS}.items():
        if name not in os.environ:
            os.environ[name] = value
            _told.add(name)
    # An entry that a killed process left half-written is compiled again, as one that is not there
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation")
    if "jax" in sys.modules:
        _tell_jax(folder)
    return folder


def kept_folder() -> Path | None:
    """Where this process keeps what it compiles, as `keep_programs` or jax's own setting says."""
    named = os.environ.get(_FOLDER, "")
    return Path(named) if named and "://" not in named else None


def _tell_jax(folder: Path) -> None:
    """Where jax was imported before, it does not read the environment again."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _processor() -> str:
    """A short name of the processor and its instructions."""
    text = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        # of one core: features on Arm, flags elsewhere
        text += next((line for line in file if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _writable(folder: Path) -> bool:
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0")
        probe.unlink()
    except OSError:
        return False
    return True
