"""Programs kept from one process to the next, beside what jax compiles.

A file is an archive of NumPy: a text (JSON) with the operations, and the constants, joined by type.
It holds numbers and names of operations only, nothing that is executed. It is named after a digest
of everything that the program depends on, and written whole or not at all; one that cannot be read
or written costs time, nothing else."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import zscan
from zscan import compilation
from zscan.errors import StorageError
from zscan.interpreter.operations import OPERATIONS
from zscan.interpreter.program import Program, Step
from zscan.results.files import new_file

_FORMAT = 1
_MOST = 200  # files; the oldest go


def path_of(key: object) -> Path | None:
    """Where the program of `key` is kept; None where nothing is, or where json cannot write the
    key.
    """
    folder = compilation.kept_folder()
    if folder is None:
        return None
    try:
        text = json.dumps([_FORMAT, _code(), key], sort_keys=True)
    except (TypeError, ValueError):
        return None
    return folder / "steps" / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"


@functools.cache
def _code() -> list[Any]:
    """What tells one state of the code from another: the files of zscan and the version of jax,
    which traces them.
    """
    base = Path(str(resources.files("zscan")))
    files = sorted(path for path in base.rglob("*") if path.suffix != ".pyc" and path.is_file())
    states = [(str(path.relative_to(base)), path.stat()) for path in files]
    return [
        zscan.__version__,
        version("jax"),
        [[name, state.st_size, state.st_mtime_ns] for name, state in states],
    ]


def write(path: Path, program: Program, names: Sequence[str]) -> None:
    """Keep a program and the names of its results."""
    constants: list[np.ndarray] = []
    text = json.dumps({"names": list(names), "program": _table(program, constants)})
    arrays = {"text": np.frombuffer(text.encode(), np.uint8)}
    for dtype in {array.dtype.str for array in constants}:
        parts = [array.ravel() for array in constants if array.dtype.str == dtype]
        arrays[f"values{dtype}"] = np.concatenate(parts)
    with suppress(OSError, StorageError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            new_file(path, sum(array.nbytes for array in arrays.values())) as temporary,
            open(temporary, "wb") as file,
        ):
            np.savez(file, allow_pickle=False, **arrays)
        kept = sorted(path.parent.glob("*.npz"), key=lambda item: item.stat().st_mtime)
        for old in kept[:-_MOST]:
            old.unlink(missing_ok=True)


def read(path: Path) -> tuple[Program, list[str]] | None:
    """A program and the names of its results; None where there is none that can be read."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        table = json.loads(arrays.pop("text").tobytes())
        with suppress(OSError):
            os.utime(path)  # the oldest is the one that nobody has asked for
        values = {name.removeprefix("values"): array for name, array in arrays.items()}
        return _program(table["program"], values), table["names"]
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile):
        return None


def _table(program: Program, constants: list[np.ndarray]) -> dict[str, Any]:
    """A program as JSON; its constants go to the end of `constants`."""
    numbers = []
    for number, value in program.constants.items():
        array = np.asarray(value)
        before = sum(item.size for item in constants if item.dtype == array.dtype)
        numbers.append([number, array.dtype.str, before, list(array.shape)])
        constants.append(array)
    steps = [
        [
            step.name,
            {name: _plain(value, constants) for name, value in step.parameters.items()},
            step.takes,
            step.gives,
        ]
        for step in program.steps
    ]
    return {
        "arguments": program.arguments,
        "constants": numbers,
        "steps": steps,
        "results": program.results,
    }


def _plain(value: Any, constants: list[np.ndarray]) -> Any:
    if isinstance(value, Program):
        return _table(value, constants)
    if isinstance(value, list):
        return [_plain(item, constants) for item in value]
    return value


def _program(table: dict[str, Any], values: dict[str, np.ndarray]) -> Program:
    constants = {}
    for number, dtype, before, shape in table["constants"]:
        size = int(np.prod(shape, dtype=np.int64))
        constants[number] = values[dtype][before : before + size].reshape(shape)[()]
    steps = tuple(
        Step(
            name,
            {key: _restored(value, values) for key, value in parameters.items()},
            tuple(takes),
            tuple(gives),
        )
        for name, parameters, takes, gives in table["steps"]
    )
    for step in steps:
        if step.name not in OPERATIONS:
            raise KeyError(step.name)
    return Program(table["arguments"], constants, steps, tuple(table["results"]))


def _restored(value: Any, values: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        return _program(value, values)
    if isinstance(value, list):
        return [_restored(item, values) for item in value]
    return value
