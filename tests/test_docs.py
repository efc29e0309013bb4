"""What can be said of the documentation without building it: every public name has its place, no
link of the README leads nowhere, every reference can be looked up.
"""

import re
from pathlib import Path

import pytest

import zscan

ROOT = Path(__file__).parents[1]
BIBLIOGRAPHIES = ("zscan/references.bib", "zscan/limits/references.bib")


def test_every_public_name_is_in_the_reference():
    page = (ROOT / "docs/api/zscan.md").read_text(encoding="utf-8")
    named = set(re.findall(r"auto(?:function|class):: (\w+)", page))
    modules = {"charges", "errors", "fit", "kernels", "limits"}
    assert named == set(zscan.__all__) - modules - {"__version__"}
    for module in modules - {"kernels"}:
        text = (ROOT / f"docs/api/{module}.md").read_text(encoding="utf-8")
        assert f"automodule:: zscan.{module}" in text
    kernels = (ROOT / "docs/api/kernels.md").read_text(encoding="utf-8")
    assert re.findall(r"automodule:: zscan.kernels.(\w+)", kernels) == zscan.kernels.__all__


def test_links_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("marker", ["main job", "documentation", "tests"])
def test_commands_of_the_readme(marker):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^<!-- {marker} -->\n```\n[^`]+\n```$", text, flags=re.MULTILINE)


def test_references():
    """Each entry is whole, has an arXiv id or a DOI, and a title that LaTeX takes."""
    keys = []
    for name in BIBLIOGRAPHIES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for entry in re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]:
            key = re.match(r"@\w+\{([^,]+),", entry)[1]
            assert entry.count("{") == entry.count("}"), key
            assert re.search(r"^ *(eprint|doi) *=", entry, flags=re.MULTILINE), key
            title = re.search(r'^ *title = "\{(.+)\}",$', entry, flags=re.MULTILINE)[1]
            assert not re.search(r"[_^]", re.sub(r"\$[^$]+\$", "", title)), key
            keys.append(key)
    assert len(keys) == len(set(keys)) > 100
