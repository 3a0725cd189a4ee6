"""Loss surfaces: from above, as contours that sharpen while they are computed, and in three dimensions.

Serves notebook 05 and its lab. Nothing here computes a loss. Paper: Li et al. 2018, figures 1 and 5.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import WIDTH, begin, text
from course_utils.figures.colours import INK, PALE, PAPER, shades
from course_utils.figures.style import extra, finish, pen, sheet

LOWEST, HIGHEST = 0.001, 1000.0  # losses outside are drawn as these
CUT = 100.0  # where the peaks of `surfaces` are cut off
BANDS = 4  # shades for each factor of ten
LEFT = 84  # pixels to the left of the first square
_TALL = 6 * BANDS  # shades in all


def contours(losses: Mapping[str, np.ndarray], reach: float, *, title: str) -> np.ndarray:
    """Loss surfaces from above, side by side in one scale of colours; what is not known yet looks like its neighbour.

    Args:
        losses: of each surface, name → [P, P], row = β from below, column = α; NaN where not known yet.
        reach: α and β run from -reach to reach.
    """
    top, side = 96, 430
    gap = (WIDTH - LEFT - 110) // len(losses) - side
    canvas, draw = begin(top + side + 82, title)
    for k, (name, each) in enumerate(losses.items()):
        left = LEFT + k * (side + gap)
        canvas.paste(Image.fromarray(_bands(each, side)), (left, top))
        _axes(canvas, draw, left, top, side, reach, first=k == 0)
        text(draw, (left + side / 2, top - 22), name, size=22, bold=True, width=side)
    _scale(draw, WIDTH - 104, top, side)
    return np.asarray(canvas)


def _bands(losses: np.ndarray, side: int) -> np.ndarray:
    """One surface as bands of colour with dark edges, [side, side, 3]; β grows upwards."""
    heights = fill_gaps(np.log10(np.clip(losses, LOWEST, HIGHEST) / LOWEST) / np.log10(HIGHEST / LOWEST))  # 0 to 1
    box = (0.5, 0.5, len(heights) - 0.5, len(heights) - 0.5)  # from the first point to the last, not from edge to edge
    picture = Image.fromarray(heights[::-1].astype(np.float32))
    smooth = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))
    band = np.clip((smooth * _TALL).astype(int), 0, _TALL - 1)
    pixels = shades("viridis", _TALL)[band]
    edge = np.zeros_like(band, dtype=bool)
    edge[:-1] |= band[:-1] != band[1:]
    edge[:, :-1] |= band[:, :-1] != band[:, 1:]
    pixels[edge] = pixels[edge] * 0.72
    return pixels.astype(np.uint8)


def fill_gaps(heights: np.ndarray) -> np.ndarray:
    """Fill a square, float [P, P]: where it holds NaN, with a mean of what is known, the nearest counting most."""
    from scipy.spatial.distance import cdist  # here, because it is slow to import

    missing, result = np.isnan(heights), heights.copy()
    if missing.all():
        return np.ones_like(heights)
    weights = cdist(np.argwhere(missing), np.argwhere(~missing)) ** -4.0
    result[missing] = weights @ heights[~missing] / weights.sum(axis=1)
    return result


def _axes(canvas: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, side: int, reach: float, first: bool):
    """Frame, ticks, names of the axes, and the trained network in the middle."""
    if first:
        strip = Image.new("RGB", (side, 26 + extra(20)), PAPER)
        text(pen(strip), (side / 2, strip.height // 2), "β, along another", size=20)
        canvas.paste(strip.rotate(90, expand=True), (0, top))
    draw.rectangle((left - 1, top - 1, left + side, top + side), outline=PALE)
    for share, value, anchor in ((0.0, -reach, "lm"), (0.5, 0.0, "mm"), (1.0, reach, "rm")):
        words = f"{value:g}".replace("-", "−")
        text(draw, (left + share * side, top + side + 18), words, size=18, anchor=anchor)
        if first:
            text(draw, (left - 8, top + (1 - share) * side), words, size=18, anchor="rm")
    text(draw, (left + side / 2, top + side + 50), "α, along a random direction", size=20, width=side)
    x, y = left + side // 2, top + side // 2
    for ring, colour in ((7, INK), (5, PAPER)):
        draw.ellipse((x - ring, y - ring, x + ring, y + ring), fill=colour)


def _scale(draw: ImageDraw.ImageDraw, left: int, top: int, tall: int) -> None:
    """The bar that says which shade is which loss."""
    for k, shade in enumerate(shades("viridis", _TALL)):
        low, high = top + tall - k * tall / _TALL, top + tall - (k + 1) * tall / _TALL
        draw.rectangle((left, high, left + 26, low), fill=tuple(int(value) for value in shade))
    for power in range(-3, 4):
        y = top + tall * (1 - (power + 3) / 6)
        words = {-3: "≤ 0.001", 3: "≥ 1000"}.get(power, f"{10.0**power:g}")
        text(draw, (left + 32, y), words, size=16, anchor="lm", width=70)
    text(draw, (left, top - 22), "loss", size=20, anchor="lm")


def surfaces(losses: Mapping[str, np.ndarray], reach: float, *, title: str) -> np.ndarray:
    """Loss surfaces in three dimensions, side by side, over one logarithmic height.

    Arguments as in `contours`; all losses are known.

    >>> hollow = np.linspace(-1, 1, 9) ** 2
    >>> surfaces({"a bowl": 0.01 + hollow + hollow[:, None]}, reach=1, title="Round a minimum").shape
    (560, 1120, 3)
    """
    from matplotlib import colormaps

    figure, canvas = sheet(WIDTH, 560, layout="constrained")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.02, ha="left")
    powers = range(-3, round(np.log10(CUT)) + 1)
    colours = colormaps["viridis"].resampled(_TALL)
    for k, (name, each) in enumerate(losses.items()):
        axes = figure.add_subplot(1, len(losses), k + 1, projection="3d")
        along = np.linspace(-reach, reach, len(each))
        high = np.log10(np.clip(each, LOWEST, CUT))
        axes.plot_surface(
            *np.meshgrid(along, along), high, cmap=colours, vmin=-3, vmax=3, rcount=len(each), ccount=len(each),
            linewidth=0.15, edgecolor=INK, antialiased=True,
        )  # fmt: skip
        axes.set_title(name, fontsize=16, y=0.96)
        for name_it, letter in ((axes.set_xlabel, "α"), (axes.set_ylabel, "β")):
            name_it(letter, fontsize=16, labelpad=4 + extra(25))
        axes.text2D(0.95, 0.86, "loss", fontsize=16, ha="center", transform=axes.transAxes)
        axes.set(xticks=[-reach, 0, reach], yticks=[-reach, 0, reach], zlim=(-3, np.log10(CUT)))
        axes.set_zticks(list(powers), [f"{10.0**power:g}" for power in powers])
        axes.tick_params(labelsize=13)
        axes.view_init(elev=32, azim=-58)
        axes.set_box_aspect((1, 1, 0.8), zoom=0.9)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)
