"""Whatever a lesson calls of the package shows an example in its docstring; `make test` runs them as doctests."""

import ast
import inspect

import pytest

from scripts import notebooks

LESSON = "course_utils.lesson"  # the kinds of parameters are shown together, in the head of the module


def called(path) -> dict[str, object]:
    """The package's functions and classes that a lesson's cells call, by their full names."""
    cells = [cell.source for cell in notebooks.code_cells(notebooks.read(path)) if "%pip" not in cell.source]
    trees, space, found = [ast.parse(source) for source in cells], {}, {}
    for tree in trees:
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "lesson", "exec"), space)
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)):
        try:
            one = inspect.unwrap(eval(ast.unparse(node.func), dict(space)))
        except Exception:  # called on something that only a run makes
            continue
        theirs = str(getattr(one, "__module__", "")).startswith("course_utils.") and one.__module__ != LESSON
        if theirs and (inspect.isfunction(one) or inspect.isclass(one)):
            found[f"{one.__module__}.{one.__qualname__}"] = one
    return found


@pytest.mark.parametrize("path", notebooks.find([]), ids=lambda path: path.stem)
def test_whatever_a_lesson_calls_shows_an_example(path):
    found = called(path)
    assert len(found) > 10
    without = [name for name, one in found.items() if ">>>" not in (one.__doc__ or "")]
    assert not without, f"no example in {', '.join(sorted(without))}"
