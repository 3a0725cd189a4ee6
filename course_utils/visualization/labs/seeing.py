"""What the three labs of lesson 6 share: networks with their layers and filters, pictures with an upload.

Serves notebook 6. Papers: see the labs.
"""

from __future__ import annotations

import html
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
from torch import Tensor

from course_utils import figures, images, runtime, signs, zoo
from course_utils.gradcam.gradcam import outer_layers
from course_utils.labs import base
from course_utils.labs.own import NONE_YET
from course_utils.visualization.figures.excite import stored

SMALL = 64  # pixels up to which a network and its pictures are small


class SeeingLab(base.Lab):
    """What the lesson's labs share: networks that are loaded once, their layers, and pictures with an upload."""

    OWN = "your own picture"
    _scenes: dict[str, tuple[str, int]]  # name in the menu → class and seed

    def __init__(self, controls, *, alt: str):
        self._own: tuple[Any, int, Tensor] | None = None  # an upload, the size it was read at, the picture
        self._filter = self._shown = controls["filter"].value  # as it was chosen, and as the slider shows it
        if "upload" in controls:
            controls["upload"].observe(self._took_upload, "value")
        super().__init__(controls, alt=alt)

    def begin_with(self, name: str) -> zoo.PixelNetwork:
        """Load the network that the menus are made for; before `__init__` of this class."""
        self._networks = {name: zoo.load(name)}
        self._layers: dict[str, dict[str, tuple[int, int, int]]] = {}
        return self._networks[name]

    def load(self, name: str) -> zoo.PixelNetwork:
        """A network, loaded when it is first wanted; a download is told in the headline."""
        if name not in self._networks:
            told, size = self.headline.value, 0 if name in zoo.shipped() else zoo.download_size(name)
            if size:
                self.headline.value = f"{html.escape(name)} is downloaded first: {size / 2**20:.0f} MiB …"
            try:
                self._networks[name] = zoo.load(name, progress=False)
            finally:
                self.headline.value = told
        self.threads = 1 if self._networks[name].input_size <= SMALL else None  # from the next piece of work on
        return self._networks[name]

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

    def picture(self, chosen: str, upload: Any, size: int) -> Tensor:
        """The chosen picture on the device, [1, 3, size, size]."""
        if chosen != self.OWN:
            return scene(*self._scenes[chosen], size).to(runtime.device())
        if not upload:
            raise ValueError(NONE_YET)
        if self._own is None or self._own[0] is not upload or self._own[1] != size:
            self._own = (upload, size, images.to_tensor(upload, size=size)[:1])
        return self._own[2]

    def _repr_mimebundle_(self, include=None, exclude=None):
        """As every lab; what stays in a stored notebook has fewer shades, for made pictures are large files."""
        bundle, metadata = super()._repr_mimebundle_(include, exclude)
        small, _ = figures.Picture(stored(self._pixels, 16), self.alt)._repr_mimebundle_()
        return bundle | {"image/png": small["image/png"]}, metadata

    def _took_upload(self, _change: dict) -> None:
        with self.quietly():
            self.controls["picture"].value = self.OWN


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


def network_menu(first: str, networks: tuple[str, ...] | None) -> widgets.Dropdown:
    """The menu of networks; those of ImageNet say that they are a download."""
    known = dict.fromkeys([first, *(networks or zoo.names())])
    options = [(f"{name} (ImageNet, a download)" if name in zoo.pretrained() else name, name) for name in known]
    return base.menu("network", options, first, "who looks")


@lru_cache(maxsize=32)
def scene(class_name: str, seed: int, size: int) -> Tensor:
    """One rendered road-sign scene, [1, 3, size, size], the same on every machine."""
    label = signs.CLASS_NAMES.index(class_name)
    return signs.render([label], size=size, seed=seed, device="cpu").images
