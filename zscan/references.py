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
    """Short label of a reference: its arXiv id, else journal, volume and first page, else its key.

    >>> label("Greljo:2021npi"), label("CCFR:1991lpl")
    ('arXiv:2107.07518', 'Phys. Rev. Lett. 66, 3117')
    """
    entry = _entry(key)
    found = re.findall(r'^\s*(\w+)\s*=\s*(?:"(.*)"|\{(.*)\}),?\s*$', entry, flags=re.MULTILINE)
    fields = {name.lower(): quoted or braced for name, quoted, braced in found}
    if "eprint" in fields:
        return f"arXiv:{fields['eprint']}"
    if "doi" in fields and "journal" not in fields:
        return f"doi:{fields['doi']}"
    if {"journal", "volume", "pages"} <= set(fields):
        return f"{fields['journal']} {fields['volume']}, {fields['pages'].split('--')[0]}"
    return key


def add(text: str) -> tuple[str, ...]:
    """Make BibTeX entries known, such as those that come with a limit of a user; returns their
    keys. An entry that zscan itself has is kept.
    """
    found = split(text)
    _added.update({key: entry for key, entry in found.items() if key not in _shipped()})
    return tuple(found)


def added(keys: Iterable[str]) -> str:
    """The entries of `keys` that `add` made known, which a file must carry itself."""
    return "\n\n".join(_added[key] for key in keys if key in _added)


def has(key: str) -> bool:
    """Whether there is an entry of this key."""
    return key in _added or key in _shipped()


def split(text: str) -> dict[str, str]:
    """The entries of a BibTeX text by key."""
    parts = (part.strip() for part in re.split(r"^(?=[ \t]*@)", text, flags=re.MULTILINE))
    found = ((re.match(r"@\w+\s*\{\s*([^,\s{}@]{1,200})\s*,", part), part) for part in parts)
    return {match[1]: part for match, part in found if match}


# Entries that users brought
_added: dict[str, str] = {}


def is_known(key: str) -> bool:
    """Whether a reference can be cited: a key with an entry, "arXiv:NUMBER" or "doi:10....".

    >>> is_known("arXiv:2107.07518"), is_known("Greljo")
    (True, False)
    """
    return has(key) or bool(_NUMBER.fullmatch(key))


def _entry(key: str) -> str:
    if key in _added:
        return _added[key]
    entries = _shipped()
    if found := None if key in entries else _NUMBER.fullmatch(key):
        field = "eprint" if found[1] == "arXiv" else "doi"
        prefix = '  archivePrefix = "arXiv",\n' if field == "eprint" else ""
        return f'@misc{{{key},\n{prefix}  {field} = "{found[2]}",\n}}'
    if key not in entries:
        raise UnknownNameError(f"no reference {key!r}: {nearest(key, entries)}")
    return entries[key]


@cache
def _shipped() -> dict[str, str]:
    files = [
        resources.files("zscan").joinpath("references.bib"),
        resources.files("zscan").joinpath("limits", "references.bib"),
    ]
    return split("\n".join(file.read_text(encoding="utf-8") for file in files))
