"""The pictures of notebook 2: a window on its way, a picture before and after, GoogLeNet's bill, where a gradient goes.

Serves notebook 2 and its labs. Papers: none; what is drawn comes from `pooling` and `accounting`. Unless it says
otherwise, a figure returns uint8 [height, WIDTH, 3].
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from course_utils.figures.base import MARGIN, WIDTH, fitted, text
from course_utils.figures.colours import BLACK, BLUE, GRID, INK, ORANGE, PALE, PAPER, VERMILLION, YELLOW, blended
from course_utils.figures.style import pen
from course_utils.pooling.pooling import WindowStep

_WINDOW, _WINNER, _EMPTY = "#FDF0D0", "#F6C244", "#F3F3F3"  # pale, full and faint
Places = Collection[tuple[int, int]]  # (row, column)


# ---- numbers in squares ----------------------------------------------------------------------------------------
def number(value: float) -> str:
    """A number as it is written into a cell: 36.5, 12, −∞, ¼; with two decimals at most; nothing for NaN."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    if abs(value - 0.25) < 1e-9:
        return "¼"
    return f"{round(float(value), 2):g}".replace("-", "−")


def _cells(draw, left: float, top: float, side: float, numbers, fills: dict, bold: Places = (), pale: Places = ()):
    """A grid of squares with numbers in them; what is pale is written more faintly."""
    size = min(30, int(side * 0.4))
    for place in np.ndindex(numbers.shape):
        x, y = left + place[1] * side, top + place[0] * side
        draw.rectangle((x, y, x + side, y + side), fill=fills.get(place, PAPER), outline=PALE, width=1)
        colour, middle = PALE if place in pale else INK, (x + side / 2, y + side / 2)
        word = number(numbers[place])
        text(draw, middle, word, size=size, bold=place in bold, colour=colour, width=side - 8)


def _frame(draw, left: float, top: float, side: float, corner, span, colour: str) -> None:
    """A thick frame round some of a grid's squares."""
    (row, column), (rows, columns) = corner, span
    box = left + column * side, top + row * side, left + (column + columns) * side, top + (row + rows) * side
    draw.rectangle(box, outline=colour, width=5)


def window(numbers: Tensor, step: WindowStep, kind: str, *, padding: int, gradient: bool) -> np.ndarray:
    """One stop of a window: the numbers with the window on them, its sum or its maximum, the results so far.

    Args:
        numbers: float [H, W].
        step: what `pooling.step_to` found there; results after its own stay hidden.
        kind: "max" or "average".
        padding: rows and columns around the numbers.
        gradient: the gradient is written into the cells in place of the numbers, and results become 1.
    """
    height, seen, results = 560, step.numbers.numpy(), step.results.numpy()
    if gradient:
        shown = np.pad(step.gradient.numpy(), padding, constant_values=math.nan)  # [H + 2p, W + 2p]
    else:
        shown = np.pad(numbers.numpy(), padding, constant_values=-math.inf if kind == "max" else 0.0)
    row, column = step.corner[0] + padding, step.corner[1] + padding
    inside = np.pad(np.ones(np.shape(numbers), dtype=bool), padding)
    around = {place for place in np.ndindex(inside.shape) if not inside[place]}
    best = divmod(int(seen.argmax()), len(seen))
    winner = {(row + best[0], column + best[1])} if kind == "max" else set()
    fills = dict.fromkeys(around, _EMPTY)
    fills |= {(row + k, column + j): _WINDOW for k, j in np.ndindex(seen.shape)}
    fills |= dict.fromkeys(winner, _WINNER)

    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    draw = pen(canvas)
    side = min(96, 400 / max(shown.shape))
    left, top = MARGIN + (420 - side * shown.shape[1]) / 2, 60 + (400 - side * shown.shape[0]) / 2
    _cells(draw, left, top, side, shown, fills, winner, around)
    _frame(draw, left, top, side, (row, column), seen.shape, VERMILLION)
    _results(draw, results, step.index, gradient)
    title = "what comes back to each number" if gradient else f"the picture, {_size(numbers)}"
    text(draw, (MARGIN + 210, 30), title, size=22, bold=True, width=420)
    said = _GOES[kind] if gradient else _sum(seen, kind, results.flat[step.index])
    text(draw, (WIDTH / 2, height - 44), said, size=28, colour=INK, width=WIDTH - 2 * MARGIN)
    return np.asarray(canvas)


