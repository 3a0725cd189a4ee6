"""Lesson 1's drawing of a machine at work: what it reaches on a layer, and what its limits would allow.

Serves notebook 1. Nothing here computes: it shows what it is given. Paper: Williams et al. 2009.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, text
from course_utils.figures.colours import BLUE, GRID, INK, ORANGE, PALE, PAPER
from course_utils.figures.style import pen

LEFT, RIGHT, ROW = 250, 300, 44  # pixels beside the bars, and of a row
COLOURS = {"arithmetic": BLUE, "memory": ORANGE}
Row = tuple[str, float, float, str]  # label, reached, limit, "arithmetic" or "memory"


def throughput(groups: Sequence[tuple[str, Sequence[Row]]], *, title: str) -> np.ndarray:
    """Bars on a logarithmic axis: what was reached; a black mark: the limit.

    Args:
        groups: (heading, rows); a row is (label, reached and limit in GFLOP/s, which limit: "arithmetic" or "memory").
        title: the figure's one message.

    Returns:
        uint8 [height, WIDTH, 3].

    >>> throughput([("convolution", [("1 core", 40.0, 60.0, "arithmetic")])], title="GFLOP/s").shape[1:]
    (1120, 3)
    """
    values = [value for _, rows in groups for _, reached, limit, _ in rows for value in (reached, limit)]
    first = math.floor(math.log10(min(values) / 1.5))
    last = math.ceil(math.log10(max(values) * 1.05))

    def at(value: float) -> float:
        return LEFT + (math.log10(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    height = 64 + sum(46 + ROW * len(rows) for _, rows in groups) + 78
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    draw = pen(canvas)
    text(draw, (16, 28), title, size=24, bold=True, anchor="lm", width=WIDTH - 32)
    powers = range(first, last + 1)
    for power in powers:
        text(draw, (at(10.0**power), height - 56), f"{10.0**power:,.12g}", size=18)
    text(draw, ((LEFT + WIDTH - RIGHT) / 2, height - 24), "10⁹ additions and multiplications a second", size=20)
    y = 64
    for heading, rows in groups:
        limits = " and ".join(sorted({bound for *_, bound in rows}))
        words = f"{heading}; {limits} is the limit"
        text(draw, (MARGIN, y + 26), words, size=20, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
        y += 46
        for power in powers:
            draw.line((at(10.0**power), y, at(10.0**power), y + ROW * len(rows) + 4), fill=GRID, width=2)
        for label, reached, limit, bound in rows:
            _bar(draw, y, label, reached, limit, bound, at)
            y += ROW
    return np.asarray(canvas)


def _bar(draw: ImageDraw.ImageDraw, y: float, label: str, reached: float, limit: float, bound: str, at) -> None:
    """One row: a label, a bar, a mark, and the two numbers in words."""
    middle = y + ROW / 2
    text(draw, (LEFT - 14, middle), label, size=20, anchor="rm", width=LEFT - MARGIN - 14)
    draw.rectangle((LEFT, y + 7, at(reached), y + ROW - 7), fill=COLOURS[bound])
    draw.rectangle((at(limit) - 2, y + 2, at(limit) + 2, y + ROW - 2), fill=INK)
    words = f"{number(reached)}: {100 * reached / limit:.0f} % of the limit"
    text(draw, (WIDTH - RIGHT + 14, middle), words, size=19, colour=PALE, anchor="lm", width=RIGHT - 20)


def number(value: float) -> str:
    """A rate with no more digits than it was measured with: 7.5, 167, 1,310."""
    if value < 10:
        return f"{value:.1f}"
    return f"{float(f'{value:.3g}'):,.0f}"
