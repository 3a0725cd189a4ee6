"""The lab of adversarial examples: a picture, plus a little noise, and what one network or two read then.

Serves notebook 8. It wires `pgd_steps` and `decision_map.map_steps` to the wing's figures.
Papers: Madry et al. 2018 (PGD), arXiv:1706.06083, with the step size 2.5·ε/k of its section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from course_utils import runtime, zoo
from course_utils.adversarial.decision_map import map_steps, path_plane
from course_utils.adversarial.labs import moments, settings
from course_utils.adversarial.labs.moments import Side, View
from course_utils.adversarial.labs.settings import FREE, MAP, NONE, NORMS, UNTARGETED
from course_utils.adversarial.pgd import best_restart, pgd_steps
from course_utils.labs import base
from course_utils.labs.seeing import PHOTOGRAPHS, SMALL, SeeingLab, named, networks_to_choose
from course_utils.layers.folding import fold

FINE, COARSE = 65, 17  # points along each axis of the map, for small pictures and for large ones
ALT = (
    "A picture, the amplified noise of an attack and their sum; below them the loss over the steps and a map of what "
    "is read round the picture."
)


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

    >>> AdversarialLab(steps=5)
    [A lab: ...]
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
        self.scenes = named([("stop", picture_seed), *settings.MORE_SCENES])
        networks = networks_to_choose(network)
        self._stories = settings.stories(network, [name for _, name in networks])
        if preset is not None and preset not in self._stories:
            raise ValueError(f"there is no story {preset!r}; choose one of {', '.join(map(repr, self._stories))}.")
        start = settings.plain(network) | {"epsilon": epsilon, "steps": steps} | self._stories.get(preset, {})
        column = settings.controls(networks, [*self.scenes], preset or FREE, self._stories, start)
        column["preset"].observe(self._took_preset, "value")
        super().__init__(column, alt=ALT)

    def steps(self, *, network, second, norm, epsilon, steps, step_size, below, **choices) -> Iterator[View]:
        """Attack the chosen picture, a step at a time, then draw the map round where it ended."""
        self._names_its_story()
        with self.quietly():
            for control, values in (("epsilon", settings.EPSILONS), ("step_size", settings.STEP_SIZES)):
                settings.relabel(self.controls[control], settings.label_values(values, NORMS[norm]))
        names = [network] if second in (NONE, network) else [network, second]
        sides = [self._prepare(name, **choices) for name in names]
        self.threads = 1 if max(side.network.input_size for side in sides) <= SMALL else None  # from the next step on
        view = View(tuple(sides), NORMS[norm], epsilon, steps if epsilon else 0, below)
        if epsilon == 0:
            yield view
            return
        size = 2.5 * epsilon / steps if step_size == "auto" else step_size
        for moment in _attack(view, size * NORMS[norm].unit, choices):
            yield moment
        if below == MAP:
            yield from _map(moment)

    def must_be_seen(self, view: View) -> bool:
        """The finished attack, which shall not wait for the map."""
        return all(side.index == view.steps and side.map is None for side in view.sides)

    def draw(self, view: View) -> base.Frame:
        """The slide's picture with the present step, what is below it, and what happened in one sentence."""
        return base.Frame(moments.draw(view), moments.headline(view))

    def _prepare(self, name: str, picture: str, upload: Any, target: str, **_others) -> Side:
        """A network, asked about the clean picture; the menu of targets knows its classes."""
        network = self.load(name)
        names = network.class_names
        if name == self.controls["network"].value:
            with self.quietly():
                base.keep_choice(self.controls["target"], settings.targets_to_choose(names), UNTARGETED)
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
        """A story moves the other controls, all at once; one of road signs does not begin with a photograph."""
        told, picture, target = self._stories.get(change["new"], {}), self.controls["picture"], self.controls["target"]
        if told and picture.value in PHOTOGRAPHS and told["network"] not in zoo.photographs():
            told = {"picture": picture.options[0]} | told
        with self.quietly():
            if told and told["target"] not in target.options:  # a class of the network that comes with the story
                target.options = (*target.options, told["target"])
            for name, value in told.items():
                self.controls[name].value = value

    def _names_its_story(self) -> None:
        """Who moves a control of a story by hand has settings of his own."""
        now = self.choices()
        told = self._stories.get(now["preset"])
        if told is not None and any(now[name] != value for name, value in told.items()):
            with self.quietly():
                self.controls["preset"].value = FREE


# ---- the work ------------------------------------------------------------------------------------------------------
def _attack(view: View, step_size: float, choices: Mapping[str, Any]) -> Iterator[View]:
    """All sides take a step by turns."""
    sides, walks = list(view.sides), [_walk(side, view, step_size, choices) for side in view.sides]
    for index in range(view.steps + 1):
        for number, walk in enumerate(walks):
            sides[number] = next(walk)
            if index > 0 or number == len(sides) - 1:  # the first frame shows all of them at their start
                yield replace(view, sides=tuple(sides))


def _walk(side: Side, view: View, step_size: float, choices: Mapping[str, Any]) -> Iterator[Side]:
    """One side after each step; of several restarts it shows the one that is ahead."""
    restarts = choices["restarts"] if choices["random_start"] else 1  # without chance they would all be the same
    label = torch.tensor([side.label], device=side.clean.device)
    target = None if side.target is None else torch.full_like(label, side.target)
    steps = pgd_steps(
        side.network,
        side.clean.repeat(restarts, 1, 1, 1),
        label.expand(restarts),
        ball=view.norm.ball(view.epsilon * view.norm.unit),
        step_size=step_size,
        steps=view.steps,
        targets=None if target is None else target.expand(restarts),
        random_start=choices["random_start"],
        seed=choices["seed"],
        step="raw" if choices["step"] == settings.RAW else "sign",
    )
    path, losses = [], []  # of each step, [restarts, 3, S, S] and [restarts]
    for step in steps:
        ahead = best_restart(step, label, target)  # [1]
        row, *now = torch.cat([ahead.to(step.loss), step.loss]).tolist()  # the one copy to the processor
        path.append(step.images)
        losses.append(now)
        here = slice(row := int(row), row + 1)
        yield replace(
            side,
            index=step.index,
            images=step.images[here],
            logits=step.logits[here],
            path=tuple(pictures[here] for pictures in path) if step.index == view.steps else (),
            losses=tuple(numbers[row] for numbers in losses),
        )


def _map(view: View) -> Iterator[View]:
    """The decision map of each side in turn, in the plane in which its path is seen best; coarse for large pictures."""
    ball, sides = view.norm.ball(view.epsilon * view.norm.unit), list(view.sides)
    for number, side in enumerate(sides):
        if torch.equal(side.images, side.clean):
            continue
        path = torch.cat(side.path)
        plane = path_plane(side.clean, path, ball=ball)
        side = replace(side, edge=plane.shadow(ball), shadow=plane.places(path).cpu())
        points = FINE if side.network.input_size <= SMALL else COARSE
        for seen in map_steps(side.network, plane, side.label, reach=2 * float(ball.epsilon), points=points):
            sides[number] = replace(side, map=seen)
            yield replace(view, sides=tuple(sides))
