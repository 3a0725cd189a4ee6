"""Lines over axes: `curves` for what stands still, `quick_curves` for what a slider or a training redraws.

Serves all eight notebooks and their labs. Papers: none. Each figure is uint8 [height, width, 3]. Both are matplotlib's;
the second keeps its figure and draws axes and words anew only where they change: measured on one core 4 ms a redraw, 25
with new axes (hand-made ones, by Pillow, took 8).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from course_utils.figures.base import WIDTH
from course_utils.figures.colours import BLUE, GREEN, GRID, ORANGE, PURPLE, SKY, VERMILLION
from course_utils.figures.style import extra, finish, settle, sheet, stronger, used

Series = Mapping[str, Sequence]  # name → values, or name → (x values, values)
Range = tuple[float, float]
LOOKS = ((BLUE, "-"), (VERMILLION, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, "-"), (SKY, "--"))
EDGE = 0.04  # between an axis and the words of a legend, as a share of the axes
CORNERS = {"upper right": (1, 1), "upper left": (0, 1), "lower right": (1, 0), "lower left": (0, 0)}


def curves(
    series: Series,
    *,
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[float] | None = None,
    log_y: bool = False,
    y_range: Range | None = None,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> np.ndarray:
    """Lines over one axis, each with its own colour *and* dashes. For what stands still.

    Args:
        series: name → values, or name → (x values, values).
        title: the figure's one message; the labels tell the units.
        x: where the values stand, for all; 0, 1, 2 … where left out.
        log_y: a logarithmic upright axis.
        y_range: what that axis spans, such as more than the values, so that the legend has room; None takes the values.
        bands: name → (lower, upper) round the line of that name.

    >>> curves({"loss": [2.0, 1.0, 0.5]}, title="It falls", x_label="step", y_label="loss").shape
    (460, 1120, 3)
    """
    from matplotlib.ticker import MaxNLocator

    figure, canvas = sheet(WIDTH, 460, layout="constrained")
    axes = figure.add_subplot()
    for (name, (places, values)), (colour, dashes) in zip(_placed(series, x).items(), LOOKS, strict=False):
        axes.plot(places, values, dashes, color=colour, linewidth=3, label=name)
        if bands and name in bands:
            axes.fill_between(places, *bands[name], color=colour, alpha=0.2, linewidth=0)
    if x is None:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if log_y:
        axes.set_yscale("log")
    axes.margins(x=0.02)
    if y_range is not None:
        axes.set_ylim(y_range)
    dress(axes, title, x_label, y_label)
    _legend(axes)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return finish(canvas)


def dress(axes, title: str, x_label: str, y_label: str, **place: float) -> None:
    """The course's look for axes of matplotlib; the title stands where it has room, or at x and y."""
    axes.set_title(title, fontsize=18, fontweight="bold", loc="left", **place)
    axes.set_xlabel(x_label, fontsize=16)
    axes.set_ylabel(y_label, fontsize=16)
    axes.tick_params(labelsize=14)
    axes.grid(color=stronger(GRID))
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes, corner: str = "best") -> None:
    """The names of the lines; on stage they cover more, so they stand on paper."""
    legend = axes.legend(fontsize=14, frameon=bool(extra(14)), edgecolor="none", loc=corner)
    for line in legend.get_lines():
        line.set_marker("")


def quick_curves(
    series: Series,
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    x_range: Range | None = None,
    y_range: Range | None = None,
    width: int = WIDTH,
    height: int = 460,
) -> np.ndarray:
    """The same picture, quick enough to follow a slider; values that are not finite leave a gap.

    Args:
        series: as in `curves`; an empty one stands in the legend only.
        x_range, y_range: what the axes span; where left out, the values, upright up to the next round number.
        width, height: in pixels.

    >>> words = {"title": "It falls", "x_label": "step", "y_label": "loss"}
    >>> quick_curves({"loss": [2.0, 1.0]}, **words, width=600, height=300).shape
    (300, 600, 3)
    """
    lines = [(_drawable(xs), _drawable(ys, log_y)) for xs, ys in _placed(series).values()]
    across = x_range or _ends([xs for xs, _ in lines])
    limits = across, y_range or rounded(*_ends([ys for _, ys in lines]), log_y)
    longest = max((len(name) for name in series), default=0)
    wide, tall = used().type * (80 + 12 * longest), used().type * 32 * len(series)  # pixels of the legend, about
    corner = _emptiest_corner(lines, limits, log_y, (wide / width, tall / (height - 130)))
    chart = _Chart(width, height, tuple(series), used().type, threading.get_ident())
    return chart.drawn(lines, (title, x_label, y_label), (*limits, log_y, corner))


