"""Pages of docs/constraints: each constraint has one, with its picture, its sources, the numbers of
the sets and examples that run.
"""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from zscan.cli import main
from zscan.constraints import (
    SEARCHES,
    constraint_names,
    describe,
    measured_constraints,
    measurements,
    observable_sets,
)
from zscan.references import label

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "constraints"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
OVERVIEW = PAGES.pop("index")
LARGEST = 90_000  # bytes of a picture


def titled(page):
    """Constraints that the head of a page names, before its first section."""
    return list(dict.fromkeys(re.findall(r"`([\w/]+)`", PAGES[page].split("\n## ")[0])))


def rows():
    """Rows of tables of measurements: page, constraint, sets, and the five cells that follow."""
    for page, text in PAGES.items():
        for line in re.findall(r"^\| `\w+` \| (?:paper|current).*$", text, flags=re.MULTILINE):
            name, sets, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            yield page, name.strip("`"), sets.split(", "), cells


ROWS = list(rows())


def test_every_constraint_has_one_page_that_the_overview_lists():
    homes = [name for page in PAGES for name in titled(page)]
    known = {*measured_constraints(), "kmunux", "searches/NAME"}
    assert sorted(homes) == sorted(known), "named at the head of one page each"
    for page in PAGES:
        row = next(
            line for line in OVERVIEW.splitlines() if f"]({page}.md)" in line and "|" in line
        )
        assert set(titled(page)) <= set(re.findall(r"`([\w/]+)`", row)), page
        assert f"\n{page}\n" in OVERVIEW.split("{toctree}")[1], page
    limits = {name.removeprefix("searches/") for name in SEARCHES} - {"kmunux"}
    shown = re.findall(r"^(?:Limits|Projections): .*?\.\n", PAGES["searches"], flags=re.M | re.S)
    assert limits == set(re.findall(r"`(\w+)`", "".join(shown)))
    assert len(constraint_names()) == len(known) - 1 + len(limits)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_its_picture_sections_and_sources(page):
    text = PAGES[page]
    picture = FOLDER / f"{page}.png"
    assert re.search(rf"!\[[^\]]{{20,}}\]\({page}\.png\)", text), (
        "with words for those who cannot see"
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < LARGEST
    sections = re.findall(r"^## (\w+)", text, flags=re.MULTILINE)
    assert [name.removesuffix("s") for name in sections] == [
        *("Formula", "Measurement", "Validity", "Provisional", "Use")
    ]
    recipe = (DOCS / "accuracy" / "__main__.py").read_text(encoding="utf-8")
    assert f'"{page}": ' in recipe, "docs/accuracy draws it"
    for name in set(titled(page)) & set(measured_constraints()):
        for key in {
            key for chosen in observable_sets() for key in describe(name, chosen).references
        }:
            assert label(key) in text, f"{name} rests on {key}"


def test_every_measurement_is_on_its_page():
    shown = [(page, name, chosen) for page, name, sets, _ in ROWS for chosen in sets]
    wanted = [
        (page, name, chosen)
        for page in PAGES
        for name in titled(page)
        if name in measured_constraints()
        for chosen in ("paper", "current")
    ]
    assert sorted(shown) == sorted(wanted)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]} {row[2][0]}")
def test_numbers_are_those_of_the_sets(row):
    _, name, sets, (value, error, above, level, status) = row
    for chosen in sets:
        measured = measurements(chosen)[name]
        assert (level, status) == (measured.level, measured.status)
        if measured.form == "chi2":
            assert (value, error) == ("-", "-")
        else:
            ends = [abs(float(end)) for end in error.split()]
            assert float(value) == pytest.approx(measured.value, rel=1e-6)
            assert ends[0] == pytest.approx(measured.error_plus, rel=1e-6)
            assert ends[-1] == pytest.approx(measured.error_minus, rel=1e-6)
        if measured.excluded_above is not None:
            assert float(above) == pytest.approx(measured.excluded_above, rel=1e-6)
        elif measured.delta_chi2_excluded is not None:
            assert above == f"minimum + {measured.delta_chi2_excluded:g}"
        else:
            assert above == "-"


@pytest.mark.slow  # each page compiles its kernel
@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_run(page, capsys):
    found = doctest.testfile(str(FOLDER / f"{page}.md"), module_relative=False)
    assert (found.attempted > 1, found.failed) == (True, 0)
    commands = re.findall(r"^```\nzscan (.*)\n```$", PAGES[page], flags=re.MULTILINE)
    assert len(commands) == 1
    assert main(shlex.split(commands[0])) == 0
    assert any(name in capsys.readouterr().out for name in titled(page)) or page == "searches"
