"""Drawings of what networks cost: the funnel of maps, a bottleneck beside the direct way, work under a roofline.

Serves notebooks 3 and 4 and the lab of notebook 3. Nothing here computes: it shows what it is given.
Papers: Williams et al. 2009 for the way a roofline is drawn.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from course_utils.conv1x1.figures.channels import mark
from course_utils.figures.base import MARGIN, WIDTH, begin, font, text
from course_utils.figures.colours import BLACK, BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, SKY, mixed
from course_utils.figures.style import extra, pen

KINDS = {"convolution": BLUE, "pooling": SKY, "inception": GREEN, "linear": ORANGE}


# ---- the funnel --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Block:
    """The maps behind one layer: its kind (see `KINDS`), their height, their width, their number.

    >>> Block("1×1", 28, 28, 64).channels
    64
    """

    kind: str
    height: int
    width: int
    channels: int


def funnel(blocks: Sequence[Block], *, title: str) -> np.ndarray:
    """Every layer's maps as a solid: as high and deep as the maps are, as long as there are many of them.

    Args:
        blocks: from the first layer to the last.
        title: the figure's one message.

    >>> funnel([Block("convolution", 112, 112, 64), Block("inception", 28, 28, 256)], title="Down and up").shape
    (560, 1120, 3)
    """
    tallest, together = max(block.height for block in blocks), sum(block.channels for block in blocks)
    up, deep = 250 / tallest, 0.32
    gap = 12.0
    depth = [deep * up * block.width for block in blocks]
    free = WIDTH - 2 * MARGIN - gap * len(blocks) - 0.8 * sum(depth) - 40
    along = free / together
    scale, axis = 2, 300
    canvas = Image.new("RGB", (WIDTH * scale, 560 * scale), PAPER)
    draw, labels, x = pen(canvas), [], MARGIN + 30.0
    for block, behind in zip(blocks, depth, strict=True):
        tall, long = max(4.0, up * block.height), max(3.0, along * block.channels)
        top = axis - tall / 2 + behind / 3
        _solid(draw, x, top, long, tall, behind, KINDS[block.kind], scale)
        labels.append((x + long / 2, x, x + long + behind))
        x += long + gap + 0.8 * behind
    canvas = canvas.reduce(scale)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    _funnel_words(draw, blocks, labels)
    return np.asarray(canvas)


def _solid(draw, x: float, top: float, long: float, tall: float, behind: float, colour: str, scale: int) -> None:
    """A box seen from the front left, drawn `scale` times larger."""
    dx, dy = behind * 0.8, -behind * 0.6
    front = [(x, top), (x + long, top), (x + long, top + tall), (x, top + tall)]
    roof = [front[0], front[1], (x + long + dx, top + dy), (x + dx, top + dy)]
    side = [front[1], front[2], (x + long + dx, top + tall + dy), (x + long + dx, top + dy)]
    for face, shade in ((roof, mixed(0.45, colour, PAPER)), (side, mixed(0.18, colour, BLACK)), (front, colour)):
        draw.polygon([(a * scale, b * scale) for a, b in face], fill=shade, outline=PAPER)


def _room(draw, words: str, size: int) -> float:
    """The width of bold words, and on stage a little more: neighbours stand close."""
    return draw.textlength(words, font=font(size, True)) + extra(10)


def _funnel_words(draw, blocks: Sequence[Block], labels: Sequence[tuple]) -> None:
    """Numbers of maps above, their sizes below, and what the colours mean."""
    text(draw, (WIDTH - MARGIN, 66), "number of maps", size=18, colour=PALE, anchor="rm")
    last = -100.0
    for block, (middle, _, _) in zip(blocks, labels, strict=True):
        place = max(middle, last + 44)
        text(draw, (place, 92), str(block.channels), size=17, bold=True, width=_room(draw, str(block.channels), 17))
        last = place
    start = 0
    for k in range(1, len(blocks) + 1):
        if k < len(blocks) and blocks[k].height == blocks[start].height:
            continue
        left, right = labels[start][1], labels[k - 1][1] + (labels[k - 1][0] - labels[k - 1][1]) * 2
        draw.line((left, 470, max(right, left + 30), 470), fill=PALE, width=3)
        name = f"{blocks[start].height}×{blocks[start].width}"
        middle = (left + max(right, left + 30)) / 2
        text(draw, (middle, 490), name, size=19, bold=True, width=_room(draw, name, 19))
        start = k
    text(draw, (WIDTH - MARGIN, 446), "height × width", size=18, colour=PALE, anchor="rm")
    x = MARGIN + 10
    for kind in dict.fromkeys(block.kind for block in blocks):
        draw.rectangle((x, 528, x + 22, 544), fill=KINDS[kind])
        text(draw, (x + 32, 536), kind, size=18, anchor="lm", width=145)
        x += 190


# ---- a bottleneck ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Bar:
    """A bar of one or two parts, with the words behind it; a part that is None is not known yet."""

    parts: tuple[float | None, ...]
    words: str


def bottleneck(plans: tuple[Sequence[str], Sequence[str]], groups: Mapping[str, tuple[Bar, Bar]]) -> np.ndarray:
    """The direct convolution above, the bottleneck below: as a plan, and in bars of several quantities.

    Args:
        plans: the stations of the two ways: "192 maps", "5×5", "32 maps" …
        groups: quantity → (bar of the direct way, bar of the bottleneck); each quantity has its own scale.
    """
    canvas = Image.new("RGB", (WIDTH, 176 + 106 * len(groups)), PAPER)
    draw = pen(canvas)
    for row, (name, plan) in enumerate(zip(("direct", "bottleneck"), plans, strict=True)):
        y = 44 + row * 68
        text(draw, (MARGIN, y), name, size=22, bold=True, anchor="lm")
        _plan(draw, 200, y, plan)
    for k, (quantity, bars) in enumerate(groups.items()):
        top = 176 + k * 106
        draw.line((MARGIN, top - 8, WIDTH - MARGIN, top - 8), fill=GRID, width=2)
        largest = max((sum(part or 0 for part in bar.parts) for bar in bars), default=0) or 1
        for n, (bar, name) in enumerate(zip(bars, ("direct", "bottleneck"), strict=True)):
            y, x = top + 14 + 34 * (n + 0.9), 200.0
            text(draw, (190, y), name, size=18, colour=PALE, anchor="rm")
            for part, colour in zip(bar.parts, (BLUE,) if len(bar.parts) == 1 else (ORANGE, BLUE), strict=True):
                long = (part or 0) / largest * (WIDTH - 200 - 330)
                draw.rectangle((x, y - 12, x + max(long, 1), y + 12), fill=colour)
                x += long
            text(draw, (x + 12, y), bar.words, size=20, anchor="lm", width=WIDTH - x - 12 - MARGIN)
        text(draw, (MARGIN, top + 14), quantity, size=22, bold=True, anchor="lm")
    return np.asarray(canvas)


def _plan(draw: ImageDraw.ImageDraw, x: float, y: float, stations: Sequence[str]) -> None:
    """Maps in plain words, convolutions in boxes, arrows between."""
    step = (WIDTH - x - MARGIN) / 5
    for k, station in enumerate(stations):
        middle = x + (k + 0.5) * step
        if k % 2:  # a convolution
            colour = ORANGE if station.startswith("1×1") else BLUE
            draw.rounded_rectangle((middle - 62, y - 22, middle + 62, y + 22), 8, fill=colour)
            text(draw, (middle, y), station, size=22, bold=True, colour=INK if colour == ORANGE else PAPER, width=116)
        else:
            text(draw, (middle, y), station, size=20, width=step - 44)
        if k:
            left = middle - step + (66 if (k - 1) % 2 else step / 2 - 22)
            right = middle - (66 if k % 2 else step / 2 - 22)
            draw.line((left, y, right, y), fill=PALE, width=3)
            draw.polygon(((right + 2, y), (right - 9, y - 6), (right - 9, y + 6)), fill=PALE)


# ---- a roofline --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Point:
    """What was measured of one piece of work: multiply-adds a byte, multiply-adds a second, and its name.

    >>> Point("3×3", 100.0, 2e10).intensity
    100.0
    """

    name: str
    intensity: float
    macs_per_second: float


def roofline(points: Sequence[Point], arithmetic: float, memory: float, *, title: str) -> np.ndarray:
    """Measured work under the roof of a machine, both axes logarithmic.

    Args:
        points: what was measured; at most six.
        arithmetic: the flat part of the roof, multiply-adds a second.
        memory: the slope, bytes a second.
        title: the figure's one message.

    >>> roofline([Point("5×5", 65, 3e10), Point("1×1", 4, 1e10)], 4e10, 1e10, title="What waits for memory?").shape
    (560, 1120, 3)
    """
    ridge = arithmetic / memory
    xs = [point.intensity for point in points] + [ridge / 8, ridge * 8]
    ys = [point.macs_per_second for point in points] + [arithmetic * 1.6, arithmetic / 20]
    low, high = min(xs) / 1.5, max(xs) * 1.5
    bottom, top = min(ys) / 1.5, max(ys) * 1.1
    height = 560
    left, right, upper, lower = 110, WIDTH - 330, 92, height - 82

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log(x) - math.log(low)) / (math.log(high) - math.log(low))
        along = (math.log(y) - math.log(bottom)) / (math.log(top) - math.log(bottom))
        return left + across * (right - left), lower - along * (lower - upper)

    canvas, draw = begin(height, title)
    for value in _round_numbers(bottom, top):
        draw.line((*at(low, value), *at(high, value)), fill=GRID)
        text(draw, (left - 10, at(low, value)[1]), f"{value / 1e9:g}", size=18, colour=PALE, anchor="rm")
    for value in _round_numbers(low, high):
        draw.line((*at(value, bottom), *at(value, top)), fill=GRID)
        text(draw, (at(value, bottom)[0], lower + 18), f"{value:g}", size=18, colour=PALE)
    start = max(low, bottom / memory)
    draw.line([at(start, start * memory), at(ridge, arithmetic), at(high, arithmetic)], fill=INK, width=5)
    x, y = at(ridge, arithmetic)
    text(draw, (x + 14, y - 18), "arithmetic", size=20, bold=True, anchor="lm")
    middle = math.sqrt(start * ridge)
    text(
        draw,
        (at(middle, middle * memory)[0] - 14, at(middle, middle * memory)[1] - 12),
        "memory",
        size=20,
        bold=True,
        anchor="rm",
    )
    for k, point in enumerate(points):
        mark(draw, *at(point.intensity, point.macs_per_second), k, 11)
        mark(draw, right + 36, upper + 20 + 44 * k, k, 11)
        text(draw, (right + 60, upper + 20 + 44 * k), point.name, size=20, anchor="lm", width=WIDTH - right - 74)
    text(draw, ((left + right) / 2, height - 34), "multiply-adds for each byte that must move", size=20)
    text(draw, (MARGIN, 66), "billion multiply-adds a second", size=18, colour=PALE, anchor="lm")
    return np.asarray(canvas)


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 3, 10, 30 … between two numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [value for power in powers for factor in (1, 3) if low <= (value := factor * 10.0**power) <= high]
