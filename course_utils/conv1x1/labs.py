"""The labs of 1×1 convolution: mix channels by hand; a bottleneck against the direct way, counted and timed.

Serves notebook 3. They wire `conv1x1` and `bottleneck` to their figures; both do their work without them.
Papers: Lin et al. 2014 (arXiv:1312.4400), Szegedy et al. 2015 (arXiv:1409.4842).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from course_utils import images, zoo
from course_utils.conv1x1 import bottleneck
from course_utils.conv1x1 import figures as drawings
from course_utils.conv1x1.conv1x1 import conv1x1, found, maps_at
from course_utils.conv1x1.figures import costs
from course_utils.costs import accounting
from course_utils.costs.roofline import Roofline, measure
from course_utils.labs import base
from course_utils.labs.own import OWN, OwnPicture
from course_utils.labs.seeing import SeeingLab, scene

# ---- channels mixed by hand ------------------------------------------------------------------------------------
STOP = "STOP"
SCENES = {
    STOP: ("stop", 10),
    "STOP at dusk": ("stop", 5),
    "STOP beside yellow": ("stop", 31),
    "keep right": ("keep right", 7),
    "keep right, in the sky": ("keep right", 3),
    "priority road": ("priority road", 10),
    "YIELD": ("yield", 12),
    "no entry beside red": ("no entry", 3),
}
COLOURS, LAYER = "red, green, blue", "six maps of a trained layer"
NETWORK, NAME, CHOSEN = "signs-alexnet", "features.1", (1, 2, 4, 7, 12, 16)  # the first layer behind its ReLU
SIDE = 128  # pixels along an edge of the pictures
WEIGHTS = [(f"{step / 20:.2f}".replace("-", "−"), step / 20) for step in range(-40, 41)]  # −2 … 2


@dataclass(frozen=True)
class Source:
    """What can be mixed: channels of a picture or maps of a layer."""

    picture: Tensor  # [1, 3, S, S]
    channels: Tensor  # [1, C, H, W]
    names: tuple[str, ...]
    mask: Tensor | None  # [H, W], where the sign is; None where nobody knows


@dataclass(frozen=True)
class Mix:
    """A mixture and what it was made of."""

    source: Source
    weights: tuple[float, ...]
    bias: float
    relu: bool
    new: Tensor  # [H, W]


@lru_cache(maxsize=1)
def _network() -> zoo.PixelNetwork:
    return zoo.load(NETWORK, device="cpu")


class MixLab(SeeingLab):
    """Mix channels with sliders: which picture, its colours or maps of a trained layer, weights, bias, ReLU."""

    def __init__(self):
        self._source: tuple[Any, Source] | None = None  # what was asked for last, and what came
        controls = {
            "picture": base.menu("picture", [*SCENES, OWN], STOP, "what is looked at"),
            "upload": OwnPicture(),
            "channels": base.menu("channels", [COLOURS, LAYER], COLOURS, "what is mixed"),
        }
        for k in range(len(CHOSEN)):
            slider = base.pixel_slider(f"w{k}", WEIGHTS, float(k == 0), "how much of this channel, or of its negative")
            controls[f"w{k}"] = slider
        controls["bias"] = base.pixel_slider("bias", WEIGHTS, 0.0, "added at every pixel")
        controls["relu"] = base.switch("ReLU", False, "what is below 0 becomes 0")
        super().__init__(controls, alt="Channels with their weights, and the new channel that they are mixed to.")

    def steps(self, picture, upload, channels, bias, relu, **weights) -> Iterator[Mix]:
        """Mix the chosen channels: one row of a 1×1 convolution."""
        source = self._sources(picture, upload, channels)
        used = tuple(weights[f"w{k}"] for k in range(len(source.names)))
        self._name_sliders(source.names)
        row = torch.tensor([used], dtype=torch.float32)
        new = conv1x1(source.channels, row, torch.tensor([bias]))[0, 0]
        yield Mix(source, used, bias, relu, new.relu() if relu else new)

    def draw(self, mix: Mix) -> base.Frame:
        """The channels, their weights, the mixture; and how well it finds the sign."""
        pixels = drawings.mixture(
            list(mix.source.channels[0].numpy()),
            mix.source.names,
            mix.weights,
            mix.new.numpy(),
            picture=images.to_pixels(mix.source.picture)[0],
            formula=formula(mix),
        )
        return base.Frame(pixels, headline(mix))

    def _sources(self, picture: str, upload: Any, channels: str) -> Source:
        if self._source is None or self._source[0] != (picture, channels) or picture == OWN:
            self._source = (picture, channels), self._made(picture, upload, channels)
        return self._source[1]

    def _made(self, picture: str, upload: Any, channels: str) -> Source:
        if picture == OWN:
            shown, mask = self.own(upload, SIDE, "cpu"), None
        else:
            made = scene(*SCENES[picture], SIDE)
            shown, mask = made.images, made.masks
        if channels == COLOURS:
            return Source(shown, shown, ("red", "green", "blue"), None if mask is None else mask[0, 0])
        small = adaptive_avg_pool2d(shown, _network().input_size)  # [1, 3, 64, 64], what the network was trained on
        maps = maps_at(_network(), NAME, small)[:, list(CHOSEN)]  # [1, 6, 32, 32]
        mask = None if mask is None else adaptive_avg_pool2d(mask, maps.shape[2:])[0, 0]
        return Source(shown, maps, tuple(f"map {k}" for k in CHOSEN), mask)

    def _name_sliders(self, names: tuple[str, ...]) -> None:
        """Each slider is called like its channel; those without one are not shown."""
        for k in range(len(CHOSEN)):
            slider = self.controls[f"w{k}"]
            slider.layout.display = None if k < len(names) else "none"
            slider.description = f"× {names[k]}" if k < len(names) else slider.description


def formula(mix: Mix) -> str:
    """The mixture in one line: "1.00·red − 0.50·green"; what is 0 is left out."""
    parts = [(weight, f"{abs(weight):.2f}·{name}") for weight, name in zip(mix.weights, mix.source.names, strict=True)]
    parts = [part for part in [*parts, (mix.bias, f"{abs(mix.bias):.2f}")] if part[0] != 0]
    line = " ".join(f"{'−' if weight < 0 else '+'} {words}" for weight, words in parts)
    line = line.removeprefix("+ ") or "0"
    return f"max(0, {line})" if mix.relu else line


def headline(mix: Mix) -> str:
    """How well the new channel finds the sign (HTML)."""
    if mix.new.amax() == mix.new.amin():
        return f"The new channel is {mix.new[0, 0]:.2f} everywhere: it tells nothing.".replace("-", "−")
    low, high = (f"{value:.2f}".replace("-", "−") for value in mix.new.aminmax())
    if mix.source.mask is None:
        return f"The new channel runs from {low} to {high}."
    hit, chance = found(mix.new, mix.source.mask), float((mix.source.mask > 0.5).float().mean())
    return f"Of its brightest places <b>{hit:.0%}</b> lie on the sign; at random it would be {chance:.0%}."


# ---- a bottleneck ------------------------------------------------------------------------------------------------
MAPS = (16, 32, 48, 64, 96, 128, 160, 192, 224, 256)
REDUCED = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256)
ROUNDS = 12  # how often each way is timed, at most
BUSY = 0.4  # seconds that the clock may take for one position of the sliders


@dataclass(frozen=True)
class Comparison:
    """The two ways, what this machine should need for them, and what the clock says so far."""

    one: tuple[bottleneck.Conv]
    two: tuple[bottleneck.Conv, bottleneck.Conv]
    machine: Roofline
    clock: bottleneck.Race | None


class BottleneckLab(base.Lab):
    """The direct convolution against the bottleneck: maps in, maps between, maps out, kernel, size, batch.

    It begins with GoogLeNet's module 3a, the 5×5 branch.

    Args:
        machine: its two limits; None measures them, which takes half a second.
    """

    def __init__(self, machine: Roofline | None = None):
        self._machine = machine or measure(threads=1)
        controls = {
            "in_channels": base.pixel_slider("in C", _numbers(MAPS), 192, "maps that come in"),
            "reduced": base.pixel_slider("between r", _numbers(REDUCED), 16, "maps that the 1×1 squeezes them to"),
            "out_channels": base.pixel_slider("out C′", _numbers(MAPS), 32, "maps that go out"),
            "kernel": base.menu("kernel k", [("3×3", 3), ("5×5", 5)], 5, "the window of the large convolution"),
            "size": base.menu("size H", [(f"{n}×{n}", n) for n in (7, 14, 28)], 28, "height and width of the maps"),
            "batch": base.menu("pictures", [1, 4], 1, "how many at once"),
        }
        super().__init__(controls, alt="A direct convolution and a bottleneck: multiply-adds and milliseconds of both.")

    def steps(self, in_channels, reduced, out_channels, kernel, size, batch) -> Iterator[Comparison]:
        """Count first, at once; then time, a call at a time."""
        one = bottleneck.direct(in_channels, out_channels, kernel, size, batch)
        two = bottleneck.squeezed(in_channels, reduced, out_channels, kernel, size, batch)
        yield Comparison(one, two, self._machine, None)
        expected = sum(self._machine.seconds(conv.macs, conv.octets) for conv in (*one, *two))
        rounds = max(2, min(ROUNDS, round(BUSY / expected)))
        for clock in bottleneck.race(one, two, rounds=rounds):
            yield Comparison(one, two, self._machine, clock)

    def draw(self, now: Comparison) -> base.Frame:
        """The two ways as plans and as bars, and who wins by how much."""
        first, second = now.two
        big = f"{now.one[0].kernel}×{now.one[0].kernel}"
        plans = (
            [f"{now.one[0].in_channels} maps", big, f"{now.one[0].out_channels} maps"],
            [f"{first.in_channels} maps", "1×1", f"{second.in_channels} maps", big, f"{second.out_channels} maps"],
        )
        ideal = [now.machine.seconds(conv.macs, conv.octets) for conv in (*now.one, *now.two)]
        clock = now.clock
        taken = (None, None, None) if clock is None else (clock.direct, clock.squeeze, clock.rest)
        groups = {
            "multiply-adds": _bars([conv.macs for conv in (*now.one, *now.two)], accounting.count),
            "milliseconds, predicted from two limits of this machine": _bars(ideal, _milliseconds),
            "milliseconds, by the clock": _bars(taken, _milliseconds),
        }
        return base.Frame(costs.bottleneck(plans, groups), verdict(now))


def _numbers(values: tuple[int, ...]) -> list[tuple[str, int]]:
    return [(str(value), value) for value in values]


def _bars(values, says) -> tuple[costs.Bar, costs.Bar]:
    """One bar for the direct way, one of two parts for the bottleneck."""
    if None in values:
        return costs.Bar((None,), "…"), costs.Bar((None, None), "…")
    whole, squeeze, rest = values
    words = f"{says(squeeze)} + {says(rest)} = {says(squeeze + rest)}"
    return costs.Bar((whole,), says(whole)), costs.Bar((squeeze, rest), words)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def verdict(now: Comparison) -> str:
    """Who wins, by how much, and by whose count (HTML)."""
    one, two = bottleneck.macs(now.one), bottleneck.macs(now.two)
    limit = bottleneck.break_even(now.one[0].in_channels, now.one[0].out_channels, now.one[0].kernel)
    if two < one:
        told = f"<b>{one / two:.1f} times fewer</b> multiply-adds"
    else:
        told = f"<b>No gain</b>: {two / one:.1f} times as many multiply-adds; it pays below r = {limit:.0f}"
    if now.clock is None or now.clock.direct is None or now.clock.bottleneck is None:
        return f"{told}; the clock is running …"
    gain = now.clock.direct / now.clock.bottleneck
    return (
        f"{told}; the clock says {gain:.1f} times faster."
        if gain >= 1
        else f"{told}; the clock says {1 / gain:.1f} times slower."
    )
