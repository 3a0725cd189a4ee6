"""Lesson 1's drawings of features, made by hand and learnt: key points, cells of gradients, filters, learning curves.

Serves notebook 1 and its labs. Nothing here computes: it shows what it is given.
Papers: Lowe 2004 (how key points are drawn), Dalal and Triggs 2005 (how cells are drawn).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, fitted, panels, text
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, VERMILLION, YELLOW, mixed
from course_utils.figures.style import extra, pen

FINE = 2  # lines are drawn so many times larger, then scaled down
FAINTEST = 0.08  # gradients weaker than this share of the strongest are not drawn
CIRCLE = 2.0  # radius of a key point's circle in its σ: half the width of one of its 4×4 cells is 1.5 σ


# ---- features made by hand -------------------------------------------------------------------------------------
def key_points(
    pixels: np.ndarray,
    positions: np.ndarray,
    scales: np.ndarray,
    orientations: np.ndarray,
    *,
    side: int = 480,
) -> np.ndarray:
    """A picture with SIFT's key points: a circle as wide as the point's scale, and a hand in its direction.

    Args:
        pixels: uint8 [H, W, 3].
        positions: [K, 2], x and y in pixels of the picture.
        scales: [K], in pixels of the picture.
        orientations: [K], in radians; 0 is right, π/2 is down.
        side: the largest edge of the figure, in pixels.

    Returns:
        uint8, as large as the enlarged picture.
    """
    shown = fitted(pixels, side)
    zoom = FINE * shown.width / pixels.shape[1]
    canvas = shown.resize((shown.width * FINE, shown.height * FINE), Image.Resampling.NEAREST)
    draw = pen(canvas)
    for (x, y), scale, angle in zip(positions.tolist(), scales.tolist(), orientations.tolist(), strict=True):
        cx, cy, r = (x + 0.5) * zoom, (y + 0.5) * zoom, max(CIRCLE * scale * zoom, 5)
        hand = [(cx, cy), (cx + r * math.cos(angle), cy + r * math.sin(angle))]
        for colour, thick in ((INK, 8), (YELLOW, 4)):  # yellow with a dark rim is seen on everything
            grown = r + thick / 2
            draw.ellipse((cx - grown, cy - grown, cx + grown, cy + grown), outline=colour, width=thick)
            draw.line(hand, fill=colour, width=thick)
    return np.asarray(canvas.reduce(FINE))


def gradient_cells(cells: np.ndarray, *, side: int = 480) -> np.ndarray:
    """HOG's cells: in each, a line along every edge direction, the brighter the more gradient was counted there.

    Args:
        cells: [rows, columns, orientations], not negative.
        side: the largest edge of the figure, in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    rows, columns, orientations = cells.shape
    edge = side // max(rows, columns)
    canvas = Image.new("RGB", (columns * edge * FINE, rows * edge * FINE), INK)
    draw = pen(canvas)
    for k in range(1, max(rows, columns)):  # the borders of the cells
        draw.line((0, k * edge * FINE, canvas.width, k * edge * FINE), fill="#3A3A3A", width=FINE)
        draw.line((k * edge * FINE, 0, k * edge * FINE, canvas.height), fill="#3A3A3A", width=FINE)
    strength = cells / max(float(cells.max(initial=0.0)), 1e-12)
    half = 0.46 * edge * FINE
    for row, column, which in np.argwhere(strength > FAINTEST)[np.argsort(strength[strength > FAINTEST])].tolist():
        angle = (which + 0.5) * math.pi / orientations + math.pi / 2  # an edge runs across its gradient
        cx, cy = (column + 0.5) * edge * FINE, (row + 0.5) * edge * FINE
        dx, dy = half * math.cos(angle), half * math.sin(angle)
        light = round(40 + 215 * math.sqrt(strength[row, column, which]))
        draw.line((cx - dx, cy - dy, cx + dx, cy + dy), fill=(light, light, light), width=max(FINE, edge // 8))
    return np.asarray(canvas.reduce(FINE))


# ---- features learnt -------------------------------------------------------------------------------------------
def filter_pixels(filters: np.ndarray) -> np.ndarray:
    """Filters as little pictures: grey is 0, the strongest weight of each filter is full colour.

    Args:
        filters: float [F, 3, k, k].

    Returns:
        uint8 [F, k, k, 3].
    """
    strongest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    shown = 0.5 + 0.5 * filters / np.maximum(strongest, 1e-12)
    return np.round(255 * shown).astype(np.uint8).transpose(0, 2, 3, 1)


def tiles(pictures: np.ndarray, *, chosen: int, title: str) -> np.ndarray:
    """Little pictures in rows of sixteen, numbered from 0; one of them is framed.

    Args:
        pictures: uint8 [F, h, w, 3], such as `filter_pixels` gives.
        chosen: the one to frame.
        title: above them.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    columns, top = 16, 48
    step = (WIDTH - 2 * MARGIN) // columns
    edge, rows = step - 12, -(-len(pictures) // columns)
    canvas = Image.new("RGB", (WIDTH, top + rows * (step + 16)), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 24), title, size=22, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, pixels in enumerate(pictures):
        picture = Image.fromarray(pixels).resize((edge, edge), Image.Resampling.NEAREST)
        left = MARGIN + (k % columns) * step + 6
        upper = top + (k // columns) * (step + 16)
        canvas.paste(picture, (left, upper))
        if k == chosen:
            draw.rectangle((left - 5, upper - 5, left + edge + 4, upper + edge + 4), outline=VERMILLION, width=5)
        colour, bold = (VERMILLION, True) if k == chosen else (PALE, False)
        text(draw, (left + edge // 2, upper + edge + 13), str(k), size=16, bold=bold, colour=colour)
    return np.asarray(canvas)


def features(
    pixels: np.ndarray,
    points: tuple[np.ndarray, np.ndarray, np.ndarray],
    cells: np.ndarray,
    answer: np.ndarray,
    strip: np.ndarray,
    *,
    chosen: int,
    captions: Sequence[str],
    title: str,
) -> np.ndarray:
    """The lab's picture: key points, cells and one filter's answer side by side; all filters below.

    Args:
        pixels: the picture, uint8 [H, W, 3].
        points: positions, scales and orientations, as `key_points` takes them.
        cells: [rows, columns, orientations].
        answer: what the chosen filter answers, uint8 [h, w, 3].
        strip: a little picture a filter, uint8 [F, h, w, 3].
        chosen: the filter's number.
        captions: three, one under each picture.
        title: of the strip.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    side = 320  # a whole multiple of 64 and of the 32 that the layer answers
    three = [key_points(pixels, *points, side=side), gradient_cells(cells, side=side), answer]
    titles = ["SIFT: key points", "HOG: cells of gradients", f"CNN: the answer of filter {chosen}"]
    above = panels(three, titles, captions, side=side)
    return np.concatenate([above, tiles(strip, chosen=chosen, title=title)])


# ---- learning curves -------------------------------------------------------------------------------------------
LINES = ((BLUE, ()), (PURPLE, (14, 7)), (GREEN, (3, 6)), (VERMILLION, ()), (ORANGE, (14, 5, 3, 5)))
LEFT, TOP, RIGHT, BOTTOM = 92, 78, 250, 78  # what surrounds the axes
Points = tuple[Sequence[float], Sequence[float]]  # training scenes, accuracies in [0, 1]


def learning_curves(
    curves: Mapping[str, Points],
    *,
    title: str,
    bands: Mapping[str, Points] | None = None,
    live: Mapping[str, Points] | None = None,
    chance: float | None = None,
    x_label: str = "training scenes",
    y_label: str = "test scenes read right (%)",
    height: int = 520,
) -> np.ndarray:
    """Accuracy against the size of the training set on a logarithmic axis, each line named where it ends.

    Args:
        curves: name → (training scenes, accuracies in [0, 1]).
        title: the figure's one message.
        bands: name → (lowest, highest) around the line of that name.
        live: name → (training scenes, accuracies): rings; the lines turn pale beside them.
        chance: what guessing would reach, in [0, 1]; drawn as a dotted line.
        x_label, y_label: with their units.
        height: in pixels.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    sizes = sorted({size for xs, _ in [*curves.values(), *(live or {}).values()] for size in xs})
    first, last = math.log(sizes[0] / 1.25), math.log(sizes[-1] * 1.25)

    def at(size: float, share: float) -> tuple[float, float]:
        across = LEFT + (math.log(size) - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return FINE * across, FINE * (height - BOTTOM - share * (height - BOTTOM - TOP))

    canvas = Image.new("RGB", (WIDTH * FINE, height * FINE), PAPER)
    draw = pen(canvas)
    ends = (math.exp(first), math.exp(last))
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        draw.line([at(ends[0], share), at(ends[1], share)], fill=INK if share == 0 else GRID, width=FINE)
    if chance is not None:
        dashed(draw, [at(ends[0], chance), at(ends[1], chance)], PALE, (4, 8), 2)
    colours = {name: colour for name, (colour, _) in zip(curves, LINES, strict=False)}
    for name, (low, high) in (bands or {}).items():
        around = [at(*point) for point in zip(curves[name][0], low, strict=True)]
        around += [at(*point) for point in zip(curves[name][0], high, strict=True)][::-1]
        draw.polygon(around, fill=mixed(0.12 if live else 0.2, PAPER, colours[name]))
    for (name, (xs, ys)), (_, dashes) in zip(curves.items(), LINES, strict=False):
        colour = mixed(0.4, PAPER, colours[name]) if live else colours[name]
        path = [at(*point) for point in zip(xs, ys, strict=True)]
        dashed(draw, path, colour, dashes, 4)
        dots(draw, path, colour, 5, colour)
    for name, (xs, ys) in (live or {}).items():
        dots(draw, [at(*point) for point in zip(xs, ys, strict=True)], colours[name], 8, PAPER)
    canvas = canvas.reduce(FINE)
    _labels(canvas, curves, colours, sizes, at, (title, x_label, y_label), chance, bool(live))
    return np.asarray(canvas)


def _labels(canvas, curves, colours, sizes, at, words, chance, live) -> None:
    """Title, ticks, the names of the axes and of the lines."""
    draw, (title, x_label, y_label), height = pen(canvas), words, canvas.height
    text(draw, (16, 28), title, size=24, bold=True, anchor="lm", width=WIDTH - 32)
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        text(draw, (LEFT - 10, at(sizes[0], share)[1] / FINE), f"{100 * share:.0f}", size=18, anchor="rm")
    for size in sizes:
        text(draw, (at(size, 0)[0] / FINE, height - BOTTOM + 20), f"{size:,}", size=18)
    text(draw, ((LEFT + WIDTH - RIGHT) / 2, height - 24), x_label, size=20)
    if chance is not None:
        text(draw, (WIDTH - RIGHT + 8, at(sizes[0], chance)[1] / FINE), "guessing", size=18, colour=PALE, anchor="lm")
    if live:
        text(
            draw, (WIDTH - RIGHT - 12, at(sizes[0], 0.13)[1] / FINE), "rings: your run", size=20, bold=True, anchor="rm"
        )
    wanted = [(at(xs[-1], ys[-1])[1] / FINE, name) for name, (xs, ys) in curves.items() if len(xs)]
    for y, name in spread(wanted, 28):
        text(
            draw, (WIDTH - RIGHT + 8, y), name, size=20, bold=True, colour=colours[name], anchor="lm", width=RIGHT - 16
        )
    strip = Image.new("RGB", (height - TOP - BOTTOM, 30 + extra(10)), PAPER)
    text(pen(strip), (strip.width / 2, strip.height // 2), y_label, size=20, width=strip.width)
    canvas.paste(strip.rotate(90, expand=True), (6 - extra(10), TOP))


# ---- small parts -----------------------------------------------------------------------------------------------
def spread(wanted: Sequence[tuple[float, str]], gap: float) -> list[tuple[float, str]]:
    """Heights for words, at least `gap` apart and as near as may be to where they are wanted."""
    placed = sorted(wanted)
    for _ in range(50):  # neighbours push each other apart until all have room
        for k in range(len(placed) - 1):
            (upper, a), (lower, b) = placed[k], placed[k + 1]
            if lower - upper < gap - 1e-6:
                middle = (upper + lower) / 2
                placed[k], placed[k + 1] = (middle - gap / 2, a), (middle + gap / 2, b)
    return placed


def dots(draw: ImageDraw.ImageDraw, path, colour: str, radius: int, fill: str) -> None:
    """A disc, or a ring, at each point."""
    r = radius * FINE
    for x, y in path:
        draw.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=3 * FINE, fill=fill)


def dashed(draw: ImageDraw.ImageDraw, path, colour: str, dashes: tuple[int, ...], width: int) -> None:
    """A line through points; `dashes` are pixels drawn and left out by turns, none of them for a whole line."""
    if not dashes:
        draw.line(path, fill=colour, width=width * FINE, joint="curve")
        return
    turn, left = 0, dashes[0] * FINE
    for (ax, ay), (bx, by) in itertools.pairwise(path):
        whole, done = math.hypot(bx - ax, by - ay), 0.0
        while done < whole:
            part = min(left, whole - done)
            if turn % 2 == 0:
                ends = [(ax + (bx - ax) * s / whole, ay + (by - ay) * s / whole) for s in (done, done + part)]
                draw.line(ends, fill=colour, width=width * FINE)
            done, left = done + part, left - part
            if left <= 1e-9:
                turn = (turn + 1) % len(dashes)
                left = dashes[turn] * FINE
