"""The pictures of notebook 2: a window on its way, a picture before and after, GoogLeNet's bill, where a gradient goes.

Serves notebook 2 and its labs. Papers: none; what is drawn comes from `pooling` and `costs`. Unless it says
otherwise, a figure returns uint8 [height, WIDTH, 3].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from course_utils.costs.accounting import Account, count, size
from course_utils.figures.base import MARGIN, WIDTH, begin, fitted, text
from course_utils.figures.colours import BLACK, BLUE, GRID, INK, PALE, PAPER, VERMILLION, YELLOW, blended
from course_utils.figures.style import pen
from course_utils.pooling.pooling import WindowStep

_WINDOW, _WINNER, _EMPTY = "#FDF0D0", "#F6C244", "#F3F3F3"  # pale, full and faint
Grids = Sequence[np.ndarray]


# ---- numbers in squares ----------------------------------------------------------------------------------------
def number(value: float) -> str:
    """A number as it is written into a cell: 36.5, 12, −∞, ¼; with two decimals at most; nothing for NaN."""
    if math.isnan(value):
        return ""
    if abs(value - 0.25) < 1e-9:
        return "¼"
    return f"{round(float(value), 2):g}".replace("-", "−").replace("inf", "∞")


def _grid(draw, middle, side: float, numbers, fills, bold, pale=None, *, frames=(), colour=VERMILLION) -> None:
    """A grid of squares about a point, with numbers in them, and thick frames (row, column, rows, columns) on it."""
    left, top = (place - side * count / 2 for place, count in zip(middle, numbers.shape[::-1], strict=True))
    for place, value in np.ndenumerate(numbers):
        x, y = left + place[1] * side, top + place[0] * side
        draw.rectangle((x, y, x + side, y + side), fill=str(fills[place]), outline=PALE, width=1)
        ink, size = PALE if pale is not None and pale[place] else INK, min(30, int(side * 0.4))
        at = x + side / 2, y + side / 2
        text(draw, at, number(value), size=size, bold=bool(bold[place]), colour=ink, width=side - 8)
    for row, column, rows, columns in frames:
        x, y = left + column * side, top + row * side
        draw.rectangle((x, y, x + columns * side, y + rows * side), outline=colour, width=5)


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
    shown, edge = (step.gradient, math.nan) if gradient else (numbers, -math.inf if kind == "max" else 0.0)
    shown = np.pad(shown.numpy(), padding, constant_values=edge)  # [H + 2p, W + 2p]
    around = np.pad(np.zeros(numbers.shape, dtype=bool), padding, constant_values=True)
    fills = np.where(around, _EMPTY, PAPER)
    row, column = (place + padding for place in step.corner)
    inside = fills[row : row + len(seen), column : column + len(seen)]
    inside[:] = _WINDOW
    if kind == "max":
        inside.flat[seen.argmax()] = _WINNER

    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    draw = pen(canvas)
    frames = [(row, column, *seen.shape)]
    side = min(96, 400 / max(shown.shape))
    _grid(draw, (MARGIN + 210, 260), side, shown, fills, fills == _WINNER, around, frames=frames)
    _draw_results(draw, results, step.index, gradient)
    rows, columns = numbers.shape
    title = "what comes back to each number" if gradient else f"the picture, {rows}×{columns}"
    text(draw, (MARGIN + 210, 30), title, size=22, bold=True, width=420)
    said = _said(seen, kind, None if gradient else results.flat[step.index])
    text(draw, (WIDTH / 2, height - 44), said, size=28, colour=INK, width=WIDTH - 2 * MARGIN)
    return np.asarray(canvas)


def _draw_results(draw, results: np.ndarray, index: int, gradient: bool) -> None:
    """The grid on the right, as far as it is filled, and an arrow to it."""
    (rows, columns), middle, way = results.shape, WIDTH - MARGIN - 210, -1 if gradient else 1
    places = np.arange(results.size).reshape(results.shape)
    shown = np.where(places > index, math.nan, 1 if gradient else results)
    fills = np.select([places > index, places == index], [_EMPTY, _WINDOW], PAPER)
    frames, side = [(*divmod(index, columns), 1, 1)], min(96, 400 / max(rows, columns))
    _grid(draw, (middle, 260), side, shown, fills, places == index, frames=frames)
    title = "a gradient of 1 for each result" if gradient else f"the result, {rows}×{columns}"
    text(draw, (middle, 30), title, size=22, bold=True, width=420)
    end, tip = WIDTH / 2 + 60 * way, 18 * way
    draw.line((WIDTH / 2 - 60 * way, 260, end, 260), fill=VERMILLION, width=5)
    draw.polygon([(end + tip / 2, 260), (end - tip, 246), (end - tip, 274)], fill=VERMILLION)
    text(draw, (WIDTH / 2, 226), f"window {index + 1} of {results.size}", size=20, colour=PALE)


def _said(seen: np.ndarray, kind: str, result: float | None) -> str:
    """What happens in the window, in one line: "(31 + 15 + 0 + 100) / 4 = 36.5"; without a result, on the way back."""
    if result is None:
        goes = "goes to the winner, all of it" if kind == "max" else "is shared equally among all in the window"
        return f"the gradient of 1 {goes}"
    values = [number(value) for value in seen.flat]
    left = f"max({', '.join(values)})" if kind == "max" else f"({' + '.join(values)}) / {seen.size}"
    return f"{left} = {number(result)}"


def number_grids(
    grids: Grids, titles: Sequence[str], captions: Sequence[str], *, marked: Grids, blocks: int
) -> np.ndarray:
    """Grids of numbers side by side, each with a title and a caption; those that are marked stand out.

    Args:
        grids: float [H, W] each, at most four.
        titles, captions: one a grid.
        marked: bool [H, W] a grid.
        blocks: thick frames round so many rows and columns, where windows meet.

    >>> ones = np.eye(4)
    >>> number_grids([ones], ["the numbers"], ["ones on the diagonal"], marked=[ones > 0], blocks=2).shape
    (440, 1120, 3)
    """
    step, height = (WIDTH - 2 * MARGIN) / len(grids), 440
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    draw = pen(canvas)
    for k, grid in enumerate(grids):
        rows, columns = np.shape(grid)
        middle, side = MARGIN + (k + 0.5) * step, min(80, (step - 30) / columns, 320 / rows)
        corners = [(row * blocks, column * blocks) for row, column in np.ndindex(rows // blocks, columns // blocks)]
        frames = [(*corner, blocks, blocks) for corner in corners if rows > blocks]
        fills = np.where(marked[k], _WINNER, PAPER)
        _grid(draw, (middle, 224), side, grid, fills, marked[k], frames=frames, colour=BLUE)
        text(draw, (middle, 34), titles[k], size=22, bold=True, width=step - 16)
        text(draw, (middle, height - 28), captions[k], size=20, colour=PALE, width=step - 16)
    return np.asarray(canvas)


# ---- pictures --------------------------------------------------------------------------------------------------
def pooled_picture(
    before: np.ndarray, after: np.ndarray, *, name: str, lines: Sequence[str], window: Mapping[str, int]
) -> np.ndarray:
    """A picture with two of its windows drawn in, the pooled picture as large beside it, and the arithmetic below.

    Args:
        before, after: uint8 [H, W, 3].
        name: of the picture on the right.
        lines: the arithmetic, a line each.
        window: kernel_size, stride, padding and dilation, in pixels; windows are drawn at their true size.
    """
    side = (WIDTH - 2 * MARGIN - 40) // 2
    tall = 44 + side + 14
    canvas = Image.new("RGB", (WIDTH, tall + 40 * len(lines) + 10), PAPER)
    draw = pen(canvas)
    for k, (pixels, words) in enumerate(((before, "before"), (after, name))):
        drawn, start = fitted(pixels, side), MARGIN + k * (side + 40)
        if k == 0:
            _draw_windows(drawn, drawn.width / pixels.shape[1], pixels.shape, **window)
        left, top = start + (side - drawn.width) // 2, 44 + (side - drawn.height) // 2
        canvas.paste(drawn, (left, top))
        draw.rectangle((left - 1, top - 1, left + drawn.width, top + drawn.height), outline=PALE)
        words = f"{words}: {pixels.shape[0]}×{pixels.shape[1]} pixels"
        text(draw, (start + side / 2, 22), words, size=24, bold=True, width=side)
    for k, line in enumerate(lines):
        text(draw, (MARGIN, tall + 20 + 40 * k), line, size=24, anchor="lm", width=WIDTH - 2 * MARGIN)
    return np.asarray(canvas)


def _draw_windows(drawn: Image.Image, scale: float, shape, kernel_size, stride, padding, dilation) -> None:
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
    """Where a gradient arrives: white for nothing, the redder the more; uint8 [H, W, 3].

    Args:
        gradient: float [H, W], at least 0.
        largest: what is drawn reddest, so that two pictures can be compared; the largest there is where left out.

    >>> gradient_map(np.array([[0.0, 0.25, 1.0]])).tolist()
    [[[255, 255, 255], [234, 174, 128], [213, 94, 0]]]
    """
    whole = gradient.max() if largest is None else largest
    share = np.sqrt(np.clip(gradient / max(float(whole), 1e-12), 0, 1))  # the root, so that little is seen too
    return np.round(blended(share, PAPER, VERMILLION)).astype(np.uint8)


# ---- GoogLeNet's bill ------------------------------------------------------------------------------------------
def bill(paid: Account, unpaid: Account, *, title: str) -> np.ndarray:
    """A network's table twice: with its pooling layers (blue) and without (red), output sizes and multiply-adds.

    The axis is logarithmic: as far as two dots lie apart, so many times as much the layer costs.

    Args:
        paid, unpaid: of the same layers; one that multiplies nothing has no dots.

    >>> from course_utils.costs import accounting
    >>> from course_utils.networks.pooled import SignsPoolNet
    >>> bill(*(accounting.account(SignsPoolNet(), size) for size in (64, 96)), title="More pixels cost more").shape
    (868, 1120, 3)
    """
    step, top, left, right = 36, 124, 590, WIDTH - MARGIN - 100
    middle, bottom = (left + right) / 2, top + step * len(paid.rows)
    canvas, draw = begin(bottom + 96, title, y=28)
    powers = np.log10([row.macs / 1e6 for account in (paid, unpaid) for row in account.rows if row.macs])
    low, high = math.floor(powers.min()), math.ceil(powers.max())

    def place(macs: int) -> float:
        return left + (right - left) * (math.log10(macs / 1e6) - low) / (high - low)

    for power in range(low, high + 1):
        x = place(10 ** (power + 6))
        draw.line((x, top - 8, x, bottom), fill=GRID, width=1)
        text(draw, (x, bottom + 18), f"{10**power:,}", size=18, colour=PALE)
    text(draw, (MARGIN, top - 26), "layer", size=20, bold=True, anchor="lm")
    text(draw, (400, top - 54), "output size", size=18, colour=PALE)
    text(draw, (right + 60, top - 26), "times", size=18, colour=PALE)
    text(draw, (middle, bottom + 46), "multiply-adds, in millions", size=20, width=right - left)
    for head, colour, x, y, account in (
        ("with", BLUE, 330, top - 60, paid),
        ("without", VERMILLION, 480, top - 32, unpaid),
    ):
        text(draw, (x, top - 26), head, size=20, bold=True, colour=colour)
        said = f"{head}: {count(account.macs)} in all, {size(account.activation_bytes)} of activations"
        text(draw, (middle - 20, y), said, size=20, bold=True, colour=colour, width=right - left + 30)
        for j, row in enumerate(account.rows):
            edges = "×".join(str(edge) for edge in (*row.shape[2:], row.shape[1]))  # as in the lecture's table
            text(draw, (x, top + step * (j + 0.5)), edges, size=18, colour=colour, width=146)
    for j, (a, b) in enumerate(zip(paid.rows, unpaid.rows, strict=True)):
        y = top + step * (j + 0.5)
        text(draw, (MARGIN, y), f"{a.name} {a.patch}".strip(), size=20, anchor="lm", width=230)
        if a.macs:
            draw.line((place(a.macs), y, place(b.macs), y), fill=GRID, width=6)
            for macs, colour in ((b.macs, VERMILLION), (a.macs, BLUE)):
                x = place(macs)
                draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=colour)
            text(draw, (right + 60, y), f"× {b.macs / a.macs:.0f}", size=18)
    return np.asarray(canvas)
