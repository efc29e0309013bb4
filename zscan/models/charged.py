"""Charged models: exact charges and the kinetic mixing of a U(1)_X; the benchmarks of the paper;
user models.
"""

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
from typing import TYPE_CHECKING, Any, Literal, cast

from zscan import charges as _charges
from zscan.charges import Charges
from zscan.constants import E_CHARGE
from zscan.errors import ModelError, ModelWarning, ParameterError, nearest, shown
from zscan.models import dark as _dark
from zscan.models import effective_charges
from zscan.models.base import ModelType
from zscan.models.charge_parameters import (
    ADDED,
    ADDED_PARAMETERS,
    BENCHMARKS,
    CHARGE,
    CHARGE_NAMES,
    CHARGE_PARAMETERS,
    DIRAC_PARAMETERS,
    EFFECTIVE_CHARGES,
    GENERATIONS,
    PARAMETERS,
    SPECIES,
)
from zscan.models.dark import DARK_PARAMETERS, Dark, Neutrinos
from zscan.models.flavour_changing import FCNC, SCALES, Fcnc, has_effect, with_induced
from zscan.models.parameters import FLAVOUR_CHANGING, Parameters

if TYPE_CHECKING:  # a model is exact numbers; jax starts when its couplings are asked for
    from jax import Array
    from jax.typing import ArrayLike

    from zscan.kernels.couplings import Couplings
    from zscan.models.point import Point

MAX_CHARGE = 10**6
MAX_DENOMINATOR = 10**12  # of a charge
MAX_NAME, _MAX_TEXT = 200, 10_000  # characters of a name, of a description
_UNKNOWN_SHOWN = 5
LOOPS = ("none", "mu-tau", "leptons", "finite")
LOOP_LEPTONS = {"mu-tau": ("mu", "tau"), "leptons": ("e", "mu", "tau")}
_ROUNDING = 1e-9
# What `Model.couplings` takes in place of the model's own
_OF_COUPLINGS = (*CHARGE_NAMES, *EFFECTIVE_CHARGES, *DARK_PARAMETERS, "loop_factor")
Loop = Literal["none", "mu-tau", "leptons", "finite"]

Triple = tuple[Fraction, Fraction, Fraction]
_ZERO: Triple = (Fraction(0),) * 3


