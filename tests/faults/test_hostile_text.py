"""Hostile cards, models, limits, checkouts and arguments, each through the command line.

Every one ends with exit code 2 and a short message, or, where one file of many is bad, with 0 and a
warning; never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zscan.limits
from zscan.cli import main
from zscan.errors import CardError
from zscan.limits.known import forget_users
from zscan.scans.spec import load_card

SECONDS = 10
CARD = """
format = 1
name = "small"
model = "Lmu-Ltau"
constraints = ["delta_a_mu"]
[axis.m_X]
values = [0.1]
[axis.g_X]
min = 1e-5
max = 1e-1
num = 3
scale = "log"
"""
AXIS = 'min = 1e-3\nmax = 1.0\nnum = 10000000\nscale = "log"\n'
MANY = 2000
DIGITS = "9" * 5000


def with_model(line: str) -> str:
    return CARD.replace('model = "Lmu-Ltau"\n', "") + f'[model]\nname = "x"\n{line}\n'


def changed(old: str, new: str) -> str:
    assert old in CARD
    return CARD.replace(old, new)


CARDS: dict[str, str | bytes] = {
    "empty": "",
    "brackets": CARD + "[fixed]\neps = " + "[" * 100_000,
    "inline tables": CARD + "[fixed]\neps = " + "{a = " * 100_000,
    "dotted": CARD + "[fixed]\n" + "a." * 100_000 + "b = 1",
    "digits": CARD + f"[fixed]\neps = {DIGITS}",
    "400 digits": CARD + "[fixed]\neps = " + "9" * 400,
    "decimals": CARD + f"[fixed]\neps = 0.{DIGITS}",
    "exponent": CARD + f"[fixed]\neps = 1e{DIGITS}",
    "100000 unknown keys": "".join(f"k{i} = 1\n" for i in range(100_000)) + CARD,
    "900 unknown keys": "".join(f"k{i} = 1\n" for i in range(900)) + CARD,
    "900 unknown axes": CARD + "".join(f"[axis.k{i}]\nvalues = [1.0]\n" for i in range(900)),
    "900 unknown fixed": CARD + "[fixed]\n" + "".join(f"k{i} = 1\n" for i in range(900)),
    "many constraints": changed('["delta_a_mu"]', str([f"k{i}" for i in range(MANY)])),
    "900 constraints": changed('["delta_a_mu"]', str([f"k{i}" for i in range(900)])),
    "numbers as constraints": changed('["delta_a_mu"]', str(list(range(MANY)))),
    "a long pattern": changed("delta_a_mu", "*a" * 5000),
    "texts as values": changed("[0.1]", str(["a"] * MANY)),
    "a long key": CARD + f'[fixed]\n"{"k" * 100_000}" = 1\n',
    "control characters in a key": CARD + '[fixed]\n"\\u001b[2J\\n\\n" = 1\n',
    "NUL in a key": CARD + '[fixed]\n"\\u0000" = 1\n',
    "NUL in the model": changed("Lmu-Ltau", "a\\u0000.toml"),
    "NUL in the file": CARD.encode() + b"\0",
    "UTF-16": CARD.encode("utf-16"),
    "Latin-1": CARD.encode() + "# é".encode("latin-1"),
    "3 MB": CARD + "#" * 3_000_000,
    "a long name": changed('"small"', f'"{"a" * 10_000}"'),
    "a long model": changed("Lmu-Ltau", "a/" * 5000),
    "a folder as model": changed("Lmu-Ltau", "./"),
    "a device as model": changed("Lmu-Ltau", "/dev/zero"),
    "many models": changed('model = "Lmu-Ltau"', f'models = "catalogue:max=3{",k" * 5000}"'),
    "eight axes": CARD.partition("[axis")[0]
    + "".join(
        f"[axis.{name}]\n{AXIS}"
        for name in (
            "m_X g_X eps eps_over_g g_sb charge.L.mu charge.E.mu charge.L.tau".split()  # noqa: SIM905
        )
    ),
    "points": CARD.partition("[axis")[0]
    + "".join(
        f"[axis.{name}]\n{AXIS.replace('10000000', '50000')}" for name in ("m_X", "g_X", "eps")
    ),
    "tiles": changed("num = 3", "num = 9000000") + "[output]\ntile_points = 1\n",
    "a table as number": changed("max = 1e-1", "max = {a = 1}"),
    "a date as number": changed("max = 1e-1", "max = 2020-01-01"),
}
MODELS = {
    "exponent": 'L = "1e999999999"',
    "negative exponent": 'L = ["1e-999999999", 0, 0]',
    "decimal": 'L = "0.5"',
    "digits": f'L = "{DIGITS}"',
    "denominator": f'L = "1/{DIGITS}"',
    "integer": f"L = {DIGITS}",
    "other digits": 'L = "٣"',
    "mixing": f'eps_over_g = "{DIGITS}/e"',
    "mixing number": f"eps_over_g = {'9' * 19}0",
    "nested": f"L = {'[' * 30}{']' * 30}",
    "many charges": f"L = {[0] * 10_000}",
    "900 unknown keys": "\n".join(f"k{i} = 1" for i in range(900)),
    "tables": "L = {a = 1, b = 2, c = 3}",
    "long text": f'description = "{"a" * 100_000}"',
}
SETS = (
    "fixed.eps=" + "[" * 50_000,
    "fixed.eps=" + DIGITS,
    "fixed.eps=[" + "9" * 200 + "]",
    "a." * 50_000 + "b=1",
    "." * 1000 + "=1",
    "k" * 10_000 + "=1",
    "name=" + "a" * 10_000,
    'name="\\u0000"',
    "axis.m_X.values=" + "{" * 1000,
    "axis.g_X.num=" + "9" * 30,
    "output.tile_points=0",
    "a=\udcff",
)
ARGUMENTS = [
    ["merge", ""],
    ["info", ""],
    ["verify", ""],
    ["cite", ""],
    ["run", ""],
    ["fit", ""],
    ["run", "  "],
    ["models", ""],
    ["figure", ""],
    ["limits", "import", ""],
    ["run", "fig2", "-o", ""],
    ["run", "fig2", "-o", "."],
    ["merge", "."],
    ["merge", ".."],
    ["info", "."],
    *(
        [*verb, name]
        for verb in (["merge"], ["info"], ["run"], ["models"], ["run", "fig2", "-o"])
        for name in ("a\0b", "a" * 10_000, "a" * 10_000 + ".toml", "\udcff")
    ),
    ["run", "fig2", "--shard", "1/0"],
    ["run", "fig2", "--shard", "0/1"],
    ["run", "fig2", "--shard", DIGITS + "/1"],
    ["run", "fig2", "--executor", "a" * 10_000],
    ["figure", "2", "--points", "10000000", "-o", "figures"],
    ["figure", "2", "--points", "-1", "-o", "figures"],
    ["figure", "2", "--points", DIGITS],
    ["charges", "--max", DIGITS],
    ["charges", "--max", "99999999"],
    ["charges", "--max", "3", "--class", "a" * 10_000],
    ["verdict", "Lmu-Ltau", "--points", "1000000000000"],
    ["verdict", "Lmu-Ltau", "--n_sigma", "nan"],
    ["evaluate", "Lmu-Ltau", "--m_X", "1e999", "--g_X", "1"],
    ["evaluate", "Lmu-Ltau", "--m_X", "1", "--g_X", "1", "--set", "a" * 10_000 + "=1"],
    ["evaluate", "Lmu-Ltau", "--m_X", "1", "--g_X", "1", "--observables", "a" * 4000],
    ["evaluate", "Lmu-Ltau", "--m_X", "1", "--g_X", "1", "--constraints", "*a" * 4000],
]


@pytest.fixture(autouse=True)
def somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int = 2) -> str:
    """What a command writes on stderr, after the checks that every case has in common."""
    start = time.monotonic()
    try:
        found = main(arguments)
    except SystemExit as error:  # of the parser of arguments
        found = error.code
    assert time.monotonic() - start < SECONDS
    err = capsys.readouterr().err
    assert found == code, err
    assert err.startswith("zscan"), err
    assert "Traceback" not in err
    assert "internal" not in err
    lines = err.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) < 1200
    return err


@pytest.mark.parametrize("name", CARDS)
def test_cards(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CARDS[name]
    path = tmp_path / "card.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    err = told(capsys, ["run", str(path), "-o", str(tmp_path / "out.h5")])
    assert "card.toml" in err
    assert [item.name for item in tmp_path.iterdir()] == ["card.toml"]


def test_the_room_of_a_grid_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (
        ("eight axes", "axis: 80000000 values on all axes together; allowed: at most 10000000"),
        ("points", "axis: 1.25e+14 points of the grid; allowed: at most 1e+13"),
        ("tiles", "output.tile_points: the grid has 9000000 tiles"),
    ):
        (tmp_path / "card.toml").write_text(str(CARDS[name]))
        assert text in told(capsys, ["run", "card.toml"])


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.toml").write_text(f'name = "x"\n{MODELS[name]}\n')
    assert "model" in told(capsys, ["models", "model.toml"])
    (tmp_path / "card.toml").write_text(with_model(MODELS[name]))
    err = told(capsys, ["run", "card.toml"])
    assert "model" in err or "card.toml:14: a number of many digits" in err


@pytest.mark.parametrize("number", range(len(SETS)))
def test_overrides(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, ["run", "fig2", "-o", "out.h5", "--set", SETS[number]])


@pytest.mark.parametrize("number", range(len(ARGUMENTS)))
def test_arguments(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    err = told(capsys, ARGUMENTS[number])
    if ARGUMENTS[number][0] != "figure":
        assert err.count("\n") <= 3


@pytest.mark.parametrize("text", ["abc", "", "-1", DIGITS])
def test_a_bad_time_is_told_before_the_work(
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    for command in (["run", "fig2"], ["merge", "out.h5"], ["fit", "fit-lmu-ltau"]):
        assert "SOURCE_DATE_EPOCH" in told(capsys, command)
    assert not list(tmp_path.iterdir())


PRIORS = ('"flat\\u0000"', "[[1]]", "{ mean = 1 }", "{ mean = nan, sigma = 1 }", DIGITS, '"cauchy"')


@pytest.mark.parametrize("prior", PRIORS)
def test_priors(prior: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = changed("[axis.m_X]\nvalues = [0.1]", "[fixed]\nm_X = 0.1")
    (tmp_path / "card.toml").write_text(f"{text}[fit.prior]\ng_X = {prior}\n")
    told(capsys, ["fit", "card.toml"])


@pytest.fixture
def user_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a user's limits, with one good one."""
    folder = tmp_path / "mine"
    good = zscan.limits.load("BaBar_Lees2014xha")
    zscan.limits.write_limit(good, folder)
    monkeypatch.setenv("ZSCAN_LIMITS", str(folder))
    forget_users()
    yield folder
    monkeypatch.undo()
    forget_users()


