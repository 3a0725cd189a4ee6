"""The pictures of notebook 4: a module in true proportions, what its branches see, what is lost without them, a race.

Serves notebook 4 and its labs. Papers: Szegedy et al. 2015, figure 2, for the shape of the module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor

from course_utils.figures.base import MARGIN, WIDTH, panels, text
from course_utils.figures.charts import Series, quick_curves
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, VERMILLION, blended, mixed
from course_utils.figures.style import extra, pen

COLOURS = {"conv_1x1": BLUE, "conv_3x3": ORANGE, "conv_5x5": GREEN, "pool": PURPLE}
SIDE = 200  # pixels of a picture in `views`


# ---- the module ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Branch:
    """One branch of an Inception module, in numbers."""

    name: str  # one of COLOURS
    reduce: int | None  # 1×1 filters in front; None where there are none
    kernel: int  # side of the filters, or of the pooling window
    filters: int  # channels that come out
    parameters: int
    macs: int
    sees: int  # side of the square of the input that one output sees


TOP, BOTTOM = 72, 532  # of the diagram
SQUEEZED, FILTERED, THICK = 318, 470, 34  # where the two columns of bars stand, and how wide a bar is
FIRST, LAST = 66, 1016  # where the bars of the input and the output stand
LEAST, ABOVE = 46, 24  # height of a row at least, and of the words above it


def module(in_channels: int, branches: Sequence[Branch], *, title: str) -> np.ndarray:
    """An Inception module from left to right: every bar is as high as it has channels, on one scale.

    Args:
        in_channels: channels that come in.
        branches: top to bottom.
        title: the figure's one message.

    Returns:
        uint8 [660, WIDTH, 3].
    """
    canvas = Image.new("RGB", (WIDTH, 660), PAPER)
    draw = pen(canvas, "RGBA")
    text(draw, (MARGIN, 28), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    scale = _scale(in_channels, branches)
    middle, out = (TOP + BOTTOM) / 2, sum(branch.filters for branch in branches)
    entry = _bar(draw, FIRST, middle, in_channels * scale, PALE, f"{in_channels} in")
    exit_top = middle - out * scale / 2
    heights = [max(LEAST, _tallest(branch, in_channels) * scale) + ABOVE for branch in branches]
    top = TOP + (BOTTOM - TOP - sum(heights)) / 2
    for branch, height in zip(branches, heights, strict=True):
        exit_bottom = exit_top + branch.filters * scale
        row = top + ABOVE + (height - ABOVE) / 2
        _branch(draw, branch, in_channels, entry, row, scale, (exit_top, exit_bottom))
        exit_top, top = exit_bottom, top + height
    text(draw, (LAST + THICK / 2, middle - out * scale / 2 - 14), f"{out} out", size=20, bold=True)
    _shares(draw, branches)
    return np.asarray(canvas)


def _tallest(branch: Branch, in_channels: int) -> int:
    """The most channels that a branch has anywhere."""
    return max(branch.filters, in_channels if branch.name == "pool" else branch.reduce or 0)


def _scale(in_channels: int, branches: Sequence[Branch]) -> float:
    """Pixels a channel: as many as leave room for every row, its words, the input and the output."""
    room = BOTTOM - TOP
    tallest = [_tallest(branch, in_channels) for branch in branches]
    scale = (room - 20) / max(in_channels, sum(branch.filters for branch in branches))
    for _ in range(30):  # rows that are too thin for words take some room from the others
        need = sum(max(LEAST, channels * scale) + ABOVE for channels in tallest)
        if need <= room:
            break
        thin = sum(LEAST for channels in tallest if channels * scale <= LEAST)
        thick = sum(channels for channels in tallest if channels * scale > LEAST)
        scale = min(0.97 * scale, (room - thin - ABOVE * len(branches)) / max(thick, 1))
    return scale


def _bar(draw, left: float, middle: float, height: float, colour: str, words: str) -> tuple[float, float]:
    """An upright bar with words above it; gives its upper and lower end."""
    height = max(height, 1.5)
    ends = middle - height / 2, middle + height / 2
    draw.rectangle((left, ends[0], left + THICK, ends[1]), fill=colour)
    text(draw, (left + THICK / 2, ends[0] - 13), words, size=18, bold=True)
    return ends


def _flow(draw, left: float, start, right: float, end, colour: str, alpha: int = 70) -> None:
    """What streams from one bar to the next, as thick at both ends as they are."""
    points = [(left, start[0]), (right, end[0]), (right, end[1]), (left, start[1])]
    draw.polygon(points, fill=(*ImageColor.getrgb(colour), alpha))


def _branch(draw, branch: Branch, in_channels: int, entry, row: float, scale: float, exit) -> None:
    """One row: from the input through a squeeze (or the pooling window) and the filters to the output."""
    colour, before = COLOURS[branch.name], entry
    left = FIRST + THICK
    if branch.name == "pool" or branch.reduce is not None:
        pool = branch.name == "pool"
        channels = in_channels if pool else branch.reduce
        half = max(channels * scale, 1.5) / 2
        _flow(draw, left, before, SQUEEZED, (row - half, row + half), colour, 38)
        words = f"max {branch.kernel}×{branch.kernel}: {channels}" if pool else f"1×1: {channels}"
        before, left = _bar(draw, SQUEEZED, row, channels * scale, colour, words), SQUEEZED + THICK
    half = max(branch.filters * scale, 1.5) / 2
    _flow(draw, left, before, FILTERED, (row - half, row + half), colour, 38 if left < SQUEEZED else 70)
    side = 1 if branch.name == "pool" else branch.kernel
    after = _bar(draw, FILTERED, row, branch.filters * scale, colour, f"{side}×{side}: {branch.filters}")
    _flow(draw, FILTERED + THICK, after, LAST, exit, colour)
    draw.rectangle((LAST, exit[0], LAST + THICK, exit[1]), fill=colour)
    seen = f"one output sees {branch.sees}×{branch.sees} of the input"
    text(draw, (FILTERED + THICK + 44, row - 12), f"{branch.name}: {seen}", size=18, bold=True, anchor="lm", width=440)
    costs = f"{branch.parameters:,} parameters, {branch.macs / 1e6:,.1f} M multiply-adds"
    text(draw, (FILTERED + THICK + 44, row + 12), costs, size=18, anchor="lm", width=440)


def _shares(draw, branches: Sequence[Branch]) -> None:
    """Who brings the channels, and who costs: two bars of 100 %. (Parameters are shared out as multiply-adds are.)"""
    rows = {
        "channels out": [branch.filters for branch in branches],
        "multiply-adds": [branch.macs for branch in branches],
    }
    left, right = 176, WIDTH - MARGIN
    for k, (name, values) in enumerate(rows.items()):
        y, begin = 574 + 52 * k, left
        text(draw, (left - 14, y), name, size=20, anchor="rm")
        for branch, value in zip(branches, values, strict=True):
            end = begin + (right - left) * value / sum(values)
            draw.rectangle((begin, y - 18, max(begin, end - 1), y + 18), fill=COLOURS[branch.name])
            if end - begin > 56:
                ink = INK if branch.name in ("conv_3x3", "pool") else PAPER
                text(draw, ((begin + end) / 2, y), f"{100 * value / sum(values):.0f} %", size=20, colour=ink)
            begin = end


# ---- what the branches see -------------------------------------------------------------------------------------
def tiles(maps: np.ndarray, colour: str) -> np.ndarray:
    """The nine maps that say most, in a square: dark is 0, the branch's colour is half, white is most.

    Args:
        maps: float [channels, H, W], at least 0.
        colour: of the branch.

    Returns:
        uint8 [SIDE, SIDE, 3].
    """
    maps = np.asarray(maps, dtype=np.float32)
    order = np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:9]
    edge = (SIDE - 8) // 3
    canvas = Image.new("RGB", (SIDE, SIDE), PAPER)
    ramp = blended(np.linspace(0, 1, 256), INK, colour, PAPER).astype(np.uint8)
    for k, channel in enumerate(order):
        values = maps[channel] / max(float(maps[channel].max()), 1e-9)
        tile = Image.fromarray(ramp[(255 * values).astype(np.uint8)])
        place = (k % 3) * (edge + 4), (k // 3) * (edge + 4)
        canvas.paste(tile.resize((edge, edge), Image.Resampling.NEAREST), place)
    return np.asarray(canvas)


def views(picture: np.ndarray, maps: Mapping[str, np.ndarray], off: Sequence[str] = ()) -> np.ndarray:
    """A picture, and what the four branches of one module say about it, side by side.

    Args:
        picture: uint8 [H, W, 3].
        maps: branch → float [channels, H', W'].
        off: branches that are switched off; they stay grey.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    shown, captions = [picture], ["the picture"]
    for branch, values in maps.items():
        if branch in off:
            shown.append(_off())
        else:
            shown.append(tiles(values, COLOURS[branch]))
        captions.append("off" if branch in off else f"{min(9, len(values))} of {len(values)} channels")
    return panels(shown, ["x", *maps], captions, side=SIDE)


