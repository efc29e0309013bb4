"""Files in the way of a command: exit code 2 before any work, their bytes untouched, nothing left
over; and what a command wrote is used afterwards.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from matplotlib.figure import Figure
from zoo import LIMIT_OF_A_CHECKOUT

import zscan
import zscan.results.files
from zscan.cli import main
from zscan.results.schema import verify
from zscan.scans.store import tile_folder

CARD = """
format = 1
name = "small"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino"]
axis.g_X = { min = 1e-5, max = 1e-1, num = 5, scale = "log" }
fixed.m_X = 0.1
output.tile_points = 2
fit = { points = 5, starts = 4 }
"""
MIX = "{'eta_gamma': 0.25, 'u_u': 0.5}"

Make = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a card, its map, its fit, and half of its tiles; to be copied."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "card.toml").write_text(CARD)
    for command in (
        ["run", "-o", str(folder / "map.h5")],
        ["fit", "-o", str(folder / "fit.h5")],
        ["run", "-o", str(folder / "half.h5"), "--shard", "1/2"],
        ["run", "-o", str(folder / "tiles.h5"), "--shard", "1/1"],
    ):
        assert main([*command, str(folder / "card.toml")]) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `made`, in which the command runs."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a command starts to work."""

    def work(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the command has started to work")

    for name in (
        "zscan.scans.run.map_header",
        "zscan.scans.run.write_map",
        "zscan.fit.card.maximum_likelihood",
        "zscan.results.catalogue_file.columns",
        "zscan.limits.write.write_file",
    ):
        monkeypatch.setattr(name, work)


def listing(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder with its content, links as what they point to."""
    return {
        str(path.relative_to(folder)): os.readlink(path).encode()
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def foreign_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["precious"] = [1.0, 2.0]


def catalogue(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = "zscan-catalogue"


def text(path: Path) -> None:
    path.write_text("mine, and longer than a signature")


def plot(path: Path) -> None:
    Figure(figsize=(1, 1)).savefig(path, format="png")


def dangling(path: Path) -> None:
    path.symlink_to("elsewhere/nothing")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def linked_text(path: Path) -> None:
    text(path.with_name("target"))
    path.symlink_to("target")


def box(path: Path) -> None:
    path.mkdir()
    (path / "tile-000000.h5").write_text("mine")


def linked_tiles(path: Path) -> None:
    path.symlink_to("half.h5.tiles")


FILES: list[Make] = [foreign_hdf5, catalogue, text, plot, dangling, loop, linked_text, box]
RUN = ["run", "card.toml", "-o", "x.h5"]
FIT = ["fit", "card.toml", "-o", "x.h5"]
FIGURE = ["figure", "2", "-o", "."]
CSV = ["charges", "--max", "1", "-o", "x.csv"]
H5 = ["charges", "--max", "1", "-o", "x.h5"]
IMPORT = ["limits", "import", "checkout", "-o", "mine"]


def refused(
    folder: Path, command: list[str], capsys: pytest.CaptureFixture[str], message: str
) -> None:
    """The command ends with 2 and names the file; nothing in the folder changes."""
    before = listing(folder)
    capsys.readouterr()
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert listing(folder) == before


IN_THE_WAY = [
    (RUN, "x.h5"),
    ([*RUN, "--force"], "x.h5"),
    ([*RUN, "--resume"], "x.h5"),
    ([*RUN, "--shard", "1/2"], "x.h5"),
    (["merge", "tiles.h5"], "tiles.h5"),
    (["merge", "tiles.h5", "--force"], "tiles.h5"),
    (["merge", "half.h5", "--partial", "--force"], "half.h5"),
    (FIT, "x.h5"),
    ([*FIT, "--force"], "x.h5"),
    (FIT, "x.png"),
    ([*FIT, "--force"], "x.png"),
    (FIGURE, "fig2.h5"),
    ([*FIGURE, "--force"], "fig2.h5"),
    (FIGURE, "fig2.png"),
    ([*FIGURE, "--force"], "fig2.png"),
    (["figure", "all", "-o", "."], "fig10.png"),
    (CSV, "x.csv"),
    ([*CSV, "--force"], "x.csv"),
    (H5, "x.h5"),
    ([*H5, "--force"], "x.h5"),
]


@pytest.mark.parametrize(
    ("command", "name", "make"),
    [
        (command, name, make)
        for command, name in IN_THE_WAY
        for make in FILES
        if not (command[0] == "charges" and make is catalogue)  # of its own kind
    ],
)
@pytest.mark.usefixtures("idle")
def test_foreign_files_are_kept(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], name: str, make: Make
) -> None:
    make(folder / name)
    # Tiles lie beside the file that a link points to: there are none for a merge
    merged_link = command[0] == "merge" and make is linked_text
    refused(folder, command, capsys, "target.tiles: no tiles" if merged_link else name)


@pytest.mark.parametrize("make", [linked_tiles, dangling, loop, text, box])
@pytest.mark.parametrize(
    "command",
    [
        RUN,
        [*RUN, "--force"],
        [*RUN, "--resume"],
        [*RUN, "--shard", "1/2"],
        FIT,
        [*FIT, "--force"],
        ["figure", "2", "-o", ".", "--force"],
    ],
)
@pytest.mark.usefixtures("idle")
def test_a_tile_folder_is_never_followed_or_emptied(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], make: Make
) -> None:
    name = "fig2.h5.tiles" if command[0] == "figure" else "x.h5.tiles"
    make(folder / name)
    refused(folder, command, capsys, name)


@pytest.mark.parametrize("options", [[], ["--force"], ["--partial"]])
def test_merge_does_not_follow_a_link_to_tiles(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    (folder / "x.h5.tiles").symlink_to("tiles.h5.tiles")
    refused(folder, ["merge", "x.h5", *options], capsys, "x.h5.tiles is a link")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["fit", "card.toml", "-o", "x.png"], "x.png (map) and x.png (picture) are the same file"),
        (["fit", "card.toml", "-o", ""], "must name a file"),
        (["fit", "card.toml", "-o", "card.toml/x.h5"], "x.h5: cannot be written"),
        (["run", "card.toml", "-o", "card.toml/x.h5"], "x.h5: cannot be written"),
        (["run", "card.toml", "-o", "card.toml", "--force"], "card.toml exists and is no map"),
        (["run", "card.toml", "-o", "/dev/null", "--force"], "/dev/null is a device"),
        (["fit", "card.toml", "-o", "map.h5"], "map.h5 exists; --force replaces it"),
        (["charges", "--max", "1", "-o", "map.h5", "--force"], "map.h5 exists and is no catalogue"),
        (["run", "card.toml", "-o", "fit.png", "--force"], "fit.png exists and is no map"),
        (["run", "card.toml", "-o", "half.h5.tiles", "--force"], "half.h5.tiles is a folder"),
    ],
)
@pytest.mark.usefixtures("idle")
def test_impossible_outputs(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    refused(folder, command, capsys, message)


def test_a_picture_that_links_to_the_map_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "map.png").symlink_to("map.h5")
    refused(folder, ["fit", "card.toml", "-o", "map.h5", "--force"], capsys, "are the same file")


def test_what_is_ours_is_replaced(folder: Path) -> None:
    before = set(listing(folder))
    assert main(["run", "card.toml", "-o", "map.h5", "--force", "--set", "axis.g_X.num=4"]) == 0
    verify(folder / "map.h5")
    assert zscan.open_scan(folder / "map.h5").sizes["g_X"] == 4
    assert main(["fit", "card.toml", "-o", "fit.h5", "--force"]) == 0
    assert zscan.open_fit(folder / "fit.h5").names == ("g_X",)
    assert set(listing(folder)) == before
    assert main(["run", "card.toml", "-o", "half.h5", "--force"]) == 0
    verify(folder / "half.h5")
    assert not tile_folder(folder / "half.h5").exists()


def test_a_map_is_written_through_its_link(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "map.h5").rename(folder / "data" / "real.h5")
    (folder / "map.h5").symlink_to("data/real.h5")
    assert main(["run", "card.toml", "-o", "map.h5", "--force", "--set", "axis.g_X.num=4"]) == 0
    assert (folder / "map.h5").is_symlink()
    assert zscan.open_scan(folder / "data" / "real.h5").sizes["g_X"] == 4

    assert main(["run", "card.toml", "-o", "data/part.h5", "--shard", "1/2"]) == 0
    assert main(["merge", "data/part.h5", "--partial"]) == 0
    (folder / "part.h5").symlink_to("data/part.h5")
    assert main(["run", "card.toml", "-o", "part.h5", "--shard", "2/2"]) == 0
    assert main(["merge", "part.h5"]) == 0
    assert (folder / "part.h5").is_symlink()
    assert (zscan.open_scan(folder / "data" / "part.h5").status == 1).all()
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["part.h5", "real.h5"]


@pytest.mark.parametrize(
    ("command", "name", "keep"),
    [
        (["merge", "tiles.h5"], "tiles.h5", ""),
        (CSV, "x.csv", ""),
        (RUN, "x.h5", ""),
        ([*FIT, "--force"], "x.png", ""),
        (["merge", "tiles.h5"], "other.h5", "other.h5"),
    ],
)
def test_what_a_killed_command_left_is_removed(
    folder: Path, command: list[str], name: str, keep: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    left = folder / f".{name}.{process.pid}-0@{socket.gethostname()}.tmp"
    left.write_bytes(bytes(1000))
    assert main(command) == 0
    assert left.exists() == bool(keep)
    assert len(list(folder.glob(".*"))) == bool(keep)


def test_figures_are_drawn_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*FIGURE[:1], "10", *FIGURE[2:], "--points", "3"]
    assert main(command) == 0
    first = (folder / "fig10.png").read_bytes(), (folder / "fig10.h5").stat().st_mtime_ns
    assert main(command) == 0
    again = (folder / "fig10.png").read_bytes(), (folder / "fig10.h5").stat().st_mtime_ns
    assert again == first
    (folder / "fig10.png").unlink()
    plot(folder / "fig10.png")
    for force in ([], ["--force"]):
        refused(folder, [*command, *force], capsys, "fig10.png exists and is no picture of zscan")


@pytest.fixture
def checkout(folder: Path) -> Path:
    """A checkout with two limits that share nothing and one whose shares become a table."""
    root = folder / "checkout"
    (root / "limits").mkdir(parents=True)
    (root / "limits" / "one.lmt").write_text("0.25 1e-3\n0.3 1e-3\n0.5 2e-3\n")
    for name, production in (("A_one", "'e_brem'"), ("B_two", "'e_e'"), ("C_mix", MIX)):
        definition = LIMIT_OF_A_CHECKOUT.format(production=production)
        (root / "limits" / f"{name}.py").write_text(definition)
    return root


NAMES = ["A_one", "B_two", "C_mix"]


@pytest.mark.usefixtures("checkout")
def test_imported_limits_are_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(IMPORT) == 0
    assert capsys.readouterr().out.split() == [f"mine/{name}.toml" for name in NAMES]
    written = listing(folder / "mine")
    files = {f"{name}.{suffix}" for name in NAMES for suffix in ("toml", "bib")}
    assert set(written) == {*files, "production", "production/C_mix.toml"}
    child = subprocess.run(
        [sys.executable, "-m", "zscan", "limits", "list"],
        env=os.environ | {"ZSCAN_LIMITS": str(folder / "mine")},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = [line.split()[0] for line in child.stdout.splitlines()]
    assert listed[-len(NAMES) :] == NAMES

    refused(folder, IMPORT, capsys, "A_one.toml exists; --force replaces it")
    assert main([*IMPORT, "--force"]) == 0
    assert listing(folder / "mine") == written


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", ["B_two.toml", "production/C_mix.toml"])
@pytest.mark.parametrize("make", [text, foreign_hdf5, dangling, linked_text, box, Path.touch])
@pytest.mark.usefixtures("checkout", "idle")
def test_import_keeps_foreign_files(
    folder: Path, capsys: pytest.CaptureFixture[str], make: Make, name: str, force: list[str]
) -> None:
    (folder / "mine" / "production").mkdir(parents=True)
    make(folder / "mine" / name)
    refused(folder, [*IMPORT, *force], capsys, Path(name).name)


@pytest.mark.usefixtures("checkout")
def test_import_into_a_file_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text(folder / "mine")
    refused(folder, IMPORT, capsys, "cannot be written")


@pytest.mark.usefixtures("checkout")
def test_import_on_a_full_disk_leaves_no_empty_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, count = zscan.results.files.sync_file, 0

    def full_after_four(path: Path) -> None:
        nonlocal count
        count += 1
        if count > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)

    monkeypatch.setattr(zscan.results.files, "sync_file", full_after_four)
    assert main(IMPORT) == 2
    assert "B_two.toml: no space left" in capsys.readouterr().err
    written = listing(folder / "mine")
    left = {"A_one.toml", "A_one.bib", "B_two.bib", "production", "production/C_mix.toml"}
    assert set(written) == left
    assert all(content != b"" for content in written.values())
