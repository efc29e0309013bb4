"""The curves beyond those of the paper: what is shipped, its recast, and what is missing."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from zscan.cli import main
from zscan.constants import E_CHARGE
from zscan.constraints import ALTERNATIVES, data_constraints
from zscan.constraints.selections import SELECTIONS
from zscan.limits import (
    LimitError,
    excluded_couplings,
    limit_table,
    list_limits,
    load,
    missing,
    missing_table,
    signal_strengths,
    write_limit,
)
from zscan.limits.formula import evaluate
from zscan.models import Model, couplings
from zscan.references import bibtex

NEWER = {
    "A1_Merkel2011ze": ("1101.4091", "digitised", 0.9),
    "APEX_Abrahamyan2011gv": ("1108.2750", "digitised", 0.9),
    "CMS_CMS2019kiy": ("1912.04776", "provisional", 0.9),
    "E774_Bross1989mp": ("1209.6083", "provisional", 0.95),
    "FASER_Petersen2023hgm": ("2308.05587", "digitised", 0.9),
    "HPS_Adrian2018scb": ("1807.11530", "digitised", 0.95),
    "KEK_Konaka1986cb": ("1209.6083", "provisional", 0.9),
    "KLOE_Anastasi2016ktq": ("1603.06086", "digitised", 0.9),
    "KLOE_Anastasi2018azp_mumu": ("1807.02691", "digitised", 0.9),
    "NA62_Dobrich2023dkm": ("2303.08666", "digitised", 0.9),
    "NA62_NA622023nhs": ("2312.12055", "provisional", 0.9),
    "NA64_NA642022yly": ("2207.09979", "digitised", 0.9),
    "NOMAD_Astier2001ck": ("hep-ex/0101041", "provisional", 0.9),
    "PS191_Bernardi1985ny": ("1311.3870", "provisional", 0.9),
}
ESTIMATE = "NA64_2023_scaled"


def test_what_is_shipped():
    for name, (arxiv, status, cl) in NEWER.items():
        limit = load(name)
        assert (limit.arxiv, limit.status, limit.cl, limit.kind) == (arxiv, status, cl, "limit")
        assert f"searches/{name}" in data_constraints()
    assert len(list_limits()) == 33 + len(NEWER) + 1
    twins = (
        "E137_Bjorken",
        "NA64_Banerjee2018",
        "Babusci2014",
        "AMM",
        "CHARMII",
        "Texono",
        "SN1987",
    )
    assert not [name for name in list_limits() if any(twin in name for twin in twins)]
    estimate, base = load(ESTIMATE), load("NA64_NA642019imj")
    np.testing.assert_allclose(estimate.value, 0.5505 * base.value, rtol=1e-3)
    assert (estimate.kind, estimate.status) == ("projection", "provisional")
    assert f"searches/{ESTIMATE}" not in data_constraints()


def test_the_paper_rests_on_its_own_curves():
    used = {name.removeprefix("searches/") for name in SELECTIONS["paper"]}
    assert not used & {*NEWER, ESTIMATE}
    assert len([name for name in SELECTIONS["paper"] if name.startswith("searches/")]) == 21


def test_searches_in_the_same_data_count_once():
    groups = [tuple(name.removeprefix("searches/") for name in group) for group in ALTERNATIVES]
    assert ("NA64_NA642022yly", "NA64_NA642019imj", ESTIMATE) in groups
    for part in ("KLOE_Anastasi2018azp_mumu", "KLOE_Anastasi2016ktq"):
        assert ("KLOE_Anastasi2018azp_combined", part) in groups


def test_gaps_and_outlines():
    cms, knots = load("CMS_CMS2019kiy"), load("CMS_CMS2019kiy").mass
    assert np.isnan(cms.value[(knots > 75.4) & (knots < 110)]).all()
    # no requirement below 45 GeV (1 s), then 5 ps, then rising with the mass
    np.testing.assert_allclose(
        evaluate(cms.t1, np.array([20.0, 60.0, 150.0])), [1.0, 5e-12, 1.02e-11], rtol=1e-9
    )
    # a closed outline, split at its tip; the points that close an outline are left out
    dump = load("NA62_NA622023nhs")
    assert dump.mass[[0, -1]].tolist() == [0.005088, 0.4815]
    assert np.all(np.diff(dump.upper) < 0)
    assert dump.upper[0] / dump.value[0] > 50
    assert dump.upper[-1] / dump.value[-1] == pytest.approx(1.03, abs=0.03)
    assert load("NA64_NA642022yly").mass[-1] == 0.631406


# Recast by DarkCast 2 (github.com/Noah-Everett/DS-Decay-Scripts, 2a86698d; neutrinos with couplings
# over sqrt 2, since it counts both chiralities; root finder tightened to 1e-9), at points of its
# own curves: limit, m_X, model, g_lo, and g_hi of dumps.
DARKCAST = [
    ("KEK_Konaka1986cb", 0.0012126, "B-L", 1.2658e-7, 2.09079e-4),
    ("KEK_Konaka1986cb", 0.0012126, "Lmu-Le", 1.2658e-7, 2.39744e-4),
    ("E774_Bross1989mp", 0.00217, "B-L", 4.06453e-5, 1.75077e-3),
    ("E774_Bross1989mp", 0.00217, "Lmu-Le", 4.05934e-5, 2.00381e-3),
    ("E774_Bross1989mp", 0.0059132, "B-L", 9.22858e-5, 3.66404e-4),
    ("E774_Bross1989mp", 0.0059132, "Lmu-Le", 8.74678e-5, 4.47028e-4),
    ("NOMAD_Astier2001ck", 0.0054594, "B-L", 6.35762e-8, 7.26127e-6),
    ("NOMAD_Astier2001ck", 0.090745, "B-L", 2.46275e-8, 3.11869e-7),
    ("PS191_Bernardi1985ny", 0.10467, "B-L", 5.20463e-8, 3.81203e-7),
    ("PS191_Bernardi1985ny", 0.12017, "B-L", 8.4243e-8, 2.59487e-7),
    ("FASER_Petersen2023hgm", 0.020425, "B-L", 1.93663e-6, 2.45159e-5),
    ("FASER_Petersen2023hgm", 0.053492, "B-L", 1.63552e-6, 3.90362e-6),
    ("APEX_Abrahamyan2011gv", 0.20059, "B-L", 5.41575e-4),
    ("APEX_Abrahamyan2011gv", 0.20059, "Lmu-Le", 4.84399e-4),
    ("A1_Merkel2011ze", 0.25035, "B-L", 3.74915e-4),
    ("A1_Merkel2011ze", 0.25035, "Lmu-Le", 3.44649e-4),
    ("HPS_Adrian2018scb", 0.021406, "B-L", 1.54251e-3),
    ("HPS_Adrian2018scb", 0.021406, "Lmu-Le", 1.37967e-3),
    ("KLOE_Anastasi2018azp_mumu", 0.601, "B-L", 3.24015e-4),
    ("KLOE_Anastasi2018azp_mumu", 0.601, "Lmu-Le", 2.99754e-4),
    # models with much less signal than the dark photon in a projection; only the lower edges, since
    # the upper ones of DarkCast are beyond what is published for the dark photon
    ("reach_LHCb_Ilten2016tkc_post", 0.228, "B-3Lmu", 2.02421e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.26, "B-3Lmu", 2.19272e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.308, "B-3Lmu", 2.50601e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.228, "B-3Lmu, mixed", 2.00707e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.308, "B-3Lmu, mixed", 2.47884e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.228, "B-L", 3.45851e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.308, "B-L", 3.65093e-6),
    ("reach_LHCb_Ilten2016tkc_post", 0.228, "large charges", 7.26213e-7),
    ("reach_LHCb_Ilten2016tkc_post", 0.308, "large charges", 8.77821e-7),
]
# Charges of quarks, of the leptons, and eps over g_X
MODELS = {
    "dark-photon": (0, (0, 0, 0), 1),
    "B-L": (1 / 3, (-1, -1, -1), 0),
    "Lmu-Le": (0, (-1, 1, 0), 0),
    "B-3Lmu": (1 / 3, (0, -3, 0), 0),
    "B-3Lmu, mixed": (1 / 3, (0, -3, 0), 1 / 70),
    "large charges": (1, (2, -8, -3), 0.01),
}
POST = "reach_LHCb_Ilten2016tkc_post"


def _points():
    """(limit, m_X, model, coupling, whether mu is above 1), "edge" for a knot of the curve, None
    for a gap.
    """
    for name in (*NEWER, POST):
        limit = load(name)
        if limit.quantity != "eps":
            continue
        for i in np.flatnonzero(np.isfinite(limit.value))[1 :: max(1, limit.value.size // 6)]:
            yield name, limit.mass[i], "dark-photon", limit.value[i], "edge"
            if name == POST:
                yield name, limit.mass[i], "dark-photon", limit.upper[i] * (1 - 1e-2), True
                yield name, limit.mass[i], "dark-photon", limit.upper[i] * (1 + 1e-2), False
            elif limit.upper is not None:
                yield name, limit.mass[i], "dark-photon", limit.upper[i], "edge"
    for name, m_X, model, *edges in DARKCAST:
        # mu passes 1 within 1.5 % of the lower and 3 % of the upper edge
        for edge, step in zip(edges, (1.015, 1 / 1.03), strict=False):
            yield name, m_X, model, edge / step, False
            yield name, m_X, model, edge * step, True
    for m_X, known in ((75.3, True), (76.0, None), (90.0, None), (109.0, None), (111.0, True)):
        yield "CMS_CMS2019kiy", m_X, "dark-photon", 1e-2, known


@pytest.fixture(scope="module")
def strengths():
    """All points in one program: (limit, m_X, model, coupling, expected) and mu."""
    points = list(_points())
    limits = [load(name) for name in dict.fromkeys(point[0] for point in points)]
    names = [limit.name for limit in limits]
    m_X, g = (np.array([point[k] for point in points]) for k in (1, 3))
    models = [MODELS[point[2]] for point in points]
    charges = {
        f"charge.{species}": np.array([quark for quark, _, _ in models])
        for species in ("Q.1", "Q.2", "Q.3", "U.u", "U.c", "U.t", "D.d", "D.s", "D.b")
    }
    for i, lepton in enumerate(("e", "mu", "tau")):
        column = np.array([leptons[i] for _, leptons, _ in models], dtype=float)
        charges |= {f"charge.L.{lepton}": column, f"charge.E.{lepton}": column}
    eps = g * np.array([ratio for *_, ratio in models])
    x = couplings(Model("any"), m_X, g, eps, charges=charges)
    mu = np.stack(signal_strengths(limits, m_X, x, thresholds="darkcast"))
    return [(point, mu[names.index(point[0]), i]) for i, point in enumerate(points)]


def test_the_reference_model_gives_back_each_curve(strengths):
    found = [(point[0], mu) for point, mu in strengths if point[4] == "edge"]
    assert len({name for name, _ in found}) == 14
    for name, mu in found:
        assert mu == pytest.approx(1.0, rel=1e-9), name


def test_reference_tool(strengths):
    """And a displaced projection keeps the upper edge of the dark photon; gaps."""
    for point, mu in strengths:
        if point[4] is None:
            assert np.isnan(mu), point
        elif point[4] != "edge":
            assert (mu > 1) == point[4], point


# Lower edges of the same results as digitised for FORESEE (github.com/KlingFelix/FORESEE, 2d6431f6)
TWINS = [
    ("FASER_Petersen2023hgm", 0.08, [(0.0109360, 8.1732e-6), (0.0135020, 7.2629e-6)]),
    (
        "FASER_Petersen2023hgm",
        0.28,
        [(0.0209112, 5.9654e-6), (0.0393542, 4.2902e-6), (0.0592767, 4.2692e-6)],
    ),
    (
        "NA62_Dobrich2023dkm",
        0.04,
        [
            (0.2201928, 5.0598e-7),
            (0.2981479, 4.0418e-7),
            (0.3596427, 4.1215e-7),
            (0.4502037, 4.3278e-7),
            (0.5215904, 5.1095e-7),
        ],
    ),
]


@pytest.mark.parametrize(("name", "apart", "points"), TWINS)
def test_another_digitisation_agrees_at_the_lower_edge(name, apart, points):
    limit = load(name)
    mass, edge = np.array(points).T
    ours = np.exp(np.interp(np.log(mass), np.log(limit.mass), np.log(limit.value)))
    assert np.all(np.abs(ours / edge - 1) < apart)


def test_a_newer_analysis_of_na64():
    # g of B - L over e against eps of 2019: 1.21 from 3/5 to neutrinos and statistics; the newer
    # analysis gains up to 30 % above 100 MeV. And the curve returns itself for B - L.
    limit, older = load("NA64_NA642022yly"), load("NA64_NA642019imj")
    m_X = np.array([0.002, 0.005, 0.01, 0.03, 0.1, 0.2])
    low, high = excluded_couplings(limit, "B-L", m_X)
    curves = [
        np.exp(np.interp(np.log(m_X), np.log(x.mass), np.log(x.value))) for x in (limit, older)
    ]
    np.testing.assert_allclose(low, curves[0], rtol=1e-12)
    assert np.isinf(high).all()
    ratio = low / E_CHARGE.value / curves[1]
    np.testing.assert_allclose(ratio, [1.25, 1.11, 1.04, 1.03, 0.93, 0.85], atol=0.006)
    # an X without neutrinos is not seen, for a dark photon as for any other
    assert np.isnan(excluded_couplings(limit, "dark-photon", m_X)[0]).all()


def own_limit(**changes):
    """A prompt limit for a model that is no benchmark."""
    model = Model(
        "B - 2 L_e - L_mu", Q="1/3", U="1/3", D="1/3", **dict.fromkeys("LEN", (-2, -1, 0))
    )
    given = {"quantity": "g_X", "reference_model": model} | changes
    return dataclasses.replace(
        load("BaBar_Lees2014xha"),
        name="own",
        mass=np.array([0.1, 0.3, 1.0]),
        value=np.array([1e-3, 2e-3, 1e-3]),
        env_min=None,
        env_max=None,
        **given,
    )


def test_any_reference_model(tmp_path):
    limit = own_limit()
    path = write_limit(limit, tmp_path)
    again = load(path)
    assert again.reference_model == limit.reference_model
    assert again.reference_name == "B - 2 L_e - L_mu"
    low, _ = excluded_couplings(again, limit.reference_model, limit.mass)
    np.testing.assert_allclose(low, limit.value, rtol=1e-12)
    # the same numbers from a benchmark's name and from a model file beside the limit
    charges = [line for line in path.read_text().splitlines() if line.startswith("reference_model")]
    table = limit.reference_model.to_table()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text(
        "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    )
    text = path.read_text().replace(charges[0], 'reference_model = "models/mine.toml"')
    (tmp_path / "file.toml").write_text(text.replace('"own"', '"file"'))
    assert load(tmp_path / "file.toml").reference_model == limit.reference_model
    named, m_X = own_limit(reference_model="B-2Le-Lmu"), np.array([0.1, 0.3, 1.0])
    for known, ours in zip(
        excluded_couplings(named, "Lmu-Le", m_X),
        excluded_couplings(again, "Lmu-Le", m_X),
        strict=True,
    ):
        np.testing.assert_allclose(known, ours, rtol=1e-12)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ('"B-LL"', "did you mean 'B-L'"),
        ('"absent.toml"', "absent.toml"),
        ('{ name = "x", L = [0, 1] }', "L"),
        ('{ name = "x", colour = 1 }', "unknown key"),
        ('{ name = "x", eps = 1e-3 }', "no fixed eps"),
        ('"dark-photon"', "is eps for the reference model dark-photon"),
    ],
)
def test_faults_of_reference_models(tmp_path, reference, message):
    path = write_limit(own_limit(reference_model="B-L"), tmp_path)
    path.write_text(
        path.read_text().replace('reference_model = "B-L"', f"reference_model = {reference}")
    )
    with pytest.raises(LimitError, match=message):
        load(path)


def test_what_is_missing_and_its_templates(tmp_path, capsys):
    found = {limit.name: limit for limit in missing()}
    assert {"NA64mu_2024", "BelleII_2022_mumuinv", "NA64_2023", "ATLAS_2019_4mu"} <= set(found)
    assert not set(found) & set(list_limits())
    for limit in found.values():
        assert limit.fetch
        if not limit.template:
            assert "no place in the format" in limit.fetch
            continue
        path = tmp_path / f"{limit.name}.toml"
        path.write_text(limit.template)
        with pytest.raises(LimitError, match="at least two rows"):
            load(path)
        filled = limit.template.replace("\n]\n", "\n    [0.1, 1e-3],\n    [0.2, 2e-3],\n]\n")
        path.write_text(filled)
        assert load(path).mass.tolist() == [0.1, 0.2]
        assert limit.arxiv in bibtex(load(path).references)
    assert main(["limits", "list", "--missing"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in found)
    assert main(["limits", "list", "--missing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "NA64mu_2024"
    assert main(["limits", "list", "--json"]) == 0
    cms = {row["limit"]: row for row in json.loads(capsys.readouterr().out)}["CMS_CMS2019kiy"]
    assert (cms["pieces"], cms["reference"]) == (2, "dark-photon")


def test_the_documented_tables_are_those_of_the_command():
    text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
    shipped = [load(name) for name in list_limits() if not name.startswith("user/")]
    for command, table in (
        ("limits list", limit_table(shipped, markdown=True)),
        ("limits list --missing", missing_table(missing(), markdown=True)),
    ):
        assert f"<!-- zscan {command} -->\n{table}\n<!-- end -->" in text
