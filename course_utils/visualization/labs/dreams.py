"""The lab of DeepDream: what a layer dreams of in a picture.

Serves notebook 6. It wires `dreams.dream_steps` to its figure. Papers: Mordvintsev, Olah and Tyka 2015, "Inceptionism".
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

from course_utils import figures, images
from course_utils.labs import base
from course_utils.labs.seeing import SMALL
from course_utils.visualization.dreams import DreamStep, dream_steps
from course_utils.visualization.labs.layers import LookingLab
from course_utils.visualization.objectives import Filter, Layer

ALT = "A picture, and the same picture after a network dreamt on it."
SIDE = 192  # pixels of a dream on a small network; the shipped ones saw signs of 64


@dataclass(frozen=True)
class Dreaming:
    """A picture and what has become of it."""

    picture: Tensor  # [1, 3, S, S]
    step: DreamStep
    first: float  # the score at the beginning of this octave
    goal: str


class DreamLab(LookingLab):
    """DeepDream on a picture, or on your own: network, layer, filter or all of them, octaves, steps, step size.

    Args:
        steps: in each octave, at the beginning; few, so that the first picture is quick.

    >>> DreamLab(steps=2)
    [A lab: ...]
    """

    ALL = -1

    def __init__(self, *, steps: int = 8):
        controls = self._looking("signs-resnet-robust", "stage3", self.ALL, self.ALL) | {
            "octaves": base.whole_slider("octaves", 1, 5, 3, "sizes, from coarse to fine"),
            "steps": base.whole_slider("steps", 1, 40, steps, "in each octave"),
            "step_size": base.pixel_slider("step size", (1, 2, 4, 6, 8, 12, 16), 4, "how far a pixel moves in a step"),
            "jitter": base.whole_slider("jitter", 0, 32, 8, "pixels by which the view moves at each step"),
            "seed": base.whole_number("seed", 0, 9999, 0, "of the jitter"),
        }
        super().__init__(controls, alt=ALT)

    def steps(
        self, picture, upload, network, layer, filter, octaves, steps, step_size, jitter, seed
    ) -> Iterator[Dreaming]:
        """Dream, a step at a time."""
        looking = self.load(network)
        layer, filter = self.offer(looking, filter)
        side = SIDE if looking.input_size <= SMALL else looking.input_size
        clean = self.picture(picture, upload, side)
        objective = Layer(layer) if filter == self.ALL else Filter(layer, filter)
        how = {"octaves": octaves, "steps": steps, "step_size": step_size / 255, "jitter": jitter, "seed": seed}
        goal, first = f"all of {layer}" if filter == self.ALL else f"filter {filter} of {layer}", 0.0
        for step in dream_steps(looking, clean, objective, **how):
            first = float(step.scores[0]) if step.index == 0 else first
            yield Dreaming(clean, step, first, goal)

    def draw(self, dreaming: Dreaming) -> base.Frame:
        """Before and after, side by side; and how much more of the layer there is, in a sentence (HTML)."""
        step, now = dreaming.step, float(dreaming.step.scores[0])
        (height, width), size = step.images.shape[2:], dreaming.picture.shape[2:]
        # A coarse octave is shown as large as the picture, so that nothing jumps.
        dreamt = interpolate(step.images, size=size, mode="bilinear", align_corners=False)
        pixels = figures.panels(
            [images.to_pixels(dreaming.picture)[0], images.to_pixels(dreamt)[0]],
            ["awake", f"dreaming of {dreaming.goal}"],
            [f"{size[1]}×{size[0]} pixels", f"octave of {width}×{height} pixels"],
            side=384,
        )
        told = f"Octave <b>{step.octave + 1}</b> of {step.octaves}, step {step.index} of {step.steps}: "
        told += f"{html.escape(dreaming.goal)} went from {dreaming.first:.2f} to <b>{now:.2f}</b>."
        return base.Frame(pixels, told)
