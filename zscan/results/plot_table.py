"""What a user may say of a plot: the [plot] table of a card, the options of `zscan plot`, the
keywords of `zscan.plot`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zscan.errors import CardError, Fault, nearest

Number = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[list[str], Field(max_length=1000)]
Ends = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Point(_Section):
    """A marked point, in the units of the axes."""

    x: Number
    y: Number
    label: str = ""
    marker: Literal["o", "s", "^", "v", "D", "*", "+", "x"] = "*"
    colour: str = "#c2185b"


class Words(_Section):
    """A text at a place, in the units of the axes."""

    x: Number
    y: Number
    text: str
    colour: str = "black"
    size: Number = 8.0


class PlotTable(_Section):
    """All options of a plot; the defaults draw every constraint of the map.

    `x`, `y`: the axes; `select`: values of the others, `project`: those projected. `layers`: names
    or patterns of what is drawn, `order`: regions that lie before all others, from back to front.
    `colours`, `names`: of constraints. `thresholds`: standard deviations of a band, the limit of
    anything else. `projections`: drawn as dashed lines. `combined`: their sum of chi2 as regions.
    `labels`: where names stand. `style`: names of matplotlib styles. `width` [inches], or that of
    a "column" or "double" column."""

    x: str | None = None
    y: str | None = None
    select: dict[str, Number] = Field(default_factory=dict)
    project: Names = Field(default_factory=list)
    layers: Names | None = None
    order: Names = Field(default_factory=list)
    colours: dict[str, str] = Field(default_factory=dict)
    names: dict[str, str] = Field(default_factory=dict)
    thresholds: dict[str, Number] = Field(default_factory=dict)
    projections: Names = Field(default_factory=list)
    combined: Names = Field(default_factory=list)
    labels: Literal["inside", "legend", "none"] = "inside"
    points: list[Point] = Field(default_factory=list)
    text: list[Words] = Field(default_factory=list)
    xlim: Ends | None = None
    ylim: Ends | None = None
    style: list[str] | str = Field(default_factory=list)
    width: Literal["column", "double"] | Number = 6.0
    height: Number | None = None

    @property
    def styles(self) -> list[str]:
        """Names of matplotlib styles, in order."""
        return [self.style] if isinstance(self.style, str) else self.style


def read_plot_table(table: Any, label: str) -> PlotTable:
    """A checked [plot] table; raises `CardError` with every fault of it: "plot.KEY: ..."."""
    faults = plot_faults(table)
    if faults:
        raise CardError(label, faults)
    return PlotTable.model_validate(dict(table))


def plot_faults(table: Any) -> list[Fault]:
    """All faults of a [plot] table by themselves; what a map holds is checked when it is drawn.

    >>> [fault.path for fault in plot_faults({"layer": [], "xlim": [2, 1]})]
    ['plot.layer']
    """
    if not isinstance(table, Mapping):
        return [Fault("plot", "must be a table", table)]
    try:
        found = PlotTable.model_validate(dict(table))
    except ValidationError as error:
        return list(dict.fromkeys(_fault(item) for item in error.errors(include_url=False)))
    faults = []
    for name, colour in {**found.colours, **_colours(found)}.items():
        if not _is_colour(colour):
            problem = "no colour of matplotlib"
            faults.append(Fault(f"plot.{name}", problem, colour, "a name, or #rrggbb"))
    texts = {f"names.{name}": text for name, text in found.names.items()}
    texts |= {f"points.{number}.label": item.label for number, item in enumerate(found.points)}
    texts |= {f"text.{number}.text": item.text for number, item in enumerate(found.text)}
    for name, text in texts.items():
        if not _is_readable(text):
            faults.append(Fault(f"plot.{name}", "no text that matplotlib can set", text))
    for key in ("xlim", "ylim"):
        ends = getattr(found, key)
        if ends is not None and not ends[0] < ends[1]:
            faults.append(Fault(f"plot.{key}", "must rise", ends))
    for key in ("width", "height"):
        size = getattr(found, key)
        if isinstance(size, float) and not 1 <= size <= 40:
            faults.append(Fault(f"plot.{key}", "out of range", size, "1 to 40 inches"))
    faults += [fault for name in found.styles if (fault := _style_fault(name))]
    return faults


def _colours(found: PlotTable) -> dict[str, str]:
    marked = {f"points.{number}": item.colour for number, item in enumerate(found.points)}
    return marked | {f"text.{number}": item.colour for number, item in enumerate(found.text)}


def _is_colour(text: str) -> bool:
    from matplotlib.colors import is_color_like

    return bool(is_color_like(text))


def _is_readable(text: str) -> bool:
    """Whether the TeX in a text, if there is any, can be set."""
    if "$" not in text:
        return True
    from matplotlib.mathtext import MathTextParser

    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return False
    return True


def _style_fault(name: str) -> Fault | None:
    """None for a style of matplotlib, of an installed package ("package.style"), or of mplhep, if
    it is installed ("mplhep.CMS").
    """
    from matplotlib import rc_context, style

    from zscan.results.figures.style import sheet

    try:
        with rc_context():
            style.use(sheet(name))
    except (OSError, ImportError, ValueError, TypeError):
        allowed = nearest(name, style.available)
        return Fault("plot.style", "no style of matplotlib", name, allowed)
    return None


def _fault(item: Any) -> Fault:
    place = [str(part) for part in item["loc"] if part not in ("list[str]", "str", "float")]
    path = ".".join(["plot", *place])
    if item["type"] == "extra_forbidden":
        sections: dict[str, type[_Section]] = {"points": Point, "text": Words}
        section = sections.get(place[0], PlotTable)
        return Fault(path, "unknown key", allowed=nearest(place[-1], section.model_fields))
    if item["type"] == "missing":
        return Fault(path, "missing")
    if item["type"] == "literal_error":
        return Fault(path, "unknown value", item["input"], item["ctx"]["expected"])
    return Fault(path, item["msg"][:1].lower() + item["msg"][1:], item["input"])
