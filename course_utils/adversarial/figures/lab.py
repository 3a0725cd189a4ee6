"""What lesson 8's lab shows: a picture plus noise, for one network or two, and below it bars, or the climb and the map.

Serves notebook 8's lab. All is composed by Pillow, quick enough to follow a slider. Papers: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from course_utils.adversarial.figures.decision_map import class_colours, square_regions
from course_utils.figures.base import MARGIN, WIDTH, amplified, bars, panels, percent, text, top_classes
from course_utils.figures.charts import quick_curves, rounded
from course_utils.figures.colours import BLUE, PALE, PAPER, VERMILLION
from course_utils.figures.style import pen

EMPTY = "#EFEFEF"  # where a map will stand


@dataclass(frozen=True)
class Map:
    """A decision map, as arrays: what is read where in the plane of an attack."""

    classes: np.ndarray  # int [P, P], row = β from below
    confidence: np.ndarray  # [P, P]
    reach: float
    edge: np.ndarray  # [A, 2], the ball's edge
    path: np.ndarray  # [T, 2], the attack's


@dataclass(frozen=True)
class Side:
    """One network under attack, as arrays."""

    name: str  # of the network
    clean: np.ndarray  # uint8 [H, W, 3]
    noise: np.ndarray  # float [H, W, 3], in pixel units
    adversarial: np.ndarray  # uint8 [H, W, 3]
    changes: str  # how large the noise is, in words
    title: str  # over the attacked picture
    class_names: Sequence[str]
    label: int
    before: np.ndarray  # probabilities [classes]
    after: np.ndarray
    losses: Sequence[float]  # so far
    decision: Map | str  # or words, while there is none


def scene(sides: Sequence[Side], *, below: str, loss: str, steps: int) -> np.ndarray:
    """The whole picture of the lab.

    Args:
        sides: one network or two.
        below: "bars" for probabilities, "map" for the loss over the steps and the decision maps.
        loss: what the loss is of, for the title of its curve.
        steps: k, where the curve will end.

    Returns:
        uint8 [height, WIDTH, 3].
    """
    rows = [row(side, named=len(sides) > 1) for side in sides]
    if below == "bars":
        rows.append(_probabilities(sides))
    else:
        rows.append(_climb_and_maps(sides, loss, steps))
    return np.concatenate(rows)


def row(side: Side, *, named: bool) -> np.ndarray:
    """A picture, plus amplified noise, equals another; smaller, and with the network's name, where there are two."""
    first, second = int(np.argmax(side.before)), int(np.argmax(side.after))
    shown, factor = amplified(side.noise)
    return panels(
        [side.clean, shown, side.adversarial],
        [side.name if named else "picture", f"noise, amplified ×{factor}", side.title],
        [
            f"“{side.class_names[first]}”, {percent(side.before[first])}",
            side.changes,
            f"“{side.class_names[second]}”, {percent(side.after[second])}",
        ],
        colours=[BLUE, PALE, BLUE if first == second else VERMILLION],
        signs="+=",
        side=200 if named else 320,
    )


def _probabilities(sides: Sequence[Side]) -> np.ndarray:
    """One network before and after; or two, both after, where they know the same classes."""
    side = sides[0]
    before, after, titles = side.before, side.after, ("the network, before", "the network, after")
    if len(sides) > 1 and tuple(sides[1].class_names) == tuple(side.class_names):
        before, after = side.after, sides[1].after
        titles = tuple(f"{side.name}, after" for side in sides)
    top = top_classes(before, after)
    return bars([side.class_names[k] for k in top], before[top], after[top], titles=titles)


def _climb_and_maps(sides: Sequence[Side], loss: str, steps: int) -> np.ndarray:
    """The loss over the steps, and beside it a decision map for each network, in the colours of one legend."""
    square = 330 if len(sides) == 1 else 270
    height, left = square + 126, WIDTH - len(sides) * (square + MARGIN) - MARGIN
    series = {side.name: (list(range(len(side.losses))), list(side.losses)) for side in sides}
    highest = max((max(side.losses, default=0.0) for side in sides), default=0.0)
    curve = quick_curves(
        series,
        title=f"The loss of {loss}",
        x_label="step t",
        y_label="loss",
        x_range=(0, max(steps, 1)),
        y_range=rounded(0, max(0.1, highest if len(sides) == 1 else 1.4 * highest)),  # two names need room above
        width=left,
        height=height,
    )
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    canvas.paste(Image.fromarray(curve), (0, 0))
    draw = pen(canvas)
    colours = _shared_colours(sides)
    for number, side in enumerate(sides):
        corner = left + MARGIN + number * (square + MARGIN)
        words = "what is read round the picture" if len(sides) == 1 else side.name
        text(draw, (corner, 26), words, size=22, bold=True, anchor="lm", width=square)
        if isinstance(side.decision, str):
            draw.rectangle((corner, 50, corner + square, 50 + square), fill=EMPTY)
            text(draw, (corner + square // 2, 50 + square // 2), side.decision, size=20, colour=PALE, width=square - 20)
            continue
        own = {number: colours.get(number, PALE) for number in np.unique(side.decision.classes).tolist()}
        pixels = square_regions(
            side.decision.classes,
            side.decision.confidence,
            reach=side.decision.reach,
            colours=own,
            edge=side.decision.edge,
            path=side.decision.path,
            marks={"x": (0.0, 0.0)},
            side=square,
        )
        canvas.paste(Image.fromarray(pixels), (corner, 50))
        _legend(draw, side, own, corner, 50 + square + 22, square)
        words = "outline: the ball; dots: the path's shadow"
        text(draw, (corner, 50 + square + 52), words, size=18, colour=PALE, anchor="lm", width=square)
    return np.asarray(canvas)


def _shared_colours(sides: Sequence[Side]) -> Mapping[int, str]:
    """The same colour for a class on both maps, where both networks know the same classes."""
    maps = [side.decision.classes for side in sides if isinstance(side.decision, Map)]
    return class_colours(maps, sides[0].label) if maps else {}


def _legend(draw: ImageDraw.ImageDraw, side: Side, colours: Mapping[int, str], x: int, y: int, width: int) -> None:
    """The classes of a map by area, in a line: a square of the colour, then the name."""
    numbers, counts = np.unique(side.decision.classes, return_counts=True)
    names = [(int(k), side.class_names[int(k)]) for k in numbers[np.argsort(-counts, kind="stable")]][:3]
    room = width // len(names)
    for place, (number, name) in enumerate(names):
        at = x + place * room
        draw.rectangle((at, y - 8, at + 16, y + 8), fill=colours[number])
        text(draw, (at + 24, y), name, size=18, anchor="lm", width=room - 30)
