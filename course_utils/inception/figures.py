"""The pictures of notebook 4: a module in true proportions, what its branches answer, what ablation costs, a race.

Serves notebook 4 and its labs. Papers: Szegedy et al. 2015, figure 2, for the shape of the module.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageColor

from course_utils.costs.accounting import Account, Row
from course_utils.figures.base import MARGIN, WIDTH, begin, font, panels, text
from course_utils.figures.charts import Series, quick_curves
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, VERMILLION, blended, mixed
from course_utils.figures.style import extra, pen

COLOURS = {"conv_1x1": BLUE, "conv_3x3": ORANGE, "conv_5x5": GREEN, "pool": PURPLE}
SIDE = 200  # pixels of a picture in `activations`
Table = Sequence[Sequence[float]]  # [rows][columns]

# ---- the module ------------------------------------------------------------------------------------------------
TOP, BOTTOM = 72, 532  # of the diagram
BETWEEN, FILTERED, THICK = 318, 470, 34  # where the two columns of bars stand, and how wide a bar is
FIRST, LAST, WORDS = 66, 640, 716  # where the bars of the input and the output stand, and the words beside them
LEAST, ABOVE = 46, 24  # height of a row at least, and of the words above it


def module(cost: Account, *, title: str) -> np.ndarray:
    """An Inception module from left to right: every bar is as high as it has channels, on one scale.

    Args:
        cost: what `accounting.account` says of an `Inception`.

    >>> from course_utils.costs import accounting
    >>> from course_utils.networks.inception import MODULES, Inception
    >>> module(accounting.account(Inception(*MODULES["3a"]), (192, 28, 28)), title="As high as channels").shape
    (660, 1120, 3)
    """
    canvas, _ = begin(660, title, y=28)
    draw = pen(canvas, "RGBA")
    in_channels, out = cost.input_shape[1], cost.rows[-1].shape[1]
    # Branch → its windows: the 1×1 that reduces (or the pooling), where there is one, and the filters.
    windows = {name: [row for row in cost.rows if row.patch and row.name.startswith(name)] for name in COLOURS}
    most = {name: max(row.shape[1] for row in rows) for name, rows in windows.items()}
    scale = _scale(max(in_channels, out), list(most.values()))
    heights = {name: max(LEAST, channels * scale) for name, channels in most.items()}
    middle = (TOP + BOTTOM) / 2
    entry = _draw_bar(draw, FIRST, middle, in_channels * scale, PALE, f"{in_channels} in")
    exit_top = middle - out * scale / 2
    top = middle - (sum(heights.values()) + ABOVE * len(heights)) / 2
    for name, height in heights.items():
        exit = exit_top, exit_top + cost[name].shape[1] * scale
        _draw_branch(draw, cost[name], windows[name], entry, top + ABOVE + height / 2, scale, exit)
        exit_top, top = exit[1], top + ABOVE + height
    _draw_shares(draw, f"{out} channels", 574, {name: cost[name].shape[1] for name in COLOURS})
    _draw_shares(draw, "multiply-adds", 626, {name: cost[name].macs for name in COLOURS})  # and so the parameters
    return np.asarray(canvas)


def _scale(most: int, channels: Sequence[int]) -> float:
    """Pixels a channel: as many as leave room for every row, its words, the input and the output."""
    rows, room = sorted(channels), BOTTOM - TOP - ABOVE * len(channels)
    # However many rows are too thin for words and take LEAST, the others must fit into what is left.
    fits = [(room - LEAST * thin) / sum(rows[thin:]) for thin in range(len(rows))]
    return min((BOTTOM - TOP - 20) / most, *fits)


def _draw_bar(draw, left: float, middle: float, height: float, colour: str, words: str) -> tuple[float, float]:
    """An upright bar with words above it; gives its upper and lower end."""
    half = max(height, 1.5) / 2
    ends = middle - half, middle + half
    draw.rectangle((left, ends[0], left + THICK, ends[1]), fill=colour)
    text(draw, (left + THICK / 2, ends[0] - 13), words, size=18, bold=True)
    return ends


def _draw_branch(draw, branch: Row, windows: Sequence[Row], entry, y: float, scale: float, exit) -> None:
    """From the input through its windows to the output, its numbers beside the last flow."""
    colour, left, (top, bottom) = COLOURS[branch.name], FIRST + THICK, entry

    def flow(right: float, end: tuple[float, float], alpha: int) -> None:  # as thick at both ends as the bars are
        points = [(left, top), (right, end[0]), (right, end[1]), (left, bottom)]
        draw.polygon(points, fill=(*ImageColor.getrgb(colour), alpha))

    for window in windows:
        place, channels = FILTERED if window is windows[-1] else BETWEEN, window.shape[1]
        half = max(channels * scale, 1.5) / 2
        flow(place, (y - half, y + half), 38 if window is windows[0] else 70)
        words = f"{'max ' if window.kind == 'MaxPool2d' else ''}{window.patch.partition('/')[0]}: {channels}"
        top, bottom = _draw_bar(draw, place, y, channels * scale, colour, words)
        left = place + THICK
    flow(LAST, exit, 70)
    draw.rectangle((LAST, exit[0], LAST + THICK, exit[1]), fill=colour)
    draw.rectangle((WORDS - 22, y - 22, WORDS - 12, y + 22), fill=colour)
    seen = "sees {}×{} of the input".format(*branch.receptive_field)
    price = f"{branch.parameters:,} parameters, {branch.macs / 1e6:,.1f} M multiply-adds"
    text(draw, (WORDS, y - 12), f"{branch.name}: {seen}", size=18, bold=True, anchor="lm", width=WIDTH - WORDS - 8)
    text(draw, (WORDS, y + 12), price, size=18, anchor="lm", width=WIDTH - WORDS - 8)


def _draw_shares(draw, name: str, y: int, values: Mapping[str, int]) -> None:
    """Who brings the channels, or who costs: a bar of 100 %."""
    start, total = 176, sum(values.values())
    wide = WIDTH - MARGIN - start
    text(draw, (start - 10, y), name, size=20, anchor="rm", width=start - 14)
    for branch, value in values.items():
        end = start + wide * value / total
        draw.rectangle((start, y - 18, max(start, end - 1), y + 18), fill=COLOURS[branch])
        share, ink = f"{100 * value / total:.1f}".removesuffix(".0"), INK if branch in ("conv_3x3", "pool") else PAPER
        words = f"{share} %" if end - start > 80 else share
        if draw.textlength(words, font=font(14)) < end - start:
            text(draw, ((start + end) / 2, y), words, size=20, colour=ink, width=end - start)
        start = end


# ---- what the branches answer, and ablation --------------------------------------------------------------------
def activations(picture: np.ndarray, maps: Mapping[str, np.ndarray], off: Sequence[str] = ()) -> np.ndarray:
    """A picture, and what the four branches of one module answer to it, side by side.

    Args:
        picture: uint8 [H, W, 3].
        maps: branch → float [channels, H', W'].
        off: branches that are ablated; they stay grey.

    >>> activations(np.zeros((64, 64, 3), np.uint8), {"pool": np.ones((16, 8, 8))}).shape
    (294, 1120, 3)
    """
    shown, captions = [picture], ["the picture"]
    for branch, values in maps.items():
        shown.append(_crossed_out() if branch in off else tiles(values, COLOURS[branch]))
        captions.append("off" if branch in off else f"{min(9, len(values))} of {len(values)} channels")
    return panels(shown, ["x", *maps], captions, side=SIDE)


def tiles(maps: np.ndarray, colour: str) -> np.ndarray:
    """The nine maps that say most, of float [channels, H, W]: dark is 0, a branch's colour half, white the most."""
    most = np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:9]
    shares = maps[most] / np.maximum(maps[most].max(axis=(1, 2), keepdims=True), 1e-9)
    ramp = blended(np.linspace(0, 1, 256), INK, colour, PAPER).astype(np.uint8)
    canvas, edge = Image.new("RGB", (SIDE, SIDE), PAPER), (SIDE - 8) // 3
    for k, pixels in enumerate(ramp[(255 * shares).astype(np.uint8)]):
        tile = Image.fromarray(pixels).resize((edge, edge), Image.Resampling.NEAREST)
        canvas.paste(tile, ((k % 3) * (edge + 4), (k // 3) * (edge + 4)))
    return np.asarray(canvas)


def _crossed_out() -> np.ndarray:
    canvas = Image.new("RGB", (SIDE, SIDE), GRID)
    draw = pen(canvas)
    for ends in ((50, 50, SIDE - 50, SIDE - 50), (50, SIDE - 50, SIDE - 50, 50)):
        draw.line(ends, fill=PALE, width=8)
    return np.asarray(canvas)


def accuracies(before: tuple[str, float], after: tuple[str, float], share: float) -> np.ndarray:
    """Two bars: how many scenes are read right with all branches, and with those that are left.

    Args:
        before, after: words, and a share in [0, 1].
        share: of the scenes that were asked so far, in [0, 1].
    """
    canvas = Image.new("RGB", (WIDTH, 120), PAPER)
    draw = pen(canvas)
    left, right = 300, WIDTH - 110
    for k, ((words, value), colour) in enumerate(((before, BLUE), (after, VERMILLION))):
        y = 32 + 54 * k
        text(draw, (left - 14, y), words, size=20, anchor="rm", width=left - 24)
        draw.rectangle((left, y - 19, right, y + 19), fill="#F3F3F3")
        draw.rectangle((left, y - 19, left + (right - left) * value, y + 19), fill=colour)
        text(draw, (right + 10, y), _counted(value), size=20, bold=True, anchor="lm")
    if share < 1:
        draw.rectangle((left, 110, left + (right - left) * share, 114), fill=PALE)
    return np.asarray(canvas)


def _counted(share: float) -> str:
    """A share that was counted, not a probability: "100 %" may be written."""
    return f"{100 * share:.1f} %" if share < 0.9995 else "100 %"


def ablations(shares: Table, channels: Table, rows: Sequence[str], columns: Sequence[str], *, title: str) -> np.ndarray:
    """What is read right when one branch is ablated: a table, the darker the worse.

    Args:
        shares: of the scenes that are read right, in [0, 1].
        channels: the branch's share of its module's channels.
        rows, columns: names of the modules and of the branches.

    >>> ablations([[0.84, 0.94]], [[0.4, 0.2]], ["module a"], ["conv_3x3", "conv_5x5"], title="Both are missed").shape
    (196, 1120, 3)
    """
    tall, left, wide = 84, 190, (WIDTH - 190 - MARGIN) / len(columns)
    canvas, draw = begin(96 + tall * len(rows) + 16, title)
    for k, column in enumerate(columns):
        text(draw, (left + (k + 0.5) * wide, 72), f"without {column}", size=20, bold=True, width=wide - 8)
    for j, row in enumerate(rows):
        y = 96 + j * tall
        text(draw, (left - 16, y + tall / 2), row, size=20, bold=True, anchor="rm")
        for k, (share, part) in enumerate(zip(shares[j], channels[j], strict=True)):
            x = left + k * wide
            shade = mixed(1.6 * (1 - share), "#FFF6EF", VERMILLION)
            draw.rectangle((x + 2, y + 2, x + wide - 2, y + tall - 2), fill=shade)
            text(draw, (x + wide / 2, y + 30), f"{_counted(share)} right", size=22, bold=True)
            words = f"{'' if extra(16) else 'it has '}{100 * part:.0f} % of the channels"  # on stage few and large
            text(draw, (x + wide / 2, y + 60), words, size=16, width=wide - 12)
    return np.asarray(canvas)


# ---- with and without the reductions ---------------------------------------------------------------------------
def race(by_pictures: Series, by_work: Series, *, pictures: float, work: float, goal: float) -> np.ndarray:
    """The same two trainings twice: against the pictures seen, and against the multiply-adds that it took.

    Args:
        by_pictures: name → (thousand pictures seen, share of test scenes that is right).
        by_work: name → (multiply-adds in billions, the same shares).
        pictures, work: the ends of the two axes.
        goal: the accuracy at which the two are compared, a level line.
    """
    titles = "What is learnt, picture by picture", "… and for how much work"
    same = {"y_label": "test scenes read right", "y_range": (0, 1), "width": WIDTH // 2, "height": 440}
    axes = (by_pictures, pictures, "thousand pictures seen"), (by_work, work, "billions of multiply-adds")
    halves = []
    for title, (series, end, x_label) in zip(titles, axes, strict=True):
        lines = dict(series) | {f"{100 * goal:.0f} %": ([0, end], [goal, goal])}
        halves.append(quick_curves(lines, title=title, x_label=x_label, x_range=(0, end), **same))
    return np.concatenate(halves, axis=1)
