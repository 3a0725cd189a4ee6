"""The lab of nonsense: a network is asked about what it never learnt, and says how sure it is.

Serves notebook 1. It wires `out_of_distribution` to `figures.facts.answer`. Papers: Nguyen et al. 2014,
arXiv:1412.1897 (sure of nonsense).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from course_utils import figures, images, runtime, signs, zoo
from course_utils.history import out_of_distribution
from course_utils.history.figures import facts as pictures
from course_utils.labs import base
from course_utils.labs.own import OWN, OwnPicture
from course_utils.labs.seeing import PHOTOGRAPHS, SeeingLab, networks_to_choose, pictures_to_choose

KNOWN, CONVINCED = "something it knows", "noise, led to a sign"
SHARES = [(f"{percent} %", percent) for percent in range(5, 100)]  # of the threshold


@dataclass(frozen=True)
class Asked:
    """A network, what it was asked, and what it answered."""

    network: zoo.PixelNetwork
    picture: Tensor  # [1, 3, S, S]
    title: str
    answer: out_of_distribution.Answer
    usual: tuple[float, float]  # median confidence and entropy on signs that the network knows
    threshold: float


class NonsenseLab(SeeingLab):
    """Show a network what it never learnt, and read how sure it is.

    Args:
        network: name of the network at the beginning, one of `zoo.names()`.

    >>> NonsenseLab().set(picture="cat")
    [A lab: A picture, the classes that the network thinks of, and how sure it is.]
    """

    def __init__(self, network: str = "signs-resnet"):
        self._known: dict[str, tuple[Tensor, tuple[float, float]]] = {}  # a network's pictures, how sure it is of them
        self._last: tuple[Any, ...] = (None,)  # what was asked last, the picture, the answer
        kinds = pictures_to_choose([*out_of_distribution.KINDS, CONVINCED, KNOWN])
        controls = {
            "picture": base.menu("picture", kinds, "a limit of 40", "what the network is asked about"),
            "seed": base.whole_slider("which one", 0, 99, 0, "another picture of the same kind"),
            "upload": OwnPicture(),
            "network": base.menu("network", networks_to_choose(network), network, "what is asked"),
            "threshold": base.pixel_slider("believe at", SHARES, 90, "the confidence from which it is believed"),
        }
        super().__init__(controls, alt="A picture, the classes that the network thinks of, and how sure it is.")

    def steps(self, picture, seed, upload, network, threshold) -> Iterator[Asked]:
        """Ask the network once."""
        asked = self.load(network)
        if self._last[0] != (key := (picture, seed, upload, network)):  # a moved threshold asks nothing anew
            shown = self._picture(picture, seed, upload, asked)
            self._last = key, shown, out_of_distribution.ask(asked, shown)
        _, shown, answer = self._last
        yield Asked(asked, shown, picture, answer, self._known_to(asked)[1], threshold / 100)

    def draw(self, view: Asked) -> base.Frame:
        """The picture, the bars, the two gauges, and what a car would do."""
        names, answer = view.network.class_names, view.answer
        shown, shares = images.to_pixels(view.picture)[0], answer.probabilities[0].cpu().numpy()
        known = "signs it knows" if out_of_distribution.knows_signs(view.network) else "photographs it reads"
        look = {"usual": view.usual, "known": known, "title": view.title}
        pixels = pictures.answer(shown, names, shares, float(answer.entropy[0]), **look)
        name, sure = html.escape(names[int(answer.labels[0])].upper()), float(answer.confidence[0])
        told = f"It answers <b>{name}</b> ({figures.percent(sure)})."
        if sure >= view.threshold:
            told += f' <span style="color:{figures.VERMILLION}">▲ You believe it.</span>'
        else:
            told += f' <span style="color:{figures.BLUE}">✓ Not sure enough for you: “I do not know”.</span>'
        return base.Frame(pixels, told)

    def _known_to(self, network: zoo.PixelNetwork) -> tuple[Tensor, tuple[float, float]]:
        """Signs or photographs that it knows, [N, 3, S, S], and its median confidence and entropy on them."""
        if network.name not in self._known:
            x = out_of_distribution.known(network)
            answer = out_of_distribution.ask(network, x)
            self._known[network.name] = x, (float(answer.confidence.median()), float(answer.entropy.median()))
        return self._known[network.name]

    def _picture(self, picture: str, seed: int, upload: Any, network: zoo.PixelNetwork) -> Tensor:
        """The chosen picture on the device, [1, 3, S, S]."""
        size, of_signs = network.input_size, out_of_distribution.knows_signs(network)
        if picture == OWN or picture in PHOTOGRAPHS:
            return self.picture(picture, upload, size)
        if picture == CONVINCED:
            sign = network.class_names.index("stop" if of_signs else "street sign")
            return out_of_distribution.lead_noise(network, sign, seed=seed)
        if picture == KNOWN and not of_signs:
            x, _ = self._known_to(network)
            return x[[seed % len(x)]]
        if picture == KNOWN:
            return signs.render(1, size=size, seed=seed, device="cpu").images.to(runtime.device())
        return out_of_distribution.draw(picture, size=size, seed=seed).to(runtime.device())
