"""From a name, a file or a table to a model; the model types are those of the modules of this
package.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zscan.models
from zscan.errors import ModelError, UnknownNameError, nearest, shown
from zscan.models.base import ModelType
from zscan.models.charged import Model, benchmark, benchmark_names
from zscan.models.dark import DARK_PARAMETERS
from zscan.models.darkcast import from_darkcast
from zscan.models.parameters import ParameterInfo
from zscan.untrusted import TextError, check_table, is_file, parse_toml, read_text

_OPTIONS = (
    "eps",
    "eps_over_g",
    "loop",
    "fcnc",
    "fcnc_scale",
    "neutrinos",
    "dark",
    *DARK_PARAMETERS,
)

if TYPE_CHECKING:
    from jax.typing import ArrayLike

    from zscan.kernels.couplings import Couplings


@cache
def _other_models() -> dict[str, ModelType]:
    """The models without charges: a module of this package that defines model types lists them in
    `MODELS`.
    """
    modules = (
        importlib.import_module(f"zscan.models.{info.name}")
        for info in pkgutil.iter_modules(zscan.models.__path__)
    )
    return {model.name: model for module in modules for model in getattr(module, "MODELS", ())}


def list_models() -> tuple[str, ...]:
    """Names of the benchmark models: those of the paper in its order, then others of the literature
    (the effective models are
    "muon-effective", "muon-resonance" and "radiative-muon-mass", see `zscan.models.effective`).

    >>> "Lmu-Ltau" in list_models()
    True
    """
    return benchmark_names()


def load_model(model: str | Path | Mapping[str, Any] | ModelType) -> ModelType:
    """A model from a benchmark name, a path to a TOML file, a table, or a model itself; a file
    NAME.py is read as a DarkCast model (`zscan.models.darkcast`), as text.

    A benchmark with other options is "NAME,KEY=VALUE,...": its mixing (eps, eps_over_g, loop),
    flavour change (fcnc, fcnc_scale), neutrinos and dark channel (g_chi_over_g, ...), as in a file.

    Raises `UnknownNameError` for a name that is neither a benchmark nor a file, `ModelError` for an
    unusable file; warns with `ModelWarning` when the charges are anomalous.

    >>> load_model("B-3Lmu").charge("L", "mu")
    Fraction(-3, 1)
    >>> load_model("9B3-8Lmu-Ltau,fcnc=loop,fcnc_scale=10").fcnc_scale
    10.0
    """
    if isinstance(model, ModelType):
        return model
    if isinstance(model, Mapping):
        if set(model) == {"name"} and str(model["name"]) in _other_models():
            return _other_models()[str(model["name"])]
        try:
            check_table(model, "model table")
        except TextError as error:
            raise ModelError(str(error)) from error
        return Model.from_table(model)
    if str(model) in benchmark_names():
        return benchmark(str(model))
    if str(model) in _other_models():
        return _other_models()[str(model)]
    if not isinstance(model, str | Path):
        raise ModelError(f"{model!r} is no model; allowed: a name, a path, a table or a model")
    path = Path(model)
    base, *options = str(model).split(",")
    if options and base in benchmark_names() and not is_file(path):
        return _with_options(base, options)
    if not is_file(path):
        known = (*list_models(), *_other_models())
        raise UnknownNameError(
            f"model {shown(str(model))} is neither a benchmark nor a file; known: "
            f"{nearest(str(model), known)}"
        )
    if path.suffix == ".py":
        return from_darkcast(path)
    try:
        table = parse_toml(read_text(path), path)
    except TextError as error:
        raise ModelError(str(error)) from error
    return Model.from_table(table, str(path))


def _with_options(base: str, options: list[str]) -> Model:
    """A benchmark with options "KEY=VALUE" in place of its own; named as it was asked for."""
    name = ",".join((base, *options))
    table: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or key not in _OPTIONS:
            allowed = f"KEY=VALUE, the key {nearest(key, _OPTIONS)}"
            raise ModelError(f"model {shown(name)}: option {shown(option)}; allowed: {allowed}")
        if key in table:
            raise ModelError(f"model {shown(name)}: the option {key} is given twice")
        try:
            table[key] = float(text)
        except ValueError:
            table[key] = text
    return replace(benchmark(base), name=name, **table)


def load_charged(model: str | Path | Mapping[str, Any] | ModelType) -> Model:
    """As `load_model`, for a model that must have charges; raises `ModelError` for another one."""
    loaded = load_model(model)
    if not isinstance(loaded, Model):
        raise ModelError(
            f"{loaded.name} has no charges; its couplings are parameters (zscan.models.effective)"
        )
    return loaded


@cache
def all_parameters() -> dict[str, ParameterInfo]:
    """The parameters of all known models, for a card whose model is not known.

    >>> list(all_parameters())[:3]
    ['m_X', 'g_X', 'eps']
    """
    known = (benchmark(benchmark_names()[0]), *_other_models().values())
    return {name: info for model in known for name, info in model.parameters.items()}


def couplings(
    model: ModelType | str,
    m_X: ArrayLike,
    g_X: ArrayLike,
    eps: ArrayLike | None = None,
    *,
    q2: ArrayLike | None = None,
    charges: Mapping[str, ArrayLike] | None = None,
) -> Couplings:
    """Vector and axial couplings of all fermions for the interaction X_mu (g_X J_X^mu + eps e
    J_em^mu), Q_e = -1.

    g_V = g_X (q_L + q_R)/2 + eps e Q, g_A = g_X (q_R - q_L)/2, g_nu = g_X q_L. The mixing is the
    model's own (number, ratio to g_X and loop) plus the argument `eps`. The loop depends on q2
    [GeV^2]: None means on shell, q2 = m_X^2, for production and decay; pass 0 (or the negative
    momentum transfer) for scattering. For q2 > 0 the complex loop enters as one real number, its
    modulus with the sign of its value at q2 = 0; for q2 <= 0 it is real.

    m_X [GeV], g_X, eps and q2 broadcast against each other (for "dark-photon", g_X is read as eps).
    `charges` overrides single charges of the model, keys as "charge.L.mu", adds effective ones
    ("vector.u"), or sets the dark channel ("g_chi"); values are numbers or arrays. The loop of the
    model follows them. Everything is differentiable in m_X, g_X, eps and the charges. Raises
    `UnknownNameError`, `ModelError`, `ParameterError` (unknown charge). Source: arXiv:2107.07518
    sec. 3.1, app. A; arXiv:2006.11225.

    >>> x = couplings("B-3Lmu", m_X=0.1, g_X=1e-3)
    >>> round(float(x.mu.V), 12), round(float(x.u.V), 12), float(x.nu_e)
    (-0.003, 0.000333333333, 0.0)
    """
    return load_charged(model).couplings(m_X, g_X, eps, q2=q2, charges=charges)
