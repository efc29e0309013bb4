"""The plan of the package keeps itself: wings import downwards only, in the order that
CONTRIBUTING.md draws.
"""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import zscan

PACKAGE = Path(zscan.__file__).parent
ROOT = PACKAGE.parent
MAX_NODES, MAX_LEVELS = 22, 12
# What must work without jax, matplotlib or the command line
WITHOUT = {
    "results": ("jax", "zscan.scans"),
    "charges": ("jax",),
    "kernels": ("h5py", "matplotlib", "xarray"),
}


def wings():
    """Nodes of the plan from top to bottom, a row of names for each line of the block "layout" in
    CONTRIBUTING.md.
    """
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"^<!-- layout -->\n```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)[1]
    return [re.findall(r"[\w.]+?(?=/|\.py)", line.split("  ")[0]) for line in block.splitlines()]


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def node_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Names that a module imports, those in functions and under TYPE_CHECKING too; no relative
    imports.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def edges():
    """Wing or loose module -> those that it imports. `zscan` itself loads its names on first use:
    it is no node.
    """
    nodes = {node_of(path) for path in modules()}
    graph = {node: set() for node in nodes}
    for path in modules():
        if path == PACKAGE / "__init__.py":
            continue
        for name in imports(path):
            parts = name.split(".")
            if (
                parts[0] == "zscan"
                and len(parts) > 1
                and parts[1] in nodes
                and parts[1] != node_of(path)
            ):
                graph[node_of(path)].add(parts[1])
    return graph


def test_every_wing_stands_in_the_plan_and_imports_only_what_stands_below():
    rows = wings()
    order = {name: number for number, row in enumerate(rows) for name in row}
    graph = edges()
    assert set(order) == set(graph)
    for node, targets in graph.items():
        upward = {target for target in targets if order[target] <= order[node]}
        assert not upward, (
            f"{node} imports {upward}, which does not stand below it in CONTRIBUTING.md"
        )


def test_the_graph_is_small_and_has_no_circle():
    graph = edges()
    level = {}
    for node in TopologicalSorter(graph).static_order():  # raises for a circle
        level[node] = 1 + max((level[target] for target in graph[node]), default=0)
    print(f"\n{len(graph)} nodes, {max(level.values())} levels")  # pytest -n0 -s shows it
    for node in sorted(level, key=level.get, reverse=True):
        print(f"  {level[node]:2} {node:12} {' '.join(sorted(graph[node]))}")
    assert len(graph) <= MAX_NODES
    assert max(level.values()) <= MAX_LEVELS


def test_what_must_do_without_heavy_packages_does():
    for part, forbidden in WITHOUT.items():
        for path in (PACKAGE / part).rglob("*.py"):
            bad = [
                name
                for name in imports(path)
                if any(f"{name}.".startswith(f"{item}.") for item in forbidden)
            ]
            assert not bad, f"{path.relative_to(PACKAGE)} imports {bad}"
    code = (
        "import sys, zscan, zscan.results.load, zscan.results.figures, "
        "zscan.charges.catalogue, zscan.charges.su5\n"
        "assert 'jax' not in sys.modules\n"
        "import jax; zscan.kernels.g2; assert not jax.config.jax_enable_x64"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
