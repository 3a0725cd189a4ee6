"""Drawings of planes of pictures: what is read where, the loss as a map and as a mountain, the ball, a path.

Serves notebook 8 and its lab. All but `mountain` is composed by Pillow, quick enough to follow a slider.
Papers: Okabe and Ito (2008) for the colours; the lecture's "Visualization of decision regions" for the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MARGIN,
    ORANGE,
    PALE,
    PAPER,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    YELLOW,
    font,
    panels,
    text,
)
from course_utils.figures.style import extra, pen, sheet, stronger, used
from course_utils.resnet.figures.loss_surface import SHADES

OTHERS = (VERMILLION, GREEN, ORANGE, PURPLE, SKY, YELLOW, "#8C8C8C")  # after the true class's blue
LEFT, TOP, BELOW = 96, 62, 76  # pixels round a square with axes
SHADE_STEPS = 20  # bands of a loss map
FINE = 2  # lines are drawn so many times larger


# ---- bare squares ------------------------------------------------------------------------------------------------
def class_colours(classes: np.ndarray | Sequence[np.ndarray], label: int | None = None) -> dict[int, str]:
    """A colour for each class of one map or several: blue for the true one, the others by their area.

    Args:
        classes: int [P, P], or several such.
        label: the true class.
    """
    every = np.concatenate([np.ravel(one) for one in classes])
    found, counts = np.unique(every, return_counts=True)
    order = [int(c) for c in found[np.argsort(-counts, kind="stable")] if c != label]
    return ({} if label is None else {int(label): BLUE}) | {
        number: OTHERS[min(k, len(OTHERS) - 1)] for k, number in enumerate(order)
    }


def square_regions(
    classes: np.ndarray,
    confidence: np.ndarray,
    *,
    reach: float,
    label: int | None = None,
    colours: Mapping[int, str] | None = None,
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
        label: the true class, drawn in blue.
        colours: of the classes, where several maps share them.
        edge: [A, 2], the ball's edge as a polygon of (α, β).
        path: [T, 2], an attack's points; the first is hollow, the last one full.
        marks: words → (α, β), dots with words beside them.
        side: of the square, in pixels.

    Returns:
        uint8 [side, side, 3].
    """
    colours = colours or class_colours([classes], label)
    shares = np.stack([_enlarged(classes == number, side) for number in colours])  # [classes, side, side]
    nearest = shares.argmax(axis=0)
    paint = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in colours.values()], dtype=np.float32)
    strong = 0.2 + 0.6 * np.clip(_enlarged(confidence, side), 0, 1)[..., None]
    pixels = 255 - strong * (255 - paint[nearest])
    pixels[_borders(nearest)] = (60, 60, 60)
    return _marked(pixels.astype(np.uint8), reach, edge, path, marks)


def square_heat(
    losses: np.ndarray,
    *,
    reach: float,
    highest: float | None = None,
    edge: np.ndarray | None = None,
    path: np.ndarray | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    side: int = 470,
) -> np.ndarray:
    """The bare square of a loss map: dark valleys, bright heights; arguments as in `square_regions`.

    Args:
        losses: [P, P], row = β from below, column = α.
        highest: the loss that gets the brightest shade; the largest one where left out.
    """
    highest = float(np.max(losses)) if highest is None else highest
    high = np.clip(_enlarged(losses, side) / max(highest, 1e-9), 0, 1)
    band = np.minimum((high * SHADE_STEPS).astype(int), SHADE_STEPS - 1)
    pixels = _ladder(SHADE_STEPS)[band]
    pixels[_borders(band)] *= 0.75
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


def _ladder(steps: int) -> np.ndarray:
    """Shades from valley to height, float [steps, 3]."""
    places = np.linspace(0, len(SHADES) - 1, steps)
    return np.stack([np.interp(places, range(len(SHADES)), channel) for channel in zip(*SHADES, strict=True)], axis=1)


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


