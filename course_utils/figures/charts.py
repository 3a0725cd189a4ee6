"""Lines over axes: `curves` by matplotlib for what stands still, `quick_curves` by Pillow for what a slider redraws.

Serves all eight notebooks and their labs. Papers: none. The two look alike; measured on one core, a redraw of the
first takes some 200 ms, of the second less than 20.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import WIDTH, font, text
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, SKY, VERMILLION
from course_utils.figures.style import extra, pen, settle, sheet, stronger

Series = Mapping[str, Sequence]  # name → values, or name → (x values, values)
LOOKS = ((BLUE, "-"), (VERMILLION, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, "-"), (SKY, "--"))
FINE = 2  # drawn so many times larger, then scaled down: Pillow's own lines are jagged
_DASHES = {"-": (), "--": (14, 7), "-.": (14, 5, 3, 5), ":": (3, 5)}  # pixels drawn and left out, by turns


def curves(
    series: Series,
    *,
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    width: int = WIDTH,
    height: int = 460,
) -> np.ndarray:
    """Lines over one axis, each with its own colour *and* dashes. For what stands still.

    Args:
        series: name → values, or name → (x values, values).
        title: the figure's one message.
        x_label, y_label: with their units.
        x: where the values stand, for all; 0, 1, 2 … where left out.
        log_x, log_y: logarithmic axes.
        bands: name → (lower, upper) round the line of that name.
        width, height: in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    from matplotlib.ticker import MaxNLocator

    figure, canvas = sheet(width, height, layout="constrained")
    axes = figure.add_subplot()
    for (name, (places, values)), (colour, dashes) in zip(_placed(series, x).items(), LOOKS, strict=False):
        axes.plot(places, values, dashes, color=colour, linewidth=3, label=name)
        if bands and name in bands:
            axes.fill_between(places, *bands[name], color=colour, alpha=0.2, linewidth=0)
    if log_x:
        axes.set_xscale("log")
    elif x is None:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if log_y:
        axes.set_yscale("log")
    return _dressed(canvas, axes, title, x_label, y_label)


