"""The lab of ablation: branches of a trained network switched off, and what it still reads.

Serves notebook 4. Paper: Morcos et al. 2018, arXiv:1803.06959.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_utils import images, runtime, signs, training, zoo
from course_utils.figures.base import percent
from course_utils.inception import branches, figures
from course_utils.labs import base
from course_utils.networks.inception import BRANCHES

BATCH = 25  # scenes between two frames
OFF = "conv_5x5"  # at the start, so that the first picture shows what the lab is about


@dataclass(frozen=True)
class Ablation:
    """How a network reads while some branches of one module are off, with all that the drawing needs."""

    picture: Tensor  # [1, 3, S, S]
    maps: Mapping[str, np.ndarray]  # branch → [channels, H, W]
    off: tuple[str, ...]  # branches of the module
    before: Tensor  # [classes], the probabilities with all branches on
    after: Tensor  # [classes], with these off
    asked: int  # scenes, with these off, so far
    right: int  # of them


class BranchLab(base.Lab):
    """Switch the branches of a trained network off, and see what it still reads.

    Args:
        network: one with Inception modules.
        scenes, seed: how many test scenes are read, and from which seed.
        picture_seed: of the picture that is shown.

    >>> BranchLab(scenes=20).set(pool=False).choices()["module"]
    'inception_b'
    """

    def __init__(self, network: str = "signs-inception", *, scenes: int = 200, seed: int = 1004, picture_seed: int = 3):
        self._network, self._seed = zoo.load(network), picture_seed
        street = signs.render(scenes, seed=seed, device="cpu").to(runtime.device())
        self._images, self._labels = street.images.to(memory_format=torch.channels_last), street.labels
        self._right: dict[tuple, int] = {}  # of all scenes; what was asked once is known
        shown = ("stop", "yield", "50 limit", "no entry", "priority road", "keep right", "roundabout")
        fills = [("zeros", "zero"), ("its mean", "mean")]
        controls = {
            "module": base.menu("module", list(branches.modules(self._network)), "inception_b", "which module"),
            **{name: base.switch(name, name != OFF, "on, or silent") for name in BRANCHES},
            "fill": base.menu("when off", fills, "zero", "what stands in the place of a branch"),
            "picture": base.menu("picture", shown, "stop", "whose activations are shown"),
        }
        super().__init__(controls, alt="What four branches say about a picture, and what is read without some of them.")

    def steps(self, module, fill, picture, **on) -> Iterator[Ablation]:
        """Ask about one picture first, then about all scenes, some at a time."""
        off = tuple(name for name in BRANCHES if not on[name])
        names = [f"{module}.{name}" for name in off]
        label = signs.CLASS_NAMES.index(picture)
        image = signs.render([label], seed=self._seed, device="cpu").images.to(runtime.device())
        answers = branches.activations(self._network, image, module)
        maps = {name: values[0].cpu().numpy() for name, values in answers.items()}
        before = training.predict(self._network, image)[0].softmax(dim=0)
        with branches.ablate(self._network, *names, fill=fill):
            after = training.predict(self._network, image)[0].softmax(dim=0)
        if () not in self._right:
            *_, (_, self._right[()]) = self._count([], fill)
        key = (module, off, fill) if off else ()
        counts = [(len(self._labels), self._right[key])] if key in self._right else self._count(names, fill)
        for asked, right in counts:
            yield Ablation(image, maps, off, before, after, asked, right)
        self._right[key] = right

    def _count(self, off: Sequence[str], fill: str) -> Iterator[tuple[int, int]]:
        """How many scenes were asked so far while some branches are off, and how many of them were read right."""
        asked = right = 0
        for some, labels in zip(self._images.split(BATCH), self._labels.split(BATCH), strict=True):
            with branches.ablate(self._network, *off, fill=fill):
                right += int((training.predict(self._network, some).argmax(dim=1) == labels).sum())
            asked += len(labels)
            yield asked, right

    def draw(self, step: Ablation) -> base.Frame:
        """The activations above, the two accuracies below."""
        above = figures.activations(images.to_pixels(step.picture)[0], step.maps, step.off)
        silent = " and ".join(step.off) if len(step.off) <= 2 else f"{len(step.off)} branches"
        words, scenes = f"without {silent}" if silent else "nothing is off", len(self._labels)
        now = words, step.right / step.asked
        below = figures.accuracies(("all branches on", self._right[()] / scenes), now, step.asked / scenes)
        return base.Frame(np.concatenate([above, below]), self._headline(step))

    def _headline(self, step: Ablation) -> str:
        def says(answer: Tensor) -> str:
            best = int(answer.argmax())
            return f"<b>{html.escape(self._network.class_names[best].upper())}</b> ({percent(answer[best])})"

        if not step.off:
            return f"All branches on: it reads {says(step.before)}. Switch one off."
        read = f"{step.right} of {step.asked} scenes right, {100 * step.right / step.asked:.0f} %"
        return f"It reads {says(step.before)} → {says(step.after)}; and {read}."
