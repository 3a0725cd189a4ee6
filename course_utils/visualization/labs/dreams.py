"""Two small labs of lesson 6: what a layer answers to a picture, and what it dreams of in it.

Serves notebook 6. They wire `excite.activations` and `dreams.dream_steps` to their drawings; all do their work without
them. Papers: Zeiler and Fergus 2014 (activation maps); Mordvintsev, Olah and Tyka 2015, "Inceptionism" (DeepDream).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

from course_utils import figures, images
from course_utils.labs import base
from course_utils.labs.own import OWN, OwnPicture
from course_utils.labs.seeing import SMALL, named, networks_to_choose
from course_utils.visualization import ascent, dreams, excite
from course_utils.visualization.figures import excite as drawings
from course_utils.visualization.labs.layers import LayersLab, filters_of

MAPS_ALT = "A picture, one filter's map over it and alone, and the maps of the filters that answer loudest."
DREAM_ALT = "A picture, and the same picture after a network dreamt on it."
LOUDEST = 24  # maps on the wall
DREAM_SIDE = 192  # pixels of a dream on a small network; the shipped ones saw signs of 64
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


class LookingLab(LayersLab):
    """What these two share: pictures, and layers told by the size of their maps."""

    scenes = named(SCENES)

    def options(self, network) -> list[tuple[str, str, int]]:
        """“stage3: 64 maps of 8×8”, and so on."""
        return [(f"{name}: {f} maps of {w}×{h}", name, f) for name, (f, h, w) in self.layers(network).items()]

    def _looking(self, network: str, layer: str, filter: int, lowest: int) -> dict:
        """The first five controls, and the network loaded."""
        options, names = self.options(self.begin_with(network)), list(self.scenes)
        most = filters_of(options, layer) - 1
        return {
            "picture": base.menu("picture", [*names, OWN], names[0], "what the network looks at"),
            "upload": OwnPicture(),
            "network": base.menu("network", networks_to_choose(network), network, "who looks"),
            "layer": base.menu("layer", [option[:2] for option in options], layer, "which of its layers"),
            "filter": base.whole_slider(
                "filter", lowest, most, filter, "which one" + ", -1: all of them" * (lowest < 0)
            ),
        }


# ---- activation maps -----------------------------------------------------------------------------------------------
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
    """

    def __init__(self, *, layer: str = "features.3", filter: int = 5):
        self._sees: dict[tuple[str, str], tuple[int, int] | None] = {}
        super().__init__(self._looking("signs-alexnet", layer, filter, 0), alt=MAPS_ALT)

    def steps(self, picture, upload, network, layer, filter) -> Iterator[Answers]:
        """One pass, as far as the layer."""
        looking = self.load(network)
        layer, filter = self.fitted(looking, filter)
        shown = self.picture(picture, upload, looking.input_size)
        maps = excite.activations(looking, shown, layer)[0]
        if (network, layer) not in self._sees:
            try:
                self._sees[network, layer] = excite.field(looking, shown, layer).size
            except ValueError:
                self._sees[network, layer] = None
        yield Answers(shown, maps, layer, filter, self._sees[network, layer])

    def draw(self, view: Answers) -> base.Frame:
        """The picture, the filter's map over it and alone, and the loudest maps of the layer."""
        clean = images.to_pixels(view.picture)[0]
        positive = view.maps.clamp(min=0)
        loud = positive.amax(dim=(1, 2)).argsort(descending=True, stable=True)[:LOUDEST].tolist()
        wall = figures.map_pixels(positive[loud].cpu().numpy())
        own = positive[view.filter]
        large = interpolate((own / own.max().clamp(min=1e-12))[None, None], size=clean.shape[:2], mode="nearest")
        rows, columns = own.shape
        place = divmod(int(view.maps[view.filter].argmax()), columns)
        pixels = drawings.maps(
            clean,
            figures.overlaid(clean, large[0, 0].cpu().numpy()),
            figures.map_pixels(own[None].cpu().numpy())[0],
            list(wall),
            [str(k) for k in loud],
            titles=["the picture", f"filter {view.filter} over it", "its map alone"],
            captions=[
                f"{clean.shape[1]}×{clean.shape[0]} pixels",
                "" if view.sees is None else f"one number sees {view.sees[1]}×{view.sees[0]} pixels",
                f"{columns}×{rows} numbers, the largest {view.maps[view.filter].max():.2f}",
            ],
            below=f"The loudest of the {len(view.maps)} filters of {view.layer}",
            chosen=loud.index(view.filter) if view.filter in loud else None,
        )
        return base.Frame(pixels, answers_headline(view, place))


