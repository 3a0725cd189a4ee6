"""Drawings of loss surfaces: heat maps that sharpen while they are computed, surfaces; and missing blocks.

Serves notebook 05 and its labs. Nothing here computes a loss. Papers: Li et al. 2018, figures 1 and 5, for the ways to
draw a loss surface; Veit et al. 2016, figure 3, for the bars of missing blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, text
from course_utils.figures.colours import BLUE, GRID, INK, PALE, PAPER, VERMILLION, shades
from course_utils.figures.style import extra, pen, settle, sheet, stronger, used

LOWEST, HIGHEST = 0.001, 1000.0  # losses outside are drawn as these
CUT = 100.0  # where mountains are cut off
BANDS = 4  # shades for each factor of ten
LEFT = 84  # pixels to the left of the first square
_TALL = 6 * BANDS  # shades in all


def heat(
    surfaces: Mapping[str, np.ndarray],
    reach: float,
    *,
    title: str,
) -> np.ndarray:
    """Loss surfaces from above, side by side in one scale of colours; what is not known yet looks like its neighbour.

    Args:
        surfaces: name → losses [P, P], row = β from below, column = α; NaN where not known yet.
        reach: α and β run from -reach to reach.
        title: the figure's one message.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    count, top, side = len(surfaces), 96, 430
    gap = (WIDTH - LEFT - 110 - count * side) // max(1, count)
    canvas = Image.new("RGB", (WIDTH, top + side + 82), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, (name, losses) in enumerate(surfaces.items()):
        left = LEFT + k * (side + gap)
        canvas.paste(Image.fromarray(_shaded(losses, side)), (left, top))
        _axes(canvas, draw, left, top, side, reach, first=k == 0)
        text(draw, (left + side / 2, top - 22), name, size=22, bold=True, width=side)
    _scale(draw, WIDTH - 104, top, side)
    return np.asarray(canvas)


def _shaded(losses: np.ndarray, side: int) -> np.ndarray:
    """One surface as bands of colour with dark edges, [side, side, 3]; β grows upwards."""
    heights = filled(_heights(losses))
    points = len(heights)
    box = (0.5, 0.5, points - 0.5, points - 0.5)  # from the first point to the last, not from edge to edge
    picture = Image.fromarray(heights[::-1].astype(np.float32))
    smooth = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))
    band = np.clip((smooth * _TALL).astype(int), 0, _TALL - 1)
    pixels = shades("viridis", _TALL)[band]
    edge = np.zeros_like(band, dtype=bool)
    edge[:-1] |= band[:-1] != band[1:]
    edge[:, :-1] |= band[:, :-1] != band[:, 1:]
    pixels[edge] = pixels[edge] * 0.72
    return pixels.astype(np.uint8)


