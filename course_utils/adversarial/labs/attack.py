"""The lab of adversarial examples: a picture, plus a little noise, and what one network or two read then.

Serves notebook 8. It wires `pgd.pgd_steps` and `decision_map.map_steps` to `figures.attack_lab`; they do their work
without it. Papers: Madry et al. 2018 (PGD), arXiv:1706.06083, with the step size 2.5·ε/k of its section 5.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from course_utils import figures, images, runtime, zoo
from course_utils.adversarial import decision_map
from course_utils.adversarial.figures import lab
from course_utils.adversarial.labs.settings import (
    BARS,
    EPSILONS,
    FREE,
    MAP,
    MORE_SCENES,
    NONE,
    NORMS,
    RAW,
    STEP_SIZES,
    UNTARGETED,
    Norm,
    controls,
    labelled,
    relabel,
    stories,
)
from course_utils.adversarial.pgd import Step, best_restart, pgd_steps
from course_utils.labs import base
from course_utils.labs.seeing import SMALL, SeeingLab, named, networks_to_choose
from course_utils.layers.folding import fold

ALT = "A picture, the amplified noise of an attack, their sum, and what the network answers before and after."
LAB_ALT = (
    "A picture, the amplified noise of an attack and their sum; below them the loss over the steps and a map of what "
    "is read round the picture."
)


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
    found: decision_map.DecisionMap | None = None
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


class AdversarialLab(SeeingLab):
    """Turn STOP into another class: picture, one network or two, norm, ε, k, η, target, random start, restarts, seed.

    Args:
        network: name of the network at the beginning, one of `zoo.names()`.
        picture_seed: of the scene with a STOP sign that the lab begins with.
        epsilon: radius of the ball at the beginning, in 255ths: a whole number from 0 to 32.
        steps: k at the beginning, 1 to 50.
        preset: a story to begin with, one of `settings.STORIES`; it says what `epsilon` and `steps` are.

    Raises:
        ValueError: there is no such story.
    """

    def __init__(
        self,
        network: str = "signs-resnet",
        *,
        picture_seed: int = 3,
        epsilon: int = 8,
        steps: int = 20,
        preset: str | None = None,
    ):
        self._asked: dict[str, tuple[tuple, Tensor, Tensor]] = {}  # by network: which picture, itself, its logits
        self.scenes = named([("stop", picture_seed), *MORE_SCENES])
        networks = networks_to_choose(network)
        self._stories = stories(network, [name for _, name in networks])
        if preset is not None and preset not in self._stories:
            raise ValueError(f"there is no story {preset!r}; choose one of {', '.join(map(repr, self._stories))}.")
        start = {"network": network, "epsilon": epsilon, "steps": steps} | self._stories.get(preset, {})
        column = controls(networks, [*self.scenes], preset or FREE, self._stories, start)
        column["preset"].observe(self._took_preset, "value")
        super().__init__(column, alt=LAB_ALT)

    def steps(self, *, network, second, norm, epsilon, steps, step_size, below, **choices) -> Iterator[View]:
        """Attack the chosen picture, a step at a time, then draw the map round where it ended."""
        self._names_its_story()
        with self.quietly():
            for control, values in (("epsilon", EPSILONS), ("step_size", STEP_SIZES)):
                relabel(self.controls[control], labelled(values, NORMS[norm]))
        names = [network] if second in (NONE, network) else [network, second]
        sides = [self._prepared(name, **choices) for name in names]
        self.threads = 1 if max(side.network.input_size for side in sides) <= SMALL else None  # from the next step on
        view = View(tuple(sides), NORMS[norm], epsilon, steps if epsilon else 0, below)
        if epsilon == 0:
            yield view
            return
        size = 2.5 * epsilon / steps if step_size == "auto" else step_size
        for moment in _attacked(view, size * NORMS[norm].unit, choices):
            yield moment
        if below == MAP:
            yield from _mapped(moment)

    def must_be_seen(self, view: View) -> bool:
        """The finished attack, which shall not wait for the map."""
        return all(side.index == view.steps and side.found is None for side in view.sides)

    def draw(self, view: View) -> base.Frame:
        """The slide's picture with the present step, what is below it, and what happened in one sentence."""
        target = view.sides[0].target
        pixels = lab.scene(
            [_drawn(side, view) for side in view.sides],
            below="bars" if view.below == BARS else "map",
            loss="the true class: the attack climbs" if target is None else "the target: the attack descends",
            steps=view.steps,
        )
        return base.Frame(pixels, headline(view))

    def _prepared(self, name: str, picture: str, upload: Any, target: str, **_others) -> Side:
        """A network, asked about the clean picture; the menu of targets knows its classes."""
        network = self.load(name)
        names = network.class_names
        if name == self.controls["network"].value:
            with self.quietly():
                base.keep_choice(self.controls["target"], [UNTARGETED, *names], UNTARGETED)
        clean, logits = self._answer(network, picture, upload)
        shown = self.scenes.get(picture, (None,))[0]
        label = names.index(shown) if shown in names else int(logits.argmax())
        wanted = names.index(target) if target in names else None
        if wanted == label:
            raise ValueError(f"the picture shows “{names[label]}” already; choose another class as target, or none.")
        return Side(network, clean, logits.softmax(dim=1)[0], label, wanted, 0, clean, logits)

    def prepared(self, network: zoo.PixelNetwork) -> zoo.PixelNetwork:
        """A network with the same answers, a quarter sooner."""
        trial = torch.zeros(1, 3, network.input_size, network.input_size, device=network.mean.device)
        return fold(network, trial).to(memory_format=torch.channels_last)

    def _answer(self, network: zoo.PixelNetwork, picture: str, upload: Any) -> tuple[Tensor, Tensor]:
        """The clean picture and a network's logits for it; asked anew only when the picture has changed."""
        known = self._asked.get(network.name)
        if known is None or known[0] != (picture, upload):
            clean = self.picture(picture, upload, network.input_size).to(memory_format=torch.channels_last)
            with runtime.kept(network), torch.no_grad():
                known = self._asked[network.name] = ((picture, upload), clean, network(clean))
        return known[1:]

    def _took_preset(self, change: dict) -> None:
        """A story moves the other controls, all at once."""
        with self.quietly():
            for name, value in self._stories.get(change["new"], {}).items():
                self.controls[name].value = value

    def _names_its_story(self) -> None:
        """Who moves a control of a story by hand has settings of his own."""
        now = self.choices()
        told = self._stories.get(now["preset"])
        if told is not None and any(now[name] != value for name, value in told.items()):
            with self.quietly():
                self.controls["preset"].value = FREE


