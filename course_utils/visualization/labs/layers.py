"""What the three labs of lesson 6 share: networks with their layers and filters, and smaller stored pictures.

Serves notebook 6. Papers: see the labs.
"""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets

from course_utils import figures, zoo
from course_utils.labs import base
from course_utils.labs.own import OWN, OwnPicture
from course_utils.labs.seeing import SeeingLab, named, networks_to_choose
from course_utils.layers.find import outer_layers
from course_utils.visualization.figures.examples import fewer_shades

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

    def offer(self, network: zoo.PixelNetwork, filter: int) -> tuple[str, int]:
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
        small, _ = figures.Picture(fewer_shades(self._pixels, 16), self.alt)._repr_mimebundle_()
        return bundle | {"image/png": small["image/png"]}, metadata


class LookingLab(LayersLab):
    """A lab of layers, told by the size of their maps, that look at a scene or at a picture of one's own."""

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


def filters_of(options: list[tuple[str, str, int]], layer: str) -> int:
    """How many filters the menu's layer of this name has."""
    counts = {name: count for _, name, count in options}
    if layer not in counts:
        raise ValueError(f"there is no {layer!r} in the menu of layers; it has {', '.join(counts)}.")
    return counts[layer]
