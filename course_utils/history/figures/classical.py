"""Lesson 1's drawings of features, made by hand and learnt: key points, cells of gradients, filters, learning curves.

Serves notebook 1 and its labs. Nothing here computes: it shows what it is given.
Papers: Lowe 2004 (how key points are drawn), Dalal and Triggs 2005 (how cells are drawn).
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from course_utils.figures.base import WIDTH, fitted, panels, tiles
from course_utils.figures.charts import dress
from course_utils.figures.colours import BLUE, GREEN, INK, PALE, PAPER, PURPLE, VERMILLION, YELLOW
from course_utils.figures.style import finish, pen, sheet, stronger

FINE = 2  # lines are drawn so many times larger, then scaled down
FAINTEST = 0.08  # gradients weaker than this share of the strongest are not drawn
CIRCLE = 2.0  # radius of a key point's circle in its σ: half the width of one of its 4×4 cells is 1.5 σ


# ---- features made by hand -------------------------------------------------------------------------------------
def key_points(
    pixels: np.ndarray, positions: np.ndarray, scales: np.ndarray, orientations: np.ndarray, *, side: int
) -> np.ndarray:
    """A picture with SIFT's key points: a circle as wide as the point's scale, and a hand in its direction.

    Args:
        pixels: uint8 [H, W, 3].
        positions: [K, 2], x and y in pixels of the picture.
        scales: [K], in pixels of the picture.
        orientations: [K], in radians; 0 is right, π/2 is down.
        side: the largest edge of the figure, in pixels.
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


def gradient_cells(cells: np.ndarray, *, side: int) -> np.ndarray:
    """HOG's cells: in each, a line along every edge direction, the brighter the more gradient was counted there.

    Args:
        cells: [rows, columns, orientations], not negative.
        side: the largest edge of the figure, in pixels.
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


# ---- both, side by side ----------------------------------------------------------------------------------------
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
        strip: a little picture a filter, uint8 [F, h, w, 3], with its title.
        captions: three, one under each picture.
    """
    side = 320  # a whole multiple of 64 and of the 32 that the layer answers
    answer = np.asarray(Image.fromarray(answer).resize((side, side), Image.Resampling.NEAREST))  # place under place
    three = [key_points(pixels, *points, side=side), gradient_cells(cells, side=side), answer]
    titles = ["SIFT: key points", "HOG: cells of gradients", f"CNN: the answer of filter {chosen}"]
    above = panels(three, titles, captions, side=side)
    return np.concatenate([above, tiles(strip, chosen=chosen, title=title)])


# ---- learning curves -------------------------------------------------------------------------------------------
LOOKS = ((BLUE, "-"), (PURPLE, "--"), (GREEN, ":"), (VERMILLION, "-"))
Points = tuple[Sequence[float], Sequence[float]]  # training scenes, accuracies in [0, 1]


def learning_curves(
    curves: Mapping[str, Points],
    *,
    title: str,
    bands: Mapping[str, Points],
    chance: float,
    live: Mapping[str, Points] | None = None,
) -> np.ndarray:
    """Accuracy against the size of the training set on a logarithmic axis; the names in the order of the lines' ends.

    Args:
        curves: name → (training scenes, accuracies in [0, 1]).
        title: the figure's one message.
        bands: name → (lowest, highest) around the line of that name.
        chance: what guessing would reach, in [0, 1]; drawn as a dotted line.
        live: name → (training scenes, accuracies): rings; the lines turn pale beside them.
    """
    from matplotlib.ticker import NullLocator, PercentFormatter  # here, because they are slow to import

    figure, canvas = sheet(WIDTH, 520, layout="constrained")
    axes = figure.add_subplot()
    lines = []
    for (name, (sizes, shares)), (colour, dashes) in zip(curves.items(), LOOKS, strict=False):
        look = {"color": colour, "linewidth": 3, "marker": "o", "label": name, "alpha": 0.4 if live else 1}
        lines += axes.plot(sizes, shares, dashes, **look)
        axes.fill_between(sizes, *bands[name], color=colour, alpha=0.12 if live else 0.2, linewidth=0)
        if live and name in live:
            axes.plot(*live[name], "o", color=colour, ms=11, mfc=PAPER, mew=2.5, zorder=3)
    lines.append(axes.axhline(chance, color=stronger(PALE), linestyle=":", label="guessing"))
    dress(axes, title, "training scenes", "test scenes read right")
    axes.set(xscale="log", ylim=(0, 1.03))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    lines.sort(key=lambda line: -line.get_ydata()[-1])
    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False, "labelcolor": "linecolor"}
    axes.legend(handles=lines, title="rings: your run" if live else None, fontsize=14, title_fontsize=14, **beside)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)