def _off() -> np.ndarray:
    canvas = Image.new("RGB", (SIDE, SIDE), GRID)
    draw = pen(canvas)
    for ends in ((50, 50, SIDE - 50, SIDE - 50), (50, SIDE - 50, SIDE - 50, 50)):
        draw.line(ends, fill=PALE, width=8)
    return np.asarray(canvas)


def without(before: tuple[str, float], after: tuple[str, float], share: float) -> np.ndarray:
    """Two bars: how many scenes are read right with all branches, and with those that are left.

    Args:
        before, after: words, and a share in [0, 1].
        share: of the scenes that were asked so far, for the second bar, in [0, 1].

    Returns:
        uint8 [120, WIDTH, 3].
    """
    canvas = Image.new("RGB", (WIDTH, 120), PAPER)
    draw = pen(canvas)
    left, right = 300, WIDTH - 110
    for k, ((words, value), colour) in enumerate(((before, BLUE), (after, VERMILLION))):
        y = 32 + 54 * k
        text(draw, (left - 14, y), words, size=20, anchor="rm", width=left - 24)
        draw.rectangle((left, y - 19, right, y + 19), fill="#F3F3F3")
        draw.rectangle((left, y - 19, left + (right - left) * value, y + 19), fill=colour)
        text(draw, (right + 10, y), _said(value), size=20, bold=True, anchor="lm")
    if share < 1:
        draw.rectangle((left, 110, left + (right - left) * share, 114), fill=PALE)
    return np.asarray(canvas)