def filled(heights: np.ndarray) -> np.ndarray:
    """The same square without gaps: a missing value is a mean of the known ones, the nearest counting most.

    Args:
        heights: float [P, P], NaN where a value is missing.
    """
    heights = np.asarray(heights, dtype=float)
    known, missing = np.argwhere(~np.isnan(heights)), np.argwhere(np.isnan(heights))
    if len(known) == 0:
        return np.ones_like(heights)
    result = heights.copy()
    for places in np.array_split(missing, 1 + len(missing) * len(known) // 1_000_000):  # keeps the table below small
        weights = 1.0 / np.maximum(((places[:, None] - known[None]) ** 2).sum(axis=2), 1) ** 2
        result[tuple(places.T)] = weights @ heights[tuple(known.T)] / weights.sum(axis=1)
    return result


def _heights(losses: np.ndarray) -> np.ndarray:
    """The loss on a logarithmic scale, 0 = LOWEST or less … 1 = HIGHEST or more; NaN stays NaN."""
    clipped = np.clip(np.asarray(losses, dtype=float), LOWEST, HIGHEST)
    return np.log10(clipped / LOWEST) / np.log10(HIGHEST / LOWEST)


def _axes(canvas: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, side: int, reach: float, first: bool):
    """Frame, ticks, names of the axes, and the trained network in the middle."""
    if first:
        tall = 26 + extra(20)
        strip = Image.new("RGB", (side, tall), PAPER)
        text(pen(strip), (side / 2, tall // 2), "β, along another", size=20)
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


# ---- what stands still: matplotlib -------------------------------------------------------------------------------
def _pixels(canvas) -> np.ndarray:
    canvas.figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    settle(canvas)
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _colours():
    from matplotlib.colors import ListedColormap

    return ListedColormap(shades("viridis", _TALL) / 255)


def mountains(surfaces: Mapping[str, np.ndarray], reach: float, *, title: str) -> np.ndarray:
    """Loss surfaces as landscapes in three dimensions, side by side, over one logarithmic height.

    Args:
        surfaces: name → losses [P, P], row = β, column = α.
        reach: α and β run from -reach to reach.
        title: the figure's one message.

    Returns:
        uint8 [560, WIDTH, 3].
    """
    figure, canvas = sheet(WIDTH, 560, layout="constrained")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.02, ha="left")
    powers = range(-3, round(np.log10(CUT)) + 1)
    for k, (name, losses) in enumerate(surfaces.items()):
        axes = figure.add_subplot(1, len(surfaces), k + 1, projection="3d")
        along = np.linspace(-reach, reach, len(losses))
        high = np.log10(np.clip(losses, LOWEST, CUT))
        axes.plot_surface(
            *np.meshgrid(along, along), high, cmap=_colours(), vmin=-3, vmax=3, rcount=len(losses), ccount=len(losses),
            linewidth=0.15, edgecolor=INK, antialiased=True,
        )  # fmt: skip
        axes.set_title(name, fontsize=16, y=0.96)
        for name_it, letter in ((axes.set_xlabel, "α"), (axes.set_ylabel, "β")):
            name_it(letter, fontsize=16, labelpad=4 + extra(25))
        axes.text2D(0.95, 0.86, "loss", fontsize=16, ha="center", transform=axes.transAxes)
        axes.set_xticks([-reach, 0, reach])
        axes.set_yticks([-reach, 0, reach])
        axes.set_zticks(list(powers), [f"{10.0**power:g}" for power in powers])
        axes.set_zlim(-3, np.log10(CUT))
        axes.tick_params(labelsize=13)
        axes.view_init(elev=32, azim=-58)
        axes.set_box_aspect((1, 1, 0.8), zoom=0.9)
    return _pixels(canvas)


def missing_blocks(
    names: Sequence[str],
    without: Mapping[str, Sequence[float]],
    whole: Mapping[str, float],
    *,
    guess: float,
    title: str,
) -> np.ndarray:
    """What is left without each block: a pair of bars a block, and lines where the whole networks are.

    Args:
        names: of the blocks, first to last.
        without: name of a network → accuracy without each block, 0 to 1; two networks.
        whole: name of a network → its accuracy with all blocks.
        guess: the accuracy of guessing.
        title: the figure's one message.

    Returns:
        uint8 [520, WIDTH, 3].
    """
    figure, canvas = sheet(WIDTH, 520, layout="constrained")
    axes = figure.add_subplot()
    places, wide = np.arange(len(names)), 0.4
    for k, ((name, values), colour) in enumerate(zip(without.items(), (BLUE, VERMILLION), strict=True)):
        axes.bar(places + (k - 0.5) * wide, np.asarray(values) * 100, wide * 0.94, color=colour, label=name, zorder=2)
        axes.axhline(whole[name] * 100, color=colour, linewidth=1.6, linestyle=(0, (6 - 2 * k, 4)), zorder=1)
    axes.axhline(guess * 100, color=stronger(PALE), linewidth=1.6, linestyle=":", zorder=3)
    axes.text(len(names) - 0.45, guess * 100, " guessing", fontsize=13, color=stronger(PALE), va="center")
    axes.set_title(title, fontsize=18, fontweight="bold", loc="left", pad=34)
    axes.set_xlabel("the block that is taken out", fontsize=16)
    axes.set_ylabel("right, in %", fontsize=16)
    axes.set_xticks(places, [name.removeprefix("stage") for name in names], fontsize=13 / used().point)
    axes.tick_params(axis="y", labelsize=14)
    axes.set_ylim(0, 104)
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.grid(axis="y", color=stronger(GRID), zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=14, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0)
    return _pixels(canvas)
