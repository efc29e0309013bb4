"""Profiled parameters of a card: known minima, brute force over an axis instead, and everything a
scan does.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from zscan.errors import NotFiniteWarning, ResumeMismatchError
from zscan.results.load import open_scan
from zscan.results.schema import info, verify
from zscan.scans.run import plan, run_scan
from zscan.scans.spec import load_card

EPS = {"profile": True, "min": -1e-3, "max": 1e-3}
CARD: dict[str, Any] = {
    "format": 1,
    "name": "small",
    "model": "Lmu-Ltau",
    "constraints": ["delta_a_mu", "borexino"],
    "axis": {
        "eps": EPS,
        "m_X": {"min": 3e-3, "max": 2.0, "num": 7, "scale": "log"},
        "g_X": {"min": 1e-5, "max": 1e-2, "num": 9, "scale": "log"},
    },
    "output": {"dtype": "float64", "observables": ["borexino"]},
}


def changed(**sections: Any) -> dict[str, Any]:
    return copy.deepcopy(CARD) | sections


def scan(card: dict[str, Any], out: Path) -> xarray.Dataset:
    run_scan(card, out, progress=False)
    with open_scan(out) as data:
        return data.load()


def brute_force(
    card: dict[str, Any], name: str, values: np.ndarray, out: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest sum of delta chi2 over `values` of a parameter that is an axis, and where it is."""
    card = copy.deepcopy(card)
    card["axis"][name] = {"values": values.tolist()}
    total = scan(card, out).delta_chi2.sum("constraint", skipna=True)
    return total.min(name).values, total[name].values[total.argmin(name).values]


def test_a_profiled_theory_error_adds_in_quadrature(tmp_path: Path) -> None:
    card = changed(
        constraints=["delta_a_mu"], output={"dtype": "float64", "observables": ["delta_a_mu"]}
    )
    axes = {name: card["axis"][name] for name in ("m_X", "g_X")}
    plain = scan(card | {"axis": axes}, tmp_path / "plain.h5")
    axes["theory.delta_a_mu"] = {"profile": True, "min": -10.0, "max": 10.0}
    profiled = scan(card | {"axis": axes}, tmp_path / "profiled.h5")
    assert profiled.delta_chi2.dims == ("constraint", "m_X", "g_X")
    pull = profiled["observable/profiled/theory.delta_a_mu"]
    assert (profiled["observable/profiled/converged"] == 1).all()
    # Delta a_mu = 251(59)e-11 with the theory error 43e-11 (arXiv:2104.03281, 2006.04822): the best
    # pull is (251e-11 - x) 43e-11/(59e-11)^2, inside the bounds where x < 1.06e-8
    x = plain["observable/delta_a_mu"]
    inside = (np.abs((251e-11 - x) * 43e-11 / 59e-11**2) < 9.9).values
    assert 20 < inside.sum() < inside.size
    np.testing.assert_allclose(
        profiled.delta_chi2[0].values[inside], plain.delta_chi2[0].values[inside], atol=2e-7
    )
    assert (profiled.delta_chi2[0].values[~inside] >= plain.delta_chi2[0].values[~inside]).all()
    np.testing.assert_allclose(
        pull.values[inside], ((251e-11 - x) * 43e-11 / 59e-11**2).values[inside], atol=0.03
    )
    np.testing.assert_array_equal(profiled["observable/profiled_chi2"], profiled.delta_chi2[0])