@dataclass(frozen=True)
class Model(ModelType):
    """A U(1)_X gauge boson: charges of the six fermion species and its kinetic mixing.

    Charges are exact (int, Fraction or a string such as "1/3"; one number for all generations or
    three), each of the field as written: doublets `Q`, `L`, right-handed singlets `U`, `D`, `E`,
    `N`; generation order (e, mu, tau), (u, c, t), (d, s, b). The interaction is X_mu (g_X J_X^mu +
    eps e J_em^mu) with Q_e = -1.

    Mixing: eps = `eps` + `eps_over_g` * g_X + loop, where `eps_over_g` is a number or a string
    "r/e" (r rational, e the positron charge) and `loop` is "none", "mu-tau" (of mu and tau with
    their vector charges, which must sum to zero: finite and calculable for L_mu - L_tau), "leptons"
    (e, mu, tau likewise) or "finite" (as "leptons" where the vector charges sum to zero, "none"
    elsewhere). Loops follow charges that a scan or a fit changes. What it adds to the sum of the
    charges of "mu-tau" and "leptons" makes a loop that diverges and is left out: the charges less
    their mean count; give that mixing as eps, or switch the loop off by `loop_factor`. An eps given
    to `couplings` or a scan is added on top. Kinetic mixing enters all charged fermions alike.

    Effective charges: `vector` and `axial` are tables by fermion (e, mu, tau, u, d, s, c, b, t; of
    `vector` also nu_e, nu_mu, nu_tau, left-handed), numbers or "1/3", added to what the charges of
    the species give: X couples as g_X fbar gamma^a (vector + axial gamma5) f. They enter no anomaly
    and no flavour change.

    Invisible decays: `neutrinos` = "dirac" declares the right-handed neutrinos N light, so that X
    decays into them; by default they are heavy. A dark channel X -> chi chi is given by the
    coupling, `g_chi` or `g_chi_over_g`, and the mass, `m_chi` [GeV] or `m_chi_over_m_X`, of a
    particle that is a `dark` = "dirac" fermion or a complex "scalar", or by a width, `dark_width`
    [GeV] or `dark_width_over_g2`. All are parameters of a scan too, which replace the model's own.

    Flavour change among down quarks: `fcnc` is "none", "anomaly" (what an anomalous current emits,
    if heavy fermions cancel the anomaly: `zscan.kernels.fcnc.coupling_from_anomaly`, and Z -> gamma
    X), "loop" (of the top quark, for charges that differ between families or chiralities,
    down-aligned, with the logarithm of `fcnc_scale` [TeV] over the top mass: derived, leading log,
    see `zscan.kernels.fcnc.coupling_from_loop`) or "anomaly+loop". They are added to g_sb, g_sd and
    g_bd of a scan, and follow charges that it changes. One that has no effect gives a
    `ModelWarning`.

    An anomalous assignment, but for effective charges, whose anomalies are not known, gives a
    `ModelWarning` that names the failing sums; unusable input
    raises `ModelError`. Source: arXiv:2107.07518 secs. 2 and 3.

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
    fcnc: Fcnc = field(default="none", kw_only=True)
    fcnc_scale: float = field(default=1.0, kw_only=True)
    vector: Any = field(default=(), kw_only=True)
    axial: Any = field(default=(), kw_only=True)
    neutrinos: Neutrinos = field(default="majorana", kw_only=True)
    dark: Dark = field(default="dirac", kw_only=True)
    g_chi: float = field(default=0.0, kw_only=True)
    g_chi_over_g: float = field(default=0.0, kw_only=True)
    m_chi: float = field(default=0.0, kw_only=True)
    m_chi_over_m_X: float = field(default=0.0, kw_only=True)
    dark_width: float = field(default=0.0, kw_only=True)
    dark_width_over_g2: float = field(default=0.0, kw_only=True)
    description: str = field(default="", kw_only=True)
    reference: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        faults = []
        for key in ("name", "description", "reference"):
            text, most = getattr(self, key), MAX_NAME if key == "name" else _MAX_TEXT
            if not isinstance(text, str) or (key == "name" and not text):
                faults.append(f"{key}: {shown(text)} is not a string, or an empty name")
            elif len(text) > most or (key == "name" and not text.isprintable()):
                allowed = f"at most {most} printable characters"
                faults.append(f"{key}: {shown(text)} is not usable; allowed: {allowed}")
        for species in SPECIES:
            try:
                triple = _charges.exact_triple(getattr(self, species))
                if any(abs(charge) > MAX_CHARGE for charge in triple):
                    raise ValueError(f"charges are at most {MAX_CHARGE} in size")
                if any(charge.denominator > MAX_DENOMINATOR for charge in triple):
                    raise ValueError(f"denominators of charges are at most {MAX_DENOMINATOR}")
                object.__setattr__(self, species, triple)
            except ZeroDivisionError:
                faults.append(f"{species}: a charge has the denominator zero")
            except (ValueError, TypeError) as error:
                faults.append(f"{species}: {error}")
        if self.loop not in LOOPS:
            faults.append(f"loop: {shown(self.loop)} is not known; allowed: {', '.join(LOOPS)}")
        if self.fcnc not in FCNC:
            faults.append(f"fcnc: {shown(self.fcnc)} is not known; allowed: {', '.join(FCNC)}")
        scale = self.fcnc_scale
        number = isinstance(scale, int | float) and not isinstance(scale, bool)
        if not (number and SCALES[0] <= scale <= SCALES[1]):
            allowed = f"a number, {SCALES[0]:g} to {SCALES[1]:g} [TeV]"
            faults.append(f"fcnc_scale: {shown(scale)} is not usable; allowed: {allowed}")
        for key in ("eps", "eps_over_g"):
            try:
                self._mixing_number(key)
            except ModelError as error:
                faults.append(str(error))
        for key in ("vector", "axial"):
            try:
                object.__setattr__(self, key, effective_charges.read(key, getattr(self, key)))
            except (ValueError, TypeError) as error:
                faults.append(f"{key}: {error}")
        faults += _dark.faults(self)
        if not faults and self._loop_rest():
            faults.append(
                f"loop: {self.loop!r} needs vector lepton charges that sum to zero; otherwise the "
                "loop diverges and eps must be given instead (eps or eps_over_g)"
            )
        if faults:
            raise ModelError(f"model {shown(self.name)}: " + "; ".join(faults))
        failing = [f"{name} = {value}" for name, value in self.anomalies().items() if value != 0]
        if failing and not self.vector and not self.axial:
            warnings.warn(
                ModelWarning(
                    f"model {self.name!r} is anomalous: {', '.join(failing)}; needs further "
                    "fermions"
                ),
                stacklevel=3,
            )
        if not has_effect(self):
            warnings.warn(
                ModelWarning(
                    f"model {self.name!r}: fcnc = {self.fcnc!r} has no effect: its current has no "
                    "anomaly with the weak bosons, or its quark charges are universal"
                ),
                stacklevel=3,
            )

    def _mixing_number(self, key: str) -> float:
        value = getattr(self, key)
        try:
            if isinstance(value, str) and key == "eps_over_g":
                match = re.fullmatch(r"\s*([+-]?\d+(?:/\d+)?)\s*/\s*e\s*", value)
                if match:
                    return float(_charges.exact(match[1])) / E_CHARGE.value
            elif (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
            ):
                return float(value)
        except (ValueError, ZeroDivisionError, OverflowError):
            pass
        allowed = "a finite number" + (" or a string such as '-1/e'" if key == "eps_over_g" else "")
        raise ModelError(f"{key}: {shown(value)} is not usable; allowed: {allowed}")

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

    def anomaly_coefficients(self) -> tuple[Fraction, Fraction]:
        """A_W and A_B, exact; see `zscan.charges.anomaly_coefficients`."""
        return _charges.anomaly_coefficients(self.Q, self.U, self.D, self.L, self.E)

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.description}".rstrip(": "),
            f"reference: {self.reference or 'none'}",
        ]
        for species in SPECIES:
            pairs = zip(GENERATIONS[species], self.triple(species), strict=True)
            lines.append(
                f"  {species}  " + "  ".join(f"{name}: {charge}" for name, charge in pairs)
            )
        lines += effective_charges.text(self)
        lines.append(
            f"  mixing: eps = {self.eps:g}, eps_over_g = {self.mixing_ratio:g}, loop = {self.loop}"
        )
        if self.fcnc != "none":
            A_W, A_B = self.anomaly_coefficients()
            lines.append(
                f"  flavour change: {self.fcnc} (A_W = {A_W}, A_B = {A_B}; scale "
                f"{self.fcnc_scale:g} TeV)"
            )
        lines += _dark.text(self)
        failing = [f"{name} = {value}" for name, value in self.anomalies().items() if value != 0]
        if self.vector or self.axial:
            lines.append("  anomalies: those of effective charges are not known")
        else:
            lines.append("  anomalous: " + ", ".join(failing) if failing else "  anomaly-free")
        return "\n".join(lines)

    required = axis_order = ("m_X", "g_X")
    coupling = "g_X"

    @property
    def parameters(self) -> Parameters:
        """Mass, coupling, mixing, g_sb and its kin, a dark channel, single charges ("charge.L.mu",
        "vector.u"), multiples of benchmarks, theory errors.
        """
        return DIRAC_PARAMETERS if self.neutrinos == "dirac" else PARAMETERS

    @property
    def scales_with_coupling(self) -> bool:
        """Whether all couplings are proportional to g_X: not with a fixed eps, or a dark channel
        of fixed width.
        """
        return not self.eps and _dark.scales_with_coupling(self)

    @property
    def mixing_ratio(self) -> float:
        """The number eps_over_g."""
        return self._mixing_number("eps_over_g")

    def to_table(self) -> dict[str, Any]:
        """Canonical table of the model (strings, numbers and lists only); `Model.from_table` reads
        it back.
        """
        table: dict[str, Any] = {"name": self.name}
        table |= {species: [str(charge) for charge in self.triple(species)] for species in SPECIES}
        table |= {"eps": self.eps, "eps_over_g": self.eps_over_g, "loop": self.loop}
        for key in ("vector", "axial"):
            if pairs := getattr(self, key):
                table[key] = dict(pairs)
        table |= _dark.to_table(self)
        if self.fcnc == "none":
            return table
        return table | {"fcnc": self.fcnc, "fcnc_scale": float(self.fcnc_scale)}

    @classmethod
    def from_table(cls, table: Mapping[str, Any], source: str = "model table") -> Model:
        """A model from a table of a TOML file; unknown keys raise `ModelError`."""
        allowed = [item.name for item in fields(cls)]
        unknown = [key for key in table if key not in allowed]
        if unknown:
            hints = [f"{shown(key)}: {nearest(key, allowed)}" for key in unknown[:_UNKNOWN_SHOWN]]
            if len(unknown) > _UNKNOWN_SHOWN:
                hints.append(f"and {len(unknown) - _UNKNOWN_SHOWN} more")
            raise ModelError(f"{source}: unknown key {'; '.join(hints)}")
        if "name" not in table:
            raise ModelError(f"{source}: the key 'name' is missing")
        return cls(**dict(table))

    def couplings(
        self,
        m_X: ArrayLike,
        g_X: ArrayLike,
        eps: ArrayLike | None = None,
        *,
        q2: ArrayLike | None = None,
        charges: Mapping[str, ArrayLike] | None = None,
    ) -> Couplings:
        """Couplings of all fermions, see `zscan.couplings`. `charges` are further parameters that
        take arrays (single charges, dark ones); `ParameterError` for another name.
        """
        from zscan.models.coupling import charged_couplings, with_dark

        values = dict(charges or {})
        for name in values:
            if name not in _OF_COUPLINGS:
                raise ParameterError(
                    f"charge {name!r} is not known; allowed: {nearest(name, _OF_COUPLINGS)}"
                )
        dark = {name: values.pop(name) for name in list(values) if name in DARK_PARAMETERS}
        factor = values.pop("loop_factor", 1.0)
        own = {
            f"{species}.{name}": float(self.charge(species, name))
            for species, names in GENERATIONS.items()
            for name in names
        }
        own |= {f"vector.{name}": value for name, value in self.vector}
        own |= {f"axial.{name}": value for name, value in self.axial}
        changed = {name.removeprefix(CHARGE): value for name, value in values.items()}
        for name in EFFECTIVE_CHARGES:  # added to the model's own
            if name in changed and name in own:
                changed[name] = changed[name] + own[name]
        mixing = (self.eps, self.mixing_ratio, self.loop, factor)
        right = self.neutrinos == "dirac"
        found = charged_couplings(own, changed, m_X, g_X, eps, q2, mixing, right=right)
        if not dark and not _dark.is_open(self):
            return found
        return with_dark(found, self, m_X, g_X, dark)

    def _loop_rest(self) -> float:
        """Sum of the vector charges of the leptons in a loop, which must be zero."""
        if self.loop not in LOOP_LEPTONS:
            return 0.0
        names, extra = LOOP_LEPTONS[self.loop], dict(self.vector)
        exact = sum((self.charge("L", n) + self.charge("E", n) for n in names), Fraction(0))
        rest = float(exact) / 2 + sum(extra.get(name, 0.0) for name in names)
        return 0.0 if abs(rest) < _ROUNDING else rest

    def point(self, values: Mapping[str, Array]) -> Point:
        """The point at m_X, g_X and any of `parameters`, see `ModelType`."""
        from zscan.models.point import Point

        values = dict(values)
        m_X, g_X = values.pop("m_X"), values.pop("g_X")
        flavour_changing: dict[str, Any] = {
            name: values.pop(name) for name in FLAVOUR_CHANGING if name in values
        }
        ratio: Array | float = values.pop("eps_over_g", 0.0)
        eps = values.pop("eps", 0.0) + ratio * g_X
        dirac = self.neutrinos == "dirac"
        for name in [name for name in values if name in ADDED_PARAMETERS]:
            multiple, other = values.pop(name), benchmark(name.removeprefix(ADDED))
            for charge in CHARGE_NAMES if dirac else CHARGE_PARAMETERS:
                species, generation = charge.split(".")[1:]
                if added := other.charge(species, generation):
                    own = values.get(charge, float(self.charge(species, generation)))
                    values[charge] = own + multiple * float(added)
        if self.fcnc != "none":
            flavour_changing = with_induced(self, g_X, values, flavour_changing)
        on_shell = self.couplings(m_X, g_X, eps, charges=values)
        virtual = self.couplings(m_X, g_X, eps, q2=0.0, charges=values)
        return Point(m_X, on_shell, virtual, **flavour_changing)


def benchmark_names() -> tuple[str, ...]:
    """Names of the benchmark models: those of the paper in its order, then others of the
    literature.
    """
    return BENCHMARKS


@cache
def benchmark(name: str) -> Model:
    """A benchmark model by its name; of an anomalous one its description tells, not a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        return Model.from_table(_tables()[name], name)


@cache
def _tables() -> dict[str, dict[str, Any]]:
    tables = {}
    for entry in resources.files("zscan").joinpath("models", "data").iterdir():
        if entry.name.endswith(".toml"):
            table = tomllib.loads(entry.read_text(encoding="utf-8"))
            tables[table["name"]] = table
    return tables
