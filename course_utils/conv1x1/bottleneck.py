"""What a bottleneck saves: the multiply-adds of a convolution with and without a 1×1 before it, and the clock's answer.

Serves notebook 03. Paper: Szegedy et al. 2015, "Going Deeper with Convolutions", section 4 and table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from course_utils import runtime
from course_utils.arguments import check_whole
from course_utils.costs import roofline


@dataclass(frozen=True)
class Conv:
    """One convolution that keeps height and width, as work: numbers in, numbers out, multiply-adds between.

    >>> work = Conv(192, 32, kernel=5, size=28)
    >>> work.macs, round(work.intensity)
    (120422400, 91)
    """

    in_channels: int  # channels before …
    out_channels: int  # … and after
    kernel: int  # edge of its window, odd
    size: int  # height and width of the maps
    batch: int = 1  # pictures at once
    groups: int = 1  # as many as channels make it depthwise, each channel by itself

    def __post_init__(self):
        for name, value in asdict(self).items():
            check_whole(name, value)
        if self.kernel % 2 == 0:
            raise ValueError(f"a window with a middle has an odd edge, 1, 3, 5 …; got kernel = {self.kernel}.")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            pair = f"{self.in_channels} and {self.out_channels} channels"
            raise ValueError(f"groups must divide the channels; {self.groups} does not divide {pair}.")

    @property
    def parameters(self) -> int:
        """Weights; a bias is left out here."""
        return self.kernel**2 * self.in_channels // self.groups * self.out_channels

    @property
    def macs(self) -> int:
        """Multiply-adds: every weight is used once at every place of every picture."""
        return self.parameters * self.size**2 * self.batch

    @property
    def nbytes(self) -> int:
        """Bytes that must come or go at the least: maps in, weights, maps out, in float32, each once."""
        maps = (self.in_channels + self.out_channels) * self.size**2 * self.batch
        return 4 * (maps + self.parameters)

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: multiply-adds for each of these bytes."""
        return self.macs / self.nbytes

    def prepare(self, where: torch.device, *, channels_last: bool = False) -> Callable[[], Tensor]:
        """The convolution on random numbers, ready to be called (and timed).

        Args:
            channels_last: in memory the channels of a pixel lie side by side, not the pixels of a channel.

        >>> Conv(4, 4, kernel=3, size=8, groups=4).prepare(torch.device("cpu"), channels_last=True)().shape
        torch.Size([1, 4, 8, 8])
        """
        draw = runtime.generator(0)
        maps = torch.rand(self.batch, self.in_channels, self.size, self.size, generator=draw).to(where)
        maps = maps.contiguous(memory_format=torch.channels_last) if channels_last else maps
        shape = self.out_channels, self.in_channels // self.groups, self.kernel, self.kernel
        weight = torch.rand(shape, generator=draw).to(where)
        return partial(torch.no_grad()(conv2d), maps, weight, padding=self.kernel // 2, groups=self.groups)


def with_reduction(direct: Conv, reduced: int) -> tuple[Conv, Conv]:
    """The bottleneck in the place of a direct k×k convolution: 1×1 to r = `reduced` channels, then k×k from those.

    >>> direct = Conv(192, 32, kernel=5, size=28)
    >>> round(direct.macs / sum(conv.macs for conv in with_reduction(direct, reduced=16)), 1)
    9.7
    """
    reduced = check_whole("reduced", reduced)
    return replace(direct, out_channels=reduced, kernel=1), replace(direct, in_channels=reduced)


def break_even(in_channels: int, out_channels: int, kernel: int) -> float:
    """Up to how many channels r between the two the bottleneck costs fewer multiply-adds than the direct convolution.

    From C·r + k²·r·C' < k²·C·C': r < k²·C·C' / (C + k²·C').

    >>> round(break_even(192, 32, kernel=5))
    155
    """
    return Conv(in_channels, out_channels, kernel, size=1).macs / (in_channels + kernel**2 * out_channels)


def time_by_turns(convolutions: Sequence[Conv], *, rounds: int) -> Iterator[tuple[float | None, ...]]:
    """Time convolutions by turns, so that what else the machine does meets all of them; the best time of each counts.

    Each is called `rounds` times, at least 1, after one call that nobody counts.

    Yields:
        the seconds of each so far, after every call; None for what has no time yet.
    """
    rounds, where = check_whole("rounds", rounds), runtime.device()
    runners = [conv.prepare(where) for conv in convolutions]
    best: list[float | None] = [None] * len(runners)
    for turn in range(rounds + 1):
        for k, run in enumerate(runners):
            taken = roofline.time_once(run, where)
            if turn:
                best[k] = taken if best[k] is None else min(best[k], taken)
            yield tuple(best)