def test_eps_against_brute_force(tmp_path: Path) -> None:
    card = changed(constraints=["delta_a_mu", "trident_ccfr", "borexino"])
    data = scan(card, tmp_path / "map.h5")
    verify(tmp_path / "map.h5")
    found, eps = data["observable/profiled_chi2"].values, data["observable/profiled/eps"].values
    np.testing.assert_allclose(found, data.delta_chi2.sum("constraint"), rtol=1e-13, atol=1e-13)
    assert (data["observable/profiled/converged"] == 1).all()
    assert (np.abs(eps) <= 1e-3).all()
    wide, _ = brute_force(card, "eps", np.linspace(-1e-3, 1e-3, 20001), tmp_path / "wide.h5")
    assert (found <= wide + 1e-6).all()
    # the axis does contain every minimum found, but for its spacing: an axis through each of them
    # is no lower either
    near, where = brute_force(card, "eps", np.unique(eps), tmp_path / "near.h5")
    np.testing.assert_allclose(np.maximum(near, found), near, atol=1e-6)
    np.testing.assert_allclose(near, found, rtol=1e-12, atol=1e-6)
    assert np.abs(where - eps).max() < 2e-5
    # where a step of the axis changes chi2 little, both agree to the resolution of the axis
    mild = wide < 1e2
    assert mild.sum() > 30
    np.testing.assert_allclose(found[mild], wide[mild], atol=0.1)


def test_g_sb_below_inside_and_above_the_bin(tmp_path: Path) -> None:
    card = changed(
        model="muon-effective",
        constraints=["r_k"],
        axis={
            "g_sb": {"profile": True, "min": -2e-8, "max": 3e-8},
            "m_X": {"values": [0.8, 1.5, 2.0, 3.5]},
            "g_V": {"min": 1e-4, "max": 1e-1, "num": 5, "scale": "log"},
        },
        output={"dtype": "float64", "observables": ["r_k"]},
    )
    found = scan(card, tmp_path / "map.h5")["observable/profiled_chi2"].values
    wide, _ = brute_force(card, "g_sb", np.linspace(-2e-8, 3e-8, 4001), tmp_path / "wide.h5")
    assert (found <= wide + 1e-6).all()
    np.testing.assert_allclose(found, wide, atol=0.02)


def test_a_charge_and_several_parameters(tmp_path: Path) -> None:
    card = changed()
    card["axis"] = {
        "charge.L.mu": {"profile": True, "min": 0.05, "max": 5.0, "scale": "log", "starts": 3},
        "m_X": {"values": [0.02, 0.2]},
        "g_X": {"values": [1e-4, 1e-3]},
    }
    one = scan(card, tmp_path / "one.h5")
    wide, _ = brute_force(card, "charge.L.mu", np.geomspace(0.05, 5.0, 4001), tmp_path / "wide.h5")
    np.testing.assert_allclose(one["observable/profiled_chi2"], wide, atol=1e-3)
    assert (one["observable/profiled_chi2"] <= wide + 1e-6).all()
    card["axis"]["eps"] = EPS
    two = scan(card, tmp_path / "two.h5")
    assert (two["observable/profiled_chi2"] <= one["observable/profiled_chi2"] + 1e-6).all()
    assert {"observable/profiled/charge.L.mu", "observable/profiled/eps"} <= set(two.data_vars)


