"""The labs of 1×1 convolution: mix channels by hand; a bottleneck against the direct way, counted and timed.

Serves notebook 3. They wire `conv1x1` and `bottleneck` to their figures; both do their work without them.
Papers: Lin et al. 2014 (arXiv:1312.4400), Szegedy et al. 2015 (arXiv:1409.4842).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from course_utils import images, zoo
from course_utils.conv1x1 import bottleneck
from course_utils.conv1x1 import figures as drawings
from course_utils.conv1x1.conv1x1 import conv1x1, share_on_object
from course_utils.conv1x1.figures import costs
from course_utils.conv1x1.figures.channels import two_digits
from course_utils.conv1x1.squeeze import maps_at
from course_utils.costs import accounting
from course_utils.costs.roofline import Roofline
from course_utils.labs import base
from course_utils.labs.own import OwnPicture
from course_utils.labs.seeing import SeeingLab, pictures_to_choose, scene

# ---- channels mixed by hand ------------------------------------------------------------------------------------
STOP = "STOP"
SCENES = {
    STOP: ("stop", 8),
    "STOP before a bright sky": ("stop", 5),
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
WEIGHTS = [(two_digits(step / 20), step / 20) for step in range(-40, 41)]  # −2 … 2


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
    """Mix channels with sliders: which picture, its colours or maps of a trained layer, weights, bias, ReLU.

    >>> MixLab().set(w1=-0.5, w2=-0.5)
    [A lab: Channels with their weights, and the new channel that they are mixed to.]
    """

    scenes = SCENES

    def __init__(self):
        controls = {
            "picture": base.menu("picture", pictures_to_choose(SCENES), STOP, "what is looked at"),
            "upload": OwnPicture(),
            "channels": base.menu("channels", [COLOURS, LAYER], COLOURS, "what is mixed"),
        }
        tip = "how much of this channel, or of its negative"
        controls |= {f"w{k}": base.pixel_slider(f"w{k}", WEIGHTS, float(k == 0), tip) for k in range(len(CHOSEN))}
        controls["bias"] = base.pixel_slider("bias", WEIGHTS, 0.0, "added at every pixel")
        controls["relu"] = base.switch("ReLU", False, "what is below 0 becomes 0")
        super().__init__(controls, alt="Channels with their weights, and the new channel that they are mixed to.")

    def steps(self, picture, upload, channels, bias, relu, **weights) -> Iterator[Mix]:
        """Mix the chosen channels: one row of a 1×1 convolution."""
        source = self._source(picture, upload, channels)
        used = tuple(weights[f"w{k}"] for k in range(len(source.names)))
        self._name_sliders(source.names)
        row = torch.tensor([used], dtype=torch.float32)
        new = conv1x1(source.channels, row, torch.tensor([bias]))[0, 0]
        yield Mix(source, used, bias, relu, new.relu() if relu else new)

    def draw(self, mix: Mix) -> base.Frame:
        """The channels, their weights, the mixture; and how well it finds the sign."""
        source, looks = mix.source, {"picture": images.to_pixels(mix.source.picture)[0], "formula": formula(mix)}
        channels = list(source.channels[0].numpy())
        pixels = drawings.mixture(channels, source.names, mix.weights, mix.new.numpy(), **looks)
        return base.Frame(pixels, headline(mix))

    def _source(self, picture: str, upload: Any, channels: str) -> Source:
        shown, mask = self.picture(picture, upload, SIDE, "cpu"), None
        if picture in self.scenes:
            mask = scene(*self.scenes[picture], SIDE).masks
        mixed, names = shown, ("red", "green", "blue")
        if channels == LAYER:
            small = adaptive_avg_pool2d(shown, _network().input_size)  # [1, 3, 64, 64], what the network is used to
            mixed = maps_at(_network(), NAME, small)[:, list(CHOSEN)]  # [1, 6, 32, 32]
            names = tuple(f"map {k}" for k in CHOSEN)
        if mask is not None:
            mask = adaptive_avg_pool2d(mask, mixed.shape[2:])[0, 0]
        return Source(shown, mixed, names, mask)

    def _name_sliders(self, names: tuple[str, ...]) -> None:
        """Each slider is called like its channel; those without one are not shown."""
        for k, name in zip_longest(range(len(CHOSEN)), names):
            slider = self.controls[f"w{k}"]
            slider.layout.display = "none" if name is None else None
            slider.description = slider.description if name is None else f"× {name}"


def formula(mix: Mix) -> str:
    """The mixture in one line: "1.00·red − 0.50·green"; what is 0 is left out."""
    words = [*(f"·{name}" for name in mix.source.names), ""]
    parts = zip((*mix.weights, mix.bias), words, strict=True)
    line = " ".join(f"{'−' if part < 0 else '+'} {abs(part):.2f}{word}" for part, word in parts if part != 0)
    line = line.removeprefix("+ ") or "0"
    return f"max(0, {line})" if mix.relu else line


def headline(mix: Mix) -> str:
    """How well the new channel finds the sign (HTML)."""
    low, high = (two_digits(float(value)) for value in mix.new.aminmax())
    if mix.new.amax() == mix.new.amin():
        return f"The new channel is {low} everywhere: it tells nothing."
    if mix.source.mask is None:
        return f"The new channel runs from {low} to {high}."
    hit, chance = share_on_object(mix.new, mix.source.mask), float((mix.source.mask > 0.5).float().mean())
    return f"Of its brightest places <b>{hit:.0%}</b> lie on the sign; at random it would be {chance:.0%}."


# ---- a bottleneck ------------------------------------------------------------------------------------------------
CHANNELS = (16, 32, 48, 64, 96, 128, 160, 192, 224, 256)
REDUCED = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256)
ROUNDS = 12  # how often each way is timed, at most
BUSY = 0.4  # seconds that the clock may take for one position of the sliders


@dataclass(frozen=True)
class Comparison:
    """The direct convolution and the bottleneck's two: as work, on what machine, and the clock's best times so far."""

    works: tuple[bottleneck.Conv, bottleneck.Conv, bottleneck.Conv]
    machine: Roofline
    seconds: tuple[float | None, float | None, float | None] = (None, None, None)

    def ideal_seconds(self) -> list[float]:
        """What the machine needs for each at the least."""
        return [self.machine.seconds(conv.macs, conv.nbytes) for conv in self.works]


class BottleneckLab(base.Lab):
    """The direct convolution against the bottleneck: channels in, between and out, kernel, size, batch.

    It begins with GoogLeNet's module 3a, the 5×5 branch, and predicts by the two limits of a machine.

    >>> BottleneckLab(Roofline(flops_per_second=8e10, bytes_per_second=1e10))
    [A lab: A direct convolution and a bottleneck: multiply-adds and milliseconds of both.]
    """

    def __init__(self, machine: Roofline):
        self._machine = machine
        channels, reduced = ([(str(number), number) for number in numbers] for numbers in (CHANNELS, REDUCED))
        controls = {
            "in_channels": base.pixel_slider("in C", channels, 192, "channels that come in"),
            "reduced": base.pixel_slider("between r", reduced, 16, "channels that the 1×1 squeezes them to"),
            "out_channels": base.pixel_slider("out C′", channels, 32, "channels that go out"),
            "kernel": base.menu("kernel k", [("3×3", 3), ("5×5", 5)], 5, "the window of the large convolution"),
            "size": base.menu("size H", [(f"{n}×{n}", n) for n in (7, 14, 28)], 28, "height and width of the maps"),
            "batch": base.menu("pictures", [1, 4], 1, "how many at once"),
        }
        super().__init__(controls, alt="A direct convolution and a bottleneck: multiply-adds and milliseconds of both.")

    def steps(self, in_channels, reduced, out_channels, kernel, size, batch) -> Iterator[Comparison]:
        """Count first, at once; then time, a call at a time."""
        direct = bottleneck.Conv(in_channels, out_channels, kernel, size, batch)
        now = Comparison((direct, *bottleneck.with_reduction(direct, reduced)), self._machine)
        yield now
        rounds = max(2, min(ROUNDS, round(BUSY / sum(now.ideal_seconds()))))
        for seconds in bottleneck.time_by_turns(now.works, rounds=rounds):
            yield replace(now, seconds=seconds)

    def draw(self, now: Comparison) -> base.Frame:
        """The two ways as plans and as bars, and who wins by how much."""
        direct, reduction, _ = now.works
        channels = direct.in_channels, reduction.out_channels, direct.out_channels
        before, between, after = (f"{number} channels" for number in channels)
        large = f"{direct.kernel}×{direct.kernel}"
        plans = [before, large, after], [before, "1×1", between, large, after]
        groups = {
            "multiply-adds": _bars([conv.macs for conv in now.works], accounting.count),
            "milliseconds, predicted from two limits of this machine": _bars(now.ideal_seconds(), _milliseconds),
            "milliseconds, by the clock": _bars(now.seconds, _milliseconds),
        }
        return base.Frame(costs.bottleneck(plans, groups), verdict(now))


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
    direct, reduction, rest = now.works
    one, two = direct.macs, reduction.macs + rest.macs
    limit = bottleneck.break_even(direct.in_channels, direct.out_channels, direct.kernel)
    if two < one:
        told = f"<b>{one / two:.1f} times fewer</b> multiply-adds"
    else:
        told = f"<b>No gain</b>: {two / one:.1f} times as many multiply-adds; it pays below r = {limit:.0f}"
    if None in now.seconds:
        return f"{told}; the clock is running …"
    gain = now.seconds[0] / sum(now.seconds[1:])
    return f"{told}; the clock says {max(gain, 1 / gain):.1f} times {'faster' if gain >= 1 else 'slower'}."
