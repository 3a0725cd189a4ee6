"""The lab of features: one picture as SIFT, as HOG and as the first layer of a trained network see it.

Serves notebook 1. It wires `classical` and `first_layer` to `figures.classical`; all do their work without it.
Papers: Lowe 2004; Dalal and Triggs 2005; Krizhevsky et al. 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from course_utils import figures, images, zoo
from course_utils.history import classical, first_layer
from course_utils.history.figures.classical import features
from course_utils.labs import base
from course_utils.labs.own import OWN, OwnPicture
from course_utils.labs.seeing import SeeingLab, named, networks_to_choose, pictures_to_choose

FILTERS, ANSWERS = "its filters", "their answers"
CELLS = (4, 5, 6, 8, 10, 12, 16, 32)  # sides of HOG's cells, in pixels
ALT = "A picture with its SIFT key points, its HOG cells, and what the filters of a network's first layer answer to it."
# Class and seed of the scenes in the menu, the lesson's own STOP first.
SCENES = [("stop", 0), ("stop", 10), ("yield", 3), ("80 limit", 31), ("priority road", 3)]
SCENES += [("keep right", 31), ("keep left", 3), ("roundabout", 10)]


@dataclass(frozen=True)
class Seen:
    """All that is computed once a picture and network."""

    network: zoo.PixelNetwork
    filters: np.ndarray  # [F, 3, k, k]
    picture: Tensor  # [1, 3, S, S], on the processor
    pixels: np.ndarray  # uint8 [S, S, 3]
    points: classical.KeyPoints  # all, the largest first
    answers: np.ndarray  # [F, h, w]


class FeaturesLab(SeeingLab):
    """See what SIFT, HOG and a CNN's first layer make of a picture: picture, key points, cell size, network, filter.

    Args:
        network: whose first layer is shown at the beginning, one of `zoo.names()`.

    >>> FeaturesLab().set(points=50, cell=16)
    [A lab: A picture with its SIFT key points, ...]
    """

    scenes = named(SCENES)

    def __init__(self, network: str = "signs-alexnet"):
        loaded = zoo.load(network, device="cpu")
        self._seen: tuple[Any, Seen] | None = None  # the picture's and network's key, and what was computed of them
        self._most = len(first_layer.filters(loaded)) - 1
        self._filter = self._shown = min(7, self._most)  # as it was chosen, and as the slider shows it
        controls = {
            "picture": base.menu(
                "picture", pictures_to_choose(self.scenes), next(iter(self.scenes)), "what all look at"
            ),
            "upload": OwnPicture(),
            "points": base.whole_slider("key points", 0, 100, 20, "how many of SIFT's are drawn, large ones first"),
            "cell": base.pixel_slider("HOG cell", [(f"{n} pixels", n) for n in CELLS], 8, "side of a cell"),
            "network": base.menu("network", networks_to_choose(network), network, "whose first layer is shown"),
            "filter": base.whole_slider("filter", 0, self._most, self._filter, "which filter's answer is shown"),
            "below": base.menu("below", [FILTERS, ANSWERS], FILTERS, "what the strip below shows"),
        }
        super().__init__(controls, alt=ALT, loaded=[loaded])

    def prepared(self, network: zoo.PixelNetwork) -> zoo.PixelNetwork:
        """On the processor, as SIFT and HOG are."""
        return network.to("cpu")

    def steps(self, picture, upload, points, cell, network, filter, below) -> Iterator[tuple[Seen, int, int, int, str]]:
        """Look at the picture once; what only changes the drawing costs nothing more."""
        seen = self._look(picture, upload, self.load(network))
        yield seen, points, cell, self._offer(len(seen.filters) - 1, filter), below

    def reset(self) -> None:
        """Every control as it was in the beginning; the slider's end before its value, or it could not take it."""
        with self.quietly():
            self.controls["filter"].max = self._most
            self._filter = self._shown = self.defaults["filter"]
        super().reset()

    def draw(self, view: tuple[Seen, int, int, int, str]) -> base.Frame:
        """Three descriptions side by side, and how many numbers each of them is."""
        seen, points, cell, filter, below = view
        shown = seen.points[:points]
        cells = classical.hog_cells(seen.picture, cell)[0].numpy()  # a millisecond
        rows, columns, directions = cells.shape
        maps = figures.map_pixels(seen.answers)
        count, _, height, width = seen.filters.shape
        says = f"{count} filters of {width}×{height} pixels" if below == FILTERS else f"what its {count} filters answer"
        pixels = features(
            seen.pixels,
            (shown.positions, shown.scales, shown.orientations),
            cells,
            maps[filter],
            figures.filter_pixels(seen.filters) if below == FILTERS else maps,
            chosen=filter,
            captions=[
                f"{len(shown)} of {len(seen.points)} points drawn",
                f"{columns}×{rows} cells, {directions} directions",
                "×".join(map(str, maps.shape[2:0:-1])) + " numbers, one a position",
            ],
            title=f"The first layer of {seen.network.name}: {says}",
        )
        return base.Frame(pixels, headline(seen, cells, filter))

    def _offer(self, last: int, filter: int) -> int:
        """Offer this network's filters; a chosen one that it does not have comes back with a network that does."""
        if filter != self._shown:
            self._filter = filter  # the student moved the slider
        slider = self.controls["filter"]
        with self.quietly():
            slider.max = last
            slider.value = self._shown = min(self._filter, last)
        return self._shown

    def _look(self, picture: str, upload: Any, network: zoo.PixelNetwork) -> Seen:
        key = upload if picture == OWN else picture, network
        if self._seen is None or self._seen[0] != key:
            batch = self.picture(picture, upload, network.input_size, "cpu")
            points, answers = classical.sift(batch), first_layer.answers(network, batch).numpy()
            points = points.largest(len(points))
            filters = first_layer.filters(network).numpy()
            self._seen = key, Seen(network, filters, batch, images.to_pixels(batch)[0], points, answers)
        return self._seen[1]


def headline(seen: Seen, cells: np.ndarray, chosen: int) -> str:
    """How many numbers each way of seeing makes of the picture, in one sentence (HTML)."""
    told = (
        f"{seen.pixels.size:,} pixel values become <b>{len(seen.points) * 128:,}</b> numbers in SIFT's points,"
        f" <b>{cells.size:,}</b> in HOG's cells, <b>{seen.answers.size:,}</b> in the answers of the CNN's first layer."
    )
    if not seen.answers[chosen].any():
        told += f' <span style="color:{figures.VERMILLION}">Filter {chosen} is silent on this picture.</span>'
    return told
