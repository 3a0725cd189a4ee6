"""Drawings of lesson 5: residual blocks as boxes and arrows, Jacobians as pictures of matrices.

Serves notebook 05 and its labs. Nothing here computes. Paper: He et al. 2016, figure 2, for the way to draw a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import WIDTH, font, panels, text
from course_utils.figures.colours import BLUE, INK, PALE, PAPER, SKY, VERMILLION, blended
from course_utils.figures.style import extra, pen

ROW = 232  # pixels of height that one block takes


@dataclass(frozen=True)
class Drawn:
    """What a drawing of a block says."""

    title: str
    inputs: str  # under x, such as "8 × 32 × 32"
    outputs: str  # under f(x)
    boxes: tuple[tuple[str, ...], ...]  # along g, each with its lines; a convolution has three, its name first
    skip: str | None  # what stands on the skip: "x", "1×1 convolution, stride 2"; None draws none
    last: str = "ReLU"  # behind the sum; empty draws none


def blocks(drawn: Sequence[Drawn]) -> np.ndarray:
    """Blocks one below the other: along the line what is learnt, above it the skip, and where the two are added.

    Args:
        drawn: one entry a block; at least one.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    canvas = Image.new("RGB", (WIDTH, ROW * len(drawn)), PAPER)
    draw = pen(canvas)
    for row, block in enumerate(drawn):
        _block(draw, block, ROW * row)
    return np.asarray(canvas)


def _block(draw: ImageDraw.ImageDraw, block: Drawn, top: int) -> None:
    """One block: x, its boxes, the sum, f(x), and the skip in an arc above."""
    y, high = top + 150, top + 70
    text(draw, (16, top + 24), block.title, size=24, bold=True, anchor="lm", width=WIDTH - 32)
    wide = [150 if len(lines) == 3 else 76 for lines in block.boxes]
    start, end = 96, WIDTH - 104
    plus = end - (118 if block.last else 40)
    free = plus - 24 - start - sum(wide)
    gap = free / (len(wide) + 1)
    fork, x = start + gap / 2, start + gap
    _arrow(draw, (start - 18, y), (end + 4, y))
    text(draw, (start - 50, y), "x", size=28, bold=True)
    text(draw, (16, y + 64), block.inputs, size=18, colour=PALE, anchor="lm")
    for lines, wideness in zip(block.boxes, wide, strict=True):
        tall, colour = (44, SKY) if len(lines) == 3 else (14 * len(lines) + 8, "#E8E8E8")
        draw.rounded_rectangle((x, y - tall, x + wideness, y + tall), 8, fill=colour, outline=INK, width=2)
        for k, line in enumerate(lines):
            at = y + (k - (len(lines) - 1) / 2) * 26
            text(draw, (x + wideness / 2, at), line, size=18, bold=k == 0 and len(lines) == 3, width=wideness - 8)
        x += wideness + gap
    text(draw, ((start + plus) / 2, y + 64), "g(x)", size=22, bold=True, colour=BLUE)
    if block.skip is not None:
        draw.line([(fork, y), (fork, high), (plus, high), (plus, y - 20)], fill=VERMILLION, width=4, joint="curve")
        _head(draw, (plus, y - 18), (0, 1), VERMILLION)
        _label(draw, ((fork + plus) / 2, high), block.skip)
        draw.ellipse((plus - 19, y - 19, plus + 19, y + 19), fill=PAPER, outline=VERMILLION, width=4)
        text(draw, (plus, y - 1), "+", size=30, bold=True, colour=VERMILLION)
    if block.last:
        draw.rounded_rectangle((end - 84, y - 24, end - 14, y + 24), 8, fill="#E8E8E8", outline=INK, width=2)
        text(draw, (end - 49, y), block.last, size=18)
    text(draw, (end + 50, y), "f(x)", size=28, bold=True)
    text(draw, (WIDTH - 16, y + 64), block.outputs, size=18, colour=PALE, anchor="rm")


def _arrow(draw: ImageDraw.ImageDraw, start, end) -> None:
    draw.line([start, end], fill=INK, width=3)
    _head(draw, end, (1, 0), INK)


def _head(draw: ImageDraw.ImageDraw, tip, way: tuple[int, int], colour: str) -> None:
    """An arrow's head at a point, along one of the axes."""
    (x, y), (dx, dy) = tip, way
    sides = [(x - 13 * dx - 7 * dy, y - 13 * dy - 7 * dx), (x - 13 * dx + 7 * dy, y - 13 * dy + 7 * dx)]
    draw.polygon([tip, *sides], fill=colour)


def _label(draw: ImageDraw.ImageDraw, at, words: str) -> None:
    """Words on a line, with paper behind them."""
    (x, y), half = at, draw.textlength(words, font=font(20 + extra(20), True)) / 2
    draw.rectangle((x - half - 12, y - 14, x + half + 12, y + 14), fill=PAPER)
    text(draw, at, words, size=20, bold=True, colour=VERMILLION)


def matrices(
    values: Sequence[np.ndarray],
    titles: Sequence[str],
    *,
    signs: str = "",
) -> np.ndarray:
    """Matrices as pictures on one scale: white is 0, orange is positive, blue is negative.

    Args:
        values: float [rows, columns] each.
        titles, signs: as in `panels`.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    largest = max(float(np.abs(matrix).max()) for matrix in values) or 1.0
    return panels(
        [diverging(np.asarray(matrix) / largest) for matrix in values],
        titles,
        signs=signs,
        side=380,
    )


def diverging(values: np.ndarray) -> np.ndarray:
    """Numbers as colours: -1 is blue, 0 white, 1 vermillion; small ones are lifted so that they are seen.

    Args:
        values: float [rows, columns], -1 to 1.

    Returns:
        uint8 [rows, columns, 3].
    """
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
        title: the figure's one message.

    Returns:
        uint8 [height, WIDTH, 3].
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


_FATES = {"dies": BLUE, "arrives": "#00734F", "explodes": "#B34700"}  # darker than the palette's: white words on them


def times(factor: float) -> str:
    """A factor as a reader says it, to one digit: 0.5, 200, 2·10⁻²⁴; never 0 for what is only small."""
    lead, power = f"{factor:.0e}".split("e")
    if factor == 0 or -3 < int(power) < 5:
        return f"{float(f'{factor:.0e}'):,.10g}"
    lead = "" if lead == "1" else f"{lead}·"
    return f"{lead}10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
