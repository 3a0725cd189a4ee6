"""What the lab of adversarial examples shows of one moment: both networks as one picture, and a sentence.

Serves notebook 8 and its lab, `attack.py`. Papers: Goodfellow et al. 2015, arXiv:1412.6572, figure 1 (the panda).
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_utils import figures, images, runtime, zoo
from course_utils.adversarial.decision_map import DecisionMap
from course_utils.adversarial.figures import lab
from course_utils.adversarial.figures.attacks import equation, probabilities
from course_utils.adversarial.labs.settings import BARS, NORMS, Norm

ALT = "A picture, the amplified noise of an attack, their sum, and what the network answers before and after."


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
    edge: Tensor | None = None  # [A, 2], the ball's shadow on the map
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


def before_and_after(
    network: zoo.PixelNetwork, clean: Tensor, adversarial: Tensor, *, side: int = 320
) -> figures.Picture:
    """The slide's picture, standing still: a picture, plus noise, equals another, and what is read in both.

    Args:
        network: what is asked.
        clean, adversarial: one picture each, [1, 3, H, W] in [0, 1].
        side: the largest edge of a picture on the figure; as large as the picture, a photograph is shown exactly.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> before_and_after(network, stop.images, 1 - stop.images)
    [A picture, the amplified noise of an attack, their sum, and what the network answers before and after.]
    """
    with runtime.kept(network), torch.no_grad():
        before, after = network(torch.cat([clean, adversarial])).split(1)  # [1, classes] each
    read = before.softmax(dim=1)[0]
    shown = Side(network, clean, read, int(read.argmax()), None, 0, adversarial, after)
    return figures.Picture(draw(View((shown,), NORMS["L∞"], 0, 0, BARS), side), ALT, colours=256)


# ---- from tensors to pictures and words --------------------------------------------------------------------------
def draw(view: View, edge: int = 320) -> np.ndarray:
    """The lab's picture of a moment; a network that is alone has pictures so large."""
    rows = [_equation(side, view, edge if len(view.sides) == 1 else 200) for side in view.sides]
    if view.below == BARS:
        return np.concatenate([*rows, _probabilities(view.sides)])
    climbs = view.sides[0].target is None
    loss = "the true class: the attack climbs" if climbs else "the target: the attack descends"
    shown = [
        lab.Climb(side.network.name, side.network.class_names, side.label, side.losses, _decision(side, view))
        for side in view.sides
    ]
    return np.concatenate([*rows, lab.climb_and_maps(shown, loss=loss, steps=view.steps)])


def _equation(side: Side, view: View, edge: int) -> np.ndarray:
    """The attack on one network; smaller, and with the network's name, where there are two."""
    change, alone = side.images - side.clean, len(view.sides) == 1
    ended = "picture + noise" if side.index == view.steps else f"after {side.index} of {view.steps} steps"
    return equation(
        images.to_pixels(side.clean)[0],
        change[0].movedim(0, -1).cpu().numpy(),
        images.to_pixels(side.images)[0],
        side.network.class_names,
        side.before.cpu().numpy(),
        side.after.cpu().numpy(),
        changes=view.norm.tell(view.norm.ball(0).norm(change).item()),
        titles=("picture" if alone else side.network.name, ended),
        side=edge,
    )


def _probabilities(sides: tuple[Side, ...]) -> np.ndarray:
    """One network before and after; or two, both after, where they know the same classes."""
    names, after = sides[0].network.class_names, [side.after.cpu().numpy() for side in sides]
    if len(sides) > 1 and sides[1].network.class_names == names:
        return probabilities(names, *after, titles=tuple(f"{side.network.name}, after" for side in sides))
    return probabilities(names, sides[0].before.cpu().numpy(), after[0])


def _decision(side: Side, view: View) -> lab.Map | str:
    """The map of one network, or what stands in its place."""
    if (seen := side.map) is not None:
        about = side.edge.numpy(), side.shadow.numpy()
        return lab.Map(seen.classes.numpy(), seen.confidence.numpy(), seen.reach, *about)
    if not view.epsilon:
        return "no ball, no map"
    stays = side.index == view.steps and torch.equal(side.images, side.clean)
    return "the picture did not move" if stays else "… the map follows the attack"


def headline(view: View) -> str:
    """What an attack did, a sentence for each network (HTML): "The network reads STOP (99.8 %) → YIELD (97.3 %)"."""
    names = [f"<b>{html.escape(side.network.name)}</b>" for side in view.sides]
    who = names if len(names) > 1 else ["The network"]
    return "<br>".join(_tell(side, view, name) for side, name in zip(view.sides, who, strict=True))


def _tell(side: Side, view: View, who: str) -> str:
    def name(label: int) -> str:
        return html.escape(side.network.class_names[label].upper())

    first, last = int(side.before.argmax()), int(side.after.argmax())
    clean = f"<b>{name(first)}</b> ({figures.percent(side.before[first])})"
    if view.epsilon == 0:
        return f"ε = 0: no change. {who} reads {clean}."
    told = f"{who} reads {clean} → <b>{name(last)}</b> ({figures.percent(side.after[last])})."
    if side.index < view.steps:
        return told
    if first != side.label:
        return f"{told} It was wrong from the beginning: this is {name(side.label)}."
    verdict, colour = ("✓ not fooled", figures.BLUE) if last == first else ("▲ fooled", figures.VERMILLION)
    if last not in (first, side.target) and side.target is not None:
        verdict += ", but not into the target"
    return f'{told} <span style="color:{colour}">{verdict}</span>'
