"""Titles and captions, derived from maps: nothing that another model could contradict."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import xarray as xr

from zscan.results.figures import names
from zscan.results.figures.curves import Channels, Curves
from zscan.results.figures.layers import Backdrop, Layer, level, rests_on
from zscan.results.refined import sentence
from zscan.results.rule import exclusion_rule, measurement

_LEPTONS = (r"L_e", r"L_\mu", r"L_\tau")


def model_text(table: Mapping[str, Any]) -> str:
    """A model in TeX from its charges, e.g. B - 3 L_mu; its name where it is no combination of
    quark and lepton numbers.

    >>> model_text({"name": "mine", **dict.fromkeys("QUD", ["1/3"] * 3), "L": [0, -3, 0],
    ...     "E": [0, -3, 0]})
    '$B - 3L_\\\\mu$'
    """
    terms = _terms(table)
    if not terms:
        return names.escaped(str(table.get("name", "")))
    text = ""
    for symbol, coefficient in terms:
        size = "" if abs(coefficient) == 1 else str(abs(coefficient))
        sign = (" - " if text else "-") if coefficient < 0 else (" + " if text else "")
        text += f"{sign}{size}{symbol}"
    return f"${text}$"


def _terms(table: Mapping[str, Any]) -> list[tuple[str, Fraction]]:
    """Numbers of which the charges of a vector model are a sum, with coefficients; empty for any
    other model.
    """
    if not set("QUDLE") <= set(table):
        return []
    q, u, d, lepton, e = ([Fraction(str(item)) for item in table[key]] for key in "QUDLE")
    if not (q == u == d and lepton == e):
        return []
    baryon = [("B", 3 * q[0])] if len(set(q)) == 1 else [("B_3", 3 * q[2])]
    if len(set(q)) > 1 and any(q[:2]):
        return []
    if len(set(lepton)) == 1:
        leptons = [("L", lepton[0])]
    else:
        leptons = sorted(zip(_LEPTONS, lepton, strict=True), key=lambda item: item[1] < 0)
    return [item for item in (*baryon, *leptons) if item[1]]


def mixing_text(data: xr.Dataset, *, zero: bool = False) -> str:
    """Kinetic mixing beyond that of loops, in TeX; empty for none, or "eps = 0" with `zero`.

    A ratio of the model and one that the card adds are told as a sum."""
    model, fixed = json.loads(data.attrs["model"]), json.loads(data.attrs["fixed"])
    parts = []
    for key in ("eps_over_g", "eps"):
        values = [value for value in (model.get(key), fixed.get(key)) if value not in (None, 0)]
        texts = [v if isinstance(v, str) else names.number(float(v)) for v in values]
        if texts:
            total = " + ".join(texts).replace("+ -", "- ")
            parts.append(f"{names.symbol(key)[:-1]} = {total}$")
    if not parts and zero and model.get("loop", "none") == "none":
        return r"$\epsilon = 0$"
    return ", ".join(parts)


def title(
    data: xr.Dataset, select: Mapping[str, float] | None = None, *, zero: bool = False
) -> str:
    """Title of a plane: the model, its mixing, and all that is held fixed or selected."""
    fixed = json.loads(data.attrs["fixed"])
    parts = [model_text(json.loads(data.attrs["model"])), mixing_text(data, zero=zero)]
    others = {k: v for k, v in fixed.items() if k not in ("eps", "eps_over_g")} | dict(select or {})
    parts += [held_text(name, value) for name, value in others.items()]
    return ", ".join(part for part in parts if part)


def held_text(name: str, value: float) -> str:
    """A parameter that is held, e.g. "g_A/g_V = -0.4" or "Q_S = 5/3", in TeX."""
    symbol, fraction = names.symbol(name), Fraction(value).limit_denominator(9)
    is_third = fraction.denominator in (3, 6, 9) and abs(fraction - value) < 1e-9
    text = str(fraction) if is_third else names.number(value)
    if symbol.startswith("$"):
        return f"{symbol[:-1]} = {text}$"
    return f"{symbol} = ${text}$"


def model_sentence(data: xr.Dataset) -> str:
    """The model of a map in plain words: name, charges, mixing, parameters that are held."""
    model, fixed = json.loads(data.attrs["model"]), json.loads(data.attrs["fixed"])
    held = [f"{key} = {value:g}" for key, value in fixed.items()]
    if data.sizes.get("model", 1) > 1:
        told = [f"{data.sizes['model']} models, each with its own charges and mixing", *held]
        return ", ".join(told) + "."
    charges = "; ".join(
        f"{key} {', '.join(map(str, model[key]))}" for key in "QUDLEN" if any_charge(model.get(key))
    )
    text = f"Model {model.get('name', '?')}" + (f" (charges: {charges})" if charges else "")
    kept = {key: model[key] for key in ("eps", "eps_over_g") if model.get(key) not in (None, 0)}
    loop = model.get("loop", "none")
    told = [f"{key} = {value}" for key, value in kept.items()]
    told += [f"kinetic mixing of the {loop} loop"] if loop != "none" else []
    return ", ".join([text, *told, *held]) + "."


def plain(text: str) -> str:
    """TeX of a title as plain text.

    >>> plain(r"$B - 3L_\\mu$, $\\epsilon/g_X = 1$")
    'B - 3L_mu, eps/g_X = 1'
    """
    text = text.replace(r"\epsilon", "eps").replace(r"\times ", "x ").replace(r"\$", "\0")
    return text.replace("$", "").replace("\\", "").replace("\0", "$")


def any_charge(charges: Any) -> bool:
    """Whether there is a charge that is not zero."""
    return charges is not None and any(Fraction(str(charge)) for charge in charges)


def caption(
    maps: Sequence[xr.Dataset],
    shown: Iterable[tuple[xr.Dataset, Layer]],
    absent: Mapping[str, str],
    *,
    note: str = "",
    command: str = "",
) -> str:
    """The caption of a figure: its models, its layers with confidence level and references, what
    shows nothing and why, what is provisional, where it is from. `note` is about its method.
    """
    paragraphs = list(dict.fromkeys(model_sentence(data) for data in maps))
    paragraphs += [note] if note else []
    paragraphs += [text for text in dict.fromkeys(sentence(data.attrs) for data in maps) if text]
    listed: dict[str, str] = {}
    for data, layer in shown:
        if isinstance(layer, Backdrop):
            continue
        for constraint in rests_on(layer):
            listed.setdefault(constraint, _layer_sentence(data, layer, constraint))
    if listed:
        paragraphs.append(f"Layers: {'; '.join(listed.values())}.")
    if absent:
        told = "; ".join(f"{name} ({reason})" for name, reason in absent.items())
        paragraphs.append(f"Not visible: {told}.")
    provisional = [
        name
        for name in dict.fromkeys(n for data in maps for n in json.loads(data.attrs["provisional"]))
        if name in listed
    ]
    if provisional:
        listed_inputs = ", ".join(provisional)
        page = "docs/overview-of-constraints.md"
        paragraphs.append(f"Provisional inputs (prov.): {listed_inputs} (see {page}).")
        paragraphs += _remarks(maps, provisional)
    sets = ", ".join(dict.fromkeys(str(data.attrs["observables"]) for data in maps))
    paragraphs.append(f"Observable set: {sets}. {origin(maps)}; command: {command}")
    return "\n".join(paragraphs)


def _layer_sentence(data: xr.Dataset, layer: Layer, constraint: str) -> str:
    measured = measurement(data.attrs, constraint)
    said = [", ".join(measured["references"])]
    if not isinstance(layer, Curves | Channels):
        said = [level(layer, measured), *said]
    rule = exclusion_rule(data.attrs, constraint)
    if rule.excluded_above is None and rule.delta_chi2_excluded is not None:
        said.insert(1, f"chi2 above its minimum over the coupling by {rule.delta_chi2_excluded:g}")
    return f"{constraint} ({'; '.join(said)})"


def _remarks(maps: Sequence[xr.Dataset], constraints: Sequence[str]) -> list[str]:
    """What the measurements themselves say of provisional inputs."""
    found = {}
    for data in maps:
        held = data["constraint"].values.tolist()
        for name in constraints:
            note = measurement(data.attrs, name).get("note") if name in held else ""
            if note:
                found[name] = f"{name}: {note}."
    return list(found.values())


def origin(maps: Sequence[xr.Dataset]) -> str:
    """Version and scans: "zscan 0.1.0, scan 0123456789ab"."""
    scans = ", ".join(str(data.attrs["spec_hash"])[:12] for data in maps)
    return f"zscan {version(maps[0])}, scan {scans}"


def version(data: xr.Dataset) -> str:
    """Version of zscan that made a map."""
    return str(json.loads(data.attrs["versions"])["zscan"])
