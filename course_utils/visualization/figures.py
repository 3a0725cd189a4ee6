"""Lesson 6's pictures: what a network likes to see, what excites its filters in the street, and what the labs show.

Serves notebook 6 and its labs. Nothing here computes: it shows what it is given.
Papers: Zeiler and Fergus 2014, figure 2 (patches beside what a filter looks for).
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, begin, fitted, panels, percent, text
from course_utils.figures.charts import quick_curves
from course_utils.figures.colours import BLUE, GRID, INK, PALE, PAPER, VERMILLION, YELLOW, mixed
from course_utils.figures.style import pen

GAP = 14  # pixels between pictures
LEFT = 226  # pixels for the names of rows
ROW = 8  # scenes below a climb
DIMMED = 0.45  # brightness of what a filter does not see
Pictures = Sequence[np.ndarray]  # uint8 [H, W, 3] each
Box = Sequence[int]  # top, left, bottom, right in pixels of the picture


def fewer_shades(pixels: np.ndarray, shades: int = 32) -> np.ndarray:
    """The same figure with fewer shades of red, green and blue: to the eye no other, in a notebook half as large.

    Args:
        pixels: uint8 [H, W, 3].
        shades: of each colour, 2 to 256; black and white stay what they are.

    >>> fewer_shades(np.array([[[0, 128, 255]]], np.uint8), shades=2).tolist()
    [[[0, 255, 255]]]
    """
    steps = np.round(np.arange(256) * (shades - 1) / 255)  # of each of the 256 shades
    return np.round(steps * 255 / (shades - 1)).astype(np.uint8)[pixels]


# ---- climbs ----------------------------------------------------------------------------------------------------
def ladder(
    rows: Sequence[Pictures],
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
        rows: all of one length.
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
    middles = [LEFT + k * step + (step - GAP) / 2 for k in range(len(steps))]
    canvas, draw = begin(88 + pitch * len(rows), title, width)
    for middle, at in zip(middles, steps, strict=True):
        words = at if isinstance(at, str) else "start" if at == 0 else f"step {at}"
        text(draw, (middle, 66), words, size=20, colour=PALE, width=step - 6)
    for i, row in enumerate(drawn):
        top = 88 + i * pitch
        _lines(draw, (LEFT - 16, top + tall / 2), names[i], anchor="rm", width=LEFT - 24)
        for k, (picture, middle) in enumerate(zip(row, middles, strict=True)):
            _put(canvas, draw, picture, middle, top, PALE)
            if notes:
                text(draw, (middle, top + tall + 15), notes[i][k], size=17, width=step - 6)
    return np.asarray(canvas)


def sheet(pictures: Pictures, titles: Sequence[str], *, title: str) -> np.ndarray:
    """Many pictures, such as all filters of a layer, eight in a row, each with a few words below.

    >>> sheet([np.zeros((64, 64, 3), np.uint8)] * 9, ["filter"] * 9, title="A layer").shape[1:]
    (1120, 3)
    """
    if not len(pictures) or len(pictures) != len(titles):
        raise ValueError(f"give pictures and a title for each; got {len(pictures)} pictures, {len(titles)} titles.")
    columns = min(8, len(pictures))
    step = (WIDTH - 2 * MARGIN + GAP) / columns
    drawn = [fitted(picture, min(192, int(step) - GAP)) for picture in pictures]
    tall = max(picture.height for picture in drawn)
    canvas, draw = begin(54 + (tall + 36) * math.ceil(len(drawn) / columns), title)
    for k, (picture, words) in enumerate(zip(drawn, titles, strict=True)):
        middle, top = MARGIN + (k % columns) * step + (step - GAP) / 2, 54 + (k // columns) * (tall + 36)
        _put(canvas, draw, picture, middle, top, PALE)
        text(draw, (middle, top + tall + 16), words, size=18, width=step - 8)
    return np.asarray(canvas)


def exchange(
    pictures: Pictures, probabilities: np.ndarray, *, title: str, names: Sequence[str], label: str
) -> np.ndarray:
    """Each network's own picture of a class (the rows), and how sure every network is of it (the columns).

    Args:
        pictures, names: one a network; "\\n" begins a new line of a name.
        probabilities: [networks, networks], of row i's picture in the eyes of network k, 0 to 1.
        label: the name of the class.
    """
    count, values = len(pictures), np.asarray(probabilities, dtype=float)
    if not count or len(names) != count or values.shape != (count, count):
        got = f"{count} pictures, {len(names)} names and numbers of shape {list(values.shape)}"
        raise ValueError(f"give one name and one row and column of probabilities for each picture; got {got}.")
    side = 128
    drawn = [fitted(picture, side) for picture in pictures]
    tall, left = max(picture.height for picture in drawn), LEFT + side + 2 * GAP
    step, first = (WIDTH - MARGIN - left) / count, 112 + 26 * max(name.count("\n") for name in names)
    canvas, draw = begin(first + 6 + (tall + GAP) * count, title)
    text(draw, (LEFT + side / 2, first - 20), "its picture", size=20, colour=PALE, width=side + 2 * GAP)
    text(draw, (LEFT - 16, first - 20), f"“{label}” to …", size=20, colour=PALE, anchor="rm", width=LEFT - 24)
    text(draw, (left + count * step / 2, 62), f"probability of “{label}” in the eyes of …", size=20, colour=PALE)
    for k, name in enumerate(names):
        _lines(draw, (left + (k + 0.5) * step, 36 + first / 2), name, anchor="mm", width=step - 8, bold=True)
    for i, picture in enumerate(drawn):
        top = first + i * (tall + GAP)
        _lines(draw, (LEFT - 16, top + tall / 2), names[i], anchor="rm", width=LEFT - 24, bold=True)
        _put(canvas, draw, picture, LEFT + side / 2, top, PALE)
        for k, value in enumerate(values[i]):
            x = left + k * step
            box = (round(x + 4), top, round(x + step - 4), top + tall)
            frame, thick = (INK, 3) if i == k else (PALE, 1)
            draw.rectangle(box, fill=mixed(value, PAPER, BLUE), outline=frame, width=thick)
            colour = PAPER if value > 0.5 else INK
            text(draw, (x + step / 2, top + tall / 2), percent(value), size=24, colour=colour)
    return np.asarray(canvas)


# ---- scenes ----------------------------------------------------------------------------------------------------
def outline(pixels: np.ndarray, box: Box, side: int) -> Image.Image:
    """A scene with the part that a filter sees outlined, and dimmed outside of it.

    Args:
        pixels: uint8 [H, W, 3].
        box: what is seen; it may reach over the edge.
        side: the largest edge of the result, in pixels.
    """
    height, width = pixels.shape[:2]
    top, left, bottom, right = max(box[0], 0), max(box[1], 0), min(box[2], height), min(box[3], width)
    dimmed = np.round(DIMMED * pixels.astype(np.float32)).astype(np.uint8)
    dimmed[top:bottom, left:right] = pixels[top:bottom, left:right]
    picture = fitted(dimmed, side)
    draw, zoom = pen(picture), picture.width / width
    edges = [round(left * zoom), round(top * zoom), round(right * zoom) - 1, round(bottom * zoom) - 1]
    for grow, colour in ((1, INK), (0, YELLOW), (-1, YELLOW), (-2, INK)):  # seen on everything
        around = (edges[0] - grow, edges[1] - grow, edges[2] + grow, edges[3] + grow)
        if around[2] > around[0] and around[3] > around[1]:
            draw.rectangle(around, outline=colour)
    return picture


def top_examples(
    pictures: Pictures, boxes: Sequence[Box], patches: Pictures, notes: Sequence[str], *, title: str
) -> np.ndarray:
    """The scenes that excite a filter most, what it sees outlined; in a second row that part alone, enlarged.

    Args:
        pictures: the strongest first.
        boxes, patches: what is seen of each, and that part cut out.
        notes: a few words under each column.

    >>> small = np.zeros((32, 32, 3), np.uint8)
    >>> top_examples([small], [(0, 0, 8, 8)], [small], ["0.9"], title="What excites it").shape[1:]
    (1120, 3)
    """
    if not len(pictures) == len(boxes) == len(patches):
        counts = f"{len(pictures)} pictures, {len(boxes)} boxes and {len(patches)} patches"
        raise ValueError(f"give one box and one patch a picture; got {counts}.")
    step = (WIDTH - 2 * MARGIN + 12) // len(pictures)
    side = min(step - 12, 256)
    scenes = [outline(one, box, side) for one, box in zip(pictures, boxes, strict=True)]
    enlarged = [fitted(patch, side) for patch in patches]
    second = 70 + max(picture.height for picture in scenes)
    below = second + 14 + max(picture.height for picture in enlarged)
    canvas, draw = begin(below + 30, title)
    for k, (scene, patch, words) in enumerate(zip(scenes, enlarged, notes, strict=True)):
        middle = MARGIN + k * step + (step - 12) / 2
        _put(canvas, draw, scene, middle, 56)
        _put(canvas, draw, patch, middle, second)
        text(draw, (middle, below + 8), words, size=18, width=step - 6)
    return np.asarray(canvas)


def agreement(
    optima: Pictures,
    patches: Sequence[Pictures],
    *,
    names: Sequence[str],
    notes: Sequence[str],
    title: str,
    found: str = "what it found in the street",
) -> np.ndarray:
    """Filters in rows: to the left the picture that was made for one, to the right real patches that excite it most.

    Args:
        optima, patches: one, and some, for each row.
        names, notes: of the rows, a few words each: the second line stands below the first.
        found: the words over the real patches.

    >>> small = np.zeros((32, 32, 3), np.uint8)
    >>> agreement([small], [[small] * 4], names=["filter 3"], notes=["agrees"], title="Made and found").shape[1:]
    (1120, 3)
    """
    left, gap = 210, 44
    side = min(120, (WIDTH - left - gap - MARGIN) // (max(map(len, patches)) + 1) - 10)
    second = left + side + gap
    canvas, draw = begin(92 + (side + 14) * len(optima), title)
    text(draw, (left + side / 2, 70), "what it drew", size=19, colour=PALE)
    text(draw, (second, 70), found, size=19, colour=PALE, anchor="lm")
    for i, (optimum, row) in enumerate(zip(optima, patches, strict=True)):
        top = 92 + i * (side + 14)
        text(draw, (left - 22, top + side / 2 - 14), names[i], size=20, bold=True, anchor="rm", width=left - 40)
        text(draw, (left - 22, top + side / 2 + 16), notes[i], size=17, colour=PALE, anchor="rm", width=left - 40)
        for k, pixels in enumerate([optimum, *row]):
            picture, across = fitted(pixels, side), left if k == 0 else second + (k - 1) * (side + 10)
            upper = top + (side - picture.height) // 2
            _put(canvas, draw, picture, across + side / 2, upper, "" if k else VERMILLION, 3)
    return np.asarray(canvas)


# ---- the labs --------------------------------------------------------------------------------------------------
def climbing(
    picture: np.ndarray,
    scores: Sequence[float],
    steps: int,
    *,
    title: str,
    caption: str,
    y_label: str,
    best: float | None,
    real: Sequence[tuple[np.ndarray, Box]] | None,
    below: str,
) -> np.ndarray:
    """The lab's picture of one climb: what has become of the noise, how the score rose, and scenes below.

    Args:
        picture, title, caption: to the left, and the words over and below it.
        scores: at step 0, 1, 2 …
        steps: where the axis ends.
        best: the score of the strongest real scene, a dashed line; None where it is not known or no rival.
        real, below: scenes with what is seen of them, and the words over them; without one a frame, None for no row.
    """
    left = panels([picture], [title], [caption], side=384, width=424)
    chart = quick_curves(
        {"this picture": scores} | ({"the strongest real one": ([0, steps], [best, best])} if best is not None else {}),
        title="How the score climbs",
        x_label="step",
        y_label=y_label,
        x_range=(0, max(steps, 1)),
        width=WIDTH - left.shape[1],
        height=left.shape[0],
    )
    above = np.concatenate([left, chart], axis=1)
    if real is None:
        return above
    side, step = 128, (WIDTH - 2 * MARGIN + 8) // ROW
    canvas, draw = begin(side + 58, "")
    text(draw, (MARGIN, 22), below, size=20, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for x in range(MARGIN + len(real) * step, MARGIN + ROW * step, step):
        draw.rectangle((x, 46, x + side - 1, 46 + side - 1), outline=GRID)
    for k, (pixels, box) in enumerate(real):
        scene = outline(pixels, box, side)
        _put(canvas, draw, scene, MARGIN + k * step + side / 2, 46 + (side - scene.height) // 2)
    return np.concatenate([above, np.asarray(canvas)])


def maps(
    pictures: Pictures, wall: Pictures, numbers: Sequence[int], chosen: int, *, captions: Sequence[str], below: str
) -> np.ndarray:
    """The lab's picture of a layer at work: a picture, one filter's map over it and alone; below, the loudest maps.

    Args:
        pictures: the three above, with their captions.
        wall, numbers: the loudest maps, twelve in a row, and their filters.
        chosen: the filter above; its map on the wall is framed.
        below: the words over the wall.
    """
    columns, side, step = 12, 82, (WIDTH - 2 * MARGIN + 8) / 12
    canvas, draw = begin(52 + math.ceil(len(wall) / columns) * (side + 32), "")
    text(draw, (MARGIN, 26), below, size=22, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, (pixels, number) in enumerate(zip(wall, numbers, strict=True)):
        middle, top = MARGIN + (k % columns + 0.5) * step - 4, 52 + (k // columns) * (side + 32)
        _put(canvas, draw, fitted(pixels, side), middle, top, VERMILLION if number == chosen else "", 4)
        look = {"bold": True, "colour": VERMILLION} if number == chosen else {"colour": PALE}
        text(draw, (middle, top + side + 14), str(number), size=17, width=step - 4, **look)
    titles = ["the picture", f"filter {chosen} over it", "its map alone"]
    return np.concatenate([panels(pictures, titles, captions, side=320), np.asarray(canvas)])


# ---- pieces ----------------------------------------------------------------------------------------------------
def _put(canvas: Image.Image, draw: ImageDraw.ImageDraw, picture: Image.Image, middle, top: int, frame="", thick=1):
    """Paste a picture, its middle at a place across, with a frame of that colour round it or with none."""
    left = math.ceil(middle - picture.width / 2 - 0.5)
    canvas.paste(picture, (left, top))
    if frame:
        box = (left - thick, top - thick, left + picture.width + thick - 1, top + picture.height + thick - 1)
        draw.rectangle(box, outline=frame, width=thick)


def _lines(draw: ImageDraw.ImageDraw, at: tuple[float, float], words: str, **how) -> None:
    """Write one line or several, their middle at a height."""
    lines = words.split("\n")
    for k, line in enumerate(lines):
        text(draw, (at[0], at[1] + 26 * (k - (len(lines) - 1) / 2)), line, size=20, **how)
