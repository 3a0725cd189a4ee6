"""Lesson 3's own drawings: a mixture of channels, a matrix of weights, maps before and after, shares side by side.

Serves notebook 3 and its lab. Nothing here computes: it shows what it is given.
Papers: Okabe and Ito (2008) for the colours.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, begin, fitted, text
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, VERMILLION, blended, heat
from course_utils.figures.style import finish, pen, sheet, stronger, used

# One for each way or work that is compared: the colour and the shape say the same.
MARKS = ((BLUE, "o"), (VERMILLION, "D"), (GREEN, "s"), (PURPLE, "^"), (ORANGE, "v"), (INK, "P"))

# From blue over white to vermillion: below 0, 0, above 0.
_RAMP = blended(np.interp(np.arange(256), (0, 128, 255), (0, 0.5, 1)), BLUE, PAPER, VERMILLION).astype(np.uint8)


def diverging(values: np.ndarray) -> np.ndarray:
    """Numbers [H, W] in colours: blue below 0, white at 0, vermillion above; the largest size in full colour."""
    values = np.asarray(values, dtype=np.float32)
    largest = np.abs(values).max() or 1.0
    return _RAMP[np.clip(np.round(128 + 127 * values / largest), 0, 255).astype(np.uint8)]


def two_digits(number: float) -> str:
    """A number as figures and labs of this lesson say it: -0.5 → "−0.50"."""
    return f"{number:.2f}".replace("-", "−")


def _put(canvas: Image.Image, draw: ImageDraw.ImageDraw, pixels, at: tuple[int, int], size: tuple[int, int]) -> None:
    """Put a picture on the canvas, each of its pixels a square, with a thin edge round it."""
    canvas.paste(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST), at)
    draw.rectangle((at[0] - 1, at[1] - 1, at[0] + size[0], at[1] + size[1]), outline=PALE)


# ---- a mixture ---------------------------------------------------------------------------------------------------
def mixture(
    channels: Sequence[np.ndarray],
    names: Sequence[str],
    weights: Sequence[float],
    new: np.ndarray,
    *,
    picture: np.ndarray,
    formula: str,
) -> np.ndarray:
    """Channels with their weights on the left, the channel that they are mixed to on the right.

    Args:
        channels: float [H, W] each, from 0 on; at most seven, with a name and a weight each.
        new: float [H, W], the mixture.
        picture: uint8 [H, W, 3], what the channels come from.
        formula: what the mixture is, in one line.

    >>> red, green, picture = np.eye(4), np.ones((4, 4)), np.zeros((4, 4, 3), np.uint8)
    >>> new, formula = red - green / 2, "red − ½ green"
    >>> mixture([red, green], ["red", "green"], [1, -0.5], new, picture=picture, formula=formula).shape
    (540, 1120, 3)
    """
    beside, tile, step, start = (2, 160, 290, 70) if len(channels) < 4 else (4, 148, 163, MARGIN)  # so many in a row
    canvas = Image.new("RGB", (WIDTH, 540), PAPER)
    draw = pen(canvas)
    together = max(float(channel.max()) for channel in channels) or 1.0  # one grey scale for all
    tiles = [(name, heat(channel / together, "grey")) for name, channel in zip(names, channels, strict=True)]
    for k, (name, pixels) in enumerate([*tiles, ("picture", picture)]):
        left, y = start + k % beside * step, 24 + k // beside * 245
        text(draw, (left + tile / 2, y), name, size=22, bold=True, width=tile)
        _put(canvas, draw, np.asarray(fitted(pixels, tile)), (left, y + 18), (tile, tile))
        if k < len(tiles):
            _weight(draw, left, y + 18 + tile + 24, tile, float(weights[k]))
    side, left = 400, WIDTH - MARGIN - 400
    text(draw, (left - 24, 44 + side / 2), "=", size=44, bold=True, colour=PALE)
    text(draw, (left + side / 2, 22), "new channel", size=24, bold=True)
    _put(canvas, draw, diverging(new), (left, 44), (side, side))
    _legend(canvas, draw, left + 90, 44 + side + 14, side - 180, new)
    text(draw, (WIDTH / 2, 522), formula, size=22, colour=PALE, width=WIDTH - 2 * MARGIN)
    return np.asarray(canvas)


def _weight(draw: ImageDraw.ImageDraw, left: float, y: float, width: float, weight: float) -> None:
    """A bar from the middle, to the right for more, to the left for less, and the number."""
    middle = left + width / 2
    end = middle + max(-1.0, min(1.0, weight / 2)) * width / 2
    draw.line((left, y - 10, left + width, y - 10), fill=GRID, width=2)
    draw.rectangle((min(middle, end), y - 15, max(middle, end), y - 5), fill=VERMILLION if weight > 0 else BLUE)
    draw.line((middle, y - 18, middle, y - 2), fill=INK, width=2)
    text(draw, (middle, y + 13), f"× {two_digits(weight)}", size=22)


def _legend(canvas: Image.Image, draw: ImageDraw.ImageDraw, x: int, y: int, width: int, values: np.ndarray) -> None:
    """The colours of `diverging` in a row, and what they stand for."""
    canvas.paste(Image.fromarray(_RAMP[None]).resize((width, 14)), (x, y))
    draw.rectangle((x - 1, y - 1, x + width, y + 14), outline=PALE)
    largest = float(np.abs(values).max())
    for place, value, anchor in ((x - 8, -largest, "rm"), (x + width + 8, largest, "lm")):
        text(draw, (place, y + 7), two_digits(value), size=18, colour=PALE, anchor=anchor)
    text(draw, (x + width / 2, y + 26), "0", size=18, colour=PALE)


# ---- weights and maps --------------------------------------------------------------------------------------------
def matrix(weights: np.ndarray, *, title: str) -> np.ndarray:
    """A matrix [C', C] as colours: a row for each new channel, a column for each channel that comes in.

    >>> matrix(np.eye(16), title="16 recipes").shape
    (552, 1120, 3)
    """
    rows, columns = weights.shape
    left, top, wide, tall = 120, 52, WIDTH - 120 - MARGIN, rows * max(2, min(26, 420 // rows))
    canvas, draw = begin(top + tall + 84, title)
    _put(canvas, draw, diverging(weights), (left, top), (wide, tall))
    for y, words in ((top + 14, "1"), (top + tall - 12, f"{rows}")):
        text(draw, (left - 12, y), words, size=18, colour=PALE, anchor="rm")
    for n, word in enumerate(("new", "channel")):
        text(draw, (left - 12, top + tall / 2 - 13 + 26 * n), word, size=20, anchor="rm", width=left - 24)
    y = top + tall + 16
    for x, words, anchor in ((left, "1", "lm"), (left + wide, f"{columns}", "rm")):
        text(draw, (x, y), words, size=18, colour=PALE, anchor=anchor)
    text(draw, (left + wide / 2, y), "channel that comes in", size=20)
    _legend(canvas, draw, left + wide // 2 - 150, y + 18, 300, weights)
    return np.asarray(canvas)


def maps(rows: Mapping[str, Sequence[np.ndarray]], *, title: str) -> np.ndarray:
    """Rows of maps [H, W], equally many, each row with its name; one grey scale a column, so that they can be compared.

    >>> maps({"before": [np.eye(8)] * 6, "after": [np.eye(8)] * 6}, title="Six maps, twice").shape
    (358, 1120, 3)
    """
    first = next(iter(rows.values()))
    left, gap = 200, 10
    side = (WIDTH - left - MARGIN - (len(first) - 1) * gap) // len(first)
    canvas, draw = begin(56 + len(rows) * (side + gap), title)
    for r, (name, row) in enumerate(rows.items()):
        y = 52 + r * (side + gap)
        for n, line in enumerate(name.split("\n")):
            text(draw, (MARGIN, y + side / 2 - 12 * name.count("\n") + 26 * n), line, anchor="lm", width=left - 30)
        for k, values in enumerate(row):
            pixels = Image.fromarray(heat(values / (first[k].max() or 1.0), "grey"))
            canvas.paste(pixels.resize((side, side), Image.Resampling.NEAREST), (left + k * (side + gap), y))
    return np.asarray(canvas)


def shares(rows: Mapping[str, Mapping[str, float]], *, title: str, x_label: str) -> np.ndarray:
    """Shares of one kind side by side: a line for each thing, a mark of its own shape for each way.

    Args:
        rows: thing → way → share, 0 to 1; the same ways in every row.
        x_label: what the shares are of.

    >>> shares({"144 → 16": {"PCA": 0.65, "at random": 0.42}}, title="PCA wins", x_label="of the variance").shape
    (204, 1120, 3)
    """
    figure, canvas = sheet(WIDTH, 158 + 46 * len(rows), layout="constrained")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    axes, small = figure.add_subplot(), 15 / used().point  # as large on stage: the marks need the room
    for way, (colour, shape) in zip(next(iter(rows.values())), MARKS, strict=False):
        values = [values[way] for values in rows.values()]
        axes.plot(values, list(rows), shape, color=colour, markersize=13, label=way, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlabel(x_label, fontsize=16)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.tick_params(labelsize=small, length=0)
    axes.grid(color=stronger(GRID))
    axes.spines[:].set_visible(False)
    axes.legend(fontsize=small, frameon=False, ncols=6, handletextpad=0, loc="lower left", bbox_to_anchor=(0, 1))
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return finish(canvas)
