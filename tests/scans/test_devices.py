"""Which devices a scan runs on: named, listed, refused before any work."""

import json
from pathlib import Path

import jax
import pytest

from zscan.cli import main
from zscan.errors import CardError, ParameterError
from zscan.scans.devices import choose, in_use, list_devices, using
from zscan.scans.run import plan, run_scan
from zscan.scans.spec import load_card

CARD = {
    "format": 1,
    "name": "a",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu"],
    "axis": {"m_X": {"values": [0.01, 0.1]}, "g_X": {"values": [1e-4, 1e-3]}},
}
HAS_GPU = any(device.platform == "gpu" for device in jax.local_devices())


def test_every_device_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    found = list_devices()
    assert [item.number for item in found] == list(range(len(found)))
    cpu = found[-1]
    assert cpu.platform == "cpu"
    assert cpu.memory_bytes > 1e8
    # A core does more than 1e8 and less than 1e12 operations a second, in float64 up to as many
    assert 0.1 < cpu.gflops < 1000 * 256
    assert 0.05 < cpu.float64_ratio < 3
    assert main(["devices"]) == 0
    assert "cpu" in capsys.readouterr().out
    assert main(["devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["float64"] in ("full", "slow")


def test_a_plan_says_what_a_scan_will_use() -> None:
    found = plan(CARD, device="cpu")
    assert found["device"].startswith("cpu")
    assert found["device_memory_bytes"] > 1e8
    assert found["float64"].split(":")[0] in ("full", "slow")


def test_a_named_device_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    spec = load_card(CARD)
    cpu = str(len(list_devices()) - 1)
    maps = [
        run_scan(spec, tmp_path / f"{name}.h5", device=name, progress=False).read_bytes()
        for name in ("cpu", cpu)
    ]
    assert maps[0] == maps[1]
    if not HAS_GPU:
        assert run_scan(spec, tmp_path / "x.h5", progress=False).read_bytes() == maps[0]
    with using("cpu"):
        assert [device.platform for device in in_use()] == ["cpu"] * len(in_use())


@pytest.mark.parametrize("name", ["99", "-1", "tpu", "", "1" * 500])
def test_a_device_that_is_not_here_is_told_before_any_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="is not here; allowed: "):
        choose(name)
    with pytest.raises(ParameterError, match="is not here"):
        run_scan("no such card.toml", tmp_path / "x.h5", device=name)


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU here")
def test_a_card_that_asks_for_a_gpu_fails_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"'gpu' is not here; .* accelerated jaxlib"):
        run_scan(CARD | {"device": "gpu"}, tmp_path / "new" / "x.h5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(CardError, match="device: unknown value"):
        load_card(CARD | {"device": "tpu"})


def test_a_device_does_not_enter_the_hash_of_a_scan() -> None:
    assert load_card(CARD | {"device": "cpu"}).hash == load_card(CARD).hash
