"""Run the lessons with given parameters and make one handout of them; `make report` calls this.

    python -m scripts.report [names …] [--parameters epsilon=8/255 steps=5 … | term.yml]

It writes the executed lessons and handout.html, which needs no network, to build/report/. papermill does the work; it
only warns about a parameter that a lesson does not know, so that is refused here, before anything runs.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import papermill
import yaml
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from scripts import notebooks, pages

BUILD = notebooks.ROOT / "build" / "report"
SECONDS = 900  # for one cell
COLOURED = re.compile(r"\x1b\[[0-9;]*m")  # an error's words as a terminal wants them
FRACTION = re.compile(r"[+-]?\d+/0*[1-9]\d*")
POWER = re.compile(r"[+-]?\d+(\.\d*)?e[+-]?\d+", re.IGNORECASE)  # 1e-3, which YAML takes for a word


@dataclass(frozen=True)
class Failure:
    """Where a lesson stopped, and what it said."""

    lesson: str
    cell: int | None  # as in In [7]; None if the lesson stopped outside a cell
    line: str  # the first one of the cell
    problem: str

    def __str__(self) -> str:
        where = f" in cell [{self.cell}], which begins “{self.line}”" if self.cell else ""
        return f"{self.lesson} stopped{where}: {self.problem}"


# ---- parameters --------------------------------------------------------------------------------------------------
def value(words: str) -> Any:
    """A value as YAML reads it, and fractions (8/255) and powers (1e-3) as numbers."""
    if FRACTION.fullmatch(words):
        return float(Fraction(words))
    return float(words) if POWER.fullmatch(words) else yaml.safe_load(words)


def parameters(given: list[str]) -> dict[str, Any]:
    """Read "name=value" and files of YAML that hold such pairs; what comes later wins.

    Raises:
        SystemExit: neither of them, or no such file; the sentence says what is allowed.
    """
    read: dict[str, Any] = {}
    for one in given:
        name, equals, words = one.partition("=")
        try:
            found = {name: value(words)} if equals else yaml.safe_load(Path(one).read_text(encoding="utf-8"))
        except OSError:
            raise SystemExit(f"{one!r} is neither name=value nor a file that can be read.") from None
        except yaml.YAMLError as problem:
            raise SystemExit(f"{one!r} is no YAML: {' '.join(str(problem).split())}") from None
        if not isinstance(found, Mapping) or not all(isinstance(key, str) and key.isidentifier() for key in found):
            raise SystemExit(f"{one!r} has to hold names and values, such as epsilon=8/255 (in a file, epsilon: 0.03).")
        read |= {key: value(item) if isinstance(item, str) else item for key, item in found.items()}
    return read


def known(path: Path) -> list[str]:
    """The parameters of a lesson: what its tagged cell assigns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's: a lesson without such a cell has no parameters
        return list(papermill.inspect_notebook(path))


def refuse_unknown(lessons: list[Path], given: Mapping[str, Any]) -> dict[Path, dict[str, Any]]:
    """Which lesson gets which of the parameters.

    Raises:
        SystemExit: one that no lesson knows; the sentence names those that are known.
    """
    names = {path: known(path) for path in lessons}
    every = sorted({name for some in names.values() for name in some})
    for name in given:
        if name not in every:
            near = difflib.get_close_matches(name, every, n=1)
            advice = f" Did you mean {near[0]}?" if near else ""
            told = "; ".join(f"{path.stem} knows {', '.join(some) or 'none'}" for path, some in names.items())
            raise SystemExit(f"None of the chosen lessons knows the parameter {name}: {told}.{advice}")
    return {path: {name: given[name] for name in some if name in given} for path, some in names.items()}