# ---- figures -----------------------------------------------------------------------------------------------------
def regions(
    classes: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    *,
    reach: float,
    title: str,
    names: tuple[str, str] = ("g", "g⊥"),
    unit: int = 255,
    label: int | None = None,
    edge: np.ndarray | None = None,
    path: np.ndarray | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    side: int = 470,
    width: int = WIDTH,
) -> np.ndarray:
    """A decision map with its axes, and beside it which colour is which class.

    Args:
        class_names: of all classes.
        title: the figure's one message.
        names: of the directions along α and β.
        unit: 255 writes α and β as 255ths, 1 as plain numbers.
        width: of the figure, in pixels.
        classes, confidence, reach, label, edge, path, marks, side: see `square_regions`.

    Returns:
        uint8 [height, width, 3].
    """
    colours = class_colours([classes], label)
    square = square_regions(
        classes, confidence, reach=reach, colours=colours, edge=edge, path=path, marks=marks, side=side
    )
    canvas, draw = _with_axes(square, reach, names, unit, title, width)
    left, row = LEFT + side + 40, 38
    text(draw, (left, TOP + 14), "read as", size=20, bold=True, anchor="lm")
    for k, (number, colour) in enumerate(list(colours.items())[: len(OTHERS) + 1]):
        y, share = TOP + 54 + k * row, float((np.asarray(classes) == number).mean())
        draw.rectangle((left, y - 12, left + 32, y + 12), fill=colour, outline=PALE)
        part = "< 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")
        words = f"{class_names[number]}, {part} of the square"
        text(draw, (left + 44, y), words, size=20, anchor="lm", width=width - left - 44 - MARGIN)
    foot = TOP + side - 20
    if edge is not None:
        draw.line((left, foot, left + 32, foot), fill=INK, width=3)
        text(draw, (left + 44, foot), "edge of the ε-ball in this plane", size=18, colour=PALE, anchor="lm")
    text(draw, (left, foot - 34), "strong colour: the network is sure", size=18, colour=PALE, anchor="lm")
    return np.asarray(canvas)


def heat(
    losses: np.ndarray,
    *,
    reach: float,
    title: str,
    names: tuple[str, str] = ("g", "g⊥"),
    unit: int = 255,
    highest: float | None = None,
    edge: np.ndarray | None = None,
    path: np.ndarray | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    side: int = 470,
    width: int = WIDTH,
) -> np.ndarray:
    """The loss over a plane from above, with its axes and its scale.

    Args:
        losses, highest, reach, edge, path, marks, side: see `square_heat`.
        title, names, unit, width: see `regions`.

    Returns:
        uint8 [height, width, 3].
    """
    highest = float(np.max(losses)) if highest is None else highest
    square = square_heat(losses, reach=reach, highest=highest, edge=edge, path=path, marks=marks, side=side)
    canvas, draw = _with_axes(square, reach, names, unit, title, width)
    left, ladder = LEFT + side + 60, _ladder(SHADE_STEPS)
    for k, shade in enumerate(ladder):
        low, high = TOP + side - k * side / SHADE_STEPS, TOP + side - (k + 1) * side / SHADE_STEPS
        draw.rectangle((left, high, left + 30, low), fill=tuple(int(value) for value in shade))
    for value in _round_numbers(highest):
        text(draw, (left + 40, TOP + side * (1 - value / highest)), f"{value:g}", size=18, anchor="lm")
    text(draw, (left + 100, TOP + 14), "loss l(f(x′), y)", size=20, bold=True, anchor="lm")
    row = TOP + 54
    for there, words in (
        (edge is not None, "edge of the ε-ball in this plane"),
        (path is not None, "the attack's path"),
    ):
        if there:
            draw.line((left + 100, row, left + 132, row), fill=INK, width=3)
            if words.startswith("the attack"):
                draw.ellipse((left + 110, row - 6, left + 122, row + 6), fill=INK)
            text(draw, (left + 144, row), words, size=18, colour=PALE, anchor="lm", width=width - left - 150)
            row += 34
    return np.asarray(canvas)


def _round_numbers(highest: float) -> list[float]:
    """Some round numbers from 0 to the highest."""
    rough = max(highest, 1e-9) / 5
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * lead for lead in (1, 2, 5, 10) if size * lead >= rough * 0.999)
    return [float(f"{k * step:.6g}") for k in range(int(highest / step + 1e-6) + 1)]


