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

from course_utils.arguments import is_whole
from course_utils.visualization.ascent import NAIVE, climb_steps
from course_utils.visualization.objectives import Objective

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

    @property
    def share(self) -> float:
        """How far the dream is, 0 to 1."""
        return (self.octave * self.steps + self.index) / (self.octaves * self.steps)


class EvenSteps(torch.optim.Optimizer):
    """Steps whose mean size is `lr` for each picture, however large or small its gradient is: DeepDream's own."""

    def __init__(self, parameters, lr: float):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        """One step downhill, as torch's optimizers make it."""
        for group in self.param_groups:
            for values in group["params"]:
                size = values.grad.flatten(1).abs().mean(dim=1).clamp(min=1e-12)
                values -= group["lr"] * values.grad / size.view(-1, *[1] * (values.ndim - 1))


def dream_steps(
    network: nn.Module,
    images: Tensor,
    objective: Objective,
    *,
    octaves: int = 4,
    ratio: float = 1.4,
    steps: int = 10,
    step_size: float = 0.02,
    jitter: int = 8,
    seed: int = 0,
) -> Iterator[DreamStep]:
    """Dream on pictures, a step at a time, so that a lab can draw; see `dream`.

    Returns:
        Iterator over octaves · (steps + 1) moments, the coarsest octave first. Bad arguments raise at the call.
    """
    _check(octaves, ratio, step_size)
    if not isinstance(images, Tensor) or images.ndim != 4:
        got = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"give pictures to dream on, [N, 3, H, W], as images.to_tensor makes them; got {got}.")
    images = images.detach().to(next(network.parameters(), images))  # onto the network's device
    sizes = [tuple(round(edge / ratio**k) for edge in images.shape[2:]) for k in reversed(range(octaves))]
    if min(sizes[0]) < SMALLEST:
        small = "×".join(map(str, sizes[0][::-1]))
        raise ValueError(
            f"the coarsest of {octaves} octaves would have {small} pixels; take fewer, or a larger picture."
        )
    recipe, optimizer = replace(NAIVE, jitter=jitter), partial(EvenSteps, lr=step_size)

    def begin(octave: int, start: Tensor) -> Iterator:
        return climb_steps(
            network, objective, steps=steps, start=start, recipe=recipe, optimizer=optimizer, seed=seed + octave
        )

    first = begin(0, _resized(images, sizes[0]))  # at the call: what is wrong is said before the first step

    def walk() -> Iterator[DreamStep]:
        path, dreamt = first, None
        for octave, size in enumerate(sizes):
            base = _resized(images, size)
            if octave:
                path = begin(octave, (base + _resized(dreamt, size)).clamp(0, 1))
            for step in path:
                yield DreamStep(octave, octaves, step.index, steps, step.images, step.scores)
            dreamt = step.images - base  # what the dream added, taken along to the next octave

    return walk()


def dream(
    network: nn.Module,
    images: Tensor,
    objective: Objective,
    *,
    octaves: int = 4,
    ratio: float = 1.4,
    steps: int = 10,
    step_size: float = 0.02,
    jitter: int = 8,
    seed: int = 0,
) -> Tensor:
    """DeepDream: change a picture so that an objective rises, first where it is small, then larger and larger.

    Args:
        network: takes pictures in [0, 1]; looked at in evaluation mode, left as it was.
        images: to dream on, [N, 3, H, W] in [0, 1].
        objective: what shall rise; `visualization.Layer("stage3")` is DeepDream's own.
        octaves: how many sizes, each `ratio` times as large as the one before, the last as large as the picture.
        ratio: above 1, at most 4.
        steps: an octave.
        step_size: how far a pixel moves on average, in each step.
        jitter: pixels by which the view moves at most, anew at each step.
        seed: of the jitter.

    Returns:
        The dreams, [N, 3, H, W] in [0, 1].

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which.
    """
    path = dream_steps(
        network,
        images,
        objective,
        octaves=octaves,
        ratio=ratio,
        steps=steps,
        step_size=step_size,
        jitter=jitter,
        seed=seed,
    )
    *_, last = path
    return last.images


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures, or what was added to them, at another size; never outside of what they hold already."""
    if tuple(values.shape[2:]) == size:
        return values
    resized = F.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
    return resized.clamp(values.min(), values.max())  # only rounding would go beyond


def _check(octaves: int, ratio: float, step_size: float) -> None:
    if not is_whole(octaves) or octaves < 1:
        raise ValueError(f"octaves is a whole number, at least 1; got {octaves!r}.")
    if not (isinstance(ratio, (int, float)) and 1 < ratio <= 4):
        raise ValueError(f"ratio says how much larger the next octave is, more than 1 and at most 4; got {ratio!r}.")
    if not (isinstance(step_size, (int, float)) and 0 < step_size <= 1):
        raise ValueError(f"step_size lies between 0 and 1 (pixels run from 0 to 1); got {step_size!r}.")
