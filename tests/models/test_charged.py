"""Models: benchmarks, exact charges, user files, and what is refused."""

import warnings
from fractions import Fraction

import pytest

from zscan.errors import ModelError, ModelWarning, UnknownNameError
from zscan.models import SPECIES, Model, list_models, load_model

# Charges of arXiv:2107.07518 Eqs. (34), (47)-(50) and sec. 3.5, order e, mu, tau: (quark, L, E)
BENCHMARKS = {
    "Lmu-Ltau": ((0, 0, 0), (0, 1, -1), (0, 1, -1)),
    "B-3Lmu": (("1/3",) * 3, (0, -3, 0), (0, -3, 0)),
    "Lmu-Le": ((0, 0, 0), (-1, 1, 0), (-1, 1, 0)),
    "Lmu-Le-shifted": ((0, 0, 0), (-1, 1, 0), (-1, 1, 0)),
    "9B3-8Lmu-Ltau": ((0, 0, 3), (0, -8, -1), (0, -8, -1)),
    "Lmutau-chiral": ((0, 0, 0), (-1, 7, -6), (1, 6, -7)),
    "Lmutau-chiral-partner": ((0, 0, 0), (1, 6, -7), (-1, 7, -6)),
    "B-2Le-Lmu": (("1/3",) * 3, (-2, -1, 0), (-2, -1, 0)),
    "B-L": (("1/3",) * 3, (-1, -1, -1), (-1, -1, -1)),
    "dark-photon": ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
    "protophobic": (("1/3",) * 3, (0, 0, 0), (0, 0, 0)),
    "B": (("1/3",) * 3, (0, 0, 0), (0, 0, 0)),
    "Le-Lmu": ((0, 0, 0), (1, -1, 0), (1, -1, 0)),
    "Le-Ltau": ((0, 0, 0), (1, 0, -1), (1, 0, -1)),
    "B-3Le": (("1/3",) * 3, (-3, 0, 0), (-3, 0, 0)),
    "B-3Ltau": (("1/3",) * 3, (0, 0, -3), (0, 0, -3)),
}
ANOMALOUS = ("protophobic", "B")  # need further fermions, as their descriptions say


def test_benchmarks():
    assert set(list_models()) == {*BENCHMARKS, "R"}
    for name, (quark, L, E) in BENCHMARKS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error", ModelWarning)
            model = load_model(name)
        expected = [tuple(Fraction(q) for q in charges) for charges in (quark, quark, quark, L, E)]
        assert [getattr(model, species) for species in "QUDLE"] == expected
        assert any(model.anomalies().values()) == (name in ANOMALOUS)
        assert ("anomalous" in model.description) == (name in ANOMALOUS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ModelWarning)
            assert Model.from_table(model.to_table()).to_table() == model.to_table()
    assert load_model("Lmu-Ltau").loop == "mu-tau"


def test_anomalous_charges_warn_and_name_the_sum():
    with pytest.warns(ModelWarning, match=r"SU\(2\)\^2 X = 1.*X\^3 = 1"):
        Model("Lmu", L=(0, 1, 0), E=(0, 1, 0))


def test_user_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nL = [0, "1/2", "-1/2"]\nE = [0, "1/2", "-1/2"]\neps_over_g = "-1/e"\n'
    )
    model = load_model(path)
    assert model.charge("L", "tau") == Fraction(-1, 2)
    assert model.mixing_ratio == pytest.approx(-1 / 0.302822, rel=1e-6)
    assert all(
        isinstance(charge, Fraction) for species in SPECIES for charge in getattr(model, species)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"\nL = [0, 0.5, 0]', "L: a charge is an integer"),
        ('name = "x"\nL = [0, 1]', "L: one charge or three"),
        ('name = "x"\nQ = "1/0"', "Q:"),
        ('name = "x"\nleptons = 1', "unknown key 'leptons'"),
        ('name = "x"\nloop = "tau"', "allowed: none, mu-tau, leptons"),
        ('name = "x"\neps = nan', "eps: nan"),
        ('name = "x"\neps_over_g = "1/f"', "eps_over_g"),
        ('name = "x"\nL = 1\nE = 1\nloop = "leptons"', "sum to zero"),
        ('name = "x"\neps_over_g = "1/0/e"', "eps_over_g: '1/0/e'"),
        ('name = "x"\nL = ["1e400", 0, 0]', "L: '1e400' is no charge"),
        ('name = "x"\nL = ["10000000", 0, 0]', "L: charges are at most"),
        ('name = "x"\nL = "1/10000000000000"', "L: denominators of charges are at most"),
        ('name = "x"\ndescription = 5', "description: 5"),
        ('name = "x"\nL = "1/0"\nE = [0, 1.5, 0]\nloop = "foo"', "zero; E: a charge is an integer"),
        ("L = 1", "'name' is missing"),
        ("name = ", "bad.toml:1: not TOML"),
    ],
)
def test_unusable_files_are_refused_with_their_key(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text + "\n")
    with pytest.raises(ModelError, match=r".*") as error:
        load_model(path)
    assert message in str(error.value)


def test_unknown_name_lists_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'Lmu-Ltau'"):
        load_model("Lmu-Lta")
