"""Literature behind every number: BibTeX entries, and those a set of constraints rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from zscan.errors import UnknownNameError, nearest

PAPER = "Greljo:2021npi"
# Of papers that have no entry, such as those behind a constraint of a user
_NUMBER = re.compile(r"(arXiv|doi):(\d{4}\.\d{4,5}|[a-z-]+/\d{7}|10\.[^\s\"{}]+)")


def bibtex(keys: Iterable[str]) -> str:
    """BibTeX entries of `keys`, in the order given; raises `UnknownNameError` for a key without an
    entry.

    >>> bibtex(["Greljo:2021npi"]).startswith("@article{Greljo:2021npi,")
    True
    """
    return "\n\n".join(_entry(key) for key in keys)


def label(key: str) -> str:
    """Short label of a reference: its arXiv id, else journal, volume and first page.

    >>> label("Greljo:2021npi"), label("CCFR:1991lpl")
    ('arXiv:2107.07518', 'Phys. Rev. Lett. 66, 3117')
    """
    fields = dict(re.findall(r'^\s*(\w+) = "(.*)",?$', _entry(key), flags=re.MULTILINE))
    if "eprint" in fields:
        return f"arXiv:{fields['eprint']}"
    if "doi" in fields and "journal" not in fields:
        return f"doi:{fields['doi']}"
    return f"{fields['journal']} {fields['volume']}, {fields['pages'].split('--')[0]}"


def is_known(key: str) -> bool:
    """Whether a reference can be cited: a key with an entry, "arXiv:NUMBER" or "doi:10....".

    >>> is_known("arXiv:2107.07518"), is_known("Greljo")
    (True, False)
    """
    return key in _entries() or bool(_NUMBER.fullmatch(key))


def _entry(key: str) -> str:
    entries = _entries()
    if found := None if key in entries else _NUMBER.fullmatch(key):
        field = "eprint" if found[1] == "arXiv" else "doi"
        prefix = '  archivePrefix = "arXiv",\n' if field == "eprint" else ""
        return f'@misc{{{key},\n{prefix}  {field} = "{found[2]}",\n}}'
    if key not in entries:
        raise UnknownNameError(f"no reference {key!r}: {nearest(key, entries)}")
    return entries[key]


@cache
def _entries() -> dict[str, str]:
    files = [
        resources.files("zscan").joinpath("references.bib"),
        resources.files("zscan").joinpath("limits", "references.bib"),
    ]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    entries = [
        entry.strip() for entry in re.split(r"^(?=@)", text, flags=re.MULTILINE) if entry.strip()
    ]
    return {re.match(r"@\w+\{([^,]+),", entry)[1]: entry for entry in entries}  # type: ignore[index]
