"""The lab of gradient ascent: noise climbs until a filter, a layer or a class answers, drawn as it climbs.

Serves notebook 6. It wires `climb_steps` and `top_examples_steps` to their figures. Papers: Erhan et al. 2009; Olah,
Mordvintsev and Schubert 2017, "Feature Visualization".
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from course_utils import figures, images, signs, zoo
from course_utils.labs import base
from course_utils.labs.seeing import SMALL
from course_utils.visualization import figures as drawings
from course_utils.visualization.ascent import Step, climb_steps
from course_utils.visualization.examples import SINGLE, Examples, top_examples_steps, views
from course_utils.visualization.labs.layers import LayersLab, Options, layers
from course_utils.visualization.objectives import LOGITS, Filter, Layer, Logit, Neuron, Probability
from course_utils.visualization.recipes import Recipe, part_of_full

ONE, NEURON, SIXTEEN, WHOLE = "one filter", "its middle neuron", "16 filters, from this one on", "the whole layer"
LOGIT, PROBABILITY = "classes, by their logit", "classes, by their probability"
SWITCHES = {  # name → the parts of a recipe that it turns on, words, help
    "fourier": ("parameterisation noise", "Fourier in place of pixels", "coarse waves move more than fine ones"),
    "colours": ("decorrelated", "decorrelated colours", "step along the colours of scenes"),
    "jitter": ("jitter padding", "jitter", "move the view by up to 4 pixels at every step"),
    "turn": ("rotation scale padding", "rotation and scale", "turn by up to 5°, scale by up to 5 % at every step"),
    "blur": ("blur", "blur", "blur the picture a little after every step"),
    "smooth": ("l2 total_variation", "L2 and total variation", "punish pixels far from grey and from their neighbours"),
}
UNITS = {LOGIT: "logit", PROBABILITY: "probability", NEURON: "the neuron's answer", WHOLE: "mean square of the layer"}
ALT = "A picture that climbed from noise until a filter answered strongly, and the drawn scenes that excite it most."


@lru_cache(maxsize=64)
def block(number: int, size: int, scenes: bool) -> Tensor:
    """Some pictures to look through: rendered scenes of all classes, [16, 3, size, size], or a photograph's views."""
    if scenes:
        return signs.render(16, size=size, seed=600 + number, device="cpu").images  # the same on every machine
    return views(SINGLE[number], size, "cpu")  # [5, 3, size, size]


