"""Compiled programs are kept where the environment says, and are never a reason to fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zscan
from zscan.compilation import keep_programs
from zscan.errors import ParameterError

COMMAND = (
    "bounds",
    "Lmu-Ltau",
    "--constraint",
    "trident_ccfr",
    "--masses",
    "0.1",
    "0.2",
    "--points",
    "9",
)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing of a cache, and a process without jax."""
    known = ("JAX_COMPILATION_CACHE_DIR", "ZSCAN_CACHE")
    for name in {*known, *(name for name in os.environ if name.startswith("JAX_PERSISTENT_"))}:
        monkeypatch.setenv(name, "")  # so that what a test sets goes with it
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "jax")
    return monkeypatch


def test_the_folder_is_that_of_the_environment(tmp_path, environment):
    environment.setenv("ZSCAN_CACHE", str(tmp_path / "here"))
    folder = keep_programs()
    assert folder.is_relative_to(tmp_path / "here")
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder)
    assert not list(folder.iterdir())
    environment.setenv("JAX_COMPILATION_CACHE_DIR", "/elsewhere")
    assert keep_programs() == Path("/elsewhere")


def test_the_default_is_the_cache_folder_of_the_user(tmp_path, environment):
    environment.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    assert keep_programs().is_relative_to(tmp_path / "zscan")


def test_nothing_is_kept_where_it_is_off_or_impossible(tmp_path, environment):
    (tmp_path / "file").touch()
    for value in ("off", "OFF", str(tmp_path / "file"), str(tmp_path / "file" / "below")):
        environment.setenv("ZSCAN_CACHE", value)
        assert keep_programs() is None
        assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    environment.setenv("ZSCAN_CACHE", "a" * 10000)
    with pytest.raises(ParameterError, match="ZSCAN_CACHE"):
        keep_programs()


def test_whoever_computes_keeps_programs_unless_told_otherwise(tmp_path):
    code = "import os, zscan; zscan.kernels; print(os.environ.get('JAX_COMPILATION_CACHE_DIR'))"
    rest = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}

    def told(value: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            env=rest | {"ZSCAN_CACHE": value},
            cwd=Path(zscan.__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert Path(told(str(tmp_path))).is_relative_to(tmp_path)
    assert told("off") == "None"


def test_a_second_process_reads_what_the_first_compiled_and_damage_is_harmless(tmp_path):
    names = ("JAX_COMPILATION_CACHE_DIR", "ZSCAN_CACHE")
    rest = {key: value for key, value in os.environ.items() if key not in names}
    rest |= {"ZSCAN_CACHE": str(tmp_path), "JAX_LOGGING_LEVEL": "ERROR"}

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "zscan", *COMMAND],
            env=rest,
            cwd=Path(zscan.__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout

    first = run()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*-cache")}
    assert kept
    assert run() == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*-cache")} == kept
    for number, path in enumerate(kept):
        path.write_bytes(path.read_bytes()[: number % 3 * 100])
    assert run() == first