def _said(share: float) -> str:
    """A share that was counted, not a probability: "100 %" may be written."""
    return f"{100 * share:.1f} %" if share < 0.9995 else "100 %"


def losses(
    shares: np.ndarray, channels: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, title: str
) -> np.ndarray:
    """What is read right when one branch is silent: a table, the darker the worse.

    Args:
        shares: float [rows, columns], of the scenes that are read right, in [0, 1].
        channels: float [rows, columns], the branch's share of its module's channels.
        rows: names of the modules.
        columns: names of the branches.
        title: the figure's one message.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    tall, left, wide = 84, 190, (WIDTH - 190 - MARGIN) / len(columns)
    canvas = Image.new("RGB", (WIDTH, 96 + tall * len(rows) + 16), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 26), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, column in enumerate(columns):
        text(draw, (left + (k + 0.5) * wide, 72), f"without {column}", size=20, bold=True, width=wide - 8)
    for j, row in enumerate(rows):
        y = 96 + j * tall
        text(draw, (left - 16, y + tall / 2), row, size=20, bold=True, anchor="rm")
        for k in range(len(columns)):
            x, share = left + k * wide, float(shares[j][k])
            fill = mixed(1.6 * (1 - share), "#FFF6EF", VERMILLION)
            draw.rectangle((x + 2, y + 2, x + wide - 2, y + tall - 2), fill=fill)
            text(draw, (x + wide / 2, y + 30), f"{_said(share)} right", size=22, bold=True)
            small = f"{100 * float(channels[j][k]):.0f} % of the channels"
            small = small if extra(16) else f"it has {small}"  # on stage fewer words, and so larger ones
            text(draw, (x + wide / 2, y + 60), small, size=16, width=wide - 12)
    return np.asarray(canvas)


# ---- with and without the reductions ---------------------------------------------------------------------------
def bill(rows: Mapping[str, tuple[float, float]], *, title: str, says: Callable[[float], str]) -> np.ndarray:
    """What something costs with the 1×1 reductions and without, one bar inside the other.

    Args:
        rows: name → (with, without), in any unit, the same for all.
        title: the figure's one message.
        says: turns a value into words.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    canvas = Image.new("RGB", (WIDTH, 100 + 46 * len(rows)), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 28), title, size=24, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    left, right, most = 230, WIDTH - 270, max(without for _, without in rows.values())
    for x, words, colour in ((left, "with 1×1 reductions", BLUE), (left + 290, "without", VERMILLION)):
        draw.rectangle((x, 58, x + 26, 78), fill=colour)
        text(draw, (x + 36, 68), words, size=20, anchor="lm", width=240)
    for k, (name, (less, more)) in enumerate(rows.items()):
        y, end = 116 + 46 * k, left + (right - left) * more / most
        text(draw, (left - 14, y), name, size=20, anchor="rm", width=left - MARGIN - 14)
        draw.rectangle((left, y - 17, end, y + 17), fill=VERMILLION)
        draw.rectangle((left, y - 17, left + (right - left) * less / most, y + 17), fill=BLUE)
        text(draw, (end + 10, y), f"{says(less)} instead of {says(more)}", size=20, anchor="lm", width=WIDTH - end - 14)
    return np.asarray(canvas)


def race(by_pictures: Series, by_work: Series, *, pictures: float, work: float, goal: float) -> np.ndarray:
    """The same two trainings twice: against the pictures seen, and against the multiply-adds that it took.

    Args:
        by_pictures: name → (thousand pictures seen, share of fresh scenes that is right).
        by_work: name → (multiply-adds in billions, the same shares).
        pictures, work: the ends of the two axes.
        goal: the accuracy at which the two are compared, a level line.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    half, both = WIDTH // 2, len(by_pictures) > 1
    common = {"y_label": "fresh scenes read right", "y_range": (0, 1), "width": half, "height": 440}
    goals = {f"{100 * goal:.0f} %": ([0, pictures], [goal, goal])}
    left = quick_curves(
        dict(by_pictures) | goals,
        title="For each picture: they learn alike" if both else "What it has learnt, picture by picture",
        x_label="thousand pictures seen",
        x_range=(0, pictures),
        **common,
    )
    goals = {f"{100 * goal:.0f} %": ([0, work], [goal, goal])}
    right = quick_curves(
        dict(by_work) | goals,
        title="For each multiply-add: they do not" if both else "… and for how much work",
        x_label="billions of multiply-adds",
        x_range=(0, work),
        **common,
    )
    return np.concatenate([left, right], axis=1)
