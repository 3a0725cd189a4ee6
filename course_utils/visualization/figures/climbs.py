"""What a network likes to see: the ladder of regularisers, many filters, one network's optimum shown to the others.

Serves notebook 6. Nothing here computes: it shows what it is given.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, begin, fitted, percent, text
from course_utils.figures.colours import BLUE, INK, PALE, PAPER, mixed

GAP = 14  # pixels between pictures
LEFT = 226  # pixels for the names of rows


def ladder(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    title: str,
    names: Sequence[str],
    steps: Sequence[int | str],
    notes: Sequence[Sequence[str]] | None = None,
    side: int = 192,
    width: int = WIDTH,
) -> np.ndarray:
    """Pictures in rows and columns: a row a rung of the ladder, a column a snapshot of the climb.

    Args:
        rows: uint8 [H, W, 3] each, all rows of one length.
        title: the figure's one message.
        names: of the rows, on their left; "\\n" begins a new line.
        steps: of the columns, above them: a whole number is a step of the climb, words stand as they are.
        notes: a few words under each picture, or none at all.
        side: the largest edge of a picture on the figure, in pixels.
        width: of the figure, in pixels; lesson 6's six rungs make a narrow one.

    >>> small = np.zeros((64, 64, 3), np.uint8)
    >>> ladder([[small, small]], title="A rung", names=["naive"], steps=[1, 50]).shape[1:]
    (1120, 3)
    """
    if not rows or len(names) != len(rows) or any(len(row) != len(steps) for row in rows):
        counts = f"{len(rows)} rows of {sorted({len(row) for row in rows})}, {len(names)} names and {len(steps)} steps"
        raise ValueError(f"give one name for each row and one step for each of its pictures; got {counts}.")
    free = (width - LEFT - MARGIN + GAP) / len(steps)
    drawn = [[fitted(picture, min(side, int(free) - GAP)) for picture in row] for row in rows]
    tall = max(picture.height for row in drawn for picture in row)
    pitch, step = tall + (32 if notes else GAP), min(free, max(p.width for row in drawn for p in row) + 3 * GAP)
    canvas, draw = begin(88 + pitch * len(rows), title, width)
    for k, at in enumerate(steps):
        words = at if isinstance(at, str) else "start" if at == 0 else f"step {at}"
        text(draw, (LEFT + k * step + (step - GAP) / 2, 66), words, size=20, colour=PALE, width=step - 6)
    for i, row in enumerate(drawn):
        top = 88 + i * pitch
        _lines(draw, (LEFT - 16, top + tall / 2), names[i], anchor="rm", width=LEFT - 24)
        for k, picture in enumerate(row):
            middle = LEFT + k * step + (step - GAP) / 2
            _framed(canvas, draw, picture, round(middle - picture.width / 2), top)
            if notes:
                text(draw, (middle, top + tall + 15), notes[i][k], size=17, colour=INK, width=step - 6)
    return np.asarray(canvas)


def sheet(pictures: Sequence[np.ndarray], titles: Sequence[str], *, title: str) -> np.ndarray:
    """Many pictures, such as all filters of a layer, eight in a row, each with a few words below.

    Args:
        pictures: uint8 [H, W, 3] each, at least one.
        titles: one a picture.
        title: the figure's one message.

    >>> sheet([np.zeros((64, 64, 3), np.uint8)] * 9, ["filter"] * 9, title="A layer").shape[1:]
    (1120, 3)
    """
    if not len(pictures) or len(pictures) != len(titles):
        raise ValueError(f"give pictures and a title for each; got {len(pictures)} pictures, {len(titles)} titles.")
    columns = min(8, len(pictures))
    step = (WIDTH - 2 * MARGIN + GAP) / columns
    drawn = [fitted(picture, min(192, int(step) - GAP)) for picture in pictures]
    tall = max(picture.height for picture in drawn)
    pitch = tall + 36
    canvas, draw = begin(54 + pitch * -(-len(drawn) // columns), title)
    for k, picture in enumerate(drawn):
        middle, top = MARGIN + (k % columns) * step + (step - GAP) / 2, 54 + (k // columns) * pitch
        _framed(canvas, draw, picture, round(middle - picture.width / 2), top)
        text(draw, (middle, top + tall + 16), titles[k], size=18, colour=INK, width=step - 8)
    return np.asarray(canvas)


def exchange(
    pictures: Sequence[np.ndarray],
    probabilities: np.ndarray,
    *,
    title: str,
    names: Sequence[str],
    label: str,
) -> np.ndarray:
    """Each network's own picture of a class (the rows), and how sure every network is of it (the columns).

    Args:
        pictures: uint8 [H, W, 3], one a network.
        probabilities: [networks, networks], of row i's picture in the eyes of network k, 0 to 1.
        title: the figure's one message.
        names: of the networks; "\\n" begins a new line.
        label: the name of the class.
    """
    count, values = len(pictures), np.asarray(probabilities, dtype=float)
    if not count or len(names) != count or values.shape != (count, count):
        got = f"{count} pictures, {len(names)} names and numbers of shape {list(values.shape)}"
        raise ValueError(f"give one name and one row and column of probabilities for each picture; got {got}.")
    side = 128
    drawn = [fitted(picture, side) for picture in pictures]
    pitch, left = max(picture.height for picture in drawn) + GAP, LEFT + side + 2 * GAP
    step, first = (WIDTH - MARGIN - left) / count, 112 + 13 * max(name.count("\n") for name in names) * 2
    canvas, draw = begin(first + 6 + pitch * count, title)
    text(draw, (LEFT + side / 2, first - 20), "its picture", size=20, colour=PALE, width=side + 2 * GAP)
    text(draw, (LEFT - 16, first - 20), f"“{label}” to …", size=20, colour=PALE, anchor="rm", width=LEFT - 24)
    text(draw, (left + count * step / 2, 62), f"probability of “{label}” in the eyes of …", size=20, colour=PALE)
    for k, name in enumerate(names):
        _lines(draw, (left + (k + 0.5) * step, (76 + first - 4) / 2), name, anchor="mm", width=step - 8, bold=True)
    for i, picture in enumerate(drawn):
        top, middle = first + i * pitch, first + i * pitch + (pitch - GAP) / 2
        _lines(draw, (LEFT - 16, middle), names[i], anchor="rm", width=LEFT - 24, bold=True)
        _framed(canvas, draw, picture, LEFT + (side - picture.width) // 2, top)
        for k, value in enumerate(values[i]):
            x = left + k * step
            box = (round(x + 4), top, round(x + step - 4), top + pitch - GAP)
            frame, thick = (INK, 3) if i == k else (PALE, 1)
            draw.rectangle(box, fill=mixed(value, PAPER, BLUE), outline=frame, width=thick)
            text(draw, (x + step / 2, middle), percent(value), size=24, colour=PAPER if value > 0.5 else INK)
    return np.asarray(canvas)


def _lines(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], words: str, *, anchor: str, width: float, bold=False
) -> None:
    """Write one line or several, their middle at a height."""
    lines = words.split("\n")
    for k, line in enumerate(lines):
        y = at[1] + 26 * (k - (len(lines) - 1) / 2)
        text(draw, (at[0], y), line, size=20, bold=bold, anchor=anchor, width=width)


def _framed(canvas: Image.Image, draw: ImageDraw.ImageDraw, picture: Image.Image, left: int, top: int) -> None:
    canvas.paste(picture, (left, top))
    draw.rectangle((left - 1, top - 1, left + picture.width, top + picture.height), outline=PALE)
