"""Heat maps over pictures, and how good they are: the drawings of notebook 7 and its lab.

Serves notebook 7. Nothing here computes: it shows what it is given. Papers: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from course_utils.figures.base import MARGIN, WIDTH, fitted, panels, percent, text
from course_utils.figures.charts import LOOKS
from course_utils.figures.colours import BLUE, GRID, INK, PALE, PAPER, VERMILLION, shades
from course_utils.figures.style import pen, settle, sheet, stronger, used


# ---- pictures in rows and columns ------------------------------------------------------------------------------
def grid(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    title: str,
    columns: Sequence[str] = (),
    names: Sequence[str] = (),
    notes: Sequence[Sequence[str]] | None = None,
    side: int = 200,
) -> np.ndarray:
    """Pictures in rows and columns.

    Args:
        rows: uint8 [H, W, 3] each.
        title: the figure's one message.
        columns: the columns' names, above them, or none.
        names: the rows' names, on the left, or none.
        notes: a few words under each picture, or none at all.
        side: the largest edge of a picture on the figure, in pixels.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    left = MARGIN + (200 if names else 0)
    step = (WIDTH - MARGIN - left + 12) / max(len(row) for row in rows)
    side = min(side, int(step) - 12)
    drawn = [[fitted(picture, side) for picture in row] for row in rows]
    tall = [max(picture.height for picture in row) + (40 if notes else 12) for row in drawn]
    top = 86 if columns else 54
    canvas = Image.new("RGB", (WIDTH, top + sum(tall) + 4), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, name in enumerate(columns):
        text(draw, (left + (k + 0.5) * step - 6, 66), name, size=19, colour=PALE, width=step - 6)
    for i, row in enumerate(drawn):
        for k, picture in enumerate(row):
            x = round(left + (k + 0.5) * step - 6 - picture.width / 2)
            canvas.paste(picture, (x, top))
            draw.rectangle((x - 1, top - 1, x + picture.width, top + picture.height), outline=PALE)
            if notes:
                at = (left + (k + 0.5) * step - 6, top + picture.height + 16)
                text(draw, at, notes[i][k], size=18, colour=INK, width=step - 6)
        if names:
            middle = top + (tall[i] - (40 if notes else 12)) / 2
            text(draw, (left - 14, middle), names[i], size=20, anchor="rm", width=190)
        top += tall[i]
    return fewer_shades(np.asarray(canvas))


def fewer_shades(pixels: np.ndarray) -> np.ndarray:
    """A picture in every eighth shade: the eye sees the same, and a notebook that stores it needs half the bytes.

    Args:
        pixels: uint8 [H, W, 3]; black stays black, and white white.
    """
    return np.minimum((pixels.astype(np.int16) + 4) // 8 * 8, 255).astype(np.uint8)


# ---- the lab ---------------------------------------------------------------------------------------------------
def look(
    pictures: Sequence[np.ndarray],
    titles: Sequence[str],
    captions: Sequence[str],
    class_names: Sequence[str],
    probabilities: np.ndarray,
    chosen: Sequence[int],
    *,
    colours: str = "inferno",
) -> np.ndarray:
    """The lab's picture: a scene, heat over it for one class or two, and what the network reads.

    Args:
        pictures: uint8 [H, W, 3] each: the scene, then its maps.
        titles, captions: one a picture.
        class_names: of all classes.
        probabilities: float [classes].
        chosen: the classes that are explained; their bars stand out.
        colours: those of the maps, for the scale.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    if pictures[0].shape[1] > pictures[0].shape[0]:  # a wide scene gets all the room that there is
        pictures = [picture.repeat(4, axis=0).repeat(4, axis=1) for picture in pictures]
    above = panels(pictures, titles, captions, side=320 if len(pictures) > 2 else 440)
    probabilities = np.asarray(probabilities, dtype=float)
    top = list(dict.fromkeys([*np.argsort(-probabilities, kind="stable")[:5].tolist(), *chosen]))[:6]
    canvas = Image.new("RGB", (WIDTH, 58 + 34 * len(top)), PAPER)
    draw = pen(canvas)
    _scale(canvas, colours)
    text(draw, (MARGIN, 22), "what the network reads", size=20, bold=True, anchor="lm")
    for k, label in enumerate(sorted(top, key=lambda label: -probabilities[label])):
        y, value = 58 + 34 * k, float(probabilities[label])
        looks = dict(zip(chosen, (VERMILLION, BLUE), strict=False))
        end = 260 + (WIDTH - 400) * value
        text(draw, (244, y), class_names[label], size=20, bold=label in looks, anchor="rm", width=224)
        draw.rectangle((260, y - 12, max(end, 262), y + 12), fill=looks.get(label, PALE))
        text(draw, (max(end, 262) + 10, y), percent(value), size=19, anchor="lm")
    return np.concatenate([above, np.asarray(canvas)])


def _scale(canvas: Image.Image, colours: str) -> None:
    """From cold to hot, at the upper right."""
    draw, ladder = pen(canvas), shades(colours)[None].repeat(14, axis=0)
    canvas.paste(Image.fromarray(np.round(ladder).astype(np.uint8)), (WIDTH - MARGIN - 256 - 50, 15))
    text(draw, (WIDTH - MARGIN - 256 - 60, 22), "0", size=18, colour=PALE, anchor="rm")
    text(draw, (WIDTH - MARGIN, 22), "max", size=18, colour=PALE, anchor="rm")


# ---- scores ----------------------------------------------------------------------------------------------------
def scores(
    table: Mapping[str, Mapping[str, tuple[float, float, float]]],
    *,
    title: str,
    baselines: Sequence[str],
) -> np.ndarray:
    """One row a method, one column a score, a dot with its error bar; dashed, the best blind baseline.

    Args:
        table: name of the method → name of the score → (mean, lower, upper).
        title: the figure's one message.
        baselines: which rows are no methods.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    kinds = list(next(iter(table.values())))
    row, left, top = 34, 300, 118
    wide = (WIDTH - left - MARGIN) // len(kinds)
    canvas = Image.new("RGB", (WIDTH, top + row * len(table) + 54), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for i, name in enumerate(table):
        y = top + row * i + row // 2
        if name in baselines:
            draw.rectangle((MARGIN, y - row // 2, WIDTH - MARGIN, y + row // 2 - 1), fill="#EFEFEF")
        text(draw, (left - 16, y), name, size=19, anchor="rm", width=left - 40)
    for k, kind in enumerate(kinds):
        less = kind == "deletion"
        box = (left + k * wide + 14, left + (k + 1) * wide - 14)
        text(draw, ((box[0] + box[1]) / 2, 66), kind, size=20, bold=True, width=wide - 26)
        text(draw, ((box[0] + box[1]) / 2, 92), "← better" if less else "better →", size=17, colour=PALE)
        _column(draw, box, (top, row), {name: scores[kind] for name, scores in table.items()}, baselines, less)
    return np.asarray(canvas)


def _column(draw, box, place, rows, baselines, less: bool) -> None:
    """One score of all methods, on an axis from 0 to 1."""
    (low, high), (top, row) = box, place
    bottom = top + row * len(rows)

    def at(value: float) -> float:
        return low + min(max(value, 0.0), 1.0) * (high - low)

    for tick, words in ((0, "0"), (0.5, "0.5"), (1, "1")):
        draw.line((at(tick), top, at(tick), bottom), fill=GRID if tick % 1 else PALE, width=1)
        text(draw, (at(tick), bottom + 18), words, size=16, colour=PALE)
    blind = [rows[name][0] for name in baselines if name in rows]
    if blind:
        best = min(blind) if less else max(blind)
        for y in range(top, bottom, 12):
            draw.line((at(best), y, at(best), y + 6), fill=INK, width=2)
    for i, (name, (mean, lower, upper)) in enumerate(rows.items()):
        y, colour = top + row * i + row // 2, PALE if name in baselines else BLUE
        draw.line((at(lower), y, at(upper), y), fill=colour, width=3)
        for end in (lower, upper):
            draw.line((at(end), y - 9, at(end), y + 9), fill=colour, width=2)
        draw.ellipse((at(mean) - 5, y - 5, at(mean) + 5, y + 5), fill=colour)


def small_curves(
    charts: Mapping[str, Mapping[str, Sequence[float]]],
    x: Sequence[float],
    *,
    title: str,
    y_label: str,
    y_range: tuple[float, float] = (0.0, 1.0),
    bands: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]] | None = None,
) -> np.ndarray:
    """Several charts side by side over the same upright axis, the same lines in each. For what stands still.

    Args:
        charts: what stands below the axis → name of the line → values.
        x: where the values stand.
        title: the figure's one message.
        y_label: of the upright axis, with its unit.
        y_range: what it spans.
        bands: as `charts`, with (lower, upper).

    Returns:
        uint8 [460, WIDTH, 3].
    """

    figure, canvas = sheet(WIDTH, 460, layout="constrained")
    every = figure.subplots(1, len(charts), sharey=True, squeeze=False)[0]
    for axes, (label, lines) in zip(every, charts.items(), strict=True):
        for (name, values), (colour, dashes) in zip(lines.items(), LOOKS, strict=False):
            axes.plot(x, values, dashes, color=colour, linewidth=3, label=name)
            if bands and name in bands.get(label, {}):
                axes.fill_between(x, *bands[label][name], color=colour, alpha=0.2, linewidth=0)
        axes.set_xlabel(label, fontsize=16)
        axes.tick_params(labelsize=14)
        axes.set_ylim(*y_range)
        axes.grid(color=stronger(GRID))
        axes.spines[["top", "right"]].set_visible(False)
    every[0].set_ylabel(y_label, fontsize=16)
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    handles, names = every[0].get_legend_handles_labels()
    size = 14 / used().point ** 0.5  # six names have to stand below
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)), fontsize=size, frameon=False)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    settle(canvas)
    return fewer_shades(np.asarray(canvas.buffer_rgba())[..., :3])
