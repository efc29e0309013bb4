"""What several test modules share: one limit of each kind, one model of each kind.

The default run takes these; all limits and all models are gone through by tests marked slow."""

import pytest

from zscan.models import list_models

# Limits: prompt, with a flight path, dump, invisible, from muons, from many mesons and quarks, from
# a kaon, with a window of flight paths
KINDS_OF_LIMITS = (
    "searches/BaBar_Lees2014xha",
    "searches/KLOE_Babusci2012cr",
    "searches/E137_Andreas2012mt",
    "searches/NA64_NA642019imj",
    "searches/BaBar_TheBABAR2016rlg",
    "searches/LHCb_Aaij2017rft_prompt",
    "kmunux",
    "searches/NA48_Batley2015lha",
)

# Models: mixing by a loop, quarks, chiral with charged quarks of the third family, mixing alone
KINDS_OF_MODELS = ("Lmu-Ltau", "B-3Lmu", "9B3-8Lmu-Ltau", "dark-photon")


def models():
    """Parameters of a test: the models of each kind, and all others where slow tests run."""
    return [
        name if name in KINDS_OF_MODELS else pytest.param(name, marks=pytest.mark.slow)
        for name in list_models()
    ]


# A limit as a DarkCast checkout defines it, for one kind of production
LIMIT_OF_A_CHECKOUT = """
bibtex = "@article{{Doe:2020abc, eprint = {{2001.00001}}}}"
model = darkcast.Model("dark_photon")
production = darkcast.Production({production})
decay = "e_e"
bounds = darkcast.Dataset("limits/one.lmt")
efficiency = darkcast.Efficiency(t0 = 0, t1 = float("inf"))
"""
