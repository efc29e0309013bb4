"""The compiled program of a scan over several devices."""

import json
import os
import subprocess
import sys

import pytest

from zscan.constraints import measured_constraints

DEVICES = 8
PROGRAM = """
import json, sys
import jax
from zscan.scans.spec import load_card
from zscan.scans.tiles import _Program

names = json.loads(sys.argv[1])
card = {
    "format": 1, "name": "devices", "model": "B-3Lmu", "constraints": names,
    "fixed": {"g_sb": 1e-8},
    "axis": {
        "m_X": {"min": 1e-3, "max": 8.0, "num": 2000, "scale": "log"},
        "g_X": {"min": 1e-6, "max": 1e-1, "num": 80, "scale": "log"},
    },
}
spec = load_card(card)
program = _Program(spec, spec.grid.block, None)
with jax.enable_x64(True):
    axes = [program._axis(i, slice(None)) for i in range(2)]
    text = program.compiled.lower(*axes).compile().as_text()
words = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "callback")
print(json.dumps([len(jax.devices()), {word: text.count(word) for word in words}]))
"""


def communication(names: tuple[str, ...]) -> tuple[int, dict[str, int]]:
    """How many devices a scan of constraints ran on, and what its program says to others."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(names)],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    count, found = json.loads(run.stdout.splitlines()[-1])
    return count, found


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("delta_a_mu", "coherent", "r_k"), id="those with blocks"),
        pytest.param(
            (*measured_constraints(), "kmunux", "searches/NA64_NA642019imj"),
            id="all",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_devices_neither_talk_to_each_other_nor_to_the_host(names: tuple[str, ...]) -> None:
    """The 20,000 points of each device are more than two blocks of COHERENT or R_K."""
    count, found = communication(names)
    assert count == DEVICES
    assert set(found.values()) == {0}, found