def is_fifo(path: Path) -> None:
    os.mkfifo(path)


LIMITS: dict[str, str | bytes | Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a fifo": is_fifo,
    "a lost link": lambda path: path.symlink_to("nowhere"),
    "empty": "",
    "no TOML": "a =",
    "brackets": "rows = " + "[" * 100_000,
    "digits": "cl = " + DIGITS,
    "no text": b"\xff\xfe\0",
    "900 keys": "format = 1\n" + "".join(f"k{i} = 1\n" for i in range(900)),
    "wrong types": 'format = 1\nreferences = 5\ncolumns = [["mass"]]\nrows = [[[1]]]\ncl = "a"\n',
    "dates": "format = 1\ncolumns = ['mass', 'value']\nrows = [[2020-01-01, 1], [1, 2]]\n",
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", LIMITS)
def test_a_bad_limit_of_a_user_is_left_out(
    name: str, user_limits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, path = LIMITS[name], user_limits / "bad.toml"
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    err = told(capsys, ["limits", "list"], code=0)
    assert "limit left out" in err
    assert "bad.toml" in err
    known = zscan.limits.list_limits()
    assert "user/BaBar_Lees2014xha" in known
    assert "user/bad" not in known
    assert zscan.limits.load("user/BaBar_Lees2014xha").name == "user/BaBar_Lees2014xha"


@pytest.mark.filterwarnings("default")
def test_hundreds_of_bad_limits_are_counted(
    user_limits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(300):
        (user_limits / f"bad{number}.toml").touch()
    assert "and 280 more limits" in told(capsys, ["limits", "list"], code=0)


@pytest.mark.filterwarnings("default")
def test_a_bad_table_of_shares_leaves_its_limit_out(
    user_limits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = zscan.limits.load("LHCb_Aaij2019bvg_prompt")
    zscan.limits.write_limit(limit, user_limits)
    (table,) = (user_limits / "production").iterdir()
    for text in ("columns = ['mass', 1]", "references = 5", "note = 5", "rows = 2020-01-01"):
        table.write_text(f"format = 1\n{text}\n")
        forget_users()
        assert "left out" in told(capsys, ["limits", "list"], code=0)


GOOD = """
bibtex = "@article{Doe:2020abc, eprint = \\"2001.00001\\"}"
model = darkcast.Model("dark_photon")
production = darkcast.Production("e_e")
decay = "e_e"
bounds = darkcast.Dataset("limits/data.lmt")
efficiency = darkcast.Efficiency(t0 = 0, t1 = float('inf'))
"""
RATIO = "darkcast.Efficiency(lratio = {})"
WINDOW = "darkcast.Efficiency(t0 = 0, t1 = lambda m: {})"
PROMPT = "darkcast.Efficiency(t0 = 0, t1 = float('inf'))"
CHECKOUTS: dict[str, str | bytes | Callable[[Path], None]] = {
    "400 digits": GOOD.replace(PROMPT, RATIO.format("9" * 400)),
    "400 digits over 1": GOOD.replace(PROMPT, RATIO.format("9" * 400 + "/1")),
    "5000 digits": GOOD.replace(PROMPT, RATIO.format(DIGITS)),
    "digits in a window": GOOD.replace(PROMPT, WINDOW.format("9" * 400 + "*m")),
    "a power in a window": GOOD.replace(PROMPT, WINDOW.format("9**9**9**9*m")),
    "digits of a share": GOOD.replace('"e_e")\nd', f"{{'e_e': {'9' * 400}}})\nd"),
    "NUL in a name": GOOD.replace("data.lmt", "data\\0.lmt"),
    "NUL in the text": GOOD.encode() + b"\0",
    "no text": b"\xff\xfe\0" * 100,
    "brackets": GOOD + "(" * 5000,
    "sums": GOOD.replace('"e_e"\nb', "+".join(["1"] * 20_000) + "\nb"),
    "minus signs": GOOD.replace('"e_e"\nb', "-" * 20_000 + "1\nb"),
    "attributes": GOOD.replace('"e_e"\nb', "a" + ".a" * 20_000 + "\nb"),
    "wrong types": GOOD.replace('"e_e"\nb', "[{1: 2}]\nb"),
    "a folder as data": GOOD.replace("limits/data.lmt", "limits"),
    "a fifo as data": GOOD.replace("data.lmt", "fifo.lmt"),
    "a folder": Path.mkdir,
    "a fifo": is_fifo,
    "a link in a circle": lambda path: path.symlink_to(path.name),
    "bad data": GOOD.replace("data.lmt", "bad.lmt"),
    "binary data": GOOD.replace("data.lmt", "binary.lmt"),
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", CHECKOUTS)
def test_a_bad_file_of_a_checkout_is_left_out(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkout" / "limits"
    folder.mkdir(parents=True)
    (folder / "data.lmt").write_text("0.1 1e-3\n0.2 1e-3\n")
    (folder / "bad.lmt").write_text("0.1 " + DIGITS + "\n" + DIGITS + " 1\n")
    (folder / "binary.lmt").write_bytes(b"\0\xff" * 100)
    os.mkfifo(folder / "fifo.lmt")
    (folder / "A_good.py").write_text(GOOD)
    content = CHECKOUTS[name]
    if callable(content):
        content(folder / "B_bad.py")
    else:
        (folder / "B_bad.py").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    err = told(capsys, ["limits", "import", str(tmp_path / "checkout")], code=0)
    assert "limits/B_bad.py left out" in err
    assert "A_good" not in err
    written = {path.name for path in (tmp_path / "limits").iterdir()}
    assert written == {"A_good.toml", "A_good.bib"}


@pytest.mark.parametrize("error", [ValueError("a\n" * 50), RecursionError(), MemoryError("no")])
def test_an_unknown_error_is_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(zscan.limits, "load", failing)
    monkeypatch.delenv("ZSCAN_DEBUG", raising=False)
    assert main(["limits", "list"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"zscan: error: internal: {type(error).__name__}")
    assert err.endswith("(set ZSCAN_DEBUG=1 for the traceback)\n")
    assert err.count("\n") == 1
    monkeypatch.setenv("ZSCAN_DEBUG", "1")
    with pytest.raises(type(error)):
        main(["limits", "list"])


def test_what_once_waited_for_ever_ends(tmp_path: Path) -> None:
    # In a process of its own: it can be ended if it hangs
    (tmp_path / "big.toml").write_text('name = "x"\nL = "1e999999999"\n')
    (tmp_path / "small.toml").write_text('name = "x"\nL = "1e-999999999"\n')
    (tmp_path / "dots.toml").write_text("a." * 500_000 + "b = 1")
    os.mkfifo(tmp_path / "fifo.toml")
    os.mkfifo(tmp_path / "fifo.h5")
    code = (
        "from zscan.cli import main\n"
        "for verb, name in (('models', 'big'), ('models', 'small'), ('models', 'dots'), "
        "('models', 'fifo'), ('run', 'dots'), ('run', 'fifo')):\n"
        "    assert main([verb, f'{name}.toml']) == 2\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


LINES = st.sampled_from(
    [*CARD.splitlines(), "[fixed]", "[output]", "[fit]", "[model]", 'name = "x"']
)
TEXTS = st.text() | st.lists(LINES | st.text(max_size=8), max_size=20).map("\n".join)


@pytest.mark.filterwarnings("ignore::zscan.errors.ModelWarning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_random_text_as_a_card_is_a_card_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        spec = load_card(path)
    except CardError as error:
        assert error.faults  # noqa: PT017
    else:
        assert spec.name == "small"
