"""Drawings of what networks cost: the funnel of channels, a bottleneck beside the direct way, work under a roofline.

Serves notebooks 3 and 4 and the lab of notebook 3. Nothing here computes: it shows what it is given.
Papers: Williams et al. 2009 for the way a roofline is drawn.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw

from course_utils.conv1x1.figures.channels import MARKS
from course_utils.figures.base import MARGIN, WIDTH, font, text
from course_utils.figures.charts import dress
from course_utils.figures.colours import BLACK, BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, SKY, mixed
from course_utils.figures.style import extra, finish, pen, sheet

KINDS = {"convolution": BLUE, "pooling": SKY, "inception": GREEN, "linear": ORANGE}


# ---- the funnel --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Block:
    """What comes out of one layer: its kind (see `KINDS`), height, width, number of channels.

    >>> Block("1×1", 28, 28, 64).channels
    64
    """

    kind: str
    height: int
    width: int
    channels: int


def funnel(blocks: Sequence[Block], *, title: str) -> np.ndarray:
    """Every layer's output as a solid: as high and deep as its maps are, as long as it has channels.

    >>> funnel([Block("convolution", 112, 112, 64), Block("inception", 28, 28, 256)], title="Down and up").shape
    (560, 1120, 3)
    """
    up = 250 / max(block.height for block in blocks)  # pixels of the figure for one of the highest maps
    depth = [0.32 * up * block.width for block in blocks]
    free = WIDTH - 2 * MARGIN - 12.0 * len(blocks) - 0.8 * sum(depth) - 40
    along = free / sum(block.channels for block in blocks)
    canvas = Image.new("RGB", (2 * WIDTH, 2 * 560), PAPER)  # twice as large, and reduced: slanting edges become smooth
    draw, fronts, x = pen(canvas), [], MARGIN + 30.0
    for block, behind in zip(blocks, depth, strict=True):
        tall, long = max(4.0, up * block.height), max(3.0, along * block.channels)
        _solid(draw, x, 300 - tall / 2 + behind / 3, long, tall, behind, KINDS[block.kind])
        fronts.append((x, x + long))
        x += long + 12.0 + 0.8 * behind
    canvas = canvas.reduce(2)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    _funnel_words(draw, blocks, fronts)
    return np.asarray(canvas)


def _solid(draw, x: float, top: float, long: float, tall: float, behind: float, colour: str) -> None:
    """A box seen from the front left, drawn twice as large."""
    corners = np.array([(x, top), (x + long, top), (x + long, top + tall), (x, top + tall)])
    far = corners + np.array((behind * 0.8, -behind * 0.6))
    roof, side = [*corners[:2], far[1], far[0]], [*corners[1:3], far[2], far[1]]
    for face, shade in ((roof, mixed(0.45, colour, PAPER)), (side, mixed(0.18, colour, BLACK)), (corners, colour)):
        draw.polygon([tuple(2 * corner) for corner in face], fill=shade, outline=PAPER)


def _funnel_words(draw, blocks: Sequence[Block], fronts: Sequence[tuple[float, float]]) -> None:
    """Numbers of channels above, sizes below, and what the colours mean."""

    def say(x: float, y: float, words: str, size: int) -> None:  # on stage with a little more room: they stand close
        text(draw, (x, y), words, size=size, bold=True, width=draw.textlength(words, font=font(size, True)) + extra(10))

    text(draw, (WIDTH - MARGIN, 66), "number of channels", size=18, colour=PALE, anchor="rm")
    place = -100.0
    for block, (left, right) in zip(blocks, fronts, strict=True):
        place = max((left + right) / 2, place + 44)
        say(place, 92, str(block.channels), 17)
    for height, group in groupby(zip(blocks, fronts, strict=True), key=lambda pair: pair[0].height):
        (first, (left, right)), *others = group
        right = max(others[-1][1][1] if others else right, left + 30)
        draw.line((left, 470, right, 470), fill=PALE, width=3)
        say((left + right) / 2, 490, f"{height}×{first.width}", 19)
    text(draw, (WIDTH - MARGIN, 446), "height × width", size=18, colour=PALE, anchor="rm")
    for k, kind in enumerate(dict.fromkeys(block.kind for block in blocks)):
        x = MARGIN + 10 + 190 * k
        draw.rectangle((x, 528, x + 22, 544), fill=KINDS[kind])
        text(draw, (x + 32, 536), kind, size=18, anchor="lm", width=145)


# ---- a bottleneck ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Bar:
    """A bar of one or two parts, with the words behind it; a part that is None is not known yet."""

    parts: tuple[float | None, ...]
    words: str


def bottleneck(plans: tuple[Sequence[str], Sequence[str]], groups: Mapping[str, tuple[Bar, Bar]]) -> np.ndarray:
    """The direct convolution above, the bottleneck below: as a plan, and in bars of several quantities.

    Args:
        plans: the stations of the two ways: "192 channels", "5×5", "32 channels" …
        groups: quantity → (bar of the direct way, bar of the bottleneck); each quantity has its own scale.
    """
    canvas = Image.new("RGB", (WIDTH, 176 + 106 * len(groups)), PAPER)
    draw, ways = pen(canvas), ("direct", "bottleneck")
    for row, (way, plan) in enumerate(zip(ways, plans, strict=True)):
        text(draw, (MARGIN, 44 + 68 * row), way, size=22, bold=True, anchor="lm")
        _plan(draw, 200, 44 + 68 * row, plan)
    for k, (quantity, bars) in enumerate(groups.items()):
        top = 176 + k * 106
        draw.line((MARGIN, top - 8, WIDTH - MARGIN, top - 8), fill=GRID, width=2)
        largest = max(sum(part or 0 for part in bar.parts) for bar in bars) or 1
        for n, (way, bar, colours) in enumerate(zip(ways, bars, ((BLUE,), (ORANGE, BLUE)), strict=True)):
            y, x = top + 14 + 34 * (n + 0.9), 200.0
            text(draw, (190, y), way, size=18, colour=PALE, anchor="rm")
            for part, colour in zip(bar.parts, colours, strict=True):
                long = (part or 0) / largest * (WIDTH - 200 - 330)
                draw.rectangle((x, y - 12, x + max(long, 1), y + 12), fill=colour)
                x += long
            text(draw, (x + 12, y), bar.words, size=20, anchor="lm", width=WIDTH - x - 12 - MARGIN)
        text(draw, (MARGIN, top + 14), quantity, size=22, bold=True, anchor="lm")
    return np.asarray(canvas)


def _plan(draw: ImageDraw.ImageDraw, x: float, y: float, stations: Sequence[str]) -> None:
    """Channels in plain words, convolutions in boxes, arrows between."""
    step = (WIDTH - x - MARGIN) / 5
    half = step / 2 - 22, 66  # of the words for channels, of a box with its margin
    for k, station in enumerate(stations):
        middle = x + (k + 0.5) * step
        if k % 2:  # a convolution
            colour, ink = (ORANGE, INK) if station == "1×1" else (BLUE, PAPER)
            draw.rounded_rectangle((middle - 62, y - 22, middle + 62, y + 22), 8, fill=colour)
            text(draw, (middle, y), station, size=22, bold=True, colour=ink, width=116)
        else:
            text(draw, (middle, y), station, size=18, width=step - 44)
        if k:
            left, right = middle - step + half[(k - 1) % 2], middle - half[k % 2]
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

    >>> roofline([Point("5×5", 65, 3e10), Point("1×1", 4, 1e10)], 4e10, 1e10, title="What waits for memory?").shape
    (560, 1120, 3)
    """
    from matplotlib.ticker import LogLocator, NullLocator  # here, because it is slow to import

    figure, canvas = sheet(WIDTH, 560, layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    ridge = arithmetic / memory
    places = [point.intensity for point in points] + [ridge / 8, ridge * 8]
    roof = np.array([min(places) / 1.5, ridge, max(places) * 1.5])
    axes.plot(roof, np.minimum(roof * memory, arithmetic) / 1e9, color=INK, linewidth=4)
    slope = (roof[0] * ridge) ** 0.5  # half-way up
    for words, x, side in (("memory ", slope, "right"), (" arithmetic", ridge, "left")):
        axes.text(x, 1.06 * min(x * memory, arithmetic) / 1e9, words, fontsize=15, fontweight="bold", ha=side)
    for point, (colour, shape) in zip(points, MARKS, strict=False):
        axes.plot(point.intensity, point.macs_per_second / 1e9, shape, color=colour, markersize=14, label=point.name)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    dress(axes, title, "multiply-adds for each byte that must move", "billion multiply-adds a second")
    slowest = min(arithmetic / 20, *(point.macs_per_second for point in points))
    axes.set(xlim=roof[[0, 2]], ylim=(slowest / 1.5e9, 1.7 * arithmetic / 1e9))
    axes.legend(fontsize=15, frameon=False, labelspacing=1, loc="upper left", bbox_to_anchor=(1, 1))
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return finish(canvas)
