"""The one reader of text that others wrote: files, values of the command line, the environment.

Everything that is read is bounded first: the size of a file, the nesting of brackets and tables,
the parts of a dotted key, the digits of a number, the keys of a table. Whatever goes wrong is one
named fault with the file, the line where it is known, and what is allowed; no exception of a parser
leaves this module."""

from __future__ import annotations

import json
import os
import re
import stat
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from zscan.errors import Fault, ParameterError, ZscanError, clipped, shown

TEXT_BYTES = 2 * 2**20  # of a card, a model, a limit: 1e5 numbers
MAX_DEPTH = 32  # of tables and lists within each other
MAX_KEYS = 1000  # of one table
MAX_BRACKETS = 200_000  # of a TOML text, whose parser takes microseconds for each; JSON: 20 times
MAX_PARTS = 16  # of a dotted key; the parser needs time quadratic in them
MAX_DIGITS = 100  # of a number; float64 needs 17, an integer of 64 bits 19
MAX_NAME = 4096  # characters of a path, or of any other argument
_LATEST = 253402300799  # s since 1970: the end of the year 9999

_STRING = (
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
)
# Strings and comments. An unterminated one reaches to the end, so that no text is looked at twice
_TOML_QUOTED = re.compile(_STRING + r"|'[^'\n]*+'?|#[^\n]*+", re.DOTALL)
_JSON_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKET, _NO_BRACKETS = re.compile(r"[\[\]{}]"), re.compile(r"[^\[\]{}]++")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
_LONG_NUMBER = re.compile(rf"(?<![\w.])[0-9][0-9._eE+-]{{{MAX_DIGITS}}}")
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_PARTS}}}")


class TextError(ZscanError):
    """Text that cannot be read: the one `fault` tells where and why."""

    def __init__(self, path: str, problem: str, value: object = None, allowed: str = "") -> None:
        self.fault = Fault(path, problem, value, allowed)
        super().__init__(str(self.fault))


class GrammarError(TextError):
    """Text that is within all bounds, but is not of its language."""


def file_name(path: str | Path, what: str = "path") -> Path:
    """`path` as a `Path`; `ParameterError` for one that no file can have: empty, with a NUL, too
    long, or not UTF-8.

    >>> file_name("a.toml").name
    'a.toml'
    """
    text = str(path)
    problem = _text_problem(text)
    if not text or (isinstance(path, str) and not text.strip()):
        problem = "is empty: it must name a file"
    elif len(text) > MAX_NAME:
        problem = f"has {len(text)} characters; allowed: at most {MAX_NAME}"
    if problem:
        raise ParameterError(f"{what} {shown(text)} {problem}")
    return Path(path)


def is_file(path: str | Path) -> bool:
    """Whether `path` is a regular file; False too for a name that no file can have."""
    try:
        return file_name(path).is_file()
    except (ParameterError, OSError):
        return False


def read_text(path: str | Path, limit: int = TEXT_BYTES) -> str:
    """The UTF-8 text of a regular file of at most `limit` bytes, without NUL.

    Raises `TextError`; never waits, so that a FIFO, a device or a folder is refused."""
    data = read_bytes(path, limit)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}"
        raise TextError(f"{path}:{line}", problem) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TextError(f"{path}:{line}", "holds a NUL byte", allowed="UTF-8 text")
    return text


def read_bytes(path: str | Path, limit: int = TEXT_BYTES) -> bytes:
    """The content of a regular file of at most `limit` bytes; raises `TextError` as `read_text`."""
    label = clipped(str(path), 300)
    try:
        file_name(path)
        # Opening a device can do something, so look first; a FIFO must not wait for its writer
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise TextError(label, "no regular file", allowed="a file, not a folder or a device")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise TextError(label, "no regular file", allowed="a file")
            data = file.read(limit + 1)
    except OSError as error:
        raise TextError(label, f"cannot be read: {error.strerror or error}") from error
    except ParameterError as error:
        raise TextError(label, str(error)) from error
    if len(data) > limit:
        raise TextError(label, "the file is too large", allowed=f"at most {limit} bytes")
    return data


def parse_toml(text: str, source: str | Path = "text") -> dict[str, Any]:
    """The table of a TOML text, with the bounds of `check_table`.

    Raises `GrammarError` for what is not TOML, `TextError` for what is beyond a bound.

    >>> parse_toml("a.b = [1, 2.5]")
    {'a': {'b': [1, 2.5]}}
    """
    plain = _plain(_TOML_QUOTED, text)
    _check_brackets(plain, source, MAX_BRACKETS)
    if found := _LONG_KEY.search(plain):
        where = f"{source}:{_line(plain, found.start())}"
        raise TextError(where, "a key of many parts", allowed=f"at most {MAX_PARTS}")
    table = _parsed(tomllib.loads, text, source, "TOML")
    check_table(table, source)
    return table


