"""What the labs of lesson 6 share: networks with their layers and filters, and smaller stored pictures.

Serves notebook 6. Papers: see the labs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import ipywidgets as widgets

from course_utils import figures, zoo
from course_utils.labs import base
from course_utils.labs.seeing import SeeingLab, networks_to_choose
from course_utils.layers.find import outer_layers
from course_utils.visualization.figures import fewer_shades

layers = lru_cache(maxsize=1)(outer_layers)  # a pass of the network, and asked for whenever a control moves
Controls = Mapping[str, widgets.Widget]
Options = list[tuple[str, str, int]]  # words, name and filters of each entry in the menu of layers


class LayersLab(SeeingLab):
    """A lab of networks, their layers and the layers' filters: controls "network", "layer" and "filter".

    Args:
        network, layer, filter: at the beginning.
        above, below: the controls round these three.
    """

    says = "which of its layers", "which one"  # what the menu of layers and the slider are for
    lowest = 0  # the number at which the slider begins

    def __init__(self, network: str, layer: str, filter: int, above: Controls, below: Controls, *, alt: str):
        first = zoo.load(network)
        options = self.options(first)
        self._most = filters_of(options, layer) - 1
        chosen = {
            "network": base.menu("network", networks_to_choose(network), network, "who looks"),
            "layer": base.menu("layer", [option[:2] for option in options], layer, self.says[0]),
            "filter": base.whole_slider("filter", self.lowest, self._most, filter, self.says[1]),
        }
        self._filter = self._shown = chosen["filter"].value  # as it was chosen, and as the slider shows it
        super().__init__({**above, **chosen, **below}, alt=alt, loaded=[first])

    def options(self, network: zoo.PixelNetwork) -> Options:
        """The entries for the menu of layers."""
        raise NotImplementedError

    def offer(self, network: zoo.PixelNetwork, filter: int) -> tuple[str, int]:
        """Offer this network's layers and this layer's filters, and say which are shown now.

        What was chosen stays, where it can: a filter that this layer does not have comes back with one that does.
        """
        if filter != self._shown:
            self._filter = filter  # the student moved the slider
        options = self.options(network)
        with self.quietly():
            fallback = options[len(layers(network)) // 2][1]
            base.keep_choice(self.controls["layer"], [option[:2] for option in options], fallback)
            layer, slider = self.controls["layer"].value, self.controls["filter"]
            slider.max = filters_of(options, layer) - 1
            slider.value = min(self._filter, slider.max)
            self._shown = slider.value
        return layer, self._shown

    def reset(self) -> None:
        """Every control as it was in the beginning; the slider's end before its value, or it could not take it."""
        with self.quietly():
            self.controls["filter"].max = self._most
            self._filter = self._shown = self.defaults["filter"]
        super().reset()

    def _repr_mimebundle_(self, include=None, exclude=None):
        """As every lab; what stays in a stored notebook has fewer shades, for made pictures are large files."""
        bundle, metadata = super()._repr_mimebundle_(include, exclude)
        small, _ = figures.Picture(fewer_shades(self._pixels, 16), self.alt)._repr_mimebundle_()
        return bundle | {"image/png": small["image/png"]}, metadata


def filters_of(options: Options, layer: str) -> int:
    """How many filters the menu's layer of this name has."""
    counts = {name: count for _, name, count in options}
    if layer not in counts:
        raise ValueError(f"there is no {layer!r} in the menu of layers; it has {', '.join(counts)}.")
    return counts[layer]
