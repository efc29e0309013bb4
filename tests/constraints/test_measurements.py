"""Observable sets with single numbers or options changed; limits at other confidence levels."""

import pytest

import zscan
from zscan.constraints import measured_values, measurements
from zscan.constraints.measurements import chi2_quantile
from zscan.errors import ParameterError, UnknownNameError


def test_changes_replace_options_and_numbers_of_a_set():
    changed = measurements(
        "paper; matter.neutron_ratio = 1.137; matter.sun = false; borexino.excluded_above = 2"
    )
    paper = measurements("paper")
    assert changed["matter"].options == paper["matter"].options | {
        "neutron_ratio": 1.137,
        "sun": False,
    }
    assert changed["borexino"].excluded_above == 2.0
    same = set(paper) - {"matter", "borexino"}
    assert all(changed[name] == paper[name] for name in same)
    assert paper["matter"].options["sun"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("papre; matter.sun = false", UnknownNameError, "did you mean 'paper'"),
        ("paper; mater.sun = false", UnknownNameError, "did you mean 'matter'"),
        ("paper; matter.sunn = false", UnknownNameError, "matter.sunn .*did you mean 'sun'"),
        ("paper; matter.sun = 1", ParameterError, "matter.sun = 1 is not of the type of True"),
        ("paper; matter.neutron_ratio = true", ParameterError, "not of the type of 1.051"),
        ("paper; matter = 3", UnknownNameError, "matter"),
        ("paper; matter.sun", ParameterError, "no TOML"),
    ],
)
def test_faults_of_changes_are_named(text, error, message):
    with pytest.raises(error, match=message):
        measurements(text)


def test_the_ratio_of_neutrons_moves_the_bound_on_both_constraints_of_matter():
    # B - 3 L_mu: c = n = 1, so that eps is proportional to 1 + Y_n
    for name in ("nsi", "matter"):
        found = {}
        for ratio in (1.012, 1.137):
            set_name = f"paper; {name}.neutron_ratio = {ratio}"
            if name == "matter":
                set_name += "; matter.sun = false"
            (row,) = zscan.evaluate(
                "B-3Lmu", 1.0, 3e-4, constraints=[name], observables=set_name
            ).rows
            found[ratio] = row.observable
        if name == "nsi":
            assert found[1.137] / found[1.012] == pytest.approx(2.137 / 2.012, rel=1e-9)
        else:
            assert found[1.137] > found[1.012]


def test_limits_at_other_levels():
    values = measured_values("paper")
    assert chi2_quantile(0.9) == pytest.approx(2.7055, abs=1e-4)
    assert values["matter"].exclusion_at(0.9).delta_chi2_excluded == pytest.approx(2.7055, abs=1e-4)
    ccfr = values["trident_ccfr"].exclusion_at(0.9)
    assert ccfr.excluded_above == pytest.approx(0.82 + 1.6449 * 0.28, abs=1e-3)
    na64 = values["searches/NA64_NA642019imj"]  # without background: 90 % at 2.30 events
    assert na64.exclusion_at(0.95).excluded_above == pytest.approx(2.99573 / 2.30259, abs=1e-4)
    babar = values["searches/BaBar_Lees2014xha"].exclusion_at(0.95)
    assert babar.excluded_above == pytest.approx(1.960 / 1.645, abs=1e-3)
    for name in ("matter", "trident_ccfr"):
        assert values[name].exclusion_at(None) == values[name].exclusion
    assert not values["delta_a_mu"].exclusion_at(0.9).excludes