def parse_json(text: str, source: str | Path = "text") -> Any:
    """The value of a JSON text of our own files; nesting and digits are bounded.

    Raises `GrammarError` for what is not JSON, `TextError` for what is beyond a bound.

    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    _check_brackets(_plain(_JSON_QUOTED, text), source, 20 * MAX_BRACKETS)
    return _parsed(json.loads, text, source, "JSON")


def check_table(table: Mapping[str, Any], source: str | Path = "table") -> None:
    """Raise `TextError` unless a table of strings, numbers, lists and tables is within all bounds.

    At most 32 levels, 1000 keys of one table, integers of 64 bits, text without NUL."""
    pending: list[Iterator[tuple[str, Any]]] = [iter([("", table)])]
    while pending:  # not recursive: the depth is what is checked
        item = next(pending[-1], None)
        if item is None:
            pending.pop()
            continue
        path, value = item
        where = f"{source}: {path}" if path else str(source)
        if isinstance(value, str):
            if problem := _text_problem(value):
                raise TextError(where, f"the text {problem}", value)
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                raise TextError(where, "integer too large", value, "integers of 64 bits")
        elif isinstance(value, Mapping | list | tuple):
            if len(pending) > MAX_DEPTH:
                raise TextError(
                    str(source), "nested too deeply", allowed=f"at most {MAX_DEPTH} levels"
                )
            if isinstance(value, Mapping):
                _check_keys(value, where)
            pending.append(_items(path, value))


def creation_time() -> int:
    """Seconds since 1970 that files carry as the time of their making: SOURCE_DATE_EPOCH, else now.

    Raises `ParameterError` for a variable that is no whole number of seconds up to the year 9999.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return int(time.time())
    if not re.fullmatch("[0-9]{1,12}", text) or int(text) > _LATEST:
        raise ParameterError(
            f"SOURCE_DATE_EPOCH = {shown(text)} in the environment is not usable; allowed: whole "
            f"seconds since 1970, 0 to {_LATEST}"
        )
    return int(text)


def _check_keys(table: Mapping[Any, Any], where: str) -> None:
    if len(table) > MAX_KEYS:
        raise TextError(where, f"{len(table)} keys", allowed=f"at most {MAX_KEYS} in one table")
    for key in table:
        if problem := _text_problem(str(key)):
            raise TextError(where, f"the key {shown(key)} {problem}")


def _items(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return ((f"{path}.{clipped(str(key), 80)}" if path else str(key), item) for key, item in items)


def _text_problem(text: str) -> str:
    if "\0" in text:
        return "holds a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    return ""


def _plain(quoted: re.Pattern[str], text: str) -> str:
    """`text` with the letter s for every string and nothing for a comment; lines stay."""

    def replaced(match: re.Match[str]) -> str:
        return ("" if match[0][0] == "#" else "s") + "\n" * match[0].count("\n")

    return quoted.sub(replaced, text)


def _check_brackets(plain: str, source: str | Path, most: int) -> None:
    brackets = _NO_BRACKETS.sub("", plain)
    if len(brackets) > most:
        raise TextError(str(source), f"{len(brackets)} brackets", allowed=f"at most {most}")
    depths = accumulate(map(_STEP.__getitem__, brackets))
    deep = next((number for number, depth in enumerate(depths) if depth > MAX_DEPTH), None)
    if deep is not None:
        place = next(islice(_BRACKET.finditer(plain), deep, None)).start()
        allowed = f"at most {MAX_DEPTH} brackets"
        raise TextError(f"{source}:{_line(plain, place)}", "nested too deeply", allowed=allowed)
    if found := _LONG_NUMBER.search(plain):
        where = f"{source}:{_line(plain, found.start())}"
        raise TextError(where, "a number of many digits", allowed=f"at most {MAX_DIGITS}")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _parsed(parse: Callable[[str], Any], text: str, source: str | Path, language: str) -> Any:
    try:
        return parse(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        found = re.search(r"at line (\d+)|line (\d+) column", str(error))
        line = next(filter(None, found.groups())) if found else str(text.count("\n") + 1)
        raise GrammarError(f"{source}:{line}", f"not {language}: {error}") from error
    except RecursionError as error:
        problem = "nested too deeply"
        raise TextError(str(source), problem, allowed=f"at most {MAX_DEPTH} levels") from error
    except MemoryError as error:
        raise TextError(str(source), "needs more memory than there is") from error
    except (ValueError, OverflowError) as error:
        raise TextError(str(source), f"not usable as {language}: {error}") from error
