"""A tiny card for tests that break scans."""

from pathlib import Path

import pytest

CARD = """
format = 1
name = "tiny"
model = "Lmu-Ltau"
constraints = ["delta_a_mu", "borexino"]
[axis.m_X]
values = [0.01, 0.1, 1.0]
[axis.g_X]
min = 1e-5
max = 1e-1
num = 40
scale = "log"
[output]
tile_points = 4
"""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / "tiny.toml"
    path.write_text(CARD)
    return path
