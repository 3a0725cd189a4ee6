"""What lesson 8's lab shows below its pictures: the climb of the loss, and what is read round the picture.

Serves notebook 8's lab. All is composed by Pillow, quick enough to follow a slider. Papers: none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

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
    edge: np.ndarray  # [A, 2], the edge of the ball's shadow
    path: np.ndarray  # [T, 2], the attack's


@dataclass(frozen=True)
class Climb:
    """How the attack on one network went, as arrays."""

    name: str  # of the network
    class_names: Sequence[str]
    label: int
    losses: Sequence[float]  # so far
    decision: Map | str  # or words, while there is none


def climb_and_maps(climbs: Sequence[Climb], *, loss: str, steps: int) -> np.ndarray:
    """The loss over the steps, and beside it a decision map for each network, in the colours of one legend.

    Args:
        climbs: on one network or two.
        loss: what the loss is of, for the title of its curve.
        steps: k, where the curve will end.
    """
    alone = len(climbs) == 1
    square = 330 if alone else 270
    height, left = square + 126, WIDTH - len(climbs) * (square + MARGIN) - MARGIN
    highest = max((max(one.losses, default=0.0) for one in climbs), default=0.0)
    curve = quick_curves(
        {one.name: (range(len(one.losses)), one.losses) for one in climbs},
        title=f"The loss of {loss}",
        x_label="step t",
        y_label="loss",
        x_range=(0, max(steps, 1)),
        y_range=rounded(0, max(0.1, highest if alone else 1.4 * highest)),  # two names need room above
        width=left,
        height=height,
    )
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    canvas.paste(Image.fromarray(curve))
    draw = pen(canvas)
    maps = [one.decision.classes for one in climbs if isinstance(one.decision, Map)]
    shared = class_colours(maps, climbs[0].label) if maps else {}
    for number, one in enumerate(climbs):
        corner = left + MARGIN + number * (square + MARGIN)
        words = "what is read round the picture" if alone else one.name
        text(draw, (corner, 26), words, size=22, bold=True, anchor="lm", width=square)
        seen = one.decision
        if isinstance(seen, str):
            draw.rectangle((corner, 50, corner + square, 50 + square), fill=EMPTY)
            text(draw, (corner + square // 2, 50 + square // 2), seen, size=20, colour=PALE, width=square - 20)
            continue
        numbers, counts = np.unique(seen.classes, return_counts=True)
        colours = {label: shared[label] for label in numbers.tolist()}
        how = {"colours": colours, "marks": {"x": (0.0, 0.0)}, "side": square}
        canvas.paste(Image.fromarray(square_regions(**vars(seen), **how)), (corner, 50))
        largest = numbers[np.argsort(-counts, kind="stable")][:3].tolist()  # the legend, in a line
        room, y = square // len(largest), 50 + square + 22
        for place, label in enumerate(largest):
            x = corner + place * room
            draw.rectangle((x, y - 8, x + 16, y + 8), fill=colours[label])
            text(draw, (x + 24, y), one.class_names[label], size=18, anchor="lm", width=room - 30)
        words = "outline: the ball's shadow; dots: the path's"
        text(draw, (corner, y + 30), words, size=18, colour=PALE, anchor="lm", width=square)
    return np.asarray(canvas)