# ---- the lab ---------------------------------------------------------------------------------------------------
@dataclass
class Climbing:
    """A climb that goes on when it is asked: where it stands, how far it shall go, and the drawn scenes beside it."""

    path: Iterator[Step]
    network: zoo.PixelNetwork
    layer: str
    filters: tuple[int, ...]
    show: str
    target: int  # the step at which it rests
    wished: int = 0  # the filter that was chosen, which this layer may not have
    last: Step | None = None
    scores: list[list[float]] = field(default_factory=list)  # a row a step
    real: Examples | None = None  # None while nobody has looked; a network of signs looks through scenes

    def go(self) -> None:
        """One step."""
        self.last, self.real = next(self.path), None
        self.scores.append(self.last.scores.tolist())

    @property
    def of_class(self) -> bool:
        """Whether it climbs classes, not filters."""
        return self.layer in (LOGIT, PROBABILITY)

    @property
    def of_signs(self) -> bool:
        """Whether the network knows road signs: then it looks through scenes, and else through photographs."""
        return len(self.network.class_names) == len(signs.CLASSES)

    @property
    def where(self) -> str:
        """What it looks through, in words."""
        return "drawn scenes" if self.of_signs else "views of photographs"

    def name(self, index: int) -> str:
        """What the picture with this place in the batch is of."""
        number = self.filters[index]
        return self.network.class_names[number] if self.of_class else f"filter {number}"

    def scenes(self) -> Iterator[tuple[np.ndarray, list[int]]]:
        """The drawn scenes or views so far, the strongest first: pixels, and what is seen of them."""
        if self.real is not None:
            many = len(block(0, self.network.input_size, self.of_signs))
            for which, box in zip(self.real.pictures[0].tolist(), self.real.boxes[0].tolist(), strict=True):
                shown = block(which // many, self.network.input_size, self.of_signs)[which % many]
                yield images.to_pixels(shown), box


class VisualizationLab(LayersLab):
    """What does it look for? Network, layer, filter or sixteen, steps, step size, and every regulariser as a switch.

    A moved control begins a new climb; Stop halts it where it stands, Continue climbs on.

    Args:
        layer: of signs-alexnet, at the beginning; `layers.find.outer_layers` lists those of the menu.
        filter: at the beginning.
        steps: of a climb at the beginning, 1 to 256.

    >>> VisualizationLab(steps=4)
    [A lab: ...]
    """

    says = "whose answer shall rise", "which one; or which class"

    def __init__(self, *, layer: str = "features.3", filter: int = 5, steps: int = 48):
        self._climbing: Climbing | None = None
        self._asked_on, self._on = False, False  # Continue was pressed; the run in work is its answer
        self._real: dict[tuple[str, str], Examples] = {}
        sizes = [(f"{size:g}", size) for size in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)]
        controls = {
            "show": base.menu("climb", [ONE, NEURON, SIXTEEN, WHOLE], ONE, "what shall rise"),
            "steps": base.whole_slider("steps", 1, 256, steps, "how many; Continue takes as many again"),
            "step_size": base.pixel_slider("step size", sizes, 0.05, "how far Adam moves a number at first"),
            **{name: base.switch(words, True, help) for name, (_, words, help) in SWITCHES.items()},
            "seed": base.whole_number("seed", 0, 9999, 0, "which noise it begins with"),
        }
        self.stop_button = base.half_button("Stop", "stop", "rest here", disabled=True)
        self.continue_button = base.half_button("Continue", "forward", "climb on from here")
        super().__init__("signs-alexnet", layer, filter, {}, controls, alt=ALT)
        self.stop_button.on_click(lambda _: self.stop())
        self.continue_button.on_click(lambda _: self.go_on())

    # ---- what a notebook uses --------------------------------------------------------------------------------
    def go_on(self) -> None:
        """Climb on: to the end where it was stopped, or as many steps again."""
        with self._lock:
            self._asked_on = True
            self.request()

    # ---- one request -----------------------------------------------------------------------------------------
    def steps(self, network, layer, filter, show, steps, step_size, seed, **switches) -> Iterator[Climbing]:
        """Climb, and when the climb is done, look for the drawn scenes that excite the same filter most."""
        climbing = self._climbing
        if not (self._on and climbing):
            self._climbing = None  # should this one be refused, Continue tries it again
            looking = self.load(network)
            layer, filter = self.offer(looking, filter)
            many = self.controls["filter"].max + 1
            climbing = begin(looking, layer, filter, many, show, steps, step_size, seed, recipe(**switches))
            climbing.wished, self._climbing = self._filter, climbing
        elif climbing.last and climbing.last.index >= climbing.target:
            climbing.target += steps
        while climbing.last is None or climbing.last.index < climbing.target:
            climbing.go()
            yield climbing
        if climbing.show in (ONE, NEURON):
            for real in self._top_examples(climbing):
                climbing.real = real
                yield climbing

    def draw(self, climbing: Climbing) -> base.Frame:
        """The picture with its curve and its real rivals, or sixteen pictures; and the score in a sentence."""
        pixels, after = images.to_pixels(climbing.last.images), f"after {climbing.last.index} steps"
        if climbing.show == SIXTEEN:
            self.alt = "Pictures that climbed from noise, one a filter."
            names = [climbing.name(k) for k in range(len(pixels))]
            words = f"{climbing.layer} of {climbing.network.name}, {after}"
            return base.Frame(drawings.sheet(pixels, names, title=words), headline(climbing))
        self.alt, name = ALT, "all" if climbing.show == WHOLE else climbing.name(0)
        pixels = drawings.climbing(
            pixels[0],
            [row[0] for row in climbing.scores],
            climbing.target,
            title=f"“{name}”" if climbing.of_class else f"{name} of {climbing.layer}",
            caption=after,
            y_label=UNITS.get(climbing.layer) or UNITS.get(climbing.show, "mean of the map"),
            best=strongest_rival(climbing),
            real=None if climbing.show == WHOLE else list(climbing.scenes()),
            below=below(climbing),
        )
        return base.Frame(pixels, headline(climbing))

    def _top_examples(self, climbing: Climbing) -> Iterator[Examples]:
        """The drawn scenes that excite the filter most; those of all filters of a layer are found at once, and kept."""
        network, number = climbing.network, climbing.filters[0]
        layer = LOGITS if climbing.of_class else climbing.layer
        key = (network.name, layer)
        if key not in self._real:
            size, count = network.input_size, len(SINGLE)
            if climbing.of_signs:
                count = 16 if size <= SMALL else 3
            pictures = (block(k, size, climbing.of_signs) for k in range(count))
            for search in top_examples_steps(network, pictures, layer, count=drawings.ROW):
                yield search.only(number)
            self._real[key] = search
        yield self._real[key].only(number)

    def options(self, network: zoo.PixelNetwork) -> Options:
        """“features.3 (Conv2d): 64 filters”, and so on; and the classes, in two ways."""
        found, classes = [], len(network.class_names)
        for name, (count, _, _) in layers(network).items():
            kind = type(network.body.get_submodule(name)).__name__
            found.append((f"{name} ({kind}): {count} filters", name, count))
        return [*found, (LOGIT, LOGIT, classes), (PROBABILITY, PROBABILITY, classes)]

    # ---- Stop and Continue -----------------------------------------------------------------------------------------
    def _begin(self):
        self._on, self._asked_on = self._asked_on, False
        return super()._begin()

    def _frames(self):
        self.stop_button.disabled, self.continue_button.disabled = False, True
        try:
            yield from super()._frames()
        finally:
            self.stop_button.disabled, self.continue_button.disabled = True, False

    def _left(self) -> list[widgets.Widget]:
        return [*self.controls.values(), base.beside(self.stop_button, self.continue_button), self.reset_button]


