"""The JSON schema of a card, for editors and validators."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from zscan.fit.card import FIT_SECTIONS
from zscan.results.plot_table import PlotTable
from zscan.scans.spec import CARD_SECTIONS


def card_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a card as a table.

    It knows every key, its type and its range. What a key means together with others (the names of
    parameters of a model, of constraints, of observables) only `zscan check` tells."""
    sections: dict[str, type[BaseModel]] = {**CARD_SECTIONS, **FIT_SECTIONS, "plot": PlotTable}
    definitions: dict[str, Any] = {}

    def schema(section: type[BaseModel]) -> dict[str, Any]:
        table = section.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(table.pop("$defs", {}))
        return table

    card = schema(sections["card"])
    properties = card["properties"]
    for name in ("output", "plot", "fit", "refine"):
        properties[name] = schema(sections[name])
    properties["fit"]["properties"]["sample"] = schema(sections["fit.sample"])
    flat = {"enum": ["flat", "log-flat"]}
    prior = {"anyOf": [flat, schema(sections["fit.prior"])]}
    properties["fit"]["properties"]["prior"] = _by_parameter("prior", prior, definitions)
    axis = {"anyOf": [schema(sections["axis"]), schema(sections["axis.profiled"])]}
    properties["axis"] = _by_parameter("axis", axis, definitions)
    value = {"anyOf": [{"type": "number"}, schema(sections["fixed"])]}
    properties["fixed"] = _by_parameter("fixed", value, definitions)
    table_or_name = {"type": ["string", "object"]}
    properties["model"] = properties["observables"] = table_or_name
    properties["models"] = {"anyOf": [{"type": "string"}, _strings()]}
    properties["constraints"] = _strings()
    card |= {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "zscan card",
        "$defs": definitions,
    }
    return card


def _strings() -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}}


def _by_parameter(name: str, value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Values by the names of parameters, whose dots make nested tables, as in axis.charge.L.mu."""
    group = {"$ref": f"#/$defs/{name}_of_parameter"}
    definitions[f"{name}_of_parameter"] = {
        "type": "object",
        "additionalProperties": {"anyOf": [*value.get("anyOf", [value]), group]},
    }
    return group
