"""Say where the course lives, in every place that has to know it; `make publish REPOSITORY=owner/name` calls this.

    python -m scripts.publish owner/name     stamp the address into pyproject.toml, the README and all lessons
    python -m scripts.publish --nowhere      take it out again

The address is kept in pyproject.toml (`[project.urls]`); badges and set-up cells repeat it, and a test keeps all equal.
An unpublished lesson installs the wheel that lies beside it, or the checkout around it.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from nbformat.v4 import new_markdown_cell

from scripts import notebooks

BRANCH = "main"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
URL = re.compile(r'\n\[project\.urls\]\nRepository = "https://github\.com/([^"]+)"\n')
BADGES = re.compile(r"<!-- badges -->\n(.*?)<!-- /badges -->\n", re.DOTALL)
SETUP = """import importlib.util
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the processor to the browser
if importlib.util.find_spec("course_utils") is None:  # not installed yet
    beside = [name for name in os.listdir() if name.startswith("course_utils-")]  # a wheel
    %pip install --quiet {{os.environ.get("COURSE_SOURCE") or (beside or ["{address}"])[0]}}"""


def setup_cell(repository: str | None) -> str:
    """The set-up cell, the same in all lessons: what is installed stays, else a wheel beside the lesson, else this."""
    return SETUP.format(address=f"git+https://github.com/{repository}" if repository else "..")


def badges(repository: str | None, lesson: str = "") -> str:
    """A line with the two badges, of a lesson (`08_adversarial.ipynb`) or of the whole course; "" if unpublished."""
    if repository is None:
        return ""
    opens = f"/blob/{BRANCH}/notebooks/{lesson}" if lesson else f"/tree/{BRANCH}/notebooks"
    colab = f"https://colab.research.google.com/github/{repository}{opens}"
    binder = f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?urlpath=lab/tree/notebooks/{lesson}"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def published(root: Path = notebooks.ROOT) -> str | None:
    """The repository, `owner/name`, as pyproject.toml says it; None if it says none."""
    found = URL.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    return found[1] if found else None


def publish(repository: str | None, root: Path = notebooks.ROOT) -> None:
    """Write the address into all places; None takes it out of them.

    Raises:
        ValueError: it is not of the form owner/name.
    """
    if repository is not None and not NAME.fullmatch(repository):
        raise ValueError(f"REPOSITORY is the owner and the name on GitHub, such as ada/cnn-course; got {repository!r}.")
    pyproject, readme = root / "pyproject.toml", root / "README.md"
    plain = URL.sub("", pyproject.read_text(encoding="utf-8"))
    url = f'\n[project.urls]\nRepository = "https://github.com/{repository}"\n' if repository else ""
    before, mark, after = plain.partition("\n[project.optional-dependencies]")
    pyproject.write_text(before + url + mark + after, encoding="utf-8")
    line = f"{badges(repository)}\n" if repository else ""
    told = BADGES.sub(lambda _: f"<!-- badges -->\n{line}<!-- /badges -->\n", readme.read_text(encoding="utf-8"))
    readme.write_text(told, encoding="utf-8")
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        _stamp(path, repository)


def _stamp(path: Path, repository: str | None) -> None:
    """Set-up cell and badges of one lesson; its outputs stay, as none of them depends on either."""
    notebook = notebooks.read(path)
    notebook.cells = [cell for cell in notebook.cells if "badges" not in cell.metadata.get("tags", [])]
    for cell in notebooks.code_cells(notebook)[:1]:
        cell.source = setup_cell(repository)
    if line := badges(repository, path.name):
        tags = {"slideshow": {"slide_type": "skip"}, "tags": ["badges"]}
        notebook.cells.insert(1, new_markdown_cell(line, metadata=tags))
    path.write_text(notebooks.text(notebooks.normalised(notebook)), encoding="utf-8")


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("repository", nargs="?", help="owner/name on GitHub")
    parser.add_argument("--nowhere", action="store_true", help="take the address out")
    arguments = parser.parse_args()
    if (arguments.repository is None) != arguments.nowhere:
        sys.exit("say which repository: make publish REPOSITORY=owner/name")
    try:
        publish(arguments.repository)
    except ValueError as problem:
        sys.exit(str(problem))
    print(f"published as {arguments.repository}: commit what changed" if arguments.repository else "not published")


if __name__ == "__main__":
    main()
