"""Make a deck of each lesson, everything inside one file; `make slides` calls this.

    python -m scripts.slides [names …] [--size 30] [--style stage]

The stored lessons' slide tags say what is a slide, what comes at the next key, what is left out and what only the
lecturer sees. templates/deck.js lays the cells out on pages of 1280×720 in the browser, where sizes are known, and
reveal.js turns them. Decks go to build/slides/ and need no network. With a style the lessons are run anew, and their
figures drawn in it.
"""

from __future__ import annotations

import argparse
import ast
import html
import re
from pathlib import Path

from nbformat import NotebookNode

from scripts import app, notebooks, pages, report

BUILD = notebooks.ROOT / "build" / "slides"
SIZE = 30  # pixels of 720: 1/24 of the screen's height
STYLED = {"stage": 34}  # with this style of figures, this size, unless another one is asked for
SIZES = (20, 44)
REVEAL = "sphinx_revealjs"  # the package that carries reveal.js
BREAKS = ("slide", "subslide")


def deck(notebook: NotebookNode, name: str, size: int = SIZE) -> str:
    """A lesson as one HTML page that presents itself.

    Args:
        notebook: with its outputs.
        name: of the lesson, as in "08_adversarial".
        size: of the type, in pixels of a screen 720 pixels high.

    Raises:
        ValueError: no cell is to be shown, a size that nobody can read or that fills the screen, or a formula that
            cannot be read.
    """
    low, high = SIZES
    if not low <= size <= high:
        raise ValueError(f"the size of the type must lie between {low} and {high} pixels of 720; got {size}.")
    shown = notebooks.normalised(notebook)
    shown.cells = [cell for cell in shown.cells if _tag(cell) != "skip"]
    if all(_tag(cell) == "notes" for cell in shown.cells):
        raise ValueError(f"{name} has no cell to show: tag one of them “slide”.")
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.source = without_claims(cell.source)
        lab = app.builds_lab(cell.source) if cell.cell_type == "code" else None
        cell.metadata["tags"] = [lab] if lab else []  # the only tag that deck.js meets
    rendered, headings = pages.cells(shown, name)
    return pages.page(
        "deck.html.j2",
        title=re.sub(r"<[^>]+>", "", headings[0].words) if headings else html.escape(name),
        topics=topics([_tag(cell) for cell in shown.cells], rendered),
        live=f"live: make app LESSON={name[:2].lstrip('0')}",
        size=size,
        reset=_reveal("reset.css"),
        layout=_reveal("reveal.css"),
        reveal=_reveal("reveal.js"),
        notes=_reveal("notes.js"),
    )


def without_claims(source: str) -> str:
    """Code as the back row wants it: without the lines that only prove, to us, what the text says."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a line of IPython's own: nothing is left out
        return source
    proofs = [statement for statement in statements if _is_claim(statement)]
    left_out = {line for proof in proofs for line in range(proof.lineno, proof.end_lineno + 1)}
    lines = source.splitlines()
    return "\n".join(line for number, line in enumerate(lines, start=1) if number not in left_out).strip()


def _is_claim(statement: ast.stmt) -> bool:
    """Whether a statement is `claim(…)`, `claim.always(…)` or `claim.timed(…)`."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    called = statement.value.func
    return getattr(called.value if isinstance(called, ast.Attribute) else called, "id", "") == "claim"


def topics(tags: list[str], rendered: list[str]) -> list[str]:
    """Cells, gathered into what is turned to from left to right: each begins with a slide or a subslide."""
    gathered: list[str] = []
    for tag, cell in zip(tags, rendered, strict=True):
        if tag in BREAKS or not gathered:
            gathered.append("")
        gathered[-1] += cell
    return gathered


def _tag(cell: NotebookNode) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def _reveal(name: str) -> str:
    """A file of reveal.js; a script must not end the page's own script element by speaking of one."""
    text = pages.carried(REVEAL, name).read_text(encoding="utf-8")
    return re.sub(r"</(script)", r"<\\/\1", text, flags=re.IGNORECASE)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="lessons, such as 8 or 08_adversarial; without any, all of them")
    parser.add_argument("--size", type=int, help=f"of the type, in pixels of a screen 720 high; {SIZE} without it")
    parser.add_argument("--style", help="of the figures, such as stage: the lessons are run anew with it")
    parser.add_argument("--folder", type=Path, default=BUILD, help="where the decks go")
    arguments = parser.parse_args()
    lessons, style, failures = notebooks.find(arguments.names), app.known_style(arguments.style), {}
    size = arguments.size or STYLED.get(style, SIZE)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if style:
        failures = report.run_all(lessons, {"style": style}, arguments.folder)
        lessons = [arguments.folder / path.name for path in lessons if path.stem not in failures]
    for path in lessons:
        try:
            made = deck(notebooks.read(path), path.stem, size)
        except ValueError as problem:
            raise SystemExit(f"{path.stem}: {problem}") from None
        target = arguments.folder / f"{path.stem}.html"
        target.write_text(made, encoding="utf-8")
        print(f"{target}: {len(made.encode()) / 1e6:.1f} MB", flush=True)
    if failures:
        raise SystemExit("\n".join(map(str, failures.values())))


if __name__ == "__main__":
    main()