def assert_same(one: xarray.Dataset, other: xarray.Dataset) -> None:
    """The minimum is the same; single terms, which are not stationary there, to the goal of
    convergence.
    """
    for name in ("status", "observable/profiled_chi2", "observable/profiled/converged"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(one.delta_chi2, other.delta_chi2, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(
        one["observable/profiled/eps"], other["observable/profiled/eps"], atol=1e-8
    )


def test_tiles_and_padding_give_the_same_numbers(tmp_path: Path) -> None:
    whole = scan(CARD, tmp_path / "whole.h5")
    tiles = scan(changed(output=CARD["output"] | {"tile_points": 20}), tmp_path / "tiles.h5")
    assert_same(tiles, whole)


def test_several_devices_give_the_same_numbers(tmp_path: Path) -> None:
    one = scan(CARD, tmp_path / "one.h5")
    code = (
        "import json, sys; from zscan.scans.run import run_scan; "
        "run_scan(json.loads(sys.argv[1]), sys.argv[2])"
    )
    flags = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    subprocess.run(
        [sys.executable, "-c", code, json.dumps(CARD), str(tmp_path / "eight.h5")],
        env=flags,
        check=True,
    )
    with open_scan(tmp_path / "eight.h5") as eight:
        assert_same(eight, one)


def test_an_axis_of_models(tmp_path: Path) -> None:
    card = {key: value for key, value in CARD.items() if key != "model"} | {
        "models": "catalogue:max=1"
    }
    card["axis"] = {"eps": EPS, "m_X": {"values": [0.05]}, "g_X": {"values": [1e-4, 1e-3]}}
    data = scan(card, tmp_path / "map.h5")
    assert data["observable/profiled_chi2"].dims == ("model", "m_X", "g_X")
    zero = scan(card | {"axis": card["axis"] | {"eps": {"values": [0.0]}}}, tmp_path / "zero.h5")
    unmixed = zero.delta_chi2.sum("constraint").sel(eps=0.0)
    assert (data["observable/profiled_chi2"].values <= unmixed.values + 1e-6).all()


def test_nothing_to_minimise_is_nan(tmp_path: Path) -> None:
    name = "searches/BaBar_TheBABAR2016rlg"  # starts at 0.212 GeV
    card = changed(constraints=[name, "searches/proj_NA64mu"])
    card["axis"]["m_X"] = {"values": [0.1, 0.5]}
    card["output"] = {}
    with pytest.warns(NotFiniteWarning, match=r"proj_NA64mu is not finite on 9 points"):
        data = scan(card, tmp_path / "map.h5")
    assert data.delta_chi2.dtype == np.float32
    below = data.sel(m_X=0.1)
    assert (below.status.sel(constraint=name) == 2).all()
    assert (below.status[1] == 3).all()  # applies, but there is no minimum to evaluate it at
    for item in (
        "delta_chi2",
        "observable/profiled/eps",
        "observable/profiled_chi2",
        "observable/profiled/converged",
    ):
        assert np.isnan(below[item]).all()
        assert np.isfinite(data.sel(m_X=0.5)[item]).all()


def test_required_parameters_may_be_profiled(tmp_path: Path) -> None:
    card = changed(constraints=["delta_a_mu"])
    card["axis"] = {
        "m_X": CARD["axis"]["m_X"],
        "g_X": {"profile": True, "min": 1e-6, "max": 1.0, "scale": "log"},
    }
    card["output"] = {"dtype": "float64", "observables": ["delta_a_mu"]}
    data = scan(card, tmp_path / "map.h5")
    # L_mu - L_tau has vector couplings: g-2 is met exactly, chi2 = (251/59)^2 lower than without X
    np.testing.assert_allclose(data.delta_chi2[0], -((251 / 59) ** 2), atol=1e-3)
    np.testing.assert_allclose(data["observable/delta_a_mu"], 251e-11, rtol=1e-3)


def test_the_scan_tells_what_is_profiled(tmp_path: Path) -> None:
    out = run_scan(CARD, tmp_path / "map.h5", progress=False)
    assert info(out)["profiled"] == {"eps": [-1e-3, 1e-3]}
    assert list(info(out)["axes"]) == ["m_X", "g_X"]
    assert plan(CARD)["profiled"] == {"eps": [-1e-3, 1e-3]}
    with pytest.raises(ResumeMismatchError, match=r"axis\.eps\.max: .* on disk"):
        run_scan(CARD, out, resume=True, overrides=["axis.eps.max=2e-3"])
    hashes = {
        load_card(CARD, [f"axis.eps.{change}"]).hash
        for change in ("starts=5", "starts=6", "min=1e-5")
    }
    assert len(hashes) == 3
    assert (
        load_card(CARD, ["axis.eps.starts=5", "axis.eps.scale=linear"]).hash == load_card(CARD).hash
    )
    assert load_card(CARD, ["axis.eps.values=[0.0]"]).profiled == ()
