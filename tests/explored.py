"""Small maps for the tests of the page that `zscan.explore` writes."""

# Markup that would act if a page took it as such
EVIL = '</script><img src=x onerror="window.hit=1"><b>&'
CHARGES = {"L": [0, 1, -1], "E": [0, 1, -1], "N": [0, 1, -1]}
CARD = {
    "format": 1,
    "name": "small",
    "model": {"name": EVIL} | CHARGES,
    "observables": {"base": "paper", "trident_ccfr": {"note": f"{EVIL}\u2028note"}},
    "constraints": [
        "delta_a_mu",
        "trident_ccfr",
        "charm2",
        "searches/BaBar_TheBABAR2016rlg",
        "searches/proj_M3_phase1",
    ],
    "axis": {
        "eps": {"values": [0.0, 1e-3]},
        "m_X": {"min": 1e-2, "max": 1.0, "num": 31, "scale": "log"},
        "g_X": {"min": 1e-4, "max": 1e-1, "num": 31, "scale": "log"},
    },
    "output": {"observables": ["delta_a_mu", "trident_ccfr", "searches/proj_M3_phase1"]},
}
MODELS = {
    "format": 1,
    "name": "models",
    "models": "catalogue:max=2,vector",
    "constraints": ["delta_a_mu"],
    "axis": {
        "m_X": {"min": 1e-2, "max": 1.0, "num": 5, "scale": "log"},
        "g_X": {"min": 1e-4, "max": 1e-1, "num": 21, "scale": "log"},
    },
    "fixed": {"eps_over_g": 0.0},
    "output": {"observables": ["delta_a_mu"]},
}
