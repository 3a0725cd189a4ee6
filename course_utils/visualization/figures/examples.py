"""What excites filters: scenes with the seen part outlined, optima beside them, walls of maps, and the labs' pictures.

Serves notebook 6 and its labs. Nothing here computes: it shows what it is given.
Papers: Zeiler and Fergus 2014, figure 2 (patches beside what a filter looks for).
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from course_utils.figures.base import MARGIN, WIDTH, begin, fitted, panels, text
from course_utils.figures.charts import quick_curves
from course_utils.figures.colours import GRID, INK, PALE, PAPER, VERMILLION, YELLOW
from course_utils.figures.style import pen

ROW = 8  # scenes below a climb
DIMMED = 0.45  # brightness of what a filter does not see
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
    pictures: Sequence[np.ndarray],
    boxes: Sequence[Box],
    patches: Sequence[np.ndarray],
    notes: Sequence[str],
    *,
    title: str,
) -> np.ndarray:
    """The scenes that excite a filter most, what it sees outlined; in a second row that part alone, enlarged.

    Args:
        pictures: uint8 [H, W, 3] each, the strongest first.
        boxes: one a picture.
        patches: what is inside the boxes, uint8 [h, w, 3] each.
        notes: a few words under each column.
        title: the figure's one message.

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
    rows = [scenes, [fitted(patch, side) for patch in patches]]
    tall = [max(picture.height for picture in row) + 14 for row in rows]
    canvas, draw = begin(86 + sum(tall), title)
    top = 56
    for row, height in zip(rows, tall, strict=True):
        for k, picture in enumerate(row):
            canvas.paste(picture, (MARGIN + k * step + (step - 12 - picture.width) // 2, top))
        top += height
    for k, words in enumerate(notes):
        text(draw, (MARGIN + k * step + (step - 12) / 2, top + 8), words, size=18, width=step - 6)
    return np.asarray(canvas)


def agreement(
    optima: Sequence[np.ndarray],
    patches: Sequence[Sequence[np.ndarray]],
    *,
    names: Sequence[str],
    notes: Sequence[str],
    title: str,
) -> np.ndarray:
    """Filters in rows: to the left the picture that was made for one, to the right real patches that excite it most.

    Args:
        optima: uint8 [h, w, 3], one a row.
        patches: for each row some, uint8 [h, w, 3] each.
        names, notes: of the rows, a few words each: the second line stands below the first.
        title: the figure's one message.

    >>> small = np.zeros((32, 32, 3), np.uint8)
    >>> agreement([small], [[small] * 4], names=["filter 3"], notes=["agrees"], title="Made and found").shape[1:]
    (1120, 3)
    """
    left, gap = 210, 44
    side = min(120, (WIDTH - left - gap - MARGIN) // (max(map(len, patches)) + 1) - 10)
    second = left + side + gap
    canvas, draw = begin(92 + (side + 14) * len(optima), title)
    text(draw, (left + side / 2, 70), "what it drew", size=19, colour=PALE)
    text(draw, (second, 70), "what it found in the street", size=19, colour=PALE, anchor="lm")
    for i, (optimum, row) in enumerate(zip(optima, patches, strict=True)):
        top = 92 + i * (side + 14)
        text(draw, (left - 22, top + side / 2 - 14), names[i], size=20, bold=True, anchor="rm", width=left - 40)
        text(draw, (left - 22, top + side / 2 + 16), notes[i], size=17, colour=PALE, anchor="rm", width=left - 40)
        for k, pixels in enumerate([optimum, *row]):
            picture = fitted(pixels, side)
            across = left if k == 0 else second + (k - 1) * (side + 10)
            at = across + (side - picture.width) // 2, top + (side - picture.height) // 2
            canvas.paste(picture, at)
            box = (at[0] - 3, at[1] - 3, at[0] + picture.width + 2, at[1] + picture.height + 2)
            if k == 0:
                draw.rectangle(box, outline=VERMILLION, width=3)
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
    """The lab's picture of one climb: what has become of the noise, how the score rose, and real scenes below.

    Args:
        picture: uint8 [h, w, 3].
        scores: at step 0, 1, 2 …
        steps: where the axis ends.
        title: over the picture.
        caption: below it.
        y_label: of the score.
        best: the score of the strongest real scene, a dashed line; None where it is not known or no rival.
        real: scenes and what is seen of them; none leaves the row empty, None leaves it out.
        below: the words over that row.

    Returns:
        uint8 [height, WIDTH, 3]; the same height whether or not the scenes are there yet.
    """
    left = panels([picture], [title], [caption], side=384, width=424)
    chart = quick_curves(
        {"this picture": scores} | ({"strongest real scene": ([0, steps], [best, best])} if best is not None else {}),
        title="How the score climbs",
        x_label="step",
        y_label=y_label,
        x_range=(0, max(steps, 1)),
        width=WIDTH - left.shape[1],
        height=left.shape[0],
    )
    above = np.concatenate([left, chart], axis=1)
    return above if real is None else np.concatenate([above, _row(real, below)])


def _row(real: Sequence[tuple[np.ndarray, Box]], below: str) -> np.ndarray:
    """So many scenes at most, with a heading; empty places are frames."""
    side, step = 128, (WIDTH - 2 * MARGIN + 8) // ROW
    canvas = Image.new("RGB", (WIDTH, side + 58), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 22), below, size=20, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k in range(ROW):
        x = MARGIN + k * step
        if k >= len(real):
            draw.rectangle((x, 46, x + side - 1, 46 + side - 1), outline=GRID)
            continue
        picture = outline(*real[k], side)
        canvas.paste(picture, (x + (side - picture.width) // 2, 46 + (side - picture.height) // 2))
    return np.asarray(canvas)


def maps(
    picture: np.ndarray,
    warm: np.ndarray,
    alone: np.ndarray,
    others: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    titles: Sequence[str],
    captions: Sequence[str],
    below: str,
    chosen: int | None,
) -> np.ndarray:
    """The lab's picture of a layer at work: a picture, one filter's map over it and alone; below, the loudest maps.

    Args:
        picture, warm, alone: uint8 [H, W, 3] each.
        others: the loudest maps, uint8 [h, w, 3] each.
        names: of them.
        titles, captions: three each, over and under the pictures.
        below: the words over the wall.
        chosen: which of the wall is the one above, to be framed; None where it is not among them.
    """
    above = panels([picture, warm, alone], titles, captions, side=320)
    return np.concatenate([above, _wall(others, names, below, chosen)])


def _wall(pictures: Sequence[np.ndarray], names: Sequence[str], title: str, chosen: int | None) -> np.ndarray:
    """Little pictures, twelve in a row, a name under each; one of them may be framed."""
    columns, side, top = 12, 82, 52
    step = (WIDTH - 2 * MARGIN + 8) / columns
    canvas = Image.new("RGB", (WIDTH, top + -(-len(pictures) // columns) * (side + 32)), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=22, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, (pixels, name) in enumerate(zip(pictures, names, strict=True)):
        picture = fitted(pixels, side)
        middle = MARGIN + (k % columns + 0.5) * step - 4
        left, upper = round(middle - picture.width / 2), top + (k // columns) * (side + 32)
        if k == chosen:
            draw.rectangle((left - 4, upper - 4, left + picture.width + 3, upper + picture.height + 3), fill=VERMILLION)
        canvas.paste(picture, (left, upper))
        colour, bold = (VERMILLION, True) if k == chosen else (PALE, False)
        text(draw, (middle, upper + side + 14), name, size=17, bold=bold, colour=colour, width=step - 4)
    return np.asarray(canvas)
