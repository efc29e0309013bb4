"""What real checkouts of DarkCast hold beyond plain assignments, and what is said of the rest."""

import warnings

import numpy as np
import pytest
from zoo import LIMIT_OF_A_CHECKOUT

from zscan.constants import M_MU
from zscan.kernels.recast import M_PI0
from zscan.limits import LimitWarning, excluded_couplings
from zscan.limits.darkcast import read_checkout
from zscan.limits.formula import evaluate

PLAIN = LIMIT_OF_A_CHECKOUT.format(production="'e_brem'")
WINDOW = 't0 = 0, t1 = float("inf")'
STEPS = """{
    "pi0_gamma": lambda m: 1.0 if m <= darkcast.pars.mms["pi0"] else 0.0,
    "eta_gamma": lambda m: 1.0*(m > mms["pi0"])}"""
T1 = """
def t1(m):
    if m < 2: return float("inf")
    elif m < 3: return 5e-12
    return -1e-12 + 2e-12*m
"""
BROAD = '["e_e", "mu_mu", "pi+_pi-", "pi+_pi-_pi0", "K_K", "other"]'
RULES = {
    "plain": PLAIN,
    "steps": LIMIT_OF_A_CHECKOUT.format(production=STEPS),
    "function": T1 + PLAIN.replace(WINDOW, "t0 = 0, t1 = t1"),
    "table": LIMIT_OF_A_CHECKOUT.format(production='darkcast.Datasets("limits/mix.prd")'),
    "broad": PLAIN.replace('"e_e"', BROAD),
    "b_l": PLAIN.replace("dark_photon", "B-L_boson"),
    "rvals": PLAIN.replace("one.lmt", "r.lmt").replace(WINDOW, "rvals = True"),
    "zero": PLAIN.replace("one.lmt", "zero.lmt"),
    "reference": 'bibtex = "@article{Doe:2020abc, eprint = {2001.00001}}"\nnotes = "none"\n',
    "shift": PLAIN.replace('"e_e"', '"none"'),
    "slope": LIMIT_OF_A_CHECKOUT.format(production='{"e_e": lambda m: m, "u_u": lambda m: 1.0}'),
    "kaons": PLAIN.replace('"e_e"', '["e_e", "K_K"]'),
    "edges": PLAIN.replace("one.lmt", "zero.lmt").replace(WINDOW, "rvals = True"),
    "loop": T1.replace("return -1e-12", "m += 1; return") + PLAIN.replace(WINDOW, "t0=0, t1=t1"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    folder = root / "limits"
    folder.mkdir()
    for name, text in RULES.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "one.lmt").write_text("0.25 1e-3\n0.3 1e-3\n5.0 2e-3\n")
    (folder / "zero.lmt").write_text(" # mass lower\n0.0 0.17\n0.002 0.17\n0.002 0.2\n1.2 0.17\n")
    (folder / "mix.prd").write_text(" #   mass  eta_gamma u_u\n 0.2 0.75 0.25\n 0.6 0.5 0.5\n")
    # r = 1 at couplings 1e-5 and 1e-4 of the first two masses, above 1 at the third
    rows = [
        (m, g, float(scale * max(1e-5 / g, g / 1e-4)))
        for m, scale in ((0.25, 1), (0.3, 1), (0.35, 50))
        for g in np.geomspace(1e-6, 1e-3, 13)
    ]
    text = "\n".join(" ".join(f"{x:.9e}" for x in row) for row in rows)
    (folder / "r.lmt").write_text(f"#   mass  g  r\n{text}\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checkout = read_checkout(root)
    told = [str(item.message) for item in caught if item.category is LimitWarning]
    return {limit.name: limit for limit in checkout.limits}, checkout, told


def test_what_is_imported(found):
    limits, _, told = found
    assert set(limits) == {"plain", "steps", "function", "table", "broad", "b_l", "rvals", "zero"}
    assert "zero.lmt: 1 row at mass 0 dropped" in told
    assert "zero.lmt: 1 row at the mass of another dropped" in told
    assert limits["zero"].mass.tolist() == [0.002, 1.2]
    assert limits["zero"].value.tolist() == [0.17, 0.17]
    assert limits["table"].production_table.shares.tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert limits["broad"].final_states == ("ee", "mumu", "hadrons")
    assert (limits["b_l"].reference_name, limits["b_l"].quantity) == ("B-L", "g_X")
    np.testing.assert_allclose(
        evaluate(limits["function"].t1, np.array([1.0, 2.5, 4.0])), [1.0, 5e-12, 7e-12], rtol=1e-12
    )
    assert "Doe:2020abc" in limits["plain"].bibtex

    # steps of production stay steps, at the mass of the pion
    table = limits["steps"].production_table
    assert table.mechanisms == ("pi0_gamma", "eta_gamma")
    assert table.shares.tolist() == [[1, 0], [0, 1]]
    np.testing.assert_allclose(table.mass, M_PI0.value, rtol=2e-9)

    # edges of the region in which r is below 1, nothing where it never is
    island = limits["rvals"]
    assert island.efficiency == "displaced"
    np.testing.assert_allclose(island.value, 1e-5, rtol=1e-6)
    np.testing.assert_allclose(island.upper, 1e-4, rtol=1e-6)
    assert island.mass.tolist() == [0.25, 0.3]
    low, high = excluded_couplings(island, "dark-photon", 0.27)
    assert 2 * M_MU.value < 0.27
    assert float(low) == pytest.approx(1e-5, rel=1e-6)
    assert float(high) == pytest.approx(1e-4, rel=1e-2)


def test_what_is_left_out_has_a_reason(found):
    _, checkout, _ = found
    reasons = {
        "reference": "holds a reference and no limit",
        "shift": "no search for decays, but a shift or a rate of scattering",
        "slope": "depend on the mass beyond steps",
        "kaons": "final states K_K are not known",
        "edges": "no table of mass, coupling and r",
        "loop": "more than choices of values",
    }
    assert set(checkout.left_out) == {f"limits/{name}.py" for name in reasons}
    for name, reason in reasons.items():
        assert reason in checkout.left_out[f"limits/{name}.py"]
    lines = str(checkout).splitlines()
    assert lines[0] == "imported 8 limits, left out 6:"
    assert "  limits/reference.py left out: holds a reference and no limit" in lines
