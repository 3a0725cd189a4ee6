"""Drawings of planes of pictures: what is read where, the loss as a mountain, the ball, a path.

Serves notebook 8 and its lab. The bare square is composed by Pillow, quick enough to follow a slider. Each gives uint8,
[height, WIDTH, 3] with axes, [side, side, 3] without; a title is the figure's one message.
Papers: Okabe and Ito (2008) for the colours; the lecture's "Visualization of decision regions" for the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, font
from course_utils.figures.charts import dress
from course_utils.figures.colours import (
    BLUE,
    GREEN,
    GRID,
    INK,
    ORANGE,
    PALE,
    PAPER,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    blended,
    shades,
)
from course_utils.figures.style import extra, finish, pen, sheet, stronger, used

OTHERS = (VERMILLION, GREEN, ORANGE, PURPLE, SKY, YELLOW, "#8C8C8C")  # after the true class's blue
LEFT, BELOW = 120, 84  # pixels beside and below a square with axes
FINE = 2  # lines are drawn so many times larger


# ---- bare squares ------------------------------------------------------------------------------------------------
def class_colours(maps: Sequence[np.ndarray], label: int) -> dict[int, str]:
    """A colour for each class of several maps, int [P, P] each: blue for the true one, the others by their area."""
    found, counts = np.unique(np.concatenate([np.ravel(one) for one in maps]), return_counts=True)
    order = [number for number in found[np.argsort(-counts, kind="stable")].tolist() if number != label]
    return {label: BLUE} | {number: OTHERS[min(k, len(OTHERS) - 1)] for k, number in enumerate(order)}


def square_regions(
    classes: np.ndarray,
    confidence: np.ndarray,
    *,
    reach: float,
    colours: Mapping[int, str],
    edge: np.ndarray | None = None,
    path: np.ndarray | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    side: int = 470,
) -> np.ndarray:
    """The bare square of a decision map: a colour a class, strong where the network is sure.

    Args:
        classes: int [P, P], row = β from below, column = α.
        confidence: [P, P], 0 to 1.
        reach: α and β run from -reach to reach.
        colours: of the classes, as `class_colours` gives them.
        edge: [A, 2], the ball's edge as a polygon of (α, β).
        path: [T, 2], an attack's points; the first is hollow, the last one full.
        marks: words → (α, β), dots with words beside them.
        side: of the square, in pixels.
    """
    shares = np.stack([_enlarged(classes == number, side) for number in colours])  # [classes, side, side]
    nearest = shares.argmax(axis=0)
    paint = np.stack([blended(1.0, PAPER, colour) for colour in colours.values()]).astype(np.float32)
    strong = 0.2 + 0.6 * np.clip(_enlarged(confidence, side), 0, 1)[..., None]
    pixels = 255 - strong * (255 - paint[nearest])
    pixels[_borders(nearest)] = (60, 60, 60)
    return _marked(pixels.astype(np.uint8), reach, edge, path, marks)


def _enlarged(values: np.ndarray, side: int) -> np.ndarray:
    """A grid of values as pixels, the first and the last point on the edges; β grows upwards."""
    points = len(values)
    box = (0.5, 0.5, points - 0.5, points - 0.5)  # from the first point to the last, not from edge to edge
    picture = Image.fromarray(np.asarray(values)[::-1].astype(np.float32))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))


def _borders(areas: np.ndarray) -> np.ndarray:
    """Where one area meets another, bool [side, side]."""
    border = np.zeros(areas.shape, dtype=bool)
    border[:-1] |= areas[:-1] != areas[1:]
    border[:, :-1] |= areas[:, :-1] != areas[:, 1:]
    return border


def _marked(pixels: np.ndarray, reach: float, edge, path, marks) -> np.ndarray:
    """The square with ball, path and marks on it."""
    side = len(pixels)
    canvas = Image.fromarray(pixels).resize((side * FINE, side * FINE), Image.Resampling.NEAREST)
    draw = pen(canvas)

    def at(place) -> tuple[float, float]:
        return tuple((0.5 + way * float(v) / (2 * reach)) * side * FINE for way, v in zip((1, -1), place, strict=True))

    if edge is not None and len(edge):
        corners = [at(place) for place in (*edge, edge[0])]
        draw.line(corners, fill=PAPER, width=5 * FINE, joint="curve")
        draw.line(corners, fill=INK, width=2 * FINE, joint="curve")
    if path is not None and len(path):
        points = [at(place) for place in path]
        for wide, colour in ((6, PAPER), (3, INK)):
            draw.line(points, fill=colour, width=wide * FINE, joint="curve")
        for k, point in enumerate(points):
            outer, inner = (9, 6) if k in (0, len(points) - 1) else (5, 3)
            _dot(draw, point, outer, PAPER)
            _dot(draw, point, inner, INK)
            if k == 0:
                _dot(draw, point, 3, PAPER)
    for place in (marks or {}).values():
        _dot(draw, at(place), 9, PAPER)
        _dot(draw, at(place), 6, INK)
    canvas = canvas.reduce(FINE)
    for words, place in (marks or {}).items():
        x, y = (value / FINE for value in at(place))
        _tag(pen(canvas), x, y, words, side)
    return np.asarray(canvas)


def _dot(draw: ImageDraw.ImageDraw, middle: tuple[float, float], radius: float, colour: str) -> None:
    (x, y), r = middle, radius * FINE
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _tag(draw: ImageDraw.ImageDraw, x: float, y: float, words: str, side: int) -> None:
    """Words beside a dot, on the side where there is room, with a light rim so that they can be read on any colour."""
    size = 18 + extra(18)
    while size > 18 and x + 14 + draw.textlength(words, font=font(size, True)) >= side - 4:
        size -= 1  # rather beside its dot than over another one
    face = font(size, True)
    right = x + 14 + draw.textlength(words, font=face) < side - 4
    y = min(max(y, 16), side - 16)
    at, anchor = ((x + 14, y), "lm") if right else ((x - 14, y), "rm")
    draw.text(at, words, font=face, fill=INK, anchor=anchor, stroke_width=3, stroke_fill=PAPER)


# ---- what stands still: matplotlib -------------------------------------------------------------------------------
def regions(
    classes: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    *,
    reach: float,
    title: str,
    label: int,
    names: tuple[str, str] = ("g", "g⊥"),
    edge: np.ndarray | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    unit: int = 255,
) -> np.ndarray:
    """A decision map with its axes, and beside it which colour is which class.

    Args:
        class_names: of all classes.
        label: the true class, drawn in blue.
        names: of the directions along α and β.
        unit: 255 writes α and β as 255ths, 1 as plain numbers.
        classes, confidence, reach, edge, marks: see `square_regions`.

    >>> classes = np.zeros((9, 9), dtype=int)
    >>> regions(classes, np.ones((9, 9)), ["stop", "yield"], reach=0.03, title="One class", label=0).shape
    (608, 1120, 3)
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colours = class_colours([classes], label)
    square = square_regions(classes, confidence, reach=reach, colours=colours, edge=edge, marks=marks)
    figure, canvas = sheet(WIDTH, 608)
    left = LEFT + extra(60)
    axes = figure.add_axes((left / WIDTH, BELOW / 608, len(square) / WIDTH, len(square) / 608))
    far = reach * unit
    axes.imshow(square, extent=(-far, far, -far, far))
    of = f", in {unit}ths" if unit != 1 else ""
    dress(axes, title, f"α: {names[0]}{of}", f"β: {names[1]}{of}", x=(MARGIN - left) / len(square), y=1.02)
    axes.grid(False)
    ticks = np.linspace(-far, far, 5)
    words = [f"{round(tick, 2 if far < 2 else 1):g}".replace("-", "−") for tick in ticks]
    axes.set(xticks=ticks, yticks=ticks, xticklabels=words, yticklabels=words)
    shares = {number: float((np.asarray(classes) == number).mean()) for number in colours}
    says = {k: "< 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %") for k, share in shares.items()}
    called = {k: shorten(class_names[k], 24, placeholder=" …") for k in colours}
    shown = [Patch(color=colours[k], label=f"{called[k]}, {says[k]} of the square") for k in colours]
    shown = [*shown[: len(OTHERS) + 1], Patch(alpha=0, label="strong colour: the network is sure")]
    if edge is not None:
        shown.append(Line2D([], [], color=INK, linewidth=2, label="edge of the ε-ball in this plane"))
    how = {"loc": "upper left", "bbox_to_anchor": (1.04, 1.02), "frameon": False, "alignment": "left"}
    axes.legend(handles=shown, title="read as", fontsize=13, title_fontsize=15, **how)
    return finish(canvas)


