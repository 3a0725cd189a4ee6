"""The two editions: each gap's solution passes its check, an unfilled gap does not, and both come from one source."""

import ast

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.lesson import Claims
from scripts import notebooks, teacher

STUB = '''def double(x):
    """Twice x."""
    y = None
    ...  # your line
    return y


check_double(double)'''
ANSWER = "<details><summary>A hint</summary>\n\n`+`\n\n</details>\n\n<details><summary>The solution</summary>\n\n"
ANSWER += "```python\ndef double(x):\n    return x + x  # or 2 * x\n```\n\n</details>"


def lesson(*cells) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_markdown_cell("## Exercise: twice"), *cells])


def test_the_solution_takes_the_stubs_place_and_the_check_stays():
    notebook = lesson(new_code_cell("x = 2"), new_code_cell(STUB), new_markdown_cell(ANSWER))
    edition = teacher.solved(notebook)
    assert edition.cells[1].source == "x = 2"
    assert edition.cells[2].source == "def double(x):\n    return x + x  # or 2 * x\n\n\ncheck_double(double)"
    assert notebook.cells[2].source == STUB  # the student's is as it was


def test_names_to_be_filled_in_are_filled_in():
    stub = 'which, colour = ..., ...  # such as "stop"\ncheck_which(which, colour)'
    solution = 'print("looked")\nwhich, colour = "yield", "red"\n'
    assert teacher.filled(stub, solution) == f"{solution}check_which(which, colour)"


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([new_code_cell(STUB)], "“twice” has no folded solution"),
        ([new_markdown_cell(ANSWER)], "“twice” has no check"),
        ([new_code_cell(STUB), new_markdown_cell("## Exercise: thrice")], "“twice” has no folded solution"),
    ],
)
def test_an_exercise_that_lacks_something_is_named(cells, complaint):
    with pytest.raises(ValueError, match=complaint):
        teacher.solved(lesson(*cells))


@pytest.mark.parametrize(("said", "green"), [("✓ Right.", True), ("✗ Wrong.", False), ("… Not yet.", False)])
def test_only_a_green_check_is_green(said, green):
    cell = new_code_cell(STUB, outputs=[new_output("execute_result", {"text/plain": said}, execution_count=1)])
    found = teacher.not_green(lesson(cell, new_markdown_cell(ANSWER)))
    assert found == ([] if green else [f"“twice”: {said}"])


LESSONS = [pytest.param(path, id=path.stem) for path in notebooks.find([])]


@pytest.mark.parametrize("path", LESSONS)
def test_the_solution_is_green_and_the_gap_is_not(path):
    notebook = notebooks.read(path)
    found = list(teacher.exercises(notebook))
    assert found, "a lesson has an exercise"
    edition = teacher.solved(notebook)
    for exercise in found:
        assert verdicts(notebook, exercise) == [None] * len(exercise.stubs)
        assert verdicts(edition, exercise) == [True] * len(exercise.stubs)


def verdicts(notebook, exercise) -> list[bool | None]:
    """What the exercise's checks say after imports, definitions and the exercise itself, and nothing else, have run."""
    space: dict = {"claim": Claims(as_written=True)}  # which a lesson makes behind its parameters
    for cell in notebook.cells[: exercise.first]:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            needed = [one for one in ast.parse(cell.source).body if isinstance(one, NEEDED) or is_parameter(cell)]
            exec(compile(ast.Module(needed, []), "lesson", "exec"), space)
    found = []
    for index in range(exercise.first, exercise.stubs[-1] + 1):
        cell = notebook.cells[index]
        if cell.cell_type == "code":
            *body, last = ast.parse(cell.source).body
            exec(compile(ast.Module(body, []), "exercise", "exec"), space)
            value = eval(compile(ast.Expression(last.value), "exercise", "eval"), space)
            found += [value.right] if index in exercise.stubs else []
    return found


NEEDED = (ast.Import, ast.ImportFrom, ast.FunctionDef)


def is_parameter(cell) -> bool:
    return "parameters" in cell.metadata.get("tags", [])
