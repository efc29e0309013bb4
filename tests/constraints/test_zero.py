"""Stored predictions at zero coupling are those that likelihoods compute."""

import math

import jax
import pytest

from zscan.constraints import SEARCHES, constraint_names, measured_values, observable_sets
from zscan.constraints.zero import at_zero
from zscan.likelihood import computed_at_zero, log_likelihood
from zscan.precision import in_float64

MEASURED = [name for name in constraint_names() if name not in SEARCHES]


@pytest.mark.parametrize("name", MEASURED)
def test_every_stored_number_is_what_the_likelihood_gives(name):
    for observables in observable_sets():
        options = measured_values(observables)[name].options
        stored = at_zero(name, options)
        # tests compile quickly rather than well: the last digits differ
        found = computed_at_zero(name, observables)
        assert stored == pytest.approx(found, rel=1e-12, abs=1e-12, nan_ok=True)


def test_other_options_are_computed():
    changed = "paper; matter.neutron_ratio = 1.012"
    assert at_zero("matter", measured_values(changed)["matter"].options) is None
    found = log_likelihood("Lmu-Ltau", ["matter"], changed).chi2_zero["matter"]
    assert found == pytest.approx(computed_at_zero("matter", "paper")[0], rel=1e-9)


@pytest.mark.parametrize("name", ["delta_a_mu", "borexino", "b_to_k_x_belle2", "coherent"])
def test_chi2_of_a_number_is_chi2_of_an_array(name):
    measurement = measured_values("paper")[name]
    for observable in (-1.0, 0.0, measurement.value, 2.5):
        array = in_float64(measurement.chi2)(jax.numpy.float64(observable))
        assert math.isclose(measurement.chi2_of(observable), float(array), rel_tol=1e-15)
