"""The model for which the numbers of a limit hold: a benchmark by name, or a model of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zscan.errors import Fault, ModelError, ModelWarning, nearest
from zscan.models.charged import Model, benchmark, benchmark_names
from zscan.untrusted import TextError, parse_toml, read_text

# Published numbers hold for tree-level couplings: the loop mixing of the benchmark is left out
_TREE_LEVEL = {
    "Lmu-Ltau": Model("Lmu-Ltau without loop mixing", L=(0, 1, -1), E=(0, 1, -1), N=(0, 1, -1)),
}


def reference_model(reference: str | Model) -> Model:
    """The reference model of a limit: a model as it is, or the benchmark of that name.

    "Lmu-Ltau" is taken without its loop mixing.
    """
    if isinstance(reference, Model):
        return reference
    return _TREE_LEVEL.get(reference) or benchmark(reference)


def own_model(reference: Mapping[str, Any]) -> Model:
    """The reference model that a table of charges in a limit file describes; raises `ModelError`.

    It need not be free of anomalies.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        return Model.from_table(reference, "reference_model")


def inlined(reference: Any, folder: Path) -> Any:
    """`reference` as it stands in a limit file; the path of a model file, from `folder` on, becomes
    the table in that file.

    Raises `TextError` for a file that cannot be read.
    """
    if not isinstance(reference, str) or not reference.endswith(".toml"):
        return reference
    path = folder / reference
    return parse_toml(read_text(path), path)


def faults(reference: Any) -> Iterator[Fault]:
    """What is wrong with a reference model: the name of a benchmark, "" for none, or a table."""
    if isinstance(reference, Mapping):
        try:
            model = own_model(reference)
        except (ModelError, TextError) as error:
            yield Fault("reference_model", str(error))
            return
        if not model.scales_with_coupling:
            allowed = "couplings proportional to g_X: charges or eps_over_g, no fixed eps"
            yield Fault("reference_model", "has no bound on g_X", model.name, allowed)
    elif reference not in ("", *benchmark_names()):
        allowed = f"{nearest(str(reference), benchmark_names())}; or a model file NAME.toml, or"
        yield Fault("reference_model", "unknown choice", reference, f"{allowed} a table of charges")
