"""Serve a lesson's lab full-screen, with no code to be seen; `make app LESSON=8` calls this.

    python -m scripts.app 8 [--lab LossSurfaceLab] [--style stage] [--port 8866] [--only-write]

Voilà shows a small notebook that is written here, to build/app/: the lesson's set-up cell, its parameters, what it
imports before the lab, then the lab's cell, in a style of figures if one is given. The stored lesson stays as it is.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils import figures
from scripts import notebooks

BUILD = notebooks.ROOT / "build" / "app"
TEMPLATES = Path(__file__).with_name("templates")  # voila/templates/course is the page
WIDGETS = ("@jupyter-widgets/jupyterlab-manager", *(f"@voila-dashboards/widgets-manager{k}" for k in (7, 8)))
SETUP = "OMP_WAIT_POLICY"  # the cell that sets this comes first, as a whole


def builds_lab(source: str) -> str | None:
    """The name of the lab that a cell shows, that is, builds in its last line; None if it shows none."""
    try:
        statements = ast.parse(_plain(source)).body
    except SyntaxError:
        return None
    if not statements or not isinstance(statements[-1], ast.Expr):
        return None
    for node in ast.walk(statements[-1]):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Lab"):
                return name
    return None


def labs(notebook: NotebookNode) -> dict[str, int]:
    """The labs of a lesson in their order: name → index of its first cell."""
    found: dict[str, int] = {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and (name := builds_lab(cell.source)):
            found.setdefault(name, index)
    return found


def _plain(source: str) -> str:
    """Python without IPython's own lines."""
    lines = [line if not line.lstrip().startswith(("%", "!")) else "pass" for line in source.splitlines()]
    return "\n".join(lines)


def imports(source: str) -> list[str]:
    """What a cell imports, a line each."""
    statements = ast.parse(_plain(source)).body
    return [ast.unparse(one) for one in statements if isinstance(one, (ast.Import, ast.ImportFrom))]


# ---- the notebook ------------------------------------------------------------------------------------------------
def notebook(lesson: NotebookNode, lab: str | None = None, style: str | None = None) -> NotebookNode:
    """A notebook that holds one lab of a lesson and nothing else.

    Args:
        lesson: the stored lesson.
        lab: the name of its class; the lesson's first one if not given.
        style: of the figures, see `figures.use`; as in a notebook if not given.

    Raises:
        ValueError: the lesson has no lab, or none of that name; the sentence names those that it has.

    A lab's cell may use the lesson's parameters and imports, and what it makes itself; a test holds the lessons to it.
    """
    found = labs(lesson)
    if not found or (lab and lab not in found):
        has = f"this lesson has {', '.join(found)}" if found else "this lesson has none"
        raise ValueError(f"there is no lab {lab or 'to show'}; {has}.")
    index = found[lab] if lab else next(iter(found.values()))
    before = [cell for cell in lesson.cells[:index] if cell.cell_type == "code"]
    setup = [cell.source for cell in before if SETUP in cell.source][:1]
    chosen = [cell.source for cell in before if "parameters" in cell.metadata.get("tags", [])]
    styled = [f"from course_utils import figures\n\nfigures.use({style!r})"] if style else []
    imported = "\n".join(line for cell in before if cell.source not in setup for line in imports(cell.source))
    sources = filter(None, (*setup, *styled, *chosen, imported, lesson.cells[index].source))
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells, metadata=nbformat.from_dict(notebooks.METADATA))


def known_style(name: str | None) -> str | None:
    """The style of figures that a command line names, None if it names none.

    Raises:
        SystemExit: there is no such style; the sentence names those that there are.
    """
    if name is None or name in figures.STYLES:
        return name
    raise SystemExit(f"There is no style {name}; there are {', '.join(figures.STYLES)}.")


def command(path: Path, port: int) -> list[str]:
    """What serves a notebook to this machine and to no other one: Voilà, with our page and nothing but the widgets."""
    return [
        *(sys.executable, "-m", "voila", str(path), f"--port={port}", "--Voila.ip=127.0.0.1", "--template=course"),
        *("--strip_sources=True", "--show_tracebacks=True"),
        *(f"--VoilaConfiguration.extension_allowlist={name}" for name in WIDGETS),
    ]


def environment() -> dict[str, str]:
    """This process's, in which Voilà finds our page."""
    return os.environ | {
        "JUPYTER_PATH": os.pathsep.join(filter(None, [str(TEMPLATES), os.environ.get("JUPYTER_PATH")]))
    }


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("lesson", nargs="?", help="its number, or the beginning of its name")
    parser.add_argument("--lab", help="which of its labs; without it, the first one")
    parser.add_argument("--style", help="of its pictures, such as stage: larger words, thicker lines")
    parser.add_argument("--port", type=int, default=8866)
    parser.add_argument("--only-write", action="store_true", help="write the notebook, serve nothing")
    arguments, options = parser.parse_known_args()
    if not arguments.lesson:
        raise SystemExit("Say which lesson, for example make app LESSON=8.")
    path = notebooks.find([arguments.lesson])[0]
    lesson, style = notebooks.read(path), known_style(arguments.style)
    try:
        made = notebook(lesson, arguments.lab, style)
    except ValueError as problem:
        raise SystemExit(f"{path.stem}: {problem}") from None
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / path.name
    nbformat.write(made, target)
    print(f"{path.stem} has {', '.join(labs(lesson))}; LAB=… chooses another than the first one.", flush=True)
    if not arguments.only_write:
        os.execve(sys.executable, [*command(target, arguments.port), *options], environment())


if __name__ == "__main__":
    main()
