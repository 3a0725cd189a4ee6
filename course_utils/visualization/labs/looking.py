"""Two labs that look at a scene or at a picture of one's own: what a layer answers to it, and what it dreams of in it.

Serves notebook 6. They wire `examples.activations` and `dreams.dream_steps` to their figures. Papers: Zeiler and Fergus
2014; Mordvintsev, Olah and Tyka 2015, "Inceptionism".
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

from course_utils import figures, images
from course_utils.labs import base
from course_utils.labs.own import OwnPicture
from course_utils.labs.seeing import SMALL, named, pictures_to_choose
from course_utils.visualization.dreams import DreamStep, dream_steps
from course_utils.visualization.examples import activations, field
from course_utils.visualization.figures import maps as draw_maps
from course_utils.visualization.labs.layers import Controls, LayersLab, Options, layers
from course_utils.visualization.objectives import Filter, Layer

SCENES = (  # class and seed of the scenes in the menus
    ("stop", 3),
    ("stop", 31),
    ("yield", 3),
    ("50 limit", 31),
    ("no passing", 10),
    ("no entry", 10),
    ("priority road", 3),
    ("keep right", 31),
    ("roundabout", 10),
)
ALL = -1  # of the filters, below the first
LOUDEST = 24  # maps on the wall
SIDE = 192  # pixels of a dream on a small network; the shipped ones saw signs of 64


class LookingLab(LayersLab):
    """A lab of layers, told by the size of their maps, that look at a picture; arguments as in `LayersLab`."""

    scenes = named(SCENES)

    def __init__(self, network: str, layer: str, filter: int, below: Controls, *, alt: str):
        names = list(self.scenes)
        picture = base.menu("picture", pictures_to_choose(names), names[0], "what the network looks at")
        super().__init__(network, layer, filter, {"picture": picture, "upload": OwnPicture()}, below, alt=alt)

    def options(self, network) -> Options:
        """“stage3: 64 maps of 8×8”, and so on."""
        return [(f"{name}: {f} maps of {w}×{h}", name, f) for name, (f, h, w) in layers(network).items()]


# ---- what a layer answers --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Answers:
    """A picture and what a layer answers to it."""

    picture: Tensor  # [1, 3, S, S]
    maps: Tensor  # [F, h, w]
    layer: str
    filter: int
    sees: tuple[int, int] | None  # rows and columns of the picture that one number sees


class MapsLab(LookingLab):
    """Watch a layer at work: picture, network, layer, filter.

    Args:
        layer: of signs-alexnet, at the beginning; `layers.find.outer_layers` lists those of the menu.
        filter: at the beginning.

    >>> MapsLab(filter=3)
    [A lab: ...]
    """

    def __init__(self, *, layer: str = "features.3", filter: int = 5):
        self._sees: dict[tuple[str, str], tuple[int, int] | None] = {}
        alt = "A picture, one filter's map over it and alone, and the maps of the filters that answer loudest."
        super().__init__("signs-alexnet", layer, filter, {}, alt=alt)

    def steps(self, picture, upload, network, layer, filter) -> Iterator[Answers]:
        """One pass, as far as the layer."""
        looking = self.load(network)
        layer, filter = self.offer(looking, filter)
        shown = self.picture(picture, upload, looking.input_size)
        maps = activations(looking, shown, layer)[0]
        if (network, layer) not in self._sees:
            self._sees[network, layer] = None
            with suppress(ValueError):
                self._sees[network, layer] = field(looking, shown, layer).size
        yield Answers(shown, maps, layer, filter, self._sees[network, layer])

    def draw(self, answers: Answers) -> base.Frame:
        """The picture, the filter's map over it and alone, the loudest maps of the layer; and who answers (HTML)."""
        clean, filter, every = images.to_pixels(answers.picture)[0], answers.filter, len(answers.maps)
        positive = answers.maps.clamp(min=0)  # [F, h, w]
        peaks = positive.amax(dim=(1, 2))  # [F]
        loud = peaks.argsort(descending=True, stable=True)[:LOUDEST].tolist()
        own, largest = positive[filter], answers.maps[filter].max()
        rows, columns = own.shape
        heat = interpolate((own / own.max().clamp(min=1e-12))[None, None], size=clean.shape[:2], mode="nearest")
        alone, *wall = figures.map_pixels(positive[[filter, *loud]].cpu().numpy())
        sees = f"one number sees {answers.sees[1]}×{answers.sees[0]} pixels" if answers.sees else ""
        size = f"{clean.shape[1]}×{clean.shape[0]} pixels"
        pixels = draw_maps(
            [clean, figures.overlaid(clean, heat[0, 0].cpu().numpy()), alone],
            wall,
            loud,
            filter,
            captions=[size, sees, f"{columns}×{rows} numbers, the largest {largest:.2f}"],
            below=f"The loudest of the {every} filters of {answers.layer}",
        )
        answering, layer = int((peaks > 0).sum()), html.escape(answers.layer)
        told = f"<b>{answering}</b> of the {every} filters of {layer} answer to this picture. "
        if largest <= 0:
            told += f'<span style="color:{figures.VERMILLION}">Filter {filter} is silent on it.</span>'
        else:
            row, column = divmod(int(answers.maps[filter].argmax()), columns)
            told += f"Filter {filter} answers strongest in row {row}, column {column} of its map."
        return base.Frame(pixels, told)


# ---- what a layer dreams of ------------------------------------------------------------------------------------
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

    says = "which of its layers", "which one, -1: all of them"
    lowest = ALL

    def __init__(self, *, steps: int = 8):
        controls = {
            "octaves": base.whole_slider("octaves", 1, 5, 3, "sizes, from coarse to fine"),
            "steps": base.whole_slider("steps", 1, 40, steps, "in each octave"),
            "step_size": base.pixel_slider("step size", (1, 2, 4, 6, 8, 12, 16), 4, "how far a pixel moves in a step"),
            "jitter": base.whole_slider("jitter", 0, 32, 8, "pixels by which the view moves at each step"),
            "seed": base.whole_number("seed", 0, 9999, 0, "of the jitter"),
        }
        alt = "A picture, and the same picture after a network dreamt on it."
        super().__init__("signs-resnet-robust", "stage3", ALL, controls, alt=alt)

    def steps(self, picture, upload, network, layer, filter, step_size, **how) -> Iterator[Dreaming]:
        """Dream, a step at a time."""
        looking = self.load(network)
        layer, filter = self.offer(looking, filter)
        clean = self.picture(picture, upload, SIDE if looking.input_size <= SMALL else looking.input_size)
        objective = Layer(layer) if filter == ALL else Filter(layer, filter)
        goal, first = f"all of {layer}" if filter == ALL else f"filter {filter} of {layer}", 0.0
        for step in dream_steps(looking, clean, objective, step_size=step_size / 255, **how):
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
