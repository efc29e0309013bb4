"""Model files of DarkCast: read as text, with the numbers of its own branching ratios."""

import math
import warnings

import numpy as np
import pytest

import zscan
from zscan.constants import E_CHARGE
from zscan.errors import ModelError
from zscan.kernels import widths
from zscan.models import couplings, load_model
from zscan.models.darkcast import from_darkcast

# A model of the first version: vector charges, with expressions as its files have them
VECTOR = """from math import pi
from darkcast.pars import ge
xfs = {{
    "e": -ge**2/(4*pi)**2, "mu": -1, "tau": 0.0,
    "nue": 0, "numu": -1, "nutau": 0,
    "d": 1./3, "u": {u}, "s": 1./3, "c": 1./3, "b": 1./3, "t": 1./3
    }}
{more}
"""
# One of the second: (axial, vector), B - L with both chiralities of the neutrinos
PAIRS = (
    "xfs = {"
    + ", ".join(
        f'"{name}": (0, {charge})'
        for name, charge in (
            *((name, -1) for name in ("e", "mu", "tau", "nue", "numu", "nutau")),
            *((name, "1./3") for name in "dusbct"),
        )
    )
    + "}\n"
)


@pytest.fixture
def read(tmp_path):
    def convert(text, name="mine"):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return from_darkcast(path)

    return convert


def test_vector_charges(read):
    model = read(VECTOR.format(u="1./3", more="iwidth = 0.5"))
    x = couplings(model, 0.3, 1.0)
    assert float(x.e.V) == pytest.approx(-((E_CHARGE.value / (4 * math.pi)) ** 2), rel=1e-14)
    assert (float(x.mu.V), float(x.nu_mu), float(x.nu_e)) == (-1.0, -1.0, 0.0)
    assert float(x.u.V) == pytest.approx(1 / 3)
    assert float(x.dark) == 0.5
    assert model.name == "mine"
    assert model.scales_with_coupling


def test_pairs_are_axial_and_vector_and_neutrinos_have_both_chiralities(read):
    model, own = read(PAIRS), load_model("B-L,neutrinos=dirac")
    for m_X in (0.05, 0.6):
        found, expected = (
            widths.partial_widths(m_X, couplings(each, m_X, 1.0)) for each in (model, own)
        )
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=name)
    left = read(PAIRS.replace('"nue": (0, -1)', '"nue": (-1/4., 1/4.)'))
    x = couplings(left, 0.1, 1.0)
    assert (float(x.nu_e), float(x.nu_R[0]), float(x.nu_R[1])) == (0.5, 0.0, -1.0)


def test_load_model_and_the_command_line_read_them(tmp_path, capsys):
    from zscan.cli import main

    path, out = tmp_path / "mine.py", tmp_path / "mine.toml"
    path.write_text(PAIRS)
    assert main(["models", str(path), "-o", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert load_model(out) == load_model(path)
    assert main(["models", str(path), "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["models", "protophobic", "-o", str(out), "--force"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("u", "more", "message"),
    [
        ("__import__('os').system('touch here')", "", r"mine.py:6: xfs.u .*unknown expression"),
        ("lambda m: m", "", "xfs.u is a function of the mass.*Lmu-Ltau"),
        ("10**10**10", "", "xfs.u"),
        ("1/0", "", "xfs.u"),
        ("1e400", "", "not finite"),
        ("1", "def iwidth(m, model): return 1", "iwidth is a function of the mass"),
        ("1, 'w': 2", "", "'w'"),
        ("[1, 2, 3]", "", "xfs.u"),
    ],
)
def test_nothing_is_executed(read, tmp_path, u, more, message):
    with pytest.raises(ModelError, match=message):
        read(VECTOR.format(u=u, more=more))
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "no table xfs"),
        ("xfs = 3", "xfs is no table"),
        ("xfs = {'e': 1}", "missing: mu, tau"),
        ("xfs = {", "cannot be parsed"),
        ("xfs = " + "-" * 5000 + "1", "mine.py"),
    ],
)
def test_other_files_are_refused(read, text, message):
    with pytest.raises(ModelError, match=message):
        read(text)


# Total width over g^2 [GeV], branching ratios to muons and to hadrons that DarkCast 1.1 gives
# (arXiv:1801.04847)
PROTOPHOBIC = np.array(
    [
        (0.017, 0.00045093679395772463, 0.0, 0.0),
        (0.25, 0.011440669187227323, 0.4203600186095469, 1.1636828905515766e-06),
        (0.5, 0.03305277217829378, 0.3961450656349011, 0.2025901976980868),
        (0.77, 0.24912550671892086, 0.08180733896066775, 0.8362063376297395),
        (0.95, 0.0776658139486533, 0.3241581155290402, 0.35138082013621774),
        (1.4, 0.16027805231768674, 0.231652857217341, 0.5366488356775946),
        (1.95, 0.2626483361238503, 0.1969274639648739, 0.6061348463919153),
        (2.5, 0.3435155321258796, 0.1930430529493592, 0.6139101895685898),
    ]
).T


def test_widths_of_the_protophobic_model():
    m_X, total, muons, hadrons = PROTOPHOBIC
    x = zscan.couplings("protophobic", m_X, 1.0)
    options = {"thresholds": "darkcast", "hadrons": "darkcast"}
    found = widths.branching_ratios(m_X, x, **options)
    np.testing.assert_allclose(widths.total_width(m_X, x, **options), total, rtol=1e-2)
    np.testing.assert_allclose(found["mumu"], muons, rtol=1e-2)
    np.testing.assert_allclose(found["hadrons"], hadrons, rtol=1e-2, atol=1e-5)