# ---- the work ------------------------------------------------------------------------------------------------------
def _attacked(view: View, step_size: float, choices: Mapping[str, Any]) -> Iterator[View]:
    """All sides take a step by turns; of several restarts a side shows the one that is ahead."""
    restarts = choices["restarts"] if choices["random_start"] else 1  # without chance they would all be the same
    sides, walks = list(view.sides), []
    for side in sides:
        many = {"device": side.clean.device, "dtype": torch.int64}
        walks.append(
            pgd_steps(
                side.network,
                side.clean.repeat(restarts, 1, 1, 1),
                torch.full((restarts,), side.label, **many),
                ball=view.norm.ball(view.epsilon * view.norm.unit),
                step_size=step_size,
                steps=view.steps,
                targets=None if side.target is None else torch.full((restarts,), side.target, **many),
                random_start=choices["random_start"],
                seed=choices["seed"],
                step="raw" if choices["step"] == RAW else "sign",
            )
        )
    paths = [_Path(side, view.steps) for side in sides]
    for index in range(view.steps + 1):
        for number, (side, walk) in enumerate(zip(sides, walks, strict=True)):
            sides[number] = paths[number].followed(side, next(walk))
            if index > 0 or number == len(sides) - 1:  # the first frame shows all of them at their start
                yield replace(view, sides=tuple(sides))


