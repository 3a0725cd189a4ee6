"""DeepDream: more of whatever a layer sees in a picture, from coarse to fine.

Serves notebook 6 and its lab. Source: Mordvintsev, Olah and Tyka 2015, "Inceptionism" and its code (octaves, jitter,
steps of one size), built on the course's own gradient ascent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.arguments import check_images, check_number, check_whole
from course_utils.visualization.ascent import Step, climb_steps
from course_utils.visualization.objectives import Objective
from course_utils.visualization.recipes import NAIVE

RATIO = 1.4  # of an octave to the one before
SMALLEST = 16  # pixels of the shortest edge of the coarsest octave


@dataclass(frozen=True)
class DreamStep:
    """One moment of a dream; tensors without gradients, on the network's device."""

    octave: int  # 0 is the coarsest
    octaves: int
    index: int  # step in this octave, 0 … steps
    steps: int
    images: Tensor  # [N, 3, h, w] in [0, 1], as large as this octave; the last one's are as large as the picture
    scores: Tensor  # [N]


class EvenSteps(torch.optim.Optimizer):
    """Steps whose mean size is `lr` for each picture, however large or small its gradient is: DeepDream's own."""

    def __init__(self, parameters, lr: float):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        """One step downhill, as torch's optimizers make it."""
        for group in self.param_groups:
            for values in group["params"]:
                size = values.grad.abs().mean(dim=tuple(range(1, values.ndim)), keepdim=True).clamp(min=1e-12)
                values -= group["lr"] * values.grad / size


def dream_steps(
    network: nn.Module,
    images: Tensor,
    objective: Objective,
    *,
    octaves: int = 4,
    steps: int = 10,
    step_size: float = 0.02,
    jitter: int = 8,
    seed: int = 0,
) -> Iterator[DreamStep]:
    """Dream on pictures, a step at a time, so that a lab can draw: first where they are small, then larger and larger.

    Args:
        network: takes pictures in [0, 1]; looked at in evaluation mode, left as it was.
        images: to dream on, [N, 3, H, W] in [0, 1].
        objective: what shall rise; `visualization.Layer("stage3")` is DeepDream's own.
        octaves: how many sizes, each 1.4 times as large as the one before, the last as large as the picture.
        steps: an octave.
        step_size: how far a pixel moves on average, in each step.
        jitter: pixels by which the picture moves at most, anew at each step.
        seed: of the jitter.

    Returns:
        Iterator over octaves · (steps + 1) moments.
    """
    check_images(images, name="the pictures to dream on", channels=3)
    check_whole("octaves", octaves, says="is a whole number, at least 1")
    check_number("step_size", step_size, 0, 1, above=True, says="lies between 0 and 1 (pixels run from 0 to 1)")
    images = images.detach().to(next(network.parameters(), images))  # onto the network's device
    sizes = [tuple(round(edge / RATIO**k) for edge in images.shape[2:]) for k in reversed(range(octaves))]
    if min(sizes[0]) < SMALLEST:
        small = f"{sizes[0][1]}×{sizes[0][0]} pixels"
        raise ValueError(f"the coarsest of {octaves} octaves would have {small}; take fewer, or a larger picture.")
    how = {"steps": steps, "recipe": replace(NAIVE, jitter=jitter), "optimizer": partial(EvenSteps, lr=step_size)}
    path = climb_steps(network, objective, start=_resize(images, sizes[0]), seed=seed, **how)  # what is wrong, now

    def walk(path: Iterator[Step]) -> Iterator[DreamStep]:
        dreamt = None
        for octave, size in enumerate(sizes):
            base = _resize(images, size)
            if octave:
                start = (base + _resize(dreamt, size)).clamp(0, 1)
                path = climb_steps(network, objective, start=start, seed=seed + octave, **how)
            for step in path:
                yield DreamStep(octave, octaves, step.index, steps, step.images, step.scores)
            dreamt = step.images - base  # what the dream added, taken along to the next octave

    return walk(path)


def dream(network: nn.Module, images: Tensor, objective: Objective, **how) -> Tensor:
    """DeepDream: run `dream_steps` to its end, all arguments as there; the dreams, [N, 3, H, W] in [0, 1].

    >>> from course_utils import signs, visualization, zoo
    >>> network, stop = zoo.load("signs-resnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> dream(network, stop.images, visualization.Layer("stage2"), octaves=2, steps=2).shape
    torch.Size([1, 3, 64, 64])
    """
    *_, last = dream_steps(network, images, objective, **how)
    return last.images


def _resize(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures, or what was added to them, at another size; never outside of what they hold already."""
    if tuple(values.shape[2:]) == size:
        return values
    resized = F.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized.clamp(values.min(), values.max())  # only rounding would go beyond