def mountain(losses: np.ndarray, *, reach: float, title: str, path: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The loss over a plane as a mountain, with an attack's path on it: the lecture's picture of the loss surface.

    Args:
        losses: [P, P], row = β from below, column = α.
        path: [T, 2] of (α, β); heights: [T], the loss at its points.
        reach: see `square_regions`.

    >>> losses, path = np.random.default_rng(0).random((9, 9)), np.zeros((2, 2))
    >>> mountain(losses, reach=0.03, title="The loss", path=path, heights=[0, 1]).shape[1:]
    (1120, 3)
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.ticker import MaxNLocator

    figure, canvas = sheet(WIDTH, 560)
    figure.text(0.02, 0.95, title, fontsize=18, fontweight="bold", va="center")
    axes = figure.add_axes((0.08, 0.03, 0.84, 0.9), projection="3d", computed_zorder=False)
    along = np.linspace(-reach, reach, len(losses)) * 255
    alpha, beta = np.meshgrid(along, along)
    colours = ListedColormap(shades("viridis", 64) / 255)
    axes.plot_surface(alpha, beta, losses, cmap=colours, rcount=64, ccount=64, linewidth=0.2, edgecolor=PALE, zorder=1)
    walked = np.column_stack([np.asarray(path) * 255, heights]).T  # [3, T]
    for wide, colour in ((6, PAPER), (3, INK)):
        axes.plot(*walked, color=colour, linewidth=wide, zorder=3)
    axes.plot(*walked, "o", color=INK, markersize=6, zorder=4)
    axes.plot(*walked[:, :1], "o", color=PAPER, markeredgecolor=INK, markersize=9, zorder=5)
    axes.set_xlabel("α, in 255ths", fontsize=15, labelpad=10)
    axes.set_ylabel("β, in 255ths", fontsize=15, labelpad=10)
    axes.set_zlabel("loss l(f(x′), y)", fontsize=15, labelpad=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=13)
    axes.view_init(elev=30, azim=-125)
    axes.set_box_aspect((1, 1, 0.7), zoom=used().point ** -0.5)
    axes.xaxis.pane.set_edgecolor(stronger(GRID))
    return finish(canvas)
