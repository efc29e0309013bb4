"""Docstrings of public names: what they say of shapes, units, errors and sources."""

import ast
import inspect
import re
import textwrap

import zscan
from zscan import charges, fit, kernels, limits

ERRORS = re.compile(r"\b[A-Z]\w+Error\b")
SHAPES = re.compile(r"broadcast|shape|array|scalar|element", re.IGNORECASE)
UNITS = re.compile(r"\[(?:1/)?[kM]?(?:G?eV|s|m)\b|GeV|\beV\b|dimensionless|units", re.IGNORECASE)
SOURCE = re.compile(
    r"arXiv:\S*\d{4}\.?\d|hep-(?:ph|ex)/\d|Phys\. (?:Rev|Lett)|PDG|[Dd]erived|exact|Exact|\bEqs?\. "
)


def kernel_modules():
    return [getattr(kernels, name) for name in kernels.__all__]


def members(module):
    """Public functions and classes that a module itself defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(inspect.unwrap(value)) or inspect.isclass(value):
            yield f"{module.__name__}.{name}", value


def public():
    found = {f"zscan.{name}": getattr(zscan, name) for name in zscan.__all__}
    for module in (charges, fit, limits):
        found |= {f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__}
    for module in kernel_modules():
        found |= {module.__name__: module} | dict(members(module))
    return {
        name: value for name, value in found.items() if callable(value) or inspect.ismodule(value)
    }


PUBLIC = public()
FUNCTIONS = {
    name: inspect.unwrap(value)
    for name, value in PUBLIC.items()
    if inspect.isfunction(inspect.unwrap(value))
}


def text(value):
    return inspect.getdoc(value) or ""


def takes_arrays(function):
    kinds = [str(item.annotation) for item in inspect.signature(function).parameters.values()]
    return any(re.search(r"Array(Like)?\b|ndarray|NeutrinoCouplings", kind) for kind in kinds)


def raised(function, seen=()):
    """Errors that stand after `raise` in the body, or in the helpers of the same file it calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    names = [ast.unparse(call.func if isinstance(call, ast.Call) else call) for call in calls]
    found = {name for name in names if ERRORS.fullmatch(name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            helper = inspect.unwrap(function.__globals__.get(node.func.id, len))
            own = getattr(helper, "__module__", "") == function.__module__
            if own and inspect.isfunction(helper) and helper not in seen:
                private = helper.__name__.startswith("_")
                found |= raised(helper, (*seen, helper)) if private else set()
    return found


def methods(value):
    """Public methods and properties of a class of the package, by name."""
    for key, part in vars(value).items() if inspect.isclass(value) else ():
        member = part.fget if isinstance(part, property) else part
        function = inspect.unwrap(getattr(member, "__func__", member))
        if inspect.isfunction(function) and function.__name__ == key and key[0] != "_":
            yield key, function


def test_every_public_name_has_a_docstring():
    faults = []
    for name, value in PUBLIC.items():
        if not getattr(value, "__module__", "zscan").startswith("zscan"):
            continue  # an alias of a type
        own = (vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
        # a dataclass or named tuple without one gets its signature
        if not own or own.startswith(f"{name.rsplit('.', 1)[-1]}("):
            faults.append(name)
        faults += [f"{name}.{key}" for key, member in methods(value) if not text(member)]
    assert not faults


def test_functions_of_arrays_say_shapes_and_units_and_kernels_their_source():
    """In the docstring of the function, or in that of its file where it holds for all."""
    faults = []
    for name, function in FUNCTIONS.items():
        said = text(function) + text(inspect.getmodule(function))
        wanted = {"shapes": SHAPES, "units": UNITS}
        if name.startswith("zscan.kernels."):
            wanted["source"] = SOURCE
        lacks = [what for what, pattern in wanted.items() if not pattern.search(said)]
        if takes_arrays(function) and lacks:
            faults.append(f"{name}: {', '.join(lacks)}")
    assert not faults


def test_errors_are_named():
    """Those of a method in its docstring or in that of its class."""
    said = [(name, function, text(function)) for name, function in FUNCTIONS.items()]
    said += [
        (f"{name}.{key}", function, text(function) + text(value))
        for name, value in PUBLIC.items()
        if getattr(value, "__module__", "").startswith("zscan")
        for key, function in methods(value)
    ]
    faults = {}
    for name, function, words in said:
        words += text(inspect.getmodule(function))
        if missing := sorted(error for error in raised(function) if error not in words):
            faults[name] = missing
    assert not faults