# ---- running -----------------------------------------------------------------------------------------------------
def run(path: Path, values: Mapping[str, Any], folder: Path) -> Failure | None:
    """Execute one lesson with a progress bar and store it, also when it stops half-way.

    Args:
        path: the stored lesson; its kernel starts in the folder of this file.
        values: its parameters.
        folder: where the executed lesson goes.

    Returns:
        None, or where it stopped.
    """
    stored, failure = folder / path.name, None
    stored.unlink(missing_ok=True)
    bar = {"desc": f"{path.stem:18}", "leave": True}
    options = {"kernel_name": "python3", "cwd": str(path.parent), "execution_timeout": SECONDS}
    options["extra_arguments"] = notebooks.QUIET
    try:
        papermill.execute_notebook(path, stored, dict(values), progress_bar=bar, **options)
    except PapermillExecutionError as stop:
        line = (stop.source.strip().splitlines() or [""])[0]
        problem = " ".join(COLOURED.sub("", f"{stop.ename}: {stop.evalue}").split())
        failure = Failure(path.stem, stop.exec_count, line, problem)
    except Exception as stop:  # a dead kernel, an endless cell: the next lesson has its turn all the same
        failure = Failure(path.stem, None, "", " ".join(COLOURED.sub("", f"{type(stop).__name__}: {stop}").split()))
    if stored.exists():
        stored.write_text(notebooks.text(tidy(notebooks.read(stored))), encoding="utf-8")
    return failure


def run_all(lessons: list[Path], given: Mapping[str, Any], folder: Path) -> dict[str, Failure]:
    """Execute lessons, each with those of the parameters that it knows, into a folder; lesson → where it stopped."""
    wanted = refuse_unknown(lessons, given)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as nothing_solved:
        os.environ["COURSE_PROGRESS"] = nothing_solved  # whoever runs them: what is made is the lesson's, not theirs
        found = [run(path, values, folder) for path, values in wanted.items()]
    return {failure.lesson: failure for failure in found if failure}


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Without papermill's own words about an error, and without what only a kernel can show."""
    own = "papermill-error-cell-tag"
    notebook.cells = [cell for cell in notebook.cells if own not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]  # progress bars
    return notebooks.normalised(notebook)


# ---- the handout -------------------------------------------------------------------------------------------------
def handout(lessons: list[Path], failures: Mapping[str, Failure], given: Mapping[str, Any]) -> str:
    """One HTML page of executed lessons, with a table of contents; nothing of it is fetched from anywhere."""
    parts, contents = [], []
    for path in lessons:
        html, headings = pages.cells(_without_notes(notebooks.read(path)), path.stem)
        parts.append({"name": path.stem, "body": "".join(html), "failure": failures.get(path.stem)})
        contents += [heading for heading in headings if heading.level <= 2]
    values = ", ".join(f"{name} = {item}" for name, item in given.items() if name != "style")  # it changes no number
    return pages.page("handout.html.j2", lessons=parts, contents=contents, values=values)


def _without_notes(notebook: NotebookNode) -> NotebookNode:
    notebook.cells = [
        cell for cell in notebook.cells if cell.metadata.get("slideshow", {}).get("slide_type") != "notes"
    ]
    return notebook


def report(lessons: list[Path], given: Mapping[str, Any], folder: Path) -> list[Failure]:
    """Run the lessons and write them and their handout; gives what failed."""
    failures = run_all(lessons, given, folder)
    executed = [folder / path.name for path in lessons if (folder / path.name).exists()]
    (folder / "handout.html").write_text(handout(executed, failures, given), encoding="utf-8")
    return list(failures.values())


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="lessons, such as 8 or 08_adversarial; without any, all of them")
    parser.add_argument("--parameters", nargs="+", default=[], help="name=value, or a file of YAML")
    parser.add_argument("--folder", type=Path, default=BUILD, help="where the executed lessons and the handout go")
    arguments = parser.parse_args()
    lessons, given = notebooks.find(arguments.names), parameters(arguments.parameters)
    failures = report(lessons, given, arguments.folder)
    print(f"{len(lessons) - len(failures)} of {len(lessons)} lessons ran to their end; see {arguments.folder}.")
    if failures:
        raise SystemExit("\n".join(map(str, failures)))


if __name__ == "__main__":
    main()
