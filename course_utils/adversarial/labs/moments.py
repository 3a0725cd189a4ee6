"""What the lab of adversarial examples shows of one moment: both networks as arrays for the figure, and a sentence.

Serves notebook 8's lab, `attack.py`. Papers: none.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from course_utils import figures, images, zoo
from course_utils.adversarial.decision_map import DecisionMap
from course_utils.adversarial.figures import lab
from course_utils.adversarial.labs.settings import BARS, Norm


@dataclass(frozen=True)
class Side:
    """One network under attack at one moment, with all that its drawing needs."""

    network: zoo.PixelNetwork
    clean: Tensor  # [1, 3, S, S]
    before: Tensor  # [classes], the network's probabilities for the clean picture
    label: int  # what the picture shows
    target: int | None
    index: int  # of the step
    images: Tensor  # [1, 3, S, S], the attacked picture: of several restarts the one that is ahead
    logits: Tensor  # [1, classes]
    path: tuple[Tensor, ...] = ()  # all its pictures, [1, 3, S, S] each, when the attack has ended
    losses: tuple[float, ...] = ()
    map: DecisionMap | None = None
    edge: Tensor | None = None  # [A, 2], the ball on the map
    shadow: Tensor | None = None  # [T, 2], the path on the map

    @property
    def after(self) -> Tensor:
        """The network's probabilities for the attacked picture, [classes]."""
        return self.logits.softmax(dim=1)[0]


@dataclass(frozen=True)
class View:
    """One moment of the attack, on one network or two."""

    sides: tuple[Side, ...]
    norm: Norm
    epsilon: float  # in units of the norm
    steps: int  # k
    below: str


# ---- from tensors to arrays and words --------------------------------------------------------------------------------
def draw(view: View, loss: str) -> np.ndarray:
    """The lab's picture of a moment; `loss` says what the loss is of."""
    below = "bars" if view.below == BARS else "map"
    return lab.scene([_as_arrays(side, view) for side in view.sides], below=below, loss=loss, steps=view.steps)


def _as_arrays(side: Side, view: View) -> lab.Side:
    change, decision = side.images - side.clean, "no ball, no map"
    if side.map is not None:
        decision = lab.Map(
            classes=side.map.classes.numpy(),
            confidence=side.map.confidence.numpy(),
            reach=side.map.reach,
            edge=side.edge.numpy(),
            path=side.shadow.numpy(),
        )
    elif view.epsilon:
        stays = side.index == view.steps and not change.any()
        decision = "the picture did not move" if stays else "… the map follows the attack"
    return lab.Side(
        name=side.network.name,
        clean=images.to_pixels(side.clean)[0],
        noise=change[0].movedim(0, -1).cpu().numpy(),
        adversarial=images.to_pixels(side.images)[0],
        changes=view.norm.tell(view.norm.ball(0).norm(change).item()),
        title="picture + noise" if side.index == view.steps else f"after {side.index} of {view.steps} steps",
        class_names=side.network.class_names,
        label=side.label,
        before=side.before.cpu().numpy(),
        after=side.after.cpu().numpy(),
        losses=side.losses,
        decision=decision,
    )


def headline(view: View) -> str:
    """What an attack did, a sentence for each network (HTML): "The network reads STOP (99.8 %) → YIELD (97.3 %)"."""
    if len(view.sides) == 1:
        return _tell(view.sides[0], view, "The network")
    return "<br>".join(_tell(side, view, f"<b>{html.escape(side.network.name)}</b>") for side in view.sides)


def _tell(side: Side, view: View, who: str) -> str:
    def says(answer: Tensor) -> str:
        best = int(answer.argmax())
        return f"<b>{html.escape(side.network.class_names[best].upper())}</b> ({figures.percent(answer[best])})"

    first, last = int(side.before.argmax()), int(side.after.argmax())
    if view.epsilon == 0:
        return f"ε = 0: no change. {who} reads {says(side.before)}."
    told = f"{who} reads {says(side.before)} → {says(side.after)}."
    if side.index < view.steps:
        return told
    if first != side.label:
        label = html.escape(side.network.class_names[side.label].upper())
        return f"{told} It was wrong from the beginning: this is {label}."
    colour = figures.BLUE if last == first else figures.VERMILLION
    verdict = "✓ not fooled" if last == first else "▲ fooled"
    if last not in (first, side.target) and side.target is not None:
        verdict += ", but not into the target"
    return f'{told} <span style="color:{colour}">{verdict}</span>'
