"""Functions evaluated without the compiler: values, what cannot be traced, programs kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zscan
from zscan import compilation
from zscan.analysis.evaluation import _at_point
from zscan.interpreter import interpreted, store
from zscan.interpreter.translate import translate


def parabola(parameters):
    return {"y": parameters["a"] * parameters["x"] ** 2, "sign": jnp.sign(parameters["x"])}


ARGUMENTS = {"x": np.array([-1.0, 3.0]), "a": 2.0}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty folder of programs."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    return tmp_path / "steps"


def assert_parabola(found):
    assert {name: value.tolist() for name, value in found.items()} == {
        "y": [2.0, 18.0],
        "sign": [-1.0, 1.0],
    }


def test_a_function_of_arrays_by_name():
    assert_parabola(interpreted(parabola)(ARGUMENTS))


@pytest.mark.parametrize(
    "function",
    [
        lambda p: {"y": jax.scipy.special.erf(p["x"])},  # no counterpart of erf
        lambda p: {"y": p["x"] * (2.0 if p["a"] > 0 else 3.0)},  # asks for the number
        lambda p: {"y": jnp.asarray(np.sin(p["x"]))},  # NumPy itself
    ],
)
def test_what_cannot_be_translated_is_called(function):
    found = interpreted(function)(ARGUMENTS)
    expected = function({name: jnp.asarray(value) for name, value in ARGUMENTS.items()})
    assert found["y"].tolist() == expected["y"].tolist()


def test_faults_of_the_function_come_out():
    def function(parameters):
        raise zscan.errors.ParameterError("no")

    with pytest.raises(zscan.errors.ParameterError, match="no"):
        interpreted(function)(ARGUMENTS)


POINTS = [(0.03, 3e-4, 0.0), (0.25, 1e-3, 1e-4), (2.5, 1e-2, 0.0)]
SOME = ("delta_a_mu", "trident_ccfr", "coherent", "borexino", "kmunux")


def compare(model, constraints):
    """Interpreted and compiled numbers of all constraints at points."""
    likelihood = zscan.log_likelihood(model, constraints)
    function = _at_point(likelihood)
    compiled, carried_out = jax.jit(function), interpreted(function)
    for point in POINTS:
        names = [*likelihood.model.required, "eps"][: 2 + ("eps" in likelihood.model.parameters)]
        parameters = dict(zip(names, point, strict=False))
        found, expected = carried_out(parameters), compiled(parameters)
        assert sorted(found) == sorted(expected)
        for name, value in found.items():
            # what cancels is chi2 of up to 1e3, and amplitudes of one
            np.testing.assert_allclose(
                value, np.asarray(expected[name]), rtol=1e-10, atol=1e-10, err_msg=name
            )


def test_constraints_are_those_of_compiled_programs():
    compare("Lmu-Ltau", SOME)


def test_every_constraint_and_limit_can_be_translated():
    likelihood = zscan.log_likelihood("B-3Lmu", "*")
    program, tree = translate(_at_point(likelihood), {"m_X": np.float64(0.3), "g_X": np.float64(1)})
    assert tree.num_leaves >= 2 * len(likelihood.constraints)
    assert program.steps


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Lmu-Ltau", "B-3Lmu", "dark-photon", "muon-effective"])
def test_all_constraints_are_those_of_compiled_programs(model):
    compare(model, None if model == "muon-effective" else "*")


def test_a_program_is_kept_and_read_again(kept):
    assert_parabola(interpreted(parabola, "parabola")(ARGUMENTS))
    (path,) = kept.iterdir()

    def other(parameters):
        raise AssertionError("traced again")

    assert_parabola(interpreted(other, "parabola")(ARGUMENTS))
    with pytest.raises(AssertionError, match="traced again"):
        interpreted(other, "parabola")(ARGUMENTS | {"a": np.ones((2, 2))})  # other shapes
    with pytest.raises(AssertionError, match="traced again"):
        interpreted(other, "another")(ARGUMENTS)
    assert [*kept.iterdir()] == [path]


def test_inner_programs_constants_and_types_are_kept(kept):
    def function(parameters):
        x = parameters["x"].astype(jnp.float32)
        table = jnp.arange(5.0) / jnp.array([0.0, 0.0, 3.0, 1.0, 1.0])  # with NaN
        total, _ = jax.lax.scan(
            lambda c, row: (c + row * x.sum(), None), x[0], table.astype(x.dtype)
        )
        return {"total": total, "x": x, "table": table}

    first = interpreted(function, "inner")({"x": np.array([1.0, 0.1])})
    second = interpreted(None, "inner")({"x": np.array([1.0, 0.1])})
    for name, value in first.items():
        assert value.dtype == second[name].dtype
        assert value.tobytes() == second[name].tobytes()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"not an archive"])
def test_a_file_that_cannot_be_read_costs_time_only(kept, damage):
    interpreted(parabola, "parabola")(ARGUMENTS)
    (path,) = kept.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage or whole[: len(whole) // 2])
    assert_parabola(interpreted(parabola, "parabola")(ARGUMENTS))
    assert path.read_bytes() == whole


def test_a_program_with_an_unknown_operation_is_not_run(kept):
    interpreted(parabola, "parabola")(ARGUMENTS)
    (path,) = kept.iterdir()
    with np.load(path) as archive:
        arrays = dict(archive)
    text = arrays["text"].tobytes().replace(b'"sign", {}', b'"eval", {}')
    np.savez(path, **arrays | {"text": np.frombuffer(text, np.uint8)})
    assert store.read(path) is None
    assert_parabola(interpreted(parabola, "parabola")(ARGUMENTS))


def test_nothing_is_kept_without_a_folder_or_where_none_can_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    assert compilation.kept_folder() is None
    assert_parabola(interpreted(parabola, "parabola")(ARGUMENTS))
    for folder in ("gs://bucket/folder", tmp_path / "file" / "folder"):
        (tmp_path / "file").touch()
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder))
        assert_parabola(interpreted(parabola, "parabola")(ARGUMENTS))
    assert store.path_of({1.5: object()}) is None


def test_the_oldest_programs_go(kept, monkeypatch):
    monkeypatch.setattr(store, "_MOST", 2)
    for number in range(4):
        interpreted(parabola, number)(ARGUMENTS)
    assert len([*kept.iterdir()]) == 2


def test_a_likelihood_has_a_key_unless_its_code_is_of_others(tmp_path):
    keys = [
        zscan.log_likelihood(*arguments).key()
        for arguments in (
            ("Lmu-Ltau", ["delta_a_mu"]),
            ("Lmu-Ltau", ["delta_a_mu", "borexino"]),
            ("B-3Lmu", ["delta_a_mu"]),
            ("Lmu-Ltau", ["delta_a_mu"], {"delta_a_mu": {"value": 1e-9}}),
        )
    ]
    assert len({repr(key) for key in keys}) == 4

    class Own(zscan.Model):
        pass

    assert zscan.log_likelihood(Own("own"), ["delta_a_mu"]).key() is None
