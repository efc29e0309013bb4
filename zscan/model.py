"""Models: exact charges and the kinetic mixing of a U(1)_X; the benchmarks of the paper; user models from TOML."""

from __future__ import annotations

import math
import re
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from zscan import charges as _charges
from zscan.charges import Charges
from zscan.constants import E_CHARGE
from zscan.effective import EFFECTIVE_MODELS, EffectiveModel
from zscan.errors import ModelError, ModelWarning, UnknownNameError, nearest

SPECIES = ("Q", "U", "D", "L", "E", "N")
MAX_CHARGE = 10**6
LOOPS = ("none", "mu-tau", "leptons")
Loop = Literal["none", "mu-tau", "leptons"]

Triple = tuple[Fraction, Fraction, Fraction]
_ZERO: Triple = (Fraction(0),) * 3


@dataclass(frozen=True)
class Model:
    """A U(1)_X gauge boson: charges of the six fermion species and its kinetic mixing.

    Charges are exact (int, Fraction or a string such as "1/3"; one number for all generations or three), each of
    the field as written: doublets `Q`, `L`, right-handed singlets `U`, `D`, `E`, `N`; generation order (e, mu, tau),
    (u, c, t), (d, s, b). The interaction is X_mu (g_X J_X^mu + eps e J_em^mu) with Q_e = -1.

    Mixing: eps = `eps` + `eps_over_g` * g_X + loop, where `eps_over_g` is a number or a string "r/e" (r rational, e
    the positron charge) and `loop` is "none", "mu-tau" (the loop of leptons with charges +1 and -1, finite and
    calculable for L_mu - L_tau; it does not follow charges that a scan changes) or "leptons" (e, mu, tau with the
    model's own vector charges, which must sum to zero). An eps given to `couplings` or a scan is added on top. Kinetic
    mixing enters all charged fermions alike.

    An anomalous assignment gives a `ModelWarning` that names the failing sums; unusable input raises `ModelError`.
    Source: arXiv:2107.07518 secs. 2 and 3.

    >>> model = Model("mine", L=(0, 1, -1), E=(0, 1, -1), N=(0, 1, -1), loop="mu-tau")
    >>> model.charge("L", "mu")
    Fraction(1, 1)
    """

    name: str
    L: Charges = field(default=_ZERO, kw_only=True)
    E: Charges = field(default=_ZERO, kw_only=True)
    N: Charges = field(default=_ZERO, kw_only=True)
    Q: Charges = field(default=_ZERO, kw_only=True)
    U: Charges = field(default=_ZERO, kw_only=True)
    D: Charges = field(default=_ZERO, kw_only=True)
    eps: float = field(default=0.0, kw_only=True)
    eps_over_g: float | str = field(default=0.0, kw_only=True)
    loop: Loop = field(default="none", kw_only=True)
    description: str = field(default="", kw_only=True)
    reference: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        faults = []
        for key in ("name", "description", "reference"):
            if not isinstance(getattr(self, key), str) or (key == "name" and not self.name):
                faults.append(f"{key}: {getattr(self, key)!r} is not a string, or an empty name")
        for species in SPECIES:
            try:
                triple = _charges.exact_triple(getattr(self, species))
                if any(abs(charge) > MAX_CHARGE for charge in triple):
                    raise ValueError(f"charges are at most {MAX_CHARGE} in size")
                object.__setattr__(self, species, triple)
            except ZeroDivisionError:
                faults.append(f"{species}: a charge has the denominator zero")
            except (ValueError, TypeError) as error:
                faults.append(f"{species}: {error}")
        if self.loop not in LOOPS:
            faults.append(f"loop: {self.loop!r} is not known; allowed: {', '.join(LOOPS)}")
        for key in ("eps", "eps_over_g"):
            try:
                self._mixing_number(key)
            except ModelError as error:
                faults.append(str(error))
        if not faults and self.loop == "leptons" and sum(self.triple("L")) + sum(self.triple("E")) != 0:
            faults.append(
                "loop: 'leptons' needs vector lepton charges that sum to zero; otherwise the loop diverges and eps "
                "must be given instead (eps or eps_over_g)"
            )
        if faults:
            raise ModelError(f"model {self.name!r}: " + "; ".join(faults))
        failing = [f"{name} = {value}" for name, value in self.anomalies().items() if value != 0]
        if failing:
            warnings.warn(
                ModelWarning(f"model {self.name!r} is anomalous: {', '.join(failing)}; needs further fermions"),
                stacklevel=3,
            )

    def _mixing_number(self, key: str) -> float:
        value = getattr(self, key)
        try:
            if isinstance(value, str) and key == "eps_over_g":
                match = re.fullmatch(r"\s*([+-]?\d+(?:/\d+)?)\s*/\s*e\s*", value)
                if match:
                    return float(Fraction(match[1])) / E_CHARGE.value
            elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                return float(value)
        except (ZeroDivisionError, OverflowError):
            pass
        allowed = "a finite number" + (" or a string such as '-1/e'" if key == "eps_over_g" else "")
        raise ModelError(f"{key}: {value!r} is not usable; allowed: {allowed}")

    def triple(self, species: str) -> Triple:
        """The three exact charges of a species ("Q", "U", "D", "L", "E" or "N")."""
        return cast("Triple", getattr(self, species))

    def charge(self, species: str, generation: str) -> Fraction:
        """One exact charge; generations are named as in `GENERATIONS`."""
        return self.triple(species)[GENERATIONS[species].index(generation)]

    def anomalies(self) -> dict[str, Fraction]:
        """The six exact anomaly sums by name; see `zscan.charges.anomalies`."""
        sums = _charges.anomalies(*(getattr(self, species) for species in SPECIES))
        return dict(zip(_charges.ANOMALY_NAMES, sums, strict=True))

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.description}".rstrip(": "), f"reference: {self.reference or 'none'}"]
        for species in SPECIES:
            pairs = zip(GENERATIONS[species], self.triple(species), strict=True)
            lines.append(f"  {species}  " + "  ".join(f"{name}: {charge}" for name, charge in pairs))
        lines.append(f"  mixing: eps = {self.eps:g}, eps_over_g = {self.mixing_ratio:g}, loop = {self.loop}")
        failing = [f"{name} = {value}" for name, value in self.anomalies().items() if value != 0]
        lines.append("  anomalous: " + ", ".join(failing) if failing else "  anomaly-free")
        return "\n".join(lines)

    @property
    def required(self) -> tuple[str, ...]:
        """Parameters that a likelihood or a scan needs."""
        return ("m_X", "g_X")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters that a likelihood or a scan may vary (right-handed neutrinos enter no observable)."""
        return (*self.required, "eps", "eps_over_g", "g_sb", *CHARGE_PARAMETERS, *ADDED_PARAMETERS, *THEORY_PARAMETERS)

    @property
    def constraints(self) -> None:
        """All constraints apply."""
        return None

    @property
    def mixing_ratio(self) -> float:
        """The number eps_over_g."""
        return self._mixing_number("eps_over_g")

    def to_table(self) -> dict[str, Any]:
        """Canonical table of the model (strings, numbers and lists only); `Model.from_table` reads it back."""
        table: dict[str, Any] = {"name": self.name}
        table |= {species: [str(charge) for charge in self.triple(species)] for species in SPECIES}
        return table | {"eps": self.eps, "eps_over_g": self.eps_over_g, "loop": self.loop}

    @classmethod
    def from_table(cls, table: Mapping[str, Any], source: str = "model table") -> Model:
        """A model from a table of a TOML file; unknown keys raise `ModelError`."""
        allowed = [item.name for item in fields(cls)]
        unknown = [key for key in table if key not in allowed]
        if unknown:
            hints = "; ".join(f"{key!r}: {nearest(key, allowed)}" for key in unknown)
            raise ModelError(f"{source}: unknown key {hints}")
        if "name" not in table:
            raise ModelError(f"{source}: the key 'name' is missing")
        return cls(**dict(table))


GENERATIONS = {
    "Q": ("1", "2", "3"),
    "U": ("u", "c", "t"),
    "D": ("d", "s", "b"),
    "L": ("e", "mu", "tau"),
    "E": ("e", "mu", "tau"),
    "N": ("1", "2", "3"),
}

CHARGE_PARAMETERS = tuple(
    f"charge.{species}.{name}" for species, names in GENERATIONS.items() if species != "N" for name in names
)

_BENCHMARKS = (
    "Lmu-Ltau",
    "B-3Lmu",
    "Lmu-Le",
    "Lmu-Le-shifted",
    "9B3-8Lmu-Ltau",
    "Lmutau-chiral",
    "Lmutau-chiral-partner",
    "B-2Le-Lmu",
    "B-L",
    "dark-photon",
)
# Multiples of the charges of a benchmark that are added to those of the model
ADDED_PARAMETERS = tuple(f"add.{name}" for name in _BENCHMARKS if name not in ("Lmu-Le-shifted", "dark-photon"))

# Theory errors of constraints as parameters of their own, in standard deviations (see `zscan.measurements`)
THEORY_PARAMETERS = ("theory.delta_a_mu", "theory.r_k")

AnyModel = Model | EffectiveModel


def list_models() -> tuple[str, ...]:
    """Names of the benchmark models, in the order of the paper (the effective models are "muon-effective" and
    "muon-resonance", see `zscan.effective`).

    >>> "Lmu-Ltau" in list_models()
    True
    """
    return tuple(_registry())


def load_model(model: str | Path | Mapping[str, Any] | AnyModel) -> AnyModel:
    """A model from a benchmark name, a path to a TOML file, a table, or a model itself.

    Raises `UnknownNameError` for a name that is neither a benchmark nor a file, `ModelError` for an unusable file;
    warns with `ModelWarning` when the charges are anomalous.

    >>> load_model("B-3Lmu").charge("L", "mu")
    Fraction(-3, 1)
    """
    if isinstance(model, Model | EffectiveModel):
        return model
    if isinstance(model, Mapping):
        if set(model) == {"name"} and model["name"] in EFFECTIVE_MODELS:
            return EFFECTIVE_MODELS[model["name"]]
        return Model.from_table(model)
    if str(model) in EFFECTIVE_MODELS:
        return EFFECTIVE_MODELS[str(model)]
    if str(model) in _registry():
        return Model.from_table(_registry()[str(model)], str(model))
    path = Path(model)
    if not path.is_file():
        known = (*list_models(), *EFFECTIVE_MODELS)
        raise UnknownNameError(
            f"model {str(model)!r} is neither a benchmark nor a file; known: {nearest(str(model), known)}"
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a TOML file: {error}") from error
    return Model.from_table(table, str(path))


@cache
def _registry() -> dict[str, dict[str, Any]]:
    tables = {}
    for entry in resources.files("zscan").joinpath("models").iterdir():
        if entry.name.endswith(".toml"):
            table = tomllib.loads(entry.read_text(encoding="utf-8"))
            tables[table["name"]] = table
    return {name: tables[name] for name in _BENCHMARKS}
