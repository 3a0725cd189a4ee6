"""Jacobians as pictures of matrices, and tables of what becomes of a gradient, and of a training.

Serves notebook 05 and its lab of the gradient. Nothing here computes. Papers: none.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from course_utils.figures.base import WIDTH, panels, text
from course_utils.figures.charts import times
from course_utils.figures.colours import BLUE, PAPER, VERMILLION, blended
from course_utils.figures.style import pen

_FATES = {"dies": BLUE, "arrives": "#00734F", "explodes": "#B34700"}  # darker than the palette's: white words on them


def matrices(values: Sequence[np.ndarray], titles: Sequence[str], *, signs: str = "") -> np.ndarray:
    """Matrices as pictures on one scale: white is 0, orange is positive, blue is negative.

    Args:
        values: float [rows, columns] each.
        titles, signs: as in `panels`.

    >>> matrices([np.eye(4), -np.eye(4)], ["I", "−I"]).shape
    (440, 1120, 3)
    """
    largest = max(float(np.abs(matrix).max()) for matrix in values) or 1.0
    return panels([diverging(np.asarray(matrix) / largest) for matrix in values], titles, signs=signs, side=380)


def diverging(values: np.ndarray) -> np.ndarray:
    """Numbers as colours: -1 is blue, 0 white, 1 vermillion; small ones are lifted so that they are seen."""
    lifted = np.sign(values) * np.clip(np.abs(values), 0, 1) ** 0.6
    return np.round(blended(0.5 + 0.5 * lifted, BLUE, PAPER, VERMILLION)).astype(np.uint8)


def fate(share: float) -> str:
    """What became of a gradient of which this share is left: it dies, arrives or explodes."""
    return "dies" if share < 1e-3 else "explodes" if share > 1e3 else "arrives"


def fates(columns: Sequence[str], rows: Mapping[str, Sequence[float]], *, title: str) -> np.ndarray:
    """A table of what became of a gradient: a word, the factor and a colour in every cell.

    Args:
        columns: their heads.
        rows: head of the row → what is left of the gradient, one share a column.

    >>> fates(["one block", "fifty"], {"plain": [0.5, 1e-15]}, title="Fifty blocks are too many").shape
    (228, 1120, 3)
    """
    told = {
        head: [(fate(share), f"× {times(share)}", _FATES[fate(share)]) for share in shares]
        for head, shares in rows.items()
    }
    return _table(columns, told, title)


def outcomes(
    columns: Sequence[str], rows: Mapping[str, Sequence[Sequence[float | None]]], *, guess: float, title: str
) -> np.ndarray:
    """A table of trainings: a word, the losses at the end of all seeds, and a colour in every cell.

    Args:
        columns: their heads.
        rows: head of the row → the losses of each column; None is a training that broke, an empty list draws nothing.
        guess: the loss of guessing.

    >>> rows = {"slowly": [[0.2, 0.3], []], "fast": [[1.8, 1.8], [None, None]]}
    >>> outcomes(["plain", "residual"], rows, guess=1.79, title="Who learns?").shape
    (332, 1120, 3)
    """
    told = {head: [_outcome(losses, guess) for losses in cells] for head, cells in rows.items()}
    return _table(columns, told, title)


def _outcome(losses: Sequence[float | None], guess: float) -> tuple[str, str, str]:
    """Word, losses and colour of some trainings."""
    if not losses:
        return "", "", PAPER
    if None in losses:
        return "breaks", "the loss is no number", _FATES["explodes"]
    told = "loss " + ", ".join(f"{loss:.2f}" for loss in losses)
    if max(losses) < guess / 2:
        return "learns", told, _FATES["arrives"]
    return ("guesses" if min(losses) > 0.9 * guess else "learns little"), told, _FATES["dies"]


def _table(columns: Sequence[str], rows: Mapping[str, Sequence[tuple[str, str, str]]], title: str) -> np.ndarray:
    """A table: in each cell a word, a line below it, and a colour."""
    left, top, tall = 250, 112, 104
    wide = (WIDTH - left - 16) / len(columns)
    canvas = Image.new("RGB", (WIDTH, top + tall * len(rows) + 12), PAPER)
    draw = pen(canvas)
    text(draw, (16, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 32)
    for k, head in enumerate(columns):
        text(draw, (left + (k + 0.5) * wide, top - 28), head, size=20, width=wide - 12)
    for row, (head, cells) in enumerate(rows.items()):
        y = top + row * tall
        text(draw, (16, y + tall / 2), head, size=22, bold=True, anchor="lm", width=left - 24)
        for k, (word, line, colour) in enumerate(cells):
            x = left + k * wide
            draw.rectangle((x + 4, y + 4, x + wide - 4, y + tall - 4), fill=colour)
            text(draw, (x + wide / 2, y + tall / 2 - 20), word, size=28, bold=True, colour=PAPER)
            text(draw, (x + wide / 2, y + tall / 2 + 22), line, size=24, colour=PAPER, width=wide - 16)
    return np.asarray(canvas)
