"""What lesson 8's lab shows: a picture plus noise, for one network or two, and below it bars, or the climb and the map.

Serves notebook 8's lab. All is composed by Pillow, quick enough to follow a slider. Papers: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from course_utils.adversarial.figures.attacks import equation, probabilities
from course_utils.adversarial.figures.decision_map import class_colours, square_regions
from course_utils.figures.base import MARGIN, WIDTH, text
from course_utils.figures.charts import quick_curves, rounded
from course_utils.figures.colours import PALE, PAPER
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
    """
    return np.concatenate(
        [
            *(_row(side, named=len(sides) > 1) for side in sides),
            _probabilities(sides) if below == "bars" else _climb_and_maps(sides, loss, steps),
        ]
    )


def _row(side: Side, *, named: bool) -> np.ndarray:
    """The attack on one network; smaller, and with the network's name, where there are two."""
    return equation(
        side.clean,
        side.noise,
        side.adversarial,
        side.class_names,
        side.before,
        side.after,
        changes=side.changes,
        titles=(side.name if named else "picture", side.title),
        side=200 if named else 320,
    )


def _probabilities(sides: Sequence[Side]) -> np.ndarray:
    """One network before and after; or two, both after, where they know the same classes."""
    names = sides[0].class_names
    if len(sides) > 1 and tuple(sides[1].class_names) == tuple(names):
        titles = tuple(f"{side.name}, after" for side in sides)
        return probabilities(names, sides[0].after, sides[1].after, titles)
    return probabilities(names, sides[0].before, sides[0].after)


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