# ---- what is climbed -----------------------------------------------------------------------------------------------
def recipe(**switches: bool) -> Recipe:
    """The switches as the engine knows them; each is either off or as strong as the engine has it."""
    return part_of_full(part for name, on in switches.items() if on for part in SWITCHES[name][0].split())


def begin(network, layer: str, number: int, many: int, show: str, steps: int, step_size, seed: int, how) -> Climbing:
    """A climb that stands at its foot: filter `number` of `many` in a layer, or of so many classes."""
    if layer in (LOGIT, PROBABILITY):
        if show == WHOLE:
            raise ValueError(f"the classes are no layer that could rise as a whole; climb “{ONE}” or sixteen.")
        kind = Logit if layer == LOGIT else Probability
    else:
        kind = partial(Neuron if show == NEURON else Filter, layer)
    filters = tuple(range(number, min(number + 16, many))) if show == SIXTEEN else (number,)
    goals = [Layer(layer)] if show == WHOLE else [kind(one) for one in filters]
    adam = partial(torch.optim.Adam, lr=step_size)
    path = climb_steps(network, goals, steps=100_000, recipe=how, optimizer=adam, seed=seed)
    return Climbing(path, network, layer, filters, show, steps)


def strongest_rival(climbing: Climbing) -> float | None:
    """The best answer to a real scene, where it is known, and the same quantity as the climb's score."""
    same = climbing.layer == LOGIT or (climbing.show == NEURON and not climbing.of_class)
    return float(climbing.real.values[0, 0]) if same and climbing.real is not None else None


# ---- words -----------------------------------------------------------------------------------------------------
def below(climbing: Climbing) -> str:
    """The words over the row of drawn scenes."""
    if climbing.real is None:
        return f"The {climbing.where} that excite it most: looked for when the climb is done"
    which = "with the highest logit" if climbing.of_class else "that excite it most; outlined is what it sees"
    return f"Of {climbing.real.shown} {climbing.where}, those {which}"


def headline(climbing: Climbing) -> str:
    """How far the climb is, and what came of it, in a sentence or two (HTML)."""
    scores, now = climbing.scores, climbing.scores[-1]
    told = f"Step <b>{climbing.last.index}</b> of {climbing.target}: "
    if climbing.show == SIXTEEN:
        told += f"{len(now)} climbs in one batch."
    elif climbing.layer == PROBABILITY:
        told += f"the probability of “{html.escape(climbing.name(0))}” is <b>{figures.percent(now[0])}</b>."
    else:
        what = "the whole layer" if climbing.show == WHOLE else html.escape(climbing.name(0))
        told += f"{what} went from {scores[0][0]:.2f} to <b>{now[0]:.2f}</b>."
    if (rival := strongest_rival(climbing)) is not None:
        mark = "✓ more than" if now[0] > rival else "less than"
        told += f' <span style="color:{figures.BLUE}">{mark} the strongest of {climbing.real.shown} {climbing.where}'
        told += f" ({rival:.2f})</span>."
    warnings, shown = [], climbing.filters[0]
    if climbing.wished != shown and climbing.show != WHOLE:
        warnings.append(f"There is no number {climbing.wished} here, the last one is {shown}.")
    if silent := len(scores) > 3 and sum(len(set(path)) == 1 for path in zip(*scores, strict=True)):
        which = "It is silent" if len(now) == 1 else f"{silent} of them are silent"
        warnings.append(f"{which}: no gradient came back. Another seed may help, or the layer before the ReLU.")
    return told + "".join(f' <span style="color:{figures.VERMILLION}">▲ {words}</span>' for words in warnings)
