"""What the three labs of lesson 6 share: networks with their layers and filters, and smaller stored pictures.

Serves notebook 6. Papers: see the labs.
"""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets

from course_utils import figures, zoo
from course_utils.labs import base
from course_utils.labs.seeing import SeeingLab
from course_utils.layers.find import outer_layers
from course_utils.visualization.figures.excite import stored


class LayersLab(SeeingLab):
    """A lab of networks, their layers and the layers' filters: controls "network", "layer" and "filter"."""

    def __init__(self, controls: Mapping[str, widgets.Widget], *, alt: str):
        self._filter = self._shown = controls["filter"].value  # as it was chosen, and as the slider shows it
        super().__init__(controls, alt=alt, loaded=[self._first])

    def begin_with(self, name: str) -> zoo.PixelNetwork:
        """Load the network that the menus are made for; before `__init__` of this class."""
        self._first = zoo.load(name)
        self._layers: dict[str, dict[str, tuple[int, int, int]]] = {}
        return self._first

    def layers(self, network: zoo.PixelNetwork) -> dict[str, tuple[int, int, int]]:
        """The layers for the menu: name → channels, height, width."""
        if network.name not in self._layers:
            self._layers[network.name] = outer_layers(network)
        return self._layers[network.name]

    def options(self, network: zoo.PixelNetwork) -> list[tuple[str, str, int]]:
        """The entries for the menu of layers: words, name, filters."""
        raise NotImplementedError

    def fitted(self, network: zoo.PixelNetwork, filter: int) -> tuple[str, int]:
        """Offer this network's layers and this layer's filters; what was chosen stays, where it can.

        Returns:
            The layer and the filter that are shown now. A filter that this layer does not have comes back with one that
            does.
        """
        if filter != self._shown:
            self._filter = filter  # the student moved the slider
        options = self.options(network)
        with self.quietly():
            fallback = options[len(self.layers(network)) // 2][1]
            base.keep_choice(self.controls["layer"], [option[:2] for option in options], fallback)
            layer, slider = self.controls["layer"].value, self.controls["filter"]
            slider.max = filters_of(options, layer) - 1
            slider.value = min(self._filter, slider.max)
            self._shown = slider.value
        return layer, self._shown

    def reset(self) -> None:
        """Every control as it was in the beginning; the slider's end before its value, or it could not take it."""
        options, first = self.options(self.load(self.defaults["network"])), self.defaults
        with self.quietly():
            self.controls["filter"].max = filters_of(options, first["layer"]) - 1
            self._filter = self._shown = first["filter"]
        super().reset()

    def _repr_mimebundle_(self, include=None, exclude=None):
        """As every lab; what stays in a stored notebook has fewer shades, for made pictures are large files."""
        bundle, metadata = super()._repr_mimebundle_(include, exclude)
        small, _ = figures.Picture(stored(self._pixels, 16), self.alt)._repr_mimebundle_()
        return bundle | {"image/png": small["image/png"]}, metadata


def filters_of(options: list[tuple[str, str, int]], layer: str) -> int:
    """How many filters the menu's layer of this name has.

    Raises:
        ValueError: no such layer in the menu.
    """
    for _, name, count in options:
        if name == layer:
            return count
    raise ValueError(
        f"there is no {layer!r} in the menu of layers; it has {', '.join(name for _, name, _ in options)}."
    )