def several(
    squares: Mapping[str, np.ndarray],
    colours: Mapping[int, str],
    class_names: Sequence[str],
    *,
    title: str,
    captions: Sequence[str] | None = None,
    width: int = WIDTH,
) -> np.ndarray:
    """Bare squares side by side under one title, with one key to their colours.

    Args:
        squares: heading → what `square_regions` gave.
        colours: the classes' colours in all of them, from `class_colours`.
        class_names: of all classes.
        title: the figure's one message.
        captions: a line under each square.
        width: of the figure, in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    side = (width - 2 * MARGIN - 20 * (len(squares) - 1)) // len(squares)
    row = panels(list(squares.values()), list(squares), captions, side=min(side, 470), width=width)
    canvas = Image.new("RGB", (width, len(row) + 96), PAPER)
    canvas.paste(Image.fromarray(row), (0, 50))
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=width - 2 * MARGIN)
    shown = list(colours.items())[:6]
    for k, (number, colour) in enumerate(shown):
        x = MARGIN + k * (width - 2 * MARGIN) / len(shown)
        draw.rectangle((x, len(row) + 60, x + 28, len(row) + 82), fill=colour, outline=PALE)
        text(draw, (x + 36, len(row) + 71), class_names[number], size=18, anchor="lm", width=width / len(shown) - 50)
    return np.asarray(canvas)


def _with_axes(square: np.ndarray, reach: float, names, unit: int, title: str, width: int):
    """A canvas with a title, the square and its axes; and the drawing on it."""
    side = len(square)
    canvas = Image.new("RGB", (width, TOP + side + BELOW), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 28), title, size=24, bold=True, anchor="lm", width=width - 2 * MARGIN)
    canvas.paste(Image.fromarray(square), (LEFT, TOP))
    draw.rectangle((LEFT - 1, TOP - 1, LEFT + side, TOP + side), outline=PALE)
    for share in (0, 0.25, 0.5, 0.75, 1):
        value, at = (2 * share - 1) * reach, share * side
        words = f"{round(value * unit, 1):g}" if unit != 1 else f"{value:.2g}"
        words = words.replace("-", "−")
        draw.line((LEFT + at, TOP + side, LEFT + at, TOP + side + 6), fill=PALE)
        draw.line((LEFT - 6, TOP + side - at, LEFT, TOP + side - at), fill=PALE)
        text(draw, (LEFT + at, TOP + side + 20), words, size=17)
        text(draw, (LEFT - 12, TOP + side - at), words, size=17, anchor="rm")
    of = f", in {unit}ths" if unit != 1 else ""
    text(draw, (LEFT + side / 2, TOP + side + 52), f"α: {names[0]}{of}", size=20, width=side)
    tall = 28 + extra(20)
    strip = Image.new("RGB", (side, tall), PAPER)
    text(pen(strip), (side / 2, tall // 2), f"β: {names[1]}{of}", size=20, width=side)
    canvas.paste(strip.rotate(90, expand=True), (10 - extra(20), TOP))
    return canvas, draw


# ---- what stands still: matplotlib -------------------------------------------------------------------------------
def mountain(
    losses: np.ndarray,
    *,
    reach: float,
    title: str,
    path: np.ndarray | None = None,
    heights: np.ndarray | None = None,
    unit: int = 255,
    height: int = 560,
    width: int = WIDTH,
) -> np.ndarray:
    """The loss over a plane as a mountain, with an attack's path on it: the lecture's picture of the loss surface.

    Args:
        losses: [P, P], row = β from below, column = α.
        path: [T, 2] of (α, β); heights: [T], the loss at its points.
        reach, title, unit, width: see `regions`.
        height: of the figure, in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.ticker import MaxNLocator

    figure, canvas = sheet(width, height)
    figure.text(0.02, 0.95, title, fontsize=18, fontweight="bold", va="center")
    axes = figure.add_axes((0.08, 0.03, 0.84, 0.9), projection="3d", computed_zorder=False)
    along = np.linspace(-reach, reach, len(losses)) * unit
    alpha, beta = np.meshgrid(along, along)
    shades = ListedColormap(_ladder(64) / 255)
    axes.plot_surface(alpha, beta, losses, cmap=shades, rcount=64, ccount=64, linewidth=0.2, edgecolor=PALE, zorder=1)
    if path is not None:
        walked, climbed = np.asarray(path) * unit, np.asarray(heights)
        for wide, colour in ((6, PAPER), (3, INK)):
            axes.plot(walked[:, 0], walked[:, 1], climbed, color=colour, linewidth=wide, zorder=3)
        axes.plot(walked[:, 0], walked[:, 1], climbed, "o", color=INK, markersize=6, zorder=4)
        axes.plot(*walked[:1].T, climbed[:1], "o", color=PAPER, markeredgecolor=INK, markersize=9, zorder=5)
    of = f", in {unit}ths" if unit != 1 else ""
    axes.set_xlabel(f"α{of}", fontsize=15, labelpad=10)
    axes.set_ylabel(f"β{of}", fontsize=15, labelpad=10)
    axes.set_zlabel("loss l(f(x′), y)", fontsize=15, labelpad=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=unit != 1))
    axes.tick_params(labelsize=13)
    axes.view_init(elev=30, azim=-125)
    axes.set_box_aspect((1, 1, 0.7), zoom=used().point ** -0.5)
    axes.xaxis.pane.set_edgecolor(stronger(GRID))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