def _dressed(canvas, axes, title: str, x_label: str, y_label: str) -> np.ndarray:
    """The course's look for axes of matplotlib, and their pixels, uint8 [H, W, 3]."""
    heading = axes.set_title(title, fontsize=18, fontweight="bold", loc="left")
    axes.set_xlabel(x_label, fontsize=16)
    axes.set_ylabel(y_label, fontsize=16)
    axes.tick_params(labelsize=14)
    axes.margins(x=0.02)
    axes.grid(color=stronger(GRID))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=14, frameon=bool(extra(14)), edgecolor="none")  # on stage it covers more, so on paper
    axes.figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    settle(canvas)
    if (over := heading.get_window_extent().x1 - (canvas.get_width_height()[0] - 12)) > 0:  # too long for its type
        heading.set_fontsize(18 * (1 - over / heading.get_window_extent().width))
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def quick_curves(
    series: Series,
    *,
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    marks: Mapping[str, float] | None = None,
    width: int = WIDTH,
    height: int = 460,
) -> np.ndarray:
    """The same picture, quick enough to follow a slider; values that are not finite leave a gap.

    Args:
        series: name → values, or name → (x values, values); an empty one stands in the legend only.
        title: the figure's one message.
        x_label, y_label: with their units.
        x: where the values stand, for all; 0, 1, 2 … where left out.
        log_x, log_y: logarithmic axes.
        x_range, y_range: what the axes span; what the values span where left out.
        marks: words → x: dashed vertical lines with words beside them.
        width, height: in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    placed = {name: (_finite(xs, log_x), _finite(ys, log_y)) for name, (xs, ys) in _placed(series, x).items()}
    across = _Axis(_span([xs for xs, _ in placed.values()], x_range, log_x), log_x, 96 + extra(40), width - 24)
    up = _Axis(_span([ys for _, ys in placed.values()], y_range, log_y), log_y, height - 74 - extra(20), 56)
    canvas = Image.new("RGB", (width * FINE, height * FINE), PAPER)
    draw = pen(canvas)
    for value in across.ticks():
        draw.line(_fine([(across.at(value), up.low), (across.at(value), up.high)]), fill=GRID, width=FINE)
    for value in up.ticks():
        draw.line(_fine([(across.low, up.at(value)), (across.high, up.at(value))]), fill=GRID, width=FINE)
    draw.line(_fine([(across.low, up.high), (across.low, up.low), (across.high, up.low)]), fill=INK, width=FINE)
    for value in (marks or {}).values():
        _polyline(draw, [(across.at(value), up.low), (across.at(value), up.high)], PALE, "--", 2)
    for (xs, ys), (colour, dashes) in zip(placed.values(), LOOKS, strict=False):
        for part in _unbroken(xs, ys):
            points = [(across.at(a), up.at(b)) for a, b in part]
            if len(points) == 1:
                (cx, cy), r = points[0], 4
                draw.ellipse(_fine([(cx - r, cy - r), (cx + r, cy + r)]), fill=colour)
            else:
                _polyline(draw, points, colour, dashes, 3)
    canvas = canvas.reduce(FINE)
    _words(pen(canvas), across, up, placed, title, x_label, y_label, marks or {})
    _sideways(canvas, y_label, (up.low + up.high) / 2)
    return np.asarray(canvas)


# ---- the parts of `quick_curves` -----------------------------------------------------------------------------------
class _Axis:
    """From values to pixels along one axis, with ticks at round numbers."""

    def __init__(self, span: tuple[float, float], log: bool, low: float, high: float):
        self.first, self.last = span
        self.log, self.low, self.high = log, low, high

    def at(self, value: float) -> float:
        """The pixel of a value, held inside the axis."""
        if self.log:
            share = math.log(value / self.first) / math.log(self.last / self.first)
        else:
            share = (value - self.first) / (self.last - self.first)
        return self.low + min(max(share, 0.0), 1.0) * (self.high - self.low)

    def ticks(self) -> list[float]:
        """Some round numbers inside the axis: powers of ten where it is logarithmic and wide."""
        if self.log:
            powers = range(math.floor(math.log10(self.first)), math.ceil(math.log10(self.last)) + 1)
            every = max(1, len(powers) // 8)
            leading = (1,) if self.last / self.first > 200 else (1, 2, 5)
            found = [lead * 10.0**power for power in powers[::every] for lead in leading]
            inside = [v for v in found if self.first * (1 - 1e-9) <= v <= self.last * (1 + 1e-9)]
            if len(inside) >= 2:
                return inside
        rough = (self.last - self.first) / 6
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * lead for lead in (1, 2, 2.5, 5, 10) if size * lead >= rough)
        start = math.ceil(self.first / step - 1e-9)
        return [k * step for k in range(start, math.floor(self.last / step + 1e-9) + 1)]


def _placed(series: Series, x: Sequence[float] | None) -> dict[str, tuple[Sequence, Sequence]]:
    """Every series with the places of its values."""
    placed = {}
    for name, values in series.items():
        if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
            places, values = values
        else:
            places = range(len(values)) if x is None else x
        if len(places) != len(values):
            raise ValueError(f"{name!r} has {len(values)} values at {len(places)} places; give one place a value.")
        placed[name] = (places, values)
    return placed


def _finite(values: Sequence, log: bool) -> np.ndarray:
    """Numbers, NaN where a value cannot be drawn."""
    numbers = np.asarray(values, dtype=float).copy()
    numbers[~np.isfinite(numbers) | ((numbers <= 0) if log else False)] = np.nan
    return numbers


def _span(values: list[np.ndarray], wanted: tuple[float, float] | None, log: bool) -> tuple[float, float]:
    """What an axis spans: a little more than the values, and never nothing."""
    if wanted is not None:
        return float(wanted[0]), float(wanted[1])
    every = np.concatenate([*values, np.empty(0)])
    every = every[~np.isnan(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (1.0, 10.0) if log else (0.0, 1.0)
    if log:
        return (low / 1.1, high * 1.1) if high > low else (low / 3, high * 3)
    room = 0.04 * (high - low) or max(0.5 * abs(high), 0.5)
    return (0.0 if low >= 0 and low < 0.3 * high else low - room), high + room


def _unbroken(xs: np.ndarray, ys: np.ndarray) -> list[list[tuple[float, float]]]:
    """The points between gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for a, b in zip(xs.tolist(), ys.tolist(), strict=True):
        if math.isnan(a) or math.isnan(b):
            parts.append([])
        else:
            parts[-1].append((a, b))
    return [part for part in parts if part]


def _fine(points) -> list[tuple[float, float]]:
    return [(FINE * a, FINE * b) for a, b in points]