@lru_cache(maxsize=8)  # one for each size, each style and each thread: no two draw on the same at once
class _Chart:
    """Axes that stay between two pictures, because to draw them takes ten times as long as to draw the lines."""

    def __init__(self, width: int, height: int, names: tuple[str, ...], _type_size: float, _thread: int):
        self.figure, self.canvas = sheet(width, height)
        self.left, self.below = 100 + extra(140), 74 + extra(30)  # pixels for the words beside the axes and below
        self.wide, self.tall = width - self.left - 24, height - self.below - 56
        box = np.divide((self.left, self.below, self.wide, self.tall), (width, height, width, height))
        self.axes = self.figure.add_axes(box)
        self.lines = [
            self.axes.plot([], [], dashes, color=colour, linewidth=3, marker="o", label=name, animated=True)[0]
            for name, (colour, dashes) in zip(names, LOOKS, strict=False)
        ]
        self.words, self.range, self.background = None, None, None

    def drawn(self, lines: Sequence[tuple[np.ndarray, np.ndarray]], words: tuple, range: tuple) -> np.ndarray:
        """The pixels with these lines; axes and words are drawn again only if they are others than last time."""
        if (words, range) != (self.words, self.range):
            self._draw_axes(words, range)
        self.canvas.restore_region(self.background)
        for line, (xs, ys) in zip(self.lines, lines, strict=False):
            line.set_data(xs, ys)
            known = np.pad(~np.isnan(xs + ys), 1)  # a value with a gap on both sides is a dot: no line would show it
            line.set_markevery(np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:]).tolist())
            self.axes.draw_artist(line)
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def _draw_axes(self, words: tuple, range: tuple) -> None:
        from matplotlib.ticker import MaxNLocator, NullLocator

        across, up, log_y, corner = range
        self.axes.set_yscale("log" if log_y else "linear")
        self.axes.set(xlim=across, ylim=up)
        for axis, log in ((self.axes.xaxis, False), (self.axes.yaxis, log_y)):
            if not log:
                axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter((lambda value, _: times(value)) if log else "{x:.6g}")  # 1e−05 would be too wide
        _legend(self.axes, corner)
        if words == self.words:
            self.canvas.draw()
        else:  # in fixed places, or matplotlib measures every word of the axes whenever it draws them
            left = (16 - self.left) / self.wide
            dress(self.axes, *words, x=left, y=1 + 14 / self.tall)
            self.axes.xaxis.set_label_coords(0.5, (34 + extra(24) - self.below) / self.tall)
            # A label that is longer than its axis ends below the title, if it can.
            long = self.tall < 11 * used().type * len(words[2]) < self.tall + self.below
            self.axes.yaxis.label.set_horizontalalignment("right" if long else "center")
            self.axes.yaxis.set_label_coords(left + (16 + extra(30)) / self.wide, 1.0 if long else 0.5)
            settle(self.canvas)
        self.words, self.range = words, range
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)


def _placed(series: Series, x: Sequence[float] | None = None) -> dict[str, tuple[Sequence, Sequence]]:
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


def _drawable(values: Sequence, log: bool = False) -> np.ndarray:
    """Numbers, NaN where a value cannot be drawn."""
    numbers = np.array(values, dtype=float)
    numbers[~np.isfinite(numbers) | (log & (numbers <= 0))] = np.nan
    return numbers


def _ends(values: list[np.ndarray]) -> Range:
    """The least and the largest value; if they are one, from or to 0; something where there are none."""
    every = np.concatenate(values)
    every = every[~np.isnan(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (1.0, 10.0)
    return (low, high) if low < high else (min(low, 0.0), max(high, 0.0) or 1.0)


def rounded(low: float, high: float, log: bool = False) -> Range:
    """Round numbers about a range, so far apart that they seldom change while a curve grows; from 0 if that is near."""
    from matplotlib.ticker import MaxNLocator

    if log:
        first, last = np.floor(np.log10(low if low > 0 else high / 10)), np.ceil(np.log10(high))
        return float(10.0**first), float(10.0 ** max(last, first + 1))
    ticks = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(0.0 if 0 <= low < 0.3 * high else low, high)
    return float(ticks[0]), float(ticks[-1])


def _emptiest_corner(lines, limits: tuple[Range, Range], log_y: bool, legend: tuple[float, float]) -> str:
    """The corner with least of the lines in it for a legend whose size is given in shares of the axes."""
    across, up = limits[0], np.log(limits[1]) if log_y else limits[1]
    found = [np.empty((2, 0))]
    for xs, ys in lines:
        if len(xs):
            between = np.linspace(0, len(xs) - 1, 200)  # also on the straight lines between few points
            xs, ys = (np.interp(between, range(len(one)), one) for one in (xs, ys))
            ys = np.log(ys) if log_y else ys
            found.append(((xs - across[0]) / np.ptp(across), (ys - up[0]) / np.ptp(up)))
    right, high = np.concatenate(found, axis=1)

    def crowd(corner: str) -> tuple[int, int]:  # of the legend itself, then of the air round it
        far = np.abs(right - CORNERS[corner][0]), np.abs(high - CORNERS[corner][1])
        beside = far[1] > EDGE  # a line along the edge runs between the axis and the words
        return tuple(int((beside & (far[0] < legend[0] + air) & (far[1] < legend[1] + air)).sum()) for air in (0, 0.1))

    return min(CORNERS, key=crowd)


def times(factor: float) -> str:
    """A factor as a reader says it, to one digit: 0.5, 200, 2·10⁻²⁴; never 0 for what is only small.

    >>> times(0.47), times(2.3e-24)
    ('0.5', '2·10⁻²⁴')
    """
    lead, power = f"{factor:.0e}".split("e")
    if factor == 0 or -3 < int(power) < 5:
        return f"{float(f'{factor:.0e}'):,.10g}"
    lead = "" if lead == "1" else f"{lead}·"
    return f"{lead}10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
