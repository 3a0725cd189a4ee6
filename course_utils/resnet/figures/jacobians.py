"""Jacobians as pictures of matrices, and a table of what becomes of a gradient.

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
    left, top, tall = 250, 112, 104
    wide = (WIDTH - left - 16) / len(columns)
    canvas = Image.new("RGB", (WIDTH, top + tall * len(rows) + 12), PAPER)
    draw = pen(canvas)
    text(draw, (16, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 32)
    for k, head in enumerate(columns):
        text(draw, (left + (k + 0.5) * wide, top - 28), head, size=20, width=wide - 12)
    for row, (head, shares) in enumerate(rows.items()):
        y = top + row * tall
        text(draw, (16, y + tall / 2), head, size=22, bold=True, anchor="lm", width=left - 24)
        for k, share in enumerate(shares):
            x, word = left + k * wide, fate(share)
            draw.rectangle((x + 4, y + 4, x + wide - 4, y + tall - 4), fill=_FATES[word])
            text(draw, (x + wide / 2, y + tall / 2 - 20), word, size=28, bold=True, colour=PAPER)
            text(draw, (x + wide / 2, y + tall / 2 + 22), f"× {times(share)}", size=24, colour=PAPER)
    return np.asarray(canvas)
