"""The command line: verbs, tables, exit codes."""

import json
import signal
import subprocess
import sys
import time

import pytest

import zscan
from zscan.cli import main
from zscan.results.contours import crossings

POINT = ["evaluate", "Lmu-Ltau", "--m_X", "0.1", "--g_X", "1e-3"]
CARD = """format = 1
name = "small"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "trident_ccfr"]
axis.m_X = { min = 1e-3, max = 2.0, num = 4, scale = "log" }
axis.g_X = { min = 1e-5, max = 1e-1, num = 3, scale = "log" }
output.observables = ["delta_a_mu"]
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    path = tmp_path_factory.mktemp("cards") / "small.toml"
    path.write_text(CARD)
    return str(path)


def test_evaluate_prints_a_table(capsys):
    assert main(POINT) == 0
    out = capsys.readouterr().out
    for text in (
        "delta_a_mu",
        "trident_ccfr",
        "1.2558",
        "arXiv:2104.03281",
        "provisional",
        "0.82 +- 0.28",
    ):
        assert text in out


def test_evaluate_json_agrees_with_the_python_function(capsys):
    assert main([*POINT, "--json", "--eps", "1e-4"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table == json.loads(json.dumps(zscan.evaluate("Lmu-Ltau", 0.1, 1e-3, 1e-4).to_table()))
    assert {row["constraint"]: row["excluded"] for row in table["rows"]}["trident_ccfr"] is False


def test_models_and_citations(capsys, tmp_path, card):
    assert main(["models"]) == 0
    assert "B-3Lmu" in capsys.readouterr().out
    assert main(["models", "B-3Lmu"]) == 0
    out = capsys.readouterr().out
    assert "anomaly-free" in out
    assert "b_YX = 8, b_XX = 48" in out
    assert main(["models", "muon-effective"]) == 0
    assert "b_YX" not in capsys.readouterr().out
    path = str(tmp_path / "x.h5")
    assert main(["run", card, "-o", path]) == 0
    assert main(["cite", path]) == 0
    assert "@article{CCFR:1991lpl" in capsys.readouterr().out


def test_run_info_verify_resume(capsys, tmp_path, card):
    path = str(tmp_path / "x.h5")
    assert main(["run", card, "-o", path, "--dry-run"]) == 0
    assert "12" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert main(["run", card, "-o", path]) == 0
    assert main(["verify", path]) == 0
    assert main(["info", path]) == 0
    assert '"zscan-map 1"' in capsys.readouterr().out
    assert main(["run", card, "-o", path]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["run", card, "-o", path, "--resume"]) == 0
    assert (
        main(
            [
                "run",
                card,
                "-o",
                path,
                "--set",
                "axis.m_X.num=5",
                "--resume",
            ]
        )
        == 2
    )
    assert "axis.m_X" in capsys.readouterr().err


def test_shards_and_merge(capsys, tmp_path, card):
    whole, parts = str(tmp_path / "whole.h5"), str(tmp_path / "parts.h5")
    tiles = ["--set", "output.tile_points=3"]
    assert main(["run", card, "-o", whole, *tiles]) == 0
    assert main(["run", card, "-o", parts, *tiles, "--shard", "2/2"]) == 0
    assert main(["merge", parts]) == 3
    assert main(["run", card, "-o", parts, *tiles, "--shard", "1/2"]) == 0
    assert main(["merge", parts]) == 0
    with zscan.open_scan(whole) as one, zscan.open_scan(parts) as other:
        assert one.equals(other)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["evaluate", "Lmu-Ltao", "--m_X", "1", "--g_X", "1"], 2, "did you mean 'Lmu-Ltau'"),
        (["evaluate", "Lmu-Ltau", "--m_X", "-1", "--g_X", "1"], 2, "m_X = -1.0 is out of range"),
        (["evaluate", "Lmu-Ltau", "--m_X", "nan", "--g_X", "1"], 2, "m_X = nan"),
        (["figure", "7"], 2, "unknown figure '7'"),
        (["info", "missing.h5"], 2, "missing.h5"),
        (["run", "missing.toml"], 2, "missing.toml"),
    ],
)
def test_bad_input_exits_with_2(capsys, arguments, code, message):
    assert main(arguments) == code
    assert message in capsys.readouterr().err


def test_further_parameters_and_model_kinds(capsys):
    assert (
        main(
            [
                "evaluate",
                "muon-effective",
                "--m_X",
                "3",
                "--g_X",
                "0.05",
                "--set",
                "g_sb=1e-9",
                "--json",
            ]
        )
        == 0
    )
    rows = {row["constraint"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    # the two-body decay of a narrow X takes the place of the inclusive rate
    assert rows["b_to_k_x_belle2"]["observable"] is not None
    assert rows["b_to_k_nunu"]["observable"] is None
    assert main(["evaluate", "muon-resonance", "--m_X", "3", "--g_X", "0.1", "--eps", "0.1"]) == 2
    assert "not a parameter" in capsys.readouterr().err


def test_nothing_but_a_map_is_ever_replaced(capsys, tmp_path, monkeypatch, card):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["run", card, "-o", "notes.txt", "--force"]) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    for out in (".", ""):
        assert main(["run", card, "-o", out]) == 2
    assert main(["limits", "import", str(tmp_path), "-o", "notes.txt"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupted_scan_exits_with_130(tmp_path, card):
    command = [sys.executable, "-m", "zscan", "run", card, "-o", str(tmp_path / "x.h5")]
    command += ["--set", "axis.m_X.num=2000000", "--set", "output.tile_points=3000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("x.h5.tiles/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"continue with --resume" in err


def test_usage_errors_exit_with_2(capsys, card):
    for arguments in (
        [],
        ["run"],
        ["run", card, "--shard", "3/2"],
        ["run", card, "--resume", "--force"],
    ):
        with pytest.raises(SystemExit) as error:
            main(arguments)
        assert error.value.code == 2
    assert "i runs from 1 to n" in capsys.readouterr().err


def test_card_faults_are_all_listed_and_nothing_is_written(capsys, tmp_path):
    card = tmp_path / "bad.toml"
    card.write_text(
        'format = 1\nname = "x"\nmodel = "Lmu-Lta"\nconstraints = ["borexin"]\n'
        "[axis.m_X]\nvalues = [-1.0]\n"
    )
    assert main(["run", str(card), "-o", str(tmp_path / "x.h5")]) == 2
    err = capsys.readouterr().err
    for path in ("model", "constraints", "axis.m_X", "g_X"):
        assert path in err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_ccfr_bound_read_off_the_map(tmp_path):
    # 95 % bound on g_X of L_mu - L_tau, unit charges, both muons above 9 GeV: Monte Carlo with the
    # matrix element of arXiv:1902.06765, 0.6 % (the loop mixing of the model weakens it by 0.2 to
    # 0.4 %)
    bounds = {1e-3: 7.72e-4, 1e-2: 8.743e-4, 0.1: 1.1503e-3, 1.0: 2.737e-3, 10.0: 1.875e-2}
    path = tmp_path / "ccfr.h5"
    grid = ["--set", f"axis.m_X.values={list(bounds)}", "--set", "axis.g_X.num=400"]
    card = tmp_path / "ccfr.toml"
    card.write_text(
        'format = 1\nname = "ccfr"\nmodel = "Lmu-Ltau"\nconstraints = ["trident_ccfr"]\n'
        '[axis.m_X]\nvalues = [1.0]\n[axis.g_X]\nmin = 1e-4\nmax = 1e-1\nnum = 2\nscale = "log"\n'
    )
    assert main(["run", str(card), "-o", str(path), *grid]) == 0
    with zscan.open_scan(path) as data:
        chi2 = (data["delta_chi2"] + data["chi2_zero"]).sel(constraint="trident_ccfr").values
        for row, bound in zip(chi2, bounds.values(), strict=True):
            (found,) = crossings(data["g_X"].values, row, 1.96**2)
            assert found == pytest.approx(bound, rel=6e-3)


@pytest.mark.filterwarnings("default")
def test_masses_that_look_like_mev_are_told(capsys):
    command = ["evaluate", "Lmu-Ltau", "--m_X", "100", "--g_X", "1e-3"]
    assert main([*command, "--constraints", "delta_a_mu"]) == 0
    assert "masses are in GeV (100 MeV is 0.1)" in capsys.readouterr().err


def test_completion_and_misspelt_verbs(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--print-completion", "bash"])
    assert done.value.code == 0
    assert "evaluate" in capsys.readouterr().out
    for wrong, told in (
        (["evalute"], "did you mean 'evaluate'"),
        (["--print-completion", "bsh"], "bash"),
    ):
        with pytest.raises(SystemExit) as done:
            main(wrong)
        assert done.value.code == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("check", "broken.toml"),
        ("run", "absent.toml"),
        ("fit", "broken.toml"),
        ("plot", "absent.h5"),
        ("info", "absent.h5"),
        ("cite", "absent.h5"),
    ],
    ids=" ".join,
)
def test_what_is_cheap_to_tell_is_told_without_jax(tmp_path, arguments):
    (tmp_path / "broken.toml").write_text("name = \n")
    code = (
        "import sys\nfrom zscan.cli import main\n"
        "try: code = main(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
        "print(code, 'jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = "0 False" if arguments == ("--help",) else "2 False"
    assert done.stdout.splitlines()[-1] == expected
