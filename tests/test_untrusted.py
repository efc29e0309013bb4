"""The reader of untrusted text: every bound, every kind of failure; messages stay short."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscan.errors import CardError, Fault, ParameterError, clipped, message, nearest, shown
from zscan.untrusted import (
    MAX_DEPTH,
    TEXT_BYTES,
    GrammarError,
    TextError,
    check_table,
    creation_time,
    file_name,
    is_file,
    parse_json,
    parse_toml,
    read_text,
)

SECONDS = 20  # generous: the machine may be busy; what these texts once took was minutes
HOSTILE_TOML = {
    "brackets": ("a = " + "[" * 100_000, "nested too deeply"),
    "brackets beside strings": ("a = " + '["]", ' * 100_000, "nested too deeply"),
    "inline tables": ("a = " + "{a = " * 100_000, "nested too deeply"),
    "a deep table in shallow text": (
        "[a.a.a.a.a.a.a.a.a.a.a.a]\nb.b.b.b.b.b.b.b.b.b.b.b.b = {c.c.c.c.c.c.c.c.c.c.c.c = 1}",
        "nested too deeply",
    ),
    "a long dotted key": ("a." * 100_000 + "b = 1", "a key of many parts"),
    "a long quoted key": ('"a" . ' * 100_000 + "b = 1", "a key of many parts"),
    "5000 digits": ("a = " + "9" * 5000, "a number of many digits"),
    "5000 decimals": ("\n\na = 0." + "9" * 5000, "text:3: a number of many digits"),
    "digits of an exponent": ("a = 1e" + "9" * 5000, "a number of many digits"),
    "digits with underscores": ("a = 9" + "_9" * 5000, "a number of many digits"),
    "a hexadecimal number": ("a = 0x" + "f" * 5000, "integer too large"),
    "65 bits": ("a.b = [1, 9223372036854775808]", "text: a.b.1: integer too large"),
    "a thousand and one keys": ("".join(f"a{i} = 1\n" for i in range(1001)), "1001 keys"),
    "a million tables": ("[[a]]\n" * 200_000, "brackets; allowed: at most"),
    "a NUL in a string": ('a = "\\u0000"', "holds a NUL character"),
    "a NUL in a key": ('"\\u0000" = 1', "holds a NUL character"),
    "no TOML": ("a = 1\nb =\n", "text:2: not TOML"),
    "a string without end": ('a = """' + '\\"""' * 100_000, "not TOML"),
    "no date": ("a = 2020-99-99", "not TOML"),
}


@pytest.mark.parametrize("name", HOSTILE_TOML)
def test_hostile_toml_is_one_fault(name: str) -> None:
    text, problem = HOSTILE_TOML[name]
    start = time.monotonic()
    with pytest.raises(TextError) as caught:
        parse_toml(text)
    assert time.monotonic() - start < SECONDS
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert isinstance(caught.value.fault, Fault)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" + "[],\n" * 2 + "9" * 5000, "text:3: a number of many digits"),
        ('{"a": \n nothing}', "text:2: not JSON"),
        ("", "text:1: not JSON"),
    ],
)
def test_hostile_json_is_one_fault(text: str, problem: str) -> None:
    with pytest.raises(TextError, match=problem):
        parse_json(text)


def test_good_text_is_read() -> None:
    text = (
        'a = "[[[[ # no comment"  # [[[[ {{{\n'
        "b = '''\n[[[\n'''\n"
        'c."d.e".f = [[1.5, nan], [-1e9, 0xff]]\n'
    )
    table = parse_toml(text)
    assert table["a"] == "[[[[ # no comment"
    assert table["c"]["d.e"]["f"][1] == [-1e9, 255]
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert parse_toml(f"a = {deep}")["a"] is not None
    assert parse_json(f'{{"a": {deep}, "b": "[[[[", "c": 1e-300}}')["c"] == 1e-300
    with pytest.raises(GrammarError):
        parse_toml("one two")


def test_a_table_that_holds_itself_is_refused() -> None:
    table: dict[str, object] = {}
    table["a"] = table
    with pytest.raises(TextError, match="nested too deeply"):
        check_table(table)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_text("é\n", encoding="utf-8")
    assert read_text(good) == "é\n"
    assert is_file(good)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "fifo", tmp_path / "socket", tmp_path, Path("/dev/zero")):
            with pytest.raises(TextError, match="no regular file"):
                read_text(path)
            assert not is_file(path)
    (tmp_path / "loop").symlink_to("loop")
    for path, problem in (
        ("loop", "cannot be read"),
        ("missing", "No such file"),
        ("a" * 300, "cannot be read"),
    ):
        with pytest.raises(TextError, match=problem):
            read_text(tmp_path / path)
        assert not is_file(tmp_path / path)
    for name, problem in (("", "is empty"), ("a\0b", "NUL"), ("a" * 5000, "5000 characters")):
        with pytest.raises(TextError, match=problem):
            read_text(name)
        assert not is_file(name)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    for data, problem in (
        (b"a\nb\xff", r"a\.toml:2: not UTF-8 text: byte 3 is 0xff"),
        ("a = 1".encode("utf-16"), "not UTF-8"),
        (b"a\n\n\0", r"a\.toml:3: holds a NUL byte"),
        (b" " * (TEXT_BYTES + 1), "too large"),
    ):
        path.write_bytes(data)
        with pytest.raises(TextError, match=problem):
            read_text(path)


def test_names_of_files() -> None:
    assert file_name("a/b.h5") == Path("a/b.h5")
    for name in ("", "  ", "a\0", "a" * 5000, "\udcff"):
        with pytest.raises(ParameterError, match=r"^map "):
            file_name(name, "map")


def test_creation_time_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert abs(creation_time() - time.time()) < 60
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    assert creation_time() == 1234567890
    for text in ("abc", "", "-1", "1.5", "1_0", "٣", "9" * 5000, "253402300800"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
        with pytest.raises(ParameterError, match="SOURCE_DATE_EPOCH"):
            creation_time()


def test_messages_stay_short() -> None:
    faults = [Fault(f"k{i}" * 1000, "bad\nvery " * 1000, [["v"] * 1000] * 1000) for i in range(500)]
    error = CardError("card\x1b[2J.toml", faults)
    assert len(error.faults) == 500
    lines = str(error).split("\n")
    assert len(lines) == 42
    assert lines[-1] == "  and 460 more"
    assert max(map(len, lines)) < 1000
    assert str(error).replace("\n", "").isprintable()
    assert message("a\n" * 100).count("\n") == 59
    assert message("a" * 5000).endswith("...")
    assert nearest("n7", [f"n{i}" for i in range(100)]).endswith("n24, and 75 more)")
    cyclic: list[object] = []
    cyclic.append(cyclic)
    for value in (10**5000, "a" * 10**6, [[[[[[[1]]]]]]], cyclic, {"a": 10**5000}, object()):
        assert len(shown(value)) <= 80
    assert clipped("a\nb\rc") == "a; b; c"


ODD = st.text(st.sampled_from("[]{}\"'\\#=.,\n a19_-e:é\0")) | st.text()


@given(ODD)
def test_no_other_error_leaves_the_parsers(text: str) -> None:
    for parse in (parse_toml, parse_json):
        with suppress(TextError):
            parse(text)
