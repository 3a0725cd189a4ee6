"""What labs share in which a network looks at a picture: scenes and a picture of one's own, and networks to choose.

Serves the labs of notebooks 1 to 3 and 6 to 8. Papers: none.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

from course_utils import images, runtime, signs, zoo
from course_utils.labs import base
from course_utils.labs.own import NONE_YET, OWN

SMALL = 64  # pixels up to which a network and its pictures are small
PHOTOGRAPHS = {f"photograph: {name.replace('-', ' ')}": name for name in images.PHOTOGRAPHS if name != "stop"}


class SeeingLab(base.Lab):
    """A lab with a menu called "picture" and an `OwnPicture` called "upload", with networks to choose, or with both.

    What is brought is chosen in the menu at once. Networks are loaded when they are first wanted, but for those that
    are `loaded` already.
    """

    scenes: Mapping[str, tuple[str, int]]  # name in the menu → class and seed, as `named` makes it

    def __init__(self, controls: Mapping[str, widgets.Widget], *, alt: str, loaded: Iterable[zoo.PixelNetwork] = ()):
        self._networks = {network.name: network for network in loaded}
        self._own: tuple[Any, int, Tensor] | None = None  # what was brought, the size it was read at, the picture
        if "upload" in controls:
            controls["upload"].observe(self._took_upload, "value")
        super().__init__(controls, alt=alt)

    def load(self, name: str) -> zoo.PixelNetwork:
        """A network of the zoo; a download is told in the headline."""
        if name not in self._networks:
            told, size = self.headline.value, zoo.download_size(name) if name in zoo.pretrained() else 0
            if size:
                self.headline.value = f"{html.escape(name)} is downloaded first: {size / 2**20:.0f} MiB …"
            try:
                self._networks[name] = self.prepared(zoo.load(name, progress=False))
            finally:
                self.headline.value = told
        self.threads = 1 if self._networks[name].input_size <= SMALL else None  # from the next piece of work on
        return self._networks[name]

    def prepared(self, network: zoo.PixelNetwork) -> zoo.PixelNetwork:
        """A network as this lab asks it; a lab may make it quicker."""
        return network

    def picture(self, chosen: str, upload: Any, size: int, device: str | torch.device | None = None) -> Tensor:
        """The chosen picture, [1, 3, size, size], on the course's device if no other is named; errors as in `own`."""
        if chosen == OWN:
            return self.own(upload, size, device)
        if chosen in PHOTOGRAPHS:
            return photograph(chosen, size, device)
        return scene(*self.scenes[chosen], size).images.to(device or runtime.device())

    def own(self, upload: Any, size: int, device: str | torch.device | None = None) -> Tensor:
        """The picture of one's own, [1, 3, size, size].

        Raises:
            ValueError: there is none yet.
        """
        if not upload:
            raise ValueError(NONE_YET)
        if self._own is None or self._own[0] is not upload or self._own[1] != size:
            self._own = (upload, size, images.to_tensor(upload, size=size, device=device)[:1])
        return self._own[2]

    def _took_upload(self, _change: dict) -> None:
        with self.quietly():
            self.controls["picture"].value = OWN


@lru_cache(maxsize=64)
def scene(class_name: str, seed: int, size: int) -> signs.Scenes:
    """One rendered road-sign scene on the processor, the same on every machine."""
    return signs.render([signs.CLASS_NAMES.index(class_name)], size=size, seed=seed, device="cpu")


@lru_cache(maxsize=16)
def photograph(chosen: str, size: int, device: str | torch.device | None = None) -> Tensor:
    """One of the photographs that ship, by its entry in the menu, [1, 3, size, size]; the very same one each time."""
    return images.photograph(PHOTOGRAPHS[chosen], size=size, device=device)


def pictures_to_choose(scenes: Iterable[str]) -> list[str]:
    """The entries of a menu: scenes, the photographs that ship, a picture of one's own."""
    return [*scenes, *PHOTOGRAPHS, OWN]


def named(scenes: Iterable[tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """Scenes for a menu: "STOP, scene 3" → ("stop", 3)."""
    return {f"{name.upper()}, scene {seed}": (name, seed) for name, seed in scenes}


def networks_to_choose(first: str) -> list[tuple[str, str]]:
    """The entries of a menu: `first`, the ones for road signs, the ones for photographs, and what is a download."""
    told = dict.fromkeys(zoo.photographs(), " (photographs, ships)")
    told |= dict.fromkeys(zoo.pretrained(), " (ImageNet, a download)")
    return [(name + told.get(name, ""), name) for name in dict.fromkeys([first, *zoo.names()])]
