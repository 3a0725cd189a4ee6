"""The house stands on its rules: what the contracts in pyproject.toml (lint-imports) cannot say of the imports."""

import re
import subprocess
import sys

import grimp
import pytest

from scripts import notebooks

WINGS = ("history", "pooling", "conv1x1", "inception", "resnet", "visualization", "gradcam", "adversarial")
DRAWING = {"figures", "labs", "checks"}  # a wing's rooms that are no methods


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("course_utils", include_external_packages=True, cache_dir=None)


def rooms(graph: grimp.ImportGraph, wing: str) -> set[str]:
    return {name.rsplit(".", 1)[1] for name in graph.find_children(f"course_utils.{wing}")}


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_has_its_own_figures_labs_and_checks_and_methods_beside_them(graph, wing):
    assert rooms(graph, wing) > DRAWING
    assert (notebooks.ROOT / "tests" / wing).is_dir()


@pytest.mark.parametrize("wing", WINGS)
def test_a_method_never_draws(graph, wing):
    for room in rooms(graph, wing) - DRAWING:
        imported = graph.find_modules_directly_imported_by(f"course_utils.{wing}.{room}")
        drawn = {name for name in imported if (DRAWING | {"matplotlib", "ipywidgets"}) & set(name.split("."))}
        assert not drawn, f"{wing}.{room} is a method and imports {drawn}"


def test_the_readme_s_map_names_every_room(graph):
    readme = (notebooks.ROOT / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\w+", readme.split("```\ncourse_utils/")[1].split("notebooks/")[0]))
    assert {name.rsplit(".", 1)[1] for name in graph.find_children("course_utils")} <= told


def test_nothing_is_imported_by_a_string():
    for path in sorted((notebooks.ROOT / "course_utils").rglob("*.py")):
        assert not re.search(r"import_module|__import__", path.read_text(encoding="utf-8")), path


def test_the_ground_comes_without_widgets():
    """Whoever only trains or attacks needs no Jupyter."""
    ground = "runtime, images, arguments, networks, zoo, training, costs, signs, layers, figures"
    wings = ", ".join(WINGS)
    program = f"import sys; from course_utils import {ground}, {wings}; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=notebooks.ROOT).returncode == 0
