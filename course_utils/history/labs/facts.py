"""The labs of lesson 1: a timeline to step through, and a network that is asked about what it never learnt.

Serves notebook 1. The first wires `history` to `figures.history.timeline`, the second `strangers` to
`figures.history.answer`. Papers: those of the timeline; Nguyen et al. 2014, arXiv:1412.1897 (sure of nonsense).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

from course_utils import figures, images, runtime, signs, zoo
from course_utils.history import facts, out_of_distribution
from course_utils.history.figures import facts as drawings
from course_utils.labs import base
from course_utils.labs.own import NONE_YET, OwnPicture

ALL = "all"
OWN, KNOWN, CONVINCED = "your own picture", "a sign it knows", "noise, led to STOP"


class TimelineLab(base.Lab):
    """Step through eighty years: a slider over the entries, two buttons, and a menu of threads to follow.

    Args:
        entries: the timeline; None reads the one that ships.
        first: year of the entry that the lab begins with, the first of that year.
    """

    def __init__(self, entries: tuple[facts.Entry, ...] | None = None, *, first: int = 1943):
        self.entries = facts.read_timeline() if entries is None else tuple(entries)
        start = next((k for k, entry in enumerate(self.entries, start=1) if entry.year >= first), 1)
        threads = [("all threads", ALL), *((drawings.LANES[name][0], name) for name in facts.THREADS)]
        controls = {
            "entry": base.whole_slider("entry", 1, len(self.entries), start, "which entry is told"),
            "thread": base.menu("follow", threads, ALL, "one thread; the buttons then stop at its entries only"),
        }
        self.back_button = widgets.Button(description="Earlier", icon="arrow-left")
        self.on_button = widgets.Button(description="Later", icon="arrow-right")
        for button, way in ((self.back_button, -1), (self.on_button, 1)):
            button.layout = widgets.Layout(width="118px", margin="2px 4px 2px 2px")
            button.on_click(lambda _, way=way: self.step(way))
        super().__init__(controls, alt="Five lanes of dots over the years 1943 to 2025, and the story of one of them.")

    def step(self, way: int) -> None:
        """Go to the next entry (way = 1) or the one before (way = -1) in the thread that is followed."""
        present, thread = self.controls["entry"].value, self.controls["thread"].value
        last = len(self.entries) if way > 0 else 1
        for number in range(present + way, last + way, way):
            if thread in (ALL, self.entries[number - 1].thread):
                self.controls["entry"].value = number
                return
        self.say(f"there is nothing {'later' if way > 0 else 'earlier'} here; follow another thread, or turn round.")

    def steps(self, entry, thread) -> Iterator[tuple[int, str | None]]:
        """One drawing."""
        yield entry - 1, None if thread == ALL else thread

    def draw(self, step: tuple[int, str | None]) -> base.Frame:
        """The lanes, the card, and the source as a link."""
        index, thread = step
        entry = self.entries[index]
        link = html.escape(entry.link, quote=True)
        look = f'style="color:{figures.BLUE}; text-decoration:underline"'
        source = f'<a href="{link}" target="_blank" rel="noopener" {look}>{html.escape(entry.what)}</a>'
        told = f"<b>{entry.year}</b> ({index + 1} of {len(self.entries)}): {source}"
        return base.Frame(drawings.timeline(self.entries, index, thread=thread), told)

    def _left(self) -> list[widgets.Widget]:
        buttons = widgets.HBox([self.back_button, self.on_button], layout=widgets.Layout(margin="2px 2px 2px 80px"))
        entry, thread = self.controls.values()
        return [entry, buttons, thread, self.reset_button]


@dataclass(frozen=True)
class Asked:
    """A picture, what was answered, and what is usual for this network."""

    picture: Tensor  # [1, 3, S, S]
    title: str
    answer: out_of_distribution.Answer
    usual: tuple[float, float]  # median confidence and entropy on signs that the network knows
    class_names: tuple[str, ...]
    threshold: float


class NonsenseLab(base.Lab):
    """Show a network what it never learnt, and read how sure it is.

    Args:
        network: name of the network at the beginning, one of `zoo.names()`.
        picture: the first stranger, one of `strangers.STRANGERS`.
        networks: names in the menu; None offers those that ship.
    """

    def __init__(
        self,
        network: str = "signs-resnet",
        *,
        picture: str = "a limit of 40",
        networks: tuple[str, ...] | None = None,
    ):
        self._networks: dict[str, zoo.PixelNetwork] = {}
        self._usual: dict[str, tuple[float, float]] = {}
        self._last: tuple[Any, ...] = (None,)  # what was asked last, the picture, the answer
        known = dict.fromkeys([network, *(networks or zoo.shipped())])
        kinds = [*out_of_distribution.STRANGERS, CONVINCED, KNOWN, OWN]
        controls = {
            "picture": base.menu("picture", kinds, picture, "what the network is asked about"),
            "seed": base.whole_slider("which one", 0, 99, 0, "another picture of the same kind"),
            "upload": OwnPicture(),
            "network": base.menu("network", list(known), network, "what is asked"),
            "threshold": base.pixel_slider(
                "believe at", [(f"{n} %", n) for n in range(5, 100)], 90, "the confidence from which it is believed"
            ),
        }
        controls["upload"].observe(self._took_upload, "value")
        super().__init__(controls, alt="A picture, the classes that the network thinks of, and how sure it is.")

    def steps(self, picture, seed, upload, network, threshold) -> Iterator[Asked]:
        """Ask the network once."""
        asked = self._load(network)
        if self._last[0] != (key := (picture, seed, upload, network)):  # a moved threshold asks nothing anew
            shown = self._picture(picture, seed, upload, asked)
            self._last = key, shown, out_of_distribution.ask(asked, shown)
        _, shown, answer = self._last
        yield Asked(shown, picture, answer, self._usual[network], asked.class_names, threshold / 100)

    def draw(self, view: Asked) -> base.Frame:
        """The picture, the bars, the two gauges, and what a car would do."""
        pixels = drawings.answer(
            images.to_pixels(view.picture)[0],
            view.class_names,
            view.answer.probabilities[0].cpu().numpy(),
            float(view.answer.entropy[0]),
            usual=view.usual,
            title=view.title,
        )
        name = html.escape(view.class_names[int(view.answer.labels[0])].upper())
        sure = float(view.answer.confidence[0])
        told = f"It answers <b>{name}</b> ({figures.percent(sure)})."
        if sure >= view.threshold:
            told += f' <span style="color:{figures.VERMILLION}">▲ You believe it.</span>'
        else:
            told += f' <span style="color:{figures.BLUE}">✓ Not sure enough for you: “I do not know”.</span>'
        return base.Frame(pixels, told)

    def _load(self, name: str) -> zoo.PixelNetwork:
        if name not in self._networks:
            loaded = zoo.load(name, progress=False)
            scenes = signs.render(100, size=64, seed=77, device="cpu").images.to(runtime.device())
            answer = out_of_distribution.ask(loaded, torch.nn.functional.interpolate(scenes, size=loaded.input_size))
            self._usual[name] = float(answer.confidence.median()), float(answer.entropy.median())
            self._networks[name] = loaded
        return self._networks[name]

    def _picture(self, picture: str, seed: int, upload: Any, network: zoo.PixelNetwork) -> Tensor:
        """The chosen picture on the device, [1, 3, S, S]."""
        size = network.input_size
        if picture == OWN:
            if not upload:
                raise ValueError(NONE_YET)
            return images.to_tensor(upload, size=size)[:1]
        if picture == CONVINCED:
            return out_of_distribution.convincing_noise(network, signs.STOP, seed=seed)
        if picture == KNOWN:
            return signs.render(1, size=size, seed=seed, device="cpu").images.to(runtime.device())
        return out_of_distribution.draw(picture, size=size, seed=seed).to(runtime.device())

    def _took_upload(self, _change: dict) -> None:
        with self.quietly():
            self.controls["picture"].value = OWN
