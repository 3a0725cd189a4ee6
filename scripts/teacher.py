"""Make the teacher's edition of the lessons: every gap filled, every check green; `make teacher` calls this.

    python -m scripts.teacher [names …]             fill, execute, refuse a check that is not green → build/teacher/
    python -m scripts.teacher --no-run [names …]    fill only

There is one source, the stored notebook, which is the student's edition as it stands: a stub, its check, and a folded
solution. Here the solution takes the stub's place. (nbgrader and otter-grader do more, and pin packages that Colab
has in other versions.)
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from scripts import notebooks

BUILD = notebooks.ROOT / "build" / "teacher"
HEADING = re.compile(r"## Exercise: (.+)")
SOLUTION = re.compile(r"<summary>The solution</summary>\s*```python\n(.*?)```", re.DOTALL)
CHECK = "check_"  # so a line begins that calls a check


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook: which cells hold its stubs, and the code that fills them."""

    title: str
    first: int  # the cell with the heading
    stubs: tuple[int, ...]  # cells that call a check
    solution: str


def exercises(notebook: NotebookNode) -> Iterator[Exercise]:
    """All exercises, in order.

    Raises:
        ValueError: an exercise without a check, or without a folded solution.
    """
    title, first, stubs = "", 0, []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (heading := HEADING.match(cell.source)):
            if title:
                raise ValueError(f"the exercise “{title}” has no folded solution.")
            title, first, stubs = heading[1], index, []
        elif title and cell.cell_type == "code" and f"\n{CHECK}" in f"\n{cell.source}":
            stubs.append(index)
        elif title and cell.cell_type == "markdown" and (solution := SOLUTION.search(cell.source)):
            if not stubs:
                raise ValueError(f"the exercise “{title}” has no check.")
            yield Exercise(title, first, tuple(stubs), solution[1])
            title = ""
    if title:
        raise ValueError(f"the exercise “{title}” has no folded solution.")


def filled(stub: str, solution: str) -> str:
    """A stub's cell with the solution in its place, and its check where it was.

    Args:
        stub: defines a function and checks it; or assigns names and checks those.
        solution: defines the same function, perhaps beside others; or assigns the same names.
    """
    functions = {node.name: node for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef)}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            lines = stub.splitlines()
            lines[node.lineno - 1 : node.end_lineno] = _lines(solution, functions[node.name])
            return "\n".join(lines)
    checks = [line for node in ast.parse(stub).body for line in _lines(stub, node) if line.startswith(CHECK)]
    return "\n".join([*(line for line in solution.splitlines() if not line.startswith(CHECK)), *checks])


def _lines(source: str, node: ast.stmt) -> list[str]:
    return source.splitlines()[node.lineno - 1 : node.end_lineno]


def solved(notebook: NotebookNode) -> NotebookNode:
    """The teacher's edition of a notebook, not executed."""
    edition = nbformat.from_dict(notebook)
    for exercise in exercises(notebook):
        for index in exercise.stubs:
            cell = edition.cells[index]
            cell.update(source=filled(cell.source, exercise.solution), outputs=[], execution_count=None)
    return edition


def not_green(executed: NotebookNode) -> list[str]:
    """A sentence for each check of an executed notebook that is not green."""
    found = []
    for exercise in exercises(executed):
        for index in exercise.stubs:
            said = [output.get("data", {}).get("text/plain", "") for output in executed.cells[index].outputs]
            if not any(words.startswith("✓") for words in said):
                found.append(f"“{exercise.title}”: {' '.join(said) or 'the check said nothing'}")
    return found


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names; without any, all notebooks")
    parser.add_argument("--no-run", action="store_true", help="fill the gaps, and execute nothing")
    arguments = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    for path in notebooks.find(arguments.names):
        edition = solved(notebooks.read(path))
        if not arguments.no_run:
            edition = notebooks.execute(edition)
            found += [f"{path.name}, {fault}" for fault in not_green(edition)]
        goal = BUILD / path.name
        goal.write_text(notebooks.text(notebooks.normalised(edition)), encoding="utf-8")
        print(f"{goal.relative_to(notebooks.ROOT)}: {len(list(exercises(edition)))} solved", flush=True)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
