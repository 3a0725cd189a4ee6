"""Residual blocks as plans: boxes along a line, and the skip that goes round them to a plus.

Serves notebook 05. Nothing here computes; uint8 [height, WIDTH, 3]. Paper: He et al. 2016, figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import WIDTH, font, text
from course_utils.figures.colours import BLUE, INK, PALE, PAPER, SKY, VERMILLION
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
    last: str  # behind the sum; empty draws none


def blocks(drawn: Sequence[Drawn]) -> np.ndarray:
    """Blocks one below the other: along the line what is learnt, above it the skip, and where the two are added."""
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
    gap = (plus - 24 - start - sum(wide)) / (len(wide) + 1)
    fork, x = start + gap / 2, start + gap
    draw.line([(start - 18, y), (end + 4, y)], fill=INK, width=3)
    _head(draw, (end + 4, y), (1, 0), INK)
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
        middle, half = (fork + plus) / 2, draw.textlength(block.skip, font=font(20 + extra(20), True)) / 2 + 12
        draw.rectangle((middle - half, high - 14, middle + half, high + 14), fill=PAPER)  # behind the words
        text(draw, (middle, high), block.skip, size=20, bold=True, colour=VERMILLION)
        draw.ellipse((plus - 19, y - 19, plus + 19, y + 19), fill=PAPER, outline=VERMILLION, width=4)
        text(draw, (plus, y - 1), "+", size=30, bold=True, colour=VERMILLION)
    if block.last:
        draw.rounded_rectangle((end - 84, y - 24, end - 14, y + 24), 8, fill="#E8E8E8", outline=INK, width=2)
        text(draw, (end - 49, y), block.last, size=18)
    text(draw, (end + 50, y), "f(x)", size=28, bold=True)
    text(draw, (WIDTH - 16, y + 64), block.outputs, size=18, colour=PALE, anchor="rm")


def _head(draw: ImageDraw.ImageDraw, tip, way: tuple[int, int], colour: str) -> None:
    """An arrow's head at a point, along one of the axes."""
    (x, y), (dx, dy) = tip, way
    sides = [(x - 13 * dx - 7 * dy, y - 13 * dy - 7 * dx), (x - 13 * dx + 7 * dy, y - 13 * dy + 7 * dx)]
    draw.polygon([tip, *sides], fill=colour)
