"""The lab of activation maps: what a layer answers to a picture.

Serves notebook 6. It wires `examples.activations` to its figure. Papers: Zeiler and Fergus 2014.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

from course_utils import figures, images
from course_utils.labs import base
from course_utils.visualization.examples import activations, field
from course_utils.visualization.figures.examples import maps as draw_maps
from course_utils.visualization.labs.layers import LookingLab

ALT = "A picture, one filter's map over it and alone, and the maps of the filters that answer loudest."
LOUDEST = 24  # maps on the wall


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
        super().__init__(self._looking("signs-alexnet", layer, filter, 0), alt=ALT)

    def steps(self, picture, upload, network, layer, filter) -> Iterator[Answers]:
        """One pass, as far as the layer."""
        looking = self.load(network)
        layer, filter = self.offer(looking, filter)
        shown = self.picture(picture, upload, looking.input_size)
        maps = activations(looking, shown, layer)[0]
        if (network, layer) not in self._sees:
            try:
                self._sees[network, layer] = field(looking, shown, layer).size
            except ValueError:
                self._sees[network, layer] = None
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
        pixels = draw_maps(
            clean,
            figures.overlaid(clean, heat[0, 0].cpu().numpy()),
            figures.map_pixels(own[None].cpu().numpy())[0],
            list(figures.map_pixels(positive[loud].cpu().numpy())),
            [str(k) for k in loud],
            titles=["the picture", f"filter {filter} over it", "its map alone"],
            captions=[
                f"{clean.shape[1]}×{clean.shape[0]} pixels",
                "" if answers.sees is None else f"one number sees {answers.sees[1]}×{answers.sees[0]} pixels",
                f"{columns}×{rows} numbers, the largest {largest:.2f}",
            ],
            below=f"The loudest of the {every} filters of {answers.layer}",
            chosen=loud.index(filter) if filter in loud else None,
        )
        answering, layer = int((peaks > 0).sum()), html.escape(answers.layer)
        told = f"<b>{answering}</b> of the {every} filters of {layer} answer to this picture. "
        if largest <= 0:
            told += f'<span style="color:{figures.VERMILLION}">Filter {filter} is silent on it.</span>'
        else:
            row, column = divmod(int(answers.maps[filter].argmax()), columns)
            told += f"Filter {filter} answers strongest in row {row}, column {column} of its map."
        return base.Frame(pixels, told)