def _polyline(draw: ImageDraw.ImageDraw, points, colour: str, dashes: str, width: int) -> None:
    """A line through points, dashed along its length."""
    if not _DASHES[dashes]:
        draw.line(_fine(points), fill=colour, width=width * FINE, joint="curve")
        return
    lengths, turn, left = _DASHES[dashes], 0, _DASHES[dashes][0]
    for (ax, ay), (bx, by) in pairwise(points):
        whole, done = math.hypot(bx - ax, by - ay), 0.0
        while done < whole:
            stretch = min(left, whole - done)
            if turn % 2 == 0:
                ends = [(ax + (bx - ax) * s / whole, ay + (by - ay) * s / whole) for s in (done, done + stretch)]
                draw.line(_fine(ends), fill=colour, width=width * FINE)
            done, left = done + stretch, left - stretch
            if left <= 1e-9:
                turn = (turn + 1) % len(lengths)
                left = lengths[turn]


def _words(draw, across: _Axis, up: _Axis, placed, title, x_label, y_label, marks) -> None:
    """Title, ticks, labels, marks and the legend."""
    text(draw, (16, 26), title, size=24, bold=True, anchor="lm", width=across.high - 16)
    for value in across.ticks():
        text(draw, (across.at(value), up.low + 20), f"{value:.6g}", size=18)
    for value in up.ticks():
        text(draw, (across.low - 10, up.at(value)), f"{value:.6g}", size=18, anchor="rm", width=60 + extra(20))
    text(draw, ((across.low + across.high) / 2, up.low + 52), x_label, size=20)
    for words, value in marks.items():
        text(draw, (across.at(value) + 6, up.high + 12), words, size=18, colour=PALE, anchor="lm")
    longest = max((draw.textlength(name, font=font(18 + extra(18))) for name in placed), default=0)
    left, top = _emptiest_corner(placed, across, up, 66 + longest, 28 * len(placed))
    for row, (name, (colour, dashes)) in enumerate(zip(placed, LOOKS, strict=False)):
        y = top + 28 * row
        for start, end in _legend_dashes(dashes):
            draw.line([(left + start, y), (left + end, y)], fill=colour, width=4)
        text(draw, (left + 56, y), name, size=18, anchor="lm")


def _legend_dashes(dashes: str) -> list[tuple[float, float]]:
    """Where the short line of the legend, 46 pixels long, is drawn."""
    lengths, done, turn, found = _DASHES[dashes] or (46,), 0, 0, []
    while done < 46:
        end = min(46, done + lengths[turn % len(lengths)])
        if turn % 2 == 0:
            found.append((done, end))
        done, turn = end, turn + 1
    return found


def _emptiest_corner(placed, across: _Axis, up: _Axis, wide: float, tall: float) -> tuple[float, float]:
    """Left end and first line of the legend, in the corner with least of the curves in it, and then beside it."""
    curves = [
        (across.at(a), up.at(b)) for xs, bs in placed.values() for part in _unbroken(xs, bs) for a, b in _dense(part)
    ]
    rights, tops = (across.high - wide, across.low + 14), (up.high + 20, up.low - tall + 4)

    def crowd(corner: tuple[float, float], air: int) -> int:
        left, top = corner[0] - air, corner[1] - 16 - air
        right, bottom = corner[0] + wide + air, corner[1] + tall - 12 + air
        return sum(left < x < right and top < y < bottom for x, y in curves)

    corners = [(left, top) for left in rights for top in tops]
    return min(corners, key=lambda corner: (crowd(corner, 0), crowd(corner, 20)))


def _dense(points: list[tuple[float, float]], between: int = 8) -> list[tuple[float, float]]:
    """The points of a curve and some on the straight lines between them, which a legend must not cover either."""
    found = list(points)
    for (ax, ay), (bx, by) in pairwise(points) if len(points) < 200 else ():
        found += [(ax + (bx - ax) * k / between, ay + (by - ay) * k / between) for k in range(1, between)]
    return found


def _sideways(canvas: Image.Image, words: str, middle: float) -> None:
    """The label of the upright axis, read from below."""
    tall = 26 + extra(20)
    strip = Image.new("RGB", (canvas.height, tall), PAPER)
    text(pen(strip), (canvas.height - middle, tall // 2), words, size=20, width=canvas.height - 40 - extra(220))
    turned = strip.rotate(90, expand=True)
    canvas.paste(turned.crop((0, 50, tall, canvas.height)), (4, 50))