class _Path:
    """How far the attack on one side has come, in all its restarts."""

    def __init__(self, side: Side, steps: int):
        of = {"device": side.clean.device, "dtype": torch.int64}
        self.label = torch.tensor([side.label], **of)
        self.target = None if side.target is None else torch.tensor([side.target], **of)
        self.steps = steps
        self.images: list[Tensor] = []  # of each step, [restarts, 3, S, S]
        self.losses: list[list[float]] = []  # of each step, [restarts]

    def followed(self, side: Side, last: Step) -> Side:
        """The side one step later, in the restart that is ahead; its path when it is whole."""
        ahead = best_restart(last, self.label, self.target)  # [1]
        row, *losses = torch.cat([ahead.to(last.loss), last.loss]).tolist()  # the one copy to the processor
        self.images.append(last.images)
        self.losses.append(losses)
        row = int(row)
        here = slice(row, row + 1)
        return replace(
            side,
            index=last.index,
            images=last.images[here],
            logits=last.logits[here],
            path=tuple(pictures[here] for pictures in self.images) if last.index == self.steps else (),
            losses=tuple(numbers[row] for numbers in self.losses),
        )


def _mapped(view: View) -> Iterator[View]:
    """The decision map of each side in turn, in the plane in which its path is seen best."""
    ball, sides = view.norm.ball(view.epsilon * view.norm.unit), list(view.sides)
    for number, side in enumerate(sides):
        if torch.equal(side.images, side.clean):
            continue
        path = torch.cat(side.path)
        plane = decision_map.path_plane(side.clean, path, ball=ball)
        side = replace(side, edge=plane.outline(ball).cpu(), shadow=plane.places(path).cpu())
        for found in decision_map.map_steps(side.network, plane, side.label, reach=2 * float(ball.epsilon)):
            sides[number] = replace(side, found=found)
            yield replace(view, sides=tuple(sides))


# ---- from tensors to arrays and words --------------------------------------------------------------------------------
def _drawn(side: Side, view: View) -> lab.Side:
    """A side as arrays."""
    change, decision = side.images - side.clean, "no ball, no map"
    if view.epsilon and side.found is None:
        stuck = side.index == view.steps and not change.any()
        decision = "the picture did not move" if stuck else "… the map follows the attack"
    elif side.found is not None:
        decision = lab.Map(
            classes=side.found.classes.numpy(),
            confidence=side.found.confidence.numpy(),
            reach=side.found.reach,
            edge=side.edge.numpy(),
            path=side.shadow.numpy(),
        )
    return lab.Side(
        name=side.network.name,
        clean=images.to_pixels(side.clean)[0],
        noise=change[0].movedim(0, -1).cpu().numpy(),
        adversarial=images.to_pixels(side.images)[0],
        changes=view.norm.changed(view.norm.ball(0).norm(change).item()),
        title="picture + noise" if side.index == view.steps else f"after {side.index} of {view.steps} steps",
        class_names=side.network.class_names,
        label=side.label,
        before=side.before.cpu().numpy(),
        after=side.after.cpu().numpy(),
        losses=side.losses,
        decision=decision,
    )


def before_and_after(network: zoo.PixelNetwork, clean: Tensor, adversarial: Tensor) -> figures.Picture:
    """The slide's picture, standing still: a picture, plus noise, equals another, and what is read in both.

    Args:
        network: what is asked.
        clean, adversarial: one picture each, [1, 3, H, W] in [0, 1].
    """
    with runtime.kept(network), torch.no_grad():
        before, after = network(torch.cat([clean, adversarial])).softmax(dim=1).cpu().numpy()  # [classes] each
    pixels = figures.attack(
        images.to_pixels(clean)[0],
        (adversarial - clean)[0].movedim(0, -1).cpu().numpy(),
        images.to_pixels(adversarial)[0],
        network.class_names,
        before,
        after,
    )
    return figures.Picture(pixels, ALT, colours=256)


def headline(view: View) -> str:
    """What an attack did, a sentence for each network (HTML): "The network reads STOP (99.8 %) → YIELD (97.3 %)"."""
    if len(view.sides) == 1:
        return _told(view.sides[0], view, "The network")
    return "<br>".join(_told(side, view, f"<b>{html.escape(side.network.name)}</b>") for side in view.sides)


def _told(side: Side, view: View, who: str) -> str:
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
        told += (
            f" It was wrong from the beginning: this is {html.escape(side.network.class_names[side.label].upper())}."
        )
    elif last == first:
        told += f' <span style="color:{figures.BLUE}">✓ not fooled</span>'
    elif side.target is not None and last != side.target:
        told += f' <span style="color:{figures.VERMILLION}">▲ fooled, but not into the target</span>'
    else:
        told += f' <span style="color:{figures.VERMILLION}">▲ fooled</span>'
    return told
