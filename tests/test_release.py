"""What is published: one version everywhere, and a wheel that works alone."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import zscan

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def test_one_version():
    citation = (ROOT / "CITATION.cff").read_text()
    recipe = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^version: (.+)$", citation, re.M) == [zscan.__version__]
    assert re.findall(r'set version = "(.+)"', recipe) == [zscan.__version__]
    assert re.findall(r"^## (\S+)", changes, re.M)[0] == zscan.__version__


def test_conda_has_the_dependencies_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {f"python{project['requires-python']}"}
    for dependency in project["dependencies"]:
        name, least = re.fullmatch(r"(\w+)(>=[\d.]+)", dependency).groups()
        wanted.add(CONDA_NAMES.get(name, name) + least)
    recipe = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    run = re.search(r"^  run:\n((?:    - .+\n)+)", recipe, re.M)[1]
    assert {line.strip(" -").replace(" ", "") for line in run.splitlines()} == wanted


@pytest.mark.slow
def test_wheel_and_sdist(tmp_path):
    """Built from the sdist, the wheel carries all files of the package and the cards, nothing else,
    and runs a card where nothing of this checkout can be seen.
    """
    pytest.importorskip("build", reason="python -m build is not installed")
    command = [sys.executable, "-m", "build", "--outdir", tmp_path, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    assert wheel.name == f"zscan-{zscan.__version__}-py3-none-any.whl"
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    if tracked:  # not so in an unpacked sdist
        package = {name for name in tracked if name.startswith("zscan/")}
        cards = {name.replace("scans/", "", 1) for name in tracked if name.startswith("scans/")}
        shipped = {f"zscan/scans/shipped/{name}" for name in cards}
        assert inside == package | shipped
        with tarfile.open(sdist) as archive:
            parts = {name.partition("/")[2] for name in archive.getnames()}
        assert set(tracked) <= parts

    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"PYTHONPATH": str(target), "ZSCAN_CACHE": "off"}

    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def run(*arguments: str) -> str:
        return python("-m", "zscan", *arguments)

    assert run("--version") == f"zscan {zscan.__version__}\n"
    assert "Lmu-Ltau" in run("models")
    small = [f"axis.{name}.num=4" for name in ("m_X", "g_X")]
    run("run", "fig2", "-o", "plane.h5", "--set", small[0], "--set", small[1])
    run("verify", "plane.h5")
    assert str(target) in python("-c", "import zscan; print(zscan.__file__)")