_GOES = {
    "max": "the gradient of 1 goes to the winner, all of it",
    "average": "the gradient of 1 is shared equally among all in the window",
}


def _results(draw, results: np.ndarray, index: int, gradient: bool) -> None:
    """The grid on the right, as far as it is filled, and an arrow to it."""
    rows, columns = results.shape
    side = min(96, 400 / max(rows, columns))
    left, top = WIDTH - MARGIN - 210 - side * columns / 2, 260 - side * rows / 2
    hidden = np.arange(results.size).reshape(results.shape) > index
    shown = np.where(hidden, math.nan, 1 if gradient else results)
    here = divmod(index, columns)
    fills = {place: _EMPTY for place in np.ndindex(results.shape) if hidden[place]} | {here: _WINDOW}
    _cells(draw, left, top, side, shown, fills, {here})
    _frame(draw, left, top, side, here, (1, 1), VERMILLION)
    title = "a gradient of 1 for each result" if gradient else f"the result, {_size(results)}"
    text(draw, (WIDTH - MARGIN - 210, 30), title, size=22, bold=True, width=420)
    way = -1 if gradient else 1
    end, tip = WIDTH / 2 + 60 * way, 18 * way
    draw.line((WIDTH / 2 - 60 * way, 260, end, 260), fill=VERMILLION, width=5)
    draw.polygon([(end + tip / 2, 260), (end - tip, 246), (end - tip, 274)], fill=VERMILLION)
    text(draw, (WIDTH / 2, 226), f"window {index + 1} of {results.size}", size=20, colour=PALE)


def _sum(seen: np.ndarray, kind: str, result: float) -> str:
    """What happens in the window, in one line: "(31 + 15 + 0 + 100) / 4 = 36.5"."""
    values = [number(value) for value in seen.flat]
    if kind == "max":
        return f"max({', '.join(values)}) = {number(result)}"
    return f"({' + '.join(values)}) / {seen.size} = {number(result)}"


def _size(numbers: np.ndarray) -> str:
    return f"{np.shape(numbers)[0]}×{np.shape(numbers)[1]}"