def answers_headline(view: Answers, place: tuple[int, int]) -> str:
    """How many filters answer, and what the chosen one does, in a sentence (HTML)."""
    answering = int((view.maps.amax(dim=(1, 2)) > 0).sum())
    told = f"<b>{answering}</b> of the {len(view.maps)} filters of {html.escape(view.layer)} answer to this picture. "
    if view.maps[view.filter].max() <= 0:
        return told + f'<span style="color:{figures.VERMILLION}">Filter {view.filter} is silent on it.</span>'
    return told + f"Filter {view.filter} answers strongest in row {place[0]}, column {place[1]} of its map."


# ---- dreams ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Dreaming:
    """A picture and what has become of it."""

    picture: Tensor  # [1, 3, S, S]
    step: dreams.DreamStep
    first: float  # the score at the beginning of this octave
    goal: str


class DreamLab(LookingLab):
    """DeepDream on a picture, or on your own: network, layer, filter or all of them, octaves, steps, step size.

    Args:
        steps: in each octave, at the beginning; few, so that the first picture is quick.
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
        super().__init__(controls, alt=DREAM_ALT)

    def steps(
        self, picture, upload, network, layer, filter, octaves, steps, step_size, jitter, seed
    ) -> Iterator[Dreaming]:
        """Dream, a step at a time."""
        looking = self.load(network)
        layer, filter = self.fitted(looking, filter)
        side = DREAM_SIDE if looking.input_size <= SMALL else looking.input_size
        clean = self.picture(picture, upload, side)
        objective = ascent.Layer(layer) if filter == self.ALL else ascent.Filter(layer, filter)
        how = {"octaves": octaves, "steps": steps, "step_size": step_size / 255, "jitter": jitter, "seed": seed}
        goal, first = f"all of {layer}" if filter == self.ALL else f"filter {filter} of {layer}", 0.0
        for step in dreams.dream_steps(looking, clean, objective, **how):
            first = float(step.scores[0]) if step.index == 0 else first
            yield Dreaming(clean, step, first, goal)

    def draw(self, view: Dreaming) -> base.Frame:
        """Before and after, side by side."""
        step = view.step
        height, width = step.images.shape[2:]
        pixels = figures.panels(
            [images.to_pixels(view.picture)[0], _enlarged(step.images, view.picture)],
            ["awake", f"dreaming of {view.goal}"],
            [f"{view.picture.shape[3]}×{view.picture.shape[2]} pixels", f"octave of {width}×{height} pixels"],
            side=384,
        )
        return base.Frame(pixels, dream_headline(view))


def _enlarged(dreamt: Tensor, picture: Tensor) -> np.ndarray:
    """A coarse octave as large as the picture, so that nothing jumps: uint8 [H, W, 3]."""
    size = picture.shape[2:]
    return images.to_pixels(interpolate(dreamt, size=size, mode="bilinear", align_corners=False))[0]


def dream_headline(view: Dreaming) -> str:
    """How far the dream is, and how much more of the layer there is, in a sentence (HTML)."""
    step, now = view.step, float(view.step.scores[0])
    told = f"Octave <b>{step.octave + 1}</b> of {step.octaves}, step {step.index} of {step.steps}: "
    return told + f"{html.escape(view.goal)} went from {view.first:.2f} to <b>{now:.2f}</b>."