def number_grids(
    grids: Sequence[np.ndarray],
    titles: Sequence[str],
    captions: Sequence[str],
    *,
    marked: Sequence[np.ndarray] | None = None,
    blocks: int = 2,
) -> np.ndarray:
    """Grids of numbers side by side, each with a title and a caption; those that are marked stand out.

    Args:
        grids: float [H, W] each, at most four.
        titles, captions: one a grid.
        marked: bool [H, W] a grid; none where left out.
        blocks: thick lines after so many rows and columns, where windows meet; 0 for none.

    >>> number_grids([np.eye(4)], ["the numbers"], ["ones on the diagonal"], marked=[np.eye(4) > 0]).shape
    (440, 1120, 3)
    """
    step, height = (WIDTH - 2 * MARGIN) / len(grids), 440
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    draw = pen(canvas)
    for k, grid in enumerate(grids):
        rows, columns = np.shape(grid)
        side = min(80, (step - 30) / columns, 320 / rows)
        left, top = MARGIN + (k + 0.5) * step - side * columns / 2, 64 + (320 - side * rows) / 2
        chosen = {place for place in np.ndindex(rows, columns) if marked is not None and marked[k][place]}
        _cells(draw, left, top, side, grid, dict.fromkeys(chosen, _WINNER), chosen)
        if blocks and rows > blocks:
            for row, column in np.ndindex(rows // blocks, columns // blocks):
                _frame(draw, left, top, side, (row * blocks, column * blocks), (blocks, blocks), BLUE)
        text(draw, (MARGIN + (k + 0.5) * step, 34), titles[k], size=22, bold=True, width=step - 16)
        text(draw, (MARGIN + (k + 0.5) * step, height - 28), captions[k], size=20, colour=PALE, width=step - 16)
    return np.asarray(canvas)


# ---- pictures --------------------------------------------------------------------------------------------------
def pooled_picture(
    before: np.ndarray,
    after: np.ndarray,
    *,
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    lines: Sequence[str],
    name: str,
) -> np.ndarray:
    """A picture with two of its windows drawn in, the pooled picture as large beside it, and the arithmetic below.

    Args:
        before, after: uint8 [H, W, 3].
        kernel_size, stride, padding, dilation: of the pooling, in pixels; windows are drawn at their true size.
        lines: the arithmetic, a line each.
        name: of the picture on the right.
    """
    side = (WIDTH - 2 * MARGIN - 40) // 2
    tall = 44 + side + 14
    canvas = Image.new("RGB", (WIDTH, tall + 40 * len(lines) + 10), PAPER)
    draw = pen(canvas)
    for k, (pixels, words) in enumerate(((before, "before"), (after, name))):
        drawn = fitted(pixels, side)
        if k == 0:
            _windows(drawn, drawn.width / pixels.shape[1], kernel_size, stride, padding, dilation, pixels.shape)
        left, top = MARGIN + k * (side + 40) + (side - drawn.width) // 2, 44 + (side - drawn.height) // 2
        canvas.paste(drawn, (left, top))
        draw.rectangle((left - 1, top - 1, left + drawn.width, top + drawn.height), outline=PALE)
        words = f"{words}: {pixels.shape[0]}×{pixels.shape[1]} pixels"
        text(draw, (MARGIN + k * (side + 40) + side / 2, 22), words, size=24, bold=True, width=side)
    for k, line in enumerate(lines):
        text(draw, (MARGIN, tall + 20 + 40 * k), line, size=24, anchor="lm", width=WIDTH - 2 * MARGIN)
    return np.asarray(canvas)


def _windows(drawn: Image.Image, scale: float, kernel_size, stride, padding, dilation, shape) -> None:
    """The window nearest to the middle and its right neighbour, in their true size; with gaps, the pixels they take."""
    draw, reach = pen(drawn), dilation * (kernel_size - 1) + 1
    starts = [max(0, (edge - reach) // 2 + padding) // stride * stride - padding for edge in shape[:2]]
    for k, colour in ((1, PAPER), (0, YELLOW)):  # with black around, to be seen on any picture
        x, y = (starts[1] + k * stride) * scale, starts[0] * scale
        for row, column in np.ndindex(*(2 * (kernel_size if dilation > 1 else 0,))):
            px, py = x + column * dilation * scale, y + row * dilation * scale
            draw.rectangle((px, py, px + scale - 1, py + scale - 1), outline=colour)
        draw.rectangle((x - 2, y - 2, x + reach * scale + 1, y + reach * scale + 1), outline=BLACK, width=4)
        draw.rectangle((x - 1, y - 1, x + reach * scale, y + reach * scale), outline=colour, width=2)


def gradient_map(gradient: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Where a gradient arrives: black for nothing, brighter for more, the brightest for the most.

    Args:
        gradient: float [H, W], at least 0.
        largest: what is drawn brightest, so that two pictures can be compared; the largest there is where left out.

    Returns:
        uint8 [H, W, 3].

    >>> gradient_map(np.array([[0.0, 0.25, 1.0]])).tolist()
    [[[0, 0, 0], [115, 80, 0], [230, 159, 0]]]
    """
    share = np.asarray(gradient, dtype=float)
    whole = float(share.max(initial=0.0)) if largest is None else largest
    share = np.sqrt(np.clip(share / max(whole, 1e-12), 0, 1))  # the root, so that little is seen too
    return np.round(blended(share, BLACK, ORANGE)).astype(np.uint8)


# ---- GoogLeNet's bill ------------------------------------------------------------------------------------------
def bill(
    rows: Sequence[tuple[str, str, str, float, float]],
    *,
    title: str,
    unit: str,
    total: tuple[str, str],
) -> np.ndarray:
    """A network's table twice: with its pooling layers (blue) and without (red), output sizes and bars.

    Args:
        rows: (name, output size with, output size without, cost with, cost without); a cost of 0 draws no bar.
        title: the figure's one message.
        unit: of the costs, for the axis, such as "MACs (millions)".
        total: the sums, in words, with and without.

    >>> bill([("conv", "56×56", "112×112", 1.0, 4.0)], title="…", unit="MACs (millions)", total=("1", "4")).shape
    (256, 1120, 3)
    """
    step, top = 36, 124
    canvas = Image.new("RGB", (WIDTH, top + step * len(rows) + 96), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 28), title, size=26, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    costs = [cost for row in rows for cost in row[3:] if cost > 0]
    low, high = math.floor(math.log10(min(costs))), math.log10(max(costs))
    left, right = 560, WIDTH - MARGIN - 90
    bottom = top + step * len(rows)
    for power in range(low, math.ceil(high) + 1):
        x = left + (right - left) * (power - low) / (math.ceil(high) - low)
        draw.line((x, top - 8, x, bottom), fill=GRID, width=1)
        text(draw, (x, bottom + 18), f"{10**power:,}", size=18, colour=PALE)
    heads = ("layer", INK, MARGIN, "lm"), ("with", BLUE, 330, "mm"), ("without", VERMILLION, 470, "mm")
    for words, colour, x, anchor in heads:
        text(draw, (x, top - 26), words, size=20, bold=True, colour=colour, anchor=anchor)
    text(draw, (400, top - 54), "output size", size=18, colour=PALE)
    text(draw, ((left + right) / 2, bottom + 46), unit, size=20, width=right - left)
    for k, (name, size_with, size_without, *pair) in enumerate(rows):
        y = top + step * (k + 0.5)
        text(draw, (MARGIN, y), name, size=20, anchor="lm", width=230)
        text(draw, (330, y), size_with, size=18, colour=BLUE, width=136)
        text(draw, (470, y), size_without, size=18, colour=VERMILLION, width=136)
        for offset, cost, colour in ((-8, pair[0], BLUE), (8, pair[1], VERMILLION)):
            if cost > 0:
                end = left + (right - left) * (math.log10(cost) - low) / (math.ceil(high) - low)
                draw.rectangle((left, y + offset - 6, max(end, left + 2), y + offset + 6), fill=colour)
    for words, colour, y in ((total[0], BLUE, top - 60), (total[1], VERMILLION, top - 32)):
        text(draw, ((left + right) / 2, y), words, size=20, bold=True, colour=colour, width=right - left + 90)
    return np.asarray(canvas)


def factors(names: Sequence[str], values: Sequence[float], *, title: str, note: str = "") -> np.ndarray:
    """How many times as much: one bar a quantity, and a mark where "as much" would be.

    Args:
        names: of the quantities.
        values: how many times as much, more than 0.
        title: the figure's one message.
        note: a line below.

    >>> factors(["multiply-adds", "bytes"], [47.2, 32.6], title="Many times as much").shape
    (194, 1120, 3)
    """
    left, right, top, step = 400, WIDTH - MARGIN - 110, 66, 56
    height = top + step * len(names) + (60 if note else 16)
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 30), title, size=26, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    scale = (right - left) / max(*values, 1.0)
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        y = top + step * (k + 0.5)
        text(draw, (left - 16, y), name, size=22, anchor="rm", width=left - 16 - MARGIN)
        draw.rectangle((left, y - 17, left + value * scale, y + 17), fill=VERMILLION)
        text(draw, (left + value * scale + 12, y), f"× {value:.0f}" if value >= 10 else f"× {value:.1f}",
             size=22, bold=True, anchor="lm")  # fmt: skip
    bottom = top + step * len(names)
    draw.line((left + scale, top - 4, left + scale, bottom), fill=BLUE, width=4)
    if note:
        text(draw, (MARGIN, bottom + 30), note, size=20, colour=PALE, anchor="lm", width=WIDTH - 2 * MARGIN)
    return np.asarray(canvas)
